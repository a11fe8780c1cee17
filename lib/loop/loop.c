#include "lib/loop/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

/* Something to run on the loop's thread. A call's lives on the caller's stack, a post's on the
 * heap. */
struct posted {
    struct posted *next;
    hor_loop_fn *fn;
    void *ctx;
    enum { POST, CALL_WAITING, CALL_RAN, CALL_REFUSED } state;
    pthread_cond_t changed; /* calls only */
};

struct on_signal {
    struct on_signal *next;
    struct event *event;
    hor_signal_fn *fn;
    void *ctx;
};

struct hor_loop {
    struct event_base *base;
    struct event *wake_event, *own_event; /* posted by other threads, by the loop's own */
    int wake_fd;
    bool running_posted;
    struct on_signal *signals;
    atomic_bool stop;

    pthread_mutex_t lock; /* of what follows */
    struct posted *first, **last;
    pthread_t thread;
    bool ended; /* hor_loop_run has returned, nobody runs calls */
};

static void wake(struct hor_loop *loop)
{
    uint64_t one = 1;
    ssize_t written;
    do
        written = write(loop->wake_fd, &one, sizeof one);
    while (written < 0 && errno == EINTR); /* EAGAIN: it is awake already */
}

static void append(struct hor_loop *loop, struct posted *one)
{
    one->next = NULL;
    *loop->last = one;
    loop->last = &one->next;
}

static struct posted *take_all(struct hor_loop *loop)
{
    struct posted *all = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    return all;
}

/* Runs what was posted until now; what these post themselves comes in the next round, so that
 * descriptors and timers get their turn. */
static void run_posted(evutil_socket_t fd, short what, void *ctx)
{
    struct hor_loop *loop = ctx;
    uint64_t count;
    (void)what;
    if (fd >= 0 && read(fd, &count, sizeof count) < 0 && errno != EAGAIN && errno != EINTR)
        return;
    pthread_mutex_lock(&loop->lock);
    struct posted *one = take_all(loop);
    pthread_mutex_unlock(&loop->lock);
    loop->running_posted = true;
    while (one != NULL) {
        struct posted *next = one->next; /* a call's memory is gone once it is answered */
        one->fn(one->ctx);
        if (one->state == POST) {
            free(one);
        } else {
            pthread_mutex_lock(&loop->lock);
            one->state = CALL_RAN;
            pthread_cond_signal(&one->changed);
            pthread_mutex_unlock(&loop->lock);
        }
        one = next;
    }
    loop->running_posted = false;
    if (atomic_load(&loop->stop))
        event_base_loopbreak(loop->base);
}

struct hor_loop *hor_loop_new(void)
{
    struct hor_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return NULL;
    signal(SIGPIPE, SIG_IGN);
    loop->last = &loop->first;
    loop->thread = pthread_self();
    pthread_mutex_init(&loop->lock, NULL);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct event_config *config = event_config_new();
    if (config != NULL) {
        /* The coarse clock that is the default steps by milliseconds: orders would start late. */
        event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
        loop->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (loop->base != NULL && loop->wake_fd >= 0) {
        loop->wake_event =
            event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, run_posted, loop);
        loop->own_event = event_new(loop->base, -1, 0, run_posted, loop);
    }
    if (loop->wake_event == NULL || loop->own_event == NULL || event_add(loop->wake_event, NULL) != 0) {
        hor_loop_free(loop);
        return NULL;
    }
    return loop;
}

/* Tells every waiting caller that nobody will run its call; posts stay. */
static void refuse_calls(struct hor_loop *loop)
{
    struct posted *one = take_all(loop);
    while (one != NULL) {
        struct posted *next = one->next;
        if (one->state == POST) {
            append(loop, one);
        } else {
            one->state = CALL_REFUSED;
            pthread_cond_signal(&one->changed);
        }
        one = next;
    }
}

void hor_loop_free(struct hor_loop *loop)
{
    if (loop == NULL)
        return;
    pthread_mutex_lock(&loop->lock);
    loop->ended = true;
    refuse_calls(loop);
    struct posted *one = take_all(loop);
    pthread_mutex_unlock(&loop->lock);
    while (one != NULL) {
        struct posted *next = one->next;
        free(one);
        one = next;
    }
    while (loop->signals != NULL) {
        struct on_signal *next = loop->signals->next;
        event_free(loop->signals->event);
        free(loop->signals);
        loop->signals = next;
    }
    if (loop->wake_event != NULL)
        event_free(loop->wake_event);
    if (loop->own_event != NULL)
        event_free(loop->own_event);
    if (loop->base != NULL)
        event_base_free(loop->base);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

int hor_loop_run(struct hor_loop *loop, struct hor_error *err)
{
    pthread_mutex_lock(&loop->lock);
    loop->thread = pthread_self();
    loop->ended = false;
    pthread_mutex_unlock(&loop->lock);
    int result = 0;
    while (!atomic_load(&loop->stop) && result >= 0)
        result = event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    pthread_mutex_lock(&loop->lock);
    loop->ended = true;
    refuse_calls(loop);
    pthread_mutex_unlock(&loop->lock);
    atomic_store(&loop->stop, false);
    return result < 0 ? hor_error_set(err, HOR_ERR_IO, "event loop: the system refused to wait")
                      : HOR_OK;
}

void hor_loop_stop(struct hor_loop *loop)
{
    atomic_store(&loop->stop, true);
    wake(loop);
}

struct event_base *hor_loop_base(struct hor_loop *loop) { return loop->base; }

int hor_loop_post(struct hor_loop *loop, hor_loop_fn *fn, void *ctx)
{
    struct posted *one = calloc(1, sizeof *one);
    if (one == NULL)
        return HOR_ERR_MEMORY;
    one->fn = fn;
    one->ctx = ctx;
    pthread_mutex_lock(&loop->lock);
    bool first = loop->first == NULL; /* else it was woken for the earlier one */
    bool own = pthread_equal(loop->thread, pthread_self()) && !loop->running_posted;
    append(loop, one);
    pthread_mutex_unlock(&loop->lock);
    /* From a descriptor's or timer's callback it runs behind the others of this round, without going
     * through the kernel; what posted ones post comes in the next round. */
    if (first && own)
        event_active(loop->own_event, EV_READ, 1);
    else if (first)
        wake(loop);
    return HOR_OK;
}

int hor_loop_call(struct hor_loop *loop, hor_loop_fn *fn, void *ctx)
{
    struct posted one = {.fn = fn, .ctx = ctx, .state = CALL_WAITING};
    pthread_mutex_lock(&loop->lock);
    if (pthread_equal(loop->thread, pthread_self())) {
        pthread_mutex_unlock(&loop->lock);
        fn(ctx);
        return HOR_OK;
    }
    if (loop->ended) {
        pthread_mutex_unlock(&loop->lock);
        return HOR_ERR_STATE;
    }
    pthread_cond_init(&one.changed, NULL);
    bool first = loop->first == NULL;
    append(loop, &one);
    if (first)
        wake(loop);
    while (one.state == CALL_WAITING)
        pthread_cond_wait(&one.changed, &loop->lock);
    pthread_mutex_unlock(&loop->lock);
    pthread_cond_destroy(&one.changed);
    return one.state == CALL_RAN ? HOR_OK : HOR_ERR_STATE;
}

static void signal_came(evutil_socket_t number, short what, void *ctx)
{
    struct on_signal *on = ctx;
    (void)what;
    on->fn((int)number, on->ctx);
}

int hor_loop_on_signal(struct hor_loop *loop, int number, hor_signal_fn *fn, void *ctx)
{
    struct on_signal *on = calloc(1, sizeof *on);
    if (on == NULL)
        return HOR_ERR_MEMORY;
    on->fn = fn;
    on->ctx = ctx;
    on->event = evsignal_new(loop->base, number, signal_came, on);
    if (on->event == NULL || event_add(on->event, NULL) != 0) {
        if (on->event != NULL)
            event_free(on->event);
        free(on);
        return HOR_ERR_MEMORY;
    }
    on->next = loop->signals;
    loop->signals = on;
    return HOR_OK;
}

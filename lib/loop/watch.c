/* Timers and watched descriptors of a loop. */
#include <stdlib.h>

#include <event2/event.h>

#include "lib/loop/loop.h"

struct hor_timer {
    struct event_base *base;
    struct event *event;
    hor_loop_fn *fn;
    void *ctx;
};

struct hor_watch {
    struct event_base *base;
    struct event *event;
    int fd;
    hor_watch_fn *fn;
    void *ctx;
};

static void timer_came(evutil_socket_t fd, short what, void *ctx)
{
    struct hor_timer *timer = ctx;
    (void)fd;
    (void)what;
    timer->fn(timer->ctx); /* may free the timer */
}

struct hor_timer *hor_timer_new(struct hor_loop *loop, hor_loop_fn *fn, void *ctx)
{
    struct hor_timer *timer = calloc(1, sizeof *timer);
    if (timer == NULL)
        return NULL;
    timer->base = hor_loop_base(loop);
    timer->fn = fn;
    timer->ctx = ctx;
    timer->event = evtimer_new(timer->base, timer_came, timer);
    if (timer->event == NULL) {
        free(timer);
        return NULL;
    }
    return timer;
}

void hor_timer_start(struct hor_timer *timer, int64_t in_ms)
{
    if (in_ms < 0)
        in_ms = 0;
    struct timeval in = {.tv_sec = (time_t)(in_ms / 1000),
                         .tv_usec = (suseconds_t)(in_ms % 1000 * 1000)};
    /* Without this the time counts from the start of this round, and the timer comes early. */
    event_base_update_cache_time(timer->base);
    evtimer_add(timer->event, &in);
}

void hor_timer_stop(struct hor_timer *timer) { evtimer_del(timer->event); }

bool hor_timer_pending(const struct hor_timer *timer)
{
    return evtimer_pending(timer->event, NULL) != 0;
}

void hor_timer_free(struct hor_timer *timer)
{
    if (timer == NULL)
        return;
    event_free(timer->event);
    free(timer);
}

static void watch_came(evutil_socket_t fd, short what, void *ctx)
{
    struct hor_watch *watch = ctx;
    watch->fn((int)fd, (what & EV_READ) != 0, (what & EV_WRITE) != 0, watch->ctx); /* may free it */
}

static short flags(bool read, bool write)
{
    return (short)(EV_PERSIST | (read ? EV_READ : 0) | (write ? EV_WRITE : 0));
}

struct hor_watch *hor_watch_new(struct hor_loop *loop, int fd, bool read, bool write,
                                hor_watch_fn *fn, void *ctx)
{
    struct hor_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return NULL;
    watch->base = hor_loop_base(loop);
    watch->fd = fd;
    watch->fn = fn;
    watch->ctx = ctx;
    watch->event = event_new(watch->base, fd, flags(read, write), watch_came, watch);
    if (watch->event == NULL || ((read || write) && event_add(watch->event, NULL) != 0)) {
        if (watch->event != NULL)
            event_free(watch->event);
        free(watch);
        return NULL;
    }
    return watch;
}

void hor_watch_change(struct hor_watch *watch, bool read, bool write)
{
    short wanted = flags(read, write);
    if (event_get_events(watch->event) == wanted)
        return;
    event_del(watch->event);
    event_assign(watch->event, watch->base, watch->fd, wanted, watch_came, watch);
    if (read || write)
        event_add(watch->event, NULL);
}

void hor_watch_free(struct hor_watch *watch)
{
    if (watch == NULL)
        return;
    event_free(watch->event);
    free(watch);
}

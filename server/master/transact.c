#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "server/master/master.h"

struct asking {
    struct hor_master *master;
    hor_master_ask_fn *fn;
    void *arg;
    struct hor_error *err;
    int rc;
};

static void ask_on_loop(void *ctx)
{
    struct asking *asking = ctx;
    asking->rc = asking->fn(asking->master, asking->arg, asking->err);
}

int hor_master_ask(struct hor_master *master, hor_master_ask_fn *fn, void *arg,
                   struct hor_error *err)
{
    struct asking asking = {.master = master, .fn = fn, .arg = arg, .err = err};
    if (hor_loop_call(master->loop, ask_on_loop, &asking) != HOR_OK)
        return hor_error_set(err, HOR_ERR_STATE, "the Master is ending");
    return asking.rc;
}

void hor_master_collect(struct hor_event *take_event, void *ctx)
{
    struct hor_master_events *events = ctx;
    if (take_event != NULL && events->count == events->room) {
        size_t room = events->room == 0 ? 16 : events->room * 2;
        struct hor_event **items = realloc(events->items, room * sizeof *items);
        if (items != NULL) {
            events->items = items;
            events->room = room;
        }
    }
    if (take_event == NULL || events->count == events->room) {
        hor_event_free(take_event);
        events->failed = true;
        return;
    }
    events->items[events->count++] = take_event;
}

void hor_master_events_done(struct hor_master_events *events)
{
    for (size_t i = 0; i < events->count; i++)
        hor_event_free(events->items[i]);
    free(events->items);
    *events = (struct hor_master_events){0};
}

/* Shared by the thread that waits and the loop: the last of the two frees it. */
struct wait {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool done;
    int code, references;
};

static struct wait *wait_new(void)
{
    struct wait *wait = calloc(1, sizeof *wait);
    pthread_condattr_t attributes;
    if (wait == NULL)
        return NULL;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&wait->lock, NULL);
    pthread_cond_init(&wait->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    wait->references = 1;
    return wait;
}

static void wait_unref(struct wait *wait)
{
    pthread_mutex_lock(&wait->lock);
    bool last = --wait->references == 0;
    pthread_mutex_unlock(&wait->lock);
    if (!last)
        return;
    pthread_cond_destroy(&wait->wake);
    pthread_mutex_destroy(&wait->lock);
    free(wait);
}

static void committed(int code, uint64_t index, void *ctx)
{
    struct wait *wait = ctx;
    (void)index;
    pthread_mutex_lock(&wait->lock);
    wait->done = true;
    wait->code = code;
    pthread_cond_signal(&wait->wake);
    pthread_mutex_unlock(&wait->lock);
    wait_unref(wait);
}

static int wait_for(struct wait *wait, struct hor_error *err)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += HOR_MASTER_COMMIT_MS / 1000;
    pthread_mutex_lock(&wait->lock);
    while (!wait->done && pthread_cond_timedwait(&wait->wake, &wait->lock, &until) != ETIMEDOUT)
        ;
    int rc = !wait->done          ? HOR_ERR_TIMEOUT
             : wait->code != HOR_OK ? wait->code
                                    : HOR_OK;
    pthread_mutex_unlock(&wait->lock);
    if (rc == HOR_ERR_TIMEOUT)
        hor_error_set(err, rc, "no majority of the Master cluster confirmed it in time");
    else if (rc != HOR_OK)
        hor_error_set(err, rc, "leadership was lost before it was confirmed");
    return rc;
}

struct change {
    hor_master_change_fn *fn;
    void *arg;
    struct wait *wait;
    bool submitted;
};

static int change_on_loop(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct change *change = arg;
    struct hor_master_events events = {0};
    if (!atomic_load(&master->leader))
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "this Master is not the active one");
    int rc = change->fn(master, &events, change->arg, err);
    if (rc >= 0 && events.failed)
        rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (rc >= 0 && events.count > 0) {
        change->wait->references++;
        rc = hor_cluster_submit(master->cluster, events.items, events.count, committed,
                                change->wait, err);
        if (rc != HOR_OK) {
            change->wait->references--;
            hor_master_core_dropped(master->core, events.items, events.count, false);
        } else {
            events.count = 0; /* they belong to the journal now */
            change->submitted = true;
        }
    }
    hor_master_events_done(&events);
    return rc;
}

int hor_master_transact(struct hor_master *master, hor_master_change_fn *fn, void *arg,
                        struct hor_error *err)
{
    struct change change = {.fn = fn, .arg = arg, .wait = wait_new()};
    if (change.wait == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    int rc = hor_master_ask(master, change_on_loop, &change, err);
    if (change.submitted)
        rc = wait_for(change.wait, err);
    wait_unref(change.wait);
    return rc;
}

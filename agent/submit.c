/* Events on their way into the journal: a queue that feeds the cluster as fast as it takes them. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "agent/agent.h"

enum { CHUNK = 128, WAIT_S = 30 };

static void submission_free(struct hor_agent_submission *s)
{
    for (size_t i = s->sent; i < s->count; i++)
        hor_event_free(s->events[i]);
    free(s->events);
    free(s);
}

static void finish(struct hor_agent_submission *s, int code, uint64_t index)
{
    if (code < 0 && s->reports && s->agent->leader && !s->agent->stopping) {
        hor_core_lead(s->agent->core); /* what followed from them does not */
        hor_timer_start(s->agent->decide_timer, HOR_AGENT_RETRY_MS);
    }
    if (s->done != NULL)
        s->done(code, index, s->ctx);
    submission_free(s);
}

static void submit(struct hor_agent *agent, struct hor_event **take_events, size_t count,
                   bool reports, hor_agent_done_fn *done, void *ctx)
{
    struct hor_agent_submission *s = calloc(1, sizeof *s);
    if (s == NULL || count == 0 || !agent->leader || agent->stopping) {
        for (size_t i = 0; i < count; i++)
            hor_event_free(take_events[i]);
        free(take_events);
        if (done != NULL)
            done(s == NULL ? HOR_ERR_MEMORY : count == 0 ? HOR_OK : HOR_ERR_NOT_ACTIVE, 0, ctx);
        free(s);
        return;
    }
    *s = (struct hor_agent_submission){
        .events = take_events, .count = count, .done = done, .ctx = ctx, .agent = agent,
        .reports = reports};
    for (size_t i = 0; reports && i < count; i++)
        hor_core_foresee(agent->core, take_events[i]);
    *agent->queue_end = s;
    agent->queue_end = &s->next;
    hor_agent_pump(agent);
}

void hor_agent_submit(struct hor_agent *agent, struct hor_event **take_events, size_t count,
                      hor_agent_done_fn *done, void *ctx)
{
    submit(agent, take_events, count, false, done, ctx);
}

void hor_agent_submit_reports(struct hor_agent *agent, struct hor_event **take_events, size_t count,
                              hor_agent_done_fn *done, void *ctx)
{
    submit(agent, take_events, count, true, done, ctx);
    hor_agent_decide(agent); /* behind them, into the same write */
}

static void committed(int code, uint64_t index, void *ctx)
{
    finish(ctx, code, index);
}

static struct hor_agent_submission *unlink_first(struct hor_agent *agent)
{
    struct hor_agent_submission *s = agent->queue;
    agent->queue = s->next;
    if (agent->queue == NULL)
        agent->queue_end = &agent->queue;
    return s;
}

void hor_agent_pump(struct hor_agent *agent)
{
    while (agent->queue != NULL && agent->cluster != NULL) {
        struct hor_agent_submission *s = agent->queue;
        struct hor_error err = {0};
        size_t n = s->count - s->sent < CHUNK ? s->count - s->sent : CHUNK;
        bool last = s->sent + n == s->count;
        /* The last piece's end is the end of all: entries are committed in order. */
        if (last)
            unlink_first(agent);
        size_t before = s->sent;
        s->sent += n; /* first: `committed` may come before submit returns */
        int rc = hor_cluster_submit(agent->cluster, s->events + before, n, last ? committed : NULL,
                                    last ? s : NULL, &err);
        if (rc == HOR_OK)
            continue;
        s->sent = before;
        if (rc == HOR_ERR_BUSY) { /* applying makes room and pumps again */
            if (last) {
                s->next = agent->queue;
                agent->queue = s;
                if (s->next == NULL)
                    agent->queue_end = &s->next;
            }
            hor_timer_start(agent->retry_timer, HOR_AGENT_RETRY_MS);
            return;
        }
        if (!last)
            unlink_first(agent);
        finish(s, rc, 0);
    }
}

void hor_agent_drop_queue(struct hor_agent *agent)
{
    while (agent->queue != NULL)
        finish(unlink_first(agent), HOR_ERR_NOT_ACTIVE, 0);
}

/* ---- a worker waits ---- */

/* One lock for all waits: they are few and short, and ending wakes them all. */
static pthread_mutex_t wait_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wait_changed = PTHREAD_COND_INITIALIZER;
static bool wait_stopped;

/* Shared by the worker and the loop: whoever lets go last frees it. */
struct hor_agent_wait {
    bool finished, abandoned;
    int code;
    uint64_t index;
};

struct hor_agent_wait *hor_agent_wait_new(void) { return calloc(1, sizeof(struct hor_agent_wait)); }

void hor_agent_wait_done(int code, uint64_t index, void *ctx)
{
    struct hor_agent_wait *wait = ctx;
    pthread_mutex_lock(&wait_lock);
    bool abandoned = wait->abandoned;
    wait->finished = true;
    wait->code = code;
    wait->index = index;
    pthread_cond_broadcast(&wait_changed);
    pthread_mutex_unlock(&wait_lock);
    if (abandoned)
        free(wait);
}

void hor_agent_wait_stop(void)
{
    pthread_mutex_lock(&wait_lock);
    wait_stopped = true;
    pthread_cond_broadcast(&wait_changed);
    pthread_mutex_unlock(&wait_lock);
}

int hor_agent_wait(struct hor_agent_wait *wait, uint64_t *ret_index, struct hor_error *err)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&wait_lock);
    while (!wait->finished && !wait_stopped)
        if (pthread_cond_timedwait(&wait_changed, &wait_lock, &until) == ETIMEDOUT)
            break;
    bool finished = wait->finished, stopped = wait_stopped;
    int code = wait->code;
    if (finished && ret_index != NULL)
        *ret_index = wait->index;
    wait->abandoned = !finished;
    pthread_mutex_unlock(&wait_lock);
    if (!finished && stopped)
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "the agent is ending");
    if (!finished)
        return hor_error_set(err, HOR_ERR_TIMEOUT,
                             "not committed within %d s: no majority of the cluster answers", WAIT_S);
    free(wait);
    if (code < 0)
        return hor_error_set(err, code, "the journal did not take it: %s", hor_error_words(code));
    return HOR_OK;
}

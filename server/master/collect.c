#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/gather.h"
#include "lib/base/log.h"
#include "lib/soap/events.h"
#include "server/master/coupling.h"

enum {
    LIMIT = 1000,
    WAIT_MS = 10000,
    ACKNOWLEDGE_WAIT_MS = 500, /* what is not acknowledged yet is, after that much silence */
    CALL_MS = 6000, /* longer than any wait: a member that hangs is left for another one */
    STATE_EVERY_MS = 2000,
    BUSY_MS = 50,
    GATHER_MS = 20, /* between two answers that were not full: fewer calls, batches and syncs */
    GATHER_LONGEST_MS = 200,
};

struct batch {
    struct hor_coupling *coupling;
    struct hor_event *const *events;
    size_t count, taken;
    uint64_t last; /* index there of the last one taken */
};

static int take_batch(struct hor_master *master, struct hor_master_events *into, void *arg,
                      struct hor_error *err)
{
    struct batch *batch = arg;
    const char *path = batch->coupling->path;
    batch->taken = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (!hor_master_core_takes(master->core, path, batch->events[i]))
            continue;
        struct hor_event *event = hor_event_copy(batch->events[i]);
        if (event == NULL || hor_event_set(&event->cluster, path) != HOR_OK ||
            hor_event_set(&event->master, master->settings->cluster) != HOR_OK) {
            hor_event_free(event);
            return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        }
        batch->last = event->index;
        event->cluster_index = (int64_t)event->index;
        event->index = 0;
        hor_master_collect(event, into);
        batch->taken++;
    }
    return HOR_OK;
}

/* Stored when it returns HOR_OK. */
static int store(struct hor_coupling *coupling, const struct hor_soap_told *told,
                 size_t *ret_taken, struct hor_error *err)
{
    struct batch batch = {.coupling = coupling, .events = told->events, .count = told->count};
    int rc = HOR_OK;
    if (told->unknown > 0) /* of a newer agent: their indexes are passed over */
        hor_log_warning("cluster=%s %zu events are not known here, the first: %s, ignoring",
                        coupling->path, told->unknown, told->why.text);
    while (rc == HOR_OK) {
        rc = hor_master_transact(coupling->master, take_batch, &batch, err);
        if (rc != HOR_ERR_BUSY || !hor_coupling_may_go_on(coupling))
            break;
        hor_coupling_pause(coupling, BUSY_MS);
        rc = HOR_OK;
    }
    *ret_taken = batch.taken;
    if (rc == HOR_OK && batch.taken > 0)
        coupling->stored = batch.last;
    return rc;
}

static int get_events(struct hor_coupling *coupling, int wait_ms, size_t *ret_taken,
                      struct hor_error *err)
{
    struct _agt__GetEvents request = {.master = (char *)coupling->master->settings->cluster,
                                      .runId = coupling->run_id,
                                      .after = coupling->position,
                                      .limit = LIMIT,
                                      .waitMs = &wait_ms};
    struct hor_soap_told told = {.count = 0};
    int rc = hor_soap_call_events(coupling->partner, &hor_soap_codec_agt_GetEvents, &request, &told,
                                  CALL_MS, err);
    if (rc != HOR_OK)
        return rc;
    hor_coupling_seen(coupling);
    if (strcmp(told.run_id, coupling->run_id) != 0)
        rc = hor_error_set(err, HOR_ERR_CONFLICT, "the cluster has begun a new journal");
    *ret_taken = 0;
    if (rc == HOR_OK && told.told > 0)
        rc = store(coupling, &told, ret_taken, err);
    if (rc == HOR_OK && told.position > coupling->position)
        coupling->position = told.position;
    hor_soap_told_done(&told);
    return rc;
}

/* Up to our cursor and no further: what the cluster removes beyond it would be a gap for a Master that
 * starts anew and asks after its cursor. */
static int acknowledge(struct hor_coupling *coupling, struct hor_error *err)
{
    ULONG64 fence = coupling->fence;
    struct _agt__AcknowledgeEvents request = {.master = (char *)coupling->master->settings->cluster,
                                              .runId = coupling->run_id,
                                              .upTo = coupling->stored,
                                             .fence = &fence};
    struct _agt__AcknowledgeEventsResponse *response = NULL;
    struct soap *soap = NULL;
    int rc = hor_soap_call_op(coupling->partner, agt, AcknowledgeEvents, &request, &soap, &response,
                              CALL_MS, err);
    hor_soap_done(soap);
    return rc;
}

/* What the cluster says of itself is kept for GetState, with its age. */
static void ask_state(struct hor_coupling *coupling)
{
    struct _agt__GetState request = {.master = (char *)coupling->master->settings->cluster};
    struct _agt__GetStateResponse *response = NULL;
    struct soap *soap = NULL, *old;
    if (hor_soap_call_op(coupling->partner, agt, GetState, &request, &soap, &response, CALL_MS,
                         NULL) != HOR_OK)
        return;
    pthread_mutex_lock(&coupling->lock);
    old = coupling->told_soap;
    coupling->told_soap = soap;
    coupling->told = response->cluster;
    pthread_mutex_unlock(&coupling->lock);
    hor_soap_done(old);
}

void *hor_coupling_collect(void *arg)
{
    struct hor_coupling *coupling = arg;
    struct hor_error err = {0};
    size_t taken = 0, unacknowledged = 0;
    int64_t asked_ms = 0, gather_ms = 0;
    int rc = HOR_OK;
    while (rc == HOR_OK && hor_coupling_may_go_on(coupling)) {
        int64_t now_ms = hor_clock_monotonic_ms();
        if (asked_ms == 0 || now_ms - asked_ms >= STATE_EVERY_MS) {
            ask_state(coupling);
            asked_ms = now_ms;
        }
        rc = get_events(coupling,
                        unacknowledged > 0 ? ACKNOWLEDGE_WAIT_MS
                                           : STATE_EVERY_MS < WAIT_MS ? STATE_EVERY_MS : WAIT_MS,
                        &taken, &err);
        unacknowledged += taken;
        gather_ms = hor_gather_next_ms(gather_ms, taken, GATHER_MS, GATHER_LONGEST_MS);
        if (rc == HOR_OK && taken > 0 && taken < LIMIT)
            hor_coupling_pause(coupling, gather_ms);
        if (rc == HOR_OK && unacknowledged > 0 && (taken == 0 || unacknowledged >= LIMIT)) {
            rc = acknowledge(coupling, &err);
            unacknowledged = 0;
        }
    }
    pthread_mutex_lock(&coupling->lock);
    if (rc != HOR_OK) {
        coupling->collecting_failed = true;
        coupling->collecting_error = err;
    }
    pthread_cond_broadcast(&coupling->wake);
    pthread_mutex_unlock(&coupling->lock);
    return NULL;
}

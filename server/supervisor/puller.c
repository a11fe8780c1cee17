/* The thread that brings a Master's events into the history: read after the cursor, store, then
 * acknowledge. What was stored and not acknowledged is read again and changes nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/gather.h"
#include "lib/base/log.h"
#include "lib/soap/codec.h"
#include "lib/soap/events.h"
#include "server/supervisor/masters_internal.h"

enum {
    PULL_LIMIT = 1000,
    PULL_WAIT_MS = 20000,
    PULL_TIMEOUT_MS = 40000,
    ACK_TIMEOUT_MS = 10000,
    ACK_AFTER_MS = 1000, /* of quiet: an acknowledgement is a journal entry of the Master's, too */
    GATHER_MS = 50,      /* between two answers that were not full: one transaction for all that
                            comes in that time, at the price of a page that is so much older */
    GATHER_LONGEST_MS = 250,
    RETRY_MIN_MS = 500,
    RETRY_MAX_MS = 10000
};

struct position {
    char run_id[64];
    uint64_t at;
    bool known;
    size_t unacknowledged; /* events stored since the last acknowledgement */
    int64_t gather_ms;     /* after an answer that was not full: wait so long for more; 0: do not */
};

static void acknowledge(struct master *master, const struct position *position)
{
    char run_id[64];
    snprintf(run_id, sizeof run_id, "%s", position->run_id);
    struct _mst__AcknowledgeEvents request = {.runId = run_id, .upTo = position->at};
    struct _mst__AcknowledgeEventsResponse *answer = NULL;
    struct soap *soap = NULL;
    struct hor_error err;
    if (hor_soap_call_op(master->partner, mst, AcknowledgeEvents, &request, &soap, &answer,
                         ACK_TIMEOUT_MS, &err) != HOR_OK)
        hor_log_debug("master=%s acknowledgement: %s; the next one counts", master->name, err.text);
    hor_soap_done(soap);
}

static int store(struct master *master, const struct hor_soap_told *told,
                 struct position *position, struct hor_error *err)
{
    uint64_t up_to = told->last > told->position ? told->last : told->position;
    struct hor_store_batch batch = {.master = master->name,
                                    .run_id = told->run_id,
                                    .events = told->events,
                                    .count = told->count,
                                    .read_up_to = up_to};
    if (told->unknown > 0) /* of a newer Master; the rest counts nevertheless */
        hor_log_warning("master=%s %zu events are not known here, the first: %s, ignoring",
                        master->name, told->unknown, told->why.text);
    int rc = hor_store_write(master->all->store, &batch, err);
    if (rc != HOR_OK)
        return rc;
    bool look = false; /* an order's events say nothing of the Master and its clusters */
    for (size_t i = 0; i < told->count; i++)
        look = look || told->events[i]->order == NULL;
    snprintf(position->run_id, sizeof position->run_id, "%s", told->run_id);
    position->at = up_to;
    pthread_mutex_lock(&master->lock);
    master->counts.events += told->count;
    master->counts.position = up_to;
    master->look = master->look || look;
    if (look)
        pthread_cond_broadcast(&master->wake);
    pthread_mutex_unlock(&master->lock);
    return HOR_OK;
}

/* One pull. HOR_ERR_STATE: the Master's journal began anew, read it from its beginning. */
static int pull(struct master *master, struct position *position, struct hor_error *err)
{
    int wait_ms = position->unacknowledged > 0 ? ACK_AFTER_MS : PULL_WAIT_MS;
    struct _mst__GetEvents request = {
        .after = position->at, .limit = PULL_LIMIT, .waitMs = &wait_ms};
    struct hor_soap_told told = {.count = 0};
    int64_t gathered_ms = position->gather_ms;
    position->gather_ms = 0;
    int rc = hor_soap_call_events(master->partner, &hor_soap_codec_mst_GetEvents, &request, &told,
                                  PULL_TIMEOUT_MS, err);
    if (rc != HOR_OK)
        return rc;
    if (position->run_id[0] != '\0' && strcmp(position->run_id, told.run_id) != 0) {
        hor_log_warning("master=%s has another journal (run %.40s, before %.40s); reading it from "
                        "its beginning",
                        master->name, told.run_id, position->run_id);
        snprintf(position->run_id, sizeof position->run_id, "%s", told.run_id);
        if (position->at > 0) {
            position->at = 0;
            hor_soap_told_done(&told);
            return HOR_OK;
        }
    }
    if (told.told > 0) {
        rc = store(master, &told, position, err);
        if (rc == HOR_OK)
            position->unacknowledged += told.told;
        if (position->unacknowledged >= PULL_LIMIT) {
            acknowledge(master, position);
            position->unacknowledged = 0;
        }
        if (told.told < PULL_LIMIT)
            position->gather_ms = hor_gather_next_ms(gathered_ms, told.told,
                                                     GATHER_MS, GATHER_LONGEST_MS);
    } else if (position->unacknowledged > 0) {
        acknowledge(master, position);
        position->unacknowledged = 0;
        if (told.position > position->at)
            position->at = told.position;
    } else if (told.position > position->at) {
        /* Entries that are no events, such as our own acknowledgements: storing and acknowledging
         * those would make new ones for ever. */
        position->at = told.position;
    }
    hor_soap_told_done(&told);
    return rc;
}

/* Where the history ends; after a failed write as well, for another Supervisor may have gone on. */
static int locate(struct master *master, struct position *position, struct hor_error *err)
{
    struct position found = {.known = true};
    int rc = hor_store_cursor(master->all->store, master->name, found.run_id, &found.at, err);
    if (rc != HOR_OK)
        return rc;
    *position = found;
    if (found.at > 0)
        acknowledge(master, position);
    return HOR_OK;
}

void *master_puller(void *arg)
{
    struct master *master = arg;
    struct position position = {0};
    int64_t retry_ms = RETRY_MIN_MS;
    bool told = false;
    while (!master_stopped(master)) {
        struct hor_error err = {0};
        int rc = position.known ? HOR_OK : locate(master, &position, &err);
        if (rc == HOR_OK)
            rc = pull(master, &position, &err);
        pthread_mutex_lock(&master->lock);
        master->counts.pulls++;
        master->counts.failures += rc != HOR_OK;
        pthread_mutex_unlock(&master->lock);
        if (rc == HOR_OK) {
            if (told)
                hor_log_info("master=%s events are read again", master->name);
            told = false;
            retry_ms = RETRY_MIN_MS;
            if (position.gather_ms > 0)
                (void)master_wait(master, position.gather_ms, false);
            continue;
        }
        position.known = false;
        if (!told && !master_stopped(master))
            hor_log_warning("master=%s events cannot be read: %s; trying again", master->name,
                            err.text);
        told = true;
        if (!master_wait(master, retry_ms, false))
            break;
        retry_ms = retry_ms * 2 < RETRY_MAX_MS ? retry_ms * 2 : RETRY_MAX_MS;
    }
    return NULL;
}

/* The thread that brings a Master's events into the history: read after the cursor, store, then
 * acknowledge. What was stored and not acknowledged is read again and changes nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/gather.h"
#include "lib/base/log.h"
#include "lib/soap/codec.h"
#include "lib/soap/event.h"
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

/* A newer Master may tell what this program does not know; the rest counts nevertheless. */
static size_t convert(struct master *master, const struct _mst__GetEventsResponse *answer,
                      struct hor_event **events)
{
    size_t count = 0;
    for (int i = 0; i < answer->__sizeevent; i++) {
        struct hor_error err;
        int rc = hor_soap_event_read(&answer->event[i], &events[count], &err);
        if (rc == HOR_OK)
            count++;
        else
            hor_log_warning("master=%s event=%" PRIu64 ": %s, ignoring", master->name,
                            (uint64_t)answer->event[i].index, err.text);
    }
    return count;
}

static int store(struct master *master, const struct _mst__GetEventsResponse *answer,
                 struct position *position, struct hor_error *err)
{
    size_t room = (size_t)(answer->__sizeevent > 0 ? answer->__sizeevent : 0);
    struct hor_event **events = calloc(room + 1, sizeof *events);
    if (events == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    size_t count = convert(master, answer, events);
    uint64_t up_to = answer->position;
    if (room > 0 && answer->event[room - 1].index > up_to)
        up_to = answer->event[room - 1].index;
    struct hor_store_batch batch = {.master = master->name,
                                    .run_id = answer->runId,
                                    .events = events,
                                    .count = count,
                                    .read_up_to = up_to};
    int rc = hor_store_write(master->all->store, &batch, err);
    bool look = false; /* an order's events say nothing of the Master and its clusters */
    for (size_t i = 0; i < count; i++) {
        look = look || events[i]->order == NULL;
        hor_event_free(events[i]);
    }
    free(events);
    if (rc != HOR_OK)
        return rc;
    snprintf(position->run_id, sizeof position->run_id, "%s", answer->runId);
    position->at = up_to;
    pthread_mutex_lock(&master->lock);
    master->counts.events += count;
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
    struct _mst__GetEventsResponse *answer = NULL;
    struct soap *soap = NULL;
    int64_t gathered_ms = position->gather_ms;
    position->gather_ms = 0;
    int rc = hor_soap_call_op(master->partner, mst, GetEvents, &request, &soap, &answer,
                              PULL_TIMEOUT_MS, err);
    if (rc != HOR_OK)
        return rc;
    if (position->run_id[0] != '\0' && strcmp(position->run_id, answer->runId) != 0) {
        hor_log_warning("master=%s has another journal (run %.40s, before %.40s); reading it from "
                        "its beginning",
                        master->name, answer->runId, position->run_id);
        snprintf(position->run_id, sizeof position->run_id, "%s", answer->runId);
        if (position->at > 0) {
            position->at = 0;
            hor_soap_done(soap);
            return HOR_OK;
        }
    }
    if (answer->__sizeevent > 0) {
        rc = store(master, answer, position, err);
        if (rc == HOR_OK)
            position->unacknowledged += (size_t)answer->__sizeevent;
        if (position->unacknowledged >= PULL_LIMIT) {
            acknowledge(master, position);
            position->unacknowledged = 0;
        }
        if (answer->__sizeevent < PULL_LIMIT)
            position->gather_ms = hor_gather_next_ms(gathered_ms, (size_t)answer->__sizeevent,
                                                     GATHER_MS, GATHER_LONGEST_MS);
    } else if (position->unacknowledged > 0) {
        acknowledge(master, position);
        position->unacknowledged = 0;
        if (answer->position > position->at)
            position->at = answer->position;
    } else if (answer->position > position->at) {
        /* Entries that are no events, such as our own acknowledgements: storing and acknowledging
         * those would make new ones for ever. */
        position->at = answer->position;
    }
    hor_soap_done(soap);
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

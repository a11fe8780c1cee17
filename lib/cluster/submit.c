/* Events on their way into the journal. */
#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/cluster/private.h"

void hor_requests_init(struct hor_requests *list)
{
    list->first = NULL;
    list->last = &list->first;
}

void hor_requests_push(struct hor_requests *list, struct hor_request *request)
{
    request->next = NULL;
    *list->last = request;
    list->last = &request->next;
}

struct hor_request *hor_requests_pop(struct hor_requests *list)
{
    struct hor_request *request = list->first;
    if (request != NULL) {
        list->first = request->next;
        if (list->first == NULL)
            list->last = &list->first;
    }
    return request;
}

static void request_free(struct hor_request *request)
{
    for (size_t i = request->appended; i < request->count; i++)
        hor_tail_entry_done(&request->entries[i]);
    free(request->entries);
    free(request);
}

void hor_requests_fail(struct hor_cluster *cluster, int code)
{
    struct hor_requests old[2] = {cluster->inflight, cluster->waiting};
    /* The callbacks may submit anew: they must not meet the lists that are being emptied. */
    for (int i = 0; i < 2; i++)
        if (old[i].first == NULL)
            old[i].last = &old[i].first;
    hor_requests_init(&cluster->inflight);
    hor_requests_init(&cluster->waiting);
    cluster->queued_count = cluster->queued_bytes = 0;
    for (int i = 0; i < 2; i++) {
        struct hor_request *request = old[i].first;
        while (request != NULL) {
            struct hor_request *next = request->next;
            if (request->done != NULL)
                request->done(code, 0, request->ctx);
            request_free(request);
            request = next;
        }
    }
}

void hor_cluster_answer(struct hor_cluster *cluster)
{
    while (cluster->inflight.first != NULL &&
           cluster->inflight.first->last_index <= cluster->applied) {
        struct hor_request *request = hor_requests_pop(&cluster->inflight);
        if (request->done != NULL)
            request->done(HOR_OK, request->last_index, request->ctx);
        request_free(request);
    }
}

/* Gives consensus as many waiting entries as it takes, in one step. */
int hor_cluster_feed(struct hor_cluster *cluster, struct hor_error *err)
{
    struct hor_tail_entry *incoming[4096];
    struct hor_request *request = cluster->waiting.first;
    size_t count = 0, room = hor_raft_room(cluster->raft);
    uint64_t base = hor_raft_last_index(cluster->raft) + 1;
    uint64_t term = hor_raft_term(cluster->raft);
    int rc;
    if (request == NULL || room == 0 || cluster->no_room)
        return HOR_OK;
    if (room > sizeof incoming / sizeof incoming[0])
        room = sizeof incoming / sizeof incoming[0];
    for (size_t at = request->appended; request != NULL && count < room;) {
        if (at == request->count) {
            request = request->next;
            at = request != NULL ? request->appended : 0;
            continue;
        }
        incoming[count] = &request->entries[at++];
        incoming[count++]->entry.term = term;
    }
    cluster->incoming = incoming;
    cluster->incoming_count = count;
    rc = hor_raft_submit(cluster->raft, hor_cluster_now(), (unsigned)count, err);
    cluster->incoming = NULL;
    cluster->incoming_count = 0;
    if (cluster->failed || rc == HOR_ERR_NOT_ACTIVE || rc == HOR_ERR_BUSY)
        return HOR_OK; /* they are answered already, wait, or fail with the leadership */
    if (rc != HOR_OK)
        return rc;
    for (size_t i = 0; i < count;) {
        size_t left;
        request = cluster->waiting.first;
        left = request->count - request->appended;
        if (left > count - i) {
            request->appended += count - i;
            break;
        }
        request->appended = request->count;
        i += left;
        request->last_index = base + i - 1;
        hor_requests_push(&cluster->inflight, hor_requests_pop(&cluster->waiting));
    }
    cluster->queued_count -= count;
    if (cluster->queued_count == 0)
        cluster->queued_bytes = 0;
    cluster->again = true; /* alone and unsynced there may be more room already */
    return HOR_OK;
}

static void feed_later(void *ctx)
{
    struct hor_cluster *cluster = ctx;
    cluster->flush_posted = false;
    if (!cluster->closing && !cluster->failed)
        hor_cluster_settle(cluster);
    hor_cluster_unref(cluster);
}

static int make_entries(struct hor_event *const *events, size_t count,
                        struct hor_request **ret, size_t *ret_bytes, struct hor_error *err)
{
    struct hor_request *request = calloc(1, sizeof *request);
    size_t bytes = 0, made = 0;
    int rc = HOR_OK;
    if (request != NULL)
        request->entries = calloc(count, sizeof *request->entries);
    if (request == NULL || request->entries == NULL) {
        free(request);
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    for (; rc == HOR_OK && made < count; made++) {
        struct hor_tail_entry *one = &request->entries[made];
        struct hor_buf xml = HOR_BUF_INIT;
        hor_event_write(events[made], &xml);
        if (xml.failed) {
            rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        } else if (!hor_journal_content_ok(hor_buf_text(&xml), xml.len)) {
            rc = hor_error_set(err, HOR_ERR_LIMIT, "an event '%s' of %zu bytes is too long",
                               hor_event_type_name(events[made]->type), xml.len);
        } else {
            one->entry.at_us = events[made]->at_us;
            one->entry.len = xml.len;
            bytes += xml.len;
            one->entry.xml = one->xml = hor_buf_take(&xml);
        }
        hor_buf_done(&xml);
    }
    request->count = made;
    if (rc != HOR_OK) {
        request_free(request);
        return rc;
    }
    *ret = request;
    *ret_bytes = bytes;
    return HOR_OK;
}

static int queue_events(struct hor_cluster *cluster, struct hor_event **events, size_t count,
                        hor_cluster_done_fn *done, void *ctx, struct hor_error *err)
{
    struct hor_request *request = NULL;
    size_t bytes = 0;
    int rc = make_entries(events, count, &request, &bytes, err);
    if (rc != HOR_OK)
        return rc;
    if (cluster->queued_count > 0 && (cluster->queued_count + count > HOR_CLUSTER_QUEUE_COUNT ||
                                      cluster->queued_bytes + bytes > HOR_CLUSTER_QUEUE_BYTES)) {
        request_free(request);
        return hor_error_set(err, HOR_ERR_BUSY, "too many events wait to be committed");
    }
    if (!cluster->settling && !cluster->flush_posted) {
        /* One step for all that this turn of the loop submits. */
        atomic_fetch_add(&cluster->references, 1);
        rc = hor_loop_post(cluster->loop, feed_later, cluster);
        if (rc != HOR_OK) {
            atomic_fetch_sub(&cluster->references, 1);
            request_free(request);
            return hor_error_set(err, rc, "out of memory");
        }
        cluster->flush_posted = true;
    }
    if (cluster->settling)
        cluster->again = true;
    for (size_t i = 0; i < count; i++)
        request->entries[i].event = events[i]; /* from here on they are ours */
    request->done = done;
    request->ctx = ctx;
    hor_requests_push(&cluster->waiting, request);
    cluster->queued_count += count;
    cluster->queued_bytes += bytes;
    return HOR_OK;
}

int hor_cluster_submit(struct hor_cluster *cluster, struct hor_event **events, size_t count,
                       hor_cluster_done_fn *done, void *ctx, struct hor_error *err)
{
    if (cluster->closing || cluster->failed || !cluster->told_leader || !cluster->raft_leader ||
        cluster->term != cluster->told_term)
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "this member does not lead the cluster");
    if (count == 0)
        return hor_error_set(err, HOR_ERR_INVALID, "no events to submit");
    if (cluster->no_room)
        return hor_error_set(err, HOR_ERR_BUSY,
                             "the journal's disk is full: new work is refused until there is room");
    if (hor_raft_transferring(cluster->raft))
        return hor_error_set(err, HOR_ERR_BUSY, "leadership is being passed on");
    return queue_events(cluster, events, count, done, ctx, err);
}

/* The first entry that a new cluster's first leader makes: its identity. */
int hor_cluster_found(struct hor_cluster *cluster, struct hor_error *err)
{
    struct hor_event *event = hor_event_new(HOR_EVENT_CLUSTER_STARTED, hor_clock_utc_us());
    char run_id[HOR_UUID_BYTES];
    int rc;
    hor_uuid(run_id);
    if (event == NULL || hor_event_set(&event->run_id, run_id) != HOR_OK) {
        hor_event_free(event);
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    rc = queue_events(cluster, &event, 1, NULL, NULL, err);
    if (rc != HOR_OK) {
        hor_event_free(event);
        return rc;
    }
    cluster->founding = true;
    return HOR_OK;
}

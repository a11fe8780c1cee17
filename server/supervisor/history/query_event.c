/* Events, held chains and the audit trail. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/supervisor/history/query.h"
#include "server/supervisor/history/question.h"

struct events {
    hor_event_row_fn *fn;
    void *ctx;
    uint64_t last;
    int count;
};

static int event_row(struct hor_rows *rows, void *ctx, struct hor_error *err)
{
    struct events *events = ctx;
    struct hor_event *event = NULL;
    const char *document = hor_rows_text(rows, 4);
    uint64_t number = (uint64_t)hor_rows_int(rows, 0);
    int rc = hor_event_read(document, document != NULL ? strlen(document) : 0, &event, err);
    if (rc != HOR_OK)
        return hor_error_prefix(err, "event %" PRIu64, number);
    event->index = number;
    event->at_us = hor_rows_int(rows, 2);
    if (event->master == NULL)
        rc = hor_event_set(&event->master, hor_rows_text(rows, 1));
    events->last = number;
    events->count++;
    if (rc == HOR_OK)
        rc = events->fn(event, hor_rows_text(rows, 3), events->ctx);
    hor_event_free(event);
    return rc;
}

int hor_query_events(struct hor_store *store, uint64_t after, const char *order,
                     const struct hor_scope *scope, int limit, hor_event_row_fn *fn, void *ctx,
                     uint64_t *ret_last, struct hor_error *err)
{
    struct events events = {.fn = fn, .ctx = ctx, .last = after};
    /* Read before the rows: what is written meanwhile is found by the next question. */
    uint64_t newest = hor_store_last_event(store);
    struct question *q =
        question_new("SELECT event_no, master, at_us, chain, document FROM event_log");
    question_int(q, " WHERE event_no > ?", (int64_t)after);
    if (order != NULL)
        question_text(q, " AND order_id = ?", order);
    if (scope != NULL && !hor_scope_everywhere(scope)) {
        /* events without a chain concern everybody */
        question_add(q, " AND (chain IS NULL OR (1 = 1");
        question_scope(q, "chain", scope);
        question_add(q, "))");
    }
    question_add(q, " ORDER BY event_no");
    if (limit > 0)
        question_int(q, " LIMIT ?", limit);
    int rc = question_ask(store, q, event_row, &events, err);
    question_free(q);
    if (rc == HOR_OK && ret_last != NULL)
        *ret_last = limit > 0 && events.count == limit ? events.last
                    : newest > events.last             ? newest
                                                       : events.last;
    return rc;
}

struct holds {
    hor_hold_row_fn *fn;
    void *ctx;
};

static int hold_row(struct hor_rows *rows, void *ctx, struct hor_error *err)
{
    struct holds *holds = ctx;
    (void)err;
    return holds->fn(hor_rows_text(rows, 0), hor_rows_text(rows, 1), holds->ctx);
}

int hor_query_holds(struct hor_store *store, hor_hold_row_fn *fn, void *ctx, struct hor_error *err)
{
    struct holds holds = {fn, ctx};
    struct question *q = question_new("SELECT master, chain FROM chain_hold");
    int rc = question_ask(store, q, hold_row, &holds, err);
    question_free(q);
    return rc;
}

struct audit {
    hor_audit_row_fn *fn;
    void *ctx;
    int limit, count;
    int64_t last;
    bool more;
};

static int audit_row(struct hor_rows *r, void *ctx, struct hor_error *err)
{
    struct audit *audit = ctx;
    (void)err;
    if (audit->count == audit->limit) {
        audit->more = true;
        return HOR_OK;
    }
    struct hor_audit_entry entry = {.at_us = hor_rows_int(r, 1),
                                    .user = hor_rows_text(r, 2),
                                    .address = hor_rows_text(r, 3),
                                    .operation = hor_rows_text(r, 4),
                                    .object = hor_rows_text(r, 5),
                                    .reason = hor_rows_text(r, 6),
                                    .outcome = hor_rows_text(r, 7),
                                    .detail = hor_rows_text(r, 8),
                                    .correlation = hor_rows_text(r, 9)};
    audit->last = hor_rows_int(r, 0);
    audit->count++;
    return audit->fn(&entry, audit->ctx);
}

int hor_query_audit(struct hor_store *store, const char *user, const char *object,
                    const char *cursor, int limit, hor_audit_row_fn *fn, void *ctx,
                    struct hor_buf *next, struct hor_error *err)
{
    struct question_place after;
    struct audit audit = {.fn = fn, .ctx = ctx, .limit = limit};
    if (cursor != NULL) {
        int bad = question_cursor_read(cursor, &after, err);
        if (bad != HOR_OK)
            return bad;
    }
    struct question *q =
        question_new("SELECT audit_no, at_us, user_name, address, operation, object, reason, "
                     "outcome, detail, correlation FROM audit_entry WHERE 1 = 1");
    if (user != NULL)
        question_text(q, " AND user_name = ?", user);
    if (object != NULL)
        question_text(q, " AND object = ?", object);
    if (cursor != NULL)
        question_int(q, " AND audit_no < ?", after.number);
    question_add(q, " ORDER BY audit_no DESC");
    question_int(q, " LIMIT ?", limit + 1);
    int rc = question_ask(store, q, audit_row, &audit, err);
    question_free(q);
    if (rc == HOR_OK && audit.more && next != NULL)
        question_cursor_write(&(struct question_place){.number = audit.last}, next);
    return rc;
}

#include <stdio.h>

#include "server/supervisor/history/query.h"
#include "server/supervisor/history/question.h"

#define COLUMNS                                                                                    \
    "task_id, order_id, master, cluster_path, chain, node, job, agent, state, outcome, cause, "    \
    "attempt, exit_code, signal_no, assigned_us, started_us, ended_us, cpu_ms, max_rss_kb, "       \
    "log_bytes"

struct page {
    hor_task_row_fn *fn;
    void *ctx;
    int limit, count; /* limit 0: all */
    struct question_place last;
    bool more;
};

static int task_row(struct hor_rows *r, void *ctx, struct hor_error *err)
{
    struct page *page = ctx;
    (void)err;
    if (page->limit > 0 && page->count == page->limit) {
        page->more = true;
        return HOR_OK;
    }
    struct hor_task_row row = {
        .id = hor_rows_text(r, 0),          .order = hor_rows_text(r, 1),
        .master = hor_rows_text(r, 2),      .cluster = hor_rows_text(r, 3),
        .chain = hor_rows_text(r, 4),       .node = hor_rows_text(r, 5),
        .job = hor_rows_text(r, 6),         .agent = hor_rows_text(r, 7),
        .state = hor_rows_text(r, 8),       .outcome = hor_rows_text(r, 9),
        .cause = hor_rows_text(r, 10),      .attempt = hor_rows_int(r, 11),
        .exit_code = hor_rows_int(r, 12),   .signal = hor_rows_int(r, 13),
        .assigned_us = hor_rows_int(r, 14), .started_us = hor_rows_int(r, 15),
        .ended_us = hor_rows_int(r, 16),    .cpu_ms = hor_rows_int(r, 17),
        .max_rss_kb = hor_rows_int(r, 18),  .log_bytes = hor_rows_int(r, 19)};
    page->count++;
    page->last.number = row.assigned_us;
    snprintf(page->last.id, sizeof page->last.id, "%s", row.id);
    return page->fn(&row, page->ctx);
}

int hor_query_tasks(struct hor_store *store, const struct hor_task_filter *f, const char *cursor,
                    int limit, hor_task_row_fn *fn, void *ctx, struct hor_buf *next,
                    struct hor_error *err)
{
    struct question_place after;
    struct page page = {.fn = fn, .ctx = ctx, .limit = limit};
    if (cursor != NULL) {
        int bad = question_cursor_read(cursor, &after, err);
        if (bad != HOR_OK)
            return bad;
    }
    struct question *q = question_new("SELECT " COLUMNS " FROM task_run WHERE 1 = 1");
    if (f->order != NULL)
        question_text(q, " AND order_id = ?", f->order);
    if (f->job != NULL)
        question_text(q, " AND job = ?", f->job);
    if (f->agent != NULL)
        question_text(q, " AND agent = ?", f->agent);
    if (f->outcome != NULL)
        question_text(q, " AND outcome = ?", f->outcome);
    if (f->from_us != 0 && f->from_us != HOR_EVENT_NONE)
        question_int(q, " AND assigned_us >= ?", f->from_us);
    if (f->to_us != 0 && f->to_us != HOR_EVENT_NONE)
        question_int(q, " AND assigned_us < ?", f->to_us);
    question_scope(q, "chain", f->scope);
    if (cursor != NULL) {
        question_int(q, " AND assigned_us <= ?", after.number);
        question_int(q, " AND (assigned_us < ?", after.number);
        question_text(q, " OR task_id < ?)", after.id);
    }
    question_add(q, " ORDER BY assigned_us DESC, task_id DESC");
    question_int(q, " LIMIT ?", limit + 1);
    int rc = question_ask(store, q, task_row, &page, err);
    question_free(q);
    if (rc == HOR_OK && page.more && next != NULL)
        question_cursor_write(&page.last, next);
    return rc;
}

int hor_query_task(struct hor_store *store, const char *id, hor_task_row_fn *fn, void *ctx,
                   struct hor_error *err)
{
    struct page page = {.fn = fn, .ctx = ctx};
    struct question *q = question_new("SELECT " COLUMNS " FROM task_run");
    question_text(q, " WHERE task_id = ?", id);
    int rc = question_ask(store, q, task_row, &page, err);
    question_free(q);
    if (rc == HOR_OK && page.count == 0)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "task '%.250s' is not known", id);
    return rc;
}

int hor_query_order_tasks(struct hor_store *store, const char *order, hor_task_row_fn *fn,
                          void *ctx, struct hor_error *err)
{
    struct page page = {.fn = fn, .ctx = ctx};
    struct question *q = question_new("SELECT " COLUMNS " FROM task_run");
    question_text(q, " WHERE order_id = ? ORDER BY assigned_us, task_id", order);
    int rc = question_ask(store, q, task_row, &page, err);
    question_free(q);
    return rc;
}

struct arguments {
    hor_argument_row_fn *fn;
    void *ctx;
};

static int argument_row(struct hor_rows *rows, void *ctx, struct hor_error *err)
{
    struct arguments *arguments = ctx;
    (void)err;
    return arguments->fn(hor_rows_text(rows, 0), hor_rows_text(rows, 1), hor_rows_text(rows, 2),
                         hor_rows_int(rows, 3) == 1, arguments->ctx);
}

int hor_query_arguments(struct hor_store *store, const char *order, hor_argument_row_fn *fn,
                        void *ctx, struct hor_error *err)
{
    struct arguments arguments = {fn, ctx};
    struct question *q =
        question_new("SELECT NULL, arg_name, arg_value, is_secret FROM order_argument");
    question_text(q, " WHERE order_id = ? ORDER BY seq", order);
    int rc = question_ask(store, q, argument_row, &arguments, err);
    question_free(q);
    return rc;
}

int hor_query_outputs(struct hor_store *store, const char *order, hor_argument_row_fn *fn,
                      void *ctx, struct hor_error *err)
{
    struct arguments arguments = {fn, ctx};
    struct question *q =
        question_new("SELECT task_id, arg_name, arg_value, is_secret FROM task_output");
    question_text(q, " WHERE order_id = ? ORDER BY task_id, seq", order);
    int rc = question_ask(store, q, argument_row, &arguments, err);
    question_free(q);
    return rc;
}

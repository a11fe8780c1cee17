#include <stdio.h>
#include <string.h>

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
    struct hor_task_row row = {.id = hor_rows_text(r, 0),
                               .order = hor_rows_text(r, 1),
                               .master = hor_rows_text(r, 2),
                               .cluster = hor_rows_text(r, 3),
                               .chain = hor_rows_text(r, 4),
                               .node = hor_rows_text(r, 5),
                               .job = hor_rows_text(r, 6),
                               .agent = hor_rows_text(r, 7),
                               .state = hor_rows_text(r, 8),
                               .outcome = hor_rows_text(r, 9),
                               .cause = hor_rows_text(r, 10),
                               .attempt = hor_rows_int(r, 11),
                               .exit_code = hor_rows_int(r, 12),
                               .signal = hor_rows_int(r, 13),
                               .assigned_us = hor_rows_int(r, 14),
                               .started_us = hor_rows_int(r, 15),
                               .ended_us = hor_rows_int(r, 16),
                               .cpu_ms = hor_rows_int(r, 17),
                               .max_rss_kb = hor_rows_int(r, 18),
                               .log_bytes = hor_rows_int(r, 19)};
    page->count++;
    page->last.number = row.assigned_us;
    snprintf(page->last.id, sizeof page->last.id, "%s", row.id);
    return page->fn(&row, page->ctx);
}

enum { WINDOW = 20000 };

/* The first of these that is given chooses the index; the others are looked at row by row. */
static void add_condition(struct question *q, const char *column, const char *value, bool *used,
                          bool indexed)
{
    if (value == NULL || (indexed && *used))
        return;
    char sql[60];
    snprintf(sql, sizeof sql, " AND %s = ?", column);
    question_text(q, sql, value);
    *used = true;
}

static void add_window(struct question *q, const struct hor_task_filter *f,
                       const struct question_place *after, int limit)
{
    bool used = false;
    question_add(q, "SELECT " COLUMNS " FROM task_run WHERE 1 = 1");
    add_condition(q, "order_id", f->order, &used, true);
    add_condition(q, "job", f->job, &used, true);
    add_condition(q, "agent", f->agent, &used, true);
    add_condition(q, "outcome", f->outcome, &used, true);
    if (f->from_us != 0 && f->from_us != HOR_EVENT_NONE)
        question_int(q, " AND assigned_us >= ?", f->from_us);
    if (f->to_us != 0 && f->to_us != HOR_EVENT_NONE)
        question_int(q, " AND assigned_us < ?", f->to_us);
    if (after != NULL) {
        question_int(q, " AND assigned_us <= ?", after->number);
        question_int(q, " AND (assigned_us < ?", after->number);
        question_text(q, " OR task_id < ?)", after->id);
    }
    question_add(q, " ORDER BY assigned_us DESC, task_id DESC");
    question_int(q, " LIMIT ?", limit);
}

static int window_end(struct hor_rows *rows, void *ctx, struct hor_error *err)
{
    struct page *page = ctx;
    (void)err;
    page->last.number = hor_rows_int(rows, 0);
    snprintf(page->last.id, sizeof page->last.id, "%s", hor_rows_text(rows, 1));
    page->more = true;
    return HOR_OK;
}

/* Looks through a window of rows; a page that is not full goes on behind it. */
static int search(struct hor_store *store, const struct hor_task_filter *f,
                  const struct question_place *after, struct page *page, struct hor_error *err)
{
    bool used = false;
    struct question *q = question_new("SELECT " COLUMNS " FROM (");
    add_window(q, f, after, WINDOW);
    question_add(q, ") w WHERE 1 = 1");
    add_condition(q, "order_id", f->order, &used, false);
    add_condition(q, "job", f->job, &used, false);
    add_condition(q, "agent", f->agent, &used, false);
    add_condition(q, "outcome", f->outcome, &used, false);
    question_scope(q, "chain", f->scope);
    question_add(q, " ORDER BY assigned_us DESC, task_id DESC");
    question_int(q, " LIMIT ?", page->limit + 1);
    int rc = question_ask(store, q, task_row, page, err);
    question_free(q);
    if (rc != HOR_OK || page->more)
        return rc;
    q = question_new("SELECT assigned_us, task_id FROM (");
    add_window(q, f, after, WINDOW);
    question_add(q, ") w ORDER BY assigned_us DESC, task_id DESC");
    question_int(q, " LIMIT 1 OFFSET ?", WINDOW - 1);
    rc = question_ask(store, q, window_end, page, err);
    question_free(q);
    return rc;
}

int hor_query_tasks(struct hor_store *store, const struct hor_task_filter *f, const char *cursor,
                    int limit, hor_task_row_fn *fn, void *ctx, struct hor_buf *next,
                    struct hor_error *err)
{
    struct question_place place, *after = cursor != NULL ? &place : NULL;
    struct page page = {.fn = fn, .ctx = ctx, .limit = limit};
    if (cursor != NULL) {
        int bad = question_cursor_read(cursor, &place, err);
        if (bad != HOR_OK)
            return bad;
    }
    bool searched =
        (f->order != NULL) + (f->job != NULL) + (f->agent != NULL) + (f->outcome != NULL) > 1 ||
        (f->scope != NULL && !hor_scope_everywhere(f->scope));
    int rc;
    if (searched) {
        rc = search(store, f, after, &page, err);
    } else {
        struct question *q = question_new("");
        add_window(q, f, after, limit + 1);
        rc = question_ask(store, q, task_row, &page, err);
        question_free(q);
    }
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

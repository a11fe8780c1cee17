#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "server/supervisor/history/query.h"
#include "server/supervisor/history/question.h"

#define COLUMNS                                                                                    \
    "order_id, master, cluster_path, chain, title, plan_day, schedule_path, state, mark, place, "  \
    "cause, release_no, planned_us, due_us, started_us, ended_us, priority, nodes_done"

static void read_order(struct hor_rows *r, struct hor_order_row *row)
{
    *row = (struct hor_order_row){.id = hor_rows_text(r, 0),
                                  .master = hor_rows_text(r, 1),
                                  .cluster = hor_rows_text(r, 2),
                                  .chain = hor_rows_text(r, 3),
                                  .title = hor_rows_text(r, 4),
                                  .plan_day = hor_rows_text(r, 5),
                                  .schedule = hor_rows_text(r, 6),
                                  .state = hor_rows_text(r, 7),
                                  .mark = hor_rows_text(r, 8),
                                  .place = hor_rows_text(r, 9),
                                  .cause = hor_rows_text(r, 10),
                                  .release = hor_rows_int(r, 11),
                                  .planned_us = hor_rows_int(r, 12),
                                  .due_us = hor_rows_int(r, 13),
                                  .started_us = hor_rows_int(r, 14),
                                  .ended_us = hor_rows_int(r, 15),
                                  .priority = hor_rows_int(r, 16),
                                  .nodes_done = hor_rows_int(r, 17)};
}

static const struct {
    const char *group;
    const char *states[8];
} groups[] = {
    {"waiting", {"planned", "waitingForTime", "waiting"}},
    {"active", {"running", "retrying"}},
    {"problem", {"failed", "inDoubt", "suspended"}},
    {"ended", {"succeeded", "warned", "failedFinally", "cancelled", "skipped", "missed"}},
};
enum { GROUPS = sizeof groups / sizeof *groups };

/* Adds a state once. */
static void add_state(const char **states, size_t *count, const char *state)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(states[i], state) == 0)
            return;
    if (*count < HOR_ORDER_STATES_MAX)
        states[(*count)++] = state;
}

static int expand_states(const struct hor_order_filter *filter, const char **states,
                         size_t *ret_count, struct hor_error *err)
{
    *ret_count = 0;
    for (size_t i = 0; i < filter->state_count; i++) {
        const char *wanted = filter->states[i];
        bool known = false;
        /* "waiting" is a state and the group that it belongs to: the group is meant */
        for (size_t g = 0; g < GROUPS; g++) {
            bool whole = strcmp(groups[g].group, wanted) == 0;
            for (const char *const *s = groups[g].states; *s != NULL; s++)
                if (whole || strcmp(*s, wanted) == 0) {
                    known = true;
                    add_state(states, ret_count, *s);
                }
        }
        if (!known)
            return hor_error_set(err, HOR_ERR_INVALID,
                                 "state '%.60s' is unknown: a state of an order, or one of the "
                                 "groups active, waiting, ended, problem",
                                 wanted);
    }
    return HOR_OK;
}

/* A pattern for LIKE that finds the text anywhere, its own % and _ taken as they are. */
static char *pattern_of(const char *text)
{
    struct hor_buf out = HOR_BUF_INIT;
    hor_buf_putc(&out, '%');
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '%' || *p == '_' || *p == '!')
            hor_buf_putc(&out, '!');
        hor_buf_putc(&out, *p);
    }
    hor_buf_putc(&out, '%');
    return hor_buf_take(&out);
}

static void add_text(struct question *q, const char *text)
{
    char *pattern = pattern_of(text);
    if (pattern == NULL) {
        q->failed = true;
        return;
    }
    question_text(q, " AND (LOWER(order_id) LIKE LOWER(?) ESCAPE '!'", pattern);
    question_text(q, " OR LOWER(chain) LIKE LOWER(?) ESCAPE '!'", pattern);
    question_text(q, " OR LOWER(title) LIKE LOWER(?) ESCAPE '!')", pattern);
    free(pattern);
}

/* Conditions that an index serves: they say where the search begins and in which order it goes. */
static void add_indexed(struct question *q, const struct hor_order_filter *f,
                        const struct question_place *after)
{
    if (f->chain != NULL)
        question_text(q, " AND chain = ?", f->chain);
    if (f->plan_day != NULL)
        question_text(q, " AND plan_day = ?", f->plan_day);
    if (f->from_us != 0 && f->from_us != HOR_EVENT_NONE)
        question_int(q, " AND planned_us >= ?", f->from_us);
    if (f->to_us != 0 && f->to_us != HOR_EVENT_NONE)
        question_int(q, " AND planned_us < ?", f->to_us);
    if (after != NULL) { /* the first condition lets the index begin at the right place */
        question_int(q, f->ascending ? " AND planned_us >= ?" : " AND planned_us <= ?",
                     after->number);
        question_int(q, f->ascending ? " AND (planned_us > ?" : " AND (planned_us < ?",
                     after->number);
        question_text(q, f->ascending ? " OR order_id > ?)" : " OR order_id < ?)", after->id);
    }
}

/* Conditions that must be looked at row by row. Rare finds in a long history would take minutes, so
 * they look at a window of rows, and the page's cursor goes on behind it. */
static bool has_searched(const struct hor_order_filter *f)
{
    return f->folder != NULL || f->master != NULL || f->agent != NULL || f->text != NULL ||
           (f->scope != NULL && !hor_scope_everywhere(f->scope));
}

static void add_searched(struct question *q, const struct hor_order_filter *f)
{
    if (f->folder != NULL)
        question_below(q, " AND ", "chain", f->folder);
    if (f->master != NULL)
        question_text(q, " AND master = ?", f->master);
    if (f->agent != NULL) /* COALESCE: by the order's few tasks, not by the agent's many */
        question_text(q,
                      " AND EXISTS (SELECT 1 FROM task_run t WHERE t.order_id = w.order_id AND "
                      "COALESCE(t.agent, '') = ?)",
                      f->agent);
    if (f->text != NULL)
        add_text(q, f->text);
    question_scope(q, "chain", f->scope);
}

static const char *order_of(const struct hor_order_filter *f)
{
    return f->ascending ? " ORDER BY planned_us, order_id"
                        : " ORDER BY planned_us DESC, order_id DESC";
}

/* The first `limit` rows by the indexed conditions. Each state is asked by itself, so that its
 * index gives them without sorting all. */
static void add_window(struct question *q, const struct hor_order_filter *f, const char **states,
                       size_t state_count, const struct question_place *after, int limit)
{
    if (state_count == 0) {
        question_add(q, "SELECT " COLUMNS " FROM order_run WHERE 1 = 1");
        add_indexed(q, f, after);
    }
    for (size_t i = 0; i < state_count; i++) {
        char alias[32];
        question_add(q, i == 0 ? "SELECT " COLUMNS " FROM (" : " UNION ALL ");
        question_text(q, "SELECT * FROM (SELECT " COLUMNS " FROM order_run WHERE state = ?",
                      states[i]);
        add_indexed(q, f, after);
        question_add(q, order_of(f));
        question_int(q, " LIMIT ?", limit);
        snprintf(alias, sizeof alias, ") s%zu", i);
        question_add(q, alias);
    }
    if (state_count > 0)
        question_add(q, ") s");
    question_add(q, order_of(f));
    question_int(q, " LIMIT ?", limit);
}

enum { WINDOW = 20000 };

struct page {
    hor_order_row_fn *fn;
    void *ctx;
    int limit, count;
    struct question_place last;
    bool more;
};

static int page_row(struct hor_rows *rows, void *ctx, struct hor_error *err)
{
    struct page *page = ctx;
    struct hor_order_row row;
    (void)err;
    if (page->count == page->limit) { /* one more was asked for, to know whether there is one */
        page->more = true;
        return HOR_OK;
    }
    read_order(rows, &row);
    page->count++;
    page->last.number = row.planned_us;
    snprintf(page->last.id, sizeof page->last.id, "%s", row.id);
    return page->fn(&row, page->ctx);
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

/* Looks through a window of rows. When it is full and the page is not, the page goes on behind it.
 */
static int search(struct hor_store *store, const struct hor_order_filter *filter,
                  const char **states, size_t state_count, const struct question_place *after,
                  struct page *page, struct hor_error *err)
{
    /* "succeeded" is most of all: windows of several states would read more than one of all */
    bool dense = false;
    for (size_t i = 0; i < state_count; i++)
        dense = dense || strcmp(states[i], "succeeded") == 0;
    size_t indexed = dense && state_count > 1 ? 0 : state_count;
    struct question *q = question_new("SELECT " COLUMNS " FROM (");
    add_window(q, filter, states, indexed, after, WINDOW);
    question_add(q, ") w WHERE 1 = 1");
    for (size_t i = indexed; i < state_count; i++)
        question_text(q, i == 0 ? " AND state IN (?" : ", ?", states[i]);
    question_add(q, indexed < state_count ? ")" : "");
    add_searched(q, filter);
    question_add(q, order_of(filter));
    question_int(q, " LIMIT ?", page->limit + 1);
    int rc = question_ask(store, q, page_row, page, err);
    question_free(q);
    if (rc != HOR_OK || page->more)
        return rc;
    q = question_new("SELECT planned_us, order_id FROM (");
    add_window(q, filter, states, indexed, after, WINDOW);
    question_add(q, ") w");
    question_add(q, order_of(filter));
    question_int(q, " LIMIT 1 OFFSET ?", WINDOW - 1);
    rc = question_ask(store, q, window_end, page, err);
    question_free(q);
    return rc;
}

int hor_query_orders(struct hor_store *store, const struct hor_order_filter *filter,
                     const char *cursor, int limit, hor_order_row_fn *fn, void *ctx,
                     struct hor_buf *next, struct hor_error *err)
{
    const char *states[HOR_ORDER_STATES_MAX];
    size_t state_count = 0;
    struct question_place place, *after = cursor != NULL ? &place : NULL;
    struct page page = {.fn = fn, .ctx = ctx, .limit = limit};
    int rc = expand_states(filter, states, &state_count, err);
    if (rc == HOR_OK && cursor != NULL)
        rc = question_cursor_read(cursor, &place, err);
    if (rc != HOR_OK)
        return rc;
    if (has_searched(filter)) {
        rc = search(store, filter, states, state_count, after, &page, err);
    } else {
        struct question *q = question_new("");
        add_window(q, filter, states, state_count, after, limit + 1);
        rc = question_ask(store, q, page_row, &page, err);
        question_free(q);
    }
    if (rc == HOR_OK && page.more && next != NULL)
        question_cursor_write(&page.last, next);
    return rc;
}

static int single_row(struct hor_rows *rows, void *ctx, struct hor_error *err)
{
    struct page *page = ctx;
    struct hor_order_row row;
    (void)err;
    read_order(rows, &row);
    page->count++;
    return page->fn(&row, page->ctx);
}

int hor_query_order(struct hor_store *store, const char *id, hor_order_row_fn *fn, void *ctx,
                    struct hor_error *err)
{
    struct page page = {.fn = fn, .ctx = ctx};
    struct question *q = question_new("SELECT " COLUMNS " FROM order_run");
    question_text(q, " WHERE order_id = ?", id);
    int rc = question_ask(store, q, single_row, &page, err);
    question_free(q);
    if (rc == HOR_OK && page.count == 0)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "order '%.250s' is not known", id);
    return rc;
}

int hor_query_orders_named(struct hor_store *store, char *const *ids, size_t count,
                           hor_order_row_fn *fn, void *ctx, struct hor_error *err)
{
    enum { AT_ONCE = 100 };
    int rc = HOR_OK;
    for (size_t first = 0; rc == HOR_OK && first < count; first += AT_ONCE) {
        struct page page = {.fn = fn, .ctx = ctx};
        struct question *q = question_new("SELECT " COLUMNS " FROM order_run WHERE order_id IN (");
        for (size_t i = 0; i < AT_ONCE; i++) /* filled up with the last: the text stays the same */
            question_text(q, i == 0 ? "?" : ", ?", ids[first + i < count ? first + i : count - 1]);
        question_add(q, ")");
        rc = question_ask(store, q, single_row, &page, err);
        question_free(q);
    }
    return rc;
}

struct counting {
    hor_count_row_fn *fn;
    void *ctx;
};

static int count_row(struct hor_rows *rows, void *ctx, struct hor_error *err)
{
    struct counting *counting = ctx;
    (void)err;
    return counting->fn(hor_rows_text(rows, 0), hor_rows_int(rows, 1), counting->ctx);
}

int hor_query_counts(struct hor_store *store, const char *plan_day, const struct hor_scope *scope,
                     hor_count_row_fn *fn, void *ctx, struct hor_error *err)
{
    struct counting counting = {fn, ctx};
    struct question *q = question_new("SELECT state, COUNT(*) FROM order_run");
    question_text(q, " WHERE plan_day = ?", plan_day);
    question_scope(q, "chain", scope);
    question_add(q, " GROUP BY state ORDER BY state");
    int rc = question_ask(store, q, count_row, &counting, err);
    question_free(q);
    return rc;
}

struct chains {
    hor_chain_row_fn *fn;
    void *ctx;
};

static int last_row(struct hor_rows *rows, void *ctx, struct hor_error *err)
{
    struct chains *chains = ctx;
    struct hor_chain_row row = {.chain = hor_rows_text(rows, 0),
                                .last_state = hor_rows_text(rows, 1),
                                .last_ended_us = hor_rows_int(rows, 2),
                                .mean_ms = hor_rows_int(rows, 3),
                                .next_us = HOR_EVENT_NONE};
    (void)err;
    return chains->fn(&row, chains->ctx);
}

static int next_row(struct hor_rows *rows, void *ctx, struct hor_error *err)
{
    struct chains *chains = ctx;
    struct hor_chain_row row = {.chain = hor_rows_text(rows, 0),
                                .last_ended_us = HOR_EVENT_NONE,
                                .mean_ms = HOR_EVENT_NONE,
                                .next_us = hor_rows_int(rows, 1)};
    (void)err;
    return chains->fn(&row, chains->ctx);
}

int hor_query_chains(struct hor_store *store, hor_chain_row_fn *fn, void *ctx,
                     struct hor_error *err)
{
    struct chains chains = {fn, ctx};
    struct question *q =
        question_new("SELECT chain, last_state, last_ended_us, mean_ms FROM chain_last");
    int rc = question_ask(store, q, last_row, &chains, err);
    question_free(q);
    if (rc != HOR_OK)
        return rc;
    q = question_new("SELECT chain, MIN(planned_us) FROM order_run WHERE state IN "
                     "('planned', 'waitingForTime') GROUP BY chain");
    rc = question_ask(store, q, next_row, &chains, err);
    question_free(q);
    return rc;
}

static int expected_row(struct hor_rows *rows, void *ctx, struct hor_error *err)
{
    (void)err;
    *(int64_t *)ctx = hor_rows_int(rows, 0);
    return HOR_OK;
}

int hor_query_expected_ms(struct hor_store *store, const char *chain, int64_t *ret,
                          struct hor_error *err)
{
    int64_t mean = HOR_EVENT_NONE;
    struct question *q = question_new("SELECT mean_ms FROM chain_last");
    question_text(q, " WHERE chain = ?", chain);
    int rc = question_ask(store, q, expected_row, &mean, err);
    question_free(q);
    if (rc == HOR_OK)
        *ret = mean;
    return rc;
}

#include "server/supervisor/history/rows.h"

#include <stdlib.h>
#include <string.h>

enum { KEYS_AT_ONCE = 32 }; /* rows fetched by one statement */

#define MARKS_8 "?, ?, ?, ?, ?, ?, ?, ?"
#define MARKS_32 MARKS_8 ", " MARKS_8 ", " MARKS_8 ", " MARKS_8
#define TEXTS_8 "ssssssss"
#define TEXTS_32 TEXTS_8 TEXTS_8 TEXTS_8 TEXTS_8

/* The same order of columns everywhere; the key comes last, as an UPDATE needs it. */
#define ORDER_COLUMNS                                                                              \
    "master, cluster_path, chain, title, release_no, plan_day, schedule_path, planned_us, "        \
    "due_us, "                                                                                     \
    "started_us, ended_us, priority, state, mark, place, nodes_done, cause, order_id"
#define ORDER_TYPES "ssssissiiiiisssiss"
#define TASK_COLUMNS                                                                               \
    "order_id, master, cluster_path, chain, node, job, attempt, agent, state, outcome, "           \
    "exit_code, "                                                                                  \
    "signal_no, assigned_us, started_us, ended_us, cpu_ms, max_rss_kb, log_bytes, cause, task_id"
#define TASK_TYPES "ssssssisssiiiiiiiiss"

static int no_memory(struct hor_error *err)
{
    return hor_error_set(err, HOR_ERR_MEMORY, "write history: out of memory");
}

static const char order_select[] =
    "SELECT " ORDER_COLUMNS " FROM order_run WHERE order_id IN (" MARKS_32 ")";
static const char order_insert[] =
    "INSERT INTO order_run (" ORDER_COLUMNS ") VALUES (" MARKS_8 ", " MARKS_8 ", ?, ?)";
static const char order_update[] =
    "UPDATE order_run SET master = ?, cluster_path = ?, chain = ?, title = ?, release_no = ?, "
    "plan_day = ?, schedule_path = ?, planned_us = ?, due_us = ?, started_us = ?, ended_us = ?, "
    "priority = ?, state = ?, mark = ?, place = ?, nodes_done = ?, cause = ? WHERE order_id = ?";
/* Most news of an order is how far it is: then the columns of its plan and their indexes stay alone. */
static const char order_progress[] =
    "UPDATE order_run SET started_us = ?, ended_us = ?, state = ?, mark = ?, place = ?, "
    "nodes_done = ?, cause = ? WHERE order_id = ?";
#define ORDER_PROGRESS_TYPES "iisssiss"
static const char task_select[] =
    "SELECT " TASK_COLUMNS " FROM task_run WHERE task_id IN (" MARKS_32 ")";
static const char task_insert[] =
    "INSERT INTO task_run (" TASK_COLUMNS ") VALUES (" MARKS_8 ", " MARKS_8 ", ?, ?, ?, ?)";
static const char task_update[] =
    "UPDATE task_run SET order_id = ?, master = ?, cluster_path = ?, chain = ?, node = ?, job = ?, "
    "attempt = ?, agent = ?, state = ?, outcome = ?, exit_code = ?, signal_no = ?, "
    "assigned_us = ?, started_us = ?, ended_us = ?, cpu_ms = ?, max_rss_kb = ?, log_bytes = ?, "
    "cause = ? WHERE task_id = ?";
static const char task_progress[] =
    "UPDATE task_run SET state = ?, outcome = ?, exit_code = ?, signal_no = ?, started_us = ?, "
    "ended_us = ?, cpu_ms = ?, max_rss_kb = ?, log_bytes = ?, cause = ? WHERE task_id = ?";
#define TASK_PROGRESS_TYPES "ssiiiiiiiss"

static int set_all(char **const fields[], const unsigned columns[], size_t count,
                   struct hor_rows *row)
{
    for (size_t i = 0; i < count; i++)
        if (hor_event_set(fields[i], hor_rows_text(row, columns[i])) != HOR_OK)
            return HOR_ERR_MEMORY;
    return HOR_OK;
}

static int take_order_row(struct record *record, struct hor_rows *row)
{
    struct record_order *o = record_order_new(hor_rows_text(row, 17));
    if (o == NULL)
        return HOR_ERR_MEMORY;
    char **const fields[] = {&o->master,   &o->cluster, &o->chain, &o->title, &o->plan_day,
                             &o->schedule, &o->state,   &o->mark,  &o->place, &o->cause};
    static const unsigned columns[] = {0, 1, 2, 3, 5, 6, 12, 13, 14, 16};
    o->release = hor_rows_int(row, 4);
    o->planned_us = hor_rows_int(row, 7);
    o->due_us = hor_rows_int(row, 8);
    o->started_us = hor_rows_int(row, 9);
    o->ended_us = hor_rows_int(row, 10);
    o->priority = hor_rows_int(row, 11);
    o->nodes_done = hor_rows_int(row, 15);
    o->stored = true;
    if (set_all(fields, columns, sizeof columns / sizeof *columns, row) == HOR_OK &&
        record_put_order(record, o) == HOR_OK)
        return HOR_OK;
    record_order_free(o);
    return HOR_ERR_MEMORY;
}

static int take_task_row(struct record *record, struct hor_rows *row)
{
    struct record_task *t = record_task_new(hor_rows_text(row, 19));
    if (t == NULL)
        return HOR_ERR_MEMORY;
    char **const fields[] = {&t->order, &t->master, &t->cluster, &t->chain,   &t->node,
                             &t->job,   &t->agent,  &t->state,   &t->outcome, &t->cause};
    static const unsigned columns[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 18};
    int64_t *const numbers[] = {&t->exit_code, &t->signal, &t->assigned_us, &t->started_us,
                                &t->ended_us,  &t->cpu_ms, &t->max_rss_kb,  &t->log_bytes};
    t->attempt = hor_rows_int(row, 6);
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i] = hor_rows_int(row, 10 + i);
    t->stored = true;
    if (set_all(fields, columns, sizeof columns / sizeof *columns, row) == HOR_OK &&
        record_put_task(record, t) == HOR_OK)
        return HOR_OK;
    record_task_free(t);
    return HOR_ERR_MEMORY;
}

/* Fetches the rows with these keys; the last key fills up what one statement asks. */
static int fetch(struct hor_database *db, const char *sql, const struct hor_map *keys,
                 struct record *record, int (*take)(struct record *, struct hor_rows *),
                 struct hor_error *err)
{
    struct hor_batch *batch = hor_batch_new(TEXTS_32);
    size_t pos = 0;
    const char *key = NULL, *last = NULL;
    int rc = batch != NULL ? HOR_OK : no_memory(err);
    bool more = hor_map_next(keys, &pos, &key) != NULL;
    while (rc == HOR_OK && more) {
        hor_batch_clear(batch);
        for (unsigned n = 0; n < KEYS_AT_ONCE; n++) {
            if (more)
                last = key;
            hor_batch_text(batch, last);
            more = more && hor_map_next(keys, &pos, &key) != NULL;
        }
        struct hor_rows *rows = NULL;
        rc = hor_database_query(db, sql, batch, &rows, err);
        while (rc == HOR_OK && (rc = hor_rows_next(rows, err)) == 1)
            rc = take(record, rows) == HOR_OK ? HOR_OK : no_memory(err);
        hor_rows_close(rows);
    }
    hor_batch_free(batch);
    return rc;
}

static void add_order(struct hor_batch *b, const struct record_order *o)
{
    hor_batch_text(b, o->master);
    hor_batch_text(b, o->cluster);
    hor_batch_text(b, o->chain);
    hor_batch_text(b, o->title);
    hor_batch_int(b, o->release);
    hor_batch_text(b, o->plan_day);
    hor_batch_text(b, o->schedule);
    hor_batch_int(b, o->planned_us);
    hor_batch_int(b, o->due_us);
    hor_batch_int(b, o->started_us);
    hor_batch_int(b, o->ended_us);
    hor_batch_int(b, o->priority);
    hor_batch_text(b, o->state);
    hor_batch_text(b, o->mark);
    hor_batch_text(b, o->place);
    hor_batch_int(b, o->nodes_done);
    hor_batch_text(b, o->cause);
    hor_batch_text(b, o->id);
}

static void add_order_progress(struct hor_batch *b, const struct record_order *o)
{
    hor_batch_int(b, o->started_us);
    hor_batch_int(b, o->ended_us);
    hor_batch_text(b, o->state);
    hor_batch_text(b, o->mark);
    hor_batch_text(b, o->place);
    hor_batch_int(b, o->nodes_done);
    hor_batch_text(b, o->cause);
    hor_batch_text(b, o->id);
}

static void add_task(struct hor_batch *b, const struct record_task *t)
{
    hor_batch_text(b, t->order);
    hor_batch_text(b, t->master);
    hor_batch_text(b, t->cluster);
    hor_batch_text(b, t->chain);
    hor_batch_text(b, t->node);
    hor_batch_text(b, t->job);
    hor_batch_int(b, t->attempt);
    hor_batch_text(b, t->agent);
    hor_batch_text(b, t->state);
    hor_batch_text(b, t->outcome);
    hor_batch_int(b, t->exit_code);
    hor_batch_int(b, t->signal);
    hor_batch_int(b, t->assigned_us);
    hor_batch_int(b, t->started_us);
    hor_batch_int(b, t->ended_us);
    hor_batch_int(b, t->cpu_ms);
    hor_batch_int(b, t->max_rss_kb);
    hor_batch_int(b, t->log_bytes);
    hor_batch_text(b, t->cause);
    hor_batch_text(b, t->id);
}

static void add_task_progress(struct hor_batch *b, const struct record_task *t)
{
    hor_batch_text(b, t->state);
    hor_batch_text(b, t->outcome);
    hor_batch_int(b, t->exit_code);
    hor_batch_int(b, t->signal);
    hor_batch_int(b, t->started_us);
    hor_batch_int(b, t->ended_us);
    hor_batch_int(b, t->cpu_ms);
    hor_batch_int(b, t->max_rss_kb);
    hor_batch_int(b, t->log_bytes);
    hor_batch_text(b, t->cause);
    hor_batch_text(b, t->id);
}

/* Secret values are not for this database: the agents have them, people never see them. */
static void add_argument(struct hor_batch *b, const char *owner, size_t seq, const char *order,
                         const struct hor_argument *a)
{
    hor_batch_text(b, owner);
    hor_batch_int(b, (int64_t)seq);
    if (order != NULL)
        hor_batch_text(b, order);
    hor_batch_text(b, a->name);
    hor_batch_text(b, a->secret ? NULL : a->value);
    hor_batch_int(b, a->secret);
}

int record_write_orders(struct hor_database *db, const struct record *record, size_t *ret_count,
                        struct hor_error *err)
{
    struct hor_batch *fresh = hor_batch_new(ORDER_TYPES), *changed = hor_batch_new(ORDER_TYPES),
                     *progress = hor_batch_new(ORDER_PROGRESS_TYPES),
                     *drop = hor_batch_new("s"), *arguments = hor_batch_new("sissi");
    size_t pos = 0;
    for (struct record_order *o; (o = hor_map_next(record->orders, &pos, NULL)) != NULL;) {
        if (!o->changed)
            continue;
        if (o->stored && !o->replanned)
            add_order_progress(progress, o);
        else
            add_order(o->stored ? changed : fresh, o);
        if (o->arguments_changed && o->stored)
            hor_batch_text(drop, o->id);
        for (size_t i = 0; o->arguments_changed && i < o->arguments.count; i++)
            add_argument(arguments, o->id, i, NULL, &o->arguments.items[i]);
    }
    *ret_count = hor_batch_rows(fresh) + hor_batch_rows(changed) + hor_batch_rows(progress);
    int rc = hor_database_run(db, order_insert, fresh, NULL, err);
    rc = rc != HOR_OK ? rc : hor_database_run(db, order_update, changed, NULL, err);
    rc = rc != HOR_OK ? rc : hor_database_run(db, order_progress, progress, NULL, err);
    rc = rc != HOR_OK ? rc
                      : hor_database_run(db, "DELETE FROM order_argument WHERE order_id = ?", drop,
                                         NULL, err);
    rc = rc != HOR_OK ? rc
                      : hor_database_run(db,
                                         "INSERT INTO order_argument (order_id, seq, arg_name, "
                                         "arg_value, is_secret) VALUES (?, ?, ?, ?, ?)",
                                         arguments, NULL, err);
    hor_batch_free(fresh);
    hor_batch_free(changed);
    hor_batch_free(progress);
    hor_batch_free(drop);
    hor_batch_free(arguments);
    return rc;
}

int record_write_tasks(struct hor_database *db, const struct record *record, size_t *ret_count,
                       struct hor_error *err)
{
    struct hor_batch *fresh = hor_batch_new(TASK_TYPES), *changed = hor_batch_new(TASK_TYPES),
                     *progress = hor_batch_new(TASK_PROGRESS_TYPES),
                     *drop = hor_batch_new("s"), *outputs = hor_batch_new("sisssi");
    size_t pos = 0;
    for (struct record_task *t; (t = hor_map_next(record->tasks, &pos, NULL)) != NULL;) {
        if (!t->changed)
            continue;
        if (t->stored && !t->replaced)
            add_task_progress(progress, t);
        else
            add_task(t->stored ? changed : fresh, t);
        if (t->outputs_changed && t->stored)
            hor_batch_text(drop, t->id);
        for (size_t i = 0; t->outputs_changed && i < t->outputs.count; i++)
            add_argument(outputs, t->id, i, t->order, &t->outputs.items[i]);
    }
    *ret_count = hor_batch_rows(fresh) + hor_batch_rows(changed) + hor_batch_rows(progress);
    int rc = hor_database_run(db, task_insert, fresh, NULL, err);
    rc = rc != HOR_OK ? rc : hor_database_run(db, task_update, changed, NULL, err);
    rc = rc != HOR_OK ? rc : hor_database_run(db, task_progress, progress, NULL, err);
    rc = rc != HOR_OK
             ? rc
             : hor_database_run(db, "DELETE FROM task_output WHERE task_id = ?", drop, NULL, err);
    rc = rc != HOR_OK ? rc
                      : hor_database_run(db,
                                         "INSERT INTO task_output (task_id, seq, order_id, "
                                         "arg_name, arg_value, is_secret) VALUES "
                                         "(?, ?, ?, ?, ?, ?)",
                                         outputs, NULL, err);
    hor_batch_free(fresh);
    hor_batch_free(changed);
    hor_batch_free(progress);
    hor_batch_free(drop);
    hor_batch_free(outputs);
    return rc;
}

int record_write_holds(struct hor_database *db, const struct record *record, struct hor_error *err)
{
    struct hor_batch *drop = hor_batch_new("ss"), *add = hor_batch_new("ssiss");
    size_t pos = 0;
    for (struct record_hold *h; (h = hor_map_next(record->holds, &pos, NULL)) != NULL;) {
        hor_batch_text(drop, record->master);
        hor_batch_text(drop, h->chain);
        if (!h->held)
            continue;
        hor_batch_text(add, record->master);
        hor_batch_text(add, h->chain);
        hor_batch_int(add, h->at_us);
        hor_batch_text(add, h->actor);
        hor_batch_text(add, h->reason);
    }
    int rc = hor_database_run(db, "DELETE FROM chain_hold WHERE master = ? AND chain = ?", drop,
                              NULL, err);
    rc = rc != HOR_OK ? rc
                      : hor_database_run(db,
                                         "INSERT INTO chain_hold (master, chain, held_us, actor, "
                                         "reason) VALUES (?, ?, ?, ?, ?)",
                                         add, NULL, err);
    hor_batch_free(drop);
    hor_batch_free(add);
    return rc;
}

static int fetch_chain(struct hor_database *db, struct hor_map *chains, const char *path,
                       struct hor_error *err)
{
    struct hor_batch *key = hor_batch_new("s");
    struct hor_rows *rows = NULL;
    struct record_chain *chain = calloc(1, sizeof *chain);
    hor_batch_text(key, path);
    int rc = key != NULL && chain != NULL
                 ? hor_database_query(db,
                                      "SELECT last_state, last_ended_us, run_count, mean_ms FROM "
                                      "chain_last WHERE chain = ?",
                                      key, &rows, err)
                 : no_memory(err);
    if (chain != NULL)
        chain->mean_ms = HOR_EVENT_NONE;
    if (rc == HOR_OK && (rc = hor_rows_next(rows, err)) == 1) {
        chain->stored = true;
        rc = hor_event_set(&chain->last_state, hor_rows_text(rows, 0)) == HOR_OK ? HOR_OK
                                                                                 : no_memory(err);
        chain->last_ended_us = hor_rows_int(rows, 1);
        chain->run_count = hor_rows_int(rows, 2);
        chain->mean_ms = hor_rows_int(rows, 3);
    }
    if (rc == HOR_OK && hor_map_put(chains, path, chain) != HOR_OK)
        rc = no_memory(err);
    if (rc != HOR_OK)
        record_chain_free(chain);
    hor_rows_close(rows);
    hor_batch_free(key);
    return rc;
}

int record_write_chains(struct hor_database *db, const struct record *record, struct hor_error *err)
{
    struct hor_map *chains = hor_map_new(record_chain_free);
    struct hor_batch *fresh = hor_batch_new("siiis"), *changed = hor_batch_new("siiis");
    int rc = chains != NULL ? HOR_OK : no_memory(err);
    size_t pos = 0;
    for (struct record_order *o; rc == HOR_OK && (o = hor_map_next(record->orders, &pos, NULL));) {
        if (!o->just_ended)
            continue;
        if (hor_map_get(chains, o->chain) == NULL)
            rc = fetch_chain(db, chains, o->chain, err);
        if (rc == HOR_OK && record_chain_apply(hor_map_get(chains, o->chain), o) != HOR_OK)
            rc = no_memory(err);
    }
    const char *path;
    pos = 0;
    for (struct record_chain *c; rc == HOR_OK && (c = hor_map_next(chains, &pos, &path)) != NULL;) {
        struct hor_batch *batch = c->stored ? changed : fresh;
        hor_batch_text(batch, c->last_state);
        hor_batch_int(batch, c->last_ended_us);
        hor_batch_int(batch, c->run_count);
        hor_batch_int(batch, c->mean_ms);
        hor_batch_text(batch, path);
    }
    rc = rc != HOR_OK ? rc
                      : hor_database_run(db,
                                         "INSERT INTO chain_last (last_state, last_ended_us, "
                                         "run_count, mean_ms, chain) VALUES (?, ?, ?, ?, ?)",
                                         fresh, NULL, err);
    rc = rc != HOR_OK ? rc
                      : hor_database_run(db,
                                         "UPDATE chain_last SET last_state = ?, last_ended_us = ?, "
                                         "run_count = ?, mean_ms = ? WHERE chain = ?",
                                         changed, NULL, err);
    hor_batch_free(fresh);
    hor_batch_free(changed);
    hor_map_free(chains);
    return rc;
}

/* Reads the rows that the news will change. */
int record_fetch(struct hor_database *db, struct record *record,
                 const struct hor_store_batch *batch, const bool *news, struct hor_error *err)
{
    static char mark;
    struct hor_map *orders = hor_map_new(NULL), *tasks = hor_map_new(NULL);
    int rc = orders != NULL && tasks != NULL ? HOR_OK : no_memory(err);
    for (size_t i = 0; rc == HOR_OK && i < batch->count; i++) {
        const struct hor_event *event = batch->events[i];
        if (news[i] && event->order != NULL && hor_map_put(orders, event->order, &mark) != HOR_OK)
            rc = no_memory(err);
        if (news[i] && event->task != NULL && event->order != NULL &&
            hor_map_put(tasks, event->task, &mark) != HOR_OK)
            rc = no_memory(err);
    }
    rc = rc != HOR_OK ? rc : fetch(db, order_select, orders, record, take_order_row, err);
    rc = rc != HOR_OK ? rc : fetch(db, task_select, tasks, record, take_task_row, err);
    hor_map_free(orders);
    hor_map_free(tasks);
    return rc;
}

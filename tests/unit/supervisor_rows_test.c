/* History, a law: however a Master's events are cut into batches, the same rows come of them. Rows
 * are written whole or in part, by what a batch changes; a part too small would show here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "server/supervisor/history/database.h"
#include "server/supervisor/history/store.h"
#include "tests/lib/tap.h"

enum { EVENTS = 600 };
static const int64_t noon = 1795435200 * INT64_C(1000000);

static uint32_t state;
static unsigned dice(unsigned sides)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % sides;
}

static void set(char **field, const char *const *values, unsigned count)
{
    const char *value = values[dice(count)];
    if (value != NULL)
        hor_event_set(field, value);
}

/* Any event of an order or task, with any of the fields that rows take. */
static struct hor_event *any_event(uint64_t index)
{
    static const enum hor_event_type types[] = {
        HOR_EVENT_ORDER_ADDED,    HOR_EVENT_ORDER_FORWARDED, HOR_EVENT_ORDER_CHANGED,
        HOR_EVENT_ORDER_STARTED,  HOR_EVENT_ORDER_FAILED,    HOR_EVENT_ORDER_SUSPENDED,
        HOR_EVENT_ORDER_RESUMED,  HOR_EVENT_ORDER_MARKED,    HOR_EVENT_RETRY_SCHEDULED,
        HOR_EVENT_TASK_ASSIGNED,  HOR_EVENT_TASK_STARTED,    HOR_EVENT_TASK_ENDED,
        HOR_EVENT_TASK_IN_DOUBT,  HOR_EVENT_NODE_WAITING,    HOR_EVENT_ORDER_ENDED,
    };
    static const char *const chains[] = {"/a", "/b", NULL}, *const agents[] = {"a1", "a2", NULL},
                             *const clusters[] = {"/one", "/two", NULL}, *const jobs[] = {"/j", NULL},
                             *const texts[] = {"x", "y z", NULL}, *const days[] = {"2026-11-24", NULL},
                             *const outcomes[] = {"success", "failure", NULL};
    unsigned what = dice(sizeof types / sizeof *types);
    if (types[what] == HOR_EVENT_ORDER_ENDED && dice(4) != 0)
        what = 9; /* few: nothing happens to an order afterwards */
    struct hor_event *e = hor_event_new(types[what], noon + (int64_t)index * 1000);
    char text[60];
    unsigned order = dice(8);
    e->index = index;
    snprintf(text, sizeof text, "o%u", order);
    hor_event_set(&e->order, text);
    set(&e->chain, chains, 3);
    set(&e->title, texts, 3);
    set(&e->cause, texts, 3);
    set(&e->plan_day, days, 2);
    set(&e->schedule, texts, 3);
    set(&e->mark, texts, 3);
    set(&e->cluster, clusters, 3);
    if (e->cluster != NULL && dice(2) == 0)
        e->cluster_index = (int64_t)index; /* an agent cluster's, else the Master's own */
    e->release = dice(3) == 0 ? (int64_t)dice(5) : HOR_EVENT_NONE;
    e->priority = dice(3) == 0 ? (int64_t)dice(5) : HOR_EVENT_NONE;
    e->due_at = dice(3) == 0 ? noon + dice(1000) : HOR_EVENT_NONE;
    e->planned_at = dice(3) == 0 ? noon + dice(1000) : HOR_EVENT_NONE;
    if (what < 9 || what > 12)
        return e;
    unsigned node = dice(2), attempt = 1 + dice(2);
    snprintf(text, sizeof text, "o%u:n%u:%u", order, node, attempt);
    hor_event_set(&e->task, text);
    snprintf(text, sizeof text, "n%u", node);
    hor_event_set(&e->node, text);
    e->attempt = attempt;
    set(&e->agent, agents, 3);
    set(&e->job, jobs, 2);
    set(&e->outcome, outcomes, 3);
    e->exit_code = dice(2) == 0 ? (int64_t)dice(9) : HOR_EVENT_NONE;
    e->cpu_ms = dice(2) == 0 ? (int64_t)dice(9) : HOR_EVENT_NONE;
    e->started_at = dice(2) == 0 ? noon + dice(1000) : HOR_EVENT_NONE;
    return e;
}

static void dump(const char *connection, const char *sql, struct hor_buf *out)
{
    struct hor_database *db = NULL;
    struct hor_rows *rows = NULL;
    struct hor_error err = {0};
    int rc = hor_database_open(connection, &db, &err);
    if (rc == HOR_OK)
        rc = hor_database_query(db, sql, NULL, &rows, &err);
    while (rc == HOR_OK && hor_rows_next(rows, &err) == 1) {
        for (unsigned c = 0; c < 20; c++) {
            const char *text = hor_rows_text(rows, c);
            hor_buf_printf(out, "%s|", text != NULL ? text : "-");
        }
        hor_buf_puts(out, "\n");
    }
    ok(rc == HOR_OK, "read: %s", err.text);
    hor_rows_close(rows);
    hor_database_close(db);
}

/* Writes the events in batches of that size and gives the rows as text. */
static void write_all(struct hor_event **events, size_t size, struct hor_buf *out)
{
    struct hor_store *store = NULL;
    struct hor_error err = {0};
    char *connection = hor_str_printf("Driver=SQLite3;Database=%s/%zu-%u.sqlite", hor_tap_tmpdir(),
                                      size, (unsigned)state);
    int rc = hor_store_open(connection, 1, &store, &err);
    for (size_t i = 0; rc == HOR_OK && i < EVENTS; i += size) {
        struct hor_store_batch batch = {.master = "main", .run_id = "run", .events = events + i};
        batch.count = EVENTS - i < size ? EVENTS - i : size;
        batch.read_up_to = i + batch.count;
        rc = hor_store_write(store, &batch, &err);
    }
    ok(rc == HOR_OK, "batches of %zu: %s", size, err.text);
    hor_store_close(store);
    dump(connection,
         "SELECT order_id, master, cluster_path, chain, title, release_no, plan_day, schedule_path, "
         "planned_us, due_us, started_us, ended_us, priority, state, mark, place, nodes_done, cause "
         "FROM order_run ORDER BY order_id",
         out);
    dump(connection,
         "SELECT task_id, order_id, master, cluster_path, chain, node, job, attempt, agent, state, "
         "outcome, exit_code, signal_no, assigned_us, started_us, ended_us, cpu_ms, max_rss_kb, "
         "log_bytes, cause FROM task_run ORDER BY task_id",
         out);
    free(connection);
}

int main(void)
{
    static struct hor_event *events[EVENTS];
    for (uint32_t seed = 1; seed <= 3; seed++) {
        struct hor_buf whole = HOR_BUF_INIT, single = HOR_BUF_INIT, few = HOR_BUF_INIT;
        state = seed;
        for (size_t i = 0; i < EVENTS; i++)
            events[i] = any_event(i + 1);
        write_all(events, EVENTS, &whole);
        write_all(events, 1, &single);
        write_all(events, 7, &few);
        ok(whole.len > 1000, "seed %u: there are rows", (unsigned)seed);
        is(hor_buf_text(&single), hor_buf_text(&whole), "event by event as all at once");
        is(hor_buf_text(&few), hor_buf_text(&whole), "by sevens too");
        hor_buf_done(&whole);
        hor_buf_done(&single);
        hor_buf_done(&few);
        for (size_t i = 0; i < EVENTS; i++)
            hor_event_free(events[i]);
    }
    return done_testing();
}

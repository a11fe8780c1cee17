/* History: what events make of rows, repetition, cursors, lists that go by pages. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "server/supervisor/auth/rights.h"
#include "server/supervisor/history/query.h"
#include "tests/lib/tap.h"

enum { SECOND = 1000000 };
static const int64_t noon = 1795435200 * INT64_C(1000000);

struct script {
    struct hor_event *items[4000];
    size_t count;
};

static struct hor_event *add(struct script *s, enum hor_event_type type, const char *order,
                             const char *node, int64_t at_s)
{
    struct hor_event *event = hor_event_new(type, noon + at_s * SECOND);
    event->index = s->count + 1;
    hor_event_set(&event->order, order);
    hor_event_set(&event->node, node);
    s->items[s->count++] = event;
    return event;
}

static struct hor_event *add_task(struct script *s, enum hor_event_type type, const char *order,
                                  const char *node, int attempt, int64_t at_s)
{
    struct hor_event *event = add(s, type, order, node, at_s);
    char *task = hor_str_printf("%s:%s:%d", order, node, attempt);
    hor_event_set(&event->task, task);
    hor_event_set(&event->agent, "a1");
    hor_event_set(&event->job, "/j");
    event->attempt = attempt;
    free(task);
    return event;
}

/* From the agents: the last event of the script gets their numbering. */
static void by_agents(struct script *s, int64_t cluster_index)
{
    struct hor_event *event = s->items[s->count - 1];
    hor_event_set(&event->cluster, "/clusters/etl");
    event->cluster_index = cluster_index;
}

static void clear(struct script *s)
{
    for (size_t i = 0; i < s->count; i++)
        hor_event_free(s->items[i]);
    s->count = 0;
}

static void script_order(struct script *s)
{
    struct hor_event *e = add(s, HOR_EVENT_CLUSTER_COUPLED, NULL, NULL, 0);
    hor_event_set(&e->cluster, "/clusters/etl");
    hor_event_set(&e->run_id, "run-a");
    e->cluster_index = 0;
    e = add(s, HOR_EVENT_ORDER_ADDED, "eod-1", NULL, 0);
    hor_event_set(&e->chain, "/finance/eod");
    hor_event_set(&e->cluster, "/clusters/etl");
    hor_event_set(&e->plan_day, "2026-11-24");
    e->planned_at = noon + 60 * SECOND;
    e->release = 7;
    hor_arguments_add(&e->arguments, "source", "/data/in", false);
    hor_arguments_add(&e->arguments, "key", "s3cret", true);
    e = add(s, HOR_EVENT_ORDER_FORWARDED, "eod-1", NULL, 1);
    hor_event_set(&e->cluster, "/clusters/etl");
    e = add(s, HOR_EVENT_ORDER_ADDED, "eod-1", NULL, 1);
    hor_event_set(&e->chain, "/finance/eod");
    by_agents(s, 5);
    add(s, HOR_EVENT_ORDER_STARTED, "eod-1", NULL, 60);
    by_agents(s, 6);
    add_task(s, HOR_EVENT_TASK_ASSIGNED, "eod-1", "load", 1, 60);
    by_agents(s, 7);
    add_task(s, HOR_EVENT_TASK_STARTED, "eod-1", "load", 1, 61);
    by_agents(s, 8);
    e = add_task(s, HOR_EVENT_TASK_ENDED, "eod-1", "load", 1, 65);
    hor_event_set(&e->outcome, "failure");
    e->exit_code = 75;
    by_agents(s, 9);
    add(s, HOR_EVENT_RETRY_SCHEDULED, "eod-1", "load", 65);
    by_agents(s, 10);
}

static void script_end(struct script *s)
{
    struct hor_event *e;
    add_task(s, HOR_EVENT_TASK_ASSIGNED, "eod-1", "load", 2, 70);
    by_agents(s, 11);
    e = add_task(s, HOR_EVENT_TASK_ENDED, "eod-1", "load", 2, 75);
    hor_event_set(&e->outcome, "success");
    e->exit_code = 0;
    e->cpu_ms = 12;
    e->started_at = noon + 71 * SECOND;
    e->ended_at = noon + 75 * SECOND;
    hor_arguments_add(&e->arguments, "rows", "42", false);
    by_agents(s, 12);
    e = add(s, HOR_EVENT_NODE_SKIPPED, "eod-1", "alarm", 75);
    by_agents(s, 13);
    e = add(s, HOR_EVENT_ORDER_ENDED, "eod-1", NULL, 76);
    hor_event_set(&e->state, "succeeded");
    by_agents(s, 14);
    /* what comes late changes no end */
    add(s, HOR_EVENT_ORDER_SUSPENDED, "eod-1", NULL, 77);
    by_agents(s, 15);
}

static struct hor_order_row seen;
static char seen_text[4][100];
static int seen_rows;

static int note_order(const struct hor_order_row *row, void *ctx)
{
    (void)ctx;
    seen = *row;
    snprintf(seen_text[0], sizeof seen_text[0], "%s", row->state);
    snprintf(seen_text[1], sizeof seen_text[1], "%s", row->place != NULL ? row->place : "");
    snprintf(seen_text[2], sizeof seen_text[2], "%s", row->cluster != NULL ? row->cluster : "");
    seen_rows++;
    return HOR_OK;
}

static char tasks_text[1000];
static int note_task(const struct hor_task_row *row, void *ctx)
{
    char line[200];
    (void)ctx;
    snprintf(line, sizeof line, "%s %s %s %" PRId64 " %" PRId64 "; ", row->id, row->state,
             row->outcome != NULL ? row->outcome : "-",
             row->exit_code == HOR_EVENT_NONE ? -1 : row->exit_code,
             row->cpu_ms == HOR_EVENT_NONE ? -1 : row->cpu_ms);
    strncat(tasks_text, line, sizeof tasks_text - strlen(tasks_text) - 1);
    return HOR_OK;
}

static char arguments_text[500];
static int note_argument(const char *task, const char *name, const char *value, bool secret,
                         void *ctx)
{
    char line[200];
    (void)ctx;
    snprintf(line, sizeof line, "%s%s%s=%s%s; ", task != NULL ? task : "", task != NULL ? " " : "",
             name, value != NULL ? value : "(none)", secret ? "!" : "");
    strncat(arguments_text, line, sizeof arguments_text - strlen(arguments_text) - 1);
    return HOR_OK;
}

static int events_seen;
static uint64_t events_last;
static int note_event(struct hor_event *event, const char *chain, void *ctx)
{
    (void)chain;
    (void)ctx;
    events_seen++;
    if (event->index <= events_last)
        events_seen += 1000000; /* out of order */
    events_last = event->index;
    return HOR_OK;
}

static int count_events(struct hor_store *store, const struct hor_scope *scope)
{
    events_seen = 0;
    events_last = 0;
    hor_query_events(store, 0, NULL, scope, 0, note_event, NULL, NULL, NULL);
    return events_seen;
}

static int write_script(struct hor_store *store, struct script *s, size_t first, const char *run,
                        struct hor_error *err)
{
    struct hor_store_batch batch = {.master = "main",
                                    .run_id = run,
                                    .events = s->items + first,
                                    .count = s->count - first,
                                    .read_up_to = s->items[s->count - 1]->index};
    return hor_store_write(store, &batch, err);
}

static void test_rows(struct hor_store *store, struct script *s)
{
    struct hor_error err = {0};
    char run[64];
    uint64_t at = 99;
    is_int(hor_store_cursor(store, "main", run, &at, &err), HOR_OK, "a Master never read");
    ok(at == 0 && run[0] == '\0', "is read from its beginning");
    script_order(s);
    is_int(write_script(store, s, 0, "run-1", &err), HOR_OK, "the first batch: %s", err.text);
    hor_query_order(store, "eod-1", note_order, NULL, &err);
    is(seen_text[0], "retrying", "the order waits for its retry");
    is(seen_text[1], "agents", "at the agents");
    is(seen_text[2], "/clusters/etl", "of its cluster");
    ok(seen.release == 7 && seen.planned_us == noon + 60 * SECOND &&
           seen.started_us == noon + 60 * SECOND && seen.ended_us == HOR_EVENT_NONE &&
           seen.nodes_done == 0,
       "with its times");
    is_int(count_events(store, NULL), 9, "every event is kept, in order");

    is_int(write_script(store, s, 0, "run-1", &err), HOR_OK, "the same batch again");
    is_int(count_events(store, NULL), 9, "changes nothing");

    size_t before = s->count;
    script_end(s);
    is_int(write_script(store, s, before - 3, "run-1", &err), HOR_OK, "an overlapping batch: %s",
           err.text);
    hor_query_order(store, "eod-1", note_order, NULL, &err);
    is(seen_text[0], "succeeded", "the order has ended, and the late event changed nothing");
    ok(seen.ended_us == noon + 76 * SECOND && seen.nodes_done == 2, "with time and nodes: %d",
       (int)seen.nodes_done);
    is_int(count_events(store, NULL), 14, "each event once");
    tasks_text[0] = '\0';
    hor_query_order_tasks(store, "eod-1", note_task, NULL, &err);
    is(tasks_text, "eod-1:load:1 ended failure 75 -1; eod-1:load:2 ended success 0 12; ",
       "a row for each attempt");
    arguments_text[0] = '\0';
    hor_query_arguments(store, "eod-1", note_argument, NULL, &err);
    is(arguments_text, "source=/data/in; key=(none)!; ", "arguments, the secret one without value");
    arguments_text[0] = '\0';
    hor_query_outputs(store, "eod-1", note_argument, NULL, &err);
    is(arguments_text, "eod-1:load:2 rows=42; ", "outputs");
    int64_t expected = 0;
    hor_query_expected_ms(store, "/finance/eod", &expected, &err);
    is_int(expected, 16000, "the chain's duration is known");
    is_int(hor_query_order(store, "nope", note_order, NULL, &err), HOR_ERR_NOT_FOUND,
           "an order that is not there");
    is(err.text, "order 'nope' is not known", "is named");
    hor_store_cursor(store, "main", run, &at, &err);
    ok(at == s->count && strcmp(run, "run-1") == 0, "the cursor stands at the end");
}

/* A Master whose journal began anew reads the agents' events again. */
static void test_new_run(struct hor_store *store, struct script *s)
{
    struct hor_error err = {0};
    clear(s);
    struct hor_event *e = add(s, HOR_EVENT_CLUSTER_COUPLED, NULL, NULL, 100);
    hor_event_set(&e->cluster, "/clusters/etl");
    hor_event_set(&e->run_id, "run-a");
    e->cluster_index = 0;
    e = add(s, HOR_EVENT_ORDER_ENDED, "eod-1", NULL, 76);
    hor_event_set(&e->state, "failedFinally");
    by_agents(s, 14);
    int before = count_events(store, NULL);
    is_int(write_script(store, s, 0, "run-2", &err), HOR_OK, "a new run of the Master: %s",
           err.text);
    is_int(count_events(store, NULL), before + 1, "what the agents had told already is not told");
    clear(s);
    e = add(s, HOR_EVENT_CLUSTER_COUPLED, NULL, NULL, 200);
    e->index = 3;
    hor_event_set(&e->cluster, "/clusters/etl");
    hor_event_set(&e->run_id, "run-b");
    e->cluster_index = 0;
    e = add(s, HOR_EVENT_MEMBER_CHANGED, NULL, NULL, 200);
    e->index = 4;
    hor_event_set(&e->agent, "a1");
    by_agents(s, 1);
    is_int(write_script(store, s, 0, "run-2", &err), HOR_OK, "a new run of the agents");
    is_int(count_events(store, NULL), before + 3, "begins to count anew");
}

static void test_recount(struct hor_store *store, struct script *s)
{
    struct hor_error err = {0};
    clear(s);
    s->count = 0;
    struct hor_event *e = add(s, HOR_EVENT_ORDER_ADDED, "re-1", NULL, 0);
    hor_event_set(&e->chain, "/x");
    e->planned_at = noon;
    const char *const nodes[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        e = add_task(s, HOR_EVENT_TASK_ENDED, "re-1", nodes[i], 1, i);
        hor_event_set(&e->outcome, i == 2 ? "failure" : "success");
    }
    e = add(s, HOR_EVENT_ORDER_FAILED, "re-1", "c", 4);
    hor_event_set(&e->cause, "exit code 1");
    for (size_t i = 0; i < s->count; i++)
        s->items[i]->index = 100 + i;
    write_script(store, s, 0, "run-2", &err);
    hor_query_order(store, "re-1", note_order, NULL, &err);
    ok(seen.nodes_done == 2 && strcmp(seen_text[0], "failed") == 0, "failed with two nodes done");
    clear(s);
    e = add(s, HOR_EVENT_NODE_RESET, "re-1", "b", 5);
    e->index = 200;
    e = add(s, HOR_EVENT_NODE_SET, "re-1", "c", 6);
    hor_event_set(&e->outcome, "success");
    e->index = 201;
    e = add(s, HOR_EVENT_NODE_RESET, "re-1", "a", 7);
    e->index = 202;
    is_int(write_script(store, s, 0, "run-2", &err), HOR_OK, "people reset and set nodes: %s",
           err.text);
    hor_query_order(store, "re-1", note_order, NULL, &err);
    is_int(seen.nodes_done, 1, "and what is done is counted anew");
}

static const char *state_after(struct hor_store *store, struct script *s, uint64_t index)
{
    struct hor_error err = {0};
    for (size_t i = 0; i < s->count; i++)
        s->items[i]->index = index + i;
    is_int(write_script(store, s, 0, "run-2", &err), HOR_OK, "written: %s", err.text);
    hor_query_order(store, "du-1", note_order, NULL, &err);
    clear(s);
    return seen_text[0];
}

/* An order is in doubt as long as any of its tasks is. */
static void test_doubts(struct hor_store *store, struct script *s)
{
    clear(s);
    hor_event_set(&add(s, HOR_EVENT_ORDER_ADDED, "du-1", NULL, 0)->chain, "/x");
    add(s, HOR_EVENT_ORDER_STARTED, "du-1", NULL, 0);
    for (int i = 0; i < 3; i++)
        add_task(s, HOR_EVENT_TASK_STARTED, "du-1", i == 0 ? "a" : i == 1 ? "b" : "c", 1, 1);
    hor_event_set(&add_task(s, HOR_EVENT_TASK_IN_DOUBT, "du-1", "a", 1, 2)->cause, "a1 was lost");
    hor_event_set(&add_task(s, HOR_EVENT_TASK_IN_DOUBT, "du-1", "b", 1, 2)->cause, "a2 was lost");
    is(state_after(store, s, 900300), "inDoubt", "two tasks in doubt");
    hor_event_set(&add_task(s, HOR_EVENT_TASK_ENDED, "du-1", "c", 1, 3)->outcome, "success");
    is(state_after(store, s, 900310), "inDoubt", "the end of a third one settles neither");
    hor_event_set(&add_task(s, HOR_EVENT_TASK_ENDED, "du-1", "a", 1, 4)->outcome, "success");
    is(state_after(store, s, 900320), "inDoubt", "one settled: the other one is still in doubt");
    hor_event_set(&add_task(s, HOR_EVENT_TASK_IN_DOUBT, "du-1", "d", 1, 5)->cause, "a1 again");
    hor_event_set(&add_task(s, HOR_EVENT_TASK_ENDED, "du-1", "b", 1, 6)->outcome, "success");
    is(state_after(store, s, 900330), "inDoubt", "one comes as one goes, in one batch");
    add_task(s, HOR_EVENT_TASK_STARTED, "du-1", "d", 1, 7);
    is(state_after(store, s, 900340), "running", "it runs after all: no doubt is left");
}

/* ---- pages ---- */

enum { MANY = 250 };
static char page_ids[1000][32];
static int page_count;

static int note_page(const struct hor_order_row *row, void *ctx)
{
    (void)ctx;
    snprintf(page_ids[page_count++ % 1000], 32, "%s", row->id);
    return HOR_OK;
}

static void add_many(struct hor_store *store, int from, int to, uint64_t index)
{
    static struct script s;
    struct hor_error err = {0};
    s.count = 0;
    for (int i = from; i < to; i++) {
        char id[32], chain[32];
        snprintf(id, sizeof id, "p-%04d", i);
        snprintf(chain, sizeof chain, "/many/c%d", i % 5);
        struct hor_event *e = add(&s, HOR_EVENT_ORDER_ADDED, id, NULL, 0);
        e->index = index++;
        hor_event_set(&e->chain, i % 2 != 0 ? chain : "/manyother/c");
        hor_event_set(&e->plan_day, "2026-11-25");
        e->planned_at = noon + (int64_t)(i / 10) * SECOND; /* ten at the same moment */
    }
    ok(write_script(store, &s, 0, "run-2", &err) == HOR_OK, "many orders: %s", err.text);
    clear(&s);
}

static int walk(struct hor_store *store, const struct hor_order_filter *filter, int limit,
                bool disturb)
{
    struct hor_buf cursor = HOR_BUF_INIT, next = HOR_BUF_INIT;
    struct hor_error err = {0};
    int pages = 0;
    page_count = 0;
    do {
        hor_buf_clear(&next);
        if (hor_query_orders(store, filter, cursor.len > 0 ? cursor.data : NULL, limit, note_page,
                             NULL, &next, &err) != HOR_OK) {
            diag("%s", err.text);
            pages = -1000;
            break;
        }
        hor_buf_clear(&cursor);
        hor_buf_puts(&cursor, hor_buf_text(&next));
        if (disturb && pages == 2)
            add_many(store, 900, 950, 5000); /* newer orders arrive between two pages */
        pages++;
    } while (next.len > 0);
    hor_buf_done(&cursor);
    hor_buf_done(&next);
    return pages;
}

static bool all_different(void)
{
    for (int i = 0; i < page_count; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(page_ids[i], page_ids[j]) == 0)
                return false;
    return true;
}

static void test_pages(struct hor_store *store)
{
    struct hor_error err = {0};
    struct hor_order_filter day = {.plan_day = "2026-11-25"};
    add_many(store, 0, MANY, 1000);
    is_int(walk(store, &day, 7, false), (MANY + 6) / 7, "pages of seven");
    ok(page_count == MANY && all_different(), "hold every order once");
    is(page_ids[0], "p-0249", "latest first");
    day.ascending = true;
    is_int(walk(store, &day, 50, false), 5, "pages that come out even");
    ok(page_count == MANY && strcmp(page_ids[0], "p-0000") == 0, "earliest first");
    day.ascending = false;
    walk(store, &day, 7, true);
    ok(page_count == MANY && all_different(), "orders that arrive meanwhile disturb no page");

    struct hor_order_filter states = {
        .states = {"waiting", "ended"}, .state_count = 2, .plan_day = "2026-11-25"};
    walk(store, &states, 9, false);
    ok(page_count == MANY + 50 && all_different(), "groups of states, merged: %d", page_count);
    struct hor_order_filter folder = {.folder = "/many"};
    walk(store, &folder, 100, false);
    is_int(page_count, 150, "a folder, and not one whose name only begins like it");
    struct hor_order_filter chain = {.chain = "/many/c3", .text = "P-00"};
    walk(store, &chain, 100, false);
    is_int(page_count, 10, "a chain and a text");
    struct hor_order_filter percent = {.text = "%"};
    walk(store, &percent, 100, false);
    is_int(page_count, 0, "a percent sign is itself");
    struct hor_order_filter agent = {.agent = "a1"};
    walk(store, &agent, 100, false);
    is_int(page_count, 2, "orders that had a task on an agent");

    const char *const allowed[] = {"/many"}, *const denied[] = {"/many/c3"};
    struct hor_scope scope = {(const char **)allowed, (const char **)denied, 1, 1};
    struct hor_order_filter scoped = {.scope = &scope};
    walk(store, &scoped, 100, false);
    is_int(page_count, 120, "only what the scope has, and denial wins");
    struct hor_scope nothing = {0};
    scoped.scope = &nothing;
    walk(store, &scoped, 100, false);
    is_int(page_count, 0, "no scope, no orders");

    struct hor_order_filter bad = {.states = {"sleeping"}, .state_count = 1};
    is_int(hor_query_orders(store, &bad, NULL, 5, note_page, NULL, NULL, &err), HOR_ERR_INVALID,
           "an unknown state");
    like(err.text, "'sleeping'", "is named");
    is_int(hor_query_orders(store, &day, "bm9uc2Vuc2U=", 5, note_page, NULL, NULL, &err),
           HOR_ERR_INVALID, "a cursor that is none");
    const char *ids[] = {"p-0001", "nope", "eod-1"};
    page_count = 0;
    hor_query_orders_named(store, (char *const *)ids, 3, note_page, NULL, &err);
    is_int(page_count, 2, "orders by name, those that are known");
}

static int64_t counted;
static int note_count(const char *state, int64_t count, void *ctx)
{
    (void)state;
    (void)ctx;
    counted += count;
    return HOR_OK;
}

static char audit_text[300];
static int note_audit(const struct hor_audit_entry *entry, void *ctx)
{
    char line[100];
    (void)ctx;
    snprintf(line, sizeof line, "%s %s %s; ", entry->user, entry->operation, entry->outcome);
    strncat(audit_text, line, sizeof audit_text - strlen(audit_text) - 1);
    return HOR_OK;
}

static void test_others(struct hor_store *store)
{
    struct hor_error err = {0};
    hor_query_counts(store, "2026-11-25", NULL, note_count, NULL, &err);
    is_int(counted, MANY + 50, "a day is counted");
    const char *const users[] = {"anna", "bert", "anna"};
    for (int i = 0; i < 3; i++) {
        struct hor_audit_entry entry = {.at_us = noon + i,
                                        .user = users[i],
                                        .operation = "Login",
                                        .outcome = i == 1 ? "refused" : "done"};
        hor_store_audit(store, &entry, &err);
    }
    struct hor_buf next = HOR_BUF_INIT;
    hor_query_audit(store, NULL, NULL, NULL, 2, note_audit, NULL, &next, &err);
    is(audit_text, "anna Login done; bert Login refused; ", "the audit, latest first");
    audit_text[0] = '\0';
    hor_query_audit(store, NULL, NULL, next.data, 2, note_audit, NULL, NULL, &err);
    is(audit_text, "anna Login done; ", "and its next page");
    audit_text[0] = '\0';
    hor_query_audit(store, "bert", NULL, NULL, 2, note_audit, NULL, NULL, &err);
    is(audit_text, "bert Login refused; ", "of one user");
    hor_buf_done(&next);

    const char *const allowed[] = {"/finance"};
    struct hor_scope finance = {(const char **)allowed, NULL, 1, 0};
    int all = count_events(store, NULL), some = count_events(store, &finance);
    ok(some > 0 && some < all, "events are limited to the scope: %d of %d", some, all);
    uint64_t last = 0;
    events_seen = 0;
    events_last = 0;
    hor_query_events(store, 3, NULL, NULL, 4, note_event, NULL, &last, &err);
    ok(events_seen == 4 && last == 7, "events after a number, so many");
    hor_query_events(store, 100000, NULL, NULL, 4, note_event, NULL, &last, &err);
    is_int(last, 100000, "none after the last");
}

static void test_conflict(const char *connection)
{
    struct hor_error err = {0};
    struct hor_store *one = NULL, *two = NULL;
    struct script s = {.count = 0};
    hor_store_open(connection, 1, &one, &err);
    hor_store_open(connection, 1, &two, &err);
    add(&s, HOR_EVENT_MEMBER_CHANGED, NULL, NULL, 0)->index = 9000;
    is_int(write_script(one, &s, 0, "run-2", &err), HOR_OK, "one Supervisor writes");
    is_int(write_script(two, &s, 0, "run-2", &err), HOR_OK, "another one too: nothing new");
    s.items[0]->index = 9001;
    is_int(write_script(two, &s, 0, "run-2", &err), HOR_OK, "the other goes on: %s", err.text);
    s.items[0]->index = 9002;
    int rc = write_script(one, &s, 0, "run-2", &err);
    if (rc != HOR_OK) /* its numbers were taken: told, nothing written, then right */
        rc = write_script(one, &s, 0, "run-2", &err);
    is_int(rc, HOR_OK, "and the first again: %s", err.text);
    clear(&s);
    hor_store_close(one);
    hor_store_close(two);
}

int main(void)
{
    struct hor_error err = {0};
    struct hor_store *store = NULL;
    static struct script s;
    const char *other = getenv("HOR_TEST_DATABASE");
    char *connection =
        other != NULL ? hor_strdup(other)
                      : hor_str_printf("Driver=SQLite3;Database=%s/h.sqlite", hor_tap_tmpdir());
    if (!ok(hor_store_open(connection, 2, &store, &err) == HOR_OK, "open: %s", err.text))
        return done_testing();
    test_rows(store, &s);
    test_new_run(store, &s);
    test_recount(store, &s);
    test_pages(store);
    test_others(store);
    test_doubts(store, &s);
    clear(&s);
    struct hor_store_counts counts;
    hor_store_counts(store, &counts);
    ok(counts.events > 0 && counts.orders > 0 && counts.tasks > 0 && counts.failures == 0,
       "counted for the metrics");
    ok(hor_store_healthy(store, NULL, 0), "healthy");
    hor_store_close(store);
    test_conflict(connection);
    free(connection);
    return done_testing();
}

/* What the Master answers to agent clusters: their questions come as events of theirs, its answers are
 * events of its own, each question is answered once, and an external event is consumed once. */
#include "server/master/core/core.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "tests/lib/documents.h"
#include "tests/lib/tap.h"

#define SECOND INT64_C(1000000)

static const char *const documents[] = {
    "c.agentCluster.xml",
    "<agentCluster><member name='a1' url='https://127.0.0.1:1'/></agentCluster>",
    "far.agentCluster.xml",
    "<agentCluster><member name='b1' url='https://127.0.0.1:2'/></agentCluster>",
    "j.job.xml",
    "<job><parameter name='day'/><script>true</script></job>",
    "eod.chain.xml",
    "<jobChain agentCluster='/c'><node id='n' job='/j'/>"
    "<node id='m' job='/j' agentCluster='/far'/></jobChain>",
    "other.chain.xml",
    "<jobChain agentCluster='/far'><node id='n' job='/j'/></jobChain>",
    NULL};

static struct hor_event *journal[20000];
static size_t journal_count;
static struct hor_master_core *core;
static int64_t now = INT64_C(1795500000) * SECOND;
static uint64_t their_index[2];

struct emitted {
    struct hor_event *events[1000];
    size_t count;
};

static void collect(struct hor_event *take_event, void *ctx)
{
    struct emitted *e = ctx;
    e->events[e->count++] = take_event;
}

static void commit(struct hor_event *take_event)
{
    take_event->index = journal_count + 1;
    journal[journal_count++] = take_event;
    hor_master_core_apply(core, take_event);
}

static void commit_all(struct emitted *e)
{
    for (size_t i = 0; i < e->count; i++)
        commit(e->events[i]);
    e->count = 0;
}

static size_t settle(void)
{
    static struct emitted e;
    size_t total = 0, before;
    do {
        bool more = false;
        before = total;
        hor_master_core_decide(core, now, 100, collect, &e, &more);
        total += e.count;
        commit_all(&e);
    } while (total != before);
    return total;
}

static void begin(void)
{
    static struct emitted e;
    struct hor_buf document = HOR_BUF_INIT;
    char sha256[65];
    for (size_t i = 0; i < journal_count; i++)
        hor_event_free(journal[i]);
    journal_count = 0;
    their_index[0] = their_index[1] = 0;
    hor_master_core_free(core);
    core = NULL;
    hor_master_core_new("main", 2, &core, NULL);
    hor_test_release(documents, 1, &document, sha256);
    hor_master_core_apply_release(core, 1, sha256, "anna", document.data, document.len, now, collect,
                                  &e, NULL);
    commit_all(&e);
    hor_buf_done(&document);
    settle();
}

static char *snapshot_of(const struct hor_master_core *of)
{
    struct hor_buf out = HOR_BUF_INIT;
    hor_master_core_snapshot(of, &out);
    return hor_buf_take(&out);
}

static void same_state(const char *when)
{
    struct hor_master_core *replayed = NULL, *restored = NULL;
    struct hor_error err = {0};
    hor_master_core_new("main", 2, &replayed, NULL);
    hor_master_core_new("main", 2, &restored, NULL);
    for (size_t i = 0; i < journal_count; i++)
        hor_master_core_apply(replayed, journal[i]);
    char *live = snapshot_of(core), *again = snapshot_of(replayed);
    is(again, live, "%s: replay gives the live state", when);
    int rc = hor_master_core_restore(restored, live, strlen(live), &err);
    char *third = snapshot_of(restored);
    ok(rc == HOR_OK, "%s: the snapshot is taken back %s", when, err.text);
    is(third, live, "%s: and gives the live state", when);
    free(live);
    free(again);
    free(third);
    hor_master_core_free(replayed);
    hor_master_core_free(restored);
}

/* ---- the agent clusters ---- */

static struct hor_event *theirs(enum hor_event_type type, const char *cluster, const char *order)
{
    struct hor_event *event = hor_event_new(type, now);
    hor_event_set(&event->master, "main");
    hor_event_set(&event->cluster, cluster);
    hor_event_set(&event->order, order);
    event->cluster_index = (int64_t)++their_index[strcmp(cluster, "/c") == 0];
    return event;
}

/* An order of /eod that its cluster has started. */
static void running(const char *order, const char *chain, const char *cluster)
{
    struct hor_event *event = hor_event_new(HOR_EVENT_ORDER_ADDED, now);
    hor_event_set(&event->order, order);
    hor_event_set(&event->chain, chain);
    hor_event_set(&event->cluster, cluster);
    event->release = 1;
    event->planned_at = now;
    commit(event);
    commit(theirs(HOR_EVENT_ORDER_STARTED, cluster, order));
}

static void ended(const char *order, const char *cluster, const char *state)
{
    struct hor_event *event = theirs(HOR_EVENT_ORDER_ENDED, cluster, order);
    hor_event_set(&event->state, state);
    commit(event);
}

static void ask(const char *order, const char *node, int64_t count, int64_t number,
                const char *action, const char *what, const char *state)
{
    struct hor_event *event = theirs(HOR_EVENT_DEPENDENCY_REQUESTED, "/c", order);
    hor_event_set(&event->node, node);
    hor_event_set(&event->action, action);
    hor_event_set(&event->name, what);
    hor_event_set(&event->chain, strcmp(action, "event") == 0 ? NULL : what);
    hor_event_set(&event->state, state);
    hor_event_set(&event->outcome, strcmp(action, "history") == 0 ? "success" : NULL);
    event->count = count;
    event->attempt = number;
    if (strcmp(action, "node") == 0) {
        event->release = 1;
        hor_arguments_add(&event->arguments, "day", "monday", false);
    }
    commit(event);
}

static void post(const char *name, const char *request)
{
    static struct emitted e;
    struct hor_master_posted posted = {.name = name, .request = request, .actor = "anna"};
    hor_master_core_post(core, &posted, now, collect, &e, NULL);
    commit_all(&e);
}

/* ---- looking ---- */

static size_t answers(const char *id)
{
    size_t count = 0;
    for (size_t i = 0; i < journal_count; i++)
        count += journal[i]->type == HOR_EVENT_DEPENDENCY_RESOLVED &&
                 journal[i]->cluster_index == HOR_EVENT_NONE &&
                 hor_str_equal(journal[i]->command, id) &&
                 !hor_str_equal(journal[i]->outcome, "waiting");
    return count;
}

static const struct hor_event *answer_of(const char *id)
{
    for (size_t i = journal_count; i-- > 0;)
        if (journal[i]->type == HOR_EVENT_DEPENDENCY_RESOLVED &&
            hor_str_equal(journal[i]->command, id))
            return journal[i];
    return NULL;
}

struct given {
    char ids[10][100];
    struct hor_event *last;
    size_t count;
};

static void give(const struct hor_event *event, void *ctx)
{
    struct given *given = ctx;
    snprintf(given->ids[given->count++ % 10], 100, "%s", event->command);
    hor_event_free(given->last);
    given->last = hor_event_copy(event);
}

/* How many answers a session with /c would hand over now. */
static size_t to_give(void)
{
    struct given given = {.count = 0};
    size_t count = hor_master_core_answers(core, "/c", 100, give, &given);
    hor_event_free(given.last);
    return count;
}

/* The cluster has the answer in its journal. */
static void taken(const char *id, const char *order, const char *node, int64_t count, int64_t number)
{
    struct hor_event *event = theirs(HOR_EVENT_DEPENDENCY_RESOLVED, "/c", order);
    hor_event_set(&event->node, node);
    hor_event_set(&event->command, id);
    hor_event_set(&event->outcome, "resolved");
    event->count = count;
    event->attempt = number;
    commit(event);
}

/* ---- tests ---- */

static void test_event(void)
{
    begin();
    running("o1", "/eod", "/c");
    running("o2", "/eod", "/c");
    ask("o1", "n", 1, 1, "event", "trades", "consume");
    ask("o2", "n", 1, 1, "event", "trades", "consume");
    is_int(settle(), 0, "without the event nothing is answered");
    same_state("asked");
    post("other", "r0");
    post("trades", "r1");
    post("trades", "r1");
    settle();
    is_int(answers("o1:n:1"), 1, "who waits longest gets it");
    is_int(answers("o2:n:1"), 0, "and nobody else, though the request was repeated");
    same_state("consumed");
    hor_master_core_lead(core);
    settle();
    is_int(answers("o1:n:1") + answers("o2:n:1"), 1, "a new leader answers nothing again");
    post("trades", "r2");
    struct hor_event *again = hor_event_copy(answer_of("o1:n:1"));
    again->part = (int64_t)journal_count; /* as a leader that did not know of the first might have it */
    commit(again);
    settle();
    is_int(answers("o2:n:1"), 1, "the next event is the next one's, and no second answer takes it");
    ask("o1", "m", 1, 2, "event", "trades", NULL);
    settle();
    is_int(answers("o1:m:2"), 0, "what is consumed is gone for all");
    post("trades", "r3");
    settle();
    ask("o2", "m", 1, 2, "event", "trades", NULL);
    settle();
    ok(answers("o1:m:2") == 1 && answers("o2:m:2") == 1, "what is not consumed counts for many");
    same_state("not consumed");
}

static void test_age(void)
{
    begin();
    running("o1", "/eod", "/c");
    post("x", "r1");
    now += 60 * SECOND;
    struct hor_event *event = theirs(HOR_EVENT_DEPENDENCY_REQUESTED, "/c", "o1");
    hor_event_set(&event->node, "n");
    hor_event_set(&event->action, "event");
    hor_event_set(&event->name, "x");
    event->count = event->attempt = 1;
    event->started_at = now - 30 * SECOND;
    commit(event);
    settle();
    is_int(answers("o1:n:1"), 0, "an event that is too old does not count");
    post("x", "r2");
    settle();
    is_int(answers("o1:n:1"), 1, "a new one does");
}

static void test_delivery(void)
{
    begin();
    running("o1", "/eod", "/c");
    ask("o1", "n", 1, 1, "event", "x", NULL);
    post("x", "r1");
    settle();
    is_int(to_give(), 1, "the answer is handed over");
    is_int(to_give(), 0, "once while it is under way");
    hor_master_core_answered(core, "/c", false);
    is_int(to_give(), 1, "and again when that failed");
    hor_master_core_answered(core, "/c", true);
    is_int(to_give(), 0, "not when the cluster took it");
    hor_master_core_reached(core, "/c", false);
    is_int(to_give(), 1, "the next session hands it over until the cluster's events show it");
    same_state("not shown");
    taken("o1:n:1", "o1", "n", 1, 1);
    hor_master_core_reached(core, "/c", false);
    is_int(to_give(), 0, "then it is over");
    ask("o1", "n", 1, 2, "event", "y", NULL);
    struct hor_event *skipped = theirs(HOR_EVENT_NODE_SKIPPED, "/c", "o1");
    hor_event_set(&skipped->node, "n");
    commit(skipped);
    post("y", "r2");
    settle();
    is_int(answers("o1:n:2"), 0, "a question that a person made pointless is not answered");
    ask("o1", "m", 1, 3, "event", "z", NULL);
    ended("o1", "/c", "cancelled");
    post("z", "r3");
    settle();
    is_int(answers("o1:m:3"), 0, "nor one of an order that has ended");
    same_state("over");
}

static void test_history(void)
{
    begin();
    running("p1", "/other", "/far");
    running("o1", "/eod", "/c");
    ask("o1", "n", 1, 1, "history", "/other", NULL);
    is_int(settle(), 0, "a running order has not ended");
    ended("p1", "/far", "failedFinally");
    is_int(settle(), 0, "a failure is no success");
    running("p2", "/other", "/far");
    ended("p2", "/far", "succeeded");
    same_state("ended");
    settle();
    is_int(answers("o1:n:1"), 1, "a success of the other cluster is the answer");
    ok(strstr(answer_of("o1:n:1")->cause, "/other") != NULL, "which says what it was");
    ask("o1", "m", 1, 2, "history", "/other", NULL);
    settle();
    is_int(answers("o1:m:2"), 1, "what was is known later too");
    same_state("history");
}

static void test_node(void)
{
    struct hor_master_order order;
    begin();
    running("o1", "/eod", "/c");
    ask("o1", "m", 0, 1, "node", "/eod/-m", NULL);
    settle();
    ok(hor_master_core_order(core, "o1.m-1", &order) == HOR_OK && strcmp(order.cluster, "/far") == 0,
       "the node becomes an order of the other cluster");
    is(hor_arguments_get(order.arguments, "day"), "monday", "with the parameters");
    is(answer_of("o1:m:1")->outcome, "waiting", "and the cluster hears of it");
    is_int(to_give(), 1, "as an answer");
    hor_master_core_lead(core);
    settle();
    is_int(answers("o1:m:1"), 0, "no outcome yet");
    same_state("away");
    commit(theirs(HOR_EVENT_ORDER_STARTED, "/far", "o1.m-1"));
    struct hor_event *task = theirs(HOR_EVENT_TASK_ENDED, "/far", "o1.m-1");
    hor_event_set(&task->node, "m");
    hor_event_set(&task->outcome, "warning");
    task->exit_code = 3;
    hor_arguments_add(&task->arguments, "rows", "42", false);
    commit(task);
    same_state("its task ended");
    ended("o1.m-1", "/far", "warned");
    settle();
    const struct hor_event *answer = answer_of("o1:m:1");
    is(answer->outcome, "warning", "its outcome is the answer");
    is_int(answer->exit_code, 3, "with the exit code");
    is(hor_arguments_get(&answer->arguments, "rows"), "42", "and its outputs");
    same_state("answered");
    taken("o1:m:1", "o1", "m", 0, 1);
    ask("o1", "n", 1, 2, "history", "/eod/-m", NULL);
    settle();
    is_int(answers("o1:n:2"), 0, "it is no order of a chain that could be waited for");
    same_state("taken");
}

static void test_node_taken_back(void)
{
    struct hor_master_order order;
    begin();
    running("o1", "/eod", "/c");
    ask("o1", "m", 0, 1, "node", "/eod/-m", NULL);
    settle();
    ended("o1", "/c", "cancelled");
    settle();
    ok(hor_master_core_order(core, "o1.m-1", &order) == HOR_OK &&
           strcmp(order.state, "cancelled") == 0,
       "what was not handed over yet is cancelled with its order");
    same_state("cancelled here");

    running("o2", "/eod", "/c");
    ask("o2", "m", 0, 1, "node", "/eod/-m", NULL);
    settle();
    commit(theirs(HOR_EVENT_ORDER_STARTED, "/far", "o2.m-1"));
    ended("o2", "/c", "cancelled");
    settle();
    size_t pos = 0;
    const struct hor_event *command = hor_master_core_waiting(core, "/far", &pos);
    ok(command != NULL && strcmp(command->action, "kill") == 0 &&
           strcmp(command->order, "o2.m-1") == 0,
       "what runs there is killed there");
    same_state("killing");
    hor_master_core_lead(core);
    settle();
    ok(hor_master_core_waiting(core, "/far", &pos) == NULL, "by one command");
    ended("o2.m-1", "/far", "cancelled");
    settle();
    is_int(answers("o2:m:1"), 0, "and nobody is answered");
    same_state("killed");

    running("o3", "/eod", "/c");
    ask("o3", "m", 0, 1, "node", "/eod/-unknown", NULL);
    settle();
    is(answer_of("o3:m:1")->outcome, "failure", "a node that no release knows fails at once");
    same_state("unknown");
}

static void test_added_by_people(void)
{
    static struct emitted e;
    char id[300];
    struct hor_error err = {0};
    struct hor_master_new_order order = {.request = "r", .chain = "/eod/-m"};
    order.start_at = order.priority = HOR_EVENT_NONE;
    begin();
    is_int(hor_master_core_add(core, &order, now, collect, &e, id, &err), HOR_ERR_NOT_FOUND,
           "nobody can add an order of a part");
}

int main(void)
{
    if (getenv("HORARIUM_DATADIR") == NULL)
        setenv("HORARIUM_DATADIR", hor_tap_srcdir(), 1);
    test_event();
    test_age();
    test_delivery();
    test_history();
    test_node();
    test_node_taken_back();
    test_added_by_people();
    hor_master_core_free(core);
    for (size_t i = 0; i < journal_count; i++)
        hor_event_free(journal[i]);
    return done_testing();
}

/* What nodes wait for: external events, ends of other chains' orders, conditions; nodes that run on
 * another cluster. The Master is played here. */
#include "lib/model/dependency.h"
#include "tests/unit/agent_core_world.h"

static const struct hor_event *last(const struct world *w, enum hor_event_type type)
{
    for (size_t i = w->count; i-- > 0;)
        if (w->journal[i]->type == type)
            return w->journal[i];
    return NULL;
}

/* The question number `nth` (from 0) of a node. */
static const struct hor_event *question(const struct world *w, const char *order, const char *node,
                                        int64_t requirement)
{
    const struct hor_event *found = NULL;
    for (size_t i = 0; i < w->count; i++) {
        const struct hor_event *e = w->journal[i];
        if (e->type == HOR_EVENT_DEPENDENCY_REQUESTED && hor_str_equal(e->order, order) &&
            hor_str_equal(e->node, node) && e->count == requirement)
            found = e;
    }
    return found;
}

/* The Master's answer as the shell submits it; true when a node waited for it. */
static bool answer(struct world *w, const struct hor_event *asked, const char *outcome,
                   const char *output)
{
    char id[300];
    struct hor_event *event = event_new(w, HOR_EVENT_DEPENDENCY_RESOLVED);
    hor_event_set(&event->order, asked->order);
    hor_event_set(&event->node, asked->node);
    hor_event_set(&event->name, asked->name);
    hor_event_set(&event->outcome, outcome);
    hor_event_set(&event->cause, "because of the Master");
    snprintf(id, sizeof id, "%s:%s:%lld", asked->order, asked->node, (long long)asked->attempt);
    hor_event_set(&event->command, id);
    event->count = asked->count;
    event->attempt = asked->attempt;
    if (output != NULL)
        hor_arguments_add(&event->arguments, "rows", output, false);
    bool awaited = hor_core_awaits(w->core, event);
    commit(w, event);
    settle(w);
    return awaited;
}

static void gather(const struct hor_core_obstacle *obstacle, void *ctx)
{
    char *text = ctx;
    size_t len = strlen(text);
    snprintf(text + len, 2000 - len, "[%s] %s\n", obstacle->kind, obstacle->text);
}

static const char *why(struct world *w, const char *order)
{
    static char text[2000];
    text[0] = '\0';
    hor_core_obstacles(w->core, order, w->now, gather, text, NULL);
    return text;
}

static bool says(struct world *w, const char *order, const char *words)
{
    const char *text = why(w, order);
    if (strstr(text, words) != NULL)
        return true;
    diag("the obstacles are: %s", text);
    return false;
}

static void sources(struct world *w)
{
    world_init(w);
    world_source(w, "clusters/far.agentCluster.xml",
                 "<agentCluster" NS "><member name=\"b1\" url=\"https://127.0.0.1:4461\"/>"
                 "</agentCluster>");
    world_source(w, "count.job.xml",
                 "<job" NS "><parameter name=\"day\" default=\"none\"/>"
                 "<parameter name=\"rows\" required=\"true\"/><script>true</script></job>");
    world_source(w, "far.chain.xml", "<jobChain" NS " agentCluster=\"/clusters/far\">"
                                     "<node id=\"a\" job=\"job\"/></jobChain>");
    world_chain(w, "near", "maxOrders=\"9\"", "<node id=\"a\" job=\"/job\"/>");
    world_chain(w, "event", "maxOrders=\"9\"",
                "<node id=\"a\" job=\"/job\"/><node id=\"b\" job=\"/job\"><requires>"
                "<event name=\"trades\" consume=\"true\"/></requires></node>");
    world_chain(w, "two", "maxOrders=\"9\"",
                "<node id=\"b\" job=\"/job\"><requires><event name=\"x\"/>"
                "<history chain=\"/far\" outcome=\"success warning\" within=\"PT1H\"/></requires></node>");
    world_chain(w, "local", "maxOrders=\"9\"",
                "<node id=\"b\" job=\"/job\"><requires>"
                "<history chain=\"/near\" within=\"PT1H\"/></requires></node>");
    world_chain(w, "fail", "maxOrders=\"9\"",
                "<node id=\"b\" job=\"/job\"><requires><event name=\"x\" timeout=\"PT1M\"/></requires>"
                "</node>");
    world_chain(w, "skip", "maxOrders=\"9\"",
                "<node id=\"b\" job=\"/job\"><requires>"
                "<event name=\"x\" timeout=\"PT1M\" onTimeout=\"skip\"/></requires></node>"
                "<node id=\"c\" job=\"/job\"/>");
    world_chain(w, "continue", "maxOrders=\"9\"",
                "<node id=\"b\" job=\"/job\"><requires>"
                "<event name=\"x\" timeout=\"PT1M\" onTimeout=\"continue\"/></requires></node>");
    world_chain(w, "condition", "maxOrders=\"9\"",
                "<node id=\"b\" job=\"/job\"><requires>"
                "<condition test=\"$order/@priority = 7\"/></requires></node>");
    world_chain(w, "away", "maxOrders=\"9\"",
                "<parameter name=\"day\" default=\"monday\"/>"
                "<node id=\"a\" job=\"/job\"/>"
                "<node id=\"b\" job=\"/count\" agentCluster=\"/clusters/far\">"
                "<argument name=\"rows\">{$nodes/node[@id='a']/output[@name='rows']}</argument></node>"
                "<node id=\"c\" job=\"/job\" when=\"$nodes/node[@id='b']/output[@name='rows'] = 3\"/>");
    ok(world_release(w, 1), "a release with requirements is taken");
    settle(w);
}

static void test_event(void)
{
    struct world w;
    sources(&w);
    add_order(&w, "e1", "/event", w.now, NULL);
    settle(&w);
    is_int(count_events(&w, HOR_EVENT_DEPENDENCY_REQUESTED, "e1"), 0,
           "nothing is asked before the node may go");
    finish(&w, "e1", "a", 0);
    const struct hor_event *asked = question(&w, "e1", "b", 1);
    ok(asked != NULL && hor_str_equal(asked->action, "event") &&
           hor_str_equal(asked->name, "trades") && hor_str_equal(asked->state, "consume"),
       "the journal asks for the external event");
    is(order_state(&w, "e1"), "waiting", "the order waits");
    is(node_state(&w, "e1", "b"), "waiting", "and its node");
    ok(says(&w, "e1", "external event 'trades'"), "why not running names it");
    hor_core_lead(w.core);
    settle(&w);
    is_int(count_events(&w, HOR_EVENT_DEPENDENCY_REQUESTED, "e1"), 1, "a new leader asks no second time");
    check_replay(&w, "asked");
    ok(answer(&w, asked, "resolved", NULL), "the answer is waited for");
    is(node_state(&w, "e1", "b"), "assigned", "and lets the node go");
    size_t assigned = count_events(&w, HOR_EVENT_TASK_ASSIGNED, "e1");
    ok(!answer(&w, asked, "resolved", NULL), "a repeat is not");
    is_int(count_events(&w, HOR_EVENT_TASK_ASSIGNED, "e1"), assigned, "and starts nothing");
    finish(&w, "e1", "b", 0);
    is(order_state(&w, "e1"), "succeeded", "the order ends");
    ok(!answer(&w, asked, "resolved", NULL), "an answer after the end changes nothing");
    check_replay(&w, "resolved");
    world_done(&w);
}

static void test_two(void)
{
    struct world w;
    sources(&w);
    add_order(&w, "t1", "/two", w.now, NULL);
    settle(&w);
    const struct hor_event *event = question(&w, "t1", "b", 1), *history = question(&w, "t1", "b", 2);
    ok(event != NULL && history != NULL && event->attempt != history->attempt,
       "two requirements are two questions");
    is(history->outcome, "success warning", "the question says which outcomes count");
    is_int(history->started_at, w.now - 3600 * SECOND, "and since when");
    is(history->chain, "/far", "and of which chain");
    answer(&w, history, "resolved", NULL);
    is(node_state(&w, "t1", "b"), "waiting", "one answer is not enough");
    ok(says(&w, "t1", "external event 'x'") && strstr(why(&w, "t1"), "chain /far") == NULL,
       "what is met is no obstacle any more");
    answer(&w, event, "resolved", NULL);
    is(node_state(&w, "t1", "b"), "assigned", "both are");
    finish(&w, "t1", "b", 1);
    COMMAND(&w, "retry", "t1", .node = NULL);
    is(node_state(&w, "t1", "b"), "waiting", "a node that is run anew asks anew");
    const struct hor_event *again = question(&w, "t1", "b", 1);
    ok(again != event && again->attempt > history->attempt, "with other numbers");
    ok(!answer(&w, event, "resolved", NULL), "so that old answers do not count");
    ok(says(&w, "t1", "external event 'x'"), "even if they were in the journal");
    is(COMMAND(&w, "skipNode", "t1", .node = "b"), "", "a person may skip it");
    is(order_state(&w, "t1"), "succeeded", "and the order goes on");
    check_replay(&w, "two");
    world_done(&w);
}

static void test_local(void)
{
    struct world w;
    sources(&w);
    add_order(&w, "l1", "/local", w.now, NULL);
    settle(&w);
    ok(question(&w, "l1", "b", 1) != NULL, "the end of a chain of this cluster is asked for as well");
    add_order(&w, "n1", "/near", w.now, NULL);
    settle(&w);
    is(node_state(&w, "l1", "b"), "waiting", "a running order of it is no end");
    w.now += SECOND;
    COMMAND(&w, "kill", "n1", .node = NULL);
    finish(&w, "n1", "a", 1);
    is(order_state(&w, "n1"), "cancelled", "a cancelled one");
    is(node_state(&w, "l1", "b"), "waiting", "is not the success that is wanted");
    add_order(&w, "n2", "/near", w.now, NULL);
    settle(&w);
    finish(&w, "n2", "a", 0);
    is(node_state(&w, "l1", "b"), "assigned", "the cluster answers itself, without the Master");
    check_replay(&w, "local");
    w.now += 3599 * SECOND;
    add_order(&w, "l2", "/local", w.now, NULL);
    settle(&w);
    is(node_state(&w, "l2", "b"), "assigned", "an end within the hour counts");
    w.now += 2 * SECOND;
    add_order(&w, "l3", "/local", w.now, NULL);
    settle(&w);
    is(node_state(&w, "l3", "b"), "waiting", "an older one does not");
    world_done(&w);
}

static void test_timeout(void)
{
    struct world w;
    sources(&w);
    add_order(&w, "f", "/fail", w.now, NULL);
    add_order(&w, "s", "/skip", w.now, NULL);
    add_order(&w, "c", "/continue", w.now, NULL);
    settle(&w);
    ok(says(&w, "f", "the node fails"), "why not running says what comes at the time limit");
    is_int(hor_core_next_due(w.core), w.now + 60 * SECOND, "the time limit is a time to wake up");
    w.now += 59 * SECOND;
    hor_core_lead(w.core);
    settle(&w);
    is(node_state(&w, "f", "b"), "waiting", "it is not over before it is over");
    w.now += SECOND;
    settle(&w);
    is(order_state(&w, "f"), "failed", "then a node fails");
    is(node_state(&w, "s", "b"), "skipped", "or is skipped");
    is(node_state(&w, "s", "c"), "assigned", "and what follows goes on");
    is(node_state(&w, "c", "b"), "assigned", "or goes on without");
    const struct hor_event *asked = question(&w, "f", "b", 1);
    ok(!answer(&w, asked, "resolved", NULL), "an answer that comes too late does not count");
    is(order_state(&w, "f"), "failed", "and changes nothing");
    check_replay(&w, "timeout");
    world_done(&w);
}

static void test_condition(void)
{
    struct world w;
    sources(&w);
    add_order(&w, "c1", "/condition", w.now, NULL);
    settle(&w);
    ok(says(&w, "c1", "$order/@priority = 7"), "a condition that is false is waited for");
    COMMAND(&w, "change", "c1", .priority = 7);
    is(node_state(&w, "c1", "b"), "assigned", "once it is true the node goes");
    world_done(&w);
}

static void test_away(void)
{
    struct world w;
    sources(&w);
    add_order(&w, "w1", "/away", w.now, NULL);
    settle(&w);
    finish_with(&w, "w1", "a", 0, "success", "2");
    const struct hor_event *asked = question(&w, "w1", "b", 0);
    ok(asked != NULL && hor_str_equal(asked->action, "node") &&
           hor_str_equal(asked->chain, "/away/-b"),
       "a node of another cluster is a question too");
    is(hor_arguments_get(&asked->arguments, "rows"), "2", "with its arguments");
    is(hor_arguments_get(&asked->arguments, "day"), "monday", "and the order's parameters, evaluated");
    is(node_state(&w, "w1", "b"), "running", "people see it running");
    is(order_state(&w, "w1"), "running", "and the order");
    answer(&w, asked, "waiting", NULL);
    ok(says(&w, "w1", "because of the Master"), "news of it are told");
    is(node_state(&w, "w1", "b"), "running", "and are no outcome");
    check_replay(&w, "away");
    answer(&w, asked, "success", "3");
    is(node_state(&w, "w1", "b"), "succeeded", "the answer is the outcome");
    is(node_state(&w, "w1", "c"), "assigned", "with its outputs");
    finish(&w, "w1", "c", 0);
    is(order_state(&w, "w1"), "succeeded", "the order ends");

    add_order(&w, "w2", "/away", w.now, NULL);
    settle(&w);
    finish_with(&w, "w2", "a", 0, "success", "2");
    answer(&w, question(&w, "w2", "b", 0), "failure", NULL);
    is(order_state(&w, "w2"), "failed", "a failure there is a failure here");
    COMMAND(&w, "retry", "w2", .node = NULL);
    const struct hor_event *second = question(&w, "w2", "b", 0);
    is_int(second->attempt, 2, "run anew it is a new question");
    COMMAND(&w, "suspend", "w2", .node = NULL);
    is(order_state(&w, "w2"), "suspended", "an order may be suspended meanwhile");
    answer(&w, second, "success", "3");
    is(node_state(&w, "w2", "b"), "succeeded", "the outcome counts all the same");
    COMMAND(&w, "resume", "w2", .node = NULL);
    is(node_state(&w, "w2", "c"), "assigned", "and the order goes on from there");
    ok(last(&w, HOR_EVENT_TASK_ASSIGNED) != NULL, "by itself");

    add_order(&w, "w3", "/away", w.now, NULL);
    settle(&w);
    finish_with(&w, "w3", "a", 0, "success", "2");
    COMMAND(&w, "kill", "w3", .node = NULL);
    is(order_state(&w, "w3"), "cancelled", "a killed order does not wait for the other cluster");
    check_replay(&w, "away and back");
    world_done(&w);
}

int main(void)
{
    char text[HOR_ON_TEXT_BYTES];
    ok(hor_on_parse(hor_on_format(HOR_ON_WARNING | HOR_ON_SKIPPED, text)) ==
               (HOR_ON_WARNING | HOR_ON_SKIPPED) &&
           hor_on_parse("any") == HOR_ON_ANY,
       "outcomes as words and back");
    test_event();
    test_two();
    test_local();
    test_timeout();
    test_condition();
    test_away();
    return done_testing();
}

/* The graph of a chain, its failures and retries, on a simulated clock. */
#include "tests/unit/agent_core_world.h"

static const char eod_nodes[] =
    "<parameter name=\"businessDate\" type=\"date\" default=\"{$plan/@day}\"/>"
    "<node id=\"extract\" job=\"/job\"/>"
    "<node id=\"load\" job=\"/load\"/>"
    "<node id=\"risk\" job=\"/job\"><after node=\"load\"/></node>"
    "<node id=\"ledger\" job=\"/job\"><after node=\"load\"/></node>"
    "<node id=\"report\" job=\"/job\"><after node=\"risk\"/><after node=\"ledger\"/></node>"
    "<node id=\"alarm\" job=\"/job\"><after node=\"load\" on=\"failure\"/></node>"
    "<node id=\"late\" job=\"/job\" "
    "when=\"$nodes/node[@id='load']/output[@name='rows'] &gt; 0\"><after node=\"report\"/></node>";

static void eod_world(struct world *w, const char *attributes)
{
    world_init(w);
    world_source(w, "load.job.xml",
                 "<job" NS "><script>true</script><returnCodes success=\"0\" warning=\"1 3-5\"/></job>");
    world_chain(w, "eod", attributes, eod_nodes);
    ok(world_release(w, 1), "the release is complete");
    settle(w);
}

static void test_good_day(void)
{
    struct world w;
    struct hor_core_order_view view;
    eod_world(&w, "");
    ok(add_order(&w, "eod-1", "/eod", w.now + 60 * SECOND, NULL), "an order is accepted");
    ok(!add_order(&w, "eod-1", "/eod", w.now, NULL), "and known when it comes again");
    is_int(settle(&w), 0, "nothing happens before its time");
    is(order_state(&w, "eod-1"), "waitingForTime", "it waits for its time");
    is_int(hor_core_next_due(w.core), w.now + 60 * SECOND, "the timer knows when");
    w.now += 60 * SECOND;
    settle(&w);
    is(order_state(&w, "eod-1"), "running", "then it runs");
    hor_core_order(w.core, "eod-1", w.now, &view);
    is(hor_arguments_get(view.arguments, "businessDate"), "2026-11-24", "the default is evaluated");
    is(node_state(&w, "eod-1", "extract"), "assigned", "the first node has a task");
    is(node_state(&w, "eod-1", "load"), "waiting", "the next one waits");
    is_int(settle(&w), 0, "nothing is decided twice");
    finish(&w, "eod-1", "extract", 0);
    finish_with(&w, "eod-1", "load", 0, "success", "17");
    is(node_state(&w, "eod-1", "risk"), "assigned", "one branch goes");
    is(node_state(&w, "eod-1", "ledger"), "assigned", "the other beside it");
    is(node_state(&w, "eod-1", "alarm"), "skipped", "what waits for a failure is skipped");
    finish(&w, "eod-1", "risk", 0);
    is(node_state(&w, "eod-1", "report"), "waiting", "the join waits for all");
    check_replay(&w, "in the middle");
    finish(&w, "eod-1", "ledger", 0);
    finish(&w, "eod-1", "report", 0);
    is(node_state(&w, "eod-1", "late"), "assigned", "the condition is true");
    finish(&w, "eod-1", "late", 0);
    is(order_state(&w, "eod-1"), "succeeded", "the order succeeds");
    is_int(count_events(&w, HOR_EVENT_TASK_ASSIGNED, "eod-1"), 6, "each node ran once");
    check_replay(&w, "at the end");
    struct hor_event *event = event_new(&w, HOR_EVENT_EVENTS_ACKNOWLEDGED);
    event->cluster_index = (int64_t)w.count;
    commit(&w, event);
    is(order_state(&w, "eod-1"), "(none)", "acknowledged, it is forgotten");
    ok(!add_order(&w, "eod-1", "/eod", w.now, NULL), "but a repeat of the plan does not run it again");
    check_replay(&w, "after the acknowledgement");
    world_done(&w);
}

static void test_warning_and_when(void)
{
    struct world w;
    eod_world(&w, "");
    add_order(&w, "eod-1", "/eod", w.now, NULL);
    settle(&w);
    finish(&w, "eod-1", "extract", 0);
    finish_with(&w, "eod-1", "load", 4, "warning", "0");
    is(node_state(&w, "eod-1", "load"), "warned", "a warning is no failure");
    finish(&w, "eod-1", "risk", 0);
    finish(&w, "eod-1", "ledger", 0);
    finish(&w, "eod-1", "report", 0);
    is(node_state(&w, "eod-1", "late"), "(none)", "the order is over: its nodes are history");
    is(order_state(&w, "eod-1"), "warned", "the order ends with a warning");
    bool found = false;
    for (size_t i = 0; i < w.count; i++)
        found |= w.journal[i]->type == HOR_EVENT_NODE_SKIPPED &&
                 hor_str_equal(w.journal[i]->node, "late") &&
                 hor_str_equal(w.journal[i]->action, "when");
    ok(found, "the false condition skipped its node");
    world_done(&w);
}

static void test_stop(void)
{
    struct world w;
    eod_world(&w, "onFailure=\"stop\"");
    add_order(&w, "eod-1", "/eod", w.now, NULL);
    settle(&w);
    finish(&w, "eod-1", "extract", 0);
    finish(&w, "eod-1", "load", 7);
    is(node_state(&w, "eod-1", "alarm"), "assigned", "the failure's own branch runs");
    is(order_state(&w, "eod-1"), "running", "meanwhile the order runs");
    finish(&w, "eod-1", "alarm", 0);
    is(order_state(&w, "eod-1"), "failed", "then it waits for a person");
    is(node_state(&w, "eod-1", "risk"), "waiting", "what follows waits");
    is(COMMAND(&w, "retry", "eod-1"), "", "retry is done");
    is(node_state(&w, "eod-1", "load"), "assigned", "the failed node runs again");
    struct hor_core_node_view view;
    node_view(&w, "eod-1", "load", &view);
    is_int(view.attempt, 2, "as its second attempt");
    finish_with(&w, "eod-1", "load", 0, "success", "1");
    is_int(count_events(&w, HOR_EVENT_TASK_ASSIGNED, "eod-1"), 6, "the alarm did not run again");
    finish(&w, "eod-1", "risk", 0);
    finish(&w, "eod-1", "ledger", 0);
    finish(&w, "eod-1", "report", 0);
    finish(&w, "eod-1", "late", 0);
    is(order_state(&w, "eod-1"), "succeeded", "the order ends well");
    check_replay(&w, "stop");
    world_done(&w);
}

static void test_policies(void)
{
    static const struct {
        const char *policy, *middle, *end;
    } rows[] = {{"suspend", "suspended", NULL},
                {"end", "failedFinally", "failedFinally"},
                {"continue", "running", "warned"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        char attributes[60];
        world_init(&w);
        snprintf(attributes, sizeof attributes, "onFailure=\"%s\"", rows[i].policy);
        world_chain(&w, "c", attributes,
                    "<node id=\"a\" job=\"/job\"/><node id=\"b\" job=\"/job\"/>");
        world_release(&w, 1);
        settle(&w);
        add_order(&w, "o", "/c", w.now, NULL);
        settle(&w);
        finish(&w, "o", "a", 1);
        is(order_state(&w, "o"), rows[i].middle, "onFailure=%s: after the failure", rows[i].policy);
        if (strcmp(rows[i].policy, "continue") == 0)
            finish(&w, "o", "b", 0);
        if (rows[i].end != NULL)
            is(order_state(&w, "o"), rows[i].end, "onFailure=%s: at the end", rows[i].policy);
        check_replay(&w, rows[i].policy);
        world_done(&w);
    }
}

static void test_retry(void)
{
    struct world w;
    world_init(&w);
    world_source(&w, "shaky.job.xml",
                 "<job" NS "><script>true</script>"
                 "<retry attempts=\"4\" delay=\"PT30S\" factor=\"2\" maxDelay=\"PT50S\"/></job>");
    world_chain(&w, "c", "", "<node id=\"a\" job=\"/shaky\"/>");
    world_release(&w, 1);
    settle(&w);
    add_order(&w, "o", "/c", w.now, NULL);
    settle(&w);
    static const int64_t delays[] = {30, 50, 50};
    for (int i = 0; i < 3; i++) {
        finish(&w, "o", "a", 1);
        is(order_state(&w, "o"), "retrying", "failure %d is retried", i + 1);
        is_int(hor_core_next_due(w.core), w.now + delays[i] * SECOND, "after %lld s",
               (long long)delays[i]);
        w.now += delays[i] * SECOND - 1;
        is_int(settle(&w), 0, "not a microsecond earlier");
        w.now += 1;
        settle(&w);
        is(node_state(&w, "o", "a"), "assigned", "attempt %d begins", i + 2);
    }
    check_replay(&w, "retry");
    finish(&w, "o", "a", 1);
    is(order_state(&w, "o"), "failed", "the last failure is final");
    COMMAND(&w, "retry", "o");
    finish(&w, "o", "a", 1);
    is(order_state(&w, "o"), "retrying", "a person's retry counts anew");
    world_done(&w);
}

static void test_edges(void)
{
    struct world w;
    world_init(&w);
    world_source(&w, "codes.job.xml",
                 "<job" NS "><script>true</script><returnCodes success=\"0 7-9\"/></job>");
    world_chain(&w, "c", "",
                "<node id=\"a\" job=\"/codes\"/>"
                "<node id=\"seven\" job=\"/job\"><after node=\"a\" on=\"7-9\"/></node>"
                "<node id=\"no\" job=\"/job\"><after node=\"a\" on=\"warning\"/></node>"
                "<node id=\"afterNo\" job=\"/job\"><after node=\"no\"/></node>"
                "<node id=\"skipped\" job=\"/job\"><after node=\"no\" on=\"skipped\"/></node>"
                "<node id=\"any\" job=\"/job\" join=\"any\"><after node=\"seven\"/>"
                "<after node=\"afterNo\"/></node>"
                "<node id=\"second\" job=\"/job\"><atStart/></node>");
    ok(world_release(&w, 1), "release with all kinds of edges");
    settle(&w);
    add_order(&w, "o", "/c", w.now, NULL);
    settle(&w);
    is(node_state(&w, "o", "second"), "assigned", "atStart makes a second beginning");
    finish_with(&w, "o", "a", 8, "success", NULL);
    is(node_state(&w, "o", "seven"), "assigned", "an exit code releases");
    is(node_state(&w, "o", "no"), "skipped", "another outcome does not");
    is(node_state(&w, "o", "afterNo"), "skipped", "skipping goes on");
    is(node_state(&w, "o", "skipped"), "assigned", "until somebody waits for it");
    is(node_state(&w, "o", "any"), "waiting", "join any waits for what may still come");
    finish(&w, "o", "seven", 0);
    is(node_state(&w, "o", "any"), "assigned", "and one is enough");
    finish(&w, "o", "any", 0);
    finish(&w, "o", "skipped", 0);
    finish(&w, "o", "second", 0);
    is(order_state(&w, "o"), "succeeded", "all is over");
    check_replay(&w, "edges");
    world_done(&w);
}

static void test_parameters(void)
{
    struct world w;
    struct hor_arguments arguments = {0};
    struct hor_core_execution e;
    struct hor_error err = {0};
    world_init(&w);
    world_source(&w, "cp.job.xml",
                 "<job" NS "><parameter name=\"from\" required=\"true\"/>"
                 "<parameter name=\"to\" default=\"{$from}.copy\"/>"
                 "<command program=\"/bin/cp\"><argument>{$from}</argument><argument>{$to}</argument>"
                 "</command><environment name=\"SRC\">{$from}</environment></job>");
    world_chain(&w, "c", "",
                "<parameter name=\"from\" required=\"true\"/>"
                "<parameter name=\"day\" type=\"date\" default=\"{$plan/@day}\"/>"
                "<node id=\"a\" job=\"/cp\"/>");
    ok(world_release(&w, 1), "release with parameters");
    settle(&w);
    add_order(&w, "o", "/c", w.now, NULL);
    settle(&w);
    is(order_state(&w, "o"), "failed", "an order without a required value cannot start");
    hor_arguments_add(&arguments, "from", "it's a \"file\" $(id)", false);
    is(COMMAND(&w, "change", "o", .arguments = &arguments), "", "a person gives the value");
    is(COMMAND(&w, "retry", "o"), "", "and tries again");
    is(node_state(&w, "o", "a"), "assigned", "then it starts");
    ok(hor_core_execution(w.core, "o:a:1", w.now, &e, &err) == HOR_OK, "the task's values %s",
       err.text);
    is_int(e.argc, 3, "program and two arguments");
    is(e.argv[1], "it's a \"file\" $(id)", "values are taken as they are");
    is(e.argv[2], "it's a \"file\" $(id).copy", "a default builds on another value");
    is(hor_arguments_get(&e.environment, "SRC"), "it's a \"file\" $(id)", "environment too");
    is(hor_arguments_get(&e.context, "HORARIUM_TASK"), "o:a:1", "the task knows its name");
    hor_core_execution_done(&e);
    hor_arguments_add(&arguments, "day", "yesterday", false);
    add_order(&w, "p", "/c", w.now, &arguments);
    finish(&w, "o", "a", 0);
    struct hor_core_order_view view;
    hor_core_order(w.core, "p", w.now, &view);
    is(view.state, "failed", "a value of the wrong type cannot start either");
    like(view.cause, "'day' must be a date", "and the cause says so");
    hor_arguments_done(&arguments);
    check_replay(&w, "parameters");
    world_done(&w);
}

int main(void)
{
    test_good_day();
    test_warning_and_when();
    test_stop();
    test_policies();
    test_retry();
    test_edges();
    test_parameters();
    return done_testing();
}

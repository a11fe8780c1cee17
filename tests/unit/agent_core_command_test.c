/* Every command in every state: it does what it says, or refuses with a sentence that names the order
 * and its state. */
#include "tests/unit/agent_core_world.h"

static void command_world(struct world *w)
{
    world_init(w);
    world_source(w, "shaky.job.xml",
                 "<job" NS "><script>true</script><retry attempts=\"2\" delay=\"PT30S\"/></job>");
    world_chain(w, "c", "overlap=\"allow\"", "<node id=\"a\" job=\"/job\"/><node id=\"b\" job=\"/job\"/>");
    world_chain(w, "r", "", "<node id=\"a\" job=\"/shaky\"/>");
    world_release(w, 1);
    settle(w);
}

/* Orders in the states that an order can be in, each named after its state. */
static void make_states(struct world *w)
{
    command_world(w);
    add_order(w, "planned", "/c", w->now + 3600 * SECOND, NULL);
    add_order(w, "running", "/c", w->now, NULL);
    add_order(w, "failed", "/c", w->now, NULL);
    settle(w);
    finish(w, "failed", "a", 1);
    add_order(w, "suspended", "/c", w->now + 3600 * SECOND, NULL);
    COMMAND(w, "suspend", "suspended");
    add_order(w, "retrying", "/r", w->now, NULL);
    settle(w);
    finish(w, "retrying", "a", 1);
    add_order(w, "inDoubt", "/c", w->now, NULL);
    settle(w);
    commit(w, report(w, HOR_EVENT_TASK_IN_DOUBT, "inDoubt", "a"));
    settle(w);
    add_order(w, "succeeded", "/c", w->now, NULL);
    settle(w);
    finish(w, "succeeded", "a", 0);
    finish(w, "succeeded", "b", 0);
}

static const char *const states[] = {"planned",  "running", "failed",   "suspended",
                                     "retrying", "inDoubt", "succeeded"};
enum { STATES = 7 };

/* Which actions are done, by state in the order above: y done, n refused. */
static const struct {
    const char *action, *done;
} table[] = {
    {"start", "ynnnnnn"},      {"suspend", "yyynyyn"}, {"resume", "nnyynnn"},
    {"cancel", "ynyyynn"},     {"kill", "yyyyyyn"},    {"retry", "nnynnnn"},
    {"skipNode", "nnynynn"},   {"setOutcome", "nnynynn"},
    {"resolve", "nnnnnyn"},    {"change", "yyyyyyn"},
};

static void test_every_state(void)
{
    for (size_t a = 0; a < sizeof table / sizeof *table; a++) {
        for (int s = 0; s < STATES; s++) {
            struct world w;
            make_states(&w);
            bool wanted = table[a].done[s] == 'y';
            const char *text = COMMAND(&w, table[a].action, states[s], .node = "a",
                                       .outcome = "success", .priority = 7);
            /* resume with a node begins there, and what has not started has no nodes */
            if (strcmp(table[a].action, "resume") == 0 || strcmp(table[a].action, "kill") == 0)
                text = text[0] == '\0' ? text
                                       : COMMAND(&w, table[a].action, states[s], .node = NULL);
            ok((text[0] == '\0') == wanted, "%s of an order that is %s: %s", table[a].action, states[s],
               wanted ? "done" : "refused");
            if (!wanted)
                like(text, states[s], "and the sentence names the order: %s", text);
            hor_core_lead(w.core);
            settle(&w);
            world_done(&w);
        }
    }
}

static void test_suspend_resume(void)
{
    struct world w;
    command_world(&w);
    add_order(&w, "o", "/c", w.now, NULL);
    settle(&w);
    is(COMMAND(&w, "suspend", "o"), "", "suspend while a task runs");
    struct hor_core_order_view view;
    hor_core_order(w.core, "o", w.now, &view);
    is(view.mark, "suspending", "marks the order");
    finish(&w, "o", "a", 0);
    is(order_state(&w, "o"), "suspended", "its task ends, then it is suspended");
    is(node_state(&w, "o", "b"), "waiting", "nothing new begins");
    check_replay(&w, "suspended");
    is(COMMAND(&w, "resume", "o"), "", "resume");
    is(node_state(&w, "o", "b"), "assigned", "goes on where it was");
    is(COMMAND(&w, "suspend", "o"), "", "suspend again");
    is(COMMAND(&w, "resume", "o"), "", "and resume before the task ended");
    finish(&w, "o", "b", 1);
    is(order_state(&w, "o"), "failed", "which then fails");
    is(COMMAND(&w, "resume", "o", .node = "a"), "", "resume from the first node");
    is(node_state(&w, "o", "a"), "assigned", "begins there");
    finish(&w, "o", "a", 0);
    finish(&w, "o", "b", 0);
    is(order_state(&w, "o"), "succeeded", "and comes to its end");
    check_replay(&w, "resumed");
    world_done(&w);
}

static void test_kill(void)
{
    struct world w;
    command_world(&w);
    add_order(&w, "o", "/c", w.now, NULL);
    settle(&w);
    is(COMMAND(&w, "kill", "o"), "", "kill");
    struct hor_core_task_view task;
    ok(hor_core_task(w.core, "o:a:1", &task) == HOR_OK && task.killing, "asks for the task's end");
    finish(&w, "o", "a", 143);
    is(order_state(&w, "o"), "cancelled", "then the order is cancelled");
    add_order(&w, "p", "/r", w.now, NULL);
    settle(&w);
    is(COMMAND(&w, "kill", "p", .node = "a"), "", "kill of one node's task");
    finish(&w, "p", "a", 143);
    is(order_state(&w, "p"), "failed", "is a failure that is not retried by itself");
    check_replay(&w, "killed");
    world_done(&w);
}

static void test_nodes(void)
{
    struct world w;
    command_world(&w);
    add_order(&w, "o", "/c", w.now, NULL);
    settle(&w);
    is(COMMAND(&w, "skipNode", "o", .node = "b"), "", "a node that waits can be skipped");
    finish(&w, "o", "a", 0);
    is(order_state(&w, "o"), "succeeded", "and is passed");
    add_order(&w, "p", "/c", w.now, NULL);
    settle(&w);
    finish(&w, "p", "a", 1);
    is(COMMAND(&w, "setOutcome", "p", .node = "a", .outcome = "success"), "",
       "a failed node's outcome can be set");
    is(node_state(&w, "p", "b"), "assigned", "and the order goes on by itself");
    like(COMMAND(&w, "setOutcome", "p", .node = "nowhere", .outcome = "success"), "no node 'nowhere'",
         "a node that is not there is named");
    check_replay(&w, "nodes");
    world_done(&w);
}

static void test_hold_and_repeat(void)
{
    struct world w;
    command_world(&w);
    is(COMMAND(&w, "hold", NULL, .chain = "/c"), "", "a chain is held");
    like(COMMAND(&w, "hold", NULL, .chain = "/c"), "held already", "once");
    add_order(&w, "o", "/c", w.now, NULL);
    settle(&w);
    is(order_state(&w, "o"), "waiting", "its orders wait");
    check_replay(&w, "held");
    is(COMMAND(&w, "release", NULL, .chain = "/c"), "", "it is released");
    is(order_state(&w, "o"), "running", "they go");
    size_t before = w.count;
    is(COMMAND(&w, "suspend", "o", .id = "once"), "", "a command with an id");
    size_t after = w.count;
    is(COMMAND(&w, "suspend", "o", .id = "once"), "", "a repeat gets the same answer");
    ok(after > before && w.count == after, "and does nothing");
    like(COMMAND(&w, "suspend", "o", .id = "other"), "already", "another one is refused");
    like(COMMAND(&w, "suspend", "o", .id = "other"), "already", "and stays refused when repeated");
    like(COMMAND(&w, "dance", "o"), "'dance' is not an action", "an unknown action is named");
    like(COMMAND(&w, "cancel", "nobody"), "nobody is not in cluster", "an unknown order is named");
    check_replay(&w, "commands");
    world_done(&w);
}

static void collect(const struct hor_core_obstacle *obstacle, void *ctx)
{
    struct hor_buf *text = ctx;
    hor_buf_printf(text, "%s: %s\n", obstacle->kind, obstacle->text);
}

static void obstacle(struct world *w, const char *id, const char *part)
{
    struct hor_buf text = HOR_BUF_INIT;
    hor_core_obstacles(w->core, id, w->now, collect, &text, NULL);
    like(hor_buf_text(&text), part, "%s is told why: %s", id, part);
    hor_buf_done(&text);
}

static void test_obstacles(void)
{
    struct world w;
    make_states(&w);
    obstacle(&w, "planned", "time: starts at 20");
    obstacle(&w, "suspended", "suspended: the order is suspended");
    obstacle(&w, "failed", "failed: node a failed");
    obstacle(&w, "failed", "predecessor: waits for a (failed)");
    obstacle(&w, "retrying", "retry: attempt 2 begins at 20");
    obstacle(&w, "inDoubt", "inDoubt: it is not known");
    obstacle(&w, "running", "predecessor: waits for a (assigned)");
    obstacle(&w, "succeeded", "ended: ");
    COMMAND(&w, "hold", NULL, .chain = "/c");
    add_order(&w, "held", "/c", w.now, NULL);
    settle(&w);
    obstacle(&w, "held", "held: chain /c is held by anna: because");
    add_order(&w, "queued", "/r", w.now, NULL);
    settle(&w);
    obstacle(&w, "queued", "maxOrders: 1 order of chain /r runs, such as retrying");
    world_done(&w);

    command_world(&w);
    hor_core_reach(w.core, "a1", HOR_CORE_LOST);
    hor_core_reach(w.core, "a2", HOR_CORE_LOST);
    settle(&w);
    add_order(&w, "o", "/c", w.now, NULL);
    settle(&w);
    obstacle(&w, "o", "agent: no agent can take the task: a1 is down, a2 is down");
    world_done(&w);
}

int main(void)
{
    test_every_state();
    test_suspend_resume();
    test_kill();
    test_nodes();
    test_hold_and_repeat();
    test_obstacles();
    return done_testing();
}

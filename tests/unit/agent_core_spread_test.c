/* Nodes on every agent: one task on each member in use, one outcome of all; drained and lost members;
 * retries, doubt, commands. */
#include "tests/unit/agent_core_world.h"

/* The task of the node on one agent; NULL: none that is assigned, running or in doubt. */
struct finder {
    const char *order, *agent;
    char task[HOR_CORE_NAME_BYTES + 1];
    char state[20];
    unsigned count;
};

static void find(const struct hor_core_task_view *task, void *ctx)
{
    struct finder *f = ctx;
    if (strcmp(task->order, f->order) != 0 || strcmp(task->agent, f->agent) != 0)
        return;
    snprintf(f->task, sizeof f->task, "%s", task->task);
    snprintf(f->state, sizeof f->state, "%s", task->state);
    f->count++;
}

static struct finder task_on(struct world *w, const char *order, const char *agent)
{
    struct finder f = {.order = order, .agent = agent};
    hor_core_each_task(w->core, NULL, find, &f);
    return f;
}

/* The agent's task ends; then all that follows is decided. */
static void end_on(struct world *w, const char *order, const char *agent, const char *outcome,
                   const char *output)
{
    struct finder f = task_on(w, order, agent);
    struct hor_event *event = event_new(w, HOR_EVENT_TASK_ENDED);
    hor_event_set(&event->order, order);
    hor_event_set(&event->node, "all");
    hor_event_set(&event->task, f.task);
    hor_event_set(&event->agent, agent);
    hor_event_set(&event->outcome, outcome);
    event->exit_code = strcmp(outcome, "failure") == 0 ? 7 : 0;
    event->ended_at = w->now;
    if (output != NULL)
        hor_arguments_add(&event->arguments, output, agent, false);
    commit(w, event);
    settle(w);
}

static void in_doubt_on(struct world *w, const char *order, const char *agent)
{
    struct finder f = task_on(w, order, agent);
    struct hor_event *event = event_new(w, HOR_EVENT_TASK_IN_DOUBT);
    hor_event_set(&event->order, order);
    hor_event_set(&event->node, "all");
    hor_event_set(&event->task, f.task);
    commit(w, event);
    settle(w);
}

static void sources(struct world *w)
{
    world_init(w);
    world_source(w, "twice.job.xml",
                 "<job" NS "><script>true</script><retry attempts=\"2\" delay=\"PT10S\"/></job>");
    world_source(w, "moves.job.xml",
                 "<job" NS "><script>true</script><agentLoss action=\"restart\"/></job>");
    world_chain(w, "every", "maxOrders=\"9\"",
                "<node id=\"first\" job=\"/job\"/><node id=\"all\" job=\"/job\" everyAgent=\"true\"/>"
                "<node id=\"after\" job=\"/job\" when=\"$nodes/node[@id='all']/output[@name='x'] = 'a2'\"/>");
    world_chain(w, "twice", "maxOrders=\"9\"", "<node id=\"all\" job=\"/twice\" everyAgent=\"true\"/>");
    world_chain(w, "moves", "maxOrders=\"9\"", "<node id=\"all\" job=\"/moves\" everyAgent=\"true\"/>");
    ok(world_release(w, 1), "a release with everyAgent is taken");
    settle(w);
}

static void test_good(void)
{
    struct world w;
    sources(&w);
    add_order(&w, "g", "/every", w.now, NULL);
    settle(&w);
    is_int(count_events(&w, HOR_EVENT_NODE_SPREAD, "g"), 0, "it waits for the node before it");
    finish(&w, "g", "first", 0);
    struct finder one = task_on(&w, "g", "a1"), two = task_on(&w, "g", "a2");
    ok(one.count == 1 && two.count == 1, "each agent has one task, though the first has room for all");
    ok(strcmp(one.task, two.task) != 0, "with a name of its own: %s, %s", one.task, two.task);
    is(node_state(&w, "g", "all"), "running", "the node runs");
    check_replay(&w, "spread");
    hor_core_lead(w.core);
    settle(&w);
    is_int(count_events(&w, HOR_EVENT_TASK_ASSIGNED, "g"), 3, "a new leader starts nothing twice");
    end_on(&w, "g", "a1", "success", "x");
    is(node_state(&w, "g", "all"), "running", "one end is not the end");
    check_replay(&w, "half");
    end_on(&w, "g", "a2", "success", "x");
    is(node_state(&w, "g", "all"), "succeeded", "both are");
    is(node_state(&w, "g", "after"), "assigned", "what follows sees the outputs");
    finish(&w, "g", "after", 0);
    is(order_state(&w, "g"), "succeeded", "the order ends");
    struct hor_core_order_view view;
    hor_core_order(w.core, "g", w.now, &view);
    is_int(view.nodes_done, 3, "and counts each node once");
    check_replay(&w, "good");
    world_done(&w);
}

static void test_outcomes(void)
{
    struct world w;
    sources(&w);
    add_order(&w, "b", "/every", w.now, NULL);
    settle(&w);
    finish(&w, "b", "first", 0);
    end_on(&w, "b", "a1", "failure", NULL);
    is(order_state(&w, "b"), "running", "after a failure the other goes on");
    end_on(&w, "b", "a2", "warning", NULL);
    is(order_state(&w, "b"), "failed", "the worst outcome is the node's");
    struct hor_core_node_view view;
    node_view(&w, "b", "all", &view);
    ok(view.cause != NULL && strstr(view.cause, "a1") != NULL, "which names the agent");
    is_int(view.exit_code, 7, "and gives its exit code");
    check_replay(&w, "failed");
    COMMAND(&w, "retry", "b", .node = NULL);
    ok(task_on(&w, "b", "a1").count == 1 && task_on(&w, "b", "a2").count == 1,
       "a retry runs it everywhere again");
    ok(strcmp(task_on(&w, "b", "a1").task, "b:all:3") == 0 ||
           strcmp(task_on(&w, "b", "a2").task, "b:all:3") == 0,
       "with numbers that were not used before");
    is(COMMAND(&w, "skipNode", "b", .node = "all"),
       "node all of order b is running: kill its task first", "it cannot be skipped while it runs");
    COMMAND(&w, "kill", "b", .node = NULL);
    is_int(count_events(&w, HOR_EVENT_TASK_KILLING, "b"), 2, "killing kills all of it");
    end_on(&w, "b", "a1", "failure", NULL);
    end_on(&w, "b", "a2", "failure", NULL);
    is(order_state(&w, "b"), "cancelled", "then the order ends");
    check_replay(&w, "killed");

    add_order(&w, "t", "/twice", w.now, NULL);
    settle(&w);
    end_on(&w, "t", "a2", "failure", NULL);
    is_int(count_events(&w, HOR_EVENT_RETRY_SCHEDULED, "t"), 1, "each part has its own retries");
    is_int(task_on(&w, "t", "a2").count, 0, "after a pause");
    check_replay(&w, "retrying");
    w.now += 11 * SECOND;
    settle(&w);
    is_int(task_on(&w, "t", "a2").count, 1, "on its own agent");
    end_on(&w, "t", "a2", "success", NULL);
    end_on(&w, "t", "a1", "success", NULL);
    is(order_state(&w, "t"), "succeeded", "and the first failure is forgiven");
    world_done(&w);
}

static void gather(const struct hor_core_obstacle *obstacle, void *ctx)
{
    snprintf(ctx, 500, "%s", obstacle->text);
}

static void test_members(void)
{
    struct world w;
    char why[500] = "";
    sources(&w);
    is(command(&w, &(struct hor_core_command){.action = "drain", .agent = "a2"}), "", "an agent is drained");
    add_order(&w, "d", "/moves", w.now, NULL);
    settle(&w);
    ok(task_on(&w, "d", "a1").count == 1 && task_on(&w, "d", "a2").count == 0,
       "a drained agent is left out");
    end_on(&w, "d", "a1", "success", NULL);
    is(order_state(&w, "d"), "succeeded", "and not waited for");
    command(&w, &(struct hor_core_command){.action = "undrain", .agent = "a2"});

    hor_core_reach(w.core, "a2", HOR_CORE_LOST);
    settle(&w);
    add_order(&w, "l", "/moves", w.now, NULL);
    settle(&w);
    ok(task_on(&w, "l", "a1").count == 1 && task_on(&w, "l", "a2").count == 0,
       "a lost agent gets its task later");
    end_on(&w, "l", "a1", "success", NULL);
    is(order_state(&w, "l"), "waiting", "it is waited for");
    hor_core_obstacles(w.core, "l", w.now, gather, why, NULL);
    ok(strstr(why, "a2 is down") != NULL, "which why not running says: %s", why);
    check_replay(&w, "lost");
    hor_core_reach(w.core, "a2", HOR_CORE_REACHED);
    settle(&w);
    is_int(task_on(&w, "l", "a2").count, 1, "when it is back");
    hor_core_reach(w.core, "a2", HOR_CORE_LOST);
    settle(&w);
    hor_core_reach(w.core, "a2", HOR_CORE_FENCED);
    settle(&w);
    is_int(task_on(&w, "l", "a1").count, 0, "what was lost with it does not move to another agent");
    hor_core_reach(w.core, "a2", HOR_CORE_REACHED);
    settle(&w);
    is_int(task_on(&w, "l", "a2").count, 1, "it runs again on its own");
    in_doubt_on(&w, "l", "a2");
    is(node_state(&w, "l", "all"), "inDoubt", "a part in doubt is a node in doubt");
    is(order_state(&w, "l"), "inDoubt", "and an order");
    check_replay(&w, "doubt");
    is(COMMAND(&w, "resolve", "l", .node = "all", .outcome = "success"), "", "a person resolves it");
    is(order_state(&w, "l"), "succeeded", "and the order ends");
    check_replay(&w, "members");
    world_done(&w);
}

int main(void)
{
    test_good();
    test_outcomes();
    test_members();
    return done_testing();
}

/* Which orders start and which member gets a task: overlap, limits, locks, selection, lost members. */
#include "tests/unit/agent_core_world.h"

static void order_world(struct world *w, const char *attributes)
{
    world_init(w);
    world_chain(w, "c", attributes, "<node id=\"a\" job=\"/job\"/>");
    world_release(w, 1);
    settle(w);
    add_order(w, "first", "/c", w->now, NULL);
    settle(w);
    w->now += SECOND;
    add_order(w, "second", "/c", w->now, NULL);
    settle(w);
    w->now += SECOND;
    add_order(w, "third", "/c", w->now, NULL);
    settle(w);
}

static void test_overlap(void)
{
    struct world w;
    order_world(&w, "");
    is(order_state(&w, "first"), "running", "queue: the first runs");
    is(order_state(&w, "second"), "waiting", "queue: the second waits");
    finish(&w, "first", "a", 0);
    is(order_state(&w, "second"), "running", "queue: then it runs");
    is(order_state(&w, "third"), "waiting", "queue: one at a time");
    finish(&w, "second", "a", 0);
    finish(&w, "third", "a", 0);
    is(order_state(&w, "third"), "succeeded", "queue: none is lost");
    check_replay(&w, "queue");
    world_done(&w);

    order_world(&w, "overlap=\"queueOne\"");
    is(order_state(&w, "second"), "waiting", "queueOne: one waits");
    is(order_state(&w, "third"), "skipped", "queueOne: a further one is skipped");
    world_done(&w);

    order_world(&w, "overlap=\"skip\"");
    is(order_state(&w, "second"), "skipped", "skip: a second one is skipped");
    finish(&w, "first", "a", 0);
    add_order(&w, "fourth", "/c", w.now, NULL);
    settle(&w);
    is(order_state(&w, "fourth"), "running", "skip: when nothing runs an order starts");
    world_done(&w);

    order_world(&w, "overlap=\"allow\"");
    is(order_state(&w, "third"), "running", "allow: all run side by side");
    world_done(&w);

    order_world(&w, "overlap=\"allow\" maxOrders=\"2\"");
    is(order_state(&w, "second"), "running", "maxOrders: two run");
    is(order_state(&w, "third"), "waiting", "maxOrders: the third waits");
    world_done(&w);

    order_world(&w, "overlap=\"cancelOther\"");
    is_int(count_events(&w, HOR_EVENT_TASK_KILLING, "first"), 1, "cancelOther: its task is killed");
    finish(&w, "first", "a", 143);
    is(order_state(&w, "first"), "cancelled", "cancelOther: the running one ends");
    is(order_state(&w, "second"), "cancelled", "cancelOther: so does the next, before its task");
    is(order_state(&w, "third"), "running", "cancelOther: the last one runs");
    check_replay(&w, "cancelOther");
    world_done(&w);
}

static void test_limits(void)
{
    struct world w;
    char id[20];
    world_init(&w);
    world_source(&w, "narrow.job.xml",
                 "<job" NS "><script>true</script><execution maxTasks=\"2\"/></job>");
    world_chain(&w, "n", "overlap=\"allow\"", "<node id=\"a\" job=\"/narrow\"/>");
    world_chain(&w, "c", "overlap=\"allow\"", "<node id=\"a\" job=\"/job\"/>");
    world_release(&w, 1);
    settle(&w);
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "n%d", i);
        add_order(&w, id, "/n", w.now, NULL);
    }
    settle(&w);
    is_int(count_events(&w, HOR_EVENT_TASK_ASSIGNED, NULL), 2, "a job's maxTasks holds");
    finish(&w, "n0", "a", 0);
    is_int(count_events(&w, HOR_EVENT_TASK_ASSIGNED, NULL), 3, "a free place is given on");
    for (int i = 1; i < 5; i++) {
        snprintf(id, sizeof id, "n%d", i);
        finish(&w, id, "a", 0);
    }
    is_int(count_events(&w, HOR_EVENT_ORDER_ENDED, NULL), 5, "all come through");
    for (int i = 0; i < 9; i++) {
        snprintf(id, sizeof id, "c%d", i);
        add_order(&w, id, "/c", w.now, NULL);
    }
    settle(&w);
    is_int(count_events(&w, HOR_EVENT_TASK_ASSIGNED, NULL), 5 + 6, "members' maxTasks hold");
    struct hor_core_member_view a1, a2;
    hor_core_member(w.core, 0, &a1);
    hor_core_member(w.core, 1, &a2);
    ok(a1.tasks == 3 && a2.tasks == 3, "spill gives the second member what is too much");
    is(COMMAND(&w, "change", "c8", .priority = 5), "", "a priority is raised");
    finish(&w, "c0", "a", 0);
    is(node_state(&w, "c8", "a"), "assigned", "the more important one is next");
    check_replay(&w, "limits");
    world_done(&w);
}

static void test_locks(void)
{
    struct world w;
    world_init(&w);
    world_source(&w, "db.lock.xml", "<lock" NS " capacity=\"3\"/>");
    world_source(&w, "reader.job.xml",
                 "<job" NS "><script>true</script><lock ref=\"/db\" mode=\"shared\" weight=\"2\"/></job>");
    world_source(&w, "writer.job.xml",
                 "<job" NS "><script>true</script><lock ref=\"/db\" mode=\"exclusive\"/></job>");
    world_chain(&w, "r", "overlap=\"allow\"", "<node id=\"a\" job=\"/reader\"/>");
    world_chain(&w, "w", "overlap=\"allow\"", "<node id=\"a\" job=\"/writer\"/>");
    ok(world_release(&w, 1), "release with a lock");
    settle(&w);
    add_order(&w, "r1", "/r", w.now, NULL);
    settle(&w);
    add_order(&w, "w1", "/w", w.now, NULL);
    add_order(&w, "r2", "/r", w.now, NULL);
    settle(&w);
    is(node_state(&w, "r1", "a"), "assigned", "a reader holds the lock");
    is(node_state(&w, "w1", "a"), "ready", "the writer waits");
    is(node_state(&w, "r2", "a"), "ready", "a reader too much waits");
    finish(&w, "r1", "a", 0);
    is(node_state(&w, "w1", "a"), "assigned", "then the writer has it");
    is(node_state(&w, "r2", "a"), "ready", "alone");
    finish(&w, "w1", "a", 0);
    is(node_state(&w, "r2", "a"), "assigned", "and gives it back");
    check_replay(&w, "locks");
    world_done(&w);
}

static void test_round_robin(void)
{
    struct world w;
    char id[20];
    world_init(&w);
    w.sources.count--; /* only /job, then the cluster anew */
    free(w.sources.items[1].file);
    free(w.sources.items[1].data);
    hor_sources_done(&w.sources);
    world_source(&w, "clusters/etl.agentCluster.xml",
                 "<agentCluster" NS " selection=\"roundRobin\">"
                 "<member name=\"a1\" url=\"https://127.0.0.1:4451\" priority=\"1\" maxTasks=\"3\"/>"
                 "<member name=\"a2\" url=\"https://127.0.0.1:4452\" priority=\"1\" maxTasks=\"3\"/>"
                 "</agentCluster>");
    world_source(&w, "job.job.xml", "<job" NS "><script>true</script></job>");
    world_chain(&w, "c", "overlap=\"allow\"", "<node id=\"a\" job=\"/job\"/>");
    ok(world_release(&w, 1), "a round robin cluster");
    settle(&w);
    for (int i = 0; i < 4; i++) {
        snprintf(id, sizeof id, "c%d", i);
        add_order(&w, id, "/c", w.now, NULL);
        settle(&w);
    }
    struct hor_core_member_view a1, a2;
    hor_core_member(w.core, 0, &a1);
    hor_core_member(w.core, 1, &a2);
    ok(a1.tasks == 2 && a2.tasks == 2, "members take turns (%lld, %lld)", (long long)a1.tasks,
       (long long)a2.tasks);
    is(COMMAND(&w, "drain", NULL, .agent = "a1"), "", "one is drained");
    for (int i = 4; i < 6; i++) {
        snprintf(id, sizeof id, "c%d", i);
        add_order(&w, id, "/c", w.now, NULL);
    }
    settle(&w);
    hor_core_member(w.core, 0, &a1);
    hor_core_member(w.core, 1, &a2);
    ok(a1.tasks == 2 && a2.tasks == 3, "it gets nothing more");
    is(a1.state, "draining", "while its tasks run it is draining");
    finish(&w, "c0", "a", 0);
    finish(&w, "c1", "a", 0);
    finish(&w, "c2", "a", 0);
    finish(&w, "c3", "a", 0);
    hor_core_member(w.core, 0, &a1);
    is(a1.state, "drained", "then drained");
    is(COMMAND(&w, "undrain", NULL, .agent = "a1"), "", "and back");
    hor_core_member(w.core, 0, &a1);
    is(a1.state, "up", "it is up again");
    check_replay(&w, "round robin");
    world_done(&w);
}

static void test_lost(void)
{
    struct world w;
    world_init(&w);
    world_source(&w, "again.job.xml",
                 "<job" NS "><script>true</script><agentLoss action=\"restart\"/></job>");
    world_chain(&w, "h", "", "<node id=\"a\" job=\"/job\"/>");
    world_chain(&w, "r", "", "<node id=\"a\" job=\"/again\"/>");
    world_release(&w, 1);
    settle(&w);
    add_order(&w, "hold", "/h", w.now, NULL);
    add_order(&w, "restart", "/r", w.now, NULL);
    settle(&w);
    struct hor_core_node_view view;
    commit(&w, report(&w, HOR_EVENT_TASK_STARTED, "hold", "a"));
    commit(&w, report(&w, HOR_EVENT_TASK_STARTED, "restart", "a"));
    hor_core_reach(w.core, "a1", HOR_CORE_LOST);
    settle(&w);
    is(order_state(&w, "hold"), "inDoubt", "a hold task of a lost agent is in doubt");
    is(order_state(&w, "restart"), "running", "a restart task waits until it is dead for certain");
    hor_core_reach(w.core, "a1", HOR_CORE_FENCED);
    settle(&w);
    node_view(&w, "restart", "a", &view);
    is(view.agent, "a2", "then it runs elsewhere");
    is_int(view.attempt, 2, "as a new attempt");
    is_int(settle(&w), 0, "once");
    like(COMMAND(&w, "cancel", "hold"), "kill it", "an order in doubt is not cancelled");
    check_replay(&w, "lost");
    hor_core_reach(w.core, "a1", HOR_CORE_REACHED);
    settle(&w);
    finish(&w, "hold", "a", 0);
    is(order_state(&w, "hold"), "succeeded", "the true outcome counts when the agent is back");
    add_order(&w, "hold2", "/h", w.now, NULL);
    settle(&w);
    commit(&w, report(&w, HOR_EVENT_TASK_IN_DOUBT, "hold2", "a"));
    settle(&w);
    is(COMMAND(&w, "resolve", "hold2", .node = "a", .outcome = "again"), "", "or a person resolves it");
    node_view(&w, "hold2", "a", &view);
    is_int(view.attempt, 2, "again: it runs once more");
    commit(&w, report(&w, HOR_EVENT_TASK_IN_DOUBT, "hold2", "a"));
    settle(&w);
    is(COMMAND(&w, "resolve", "hold2", .node = "a", .outcome = "success"), "", "it ran");
    is(order_state(&w, "hold2"), "succeeded", "success: the order goes on");
    check_replay(&w, "resolved");
    world_done(&w);
}

static void test_new_leader(void)
{
    struct world w;
    order_world(&w, "overlap=\"allow\"");
    bool more;
    add_order(&w, "x", "/c", w.now, NULL);
    hor_core_decide(w.core, w.now, 100, world_emit, &w, &more);
    ok(w.emitted_count > 0, "the leader decides");
    for (size_t i = 0; i < w.emitted_count; i++)
        hor_event_free(w.emitted[i]);
    w.emitted_count = 0;
    hor_core_decide(w.core, w.now, 100, world_emit, &w, &more);
    is_int(w.emitted_count, 0, "and waits for what is under way");
    hor_core_lead(w.core);
    settle(&w);
    is(node_state(&w, "x", "a"), "assigned", "what was lost is decided anew");
    is_int(count_events(&w, HOR_EVENT_TASK_ASSIGNED, NULL), 4, "nothing else is");
    world_done(&w);
}

static void test_releases(void)
{
    struct world w;
    order_world(&w, "");
    ok(world_release(&w, 2), "a second release comes");
    settle(&w);
    ok(hor_core_release(w.core, "main", 1) != NULL, "the first stays while an order needs it");
    finish(&w, "first", "a", 0);
    finish(&w, "second", "a", 0);
    finish(&w, "third", "a", 0);
    struct hor_event *event = event_new(&w, HOR_EVENT_EVENTS_ACKNOWLEDGED);
    event->cluster_index = (int64_t)w.count;
    commit(&w, event);
    settle(&w);
    ok(hor_core_release(w.core, "main", 1) == NULL, "then it goes");
    ok(hor_core_release(w.core, "main", 2) != NULL, "the newest stays");
    check_replay(&w, "releases");
    world_done(&w);
}

static bool accept_release(struct world *w, const char *id, int64_t release)
{
    struct hor_core_new_order order = {.id = id,
                                       .chain = "/c",
                                       .release = release,
                                       .planned_at = w->now + 3600 * SECOND,
                                       .priority = 7};
    struct hor_event *event = NULL;
    int rc = hor_core_accept(w->core, "main", &order, w->now, &event, NULL);
    if (event != NULL)
        commit(w, event);
    return rc == HOR_OK && event != NULL;
}

/* A release that is deployed before an order's start takes the order over; one that comes later does
 * not. */
static void test_goes_over(void)
{
    struct world w;
    struct hor_core_order_view view;
    order_world(&w, "");
    ok(accept_release(&w, "later", 1), "an order for later");
    ok(!accept_release(&w, "later", 1), "a repeat changes nothing");
    ok(world_release(&w, 2), "a second release comes");
    ok(accept_release(&w, "later", 2), "the order comes again with it");
    hor_core_order(w.core, "later", w.now, &view);
    ok(view.release == 2 && view.priority == 7 && view.planned_at == w.now + 3600 * SECOND,
       "and goes over to it, its start stays");
    ok(!accept_release(&w, "first", 2), "an order that has started keeps its release");
    hor_core_order(w.core, "first", w.now, &view);
    is_int(view.release, 1, "to its end");
    check_replay(&w, "going over");
    w.now += 3600 * SECOND;
    settle(&w);
    finish(&w, "first", "a", 0);
    settle(&w);
    check_replay(&w, "after the start");
    world_done(&w);
}

int main(void)
{
    test_goes_over();
    test_overlap();
    test_limits();
    test_locks();
    test_round_robin();
    test_lost();
    test_new_leader();
    test_releases();
    return done_testing();
}

/* What follows from a task's end is decided before the end is applied. */
#include "tests/unit/agent_core_world.h"

static struct hor_event *end_of(struct world *w, const char *order, const char *node,
                                const char *outcome)
{
    struct hor_event *event = report(w, HOR_EVENT_TASK_ENDED, order, node);
    hor_event_set(&event->outcome, outcome);
    event->exit_code = strcmp(outcome, "success") != 0;
    event->ended_at = w->now;
    return event;
}

static size_t look(struct world *w)
{
    bool more;
    hor_core_decide(w->core, w->now, 50, world_emit, w, &more);
    return w->emitted_count;
}

static void drop_emitted(struct world *w)
{
    for (size_t i = 0; i < w->emitted_count; i++)
        hor_event_free(w->emitted[i]);
    w->emitted_count = 0;
}

static void begin(struct world *w, const char *attributes, const char *nodes)
{
    world_init(w);
    world_source(w, "retry.job.xml",
                 "<job" NS "><script>true</script><retry attempts=\"3\" delay=\"PT10S\"/></job>");
    world_chain(w, "c", attributes, nodes);
    world_release(w, 1);
    settle(w);
    add_order(w, "o", "/c", w->now, NULL);
    settle(w);
}

static void test_next_step(void)
{
    struct world w;
    struct hor_buf before = HOR_BUF_INIT, after = HOR_BUF_INIT;
    begin(&w, "", "<node id=\"a\" job=\"/job\"/><node id=\"b\" job=\"/job\"/>");
    struct hor_event *end = end_of(&w, "o", "a", "success");
    hor_core_snapshot(w.core, &before);
    hor_core_foresee(w.core, end);
    is_int(look(&w), 1, "one event follows from the end of the first step");
    is_int(w.emitted[0]->type, HOR_EVENT_TASK_ASSIGNED, "the next step's task");
    is(w.emitted[0]->node, "b", "which is the second's");
    hor_core_snapshot(w.core, &after);
    is(hor_buf_text(&after), hor_buf_text(&before), "the state is as it was");
    is(node_state(&w, "o", "a"), "assigned", "the first step runs for everybody else");
    commit(&w, end);
    is_int(look(&w), 1, "applying the end brings nothing new");
    commit_emitted(&w);
    is(node_state(&w, "o", "b"), "assigned", "the second step has its task");
    end = end_of(&w, "o", "b", "success");
    hor_core_foresee(w.core, end);
    is_int(look(&w), 1, "and one from the end of the last");
    is_int(w.emitted[0]->type, HOR_EVENT_ORDER_ENDED, "the end of the order");
    commit(&w, end);
    commit_emitted(&w);
    is(order_state(&w, "o"), "succeeded", "it succeeded");
    check_replay(&w, "foreseen");
    hor_buf_done(&before);
    hor_buf_done(&after);
    world_done(&w);
}

static void test_values(void)
{
    struct world w;
    begin(&w, "",
          "<node id=\"a\" job=\"/job\"/><node id=\"b\" job=\"/job\" "
          "when=\"$nodes/node[@id='a']/output[@name='rows'] &gt; 3\"/>");
    struct hor_event *end = end_of(&w, "o", "a", "success");
    hor_arguments_add(&end->arguments, "rows", "4", false);
    hor_core_foresee(w.core, end);
    look(&w);
    is_int(w.emitted_count == 1 ? (int)w.emitted[0]->type : -1, HOR_EVENT_TASK_ASSIGNED,
           "conditions see the outputs of the end");
    commit(&w, end);
    commit_emitted(&w);
    world_done(&w);

    begin(&w, "onFailure=\"stop\"", "<node id=\"a\" job=\"/retry\"/><node id=\"b\" job=\"/job\"/>");
    end = end_of(&w, "o", "a", "failure");
    hor_core_foresee(w.core, end);
    look(&w);
    is_int(w.emitted_count == 1 ? (int)w.emitted[0]->type : -1, HOR_EVENT_RETRY_SCHEDULED,
           "a failure is tried again");
    is_int(w.emitted[0]->due_at, w.now + 10 * SECOND, "after its delay");
    commit(&w, end);
    commit_emitted(&w);
    is(node_state(&w, "o", "a"), "retrying", "and is");
    world_done(&w);
}

static void test_room(void)
{
    struct world w;
    begin(&w, "overlap=\"allow\"", "<node id=\"a\" job=\"/job\" agent=\"a1\"/>");
    char id[10];
    for (int i = 0; i < 3; i++) {
        snprintf(id, sizeof id, "o%d", i);
        add_order(&w, id, "/c", w.now, NULL);
    }
    settle(&w);
    is(node_state(&w, "o2", "a"), "ready", "three tasks fill the agent");
    struct hor_event *end = end_of(&w, "o", "a", "success");
    hor_core_foresee(w.core, end);
    is_int(look(&w), 2, "the end of one");
    is(w.emitted[1]->order, "o2", "makes room for the next");
    is_int(look(&w), 2, "and for no more");
    commit(&w, end);
    commit_emitted(&w);
    is(node_state(&w, "o2", "a"), "assigned", "which has its task");
    is_int(settle(&w), 0, "the agent is full again");
    world_done(&w);
}

static void test_no_end(void)
{
    struct world w;
    begin(&w, "", "<node id=\"a\" job=\"/job\"/><node id=\"b\" job=\"/job\"/>");
    struct hor_event *end = end_of(&w, "o", "a", "success");
    hor_core_foresee(w.core, end);
    look(&w);
    drop_emitted(&w);
    hor_core_lead(w.core);
    is_int(look(&w), 0, "an end that was not taken into the journal is forgotten");
    hor_core_foresee(w.core, end);
    look(&w);
    commit_emitted(&w);
    is(node_state(&w, "o", "b"), "waiting", "a task is not assigned without what is before it");
    commit(&w, end);
    settle(&w);
    is(node_state(&w, "o", "b"), "assigned", "it is when the end comes");
    end = end_of(&w, "o", "b", "success");
    hor_core_foresee(w.core, end);
    look(&w);
    commit_emitted(&w);
    is(order_state(&w, "o"), "running", "an order does not end with a task");
    commit(&w, end);
    settle(&w);
    is(order_state(&w, "o"), "succeeded", "it does when that is over");
    check_replay(&w, "not foreseen");
    world_done(&w);
}

static void test_given_up(void)
{
    struct world w;
    begin(&w, "", "<node id=\"a\" job=\"/job\"/><node id=\"b\" job=\"/job\"/>");
    struct hor_event *end = end_of(&w, "o", "a", "success");
    hor_core_reach(w.core, "a1", HOR_CORE_LOST);
    look(&w);
    commit_emitted(&w); /* memberChanged */
    look(&w);           /* taskInDoubt is under way */
    size_t count = w.emitted_count;
    hor_core_foresee(w.core, end);
    is_int(look(&w), (int64_t)count, "the end of a task that was given up is not foreseen");
    commit_emitted(&w);
    is(node_state(&w, "o", "a"), "inDoubt", "it is in doubt");
    commit(&w, end);
    settle(&w);
    is(node_state(&w, "o", "b"), "assigned", "until its end comes");
    world_done(&w);
}

int main(void)
{
    test_next_step();
    test_values();
    test_room();
    test_no_end();
    test_given_up();
    return done_testing();
}

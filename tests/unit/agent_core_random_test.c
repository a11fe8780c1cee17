/* Random graphs, random outcomes, random members coming and going, random commands: every order ends,
 * no node starts before what is before it allows, no limit is passed, and replay gives the same state. */
#include <inttypes.h>
#include <time.h>

#include "tests/unit/agent_core_world.h"

static uint64_t random_state;

static unsigned dice(unsigned sides)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 20) % sides;
}

enum { CHAINS = 4, NODES = 9, ORDERS = 24 };

static void make_chain(struct world *w, int c)
{
    static const char *const on[] = {"", " on=\"success\"", " on=\"failure\"", " on=\"any\"",
                                     " on=\"skipped\"", " on=\"warning failure\"", "", ""};
    static const char *const policies[] = {"stop", "suspend", "continue", "end"};
    static const char *const overlaps[] = {"queue", "queueOne", "skip", "allow", "cancelOther"};
    struct hor_buf nodes = HOR_BUF_INIT;
    char name[20], attributes[100];
    unsigned count = 1 + dice(NODES);
    for (unsigned n = 0; n < count; n++) {
        hor_buf_printf(&nodes, "<node id=\"n%u\" job=\"/j%u\"%s%s>", n, dice(4),
                       dice(3) == 0 ? " join=\"any\"" : "",
                       dice(6) == 0 ? " when=\"count($nodes/node[@state='failed']) = 0\"" : "");
        if (n > 0 && dice(3) > 0) {
            bool used[NODES] = {false};
            for (unsigned e = 0; e < 1 + dice(3); e++) {
                unsigned from = dice(n);
                if (!used[from])
                    hor_buf_printf(&nodes, "<after node=\"n%u\"%s/>", from, on[dice(8)]);
                used[from] = true;
            }
        } else if (n > 0 && dice(4) == 0) {
            hor_buf_puts(&nodes, "<atStart/>");
        }
        hor_buf_puts(&nodes, "</node>");
    }
    snprintf(name, sizeof name, "c%d", c);
    snprintf(attributes, sizeof attributes, "onFailure=\"%s\" overlap=\"%s\"", policies[dice(4)],
             overlaps[dice(5)]);
    world_chain(w, name, attributes, hor_buf_text(&nodes));
    hor_buf_done(&nodes);
}

static void make_jobs(struct world *w)
{
    world_source(w, "l.lock.xml", "<lock" NS " capacity=\"2\"/>");
    world_source(w, "j0.job.xml", "<job" NS "><script>true</script></job>");
    world_source(w, "j1.job.xml",
                 "<job" NS "><script>true</script><execution maxTasks=\"1\"/>"
                 "<retry attempts=\"3\" delay=\"PT10S\" factor=\"2\"/></job>");
    world_source(w, "j2.job.xml",
                 "<job" NS "><script>true</script><agentLoss action=\"restart\"/>"
                 "<lock ref=\"/l\" mode=\"shared\" weight=\"1\"/></job>");
    world_source(w, "j3.job.xml",
                 "<job" NS "><script>true</script><lock ref=\"/l\" mode=\"exclusive\"/></job>");
}

struct tally {
    struct world *w;
    const char *picked;
    char task[HOR_CORE_NAME_BYTES + 1];
    unsigned count, job1, exclusive, shared, pick, a1, a2;
};

static void tally_task(const struct hor_core_task_view *task, void *ctx)
{
    struct tally *t = ctx;
    t->job1 += strcmp(task->job->object.path, "/j1") == 0;
    t->shared += strcmp(task->job->object.path, "/j2") == 0;
    t->exclusive += strcmp(task->job->object.path, "/j3") == 0;
    t->a1 += strcmp(task->agent, "a1") == 0;
    t->a2 += strcmp(task->agent, "a2") == 0;
    if (t->count++ == t->pick)
        snprintf(t->task, sizeof t->task, "%s", task->task);
}

static bool limits_hold(struct world *w)
{
    struct tally t = {.w = w, .pick = UINT32_MAX};
    hor_core_each_task(w->core, NULL, tally_task, &t);
    return t.job1 <= 1 && t.exclusive <= 1 && (t.exclusive == 0 || t.shared == 0) && t.shared <= 2 &&
           t.a1 <= 3 && t.a2 <= 3;
}

/* Some task starts, ends or gets lost. Returns false when there is none. */
static bool step_task(struct world *w)
{
    struct tally t = {.w = w, .pick = UINT32_MAX};
    struct hor_core_task_view view;
    hor_core_each_task(w->core, NULL, tally_task, &t);
    if (t.count == 0)
        return false;
    t.pick = dice(t.count);
    t.count = 0;
    hor_core_each_task(w->core, NULL, tally_task, &t);
    hor_core_task(w->core, t.task, &view);
    static const char *const outcomes[] = {"success", "success", "success", "warning", "failure"};
    unsigned o = dice(5);
    char order[100], node[20];
    snprintf(order, sizeof order, "%s", view.order);
    snprintf(node, sizeof node, "%s", view.node->id);
    if (dice(4) == 0 && strcmp(view.state, "assigned") == 0) {
        commit(w, report(w, HOR_EVENT_TASK_STARTED, order, node));
        settle(w);
    } else if (dice(30) == 0) {
        commit(w, report(w, HOR_EVENT_TASK_IN_DOUBT, order, node));
        settle(w);
    } else {
        w->ahead = dice(3) > 0;
        finish_with(w, order, node, o < 3 ? 0 : 1, outcomes[o], o == 0 ? "3" : NULL);
    }
    return true;
}

static void random_command(struct world *w, const char *order)
{
    static const char *const actions[] = {"suspend", "resume", "retry",   "skipNode", "setOutcome",
                                          "start",   "kill",   "resolve", "change",   "cancel"};
    static const char *const outcomes[] = {"success", "failure", "again"};
    char node[20];
    snprintf(node, sizeof node, "n%u", dice(NODES));
    const char *action = actions[dice(10)];
    if (strcmp(action, "kill") == 0 && dice(4) > 0)
        return;
    COMMAND(w, action, order, .node = dice(2) || strcmp(action, "kill") == 0 ? node : NULL,
            .outcome = outcomes[dice(3)], .priority = 1 + dice(5));
}

static void random_member(struct world *w)
{
    static const enum hor_core_reach reaches[] = {HOR_CORE_REACHED, HOR_CORE_REACHED, HOR_CORE_LOST,
                                                  HOR_CORE_FENCED, HOR_CORE_IDLE};
    hor_core_reach(w->core, dice(2) ? "a1" : "a2", reaches[dice(5)]);
    settle(w);
}

/* A person who wants everything to end. */
static void tidy(struct world *w, const char *order)
{
    const char *state = order_state(w, order);
    char node[20];
    if (strcmp(state, "suspended") == 0)
        COMMAND(w, "resume", order);
    else if (strcmp(state, "failed") == 0)
        COMMAND(w, dice(3) ? "retry" : "cancel", order);
    for (unsigned n = 0; strcmp(state, "inDoubt") == 0 && n < NODES; n++) {
        snprintf(node, sizeof node, "n%u", n);
        COMMAND(w, "resolve", order, .node = node, .outcome = dice(2) ? "success" : "again");
    }
}

static bool is_end(const char *state)
{
    static const char *const ends[] = {"succeeded", "warned", "failedFinally", "cancelled", "skipped"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (strcmp(ends[i], state) == 0)
            return true;
    return false;
}

/* From the journal alone: a task is assigned only when every plain predecessor (join all) is done. */
static bool order_of_nodes_holds(const struct world *w, const struct hor_config *config)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct hor_event *e = w->journal[i];
        if (e->type != HOR_EVENT_TASK_ASSIGNED)
            continue;
        const struct hor_chain *chain = NULL;
        for (size_t k = 0; k < i && chain == NULL; k++)
            if (w->journal[k]->type == HOR_EVENT_ORDER_ADDED &&
                strcmp(w->journal[k]->order, e->order) == 0)
                chain = hor_config_chain(config, w->journal[k]->chain);
        const struct hor_node *node = &chain->nodes[hor_chain_node(chain, e->node)];
        size_t done = 0;
        for (size_t k = 0; k < node->edge_count; k++) {
            const char *from = chain->nodes[node->edges[k].from].id;
            bool over = false;
            for (size_t j = 0; j < i; j++)
                if (hor_str_equal(w->journal[j]->order, e->order) &&
                    hor_str_equal(w->journal[j]->node, from))
                    over |= w->journal[j]->type == HOR_EVENT_TASK_ENDED ||
                            w->journal[j]->type == HOR_EVENT_NODE_SKIPPED ||
                            w->journal[j]->type == HOR_EVENT_NODE_SET;
            done += over;
        }
        if (node->join_any && node->edge_count > 0 ? done == 0 : done < node->edge_count) {
            diag("node %s of %s began before its time", e->node, e->order);
            return false;
        }
    }
    return true;
}

static void test_seed(uint64_t seed)
{
    struct world w;
    char orders[ORDERS][20], chain[20];
    bool limits = true;
    unsigned steps = 0, open = ORDERS;
    random_state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    world_init(&w);
    make_jobs(&w);
    for (int c = 0; c < CHAINS; c++)
        make_chain(&w, c);
    if (!ok(world_release(&w, 1), "seed %" PRIu64 ": a random configuration is right", seed)) {
        world_done(&w);
        return;
    }
    settle(&w);
    for (int i = 0; i < ORDERS; i++) {
        snprintf(orders[i], sizeof orders[i], "o%d", i);
        snprintf(chain, sizeof chain, "/c%u", dice(CHAINS));
        add_order(&w, orders[i], chain, w.now + dice(100) * SECOND, NULL);
    }
    for (; steps < 20000 && open > 0; steps++) {
        unsigned what = dice(20);
        if (what == 0 && steps < 1500)
            random_member(&w);
        else if (what == 1 && steps < 1500)
            random_command(&w, orders[dice(ORDERS)]);
        else if (what < 4)
            w.now += dice(30) * SECOND;
        else if (what == 4)
            hor_core_lead(w.core); /* a new leader */
        else
            step_task(&w);
        if (steps == 1500) {
            hor_core_reach(w.core, "a1", HOR_CORE_REACHED);
            hor_core_reach(w.core, "a2", HOR_CORE_REACHED);
        }
        settle(&w);
        limits = limits && limits_hold(&w);
        open = 0;
        for (int i = 0; i < ORDERS; i++) {
            if (what == 5 || steps > 1500)
                tidy(&w, orders[i]);
            open += !is_end(order_state(&w, orders[i]));
        }
    }
    ok(open == 0, "seed %" PRIu64 ": every order ends (%u steps, %zu events)", seed, steps, w.count);
    for (int i = 0; i < ORDERS && open > 0; i++)
        if (!is_end(order_state(&w, orders[i])))
            diag("%s is %s", orders[i], order_state(&w, orders[i]));
    for (int i = 0; i < ORDERS; i++)
        if (count_events(&w, HOR_EVENT_ORDER_ENDED, orders[i]) != 1)
            diag("%s has %zu ends", orders[i], count_events(&w, HOR_EVENT_ORDER_ENDED, orders[i]));
    is_int(count_events(&w, HOR_EVENT_ORDER_ENDED, NULL), ORDERS, "seed %" PRIu64 ": each once", seed);
    ok(limits, "seed %" PRIu64 ": no limit was passed", seed);
    struct hor_config *config = NULL;
    struct hor_problems problems = {0};
    hor_config_load_sources(&w.sources, &problems, &config, NULL);
    ok(order_of_nodes_holds(&w, config), "seed %" PRIu64 ": no node began before its time", seed);
    hor_config_free(config);
    hor_problems_done(&problems);
    check_replay(&w, "random");
    world_done(&w);
}

int main(void)
{
    const char *text = getenv("HOR_SEED");
    uint64_t seed = (uint64_t)time(NULL);
    int runs = 12;
    if (text != NULL && hor_str_to_uint64(text, &seed) == HOR_OK)
        runs = 1;
    diag("seeds from %" PRIu64 "; HOR_SEED=n repeats one", seed);
    for (int i = 0; i < runs; i++)
        test_seed(seed + (uint64_t)i);
    return done_testing();
}

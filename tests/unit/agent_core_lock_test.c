/* Locks: never more than their capacity, first come first served within priority, and given back on
 * every way out: ends, kills, cancels, lost members, skips, doubts that are resolved, new leaders. */
#include <inttypes.h>
#include <time.h>

#include "agent/core/state.h"
#include "tests/unit/agent_core_world.h"

/* ---- by hand ---- */

static void finish_order(struct world *w, const char *order) { finish(w, order, "n", 0); }

static void chain_of(struct world *w, const char *name, const char *lock)
{
    char file[60], text[400], nodes[100];
    snprintf(file, sizeof file, "%s.job.xml", name);
    snprintf(text, sizeof text, "<job" NS "><script>true</script>%s</job>", lock);
    world_source(w, file, text);
    snprintf(nodes, sizeof nodes, "<node id=\"n\" job=\"/%s\"/>", name);
    world_chain(w, name, "maxOrders=\"99\"", nodes);
}

static void test_turns(void)
{
    struct world w;
    world_init(&w);
    world_source(&w, "l.lock.xml", "<lock" NS " capacity=\"4\"/>");
    chain_of(&w, "one", "<lock ref=\"/l\" mode=\"shared\"/>");
    chain_of(&w, "three", "<lock ref=\"/l\" mode=\"shared\" weight=\"3\"/>");
    chain_of(&w, "all", "<lock ref=\"/l\" mode=\"exclusive\"/>");
    ok(world_release(&w, 1), "a release with a lock");
    settle(&w);
    add_order(&w, "o1", "/one", w.now, NULL);
    add_order(&w, "o2", "/one", w.now, NULL);
    settle(&w);
    add_order(&w, "x", "/all", w.now, NULL);
    settle(&w);
    is(node_state(&w, "x", "n"), "ready", "exclusive use waits for shared uses");
    add_order(&w, "o3", "/one", w.now, NULL);
    settle(&w);
    is(node_state(&w, "o3", "n"), "ready", "and is not overtaken by more of them");
    w.now++;
    add_order(&w, "p", "/one", w.now, NULL);
    COMMAND(&w, "change", "p", .priority = 9);
    is(node_state(&w, "p", "n"), "assigned", "but by a higher priority");
    finish_order(&w, "o1");
    finish_order(&w, "o2");
    is(node_state(&w, "x", "n"), "ready", "it waits for the last one");
    finish_order(&w, "p");
    is(node_state(&w, "x", "n"), "assigned", "and has the lock");
    is(node_state(&w, "o3", "n"), "ready", "alone");
    hor_core_lead(w.core);
    settle(&w);
    is(node_state(&w, "o3", "n"), "ready", "also after a new leader came");
    finish_order(&w, "x");
    is(node_state(&w, "o3", "n"), "assigned", "then it is the others' turn");

    add_order(&w, "t1", "/three", w.now, NULL);
    settle(&w);
    is(node_state(&w, "t1", "n"), "assigned", "weights add up to the capacity");
    add_order(&w, "t2", "/three", w.now, NULL);
    settle(&w);
    add_order(&w, "o4", "/one", w.now, NULL);
    settle(&w);
    finish_order(&w, "o3");
    is(node_state(&w, "o4", "n"), "ready", "a light use does not overtake a heavy one");
    COMMAND(&w, "suspend", "t2", .node = NULL);
    is(node_state(&w, "o4", "n"), "assigned", "unless that does not wait any more");
    world_done(&w);
}

static void test_hindered(void)
{
    struct world w;
    world_init(&w);
    world_source(&w, "l.lock.xml", "<lock" NS "/>");
    chain_of(&w, "any", "<lock ref=\"/l\"/>");
    world_chain(&w, "there", "maxOrders=\"99\"", "<node id=\"n\" job=\"/any\" agent=\"a2\"/>");
    ok(world_release(&w, 1), "a release with a pinned node");
    settle(&w);
    add_order(&w, "o1", "/any", w.now, NULL);
    settle(&w);
    add_order(&w, "pinned", "/there", w.now, NULL);
    settle(&w);
    add_order(&w, "o2", "/any", w.now, NULL);
    settle(&w);
    hor_core_reach(w.core, "a2", HOR_CORE_LOST);
    settle(&w);
    finish_order(&w, "o1");
    is(node_state(&w, "o2", "n"), "assigned", "who could not use the lock now does not keep it from others");
    hor_core_reach(w.core, "a2", HOR_CORE_REACHED);
    settle(&w);
    finish_order(&w, "o2");
    is(node_state(&w, "pinned", "n"), "assigned", "its turn comes when it can");
    world_done(&w);
}

/* A second Master deploys the same release. */
static void deploy_for(struct world *w, const char *master)
{
    size_t count = w->count;
    for (size_t i = 0; i < count; i++)
        if (w->journal[i]->type == HOR_EVENT_RELEASE_PART ||
            w->journal[i]->type == HOR_EVENT_RELEASE_APPLIED) {
            struct hor_event *event = hor_event_copy(w->journal[i]);
            hor_event_set(&event->master, master);
            commit(w, event);
        }
}

static void add_for(struct world *w, const char *master, const char *id, const char *chain)
{
    struct hor_core_new_order order = {
        .id = id, .chain = chain, .release = 1, .planned_at = w->now, .priority = HOR_EVENT_NONE};
    struct hor_event *event = NULL;
    hor_core_accept(w->core, master, &order, w->now, &event, NULL);
    if (event != NULL)
        commit(w, event);
    settle(w);
}

static void acknowledge(struct world *w, const char *master)
{
    struct hor_event *event = event_new(w, HOR_EVENT_EVENTS_ACKNOWLEDGED);
    hor_event_set(&event->master, master);
    event->cluster_index = (int64_t)w->count;
    commit(w, event);
    settle(w);
}

static void test_masters(void)
{
    struct world w;
    world_init(&w);
    world_source(&w, "l.lock.xml", "<lock" NS "/>");
    chain_of(&w, "any", "<lock ref=\"/l\"/>");
    ok(world_release(&w, 1), "a release of one Master");
    deploy_for(&w, "other");
    ok(hor_core_release(w.core, "other", 1) != NULL, "and of another");
    settle(&w);
    add_for(&w, "main", "m1", "/any");
    add_for(&w, "main", "m2", "/any");
    add_for(&w, "other", "t1", "/any");
    is(node_state(&w, "m1", "n"), "assigned", "a lock is held");
    is(node_state(&w, "m2", "n"), "ready", "against orders of the same Master");
    is(node_state(&w, "t1", "n"), "assigned", "and not against those of another: /l is not its /l");
    command(&w, &(struct hor_core_command){.action = "hold", .chain = "/any"});
    add_for(&w, "main", "m3", "/any");
    add_for(&w, "other", "t2", "/any");
    is(order_state(&w, "m3"), "waiting", "a chain is held");
    ok(node_state(&w, "t2", "n")[0] == 'r', "for one Master only");
    ok(strstr(COMMAND(&w, "kill", "t1", .node = NULL), "is not in cluster") != NULL,
       "no Master can touch another's order");
    struct hor_event *event = report(&w, HOR_EVENT_TASK_ENDED, "t1", "n");
    hor_event_set(&event->master, "other");
    hor_event_set(&event->outcome, "success");
    commit(&w, event);
    settle(&w);
    is(order_state(&w, "t1"), "succeeded", "an order ends");
    acknowledge(&w, "main");
    is(order_state(&w, "t1"), "succeeded", "and is kept although another Master has read so far");
    acknowledge(&w, "other");
    is(order_state(&w, "t1"), "(none)", "until its own has");
    check_replay(&w, "Masters");
    world_done(&w);
}

/* ---- by chance ---- */

static uint64_t random_state;

static unsigned dice(unsigned sides)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 20) % sides;
}

enum { JOBS = 7, LOCKS = 3, ORDERS = 40, STEPS = 2500 };

static void make_sources(struct world *w)
{
    char file[40], text[600];
    for (int l = 0; l < LOCKS; l++) {
        snprintf(file, sizeof file, "l%d.lock.xml", l);
        snprintf(text, sizeof text, "<lock" NS " capacity=\"%u\"/>", 1 + dice(4));
        world_source(w, file, text);
    }
    for (int j = 0; j < JOBS; j++) {
        struct hor_buf job = HOR_BUF_INIT, nodes = HOR_BUF_INIT;
        hor_buf_printf(&job, "<job" NS "><script>true</script>");
        if (dice(3) == 0)
            hor_buf_printf(&job, "<execution maxTasks=\"%u\" priority=\"%u\"/>", 1 + dice(3), dice(2));
        if (dice(3) == 0)
            hor_buf_printf(&job, "<retry attempts=\"2\" delay=\"PT5S\"/>");
        if (dice(2) == 0)
            hor_buf_printf(&job, "<agentLoss action=\"restart\"/>");
        for (int l = 0; l < LOCKS; l++)
            if (dice(3) == 0)
                hor_buf_printf(&job, "<lock ref=\"/l%d\" mode=\"%s\"/>", l,
                               dice(3) == 0 ? "exclusive" : "shared");
        hor_buf_puts(&job, "</job>");
        snprintf(file, sizeof file, "j%d.job.xml", j);
        world_source(w, file, hor_buf_text(&job));
        for (unsigned n = 0; n < 3; n++)
            hor_buf_printf(&nodes, "<node id=\"n%u\" job=\"/j%u\"%s>%s</node>", n, dice(JOBS),
                           dice(5) == 0   ? " agent=\"a2\""
                           : dice(5) == 0 ? " everyAgent=\"true\""
                                          : "",
                           dice(2) ? "<atStart/>" : "");
        snprintf(file, sizeof file, "c%d", j);
        world_chain(w, file, "maxOrders=\"9\"", hor_buf_text(&nodes));
        hor_buf_done(&job);
        hor_buf_done(&nodes);
    }
}

struct use { /* of one lock, from the tasks alone */
    int64_t shared, exclusive, capacity;
};

struct tally {
    struct use locks[LOCKS];
};

static void add_uses(const struct hor_core_task_view *task, void *ctx)
{
    struct tally *tally = ctx;
    for (size_t i = 0; i < task->job->lock_count; i++) {
        const struct hor_lock_use *use = &task->job->locks[i];
        struct use *lock = &tally->locks[use->lock_path[2] - '0'];
        lock->capacity = use->lock->capacity;
        if (use->exclusive)
            lock->exclusive++;
        else
            lock->shared += use->weight;
    }
}

/* Law 1: the capacity. Law 2: the books agree with the tasks. */
static bool books_hold(struct world *w)
{
    struct tally tally = {0};
    hor_core_each_task(w->core, NULL, add_uses, &tally);
    for (int l = 0; l < LOCKS; l++) {
        const struct use *lock = &tally.locks[l];
        char path[20];
        if ((lock->shared > 0 || lock->exclusive > 0) &&
            (lock->exclusive > 1 || (lock->exclusive == 1 && lock->shared > 0) ||
             lock->shared > lock->capacity)) {
            diag("lock l%d: %" PRId64 " shared, %" PRId64 " exclusive of %" PRId64, l, lock->shared,
                 lock->exclusive, lock->capacity);
            return false;
        }
        snprintf(path, sizeof path, "/l%d", l);
        const struct hor_core_place_limit *limit = hor_core_limit_get(w->core->locks, "main", path);
        if (limit->used != lock->shared || limit->exclusive != lock->exclusive ||
            limit->reserved != 0 || limit->exclusive_reserved != 0) {
            diag("lock l%d: the books say %" PRId64 "+%" PRId64 ", the tasks %" PRId64 "+%" PRId64, l,
                 limit->used, limit->exclusive, lock->shared, lock->exclusive);
            return false;
        }
    }
    return true;
}

static bool uses(const struct hor_core_node_held *node, const char *key)
{
    const struct hor_job *job = node->def->job;
    const char *path = strchr(key, '\n') + 1;
    if (job->max_tasks > 0 && strcmp(job->object.path, path) == 0)
        return true;
    for (size_t i = 0; i < job->lock_count; i++)
        if (strcmp(job->locks[i].lock_path, path) == 0)
            return true;
    return false;
}

/* Somebody is at the front of the line already, and waits for a place at an agent only. */
static bool is_claimed(struct world *w, const char *key)
{
    for (size_t i = 0; i < w->core->ready.count; i++)
        if (uses(w->core->ready.items[i], key))
            return true;
    for (size_t m = 0; m < w->core->member_count; m++) {
        const struct hor_core_member_state *member = &w->core->members[m];
        if (!member->up || member->drain || member->reach != HOR_CORE_REACHED)
            continue;
        for (size_t i = 0; i < member->ready.count; i++)
            if (uses(member->ready.items[i], key))
                return true;
    }
    return false;
}

/* Law 3: who waits for a lock that it could have is looked at. */
static bool nobody_forgotten(struct world *w)
{
    struct hor_map *const maps[] = {w->core->locks, w->core->jobs};
    for (int m = 0; m < 2; m++) {
        size_t pos = 0;
        const char *path;
        struct hor_core_place_limit *limit;
        while ((limit = hor_map_next(maps[m], &pos, NULL)) != NULL) {
            const struct hor_core_node_held *top = hor_core_heap_top(&limit->blocked);
            if (top != NULL && hor_core_node_limit(w->core, top, &path) == NULL &&
                !is_claimed(w, limit->key)) {
                diag("node %s of %s could have what it waits for", top->def->id, top->order->id);
                return false;
            }
        }
    }
    return true;
}

/* Law 4: nobody gets a lock before somebody who waited for it and comes first, and could run: those
 * that run on one agent only, or need more than one lock, may have had to wait for those meanwhile. */
struct waiting {
    const struct hor_core_node_held *nodes[LOCKS];
    struct hor_core_place_limit *limits[LOCKS];
    size_t journal;
};

static void note_waiting(struct world *w, struct waiting *ret)
{
    *ret = (struct waiting){.journal = w->count};
    for (int l = 0; l < LOCKS; l++) {
        char path[20];
        snprintf(path, sizeof path, "/l%d", l);
        ret->limits[l] = hor_core_limit_get(w->core->locks, "main", path);
        ret->nodes[l] = hor_core_heap_top(&ret->limits[l]->blocked);
    }
}

static bool nobody_overtaken(struct world *w, const struct waiting *before)
{
    for (size_t i = before->journal; i < w->count; i++) {
        const struct hor_event *e = w->journal[i];
        if (e->type != HOR_EVENT_TASK_ASSIGNED)
            continue;
        struct hor_core_order_held *order = hor_core_order_find(w->core, e->order);
        const struct hor_core_node_held *node =
            order != NULL ? hor_core_node_find(order, e->node) : NULL;
        for (int l = 0; node != NULL && l < LOCKS; l++) {
            const struct hor_core_node_held *first = before->nodes[l];
            bool wants = false;
            for (size_t k = 0; k < node->def->job->lock_count; k++)
                wants |= node->def->job->locks[k].lock_path[2] == '0' + l;
            if (!wants || first == NULL || hor_core_node_pin(w->core, first) != SIZE_MAX ||
                first->def->job->lock_count + (first->def->job->max_tasks > 0) > 1 || first->order == order ||
                hor_core_heap_top(&before->limits[l]->blocked) != first ||
                first->queue != HOR_CORE_QUEUE_BLOCKED || !hor_core_node_before(first, node))
                continue;
            diag("node %s of %s got lock l%d before node %s of %s", e->node, e->order, l,
                 first->def->id, first->order->id);
            return false;
        }
    }
    return true;
}

struct picker {
    unsigned pick, count;
    char task[HOR_CORE_NAME_BYTES + 1];
};

static void pick(const struct hor_core_task_view *task, void *ctx)
{
    struct picker *p = ctx;
    if (p->count++ == p->pick)
        snprintf(p->task, sizeof p->task, "%s", task->task);
}

static void step_task(struct world *w)
{
    struct picker p = {.pick = UINT32_MAX};
    struct hor_core_task_view view;
    hor_core_each_task(w->core, NULL, pick, &p);
    if (p.count == 0)
        return;
    p.pick = dice(p.count);
    p.count = 0;
    hor_core_each_task(w->core, NULL, pick, &p);
    hor_core_task(w->core, p.task, &view);
    bool doubt = dice(12) == 0;
    struct hor_event *event =
        event_new(w, doubt ? HOR_EVENT_TASK_IN_DOUBT : HOR_EVENT_TASK_ENDED);
    hor_event_set(&event->order, view.order);
    hor_event_set(&event->node, view.node->id);
    hor_event_set(&event->task, view.task);
    hor_event_set(&event->agent, view.agent);
    event->ended_at = w->now;
    event->exit_code = 0;
    if (!doubt)
        hor_event_set(&event->outcome, dice(4) == 0 ? "failure" : "success");
    commit(w, event);
}

static void step_command(struct world *w, const char *order, bool tidy)
{
    static const char *const actions[] = {"suspend", "resume",  "kill",   "cancel",
                                          "retry",   "skipNode", "resolve", "change"};
    char node[10];
    const char *action = actions[dice(8)];
    snprintf(node, sizeof node, "n%u", dice(3));
    if (tidy) {
        const char *state = order_state(w, order);
        action = strcmp(state, "inDoubt") == 0     ? "resolve"
                 : strcmp(state, "suspended") == 0 ? "resume"
                 : strcmp(state, "failed") == 0    ? "cancel"
                                                   : NULL;
    }
    if (action != NULL)
        COMMAND(w, action, order, .node = strcmp(action, "skipNode") == 0 || strcmp(action, "resolve") == 0
                                              ? node
                                              : NULL,
                .outcome = dice(2) ? "success" : "again", .priority = 1 + dice(3));
}

static bool is_over(struct world *w, const char *order)
{
    const char *state = order_state(w, order);
    return strcmp(state, "succeeded") == 0 || strcmp(state, "cancelled") == 0 ||
           strcmp(state, "warned") == 0;
}

static void tell(const struct hor_core_obstacle *obstacle, void *ctx)
{
    (void)ctx;
    diag("  %s: %s", obstacle->node != NULL ? obstacle->node : "", obstacle->text);
}

static void test_seed(uint64_t seed)
{
    static const enum hor_core_reach reaches[] = {HOR_CORE_REACHED, HOR_CORE_REACHED, HOR_CORE_LOST,
                                                  HOR_CORE_FENCED, HOR_CORE_IDLE};
    struct world w;
    char order[20], chain[20];
    bool books = true, seen = true, fair = true;
    unsigned open = ORDERS, steps = 0;
    random_state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    world_init(&w);
    make_sources(&w);
    if (!ok(world_release(&w, 1), "seed %" PRIu64 ": a random configuration is right", seed)) {
        world_done(&w);
        return;
    }
    settle(&w);
    for (int i = 0; i < ORDERS; i++) {
        snprintf(order, sizeof order, "o%d", i);
        snprintf(chain, sizeof chain, "/c%u", dice(JOBS));
        add_order(&w, order, chain, w.now + dice(60) * SECOND, NULL);
    }
    for (; steps < 4 * STEPS && open > 0 && books && seen && fair; steps++) {
        struct waiting before;
        unsigned what = dice(24);
        bool calm = steps >= STEPS, led = false;
        snprintf(order, sizeof order, "o%u", dice(ORDERS));
        note_waiting(&w, &before);
        if (steps == STEPS) {
            hor_core_reach(w.core, "a1", HOR_CORE_REACHED);
            hor_core_reach(w.core, "a2", HOR_CORE_REACHED);
        }
        if (what == 0 && !calm)
            hor_core_reach(w.core, dice(2) ? "a1" : "a2", reaches[dice(5)]);
        else if (what < 3)
            step_command(&w, order, calm);
        else if (what < 6)
            w.now += dice(10) * SECOND;
        else if (what == 6)
            hor_core_lead(w.core), led = true;
        else
            step_task(&w);
        settle(&w);
        books = books_hold(&w);
        seen = nobody_forgotten(&w);
        fair = led || what < 3 || nobody_overtaken(&w, &before); /* commands change who comes first */
        open = 0;
        for (int i = 0; i < ORDERS; i++) {
            snprintf(order, sizeof order, "o%d", i);
            if (calm && what == 7)
                step_command(&w, order, true);
            open += !is_over(&w, order);
        }
    }
    ok(books, "seed %" PRIu64 ": no lock was granted beyond its capacity, and every one given back", seed);
    ok(seen, "seed %" PRIu64 ": nobody who could have a lock was forgotten", seed);
    ok(fair, "seed %" PRIu64 ": nobody was overtaken", seed);
    ok(open == 0, "seed %" PRIu64 ": every order ends (%u steps, %zu events)", seed, steps, w.count);
    for (int i = 0; i < ORDERS && open > 0; i++) {
        snprintf(order, sizeof order, "o%d", i);
        if (!is_over(&w, order)) {
            diag("%s is %s", order, order_state(&w, order));
            hor_core_obstacles(w.core, order, w.now, tell, NULL, NULL);
        }
    }
    check_replay(&w, "locks");
    world_done(&w);
}

int main(void)
{
    const char *text = getenv("HOR_SEED");
    uint64_t seed = (uint64_t)time(NULL);
    int runs = 15;
    test_turns();
    test_hindered();
    test_masters();
    if (text != NULL && hor_str_to_uint64(text, &seed) == HOR_OK)
        runs = 1;
    diag("seeds from %" PRIu64 "; HOR_SEED=n repeats one", seed);
    for (int i = 0; i < runs; i++)
        test_seed(seed + (uint64_t)i);
    return done_testing();
}

/* The leader's notebook: which orders to look at, which nodes wait for a place. None of it is
 * replicated; the state alone is enough to make it anew. */
#include "agent/core/state.h"

void hor_core_order_touch(struct hor_core *core, struct hor_core_order_held *order)
{
    if (hor_core_link_empty(&order->dirty))
        hor_core_link_add(&core->dirty_orders, &order->dirty);
}

void hor_core_lane_touch(struct hor_core *core, struct hor_core_lane *lane)
{
    if (hor_core_link_empty(&lane->dirty))
        hor_core_link_add(&core->dirty_lanes, &lane->dirty);
}

/* INT64_MAX takes the order out. */
void hor_core_order_timer(struct hor_core *core, struct hor_core_order_held *order, int64_t at)
{
    if (hor_core_heap_has(&core->timers, order)) {
        if (order->timer_at == at)
            return;
        hor_core_heap_remove(&core->timers, order);
    }
    order->timer_at = at;
    if (at != INT64_MAX && hor_core_heap_push(&core->timers, order) < 0)
        core->memory = true;
}

bool hor_core_order_before(const struct hor_core_order_held *x, const struct hor_core_order_held *y)
{
    if (x->priority != y->priority)
        return x->priority > y->priority;
    if (x->due_at != y->due_at)
        return x->due_at < y->due_at;
    return x->added_index < y->added_index;
}

bool hor_core_node_before(const void *a, const void *b)
{
    const struct hor_core_node_held *x = a, *y = b;
    if (x->order->priority != y->order->priority)
        return x->order->priority > y->order->priority;
    if (x->def->job->priority != y->def->job->priority)
        return x->def->job->priority > y->def->job->priority;
    if (x->order != y->order)
        return hor_core_order_before(x->order, y->order);
    return x < y;
}

/* ---- limits: places at jobs and locks ---- */

/* Walks the limits of a node: its job's, then its locks'. `use` is NULL for the job. */
static struct hor_core_place_limit *limit_at(struct hor_core *core,
                                             const struct hor_core_node_held *node, size_t *pos,
                                             const struct hor_lock_use **ret_use)
{
    const struct hor_job *job = node->def->job;
    struct hor_core_place_limit *limit = NULL;
    if (*pos == 0) {
        ++*pos;
        if (job->max_tasks > 0) {
            *ret_use = NULL;
            limit = hor_core_limit_get(core->jobs, node->order->master->name, job->object.path);
            if (limit == NULL)
                core->memory = true;
            else
                limit->max = job->max_tasks;
            return limit;
        }
    }
    if (*pos > job->lock_count)
        return NULL;
    *ret_use = &job->locks[*pos - 1];
    ++*pos;
    limit = hor_core_limit_get(core->locks, node->order->master->name, (*ret_use)->lock_path);
    if (limit == NULL)
        core->memory = true;
    else {
        limit->max = (*ret_use)->lock->capacity;
        limit->lock = true;
    }
    return limit;
}

/* Whether there is no room for one more use; `use` is NULL for a job. */
static bool is_full(const struct hor_core_place_limit *limit, const struct hor_lock_use *use)
{
    int64_t shared = limit->used + limit->reserved;
    int64_t exclusive = limit->exclusive + limit->exclusive_reserved;
    return use == NULL        ? shared >= limit->max
           : use->exclusive ? shared + exclusive > 0
                            : exclusive > 0 || shared + use->weight > limit->max;
}

struct hor_core_place_limit *hor_core_node_limit(struct hor_core *core,
                                                 const struct hor_core_node_held *node,
                                                 const char **ret_path)
{
    const struct hor_lock_use *use;
    struct hor_core_place_limit *limit;
    for (size_t pos = 0; (limit = limit_at(core, node, &pos, &use)) != NULL;) {
        /* Who waits and comes first is not overtaken, though it needs more than there is. */
        const struct hor_core_node_held *first = hor_core_heap_top(&limit->blocked);
        if (is_full(limit, use) || (first != NULL && first != node && hor_core_node_before(first, node))) {
            *ret_path = use != NULL ? use->lock_path : node->def->job->object.path;
            return limit;
        }
    }
    return NULL;
}

/* Whether the one member that may run the node can do so now. Others are in the queue of all members,
 * and come first there. */
static bool is_hindered(const struct hor_core *core, const struct hor_core_node_held *node)
{
    size_t pin = hor_core_node_pin(core, node);
    if (pin == SIZE_MAX)
        return false;
    const struct hor_core_member_state *member = &core->members[pin];
    return !member->up || member->drain || member->reach != HOR_CORE_REACHED ||
           member->tasks + member->reserved >= member->now_max_tasks;
}

/* Whether the node's use of this one limit has room. */
static bool fits(struct hor_core *core, const struct hor_core_node_held *node,
                 const struct hor_core_place_limit *wanted)
{
    const struct hor_lock_use *use;
    struct hor_core_place_limit *limit;
    for (size_t pos = 0; (limit = limit_at(core, node, &pos, &use)) != NULL;)
        if (limit == wanted)
            return !is_full(limit, use);
    return true;
}

/* Lets the first in line look when there is room for it, and those behind it as long as they could not
 * use the place now. Waking one without room for it could go round in circles: it would be blocked
 * again, wake the first at another limit, and that one it. */
static void wake(struct hor_core *core, struct hor_core_place_limit *limit)
{
    struct hor_core_node_held *node;
    while ((node = hor_core_heap_top(&limit->blocked)) != NULL && fits(core, node, limit)) {
        hor_core_heap_remove(&limit->blocked, node);
        node->queue = HOR_CORE_QUEUE_NONE;
        if (hor_core_node_ready(core, node) < 0)
            core->memory = true;
        if (!is_hindered(core, node))
            break;
    }
}

void hor_core_node_wake_others(struct hor_core *core, const struct hor_core_node_held *node,
                               const struct hor_core_place_limit *except)
{
    const struct hor_lock_use *use;
    struct hor_core_place_limit *limit;
    for (size_t pos = 0; (limit = limit_at(core, node, &pos, &use)) != NULL;)
        if (limit != except)
            wake(core, limit);
}

void hor_core_member_pass_by(struct hor_core *core, struct hor_core_member_state *member)
{
    for (size_t i = 0; i < member->ready.count; i++) /* what comes in meanwhile passes on itself */
        hor_core_node_wake_others(core, member->ready.items[i], NULL);
}

void hor_core_node_take(struct hor_core *core, struct hor_core_node_held *node,
                        enum hor_core_take take, int64_t by)
{
    const struct hor_lock_use *use;
    struct hor_core_place_limit *limit;
    for (size_t pos = 0; (limit = limit_at(core, node, &pos, &use)) != NULL;) {
        if (use != NULL && use->exclusive)
            *(take == HOR_CORE_USE ? &limit->exclusive : &limit->exclusive_reserved) += by;
        else
            *(take == HOR_CORE_USE ? &limit->used : &limit->reserved) +=
                by * (use != NULL ? use->weight : 1);
    }
    hor_core_node_wake_others(core, node, NULL);
}

/* ---- nodes that may run ---- */

size_t hor_core_node_pin(const struct hor_core *core, const struct hor_core_node_held *node)
{
    size_t i = SIZE_MAX;
    if (node->whole != NULL)
        return node->member;
    if (node->def->agent != NULL)
        hor_core_member_find(core, node->def->agent, &i);
    else if (node->def->same_agent_as != HOR_NODE_NONE)
        i = node->order->nodes[node->def->same_agent_as].member;
    return i;
}

static int enter(struct hor_core_node_held *node, struct hor_core_heap *heap,
                 enum hor_core_queue queue)
{
    int rc = hor_core_heap_push(heap, node);
    if (rc == HOR_OK) {
        node->queue = queue;
        node->heap = heap;
    }
    return rc;
}

int hor_core_node_ready(struct hor_core *core, struct hor_core_node_held *node)
{
    if (node->queue != HOR_CORE_QUEUE_NONE)
        return HOR_OK;
    size_t pin = hor_core_node_pin(core, node);
    return enter(node, pin == SIZE_MAX ? &core->ready : &core->members[pin].ready,
                 HOR_CORE_QUEUE_READY);
}

int hor_core_node_block(struct hor_core *core, struct hor_core_node_held *node,
                        struct hor_core_place_limit *limit)
{
    (void)core;
    return enter(node, &limit->blocked, HOR_CORE_QUEUE_BLOCKED);
}

void hor_core_node_unqueue(struct hor_core *core, struct hor_core_node_held *node)
{
    enum hor_core_queue queue = node->queue;
    node->queue = HOR_CORE_QUEUE_NONE;
    if (queue == HOR_CORE_QUEUE_READY) {
        hor_core_heap_remove(node->heap, node);
        hor_core_node_wake_others(core, node, NULL); /* it may have been woken for a place */
    } else if (queue == HOR_CORE_QUEUE_BLOCKED) {
        hor_core_heap_remove(node->heap, node);
        wake(core, HOR_CORE_ITEM(node->heap, struct hor_core_place_limit, blocked));
    } else if (queue == HOR_CORE_QUEUE_ASSIGNING) {
        core->members[node->to_member].reserved--;
        hor_core_node_take(core, node, HOR_CORE_RESERVE, -1);
    }
}

void hor_core_order_unqueue(struct hor_core *core, struct hor_core_order_held *order)
{
    struct hor_core_run_walk walk = {0};
    struct hor_core_node_held *node;
    while ((node = hor_core_next_run(order, &walk)) != NULL)
        hor_core_node_unqueue(core, node);
}

/* Back to what the state alone says. */
void hor_core_lead(struct hor_core *core)
{
    size_t pos = 0;
    struct hor_core_lane *lane;
    while ((lane = hor_map_next(core->lanes, &pos, NULL)) != NULL) {
        lane->starting = 0;
        hor_core_lane_touch(core, lane);
    }
    pos = 0;
    struct hor_core_order_held *order;
    while ((order = hor_map_next(core->orders, &pos, NULL)) != NULL) {
        hor_core_order_unqueue(core, order);
        order->starting = false;
        order->in_flight = order->commands = 0;
        hor_core_heap_remove(&order->lane->waiting, order);
        struct hor_core_run_walk walk = {0};
        struct hor_core_node_held *node;
        while ((node = hor_core_next_run(order, &walk)) != NULL)
            node->when_true = node->swept = false;
        hor_core_order_foresee_nothing(core, order);
        if (!hor_core_order_is_ended(order))
            hor_core_order_touch(core, order);
    }
    struct hor_core_release_held *release;
    pos = 0;
    while ((release = hor_map_next(core->releases, &pos, NULL)) != NULL)
        release->dropping = false;
    for (size_t i = 0; i < core->member_count; i++) {
        core->members[i].changing = false;
        core->members[i].sweep = true;
    }
    core->drop_check = true;
}

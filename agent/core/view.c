/* Looking at a core without changing it. */
#include <string.h>

#include "agent/core/state.h"
#include "lib/base/str.h"

int hor_core_order(const struct hor_core *core, const char *id, int64_t now_us,
                   struct hor_core_order_view *ret)
{
    const struct hor_core_order_held *order = hor_core_order_find(core, id);
    if (order == NULL)
        return HOR_ERR_NOT_FOUND;
    *ret = (struct hor_core_order_view){
        .id = order->id,
        .master = order->master->name,
        .chain = order->chain->object.path,
        .title = order->title,
        .state = hor_core_order_state_name(order, now_us),
        .mark = hor_core_mark_text(order->mark),
        .plan_day = order->plan_day,
        .schedule = order->schedule,
        .cause = order->cause,
        .release = order->release->number,
        .planned_at = order->planned_at,
        .due_at = order->due_at,
        .started_at = order->started_at,
        .ended_at = order->ended_at,
        .priority = order->priority,
        .nodes = order->chain->node_count,
        .nodes_done = order->done,
        .arguments = order->nodes != NULL ? &order->parameters : &order->arguments,
    };
    return HOR_OK;
}

/* A node that only waits for a place is `ready`: that is no state of its own. */
static const char *node_state(const struct hor_core_order_held *order, size_t i)
{
    const struct hor_core_node_held *node = &order->nodes[i];
    if (order->state == HOR_CORE_ORDER_RUNNING && node->state == HOR_CORE_NODE_WAITING &&
        hor_core_node_release(order, i) == HOR_CORE_GO)
        return hor_core_needs_met(node) ? "ready" : "waiting";
    return hor_core_node_shown(node);
}

int hor_core_order_node(const struct hor_core *core, const char *id, size_t i,
                        char task[HOR_CORE_NAME_BYTES + 1], struct hor_core_node_view *ret)
{
    static const struct hor_arguments none = {0};
    const struct hor_core_order_held *order = hor_core_order_find(core, id);
    if (order == NULL || i >= order->chain->node_count || hor_core_order_is_ended(order))
        return HOR_ERR_NOT_FOUND;
    const struct hor_node *def = &order->chain->nodes[i];
    *ret = (struct hor_core_node_view){
        .id = def->id,
        .title = def->title,
        .job = def->job->object.path,
        .state = "waiting",
        .attempt = HOR_EVENT_NONE,
        .started_at = HOR_EVENT_NONE,
        .ended_at = HOR_EVENT_NONE,
        .exit_code = HOR_EVENT_NONE,
        .retry_at = HOR_EVENT_NONE,
        .outputs = &none,
        .definition = def,
    };
    if (order->nodes == NULL)
        return HOR_OK;
    const struct hor_core_node_held *node = &order->nodes[i];
    ret->state = node_state(order, i);
    ret->cause = node->cause;
    ret->started_at = node->started_at;
    ret->ended_at = node->ended_at;
    ret->exit_code = node->exit_code;
    ret->retry_at = node->retry_at;
    ret->fence = node->fence;
    ret->killing = node->killing;
    ret->outputs = &node->outputs;
    if (node->attempt > 0 && hor_core_task_name(node, node->attempt, task) == HOR_OK) {
        ret->task = task;
        ret->attempt = node->attempt;
        ret->agent = node->member != SIZE_MAX ? core->members[node->member].name : NULL;
    }
    return HOR_OK;
}

static void task_view(const struct hor_core *core, const struct hor_core_node_held *node,
                      struct hor_core_task_view *ret)
{
    *ret = (struct hor_core_task_view){
        .order = node->order->id,
        .master = node->order->master->name,
        .agent = core->members[node->member].name,
        .state = hor_core_node_state_text(node->state),
        .fence = node->fence,
        .killing = node->killing,
        .attempt = node->attempt,
        .node = node->def,
        .job = node->def->job,
        .chain = node->order->chain,
    };
    hor_core_task_name(node, node->attempt, ret->task); /* fitted when it was assigned */
}

int hor_core_task(const struct hor_core *core, const char *task, struct hor_core_task_view *ret)
{
    const struct hor_core_node_held *node = hor_core_task_node(core, task);
    if (node == NULL)
        return HOR_ERR_NOT_FOUND;
    task_view(core, node, ret);
    return HOR_OK;
}

bool hor_core_wants(const struct hor_core *core, const struct hor_event *report)
{
    const struct hor_core_node_held *node = hor_core_task_node(core, report->task);
    if (node == NULL)
        return false;
    switch (report->type) {
    case HOR_EVENT_TASK_STARTED:
        return node->state != HOR_CORE_NODE_RUNNING;
    case HOR_EVENT_TASK_IN_DOUBT:
        return node->state != HOR_CORE_NODE_IN_DOUBT;
    case HOR_EVENT_TASK_ENDED:
        return true;
    default:
        return false;
    }
}

void hor_core_each_task(const struct hor_core *core, const char *agent, hor_core_task_fn *each,
                        void *ctx)
{
    for (size_t i = 0; i < core->member_count; i++) {
        const struct hor_core_member_state *member = &core->members[i];
        if (agent != NULL && strcmp(member->name, agent) != 0)
            continue;
        for (struct hor_core_link *at = member->active.next, *next; at != &member->active;
             at = next) {
            struct hor_core_task_view view;
            next = at->next;
            task_view(core, HOR_CORE_ITEM(at, struct hor_core_node_held, active), &view);
            each(&view, ctx);
        }
    }
}

void hor_core_each_order(const struct hor_core *core, const char *master, hor_core_id_fn *each,
                         void *ctx)
{
    size_t pos = 0;
    const struct hor_core_order_held *order;
    while ((order = hor_map_next(core->orders, &pos, NULL)) != NULL)
        if (master == NULL || strcmp(order->master->name, master) == 0)
            each(order->id, ctx);
}

void hor_core_each_release(const struct hor_core *core, const char *master,
                           hor_core_release_fn *each, void *ctx)
{
    size_t pos = 0;
    const struct hor_core_release_held *release;
    while ((release = hor_map_next(core->releases, &pos, NULL)) != NULL)
        if (release->config != NULL && (master == NULL || strcmp(release->master, master) == 0))
            each(release->master, release->number, ctx);
}

void hor_core_each_held(const struct hor_core *core, const char *master, hor_core_id_fn *each,
                        void *ctx)
{
    size_t pos = 0;
    const struct hor_core_lane *lane;
    while ((lane = hor_map_next(core->lanes, &pos, NULL)) != NULL)
        if (lane->held && (master == NULL || strcmp(lane->master, master) == 0))
            each(lane->chain, ctx);
}

int hor_core_member(const struct hor_core *core, size_t i, struct hor_core_member_view *ret)
{
    if (i >= core->member_count)
        return HOR_ERR_NOT_FOUND;
    const struct hor_core_member_state *member = &core->members[i];
    *ret = (struct hor_core_member_view){
        .name = member->name,
        .state = member->witness || member->changed_at == HOR_EVENT_NONE ? "unknown"
                 : !member->up                                           ? "lost"
                 : member->drained                                       ? "drained"
                 : member->drain                                         ? "draining"
                                                                         : "up",
        .priority = member->now_priority,
        .max_tasks = member->now_max_tasks,
        .tasks = member->tasks,
        .last_change = member->changed_at,
        .witness = member->witness,
    };
    return HOR_OK;
}

void hor_core_counts(const struct hor_core *core, const char *master, struct hor_core_counts *ret)
{
    *ret = (struct hor_core_counts){
        .selection =
            core->selection == HOR_SELECTION_ROUND_ROBIN ? "roundRobin" : "fixedPriority"};
    size_t pos = 0;
    const struct hor_core_order_held *order;
    while ((order = hor_map_next(core->orders, &pos, NULL)) != NULL) {
        if (master != NULL && strcmp(order->master->name, master) != 0)
            continue;
        bool ended = hor_core_order_is_ended(order);
        ret->ended_kept += ended;
        ret->orders += !ended;
        ret->waiting += order->state == HOR_CORE_ORDER_WAITING;
        ret->running += order->state == HOR_CORE_ORDER_RUNNING;
        ret->tasks += order->active;
    }
    pos = 0;
    const struct hor_core_lane *lane;
    while ((lane = hor_map_next(core->lanes, &pos, NULL)) != NULL)
        ret->held += lane->held && (master == NULL || strcmp(lane->master, master) == 0);
}

uint64_t hor_core_acknowledged(const struct hor_core *core, const char *name)
{
    if (name != NULL) {
        const struct hor_core_master_known *master = hor_map_get(core->masters, name);
        return master != NULL ? master->acknowledged : 0;
    }
    uint64_t least = UINT64_MAX;
    size_t pos = 0;
    const struct hor_core_master_known *master;
    while ((master = hor_map_next(core->masters, &pos, NULL)) != NULL)
        if (master->acknowledged < least)
            least = master->acknowledged;
    return least;
}

uint64_t hor_core_fence(const struct hor_core *core, const char *name)
{
    const struct hor_core_master_known *master = hor_map_get(core->masters, name);
    if (master == NULL)
        return 0;
    return master->fence_asked > master->fence ? master->fence_asked : master->fence;
}

int hor_core_fence_ask(struct hor_core *core, const char *name, uint64_t fence)
{
    struct hor_core_master_known *master = hor_core_master_get(core, name);
    if (master == NULL)
        return HOR_ERR_MEMORY;
    if (fence > master->fence_asked)
        master->fence_asked = fence;
    return HOR_OK;
}

const char *hor_core_release(const struct hor_core *core, const char *master, int64_t number)
{
    const struct hor_core_release_held *release = hor_core_release_find(core, master, number);
    return release != NULL && release->config != NULL ? release->sha256 : NULL;
}

int hor_core_accept(const struct hor_core *core, const char *master,
                    const struct hor_core_new_order *order, int64_t now_us,
                    struct hor_event **ret_event, struct hor_error *err)
{
    const struct hor_core_release_held *release =
        hor_core_release_find(core, master, order->release);
    const struct hor_core_order_held *known = hor_core_order_find(core, order->id);
    if (hor_map_get(core->ended.map, order->id) != NULL ||
        (known != NULL && (known->starting || !hor_str_equal(known->master->name, master) ||
                           !hor_core_order_replaceable(known, order->release, order->chain)))) {
        *ret_event = NULL;
        return HOR_OK;
    }
    if (release == NULL || release->config == NULL)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "order %s: release %lld is not in cluster %s",
                             order->id, (long long)order->release, core->cluster);
    const struct hor_chain *chain = hor_config_chain(release->config, order->chain);
    if (chain == NULL)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "order %s: release %lld has no chain %s",
                             order->id, (long long)order->release, order->chain);
    if (!hor_str_equal(chain->cluster_path, core->cluster))
        return hor_error_set(err, HOR_ERR_INVALID, "order %s: chain %s runs on cluster %s, not on %s",
                             order->id, order->chain, chain->cluster_path, core->cluster);
    struct hor_event *event = hor_event_new(HOR_EVENT_ORDER_ADDED, now_us);
    if (event == NULL || hor_event_set(&event->master, master) < 0 ||
        hor_event_set(&event->order, order->id) < 0 || hor_event_set(&event->chain, order->chain) < 0 ||
        hor_event_set(&event->title, order->title) < 0 ||
        hor_event_set(&event->plan_day, order->plan_day) < 0 ||
        hor_event_set(&event->schedule, order->schedule) < 0 ||
        hor_event_set(&event->actor, order->actor) < 0 ||
        hor_event_set(&event->reason, order->reason) < 0 ||
        (order->arguments != NULL &&
         hor_arguments_copy(&event->arguments, order->arguments) < 0)) {
        hor_event_free(event);
        return hor_error_set(err, HOR_ERR_MEMORY, "order %s: out of memory", order->id);
    }
    event->release = order->release;
    event->planned_at = order->planned_at;
    event->priority = order->priority;
    *ret_event = event;
    return HOR_OK;
}

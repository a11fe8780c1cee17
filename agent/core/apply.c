/* Events into state. Every function here must do the same on every member, so nothing depends on
 * the leader's notebook; the notebook is only kept right on the way. */
#include <stdlib.h>
#include <string.h>

#include "agent/core/state.h"
#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "lib/config/config.h"

/* ---- changes of state that keep all counts right ---- */

void hor_core_node_set_state(struct hor_core *core, struct hor_core_node_held *node,
                             enum hor_core_node_state state)
{
    struct hor_core_order_held *order = node->order;
    bool was_active = hor_core_node_is_active(node);
    hor_core_node_unqueue(core, node);
    order->in_doubt -= node->state == HOR_CORE_NODE_IN_DOUBT;
    order->retrying -= node->state == HOR_CORE_NODE_RETRYING;
    order->away -= node->state == HOR_CORE_NODE_AWAY;
    order->done -= node->whole == NULL && hor_core_node_is_done(node);
    node->state = state;
    order->in_doubt += node->state == HOR_CORE_NODE_IN_DOUBT;
    order->retrying += node->state == HOR_CORE_NODE_RETRYING;
    order->away += node->state == HOR_CORE_NODE_AWAY;
    order->done += node->whole == NULL && hor_core_node_is_done(node);
    node->when_true = node->swept = false;
    bool is_active = hor_core_node_is_active(node);
    if (!is_active)
        hor_core_node_foresee_nothing(core, node); /* it has come */
    if (was_active != is_active) {
        struct hor_core_member_state *member = &core->members[node->member];
        if (is_active)
            hor_core_link_add(&member->active, &node->active);
        else
            hor_core_link_remove(&node->active);
        int by = is_active ? 1 : -1;
        member->tasks += by;
        core->active += (size_t)by;
        order->active += (size_t)by;
        hor_core_node_take(core, node, HOR_CORE_USE, by);
    }
    hor_core_order_touch(core, order);
}

void hor_core_order_keep(struct hor_core_order_held *order)
{
    hor_core_link_add(&order->master->ended, &order->in_ended);
    order->master->ended_count++;
}

void hor_core_order_set_state(struct hor_core *core, struct hor_core_order_held *order,
                              enum hor_core_order_state state)
{
    if (order->state == HOR_CORE_ORDER_RUNNING && state != HOR_CORE_ORDER_RUNNING) {
        order->lane->running--;
        hor_core_link_remove(&order->in_lane);
        hor_core_lane_touch(core, order->lane);
    } else if (order->state != HOR_CORE_ORDER_RUNNING && state == HOR_CORE_ORDER_RUNNING) {
        order->lane->running++;
        hor_core_link_add(&order->lane->members, &order->in_lane);
    }
    order->state = state;
    if (order->starting) {
        order->starting = false;
        order->lane->starting--;
        hor_core_lane_touch(core, order->lane);
    }
    if (state != HOR_CORE_ORDER_RUNNING)
        hor_core_order_unqueue(core, order);
    if (state != HOR_CORE_ORDER_WAITING)
        hor_core_heap_remove(&order->lane->waiting, order);
    hor_core_order_timer(core, order, INT64_MAX);
    hor_core_order_touch(core, order);
}

static bool needs_person(const struct hor_core_node_held *node)
{
    return node->state == HOR_CORE_NODE_FAILED &&
           (node->def->on_failure == HOR_ON_FAILURE_STOP ||
            node->def->on_failure == HOR_ON_FAILURE_SUSPEND);
}

bool hor_core_order_is_blocked(const struct hor_core_order_held *order,
                               const struct hor_core_node_held **ret_by)
{
    for (size_t i = 0; order->nodes != NULL && i < order->chain->node_count; i++)
        if (needs_person(&order->nodes[i])) {
            if (ret_by != NULL)
                *ret_by = &order->nodes[i];
            return true;
        }
    return false;
}

static void set_text(struct hor_core *core, char **field, const char *value)
{
    char *copy = hor_strdup(value);
    if (copy == NULL && value != NULL)
        core->memory = true;
    free(*field);
    *field = copy;
}

/* A person dealt with what failed: the order goes on once nothing of it is left. */
static void unblock(struct hor_core *core, struct hor_core_order_held *order)
{
    if (order->state != HOR_CORE_ORDER_FAILED || hor_core_order_is_blocked(order, NULL))
        return;
    set_text(core, &order->cause, NULL);
    hor_core_order_set_state(core, order, HOR_CORE_ORDER_RUNNING);
}

/* ---- releases ---- */

struct hor_core_release_held *hor_core_release_get(struct hor_core *core, const char *master,
                                                   int64_t number)
{
    struct hor_core_release_held *release = hor_core_release_find(core, master, number);
    if (release != NULL)
        return release;
    release = calloc(1, sizeof *release);
    if (release == NULL)
        return NULL;
    release->number = number;
    release->master = hor_strdup(master);
    release->key = hor_str_printf("%s\n%lld", master, (long long)number);
    if (release->master == NULL || release->key == NULL ||
        hor_map_put(core->releases, release->key, release) < 0) {
        free(release->master);
        free(release->key);
        free(release);
        return NULL;
    }
    return release;
}

void hor_core_current(struct hor_core *core, struct hor_core_release_held *release)
{
    const struct hor_agent_cluster *cluster =
        release != NULL ? hor_config_cluster(release->config, core->cluster) : NULL;
    core->current = cluster != NULL ? release : NULL;
    core->selection = cluster != NULL ? cluster->selection : HOR_SELECTION_FIXED_PRIORITY;
    core->spill = cluster != NULL && cluster->spill;
    for (size_t i = 0; i < core->member_count; i++) {
        struct hor_core_member_state *member = &core->members[i];
        member->now_priority = member->priority;
        member->now_max_tasks = member->max_tasks;
        for (size_t k = 0; cluster != NULL && k < cluster->member_count; k++)
            if (strcmp(cluster->members[k].name, member->name) == 0) {
                member->now_priority = cluster->members[k].priority;
                member->now_max_tasks = cluster->members[k].max_tasks;
            }
    }
}

int hor_core_release_complete(struct hor_core *core, struct hor_core_release_held *release,
                              struct hor_error *err)
{
    struct hor_problems problems = {0};
    int rc = hor_config_load_release(hor_buf_text(&release->document), release->document.len,
                                     &problems, &release->config, err);
    hor_problems_done(&problems);
    if (rc < 0)
        return rc;
    struct hor_core_master_known *master = hor_core_master_get(core, release->master);
    if (master == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "release %lld: out of memory",
                             (long long)release->number);
    if (release->number > master->newest)
        master->newest = release->number;
    core->drop_check = true;
    return HOR_OK;
}

static void release_part(struct hor_core *core, const struct hor_event *event)
{
    if (event->master == NULL || event->text == NULL || event->part < 1 ||
        event->part > event->parts)
        return;
    struct hor_core_release_held *release =
        hor_core_release_get(core, event->master, event->release);
    if (release == NULL) {
        core->memory = true;
        return;
    }
    if (release->config != NULL)
        return; /* a repeat of what is complete */
    if (event->part == 1) {
        hor_buf_clear(&release->document);
        release->parts_seen = 0;
        release->parts = event->parts;
    }
    if (event->part != release->parts_seen + 1 || event->parts != release->parts)
        return; /* two transfers got mixed: the later one begins anew */
    if (hor_base64_decode(event->text, strlen(event->text), &release->document) == HOR_OK)
        release->parts_seen = event->part;
    core->memory |= release->document.failed;
}

static void release_applied(struct hor_core *core, const struct hor_event *event)
{
    struct hor_core_release_held *release =
        hor_core_release_find(core, event->master, event->release);
    if (release == NULL || release->config != NULL || release->parts_seen != release->parts)
        return;
    hor_sha256_hex(hor_buf_text(&release->document), release->document.len, release->sha256);
    if (!hor_str_equal(release->sha256, event->sha256) ||
        hor_core_release_complete(core, release, NULL) < 0)
        return; /* checked before it was submitted; stays incomplete and is sent again */
    hor_core_current(core, release);
}

static void release_dropped(struct hor_core *core, const struct hor_event *event)
{
    struct hor_core_release_held *release =
        hor_core_release_find(core, event->master, event->release);
    if (release == NULL || release->orders > 0)
        return;
    if (core->current == release)
        hor_core_current(core, NULL);
    hor_map_remove(core->releases, release->key);
}

/* ---- orders ---- */

bool hor_core_order_replaceable(const struct hor_core_order_held *order, int64_t release,
                                const char *chain)
{
    return (order->state == HOR_CORE_ORDER_WAITING || order->state == HOR_CORE_ORDER_SUSPENDED) &&
           order->started_at == HOR_EVENT_NONE && order->nodes == NULL &&
           order->release->number != release && hor_str_equal(order->chain->object.path, chain);
}

/* The Master deployed another release before the order's start: it goes over to it. What a person
 * changed of its start stays. */
static void order_replaced(struct hor_core *core, struct hor_core_order_held *order,
                           struct hor_core_release_held *release, const struct hor_chain *chain,
                           const struct hor_event *event)
{
    if (!hor_str_equal(order->master->name, event->master) ||
        !hor_core_order_replaceable(order, event->release, event->chain))
        return;
    hor_core_order_unqueue(core, order); /* heaps are sorted by what changes here */
    hor_core_heap_remove(&order->lane->waiting, order);
    hor_core_order_timer(core, order, INT64_MAX);
    order->release->orders--;
    release->orders++;
    core->drop_check = true;
    order->release = release;
    order->chain = chain;
    order->priority = event->priority != HOR_EVENT_NONE ? event->priority : chain->priority;
    set_text(core, &order->title, event->title);
    hor_arguments_done(&order->arguments);
    if (hor_arguments_copy(&order->arguments, &event->arguments) < 0)
        core->memory = true;
    hor_core_order_touch(core, order);
}

static void order_added(struct hor_core *core, const struct hor_event *event)
{
    struct hor_core_release_held *release =
        hor_core_release_find(core, event->master, event->release);
    if (event->order == NULL || event->chain == NULL || release == NULL || release->config == NULL ||
        hor_map_get(core->ended.map, event->order) != NULL)
        return;
    const struct hor_chain *chain = hor_config_chain(release->config, event->chain);
    if (chain == NULL)
        return;
    struct hor_core_order_held *known = hor_core_order_find(core, event->order);
    if (known != NULL) {
        order_replaced(core, known, release, chain, event);
        return;
    }
    struct hor_core_order_held *order = hor_core_order_new(core, event->order, release, chain);
    if (order == NULL) {
        core->memory = true;
        return;
    }
    set_text(core, &order->title, event->title);
    set_text(core, &order->plan_day, event->plan_day);
    set_text(core, &order->schedule, event->schedule);
    order->planned_at = event->planned_at != HOR_EVENT_NONE ? event->planned_at : event->at_us;
    order->due_at = event->due_at != HOR_EVENT_NONE ? event->due_at : order->planned_at;
    order->priority = event->priority != HOR_EVENT_NONE ? event->priority : chain->priority;
    order->added_index = event->index;
    if (hor_arguments_copy(&order->arguments, &event->arguments) < 0 ||
        hor_map_put(core->orders, order->id, order) < 0) {
        core->memory = true; /* the process ends: what hangs loose does not matter */
        return;
    }
    release->orders++;
    hor_core_order_touch(core, order);
}

static void order_changed(struct hor_core *core, struct hor_core_order_held *order,
                          const struct hor_event *event)
{
    hor_core_order_unqueue(core, order); /* heaps are sorted by what changes here */
    hor_core_heap_remove(&order->lane->waiting, order);
    hor_core_order_timer(core, order, INT64_MAX);
    if (event->due_at != HOR_EVENT_NONE)
        order->due_at = event->due_at;
    if (event->priority != HOR_EVENT_NONE)
        order->priority = event->priority;
    for (size_t i = 0; i < event->arguments.count; i++) {
        const struct hor_argument *argument = &event->arguments.items[i];
        if (hor_arguments_add(&order->arguments, argument->name, argument->value,
                              argument->secret) < 0)
            core->memory = true;
    }
}

static void order_started(struct hor_core *core, struct hor_core_order_held *order,
                          const struct hor_event *event)
{
    if (order->state != HOR_CORE_ORDER_WAITING)
        return;
    if (hor_core_order_nodes_make(order) < 0 ||
        hor_arguments_copy(&order->parameters, &event->arguments) < 0)
        core->memory = true;
    order->started_at = event->at_us;
    hor_core_order_set_state(core, order, HOR_CORE_ORDER_RUNNING);
}

static void order_ended(struct hor_core *core, struct hor_core_order_held *order,
                        const struct hor_event *event)
{
    enum hor_core_order_state state;
    if (hor_core_order_state_from(event->state, &state) < 0 || state < HOR_CORE_ORDER_SUCCEEDED ||
        order->active > 0)
        return;
    set_text(core, &order->cause, event->cause);
    order->ended_at = event->at_us;
    order->ended_index = event->index;
    order->mark = HOR_CORE_MARK_NONE;
    hor_core_order_set_state(core, order, state);
    hor_core_order_nodes_free(core, order); /* what is shown of the past is the history's */
    hor_arguments_done(&order->parameters);
    order->parameters = (struct hor_arguments){0};
    hor_core_link_remove(&order->dirty);
    hor_core_order_keep(order);
    hor_core_lane_ended(core, order->lane, event);
}

static void order_marked(struct hor_core_order_held *order, const struct hor_event *event)
{
    order->mark = HOR_CORE_MARK_NONE;
    for (int mark = HOR_CORE_MARK_SUSPENDING; mark <= HOR_CORE_MARK_KILLING; mark++)
        if (event->mark != NULL && strcmp(event->mark, hor_core_mark_text(mark)) == 0)
            order->mark = mark;
}

static void order_resumed(struct hor_core *core, struct hor_core_order_held *order)
{
    order->mark = HOR_CORE_MARK_NONE;
    if (order->state != HOR_CORE_ORDER_SUSPENDED && order->state != HOR_CORE_ORDER_FAILED)
        return;
    set_text(core, &order->cause, NULL);
    hor_core_order_set_state(core, order, order->nodes != NULL ? HOR_CORE_ORDER_RUNNING
                                                               : HOR_CORE_ORDER_WAITING);
}

/* ---- nodes ---- */

int hor_core_outcome_state(const char *outcome, enum hor_core_node_state *ret)
{
    static const struct {
        const char *outcome;
        enum hor_core_node_state state;
    } table[] = {{"success", HOR_CORE_NODE_SUCCEEDED},
                 {"warning", HOR_CORE_NODE_WARNED},
                 {"failure", HOR_CORE_NODE_FAILED},
                 {"skipped", HOR_CORE_NODE_SKIPPED}};
    for (size_t i = 0; outcome != NULL && i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].outcome, outcome) == 0) {
            *ret = table[i].state;
            return HOR_OK;
        }
    return HOR_ERR_INVALID;
}

static void node_clear(struct hor_core *core, struct hor_core_node_held *node)
{
    set_text(core, &node->cause, NULL);
    hor_arguments_done(&node->outputs);
    node->outputs = (struct hor_arguments){0};
    node->exit_code = node->signal = HOR_EVENT_NONE;
    node->started_at = node->ended_at = node->retry_at = HOR_EVENT_NONE;
    node->killing = node->final = false;
}

static void node_skipped(struct hor_core *core, struct hor_core_node_held *node,
                         const struct hor_event *event)
{
    if (hor_core_node_has_tasks(node))
        return;
    hor_core_parts_free(core, node);
    node->skip = hor_str_equal(event->action, "when") || hor_str_equal(event->action, "skipNode")
                     ? HOR_CORE_SKIP_WANTED
                     : HOR_CORE_SKIP_PATH;
    set_text(core, &node->cause, event->cause);
    node->ended_at = event->at_us;
    hor_core_node_set_state(core, node, HOR_CORE_NODE_SKIPPED);
    unblock(core, node->order);
}

static void node_reset(struct hor_core *core, struct hor_core_node_held *node)
{
    if (node->state == HOR_CORE_NODE_ASSIGNED || node->state == HOR_CORE_NODE_RUNNING ||
        (node->part_count > 0 && hor_core_node_has_tasks(node)))
        return;
    hor_core_parts_free(core, node);
    hor_core_node_set_state(core, node, HOR_CORE_NODE_WAITING);
    node_clear(core, node);
    hor_core_needs_clear(node); /* it waits for all of it again */
    node->tries = 0;
}

static void node_set(struct hor_core *core, struct hor_core_node_held *node,
                     const struct hor_event *event)
{
    enum hor_core_node_state state;
    if (hor_core_node_has_tasks(node) || hor_core_outcome_state(event->outcome, &state) < 0)
        return;
    if (hor_str_equal(event->action, "joined") && node->part_count > 0)
        hor_core_parts_join(core, node);
    hor_core_parts_free(core, node);
    node->skip = HOR_CORE_SKIP_WANTED;
    node->final = true;
    node->ended_at = event->at_us;
    set_text(core, &node->cause, event->cause);
    hor_core_node_set_state(core, node, state);
    unblock(core, node->order);
}

static void task_assigned(struct hor_core *core, struct hor_core_node_held *node,
                          const struct hor_event *event)
{
    size_t member;
    hor_core_node_unqueue(core, node);
    if (node->order->state != HOR_CORE_ORDER_RUNNING || node->order->mark != HOR_CORE_MARK_NONE ||
        (node->state != HOR_CORE_NODE_WAITING && node->state != HOR_CORE_NODE_RETRYING) ||
        hor_core_member_find(core, event->agent, &member) == NULL)
        return;
    /* Decided when an end was foreseen, and that end did not come. */
    size_t i = (size_t)(node->def - node->order->chain->nodes);
    if (node->state == HOR_CORE_NODE_WAITING && node == &node->order->nodes[i] &&
        hor_core_node_release(node->order, i) != HOR_CORE_GO)
        return;
    node_clear(core, node);
    node->attempt = event->attempt;
    if (node->whole != NULL && node->whole->attempt < event->attempt)
        node->whole->attempt = event->attempt; /* they share the numbers */
    node->tries++;
    node->fence = event->index;
    node->member = core->last_member = member;
    hor_core_node_set_state(core, node, HOR_CORE_NODE_ASSIGNED);
}

static void task_started(struct hor_core *core, struct hor_core_node_held *node,
                         const struct hor_event *event)
{
    node->started_at = event->started_at != HOR_EVENT_NONE ? event->started_at : event->at_us;
    set_text(core, &node->cause, NULL);
    if (node->state != HOR_CORE_NODE_RUNNING)
        hor_core_node_set_state(core, node, HOR_CORE_NODE_RUNNING);
}

static void task_ended(struct hor_core *core, struct hor_core_node_held *node,
                       const struct hor_event *event)
{
    enum hor_core_node_state state;
    if (hor_str_equal(event->action, "restart")) {
        hor_core_node_set_state(core, node, HOR_CORE_NODE_WAITING);
        node_clear(core, node);
        node->tries--; /* it was not the job's own failure */
        return;
    }
    if (hor_core_outcome_state(event->outcome, &state) < 0)
        return;
    node->exit_code = event->exit_code;
    node->signal = event->signal;
    if (event->started_at != HOR_EVENT_NONE)
        node->started_at = event->started_at;
    node->ended_at = event->ended_at != HOR_EVENT_NONE ? event->ended_at : event->at_us;
    node->final = node->killing;
    set_text(core, &node->cause, event->cause);
    hor_arguments_done(&node->outputs);
    node->outputs = (struct hor_arguments){0};
    if (hor_arguments_copy(&node->outputs, &event->arguments) < 0)
        core->memory = true;
    hor_core_node_set_state(core, node, state);
}

static void retry_scheduled(struct hor_core *core, struct hor_core_node_held *node,
                            const struct hor_event *event)
{
    if (node->state != HOR_CORE_NODE_FAILED)
        return;
    node->retry_at = event->due_at;
    hor_core_node_set_state(core, node, HOR_CORE_NODE_RETRYING);
}

/* ---- the rest ---- */

static void chain_held(struct hor_core *core, const struct hor_event *event, bool held)
{
    struct hor_core_lane *lane = event->master != NULL && event->chain != NULL
                                     ? hor_core_lane_get(core, event->master, event->chain)
                                     : NULL;
    if (lane == NULL)
        return;
    lane->held = held;
    set_text(core, &lane->actor, held ? event->actor : NULL);
    set_text(core, &lane->reason, held ? event->reason : NULL);
    hor_core_lane_touch(core, lane);
}

static void command_done(struct hor_core *core, const struct hor_event *event)
{
    if (event->command == NULL || event->master == NULL)
        return;
    char *key = hor_str_printf("%s\n%s", event->master, event->command);
    struct hor_core_seen *seen = calloc(1, sizeof *seen);
    if (key == NULL || seen == NULL) {
        core->memory = true;
    } else if (hor_map_get(core->commands.map, key) == NULL) {
        seen->done = hor_str_equal(event->outcome, "done");
        set_text(core, &seen->text, event->cause);
        if (hor_core_recent_add(&core->commands, key, seen) == HOR_OK)
            seen = NULL;
        else
            core->memory = true;
    }
    if (seen != NULL)
        free(seen->text);
    free(seen);
    free(key);
}

static void member_changed(struct hor_core *core, const struct hor_event *event)
{
    struct hor_core_member_state *member = hor_core_member_find(core, event->agent, NULL);
    if (member == NULL || event->state == NULL)
        return;
    if (hor_str_equal(event->action, "drain"))
        member->drain = true;
    if (hor_str_equal(event->action, "undrain"))
        member->drain = false;
    member->up = strcmp(event->state, "lost") != 0;
    member->drained = strcmp(event->state, "drained") == 0;
    member->changed_at = event->at_us;
    member->changing = false;
    member->sweep = true;
}

static void master_coupled(struct hor_core *core, const struct hor_event *event)
{
    struct hor_core_master_known *master =
        event->master != NULL ? hor_core_master_get(core, event->master) : NULL;
    if (master != NULL && event->count > 0 && (uint64_t)event->count > master->fence)
        master->fence = (uint64_t)event->count;
    core->memory = core->memory || (master == NULL && event->master != NULL);
}

static void acknowledged(struct hor_core *core, const struct hor_event *event)
{
    struct hor_core_master_known *master =
        event->master != NULL ? hor_core_master_get(core, event->master) : NULL;
    if (master == NULL || event->cluster_index == HOR_EVENT_NONE || event->cluster_index < 0 ||
        (uint64_t)event->cluster_index <= master->acknowledged)
        return;
    master->acknowledged = (uint64_t)event->cluster_index;
    while (!hor_core_link_empty(&master->ended)) {
        struct hor_core_order_held *order =
            HOR_CORE_ITEM(master->ended.next, struct hor_core_order_held, in_ended);
        if (order->ended_index > master->acknowledged)
            break;
        if (hor_core_recent_add(&core->ended, order->id, NULL) < 0)
            core->memory = true;
        master->ended_count--;
        hor_core_order_drop(core, order);
    }
}

bool hor_core_is_decision(const struct hor_event *event)
{
    enum hor_event_type type = event->type;
    if (type == HOR_EVENT_DEPENDENCY_RESOLVED && event->command != NULL)
        return false; /* the Master's answer */
    return type != HOR_EVENT_ORDER_ADDED && type != HOR_EVENT_TASK_STARTED &&
           type != HOR_EVENT_TASK_ENDED && type != HOR_EVENT_TASK_IN_DOUBT;
}

static void apply_to_task(struct hor_core *core, struct hor_core_node_held *node,
                          const struct hor_event *event)
{
    char task[HOR_CORE_NAME_BYTES + 1];
    int64_t attempt;
    const char *colon = event->task != NULL ? strrchr(event->task, ':') : NULL;
    if (node->part_count > 0)
        node = colon != NULL && hor_str_to_int64(colon + 1, &attempt) == HOR_OK
                   ? hor_core_part_with(node, attempt)
                   : NULL;
    if (node == NULL || !hor_core_node_is_active(node) || hor_core_task_name(node, node->attempt, task) < 0 ||
        !hor_str_equal(task, event->task))
        return;
    if (event->type == HOR_EVENT_TASK_STARTED)
        task_started(core, node, event);
    else if (event->type == HOR_EVENT_TASK_ENDED)
        task_ended(core, node, event);
    else if (event->type == HOR_EVENT_TASK_KILLING)
        node->killing = true;
    else if (node->state != HOR_CORE_NODE_IN_DOUBT) {
        set_text(core, &node->cause, event->cause);
        hor_core_node_set_state(core, node, HOR_CORE_NODE_IN_DOUBT);
    }
}

static void apply_to_node(struct hor_core *core, struct hor_core_node_held *node,
                          const struct hor_event *event)
{
    switch (event->type) {
    case HOR_EVENT_NODE_SKIPPED:
        node_skipped(core, node, event);
        break;
    case HOR_EVENT_NODE_RESET:
        node_reset(core, node);
        break;
    case HOR_EVENT_NODE_SET:
        node_set(core, node, event);
        break;
    case HOR_EVENT_NODE_SPREAD:
        hor_core_node_spread(core, node, event);
        break;
    case HOR_EVENT_TASK_ASSIGNED:
    case HOR_EVENT_RETRY_SCHEDULED:
        node = hor_core_part_on(core, node, event->agent);
        if (node == NULL)
            break;
        if (event->type == HOR_EVENT_TASK_ASSIGNED)
            task_assigned(core, node, event);
        else
            retry_scheduled(core, node, event);
        break;
    case HOR_EVENT_DEPENDENCY_REQUESTED:
        hor_core_dependency_requested(core, node, event);
        break;
    case HOR_EVENT_DEPENDENCY_RESOLVED:
        hor_core_dependency_resolved(core, node, event);
        break;
    case HOR_EVENT_TASK_STARTED:
    case HOR_EVENT_TASK_ENDED:
    case HOR_EVENT_TASK_KILLING:
    case HOR_EVENT_TASK_IN_DOUBT:
        apply_to_task(core, node, event);
        break;
    default:
        break;
    }
}

static void apply_to_order(struct hor_core *core, struct hor_core_order_held *order,
                           const struct hor_event *event)
{
    switch (event->type) {
    case HOR_EVENT_ORDER_CHANGED:
        order_changed(core, order, event);
        break;
    case HOR_EVENT_ORDER_STARTED:
        order_started(core, order, event);
        break;
    case HOR_EVENT_ORDER_FAILED:
    case HOR_EVENT_ORDER_SUSPENDED:
        set_text(core, &order->cause, event->cause);
        order->mark = HOR_CORE_MARK_NONE;
        hor_core_order_set_state(core, order, event->type == HOR_EVENT_ORDER_FAILED
                                                  ? HOR_CORE_ORDER_FAILED
                                                  : HOR_CORE_ORDER_SUSPENDED);
        break;
    case HOR_EVENT_ORDER_RESUMED:
        order_resumed(core, order);
        break;
    case HOR_EVENT_ORDER_MARKED:
        order_marked(order, event);
        break;
    case HOR_EVENT_ORDER_ENDED:
        order_ended(core, order, event);
        break;
    default: {
        struct hor_core_node_held *node = hor_core_node_find(order, event->node);
        if (node != NULL)
            apply_to_node(core, node, event);
    }
    }
}

static void apply_order_event(struct hor_core *core, const struct hor_event *event)
{
    struct hor_core_order_held *order = hor_core_order_find(core, event->order);
    if (order == NULL || !hor_str_equal(event->master, order->master->name))
        return; /* a refused command may name an order of another Master */
    if (hor_core_is_decision(event)) {
        order->in_flight -= order->in_flight > 0;
        order->commands -= event->type == HOR_EVENT_COMMAND_DONE && order->commands > 0;
        if (order->in_flight == 0 && hor_core_heap_top(&order->lane->waiting) != NULL)
            hor_core_lane_touch(core, order->lane); /* it may wait for this one to be left alone */
    }
    if (hor_core_order_is_ended(order))
        return;
    apply_to_order(core, order, event);
    if (!hor_core_order_is_ended(order))
        hor_core_order_touch(core, order);
}

int hor_core_apply(struct hor_core *core, const struct hor_event *event)
{
    switch (event->type) {
    case HOR_EVENT_RELEASE_PART:
        release_part(core, event);
        break;
    case HOR_EVENT_RELEASE_APPLIED:
        release_applied(core, event);
        break;
    case HOR_EVENT_RELEASE_DROPPED:
        release_dropped(core, event);
        break;
    case HOR_EVENT_ORDER_ADDED:
        order_added(core, event);
        break;
    case HOR_EVENT_CHAIN_HELD:
    case HOR_EVENT_CHAIN_RELEASED:
        chain_held(core, event, event->type == HOR_EVENT_CHAIN_HELD);
        break;
    case HOR_EVENT_COMMAND_DONE:
        command_done(core, event);
        break;
    case HOR_EVENT_MEMBER_CHANGED:
        member_changed(core, event);
        break;
    case HOR_EVENT_EVENTS_ACKNOWLEDGED:
        acknowledged(core, event);
        break;
    case HOR_EVENT_MASTER_COUPLED:
        master_coupled(core, event);
        break;
    default:
        break;
    }
    if (event->type != HOR_EVENT_ORDER_ADDED && event->order != NULL)
        apply_order_event(core, event);
    return core->memory ? HOR_ERR_MEMORY : HOR_OK;
}

/* Commands of people: what each does in each state, or the sentence why not. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/state.h"
#include "lib/base/str.h"

struct request {
    struct hor_core *core;
    const struct hor_core_command *command;
    struct hor_core_order_held *order; /* NULL: not about one */
    int64_t now_us;
    struct hor_event **events; /* the effects */
    size_t count, cap;
    bool memory, refused, about_order;
    char text[600];
};

static int refuse(struct request *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct request *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->text, sizeof r->text, format, args);
    va_end(args);
    r->refused = true;
    return HOR_OK;
}

/* Takes the event; who asked and why go onto each one. */
static void add(struct request *r, struct hor_event *event)
{
    if (event == NULL || hor_event_set(&event->actor, r->command->actor) < 0 ||
        hor_event_set(&event->reason, r->command->reason) < 0 ||
        hor_event_set(&event->command, r->command->id) < 0) {
        r->memory = true;
        hor_event_free(event);
        return;
    }
    if (r->count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 8;
        struct hor_event **events = realloc(r->events, cap * sizeof *events);
        if (events == NULL) {
            r->memory = true;
            hor_event_free(event);
            return;
        }
        r->events = events;
        r->cap = cap;
    }
    r->events[r->count++] = event;
}

static struct hor_event *event_of(struct request *r, enum hor_event_type type,
                                  const struct hor_core_node_held *node)
{
    struct hor_event *event = hor_core_event(type, r->order, node, r->now_us);
    if (event == NULL)
        r->memory = true;
    return event;
}

static void set(struct request *r, char **field, const char *value)
{
    if (hor_event_set(field, value) < 0)
        r->memory = true;
}

static void effect(struct request *r, enum hor_event_type type, const struct hor_core_node_held *node)
{
    add(r, event_of(r, type, node));
}

static void effect_mark(struct request *r, const char *mark)
{
    struct hor_event *event = event_of(r, HOR_EVENT_ORDER_MARKED, NULL);
    if (event != NULL)
        set(r, &event->mark, mark);
    add(r, event);
}

static void effect_end(struct request *r, enum hor_core_order_state state, const char *cause)
{
    struct hor_event *event = event_of(r, HOR_EVENT_ORDER_ENDED, NULL);
    if (event != NULL) {
        set(r, &event->state, hor_core_order_state_text(state));
        set(r, &event->cause, cause);
        set(r, &event->chain, r->order->chain->object.path);
    }
    add(r, event);
}

static void effect_kill(struct request *r, const struct hor_core_node_held *node)
{
    char task[HOR_CORE_NAME_BYTES + 1];
    struct hor_event *event = event_of(r, HOR_EVENT_TASK_KILLING, node);
    if (event != NULL && hor_core_task_name(node, node->attempt, task) == HOR_OK) {
        set(r, &event->task, task);
        set(r, &event->agent, r->core->members[node->member].name);
        event->attempt = node->attempt;
    }
    add(r, event);
}

static const char *state_of(const struct request *r)
{
    return hor_core_order_state_name(r->order, r->now_us);
}

static bool is_started(const struct hor_core_order_held *order) { return order->nodes != NULL; }

/* ---- one function an action ---- */

static int do_start(struct request *r)
{
    if (r->order->state != HOR_CORE_ORDER_WAITING)
        return refuse(r, "order %s is %s: only an order that has not started can be started",
                      r->order->id, state_of(r));
    struct hor_event *event = event_of(r, HOR_EVENT_ORDER_CHANGED, NULL);
    if (event != NULL)
        event->due_at = r->order->due_at < r->now_us ? r->order->due_at : r->now_us;
    add(r, event);
    return HOR_OK;
}

static int do_suspend(struct request *r)
{
    struct hor_core_order_held *order = r->order;
    if (order->state == HOR_CORE_ORDER_SUSPENDED || order->mark == HOR_CORE_MARK_SUSPENDING)
        return refuse(r, "order %s is %s already", order->id,
                      order->state == HOR_CORE_ORDER_SUSPENDED ? "suspended" : "suspending");
    if (order->mark != HOR_CORE_MARK_NONE)
        return refuse(r, "order %s is being killed", order->id);
    if (order->active > 0)
        effect_mark(r, "suspending"); /* what runs ends first */
    else
        effect(r, HOR_EVENT_ORDER_SUSPENDED, NULL);
    return HOR_OK;
}

static void reset_blocking(struct request *r)
{
    for (size_t i = 0; is_started(r->order) && i < r->order->chain->node_count; i++) {
        const struct hor_core_node_held *node = &r->order->nodes[r->order->chain->order[i]];
        if (node->state == HOR_CORE_NODE_FAILED && node->def->on_failure != HOR_ON_FAILURE_CONTINUE)
            effect(r, HOR_EVENT_NODE_RESET, node);
    }
}

static int resume_from(struct request *r)
{
    struct hor_core_order_held *order = r->order;
    if (!is_started(order))
        return refuse(r, "order %s has not started: it can only be resumed from its beginning",
                      order->id);
    size_t from = hor_chain_node(order->chain, r->command->node);
    if (from == HOR_NODE_NONE)
        return refuse(r, "chain %s has no node '%s'", order->chain->object.path, r->command->node);
    bool *after = calloc(order->chain->node_count, sizeof *after);
    if (after == NULL)
        return HOR_ERR_MEMORY;
    hor_core_descendants(order->chain, from, after);
    for (size_t k = 0; k < order->chain->node_count; k++) {
        const struct hor_core_node_held *node = &order->nodes[order->chain->order[k]];
        if (after[order->chain->order[k]] && node->state != HOR_CORE_NODE_WAITING)
            effect(r, HOR_EVENT_NODE_RESET, node);
    }
    free(after);
    struct hor_event *event = event_of(r, HOR_EVENT_ORDER_RESUMED, NULL);
    if (event != NULL)
        set(r, &event->node, r->command->node);
    add(r, event);
    return HOR_OK;
}

static int do_resume(struct request *r)
{
    struct hor_core_order_held *order = r->order;
    if (order->mark == HOR_CORE_MARK_SUSPENDING) {
        if (r->command->node != NULL)
            return refuse(r, "order %s is suspending: tasks of it still run", order->id);
        effect(r, HOR_EVENT_ORDER_RESUMED, NULL);
        return HOR_OK;
    }
    if (order->state != HOR_CORE_ORDER_SUSPENDED && order->state != HOR_CORE_ORDER_FAILED)
        return refuse(r, "order %s is %s: only a suspended or failed order can be resumed", order->id,
                      state_of(r));
    if (r->command->node != NULL)
        return resume_from(r);
    reset_blocking(r);
    effect(r, HOR_EVENT_ORDER_RESUMED, NULL);
    return HOR_OK;
}

static int do_retry(struct request *r)
{
    struct hor_core_order_held *order = r->order;
    if (order->state != HOR_CORE_ORDER_FAILED && !hor_core_order_is_blocked(order, NULL))
        return refuse(r, "order %s is %s: nothing of it has failed", order->id, state_of(r));
    reset_blocking(r);
    if (order->state == HOR_CORE_ORDER_FAILED)
        effect(r, HOR_EVENT_ORDER_RESUMED, NULL);
    return HOR_OK;
}

static int do_cancel(struct request *r)
{
    if (r->order->active > 0)
        return refuse(r, "order %s is %s with %zu task%s: kill it, or suspend it first", r->order->id,
                      state_of(r), r->order->active, r->order->active == 1 ? "" : "s");
    effect_end(r, HOR_CORE_ORDER_CANCELLED, "cancelled");
    return HOR_OK;
}

static int kill_node(struct request *r)
{
    const struct hor_core_node_held *node = hor_core_node_find(r->order, r->command->node);
    if (node == NULL || !hor_core_node_has_tasks(node))
        return refuse(r, "node %s of order %s has no running task", r->command->node, r->order->id);
    if (node->part_count == 0)
        effect_kill(r, node);
    for (size_t i = 0; i < node->part_count; i++)
        if (hor_core_node_is_active(&node->parts[i]))
            effect_kill(r, &node->parts[i]);
    return HOR_OK;
}

static int do_kill(struct request *r)
{
    struct hor_core_order_held *order = r->order;
    if (r->command->node != NULL)
        return kill_node(r);
    if (order->active == 0) {
        effect_end(r, HOR_CORE_ORDER_CANCELLED, "killed");
        return HOR_OK;
    }
    struct hor_core_run_walk walk = {0};
    const struct hor_core_node_held *node;
    while ((node = hor_core_next_run(order, &walk)) != NULL)
        if (hor_core_node_is_active(node))
            effect_kill(r, node);
    effect_mark(r, "killing");
    return HOR_OK;
}

/* The node of skipNode, setOutcome and resolve; NULL after a refusal. */
static struct hor_core_node_held *wanted_node(struct request *r)
{
    struct hor_core_order_held *order = r->order;
    if (r->command->node == NULL) {
        refuse(r, "%s needs a node", r->command->action);
        return NULL;
    }
    if (hor_chain_node(order->chain, r->command->node) == HOR_NODE_NONE) {
        refuse(r, "chain %s has no node '%s'", order->chain->object.path, r->command->node);
        return NULL;
    }
    if (!is_started(order)) {
        refuse(r, "order %s is %s: its nodes can be dealt with once it has started", order->id,
               state_of(r));
        return NULL;
    }
    return hor_core_node_find(order, r->command->node);
}

static int refuse_node(struct request *r, const struct hor_core_node_held *node, const char *why)
{
    return refuse(r, "node %s of order %s is %s: %s", node->def->id, r->order->id,
                  hor_core_node_shown(node), why);
}

static int do_skip_node(struct request *r)
{
    struct hor_core_node_held *node = wanted_node(r);
    if (node == NULL)
        return HOR_OK;
    if (node->state == HOR_CORE_NODE_IN_DOUBT)
        return refuse_node(r, node, "resolve it");
    if (hor_core_node_has_tasks(node))
        return refuse_node(r, node, "kill its task first");
    if (hor_core_node_is_done(node) && node->state != HOR_CORE_NODE_FAILED)
        return refuse_node(r, node, "it is over");
    struct hor_event *event = event_of(r, HOR_EVENT_NODE_SKIPPED, node);
    if (event != NULL) {
        set(r, &event->action, "skipNode");
        set(r, &event->cause, "skipped by a person");
    }
    add(r, event);
    return HOR_OK;
}

static int do_set_outcome(struct request *r)
{
    struct hor_core_node_held *node = wanted_node(r);
    if (node == NULL)
        return HOR_OK;
    const char *outcome = r->command->outcome;
    if (!hor_str_equal(outcome, "success") && !hor_str_equal(outcome, "warning") &&
        !hor_str_equal(outcome, "failure") && !hor_str_equal(outcome, "skipped"))
        return refuse(r, "outcome must be success, warning, failure or skipped");
    if (node->state == HOR_CORE_NODE_IN_DOUBT)
        return refuse_node(r, node, "resolve it");
    if (hor_core_node_has_tasks(node))
        return refuse_node(r, node, "kill its task first");
    if (hor_core_node_is_done(node) && node->state != HOR_CORE_NODE_FAILED)
        return refuse_node(r, node, "what follows it may have begun");
    struct hor_event *event = event_of(r, HOR_EVENT_NODE_SET, node);
    if (event != NULL) {
        set(r, &event->outcome, outcome);
        set(r, &event->cause, "set by a person");
    }
    add(r, event);
    return HOR_OK;
}

/* Of a node on several agents: the part on the agent that is named, else the first in doubt. */
static struct hor_core_node_held *part_in_doubt(struct request *r, struct hor_core_node_held *node)
{
    for (size_t i = 0; i < node->part_count; i++) {
        struct hor_core_node_held *part = &node->parts[i];
        if (r->command->agent != NULL
                ? strcmp(r->core->members[part->member].name, r->command->agent) == 0
                : part->state == HOR_CORE_NODE_IN_DOUBT)
            return part;
    }
    return node;
}

static int do_resolve(struct request *r)
{
    char task[HOR_CORE_NAME_BYTES + 1];
    struct hor_core_node_held *node = wanted_node(r);
    if (node == NULL)
        return HOR_OK;
    node = part_in_doubt(r, node);
    if (node->state != HOR_CORE_NODE_IN_DOUBT)
        return refuse_node(r, node, "only a node that is in doubt can be resolved");
    const char *outcome = r->command->outcome;
    bool again = hor_str_equal(outcome, "again");
    if (!again && !hor_str_equal(outcome, "success") && !hor_str_equal(outcome, "failure"))
        return refuse(r, "outcome must be success (it ran), failure (it failed) or again (run it)");
    /* Also a task that is to run again has an end: its row must not stay in doubt for ever. */
    struct hor_event *event = event_of(r, HOR_EVENT_TASK_ENDED, node);
    if (event != NULL && hor_core_task_name(node, node->attempt, task) == HOR_OK) {
        set(r, &event->task, task);
        set(r, &event->job, node->def->job->object.path);
        set(r, &event->agent, r->core->members[node->member].name);
        set(r, &event->outcome, again ? "failure" : outcome);
        set(r, &event->action, again ? "restart" : NULL);
        set(r, &event->cause,
            again ? "resolved by a person, who lets it run again" : "resolved by a person");
        event->attempt = node->attempt;
    }
    add(r, event);
    return HOR_OK;
}

static int do_change(struct request *r)
{
    const struct hor_core_command *command = r->command;
    struct hor_core_order_held *order = r->order;
    bool arguments = command->arguments != NULL && command->arguments->count > 0;
    if (command->start_at == HOR_EVENT_NONE && command->priority == HOR_EVENT_NONE && !arguments)
        return refuse(r, "change names nothing to change: startAt, priority or arguments");
    if (is_started(order) && (command->start_at != HOR_EVENT_NONE || arguments))
        return refuse(r, "order %s is %s: after the start only its priority can change", order->id,
                      state_of(r));
    struct hor_event *event = event_of(r, HOR_EVENT_ORDER_CHANGED, NULL);
    if (event != NULL) {
        event->due_at = command->start_at;
        event->priority = command->priority;
        if (arguments && hor_arguments_copy(&event->arguments, command->arguments) < 0)
            r->memory = true;
    }
    add(r, event);
    return HOR_OK;
}

static const struct action {
    const char *name;
    int (*run)(struct request *r);
} order_actions[] = {
    {"start", do_start},           {"suspend", do_suspend},        {"resume", do_resume},
    {"cancel", do_cancel},         {"kill", do_kill},              {"retry", do_retry},
    {"skipNode", do_skip_node},    {"setOutcome", do_set_outcome}, {"resolve", do_resolve},
    {"change", do_change},         {NULL, NULL},
};

static int order_command(struct request *r, const struct action *action)
{
    const struct hor_core_command *command = r->command;
    if (command->order == NULL)
        return refuse(r, "%s needs an order", action->name);
    struct hor_core_order_held *order = hor_core_order_find(r->core, command->order);
    if (order == NULL || strcmp(order->master->name, command->master) != 0) {
        if (hor_map_get(r->core->ended.map, command->order) != NULL)
            return refuse(r, "order %s has ended", command->order);
        return refuse(r, "order %s is not in cluster %s", command->order, r->core->cluster);
    }
    if (hor_core_order_is_ended(order))
        return refuse(r, "order %s has ended: it %s", order->id,
                      order->state == HOR_CORE_ORDER_SUCCEEDED ? "succeeded"
                      : order->state == HOR_CORE_ORDER_WARNED  ? "ended with a warning"
                      : order->state == HOR_CORE_ORDER_FAILED_FINALLY
                          ? "failed"
                          : hor_core_order_state_text(order->state));
    if (order->in_flight > 0)
        return HOR_ERR_BUSY;
    r->order = order;
    return action->run(r);
}

/* ---- chains and agents ---- */

static int chain_command(struct request *r, bool hold)
{
    const struct hor_core_command *command = r->command;
    if (command->chain == NULL)
        return refuse(r, "%s needs a chain", command->action);
    struct hor_core_lane *lane = hor_core_lane_get(r->core, command->master, command->chain);
    if (lane == NULL)
        return HOR_ERR_MEMORY;
    if (lane->held == hold)
        return refuse(r, "chain %s is %s", command->chain, hold ? "held already" : "not held");
    struct hor_event *event =
        hor_event_new(hold ? HOR_EVENT_CHAIN_HELD : HOR_EVENT_CHAIN_RELEASED, r->now_us);
    if (event != NULL) {
        set(r, &event->master, command->master);
        set(r, &event->chain, command->chain);
    }
    add(r, event);
    return HOR_OK;
}

static int agent_command(struct request *r, bool drain)
{
    const struct hor_core_command *command = r->command;
    struct hor_core_member_state *member =
        hor_core_member_find(r->core, command->agent, NULL);
    if (member == NULL)
        return refuse(r, "cluster %s has no agent '%s'", r->core->cluster,
                      command->agent != NULL ? command->agent : "");
    if (member->witness)
        return refuse(r, "agent %s is a witness and runs nothing", member->name);
    if (member->drain == drain)
        return refuse(r, "agent %s is %s", member->name, drain ? "drained already" : "not drained");
    struct hor_event *event = hor_event_new(HOR_EVENT_MEMBER_CHANGED, r->now_us);
    if (event != NULL) {
        set(r, &event->agent, member->name);
        set(r, &event->state, !member->up ? "lost" : drain ? "draining" : "up");
        set(r, &event->action, drain ? "drain" : "undrain");
    }
    add(r, event);
    return HOR_OK;
}

static int dispatch(struct request *r)
{
    const char *action = r->command->action;
    if (strcmp(action, "hold") == 0 || strcmp(action, "release") == 0)
        return chain_command(r, action[0] == 'h');
    if (strcmp(action, "drain") == 0 || strcmp(action, "undrain") == 0)
        return agent_command(r, action[0] == 'd');
    for (const struct action *a = order_actions; a->name != NULL; a++)
        if (strcmp(a->name, action) == 0) {
            r->about_order = true;
            return order_command(r, a);
        }
    return refuse(r, "'%.50s' is not an action", action);
}

/* commandReceived or commandDone. Both carry the object, so that each can be read alone. */
static struct hor_event *frame(struct request *r, enum hor_event_type type)
{
    const struct hor_core_command *command = r->command;
    struct hor_event *event = hor_event_new(type, r->now_us);
    if (event == NULL) {
        r->memory = true;
        return NULL;
    }
    set(r, &event->master, command->master);
    set(r, &event->command, command->id);
    set(r, &event->action, command->action);
    set(r, &event->order, r->about_order ? command->order : NULL);
    set(r, &event->chain, command->chain);
    set(r, &event->agent, command->agent);
    set(r, &event->node, command->node);
    set(r, &event->actor, command->actor);
    set(r, &event->reason, command->reason);
    if (type == HOR_EVENT_COMMAND_DONE) {
        set(r, &event->outcome, r->refused ? "refused" : "done");
        set(r, &event->cause, r->refused ? r->text : NULL);
    }
    return event;
}

static void give(struct request *r, struct hor_event *event, hor_core_emit_fn *emit, void *ctx)
{
    if (r->order != NULL && hor_core_is_decision(event))
        r->order->in_flight++;
    emit(event, ctx);
}

int hor_core_command(struct hor_core *core, const struct hor_core_command *command, int64_t now_us,
                     hor_core_emit_fn *emit, void *ctx, struct hor_core_answer *answer,
                     struct hor_error *err)
{
    if (command->id == NULL || command->master == NULL || command->action == NULL)
        return hor_error_set(err, HOR_ERR_INVALID, "a command needs an id, a Master and an action");
    char *key = hor_str_printf("%s\n%s", command->master, command->id);
    if (key == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "command %s: out of memory", command->id);
    const struct hor_core_seen *seen = hor_map_get(core->commands.map, key);
    free(key);
    if (seen != NULL) {
        answer->done = seen->done;
        snprintf(answer->text, sizeof answer->text, "%s", seen->text != NULL ? seen->text : "");
        return HOR_ERR_EXISTS;
    }
    struct request r = {.core = core, .command = command, .now_us = now_us};
    int rc = dispatch(&r);
    struct hor_event *received = frame(&r, HOR_EVENT_COMMAND_RECEIVED);
    struct hor_event *done = frame(&r, HOR_EVENT_COMMAND_DONE);
    if (rc == HOR_OK && !r.memory) {
        if (r.order != NULL)
            r.order->commands++;
        give(&r, received, emit, ctx);
        for (size_t i = 0; i < r.count; i++)
            give(&r, r.events[i], emit, ctx);
        give(&r, done, emit, ctx);
        answer->done = !r.refused;
        snprintf(answer->text, sizeof answer->text, "%s", r.refused ? r.text : "");
    } else {
        for (size_t i = 0; i < r.count; i++)
            hor_event_free(r.events[i]);
        hor_event_free(received);
        hor_event_free(done);
        if (rc == HOR_OK)
            rc = HOR_ERR_MEMORY;
        hor_error_set(err, rc, "command %s: %s", command->id,
                      rc == HOR_ERR_BUSY ? "the order has events under way" : "out of memory");
    }
    free(r.events);
    return rc;
}

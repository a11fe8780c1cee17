/* Why an order does not run: every reason, in sentences. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/state.h"
#include "lib/base/str.h"

struct teller {
    struct hor_core *core;
    const struct hor_core_order_held *order;
    int64_t now_us;
    hor_core_obstacle_fn *each;
    void *ctx;
};

static void tell(struct teller *t, const char *kind, const struct hor_core_node_held *node,
                 int64_t until, const char *format, ...) __attribute__((format(printf, 5, 6)));
static void tell(struct teller *t, const char *kind, const struct hor_core_node_held *node,
                 int64_t until, const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    t->each(&(struct hor_core_obstacle){.kind = kind,
                                        .node = node != NULL ? node->def->id : NULL,
                                        .text = text,
                                        .until = until},
            t->ctx);
}

static const char *time_text(int64_t us, char out[HOR_TIME_TEXT_BYTES])
{
    hor_time_format_us(us, out);
    strcpy(out + 19, "Z"); /* seconds are enough for people */
    return out;
}

static void tell_members(struct teller *t, const struct hor_core_node_held *node)
{
    char text[500] = "";
    size_t up = 0, len = 0, pin = hor_core_node_pin(t->core, node);
    if (node->def->agent != NULL && pin == SIZE_MAX) {
        tell(t, "agent", node, HOR_EVENT_NONE, "cluster %s has no agent %s, on which the node must run",
             t->core->cluster, node->def->agent);
        return;
    }
    for (size_t i = 0; i < t->core->member_count && len < sizeof text - 1; i++) {
        const struct hor_core_member_state *member = &t->core->members[i];
        if (member->witness || (pin != SIZE_MAX && pin != i))
            continue;
        const char *words = !member->up        ? "is down"
                            : member->drain    ? "is drained"
                            : member->tasks >= member->now_max_tasks ? "is full"
                            : member->reach == HOR_CORE_IDLE         ? "has no runner"
                                                                     : NULL;
        up += member->up && !member->drain;
        if (words == NULL)
            continue;
        int n = strcmp(words, "is full") == 0
                    ? snprintf(text + len, sizeof text - len, "%s%s is full with %lld of %lld tasks",
                               len ? ", " : "", member->name, (long long)member->tasks,
                               (long long)member->now_max_tasks)
                    : snprintf(text + len, sizeof text - len, "%s%s %s", len ? ", " : "",
                               member->name, words);
        len = n > 0 ? len + (size_t)n : len;
    }
    if (up == 0)
        tell(t, "agent", node, HOR_EVENT_NONE, "no agent can take the task: %s", text);
    else if (text[0] != '\0')
        tell(t, "capacity", node, HOR_EVENT_NONE, "waits for a free place at an agent: %s", text);
}

static void tell_ready(struct teller *t, const struct hor_core_node_held *node)
{
    const char *path;
    const struct hor_core_place_limit *limit = hor_core_node_limit(t->core, node, &path);
    if (limit != NULL && limit->lock)
        tell(t, "lock", node, HOR_EVENT_NONE, "waits for lock %s, which other tasks hold", path);
    else if (limit != NULL)
        tell(t, "maxTasks", node, HOR_EVENT_NONE,
             "job %s runs %lld tasks, and no more than %lld may run at once", path,
             (long long)limit->used, (long long)limit->max);
    tell_members(t, node);
}

static void tell_need(struct teller *t, const struct hor_core_node_held *node, size_t i)
{
    const struct hor_requirement *r = &node->def->requirements[i];
    const struct hor_core_need *need = &node->needs[i];
    char asked[HOR_TIME_TEXT_BYTES], until[HOR_TIME_TEXT_BYTES], what[700], limit[100] = "", on[40];
    if (need->state == HOR_CORE_NEED_MET)
        return;
    if (need->state == HOR_CORE_NEED_ASKED && need->until != HOR_EVENT_NONE) {
        static const char *const then[] = {"fails", "is skipped", "goes on without"};
        snprintf(limit, sizeof limit, "; at %s the node %s", time_text(need->until, until),
                 then[r->on_timeout]);
    }
    if (r->type == HOR_REQUIRES_HISTORY)
        snprintf(what, sizeof what, "an order of chain %s that ends with %s", r->chain_path,
                 hor_on_format(r->on, on));
    else if (r->type == HOR_REQUIRES_EVENT)
        snprintf(what, sizeof what, "external event '%s'", r->name);
    else
        snprintf(what, sizeof what, "the condition %.500s", r->test);
    tell(t, "dependency", node, need->until, "waits for %s%s%s%s%s%s", what,
         need->state == HOR_CORE_NEED_ASKED ? ", since " : "",
         need->state == HOR_CORE_NEED_ASKED ? time_text(need->asked_at, asked) : "",
         r->type != HOR_REQUIRES_CONDITION ? ", of Master " : "",
         r->type != HOR_REQUIRES_CONDITION ? t->order->master->name : "", limit);
}

static void tell_predecessors(struct teller *t, const struct hor_core_node_held *node)
{
    char text[500] = "";
    size_t len = 0;
    for (size_t e = 0; e < node->def->edge_count && len < sizeof text - 1; e++) {
        const struct hor_core_node_held *from = &t->order->nodes[node->def->edges[e].from];
        bool done = hor_core_node_is_done(from) && from->state != HOR_CORE_NODE_FAILED;
        if (done)
            continue;
        int n = snprintf(text + len, sizeof text - len, "%s%s (%s)", len ? ", " : "", from->def->id,
                         hor_core_node_state_text(from->state));
        len = n > 0 ? len + (size_t)n : len;
    }
    tell(t, "predecessor", node, HOR_EVENT_NONE, "waits for %s%s", node->def->join_any ? "one of " : "",
         text[0] != '\0' ? text : "the nodes before it");
}

static void tell_run(struct teller *t, size_t i, const struct hor_core_node_held *node);

static void tell_node(struct teller *t, size_t i)
{
    const struct hor_core_node_held *node = &t->order->nodes[i];
    if (node->state == HOR_CORE_NODE_WAITING && node->def->every_agent &&
        hor_core_node_release(t->order, i) == HOR_CORE_GO && hor_core_needs_met(node))
        tell(t, "agent", node, HOR_EVENT_NONE, "begins on every agent that is in use: all are drained");
    else if (node->part_count == 0)
        tell_run(t, i, node);
    for (size_t k = 0; k < node->part_count; k++)
        if (node->parts[k].state == HOR_CORE_NODE_WAITING)
            tell_ready(t, &node->parts[k]);
        else
            tell_run(t, i, &node->parts[k]);
}

static void tell_run(struct teller *t, size_t i, const struct hor_core_node_held *node)
{
    char time[HOR_TIME_TEXT_BYTES];
    const struct hor_core_member_state *member =
        node->member != SIZE_MAX ? &t->core->members[node->member] : NULL;
    switch (node->state) {
    case HOR_CORE_NODE_WAITING:
        if (hor_core_node_release(t->order, i) == HOR_CORE_GO && !hor_core_needs_met(node))
            for (size_t k = 0; k < node->def->requirement_count; k++)
                tell_need(t, node, k);
        else if (hor_core_node_release(t->order, i) == HOR_CORE_GO)
            tell_ready(t, node);
        else
            tell_predecessors(t, node);
        break;
    case HOR_CORE_NODE_ASSIGNED:
        tell(t, "agent", node, HOR_EVENT_NONE, "agent %s has the task and has not started it yet",
             member->name);
        break;
    case HOR_CORE_NODE_RUNNING:
        if (!member->up)
            tell(t, "agent", node, HOR_EVENT_NONE,
                 "agent %s is lost: the task runs again elsewhere when its grace time is over",
                 member->name);
        break;
    case HOR_CORE_NODE_IN_DOUBT:
        tell(t, "inDoubt", node, HOR_EVENT_NONE,
             "it is not known whether task attempt %lld on %s ran: %s; it can be resolved",
             (long long)node->attempt, member->name,
             node->cause != NULL ? node->cause : "the agent is away");
        break;
    case HOR_CORE_NODE_AWAY:
        tell(t, "dependency", node, HOR_EVENT_NONE,
             "runs on cluster %s, of which Master %s was asked at %s%s%s", node->def->cluster_path,
             t->order->master->name, time_text(node->started_at, time),
             node->cause != NULL ? ": " : "", node->cause != NULL ? node->cause : "");
        break;
    case HOR_CORE_NODE_RETRYING:
        if (node->retry_at > t->now_us)
            tell(t, "retry", node, node->retry_at, "attempt %lld begins at %s",
                 (long long)node->attempt + 1, time_text(node->retry_at, time));
        else
            tell_ready(t, node);
        break;
    case HOR_CORE_NODE_FAILED:
        if (node->def->on_failure != HOR_ON_FAILURE_CONTINUE)
            tell(t, "failed", node, HOR_EVENT_NONE, "node %s failed%s%s", node->def->id,
                 node->cause != NULL ? ": " : "", node->cause != NULL ? node->cause : "");
        break;
    default:
        break;
    }
}

static void tell_waiting(struct teller *t)
{
    const struct hor_core_order_held *order = t->order;
    char time[HOR_TIME_TEXT_BYTES];
    if (order->due_at > t->now_us)
        tell(t, "time", NULL, order->due_at, "starts at %s", time_text(order->due_at, time));
    if (order->lane->held)
        tell(t, "held", NULL, HOR_EVENT_NONE, "chain %s is held%s%s%s%s", order->chain->object.path,
             order->lane->actor != NULL ? " by " : "",
             order->lane->actor != NULL ? order->lane->actor : "",
             order->lane->reason != NULL ? ": " : "",
             order->lane->reason != NULL ? order->lane->reason : "");
    int limit = order->chain->max_orders;
    if (order->due_at <= t->now_us && limit > 0 && order->lane->running >= (size_t)limit) {
        const struct hor_core_order_held *other =
            HOR_CORE_ITEM(order->lane->members.next, struct hor_core_order_held, in_lane);
        tell(t, "maxOrders", NULL, HOR_EVENT_NONE,
             "%zu order%s of chain %s run%s, such as %s, and no more than %d may run at once",
             order->lane->running, order->lane->running == 1 ? "" : "s", order->chain->object.path,
             order->lane->running == 1 ? "s" : "", other->id, limit);
    }
}

int hor_core_obstacles(struct hor_core *core, const char *id, int64_t now_us,
                       hor_core_obstacle_fn *each, void *ctx, struct hor_error *err)
{
    const struct hor_core_order_held *order = hor_core_order_find(core, id);
    if (order == NULL)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "order %s is not in cluster %s",
                             id != NULL ? id : "", core->cluster);
    struct teller t = {
        .core = core, .order = order, .now_us = now_us, .each = each, .ctx = ctx};
    if (hor_core_order_is_ended(order)) {
        tell(&t, "ended", NULL, HOR_EVENT_NONE, "the order has ended");
        return HOR_OK;
    }
    if (order->state == HOR_CORE_ORDER_SUSPENDED)
        tell(&t, "suspended", NULL, HOR_EVENT_NONE, "the order is suspended%s%s: it can be resumed",
             order->cause != NULL ? ", " : "", order->cause != NULL ? order->cause : "");
    if (order->state == HOR_CORE_ORDER_FAILED && order->nodes == NULL)
        tell(&t, "failed", NULL, HOR_EVENT_NONE, "the order could not start: %s",
             order->cause != NULL ? order->cause : "unknown cause");
    if (order->mark != HOR_CORE_MARK_NONE)
        tell(&t, "suspended", NULL, HOR_EVENT_NONE, "the order is %s: %zu task%s still run",
             hor_core_mark_text(order->mark), order->active, order->active == 1 ? "" : "s");
    if (order->state == HOR_CORE_ORDER_WAITING)
        tell_waiting(&t);
    for (size_t i = 0; order->nodes != NULL && i < order->chain->node_count; i++)
        tell_node(&t, i);
    return HOR_OK;
}

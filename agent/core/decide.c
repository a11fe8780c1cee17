/* What comes next, asked on the leader only: events to submit. An order whose events are under way
 * is left alone until they are applied, so nothing is decided twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/decide.h"


struct hor_event *hor_core_event(enum hor_event_type type, const struct hor_core_order_held *order,
                                 const struct hor_core_node_held *node, int64_t now_us)
{
    struct hor_event *event = hor_event_new(type, now_us);
    if (event != NULL && (hor_event_set(&event->master, order->master->name) < 0 ||
                          hor_event_set(&event->order, order->id) < 0 ||
                          (node != NULL && hor_event_set(&event->node, node->def->id) < 0))) {
        hor_event_free(event);
        event = NULL;
    }
    return event;
}

void hor_core_emit(struct hor_decision *d, struct hor_core_order_held *order, struct hor_event *event)
{
    if (event == NULL) {
        d->core->memory = true;
        return;
    }
    if (order != NULL && hor_core_is_decision(event))
        order->in_flight++;
    if (d->left > 0)
        d->left--;
    d->emit(event, d->ctx);
}

/* An event whose only further field is a cause (may be NULL). */
static void emit_simple(struct hor_decision *d, enum hor_event_type type,
                        struct hor_core_order_held *order, struct hor_core_node_held *node,
                        const char *action, const char *cause)
{
    struct hor_event *event = hor_core_event(type, order, node, d->now_us);
    if (event != NULL && (hor_event_set(&event->cause, cause) < 0 ||
                          hor_event_set(&event->action, action) < 0)) {
        hor_event_free(event);
        event = NULL;
    }
    hor_core_emit(d, order, event);
}

void hor_core_emit_set(struct hor_decision *d, struct hor_core_node_held *node, const char *outcome,
                       const char *action, const char *cause)
{
    struct hor_event *event = hor_core_event(HOR_EVENT_NODE_SET, node->order, node, d->now_us);
    if (event != NULL &&
        (hor_event_set(&event->outcome, outcome) < 0 || hor_event_set(&event->action, action) < 0 ||
         hor_event_set(&event->cause, cause) < 0)) {
        hor_event_free(event);
        event = NULL;
    }
    hor_core_emit(d, node->order, event);
}

static void emit_end(struct hor_decision *d, struct hor_core_order_held *order,
                     enum hor_core_order_state state, const char *cause)
{
    struct hor_event *event = hor_core_event(HOR_EVENT_ORDER_ENDED, order, NULL, d->now_us);
    if (event != NULL &&
        (hor_event_set(&event->state, hor_core_order_state_text(state)) < 0 ||
         hor_event_set(&event->cause, cause) < 0 ||
         hor_event_set(&event->chain, order->chain->object.path) < 0)) {
        hor_event_free(event);
        event = NULL;
    }
    hor_core_emit(d, order, event);
}

static void emit_task(struct hor_decision *d, enum hor_event_type type, struct hor_core_node_held *node,
                      const char *action, const char *outcome, const char *cause)
{
    char task[HOR_CORE_NAME_BYTES + 1];
    struct hor_event *event = hor_core_event(type, node->order, node, d->now_us);
    if (event != NULL) {
        event->attempt = node->attempt;
        if (hor_core_task_name(node, node->attempt, task) < 0 ||
            hor_event_set(&event->task, task) < 0 || hor_event_set(&event->action, action) < 0 ||
            hor_event_set(&event->outcome, outcome) < 0 || hor_event_set(&event->cause, cause) < 0 ||
            hor_event_set(&event->job, node->def->job->object.path) < 0 ||
            hor_event_set(&event->agent, d->core->members[node->member].name) < 0) {
            hor_event_free(event);
            event = NULL;
        }
    }
    hor_core_emit(d, node->order, event);
}

/* ---- members ---- */

static void emit_member(struct hor_decision *d, struct hor_core_member_state *member, const char *state)
{
    struct hor_event *event = hor_event_new(HOR_EVENT_MEMBER_CHANGED, d->now_us);
    if (event != NULL && (hor_event_set(&event->agent, member->name) < 0 ||
                          hor_event_set(&event->state, state) < 0)) {
        hor_event_free(event);
        event = NULL;
    }
    member->changing = true;
    hor_core_emit(d, NULL, event);
}

/* Tasks of a member that is lost: `hold` ones are in doubt at once, `restart` ones move when they are
 * certainly dead. */
static void sweep_member(struct hor_decision *d, struct hor_core_member_state *member)
{
    char cause[400];
    member->sweep = false;
    if (!member->up || member->drain || member->reach != HOR_CORE_REACHED)
        hor_core_member_pass_by(d->core, member);
    if (member->up || (member->reach != HOR_CORE_LOST && member->reach != HOR_CORE_FENCED))
        return;
    for (struct hor_core_link *at = member->active.next; at != &member->active; at = at->next) {
        struct hor_core_node_held *node = HOR_CORE_ITEM(at, struct hor_core_node_held, active);
        if (node->swept || node->ending != NULL)
            continue;
        if (node->def->job->agent_loss == HOR_AGENT_LOSS_RESTART) {
            if (member->reach != HOR_CORE_FENCED)
                continue;
            snprintf(cause, sizeof cause,
                     "agent %s was lost and its grace time is over: the task runs again",
                     member->name);
            emit_task(d, HOR_EVENT_TASK_ENDED, node, "restart", "failure", cause);
        } else if (node->state != HOR_CORE_NODE_IN_DOUBT) {
            snprintf(cause, sizeof cause, "agent %s was lost while the task was with it",
                     member->name);
            emit_task(d, HOR_EVENT_TASK_IN_DOUBT, node, NULL, NULL, cause);
        }
        node->swept = true;
    }
}

static void decide_members(struct hor_decision *d)
{
    for (size_t i = 0; i < d->core->member_count; i++) {
        struct hor_core_member_state *member = &d->core->members[i];
        bool here = member->reach == HOR_CORE_REACHED || member->reach == HOR_CORE_IDLE;
        bool gone = member->reach == HOR_CORE_LOST || member->reach == HOR_CORE_FENCED;
        if (member->witness || member->changing)
            continue;
        if (here && !member->up)
            emit_member(d, member, member->drain ? "draining" : "up");
        else if (gone && (member->up || member->changed_at == HOR_EVENT_NONE))
            emit_member(d, member, "lost");
        else if (member->up && member->drain && !member->drained && member->tasks == 0 &&
                 member->reserved == 0)
            emit_member(d, member, "drained");
        if (member->sweep && !member->changing)
            sweep_member(d, member);
    }
}

void hor_core_reach(struct hor_core *core, const char *name, enum hor_core_reach reach)
{
    struct hor_core_member_state *member = hor_core_member_find(core, name, NULL);
    if (member == NULL || member->reach == reach)
        return;
    member->reach = reach;
    member->sweep = true;
}

/* ---- starting orders ---- */

static void start_order(struct hor_decision *d, struct hor_core_order_held *order)
{
    struct hor_error err = {0};
    struct hor_arguments parameters = {0};
    hor_core_heap_remove(&order->lane->waiting, order);
    int rc = hor_core_resolve(order, d->now_us, &parameters, &err);
    if (rc == HOR_ERR_MEMORY) {
        d->core->memory = true;
    } else if (rc < 0) {
        emit_simple(d, HOR_EVENT_ORDER_FAILED, order, NULL, NULL, err.text);
    } else {
        struct hor_event *event = hor_core_event(HOR_EVENT_ORDER_STARTED, order, NULL, d->now_us);
        if (event != NULL)
            event->arguments = parameters;
        else
            hor_arguments_done(&parameters);
        order->starting = true;
        order->lane->starting++;
        hor_core_emit(d, order, event);
    }
}

/* A newer order wants the place: what runs in the lane is ended. */
static void cancel_others(struct hor_decision *d, struct hor_core_lane *lane, const char *by)
{
    char cause[400];
    snprintf(cause, sizeof cause, "order %s of the same chain came due (overlap=\"cancelOther\")", by);
    for (struct hor_core_link *at = lane->members.next; at != &lane->members; at = at->next) {
        struct hor_core_order_held *order = HOR_CORE_ITEM(at, struct hor_core_order_held, in_lane);
        if (order->mark == HOR_CORE_MARK_KILLING || order->in_flight > 0)
            continue;
        hor_core_order_unqueue(d->core, order); /* it gets no further tasks */
        struct hor_core_run_walk walk = {0};
        struct hor_core_node_held *node;
        while ((node = hor_core_next_run(order, &walk)) != NULL)
            if (hor_core_node_is_active(node) && !node->killing)
                emit_task(d, HOR_EVENT_TASK_KILLING, node, NULL, NULL, cause);
        struct hor_event *event = hor_core_event(HOR_EVENT_ORDER_MARKED, order, NULL, d->now_us);
        if (event != NULL && (hor_event_set(&event->mark, "killing") < 0 ||
                              hor_event_set(&event->cause, cause) < 0)) {
            hor_event_free(event);
            event = NULL;
        }
        hor_core_emit(d, order, event);
    }
}

/* Only the order that is first in line may wait: the others give way. */
static void skip_behind(struct hor_decision *d, struct hor_core_lane *lane,
                        const struct hor_core_order_held *first)
{
    char cause[400];
    snprintf(cause, sizeof cause, "order %s waits already (overlap=\"queueOne\")", first->id);
    for (size_t i = lane->waiting.count; i-- > 0;) {
        struct hor_core_order_held *order = lane->waiting.items[i];
        if (order != first && order->in_flight == 0) {
            hor_core_heap_remove(&lane->waiting, order);
            emit_end(d, order, HOR_CORE_ORDER_SKIPPED, cause);
            i = lane->waiting.count; /* the heap was rearranged */
        }
    }
}

static void decide_lane(struct hor_decision *d, struct hor_core_lane *lane)
{
    struct hor_core_order_held *order;
    while (d->left > 0 && !lane->held && (order = hor_core_heap_top(&lane->waiting)) != NULL) {
        if (order->in_flight > 0) { /* a command is about it: applying that looks again */
            hor_core_heap_remove(&lane->waiting, order);
            continue;
        }
        size_t busy = lane->running + lane->starting;
        int limit = order->chain->max_orders;
        if (limit == 0 || busy < (size_t)limit) {
            start_order(d, order);
            continue;
        }
        if (order->chain->overlap == HOR_OVERLAP_SKIP) {
            hor_core_heap_remove(&lane->waiting, order);
            emit_end(d, order, HOR_CORE_ORDER_SKIPPED,
                     "an order of the same chain was running (overlap=\"skip\")");
            continue;
        }
        if (order->chain->overlap == HOR_OVERLAP_QUEUE_ONE)
            skip_behind(d, lane, order);
        else if (order->chain->overlap == HOR_OVERLAP_CANCEL_OTHER)
            cancel_others(d, lane, order->id);
        break;
    }
}

static void decide_lanes(struct hor_decision *d)
{
    while (d->left > 0 && !hor_core_link_empty(&d->core->dirty_lanes)) {
        struct hor_core_lane *lane =
            HOR_CORE_ITEM(d->core->dirty_lanes.next, struct hor_core_lane, dirty);
        hor_core_link_remove(&lane->dirty);
        decide_lane(d, lane);
        if (d->left == 0)
            hor_core_lane_touch(d->core, lane);
    }
}

/* ---- orders that run ---- */

/* Under onFailure="end": nothing begins any more but what the failure itself leads to. */
static bool is_rescue(const struct hor_core_order_held *order, size_t i, const bool *rescue)
{
    const struct hor_node *def = &order->chain->nodes[i];
    for (size_t e = 0; e < def->edge_count; e++) {
        const struct hor_core_node_held *from = &order->nodes[def->edges[e].from];
        if (rescue[def->edges[e].from] ||
            (from->state == HOR_CORE_NODE_FAILED && hor_core_edge_met(from, &def->edges[e])))
            return true;
    }
    return false;
}

static const struct hor_core_node_held *ends_order(const struct hor_core_order_held *order)
{
    for (size_t i = 0; i < order->chain->node_count; i++) {
        const struct hor_core_node_held *node = &order->nodes[i];
        if (node->state == HOR_CORE_NODE_FAILED && !hor_core_node_retries(node) &&
            node->def->on_failure == HOR_ON_FAILURE_END)
            return node;
    }
    return NULL;
}

/* The nodes' states with what this pass decided already taken in, so that one pass settles all. */
struct pass {
    struct hor_decision *d;
    struct hor_core_order_held *order;
    const struct hor_core_node_held *ender;
    size_t going; /* active, ready or retrying */
};

/* The order is looked at again then, if nothing happens before. */
static void wait_until(struct pass *p, int64_t at)
{
    if (at != INT64_MAX &&
        (!hor_core_heap_has(&p->d->core->timers, p->order) || p->order->timer_at > at))
        hor_core_order_timer(p->d->core, p->order, at);
}

static void skip_node(struct pass *p, struct hor_core_node_held *node, enum hor_core_skip skip,
                      const char *action, const char *cause)
{
    emit_simple(p->d, HOR_EVENT_NODE_SKIPPED, p->order, node, action, cause);
    /* Seen by the nodes behind it in this pass; put back by end_pass, applying sets it for good. */
    node->state = HOR_CORE_NODE_SKIPPED;
    node->skip = skip;
}

static void settle_waiting(struct pass *p, size_t i, bool *rescue)
{
    struct hor_core_node_held *node = &p->order->nodes[i];
    char cause[400];
    if (p->ender != NULL) {
        rescue[i] = is_rescue(p->order, i, rescue);
        if (!rescue[i]) {
            snprintf(cause, sizeof cause, "node %s failed and ends the order", p->ender->def->id);
            skip_node(p, node, HOR_CORE_SKIP_PATH, "end", cause);
            return;
        }
    }
    enum hor_core_release_state go = hor_core_node_release(p->order, i);
    if (go == HOR_CORE_UNDECIDED)
        return;
    if (go == HOR_CORE_DEAD) {
        skip_node(p, node, HOR_CORE_SKIP_PATH, "noPath", "the nodes before it ended otherwise");
        return;
    }
    if (node->def->when != NULL && !node->when_true) {
        struct hor_error err = {0};
        bool yes = false;
        if (hor_core_when(node, p->d->now_us, &yes, &err) < 0) {
            snprintf(cause, sizeof cause, "its condition cannot be evaluated: %.300s", err.text);
            hor_core_emit_set(p->d, node, "failure", "when", cause);
            p->going++;
            return;
        }
        if (!yes) {
            snprintf(cause, sizeof cause, "its condition is false: %.300s", node->def->when);
            skip_node(p, node, HOR_CORE_SKIP_WANTED, "when", cause);
            return;
        }
        node->when_true = true;
    }
    p->going++;
    if (node->needs != NULL) {
        int64_t again;
        if (!hor_core_decide_needs(p->d, node, &again)) {
            wait_until(p, again);
            return;
        }
    }
    if (node->def->part != NULL) {
        hor_core_decide_away(p->d, node);
        return;
    }
    if (node->def->every_agent) {
        hor_core_decide_spread(p->d, node);
        return;
    }
    if (node->def->agent != NULL && hor_core_member_find(p->d->core, node->def->agent, NULL) == NULL)
        return; /* waits for a member that does not exist: the obstacle says so */
    if (hor_core_node_ready(p->d->core, node) < 0)
        p->d->core->memory = true;
}

static void settle_retry(struct pass *p, struct hor_core_node_held *node)
{
    struct hor_event *event =
        hor_core_event(HOR_EVENT_RETRY_SCHEDULED, p->order, node, p->d->now_us);
    if (event != NULL) {
        int64_t delay_ms = hor_job_retry_delay_ms(node->def->job, (int)node->tries + 1);
        event->attempt = node->attempt + 1;
        event->due_at = node->ended_at + delay_ms * 1000;
        if (node->whole != NULL &&
            hor_event_set(&event->agent, p->d->core->members[node->member].name) < 0) {
            hor_event_free(event);
            event = NULL;
        }
    }
    hor_core_emit(p->d, p->order, event);
    p->going++;
}

/* A node with a task, or that gets another one by itself; or a part. False: something else. */
static bool settle_task(struct pass *p, struct hor_core_node_held *node)
{
    if (hor_core_node_is_active(node) || node->queue == HOR_CORE_QUEUE_ASSIGNING) {
        p->going++;
    } else if (node->state == HOR_CORE_NODE_FAILED && hor_core_node_retries(node)) {
        settle_retry(p, node);
    } else if (node->state == HOR_CORE_NODE_RETRYING) {
        p->going++;
        if (node->retry_at > p->d->now_us)
            wait_until(p, node->retry_at);
        else if (hor_core_node_ready(p->d->core, node) < 0)
            p->d->core->memory = true;
    } else {
        return false;
    }
    return true;
}

static void settle_parts(struct pass *p, struct hor_core_node_held *node)
{
    p->going++;
    if (hor_core_decide_join(p->d, node))
        return;
    for (size_t i = 0; i < node->part_count; i++) {
        struct hor_core_node_held *part = &node->parts[i];
        if (!settle_task(p, part) && part->state == HOR_CORE_NODE_WAITING &&
            hor_core_node_ready(p->d->core, part) < 0)
            p->d->core->memory = true;
    }
}

static void settle_node(struct pass *p, size_t i, bool *rescue)
{
    struct hor_core_node_held *node = &p->order->nodes[i];
    if (settle_task(p, node))
        return;
    if (node->state == HOR_CORE_NODE_WAITING)
        settle_waiting(p, i, rescue);
    else if (node->state == HOR_CORE_NODE_SPREAD)
        settle_parts(p, node);
    else if (node->state == HOR_CORE_NODE_AWAY)
        p->going++;
}

/* Nothing runs and nothing can: the order ends or waits for a person. */
static void settle_end(struct pass *p)
{
    const struct hor_core_node_held *by = NULL;
    char cause[700];
    if (hor_core_order_is_blocked(p->order, &by)) {
        snprintf(cause, sizeof cause, "node %s failed%s%.500s", by->def->id,
                 by->cause != NULL ? ": " : "", by->cause != NULL ? by->cause : "");
        struct hor_event *event = hor_core_event(by->def->on_failure == HOR_ON_FAILURE_SUSPEND
                                                     ? HOR_EVENT_ORDER_SUSPENDED
                                                     : HOR_EVENT_ORDER_FAILED,
                                                 p->order, by, p->d->now_us);
        if (event != NULL && hor_event_set(&event->cause, cause) < 0) {
            hor_event_free(event);
            event = NULL;
        }
        hor_core_emit(p->d, p->order, event);
        return;
    }
    enum hor_core_order_state state = HOR_CORE_ORDER_SUCCEEDED;
    for (size_t i = 0; i < p->order->chain->node_count; i++) {
        const struct hor_core_node_held *node = &p->order->nodes[i];
        if (node->state == HOR_CORE_NODE_FAILED && node->def->on_failure == HOR_ON_FAILURE_END) {
            state = HOR_CORE_ORDER_FAILED_FINALLY;
            by = node;
        } else if (state == HOR_CORE_ORDER_SUCCEEDED && (node->state == HOR_CORE_NODE_WARNED ||
                                                         node->state == HOR_CORE_NODE_FAILED)) {
            state = HOR_CORE_ORDER_WARNED;
            by = node;
        }
    }
    if (by != NULL)
        snprintf(cause, sizeof cause, "node %s ended with a %s", by->def->id,
                 by->state == HOR_CORE_NODE_WARNED ? "warning" : "failure");
    emit_end(p->d, p->order, state, by != NULL ? cause : NULL);
}

static void decide_running(struct hor_decision *d, struct hor_core_order_held *order)
{
    if (order->mark == HOR_CORE_MARK_KILLING || order->mark == HOR_CORE_MARK_CANCELLING) {
        hor_core_order_unqueue(d->core, order);
        if (order->active == 0)
            emit_end(d, order, HOR_CORE_ORDER_CANCELLED, "killed");
        return;
    }
    if (order->mark == HOR_CORE_MARK_SUSPENDING) {
        hor_core_order_unqueue(d->core, order);
        if (order->active == 0)
            emit_simple(d, HOR_EVENT_ORDER_SUSPENDED, order, NULL, NULL, NULL);
        return;
    }
    size_t count = order->chain->node_count;
    enum { SMALL = 256 };
    bool small_rescue[SMALL] = {false}, *rescue = small_rescue;
    unsigned char small_states[SMALL], *states = small_states;
    void *memory = NULL;
    if (count > SMALL) {
        memory = calloc(count, 2);
        if (memory == NULL) {
            d->core->memory = true;
            return;
        }
        rescue = memory;
        states = (unsigned char *)memory + count;
    }
    hor_core_order_look_ahead(order);
    for (size_t i = 0; i < count; i++)
        states[i] = (unsigned char)order->nodes[i].state;
    struct pass p = {.d = d, .order = order, .ender = ends_order(order)};
    for (size_t k = 0; k < count; k++)
        settle_node(&p, order->chain->order[k], rescue);
    if (p.going == 0)
        settle_end(&p);
    for (size_t i = 0; i < count; i++)
        order->nodes[i].state = (enum hor_core_node_state)states[i];
    hor_core_order_look_ahead(order); /* back */
    free(memory);
}

static void decide_order(struct hor_decision *d, struct hor_core_order_held *order)
{
    if (order->state == HOR_CORE_ORDER_WAITING) {
        if (order->due_at > d->now_us) {
            hor_core_order_timer(d->core, order, order->due_at);
        } else if (!hor_core_heap_has(&order->lane->waiting, order)) {
            if (hor_core_heap_push(&order->lane->waiting, order) < 0)
                d->core->memory = true;
            hor_core_lane_touch(d->core, order->lane);
        }
    } else if (order->state == HOR_CORE_ORDER_RUNNING) {
        decide_running(d, order);
    }
}

static void decide_orders(struct hor_decision *d)
{
    struct hor_core *core = d->core;
    struct hor_core_order_held *order;
    while ((order = hor_core_heap_top(&core->timers)) != NULL && order->timer_at <= d->now_us) {
        hor_core_heap_remove(&core->timers, order);
        hor_core_order_touch(core, order);
    }
    while (d->left > 0 && !hor_core_link_empty(&core->dirty_orders)) {
        order = HOR_CORE_ITEM(core->dirty_orders.next, struct hor_core_order_held, dirty);
        hor_core_link_remove(&order->dirty);
        if (order->in_flight == 0) /* otherwise applying what is under way touches it again */
            decide_order(d, order);
    }
}

/* ---- assigning tasks ---- */

static bool can_take(const struct hor_core_member_state *member)
{
    return member->up && !member->drain && !member->witness && member->reach == HOR_CORE_REACHED;
}

static bool has_room(const struct hor_core_member_state *member)
{
    return member->tasks - member->ending + member->reserved < member->now_max_tasks;
}

/* Who gets the next task that may run anywhere; SIZE_MAX: nobody has room. fixedPriority looks at the
 * highest reachable member, roundRobin at those of the highest priority in turn; spill lets lower
 * priorities have what is too much for them. */
static size_t choose_member(const struct hor_core *core, size_t after)
{
    int64_t below = INT64_MAX;
    for (;;) {
        int64_t group = INT64_MIN;
        for (size_t i = 0; i < core->member_count; i++)
            if (can_take(&core->members[i]) && core->members[i].now_priority < below &&
                core->members[i].now_priority > group)
                group = core->members[i].now_priority;
        if (group == INT64_MIN)
            return SIZE_MAX;
        size_t first = core->selection == HOR_SELECTION_ROUND_ROBIN && after != SIZE_MAX
                           ? (after + 1) % core->member_count
                           : 0;
        for (size_t k = 0; k < core->member_count; k++) {
            size_t i = (first + k) % core->member_count;
            const struct hor_core_member_state *member = &core->members[i];
            if (member->now_priority != group || !can_take(member))
                continue;
            if (has_room(member))
                return i;
            if (core->selection == HOR_SELECTION_FIXED_PRIORITY && !core->spill)
                return SIZE_MAX;
        }
        if (!core->spill)
            return SIZE_MAX;
        below = group;
    }
}

/* The most important node that has a member, and that member. */
static struct hor_core_node_held *next_ready(struct hor_core *core, size_t after, size_t *ret_member)
{
    struct hor_core_node_held *best = hor_core_heap_top(&core->ready);
    if (best != NULL && (*ret_member = choose_member(core, after)) == SIZE_MAX)
        best = NULL;
    for (size_t i = 0; i < core->member_count; i++) {
        struct hor_core_node_held *node = hor_core_heap_top(&core->members[i].ready);
        if (node == NULL || !can_take(&core->members[i]) || !has_room(&core->members[i]))
            continue;
        if (best == NULL || hor_core_node_before(node, best)) {
            best = node;
            *ret_member = i;
        }
    }
    return best;
}

/* Parts share the attempt numbers of their node; some may be on their way into the journal. */
static int64_t next_of_parts(const struct hor_core_node_held *whole)
{
    int64_t next = whole->attempt + 1;
    for (size_t i = 0; i < whole->part_count; i++)
        next += whole->parts[i].queue == HOR_CORE_QUEUE_ASSIGNING;
    return next;
}

static void assign(struct hor_decision *d, struct hor_core_node_held *node, size_t to)
{
    char task[HOR_CORE_NAME_BYTES + 1];
    int64_t attempt = node->whole != NULL ? next_of_parts(node->whole) : node->attempt + 1;
    struct hor_event *event =
        hor_core_event(HOR_EVENT_TASK_ASSIGNED, node->order, node, d->now_us);
    if (event != NULL) {
        event->attempt = attempt;
        if (hor_core_task_name(node, attempt, task) < 0 || hor_event_set(&event->task, task) < 0 ||
            hor_event_set(&event->job, node->def->job->object.path) < 0 ||
            hor_event_set(&event->agent, d->core->members[to].name) < 0) {
            hor_event_free(event);
            event = NULL;
        }
    }
    hor_core_heap_remove(node->heap, node);
    node->queue = HOR_CORE_QUEUE_ASSIGNING;
    node->to_member = to;
    d->core->members[to].reserved++;
    hor_core_node_take(d->core, node, HOR_CORE_RESERVE, 1);
    hor_core_emit(d, node->order, event);
}

static void decide_tasks(struct hor_decision *d)
{
    struct hor_core *core = d->core;
    struct hor_core_node_held *node;
    size_t member, after = core->last_member;
    while (d->left > 0 && (node = next_ready(core, after, &member)) != NULL) {
        const char *path;
        if (node->order->commands > 0) { /* applying the command looks again */
            hor_core_node_unqueue(core, node);
            continue;
        }
        struct hor_core_place_limit *limit = hor_core_node_limit(core, node, &path);
        if (limit != NULL) {
            hor_core_heap_remove(node->heap, node);
            if (hor_core_node_block(core, node, limit) < 0)
                core->memory = true;
            hor_core_node_wake_others(core, node, limit);
            continue;
        }
        assign(d, node, member);
        after = member;
    }
}

/* ---- releases that nobody needs ---- */

static void decide_releases(struct hor_decision *d)
{
    struct hor_core *core = d->core;
    if (!core->drop_check)
        return;
    core->drop_check = false;
    size_t pos = 0;
    struct hor_core_release_held *release;
    while ((release = hor_map_next(core->releases, &pos, NULL)) != NULL) {
        struct hor_core_master_known *master = hor_map_get(core->masters, release->master);
        if (release->config == NULL || release->orders > 0 || release->dropping || master == NULL ||
            release->number >= master->newest || release == core->current)
            continue;
        struct hor_event *event = hor_event_new(HOR_EVENT_RELEASE_DROPPED, d->now_us);
        if (event != NULL) {
            event->release = release->number;
            if (hor_event_set(&event->master, release->master) < 0) {
                hor_event_free(event);
                event = NULL;
            }
        }
        release->dropping = true;
        hor_core_emit(d, NULL, event);
    }
}

int hor_core_decide(struct hor_core *core, int64_t now_us, size_t limit, hor_core_emit_fn *emit_fn,
                    void *ctx, bool *ret_more)
{
    struct hor_decision d = {.core = core, .now_us = now_us, .left = limit, .emit = emit_fn, .ctx = ctx};
    decide_members(&d);
    decide_orders(&d);
    decide_lanes(&d);
    decide_tasks(&d);
    decide_releases(&d);
    *ret_more = d.left == 0;
    return core->memory ? HOR_ERR_MEMORY : HOR_OK;
}

int64_t hor_core_next_due(const struct hor_core *core)
{
    const struct hor_core_order_held *order = hor_core_heap_top(&core->timers);
    return order != NULL ? order->timer_at : INT64_MAX;
}

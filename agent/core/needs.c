/* What nodes wait for beyond the nodes before them, and nodes that run on another cluster. Each
 * question and each answer is an event: dependencyRequested, dependencyResolved. Questions about
 * history and external events, and nodes that run elsewhere, are for the Master, who reads them in
 * our journal; what this cluster knows itself it answers itself, so that it needs no Master. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/decide.h"
#include "lib/base/str.h"

enum { CONDITION_US = 2000000 }; /* conditions may depend on the time */

/* ---- state ---- */

void hor_core_needs_clear(struct hor_core_node_held *node)
{
    for (size_t i = 0; node->needs != NULL && i < node->def->requirement_count; i++) {
        struct hor_core_need *need = &node->needs[i];
        hor_core_link_remove(&need->waits);
        need->state = HOR_CORE_NEED_OPEN;
        need->ask = 0;
        need->asked_at = need->until = HOR_EVENT_NONE;
    }
}

void hor_core_needs_done(struct hor_core_node_held *node)
{
    hor_core_needs_clear(node);
    free(node->needs);
    node->needs = NULL;
}

bool hor_core_needs_met(const struct hor_core_node_held *node)
{
    for (size_t i = 0; node->needs != NULL && i < node->def->requirement_count; i++)
        if (node->needs[i].state != HOR_CORE_NEED_MET)
            return false;
    return true;
}

void hor_core_need_ask(struct hor_core *core, struct hor_core_need *need, int64_t ask,
                       int64_t asked_at, int64_t until)
{
    const struct hor_core_node_held *node = need->node;
    const struct hor_requirement *requirement = &node->def->requirements[need - node->needs];
    need->state = HOR_CORE_NEED_ASKED;
    need->ask = ask;
    need->asked_at = asked_at;
    need->until = until;
    hor_core_link_remove(&need->waits);
    if (requirement->type != HOR_REQUIRES_HISTORY)
        return;
    struct hor_core_lane *lane =
        hor_core_lane_get(core, node->order->master->name, requirement->chain_path);
    if (lane != NULL)
        hor_core_link_add(&lane->awaited, &need->waits);
    else
        core->memory = true;
}

void hor_core_dependency_requested(struct hor_core *core, struct hor_core_node_held *node,
                                   const struct hor_event *event)
{
    if (node->state != HOR_CORE_NODE_WAITING || event->attempt <= node->asks)
        return;
    node->asks = event->attempt;
    if (event->count == 0) {
        if (node->def->part == NULL)
            return;
        node->started_at = event->at_us;
        hor_core_node_set_state(core, node, HOR_CORE_NODE_AWAY);
    } else if (node->needs != NULL && event->count > 0 &&
               (size_t)event->count <= node->def->requirement_count &&
               node->needs[event->count - 1].state == HOR_CORE_NEED_OPEN) {
        hor_core_need_ask(core, &node->needs[event->count - 1], event->attempt, event->at_us,
                          event->due_at);
    }
}

static void away_resolved(struct hor_core *core, struct hor_core_node_held *node,
                          const struct hor_event *event)
{
    if (node->state != HOR_CORE_NODE_AWAY || event->attempt != node->asks)
        return;
    if (hor_event_set(&node->cause, event->cause) < 0)
        core->memory = true;
    if (hor_str_equal(event->outcome, "waiting"))
        return; /* news of where it is */
    enum hor_core_node_state state = hor_str_equal(event->outcome, "success")   ? HOR_CORE_NODE_SUCCEEDED
                                     : hor_str_equal(event->outcome, "warning") ? HOR_CORE_NODE_WARNED
                                                                                : HOR_CORE_NODE_FAILED;
    node->exit_code = event->exit_code;
    node->ended_at = event->at_us;
    node->final = true; /* it was tried there as often as the job says */
    hor_arguments_done(&node->outputs);
    node->outputs = (struct hor_arguments){0};
    if (hor_arguments_copy(&node->outputs, &event->arguments) < 0)
        core->memory = true;
    hor_core_node_set_state(core, node, state);
}

void hor_core_dependency_resolved(struct hor_core *core, struct hor_core_node_held *node,
                                  const struct hor_event *event)
{
    if (event->count == 0) {
        away_resolved(core, node, event);
        return;
    }
    if (node->needs == NULL || event->count < 1 ||
        (size_t)event->count > node->def->requirement_count)
        return;
    struct hor_core_need *need = &node->needs[event->count - 1];
    if (need->state != HOR_CORE_NEED_ASKED || need->ask != event->attempt)
        return; /* a repeat, or the answer to a question that was taken back */
    need->state = HOR_CORE_NEED_MET;
    hor_core_link_remove(&need->waits);
}

bool hor_core_awaits(const struct hor_core *core, const struct hor_event *answer)
{
    const struct hor_core_order_held *order = hor_core_order_find(core, answer->order);
    const struct hor_core_node_held *node =
        order != NULL ? hor_core_node_find(order, answer->node) : NULL;
    if (node == NULL || answer->type != HOR_EVENT_DEPENDENCY_RESOLVED || answer->command == NULL ||
        !hor_str_equal(order->master->name, answer->master))
        return false;
    if (answer->count == 0)
        return node->state == HOR_CORE_NODE_AWAY && node->asks == answer->attempt &&
               !(hor_str_equal(answer->outcome, "waiting") &&
                 hor_str_equal(answer->cause, node->cause));
    return node->needs != NULL && answer->count > 0 &&
           (size_t)answer->count <= node->def->requirement_count &&
           node->needs[answer->count - 1].state == HOR_CORE_NEED_ASKED &&
           node->needs[answer->count - 1].ask == answer->attempt;
}

void hor_core_lane_ended(struct hor_core *core, struct hor_core_lane *lane,
                         const struct hor_event *event)
{
    hor_ends_note(&lane->ends, event->state, event->at_us);
    for (struct hor_core_link *at = lane->awaited.next; at != &lane->awaited; at = at->next)
        hor_core_order_touch(core, HOR_CORE_ITEM(at, struct hor_core_need, waits)->node->order);
}

/* ---- decisions ---- */

static struct hor_event *dependency_event(const struct hor_decision *d, enum hor_event_type type,
                                          const struct hor_core_node_held *node, size_t number,
                                          int64_t ask)
{
    struct hor_event *event = hor_core_event(type, node->order, node, d->now_us);
    if (event == NULL)
        return NULL;
    const struct hor_requirement *r = number > 0 ? &node->def->requirements[number - 1] : NULL;
    const char *kind = r != NULL ? hor_requirement_name(r->type) : "node";
    const char *chain = r != NULL ? r->chain_path : node->def->part->object.path;
    const char *name = r != NULL && r->name != NULL ? r->name : chain != NULL ? chain : kind;
    event->count = (int64_t)number;
    event->attempt = ask;
    if (hor_event_set(&event->action, kind) < 0 || hor_event_set(&event->chain, chain) < 0 ||
        hor_event_set(&event->name, name) < 0) {
        hor_event_free(event);
        return NULL;
    }
    return event;
}

static int64_t since(const struct hor_requirement *r, int64_t asked_at)
{
    return r->within_ms > 0 ? asked_at - r->within_ms * 1000 : HOR_EVENT_NONE;
}

static void ask(struct hor_decision *d, struct hor_core_node_held *node, size_t i, int64_t number)
{
    const struct hor_requirement *r = &node->def->requirements[i];
    struct hor_event *event =
        dependency_event(d, HOR_EVENT_DEPENDENCY_REQUESTED, node, i + 1, number);
    char on[HOR_ON_TEXT_BYTES];
    if (event != NULL) {
        event->started_at = since(r, d->now_us);
        if (r->timeout_ms > 0)
            event->due_at = d->now_us + r->timeout_ms * 1000;
        if (hor_event_set(&event->state, r->consume ? "consume" : NULL) < 0 ||
            hor_event_set(&event->outcome, r->type == HOR_REQUIRES_HISTORY
                                               ? hor_on_format(r->on, on)
                                               : NULL) < 0) {
            hor_event_free(event);
            event = NULL;
        }
    }
    hor_core_emit(d, node->order, event);
}

static void resolve(struct hor_decision *d, struct hor_core_node_held *node, size_t i,
                    const char *outcome, const char *cause)
{
    struct hor_event *event = dependency_event(d, HOR_EVENT_DEPENDENCY_RESOLVED, node, i + 1,
                                               node->needs[i].ask);
    if (event != NULL && (hor_event_set(&event->outcome, outcome) < 0 ||
                          hor_event_set(&event->cause, cause) < 0)) {
        hor_event_free(event);
        event = NULL;
    }
    hor_core_emit(d, node->order, event);
}

/* It did not come in time. True: that decides over the node. */
static bool give_up(struct hor_decision *d, struct hor_core_node_held *node, size_t i)
{
    const struct hor_requirement *r = &node->def->requirements[i];
    const char *what = r->type == HOR_REQUIRES_HISTORY ? r->chain_path
                       : r->type == HOR_REQUIRES_EVENT ? r->name
                                                       : r->test;
    char cause[400];
    snprintf(cause, sizeof cause, "the required %s '%.200s' did not come within %lld s",
             hor_requirement_name(r->type), what, (long long)(r->timeout_ms / 1000));
    resolve(d, node, i, "timeout", cause);
    if (r->on_timeout == HOR_ON_TIMEOUT_FAIL)
        hor_core_emit_set(d, node, "failure", "timeout", cause);
    else if (r->on_timeout == HOR_ON_TIMEOUT_SKIP)
        hor_core_emit_set(d, node, "skipped", "timeout", cause);
    return r->on_timeout != HOR_ON_TIMEOUT_CONTINUE;
}

enum answer { WAITS, ANSWERED, DECIDED };

/* What this cluster can say of a question itself. */
static enum answer answer(struct hor_decision *d, struct hor_core_node_held *node, size_t i)
{
    const struct hor_requirement *r = &node->def->requirements[i];
    struct hor_core_need *need = &node->needs[i];
    if (need->until != HOR_EVENT_NONE && need->until <= d->now_us)
        return give_up(d, node, i) ? DECIDED : ANSWERED;
    if (r->type == HOR_REQUIRES_HISTORY) {
        const struct hor_core_lane *lane =
            hor_core_lane_get(d->core, node->order->master->name, r->chain_path);
        int64_t latest = lane != NULL ? hor_ends_latest(&lane->ends, r->on) : HOR_EVENT_NONE;
        if (latest == HOR_EVENT_NONE || latest < since(r, need->asked_at))
            return WAITS;
        resolve(d, node, i, "resolved", "an order of the chain ended so in this cluster");
        return ANSWERED;
    }
    if (r->type == HOR_REQUIRES_CONDITION) {
        struct hor_error err = {0};
        bool yes = false;
        char cause[400];
        if (hor_core_condition(node, r->test, d->now_us, &yes, &err) < 0) {
            snprintf(cause, sizeof cause, "a required condition cannot be evaluated: %.300s",
                     err.text);
            hor_core_emit_set(d, node, "failure", "requires", cause);
            return DECIDED;
        }
        if (yes)
            resolve(d, node, i, "resolved", "the condition is true");
        return yes ? ANSWERED : WAITS;
    }
    return WAITS;
}

bool hor_core_decide_needs(struct hor_decision *d, struct hor_core_node_held *node,
                           int64_t *ret_again)
{
    int64_t asks = node->asks;
    bool met = true;
    *ret_again = INT64_MAX;
    for (size_t i = 0; i < node->def->requirement_count; i++) {
        const struct hor_core_need *need = &node->needs[i];
        if (need->state == HOR_CORE_NEED_MET)
            continue;
        met = false;
        if (need->state == HOR_CORE_NEED_OPEN) {
            ask(d, node, i, ++asks);
            continue;
        }
        enum answer said = answer(d, node, i);
        if (said == DECIDED)
            return false;
        if (said == ANSWERED)
            continue;
        if (need->until != HOR_EVENT_NONE && need->until < *ret_again)
            *ret_again = need->until;
        if (node->def->requirements[i].type == HOR_REQUIRES_CONDITION &&
            d->now_us + CONDITION_US < *ret_again)
            *ret_again = d->now_us + CONDITION_US;
    }
    return met;
}

void hor_core_decide_away(struct hor_decision *d, struct hor_core_node_held *node)
{
    struct hor_error err = {0};
    char cause[400];
    struct hor_event *event =
        dependency_event(d, HOR_EVENT_DEPENDENCY_REQUESTED, node, 0, node->asks + 1);
    int rc = event == NULL ? HOR_ERR_MEMORY
                           : hor_core_node_parameters(node, d->now_us, &event->arguments, &err);
    if (rc == HOR_OK) {
        event->release = node->order->release->number;
        event->priority = node->order->priority;
        if (hor_event_set(&event->job, node->def->job->object.path) < 0)
            rc = HOR_ERR_MEMORY;
    }
    if (rc == HOR_OK) {
        hor_core_emit(d, node->order, event);
        return;
    }
    hor_event_free(event);
    if (rc == HOR_ERR_MEMORY) {
        d->core->memory = true;
        return;
    }
    snprintf(cause, sizeof cause, "its parameters cannot be found: %.300s", err.text);
    hor_core_emit_set(d, node, "failure", "parameters", cause);
}

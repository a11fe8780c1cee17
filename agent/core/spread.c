/* Nodes with everyAgent="true": one part for each member that was in use when the node began, each
 * with tasks of its own on that member only. The node ends when all parts have, with the worst
 * outcome. The parts' tasks share the node's attempt numbers, so that each has a name of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/decide.h"
#include "lib/base/str.h"

struct hor_core_node_held *hor_core_next_run(const struct hor_core_order_held *order,
                                             struct hor_core_run_walk *walk)
{
    while (order->nodes != NULL && walk->node < order->chain->node_count) {
        struct hor_core_node_held *node = &order->nodes[walk->node];
        if (walk->part < node->part_count)
            return &node->parts[walk->part++];
        bool whole = node->part_count == 0;
        walk->node++;
        walk->part = 0;
        if (whole)
            return node;
    }
    return NULL;
}

struct hor_core_node_held *hor_core_part_on(const struct hor_core *core,
                                            struct hor_core_node_held *node, const char *agent)
{
    size_t member;
    if (node->part_count == 0)
        return node;
    if (hor_core_member_find(core, agent, &member) == NULL)
        return NULL;
    for (size_t i = 0; i < node->part_count; i++)
        if (node->parts[i].member == member)
            return &node->parts[i];
    return NULL;
}

struct hor_core_node_held *hor_core_part_with(struct hor_core_node_held *node, int64_t attempt)
{
    for (size_t i = 0; i < node->part_count; i++)
        if (node->parts[i].attempt == attempt)
            return &node->parts[i];
    return node->part_count == 0 && node->attempt == attempt ? node : NULL;
}

bool hor_core_node_has_tasks(const struct hor_core_node_held *node)
{
    if (hor_core_node_is_active(node))
        return true;
    for (size_t i = 0; i < node->part_count; i++)
        if (hor_core_node_is_active(&node->parts[i]))
            return true;
    return false;
}

int hor_core_parts_make(struct hor_core_node_held *node, size_t count)
{
    node->parts = calloc(count, sizeof *node->parts);
    if (node->parts == NULL)
        return HOR_ERR_MEMORY;
    node->part_count = count;
    for (size_t i = 0; i < count; i++) {
        struct hor_core_node_held *part = &node->parts[i];
        hor_core_node_init(part, node->order, node->def);
        part->whole = node;
    }
    return HOR_OK;
}

/* None of them has a task. */
void hor_core_parts_free(struct hor_core *core, struct hor_core_node_held *node)
{
    struct hor_core_order_held *order = node->order;
    for (size_t i = 0; i < node->part_count; i++) {
        struct hor_core_node_held *part = &node->parts[i];
        if (core != NULL) {
            hor_core_node_unqueue(core, part);
            order->retrying -= part->state == HOR_CORE_NODE_RETRYING;
        }
        free(part->cause);
        hor_arguments_done(&part->outputs);
    }
    free(node->parts);
    node->parts = NULL;
    node->part_count = 0;
}

void hor_core_node_spread(struct hor_core *core, struct hor_core_node_held *node,
                          const struct hor_event *event)
{
    size_t count = 0;
    if (node->state != HOR_CORE_NODE_WAITING || !node->def->every_agent || node->part_count > 0)
        return;
    for (size_t i = 0; i < event->arguments.count; i++)
        count += hor_core_member_find(core, event->arguments.items[i].name, NULL) != NULL;
    if (count == 0)
        return;
    if (hor_core_parts_make(node, count) < 0) {
        core->memory = true;
        return;
    }
    count = 0;
    for (size_t i = 0; i < event->arguments.count; i++)
        if (hor_core_member_find(core, event->arguments.items[i].name,
                                 &node->parts[count].member) != NULL &&
            ++count == node->part_count)
            break;
    node->started_at = event->at_us;
    hor_core_node_set_state(core, node, HOR_CORE_NODE_SPREAD);
}

static int badness(const struct hor_core_node_held *part)
{
    return part->state == HOR_CORE_NODE_FAILED    ? 3
           : part->state == HOR_CORE_NODE_WARNED  ? 2
           : part->state == HOR_CORE_NODE_SKIPPED ? 0
                                                  : 1;
}

static const struct hor_core_node_held *worst(const struct hor_core_node_held *node)
{
    const struct hor_core_node_held *found = &node->parts[0];
    for (size_t i = 1; i < node->part_count; i++)
        if (badness(&node->parts[i]) > badness(found))
            found = &node->parts[i];
    return found;
}

/* The node has its outcome: what the parts gave becomes its own, later members' outputs winning. */
void hor_core_parts_join(struct hor_core *core, struct hor_core_node_held *node)
{
    const struct hor_core_node_held *bad = worst(node);
    node->exit_code = bad->exit_code;
    node->signal = bad->signal;
    for (size_t i = 0; i < node->part_count; i++) {
        const struct hor_arguments *outputs = &node->parts[i].outputs;
        for (size_t k = 0; k < outputs->count; k++)
            if (hor_arguments_add(&node->outputs, outputs->items[k].name, outputs->items[k].value,
                                  outputs->items[k].secret) < 0)
                core->memory = true;
    }
}

/* ---- decisions ---- */

bool hor_core_decide_spread(struct hor_decision *d, struct hor_core_node_held *node)
{
    struct hor_event *event = hor_core_event(HOR_EVENT_NODE_SPREAD, node->order, node, d->now_us);
    bool failed = event == NULL;
    for (size_t i = 0; !failed && i < d->core->member_count; i++) {
        const struct hor_core_member_state *member = &d->core->members[i];
        if (!member->witness && !member->drain)
            failed = hor_arguments_add(&event->arguments, member->name, "", false) < 0;
    }
    if (failed) {
        hor_event_free(event);
        d->core->memory = true;
        return true;
    }
    if (event->arguments.count == 0) { /* all are drained: it begins when one is not any more */
        hor_event_free(event);
        return false;
    }
    event->count = (int64_t)event->arguments.count;
    hor_core_emit(d, node->order, event);
    return true;
}

bool hor_core_decide_join(struct hor_decision *d, struct hor_core_node_held *node)
{
    static const char *const outcomes[] = {"skipped", "success", "warning", "failure"};
    char cause[400];
    for (size_t i = 0; i < node->part_count; i++)
        if (!hor_core_node_is_done(&node->parts[i]) || hor_core_node_retries(&node->parts[i]))
            return false;
    const struct hor_core_node_held *bad = worst(node);
    snprintf(cause, sizeof cause, "%s on agent %s%s%.200s", outcomes[badness(bad)],
             d->core->members[bad->member].name, bad->cause != NULL ? ": " : "",
             bad->cause != NULL ? bad->cause : "");
    hor_core_emit_set(d, node, outcomes[badness(bad)], "joined", badness(bad) > 1 ? cause : NULL);
    return true;
}

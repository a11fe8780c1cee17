/* What the graph of a chain says about one order: which nodes may go. */
#include <string.h>

#include "agent/core/state.h"

bool hor_core_node_retries(const struct hor_core_node_held *node)
{
    return node->state == HOR_CORE_NODE_FAILED && !node->final && node->order->mark == 0 &&
           node->tries < node->def->job->retry_attempts;
}

static bool code_met(const struct hor_core_node_held *from, const struct hor_edge *edge)
{
    return from->exit_code >= 0 && from->exit_code <= 255 &&
           hor_codes_have(&edge->codes, (int)from->exit_code);
}

bool hor_core_edge_met(const struct hor_core_node_held *from, const struct hor_edge *edge)
{
    switch (from->state) {
    case HOR_CORE_NODE_SUCCEEDED:
        return (edge->on & HOR_ON_SUCCESS) || code_met(from, edge);
    case HOR_CORE_NODE_WARNED:
        return (edge->on & HOR_ON_WARNING) || code_met(from, edge);
    case HOR_CORE_NODE_FAILED:
        return (edge->on & HOR_ON_FAILURE) || code_met(from, edge) ||
               (edge->plain && from->def->on_failure == HOR_ON_FAILURE_CONTINUE);
    case HOR_CORE_NODE_SKIPPED:
        return (edge->on & HOR_ON_SKIPPED) || (edge->plain && from->skip == HOR_CORE_SKIP_WANTED);
    default:
        return false;
    }
}

/* A failed node under stop or suspend keeps its other successors waiting: a person may yet retry it. */
static bool edge_open(const struct hor_core_node_held *from)
{
    if (!hor_core_node_is_done(from))
        return true;
    if (from->state != HOR_CORE_NODE_FAILED)
        return false;
    return hor_core_node_retries(from) || from->def->on_failure == HOR_ON_FAILURE_STOP ||
           from->def->on_failure == HOR_ON_FAILURE_SUSPEND;
}

enum hor_core_release_state hor_core_node_release(const struct hor_core_order_held *order, size_t i)
{
    const struct hor_node *def = &order->chain->nodes[i];
    size_t met = 0, open = 0;
    for (size_t e = 0; e < def->edge_count; e++) {
        const struct hor_core_node_held *from = &order->nodes[def->edges[e].from];
        if (hor_core_node_is_done(from) && !hor_core_node_retries(from) &&
            hor_core_edge_met(from, &def->edges[e]))
            met++;
        else if (edge_open(from))
            open++;
    }
    if (def->join_any && def->edge_count > 0)
        return met > 0 ? HOR_CORE_GO : open > 0 ? HOR_CORE_UNDECIDED : HOR_CORE_DEAD;
    if (met == def->edge_count)
        return HOR_CORE_GO;
    return met + open < def->edge_count ? HOR_CORE_DEAD : HOR_CORE_UNDECIDED;
}

void hor_core_descendants(const struct hor_chain *chain, size_t i, bool *ret)
{
    memset(ret, 0, chain->node_count * sizeof *ret);
    ret[i] = true;
    for (size_t k = 0; k < chain->node_count; k++) {
        size_t n = chain->order[k];
        for (size_t e = 0; e < chain->nodes[n].edge_count; e++)
            ret[n] = ret[n] || ret[chain->nodes[n].edges[e].from];
    }
}

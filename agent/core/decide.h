/* agent/core/decide.h - what the files that decide share. Inside agent/core. */
#ifndef HOR_AGENT_CORE_DECIDE_H
#define HOR_AGENT_CORE_DECIDE_H

#include "agent/core/state.h"

struct hor_decision {
    struct hor_core *core;
    int64_t now_us;
    size_t left; /* events until this call has done enough */
    hor_core_emit_fn *emit;
    void *ctx;
};

/* Counts and hands over. NULL: memory was out on the way. */
void hor_core_emit(struct hor_decision *d, struct hor_core_order_held *order,
                   struct hor_event *event);
/* The node gets this outcome by a rule. */
void hor_core_emit_set(struct hor_decision *d, struct hor_core_node_held *node,
                       const char *outcome, const char *action, const char *cause);

/* ---- needs.c ---- */
/* Asks for what the node requires, answers what this cluster can answer itself, looks at time limits.
 * True: all is met. Otherwise *ret_again is when to look again (INT64_MAX: never). */
bool hor_core_decide_needs(struct hor_decision *d, struct hor_core_node_held *node,
                           int64_t *ret_again);
/* Asks the Master to let the node run on its cluster. */
void hor_core_decide_away(struct hor_decision *d, struct hor_core_node_held *node);

/* ---- spread.c ---- */
/* Begins the node on every agent that is in use; false: there is none. */
bool hor_core_decide_spread(struct hor_decision *d, struct hor_core_node_held *node);
/* Gives the node its outcome when all parts have theirs; false: not yet. */
bool hor_core_decide_join(struct hor_decision *d, struct hor_core_node_held *node);

#endif

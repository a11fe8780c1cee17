/* Ends that are on their way into the journal. A task's report is submitted and what follows from it is
 * decided at once, so that both are committed together: half the time from one step of a chain to the
 * next. Nothing of that is state: the end is kept beside the node, shown to a decision while it looks,
 * and dropped when it is applied, or when hor_core_lead forgets everything. What was decided stands
 * behind the report in the journal: who has the one has the other. Were the report missing there,
 * applying would still start nothing: a task is assigned only where the graph lets the node go, and an
 * order with a task does not end. */
#include <stdlib.h>

#include "agent/core/state.h"
#include "lib/base/str.h"

struct hor_core_ending { /* what of the node will be otherwise */
    enum hor_core_node_state state;
    int64_t exit_code, signal, ended_at;
    bool final;
    char *cause;
    struct hor_arguments outputs;
};

static void ending_free(struct hor_core_ending *ending)
{
    if (ending == NULL)
        return;
    free(ending->cause);
    hor_arguments_done(&ending->outputs);
    free(ending);
}

void hor_core_node_foresee_nothing(struct hor_core *core, struct hor_core_node_held *node)
{
    if (node->ending == NULL)
        return;
    core->members[node->member].ending--;
    ending_free(node->ending);
    node->ending = NULL;
}

void hor_core_order_foresee_nothing(struct hor_core *core, struct hor_core_order_held *order)
{
    for (size_t i = 0; order->nodes != NULL && i < order->chain->node_count; i++)
        hor_core_node_foresee_nothing(core, &order->nodes[i]);
}

void hor_core_node_foresee_done(struct hor_core_node_held *node)
{
    ending_free(node->ending);
    node->ending = NULL;
}

#define SWAP(type, a, b)                                                                           \
    do {                                                                                           \
        type swapped = (a);                                                                        \
        (a) = (b);                                                                                 \
        (b) = swapped;                                                                             \
    } while (0)

void hor_core_order_look_ahead(struct hor_core_order_held *order)
{
    for (size_t i = 0; i < order->chain->node_count; i++) {
        struct hor_core_node_held *node = &order->nodes[i];
        struct hor_core_ending *ending = node->ending;
        if (ending == NULL)
            continue;
        SWAP(enum hor_core_node_state, node->state, ending->state);
        SWAP(int64_t, node->exit_code, ending->exit_code);
        SWAP(int64_t, node->signal, ending->signal);
        SWAP(int64_t, node->ended_at, ending->ended_at);
        SWAP(bool, node->final, ending->final);
        SWAP(char *, node->cause, ending->cause);
        SWAP(struct hor_arguments, node->outputs, ending->outputs);
    }
}

void hor_core_foresee(struct hor_core *core, const struct hor_event *report)
{
    struct hor_core_node_held *node = hor_core_task_node(core, report->task);
    enum hor_core_node_state state;
    if (node == NULL || node != &node->order->nodes[node->def - node->order->chain->nodes])
        return;
    /* Only the plain end of a task that nobody has given up; all else waits until it is applied. */
    if (report->type != HOR_EVENT_TASK_ENDED || node->ending != NULL ||
        node->swept || node->state == HOR_CORE_NODE_IN_DOUBT || report->action != NULL ||
        hor_core_outcome_state(report->outcome, &state) < 0)
        return;
    struct hor_core_ending *ending = calloc(1, sizeof *ending);
    if (ending == NULL)
        return; /* then it is seen when it is applied */
    ending->state = state;
    ending->exit_code = report->exit_code;
    ending->signal = report->signal;
    ending->ended_at = report->ended_at != HOR_EVENT_NONE ? report->ended_at : report->at_us;
    ending->final = node->killing;
    ending->cause = hor_strdup(report->cause);
    if ((ending->cause == NULL && report->cause != NULL) ||
        hor_arguments_copy(&ending->outputs, &report->arguments) < 0) {
        ending_free(ending);
        return;
    }
    node->ending = ending;
    core->members[node->member].ending++;
    hor_core_order_touch(core, node->order);
}

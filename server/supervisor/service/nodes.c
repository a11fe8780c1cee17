#include "server/supervisor/service/nodes.h"

#include <stdlib.h>
#include <string.h>

#include "server/supervisor/service/layout.h"

struct t__Node *service_nodes_find(const struct service_nodes *nodes, const char *id)
{
    for (int i = 0; i < nodes->count; i++)
        if (strcmp(nodes->items[i].id, id) == 0)
            return &nodes->items[i];
    return NULL;
}

static struct t__Node *find_or_add(struct service_nodes *nodes, const char *id)
{
    struct t__Node *node = service_nodes_find(nodes, id);
    if (node != NULL)
        return node;
    node = SERVICE_ADD(nodes->soap, &nodes->items, &nodes->count);
    if (node == NULL)
        return NULL;
    *node = (struct t__Node){.id = hor_soap_string(nodes->soap, id),
                             .state = hor_soap_string(nodes->soap, "waiting")};
    return node->id != NULL && node->state != NULL ? node : NULL;
}

int service_edge_words(struct soap *soap, const struct hor_edge *edge, char **ret)
{
    static const struct {
        unsigned bit;
        const char *word;
    } words[] = {{HOR_ON_SUCCESS, "success"},
                 {HOR_ON_WARNING, "warning"},
                 {HOR_ON_FAILURE, "failure"},
                 {HOR_ON_SKIPPED, "skipped"}};
    struct hor_buf text = HOR_BUF_INIT;
    *ret = NULL;
    if (edge->plain)
        return HOR_OK;
    if (edge->on == HOR_ON_ANY) {
        hor_buf_puts(&text, "any");
    } else {
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if ((edge->on & words[i].bit) != 0)
                hor_buf_printf(&text, "%s%s", text.len > 0 ? " " : "", words[i].word);
        for (size_t i = 0; i < edge->codes.count; i++) {
            const struct hor_code_range *range = &edge->codes.items[i];
            hor_buf_printf(&text, "%s%d", text.len > 0 ? " " : "", range->from);
            if (range->to != range->from)
                hor_buf_printf(&text, "-%d", range->to);
        }
    }
    *ret = hor_soap_string(soap, hor_buf_text(&text));
    hor_buf_done(&text);
    return *ret != NULL ? HOR_OK : HOR_ERR_MEMORY;
}

static int add_edges(struct soap *soap, const struct hor_chain *chain, const struct hor_node *from,
                     struct t__Node *to)
{
    for (size_t e = 0; e < from->edge_count; e++) {
        struct t__After *after = SERVICE_ADD(soap, &to->after, &to->__sizeafter);
        if (after == NULL ||
            (after->node = hor_soap_string(soap, chain->nodes[from->edges[e].from].id)) == NULL ||
            service_edge_words(soap, &from->edges[e], &after->on) != HOR_OK)
            return HOR_ERR_MEMORY;
    }
    return HOR_OK;
}

int service_nodes_from_chain(struct service_nodes *nodes, const struct hor_chain *chain)
{
    int *columns = calloc(chain->node_count + 1, sizeof *columns);
    int *rows = calloc(chain->node_count + 1, sizeof *rows);
    int rc = columns != NULL && rows != NULL ? hor_layout(chain, columns, rows) : HOR_ERR_MEMORY;
    for (size_t i = 0; rc == HOR_OK && i < chain->node_count; i++) {
        const struct hor_node *from = &chain->nodes[i];
        struct t__Node *node = find_or_add(nodes, from->id);
        rc = node != NULL ? add_edges(nodes->soap, chain, from, node) : HOR_ERR_MEMORY;
        if (rc != HOR_OK)
            break;
        node->job = hor_soap_string(nodes->soap, from->job_path);
        node->title = hor_soap_string(nodes->soap, from->title);
        node->column = hor_soap_int(nodes->soap, columns[i]);
        node->row = hor_soap_int(nodes->soap, rows[i]);
        if (node->column == NULL || node->row == NULL)
            rc = HOR_ERR_MEMORY;
    }
    free(columns);
    free(rows);
    return rc;
}

static void clear(struct t__Node *node)
{
    node->attempt = NULL;
    node->agent = node->task = node->cause = NULL;
    node->startedAt = node->endedAt = NULL;
    node->exitCode = NULL;
}

static const char *state_of_outcome(const char *outcome)
{
    if (outcome == NULL)
        return "waiting"; /* it is run again elsewhere */
    return strcmp(outcome, "success") == 0   ? "succeeded"
           : strcmp(outcome, "warning") == 0 ? "warned"
           : strcmp(outcome, "skipped") == 0 ? "skipped"
                                             : "failed";
}

/* A node waits for something, or runs on another cluster. The Master's answer and the agents' taking
 * it in are both events: the second changes nothing. */
static const char *apply_dependency(struct soap *soap, const struct hor_event *event,
                                    struct t__Node *node)
{
    bool away = event->count == 0, asked = event->type == HOR_EVENT_DEPENDENCY_REQUESTED;
    const char *text = hor_soap_string(soap, event->cause);
    if (!away) {
        if (asked && node->cause == NULL)
            node->cause = hor_soap_string(soap, "waits for what it requires");
        return NULL;
    }
    if (text != NULL)
        node->cause = (char *)text;
    if (asked) {
        clear(node);
        node->startedAt = service_long(soap, event->at_us);
        return "running";
    }
    if (event->outcome == NULL || strcmp(event->outcome, "waiting") == 0)
        return NULL;
    node->endedAt = service_long(soap, event->at_us);
    node->exitCode = hor_soap_int(soap, event->exit_code);
    return state_of_outcome(event->outcome);
}

int service_nodes_apply(struct service_nodes *nodes, const struct hor_event *event)
{
    struct soap *soap = nodes->soap;
    if (event->node == NULL || event->type == HOR_EVENT_COMMAND_RECEIVED ||
        event->type == HOR_EVENT_COMMAND_DONE || event->type == HOR_EVENT_ORDER_RESUMED ||
        event->type == HOR_EVENT_ORDER_FAILED)
        return HOR_OK;
    struct t__Node *node = find_or_add(nodes, event->node);
    const char *state = NULL;
    if (node == NULL)
        return HOR_ERR_MEMORY;
    switch (event->type) {
    case HOR_EVENT_TASK_ASSIGNED:
        clear(node);
        state = "assigned";
        node->attempt = hor_soap_int(soap, event->attempt);
        node->agent = hor_soap_string(soap, event->agent);
        node->task = hor_soap_string(soap, event->task);
        break;
    case HOR_EVENT_TASK_STARTED:
        state = "running";
        node->startedAt = service_long(soap, event->started_at != HOR_EVENT_NONE ? event->started_at
                                                                                 : event->at_us);
        break;
    case HOR_EVENT_TASK_ENDED:
        state = state_of_outcome(event->outcome);
        node->endedAt =
            service_long(soap, event->ended_at != HOR_EVENT_NONE ? event->ended_at : event->at_us);
        if (event->started_at != HOR_EVENT_NONE)
            node->startedAt = service_long(soap, event->started_at);
        node->exitCode = hor_soap_int(soap, event->exit_code);
        node->cause = hor_soap_string(soap, event->cause);
        break;
    case HOR_EVENT_TASK_IN_DOUBT:
        state = "inDoubt";
        node->cause = hor_soap_string(soap, event->cause);
        break;
    case HOR_EVENT_NODE_SKIPPED:
        state = "skipped";
        node->endedAt = service_long(soap, event->at_us);
        node->cause = hor_soap_string(soap, event->cause);
        break;
    case HOR_EVENT_NODE_SET:
        state = state_of_outcome(event->outcome);
        node->endedAt = service_long(soap, event->at_us);
        node->cause = hor_soap_string(soap, event->reason != NULL ? event->reason : event->cause);
        break;
    case HOR_EVENT_NODE_SPREAD:
        clear(node);
        state = "running";
        node->startedAt = service_long(soap, event->at_us);
        break;
    case HOR_EVENT_NODE_RESET:
        clear(node);
        state = "waiting";
        break;
    case HOR_EVENT_RETRY_SCHEDULED:
        state = "retrying";
        break;
    case HOR_EVENT_NODE_WAITING:
        node->cause = hor_soap_string(soap, event->cause);
        break;
    case HOR_EVENT_DEPENDENCY_REQUESTED:
    case HOR_EVENT_DEPENDENCY_RESOLVED:
        state = apply_dependency(soap, event, node);
        break;
    default:
        break;
    }
    if (state != NULL && (node->state = hor_soap_string(soap, state)) == NULL)
        return HOR_ERR_MEMORY;
    return HOR_OK;
}

int service_nodes_live(struct service_nodes *nodes, const struct t__Node *live, int count)
{
    struct soap *soap = nodes->soap;
    for (int i = 0; i < count; i++) {
        struct t__Node *node = find_or_add(nodes, live[i].id);
        if (node == NULL || (node->state = hor_soap_string(soap, live[i].state)) == NULL)
            return HOR_ERR_MEMORY;
        if (live[i].attempt != NULL)
            node->attempt = hor_soap_int(soap, *live[i].attempt);
        if (live[i].agent != NULL)
            node->agent = hor_soap_string(soap, live[i].agent);
        if (live[i].task != NULL)
            node->task = hor_soap_string(soap, live[i].task);
        if (live[i].startedAt != NULL)
            node->startedAt = service_long(soap, *live[i].startedAt);
        if (live[i].endedAt != NULL)
            node->endedAt = service_long(soap, *live[i].endedAt);
        if (live[i].cause != NULL)
            node->cause = hor_soap_string(soap, live[i].cause);
    }
    return HOR_OK;
}

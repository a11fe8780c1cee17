#include <stdlib.h>
#include <string.h>

#include "lib/config/builder.h"

static bool chain_knows(const char *variable, void *ctx)
{
    const struct hor_builder *b = ctx;
    return strcmp(variable, "order") == 0 || strcmp(variable, "plan") == 0 ||
           strcmp(variable, "nodes") == 0 ||
           hor_parameter_find(b->chain->parameters, b->chain->parameter_count, variable) != NULL;
}

static const char *const on_failures[] = {"stop", "suspend", "continue", "end", NULL};

void hor_chain_begin(struct hor_builder *b, hor_attributes *a)
{
    static const char *const overlaps[] = {"queue", "queueOne", "skip", "allow", "cancelOther",
                                           NULL};
    struct hor_chain *chain = b->chain;
    chain->cluster_path = hor_builder_reference(b, a, "agentCluster");
    chain->overlap = (enum hor_overlap)hor_builder_choice(a, "overlap", overlaps, 0);
    chain->max_orders =
        (int)hor_builder_int(b, a, "maxOrders", chain->overlap == HOR_OVERLAP_ALLOW ? 0 : 1);
    chain->on_failure = (enum hor_on_failure)hor_builder_choice(a, "onFailure", on_failures, 0);
    chain->priority = (int)hor_builder_int(b, a, "priority", 0);
    b->pending_count = 0;
    b->same_agent = NULL;
}

static void refuse_some(struct hor_builder *b, hor_attributes *a)
{
    static const char *const later[] = {"chain", "forEach", "as", "maxParallel"};
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++) {
        char what[60] = "the attribute ";
        if (hor_builder_has(a, later[i]))
            hor_builder_refuse(b, strcat(what, later[i]));
    }
}

/* Where a node runs can be said in one way only. */
static void check_place(struct hor_builder *b, hor_attributes *a)
{
    static const char *const ways[][2] = {{"everyAgent", "agent"},
                                          {"everyAgent", "sameAgentAs"},
                                          {"everyAgent", "agentCluster"},
                                          {"sameAgentAs", "agentCluster"},
                                          {"sameAgentAs", "agent"}};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (hor_builder_has(a, ways[i][0]) && hor_builder_has(a, ways[i][1]))
            hor_builder_problem(b, "leave one of them out", "%s and %s exclude each other",
                                ways[i][0], ways[i][1]);
}

static void read_node(struct hor_builder *b, hor_attributes *a)
{
    struct hor_chain *chain = b->chain;
    refuse_some(b, a);
    check_place(b, a);
    size_t nodes = chain->node_count;
    const char **same = HOR_ADD(b, b->same_agent, nodes);
    struct hor_node *node = HOR_ADD(b, chain->nodes, chain->node_count);
    if (node == NULL || same == NULL)
        return;
    *same = hor_builder_text(b, a, "sameAgentAs");
    node->id = hor_builder_text(b, a, "id");
    node->title = hor_builder_text(b, a, "title");
    node->line = b->line;
    node->job_path = hor_builder_reference(b, a, "job");
    node->join_any = hor_xml_attribute_of(a, "join") != NULL &&
                     strcmp(hor_xml_attribute_of(a, "join"), "any") == 0;
    node->when = hor_builder_text(b, a, "when");
    node->on_failure =
        (enum hor_on_failure)hor_builder_choice(a, "onFailure", on_failures, chain->on_failure);
    node->agent = hor_builder_text(b, a, "agent");
    node->same_agent_as = HOR_NODE_NONE;
    node->every_agent = hor_builder_bool(a, "everyAgent");
    node->cluster_path = hor_builder_reference(b, a, "agentCluster");
    b->at_start = false;
    hor_builder_check_xpath(b, node->when, chain_knows);
    if (node->job_path == NULL && !hor_builder_has(a, "chain"))
        hor_builder_problem(b, "add job=\"NAME\"", "the node has no job");
}

void hor_builder_on(struct hor_builder *b, const char *text, unsigned *ret_on,
                    struct hor_codes *ret_codes)
{
    static const struct {
        const char *name;
        unsigned on;
    } names[] = {{"success", HOR_ON_SUCCESS},
                 {"warning", HOR_ON_WARNING},
                 {"failure", HOR_ON_FAILURE},
                 {"skipped", HOR_ON_SKIPPED},
                 {"any", HOR_ON_ANY}};
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        size_t len = strcspn(text, " ");
        char word[32] = "";
        if (len < sizeof word)
            memcpy(word, text, len);
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strcmp(names[i].name, word) == 0)
                *ret_on |= names[i].on;
        hor_builder_codes(b, word, ret_codes); /* adds nothing for a name */
        text += len;
    }
}

static void read_after(struct hor_builder *b, hor_attributes *a)
{
    struct hor_chain *chain = b->chain;
    if (chain->node_count == 0)
        return;
    struct hor_node *node = &chain->nodes[chain->node_count - 1];
    if (b->pending_count == b->pending_capacity) {
        size_t capacity = b->pending_capacity == 0 ? 64 : 2 * b->pending_capacity;
        struct hor_pending_edge *items = realloc(b->pending, capacity * sizeof *items);
        if (items == NULL) {
            b->code = HOR_ERR_MEMORY;
            return;
        }
        b->pending = items;
        b->pending_capacity = capacity;
    }
    struct hor_edge *edge = HOR_ADD(b, node->edges, node->edge_count);
    if (edge == NULL)
        return;
    const char *on = hor_xml_attribute_of(a, "on");
    *edge = (struct hor_edge){.from = HOR_NODE_NONE, .plain = on == NULL};
    if (on == NULL)
        edge->on = HOR_ON_SUCCESS | HOR_ON_WARNING;
    else
        hor_builder_on(b, on, &edge->on, &edge->codes);
    b->pending[b->pending_count++] =
        (struct hor_pending_edge){.node = chain->node_count - 1,
                                  .edge = node->edge_count - 1,
                                  .from = hor_builder_text(b, a, "node"),
                                  .line = b->line};
}

void hor_chain_start(struct hor_builder *b, const char *name, hor_attributes *a)
{
    struct hor_chain *chain = b->chain;
    if (strcmp(name, "parameter") == 0)
        hor_builder_parameter(b, a, &chain->parameters, &chain->parameter_count, chain_knows);
    else if (strcmp(name, "node") == 0)
        read_node(b, a);
    else if (strcmp(name, "after") == 0)
        read_after(b, a);
    else if (strcmp(name, "atStart") == 0 && chain->node_count > 0)
        b->at_start = true;
    else if (strcmp(name, "argument") == 0)
        b->name = hor_builder_text(b, a, "name");
    else
        hor_requires_start(b, name, a, chain_knows);
}

/* A node that names no predecessor follows the one above it. */
static void end_node(struct hor_builder *b)
{
    struct hor_chain *chain = b->chain;
    if (chain->node_count == 0)
        return;
    struct hor_node *node = &chain->nodes[chain->node_count - 1];
    if (node->edge_count > 0 || b->at_start || chain->node_count == 1)
        return;
    struct hor_edge *edge = HOR_ADD(b, node->edges, node->edge_count);
    if (edge != NULL)
        *edge = (struct hor_edge){.from = chain->node_count - 2,
                                  .on = HOR_ON_SUCCESS | HOR_ON_WARNING,
                                  .plain = true};
}

void hor_chain_end(struct hor_builder *b, const char *name)
{
    struct hor_chain *chain = b->chain;
    if (strcmp(name, "node") == 0) {
        end_node(b);
    } else if (strcmp(name, "argument") == 0 && chain->node_count > 0) {
        struct hor_node *node = &chain->nodes[chain->node_count - 1];
        hor_builder_named(b, &node->arguments, &node->argument_count, chain_knows);
    }
}

/* Nodes by id: chains may have thousands. */
static struct hor_map *index_nodes(struct hor_builder *b)
{
    struct hor_chain *chain = b->chain;
    struct hor_map *index = hor_map_new(NULL);
    for (size_t i = 0; index != NULL && i < chain->node_count; i++) {
        struct hor_node *node = &chain->nodes[i];
        if (node->id == NULL)
            continue;
        if (hor_map_get(index, node->id) != NULL) {
            b->line = node->line;
            hor_builder_problem(b, "give each node its own id", "node '%s' stands twice", node->id);
        } else if (hor_map_put(index, node->id, node) != HOR_OK) {
            hor_map_free(index);
            return NULL;
        }
    }
    return index;
}

static void resolve_edges(struct hor_builder *b, const struct hor_map *index)
{
    struct hor_chain *chain = b->chain;
    for (size_t i = 0; i < b->pending_count; i++) {
        const struct hor_pending_edge *pending = &b->pending[i];
        if (pending->from == NULL)
            continue;
        struct hor_node *node = &chain->nodes[pending->node];
        const struct hor_node *from = hor_map_get(index, pending->from);
        b->line = pending->line;
        if (from == NULL) {
            hor_builder_problem(b, "name a node of this chain", "unknown node '%s'", pending->from);
            continue;
        }
        size_t at = (size_t)(from - chain->nodes);
        for (size_t k = 0; k < pending->edge; k++)
            if (node->edges[k].from == at)
                hor_builder_problem(b, "put all outcomes into one on=\"...\"",
                                    "node '%s' is named twice as predecessor of '%s'",
                                    pending->from, node->id);
        node->edges[pending->edge].from = at;
    }
    for (size_t i = 0; i < chain->node_count && b->same_agent != NULL; i++) {
        const struct hor_node *other =
            b->same_agent[i] == NULL ? NULL : hor_map_get(index, b->same_agent[i]);
        b->line = chain->nodes[i].line;
        if (other != NULL && other != &chain->nodes[i])
            chain->nodes[i].same_agent_as = (size_t)(other - chain->nodes);
        else if (b->same_agent[i] != NULL)
            hor_builder_problem(b, "name another node of this chain",
                                "sameAgentAs='%s' is no other node", b->same_agent[i]);
    }
}

/* What is left when nodes without predecessors are taken away again and again holds a cycle: goes
 * back from any of it until a node comes again. */
static void tell_cycle(struct hor_builder *b, const size_t *missing)
{
    struct hor_chain *chain = b->chain;
    size_t at = 0;
    while (missing[at] == 0)
        at++;
    /* after as many steps as there are nodes, the walk is on the cycle */
    size_t walked = 0, first = HOR_NODE_NONE;
    struct hor_buf text = HOR_BUF_INIT;
    for (;; walked++) {
        if (walked >= chain->node_count) {
            if (first == HOR_NODE_NONE) {
                first = at;
                hor_buf_puts(&text, chain->nodes[at].id);
            } else {
                hor_buf_printf(&text, " after %s", chain->nodes[at].id);
                if (at == first)
                    break;
            }
        }
        const struct hor_node *node = &chain->nodes[at];
        for (size_t i = 0; i < node->edge_count; i++)
            if (node->edges[i].from != HOR_NODE_NONE && missing[node->edges[i].from] > 0) {
                at = node->edges[i].from;
                break;
            }
    }
    b->line = chain->nodes[first].line;
    hor_builder_problem(b, "take one of these <after> out", "the nodes form a cycle: %s",
                        hor_buf_text(&text));
    hor_buf_done(&text);
}

/* chain->order by Kahn's algorithm, nodes in the order of the document where there is a choice. */
static void sort_nodes(struct hor_builder *b)
{
    struct hor_chain *chain = b->chain;
    size_t count = chain->node_count, done = 0;
    size_t *missing = calloc(count, sizeof *missing);  /* predecessors not taken yet */
    size_t *starts = calloc(count + 1, sizeof *starts); /* of each node's followers */
    size_t edges = 0;
    for (size_t i = 0; i < count; i++)
        edges += chain->nodes[i].edge_count;
    size_t *followers = calloc(edges + 1, sizeof *followers);
    chain->order = hor_arena_alloc(b->arena, count * sizeof *chain->order);
    if (missing == NULL || starts == NULL || followers == NULL || chain->order == NULL) {
        b->code = HOR_ERR_MEMORY;
        goto out;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < chain->nodes[i].edge_count; k++)
            if (chain->nodes[i].edges[k].from != HOR_NODE_NONE) {
                missing[i]++;
                starts[chain->nodes[i].edges[k].from + 1]++;
            }
    for (size_t i = 0; i < count; i++)
        starts[i + 1] += starts[i];
    size_t total = starts[count];
    for (size_t i = count; i-- > 0;) /* fills each node's place from its end */
        for (size_t k = 0; k < chain->nodes[i].edge_count; k++)
            if (chain->nodes[i].edges[k].from != HOR_NODE_NONE)
                followers[--starts[chain->nodes[i].edges[k].from + 1]] = i;
    /* now the followers of node i stand from starts[i + 1] to where the next node's begin */
    for (size_t i = 0; i < count; i++)
        if (missing[i] == 0)
            chain->order[done++] = i;
    for (size_t at = 0; at < done; at++) {
        size_t node = chain->order[at], end = node + 1 < count ? starts[node + 2] : total;
        for (size_t k = starts[node + 1]; k < end; k++)
            if (--missing[followers[k]] == 0)
                chain->order[done++] = followers[k];
    }
    if (done < count)
        tell_cycle(b, missing);
out:
    free(missing);
    free(starts);
    free(followers);
}

void hor_chain_finish(struct hor_builder *b)
{
    if (b->chain->node_count == 0)
        return; /* told by the schema */
    for (size_t i = 0; i < b->chain->node_count; i++)
        if (b->chain->nodes[i].id == NULL)
            return;
    struct hor_map *index = index_nodes(b);
    if (index == NULL) {
        b->code = HOR_ERR_MEMORY;
        return;
    }
    resolve_edges(b, index);
    hor_map_free(index);
    sort_nodes(b);
}

/* server/supervisor/service/nodes.h - the nodes of one order as they stand: the chain gives their
 * graph and places, the order's events their states, a live answer from where the order is
 * overrides both. In the memory of the call. */
#ifndef HOR_SUPERVISOR_SERVICE_NODES_H
#define HOR_SUPERVISOR_SERVICE_NODES_H

#include "lib/model/event.h"
#include "server/supervisor/service/convert.h"

struct service_nodes {
    struct soap *soap;
    struct t__Node *items;
    int count;
};

/* All nodes waiting, with edges, column and row. HOR_ERR_MEMORY. */
int service_nodes_from_chain(struct service_nodes *nodes, const struct hor_chain *chain);
/* Nodes that no chain gave are added: the release may be gone. HOR_ERR_MEMORY. */
int service_nodes_apply(struct service_nodes *nodes, const struct hor_event *event);
int service_nodes_live(struct service_nodes *nodes, const struct t__Node *live, int count);
struct t__Node *service_nodes_find(const struct service_nodes *nodes, const char *id);
/* What an edge releases on, in the words of the configuration; NULL for a plain one. */
int service_edge_words(struct soap *soap, const struct hor_edge *edge, char **ret);

#endif

#include "server/supervisor/service/layout.h"

#include <stdlib.h>

struct place {
    size_t node;
    double wish; /* mean row of the nodes before */
};

static int by_wish(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->wish != y->wish)
        return x->wish < y->wish ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node; /* as they are written */
}

static double mean_row(const struct hor_node *node, const int *rows)
{
    double sum = 0;
    for (size_t e = 0; e < node->edge_count; e++)
        sum += rows[node->edges[e].from];
    return node->edge_count > 0 ? sum / (double)node->edge_count : 0;
}

int hor_layout(const struct hor_chain *chain, int *columns, int *rows)
{
    int last = 0;
    struct place *places = calloc(chain->node_count + 1, sizeof *places);
    if (places == NULL)
        return HOR_ERR_MEMORY;
    for (size_t k = 0; k < chain->node_count; k++) {
        const struct hor_node *node = &chain->nodes[chain->order[k]];
        int column = 0;
        for (size_t e = 0; e < node->edge_count; e++)
            if (columns[node->edges[e].from] >= column)
                column = columns[node->edges[e].from] + 1;
        columns[chain->order[k]] = column;
        if (column > last)
            last = column;
    }
    for (int column = 0; column <= last; column++) {
        size_t count = 0;
        for (size_t i = 0; i < chain->node_count; i++)
            if (columns[i] == column)
                places[count++] = (struct place){i, mean_row(&chain->nodes[i], rows)};
        qsort(places, count, sizeof *places, by_wish);
        int next = 0;
        for (size_t p = 0; p < count; p++) {
            int row = (int)places[p].wish; /* beside its predecessor, but never two in one place */
            if (row < next)
                row = next;
            rows[places[p].node] = row;
            next = row + 1;
        }
    }
    free(places);
    return HOR_OK;
}

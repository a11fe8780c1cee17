/* server/supervisor/service/layout.h - where the nodes of a chain stand in a layered drawing: the
 * column is the longest way from a beginning, the row is near the mean of the nodes before. Pure.
 */
#ifndef HOR_SUPERVISOR_SERVICE_LAYOUT_H
#define HOR_SUPERVISOR_SERVICE_LAYOUT_H

#include "lib/base/error.h"
#include "lib/model/config.h"

/* Fills arrays of chain->node_count. HOR_ERR_MEMORY. */
int hor_layout(const struct hor_chain *chain, int *columns, int *rows);

#endif

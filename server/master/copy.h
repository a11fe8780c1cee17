/* server/master/copy.h - an agent cluster's answer into our own: gSOAP's structs belong to the context
 * that read them, so what is passed on is copied. Any thread. */
#ifndef HOR_SERVER_MASTER_COPY_H
#define HOR_SERVER_MASTER_COPY_H

#include <stdint.h>

#include "lib/soap/service.h"

/* NULL: out of memory. */
struct t__OrderState *hor_master_copy_order_state(struct soap *soap,
                                                  const struct t__OrderState *from);
struct t__LogRange *hor_master_copy_log_range(struct soap *soap, const struct t__LogRange *from);
void hor_master_copy_members(struct soap *soap, const struct t__Cluster *from,
                             struct t__Cluster *to);
/* Optional values; NULL gives NULL. */
ULONG64 *hor_master_copy_number(struct soap *soap, const ULONG64 *from);
LONG64 *hor_master_copy_long(struct soap *soap, const LONG64 *from);
int *hor_master_copy_int(struct soap *soap, const int *from);

#endif

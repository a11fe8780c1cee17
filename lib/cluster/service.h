/* lib/cluster/service.h - what the operations ClusterStatus and ChangeCluster do, alike for agent
 * clusters and Master clusters. Worker threads. */
#ifndef HOR_CLUSTER_SERVICE_H
#define HOR_CLUSTER_SERVICE_H

#include "lib/cluster/cluster.h"
#include "lib/soap/codec.h"

/* *ret lives as long as `soap`. HOR_ERR_BUSY: the program ends; HOR_ERR_MEMORY. */
int hor_cluster_soap_status(struct hor_loop *loop, struct hor_cluster *cluster, struct soap *soap,
                            struct t__ClusterStatus **ret, struct hor_error *err);
/* Waits until the change is committed. HOR_ERR_NOT_ACTIVE: this member does not lead;
 * HOR_ERR_INVALID, HOR_ERR_NOT_FOUND, HOR_ERR_STATE, HOR_ERR_BUSY as lib/cluster/cluster.h says;
 * HOR_ERR_TIMEOUT: what became of it is not known. */
int hor_cluster_soap_change(struct hor_loop *loop, struct hor_cluster *cluster,
                            const struct t__ClusterChange *change, uint64_t *ret_id,
                            struct hor_error *err);

#endif

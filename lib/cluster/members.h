/* lib/cluster/members.h - the members of a cluster as a journal's <configuration> element:
 *   <configuration><member id="1" name="a1" url="https://.." role="voter"/></configuration>
 * (witness="true" where it is one). Any thread. */
#ifndef HOR_CLUSTER_MEMBERS_H
#define HOR_CLUSTER_MEMBERS_H

#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/cluster/cluster.h"
#include "lib/raft/consensus.h"

/* Every member votes at first. */
void hor_members_write(const struct hor_cluster_member *members, unsigned count,
                       struct hor_buf *out);
/* HOR_ERR_INVALID, HOR_ERR_LIMIT. */
int hor_members_read(const char *xml, size_t len, struct hor_raft_configuration *ret,
                     struct hor_error *err);

#endif

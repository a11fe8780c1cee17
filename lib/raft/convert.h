/* lib/raft/convert.h - between our plain structs and libraft's. For lib/raft only. */
#ifndef HOR_RAFT_CONVERT_H
#define HOR_RAFT_CONVERT_H

#include <raft.h>

#include "lib/raft/consensus.h"

/* "out" goes to the library (its allocator, so that it may free), "in" comes from it. */
int hor_raft_configuration_out(const struct hor_raft_configuration *from,
                               struct raft_configuration *ret, struct hor_error *err);
void hor_raft_configuration_in(const struct raft_configuration *from,
                               struct hor_raft_configuration *ret);
int hor_raft_metadata_out(const struct hor_raft_snapshot *from, struct raft_snapshot_metadata *ret,
                          struct hor_error *err);
/* An array whose entries share one batch, entries[0].batch, as the library wants to free it. */
int hor_raft_entries_out(const struct hor_raft_entry *from, unsigned count,
                         struct raft_entry **ret, struct hor_error *err);
void hor_raft_entries_free(struct raft_entry *entries); /* batch too; accepts NULL */
int hor_raft_message_out(const struct raft_message *from, struct hor_raft_message *ret);
int hor_raft_message_in(const struct hor_raft_message *from, struct raft_message *ret,
                        struct hor_error *err);
/* The role of a member, or -1 when it is none. */
int hor_raft_member_role(const struct hor_raft_configuration *configuration, uint64_t id);

#endif

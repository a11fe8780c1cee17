/* lib/cluster/members.h - the members of a cluster as a journal's <configuration> element:
 *   <configuration highest="4"><member id="1" name="a1" url="https://.." role="voter" folder="9f.."/>
 *   </configuration>
 * witness="true" where it is one, priority and maxTasks where a member joined with them. `folder` is
 * the identity of the member's recovery files: another one under the same id has forgotten whom it
 * voted for. `highest` is the highest id ever given; ids are not used again. Any thread. */
#ifndef HOR_CLUSTER_MEMBERS_H
#define HOR_CLUSTER_MEMBERS_H

#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/cluster/cluster.h"
#include "lib/raft/consensus.h"

enum { HOR_MEMBER_NAME_BYTES = 256, HOR_MEMBER_URL_BYTES = 512, HOR_MEMBER_FOLDER_BYTES = 40 };

struct hor_member {
    uint64_t id;
    enum hor_raft_role role;
    bool witness;
    int priority, max_tasks; /* 0: not said */
    char name[HOR_MEMBER_NAME_BYTES], url[HOR_MEMBER_URL_BYTES], folder[HOR_MEMBER_FOLDER_BYTES];
};

struct hor_members {
    struct hor_member list[HOR_RAFT_MEMBERS_MAX];
    unsigned count;
    uint64_t highest;
};

/* The settings' members; every one votes. HOR_ERR_LIMIT, HOR_ERR_INVALID (two with one id). */
int hor_members_from(const struct hor_cluster_member *members, unsigned count,
                     struct hor_members *ret, struct hor_error *err);
void hor_members_write(const struct hor_members *members, struct hor_buf *out);
/* Whatever stands around the members is skipped. HOR_ERR_INVALID, HOR_ERR_LIMIT. */
int hor_members_read(const char *xml, size_t len, struct hor_members *ret, struct hor_error *err);
/* Ids and roles only. */
int hor_members_read_raft(const char *xml, size_t len, struct hor_raft_configuration *ret,
                          struct hor_error *err);
void hor_members_to_raft(const struct hor_members *members, struct hor_raft_configuration *ret);

struct hor_member *hor_members_find(const struct hor_members *members, uint64_t id); /* or NULL */
/* The newest one of this name, or NULL. */
struct hor_member *hor_members_named(const struct hor_members *members, const char *name);
/* As programs see it; strings point into `member`. */
struct hor_cluster_member hor_members_view(const struct hor_member *member);

#endif

/* lib/cluster/join.h - before a member takes part: does its folder know who it is, or is it new, and
 * the cluster not? A new folder must not vote under an id that others count on: its member asks them,
 * and joins with what they say. Blocking, at start. */
#ifndef HOR_CLUSTER_JOIN_H
#define HOR_CLUSTER_JOIN_H

#include "lib/cluster/cluster.h"

struct hor_http_client;

struct hor_cluster_join {
    const char *service; /* "agent" or "master": whose operations are called */
    struct hor_http_client *http; /* NULL: there is nobody to ask */
    const char *cluster, *directory;
    const char *name, *url; /* own */
    const struct hor_cluster_member *members; /* as the settings name them */
    unsigned member_count;
};

struct hor_cluster_joined { /* for hor_cluster_settings */
    uint64_t self, incarnation;
    bool joins;
    struct hor_cluster_member *members; /* NULL: the settings' ones */
    unsigned member_count;
    void *owned;
    char note[600]; /* for the log; "": nothing to tell */
};

/* HOR_ERR_UNREACHABLE: it has to join, and no member answers; HOR_ERR_STATE: the cluster does not
 * know it: somebody has to add it. */
int hor_cluster_join(const struct hor_cluster_join *join, uint64_t self,
                     struct hor_cluster_joined *ret, struct hor_error *err);
void hor_cluster_joined_done(struct hor_cluster_joined *joined);

#endif

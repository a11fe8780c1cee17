/* lib/cluster/private.h - what the files of lib/cluster share: cluster.c (opening, settling),
 * submit.c, apply.c, peers.c (messages and snapshots between members), read.c. */
#ifndef HOR_CLUSTER_PRIVATE_H
#define HOR_CLUSTER_PRIVATE_H

#include <stdatomic.h>

#include "lib/cluster/cluster.h"
#include "lib/cluster/exchange.h"
#include "lib/cluster/members.h"
#include "lib/cluster/tail.h"
#include "lib/journal/journal.h"
#include "lib/raft/consensus.h"

enum {
    HOR_CLUSTER_TAIL_COUNT = 4096,          /* applied entries kept in memory, */
    HOR_CLUSTER_TAIL_BYTES = 4 << 20,       /* and their bytes */
    HOR_CLUSTER_TRAILING = 8192,            /* entries kept for slow members before a snapshot */
    HOR_CLUSTER_QUEUE_COUNT = 65536,        /* submitted, not yet given to consensus */
    HOR_CLUSTER_QUEUE_BYTES = 64 << 20,
    HOR_CLUSTER_EXCHANGE_BYTES = 512 << 10, /* a message is split around here */
    HOR_CLUSTER_PART_BYTES = 256 << 10,     /* of a snapshot */
    HOR_CLUSTER_PART_WAIT_MS = 2000,
    HOR_CLUSTER_PEERS = 2 * HOR_RAFT_MEMBERS_MAX,
    HOR_CLUSTER_CHANGE_MS = 15000,          /* a change that cannot be made is given up after that */
};

/* One submit: waits until its last entry was applied. */
struct hor_request {
    struct hor_request *next;
    struct hor_tail_entry *entries; /* not yet appended: [appended, count) */
    size_t count, appended;
    uint64_t last_index; /* known when all are appended */
    hor_cluster_done_fn *done;
    void *ctx;
};

struct hor_requests {
    struct hor_request *first, **last;
};

struct hor_peer {
    uint64_t id;
    char folder[HOR_MEMBER_FOLDER_BYTES]; /* as it says; "": not heard yet */
    bool leaves; /* nobody counts it any more */
    struct hor_buf outbox; /* an exchange that is not closed yet; empty: none */
    uint64_t heard;        /* the newest time of its clock that came from it: sent back as echo */
    uint64_t followed_ms;  /* own clock: it certainly followed this leader then; 0: not known */
    /* a snapshot on its way there */
    int snapshot_fd; /* -1: none */
    struct hor_raft_message snapshot;
    uint64_t offset, size;
    int64_t sent_ms;
};

struct hor_cluster {
    struct hor_loop *loop;
    struct hor_cluster_ops own_ops;
    const struct hor_cluster_ops *ops; /* own_ops: the caller's may go */
    void *ctx;
    char *name;
    char *own_name;
    uint64_t self, incarnation;
    bool witness;
    struct hor_members members; /* as applied; at first as the settings name them */
    struct hor_members newest;  /* of the log: perhaps not committed yet */
    uint64_t newest_index;
    uint64_t snapshot_every;
    unsigned trailing; /* entries kept before a snapshot for slow members */

    struct hor_raft *raft;
    struct hor_journal *journal;
    struct hor_timer *timer;
    struct hor_tail tail;
    struct hor_peer *peers; /* room for HOR_CLUSTER_PEERS: they do not move but in hor_cluster_tidy */
    unsigned peer_count;
    bool unsettled; /* the members are not all as they should be: see hor_cluster_change_members */
    struct hor_change *change; /* of a person, waiting to be made or committed; NULL: none */

    /* consensus as it last spoke */
    uint64_t commit; /* highest that is known committed */
    bool raft_leader;
    uint64_t leader_id, term;
    uint64_t ready_index; /* a leader decides once this was applied */
    unsigned passes;      /* a witness's attempts: another member each time */
    bool lost;            /* leadership was lost: what was submitted has an unknown outcome */

    /* as told to the program */
    bool told_leader;
    uint64_t told_leader_id, told_term;

    /* state */
    uint64_t applied;
    char run_id[HOR_JOURNAL_RUN_BYTES];
    bool founding; /* clusterStarted is on its way */
    struct hor_buf configuration; /* committed, as XML */
    struct hor_raft_configuration configured;
    uint64_t configuration_index;

    /* submits */
    struct hor_requests waiting, inflight;
    size_t queued_count, queued_bytes;
    uint64_t echo, speaker; /* of the exchange that is being read; speaker 0: not known */
    struct hor_tail_entry **incoming; /* entries of the event that consensus works on */
    size_t incoming_count;

    /* snapshots */
    uint64_t snapshot_index; /* the newest durable one */
    uint64_t snapshot_asked; /* under way; 0: none */
    struct hor_raft_snapshot taking;
    uint64_t released;
    struct hor_raft_snapshot installing; /* index 0: none */
    char staged[4096];                   /* file of a snapshot that was received whole */
    int staging_fd;                      /* one being received; -1: none */
    uint64_t staging_index, staging_term, staging_offset, staging_size;

    bool replaced; /* the state came from a snapshot: the program is to look at it */
    bool settling, again, failed, no_room, flush_posted;
    const char *disowned; /* why the cluster does not count on this folder; NULL: it does */

    atomic_bool closing;
    atomic_bool notified; /* a post of the writer is on its way */
    atomic_int references;
};

void hor_cluster_fail(struct hor_cluster *cluster, const struct hor_error *err);
/* Does whatever the last events made possible: apply, answer, tell, snapshot, submit, send. */
void hor_cluster_settle(struct hor_cluster *cluster);
int64_t hor_cluster_now(void);
void hor_cluster_unref(struct hor_cluster *cluster);

/* submit.c */
void hor_requests_init(struct hor_requests *list);
void hor_requests_push(struct hor_requests *list, struct hor_request *request);
struct hor_request *hor_requests_pop(struct hor_requests *list);
void hor_requests_fail(struct hor_cluster *cluster, int code); /* all of them */
int hor_cluster_feed(struct hor_cluster *cluster, struct hor_error *err);
void hor_cluster_answer(struct hor_cluster *cluster);
int hor_cluster_found(struct hor_cluster *cluster, struct hor_error *err);

/* apply.c */
int hor_cluster_apply_entry(struct hor_cluster *cluster, const struct hor_journal_entry *entry,
                            struct hor_event *take_event, struct hor_error *err);
int hor_cluster_apply_committed(struct hor_cluster *cluster, bool *ret_any, struct hor_error *err);
void hor_cluster_maybe_snapshot(struct hor_cluster *cluster);
int hor_cluster_restore(struct hor_cluster *cluster, const struct hor_journal_snapshot *snapshot,
                        struct hor_error *err);
void hor_cluster_tidy(struct hor_cluster *cluster); /* segments and memory nobody needs */

/* change.c */
/* A list of members came into the log, or was found there: whom it names can be spoken to. */
int hor_cluster_learn(struct hor_cluster *cluster, const char *xml, size_t len, uint64_t index,
                      struct hor_error *err);
void hor_cluster_roster(struct hor_cluster *cluster, const struct hor_members *members);
/* Leader: makes what is to be changed, one after the other. */
int hor_cluster_change_members(struct hor_cluster *cluster, struct hor_error *err);
/* Somebody waits for a vote, is replaced, or has a folder that is not known yet. */
bool hor_cluster_is_unsettled(const struct hor_members *members);
void hor_cluster_change_lost(struct hor_cluster *cluster, int code, const char *text);
void hor_cluster_tell_members(struct hor_cluster *cluster);

/* peers.c */
struct hor_peer *hor_cluster_peer(const struct hor_cluster *cluster, uint64_t id); /* or NULL */
/* Adds it if it is new; NULL: too many. */
struct hor_peer *hor_cluster_add_peer(struct hor_cluster *cluster, uint64_t id);
int64_t hor_cluster_majority_ms(const struct hor_cluster *cluster);
/* A member that has nothing but its first entry, and never voted. */
bool hor_cluster_is_fresh(const struct hor_cluster *cluster);
void hor_cluster_send(const struct hor_raft_message *message, void *ctx);
void hor_cluster_flush(struct hor_cluster *cluster);
void hor_cluster_resend_parts(struct hor_cluster *cluster);
void hor_peer_done(struct hor_peer *peer);
void hor_cluster_drop_staging(struct hor_cluster *cluster);

#endif

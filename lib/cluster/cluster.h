/* lib/cluster/cluster.h - a replicated journal: events go in, and come out committed, in the same
 * order on every member. Used by Agent clusters and Master clusters alike; a cluster of one member
 * is the same code with one vote. lib/raft decides, lib/journal keeps, the transport carries.
 * Everything runs on the loop's thread, except where it says otherwise. */
#ifndef HOR_CLUSTER_CLUSTER_H
#define HOR_CLUSTER_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/loop/loop.h"
#include "lib/model/event.h"

struct hor_cluster;

struct hor_cluster_member {
    uint64_t id;      /* 1.. */
    const char *name; /* the certificate's common name */
    const char *url;
    bool witness; /* votes and stores, never leads for longer than a transfer takes */
    bool standby; /* gets everything, and its vote when it has caught up */
    int priority, max_tasks; /* with which it joined; 0: not said */
    const char *folder;      /* identity of its recovery files; NULL or "": not known yet */
};

struct hor_cluster_settings {
    const char *cluster;   /* path or name; stands in the journal */
    const char *directory; /* of the journal; created when missing */
    uint64_t self;
    const char *name; /* own; NULL: as `members` say */
    const struct hor_cluster_member *members; /* the first configuration; used when the journal is
                                                 new; the journal names the members after that */
    unsigned member_count;
    bool joins; /* the journal is new and the cluster is not: `self` is the id that it gave, and
                   `members` are those that it named, `incarnation` its own */
    uint64_t incarnation;
    int64_t heartbeat_ms, election_ms; /* 0: 100, 500 */
    uint64_t snapshot_every;           /* entries between snapshots; 0: 100,000 */
    size_t segment_bytes;              /* 0: 8 MiB */
};

struct hor_cluster_ops {
    /* A committed event, in order, once per run of the program (replay at start included). event
     * is borrowed; event->index and at_us are set. */
    void (*apply)(const struct hor_event *event, void *ctx);
    /* All events that one batch committed were applied, or a snapshot from the leader was
     * restored: time to decide and to act. May be NULL.
     * Not called for what hor_cluster_open replays. */
    void (*applied)(uint64_t index, void *ctx);
    /* Writes the complete state as one XML element; restore gets the same bytes. */
    int (*snapshot)(struct hor_buf *out, void *ctx);
    int (*restore)(const char *xml, size_t len, void *ctx, struct hor_error *err);
    /* Leadership changed; leader_id 0: none known. `leader` is told only when everything that was
     * committed before has been applied here: from then on this member decides. Never called
     * before hor_cluster_open has returned. */
    void (*role)(bool leader, uint64_t leader_id, uint64_t term, void *ctx);
    /* Sends a message to a member, fire and forget; NULL for a cluster of one. The exchange is one
     * xsd Exchange as hor_cluster_receive takes it. */
    void (*send)(uint64_t to, const char *exchange, size_t len, void *ctx);
    /* The members that the journal names, in order with the events, and before what a snapshot is
     * restored to. Borrowed. May be NULL. */
    void (*members)(const struct hor_cluster_member *members, unsigned count, void *ctx);
    /* A write failed or consensus reports an error: end the process, it is restarted. */
    void (*fatal)(const struct hor_error *err, void *ctx);
};

/* Opens (replaying: apply is called before it returns) and takes part. HOR_ERR_CORRUPT names file
 * and line and the way out; HOR_ERR_BUSY: another process uses the directory; HOR_ERR_INVALID: the
 * directory belongs to another cluster. */
int hor_cluster_open(struct hor_loop *loop, const struct hor_cluster_settings *settings,
                     const struct hor_cluster_ops *ops, void *ctx, struct hor_cluster **ret,
                     struct hor_error *err);
void hor_cluster_close(struct hor_cluster *cluster); /* waits for writes under way */

typedef void hor_cluster_done_fn(int code, uint64_t index, void *ctx);
/* Submits `count` events as consecutive entries; takes ownership of the events on success. `done`
 * (may be NULL) is called once, after the last one was applied (HOR_OK and its index), or with
 * HOR_ERR_NOT_ACTIVE when leadership was lost and the outcome is unknown. HOR_ERR_NOT_ACTIVE: not
 * the leader; HOR_ERR_BUSY: too much uncommitted or no room on the disk: nothing was taken. */
int hor_cluster_submit(struct hor_cluster *cluster, struct hor_event **events, size_t count,
                       hor_cluster_done_fn *done, void *ctx, struct hor_error *err);
/* A message from a member, as its send gave it: text that contains one <exchange> element. What
 * stands around it (a SOAP envelope) is skipped, so an operation may pass its whole request.
 * HOR_ERR_INVALID: not from a member of this cluster, or malformed; HOR_ERR_CONFLICT: from another
 * incarnation of the cluster. Nothing was changed then. */
int hor_cluster_receive(struct hor_cluster *cluster, const char *exchange, size_t len,
                        struct hor_error *err);
/* The same, when it is known which member speaks (by its certificate): HOR_ERR_DENIED when the
 * exchange names another one. */
int hor_cluster_receive_from(struct hor_cluster *cluster, uint64_t member, const char *exchange,
                             size_t len, struct hor_error *err);
/* Another member refused what this one sent, with HOR_ERR_CONFLICT: who has nothing to lose believes
 * that it is not the member that the others know, and begins anew at the next start (ops.fatal). */
void hor_cluster_refused(struct hor_cluster *cluster);
/* hor_cluster_receive from any thread: copies the text and hands it to the loop's thread, and does not wait
 * for what becomes of it. HOR_ERR_LIMIT, HOR_ERR_MEMORY. Must not race with hor_cluster_close. */
int hor_cluster_deliver(struct hor_cluster *cluster, const char *exchange, size_t len,
                        struct hor_error *err);

struct hor_cluster_status {
    uint64_t self, incarnation;
    bool leader;
    uint64_t leader_id; /* 0: none known */
    uint64_t term, last_index, commit_index, applied_index, first_index;
    const char *run_id; /* made when the cluster's journal was begun; borrowed */
    size_t uncommitted;
    bool no_room; /* the journal's disk is full */
    /* Leader: the last time (monotonic ms) at which it is certain that a majority followed this
     * member and nobody else led; 0: not known. Leases count from it. */
    int64_t majority_ms;
};
void hor_cluster_get_status(const struct hor_cluster *cluster, struct hor_cluster_status *ret);

const char *hor_cluster_name(const struct hor_cluster *cluster);

/* Reads committed events after `after` from the journal for consumers: calls `each` up to `limit`
 * times; *ret_position is the last index looked at. Recent entries come from memory, older ones
 * from disk. HOR_ERR_NOT_FOUND: they are gone (ret_position: the first that is there). Events may
 * be kept by hor_event_copy only. */
typedef bool hor_cluster_each_fn(const struct hor_event *event, void *ctx); /* false: stop */
int hor_cluster_read(struct hor_cluster *cluster, uint64_t after, size_t limit,
                     hor_cluster_each_fn *each, void *ctx, uint64_t *ret_position,
                     struct hor_error *err);
/* Segments whose entries are all at or below `index` and in a snapshot may be removed. */
void hor_cluster_release(struct hor_cluster *cluster, uint64_t index);
/* ---- members while it runs (change.c) ---- */

struct hor_cluster_member_status {
    struct hor_cluster_member member; /* borrowed until the next call of lib/cluster */
    bool leader, self;
    bool known;           /* leader: how far it is, and when it was heard last: */
    uint64_t match_index; /* its journal is like ours up to there */
    int64_t heard_ms_ago; /* -1: not since this member leads */
};
/* Fills up to `max`, returns how many there are. */
unsigned hor_cluster_get_members(const struct hor_cluster *cluster,
                                 struct hor_cluster_member_status *ret, unsigned max);

/* What became of a change. `id` of the member, `text` why not; on the loop, once. */
typedef void hor_cluster_changed_fn(int code, uint64_t id, const char *text, void *ctx);
/* Leader. Somebody joins: a name that is new gets the next id. The same name with another `folder`
 * than the one known has lost its disk: it too gets a new id, and the old one goes when the new one
 * has its vote. The same name with the same folder, or before any was known: its id as it is.
 * HOR_ERR_NOT_ACTIVE: not the leader; HOR_ERR_BUSY: another change waits. */
int hor_cluster_add(struct hor_cluster *cluster, const struct hor_cluster_member *member,
                    hor_cluster_changed_fn *done, void *ctx, struct hor_error *err);
/* Leader. HOR_ERR_NOT_FOUND; HOR_ERR_INVALID: too few would be left; HOR_ERR_STATE: it is the leader
 * itself, which now passes leadership on: ask its successor. */
int hor_cluster_remove(struct hor_cluster *cluster, const char *name, hor_cluster_changed_fn *done,
                       void *ctx, struct hor_error *err);
/* `to` 0: to whoever is furthest. */
int hor_cluster_transfer(struct hor_cluster *cluster, uint64_t to, struct hor_error *err);
/* Leader: the member answers, and lacks but few of the committed entries. */
bool hor_cluster_caught_up(const struct hor_cluster *cluster, uint64_t id);

/* ---- offline (force.c) ---- */

struct hor_cluster_remains { /* what a stopped member's folder has */
    char cluster[512], member[256], run_id[64];
    uint64_t id, incarnation, term, last_index, commit_index, snapshot_index;
    int64_t last_at_us;
    unsigned member_count, voters; /* of its newest list of members */
};
/* Looks only. HOR_ERR_BUSY: the member runs. */
int hor_cluster_look(const char *directory, struct hor_cluster_remains *ret, struct hor_error *err);
/* Makes the folder's member the only one, of a new incarnation. Only a person can know that the
 * others are dead for good: two halves that are both forced are two clusters. */
int hor_cluster_force(const char *directory, struct hor_cluster_remains *ret, struct hor_error *err);

#endif

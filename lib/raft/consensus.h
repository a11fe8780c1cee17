/* lib/raft/consensus.h - the agreement on one sequence of entries among the members of a cluster
 * (Raft): the one narrow door to libraft. Pure: no I/O, no clock, no threads; events go in with
 * their time (monotonic milliseconds), and what must be done comes out through hor_raft_ops,
 * always in this order: state (durable before it returns) -> append / install -> send -> timer ->
 * role -> commit. Operations must not call back into the module.
 *
 * Entries' contents stay with the caller: the module knows index, term and kind, and the members
 * that a change names. One thread. */
#ifndef HOR_RAFT_CONSENSUS_H
#define HOR_RAFT_CONSENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

enum { HOR_RAFT_MEMBERS_MAX = 31, HOR_RAFT_SERVER_BYTES = 24 };

enum hor_raft_kind { HOR_RAFT_COMMAND, HOR_RAFT_BARRIER, HOR_RAFT_CHANGE };
enum hor_raft_role { HOR_RAFT_VOTER, HOR_RAFT_STANDBY, HOR_RAFT_SPARE };

struct hor_raft_member {
    uint64_t id; /* > 0 */
    enum hor_raft_role role;
};

struct hor_raft_configuration {
    struct hor_raft_member members[HOR_RAFT_MEMBERS_MAX];
    unsigned count;
};

struct hor_raft_entry {
    uint64_t term;
    enum hor_raft_kind kind;
    const struct hor_raft_configuration *configuration; /* of a CHANGE; borrowed for the call */
};

enum hor_raft_message_kind {
    HOR_RAFT_REQUEST_VOTE = 1,
    HOR_RAFT_REQUEST_VOTE_RESULT,
    HOR_RAFT_APPEND_ENTRIES,
    HOR_RAFT_APPEND_ENTRIES_RESULT,
    HOR_RAFT_INSTALL_SNAPSHOT,
    HOR_RAFT_TIMEOUT_NOW
};

/* Fields that a kind lacks are 0. When sent, an APPEND_ENTRIES has `entry_count` but no entries:
 * the caller adds those from prev_index + 1 on; an INSTALL_SNAPSHOT names the snapshot by
 * last_index and last_term, and the caller adds configuration and state. */
struct hor_raft_message {
    enum hor_raft_message_kind kind;
    uint64_t peer; /* from whom, or to whom */
    unsigned version;
    uint64_t term;
    uint64_t candidate;
    uint64_t last_index, last_term;
    uint64_t prev_index, prev_term, commit;
    uint64_t rejected;
    bool disrupt, pre_vote, granted;
    unsigned features, capacity;
    const struct hor_raft_entry *entries;
    unsigned entry_count;
    struct hor_raft_configuration configuration; /* INSTALL_SNAPSHOT */
    uint64_t configuration_index;
};

/* A snapshot's place in the log. */
struct hor_raft_snapshot {
    uint64_t index, term; /* 0, 0: none */
    struct hor_raft_configuration configuration;
    uint64_t configuration_index;
};

struct hor_raft_ops {
    /* Must be durable when it returns. HOR_OK or the module is broken from then on. */
    int (*state)(uint64_t term, uint64_t vote, void *ctx);
    /* Drop entries from `index` on, then append `count` entries, and tell hor_raft_persisted with
     * this `epoch` once they are durable. `first` is the place of the first of them in the entries
     * that the event brought (message or submit); `barrier` instead: one entry made here. */
    void (*append)(uint64_t index, unsigned first, unsigned count, uint64_t term, bool barrier,
                   uint64_t epoch, void *ctx);
    /* Make the snapshot that the message brought the whole log; tell hor_raft_installed after. */
    void (*install)(const struct hor_raft_snapshot *snapshot, void *ctx);
    void (*send)(const struct hor_raft_message *message, void *ctx);
    /* Call hor_raft_timeout at this time; replaces an earlier one. */
    void (*timer)(int64_t at_ms, void *ctx);
    /* Something of (leader, who leads, term) changed; leader_id 0: none known. */
    void (*role)(bool leader, uint64_t leader_id, uint64_t term, void *ctx);
    /* Entries up to `index` are committed. Never called with less than before. */
    void (*commit)(uint64_t index, void *ctx);
};

struct hor_raft_settings {
    uint64_t self, incarnation;
    int64_t election_ms, heartbeat_ms;
    unsigned seed;            /* of the random election timeouts */
    unsigned uncommitted_max; /* back-pressure with several voters; 0: 256 */
    unsigned inflight_max;    /* entries sent but not acknowledged, per peer; 0: 1024 */
};

/* What the disk holds. Without a snapshot the log starts at 1 with a CHANGE. With one,
 * `first_index` is at most snapshot.index + 1. A member that waits to be added has nothing: term 0,
 * no entries, first_index 1. */
struct hor_raft_start {
    uint64_t term, vote;
    struct hor_raft_snapshot snapshot;
    uint64_t first_index;
    const struct hor_raft_entry *entries;
    unsigned entry_count;
};

struct hor_raft;

int hor_raft_new(const struct hor_raft_settings *settings, const struct hor_raft_ops *ops,
                 void *ctx, struct hor_raft **ret, struct hor_error *err);
void hor_raft_free(struct hor_raft *raft); /* accepts NULL */

/* Events. After HOR_ERR_INTERNAL (consensus met an error of its own, or `state` failed) the process
 * must end: the module refuses everything with HOR_ERR_STATE from then on. */
int hor_raft_start(struct hor_raft *raft, int64_t now_ms, const struct hor_raft_start *start,
                   struct hor_error *err);
/* HOR_ERR_CONFLICT: another incarnation; HOR_ERR_INVALID: from nobody, self, or malformed. Such a
 * message is dropped and nothing has changed. */
int hor_raft_receive(struct hor_raft *raft, int64_t now_ms, uint64_t incarnation,
                     const struct hor_raft_message *message, struct hor_error *err);
int hor_raft_persisted(struct hor_raft *raft, int64_t now_ms, uint64_t index, uint64_t epoch,
                       struct hor_error *err);
int hor_raft_installed(struct hor_raft *raft, int64_t now_ms,
                       const struct hor_raft_snapshot *snapshot, struct hor_error *err);
/* An own snapshot is durable; the log keeps `trailing` entries before its index. */
int hor_raft_snapshot_taken(struct hor_raft *raft, int64_t now_ms,
                            const struct hor_raft_snapshot *snapshot, unsigned trailing,
                            struct hor_error *err);
/* A committed CHANGE was applied. */
int hor_raft_configured(struct hor_raft *raft, int64_t now_ms, uint64_t index,
                        const struct hor_raft_configuration *configuration, struct hor_error *err);
int hor_raft_timeout(struct hor_raft *raft, int64_t now_ms, struct hor_error *err);
/* Appends `count` commands of the current term from hor_raft_last_index + 1 on. HOR_ERR_NOT_ACTIVE:
 * not the leader, or passing leadership on; HOR_ERR_BUSY: too much is uncommitted. Nothing was
 * taken then. */
int hor_raft_submit(struct hor_raft *raft, int64_t now_ms, unsigned count, struct hor_error *err);
/* Changes one member by one entry: somebody joins as standby or spare, gets a vote, or leaves.
 * HOR_ERR_INVALID: no such step, or fewer than three voters would be left; HOR_ERR_STATE: another
 * change is under way, the member has not caught up, or it is the leader itself that would leave;
 * HOR_ERR_BUSY: this member has only begun to lead, and an entry of its term is on its way. */
int hor_raft_change(struct hor_raft *raft, int64_t now_ms,
                    const struct hor_raft_configuration *configuration, struct hor_error *err);
/* Leader: the member answers, and lacks but few of the committed entries. */
bool hor_raft_caught_up(const struct hor_raft *raft, int64_t now_ms, uint64_t id);
/* Leader: up to where the member's log is known to be like ours. False: not known. */
bool hor_raft_match(const struct hor_raft *raft, uint64_t id, uint64_t *ret_index);
/* Passes leadership to a voter; 0: to whoever is furthest. */
int hor_raft_transfer(struct hor_raft *raft, int64_t now_ms, uint64_t to, struct hor_error *err);

/* A member that has nothing yet joins whatever incarnation it meets. */
void hor_raft_set_incarnation(struct hor_raft *raft, uint64_t incarnation);

bool hor_raft_is_leader(const struct hor_raft *raft);
bool hor_raft_transferring(const struct hor_raft *raft);
bool hor_raft_installing(const struct hor_raft *raft);
uint64_t hor_raft_term(const struct hor_raft *raft);
uint64_t hor_raft_last_index(const struct hor_raft *raft);
uint64_t hor_raft_commit_index(const struct hor_raft *raft); /* the highest seen */
uint64_t hor_raft_epoch(const struct hor_raft *raft);
unsigned hor_raft_voters(const struct hor_raft *raft);
/* How many more commands hor_raft_submit would take now; 0 when it would refuse. */
unsigned hor_raft_room(const struct hor_raft *raft);
/* The configuration in force (perhaps not yet committed). */
void hor_raft_get_configuration(const struct hor_raft *raft, struct hor_raft_configuration *ret);

/* For the simulator only: switches one of the guards (README) off, to show that its absence
 * is noticed. Programs never call it. */
void hor_raft_test_disable_guard(struct hor_raft *raft, int guard);

#endif

/* lib/raft/private.h - what the files of lib/raft share: consensus.c (steps, and what they ask for),
 * receive.c (messages), change.c (members, transfer). */
#ifndef HOR_RAFT_PRIVATE_H
#define HOR_RAFT_PRIVATE_H

#include <raft.h>

#include "lib/raft/consensus.h"
#include "lib/raft/convert.h"

/* What we know of another member, beside what the library keeps. */
struct hor_raft_peer {
    uint64_t id;
    int64_t heard_ms; /* its last answer to us as leader of `term` */
    uint64_t term;
};

struct hor_raft {
    struct raft raft;
    struct hor_raft_settings settings;
    const struct hor_raft_ops *ops;
    void *ctx;
    bool started, broken;
    uint64_t commit;      /* highest seen: guard 1 */
    uint64_t epoch;       /* changes whenever entries were dropped */
    uint64_t base, end;   /* of the entries that the event under way brought; 0: none */
    bool role_leader;     /* as told last */
    uint64_t role_id, role_term;
    uint64_t snapshot_received; /* index of the one that is being received; 0: none */
    unsigned guards_off;  /* bit n: guard n */
    struct hor_raft_peer peers[HOR_RAFT_MEMBERS_MAX];
    unsigned peer_count;
};

bool hor_raft_guard(const struct hor_raft *raft, int number);
int hor_raft_usable(const struct hor_raft *raft, struct hor_error *err);
/* Ends everything: HOR_ERR_INTERNAL. */
int hor_raft_broken(struct hor_raft *raft, const char *what, const char *why, struct hor_error *err);
int hor_raft_step(struct hor_raft *raft, int64_t now_ms, struct raft_event *event, const char *what,
                  struct hor_error *err);
int hor_raft_submit_entries(struct hor_raft *raft, int64_t now_ms,
                            const struct hor_raft_entry *entries, unsigned count,
                            struct hor_error *err);
/* HOR_ERR_NOT_ACTIVE unless this member leads and passes nothing on. */
int hor_raft_may_submit(const struct hor_raft *raft, struct hor_error *err);
/* The term of an entry that the log still has, or of the snapshot's last; 0: neither. */
uint64_t hor_raft_term_of(const struct hor_raft *raft, uint64_t index);
void hor_raft_tell_role(struct hor_raft *raft);
/* Whether this member has a vote by the configuration that it counts with. */
bool hor_raft_has_vote(const struct hor_raft *raft);

#endif

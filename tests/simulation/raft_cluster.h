/* tests/simulation/raft_cluster.h - members of lib/raft on a virtual disk and network, and the laws
 * that hold among them (README.md). */
#ifndef HOR_TESTS_SIMULATION_RAFT_CLUSTER_H
#define HOR_TESTS_SIMULATION_RAFT_CLUSTER_H

#include "lib/raft/consensus.h"
#include "tests/simulation/world.h"

enum {
    RAFT_LOG_MAX = 40000,
    RAFT_TERMS_MAX = 4000,
    RAFT_IDS_MAX = 1000,
    RAFT_CONFIGURATIONS_MAX = 500,
    RAFT_ELECTION_MS = 300,
    RAFT_HEARTBEAT_MS = 50,
    RAFT_TRAILING = 24
};

struct raft_slot {
    uint64_t term, value; /* of a CHANGE: number of the configuration */
    enum hor_raft_kind kind;
};

/* The state machine is a hash over all that was applied. */
struct raft_state {
    uint64_t index, term, hash;
    unsigned configuration;
    uint64_t configuration_index;
};

struct raft_log { /* [first..last] */
    struct raft_slot *slots;
    uint64_t first, last;
    struct raft_state snapshot; /* index 0: none */
};

enum raft_write_kind { RAFT_WRITE_APPEND, RAFT_WRITE_SNAPSHOT, RAFT_WRITE_INSTALL };

struct raft_write {
    enum raft_write_kind kind;
    uint64_t index, epoch;
    unsigned count;
    struct raft_slot *slots;
    struct raft_state snapshot;
    struct raft_write *next;
};

struct raft_cluster;
struct raft_member {
    struct raft_cluster *cluster;
    unsigned number;       /* 0.. : its place in the network */
    uint64_t id;           /* as consensus sees it; another one after the disk was lost */
    struct hor_raft *raft; /* NULL: down */
    uint64_t life;         /* changes with every crash */
    bool gone;             /* for good */
    struct raft_log log, disk;
    uint64_t term, vote;   /* durable */
    struct raft_state state; /* applied */
    uint64_t commit;
    bool leader, installing, snapshotting;
    int64_t timer_ms, up_ms, paused_ms, written_ms;
    struct raft_write *writes, **last_write;
    const struct raft_slot *incoming;
    uint64_t incoming_count;
};

struct raft_plan { /* what a run does */
    unsigned voters, spares;
    bool reorder, snapshots, changes, pauses, overload;
    unsigned guards_off; /* bit n: guard n */
    int64_t chaos_ms, healed_ms;
};

struct raft_cluster {
    struct world world;
    struct raft_plan plan;
    unsigned count;
    struct raft_member members[WORLD_MEMBERS];
    struct hor_raft_configuration configurations[RAFT_CONFIGURATIONS_MAX];
    unsigned configuration_count;
    struct raft_slot *committed; /* what everybody must agree on */
    uint64_t *hashes;            /* after each of them */
    uint64_t committed_last;
    uint64_t leader_of[RAFT_TERMS_MAX]; /* its id */
    uint64_t next_value, last_id;
    uint64_t lost_last[RAFT_IDS_MAX]; /* by id: the end of a log whose disk was lost */
    uint64_t crashes, elections, installs, snapshots, changes, wipes, submits, refused;
    bool chaos;
};

/* ---- raft_member.c ---- */
void raft_cluster_init(struct raft_cluster *cluster, const struct raft_plan *plan, uint64_t seed);
void raft_cluster_done(struct raft_cluster *cluster);
void raft_member_start(struct raft_member *member);
/* Loses what was not synced but a random beginning of it. */
void raft_member_crash(struct raft_member *member, int64_t down_ms);
/* It loses its disk, and may come back only as somebody else. */
void raft_member_wipe(struct raft_member *member, int64_t down_ms);
struct raft_member *raft_member_of(struct raft_cluster *cluster, uint64_t id); /* NULL: lost */
/* Takes `count` new commands, or what the leader's room allows. */
void raft_member_submit(struct raft_member *member, unsigned count);
bool raft_member_change(struct raft_member *member, const struct hor_raft_configuration *to);
/* After anything that called into consensus. */
void raft_member_settle(struct raft_member *member);
struct raft_member *raft_cluster_leader(struct raft_cluster *cluster); /* of the highest term; NULL */
void raft_check(struct raft_member *member, int rc, const struct hor_error *err);

/* ---- raft_laws.c ---- */
void raft_law_role(struct raft_member *member, bool leader, uint64_t term);
void raft_law_state(struct raft_member *member, uint64_t term, uint64_t vote);
void raft_law_commit(struct raft_member *member, uint64_t commit);
void raft_law_apply(struct raft_member *member, const struct raft_slot *slot);
void raft_law_step(struct raft_member *member);
/* After the faults have ended and time has passed. */
void raft_law_healed(struct raft_cluster *cluster, uint64_t committed_before);
uint64_t raft_mix(uint64_t hash, const struct raft_slot *slot);

/* ---- raft_guards.c: schedules made by hand, each for one guard ---- */
/* Whether a law is broken; `text` tells which. */
bool raft_guard_1(unsigned guards_off, char text[300]);
bool raft_guard_2(unsigned guards_off, char text[300]);
bool raft_guard_3(unsigned guards_off, char text[300]);
bool raft_guard_7(unsigned guards_off, char text[300]);
bool raft_guard_8(unsigned guards_off, char text[300]);
bool raft_guard_5(unsigned guards_off, char text[300]);
bool raft_guard_10(unsigned guards_off, char text[300]);
bool raft_guard_11(unsigned guards_off, char text[300]);
bool raft_guard_12(unsigned guards_off, char text[300]);
bool raft_guard_13(unsigned guards_off, char text[300]);
bool raft_guard_14(unsigned guards_off, char text[300]);

#endif

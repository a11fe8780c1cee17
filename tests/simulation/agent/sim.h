/* tests/simulation/agent/sim.h - an agent cluster on virtual time. The agent's own shell (agent.c,
 * lease.c, task.c, launch.c, submit.c), agent/core, lib/cluster and lib/raft run as they are; the loop,
 * the clocks, the journal's disk, the network and the runners are made here. */
#ifndef HOR_TESTS_SIMULATION_AGENT_SIM_H
#define HOR_TESTS_SIMULATION_AGENT_SIM_H

#include "agent/agent.h"
#include "lib/journal/journal.h"
#include "tests/simulation/world.h"

enum { HOSTS = 5, JOURNAL_MAX = 20000, RECORDS_MAX = 600, ORDERS_MAX = 60, STARTS_MAX = 6000 };

struct blob { /* an entry; shared by memories and disks */
    unsigned refs;
    uint64_t term;
    int64_t at_us;
    size_t len;
    char xml[];
};

struct disk { /* survives a crash */
    struct blob **entries; /* [1..count] */
    uint64_t count;
    struct hor_journal_state state;
    struct hor_journal_snapshot snapshot; /* owns its texts */
};

struct record { /* of a task at a runner */
    char task[HOR_CORE_NAME_BYTES + 1];
    uint64_t fence, number; /* number: of this record, for events that come later */
    bool used, live;
    enum hor_runner_fate fate;
    int64_t kill_at_ms, started_us, ended_us; /* kill_at_ms: the host's monotonic time */
    int exit_code, signal;
};

struct runner { /* the process of its own */
    bool up;
    uint64_t life;
    int64_t lease_end_ms, socket_ms;
    struct record records[RECORDS_MAX];
};

struct call;
struct hor_loop { /* a host: its machine, its agent and its runner */
    unsigned number;
    char name[8];
    uint64_t life; /* changes with every crash of the agent */
    unsigned boot; /* changes with every power loss */
    char *directory;
    bool ended;    /* the agent gave up by itself */
    int64_t up_ms, paused_ms;
    int64_t clock_offset_ms, clock_ppm;
    struct hor_settings_agent settings;
    struct hor_agent *agent; /* NULL: down */
    struct disk disk;
    struct hor_journal *journal; /* while the agent is up */
    uint64_t verified;           /* committed entries compared with the others' */
    struct runner runner;
    struct hor_runner *client;
    struct call *calls;
};

struct start { /* of a process, ever */
    char task[HOR_CORE_NAME_BYTES + 1];
    uint64_t fence;
    unsigned host;
    bool live;
};

struct order {
    char id[16];
    unsigned chain;
    bool acknowledged, sending;
    unsigned ends;
};

struct totals {
    uint64_t seeds, events, entries, starts, crashes, runner_crashes, power_losses, records_lost, pauses, losses, restarts, doubts,
        ends, waits;
};

struct sim {
    struct world world;
    unsigned members;
    struct hor_loop hosts[HOSTS];
    struct hor_settings_member settings_members[HOSTS];
    struct hor_loop *current; /* whose code runs: the clocks need it */
    int64_t cut_until_ms;
    bool chaos, crashing;
    struct hor_timer *timers;
    struct blob **committed;
    uint64_t committed_count;
    struct hor_core *oracle; /* all that was committed, applied once */
    bool lost[HOSTS];        /* by the journal */
    struct start starts[STARTS_MAX];
    unsigned start_count;
    struct order orders[ORDERS_MAX];
    unsigned order_count;
    uint64_t record_number, commands;
    struct totals t;
};

extern struct sim *sim; /* the one that runs */

/* ---- loop.c ---- */
void sim_enter(struct hor_loop *host);
int64_t sim_monotonic_ms(const struct hor_loop *host);
int64_t sim_world_ms(const struct hor_loop *host, int64_t monotonic_ms);
/* True: the agent stands still, the event comes again at the end of the pause. */
bool sim_postpone(struct hor_loop *host, world_fn *fn, world_fn *drop, void *ctx, void *arg);
void sim_timers_free(void);
#define UTC_START_US INT64_C(1795500000000000)

/* ---- journal.c ---- */
void sim_blob_unref(struct blob *blob);
void sim_disk_done(struct disk *disk);

/* ---- peer.c ---- */
void sim_calls_end(struct hor_loop *host);

/* ---- runner.c ---- */
void sim_runner_crash(struct hor_loop *host, int64_t down_ms, bool power);
void sim_runner_start(struct hor_loop *host);

/* ---- laws.c ---- */
void sim_law_committed(struct hor_loop *host, uint64_t index, struct blob *blob);
void sim_law_start(struct hor_loop *host, const struct record *record);
void sim_law_stop(struct hor_loop *host, const struct record *record);
void sim_law_states(void);
void sim_law_end(void);
bool sim_settled(void); /* nothing is left to happen */

/* ---- config.c ---- */
struct hor_core *sim_core_new(void);
/* Submits the release where this member leads and has it not. */
void sim_release(struct hor_agent *agent);
void sim_config_open(void);
void sim_config_close(void);
enum { CHAINS = 5 };

#endif

/* tests/simulation/coupling/sim.h - a Master cluster, two agent clusters and a Supervisor on
 * virtual time. The decisions are the real ones (server/master/core, agent/core). Consensus has its
 * own simulations: a cluster here is one list of committed events (its ledger), an acting member
 * whose state is the replay of that list, and what it submitted and is not committed yet. What the
 * shells do between calls (server/master/coupling.c, collect.c, hand_over.c; agent/operations.c,
 * looking.c) is written again here, on events in place of threads. */
#ifndef HOR_TESTS_SIMULATION_COUPLING_SIM_H
#define HOR_TESTS_SIMULATION_COUPLING_SIM_H

#include "agent/core/core.h"
#include "lib/base/map.h"
#include "server/master/core/core.h"
#include "tests/simulation/world.h"

enum { CLUSTERS = 2, CALL_MS = 6000, UTC_MS = 1000, RUN_MS = 90 * 60 * 1000 };
#define UTC_START_US INT64_C(1795500000000000)
#define MASTER "main"

struct events { /* owned */
    struct hor_event **items;
    size_t count, room;
};
void sim_events_add(struct hor_event *take_event, void *ctx); /* ctx: struct events */
void sim_events_done(struct events *events);

/* ---- ledger.c: what a cluster has committed, and what waits for that ---- */
typedef void commit_fn(int code, void *ctx); /* HOR_OK: committed and applied */
struct ledger {
    const char *name;
    struct events entries;      /* entry n stands at n - 1, its index is n */
    size_t first;               /* entries below are removed from what the cluster gives out */
    uint64_t life;              /* of the acting member; a new one begins with every take-over */
    struct batch *head, **tail; /* submitted, in order */
    /* Takes a committed entry into the acting member's state, and whatever follows from it. */
    void (*apply)(struct ledger *ledger, const struct hor_event *event);
};
/* Takes the events. When `life` does not act any more nothing is ever committed, and `done` comes
 * with HOR_ERR_NOT_ACTIVE after a while, as for a deposed leader. */
void sim_submit(struct ledger *ledger, uint64_t life, struct events *take_events, commit_fn *done,
                void *ctx);
/* The acting member is gone: of what it submitted a random beginning is committed all the same. */
void sim_ledger_depose(struct ledger *ledger);
void sim_ledger_done(struct ledger *ledger);

/* ---- cluster.c: an agent cluster ---- */
enum kind { COUPLE, APPLY_RELEASE, ACCEPT_PLAN, GET_EVENTS, ACKNOWLEDGE, COMMAND };
struct request { /* shared by the copies of a message; constant once it is sent */
    int references;
    enum kind kind;
    char run_id[40];
    uint64_t after; /* GET_EVENTS, COUPLE; ACKNOWLEDGE: up to */
    int64_t release;
    struct hor_buf document; /* APPLY_RELEASE */
    char sha256[65];
    struct new_order { /* ACCEPT_PLAN: copies */
        char *id, *chain, *plan_day, *schedule;
        int64_t release, due_at, priority;
        struct hor_arguments arguments;
    } * orders;
    size_t order_count;
    struct hor_event *command; /* its commandReceived */
};
struct response {
    int code; /* of enum hor_error_code; 0: done */
    char run_id[40];
    const char *state;
    uint64_t first, position;
    int64_t releases[64];
    size_t release_count;
    struct events held_or_events; /* GET_EVENTS: copies */
    char **orders;                /* COUPLE: what it holds */
    size_t order_count;
    bool command_done;
    char text[600];
};
void sim_request_unref(struct request *request);
void sim_response_free(struct response *response);

struct record { /* of a task at a runner, which survives the agents */
    char task[HOR_CORE_NAME_BYTES + 1], order[HOR_CORE_NAME_BYTES + 1], node[64];
    uint64_t fence;
    int64_t started_us, ended_us; /* ended HOR_EVENT_NONE: runs */
    int exit_code;
    bool reported; /* its end is in the ledger */
};
struct cluster {
    struct ledger ledger;
    char path[40], run_id[40], member[8];
    unsigned number;
    struct hor_core *core; /* NULL: nobody acts */
    struct record *records;
    size_t record_count, record_room;
    bool deciding;
};
void sim_cluster_init(struct cluster *cluster, unsigned number);
void sim_cluster_start(struct cluster *cluster); /* replay, and act */
void sim_cluster_crash(struct cluster *cluster);
void sim_cluster_done(struct cluster *cluster);
/* A call that arrived; `answer` comes once, or never. */
typedef void answer_fn(struct response *take_response, void *ctx);
void sim_cluster_handle(struct cluster *cluster, struct request *request, answer_fn *answer,
                        void *ctx);

/* ---- master.c: members of the Master cluster that act or believe to act ---- */
struct session;
struct master {
    unsigned number;
    uint64_t life;
    struct hor_master_core *core;
    size_t applied; /* entries of the ledger */
    bool believes;  /* to be the active one */
    struct session *sessions[CLUSTERS];
    bool deciding;
    int references; /* calls under way; freed with the last */
};
void sim_master_take_over(
    int64_t old_believes_ms); /* a new active one; the old one learns it then */
void sim_master_crash(void);
void sim_master_apply(struct ledger *ledger, const struct hor_event *event);
void sim_master_done(void);
/* What a Supervisor asks of the member that it believes to be active. */
int sim_master_deploy(int64_t number);

/* ---- supervisor.c: a store with a cursor, and people ---- */
void sim_supervisor_start(void);
void sim_supervisor_crash(void);
void sim_supervisor_settle(void); /* people end what waits for them */

/* ---- laws.c ---- */
void sim_law_master_entry(const struct hor_event *event);
void sim_law_cluster_entry(struct cluster *cluster, const struct hor_event *event);
void sim_law_row(const struct hor_event *event);
void sim_law_accept(struct cluster *cluster, const char *order);
bool sim_settled(void);
void sim_law_end(void);
void sim_laws_open(void);
void sim_laws_close(void);

struct wish { /* of a person: a request that is repeated until it is answered */
    char id[40], order[256], action[24];
    bool adds, answered, done;
};
enum { WISHES = 4000 };

struct totals {
    uint64_t orders, rows, starts, calls, lost, repeats, take_overs, crashes, recouplings, commands,
        stale;
};

struct sim {
    struct world world;
    struct cluster clusters[CLUSTERS];
    struct ledger masters; /* the Master cluster's */
    struct master *active; /* NULL: none */
    struct master *all[64];
    unsigned master_count;
    bool chaos, settling;
    /* the Supervisor */
    bool supervisor_up;
    uint64_t supervisor_life, stored; /* cursor: rows up to this entry are stored */
    struct wish wishes[WISHES];
    size_t wish_count;
    int64_t deployed;
    struct totals t;
};
extern struct sim *sim;

int64_t sim_now_us(void);
/* When a message sent now arrives; -1: never. Some arrive when nobody waits for them any more. */
int64_t sim_arrival(void);

/* ---- config.c ---- */
void sim_config_open(void);
void sim_config_close(void);
const struct hor_buf *sim_release(int64_t number, const char **ret_sha256); /* 1 or 2 */

#endif

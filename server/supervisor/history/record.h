/* server/supervisor/history/record.h - what events mean for the rows of orders and tasks. Pure:
 * rows as they are and events go in, rows as they shall be come out; write.c reads and writes them.
 * One thread. */
#ifndef HOR_SUPERVISOR_HISTORY_RECORD_H
#define HOR_SUPERVISOR_HISTORY_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/map.h"
#include "lib/model/event.h"

struct record_order {
    char *id, *master, *cluster, *chain, *title, *plan_day, *schedule, *state, *mark, *place,
        *cause;
    int64_t release, planned_us, due_us, started_us, ended_us, priority, nodes_done;
    bool stored;     /* there is a row already */
    bool changed;    /* the row shall be written */
    bool replanned;  /* and with the columns of the plan, most of which have an index */
    bool just_ended; /* by this batch */
    bool recount;    /* a person touched nodes: nodes_done must be counted from the events */
    bool redoubt;    /* a doubt was settled: there may be others among the order's tasks */
    struct hor_arguments arguments;
    bool arguments_changed;
};

struct record_task {
    char *id, *order, *master, *cluster, *chain, *node, *job, *agent, *state, *outcome, *cause;
    int64_t attempt, exit_code, signal, assigned_us, started_us, ended_us, cpu_ms, max_rss_kb,
        log_bytes;
    bool stored, changed;
    bool replaced; /* where and as what it runs has changed, not only how far it is */
    struct hor_arguments outputs;
    bool outputs_changed;
};

/* What is known of a chain's ended orders. */
struct record_chain {
    char *last_state;
    int64_t last_ended_us, run_count,
        mean_ms; /* mean of the successful ones, the latest count most */
    bool stored;
};

struct record_hold {
    char *chain, *actor, *reason;
    int64_t at_us;
    bool held;
};

/* Everything that one batch touches. */
struct record {
    const char *master;     /* whose events these are */
    struct hor_map *orders; /* id -> struct record_order */
    struct hor_map *tasks;  /* id -> struct record_task */
    struct hor_map *holds;  /* chain -> struct record_hold: the last word on each */
};

int record_init(struct record *record, const char *master);
void record_done(struct record *record);
/* Puts a row in that stands in the database. Takes it on success. */
int record_put_order(struct record *record, struct record_order *take_order);
int record_put_task(struct record *record, struct record_task *take_task);
struct record_order *record_order_new(const char *id); /* all absent */
struct record_task *record_task_new(const char *id);
void record_order_free(void *order);
void record_task_free(void *task);

/* Whether the event came from an agent cluster's journal (and not from the Master's own). */
bool record_from_cluster(const struct hor_event *event);
/* A task of a running order is in doubt: so is the order. HOR_ERR_MEMORY. */
int record_doubt(struct record_order *order, const char *cause);
/* Applies one event. HOR_ERR_MEMORY. */
int record_apply(struct record *record, const struct hor_event *event);

/* Takes an ended order into what is known of its chain. HOR_ERR_MEMORY. */
int record_chain_apply(struct record_chain *chain, const struct record_order *order);
void record_chain_free(void *chain);

/* How many nodes of an order are done, from all its events in order: put each event in, then ask.
 * A node is done when it succeeded, ended with a warning, was skipped, or was set. */
struct record_nodes {
    struct hor_map *done; /* node -> anything */
};
int record_nodes_apply(struct record_nodes *nodes, const struct hor_event *event);
int64_t record_nodes_count(const struct record_nodes *nodes);
void record_nodes_done(struct record_nodes *nodes);

#endif

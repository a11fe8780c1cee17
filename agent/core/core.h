/* agent/core/core.h - what an agent cluster knows and what it does next: pure functions of
 * (state, event, time), without I/O, clock or threads. The same events give the same state on every
 * member; only the leader asks what comes next.
 *
 *   committed event -> hor_core_apply -> state          every member, in journal order
 *   state, time     -> hor_core_decide -> new events    leader; the shell submits them
 *   command         -> hor_core_command -> new events   leader; or a refusal, as events as well
 *
 * Times are UTC microseconds. One thread owns a core. */
#ifndef HOR_AGENT_CORE_CORE_H
#define HOR_AGENT_CORE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/base/problem.h"
#include "lib/model/config.h"
#include "lib/model/event.h"

struct hor_core;

enum { HOR_CORE_NAME_BYTES = 250, HOR_CORE_MEMBERS = 64 };

struct hor_core_member {
    const char *name;
    int64_t priority, max_tasks;
    bool witness;
};

/* Everything is copied. Members are in the order of their ids (from 1). A release that holds the
 * cluster's own agentCluster document overrides priority, maxTasks and selection. */
struct hor_core_settings {
    const char *cluster; /* path */
    const struct hor_core_member *members;
    size_t member_count;
};

int hor_core_new(const struct hor_core_settings *settings, struct hor_core **ret,
                 struct hor_error *err);
void hor_core_free(struct hor_core *core);
/* A member came later, as the journal says; one of a known name stays what it is. In order with the
 * events: what they say of it counts from here. HOR_ERR_LIMIT, HOR_ERR_MEMORY. */
int hor_core_join(struct hor_core *core, const struct hor_core_member *member,
                  struct hor_error *err);

/* ---- state ---- */

/* Takes a committed event into the state. Never fails on content: what does not fit the state (a
 * late report, a repeat) changes nothing. HOR_ERR_MEMORY: the process must end. */
int hor_core_apply(struct hor_core *core, const struct hor_event *event);
/* Appends the whole state as one XML element; equal states give equal bytes. */
int hor_core_snapshot(const struct hor_core *core, struct hor_buf *out);
/* Replaces the state of a new core. HOR_ERR_CORRUPT. */
int hor_core_restore(struct hor_core *core, const char *xml, size_t len, struct hor_error *err);

/* ---- what comes next: leader only ---- */

/* Takes the event. */
typedef void hor_core_emit_fn(struct hor_event *take_event, void *ctx);

/* Forgets what was emitted and not yet applied, and looks at everything anew: on becoming leader and
 * after a submit that failed. */
void hor_core_lead(struct hor_core *core);
/* Emits the events that are due, each once: what was emitted is waited for until it is applied.
 * Stops after about `limit` events; *ret_more tells that there is more to do now. HOR_ERR_MEMORY. */
int hor_core_decide(struct hor_core *core, int64_t now_us, size_t limit, hor_core_emit_fn *emit,
                    void *ctx, bool *ret_more);
/* `report` is being submitted: from now on decisions take a task's end as come, and have to be submitted
 * behind it. hor_core_lead when it was not taken into the journal. The state is not changed. */
void hor_core_foresee(struct hor_core *core, const struct hor_event *report);
/* When hor_core_decide has to be called again although nothing is applied; INT64_MAX: never. */
int64_t hor_core_next_due(const struct hor_core *core);

/* What the leader hears of a member, from leases (not replicated). */
enum hor_core_reach {
    HOR_CORE_UNKNOWN, /* a new leader does not know yet */
    HOR_CORE_REACHED, /* holds a lease and its runner works: gets tasks */
    HOR_CORE_IDLE,    /* holds a lease but gets no tasks: its runner is away */
    HOR_CORE_LOST,    /* its lease ended */
    HOR_CORE_FENCED,  /* lease and grace ended: its tasks with agentLoss="restart" are dead */
};
void hor_core_reach(struct hor_core *core, const char *member, enum hor_core_reach reach);

/* ---- commands ---- */
struct hor_core_command { /* xsd type t:Command; all borrowed */
    const char *id, *master, *action, *order, *chain, *agent, *node, *outcome, *actor, *reason;
    int64_t start_at, priority; /* HOR_EVENT_NONE: absent */
    const struct hor_arguments *arguments; /* may be NULL */
};

struct hor_core_answer {
    bool done;      /* otherwise refused */
    char text[600]; /* a sentence when refused */
};

/* Emits commandReceived, the effects and commandDone, to be submitted together; refusals as well, so
 * that a repeat of the command gets the same answer on any member. HOR_OK: answer counts once the
 * events are committed; HOR_ERR_EXISTS: the command was answered before, answer tells how, nothing is
 * emitted; HOR_ERR_BUSY: the order has events under way, ask again after they are applied;
 * HOR_ERR_INVALID: not a command at all. */
int hor_core_command(struct hor_core *core, const struct hor_core_command *command, int64_t now_us,
                     hor_core_emit_fn *emit, void *ctx, struct hor_core_answer *answer,
                     struct hor_error *err);

/* ---- plan and releases ---- */

struct hor_core_new_order { /* xsd type t:NewOrder; all borrowed */
    const char *id, *chain, *plan_day, *schedule, *title, *actor, *reason;
    int64_t release, planned_at, priority; /* priority HOR_EVENT_NONE: the chain's */
    const struct hor_arguments *arguments;
};

/* *ret_event is orderAdded, or NULL when the cluster has or had the order. One that has not started and
 * comes with another release is given as orderAdded again: it goes over to that release.
 * HOR_ERR_NOT_FOUND: the release or chain is not here; HOR_ERR_INVALID. */
int hor_core_accept(const struct hor_core *core, const char *master,
                    const struct hor_core_new_order *order, int64_t now_us,
                    struct hor_event **ret_event, struct hor_error *err);
/* The SHA-256 of a release held for a Master, NULL when it is not here. */
const char *hor_core_release(const struct hor_core *core, const char *master, int64_t number);
/* Whether a node waits for this answer of its Master (dependencyResolved) still. */
bool hor_core_awaits(const struct hor_core *core, const struct hor_event *answer);
/* Whether a report of a task (taskStarted, taskEnded) fits the state still. */
bool hor_core_wants(const struct hor_core *core, const struct hor_event *report);

/* ---- looking at it ---- */
struct hor_core_obstacle {
    const char *kind; /* as xsd type t:Obstacle */
    const char *node; /* NULL: the order itself */
    const char *text; /* a sentence; borrowed during the call */
    int64_t until;    /* HOR_EVENT_NONE: unknown */
};
typedef void hor_core_obstacle_fn(const struct hor_core_obstacle *obstacle, void *ctx);
/* Every reason why the order does not run (further). HOR_ERR_NOT_FOUND. */
int hor_core_obstacles(struct hor_core *core, const char *order, int64_t now_us,
                       hor_core_obstacle_fn *each, void *ctx, struct hor_error *err);

struct hor_core_order_view { /* borrowed until the core changes */
    const char *id, *master, *chain, *title, *state, *mark, *plan_day, *schedule, *cause;
    int64_t release, planned_at, due_at, started_at, ended_at, priority;
    size_t nodes, nodes_done;
    const struct hor_arguments *arguments;
};
struct hor_core_node_view {
    const char *id, *title, *job, *state, *agent, *task, *cause; /* task NULL: none yet */
    int64_t attempt, started_at, ended_at, exit_code, retry_at;  /* HOR_EVENT_NONE: none */
    uint64_t fence;
    bool killing;
    const struct hor_arguments *outputs;
    const struct hor_node *definition;
};
int hor_core_order(const struct hor_core *core, const char *id, int64_t now_us,
                   struct hor_core_order_view *ret);
/* Node i (0..) of an order; HOR_ERR_NOT_FOUND beyond the last, and of an order that ended: what was is
 * the history's. The task's text is in `task`. */
int hor_core_order_node(const struct hor_core *core, const char *id, size_t i,
                        char task[HOR_CORE_NAME_BYTES + 1], struct hor_core_node_view *ret);

struct hor_core_task_view { /* a task that is assigned, running or in doubt */
    const char *order, *master, *agent, *state;
    char task[HOR_CORE_NAME_BYTES + 1];
    uint64_t fence;
    bool killing;
    int64_t attempt;
    const struct hor_node *node;
    const struct hor_job *job;
    const struct hor_chain *chain;
};
typedef void hor_core_task_fn(const struct hor_core_task_view *task, void *ctx);
/* HOR_ERR_NOT_FOUND when the task is not the node's present one, or has ended. */
int hor_core_task(const struct hor_core *core, const char *task, struct hor_core_task_view *ret);
/* Tasks of one member (NULL: all). */
void hor_core_each_task(const struct hor_core *core, const char *agent, hor_core_task_fn *each,
                        void *ctx);
typedef void hor_core_id_fn(const char *id, void *ctx);
void hor_core_each_order(const struct hor_core *core, const char *master, hor_core_id_fn *each,
                         void *ctx);
typedef void hor_core_release_fn(const char *master, int64_t number, void *ctx);
void hor_core_each_release(const struct hor_core *core, const char *master,
                           hor_core_release_fn *each, void *ctx);
void hor_core_each_held(const struct hor_core *core, const char *master, hor_core_id_fn *each,
                        void *ctx);

struct hor_core_member_view {
    const char *name, *state; /* up, lost, draining, drained, unknown */
    int64_t priority, max_tasks, tasks, last_change; /* last_change HOR_EVENT_NONE: never */
    bool witness;
};
int hor_core_member(const struct hor_core *core, size_t i, struct hor_core_member_view *ret);

struct hor_core_counts {
    size_t orders;                        /* not ended */
    size_t waiting, running, held, tasks; /* tasks: assigned, running or in doubt */
    size_t ended_kept;                    /* ended, kept for a Master that has not acknowledged */
    const char *selection;
};
void hor_core_counts(const struct hor_core *core, const char *master, struct hor_core_counts *ret);
/* Number of a Master's newest coupling, applied or on its way (hor_core_fence_ask); 0: none. */
uint64_t hor_core_fence(const struct hor_core *core, const char *master);
/* Leader: masterCoupled with this number is about to be submitted: it counts from now on, whatever
 * becomes of the event. HOR_ERR_MEMORY. */
int hor_core_fence_ask(struct hor_core *core, const char *master, uint64_t fence);
/* The last index a Master acknowledged, 0 when none; UINT64_MAX over all when master is NULL and
 * nobody is known: the smallest of all. */
uint64_t hor_core_acknowledged(const struct hor_core *core, const char *master);

/* ---- running a task: what the executing member needs ---- */
struct hor_core_execution { /* owned strings; hor_core_execution_done */
    struct hor_arguments parameters; /* of the job, resolved */
    struct hor_arguments environment;
    struct hor_arguments context;    /* HORARIUM_ORDER .. without parameters, agent, fence, output */
    char **argv;                     /* of a command: program and arguments; NULL for a script */
    size_t argc;
    char *directory;                 /* NULL: none */
};
/* HOR_ERR_INVALID: a template cannot be evaluated or a required parameter is missing; the sentence
 * becomes the task's cause. */
int hor_core_execution(const struct hor_core *core, const char *task, int64_t now_us,
                       struct hor_core_execution *ret, struct hor_error *err);
void hor_core_execution_done(struct hor_core_execution *execution);
/* success, warning or failure by the job's returnCodes. */
const char *hor_core_outcome(const struct hor_job *job, int exit_code);

#endif

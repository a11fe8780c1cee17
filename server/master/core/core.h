/* server/master/core/core.h - what a Master cluster knows and what it does next: pure functions of
 * (state, event, time), without I/O, clock or threads. The same events give the same state on every
 * member; only the leader asks what comes next.
 *
 *   committed event -> hor_master_core_apply   -> state          every member, in journal order
 *   state, time     -> hor_master_core_decide  -> new events     leader; the shell submits them
 *   command         -> hor_master_core_command -> new events     leader
 *
 * Borrowed pointers that functions give live until the next call of apply or restore. Times are UTC
 * microseconds. One thread owns a core. */
#ifndef HOR_SERVER_MASTER_CORE_H
#define HOR_SERVER_MASTER_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/model/config.h"
#include "lib/model/event.h"

struct hor_master_core;

/* `name` is the Master cluster's; copied. `days_ahead`: how many days the plan runs ahead. */
int hor_master_core_new(const char *name, int days_ahead, struct hor_master_core **ret,
                        struct hor_error *err);
void hor_master_core_free(struct hor_master_core *core); /* accepts NULL */

/* ---- state ---- */

/* Takes a committed event into the state. Never fails on content: what does not fit the state
 * changes nothing. HOR_ERR_MEMORY: the process must end. */
int hor_master_core_apply(struct hor_master_core *core, const struct hor_event *event);
/* Appends the whole state as one XML element; equal states give equal bytes. */
int hor_master_core_snapshot(const struct hor_master_core *core, struct hor_buf *out);
/* Replaces the state of a new core. HOR_ERR_CORRUPT. */
int hor_master_core_restore(struct hor_master_core *core, const char *xml, size_t len,
                            struct hor_error *err);

/* ---- what comes next: leader only ---- */

typedef void hor_master_emit_fn(struct hor_event *take_event, void *ctx);

/* Forgets what was emitted and not yet applied: on becoming leader, and after a failed submit. */
void hor_master_core_lead(struct hor_master_core *core);
/* Events that were emitted but not submitted: their orders are free again. `decided`: they came from
 * hor_master_core_decide, which decides anew. The events stay the caller's. */
void hor_master_core_dropped(struct hor_master_core *core, struct hor_event *const *events,
                             size_t count, bool decided);
/* Emits up to `limit` events that are due: plan days to be made or made anew, starts that were missed.
 * *ret_more: there is more to do now. HOR_ERR_MEMORY. A plan that cannot be made is not tried again
 * before the next release or day: see hor_master_core_problem. */
int hor_master_core_decide(struct hor_master_core *core, int64_t now_us, size_t limit,
                           hor_master_emit_fn *emit, void *ctx, bool *ret_more);
/* When decide has to be called again although nothing is applied. */
int64_t hor_master_core_next_due(const struct hor_master_core *core, int64_t now_us);
/* Why the plan could not be made; NULL: no problem. */
const char *hor_master_core_problem(const struct hor_master_core *core);

/* The leader's coupling with an agent cluster (not replicated). Orders whose start passes while their
 * cluster is not reached fall under their schedule's rule for missed starts. */
void hor_master_core_reached(struct hor_master_core *core, const char *cluster, bool reached);
/* Loses certainty: a call that gives orders had no answer: it is not certain any more which the cluster has. The same
 * is true of every cluster after hor_master_core_lead. Until hor_master_core_compare and hor_master_core_reached nothing is
 * decided about orders that are here for that cluster: commands for them wait, none is missed. */
void hor_master_core_unsettled(struct hor_master_core *core, const char *cluster);
/* The cluster has told what it was given (`held`), and what earlier couplings still send it refuses.
 * Emits what follows: orders that are there after all, commands for those that it should not have,
 * and ends of those whose start was missed meanwhile. Nothing when it was certain before. */
int hor_master_core_compare(struct hor_master_core *core, const char *cluster, char *const *held,
                            size_t held_count, int64_t now_us, hor_master_emit_fn *emit, void *ctx);

/* ---- releases ---- */

/* The deployed configuration, NULL when there is none. */
const struct hor_config *hor_master_core_config(const struct hor_master_core *core);
/* A release's document; NULL when it is not kept (any more). */
const struct hor_buf *hor_master_core_release(const struct hor_master_core *core, int64_t number,
                                              const char **ret_sha256);
/* Emits releasePart* and releaseApplied for a document that loads. Nothing when the release is
 * deployed already (HOR_ERR_EXISTS). */
int hor_master_core_apply_release(struct hor_master_core *core, int64_t number, const char *sha256,
                                  const char *actor, const void *document, size_t len,
                                  int64_t now_us, hor_master_emit_fn *emit, void *ctx,
                                  struct hor_error *err);
/* Orders that are planned for the days of the plan, from now on. */
size_t hor_master_core_planned(const struct hor_master_core *core);
/* True when every day of the plan is made with the deployed release, or cannot be made. */
bool hor_master_core_plan_is_made(const struct hor_master_core *core, int64_t now_us);

/* ---- orders ---- */

struct hor_master_order { /* all borrowed */
    const char *id, *chain, *cluster, *schedule, *plan_day, *title, *actor, *reason, *cause;
    const char *state; /* as in xsd/types.xsd */
    const char *where; /* master, forwarding, agents */
    int64_t release, planned_at, due_at, priority, started_at, ended_at;
    const struct hor_arguments *arguments; /* empty once it has ended */
};
/* HOR_ERR_NOT_FOUND. */
int hor_master_core_order(const struct hor_master_core *core, const char *id,
                          struct hor_master_order *ret);

struct hor_master_new_order { /* all borrowed */
    const char *request, *chain, *title, *actor, *reason;
    int64_t start_at, priority; /* HOR_EVENT_NONE: now; the chain's */
    const struct hor_arguments *arguments; /* may be NULL */
};
/* Emits orderAdded. `ret_id` holds HOR_ORDER_ID_BYTES. HOR_ERR_EXISTS: the request was done before,
 * ret_id tells the order; HOR_ERR_NOT_FOUND, HOR_ERR_INVALID, HOR_ERR_STATE (no release). */
int hor_master_core_add(struct hor_master_core *core, const struct hor_master_new_order *order,
                        int64_t now_us, hor_master_emit_fn *emit, void *ctx, char *ret_id,
                        struct hor_error *err);

/* Marks up to `limit` orders of a cluster as being forwarded and gives them; all of one release. */
typedef void hor_master_order_fn(const struct hor_master_order *order, void *ctx);
size_t hor_master_core_forward(struct hor_master_core *core, const char *cluster, size_t limit,
                               hor_master_order_fn *each, void *ctx);
/* The cluster took them (emits orderForwarded for each that is marked), or it did not. */
int hor_master_core_forwarded(struct hor_master_core *core, const char *cluster, bool accepted,
                              int64_t now_us, hor_master_emit_fn *emit, void *ctx);

/* ---- commands ---- */

struct hor_master_command { /* xsd type t:Command; all borrowed */
    const char *id, *action, *order, *chain, *agent, *node, *outcome, *actor, *reason;
    const char *command; /* that is to be revoked */
    int64_t start_at, priority;
    const struct hor_arguments *arguments;
};
enum hor_master_answer_kind {
    HOR_MASTER_DONE,    /* nothing or everything is in the emitted events */
    HOR_MASTER_REFUSED, /* text says why */
    HOR_MASTER_REMOTE,  /* commandReceived is emitted; then the agent cluster has to be asked */
    HOR_MASTER_WAITING, /* a repeat of one that still waits for its cluster */
};
struct hor_master_answer {
    enum hor_master_answer_kind kind;
    char text[600];
    char cluster[401];
};
/* HOR_OK: the answer counts once the events are committed. HOR_ERR_EXISTS: a repeat, nothing is
 * emitted, the answer tells what became of it. HOR_ERR_BUSY: the order has events under way.
 * HOR_ERR_NOT_FOUND, HOR_ERR_INVALID. */
int hor_master_core_command(struct hor_master_core *core, const struct hor_master_command *command,
                            int64_t now_us, hor_master_emit_fn *emit, void *ctx,
                            struct hor_master_answer *answer, struct hor_error *err);
/* The event commandDone of a command that a cluster answered. NULL: out of memory. */
struct hor_event *hor_master_core_command_done(const char *id, const char *cluster, bool done,
                                               const char *cause, int64_t now_us);
/* The cluster has not got the command's order: emits the effect and commandDone when the order is
 * here; false: it is not. HOR_ERR_MEMORY. */
int hor_master_core_command_here(struct hor_master_core *core, const char *id, int64_t now_us,
                                 hor_master_emit_fn *emit, void *ctx, bool *ret_here);
/* The command is on its way to its cluster (which makes it hard to revoke), or the answer came. */
void hor_master_core_command_sent(struct hor_master_core *core, const char *id, bool sent);
/* Waiting commands of a cluster (NULL: of all), oldest first, start with *pos = 0; NULL: no more. The event is its
 * commandReceived. */
const struct hor_event *hor_master_core_waiting(const struct hor_master_core *core,
                                                const char *cluster, size_t *pos);

/* ---- dependencies ---- */

struct hor_master_posted { /* an external event; all borrowed, all but the name may be NULL */
    const char *request, *name, *actor, *reason;
    const struct hor_arguments *arguments;
};
/* Emits externalEvent. HOR_ERR_EXISTS: the request was done before; HOR_ERR_LIMIT. */
int hor_master_core_post(struct hor_master_core *core, const struct hor_master_posted *posted,
                         int64_t now_us, hor_master_emit_fn *emit, void *ctx, struct hor_error *err);
/* Gives up to `limit` answers (events dependencyResolved) that the cluster may not have, and marks them
 * as under way; then hor_master_core_answered says whether it took them. */
typedef void hor_master_event_fn(const struct hor_event *event, void *ctx);
size_t hor_master_core_answers(struct hor_master_core *core, const char *cluster, size_t limit,
                               hor_master_event_fn *each, void *ctx);
void hor_master_core_answered(struct hor_master_core *core, const char *cluster, bool taken);
/* Walks the orders that run nodes of this one on other clusters and have not ended: their ids, NULL:
 * no more. Start with *pos = 0. */
const char *hor_master_core_asked(const struct hor_master_core *core, const char *order, size_t *pos,
                                  const char **ret_node);

/* ---- clusters and consumers ---- */

struct hor_master_cluster { /* borrowed */
    const char *path, *run_id, *cause; /* run_id NULL: never coupled */
    uint64_t cursor;                   /* index of its last event that is in our journal */
    bool coupled;
    int64_t changed_at;                /* coupled or uncoupled since */
    size_t orders, waiting_commands;   /* orders not ended */
};
/* HOR_ERR_NOT_FOUND. */
int hor_master_core_cluster(const struct hor_master_core *core, const char *path,
                            struct hor_master_cluster *ret);
/* Did a person decide to couple with this cluster anew (command recouple)? Then, before its
 * clusterCoupled, hor_master_core_recoupled compares: `held` are the orders that it has. Emits what
 * happens to those that it has lost. */
bool hor_master_core_is_anew(const struct hor_master_core *core, const char *cluster);
int hor_master_core_recoupled(struct hor_master_core *core, const char *cluster,
                              char *const *held, size_t held_count, int64_t now_us,
                              hor_master_emit_fn *emit, void *ctx);
/* Walks held chains; start with *pos = 0. ret_cluster is the agent cluster. */
const char *hor_master_core_held(const struct hor_master_core *core, size_t *pos,
                                 const char **ret_cluster);
/* Should an agent cluster's event be taken into our journal? False for what is there already and for
 * what concerns that cluster alone. */
bool hor_master_core_takes(const struct hor_master_core *core, const char *cluster,
                           const struct hor_event *event);
/* The member that a person switched to last; NULL: nobody did. */
const char *hor_master_core_preferred(const struct hor_master_core *core);
/* The Supervisor has stored everything up to this index. */
uint64_t hor_master_core_acknowledged(const struct hor_master_core *core);

#endif

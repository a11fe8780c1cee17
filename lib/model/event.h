/* lib/model/event.h - the one vocabulary of what happens (xsd/event.xsd): journals hold these,
 * services give them, history and queue are made from them.
 * An event is flat: a type and the fields that the type carries; strings that are absent are NULL,
 * numbers that are absent are HOR_EVENT_NONE. In XML each field is an attribute, arguments are
 * child elements and `text` is character data:
 *   <taskEnded order="eod-1" node="load" task="eod-1:load:1" outcome="success" exitCode="0"/>
 *   <orderAdded order="eod-1" chain="/eod"><argument name="day">2026-11-24</argument></orderAdded>
 * An empty text is an absent text.
 * Times are UTC microseconds since the epoch. One thread owns an event. */
#ifndef HOR_MODEL_EVENT_H
#define HOR_MODEL_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

#define HOR_EVENT_NONE INT64_MIN

/* enum suffix, element name, meaning (the meaning also stands in xsd/event.xsd) */
#define HOR_EVENT_TABLE(X)                                                                         \
    X(CLUSTER_STARTED, "clusterStarted")         /* runId: first entry of a cluster's journal */   \
    X(MEMBER_CHANGED, "memberChanged")           /* agent, state: up|lost|draining|drained */      \
    X(RELEASE_PART, "releasePart")               /* release, part, parts, text: base 64 */         \
    X(RELEASE_APPLIED, "releaseApplied")         /* release, sha256, actor */                      \
    X(RELEASE_DROPPED, "releaseDropped")         /* release: no order needs it any more */         \
    X(PLAN_MADE, "planMade")                     /* Master: planDay, release, count */             \
    X(PLAN_ACCEPTED, "planAccepted")             /* agents: master, planDay, command, count */     \
    X(ORDER_ADDED, "orderAdded")                 /* order, chain, release, plan fields, arguments */ \
    X(ORDER_FORWARDED, "orderForwarded")         /* Master: order, cluster */                      \
    X(ORDER_CHANGED, "orderChanged")             /* order: dueAt, priority, arguments */           \
    X(ORDER_STARTED, "orderStarted")             /* order */                                       \
    X(ORDER_FAILED, "orderFailed")               /* order, node, cause: waits for a person */      \
    X(ORDER_SUSPENDED, "orderSuspended")         /* order, actor, reason */                        \
    X(ORDER_RESUMED, "orderResumed")             /* order, node (from where), actor, reason */     \
    X(ORDER_MARKED, "orderMarked")               /* order, mark, actor, reason */                  \
    X(ORDER_ENDED, "orderEnded")                 /* order, state, cause */                         \
    X(NODE_SKIPPED, "nodeSkipped")               /* order, node, cause */                          \
    X(NODE_RESET, "nodeReset")                   /* order, node, actor, reason: runs again */      \
    X(NODE_SET, "nodeSet")                       /* order, node, outcome, actor, reason */         \
    X(NODE_SPREAD, "nodeSpread")                 /* order, node, count, arguments: agents */       \
    X(TASK_ASSIGNED, "taskAssigned")             /* order, node, job, task, attempt, agent */      \
    X(TASK_STARTED, "taskStarted")               /* order, node, task, agent, pid */               \
    X(TASK_ENDED, "taskEnded")                   /* order, node, task, outcome, exit, usage */     \
    X(TASK_KILLING, "taskKilling")               /* order, node, task, actor, reason */            \
    X(TASK_IN_DOUBT, "taskInDoubt")              /* order, node, task, cause */                    \
    X(RETRY_SCHEDULED, "retryScheduled")         /* order, node, attempt, dueAt */                 \
    X(CHAIN_HELD, "chainHeld")                   /* chain, actor, reason */                        \
    X(CHAIN_RELEASED, "chainReleased")           /* chain, actor, reason */                        \
    X(COMMAND_RECEIVED, "commandReceived")       /* command, action, order|chain|agent, actor */   \
    X(COMMAND_DONE, "commandDone")               /* command, outcome: done|refused, cause */       \
    X(CLUSTER_COUPLED, "clusterCoupled")         /* Master: cluster, runId, clusterIndex */        \
    X(CLUSTER_UNCOUPLED, "clusterUncoupled")     /* Master: cluster, cause */                      \
    X(MASTER_COUPLED, "masterCoupled")           /* agents: master, count: of the coupling */      \
    X(EVENTS_ACKNOWLEDGED, "eventsAcknowledged") /* master, clusterIndex */                        \
    X(EXTERNAL_EVENT, "externalEvent")           /* name, actor, arguments */                      \
    X(NODE_WAITING, "nodeWaiting")               /* order, node, cause */                          \
    X(DEPENDENCY_REQUESTED, "dependencyRequested") /* order, node, name, text */                   \
    X(DEPENDENCY_RESOLVED, "dependencyResolved") /* order, node, name, outcome, cause */

/* member, attribute, kind: S string, N number, T time */
#define HOR_EVENT_FIELDS(X)                                                                        \
    X(master, "master", S)              /* Master cluster that owns the order */                   \
    X(cluster, "cluster", S)            /* agent cluster, path */                                  \
    X(cluster_index, "clusterIndex", N) /* the event's index in that cluster's journal */          \
    X(run_id, "runId", S)                                                                          \
    X(order, "order", S)                                                                           \
    X(chain, "chain", S)                                                                           \
    X(title, "title", S)                                                                           \
    X(release, "release", N)                                                                       \
    X(sha256, "sha256", S)                                                                         \
    X(part, "part", N)                                                                             \
    X(parts, "parts", N)                                                                           \
    X(plan_day, "planDay", S) /* YYYY-MM-DD */                                                     \
    X(schedule, "schedule", S)                                                                     \
    X(planned_at, "plannedAt", T)                                                                  \
    X(due_at, "dueAt", T)                                                                          \
    X(priority, "priority", N)                                                                     \
    X(count, "count", N)                                                                           \
    X(node, "node", S)                                                                             \
    X(job, "job", S)                                                                               \
    X(task, "task", S) /* ORDER:NODE:ATTEMPT */                                                    \
    X(attempt, "attempt", N)                                                                       \
    X(agent, "agent", S)                                                                           \
    X(pid, "pid", N)                                                                               \
    X(state, "state", S)                                                                           \
    X(mark, "mark", S)                                                                             \
    X(outcome, "outcome", S) /* success|warning|failure|skipped */                                 \
    X(exit_code, "exitCode", N)                                                                    \
    X(signal, "signal", N)                                                                         \
    X(started_at, "startedAt", T)                                                                  \
    X(ended_at, "endedAt", T)                                                                      \
    X(cpu_ms, "cpuMs", N)                                                                          \
    X(max_rss_kb, "maxRssKb", N)                                                                   \
    X(log_bytes, "logBytes", N)                                                                    \
    X(name, "name", S)                                                                             \
    X(cause, "cause", S) /* a sentence */                                                          \
    X(command, "command", S) /* id of the request */                                               \
    X(action, "action", S)                                                                         \
    X(actor, "actor", S)                                                                           \
    X(reason, "reason", S)

enum hor_event_type {
#define HOR_EVENT_ENUM(suffix, name) HOR_EVENT_##suffix,
    HOR_EVENT_TABLE(HOR_EVENT_ENUM)
#undef HOR_EVENT_ENUM
        HOR_EVENT_TYPES
};

struct hor_argument {
    char *name, *value; /* owned by the list */
    bool secret;        /* value is encrypted or hidden wherever a person could see it */
};

struct hor_arguments {
    struct hor_argument *items;
    size_t count;
};

/* Adds, or replaces the value of that name. A NULL value is "". HOR_ERR_MEMORY. */
int hor_arguments_add(struct hor_arguments *list, const char *name, const char *value, bool secret);
const char *hor_arguments_get(const struct hor_arguments *list, const char *name);
/* `to` must be empty; on failure it stays so. */
int hor_arguments_copy(struct hor_arguments *to, const struct hor_arguments *from);
void hor_arguments_done(struct hor_arguments *list);

#define HOR_EVENT_MEMBER_S(name) char *name
#define HOR_EVENT_MEMBER_N(name) int64_t name
#define HOR_EVENT_MEMBER_T(name) int64_t name

struct hor_event {
    enum hor_event_type type;
    uint64_t index; /* in the journal that it was read from; 0 before it is committed */
    int64_t at_us;  /* when it was decided; stands on the journal's entry, not on the element */
#define HOR_EVENT_MEMBER(member, attribute, kind) HOR_EVENT_MEMBER_##kind(member);
    HOR_EVENT_FIELDS(HOR_EVENT_MEMBER)
#undef HOR_EVENT_MEMBER
    char *text;
    struct hor_arguments arguments;
};

/* A new event with every field absent. hor_event_free frees all its strings. NULL: out of memory. */
struct hor_event *hor_event_new(enum hor_event_type type, int64_t at_us);
void hor_event_free(struct hor_event *event);
struct hor_event *hor_event_copy(const struct hor_event *event);
/* Replaces a string field: hor_event_set(&event->order, "eod-1"). NULL clears. HOR_ERR_MEMORY. */
int hor_event_set(char **field, const char *value);

const char *hor_event_type_name(enum hor_event_type type);
int hor_event_type_from_name(const char *name, enum hor_event_type *ret); /* HOR_ERR_NOT_FOUND */

/* Writes the event as one element on one line, without index and at. */
void hor_event_write(const struct hor_event *event, struct hor_buf *out);
/* Reads what hor_event_write wrote, and any equivalent well-formed element without a prefix,
 * comments or CDATA (quick, hand-written: journals are read at start by the million). Unknown
 * attributes are errors; `xmlns` is passed over. White space around the element is allowed, and
 * text that is only literal white space is formatting. The caller owns *ret. HOR_ERR_INVALID names
 * the position, HOR_ERR_LIMIT beyond 1,000 arguments, HOR_ERR_MEMORY. */
int hor_event_read(const char *xml, size_t len, struct hor_event **ret, struct hor_error *err);

#endif

/* server/master/core/state.h - the core's own structures. Inside server/master/core. */
#ifndef HOR_SERVER_MASTER_CORE_STATE_H
#define HOR_SERVER_MASTER_CORE_STATE_H

#include "lib/base/map.h"
#include "server/master/core/core.h"

enum {
    HOR_MASTER_PART_BYTES = 192 * 1024, /* of a release, before base 64: 256 KiB after it */
    HOR_MASTER_LATE_S = 60,             /* a start counts as missed only after that */
    HOR_MASTER_CATCH_UP_DAYS = 31,      /* days without a running Master that are planned afterwards */
    HOR_MASTER_COMMAND_MEMORY_S = 3600, /* repeats of a command get its first answer that long */
};
#define HOR_MASTER_US INT64_C(1000000)

enum hor_master_state {
    HOR_MASTER_PLANNED,
    HOR_MASTER_RUNNING,
    HOR_MASTER_RETRYING,
    HOR_MASTER_FAILED,
    HOR_MASTER_SUSPENDED,
    HOR_MASTER_IN_DOUBT,
    HOR_MASTER_ENDED, /* end_state says how */
};

struct hor_master_release {
    int64_t number, at_us;
    char *sha256, *actor;
    struct hor_buf document; /* grows part by part until it is applied */
    int64_t parts, parts_seen;
    bool applied;
    struct hor_config *config; /* of an applied one; NULL: it does not load here */
    size_t here;               /* orders that are to be handed over (again) and need it */
};

struct hor_master_entry { /* an order */
    char *id, *chain, *cluster, *schedule, *plan_day, *title, *actor, *reason, *cause, *end_state;
    int64_t release, planned_us, due_us, priority, started_us, ended_us;
    uint64_t ended_index;
    struct hor_arguments arguments;
    enum hor_master_state state;
    bool away;                   /* handed over to its agent cluster */
    bool again;                  /* and to be handed over again, with another release */
    bool forwarding, under_way;  /* leader only: being handed over; has events not yet applied */
    struct hor_master_dependency *dependencies; /* its questions, see dependencies.h */
};

struct hor_master_place { /* an agent cluster */
    char *path, *run_id, *cause;
    uint64_t cursor;
    bool settled; /* leader only: it is certain which orders the cluster was given */
    bool coupled;
    int64_t changed_us;
    struct hor_map *here;  /* id -> order, those not handed over; borrowed */
    struct hor_map *again; /* those to be handed over again; borrowed */
    bool anew;             /* a person decided to couple anew: see hor_master_core_recoupled */
    bool reached;         /* leader only */
    bool answers;         /* leader only: there may be answers that it has not got */
};

struct hor_master_request { /* a command, or an added order's request */
    struct hor_event *received; /* NULL: an added order */
    char *id, *text;            /* why refused; the added order's id */
    enum hor_master_answer_kind kind;
    bool sent; /* leader only: it was called with it, and its answer is not here */
    uint64_t done_index;
    int64_t done_us;
};

struct hor_master_day { /* a plan day that was made */
    char *day;
    int64_t release, count;
};

struct hor_master_core {
    char *name;
    char *preferred; /* member that a person switched to; NULL: nobody did */
    int days_ahead;
    struct hor_map *releases; /* number as text -> release */
    struct hor_master_release *deployed;
    int64_t first_release_us; /* nothing is planned before it */
    struct hor_map *orders, *places, *requests, *days;
    struct hor_map *held; /* chain -> its agent cluster */
    struct hor_map *topics, *asked; /* see dependencies.h */
    struct hor_map *children;       /* id of an order that runs another's node -> its dependency */
    size_t event_names;             /* topics that are external events */
    uint64_t acknowledged;
    size_t ended;         /* orders that are kept for the Supervisor */

    /* leader only */
    struct hor_event **queue; /* decided, not yet emitted */
    size_t queue_count, queue_at;
    char making[16];     /* the plan day under way, "" none */
    char *problem;
    int64_t problem_release, problem_day;
    struct hor_master_dependency *look_first, *look_last; /* that something happened to */
    int64_t missed_checked_us; /* looking at every late order takes time: now and then only */
};

/* state.c */
int hor_master_clear(struct hor_master_core *core); /* to the state before the first event */
struct hor_master_place *hor_master_place(struct hor_master_core *core, const char *path);
struct hor_master_release *hor_master_release(const struct hor_master_core *core, int64_t number);
struct hor_master_release *hor_master_release_add(struct hor_master_core *core, int64_t number);
void hor_master_release_drop_unused(struct hor_master_core *core);
/* Reads document and configuration once all parts are there. */
int hor_master_release_complete(struct hor_master_core *core, struct hor_master_release *release,
                                int64_t at_us, const char *sha256, const char *actor);
/* Adds it, neither here nor away: hor_master_entry_comes. */
int hor_master_entry_add(struct hor_master_core *core, const struct hor_event *event,
                         struct hor_master_entry **ret);
/* It waits for being handed over (again). */
int hor_master_entry_comes(struct hor_master_core *core, struct hor_master_entry *entry);
bool hor_master_entry_not_started(const struct hor_master_entry *entry);
void hor_master_entry_leaves(struct hor_master_core *core, struct hor_master_entry *entry);
void hor_master_entry_remove(struct hor_master_core *core, struct hor_master_entry *entry);
const char *hor_master_state_name(const struct hor_master_entry *entry);
void hor_master_view(const struct hor_master_entry *entry, struct hor_master_order *ret);
int hor_master_request_add(struct hor_master_core *core, const char *id,
                           const struct hor_event *received, struct hor_master_request **ret);
void hor_master_queue_clear(struct hor_master_core *core);
/* Takes the event (NULL: out of memory). */
int hor_master_queue_add(struct hor_master_core *core, struct hor_event *take_event);

/* Is it certain which orders the place's cluster was given? Not when another leader, or a call whose
 * answer did not come, may have given it some: then nothing is decided about those that are here. */
bool hor_master_place_settled(const struct hor_master_place *place); /* compare.c */
/* decide.c: queues the ends of orders whose start was missed. */
int hor_master_find_missed(struct hor_master_core *core, struct hor_master_place *place,
                           int64_t now_us);
/* decide.c: why a schedule's rule gives up a start that is over; NULL: it is to run. `last`: no later
 * start of the schedule is over as well. */
const char *hor_master_missed_rule(const struct hor_schedule *schedule, int64_t due_us, bool last,
                                   int64_t now_us);
/* plan.c */
int hor_master_plan_day(struct hor_master_core *core, int32_t day, int64_t now_us,
                        struct hor_error *err);

#endif

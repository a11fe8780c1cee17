/* agent/core/state.h - the insides of a core, for the files of this folder only.
 *
 * What is replicated is marked R and goes into snapshots; the rest is the leader's notebook (what
 * waits where, what is under way), which hor_core_lead makes anew from R. */
#ifndef HOR_AGENT_CORE_STATE_H
#define HOR_AGENT_CORE_STATE_H

#include "agent/core/core.h"
#include "agent/core/heap.h"
#include "lib/base/map.h"
#include "lib/model/dependency.h"

enum {
    HOR_CORE_COMMANDS_KEPT = 10000, /* answers of commands */
    HOR_CORE_ENDED_KEPT = 10000,    /* ids of orders that are forgotten */
};

enum hor_core_order_state {
    HOR_CORE_ORDER_WAITING, /* not started: for its time or a place */
    HOR_CORE_ORDER_RUNNING,
    HOR_CORE_ORDER_FAILED,    /* waits for a person */
    HOR_CORE_ORDER_SUSPENDED, /* waits for a person who asked for it */
    HOR_CORE_ORDER_SUCCEEDED, /* from here on: ended */
    HOR_CORE_ORDER_WARNED,
    HOR_CORE_ORDER_FAILED_FINALLY,
    HOR_CORE_ORDER_CANCELLED,
    HOR_CORE_ORDER_SKIPPED,
    HOR_CORE_ORDER_MISSED,
};

enum hor_core_mark {
    HOR_CORE_MARK_NONE,
    HOR_CORE_MARK_SUSPENDING,
    HOR_CORE_MARK_CANCELLING,
    HOR_CORE_MARK_KILLING,
};

enum hor_core_node_state {
    HOR_CORE_NODE_WAITING,
    HOR_CORE_NODE_ASSIGNED,
    HOR_CORE_NODE_RUNNING,
    HOR_CORE_NODE_IN_DOUBT,
    HOR_CORE_NODE_RETRYING,
    HOR_CORE_NODE_AWAY,   /* runs on another cluster: the Master was asked */
    HOR_CORE_NODE_SPREAD, /* its parts have tasks, see spread.c */
    HOR_CORE_NODE_SUCCEEDED,
    HOR_CORE_NODE_WARNED,
    HOR_CORE_NODE_FAILED,
    HOR_CORE_NODE_SKIPPED,
};

enum hor_core_skip {
    HOR_CORE_SKIP_PATH,   /* no path leads to it: what follows is skipped too */
    HOR_CORE_SKIP_WANTED, /* by its `when` or a person: what follows goes on */
};

enum hor_core_queue { /* where a node that may run waits */
    HOR_CORE_QUEUE_NONE,
    HOR_CORE_QUEUE_READY,
    HOR_CORE_QUEUE_BLOCKED,   /* in the heap of the job or lock that has no place */
    HOR_CORE_QUEUE_ASSIGNING, /* taskAssigned is under way; places are reserved */
};

struct hor_core_link { /* of a circular list; the head is one as well */
    struct hor_core_link *next, *prev;
};

struct hor_core_release_held {
    char *key, *master;        /* R */
    int64_t number;            /* R */
    int64_t parts, parts_seen; /* R */
    char sha256[65];           /* R */
    struct hor_buf document;   /* R */
    struct hor_config *config; /* NULL until complete */
    size_t orders;
    bool dropping; /* releaseDropped is under way */
};

struct hor_core_master_known {
    char *name;                 /* R */
    uint64_t acknowledged;      /* R */
    uint64_t fence;             /* R: of its newest coupling */
    uint64_t fence_asked;       /* never goes back: see hor_core_fence_ask */
    int64_t newest;             /* newest release that is complete */
    struct hor_core_link ended; /* orders in order of their ends */
    size_t ended_count;
};

/* A chain of a Master, in whatever release: its orders take turns. */
struct hor_core_lane {
    char *key, *master, *chain;
    bool held;           /* R */
    char *actor, *reason; /* R */
    size_t running;      /* orders in state running */
    size_t starting;     /* orderStarted is under way */
    struct hor_core_heap waiting; /* due orders */
    struct hor_core_link dirty;
    struct hor_core_link members; /* running orders */
    struct hor_ends ends;         /* R */
    struct hor_core_link awaited; /* needs of nodes that wait for an end of its orders */
};

/* Something of which only so many tasks may run: a job or a lock of a Master. */
struct hor_core_place_limit {
    char *key;
    int64_t used, reserved; /* tasks; weight of a lock's shared uses */
    int64_t exclusive, exclusive_reserved;
    int64_t max;                  /* as last seen: a newer release may change it */
    bool lock;
    struct hor_core_heap blocked; /* nodes that wait for it */
};

struct hor_core_member_state {
    char *name;
    int64_t priority, max_tasks;           /* from settings */
    int64_t now_priority, now_max_tasks;   /* with the newest release */
    bool witness;
    bool up, drain, drained;               /* R */
    int64_t changed_at;                    /* R */
    int64_t tasks, reserved;
    int64_t ending;              /* of the tasks: foreseen to end */
    struct hor_core_link active; /* nodes with a task here */
    struct hor_core_heap ready;  /* nodes that may run on this member only */
    enum hor_core_reach reach;
    bool changing, sweep;
};

struct hor_core_order_held;
struct hor_core_ending;

enum hor_core_need_state { HOR_CORE_NEED_OPEN, HOR_CORE_NEED_ASKED, HOR_CORE_NEED_MET };

/* One requirement of a node. The journal says when it was asked and when it was met. */
struct hor_core_need {
    struct hor_core_node_held *node;
    enum hor_core_need_state state; /* R */
    int64_t ask;                    /* R: number of the question among the node's */
    int64_t asked_at, until;        /* R: HOR_EVENT_NONE: no time limit */
    struct hor_core_link waits;     /* in the lane of the chain that it waits for */
};

struct hor_core_node_held {
    struct hor_core_order_held *order;
    const struct hor_node *def;
    enum hor_core_node_state state;   /* R */
    enum hor_core_skip skip;          /* R */
    int64_t attempt, tries;           /* R: last attempt; attempts since the last reset */
    size_t member;                    /* R: index of the last one, SIZE_MAX: none */
    int64_t exit_code, signal;        /* R */
    int64_t started_at, ended_at, retry_at; /* R */
    uint64_t fence;                   /* R */
    bool killing;                     /* R */
    bool final;                       /* R: a failure that is not retried */
    char *cause;                      /* R */
    struct hor_arguments outputs;     /* R */
    struct hor_core_node_held *parts; /* R: while it is spread; NULL: none */
    size_t part_count;
    struct hor_core_node_held *whole; /* of a part; NULL: it is none */
    struct hor_core_need *needs;      /* R: one for each requirement; NULL: none */
    int64_t asks;                     /* R: questions so far */
    bool when_true, swept;
    enum hor_core_queue queue;
    struct hor_core_heap *heap;  /* where it is READY or BLOCKED */
    struct hor_core_place place; /* in it */
    size_t to_member;            /* ASSIGNING: whose place is reserved */
    struct hor_core_link active;  /* in its member */
    struct hor_core_ending *ending; /* its task's end is under way; NULL: no */
};

struct hor_core_order_held {
    char *id;                               /* R */
    struct hor_core_master_known *master;   /* R */
    struct hor_core_release_held *release;  /* R */
    const struct hor_chain *chain;          /* R */
    struct hor_core_lane *lane;
    char *title, *plan_day, *schedule, *cause; /* R */
    int64_t planned_at, due_at, priority;   /* R */
    int64_t started_at, ended_at;           /* R */
    uint64_t added_index, ended_index;      /* R */
    struct hor_arguments arguments;         /* R: as given */
    struct hor_arguments parameters;        /* R: resolved at the start */
    enum hor_core_order_state state;        /* R */
    enum hor_core_mark mark;                /* R */
    struct hor_core_node_held *nodes;       /* R: NULL before the start and after the end */
    size_t active, in_doubt, retrying, away, done;
    bool starting;                    /* counted in lane->starting */
    unsigned in_flight, commands;     /* events and commands under way */
    int64_t timer_at;
    struct hor_core_place timer;      /* in core->timers */
    struct hor_core_place turn;       /* in lane->waiting */
    struct hor_core_link dirty;
    struct hor_core_link in_lane;     /* running ones */
    struct hor_core_link in_ended;
};

struct hor_core_recent { /* a bounded set that forgets the oldest */
    struct hor_map *map; /* key to value or to the key itself */
    char **keys;         /* ring */
    size_t head, count, cap;
};

struct hor_core_seen { /* value in commands */
    bool done;
    char *text;
};

struct hor_core {
    char *cluster;
    struct hor_core_member_state *members;
    size_t member_count;
    size_t last_member; /* R: who got the last task; SIZE_MAX: nobody */
    enum hor_selection selection;
    bool spill;
    struct hor_core_release_held *current; /* R: whose agentCluster document counts; NULL: settings */
    struct hor_map *orders, *releases, *masters, *lanes, *jobs, *locks;
    struct hor_core_recent commands, ended; /* R */
    struct hor_core_heap timers, ready;
    struct hor_core_link dirty_orders, dirty_lanes;
    size_t active;
    bool memory; /* was out */
    bool drop_check; /* a release may have become unused */
};

/* ---- state.c ---- */
void hor_core_link_init(struct hor_core_link *link);
bool hor_core_link_empty(const struct hor_core_link *link);
void hor_core_link_add(struct hor_core_link *head, struct hor_core_link *link); /* last */
void hor_core_link_remove(struct hor_core_link *link);
#define HOR_CORE_ITEM(link, type, member)                                                          \
    ((type *)(void *)((char *)(link) - offsetof(type, member)))

struct hor_core_master_known *hor_core_master_get(struct hor_core *core, const char *name);
/* May an order go over to another release? Only before its start, in the same chain. */
bool hor_core_order_replaceable(const struct hor_core_order_held *order, int64_t release,
                                const char *chain);
struct hor_core_lane *hor_core_lane_get(struct hor_core *core, const char *master,
                                        const char *chain);
struct hor_core_place_limit *hor_core_limit_get(struct hor_map *map, const char *master,
                                                const char *path);
struct hor_core_release_held *hor_core_release_find(const struct hor_core *core, const char *master,
                                                    int64_t number);
struct hor_core_member_state *hor_core_member_find(const struct hor_core *core, const char *name,
                                                   size_t *ret_index);
struct hor_core_order_held *hor_core_order_find(const struct hor_core *core, const char *id);
struct hor_core_node_held *hor_core_node_find(const struct hor_core_order_held *order,
                                              const char *id);
/* The node whose present task this is and is assigned, running or in doubt; NULL. */
struct hor_core_node_held *hor_core_task_node(const struct hor_core *core, const char *task);
/* ORDER:NODE:ATTEMPT; HOR_ERR_LIMIT when it does not fit. */
int hor_core_task_name(const struct hor_core_node_held *node, int64_t attempt,
                       char out[HOR_CORE_NAME_BYTES + 1]);
bool hor_core_order_is_ended(const struct hor_core_order_held *order);
bool hor_core_node_is_active(const struct hor_core_node_held *node);
bool hor_core_node_is_done(const struct hor_core_node_held *node);
const char *hor_core_order_state_name(const struct hor_core_order_held *order, int64_t now_us);
const char *hor_core_order_state_text(enum hor_core_order_state state);
int hor_core_order_state_from(const char *text, enum hor_core_order_state *ret);
const char *hor_core_mark_text(enum hor_core_mark mark); /* NULL: none */
const char *hor_core_node_state_text(enum hor_core_node_state state);
/* What people see: a node that is away runs. */
const char *hor_core_node_shown(const struct hor_core_node_held *node);
int hor_core_node_state_from(const char *text, enum hor_core_node_state *ret);
void hor_core_order_drop(struct hor_core *core, struct hor_core_order_held *order);
void hor_core_order_nodes_free(struct hor_core *core, struct hor_core_order_held *order);
int hor_core_order_nodes_make(struct hor_core_order_held *order);
/* One that has not run yet, in zeroed memory. */
void hor_core_node_init(struct hor_core_node_held *node, struct hor_core_order_held *order,
                        const struct hor_node *def);
int hor_core_recent_add(struct hor_core_recent *recent, const char *key, void *value);
/* Creates an order (not yet in the map); NULL: out of memory. */
struct hor_core_order_held *hor_core_order_new(struct hor_core *core, const char *id,
                                               struct hor_core_release_held *release,
                                               const struct hor_chain *chain);

/* ---- apply.c: changes of state that keep all counts right ---- */
void hor_core_order_set_state(struct hor_core *core, struct hor_core_order_held *order,
                              enum hor_core_order_state state);
void hor_core_node_set_state(struct hor_core *core, struct hor_core_node_held *node,
                             enum hor_core_node_state state);
/* Loads the document; from then on the release counts. */
int hor_core_release_complete(struct hor_core *core, struct hor_core_release_held *release,
                              struct hor_error *err);
void hor_core_current(struct hor_core *core, struct hor_core_release_held *release);
struct hor_core_release_held *hor_core_release_get(struct hor_core *core, const char *master,
                                                   int64_t number);
bool hor_core_order_is_blocked(const struct hor_core_order_held *order,
                               const struct hor_core_node_held **ret_by);
/* Puts an ended order where it waits for its Master's acknowledgement. */
void hor_core_order_keep(struct hor_core_order_held *order);
/* An event that decide or command made, not a member's report: emitted ones are counted. */
bool hor_core_is_decision(const struct hor_event *event);

/* HOR_ERR_INVALID. */
int hor_core_outcome_state(const char *outcome, enum hor_core_node_state *ret);

/* ---- foresee.c: ends that are under way ---- */
/* Swaps what the ends that are under way will make of the nodes in, and by a second call out. */
void hor_core_order_look_ahead(struct hor_core_order_held *order);
void hor_core_node_foresee_nothing(struct hor_core *core, struct hor_core_node_held *node);
void hor_core_order_foresee_nothing(struct hor_core *core, struct hor_core_order_held *order);
void hor_core_node_foresee_done(struct hor_core_node_held *node); /* with its core */

/* ---- queue.c: the leader's notebook ---- */
void hor_core_order_touch(struct hor_core *core, struct hor_core_order_held *order);
void hor_core_lane_touch(struct hor_core *core, struct hor_core_lane *lane);
void hor_core_node_unqueue(struct hor_core *core, struct hor_core_node_held *node);
void hor_core_order_unqueue(struct hor_core *core, struct hor_core_order_held *order);
void hor_core_order_timer(struct hor_core *core, struct hor_core_order_held *order, int64_t at);
int hor_core_node_ready(struct hor_core *core, struct hor_core_node_held *node);
/* The limit that keeps the node from running now, NULL: none. */
struct hor_core_place_limit *hor_core_node_limit(struct hor_core *core,
                                                 const struct hor_core_node_held *node,
                                                 const char **ret_path);
int hor_core_node_block(struct hor_core *core, struct hor_core_node_held *node,
                        struct hor_core_place_limit *limit);
/* Lets one more node look at each limit of `node` that has room, except at `except`. */
void hor_core_node_wake_others(struct hor_core *core, const struct hor_core_node_held *node,
                               const struct hor_core_place_limit *except);
/* The member cannot take tasks now: nodes that wait for it alone do not keep limits from others. */
void hor_core_member_pass_by(struct hor_core *core, struct hor_core_member_state *member);
enum hor_core_take { HOR_CORE_USE, HOR_CORE_RESERVE };
/* Takes (by 1) or gives back (by -1) the node's places at its job and locks. */
void hor_core_node_take(struct hor_core *core, struct hor_core_node_held *node,
                        enum hor_core_take take, int64_t by);
/* The one member that may run the node, SIZE_MAX: any. */
size_t hor_core_node_pin(const struct hor_core *core, const struct hor_core_node_held *node);
/* More important first, then who is due longer, then who came first. */
bool hor_core_order_before(const struct hor_core_order_held *x, const struct hor_core_order_held *y);
bool hor_core_node_before(const void *a, const void *b);

/* ---- graph.c ---- */
enum hor_core_release_state { HOR_CORE_UNDECIDED, HOR_CORE_GO, HOR_CORE_DEAD };
/* Whether the nodes before let `i` go. */
enum hor_core_release_state hor_core_node_release(const struct hor_core_order_held *order, size_t i);
bool hor_core_edge_met(const struct hor_core_node_held *from, const struct hor_edge *edge);
/* Whether a failed node will be tried again by itself. */
bool hor_core_node_retries(const struct hor_core_node_held *node);
/* Marks i and all that follows in `ret` (node_count bools). */
void hor_core_descendants(const struct hor_chain *chain, size_t i, bool *ret);

/* ---- values.c ---- */
struct hor_xpath_scope;
struct hor_xpath_scope *hor_core_scope(const struct hor_core_order_held *order, int64_t now_us,
                                       struct hor_error *err);
/* The chain's parameters from arguments and defaults. HOR_ERR_INVALID with a sentence. */
int hor_core_resolve(const struct hor_core_order_held *order, int64_t now_us,
                     struct hor_arguments *ret, struct hor_error *err);
int hor_core_when(const struct hor_core_node_held *node, int64_t now_us, bool *ret,
                  struct hor_error *err);

/* The parameters of the node's job, from its arguments, the order's and the defaults. */
int hor_core_node_parameters(const struct hor_core_node_held *node, int64_t now_us,
                             struct hor_arguments *ret, struct hor_error *err);
int hor_core_condition(const struct hor_core_node_held *node, const char *test, int64_t now_us,
                       bool *ret, struct hor_error *err);

/* ---- spread.c ---- */
/* Walks all that may have a task: nodes, or the parts of one that is spread. All zero: the first. */
struct hor_core_run_walk {
    size_t node, part;
};
struct hor_core_node_held *hor_core_next_run(const struct hor_core_order_held *order,
                                             struct hor_core_run_walk *walk);
/* The node itself, or its part on that agent; with that attempt. NULL: there is none. */
struct hor_core_node_held *hor_core_part_on(const struct hor_core *core,
                                            struct hor_core_node_held *node, const char *agent);
struct hor_core_node_held *hor_core_part_with(struct hor_core_node_held *node, int64_t attempt);
bool hor_core_node_has_tasks(const struct hor_core_node_held *node);
int hor_core_parts_make(struct hor_core_node_held *node, size_t count);
/* None of them has a task. A NULL core: everything is freed. */
void hor_core_parts_free(struct hor_core *core, struct hor_core_node_held *node);
void hor_core_node_spread(struct hor_core *core, struct hor_core_node_held *node,
                          const struct hor_event *event);
void hor_core_parts_join(struct hor_core *core, struct hor_core_node_held *node);

/* ---- needs.c ---- */
void hor_core_needs_clear(struct hor_core_node_held *node);
void hor_core_needs_done(struct hor_core_node_held *node); /* frees them */
bool hor_core_needs_met(const struct hor_core_node_held *node);
/* Marks a need as asked, and lets it hear of the ends that it waits for. */
void hor_core_need_ask(struct hor_core *core, struct hor_core_need *need, int64_t ask,
                       int64_t asked_at, int64_t until);
void hor_core_dependency_requested(struct hor_core *core, struct hor_core_node_held *node,
                                   const struct hor_event *event);
void hor_core_dependency_resolved(struct hor_core *core, struct hor_core_node_held *node,
                                  const struct hor_event *event);
/* An order of the lane ended: those that wait for it look again. */
void hor_core_lane_ended(struct hor_core *core, struct hor_core_lane *lane,
                         const struct hor_event *event);
/* ---- decide.c ---- */
/* Makes an event of an order: master, order and (node may be NULL) node are filled in. */
struct hor_event *hor_core_event(enum hor_event_type type, const struct hor_core_order_held *order,
                                 const struct hor_core_node_held *node, int64_t now_us);

#endif

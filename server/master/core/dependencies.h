/* server/master/core/dependencies.h - the questions of agent clusters to their Master, see
 * dependencies.c and answers.c. Inside server/master/core. */
#ifndef HOR_SERVER_MASTER_CORE_DEPENDENCIES_H
#define HOR_SERVER_MASTER_CORE_DEPENDENCIES_H

#include "lib/model/dependency.h"
#include "server/master/core/state.h"

enum hor_master_topic_kind { HOR_MASTER_TOPIC_CHAIN = 'c', HOR_MASTER_TOPIC_EVENT = 'e' };

struct hor_master_external { /* an external event that nobody consumed */
    uint64_t index;
    int64_t at_us;
    bool taken; /* leader only: an answer that consumes it is under way */
};

/* Something that is waited for: the ends of a chain's orders, or external events of a name. */
struct hor_master_topic {
    char *key; /* kind and name */
    struct hor_ends ends;
    struct hor_master_external *events; /* oldest first */
    size_t event_count, event_room;
    struct hor_master_dependency *first, *last; /* who waits, longest first */
};

enum hor_master_dependency_state {
    HOR_MASTER_DEPENDENCY_OPEN,
    HOR_MASTER_DEPENDENCY_RESOLVED, /* until the cluster's events show that it has the answer */
    HOR_MASTER_DEPENDENCY_ENDING,   /* taken back, and its order on the other cluster not ended yet */
};

struct hor_master_dependency {
    char *id; /* ORDER:NODE:number of the question */
    struct hor_event *asked;
    struct hor_event *answer; /* the latest; NULL: none */
    enum hor_master_dependency_state state;
    /* a node that runs on another cluster: */
    char *child;                 /* the order that runs it */
    char *end_state, *end_cause; /* of that order */
    struct hor_event *task;      /* the last taskEnded of that order */

    struct hor_master_entry *entry; /* whose question it is */
    struct hor_master_dependency *next_of_order;
    struct hor_master_topic *topic; /* while it is open */
    struct hor_master_dependency *topic_next, *topic_prev;
    /* leader only: */
    struct hor_master_dependency *next_look;
    bool looked_for, under_way;
    enum { HOR_MASTER_NOT_SENT, HOR_MASTER_SENDING, HOR_MASTER_SENT } sent;
};

int hor_master_asked(struct hor_master_core *core, const struct hor_event *event);
/* Takes back all questions of the order, or of one node. */
void hor_master_take_back(struct hor_master_core *core, struct hor_master_entry *entry,
                          const char *node);
int hor_master_theirs_resolved(struct hor_master_core *core, const struct hor_event *event);
int hor_master_own_resolved(struct hor_master_core *core, const struct hor_event *event);
int hor_master_external_event(struct hor_master_core *core, const struct hor_event *event);
int hor_master_child_added(struct hor_master_core *core, const struct hor_event *event);
/* The order has ended just now. */
int hor_master_order_over(struct hor_master_core *core, struct hor_master_entry *entry);
/* Something happened to the order, which may be one that runs another's node. */
void hor_master_order_moved(struct hor_master_core *core, const struct hor_event *event);
/* Queues what is decided. */
int hor_master_decide_dependencies(struct hor_master_core *core, int64_t now_us);
/* Everything is decided and handed over anew. */
void hor_master_dependencies_lead(struct hor_master_core *core);
/* To empty maps; also before the first use. */
int hor_master_dependencies_clear(struct hor_master_core *core);
void hor_master_dependencies_write(const struct hor_master_core *core, const struct hor_event *none,
                                   void (*write)(struct hor_event *, struct hor_buf *),
                                   struct hor_buf *out);
int hor_master_dependencies_restore(struct hor_master_core *core, const struct hor_event *event);

#endif

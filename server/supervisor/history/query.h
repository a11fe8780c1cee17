/* server/supervisor/history/query.h - what is asked of the history. Each question is a fixed number
 * of statements, whatever the size of the tables. Rows are given to a function one by one; their
 * strings are borrowed for that call, absent ones are NULL and HOR_EVENT_NONE. A function that
 * returns a negative code ends the question with that code.
 * Lists go by pages: a page ends with an opaque cursor that continues after its last row, however
 * many rows came in meanwhile. Worker threads. */
#ifndef HOR_SUPERVISOR_HISTORY_QUERY_H
#define HOR_SUPERVISOR_HISTORY_QUERY_H

#include "lib/base/buf.h"
#include "server/supervisor/history/store.h"

struct hor_scope;

struct hor_order_row {
    const char *id, *master, *cluster, *chain, *title, *plan_day, *schedule, *state, *mark, *place,
        *cause;
    int64_t release, planned_us, due_us, started_us, ended_us, priority, nodes_done;
};
typedef int hor_order_row_fn(const struct hor_order_row *row, void *ctx);

enum { HOR_ORDER_STATES_MAX = 20 };

/* What stands here must all hold; NULL, 0 and HOR_EVENT_NONE leave out a condition. */
struct hor_order_filter {
    const char
        *states[HOR_ORDER_STATES_MAX]; /* any of them; groups: active waiting ended problem */
    size_t state_count;
    const char *chain, *folder, *agent, *master, *plan_day, *text;
    int64_t from_us, to_us;        /* planned in [from, to) */
    const struct hor_scope *scope; /* only orders of chains in it; NULL: all */
    bool ascending;                /* earliest planned first; else latest first */
};

/* A page of at most `limit` orders. `cursor` NULL begins; `next` gets the cursor of the next page
 * or stays empty at the end. A search (folder, master, agent, text, scope) looks at some 20,000
 * orders for one page: such a page may hold fewer orders than the limit, even none, and yet not be
 * the last. HOR_ERR_INVALID for a cursor that is none, or an unknown state. */
int hor_query_orders(struct hor_store *store, const struct hor_order_filter *filter,
                     const char *cursor, int limit, hor_order_row_fn *fn, void *ctx,
                     struct hor_buf *next, struct hor_error *err);
/* HOR_ERR_NOT_FOUND: "order 'x' is not known". */
int hor_query_order(struct hor_store *store, const char *id, hor_order_row_fn *fn, void *ctx,
                    struct hor_error *err);
/* The orders with these ids, those that are known, in any order; one statement for each 100. */
int hor_query_orders_named(struct hor_store *store, char *const *ids, size_t count,
                           hor_order_row_fn *fn, void *ctx, struct hor_error *err);
/* How many orders of a plan day are in each state. */
typedef int hor_count_row_fn(const char *state, int64_t count, void *ctx);
int hor_query_counts(struct hor_store *store, const char *plan_day, const struct hor_scope *scope,
                     hor_count_row_fn *fn, void *ctx, struct hor_error *err);
/* Of each chain that has any: state and end of its last ended order, the mean duration of the
 * latest successful ones, the planned time of its next order. Two statements; what one of them does
 * not give is NULL and HOR_EVENT_NONE, so a chain may come twice. */
struct hor_chain_row {
    const char *chain, *last_state;
    int64_t last_ended_us, mean_ms, next_us;
};
typedef int hor_chain_row_fn(const struct hor_chain_row *row, void *ctx);
int hor_query_chains(struct hor_store *store, hor_chain_row_fn *fn, void *ctx,
                     struct hor_error *err);
/* The mean duration of one chain, HOR_EVENT_NONE before its first success. */
int hor_query_expected_ms(struct hor_store *store, const char *chain, int64_t *ret,
                          struct hor_error *err);

struct hor_task_row {
    const char *id, *order, *master, *cluster, *chain, *node, *job, *agent, *state, *outcome,
        *cause;
    int64_t attempt, exit_code, signal, assigned_us, started_us, ended_us, cpu_ms, max_rss_kb,
        log_bytes;
};
typedef int hor_task_row_fn(const struct hor_task_row *row, void *ctx);

struct hor_task_filter {
    const char *order, *job, *agent, *outcome;
    int64_t from_us, to_us; /* assigned in [from, to) */
    const struct hor_scope *scope;
};
/* Latest first. */
int hor_query_tasks(struct hor_store *store, const struct hor_task_filter *filter,
                    const char *cursor, int limit, hor_task_row_fn *fn, void *ctx,
                    struct hor_buf *next, struct hor_error *err);
/* HOR_ERR_NOT_FOUND: "task 'x' is not known". */
int hor_query_task(struct hor_store *store, const char *id, hor_task_row_fn *fn, void *ctx,
                   struct hor_error *err);
/* All attempts of an order, earliest first. */
int hor_query_order_tasks(struct hor_store *store, const char *order, hor_task_row_fn *fn,
                          void *ctx, struct hor_error *err);

/* Arguments of an order, outputs of its tasks (`task` is NULL for arguments). A secret value is
 * never stored: it is NULL. */
typedef int hor_argument_row_fn(const char *task, const char *name, const char *value, bool secret,
                                void *ctx);
int hor_query_arguments(struct hor_store *store, const char *order, hor_argument_row_fn *fn,
                        void *ctx, struct hor_error *err);
int hor_query_outputs(struct hor_store *store, const char *order, hor_argument_row_fn *fn,
                      void *ctx, struct hor_error *err);

/* Events after a number, oldest first; `event->index` is the Supervisor's number, `chain` that of
 * the order that it belongs to. `order` NULL: all. `ret_last` is the number of the last one looked
 * at, those out of scope included. */
typedef int hor_event_row_fn(struct hor_event *event, const char *chain, void *ctx);
int hor_query_events(struct hor_store *store, uint64_t after, const char *order,
                     const struct hor_scope *scope, int limit, hor_event_row_fn *fn, void *ctx,
                     uint64_t *ret_last, struct hor_error *err);

/* Chains that are held: master, chain. */
typedef int hor_hold_row_fn(const char *master, const char *chain, void *ctx);
int hor_query_holds(struct hor_store *store, hor_hold_row_fn *fn, void *ctx, struct hor_error *err);

/* Latest first. */
typedef int hor_audit_row_fn(const struct hor_audit_entry *entry, void *ctx);
int hor_query_audit(struct hor_store *store, const char *user, const char *object,
                    const char *cursor, int limit, hor_audit_row_fn *fn, void *ctx,
                    struct hor_buf *next, struct hor_error *err);

#endif

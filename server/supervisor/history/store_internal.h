/* server/supervisor/history/store_internal.h - for the files of the history only: how they get a
 * connection. */
#ifndef HOR_SUPERVISOR_HISTORY_STORE_INTERNAL_H
#define HOR_SUPERVISOR_HISTORY_STORE_INTERNAL_H

#include "server/supervisor/history/database.h"
#include "server/supervisor/history/store.h"

/* A reading connection for the calling thread; waits when all are in use. */
int store_read(struct hor_store *store, struct hor_database **ret, struct hor_error *err);
/* Gives it back, with what became of the question: a lost connection is noted. */
void store_read_done(struct hor_store *store, struct hor_database *db, int rc,
                     const struct hor_error *err);
/* The writing connection with a transaction open; other writers wait. */
int store_write(struct hor_store *store, struct hor_database **ret, struct hor_error *err);
/* Commits when rc is HOR_OK, rolls back otherwise; returns rc or what the commit gave. */
int store_write_done(struct hor_store *store, int rc, struct hor_error *err);
/* One statement with one row of values, in a transaction of its own. Takes the batch. */
int store_write_one(struct hor_store *store, const char *sql, struct hor_batch *take_batch,
                    int64_t *ret_changed, struct hor_error *err);
/* Takes `count` numbers of events or of audit entries, inside a write; *ret is the first. Numbers
 * follow the order of commits: a reader that saw a number has seen all before it. */
enum store_numbers { STORE_EVENT_NUMBERS, STORE_AUDIT_NUMBERS };
int store_take_numbers(struct hor_store *store, struct hor_database *db, enum store_numbers which,
                       size_t count, uint64_t *ret, struct hor_error *err);
/* After a commit that brought events. */
void store_events_written(struct hor_store *store, uint64_t last_event, size_t events,
                          size_t orders, size_t tasks, uint64_t us);

#endif

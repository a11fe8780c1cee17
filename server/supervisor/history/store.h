/* server/supervisor/history/store.h - the history: what Masters report, what people did, releases
 * and sessions, in one database. One connection writes, a few read (in SQLite beside the writer).
 * Every function may block on the database: for workers, never for the loop's thread. A database
 * that is away makes them fail with HOR_ERR_UNREACHABLE or HOR_ERR_BUSY, and nothing is lost: the
 * Masters keep their events until they are acknowledged. */
#ifndef HOR_SUPERVISOR_HISTORY_STORE_H
#define HOR_SUPERVISOR_HISTORY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/model/event.h"

struct hor_store;

/* Opens the database and brings its tables to the newest version. `readers` 0: 4. A server that is
 * away is no failure: a warning is logged and each later call tries again. Otherwise the errors of
 * hor_database_open and hor_migration_run. */
int hor_store_open(const char *connection, unsigned readers, struct hor_store **ret,
                   struct hor_error *err);
void hor_store_close(struct hor_store *store);

/* Told after each commit that brought events, on the writing thread. Set it before the first
 * write. */
typedef void hor_store_events_fn(void *ctx);
void hor_store_on_events(struct hor_store *store, hor_store_events_fn *fn, void *ctx);
/* Number of the newest event; cheap, from memory once it was read. 0: none. */
uint64_t hor_store_last_event(struct hor_store *store);
/* Whether the last use of the database went well; `text` (may be NULL) gets the last failure. */
bool hor_store_healthy(struct hor_store *store, char *text, size_t text_bytes);
/* For /metrics. */
struct hor_store_counts {
    uint64_t events, orders, tasks, batches, failures; /* written since the start */
    uint64_t write_us;                                 /* time spent in writing */
};
void hor_store_counts(struct hor_store *store, struct hor_store_counts *ret);

/* Where a Master's journal was read up to; a Master that was never read gives "" and 0. */
int hor_store_cursor(struct hor_store *store, const char *master, char run_id[64],
                     uint64_t *ret_read_up_to, struct hor_error *err);

/* A piece of a Master's journal, in its order. */
struct hor_store_batch {
    const char *master, *run_id;
    struct hor_event *const *events;
    size_t count;
    uint64_t read_up_to; /* where the cursor stands afterwards */
};
/* Writes events, the rows that they change and the cursor in one transaction. Repetition is
 * harmless: events up to the cursor, and events of an agent cluster up to that cluster's cursor,
 * change nothing. HOR_ERR_CONFLICT when another Supervisor moved the cursor meanwhile. */
int hor_store_write(struct hor_store *store, const struct hor_store_batch *batch,
                    struct hor_error *err);

/* The audit trail. Strings may be NULL where the table allows it. */
struct hor_audit_entry {
    int64_t at_us;
    const char *user, *address, *operation, *object, *reason, *outcome, *detail, *correlation;
};
int hor_store_audit(struct hor_store *store, const struct hor_audit_entry *entry,
                    struct hor_error *err);

/* Sessions; `token_hash` is the SHA-256 of the token. */
struct hor_session_row {
    const char *token_hash, *id, *user, *address;
    int64_t started_us, used_us, ends_us;
};
int hor_store_session_add(struct hor_store *store, const struct hor_session_row *row,
                          struct hor_error *err);
int hor_store_session_used(struct hor_store *store, const char *token_hash, int64_t used_us,
                           struct hor_error *err);
int hor_store_session_remove(struct hor_store *store, const char *token_hash,
                             struct hor_error *err);
/* Removes those that ended or were not used since `idle_since_us`. */
int hor_store_session_expire(struct hor_store *store, int64_t now_us, int64_t idle_since_us,
                             struct hor_error *err);
typedef int hor_session_row_fn(const struct hor_session_row *row, void *ctx);
int hor_store_sessions(struct hor_store *store, hor_session_row_fn *fn, void *ctx,
                       struct hor_error *err);

#endif

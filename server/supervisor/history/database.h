/* server/supervisor/history/database.h - a small layer over ODBC, the only place that includes
 * sql.h. One connection is used by one thread at a time. SQL is the part that SQLite, PostgreSQL
 * and MariaDB share; statements are prepared once per connection and text, so texts are constant
 * strings (or few variants). Values are always bound, never part of a text.
 * A connection that was lost is opened again at the next hor_database_begin or statement outside a
 * transaction; what was under way fails with HOR_ERR_UNREACHABLE. */
#ifndef HOR_SUPERVISOR_HISTORY_DATABASE_H
#define HOR_SUPERVISOR_HISTORY_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/model/event.h" /* HOR_EVENT_NONE: a number that is absent is SQL's NULL */

struct hor_database;
struct hor_rows;
struct hor_batch;

enum hor_database_kind {
    HOR_DATABASE_SQLITE,
    HOR_DATABASE_POSTGRESQL,
    HOR_DATABASE_MARIADB,
    HOR_DATABASE_OTHER
};

/* The connection string to use: a relative file of SQLite is taken from `folder`; anything else is
 * given back as it is. A new string the caller frees; NULL when memory is out. */
char *hor_database_resolve(const char *connection, const char *folder);

/* Connects. SQLite: the file is created with its folder, in WAL mode, mode 0600.
 * HOR_ERR_NOT_FOUND: "the ODBC driver 'X' is not installed: ..." names what to install;
 * HOR_ERR_UNREACHABLE: the server does not answer; HOR_ERR_DENIED: it refuses us;
 * HOR_ERR_INVALID: the string is wrong. Texts never hold the password. */
int hor_database_open(const char *connection, struct hor_database **ret, struct hor_error *err);
void hor_database_close(struct hor_database *db); /* rolls back what is open */
enum hor_database_kind hor_database_kind(const struct hor_database *db);

int hor_database_begin(struct hor_database *db, struct hor_error *err);
int hor_database_commit(struct hor_database *db, struct hor_error *err);
void hor_database_rollback(struct hor_database *db);
/* Runs a text without values, not prepared: for schema changes. */
int hor_database_execute(struct hor_database *db, const char *sql, struct hor_error *err);

/* A list of values for the question marks of one statement, or of many rows for it. `types` has a
 * letter per value: s text, i number. Add values in that order, row after row; NULL and
 * HOR_EVENT_NONE are SQL's NULL. A failed allocation is told when the batch is run. */
struct hor_batch *hor_batch_new(const char *types);
void hor_batch_free(struct hor_batch *batch);
void hor_batch_clear(struct hor_batch *batch);
void hor_batch_text(struct hor_batch *batch, const char *value); /* copied */
void hor_batch_int(struct hor_batch *batch, int64_t value);
size_t hor_batch_rows(const struct hor_batch *batch); /* complete rows */

/* Runs the statement once for each row, with parameter arrays. `ret_changed` (may be NULL) is the
 * number of rows that it touched, -1 when the driver does not tell. HOR_ERR_EXISTS for a key that
 * is there already, HOR_ERR_BUSY when another one holds a lock too long. No rows: nothing is run.
 */
int hor_database_run(struct hor_database *db, const char *sql, const struct hor_batch *batch,
                     int64_t *ret_changed, struct hor_error *err);
/* Asks, with the batch's only row as values (NULL: none). */
int hor_database_query(struct hor_database *db, const char *sql, const struct hor_batch *batch,
                       struct hor_rows **ret, struct hor_error *err);
/* 1: a row stands there, 0: end, or a negative code. */
int hor_rows_next(struct hor_rows *rows, struct hor_error *err);
/* A column of the current row, from 0; text is borrowed until hor_rows_next or _close, NULL and
 * HOR_EVENT_NONE for SQL's NULL. */
const char *hor_rows_text(struct hor_rows *rows, unsigned column);
int64_t hor_rows_int(struct hor_rows *rows, unsigned column);
void hor_rows_close(struct hor_rows *rows); /* accepts NULL */

#endif

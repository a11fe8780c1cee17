/* server/supervisor/history/database_internal.h - what database.c and statement.c share: the
 * connection, its prepared statements, and how ODBC's diagnostics become errors. */
#ifndef HOR_SUPERVISOR_HISTORY_DATABASE_INTERNAL_H
#define HOR_SUPERVISOR_HISTORY_DATABASE_INTERNAL_H

#include <sql.h>
#include <sqlext.h>

#include "server/supervisor/history/database.h"

enum { DATABASE_STATEMENTS = 96 }; /* prepared and kept; the oldest makes room */

struct prepared {
    char *sql;
    SQLHSTMT handle;
    uint64_t used;
};

struct hor_database {
    SQLHENV env;
    SQLHDBC dbc;
    char *connection, *secret; /* `secret` is the password in it, NULL without */
    enum hor_database_kind kind;
    bool connected, lost, in_transaction;
    struct prepared statements[DATABASE_STATEMENTS];
    size_t statement_count;
    uint64_t clock;
};

/* Turns the diagnostics of a handle into an error, and notes when the connection is gone. */
int database_error(struct hor_database *db, SQLSMALLINT type, SQLHANDLE handle, const char *doing,
                   struct hor_error *err);
/* The prepared statement for `sql`, closed and without bound values. Opens a lost connection again
 * outside a transaction. */
int database_prepare(struct hor_database *db, const char *sql, SQLHSTMT *ret,
                     struct hor_error *err);

#endif

#define _GNU_SOURCE /* explicit_bzero, strcasestr */
#include "server/supervisor/history/database_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"

/* A new string with the value of `key` in "A=b;C={d;e}", NULL when it is not there. */
static char *connection_value(const char *connection, const char *key)
{
    const char *p = connection;
    while (*p != '\0') {
        while (*p == ' ' || *p == ';')
            p++;
        const char *equals = p + strcspn(p, "=;");
        if (*equals != '=') {
            p = equals;
            continue;
        }
        const char *value = equals + 1, *end;
        if (*value == '{') {
            end = value + 1;
            while (*end != '\0' && *end != '}')
                end++;
            value++;
        } else {
            end = value + strcspn(value, ";");
        }
        size_t name_len = (size_t)(equals - p);
        while (name_len > 0 && p[name_len - 1] == ' ')
            name_len--;
        if (strlen(key) == name_len && strncasecmp(p, key, name_len) == 0)
            return strndup(value, (size_t)(end - value));
        p = *end == '}' ? end + 1 : end;
    }
    return NULL;
}

char *hor_database_resolve(const char *connection, const char *folder)
{
    char *driver = connection_value(connection, "Driver");
    char *file = connection_value(connection, "Database");
    char *resolved = NULL;
    if (driver != NULL && strncasecmp(driver, "SQLite", 6) == 0 && file != NULL &&
        file[0] != '\0' && file[0] != '/' && file[0] != ':') {
        const char *at = strcasestr(connection, "Database");
        at = at != NULL ? strstr(at, file) : NULL;
        if (at != NULL)
            resolved = hor_str_printf("%.*s%s/%s", (int)(at - connection), connection, folder, at);
    } else {
        resolved = hor_strdup(connection);
    }
    free(driver);
    free(file);
    return resolved;
}

/* Drivers may quote what they were given; the password must not reach a log that way. */
static void hide_secret(const struct hor_database *db, char *text)
{
    size_t len = db->secret != NULL ? strlen(db->secret) : 0;
    if (len == 0)
        return;
    for (char *at = strstr(text, db->secret); at != NULL; at = strstr(at + len, db->secret))
        memset(at, '*', len);
}

static int code_of_state(const char *state, SQLINTEGER native, const char *text)
{
    if (strncmp(state, "08", 2) == 0)
        return HOR_ERR_UNREACHABLE;
    if (strncmp(state, "57P", 3) == 0) /* PostgreSQL: the server is shutting down */
        return HOR_ERR_UNREACHABLE;
    if (strncmp(state, "23", 2) == 0)
        return HOR_ERR_EXISTS;
    if (strncmp(state, "28", 2) == 0)
        return HOR_ERR_DENIED;
    if (strncmp(state, "HYT", 3) == 0 || strncmp(state, "40", 2) == 0)
        return HOR_ERR_BUSY;
    if (strcmp(state, "HY001") == 0)
        return HOR_ERR_MEMORY;
    /* SQLite's driver tells everything as HY000; its own numbers say more. */
    if (native == 19 && strstr(text, "onstraint") != NULL)
        return HOR_ERR_EXISTS;
    if (native == 5 || native == 6)
        return HOR_ERR_BUSY;
    /* MariaDB: server has gone away, connection lost during the statement. */
    if (native == 2006 || native == 2013)
        return HOR_ERR_UNREACHABLE;
    return HOR_ERR_IO;
}

int database_error(struct hor_database *db, SQLSMALLINT type, SQLHANDLE handle, const char *doing,
                   struct hor_error *err)
{
    SQLCHAR state[6] = "", text[512] = "";
    SQLINTEGER native = 0;
    SQLSMALLINT len = 0;
    if (!SQL_SUCCEEDED(SQLGetDiagRec(type, handle, 1, state, &native, text, sizeof text - 1, &len)))
        return hor_error_set(err, HOR_ERR_IO, "%s: the driver gives no reason", doing);
    text[sizeof text - 1] = '\0';
    char *said = (char *)text;
    hide_secret(db, said);
    for (char *p = said; *p != '\0'; p++) /* some drivers write several lines */
        if (*p == '\n' || *p == '\r' || *p == '\t')
            *p = ' ';
    for (size_t n = strlen(said); n > 0 && said[n - 1] == ' '; n--)
        said[n - 1] = '\0';
    int code = code_of_state((const char *)state, native, said);
    if (code == HOR_ERR_UNREACHABLE)
        db->lost = true;
    return hor_error_set(err, code, "%s: %s (%s)", doing, said, (const char *)state);
}

static void drop_statements(struct hor_database *db)
{
    for (size_t i = 0; i < db->statement_count; i++) {
        SQLFreeHandle(SQL_HANDLE_STMT, db->statements[i].handle);
        free(db->statements[i].sql);
    }
    db->statement_count = 0;
}

static void disconnect(struct hor_database *db)
{
    drop_statements(db);
    if (db->dbc != SQL_NULL_HDBC) {
        if (db->in_transaction)
            SQLEndTran(SQL_HANDLE_DBC, db->dbc, SQL_ROLLBACK);
        if (db->connected)
            SQLDisconnect(db->dbc);
        SQLFreeHandle(SQL_HANDLE_DBC, db->dbc);
    }
    db->dbc = SQL_NULL_HDBC;
    db->connected = db->in_transaction = false;
}

/* The words that a person needs when the driver manager cannot load the driver. */
static int driver_missing(const char *connection, struct hor_error *err)
{
    char *driver = connection_value(connection, "Driver");
    if (driver == NULL) {
        char *dsn = connection_value(connection, "DSN");
        int rc = dsn != NULL
                     ? hor_error_set(err, HOR_ERR_NOT_FOUND,
                                     "the ODBC data source '%s' is not known: it must stand in "
                                     "odbc.ini (odbcinst -j shows where)",
                                     dsn)
                     : hor_error_set(err, HOR_ERR_INVALID,
                                     "the database connection names neither Driver= nor DSN=");
        free(dsn);
        return rc;
    }
    const char *package = strncasecmp(driver, "SQLite", 6) == 0        ? "libsqliteodbc"
                          : strncasecmp(driver, "PostgreSQL", 10) == 0 ? "odbc-postgresql"
                          : strncasecmp(driver, "MariaDB", 7) == 0     ? "odbc-mariadb"
                          : strncasecmp(driver, "FreeTDS", 7) == 0     ? "tdsodbc"
                                                                       : NULL;
    int rc = package != NULL
                 ? hor_error_set(err, HOR_ERR_NOT_FOUND,
                                 "the ODBC driver '%s' is not installed: install the package %s "
                                 "(Debian), or name one of those that 'odbcinst -q -d' shows",
                                 driver, package)
                 : hor_error_set(err, HOR_ERR_NOT_FOUND,
                                 "the ODBC driver '%s' is not installed: name one of those that "
                                 "'odbcinst -q -d' shows",
                                 driver);
    free(driver);
    return rc;
}

static int connect_error(struct hor_database *db, struct hor_error *err)
{
    SQLCHAR state[6] = "", text[512] = "";
    SQLSMALLINT len = 0;
    for (SQLSMALLINT i = 1; SQL_SUCCEEDED(
             SQLGetDiagRec(SQL_HANDLE_DBC, db->dbc, i, state, NULL, text, sizeof text - 1, &len));
         i++)
        if (strncmp((char *)state, "IM00", 4) == 0 || strstr((char *)text, "Can't open lib"))
            return driver_missing(db->connection, err);
    int code = database_error(db, SQL_HANDLE_DBC, db->dbc, "connect to the database", err);
    if (code == HOR_ERR_IO) { /* many drivers have no better state for a server that is away */
        code = db->kind == HOR_DATABASE_SQLITE ? HOR_ERR_IO : HOR_ERR_UNREACHABLE;
        if (err != NULL)
            err->code = code;
    }
    return code;
}

/* SQLite makes missing files by itself, but with the mode of the umask and without their folder. */
static int prepare_file(const char *connection, struct hor_error *err)
{
    char *path = connection_value(connection, "Database");
    if (path == NULL || *path == '\0') {
        free(path);
        return hor_error_set(err, HOR_ERR_INVALID,
                             "the database connection for SQLite lacks Database=FILE");
    }
    int rc = HOR_OK, fd = -1;
    char *slash = strrchr(path, '/');
    if (slash != NULL && slash != path) {
        *slash = '\0';
        rc = hor_dir_make(path, 0700, err);
        *slash = '/';
    }
    if (rc == HOR_OK && (fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
        rc = hor_error_set_errno(err, HOR_ERR_IO, errno, "open database file '%s'", path);
    if (fd >= 0)
        close(fd);
    free(path);
    return rc;
}

static int set_up_sqlite(struct hor_database *db, struct hor_error *err)
{
    /* WAL lets readers go on beside the writer. FULL: events are acknowledged to the Masters, which
     * then forget them, so a commit must be on disk. A page that many commits change is copied back
     * once per checkpoint: let 16 MB gather before one. */
    static const char *const pragmas[] = {"PRAGMA busy_timeout=10000", "PRAGMA journal_mode=WAL",
                                          "PRAGMA synchronous=FULL", "PRAGMA cache_size=-16000",
                                          "PRAGMA wal_autocheckpoint=4000",
                                          "PRAGMA temp_store=MEMORY"};
    for (size_t i = 0; i < sizeof pragmas / sizeof *pragmas; i++) {
        int rc = hor_database_execute(db, pragmas[i], err);
        if (rc != HOR_OK)
            return rc;
    }
    return HOR_OK;
}

static void find_kind(struct hor_database *db)
{
    SQLCHAR name[64] = "";
    SQLSMALLINT len = 0;
    SQLGetInfo(db->dbc, SQL_DBMS_NAME, name, sizeof name, &len);
    const char *dbms = (const char *)name;
    db->kind = strncasecmp(dbms, "SQLite", 6) == 0        ? HOR_DATABASE_SQLITE
               : strncasecmp(dbms, "PostgreSQL", 10) == 0 ? HOR_DATABASE_POSTGRESQL
               : strncasecmp(dbms, "MariaDB", 7) == 0 || strncasecmp(dbms, "MySQL", 5) == 0
                   ? HOR_DATABASE_MARIADB
                   : HOR_DATABASE_OTHER;
}

static int establish(struct hor_database *db, struct hor_error *err)
{
    int rc = HOR_OK;
    char *driver = connection_value(db->connection, "Driver");
    if (driver != NULL && strncasecmp(driver, "SQLite", 6) == 0) {
        db->kind = HOR_DATABASE_SQLITE;
        rc = prepare_file(db->connection, err);
    }
    free(driver);
    if (rc != HOR_OK)
        return rc;
    if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_DBC, db->env, &db->dbc)))
        return hor_error_set(err, HOR_ERR_MEMORY, "connect to the database: out of memory");
    SQLSetConnectAttr(db->dbc, SQL_ATTR_LOGIN_TIMEOUT, (SQLPOINTER)(uintptr_t)5, 0);
    if (!SQL_SUCCEEDED(SQLDriverConnect(db->dbc, NULL, (SQLCHAR *)db->connection, SQL_NTS, NULL, 0,
                                        NULL, SQL_DRIVER_NOPROMPT))) {
        rc = connect_error(db, err);
        disconnect(db);
        return rc;
    }
    db->connected = true;
    db->lost = false;
    find_kind(db);
    if (db->kind == HOR_DATABASE_SQLITE && (rc = set_up_sqlite(db, err)) != HOR_OK)
        disconnect(db);
    return rc;
}

static int ensure_connected(struct hor_database *db, struct hor_error *err)
{
    if (db->connected && !db->lost)
        return HOR_OK;
    if (db->in_transaction)
        return hor_error_set(err, HOR_ERR_UNREACHABLE, "the database connection was lost");
    disconnect(db);
    return establish(db, err);
}

int hor_database_open(const char *connection, struct hor_database **ret, struct hor_error *err)
{
    struct hor_database *db = calloc(1, sizeof *db);
    if (db == NULL || (db->connection = hor_strdup(connection)) == NULL) {
        free(db);
        return hor_error_set(err, HOR_ERR_MEMORY, "open database: out of memory");
    }
    db->secret = connection_value(connection, "PWD");
    if (db->secret == NULL)
        db->secret = connection_value(connection, "Password");
    int rc = HOR_OK;
    /* An environment of its own: the driver manager serialises calls of one environment. */
    if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_ENV, SQL_NULL_HANDLE, &db->env)) ||
        !SQL_SUCCEEDED(SQLSetEnvAttr(db->env, SQL_ATTR_ODBC_VERSION, (SQLPOINTER)SQL_OV_ODBC3, 0)))
        rc = hor_error_set(err, HOR_ERR_MEMORY, "open database: ODBC gives no environment");
    if (rc == HOR_OK)
        rc = establish(db, err);
    if (rc != HOR_OK) {
        hor_database_close(db);
        return rc;
    }
    *ret = db;
    return HOR_OK;
}

void hor_database_close(struct hor_database *db)
{
    if (db == NULL)
        return;
    disconnect(db);
    if (db->env != SQL_NULL_HENV)
        SQLFreeHandle(SQL_HANDLE_ENV, db->env);
    if (db->secret != NULL)
        explicit_bzero(db->secret, strlen(db->secret));
    explicit_bzero(db->connection, strlen(db->connection));
    free(db->secret);
    free(db->connection);
    free(db);
}

enum hor_database_kind hor_database_kind(const struct hor_database *db)
{
    return db->kind;
}

int hor_database_begin(struct hor_database *db, struct hor_error *err)
{
    int rc = ensure_connected(db, err);
    if (rc != HOR_OK)
        return rc;
    if (db->in_transaction)
        return hor_error_set(err, HOR_ERR_STATE, "a transaction is open already");
    if (!SQL_SUCCEEDED(
            SQLSetConnectAttr(db->dbc, SQL_ATTR_AUTOCOMMIT, (SQLPOINTER)SQL_AUTOCOMMIT_OFF, 0)))
        return database_error(db, SQL_HANDLE_DBC, db->dbc, "begin a transaction", err);
    db->in_transaction = true;
    return HOR_OK;
}

static int end_transaction(struct hor_database *db, SQLSMALLINT how, const char *doing,
                           struct hor_error *err)
{
    int rc = HOR_OK;
    if (!db->in_transaction)
        return hor_error_set(err, HOR_ERR_STATE, "%s: no transaction is open", doing);
    if (db->lost)
        rc = hor_error_set(err, HOR_ERR_UNREACHABLE, "%s: the connection was lost", doing);
    else if (!SQL_SUCCEEDED(SQLEndTran(SQL_HANDLE_DBC, db->dbc, how)))
        rc = database_error(db, SQL_HANDLE_DBC, db->dbc, doing, err);
    if (rc != HOR_OK && how == SQL_COMMIT && !db->lost)
        SQLEndTran(SQL_HANDLE_DBC, db->dbc, SQL_ROLLBACK);
    if (!db->lost)
        SQLSetConnectAttr(db->dbc, SQL_ATTR_AUTOCOMMIT, (SQLPOINTER)SQL_AUTOCOMMIT_ON, 0);
    db->in_transaction = false;
    return rc;
}

int hor_database_commit(struct hor_database *db, struct hor_error *err)
{
    return end_transaction(db, SQL_COMMIT, "commit", err);
}

void hor_database_rollback(struct hor_database *db)
{
    if (db->in_transaction)
        end_transaction(db, SQL_ROLLBACK, "roll back", NULL);
}

int hor_database_execute(struct hor_database *db, const char *sql, struct hor_error *err)
{
    int rc = ensure_connected(db, err);
    if (rc != HOR_OK)
        return rc;
    SQLHSTMT handle = SQL_NULL_HSTMT;
    if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_STMT, db->dbc, &handle)))
        return database_error(db, SQL_HANDLE_DBC, db->dbc, "make a statement", err);
    SQLRETURN r = SQLExecDirect(handle, (SQLCHAR *)sql, SQL_NTS);
    if (!SQL_SUCCEEDED(r) && r != SQL_NO_DATA) {
        char doing[120];
        snprintf(doing, sizeof doing, "run '%.90s'", sql);
        rc = database_error(db, SQL_HANDLE_STMT, handle, doing, err);
    }
    SQLFreeHandle(SQL_HANDLE_STMT, handle);
    return rc;
}

int database_prepare(struct hor_database *db, const char *sql, SQLHSTMT *ret, struct hor_error *err)
{
    int rc = ensure_connected(db, err);
    if (rc != HOR_OK)
        return rc;
    struct prepared *slot = NULL, *oldest = &db->statements[0];
    for (size_t i = 0; i < db->statement_count && slot == NULL; i++) {
        if (strcmp(db->statements[i].sql, sql) == 0)
            slot = &db->statements[i];
        else if (db->statements[i].used < oldest->used)
            oldest = &db->statements[i];
    }
    if (slot != NULL) {
        SQLFreeStmt(slot->handle, SQL_CLOSE);
        SQLFreeStmt(slot->handle, SQL_RESET_PARAMS);
    } else {
        char *copy = hor_strdup(sql);
        SQLHSTMT handle = SQL_NULL_HSTMT;
        if (copy == NULL)
            return hor_error_set(err, HOR_ERR_MEMORY, "prepare a statement: out of memory");
        if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_STMT, db->dbc, &handle))) {
            free(copy);
            return database_error(db, SQL_HANDLE_DBC, db->dbc, "make a statement", err);
        }
        if (!SQL_SUCCEEDED(SQLPrepare(handle, (SQLCHAR *)sql, SQL_NTS))) {
            char doing[120];
            snprintf(doing, sizeof doing, "prepare '%.90s'", sql);
            rc = database_error(db, SQL_HANDLE_STMT, handle, doing, err);
            SQLFreeHandle(SQL_HANDLE_STMT, handle);
            free(copy);
            return rc;
        }
        if (db->statement_count < DATABASE_STATEMENTS) {
            slot = &db->statements[db->statement_count++];
        } else {
            slot = oldest;
            SQLFreeHandle(SQL_HANDLE_STMT, slot->handle);
            free(slot->sql);
        }
        *slot = (struct prepared){.sql = copy, .handle = handle};
    }
    slot->used = ++db->clock;
    *ret = slot->handle;
    return HOR_OK;
}

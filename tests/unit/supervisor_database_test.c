/* The ODBC layer and the migrations, on SQLite (or HOR_TEST_DATABASE, an empty database). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "server/supervisor/history/database.h"
#include "server/supervisor/history/migration.h"
#include "tests/lib/tap.h"

static char *connection_to(const char *name)
{
    return hor_str_printf("Driver=SQLite3;Database=%s/sub/%s", hor_tap_tmpdir(), name);
}

static void test_opening(void)
{
    struct hor_error err = {0};
    struct hor_database *db = NULL;
    is_int(hor_database_open("Driver=NoSuchDriver;Database=x", &db, &err), HOR_ERR_NOT_FOUND,
           "a driver that is not there");
    like(err.text, "the ODBC driver 'NoSuchDriver' is not installed", "is told by name");
    is_int(hor_database_open("Driver=PostgreSQLx;PWD=geheim", &db, &err), HOR_ERR_NOT_FOUND,
           "a driver of a known product that is not there");
    like(err.text, "odbc-postgresql", "the message names the package");
    ok(strstr(err.text, "geheim") == NULL, "and not the password");
    is_int(hor_database_open("DSN=no-such-source", &db, &err), HOR_ERR_NOT_FOUND,
           "an unknown data source");
    like(err.text, "no-such-source", "is told by name");
    is_int(hor_database_open("Database=x", &db, &err), HOR_ERR_INVALID, "neither Driver nor DSN");
    is_int(hor_database_open("Driver=SQLite3", &db, &err), HOR_ERR_INVALID, "SQLite needs a file");
    is_int(hor_database_open("Driver=SQLite3;Database=/proc/none/x", &db, &err), HOR_ERR_IO,
           "a file that cannot be made");

    char *connection = connection_to("new.sqlite"), *file;
    is_int(hor_database_open(connection, &db, &err), HOR_OK, "the file and its folder are made: %s",
           err.text);
    is_int(hor_database_kind(db), HOR_DATABASE_SQLITE, "it is SQLite");
    struct stat st;
    file = hor_str_printf("%s/sub/new.sqlite", hor_tap_tmpdir());
    ok(stat(file, &st) == 0 && (st.st_mode & 0777) == 0600, "only its owner may read the file");
    hor_database_close(db);
    free(file);
    free(connection);
}

static int count_of(struct hor_database *db, const char *sql)
{
    struct hor_rows *rows = NULL;
    struct hor_error err;
    int count = -1;
    if (hor_database_query(db, sql, NULL, &rows, &err) == HOR_OK && hor_rows_next(rows, &err) == 1)
        count = (int)hor_rows_int(rows, 0);
    hor_rows_close(rows);
    return count;
}

static void test_values(struct hor_database *db)
{
    struct hor_error err = {0};
    is_int(hor_database_execute(db, "CREATE TABLE v (k BIGINT NOT NULL PRIMARY KEY, t TEXT)", &err),
           HOR_OK, "a table: %s", err.text);
    struct hor_batch *batch = hor_batch_new("is");
    char *longer = malloc(200001);
    memset(longer, 'x', 200000);
    longer[200000] = '\0';
    enum { ROWS = 1500 };
    for (int i = 0; i < ROWS; i++) {
        hor_batch_int(batch, i);
        hor_batch_text(batch, i == 3 ? NULL : i == 4 ? "" : i == 700 ? longer : "z\xc3\xbc'; --");
    }
    is_int(hor_batch_rows(batch), ROWS, "rows are counted");
    int64_t changed = 0;
    is_int(hor_database_begin(db, &err), HOR_OK, "begin");
    is_int(hor_database_run(db, "INSERT INTO v (k, t) VALUES (?, ?)", batch, &changed, &err),
           HOR_OK, "parameter arrays: %s", err.text);
    is_int(hor_database_commit(db, &err), HOR_OK, "commit");
    is_int(count_of(db, "SELECT COUNT(*) FROM v"), ROWS, "every row is there");
    struct hor_rows *rows = NULL;
    hor_database_query(db, "SELECT k, t FROM v WHERE k IN (3, 4, 5, 700) ORDER BY k", NULL, &rows,
                       &err);
    hor_rows_next(rows, &err);
    ok(hor_rows_text(rows, 1) == NULL, "NULL comes back as NULL");
    hor_rows_next(rows, &err);
    is(hor_rows_text(rows, 1), "", "an empty text as an empty text");
    hor_rows_next(rows, &err);
    is(hor_rows_text(rows, 1), "z\xc3\xbc'; --", "quotes and UTF-8 as they were");
    hor_rows_next(rows, &err);
    ok(hor_rows_text(rows, 1) != NULL && strlen(hor_rows_text(rows, 1)) == 200000 &&
           hor_rows_int(rows, 0) == 700,
       "long texts whole");
    is_int(hor_rows_next(rows, &err), 0, "then the end");
    hor_rows_close(rows);
    free(longer);

    hor_batch_clear(batch);
    hor_batch_int(batch, 5000);
    hor_batch_text(batch, "a");
    hor_batch_int(batch, 5);
    hor_batch_text(batch, "b");
    hor_database_begin(db, &err);
    is_int(hor_database_run(db, "INSERT INTO v (k, t) VALUES (?, ?)", batch, NULL, &err),
           HOR_ERR_EXISTS, "a key that is there already: %s", err.text);
    hor_database_rollback(db);
    is_int(count_of(db, "SELECT COUNT(*) FROM v"), ROWS, "rolled back whole");
    hor_batch_free(batch);

    batch = hor_batch_new("si");
    hor_batch_text(batch, "changed");
    hor_batch_int(batch, 9);
    is_int(hor_database_run(db, "UPDATE v SET t = ? WHERE k = ?", batch, &changed, &err), HOR_OK,
           "update");
    is_int(changed, 1, "tells how many rows it touched");
    hor_batch_clear(batch);
    hor_batch_text(batch, "changed");
    hor_batch_int(batch, 99999);
    is_int(hor_database_run(db, "UPDATE v SET t = ? WHERE k = ?", batch, &changed, &err), HOR_OK,
           "update of nothing");
    is_int(changed, 0, "touches no row");
    hor_batch_free(batch);
    is_int(hor_database_execute(db, "SELECT nonsense FROM nowhere", &err), HOR_ERR_IO,
           "wrong SQL is an error");
    like(err.text, "nowhere", "that says what is wrong");
}

static void test_migrations(void)
{
    struct hor_error err = {0};
    struct hor_database *db = NULL;
    const char *other = getenv("HOR_TEST_DATABASE");
    char *connection = other != NULL ? hor_strdup(other) : connection_to("steps.sqlite");
    int version = -1, rc = hor_database_open(connection, &db, &err);
    if (!ok(rc == HOR_OK, "open: %s", err.text))
        return;
    is_int(hor_migration_version(db, &version, &err), HOR_OK, "an empty database has a version");
    is_int(version, 0, "which is 0");
    for (int to = 1; to <= hor_migration_newest(); to++) {
        is_int(hor_migration_run(db, to, &err), HOR_OK, "step %d from the one before: %s", to,
               err.text);
        hor_migration_version(db, &version, &err);
        is_int(version, to, "has version %d", to);
    }
    is_int(hor_migration_run(db, 0, &err), HOR_OK, "again changes nothing: %s", err.text);
    is_int(count_of(db, "SELECT COUNT(*) FROM schema_version"), hor_migration_newest(),
           "one row per step");
    is_int(count_of(db, "SELECT COUNT(*) FROM order_run"), 0, "the tables are there");
    hor_database_execute(db, "INSERT INTO schema_version (version, applied_us) VALUES (999, 0)",
                         &err);
    is_int(hor_migration_run(db, 0, &err), HOR_ERR_STATE, "a newer database is refused");
    like(err.text, "schema version 999", "and told");
    hor_database_close(db);
    if (other == NULL) {
        char *again = connection_to("whole.sqlite");
        hor_database_open(again, &db, &err);
        is_int(hor_migration_run(db, 0, &err), HOR_OK, "from nothing to the newest: %s", err.text);
        test_values(db);
        hor_database_close(db);
        free(again);
    }
    free(connection);
}

int main(void)
{
    test_opening();
    test_migrations();
    return done_testing();
}

#include "server/supervisor/history/migration.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"

/* Words between @ signs differ between databases (see `word`). Times are UTC microseconds, numbers
 * that grow are BIGINT, names are at most 30 characters. Ids are compared byte by byte. */
static const char *const first_tables[] = {
    /* Where each Master's journal was read up to, and each agent cluster's inside it. */
    "CREATE TABLE master_cursor (master VARCHAR(250) NOT NULL PRIMARY KEY, run_id VARCHAR(64) NOT "
    "NULL, read_up_to BIGINT NOT NULL, updated_us BIGINT NOT NULL)@tail@",
    "CREATE TABLE cluster_cursor (master VARCHAR(250) NOT NULL, cluster_path VARCHAR(400) NOT NULL,"
    " run_id VARCHAR(64) NOT NULL, read_up_to BIGINT NOT NULL, PRIMARY KEY (master, cluster_path))"
    "@tail@",
    /* Every event, in the order of arrival: the Supervisor's own numbering. The columns are what
     * lists and the history of an order need; `document` is the whole event. */
    "CREATE TABLE event_log (event_no @serial@, master VARCHAR(250) NOT NULL, "
    "master_index BIGINT NOT NULL, at_us BIGINT NOT NULL, event_type VARCHAR(40) NOT NULL, "
    "order_id VARCHAR(250), chain VARCHAR(400), document @text@ NOT NULL)@tail@",
    "CREATE INDEX event_log_order ON event_log (order_id, event_no)",
    /* One row per order, from the plan to its end. */
    "CREATE TABLE order_run (order_id VARCHAR(250) NOT NULL PRIMARY KEY, master VARCHAR(250) NOT "
    "NULL, cluster_path VARCHAR(400), chain VARCHAR(400) NOT NULL, title @text@, "
    "release_no BIGINT, plan_day VARCHAR(10), schedule_path VARCHAR(400), "
    "planned_us BIGINT NOT NULL, due_us BIGINT, started_us BIGINT, ended_us BIGINT, "
    "priority BIGINT, state VARCHAR(20) NOT NULL, mark VARCHAR(20), place VARCHAR(20), "
    "nodes_done BIGINT NOT NULL, cause @text@)@tail@",
    "CREATE INDEX order_run_planned ON order_run (planned_us, order_id)",
    "CREATE INDEX order_run_state ON order_run (state, planned_us, order_id)",
    "CREATE INDEX order_run_chain ON order_run (chain, planned_us, order_id)",
    "CREATE INDEX order_run_day ON order_run (plan_day, planned_us, order_id)",
    "CREATE INDEX order_run_count ON order_run (plan_day, state)",
    "CREATE TABLE order_argument (order_id VARCHAR(250) NOT NULL, seq BIGINT NOT NULL, "
    "arg_name VARCHAR(250) NOT NULL, arg_value @text@, is_secret BIGINT NOT NULL, "
    "PRIMARY KEY (order_id, seq))@tail@",
    /* One row per attempt. */
    "CREATE TABLE task_run (task_id VARCHAR(400) NOT NULL PRIMARY KEY, order_id VARCHAR(250) NOT "
    "NULL, master VARCHAR(250) NOT NULL, cluster_path VARCHAR(400), chain VARCHAR(400), "
    "node VARCHAR(250) NOT NULL, job VARCHAR(400), attempt BIGINT NOT NULL, agent VARCHAR(250), "
    "state VARCHAR(20) NOT NULL, outcome VARCHAR(20), exit_code BIGINT, signal_no BIGINT, "
    "assigned_us BIGINT NOT NULL, started_us BIGINT, ended_us BIGINT, cpu_ms BIGINT, "
    "max_rss_kb BIGINT, log_bytes BIGINT, cause @text@)@tail@",
    "CREATE INDEX task_run_order ON task_run (order_id, assigned_us)",
    "CREATE INDEX task_run_assigned ON task_run (assigned_us, task_id)",
    "CREATE INDEX task_run_job ON task_run (job, assigned_us)",
    "CREATE INDEX task_run_agent ON task_run (agent, assigned_us)",
    "CREATE INDEX task_run_outcome ON task_run (outcome, assigned_us)",
    "CREATE TABLE task_output (task_id VARCHAR(400) NOT NULL, seq BIGINT NOT NULL, "
    "order_id VARCHAR(250) NOT NULL, arg_name VARCHAR(250) NOT NULL, arg_value @text@, "
    "is_secret BIGINT NOT NULL, PRIMARY KEY (task_id, seq))@tail@",
    "CREATE INDEX task_output_order ON task_output (order_id)",
    /* What is asked of every chain at once; counting it from 10 million orders would take seconds.
     */
    "CREATE TABLE chain_last (chain VARCHAR(400) NOT NULL PRIMARY KEY, last_state VARCHAR(20) NOT "
    "NULL, last_ended_us BIGINT NOT NULL, run_count BIGINT NOT NULL, mean_ms BIGINT)@tail@",
    /* Chains that a person holds, per Master. */
    "CREATE TABLE chain_hold (master VARCHAR(250) NOT NULL, chain VARCHAR(400) NOT NULL, "
    "held_us BIGINT NOT NULL, actor VARCHAR(250), reason @text@, PRIMARY KEY (master, chain))"
    "@tail@",
    NULL};

static const char *const second_tables[] = {
    "CREATE TABLE release_info (release_no BIGINT NOT NULL PRIMARY KEY, state VARCHAR(20) NOT NULL,"
    " sha256 VARCHAR(64) NOT NULL, object_count BIGINT NOT NULL, revision VARCHAR(250), "
    "author VARCHAR(250) NOT NULL, created_us BIGINT NOT NULL, approver VARCHAR(250), "
    "approved_us BIGINT, reason @text@, request_id VARCHAR(250))@tail@",
    "CREATE UNIQUE INDEX release_info_request ON release_info (request_id)",
    "CREATE TABLE deployment (release_no BIGINT NOT NULL, master VARCHAR(250) NOT NULL, "
    "state VARCHAR(20) NOT NULL, changed_us BIGINT NOT NULL, actor VARCHAR(250), detail @text@, "
    "PRIMARY KEY (release_no, master))@tail@",
    "CREATE INDEX deployment_state ON deployment (state)",
    "CREATE TABLE session_info (token_hash VARCHAR(64) NOT NULL PRIMARY KEY, session_id VARCHAR(48)"
    " NOT NULL, user_name VARCHAR(250) NOT NULL, address VARCHAR(64), started_us BIGINT NOT NULL, "
    "used_us BIGINT NOT NULL, ends_us BIGINT NOT NULL)@tail@",
    "CREATE TABLE audit_entry (audit_no @serial@, at_us BIGINT NOT NULL, user_name VARCHAR(250) NOT"
    " NULL, address VARCHAR(64), operation VARCHAR(60) NOT NULL, object VARCHAR(400), "
    "reason @text@, outcome VARCHAR(40) NOT NULL, detail @text@, correlation VARCHAR(64))@tail@",
    "CREATE INDEX audit_entry_user ON audit_entry (user_name, audit_no)",
    "CREATE INDEX audit_entry_object ON audit_entry (object, audit_no)",
    NULL};

static const struct {
    const char *title;
    const char *const *statements;
} steps[] = {
    {"events, orders, tasks and cursors", first_tables},
    {"releases, deployments, sessions and audit", second_tables},
};

enum { NEWEST = sizeof steps / sizeof *steps };

int hor_migration_newest(void)
{
    return NEWEST;
}

static const char *word(enum hor_database_kind kind, const char *name, size_t len)
{
    if (strncmp(name, "serial", len) == 0) /* numbered by us, in order of commit */
        return kind == HOR_DATABASE_SQLITE ? "INTEGER NOT NULL PRIMARY KEY"
                                           : "BIGINT NOT NULL PRIMARY KEY";
    if (strncmp(name, "text", len) == 0)
        return kind == HOR_DATABASE_MARIADB ? "LONGTEXT"
               : kind == HOR_DATABASE_OTHER ? "VARCHAR(4000)"
                                            : "TEXT";
    if (strncmp(name, "tail", len) == 0)
        return kind == HOR_DATABASE_MARIADB
                   ? " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
                   : "";
    return "";
}

static int run_statement(struct hor_database *db, const char *pattern, struct hor_error *err)
{
    struct hor_buf sql = HOR_BUF_INIT;
    for (const char *p = pattern; *p != '\0';) {
        size_t plain = strcspn(p, "@");
        hor_buf_add(&sql, p, plain);
        p += plain;
        if (*p != '@')
            break;
        size_t len = strcspn(p + 1, "@");
        hor_buf_puts(&sql, word(hor_database_kind(db), p + 1, len));
        p += len + 2;
    }
    int rc = sql.failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                        : hor_database_execute(db, sql.data, err);
    hor_buf_done(&sql);
    return rc;
}

int hor_migration_version(struct hor_database *db, int *ret, struct hor_error *err)
{
    struct hor_rows *rows = NULL;
    struct hor_error ignored;
    /* Asking for the table is the only portable way to learn whether it is there. */
    int rc = hor_database_query(db, "SELECT MAX(version) FROM schema_version", NULL, &rows,
                                err != NULL ? err : &ignored);
    if (rc == HOR_ERR_UNREACHABLE || rc == HOR_ERR_MEMORY || rc == HOR_ERR_BUSY)
        return rc;
    int version = 0;
    if (rc == HOR_OK) {
        rc = hor_rows_next(rows, err);
        if (rc == 1 && hor_rows_int(rows, 0) != HOR_EVENT_NONE)
            version = (int)hor_rows_int(rows, 0);
        hor_rows_close(rows);
        if (rc < 0)
            return rc;
    }
    *ret = version;
    return HOR_OK;
}

static int apply_step(struct hor_database *db, int version, struct hor_error *err)
{
    int rc = hor_database_begin(db, err);
    if (rc != HOR_OK)
        return rc;
    for (const char *const *s = steps[version - 1].statements; rc == HOR_OK && *s != NULL; s++)
        rc = run_statement(db, *s, err);
    if (rc == HOR_OK) {
        struct hor_batch *row = hor_batch_new("iis");
        hor_batch_int(row, version);
        hor_batch_int(row, hor_clock_utc_us());
        hor_batch_text(row, steps[version - 1].title);
        rc = hor_database_run(
            db, "INSERT INTO schema_version (version, applied_us, title) VALUES (?, ?, ?)", row,
            NULL, err);
        hor_batch_free(row);
    }
    if (rc == HOR_OK)
        rc = hor_database_commit(db, err);
    else
        hor_database_rollback(db);
    if (rc != HOR_OK)
        hor_error_prefix(err, "schema version %d (%s)", version, steps[version - 1].title);
    return rc;
}

int hor_migration_run(struct hor_database *db, int to, struct hor_error *err)
{
    int have = 0;
    int rc = hor_migration_version(db, &have, err);
    if (rc != HOR_OK)
        return rc;
    if (have > NEWEST)
        return hor_error_set(err, HOR_ERR_STATE,
                             "the database has schema version %d, this program knows %d: start "
                             "the newer program",
                             have, NEWEST);
    if (to == 0 || to > NEWEST)
        to = NEWEST;
    if (have == 0 && to > 0) {
        rc = run_statement(db,
                           "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL "
                           "PRIMARY KEY, applied_us BIGINT NOT NULL, title VARCHAR(100))@tail@",
                           err);
        if (rc != HOR_OK)
            return rc;
    }
    for (int version = have + 1; rc == HOR_OK && version <= to; version++)
        rc = apply_step(db, version, err);
    return rc;
}

/* Writing the audit trail and sessions. */
#include "server/supervisor/history/query.h"
#include "server/supervisor/history/question.h"

int hor_store_audit(struct hor_store *store, const struct hor_audit_entry *entry,
                    struct hor_error *err)
{
    struct hor_batch *row = hor_batch_new("iissssssss");
    struct hor_database *db;
    uint64_t number = 0;
    int rc = row != NULL ? store_write(store, &db, err)
                         : hor_error_set(err, HOR_ERR_MEMORY, "write the audit: out of memory");
    if (rc == HOR_OK) {
        rc = store_take_numbers(store, db, STORE_AUDIT_NUMBERS, 1, &number, err);
        hor_batch_int(row, (int64_t)number);
        hor_batch_int(row, entry->at_us);
        hor_batch_text(row, entry->user != NULL ? entry->user : "");
        hor_batch_text(row, entry->address);
        hor_batch_text(row, entry->operation);
        hor_batch_text(row, entry->object);
        hor_batch_text(row, entry->reason);
        hor_batch_text(row, entry->outcome);
        hor_batch_text(row, entry->detail);
        hor_batch_text(row, entry->correlation);
        rc = rc != HOR_OK ? rc
                          : hor_database_run(db,
                                             "INSERT INTO audit_entry (audit_no, at_us, user_name, "
                                             "address, operation, object, reason, outcome, detail, "
                                             "correlation) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                             row, NULL, err);
        rc = store_write_done(store, rc, err);
    }
    hor_batch_free(row);
    return rc;
}

int hor_store_session_add(struct hor_store *store, const struct hor_session_row *s,
                          struct hor_error *err)
{
    struct hor_batch *row = hor_batch_new("ssssiii");
    hor_batch_text(row, s->token_hash);
    hor_batch_text(row, s->id);
    hor_batch_text(row, s->user);
    hor_batch_text(row, s->address);
    hor_batch_int(row, s->started_us);
    hor_batch_int(row, s->used_us);
    hor_batch_int(row, s->ends_us);
    return store_write_one(store,
                           "INSERT INTO session_info (token_hash, session_id, user_name, address, "
                           "started_us, used_us, ends_us) VALUES (?, ?, ?, ?, ?, ?, ?)",
                           row, NULL, err);
}

int hor_store_session_used(struct hor_store *store, const char *token_hash, int64_t used_us,
                           struct hor_error *err)
{
    struct hor_batch *row = hor_batch_new("is");
    hor_batch_int(row, used_us);
    hor_batch_text(row, token_hash);
    return store_write_one(store, "UPDATE session_info SET used_us = ? WHERE token_hash = ?", row,
                           NULL, err);
}

int hor_store_session_remove(struct hor_store *store, const char *token_hash, struct hor_error *err)
{
    struct hor_batch *row = hor_batch_new("s");
    hor_batch_text(row, token_hash);
    return store_write_one(store, "DELETE FROM session_info WHERE token_hash = ?", row, NULL, err);
}

int hor_store_session_expire(struct hor_store *store, int64_t now_us, int64_t idle_since_us,
                             struct hor_error *err)
{
    struct hor_batch *row = hor_batch_new("ii");
    hor_batch_int(row, now_us);
    hor_batch_int(row, idle_since_us);
    return store_write_one(store, "DELETE FROM session_info WHERE ends_us <= ? OR used_us <= ?",
                           row, NULL, err);
}

struct sessions {
    hor_session_row_fn *fn;
    void *ctx;
};

static int session_row(struct hor_rows *rows, void *ctx, struct hor_error *err)
{
    struct sessions *sessions = ctx;
    struct hor_session_row row = {.token_hash = hor_rows_text(rows, 0),
                                  .id = hor_rows_text(rows, 1),
                                  .user = hor_rows_text(rows, 2),
                                  .address = hor_rows_text(rows, 3),
                                  .started_us = hor_rows_int(rows, 4),
                                  .used_us = hor_rows_int(rows, 5),
                                  .ends_us = hor_rows_int(rows, 6)};
    (void)err;
    return sessions->fn(&row, sessions->ctx);
}

int hor_store_sessions(struct hor_store *store, hor_session_row_fn *fn, void *ctx,
                       struct hor_error *err)
{
    struct sessions sessions = {fn, ctx};
    struct question *q = question_new("SELECT token_hash, session_id, user_name, address, "
                                      "started_us, used_us, ends_us FROM session_info");
    int rc = question_ask(store, q, session_row, &sessions, err);
    question_free(q);
    return rc;
}

#include "server/supervisor/history/release_rows.h"

#include <string.h>

#include "server/supervisor/history/question.h"

#define RELEASE_COLUMNS                                                                            \
    "release_no, state, sha256, revision, author, approver, reason, request_id, object_count, "    \
    "created_us, approved_us"

int hor_store_release_add(struct hor_store *store, const struct hor_release_row *row,
                          struct hor_error *err)
{
    struct hor_batch *batch = hor_batch_new("isssssssiii");
    hor_batch_int(batch, row->number);
    hor_batch_text(batch, row->state);
    hor_batch_text(batch, row->sha256);
    hor_batch_text(batch, row->revision);
    hor_batch_text(batch, row->author);
    hor_batch_text(batch, row->approver);
    hor_batch_text(batch, row->reason);
    hor_batch_text(batch, row->request_id);
    hor_batch_int(batch, row->objects);
    hor_batch_int(batch, row->created_us);
    hor_batch_int(batch, row->approved_us);
    return store_write_one(store,
                           "INSERT INTO release_info (" RELEASE_COLUMNS
                           ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                           batch, NULL, err);
}

int hor_store_release_change(struct hor_store *store, int64_t number, const char *from,
                             const char *to, const char *approver, int64_t approved_us,
                             bool *ret_changed, struct hor_error *err)
{
    int64_t changed = 0;
    struct hor_batch *batch = hor_batch_new("ssiis");
    hor_batch_text(batch, to);
    hor_batch_text(batch, approver);
    hor_batch_int(batch, approved_us);
    hor_batch_int(batch, number);
    hor_batch_text(batch, from);
    int rc = store_write_one(store,
                             "UPDATE release_info SET state = ?, approver = COALESCE(?, approver), "
                             "approved_us = COALESCE(?, approved_us) WHERE release_no = ? AND "
                             "state = ?",
                             batch, &changed, err);
    if (rc == HOR_OK)
        *ret_changed = changed != 0;
    return rc;
}

struct releases {
    hor_release_row_fn *fn;
    void *ctx;
};

static int release_row(struct hor_rows *r, void *ctx, struct hor_error *err)
{
    struct releases *releases = ctx;
    (void)err;
    struct hor_release_row row = {.number = hor_rows_int(r, 0),
                                  .state = hor_rows_text(r, 1),
                                  .sha256 = hor_rows_text(r, 2),
                                  .revision = hor_rows_text(r, 3),
                                  .author = hor_rows_text(r, 4),
                                  .approver = hor_rows_text(r, 5),
                                  .reason = hor_rows_text(r, 6),
                                  .request_id = hor_rows_text(r, 7),
                                  .objects = hor_rows_int(r, 8),
                                  .created_us = hor_rows_int(r, 9),
                                  .approved_us = hor_rows_int(r, 10)};
    return releases->fn(&row, releases->ctx);
}

int hor_query_releases(struct hor_store *store, int64_t number, const char *request_id, int limit,
                       hor_release_row_fn *fn, void *ctx, struct hor_error *err)
{
    struct releases releases = {fn, ctx};
    struct question *q = question_new("SELECT " RELEASE_COLUMNS " FROM release_info WHERE 1 = 1");
    if (number > 0)
        question_int(q, " AND release_no = ?", number);
    if (request_id != NULL)
        question_text(q, " AND request_id = ?", request_id);
    question_add(q, " ORDER BY release_no DESC");
    question_int(q, " LIMIT ?", limit);
    int rc = question_ask(store, q, release_row, &releases, err);
    question_free(q);
    return rc;
}

struct deployments {
    hor_deployment_row_fn *fn;
    void *ctx;
};

static int deployment_row(struct hor_rows *r, void *ctx, struct hor_error *err)
{
    struct deployments *deployments = ctx;
    (void)err;
    struct hor_deployment_row row = {.release = hor_rows_int(r, 0),
                                     .master = hor_rows_text(r, 1),
                                     .state = hor_rows_text(r, 2),
                                     .changed_us = hor_rows_int(r, 3),
                                     .actor = hor_rows_text(r, 4),
                                     .detail = hor_rows_text(r, 5)};
    return deployments->fn(&row, deployments->ctx);
}

#define DEPLOYMENT_SELECT                                                                          \
    "SELECT release_no, master, state, changed_us, actor, detail FROM deployment"

int hor_query_deployments(struct hor_store *store, int64_t from, int64_t to,
                          hor_deployment_row_fn *fn, void *ctx, struct hor_error *err)
{
    struct deployments deployments = {fn, ctx};
    struct question *q = question_new(DEPLOYMENT_SELECT);
    question_int(q, " WHERE release_no >= ?", from);
    question_int(q, " AND release_no <= ?", to);
    question_add(q, " ORDER BY release_no, master");
    int rc = question_ask(store, q, deployment_row, &deployments, err);
    question_free(q);
    return rc;
}

int hor_query_deployments_in(struct hor_store *store, const char *master, const char *state,
                             hor_deployment_row_fn *fn, void *ctx, struct hor_error *err)
{
    struct deployments deployments = {fn, ctx};
    struct question *q = question_new(DEPLOYMENT_SELECT);
    question_text(q, " WHERE state = ?", state);
    if (master != NULL)
        question_text(q, " AND master = ?", master);
    question_add(q, " ORDER BY release_no, master");
    int rc = question_ask(store, q, deployment_row, &deployments, err);
    question_free(q);
    return rc;
}

/* Runs one statement with values given as text or number: "s" and "i" of `types`, in order. */
struct run_value {
    const char *text;
    int64_t number;
};

static int run(struct hor_database *db, const char *sql, const char *types,
               const struct run_value *values, int64_t *ret_changed, struct hor_error *err)
{
    struct hor_batch *batch = hor_batch_new(types);
    if (batch == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "write a deployment: out of memory");
    for (size_t i = 0; types[i] != '\0'; i++) {
        if (types[i] == 's')
            hor_batch_text(batch, values[i].text);
        else
            hor_batch_int(batch, values[i].number);
    }
    int rc = hor_database_run(db, sql, batch, ret_changed, err);
    hor_batch_free(batch);
    return rc;
}

int hor_store_deployment_begin(struct hor_store *store, int64_t release, const char *master,
                               const char *actor, int64_t now_us, struct hor_error *err)
{
    struct hor_database *db;
    int rc = store_write(store, &db, err);
    if (rc != HOR_OK)
        return rc;
    rc = run(db,
             "UPDATE deployment SET state = 'superseded', changed_us = ?, detail = ? WHERE "
             "master = ? AND state = 'deploying'",
             "iss",
             (struct run_value[]){{.number = now_us},
                                  {.text = "another release was deployed before this one arrived"},
                                  {.text = master}},
             NULL, err);
    rc = rc != HOR_OK ? rc
                      : run(db, "DELETE FROM deployment WHERE release_no = ? AND master = ?", "is",
                            (struct run_value[]){{.number = release}, {.text = master}}, NULL, err);
    rc = rc != HOR_OK
             ? rc
             : run(db,
                   "INSERT INTO deployment (release_no, master, state, changed_us, actor) VALUES "
                   "(?, ?, 'deploying', ?, ?)",
                   "isis",
                   (struct run_value[]){
                       {.number = release}, {.text = master}, {.number = now_us}, {.text = actor}},
                   NULL, err);
    return store_write_done(store, rc, err);
}

static int take_place(struct hor_database *db, int64_t release, const char *master, int64_t now_us,
                      struct hor_error *err)
{
    int rc =
        run(db,
            "UPDATE deployment SET state = 'superseded', changed_us = ? WHERE master = ? AND "
            "release_no <> ? AND state IN ('deployed', 'failed')",
            "isi", (struct run_value[]){{.number = now_us}, {.text = master}, {.number = release}},
            NULL, err);
    rc = rc != HOR_OK ? rc
                      : run(db, "UPDATE release_info SET state = 'deployed' WHERE release_no = ?",
                            "i", (struct run_value[]){{.number = release}}, NULL, err);
    return rc != HOR_OK
               ? rc
               : run(db,
                     "UPDATE release_info SET state = 'superseded' WHERE state = 'deployed' AND "
                     "release_no <> ? AND NOT EXISTS (SELECT 1 FROM deployment d WHERE "
                     "d.release_no = release_info.release_no AND d.state = 'deployed')",
                     "i", (struct run_value[]){{.number = release}}, NULL, err);
}

int hor_store_deployment_end(struct hor_store *store, int64_t release, const char *master,
                             const char *state, const char *detail, int64_t now_us,
                             struct hor_error *err)
{
    struct hor_database *db;
    int64_t changed = 0;
    int rc = store_write(store, &db, err);
    if (rc != HOR_OK)
        return rc;
    rc = run(db,
             "UPDATE deployment SET state = ?, detail = ?, changed_us = ? WHERE release_no = ? AND "
             "master = ? AND state = 'deploying'",
             "ssiis",
             (struct run_value[]){{.text = state},
                                  {.text = detail},
                                  {.number = now_us},
                                  {.number = release},
                                  {.text = master}},
             &changed, err);
    if (rc == HOR_OK && changed != 0 && strcmp(state, "deployed") == 0)
        rc = take_place(db, release, master, now_us, err);
    return store_write_done(store, rc, err);
}

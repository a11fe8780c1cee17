/* server/supervisor/history/release_rows.h - the rows of releases and deployments. What the states
 * mean is release/release.h's affair. Worker threads. */
#ifndef HOR_SUPERVISOR_HISTORY_RELEASE_ROWS_H
#define HOR_SUPERVISOR_HISTORY_RELEASE_ROWS_H

#include "server/supervisor/history/store.h"

struct hor_release_row {
    int64_t number;
    const char *state, *sha256, *revision, *author, *approver, *reason, *request_id;
    int64_t objects, created_us, approved_us;
};
typedef int hor_release_row_fn(const struct hor_release_row *row, void *ctx);

struct hor_deployment_row {
    int64_t release, changed_us;
    const char *master, *state, *actor, *detail;
};
typedef int hor_deployment_row_fn(const struct hor_deployment_row *row, void *ctx);

/* HOR_ERR_EXISTS: the number or the request id is taken. */
int hor_store_release_add(struct hor_store *store, const struct hor_release_row *row,
                          struct hor_error *err);
/* Changes the state if it is `from` now; approver and time are kept where NULL and HOR_EVENT_NONE.
 * *ret_changed false: it was in another state. */
int hor_store_release_change(struct hor_store *store, int64_t number, const char *from,
                             const char *to, const char *approver, int64_t approved_us,
                             bool *ret_changed, struct hor_error *err);
/* Latest first, at most `limit`; or only one by number or by request id (otherwise 0 and NULL). */
int hor_query_releases(struct hor_store *store, int64_t number, const char *request_id, int limit,
                       hor_release_row_fn *fn, void *ctx, struct hor_error *err);
/* Deployments of the releases from..to, both included. */
int hor_query_deployments(struct hor_store *store, int64_t from, int64_t to,
                          hor_deployment_row_fn *fn, void *ctx, struct hor_error *err);
/* Deployments in a state, of all releases; `master` NULL: of all Masters. */
int hor_query_deployments_in(struct hor_store *store, const char *master, const char *state,
                             hor_deployment_row_fn *fn, void *ctx, struct hor_error *err);

/* In one transaction: this release is being deployed on the Master; another one that was on its way
 * there will not arrive any more. */
int hor_store_deployment_begin(struct hor_store *store, int64_t release, const char *master,
                               const char *actor, int64_t now_us, struct hor_error *err);
/* In one transaction: how it ended. "deployed" makes the release deployed, takes the place of what
 * the Master had, and releases that no Master has any more become superseded. "failed" and a text
 * while it is still "deploying" change only this deployment. Nothing happens when it is not
 * "deploying" any more. */
int hor_store_deployment_end(struct hor_store *store, int64_t release, const char *master,
                             const char *state, const char *detail, int64_t now_us,
                             struct hor_error *err);

#endif

/* server/supervisor/release/release.h - the procedure that brings configuration to the Masters:
 *   draft -> validated -> approved -> deployed -> superseded, or rejected
 * A release is one document, data/releases/NUMBER.xml, and a row. The document never changes and is
 * never lost; its SHA-256 stands in the row and is checked whenever it is read. Worker threads. */
#ifndef HOR_SUPERVISOR_RELEASE_RELEASE_H
#define HOR_SUPERVISOR_RELEASE_RELEASE_H

#include "lib/base/buf.h"
#include "lib/base/problem.h"
#include "lib/config/config.h"
#include "server/supervisor/history/release_rows.h"
#include "server/supervisor/repository/repository.h"

struct hor_releases;

/* `folder` is the data folder; releases/ is made below it. Everything else is borrowed. */
int hor_releases_open(const char *folder, struct hor_store *store, struct hor_releases **ret,
                      struct hor_error *err);
void hor_releases_close(struct hor_releases *releases);

/* Makes the draft the next release, in state validated. HOR_ERR_INVALID: `problems` tells why the
 * draft is none. A request id that was used gives the number that it made. */
int hor_release_create(struct hor_releases *releases, const struct hor_repository *repository,
                       const char *author, const char *reason, const char *request_id,
                       struct hor_problems *problems, int64_t *ret_number, struct hor_error *err);
/* HOR_ERR_NOT_FOUND; HOR_ERR_CONFLICT in another state than validated; HOR_ERR_DENIED when the
 * author approves and a folder asks for two persons. */
int hor_release_approve(struct hor_releases *releases, int64_t number, const char *actor,
                        struct hor_error *err);
int hor_release_reject(struct hor_releases *releases, int64_t number, const char *actor,
                       struct hor_error *err);
/* Whether it may be deployed now. HOR_ERR_NOT_FOUND, HOR_ERR_CONFLICT. */
int hor_release_check_deploy(struct hor_releases *releases, int64_t number, struct hor_error *err);

/* The document's bytes, checked. HOR_ERR_CORRUPT when they are not those that were made. */
int hor_release_document(struct hor_releases *releases, int64_t number, struct hor_buf *out,
                         char sha256[65], struct hor_error *err);
/* The loaded configuration of a release, kept for a while because it is asked often. Give it back
 * with hor_release_unref. */
struct hor_release_config;
int hor_release_config(struct hor_releases *releases, int64_t number,
                       struct hor_release_config **ret, struct hor_error *err);
const struct hor_config *hor_release_model(const struct hor_release_config *config);
void hor_release_unref(struct hor_release_config *config);
/* The number of the release that is deployed somewhere (the newest of them), 0: none. */
int hor_release_current(struct hor_releases *releases, int64_t *ret, struct hor_error *err);

/* Differences between two sets of documents, by path and kind: the texts before and after (NULL
 * where there is none), in canonical form so that layout alone is none. */
typedef int hor_difference_fn(const char *path, const char *kind, const char *before,
                              const char *after, void *ctx);
int hor_release_difference(const struct hor_sources *from, const struct hor_sources *to,
                           hor_difference_fn *fn, void *ctx, struct hor_error *err);

#endif

/* server/supervisor/auth/session.h - the sessions that are open: in memory, and in the database so
 * that they outlive a restart. Only the SHA-256 of a token is known here. Any thread. */
#ifndef HOR_SUPERVISOR_AUTH_SESSION_H
#define HOR_SUPERVISOR_AUTH_SESSION_H

#include "server/supervisor/auth/auth.h"

struct sessions;

/* Reads those that the database holds; without it (or when it is away) it begins with none. */
struct sessions *sessions_new(struct hor_store *store, int64_t idle_us, int64_t absolute_us);
void sessions_free(struct sessions *sessions);
/* Opens one and makes its token. HOR_ERR_LIMIT when too many are open. */
int sessions_add(struct sessions *sessions, const char *user, const char *from, int64_t now_us,
                 char token[HOR_TOKEN_BYTES], int64_t *ret_ends_us, struct hor_error *err);
/* Finds and marks as used. HOR_ERR_UNAUTHENTICATED. */
int sessions_use(struct sessions *sessions, const char *token, int64_t now_us,
                 struct hor_session_info *ret, struct hor_error *err);
void sessions_end_token(struct sessions *sessions, const char *token);
int sessions_end_id(struct sessions *sessions, const char *id, const char *user,
                    struct hor_error *err);
int sessions_each(struct sessions *sessions, const char *user, int64_t now_us, hor_session_fn *fn,
                  void *ctx);
/* Whether the user has an open session from there. */
bool sessions_have(struct sessions *sessions, const char *user, const char *from, int64_t now_us);
void sessions_expire(struct sessions *sessions, int64_t now_us);

#endif

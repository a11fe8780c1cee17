/* server/supervisor/auth/auth.h - who is it, and what may he do.
 * Four ways in: a session (header X-Horarium-Session or cookie horarium-session), HTTP Basic, a
 * WS-Security UsernameToken, and for programs a client certificate. Local users come from the
 * users' file, which is read again when it changes. Sessions live in memory and, when there is a
 * store, in the database too, so that they outlive a restart; only the SHA-256 of a token is kept.
 * Failed logins slow down by account and by address: an attempt too early is refused at once with
 * HOR_ERR_BUSY and the seconds to wait in the text; no worker sleeps.
 * Any thread; checking a password takes some tens of milliseconds. */
#ifndef HOR_SUPERVISOR_AUTH_AUTH_H
#define HOR_SUPERVISOR_AUTH_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/http/server.h"
#include "lib/soap/service.h"
#include "server/supervisor/auth/rights.h"

struct hor_auth;
struct hor_store;

enum { HOR_TOKEN_BYTES = 65 }; /* 256 random bits as hexadecimal digits, and the zero byte */

struct hor_auth_settings {
    const char *users_file;  /* copied */
    struct hor_store *store; /* borrowed; NULL: sessions end with the program */
    int64_t idle_ms;         /* a session ends unused; 0: 30 minutes */
    int64_t absolute_ms;     /* or at the latest; 0: 12 hours */
    int64_t (*now_ms)(void); /* UTC; NULL: hor_clock_utc_ms; tests put their own */
};

/* HOR_ERR_NOT_FOUND without a users' file: the text says what to do. */
int hor_auth_new(const struct hor_auth_settings *settings, struct hor_auth **ret,
                 struct hor_error *err);
void hor_auth_free(struct hor_auth *auth);

/* Opens a session. HOR_ERR_UNAUTHENTICATED: user or password is wrong (which is not told, neither
 * by words nor by time); HOR_ERR_BUSY: too many failed attempts. `ret_expires_us` may be NULL. */
int hor_auth_login(struct hor_auth *auth, const char *user, const char *password, const char *from,
                   char token[HOR_TOKEN_BYTES], int64_t *ret_expires_us, struct hor_error *err);
/* Whose session it is. HOR_ERR_UNAUTHENTICATED for an unknown or ended one. `who` is given back
 * with hor_auth_release. */
int hor_auth_identify(struct hor_auth *auth, const char *token, const char *from,
                      struct hor_identity *who, struct hor_error *err);
/* Whoever sent the request, by any of the four ways; nobody gives HOR_OK and an empty user.
 * HOR_ERR_UNAUTHENTICATED, HOR_ERR_BUSY when what it carries is wrong. */
int hor_auth_request(struct hor_auth *auth, const struct hor_http_request *request,
                     const char *wsse_user, const char *wsse_password, struct hor_identity *who,
                     struct hor_error *err);
void hor_auth_release(struct hor_identity *who);
int hor_auth_logout(struct hor_auth *auth, const char *token, struct hor_error *err);

/* Whether `who` holds the right for the object; a NULL path asks as the right's reach says (PATH
 * and ANYWHERE: for some folder, ROOT: for "/"). An unknown right is held by nobody. */
bool hor_auth_may(const struct hor_identity *who, const char *right, const char *path);
/* Like hor_auth_may, and says who lacks which right for what. HOR_ERR_DENIED. */
int hor_auth_require(const struct hor_identity *who, const char *right, const char *path,
                     struct hor_error *err);
/* Where `who` holds the right; valid until hor_auth_release. Give it to hor_scope_done. */
int hor_auth_scope(const struct hor_identity *who, const char *right, struct hor_scope *ret,
                   struct hor_error *err);
/* The user behind the call, NULL for nobody; borrowed until hor_auth_release. */
const struct hor_user *hor_auth_user(const struct hor_identity *who);

/* Sessions, for Administration. */
struct hor_session_info {
    char id[48], user[128], from[64];
    int64_t started_us, used_us, ends_us;
};
typedef int hor_session_fn(const struct hor_session_info *session, void *ctx);
/* Calls fn for each session of `user` (NULL: of all) until it returns not 0, and returns that. The
 * list is locked meanwhile: copy. */
int hor_auth_sessions(struct hor_auth *auth, const char *user, hor_session_fn *fn, void *ctx);
/* Ends one session by id; `user` not NULL: only one of that user. HOR_ERR_NOT_FOUND. */
int hor_auth_end_session(struct hor_auth *auth, const char *id, const char *user,
                         struct hor_error *err);
/* Forgets ended sessions and old failures; call it every minute or so. */
void hor_auth_expire(struct hor_auth *auth);

#endif

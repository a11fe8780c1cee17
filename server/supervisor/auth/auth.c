#define _GNU_SOURCE /* getrandom, explicit_bzero */
#include "server/supervisor/auth/auth.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "server/supervisor/auth/session.h"
#include "server/supervisor/auth/throttle.h"

enum {
    CHECKS_AT_ONCE = 3, /* passwords being hashed: the other workers go on serving */
    PROVEN_MAX = 1000,
    PROVEN_MS = 60000 /* Basic sends its password with each request: checked once a minute */
};

/* The users as the file had them; replaced as a whole, shared by the calls under way. */
struct directory {
    struct hor_users *users;
    atomic_int refs;
};

struct hor_auth {
    char *file;
    struct sessions *sessions;
    struct throttle *throttle;
    int64_t (*now_ms)(void);
    atomic_int checking;
    char proven_key[65]; /* random: what is kept of a proven password cannot be guessed at */

    pthread_mutex_t lock; /* guards these */
    struct directory *directory;
    struct timespec changed;
    ino_t inode;
    struct hor_map *proven; /* SHA-256 of key, user, password, hash -> int64_t *until_ms */
};

struct principal {
    struct directory *directory;
    const struct hor_user *user;
};

static void directory_unref(struct directory *directory)
{
    if (directory != NULL && atomic_fetch_sub(&directory->refs, 1) == 1) {
        hor_users_free(directory->users);
        free(directory);
    }
}

static int directory_load(const char *file, struct directory **ret, struct hor_error *err)
{
    struct directory *directory = calloc(1, sizeof *directory);
    if (directory == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "users: out of memory");
    int rc = hor_users_load(file, &directory->users, err);
    if (rc != HOR_OK) {
        free(directory);
        return rc;
    }
    atomic_init(&directory->refs, 1);
    *ret = directory;
    return HOR_OK;
}

/* The newest directory, with a reference for the caller. A file that became wrong is told, and the
 * old directory stays: nobody is locked out by a slip of the pen. */
static struct directory *directory_get(struct hor_auth *auth)
{
    struct stat st;
    struct hor_error err;
    struct directory *fresh = NULL;
    pthread_mutex_lock(&auth->lock);
    if (stat(auth->file, &st) == 0) { /* a microsecond: a new user is known at once */
        bool same = st.st_mtim.tv_sec == auth->changed.tv_sec &&
                    st.st_mtim.tv_nsec == auth->changed.tv_nsec && st.st_ino == auth->inode;
        if (!same) {
            auth->changed = st.st_mtim;
            auth->inode = st.st_ino;
            if (directory_load(auth->file, &fresh, &err) == HOR_OK) {
                directory_unref(auth->directory);
                auth->directory = fresh;
                hor_log_info("users read again: count=%zu", hor_users_count(fresh->users));
            } else {
                hor_log_error("users file is wrong: %s; going on with the users read before",
                              err.text);
            }
        }
    }
    struct directory *directory = auth->directory;
    atomic_fetch_add(&directory->refs, 1);
    pthread_mutex_unlock(&auth->lock);
    return directory;
}

int hor_auth_new(const struct hor_auth_settings *settings, struct hor_auth **ret,
                 struct hor_error *err)
{
    struct hor_auth *auth = calloc(1, sizeof *auth);
    unsigned char random[32];
    if (auth == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "authentication: out of memory");
    pthread_mutex_init(&auth->lock, NULL);
    int64_t idle_ms = settings->idle_ms > 0 ? settings->idle_ms : 30 * 60000;
    int64_t absolute_ms = settings->absolute_ms > 0 ? settings->absolute_ms : 12 * 3600000;
    auth->now_ms = settings->now_ms != NULL ? settings->now_ms : hor_clock_utc_ms;
    auth->file = hor_strdup(settings->users_file);
    auth->throttle = throttle_new();
    auth->proven = hor_map_new(free);
    int rc = auth->file != NULL && auth->throttle != NULL && auth->proven != NULL
                 ? HOR_OK
                 : hor_error_set(err, HOR_ERR_MEMORY, "authentication: out of memory");
    if (rc == HOR_OK && getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        rc = hor_error_set(err, HOR_ERR_IO, "authentication: no random bytes");
    if (rc == HOR_OK) {
        hor_hex(random, sizeof random, auth->proven_key);
        rc = directory_load(auth->file, &auth->directory, err);
        if (rc == HOR_ERR_NOT_FOUND)
            rc = hor_error_set(err, rc,
                               "there is no users file '%s': make the first user with "
                               "'horarium user add admin --role administrator --users %s'",
                               auth->file, auth->file);
    }
    struct stat st;
    if (rc == HOR_OK && stat(auth->file, &st) == 0) {
        auth->changed = st.st_mtim;
        auth->inode = st.st_ino;
    }
    if (rc == HOR_OK && (auth->sessions = sessions_new(settings->store, idle_ms * 1000,
                                                       absolute_ms * 1000)) == NULL)
        rc = hor_error_set(err, HOR_ERR_MEMORY, "authentication: out of memory");
    if (rc != HOR_OK) {
        hor_auth_free(auth);
        return rc;
    }
    *ret = auth;
    return HOR_OK;
}

void hor_auth_free(struct hor_auth *auth)
{
    if (auth == NULL)
        return;
    sessions_free(auth->sessions);
    throttle_free(auth->throttle);
    hor_map_free(auth->proven);
    directory_unref(auth->directory);
    pthread_mutex_destroy(&auth->lock);
    free(auth->file);
    free(auth);
}

/* Makes `who` of a user; takes the reference to the directory. */
static int become(struct directory *take_directory, const struct hor_user *user, const char *from,
                  struct hor_identity *who, struct hor_error *err)
{
    struct principal *principal = calloc(1, sizeof *principal);
    if (principal == NULL) {
        directory_unref(take_directory);
        return hor_error_set(err, HOR_ERR_MEMORY, "sign in: out of memory");
    }
    *principal = (struct principal){take_directory, user};
    *who = (struct hor_identity){.principal = principal};
    snprintf(who->user, sizeof who->user, "%s", user->name);
    snprintf(who->from, sizeof who->from, "%s", from != NULL ? from : "");
    return HOR_OK;
}

static void proof_of(const struct hor_auth *auth, const char *user, const char *password,
                     const char *hash, char out[65])
{
    struct hor_buf text = HOR_BUF_INIT;
    hor_buf_puts(&text, auth->proven_key);
    hor_buf_add(&text, user, strlen(user) + 1);
    hor_buf_add(&text, password, strlen(password) + 1);
    hor_buf_puts(&text, hash != NULL ? hash : "");
    hor_sha256_hex(hor_buf_text(&text), text.len, out);
    if (text.data != NULL)
        explicit_bzero(text.data, text.len);
    hor_buf_done(&text);
}

static bool is_proven(struct hor_auth *auth, const char *proof)
{
    pthread_mutex_lock(&auth->lock);
    const int64_t *until = hor_map_get(auth->proven, proof);
    bool proven = until != NULL && *until > hor_clock_monotonic_ms();
    pthread_mutex_unlock(&auth->lock);
    return proven;
}

static void note_proven(struct hor_auth *auth, const char *proof)
{
    int64_t *until = malloc(sizeof *until);
    pthread_mutex_lock(&auth->lock);
    if (hor_map_count(auth->proven) >= PROVEN_MAX) {
        size_t pos = 0;
        const char *key;
        for (int64_t *u; (u = hor_map_next(auth->proven, &pos, &key)) != NULL;)
            if (*u <= hor_clock_monotonic_ms())
                hor_map_remove(auth->proven, key);
    }
    if (until != NULL && hor_map_count(auth->proven) < PROVEN_MAX) {
        *until = hor_clock_monotonic_ms() + PROVEN_MS;
        if (hor_map_put(auth->proven, proof, until) == HOR_OK)
            until = NULL;
    }
    pthread_mutex_unlock(&auth->lock);
    free(until);
}

/* Who it is by name and password. `repeated`: the same is sent with every request, so that a proof
 * may be remembered. */
static int check_password(struct hor_auth *auth, const char *name, const char *password,
                          const char *from, bool repeated, struct hor_identity *who,
                          struct hor_error *err)
{
    char proof[65], account[HOR_USER_NAME_BYTES + 1];
    int64_t now_ms = auth->now_ms();
    snprintf(account, sizeof account, "%s", name);
    struct directory *directory = directory_get(auth);
    const struct hor_user *user =
        strlen(name) <= HOR_USER_NAME_BYTES ? hor_users_find(directory->users, name) : NULL;
    const char *hash = user != NULL && !user->disabled ? user->password : NULL;
    proof_of(auth, account, password, hash, proof);
    if (repeated && hash != NULL && is_proven(auth, proof))
        return become(directory, user, from, who, err);

    /* A guesser elsewhere must not lock somebody out where he is signed in already. */
    bool known_here = sessions_have(auth->sessions, account, from, now_ms * 1000);
    int64_t wait_ms = throttle_wait_ms(auth->throttle, known_here ? NULL : account, from, now_ms);
    if (wait_ms > 0) {
        directory_unref(directory);
        return hor_error_set(err, HOR_ERR_BUSY,
                             "too many failed attempts: try again in %" PRId64 " s",
                             (wait_ms + 999) / 1000);
    }
    if (atomic_fetch_add(&auth->checking, 1) >= CHECKS_AT_ONCE) {
        atomic_fetch_sub(&auth->checking, 1);
        directory_unref(directory);
        return hor_error_set(err, HOR_ERR_BUSY, "many sign in at this moment: try again in 1 s");
    }
    bool right = strlen(password) <= HOR_PASSWORD_MAX_BYTES && hor_password_check(hash, password);
    atomic_fetch_sub(&auth->checking, 1);
    if (!right) {
        throttle_failed(auth->throttle, account, from, now_ms);
        directory_unref(directory);
        char quoted[150];
        hor_log_warning("failed login user=%s from=%s",
                        hor_log_quote(account, quoted, sizeof quoted), from);
        return hor_error_set(err, HOR_ERR_UNAUTHENTICATED, "user or password is wrong");
    }
    throttle_succeeded(auth->throttle, account);
    if (repeated)
        note_proven(auth, proof);
    return become(directory, user, from, who, err);
}

int hor_auth_login(struct hor_auth *auth, const char *user, const char *password, const char *from,
                   char token[HOR_TOKEN_BYTES], int64_t *ret_expires_us, struct hor_error *err)
{
    struct hor_identity who;
    if (from == NULL)
        from = "";
    int rc = check_password(auth, user, password, from, false, &who, err);
    if (rc != HOR_OK)
        return rc;
    rc = sessions_add(auth->sessions, who.user, from, auth->now_ms() * 1000, token, ret_expires_us,
                      err);
    if (rc == HOR_OK)
        hor_log_info("login user=%s from=%s", who.user, from);
    hor_auth_release(&who);
    return rc;
}

int hor_auth_identify(struct hor_auth *auth, const char *token, const char *from,
                      struct hor_identity *who, struct hor_error *err)
{
    struct hor_session_info info;
    int rc = sessions_use(auth->sessions, token, auth->now_ms() * 1000, &info, err);
    if (rc != HOR_OK)
        return rc;
    struct directory *directory = directory_get(auth);
    const struct hor_user *user = hor_users_find(directory->users, info.user);
    if (user == NULL || user->disabled) {
        directory_unref(directory);
        sessions_end_token(auth->sessions, token);
        return hor_error_set(err, HOR_ERR_UNAUTHENTICATED,
                             "the session's user is not allowed to sign in any more");
    }
    rc = become(directory, user, from, who, err);
    if (rc == HOR_OK)
        snprintf(who->session, sizeof who->session, "%s", info.id);
    return rc;
}

/* The value of the cookie horarium-session, false without. */
static bool cookie_token(const struct hor_http_request *request, char out[HOR_TOKEN_BYTES])
{
    static const char name[] = "horarium-session=";
    const char *cookies = hor_http_request_header(request, "Cookie");
    while (cookies != NULL && *cookies != '\0') {
        cookies += strspn(cookies, " ;");
        size_t len = strcspn(cookies, ";");
        if (strncmp(cookies, name, sizeof name - 1) == 0) {
            size_t value = len - (sizeof name - 1);
            if (value >= HOR_TOKEN_BYTES)
                return false;
            memcpy(out, cookies + sizeof name - 1, value);
            out[value] = '\0';
            return true;
        }
        cookies += len;
    }
    return false;
}

static int by_basic(struct hor_auth *auth, const char *credentials, const char *from,
                    struct hor_identity *who, struct hor_error *err)
{
    struct hor_buf text = HOR_BUF_INIT;
    int rc = strlen(credentials) < 2000 ? hor_base64_decode(credentials, strlen(credentials), &text)
                                        : HOR_ERR_LIMIT;
    char *colon = rc == HOR_OK && text.data != NULL && strlen(text.data) == text.len
                      ? strchr(text.data, ':')
                      : NULL;
    if (colon == NULL) {
        rc = hor_error_set(err, HOR_ERR_UNAUTHENTICATED, "user or password is wrong");
    } else {
        *colon = '\0';
        rc = check_password(auth, text.data, colon + 1, from, true, who, err);
    }
    if (text.data != NULL)
        explicit_bzero(text.data, text.len);
    hor_buf_done(&text);
    return rc;
}

static int by_certificate(struct hor_auth *auth, const char *name, const char *from,
                          struct hor_identity *who, struct hor_error *err)
{
    struct directory *directory = directory_get(auth);
    const struct hor_user *user = hor_users_find(directory->users, name);
    if (user == NULL || user->disabled || !user->certificate) {
        /* A member's certificate is no user's: it is nobody here. */
        directory_unref(directory);
        *who = (struct hor_identity){0};
        snprintf(who->from, sizeof who->from, "%s", from);
        return HOR_OK;
    }
    int rc = become(directory, user, from, who, err);
    who->program = rc == HOR_OK;
    return rc;
}

int hor_auth_request(struct hor_auth *auth, const struct hor_http_request *request,
                     const char *wsse_user, const char *wsse_password, struct hor_identity *who,
                     struct hor_error *err)
{
    char token[HOR_TOKEN_BYTES];
    const char *from = hor_http_peer(request);
    const char *header = hor_http_request_header(request, "X-Horarium-Session");
    const char *authorization = hor_http_request_header(request, "Authorization");
    const char *certificate = hor_http_certificate_name(request);
    if (from == NULL)
        from = "";
    if (header != NULL)
        return hor_auth_identify(auth, header, from, who, err);
    if (wsse_user != NULL)
        return check_password(auth, wsse_user, wsse_password != NULL ? wsse_password : "", from,
                              true, who, err);
    if (authorization != NULL && strncasecmp(authorization, "Basic ", 6) == 0)
        return by_basic(auth, authorization + 6 + strspn(authorization + 6, " "), from, who, err);
    if (cookie_token(request, token))
        return hor_auth_identify(auth, token, from, who, err);
    if (certificate != NULL)
        return by_certificate(auth, certificate, from, who, err);
    *who = (struct hor_identity){0};
    snprintf(who->from, sizeof who->from, "%s", from);
    return HOR_OK;
}

void hor_auth_release(struct hor_identity *who)
{
    struct principal *principal = who->principal;
    if (principal != NULL)
        directory_unref(principal->directory);
    free(principal);
    who->principal = NULL;
}

int hor_auth_logout(struct hor_auth *auth, const char *token, struct hor_error *err)
{
    (void)err;
    sessions_end_token(auth->sessions, token);
    return HOR_OK;
}

const struct hor_user *hor_auth_user(const struct hor_identity *who)
{
    const struct principal *principal = who != NULL ? who->principal : NULL;
    return principal != NULL ? principal->user : NULL;
}

bool hor_auth_may(const struct hor_identity *who, const char *right, const char *path)
{
    enum hor_right_reach reach;
    struct hor_scope scope;
    const struct hor_user *user = hor_auth_user(who);
    if (user == NULL || !hor_right_find(right, &reach, NULL) ||
        hor_scope_of(user, right, &scope) != HOR_OK)
        return false;
    bool may = reach == HOR_RIGHT_ROOT                       ? hor_scope_has(&scope, "/")
               : path == NULL || reach == HOR_RIGHT_ANYWHERE ? !hor_scope_empty(&scope)
                                                             : hor_scope_has(&scope, path);
    hor_scope_done(&scope);
    return may;
}

int hor_auth_require(const struct hor_identity *who, const char *right, const char *path,
                     struct hor_error *err)
{
    if (hor_auth_may(who, right, path))
        return HOR_OK;
    if (hor_auth_user(who) == NULL)
        return hor_error_set(err, HOR_ERR_UNAUTHENTICATED, "sign in first");
    return path != NULL
               ? hor_error_set(err, HOR_ERR_DENIED, "user '%s' lacks the right %s for %.400s",
                               who->user, right, path)
               : hor_error_set(err, HOR_ERR_DENIED, "user '%s' lacks the right %s", who->user,
                               right);
}

int hor_auth_scope(const struct hor_identity *who, const char *right, struct hor_scope *ret,
                   struct hor_error *err)
{
    if (hor_scope_of(hor_auth_user(who), right, ret) != HOR_OK)
        return hor_error_set(err, HOR_ERR_MEMORY, "rights: out of memory");
    return HOR_OK;
}

int hor_auth_sessions(struct hor_auth *auth, const char *user, hor_session_fn *fn, void *ctx)
{
    return sessions_each(auth->sessions, user, auth->now_ms() * 1000, fn, ctx);
}

int hor_auth_end_session(struct hor_auth *auth, const char *id, const char *user,
                         struct hor_error *err)
{
    return sessions_end_id(auth->sessions, id, user, err);
}

void hor_auth_expire(struct hor_auth *auth)
{
    sessions_expire(auth->sessions, auth->now_ms() * 1000);
    throttle_expire(auth->throttle, auth->now_ms());
}

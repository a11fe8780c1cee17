#define _GNU_SOURCE /* getrandom */
#include "server/supervisor/auth/session.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/base64.h"
#include "lib/base/log.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "server/supervisor/history/store.h"

enum { SESSIONS_MAX = 20000 };
static const int64_t save_used_us = 60 * INT64_C(1000000); /* not with every request */

struct session {
    struct hor_session_info info;
    int64_t saved_us; /* the time of use that the database knows */
};

struct sessions {
    struct hor_store *store;
    int64_t idle_us, absolute_us;
    pthread_mutex_t lock;
    struct hor_map *open; /* SHA-256 of the token -> struct session */
};

static int load_row(const struct hor_session_row *row, void *ctx)
{
    struct sessions *sessions = ctx;
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return HOR_ERR_MEMORY;
    snprintf(s->info.id, sizeof s->info.id, "%s", row->id);
    snprintf(s->info.user, sizeof s->info.user, "%s", row->user);
    snprintf(s->info.from, sizeof s->info.from, "%s", row->address != NULL ? row->address : "");
    s->info.started_us = row->started_us;
    s->info.used_us = s->saved_us = row->used_us;
    s->info.ends_us = row->ends_us;
    if (hor_map_count(sessions->open) < SESSIONS_MAX &&
        hor_map_put(sessions->open, row->token_hash, s) == HOR_OK)
        return HOR_OK;
    free(s);
    return HOR_OK;
}

struct sessions *sessions_new(struct hor_store *store, int64_t idle_us, int64_t absolute_us)
{
    struct sessions *sessions = calloc(1, sizeof *sessions);
    if (sessions == NULL || (sessions->open = hor_map_new(free)) == NULL) {
        free(sessions);
        return NULL;
    }
    pthread_mutex_init(&sessions->lock, NULL);
    sessions->store = store;
    sessions->idle_us = idle_us;
    sessions->absolute_us = absolute_us;
    struct hor_error err;
    if (store != NULL && hor_store_sessions(store, load_row, sessions, &err) != HOR_OK)
        hor_log_warning("sessions cannot be read: %s; everybody signs in again", err.text);
    return sessions;
}

void sessions_free(struct sessions *sessions)
{
    if (sessions == NULL)
        return;
    hor_map_free(sessions->open);
    pthread_mutex_destroy(&sessions->lock);
    free(sessions);
}

static bool over(const struct sessions *sessions, const struct session *s, int64_t now_us)
{
    return now_us >= s->info.ends_us || now_us - s->info.used_us >= sessions->idle_us;
}

static void save(struct sessions *sessions, const char *hash, const struct hor_session_info *info)
{
    struct hor_error err;
    struct hor_session_row row = {.token_hash = hash,
                                  .id = info->id,
                                  .user = info->user,
                                  .address = info->from,
                                  .started_us = info->started_us,
                                  .used_us = info->used_us,
                                  .ends_us = info->ends_us};
    if (sessions->store != NULL && hor_store_session_add(sessions->store, &row, &err) != HOR_OK)
        hor_log_warning("session of user=%s is not stored: %s; it ends with the program",
                        info->user, err.text);
}

static void forget(struct sessions *sessions, const char *hash)
{
    struct hor_error err;
    if (sessions->store != NULL && hor_store_session_remove(sessions->store, hash, &err) != HOR_OK)
        hor_log_warning("session is not removed from the database: %s", err.text);
}

int sessions_add(struct sessions *sessions, const char *user, const char *from, int64_t now_us,
                 char token[HOR_TOKEN_BYTES], int64_t *ret_ends_us, struct hor_error *err)
{
    unsigned char random[32];
    char hash[65], made[HOR_TOKEN_BYTES], uuid[HOR_UUID_BYTES];
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "open a session: out of memory");
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        free(s);
        return hor_error_set(err, HOR_ERR_IO, "open a session: no random bytes");
    }
    hor_hex(random, sizeof random, made);
    hor_sha256_hex(made, strlen(made), hash);
    hor_uuid(uuid);
    snprintf(s->info.id, sizeof s->info.id, "%s", uuid);
    snprintf(s->info.user, sizeof s->info.user, "%s", user);
    snprintf(s->info.from, sizeof s->info.from, "%s", from != NULL ? from : "");
    s->info.started_us = s->info.used_us = s->saved_us = now_us;
    s->info.ends_us = now_us + sessions->absolute_us;
    struct hor_session_info info = s->info;
    pthread_mutex_lock(&sessions->lock);
    int rc = hor_map_count(sessions->open) >= SESSIONS_MAX
                 ? hor_error_set(err, HOR_ERR_LIMIT, "too many sessions are open")
                 : hor_map_put(sessions->open, hash, s);
    pthread_mutex_unlock(&sessions->lock);
    if (rc != HOR_OK) {
        free(s);
        return rc == HOR_ERR_MEMORY ? hor_error_set(err, rc, "open a session: out of memory") : rc;
    }
    save(sessions, hash, &info);
    memcpy(token, made, sizeof made);
    if (ret_ends_us != NULL)
        *ret_ends_us = info.ends_us;
    return HOR_OK;
}

int sessions_use(struct sessions *sessions, const char *token, int64_t now_us,
                 struct hor_session_info *ret, struct hor_error *err)
{
    char hash[65];
    bool note = false, gone = false;
    hor_sha256_hex(token, strlen(token), hash);
    pthread_mutex_lock(&sessions->lock);
    struct session *s = hor_map_get(sessions->open, hash);
    if (s != NULL && over(sessions, s, now_us)) {
        hor_map_remove(sessions->open, hash);
        s = NULL;
        gone = true;
    }
    if (s != NULL) {
        if (now_us > s->info.used_us)
            s->info.used_us = now_us;
        note = now_us - s->saved_us > save_used_us;
        if (note)
            s->saved_us = now_us;
        *ret = s->info;
    }
    pthread_mutex_unlock(&sessions->lock);
    if (gone)
        forget(sessions, hash);
    if (s == NULL)
        return hor_error_set(err, HOR_ERR_UNAUTHENTICATED,
                             "the session is unknown or has ended: sign in again");
    struct hor_error why;
    if (note && sessions->store != NULL &&
        hor_store_session_used(sessions->store, hash, now_us, &why) != HOR_OK)
        hor_log_debug("session use is not stored: %s", why.text);
    return HOR_OK;
}

void sessions_end_token(struct sessions *sessions, const char *token)
{
    char hash[65];
    hor_sha256_hex(token, strlen(token), hash);
    pthread_mutex_lock(&sessions->lock);
    bool was = hor_map_remove(sessions->open, hash);
    pthread_mutex_unlock(&sessions->lock);
    if (was)
        forget(sessions, hash);
}

int sessions_end_id(struct sessions *sessions, const char *id, const char *user,
                    struct hor_error *err)
{
    char hash[65] = "";
    const char *key;
    size_t pos = 0;
    pthread_mutex_lock(&sessions->lock);
    for (struct session *s; (s = hor_map_next(sessions->open, &pos, &key)) != NULL;)
        if (strcmp(s->info.id, id) == 0 && (user == NULL || strcmp(s->info.user, user) == 0)) {
            snprintf(hash, sizeof hash, "%s", key);
            break;
        }
    if (hash[0] != '\0')
        hor_map_remove(sessions->open, hash);
    pthread_mutex_unlock(&sessions->lock);
    if (hash[0] == '\0')
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "session '%.48s' is not open", id);
    forget(sessions, hash);
    return HOR_OK;
}

int sessions_each(struct sessions *sessions, const char *user, int64_t now_us, hor_session_fn *fn,
                  void *ctx)
{
    size_t pos = 0;
    int rc = 0;
    pthread_mutex_lock(&sessions->lock);
    for (struct session *s; rc == 0 && (s = hor_map_next(sessions->open, &pos, NULL)) != NULL;)
        if (!over(sessions, s, now_us) && (user == NULL || strcmp(user, s->info.user) == 0))
            rc = fn(&s->info, ctx);
    pthread_mutex_unlock(&sessions->lock);
    return rc;
}

static int same_address(const struct hor_session_info *info, void *ctx)
{
    return strcmp(info->from, ctx) == 0;
}

bool sessions_have(struct sessions *sessions, const char *user, const char *from, int64_t now_us)
{
    char address[64];
    snprintf(address, sizeof address, "%s", from);
    return sessions_each(sessions, user, now_us, same_address, address) != 0;
}

void sessions_expire(struct sessions *sessions, int64_t now_us)
{
    size_t pos = 0, removed = 0;
    const char *key;
    pthread_mutex_lock(&sessions->lock);
    for (struct session *s; (s = hor_map_next(sessions->open, &pos, &key)) != NULL;)
        if (over(sessions, s, now_us))
            removed += hor_map_remove(sessions->open, key);
    pthread_mutex_unlock(&sessions->lock);
    struct hor_error err;
    /* the database's times of use are up to a minute old */
    if (removed > 0 && sessions->store != NULL &&
        hor_store_session_expire(sessions->store, now_us,
                                 now_us - sessions->idle_us - 2 * save_used_us, &err) != HOR_OK)
        hor_log_debug("ended sessions are not removed: %s", err.text);
}

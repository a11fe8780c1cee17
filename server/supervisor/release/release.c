#include "server/supervisor/release/release.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

enum { KEPT = 4 }; /* loaded configurations */

struct hor_release_config {
    int64_t number;
    struct hor_config *model;
    atomic_int refs;
    uint64_t used;
};

struct hor_releases {
    char *folder;
    struct hor_store *store;
    pthread_mutex_t create_lock; /* one number at a time */
    pthread_mutex_t lock;        /* guards these */
    struct hor_release_config *kept[KEPT];
    uint64_t clock;
};

int hor_releases_open(const char *folder, struct hor_store *store, struct hor_releases **ret,
                      struct hor_error *err)
{
    struct hor_releases *releases = calloc(1, sizeof *releases);
    if (releases == NULL || (releases->folder = hor_path_join(folder, "releases")) == NULL) {
        free(releases);
        return hor_error_set(err, HOR_ERR_MEMORY, "releases: out of memory");
    }
    int rc = hor_dir_make(releases->folder, 0700, err);
    if (rc != HOR_OK) {
        free(releases->folder);
        free(releases);
        return rc;
    }
    pthread_mutex_init(&releases->create_lock, NULL);
    pthread_mutex_init(&releases->lock, NULL);
    releases->store = store;
    *ret = releases;
    return HOR_OK;
}

void hor_releases_close(struct hor_releases *releases)
{
    if (releases == NULL)
        return;
    for (size_t i = 0; i < KEPT; i++)
        hor_release_unref(releases->kept[i]);
    pthread_mutex_destroy(&releases->create_lock);
    pthread_mutex_destroy(&releases->lock);
    free(releases->folder);
    free(releases);
}

static char *file_of(const struct hor_releases *releases, int64_t number)
{
    return hor_str_printf("%s/%" PRId64 ".xml", releases->folder, number);
}

/* ---- rows ---- */

struct found {
    int64_t number;
    char state[24], sha256[65], author[128];
};

static int take_found(const struct hor_release_row *row, void *ctx)
{
    struct found *found = ctx;
    found->number = row->number;
    snprintf(found->state, sizeof found->state, "%s", row->state);
    snprintf(found->sha256, sizeof found->sha256, "%s", row->sha256);
    snprintf(found->author, sizeof found->author, "%s", row->author);
    return HOR_OK;
}

static int find(struct hor_releases *releases, int64_t number, struct found *found,
                struct hor_error *err)
{
    *found = (struct found){0};
    int rc = number > 0
                 ? hor_query_releases(releases->store, number, NULL, 1, take_found, found, err)
                 : HOR_OK;
    if (rc == HOR_OK && found->number == 0)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "release %" PRId64 " does not exist", number);
    return rc;
}

/* ---- making one ---- */

/* The highest number on disk: a document whose row was never written keeps its number for itself.
 */
static int newest_on_disk(const struct hor_releases *releases, int64_t *ret, struct hor_error *err)
{
    DIR *dir = opendir(releases->folder);
    if (dir == NULL)
        return hor_error_set_errno(err, HOR_ERR_IO, errno, "read folder '%s'", releases->folder);
    int64_t newest = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char *end;
        int64_t number = strtoll(entry->d_name, &end, 10);
        if (end != entry->d_name && strcmp(end, ".xml") == 0 && number > newest)
            newest = number;
    }
    closedir(dir);
    *ret = newest;
    return HOR_OK;
}

static int next_number(struct hor_releases *releases, int64_t *ret, struct hor_error *err)
{
    struct found newest = {0};
    int64_t on_disk = 0;
    int rc = hor_query_releases(releases->store, 0, NULL, 1, take_found, &newest, err);
    if (rc == HOR_OK)
        rc = newest_on_disk(releases, &on_disk, err);
    if (rc == HOR_OK)
        *ret = (newest.number > on_disk ? newest.number : on_disk) + 1;
    return rc;
}

static int write_release(struct hor_releases *releases, const struct hor_sources *sources,
                         const char *revision, const char *author, const char *reason,
                         const char *request_id, struct hor_problems *problems, int64_t *ret_number,
                         struct hor_error *err)
{
    struct hor_release_info info = {
        .author = author, .reason = reason, .created_us = hor_clock_utc_us()};
    struct hor_buf document = HOR_BUF_INIT;
    struct hor_config *model = NULL;
    char sha256[65], *file = NULL;
    int rc = next_number(releases, &info.number, err);
    if (rc == HOR_OK)
        rc = hor_config_write_release(sources, &info, &document, sha256, problems, &model, err);
    if (rc == HOR_OK && (file = file_of(releases, info.number)) == NULL)
        rc = hor_error_set(err, HOR_ERR_MEMORY, "make a release: out of memory");
    if (rc == HOR_OK)
        rc = hor_file_write_atomic(file, document.data, document.len, 0400, err);
    if (rc == HOR_OK) {
        struct hor_release_row row = {.number = info.number,
                                      .state = "validated",
                                      .sha256 = sha256,
                                      .revision = revision,
                                      .author = author,
                                      .reason = reason,
                                      .request_id = request_id,
                                      .objects = (int64_t)hor_config_object_count(model),
                                      .created_us = info.created_us,
                                      .approved_us = HOR_EVENT_NONE};
        rc = hor_store_release_add(releases->store, &row, err);
    }
    if (rc == HOR_OK)
        *ret_number = info.number;
    hor_config_free(model);
    hor_buf_done(&document);
    free(file);
    return rc;
}

int hor_release_create(struct hor_releases *releases, const struct hor_repository *repository,
                       const char *author, const char *reason, const char *request_id,
                       struct hor_problems *problems, int64_t *ret_number, struct hor_error *err)
{
    struct found before = {0};
    struct hor_sources sources = {0};
    char revision[65];
    pthread_mutex_lock(&releases->create_lock);
    int rc = request_id != NULL
                 ? hor_query_releases(releases->store, 0, request_id, 1, take_found, &before, err)
                 : HOR_OK;
    if (rc == HOR_OK && before.number > 0) {
        *ret_number = before.number;
    } else if (rc == HOR_OK) {
        rc = hor_repository_draft(repository, &sources, revision, problems, err);
        if (rc == HOR_OK)
            rc = write_release(releases, &sources, revision, author, reason, request_id, problems,
                               ret_number, err);
        hor_sources_done(&sources);
    }
    pthread_mutex_unlock(&releases->create_lock);
    return rc;
}

/* ---- approving ---- */

static int wrong_state(const struct found *found, const char *doing, const char *allowed,
                       struct hor_error *err)
{
    return hor_error_set(err, HOR_ERR_CONFLICT, "release %" PRId64 " is %s: %s can be %s",
                         found->number, found->state, allowed, doing);
}

/* Where two persons are asked for, the author may not be the second one. */
static int check_persons(struct hor_releases *releases, const struct found *found,
                         const char *actor, struct hor_error *err)
{
    struct hor_release_config *config = NULL;
    if (strcmp(found->author, actor) != 0)
        return HOR_OK;
    int rc = hor_release_config(releases, found->number, &config, err);
    if (rc != HOR_OK)
        return rc;
    const struct hor_config *model = hor_release_model(config);
    for (size_t i = 0; rc == HOR_OK && i < model->folder_count; i++)
        if (model->folders[i]->two_persons)
            rc = hor_error_set(err, HOR_ERR_DENIED,
                               "folder %s asks for two persons: '%s' made release %" PRId64
                               ", somebody else must approve it",
                               model->folders[i]->object.path, actor, found->number);
    hor_release_unref(config);
    return rc;
}

static int decide(struct hor_releases *releases, int64_t number, const char *to, const char *doing,
                  const char *actor, struct hor_error *err)
{
    struct found found;
    bool changed = false;
    int rc = find(releases, number, &found, err);
    if (rc == HOR_OK && strcmp(found.state, "validated") != 0)
        return wrong_state(&found, doing, "only a validated one", err);
    if (rc == HOR_OK && strcmp(to, "approved") == 0)
        rc = check_persons(releases, &found, actor, err);
    if (rc == HOR_OK)
        rc = hor_store_release_change(releases->store, number, "validated", to, actor,
                                      hor_clock_utc_us(), &changed, err);
    if (rc == HOR_OK && !changed)
        rc = hor_error_set(err, HOR_ERR_CONFLICT,
                           "release %" PRId64 " was approved or rejected meanwhile", number);
    return rc;
}

int hor_release_approve(struct hor_releases *releases, int64_t number, const char *actor,
                        struct hor_error *err)
{
    return decide(releases, number, "approved", "approved", actor, err);
}

int hor_release_reject(struct hor_releases *releases, int64_t number, const char *actor,
                       struct hor_error *err)
{
    return decide(releases, number, "rejected", "rejected", actor, err);
}

int hor_release_check_deploy(struct hor_releases *releases, int64_t number, struct hor_error *err)
{
    struct found found;
    int rc = find(releases, number, &found, err);
    if (rc != HOR_OK)
        return rc;
    if (strcmp(found.state, "approved") != 0 && strcmp(found.state, "deployed") != 0 &&
        strcmp(found.state, "superseded") != 0)
        return wrong_state(&found, "deployed", "only an approved one, or one that was deployed,",
                           err);
    return HOR_OK;
}

/* ---- reading ---- */

int hor_release_document(struct hor_releases *releases, int64_t number, struct hor_buf *out,
                         char sha256[65], struct hor_error *err)
{
    struct found found;
    char *file = file_of(releases, number);
    size_t begin = out->len;
    int rc = file != NULL ? find(releases, number, &found, err)
                          : hor_error_set(err, HOR_ERR_MEMORY, "read a release: out of memory");
    if (rc == HOR_OK) {
        rc = hor_file_read(file, HOR_RELEASE_BYTES, out, err);
        if (rc == HOR_ERR_NOT_FOUND)
            rc = hor_error_set(err, HOR_ERR_CORRUPT,
                               "the document of release %" PRId64 " is gone: %s", number, file);
    }
    if (rc == HOR_OK) {
        hor_sha256_hex(hor_buf_text(out) + begin, out->len - begin, sha256);
        if (strcmp(sha256, found.sha256) != 0)
            rc = hor_error_set(err, HOR_ERR_CORRUPT,
                               "the document of release %" PRId64 " was changed: %s", number, file);
    }
    free(file);
    return rc;
}

const struct hor_config *hor_release_model(const struct hor_release_config *config)
{
    return config->model;
}

void hor_release_unref(struct hor_release_config *config)
{
    if (config != NULL && atomic_fetch_sub(&config->refs, 1) == 1) {
        hor_config_free(config->model);
        free(config);
    }
}

static struct hor_release_config *kept_config(struct hor_releases *releases, int64_t number)
{
    struct hor_release_config *found = NULL;
    pthread_mutex_lock(&releases->lock);
    for (size_t i = 0; i < KEPT && found == NULL; i++)
        if (releases->kept[i] != NULL && releases->kept[i]->number == number) {
            found = releases->kept[i];
            found->used = ++releases->clock;
            atomic_fetch_add(&found->refs, 1);
        }
    pthread_mutex_unlock(&releases->lock);
    return found;
}

static void keep(struct hor_releases *releases, struct hor_release_config *config)
{
    pthread_mutex_lock(&releases->lock);
    size_t oldest = 0;
    for (size_t i = 0; i < KEPT; i++) {
        if (releases->kept[i] == NULL) {
            oldest = i;
            break;
        }
        if (releases->kept[i]->used < releases->kept[oldest]->used)
            oldest = i;
    }
    hor_release_unref(releases->kept[oldest]);
    config->used = ++releases->clock;
    atomic_fetch_add(&config->refs, 1);
    releases->kept[oldest] = config;
    pthread_mutex_unlock(&releases->lock);
}

int hor_release_config(struct hor_releases *releases, int64_t number,
                       struct hor_release_config **ret, struct hor_error *err)
{
    struct hor_release_config *config = kept_config(releases, number);
    if (config != NULL) {
        *ret = config;
        return HOR_OK;
    }
    struct hor_buf document = HOR_BUF_INIT;
    struct hor_problems problems = {0};
    char sha256[65];
    config = calloc(1, sizeof *config);
    int rc = config != NULL ? hor_release_document(releases, number, &document, sha256, err)
                            : hor_error_set(err, HOR_ERR_MEMORY, "load a release: out of memory");
    if (rc == HOR_OK)
        rc = hor_config_load_release(document.data, document.len, &problems, &config->model, err);
    hor_problems_done(&problems);
    hor_buf_done(&document);
    if (rc != HOR_OK) {
        free(config);
        return rc;
    }
    config->number = number;
    atomic_init(&config->refs, 1);
    keep(releases, config);
    *ret = config;
    return HOR_OK;
}

static int take_newest(const struct hor_deployment_row *row, void *ctx)
{
    int64_t *newest = ctx;
    if (row->release > *newest)
        *newest = row->release;
    return HOR_OK;
}

int hor_release_current(struct hor_releases *releases, int64_t *ret, struct hor_error *err)
{
    int64_t newest = 0;
    int rc = hor_query_deployments_in(releases->store, NULL, "deployed", take_newest, &newest, err);
    if (rc == HOR_OK)
        *ret = newest;
    return rc;
}

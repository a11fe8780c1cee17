#include "server/supervisor/masters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/soap/codec.h"
#include "server/supervisor/masters_internal.h"

enum {
    STATE_FLOOR_MS = 250,
    STATE_EVERY_MS = 2000,
    STATE_TIMEOUT_MS = 2000,
    ELECTION_MS = 5000, /* calls wait that long for a new active Master */
    APPLY_TIMEOUT_MS = 60000
};

struct held_state {
    struct soap *soap;
    struct _mst__GetStateResponse *answer;
    int64_t at_us;
    atomic_int refs;
};

static void held_unref(struct held_state *held)
{
    if (held != NULL && atomic_fetch_sub(&held->refs, 1) == 1) {
        hor_soap_done(held->soap);
        free(held);
    }
}

static int make_partner(struct master *master, const struct hor_settings_cluster *cluster,
                        struct hor_http_client *http, struct hor_error *err)
{
    master->members = calloc(cluster->member_count + 1, sizeof *master->members);
    char **urls = calloc(cluster->member_count + 1, sizeof *urls);
    const char **names = calloc(cluster->member_count + 1, sizeof *names);
    unsigned count = 0;
    int rc = urls != NULL && names != NULL && master->members != NULL ? HOR_OK : HOR_ERR_MEMORY;
    for (size_t i = 0; rc == HOR_OK && i < cluster->member_count; i++) {
        const struct hor_settings_member *member = &cluster->members[i];
        if (member->url == NULL || member->witness) /* a witness is never active */
            continue;
        master->members[count] = member->name;
        size_t len = strlen(member->url);
        urls[count] = hor_str_printf("%s%ssoap/master", member->url,
                                     len > 0 && member->url[len - 1] == '/' ? "" : "/");
        names[count] = strncmp(member->url, "https:", 6) == 0 ? member->name : NULL;
        if (urls[count++] == NULL)
            rc = HOR_ERR_MEMORY;
    }
    if (rc == HOR_OK)
        rc = count > 0 ? hor_soap_partner_new(http, (const char *const *)urls, names, count,
                                              &master->partner, err)
                       : hor_error_set(err, HOR_ERR_INVALID,
                                       "Master cluster '%s' has no member with an address",
                                       cluster->name);
    else
        hor_error_set(err, rc, "Masters: out of memory");
    if (rc == HOR_OK && count > 1)
        hor_soap_partner_patience(master->partner, ELECTION_MS);
    master->http = http;
    master->member_count = count;
    for (unsigned i = 0; urls != NULL && i < count; i++)
        free(urls[i]);
    free(urls);
    free(names);
    return rc;
}

int hor_masters_new(const struct hor_settings_cluster *clusters, size_t count,
                    struct hor_http_client *http, struct hor_store *store,
                    struct hor_releases *releases, struct hor_masters **ret, struct hor_error *err)
{
    struct hor_masters *masters = calloc(1, sizeof *masters + count * sizeof masters->items[0]);
    if (masters == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "Masters: out of memory");
    masters->store = store;
    masters->releases = releases;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    int rc = HOR_OK;
    for (size_t i = 0; rc == HOR_OK && i < count; i++) {
        struct master *master = &masters->items[masters->count++];
        master->name = clusters[i].name;
        master->all = masters;
        snprintf(master->cause, sizeof master->cause, "not reached yet");
        pthread_mutex_init(&master->lock, NULL);
        pthread_mutex_init(&master->deploy_lock, NULL);
        pthread_cond_init(&master->wake, &attr);
        rc = make_partner(master, &clusters[i], http, err);
    }
    pthread_condattr_destroy(&attr);
    if (rc != HOR_OK) {
        hor_masters_free(masters);
        return rc;
    }
    *ret = masters;
    return HOR_OK;
}

void hor_masters_free(struct hor_masters *masters)
{
    if (masters == NULL)
        return;
    for (size_t i = 0; i < masters->count; i++) {
        struct master *master = &masters->items[i];
        held_unref(master->state);
        hor_soap_partner_free(master->partner);
        free(master->members);
        pthread_cond_destroy(&master->wake);
        pthread_mutex_destroy(&master->lock);
        pthread_mutex_destroy(&master->deploy_lock);
    }
    free(masters);
}

bool master_stopped(struct master *master)
{
    pthread_mutex_lock(&master->lock);
    bool stop = master->stop;
    pthread_mutex_unlock(&master->lock);
    return stop;
}

bool master_wait(struct master *master, int64_t ms, bool for_look)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&master->lock);
    int rc = 0;
    while (!master->stop && !(for_look && master->look) && rc == 0)
        rc = pthread_cond_timedwait(&master->wake, &master->lock, &until);
    if (for_look)
        master->look = false;
    bool go_on = !master->stop;
    pthread_mutex_unlock(&master->lock);
    return go_on;
}

/* ---- the watcher ---- */

/* Who is the active member now? Calls that wait for another one (it hangs, or was cut off) end, and
 * are made again where they are answered: each time, for a call may have gone astray since. */
static void follow(struct master *master)
{
    const char *now = hor_soap_partner_current(master->partner);
    if (now == NULL)
        return;
    if (master->active != NULL && strcmp(now, master->active) != 0)
        hor_log_info("master=%s member '%s' is active", master->name, now);
    master->active = now;
    for (unsigned i = 0; i < master->member_count; i++)
        if (strcmp(master->members[i], now) != 0)
            hor_http_client_interrupt(master->http, master->members[i]);
}

static void ask_state(struct master *master)
{
    static const struct _mst__GetState request; /* has no members */
    struct held_state *held = calloc(1, sizeof *held);
    struct hor_error err = {0};
    int rc = held != NULL ? hor_soap_call_op(master->partner, mst, GetState, &request, &held->soap,
                                             &held->answer, STATE_TIMEOUT_MS, &err)
                          : hor_error_set(&err, HOR_ERR_MEMORY, "out of memory");
    struct held_state *old = NULL;
    if (rc == HOR_OK)
        follow(master);
    pthread_mutex_lock(&master->lock);
    bool changed = master->reachable != (rc == HOR_OK);
    master->reachable = rc == HOR_OK;
    if (rc == HOR_OK) {
        held->at_us = hor_clock_utc_us();
        atomic_init(&held->refs, 1);
        old = master->state;
        master->state = held;
        master->cause[0] = '\0';
    } else {
        snprintf(master->cause, sizeof master->cause, "%.299s", err.text);
    }
    bool stop = master->stop;
    pthread_mutex_unlock(&master->lock);
    held_unref(old);
    if (rc != HOR_OK)
        free(held);
    if (changed && !stop) {
        if (rc == HOR_OK)
            hor_log_info("master=%s is reached", master->name);
        else
            hor_log_warning("master=%s is not reached: %s; trying again", master->name, err.text);
    }
}

static bool may_come(int rc)
{
    return rc == HOR_ERR_UNREACHABLE || rc == HOR_ERR_TIMEOUT || rc == HOR_ERR_NOT_ACTIVE ||
           rc == HOR_ERR_BUSY;
}

/* One attempt to bring a release to the Master. */
static int attempt(struct master *master, int64_t release, const char *actor, struct hor_error *err)
{
    struct hor_buf document = HOR_BUF_INIT;
    char sha256[65], detail[HOR_ERROR_TEXT_BYTES];
    struct _mst__ApplyRelease request = {.number = (int)release, .sha256 = sha256};
    struct _mst__ApplyReleaseResponse *answer = NULL;
    struct soap *soap = NULL;
    struct hor_error why = {0};
    char *said = hor_strdup(actor);
    int rc = hor_release_document(master->all->releases, release, &document, sha256, &why);
    if (rc == HOR_OK) {
        request.actor = said;
        request.document.__ptr = (unsigned char *)document.data;
        request.document.__size = (int)document.len;
        rc = hor_soap_call_op(master->partner, mst, ApplyRelease, &request, &soap, &answer,
                              APPLY_TIMEOUT_MS, &why);
    }
    const char *state = rc == HOR_OK ? "deployed" : may_come(rc) ? "deploying" : "failed";
    if (rc == HOR_OK)
        snprintf(detail, sizeof detail, "%d orders in the plan", answer->planned);
    else
        snprintf(detail, sizeof detail, "%s", why.text);
    hor_log(rc == HOR_OK || may_come(rc) ? HOR_LOG_INFO : HOR_LOG_ERROR,
            "release=%" PRId64 " master=%s %s: %s", release, master->name, state, detail);
    hor_soap_done(soap);
    hor_buf_done(&document);
    free(said);
    return hor_store_deployment_end(master->all->store, release, master->name, state, detail,
                                    hor_clock_utc_us(), err);
}

struct due {
    int64_t release;
    char actor[128];
};

static int take_due(const struct hor_deployment_row *row, void *ctx)
{
    struct due *due = ctx;
    due->release = row->release;
    snprintf(due->actor, sizeof due->actor, "%s", row->actor != NULL ? row->actor : "");
    return HOR_OK;
}

/* Goes on with a deployment that did not arrive: after a restart, or while the Master is away. */
static void resume_deployment(struct master *master)
{
    struct due due = {0};
    struct hor_error err;
    if (pthread_mutex_trylock(&master->deploy_lock) != 0)
        return; /* a person is just doing it */
    if (hor_query_deployments_in(master->all->store, master->name, "deploying", take_due, &due,
                                 &err) == HOR_OK &&
        due.release > 0 && attempt(master, due.release, due.actor, &err) != HOR_OK)
        hor_log_warning("master=%s deployment: %s; trying again", master->name, err.text);
    pthread_mutex_unlock(&master->deploy_lock);
}

static void *watch(void *arg)
{
    struct master *master = arg;
    do {
        ask_state(master);
        pthread_mutex_lock(&master->lock);
        bool reachable = master->reachable;
        pthread_mutex_unlock(&master->lock);
        if (reachable)
            resume_deployment(master);
        /* a floor, so that a stream of events does not make a stream of questions */
    } while (master_wait(master, STATE_FLOOR_MS, false) &&
             master_wait(master, STATE_EVERY_MS, true));
    return NULL;
}

int hor_masters_start(struct hor_masters *masters, struct hor_error *err)
{
    for (size_t i = 0; i < masters->count; i++) {
        struct master *master = &masters->items[i];
        int rc = pthread_create(&master->puller, NULL, master_puller, master);
        master->pulling = rc == 0;
        if (rc == 0) {
            rc = pthread_create(&master->watcher, NULL, watch, master);
            master->watching = rc == 0;
        }
        if (rc != 0) {
            hor_masters_stop(masters);
            return hor_error_set_errno(err, HOR_ERR_MEMORY, rc, "start a thread for Master '%s'",
                                       master->name);
        }
    }
    return HOR_OK;
}

void hor_masters_stop(struct hor_masters *masters)
{
    if (masters == NULL)
        return;
    for (size_t i = 0; i < masters->count; i++) {
        struct master *master = &masters->items[i];
        pthread_mutex_lock(&master->lock);
        master->stop = true;
        pthread_cond_broadcast(&master->wake);
        pthread_mutex_unlock(&master->lock);
    }
    for (size_t i = 0; i < masters->count; i++) {
        struct master *master = &masters->items[i];
        if (master->pulling)
            pthread_join(master->puller, NULL);
        if (master->watching)
            pthread_join(master->watcher, NULL);
        master->pulling = master->watching = false;
    }
}

/* ---- for the services ---- */

size_t hor_masters_count(const struct hor_masters *masters)
{
    return masters->count;
}

const char *hor_masters_name(const struct hor_masters *masters, size_t i)
{
    return i < masters->count ? masters->items[i].name : NULL;
}

static struct master *find(struct hor_masters *masters, const char *name, struct hor_error *err)
{
    struct hor_buf known = HOR_BUF_INIT;
    for (size_t i = 0; i < masters->count; i++) {
        if (name == NULL ? masters->count == 1 : strcmp(masters->items[i].name, name) == 0)
            return &masters->items[i];
        hor_buf_printf(&known, "%s%s", i > 0 ? ", " : "", masters->items[i].name);
    }
    if (name == NULL && masters->count > 0)
        hor_error_set(err, HOR_ERR_INVALID, "master: name one of %.500s", hor_buf_text(&known));
    else if (name == NULL)
        hor_error_set(err, HOR_ERR_NOT_FOUND, "no Master is in the settings");
    else
        hor_error_set(err, HOR_ERR_NOT_FOUND, "Master '%.100s' is not known; known are: %.500s",
                      name, hor_buf_text(&known));
    hor_buf_done(&known);
    return NULL;
}

int hor_masters_partner(struct hor_masters *masters, const char *name,
                        struct hor_soap_partner **ret, const char **ret_name, struct hor_error *err)
{
    struct hor_error why = {0};
    struct master *master = find(masters, name, &why);
    if (master == NULL)
        return hor_error_set(err, why.code, "%s", why.text);
    *ret = master->partner;
    if (ret_name != NULL)
        *ret_name = master->name;
    return HOR_OK;
}

void hor_masters_state(struct hor_masters *masters, size_t i, struct hor_master_state *ret)
{
    struct master *master = &masters->items[i];
    *ret = (struct hor_master_state){.name = master->name};
    pthread_mutex_lock(&master->lock);
    ret->reachable = master->reachable;
    snprintf(ret->cause, sizeof ret->cause, "%s", master->cause);
    if (master->state != NULL) {
        atomic_fetch_add(&master->state->refs, 1);
        ret->hold = master->state;
        ret->at_us = master->state->at_us;
        ret->answer = master->state->answer;
    }
    pthread_mutex_unlock(&master->lock);
}

void hor_master_state_done(struct hor_master_state *state)
{
    held_unref(state->hold);
    state->hold = NULL;
    state->answer = NULL;
}

int hor_masters_deploy(struct hor_masters *masters, const char *name, int64_t release,
                       const char *actor, struct hor_error *err)
{
    struct hor_error why = {0};
    struct master *master = find(masters, name, &why);
    if (master == NULL)
        return hor_error_set(err, why.code, "%s", why.text);
    pthread_mutex_lock(&master->deploy_lock);
    int rc = hor_store_deployment_begin(masters->store, release, master->name, actor,
                                        hor_clock_utc_us(), err);
    if (rc == HOR_OK)
        rc = attempt(master, release, actor, err);
    pthread_mutex_unlock(&master->deploy_lock);
    return rc;
}

void hor_masters_counts(struct hor_masters *masters, size_t i, struct hor_master_counts *ret)
{
    pthread_mutex_lock(&masters->items[i].lock);
    *ret = masters->items[i].counts;
    pthread_mutex_unlock(&masters->items[i].lock);
}

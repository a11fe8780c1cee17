#include "server/master/coupling.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

enum {
    CALL_MS = 10000,
    BACKOFF_MS = 200,
    BACKOFF_MAX_MS = 5000,
    BUSY_MS = 50,
    STRANGER_MS = 30000, /* unknownPartner and gap need a person: look again now and then */
    MEMBERS_MAX = 64,
};

/* ---- sleeping and waking ---- */

bool hor_coupling_may_go_on(struct hor_coupling *c)
{
    pthread_mutex_lock(&c->lock);
    bool ret = c->needed && c->coupled && !c->collecting_failed;
    pthread_mutex_unlock(&c->lock);
    return ret && hor_coupling_is_present(c) && !atomic_load(&c->master->stopping);
}

bool hor_coupling_is_present(const struct hor_coupling *c)
{
    return atomic_load(&c->master->leader) &&
           c->fence >> HOR_COUPLING_FENCE_BITS == atomic_load(&c->master->term);
}

static struct timespec after(int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return until;
}

void hor_coupling_pause(struct hor_coupling *c, int64_t ms)
{
    struct timespec until = after(ms);
    pthread_mutex_lock(&c->lock);
    while (!atomic_load(&c->master->stopping) && atomic_load(&c->master->leader) &&
           pthread_cond_timedwait(&c->wake, &c->lock, &until) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&c->lock);
}

/* Sleeps until something is applied, collecting failed, or the time is over. */
static void sleep_until_kicked(struct hor_coupling *c, int64_t ms)
{
    struct timespec until = after(ms);
    pthread_mutex_lock(&c->lock);
    while (!c->kicked && !c->collecting_failed && !atomic_load(&c->master->stopping) &&
           pthread_cond_timedwait(&c->wake, &c->lock, &until) != ETIMEDOUT)
        ;
    c->kicked = false;
    pthread_mutex_unlock(&c->lock);
}


void hor_coupling_seen(struct hor_coupling *c)
{
    pthread_mutex_lock(&c->lock);
    c->seen_us = hor_clock_utc_us();
    pthread_mutex_unlock(&c->lock);
}

/* Tells whether the cause is another one than before. */
static bool set_state(struct hor_coupling *c, const char *state, const char *cause)
{
    pthread_mutex_lock(&c->lock);
    bool news = strcmp(c->cause, cause) != 0;
    c->state = state;
    snprintf(c->cause, sizeof c->cause, "%s", cause);
    pthread_mutex_unlock(&c->lock);
    return news;
}

static void name_state(struct hor_coupling *c, const char *state)
{
    pthread_mutex_lock(&c->lock);
    c->state = state;
    pthread_mutex_unlock(&c->lock);
}

/* ---- addresses ---- */

struct addresses {
    const char *cluster, *member; /* member NULL: all */
    char *urls[MEMBERS_MAX], *names[MEMBERS_MAX];
    unsigned count;
};

static int ask_addresses(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct addresses *a = arg;
    const struct hor_config *config = hor_master_core_config(master->core);
    const struct hor_agent_cluster *cluster =
        config != NULL ? hor_config_cluster(config, a->cluster) : NULL;
    if (cluster == NULL)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "the deployed release has no agent cluster '%s'",
                             a->cluster);
    for (size_t i = 0; i < cluster->member_count && a->count < MEMBERS_MAX; i++) {
        const struct hor_agent_member *member = &cluster->members[i];
        if (a->member != NULL && strcmp(a->member, member->name) != 0)
            continue;
        a->urls[a->count] = hor_str_printf("%s/soap/agent", member->url);
        a->names[a->count] = hor_strdup(member->name);
        if (a->urls[a->count] == NULL || a->names[a->count] == NULL) {
            a->count++;
            return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        }
        a->count++;
    }
    return a->count > 0 ? HOR_OK
                        : hor_error_set(err, HOR_ERR_NOT_FOUND, "cluster '%s' has no member '%s'",
                                        a->cluster, a->member != NULL ? a->member : "");
}

static void addresses_done(struct addresses *a)
{
    for (unsigned i = 0; i < a->count; i++) {
        free(a->urls[i]);
        free(a->names[i]);
    }
}

static int new_partner(struct hor_master *master, const struct addresses *a,
                       struct hor_soap_partner **ret, struct hor_error *err)
{
    const bool tls = strncmp(a->urls[0], "https:", 6) == 0;
    return hor_soap_partner_new(master->http, (const char *const *)a->urls,
                                tls ? (const char *const *)a->names : NULL, a->count, ret, err);
}

int hor_master_cluster_partner(struct hor_master *master, const char *cluster, const char *member,
                               struct hor_soap_partner **ret, struct hor_error *err)
{
    struct addresses a = {.cluster = cluster, .member = member};
    int rc = hor_master_ask(master, ask_addresses, &a, err);
    if (rc == HOR_OK)
        rc = new_partner(master, &a, ret, err);
    addresses_done(&a);
    return rc;
}

/* The cluster's members as one text, to see when they change. */
static int address_key(const struct hor_coupling *c, struct addresses *a, char key[], size_t bytes,
                       struct hor_error *err)
{
    size_t len = 0;
    a->cluster = c->path;
    int rc = hor_master_ask(c->master, ask_addresses, a, err);
    key[0] = '\0';
    for (unsigned i = 0; rc == HOR_OK && i < a->count && len < bytes; i++)
        len += (size_t)snprintf(key + len, bytes - len, "%s %s\n", a->names[i], a->urls[i]);
    return rc;
}

static bool members_moved(const struct hor_coupling *c)
{
    struct addresses a = {0};
    struct hor_error ignored;
    char key[sizeof c->addresses];
    int rc = address_key(c, &a, key, sizeof key, &ignored);
    addresses_done(&a);
    return rc != HOR_OK || strcmp(key, c->addresses) != 0;
}

/* The partner of a new session. */
static int find_partner(struct hor_coupling *c, struct hor_error *err)
{
    struct addresses a = {0};
    char key[sizeof c->addresses];
    int rc = address_key(c, &a, key, sizeof key, err);
    if (rc == HOR_OK && strcmp(key, c->addresses) != 0) {
        struct hor_soap_partner *partner = NULL;
        rc = new_partner(c->master, &a, &partner, err);
        if (rc == HOR_OK) {
            hor_soap_partner_free(c->partner);
            c->partner = partner;
            memcpy(c->addresses, key, sizeof key);
        }
    }
    addresses_done(&a);
    return rc;
}

/* ---- coupling ---- */

struct known {
    struct hor_coupling *coupling;
    bool has_run;
    char run_id[64];
    uint64_t cursor, fence;
    bool coupled;
};

/* A number above all that this Master cluster coupled with before: see agent/couple.c. The journal's
 * index is in it, because a Master alone leads again in the same term after a restart, and would count
 * from one again. */
static uint64_t new_fence(struct hor_coupling *c, uint64_t term, uint64_t index)
{
    uint64_t least = index << HOR_COUPLING_TRY_BITS;
    c->sessions = c->sessions < least ? least : c->sessions + 1;
    return term << HOR_COUPLING_FENCE_BITS |
           (c->sessions & ((UINT64_C(1) << HOR_COUPLING_FENCE_BITS) - 1));
}

static int ask_known(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct known *known = arg;
    struct hor_master_cluster view;
    if (!atomic_load(&master->leader))
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "this Master is not the active one");
    struct hor_cluster_status status;
    hor_cluster_get_status(master->cluster, &status);
    known->fence =
        new_fence(known->coupling, atomic_load(&master->term), status.applied_index);
    if (hor_master_core_cluster(master->core, known->coupling->path, &view) != HOR_OK)
        return HOR_OK;
    known->has_run = view.run_id != NULL;
    snprintf(known->run_id, sizeof known->run_id, "%s", view.run_id != NULL ? view.run_id : "");
    known->cursor = view.cursor;
    known->coupled = view.coupled;
    return HOR_OK;
}

struct told {
    struct hor_coupling *coupling;
    enum hor_event_type type;
    const char *cause;
    char *const *held; /* the orders that the cluster has */
    size_t held_count;
    bool known; /* coupled already, as the journal says */
};

static int tell(struct hor_master *master, struct hor_master_events *events, void *arg,
                struct hor_error *err)
{
    struct told *told = arg;
    if (told->type == HOR_EVENT_CLUSTER_COUPLED && !hor_coupling_is_present(told->coupling))
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "the active Master has changed meanwhile");
    if (told->type == HOR_EVENT_CLUSTER_COUPLED &&
        hor_master_core_compare(master->core, told->coupling->path, told->held, told->held_count,
                                hor_clock_utc_us(), hor_master_collect, events) != HOR_OK)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (told->known) /* nothing is new but what the comparison gave */
        return HOR_OK;
    if (told->type == HOR_EVENT_CLUSTER_COUPLED &&
        hor_master_core_is_anew(master->core, told->coupling->path) &&
        hor_master_core_recoupled(master->core, told->coupling->path, told->held, told->held_count,
                                  hor_clock_utc_us(), hor_master_collect, events) != HOR_OK)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    struct hor_event *event = hor_event_new(told->type, hor_clock_utc_us());
    if (event == NULL || hor_event_set(&event->cluster, told->coupling->path) != HOR_OK ||
        hor_event_set(&event->cause, told->cause) != HOR_OK ||
        (told->type == HOR_EVENT_CLUSTER_COUPLED &&
         hor_event_set(&event->run_id, told->coupling->run_id) != HOR_OK)) {
        hor_event_free(event);
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    if (told->type == HOR_EVENT_CLUSTER_COUPLED)
        event->cluster_index = (int64_t)told->coupling->position;
    hor_master_collect(event, events);
    return HOR_OK;
}

static int ask_reached(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct hor_coupling *c = arg;
    (void)err;
    hor_master_core_reached(master->core, c->path, c->coupled && hor_coupling_is_present(c));
    hor_master_decide(master);
    return HOR_OK;
}

/* HOR_ERR_CONFLICT: the cluster is not the one that we know, or lost what we need. */
static int check_answer(struct hor_coupling *c, const struct _agt__CoupleResponse *response,
                        const struct known *known, struct hor_error *err)
{
    if (strcmp(response->state, "unknownPartner") == 0 ||
        (known->has_run && strcmp(response->runId, known->run_id) != 0)) {
        name_state(c, "unknownPartner");
        return hor_error_set(err, HOR_ERR_CONFLICT,
                             "the cluster has begun a new journal (run %s, known %s): its history "
                             "before that is not there; a person has to decide (command recouple)",
                             response->runId, known->run_id);
    }
    if (strcmp(response->state, "gap") == 0 ||
        (known->has_run && response->firstEvent > known->cursor + 1)) {
        name_state(c, "gap");
        return hor_error_set(err, HOR_ERR_CONFLICT,
                             "the cluster's events from %llu to %llu are gone: a person has to decide "
                             "(command recouple)",
                             (unsigned long long)known->cursor + 1,
                             (unsigned long long)response->firstEvent - 1);
    }
    return strcmp(response->state, "coupled") == 0
               ? HOR_OK
               : hor_error_set(err, HOR_ERR_INTERNAL, "the cluster answers '%s'", response->state);
}

static int couple(struct hor_coupling *c, struct hor_error *err)
{
    struct known known = {.coupling = c};
    int rc = hor_master_ask(c->master, ask_known, &known, err);
    if (rc != HOR_OK)
        return rc;
    ULONG64 fence = known.fence;
    struct _agt__Couple request = {.master = (char *)c->master->settings->cluster,
                                   .runId = known.has_run ? known.run_id : NULL,
                                   .afterEvent = known.cursor,
                                   .fence = &fence};
    struct _agt__CoupleResponse *response = NULL;
    struct soap *soap = NULL;
    rc = hor_soap_call_op(c->partner, agt, Couple, &request, &soap, &response, CALL_MS, err);
    if (rc != HOR_OK)
        return rc;
    hor_coupling_seen(c);
    rc = check_answer(c, response, &known, err);
    if (rc == HOR_OK) {
        snprintf(c->run_id, sizeof c->run_id, "%s", response->runId);
        c->position = known.cursor;
        if (!known.has_run && response->firstEvent > known.cursor + 1)
            c->position = response->firstEvent - 1;
        c->release_count = 0;
        for (int i = 0; i < response->__sizerelease && c->release_count < 64; i++)
            c->releases[c->release_count++] = response->release[i];
        struct told told = {.coupling = c,
                            .type = HOR_EVENT_CLUSTER_COUPLED,
                            .held = response->order,
                            .held_count = (size_t)response->__sizeorder,
                            .known = known.has_run && known.coupled};
        c->fence = known.fence;
        while ((rc = hor_master_transact(c->master, tell, &told, err)) == HOR_ERR_BUSY &&
               atomic_load(&c->master->leader) && !atomic_load(&c->master->stopping))
            hor_coupling_pause(c, BUSY_MS);
    }
    hor_soap_done(soap);
    return rc;
}

/* ---- a session ---- */

static int ask_deployed(struct hor_master *master, void *arg, struct hor_error *err)
{
    const struct hor_config *config = hor_master_core_config(master->core);
    (void)err;
    *(int64_t *)arg = config != NULL ? config->release : 0;
    return HOR_OK;
}

static int work(struct hor_coupling *c, struct hor_error *err)
{
    int rc = HOR_OK, count = 0, answers = 0;
    bool waiting = false;
    int64_t before = 0, deployed = 0;
    while (rc == HOR_OK && hor_coupling_may_go_on(c)) {
        rc = hor_master_ask(c->master, ask_deployed, &deployed, err);
        if (rc == HOR_OK && deployed != before && members_moved(c))
            break; /* a new session goes to the new addresses */
        before = deployed;
        if (rc == HOR_OK && deployed != 0)
            rc = hor_coupling_give_release(c, deployed, err);
        if (rc == HOR_OK)
            rc = hor_coupling_hand_over(c, &count, err);
        if (rc == HOR_OK)
            rc = hor_coupling_deliver(c, &waiting, err);
        if (rc == HOR_OK)
            rc = hor_coupling_answer(c, &answers, err);
        if (rc == HOR_OK && count == 0 && answers == 0)
            sleep_until_kicked(c, waiting ? BACKOFF_MS : CALL_MS);
    }
    pthread_mutex_lock(&c->lock);
    if (rc == HOR_OK && c->collecting_failed) {
        rc = c->collecting_error.code;
        *err = c->collecting_error;
    }
    pthread_mutex_unlock(&c->lock);
    return rc;
}

static void set_coupled(struct hor_coupling *c, bool coupled)
{
    struct hor_error ignored;
    pthread_mutex_lock(&c->lock);
    c->coupled = coupled;
    c->collecting_failed = false;
    if (coupled) {
        c->state = "coupled";
        c->cause[0] = '\0';
    }
    pthread_mutex_unlock(&c->lock);
    hor_master_ask(c->master, ask_reached, c, &ignored);
}

static int session(struct hor_coupling *c, struct hor_error *err)
{
    pthread_t collector;
    int rc = find_partner(c, err);
    if (rc == HOR_OK)
        rc = couple(c, err);
    if (rc != HOR_OK)
        return rc;
    hor_log_info("cluster=%s coupled, run=%s after event %llu", c->path, c->run_id,
                 (unsigned long long)c->position);
    set_coupled(c, true);
    int failed = pthread_create(&collector, NULL, hor_coupling_collect, c);
    rc = failed != 0 ? hor_error_set_errno(err, HOR_ERR_MEMORY, failed, "no thread to collect events")
                     : work(c, err);
    set_coupled(c, false); /* which ends the collector too */
    if (failed == 0)
        pthread_join(collector, NULL);
    pthread_mutex_lock(&c->lock);
    c->collecting_failed = false;
    pthread_mutex_unlock(&c->lock);
    return rc;
}

static void lost(struct hor_coupling *c, const struct hor_error *why)
{
    struct known known = {.coupling = c};
    struct told told = {.coupling = c, .type = HOR_EVENT_CLUSTER_UNCOUPLED, .cause = why->text};
    struct hor_error err = {0};
    bool news = set_state(c, why->code == HOR_ERR_CONFLICT ? c->state : "uncoupled", why->text);
    if (hor_master_ask(c->master, ask_known, &known, &err) != HOR_OK)
        return;
    if (known.coupled || (news && why->code == HOR_ERR_CONFLICT)) {
        char text[1100];
        hor_log_warning("cluster=%s uncoupled: %s", c->path,
                        hor_log_quote(why->text, text, sizeof text));
        hor_master_transact(c->master, tell, &told, &err);
    }
}

/* Looks again now and then, and at once when somebody decided. */
static void wait_for_person(struct hor_coupling *c)
{
    int64_t end_ms = hor_clock_monotonic_ms() + STRANGER_MS, left;
    while ((left = end_ms - hor_clock_monotonic_ms()) > 0 && !atomic_load(&c->master->stopping) &&
           atomic_load(&c->master->leader)) {
        struct known known = {.coupling = c};
        struct hor_error ignored;
        if (hor_master_ask(c->master, ask_known, &known, &ignored) != HOR_OK || !known.has_run)
            return;
        sleep_until_kicked(c, left);
    }
}

static bool wait_until_needed(struct hor_coupling *c)
{
    pthread_mutex_lock(&c->lock);
    while (!atomic_load(&c->master->stopping) && !(c->needed && atomic_load(&c->master->leader)))
        pthread_cond_wait(&c->wake, &c->lock);
    pthread_mutex_unlock(&c->lock);
    return !atomic_load(&c->master->stopping);
}

static void *life(void *arg)
{
    struct hor_coupling *c = arg;
    int64_t backoff_ms = BACKOFF_MS;
    while (wait_until_needed(c)) {
        struct hor_error err = {0};
        int64_t begun_ms = hor_clock_monotonic_ms();
        int rc = session(c, &err);
        if (rc == HOR_OK || atomic_load(&c->master->stopping) || !atomic_load(&c->master->leader))
            continue;
        lost(c, &err);
        if (hor_clock_monotonic_ms() - begun_ms > BACKOFF_MAX_MS)
            backoff_ms = BACKOFF_MS;
        if (rc == HOR_ERR_CONFLICT)
            wait_for_person(c);
        else
            hor_coupling_pause(c, backoff_ms);
        backoff_ms = backoff_ms * 2 < BACKOFF_MAX_MS ? backoff_ms * 2 : BACKOFF_MAX_MS;
    }
    return NULL;
}

/* ---- all of them; loop thread ---- */

static struct hor_coupling *find(const struct hor_master *master, const char *path)
{
    for (struct hor_coupling *c = master->couplings; c != NULL; c = c->next)
        if (strcmp(c->path, path) == 0)
            return c;
    return NULL;
}

static void start(struct hor_master *master, const char *path)
{
    struct hor_coupling *c = calloc(1, sizeof *c);
    pthread_condattr_t attributes;
    if (c == NULL || (c->path = hor_strdup(path)) == NULL) {
        free(c);
        hor_log_error("cluster=%s: out of memory, not coupled", path);
        return;
    }
    c->master = master;
    c->state = "uncoupled";
    snprintf(c->cause, sizeof c->cause, "not coupled yet");
    c->seen_us = HOR_EVENT_NONE;
    c->needed = true;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&c->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&c->thread, NULL, life, c) != 0) {
        hor_log_error("cluster=%s: no thread, not coupled", path);
        pthread_cond_destroy(&c->wake);
        pthread_mutex_destroy(&c->lock);
        free(c->path);
        free(c);
        return;
    }
    c->next = master->couplings;
    master->couplings = c;
}

void hor_master_couplings_update(struct hor_master *master)
{
    const struct hor_config *config = hor_master_core_config(master->core);
    if (config != NULL && config->release != master->coupled_release) {
        master->coupled_release = config->release;
        for (size_t i = 0; i < config->cluster_count; i++)
            if (find(master, config->clusters[i]->object.path) == NULL)
                start(master, config->clusters[i]->object.path);
    }
    for (struct hor_coupling *c = master->couplings; c != NULL; c = c->next) {
        pthread_mutex_lock(&c->lock);
        c->needed = config != NULL && hor_config_cluster(config, c->path) != NULL;
        c->kicked = true;
        pthread_cond_broadcast(&c->wake);
        pthread_mutex_unlock(&c->lock);
    }
}

void hor_master_couplings_stop(struct hor_master *master)
{
    struct hor_coupling *next;
    for (struct hor_coupling *c = master->couplings; c != NULL; c = c->next) {
        pthread_mutex_lock(&c->lock);
        pthread_cond_broadcast(&c->wake);
        pthread_mutex_unlock(&c->lock);
    }
    for (struct hor_coupling *c = master->couplings; c != NULL; c = next) {
        next = c->next;
        pthread_join(c->thread, NULL);
        hor_soap_done(c->told_soap);
        hor_soap_partner_free(c->partner);
        pthread_cond_destroy(&c->wake);
        pthread_mutex_destroy(&c->lock);
        free(c->path);
        free(c);
    }
    master->couplings = NULL;
}

bool hor_master_is_coupled(const struct hor_master *master, const char *cluster)
{
    struct hor_coupling *c = find(master, cluster);
    if (c == NULL)
        return false;
    pthread_mutex_lock(&c->lock);
    bool ret = c->coupled;
    pthread_mutex_unlock(&c->lock);
    /* A Master that has just become active is about to couple with it. */
    struct hor_master_cluster view;
    return ret || (hor_master_core_cluster(master->core, cluster, &view) == HOR_OK && view.coupled);
}

void hor_master_couplings_each(struct hor_master *master, hor_coupling_fn *fn, void *ctx)
{
    for (struct hor_coupling *c = master->couplings; c != NULL; c = c->next) {
        pthread_mutex_lock(&c->lock);
        struct hor_coupling_state state = {
            .path = c->path, .state = c->state, .seen_us = c->seen_us, .cluster = c->told};
        snprintf(state.cause, sizeof state.cause, "%s", c->cause);
        fn(&state, ctx);
        pthread_mutex_unlock(&c->lock);
    }
}

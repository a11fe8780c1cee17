#include "server/master/coupling.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

enum {
    CALL_MS = 10000,
    PLAN_MS = 60000, /* AcceptPlan and ApplyRelease answer after their commit */
    BACKOFF_MS = 200,
    BACKOFF_MAX_MS = 5000,
    STRANGER_MS = 30000, /* unknownPartner and gap need a person: look again now and then */
    MEMBERS_MAX = 64,
};

/* ---- sleeping and waking ---- */

bool hor_coupling_may_go_on(struct hor_coupling *c)
{
    pthread_mutex_lock(&c->lock);
    bool ret = c->needed && c->coupled && !c->collecting_failed;
    pthread_mutex_unlock(&c->lock);
    return ret && atomic_load(&c->master->leader) && !atomic_load(&c->master->stopping);
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
    uint64_t cursor;
    bool coupled;
};

static int ask_known(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct known *known = arg;
    struct hor_master_cluster view;
    (void)err;
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
};

static int tell(struct hor_master *master, struct hor_master_events *events, void *arg,
                struct hor_error *err)
{
    struct told *told = arg;
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
    hor_master_core_reached(master->core, c->path, c->coupled);
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
    struct _agt__Couple request = {.master = (char *)c->master->settings->cluster,
                                   .runId = known.has_run ? known.run_id : NULL,
                                   .afterEvent = known.cursor};
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
        if (!known.has_run || !known.coupled) {
            struct told told = {.coupling = c,
                                .type = HOR_EVENT_CLUSTER_COUPLED,
                                .held = response->order,
                                .held_count = (size_t)response->__sizeorder};
            rc = hor_master_transact(c->master, tell, &told, err);
        }
    }
    hor_soap_done(soap);
    return rc;
}

/* ---- releases ---- */

struct wanted {
    int64_t number; /* 0: the deployed one */
    char sha256[65];
    struct hor_buf document;
};

static int ask_release(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct wanted *wanted = arg;
    const struct hor_config *config = hor_master_core_config(master->core);
    const char *sha256 = NULL;
    if (wanted->number == 0 && config != NULL)
        wanted->number = config->release;
    const struct hor_buf *document =
        hor_master_core_release(master->core, wanted->number, &sha256);
    if (document == NULL)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "release %lld is not there",
                             (long long)wanted->number);
    snprintf(wanted->sha256, sizeof wanted->sha256, "%s", sha256);
    hor_buf_add(&wanted->document, hor_buf_text(document), document->len);
    return wanted->document.failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory") : HOR_OK;
}

static bool has_release(const struct hor_coupling *c, int64_t number)
{
    for (size_t i = 0; i < c->release_count; i++)
        if (c->releases[i] == number)
            return true;
    return false;
}

static int give_release(struct hor_coupling *c, int64_t number, struct hor_error *err)
{
    struct wanted wanted = {.number = number};
    struct soap *soap = NULL;
    struct _agt__ApplyReleaseResponse *response = NULL;
    if (has_release(c, number))
        return HOR_OK;
    int rc = hor_master_ask(c->master, ask_release, &wanted, err);
    if (rc == HOR_OK) {
        struct _agt__ApplyRelease request = {
            .master = (char *)c->master->settings->cluster,
            .number = (int)wanted.number,
            .sha256 = wanted.sha256,
            .document = {.__ptr = (unsigned char *)wanted.document.data,
                         .__size = (int)wanted.document.len}};
        rc = hor_soap_call_op(c->partner, agt, ApplyRelease, &request, &soap, &response, PLAN_MS,
                              err);
        if (rc != HOR_OK)
            hor_error_prefix(err, "release %lld", (long long)wanted.number);
    }
    if (rc == HOR_OK) {
        if (c->release_count == 64)
            memmove(c->releases, c->releases + 1, --c->release_count * sizeof *c->releases);
        c->releases[c->release_count++] = wanted.number;
        hor_log_info("cluster=%s release=%lld handed over", c->path, (long long)wanted.number);
    }
    hor_soap_done(soap);
    hor_buf_done(&wanted.document);
    return rc;
}

static int ask_deployed(struct hor_master *master, void *arg, struct hor_error *err)
{
    const struct hor_config *config = hor_master_core_config(master->core);
    (void)err;
    *(int64_t *)arg = config != NULL ? config->release : 0;
    return HOR_OK;
}

/* ---- orders ---- */

struct handing {
    struct hor_coupling *coupling;
    struct hor_arena arena;
    struct t__NewOrder *orders;
    int *priorities;
    int count;
    int64_t release;
};

static struct t__Argument *copy_arguments(struct hor_arena *arena, const struct hor_arguments *from)
{
    static bool yes = true;
    struct t__Argument *to = hor_arena_alloc(arena, (from->count + 1) * sizeof *to);
    for (size_t i = 0; to != NULL && i < from->count; i++) {
        to[i].name = hor_arena_strdup(arena, from->items[i].name);
        to[i].__item = hor_arena_strdup(arena, from->items[i].value);
        to[i].secret = from->items[i].secret ? &yes : NULL;
    }
    return to;
}

static void copy_order(const struct hor_master_order *order, void *ctx)
{
    struct handing *h = ctx;
    struct hor_arena *arena = &h->arena;
    int *priority = &h->priorities[h->count];
    struct t__NewOrder *to = &h->orders[h->count++];
    *priority = order->priority != HOR_EVENT_NONE ? (int)order->priority : 0;
    h->release = order->release;
    *to = (struct t__NewOrder){
        .id = hor_arena_strdup(arena, order->id),
        .chain = hor_arena_strdup(arena, order->chain),
        .release = (int)order->release,
        .planDay = hor_arena_strdup(arena, order->plan_day),
        .schedule = hor_arena_strdup(arena, order->schedule),
        .plannedAt = order->due_at,
        .priority = order->priority != HOR_EVENT_NONE ? priority : NULL,
        .title = hor_arena_strdup(arena, order->title),
        .actor = hor_arena_strdup(arena, order->actor),
        .reason = hor_arena_strdup(arena, order->reason),
        .__sizeargument = (int)order->arguments->count,
        .argument = copy_arguments(arena, order->arguments),
    };
}

static int ask_orders(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct handing *h = arg;
    if (!atomic_load(&master->leader))
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "this Master is not the active one");
    hor_master_core_forward(master->core, h->coupling->path, HOR_MASTER_BATCH_ORDERS, copy_order, h);
    return HOR_OK;
}

static int tell_forwarded(struct hor_master *master, struct hor_master_events *events, void *arg,
                          struct hor_error *err)
{
    struct hor_coupling *c = arg;
    return hor_master_core_forwarded(master->core, c->path, true, hor_clock_utc_us(),
                                     hor_master_collect, events) == HOR_OK
               ? HOR_OK
               : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
}

static int ask_not_forwarded(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct hor_coupling *c = arg;
    (void)err;
    hor_master_core_forwarded(master->core, c->path, false, 0, NULL, NULL);
    return HOR_OK;
}

static int accept_plan(struct hor_coupling *c, struct handing *h, struct hor_error *err)
{
    char id[HOR_UUID_BYTES];
    struct soap *soap = NULL;
    struct _agt__AcceptPlanResponse *response = NULL;
    hor_uuid(id);
    struct _agt__AcceptPlan request = {.master = (char *)c->master->settings->cluster,
                                       .id = id,
                                       .__sizeorder = h->count,
                                       .order = h->orders};
    int rc = hor_soap_call_op(c->partner, agt, AcceptPlan, &request, &soap, &response, PLAN_MS, err);
    if (rc == HOR_OK)
        hor_log_info("cluster=%s orders=%d new=%d handed over", c->path, h->count, response->added);
    hor_soap_done(soap);
    return rc;
}

/* Hands over one batch; *ret_count 0: there was none. */
static int hand_over(struct hor_coupling *c, int *ret_count, struct hor_error *err)
{
    struct handing h = {.coupling = c};
    h.orders = calloc(HOR_MASTER_BATCH_ORDERS, sizeof *h.orders);
    h.priorities = calloc(HOR_MASTER_BATCH_ORDERS, sizeof *h.priorities);
    int rc = h.orders == NULL || h.priorities == NULL
                 ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                 : hor_master_ask(c->master, ask_orders, &h, err);
    if (rc == HOR_OK && h.arena.failed)
        rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (rc == HOR_OK && h.count > 0)
        rc = give_release(c, h.release, err);
    if (rc == HOR_OK && h.count > 0)
        rc = accept_plan(c, &h, err);
    if (rc == HOR_OK && h.count > 0)
        while ((rc = hor_master_transact(c->master, tell_forwarded, c, err)) == HOR_ERR_BUSY &&
               hor_coupling_may_go_on(c))
            hor_coupling_pause(c, 50);
    if (rc != HOR_OK) {
        struct hor_error ignored;
        hor_master_ask(c->master, ask_not_forwarded, c, &ignored);
    }
    *ret_count = h.count;
    hor_arena_done(&h.arena);
    free(h.orders);
    free(h.priorities);
    return rc;
}

/* ---- commands ---- */

struct waiting {
    struct hor_coupling *coupling;
    struct hor_event *received; /* a copy, NULL: none */
    bool done;
    char text[HOR_ERROR_TEXT_BYTES];
    char skip[260]; /* the last one looked at */
};

/* The first waiting command after the one that could not be delivered. */
static int ask_command(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct waiting *w = arg;
    size_t pos = 0;
    const struct hor_event *event;
    bool passed = w->skip[0] == '\0';
    while ((event = hor_master_core_waiting(master->core, w->coupling->path, &pos)) != NULL) {
        if (passed)
            break;
        passed = strcmp(event->command, w->skip) == 0;
    }
    if (event == NULL)
        return HOR_OK;
    w->received = hor_event_copy(event);
    return w->received != NULL ? HOR_OK : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
}

static int tell_done(struct hor_master *master, struct hor_master_events *events, void *arg,
                     struct hor_error *err)
{
    struct waiting *w = arg;
    struct hor_event *event = hor_master_core_command_done(
        w->received->command, w->coupling->path, w->done, w->text[0] != '\0' ? w->text : NULL,
        hor_clock_utc_us());
    (void)master;
    if (event == NULL || hor_event_set(&event->order, w->received->order) != HOR_OK) {
        hor_event_free(event);
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    hor_master_collect(event, events);
    return HOR_OK;
}

static int call_command(struct waiting *w, struct hor_error *err)
{
    struct hor_coupling *c = w->coupling;
    const struct hor_event *e = w->received;
    struct hor_arena arena = {0};
    int priority = (int)e->priority;
    LONG64 start_at = e->due_at;
    struct t__Command command = {
        .id = e->command,
        .action = e->action,
        .order = e->order,
        .chain = e->chain,
        .agent = e->agent,
        .node = e->node,
        .outcome = e->outcome,
        .startAt = e->due_at != HOR_EVENT_NONE ? &start_at : NULL,
        .priority = e->priority != HOR_EVENT_NONE ? &priority : NULL,
        .actor = e->actor,
        .reason = e->reason,
        .__sizeargument = (int)e->arguments.count,
        .argument = copy_arguments(&arena, &e->arguments),
    };
    struct _agt__Command request = {.master = (char *)c->master->settings->cluster,
                                    .command = &command};
    struct _agt__CommandResponse *response = NULL;
    struct soap *soap = NULL;
    int rc = arena.failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                          : hor_soap_call_op(c->partner, agt, Command, &request, &soap, &response,
                                             CALL_MS, err);
    if (rc == HOR_OK) {
        w->done = strcmp(response->result->outcome, "done") == 0;
        snprintf(w->text, sizeof w->text, "%s",
                 response->result->text != NULL ? response->result->text : "");
    } else if (rc == HOR_ERR_NOT_FOUND || rc == HOR_ERR_INVALID || rc == HOR_ERR_CONFLICT ||
               rc == HOR_ERR_STATE) {
        w->done = false; /* it will not be better next time */
        snprintf(w->text, sizeof w->text, "%s", err->text);
        rc = HOR_OK;
    }
    hor_soap_done(soap);
    hor_arena_done(&arena);
    return rc;
}

static int deliver_commands(struct hor_coupling *c, bool *ret_waiting, struct hor_error *err)
{
    struct waiting w = {.coupling = c};
    int rc;
    *ret_waiting = false;
    do {
        w.received = NULL;
        w.text[0] = '\0';
        rc = hor_master_ask(c->master, ask_command, &w, err);
        if (rc != HOR_OK || w.received == NULL)
            return rc;
        rc = call_command(&w, err);
        if (rc == HOR_OK)
            rc = hor_master_transact(c->master, tell_done, &w, err);
        if (rc == HOR_ERR_BUSY) { /* its order has events under way: next time */
            snprintf(w.skip, sizeof w.skip, "%s", w.received->command);
            *ret_waiting = true;
            rc = HOR_OK;
        }
        hor_event_free(w.received);
    } while (rc == HOR_OK && hor_coupling_may_go_on(c));
    return rc;
}

/* ---- a session ---- */

static int work(struct hor_coupling *c, struct hor_error *err)
{
    int rc = HOR_OK, count = 0;
    bool waiting = false;
    int64_t before = 0, deployed = 0;
    while (rc == HOR_OK && hor_coupling_may_go_on(c)) {
        rc = hor_master_ask(c->master, ask_deployed, &deployed, err);
        if (rc == HOR_OK && deployed != before && members_moved(c))
            break; /* a new session goes to the new addresses */
        before = deployed;
        if (rc == HOR_OK && deployed != 0)
            rc = give_release(c, deployed, err);
        if (rc == HOR_OK)
            rc = hand_over(c, &count, err);
        if (rc == HOR_OK)
            rc = deliver_commands(c, &waiting, err);
        if (rc == HOR_OK && count == 0)
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
    return ret;
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

/* Members of the Master cluster that act, and their sessions with the agent clusters. */
#include "lib/base/str.h"
#include "tests/simulation/coupling/sim.h"

enum {
    DAYS_AHEAD = 0,
    BATCH = 200,
    TICK_MS = 400,
    POLL_MS = 150,
    BACKOFF_MS = 200,
    BACKOFF_MAX_MS = 5000
};

struct session {
    struct master *master;
    struct cluster *cluster;
    uint64_t generation; /* calls and timers of an older one count no more */
    bool coupled, forwarding;
    char run_id[40];
    uint64_t position, stored, batch_last, batch_position;
    size_t unacknowledged, taken;
    int64_t releases[64], backoff_ms;
    size_t release_count;
    struct request *plan;                  /* ACCEPT_PLAN that waits for its release */
    char command[HOR_CORE_NAME_BYTES + 1]; /* being delivered */
    char command_order[HOR_CORE_NAME_BYTES + 1];
};

static void couple(struct session *s);
static void work(struct session *s);
static void collect(struct session *s);
static void failed(struct session *s, const char *why);
static void decide(struct master *m);

static void emit(struct hor_event *take_event, void *ctx)
{
    sim_events_add(take_event, ctx);
}

static void unref(struct master *m)
{
    if (--m->references > 0)
        return;
    for (unsigned i = 0; i < CLUSTERS; i++) {
        if (m->sessions[i]->plan != NULL)
            sim_request_unref(m->sessions[i]->plan);
        free(m->sessions[i]);
    }
    hor_master_core_free(m->core);
    for (unsigned i = 0; i < sim->master_count; i++)
        if (sim->all[i] == m)
            sim->all[i] = sim->all[--sim->master_count];
    free(m);
}

/* ---- something later, of a session ---- */

typedef void session_fn(struct session *s);
struct later {
    struct session *session;
    uint64_t generation;
    session_fn *fn;
};

static void later_drop(void *ctx, void *arg)
{
    struct later *later = ctx;
    (void)arg;
    unref(later->session->master);
    free(later);
}

static void later_run(void *ctx, void *arg)
{
    struct later *later = ctx;
    if (later->generation == later->session->generation && later->session->master->believes)
        later->fn(later->session);
    later_drop(ctx, arg);
}

static void in(struct session *s, int64_t ms, session_fn *fn)
{
    struct later *later = malloc(sizeof *later);
    *later = (struct later){s, s->generation, fn};
    s->master->references++;
    world_at(&sim->world, sim->world.now_ms + ms, later_run, later_drop, later, NULL);
}

/* ---- a change of the journal ---- */

struct change {
    struct session *session;
    uint64_t generation;
    session_fn *then;
};

static void changed(int code, void *ctx)
{
    struct change *change = ctx;
    struct session *s = change->session;
    if (change->generation == s->generation && s->master->believes) {
        if (code == HOR_OK)
            change->then(s);
        else
            failed(s, "leadership was lost");
    }
    unref(s->master);
    free(change);
}

static void transact(struct session *s, struct events *events, session_fn *then)
{
    struct change *change = malloc(sizeof *change);
    *change = (struct change){s, s->generation, then};
    s->master->references++;
    if (events->count == 0)
        changed(HOR_OK, change);
    else
        sim_submit(&sim->masters, s->master->life, events, changed, change);
}

/* ---- a call ---- */

typedef void response_fn(struct session *s, struct response *response);
struct call {
    struct session *session;
    uint64_t generation;
    struct request *request;
    response_fn *fn;
    int references; /* events that know it */
    bool over;
};

static void call_unref(struct call *call)
{
    if (--call->references > 0)
        return;
    sim_request_unref(call->request);
    unref(call->session->master);
    free(call);
}

static void call_drop(void *ctx, void *arg)
{
    if (arg != NULL)
        sim_response_free(arg);
    call_unref(ctx);
}

static bool call_counts(const struct call *call)
{
    return !call->over && call->generation == call->session->generation &&
           call->session->master->believes;
}

static void call_answered(void *ctx, void *arg)
{
    struct call *call = ctx;
    if (call_counts(call)) {
        call->over = true;
        call->fn(call->session, arg);
    } else {
        sim->t.stale++;
    }
    call_drop(ctx, arg);
}

static void call_timeout(void *ctx, void *arg)
{
    struct call *call = ctx;
    if (call_counts(call)) {
        call->over = true;
        sim->t.lost++;
        failed(call->session, "no answer in time");
    }
    call_drop(ctx, arg);
}

static void answer(struct response *take_response, void *ctx)
{
    int64_t at = sim_arrival();
    if (at < 0)
        call_drop(ctx, take_response);
    else
        world_at(&sim->world, at, call_answered, call_drop, ctx, take_response);
}

static void no_answer(struct response *take_response, void *ctx)
{
    sim_response_free(take_response);
    call_unref(ctx);
}

static void arrived(void *ctx, void *arg)
{
    struct call *call = ctx;
    (void)arg;
    sim_cluster_handle(call->session->cluster, call->request, answer, call);
}

/* The same message again: the other member that was asked when the first one seemed to hang. */
static void arrived_again(void *ctx, void *arg)
{
    struct call *call = ctx;
    (void)arg;
    sim_cluster_handle(call->session->cluster, call->request, no_answer, call);
}

static void send_call(struct session *s, struct request *take_request, response_fn *fn)
{
    struct call *call = malloc(sizeof *call);
    take_request->references = 1;
    *call = (struct call){.session = s,
                          .generation = s->generation,
                          .request = take_request,
                          .fn = fn,
                          .references = 1};
    s->master->references++;
    sim->t.calls++;
    world_at(&sim->world, sim->world.now_ms + CALL_MS, call_timeout, call_drop, call, NULL);
    for (int copy = 0; copy < (sim->chaos && world_chance(&sim->world, 10) ? 2 : 1); copy++) {
        /* A copy may have stood in a socket of a member that was stopped, for a long time. */
        int64_t at = copy == 0 ? sim_arrival()
                               : sim->world.now_ms + (int64_t)world_random(&sim->world, 120000);
        if (at < 0)
            continue;
        call->references++;
        world_at(&sim->world, at, copy == 0 ? arrived : arrived_again, call_drop, call, NULL);
    }
}

static struct request *new_request(enum kind kind, const struct session *s)
{
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL)
        abort();
    request->kind = kind;
    snprintf(request->run_id, sizeof request->run_id, "%s", s->run_id);
    return request;
}

/* ---- coupling ---- */

static void not_forwarded(struct session *s)
{
    if (s->forwarding)
        hor_master_core_forwarded(s->master->core, s->cluster->path, false, 0, NULL, NULL);
    s->forwarding = false;
    if (s->plan != NULL)
        sim_request_unref(s->plan);
    s->plan = NULL;
}

static void nothing(struct session *s)
{
    (void)s;
}

static void failed(struct session *s, const char *why)
{
    struct hor_master_cluster view;
    struct events events = {0};
    struct master *m = s->master;
    world_note(&sim->world, "master %u: session with %s ends: %s", m->number, s->cluster->path,
               why);
    not_forwarded(s);
    s->generation++;
    s->coupled = false;
    sim->t.recouplings++;
    hor_master_core_reached(m->core, s->cluster->path, false);
    if (hor_master_core_cluster(m->core, s->cluster->path, &view) == HOR_OK && view.coupled) {
        struct hor_event *event = hor_event_new(HOR_EVENT_CLUSTER_UNCOUPLED, sim_now_us());
        hor_event_set(&event->cluster, s->cluster->path);
        hor_event_set(&event->cause, why);
        sim_events_add(event, &events);
        transact(s, &events, nothing);
    }
    in(s, s->backoff_ms, couple);
    s->backoff_ms = s->backoff_ms * 2 < BACKOFF_MAX_MS ? s->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static void is_coupled(struct session *s)
{
    s->coupled = true;
    s->backoff_ms = BACKOFF_MS;
    hor_master_core_reached(s->master->core, s->cluster->path, true);
    decide(s->master);
    work(s);
    collect(s);
}

static void on_couple(struct session *s, struct response *r)
{
    struct hor_master_cluster view;
    struct events events = {0};
    if (r->code != HOR_OK) {
        failed(s, "it has no leader");
        return;
    }
    if (strcmp(r->state, "coupled") != 0 && s->master != sim->active) {
        failed(s, "it is deposed, and others have gone on");
        return;
    }
    if (strcmp(r->state, "coupled") != 0) {
        hor_master_core_cluster(s->master->core, s->cluster->path, &view);
        world_law(&sim->world,
                  "Master %u finds %s in state %s, though nothing was wiped: after event %" PRIu64
                  ", first %" PRIu64,
                  s->master->number, s->cluster->path, r->state, view.cursor, r->first);
        return;
    }
    bool known = hor_master_core_cluster(s->master->core, s->cluster->path, &view) == HOR_OK &&
                 view.run_id != NULL;
    snprintf(s->run_id, sizeof s->run_id, "%s", r->run_id);
    s->position = s->stored = known ? view.cursor : 0;
    s->unacknowledged = 0;
    if (!known && r->first > s->position + 1)
        s->position = r->first - 1;
    s->release_count = r->release_count;
    memcpy(s->releases, r->releases, sizeof s->releases);
    if (!known || !view.coupled) {
        struct hor_event *event = hor_event_new(HOR_EVENT_CLUSTER_COUPLED, sim_now_us());
        hor_event_set(&event->cluster, s->cluster->path);
        hor_event_set(&event->run_id, s->run_id);
        event->cluster_index = (int64_t)s->position;
        sim_events_add(event, &events);
    }
    transact(s, &events, is_coupled);
}

static void couple(struct session *s)
{
    struct hor_master_cluster view;
    s->run_id[0] = '\0';
    struct request *request = new_request(COUPLE, s);
    if (hor_master_core_config(s->master->core) == NULL) { /* no release, no cluster */
        sim_request_unref(request);
        in(s, POLL_MS, couple);
        return;
    }
    if (hor_master_core_cluster(s->master->core, s->cluster->path, &view) == HOR_OK) {
        snprintf(request->run_id, sizeof request->run_id, "%s",
                 view.run_id != NULL ? view.run_id : "");
        request->after = view.cursor;
    }
    send_call(s, request, on_couple);
}

/* ---- releases and orders ---- */

static bool has_release(const struct session *s, int64_t number)
{
    for (size_t i = 0; i < s->release_count; i++)
        if (s->releases[i] == number)
            return true;
    return false;
}

static void deliver(struct session *s);
static void hand_over(struct session *s);

static void on_release(struct session *s, struct response *r)
{
    if (r->code != HOR_OK) {
        if (r->code != HOR_ERR_BUSY && r->code != HOR_ERR_NOT_ACTIVE)
            world_law(&sim->world, "%s refuses a release: %d", s->cluster->path, r->code);
        failed(s, "the release was not taken");
        return;
    }
    hand_over(s);
}

static void give_release(struct session *s, int64_t number)
{
    const char *sha256 = NULL;
    const struct hor_buf *document = hor_master_core_release(s->master->core, number, &sha256);
    struct request *request = new_request(APPLY_RELEASE, s);
    if (document == NULL) {
        world_law(&sim->world, "the Master has orders of release %" PRId64 " and not the release",
                  number);
        sim_request_unref(request);
        return;
    }
    request->release = number;
    snprintf(request->sha256, sizeof request->sha256, "%s", sha256);
    hor_buf_add(&request->document, document->data, document->len);
    if (s->release_count < 64) /* counts once the answer comes; a failure forgets them all */
        s->releases[s->release_count++] = number;
    send_call(s, request, on_release);
}

static void copy_order(const struct hor_master_order *order, void *ctx)
{
    struct request *request = ctx;
    request->orders =
        realloc(request->orders, (request->order_count + 1) * sizeof *request->orders);
    struct new_order *to = &request->orders[request->order_count++];
    *to = (struct new_order){.id = hor_strdup(order->id),
                             .chain = hor_strdup(order->chain),
                             .plan_day = hor_strdup(order->plan_day),
                             .schedule = hor_strdup(order->schedule),
                             .release = order->release,
                             .due_at = order->due_at,
                             .priority = order->priority};
    hor_arguments_copy(&to->arguments, order->arguments);
    request->release = order->release;
}

static void on_forwarded(struct session *s)
{
    s->forwarding = false;
    in(s, 1, work);
}

static void on_plan(struct session *s, struct response *r)
{
    struct events events = {0};
    if (r->code != HOR_OK) {
        /* NOT_FOUND: it has dropped that release meanwhile; the next session knows. */
        if (r->code != HOR_ERR_BUSY && r->code != HOR_ERR_NOT_ACTIVE &&
            r->code != HOR_ERR_NOT_FOUND)
            world_law(&sim->world, "%s refuses a plan: %d", s->cluster->path, r->code);
        failed(s, "the plan was not taken");
        return;
    }
    hor_master_core_forwarded(s->master->core, s->cluster->path, true, sim_now_us(), emit, &events);
    transact(s, &events, on_forwarded);
}

static void hand_over(struct session *s)
{
    if (s->plan == NULL) {
        struct request *request = new_request(ACCEPT_PLAN, s);
        request->references = 1;
        s->forwarding = true;
        if (hor_master_core_forward(s->master->core, s->cluster->path, BATCH, copy_order,
                                    request) == 0) {
            sim_request_unref(request);
            not_forwarded(s);
            deliver(s);
            return;
        }
        s->plan = request;
    }
    if (!has_release(s, s->plan->release)) {
        give_release(s, s->plan->release);
        return;
    }
    struct request *plan = s->plan;
    s->plan = NULL;
    send_call(s, plan, on_plan);
}

/* ---- commands ---- */

static void delivered(struct session *s)
{
    in(s, 1, work);
}

static void on_command(struct session *s, struct response *r)
{
    struct events events = {0};
    if (r->code == HOR_ERR_BUSY || r->code == HOR_ERR_NOT_ACTIVE) {
        in(s, POLL_MS, work);
        return;
    }
    struct hor_event *event = hor_master_core_command_done(
        s->command, s->cluster->path, r->code == HOR_OK && r->command_done,
        r->text[0] != '\0' ? r->text : NULL, sim_now_us());
    hor_event_set(&event->order, s->command_order[0] != '\0' ? s->command_order : NULL);
    sim_events_add(event, &events);
    transact(s, &events, delivered);
}

static void deliver(struct session *s)
{
    size_t pos = 0;
    const struct hor_event *event =
        hor_master_core_waiting(s->master->core, s->cluster->path, &pos);
    if (event == NULL) {
        in(s, POLL_MS, work);
        return;
    }
    struct request *request = new_request(COMMAND, s);
    request->command = hor_event_copy(event);
    snprintf(s->command, sizeof s->command, "%s", event->command);
    snprintf(s->command_order, sizeof s->command_order, "%s",
             event->order != NULL ? event->order : "");
    send_call(s, request, on_command);
}

static void work(struct session *s)
{
    const struct hor_config *config = hor_master_core_config(s->master->core);
    if (config != NULL && !has_release(s, config->release))
        give_release(s, config->release);
    else
        hand_over(s);
}

/* ---- events ---- */

static void acknowledge(struct session *s);

static void on_stored(struct session *s)
{
    s->position = s->batch_position;
    if (s->taken > 0)
        s->stored = s->batch_last;
    s->unacknowledged += s->taken;
    if (s->unacknowledged > 0 && s->taken == 0)
        acknowledge(s);
    else
        in(s, s->taken > 0 ? 20 : POLL_MS, collect);
}

static void on_events(struct session *s, struct response *r)
{
    struct events events = {0};
    s->taken = 0;
    if (r->code != HOR_OK) {
        if (r->code != HOR_ERR_BUSY && s->master == sim->active)
            world_law(&sim->world, "%s has not the events after %" PRIu64, s->cluster->path,
                      s->position);
        failed(s, "no events");
        return;
    }
    for (size_t i = 0; i < r->held_or_events.count; i++) {
        const struct hor_event *from = r->held_or_events.items[i];
        if (!hor_master_core_takes(s->master->core, s->cluster->path, from))
            continue;
        struct hor_event *event = hor_event_copy(from);
        hor_event_set(&event->cluster, s->cluster->path);
        hor_event_set(&event->master, MASTER);
        s->batch_last = event->index;
        event->cluster_index = (int64_t)event->index;
        event->index = 0;
        sim_events_add(event, &events);
        s->taken++;
    }
    s->batch_position = r->position > s->position ? r->position : s->position;
    transact(s, &events, on_stored);
}

static void collect(struct session *s)
{
    struct request *request = new_request(GET_EVENTS, s);
    request->after = s->position;
    send_call(s, request, on_events);
}

static void on_acknowledged(struct session *s, struct response *r)
{
    if (r->code != HOR_OK && r->code != HOR_ERR_BUSY && r->code != HOR_ERR_NOT_ACTIVE)
        world_law(&sim->world, "%s refuses an acknowledgement: %d", s->cluster->path, r->code);
    if (r->code != HOR_OK) {
        failed(s, "not acknowledged");
        return;
    }
    s->unacknowledged = 0;
    collect(s);
}

static void acknowledge(struct session *s)
{
    struct request *request = new_request(ACKNOWLEDGE, s);
    request->after = s->stored;
    send_call(s, request, on_acknowledged);
}

/* ---- members ---- */

static void decide(struct master *m)
{
    struct events events = {0};
    bool more = true;
    while (more) {
        more = false;
        if (hor_master_core_decide(m->core, sim_now_us(), 1000, emit, &events, &more) != HOR_OK)
            abort();
    }
    if (events.count > 0)
        sim_submit(&sim->masters, m->life, &events, NULL, NULL);
}

static void tick_drop(void *ctx, void *arg)
{
    (void)arg;
    unref(ctx);
}

static void tick(void *ctx, void *arg)
{
    struct master *m = ctx;
    (void)arg;
    if (!m->believes) {
        unref(m);
        return;
    }
    decide(m);
    world_at(&sim->world, sim->world.now_ms + TICK_MS, tick, tick_drop, m, NULL);
}

void sim_master_apply(struct ledger *ledger, const struct hor_event *event)
{
    struct master *m = sim->active;
    (void)ledger;
    sim_law_master_entry(event);
    if (m == NULL)
        return;
    if (hor_master_core_apply(m->core, event) != HOR_OK)
        abort();
    m->applied++;
}

/* The replay of all, through a snapshot somewhere in it. */
static struct hor_master_core *replay(void)
{
    struct hor_master_core *core = NULL, *restored = NULL;
    size_t count = sim->masters.entries.count;
    size_t at =
        world_chance(&sim->world, 50) ? (size_t)world_random(&sim->world, count + 1) : SIZE_MAX;
    struct hor_error err = {0};
    if (hor_master_core_new(MASTER, DAYS_AHEAD, &core, &err) != HOR_OK)
        abort();
    for (size_t i = 0; i < count; i++) {
        if (i == at) {
            struct hor_buf text = HOR_BUF_INIT;
            hor_master_core_snapshot(core, &text);
            hor_master_core_new(MASTER, DAYS_AHEAD, &restored, &err);
            if (hor_master_core_restore(restored, text.data, text.len, &err) != HOR_OK)
                world_law(&sim->world, "a Master's snapshot cannot be read: %s", err.text);
            hor_buf_done(&text);
            hor_master_core_free(core);
            core = restored;
        }
        hor_master_core_apply(core, sim->masters.entries.items[i]);
    }
    return core;
}

static void start(void *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    static unsigned number;
    if (sim->active != NULL || sim->master_count == 64)
        return;
    struct master *m = calloc(1, sizeof *m);
    *m = (struct master){.number = number++,
                         .life = sim->masters.life,
                         .core = replay(),
                         .believes = true,
                         .references = 1,
                         .applied = sim->masters.entries.count};
    for (unsigned i = 0; i < CLUSTERS; i++) {
        m->sessions[i] = calloc(1, sizeof(struct session));
        *m->sessions[i] =
            (struct session){.master = m, .cluster = &sim->clusters[i], .backoff_ms = BACKOFF_MS};
    }
    sim->all[sim->master_count++] = m;
    sim->active = m;
    sim->t.take_overs++;
    hor_master_core_lead(m->core);
    world_note(&sim->world, "master %u acts", m->number);
    decide(m);
    for (unsigned i = 0; i < CLUSTERS; i++)
        couple(m->sessions[i]);
    tick(m, NULL);
}

static void learn(void *ctx, void *arg)
{
    struct master *m = ctx;
    (void)arg;
    m->believes = false;
    unref(m);
}

void sim_master_take_over(int64_t old_believes_ms)
{
    struct master *old = sim->active;
    sim->active = NULL;
    sim_ledger_depose(&sim->masters);
    if (old != NULL) {
        world_note(&sim->world,
                   "master %u is deposed, and believes to be active for %" PRId64 " ms",
                   old->number, old_believes_ms);
        old->references++;
        world_at(&sim->world, sim->world.now_ms + old_believes_ms, learn, tick_drop, old, NULL);
    }
    world_at(&sim->world, sim->world.now_ms + 500 + (int64_t)world_random(&sim->world, 1500), start,
             NULL, NULL, NULL);
}

void sim_master_crash(void)
{
    struct master *old = sim->active;
    if (old == NULL)
        return;
    old->believes = false;
    sim->t.crashes++;
    sim_master_take_over(0);
}

int sim_master_deploy(int64_t number)
{
    struct events events = {0};
    struct hor_error err = {0};
    const char *sha256;
    const struct hor_buf *document = sim_release(number, &sha256);
    if (sim->active == NULL)
        return HOR_ERR_NOT_ACTIVE;
    int rc =
        hor_master_core_apply_release(sim->active->core, number, sha256, "anna", document->data,
                                      document->len, sim_now_us(), emit, &events, &err);
    if (rc == HOR_OK)
        sim_submit(&sim->masters, sim->active->life, &events, NULL, NULL);
    else if (rc != HOR_ERR_EXISTS)
        world_law(&sim->world, "release %" PRId64 " is refused: %s", number, err.text);
    return rc;
}

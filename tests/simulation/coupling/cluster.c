#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "tests/simulation/coupling/sim.h"

enum { BATCH = 1000, BUSY_MS = 20, BUSY_TRIES = 400 };

static void decide(struct cluster *cluster);

/* The ledger is the first member. */
static struct cluster *of_ledger(struct ledger *ledger)
{
    return (struct cluster *)ledger;
}

/* ---- the runner ---- */

static struct record *record_of(struct cluster *cluster, const char *task, uint64_t fence)
{
    for (size_t i = cluster->record_count; i > 0; i--)
        if (cluster->records[i - 1].fence == fence &&
            strcmp(cluster->records[i - 1].task, task) == 0)
            return &cluster->records[i - 1];
    return NULL;
}

static struct hor_event *report(const struct cluster *cluster, const struct record *record,
                                bool end)
{
    struct hor_event *event =
        hor_event_new(end ? HOR_EVENT_TASK_ENDED : HOR_EVENT_TASK_STARTED, sim_now_us());
    hor_event_set(&event->order, record->order);
    hor_event_set(&event->node, record->node);
    hor_event_set(&event->task, record->task);
    hor_event_set(&event->agent, cluster->member);
    hor_event_set(&event->master, MASTER);
    event->attempt = atoi(strrchr(record->task, ':') + 1);
    event->started_at = record->started_us;
    if (end) {
        event->ended_at = record->ended_us;
        event->exit_code = record->exit_code;
        hor_event_set(&event->outcome, record->exit_code == 0 ? "success" : "failure");
    }
    return event;
}

/* Tells the acting member what it may not know; it throws away what does not fit any more. */
static void report_all(struct cluster *cluster)
{
    struct events events = {0};
    for (size_t i = 0; i < cluster->record_count; i++) {
        struct record *record = &cluster->records[i];
        if (record->reported)
            continue;
        for (int end = 0; end <= (record->ended_us != HOR_EVENT_NONE); end++) {
            struct hor_event *event = report(cluster, record, end);
            if (hor_core_wants(cluster->core, event))
                sim_events_add(event, &events);
            else
                hor_event_free(event);
        }
    }
    if (events.count > 0)
        sim_submit(&cluster->ledger, cluster->ledger.life, &events, NULL, NULL);
}

static void end_task(void *ctx, void *arg)
{
    struct cluster *cluster = ctx;
    struct record *record = &cluster->records[(size_t)arg];
    if (record->ended_us != HOR_EVENT_NONE)
        return;
    record->ended_us = sim_now_us();
    record->exit_code = world_chance(&sim->world, sim->settling ? 2 : 15);
    if (cluster->core != NULL)
        report_all(cluster);
}

/* Runs what is assigned and has no record: once for each fence, whoever asks. */
static void start_task(const struct hor_core_task_view *task, void *ctx)
{
    struct cluster *cluster = ctx;
    if (record_of(cluster, task->task, task->fence) != NULL)
        return;
    if (cluster->record_count == cluster->record_room) {
        cluster->record_room = cluster->record_room == 0 ? 64 : cluster->record_room * 2;
        cluster->records =
            realloc(cluster->records, cluster->record_room * sizeof *cluster->records);
        if (cluster->records == NULL)
            abort();
    }
    struct record *record = &cluster->records[cluster->record_count];
    *record = (struct record){
        .fence = task->fence, .started_us = sim_now_us(), .ended_us = HOR_EVENT_NONE};
    snprintf(record->task, sizeof record->task, "%s", task->task);
    snprintf(record->order, sizeof record->order, "%s", task->order);
    snprintf(record->node, sizeof record->node, "%s", task->node->id);
    sim->t.starts++;
    world_at(&sim->world, sim->world.now_ms + 10 + (int64_t)world_random(&sim->world, 20000),
             end_task, NULL, cluster, (void *)cluster->record_count++);
}

/* ---- the acting member ---- */

static void emit(struct hor_event *take_event, void *ctx)
{
    sim_events_add(take_event, ctx);
}

static void apply(struct ledger *ledger, const struct hor_event *event)
{
    struct cluster *cluster = of_ledger(ledger);
    sim_law_cluster_entry(cluster, event);
    if (event->type == HOR_EVENT_TASK_ENDED)
        for (size_t i = cluster->record_count; i > 0; i--)
            if (strcmp(cluster->records[i - 1].task, event->task) == 0) {
                cluster->records[i - 1].reported = true;
                break;
            }
    if (cluster->core == NULL)
        return;
    if (hor_core_apply(cluster->core, event) != HOR_OK)
        abort();
    if (event->type == HOR_EVENT_TASK_ASSIGNED)
        hor_core_each_task(cluster->core, NULL, start_task, cluster);
    decide(cluster);
}

static void wake(void *ctx, void *arg)
{
    struct cluster *cluster = ctx;
    if (cluster->core != NULL && (uint64_t)(uintptr_t)arg == cluster->ledger.life) {
        cluster->deciding = false;
        decide(cluster);
    }
}

static void decide(struct cluster *cluster)
{
    struct events events = {0};
    bool more = true;
    while (more) {
        more = false;
        if (hor_core_decide(cluster->core, sim_now_us(), BATCH, emit, &events, &more) != HOR_OK)
            abort();
    }
    if (events.count > 0)
        sim_submit(&cluster->ledger, cluster->ledger.life, &events, NULL, NULL);
    int64_t due = hor_core_next_due(cluster->core);
    if (due == INT64_MAX || cluster->deciding)
        return;
    int64_t wait_ms = (due - sim_now_us()) / 1000 + 1;
    cluster->deciding = true; /* one alarm at a time, looked at again at least every second */
    world_at(&sim->world,
             sim->world.now_ms + (wait_ms < 1      ? 1
                                  : wait_ms > 1000 ? 1000
                                                   : wait_ms),
             wake, NULL, cluster, (void *)(uintptr_t)cluster->ledger.life);
}

static struct hor_core *replay(const struct cluster *cluster)
{
    struct hor_core_member member = {.name = cluster->member, .priority = 1, .max_tasks = 4};
    struct hor_core_settings settings = {
        .cluster = cluster->path, .members = &member, .member_count = 1};
    struct hor_core *core = NULL;
    if (hor_core_new(&settings, &core, NULL) != HOR_OK)
        abort();
    for (size_t i = 0; i < cluster->ledger.entries.count; i++)
        hor_core_apply(core, cluster->ledger.entries.items[i]);
    return core;
}

void sim_cluster_start(struct cluster *cluster)
{
    if (cluster->core != NULL)
        return;
    cluster->core = replay(cluster);
    cluster->deciding = false;
    hor_core_lead(cluster->core);
    hor_core_reach(cluster->core, cluster->member, HOR_CORE_REACHED);
    hor_core_each_task(cluster->core, NULL, start_task, cluster);
    report_all(cluster);
    decide(cluster);
}

void sim_cluster_crash(struct cluster *cluster)
{
    if (cluster->core == NULL)
        return;
    sim->t.crashes++;
    hor_core_free(cluster->core);
    cluster->core = NULL;
    sim_ledger_depose(&cluster->ledger);
    /* What the Master has acknowledged may be removed from the journal. */
    if (world_chance(&sim->world, 50)) {
        struct hor_core *replayed = replay(cluster);
        uint64_t acknowledged = hor_core_acknowledged(replayed, MASTER);
        hor_core_free(replayed);
        if (acknowledged > 0)
            cluster->ledger.first = (size_t)acknowledged + 1;
    }
}

void sim_cluster_init(struct cluster *cluster, unsigned number)
{
    *cluster =
        (struct cluster){.number = number, .ledger = {.first = 1, .life = 1, .apply = apply}};
    snprintf(cluster->path, sizeof cluster->path, "/c%u", number);
    snprintf(cluster->member, sizeof cluster->member, "a%u", number);
    snprintf(cluster->run_id, sizeof cluster->run_id, "run-%u", number);
    cluster->ledger.name = cluster->path;
    struct hor_event *event = hor_event_new(HOR_EVENT_CLUSTER_STARTED, sim_now_us());
    hor_event_set(&event->run_id, cluster->run_id);
    event->index = 1;
    sim_events_add(event, &cluster->ledger.entries);
}

void sim_cluster_done(struct cluster *cluster)
{
    hor_core_free(cluster->core);
    sim_ledger_done(&cluster->ledger);
    free(cluster->records);
}

/* ---- calls ---- */

struct handling { /* a call that waits for its commit */
    struct cluster *cluster;
    struct request *request;
    struct response *response;
    answer_fn *answer;
    void *ctx;
    unsigned tries;
};

static void answered(struct handling *h, int code)
{
    h->response->code = code;
    h->answer(h->response, h->ctx);
    sim_request_unref(h->request);
    free(h);
}

static void when_committed(int code, void *ctx)
{
    answered(ctx, code);
}

static void add_release(const char *master, int64_t number, void *ctx)
{
    struct response *response = ctx;
    (void)master;
    if (response->release_count < 64)
        response->releases[response->release_count++] = number;
}

static void add_order(const char *id, void *ctx)
{
    struct response *response = ctx;
    response->orders = realloc(response->orders, (response->order_count + 1) * sizeof(char *));
    response->orders[response->order_count++] = hor_strdup(id);
}

static int handle_couple(struct handling *h)
{
    struct cluster *cluster = h->cluster;
    struct response *r = h->response;
    const struct request *q = h->request;
    bool stranger = q->run_id[0] != '\0' && strcmp(q->run_id, cluster->run_id) != 0;
    bool gap = !stranger && q->after > 0 && q->after + 1 < cluster->ledger.first;
    r->state = stranger ? "unknownPartner" : gap ? "gap" : "coupled";
    r->first = cluster->ledger.first;
    hor_core_each_release(cluster->core, MASTER, add_release, r);
    hor_core_each_order(cluster->core, MASTER, add_order, r);
    return HOR_OK;
}

static int handle_release(struct handling *h, struct events *events)
{
    const struct request *q = h->request;
    const char *here = hor_core_release(h->cluster->core, MASTER, q->release);
    if (here != NULL)
        return strcmp(here, q->sha256) == 0 ? HOR_OK : HOR_ERR_CONFLICT;
    struct hor_buf text = HOR_BUF_INIT;
    for (int i = 0; i < 2; i++) {
        struct hor_event *event = hor_event_new(
            i == 0 ? HOR_EVENT_RELEASE_PART : HOR_EVENT_RELEASE_APPLIED, sim_now_us());
        hor_event_set(&event->master, MASTER);
        event->release = q->release;
        if (i == 0) {
            hor_base64_encode(q->document.data, q->document.len, &text);
            event->part = event->parts = 1;
            event->text = hor_buf_take(&text);
        } else {
            hor_event_set(&event->sha256, q->sha256);
        }
        sim_events_add(event, events);
    }
    return HOR_OK;
}

static int handle_plan(struct handling *h, struct events *events)
{
    for (size_t i = 0; i < h->request->order_count; i++) {
        const struct new_order *o = &h->request->orders[i];
        struct hor_core_new_order order = {.id = o->id,
                                           .chain = o->chain,
                                           .plan_day = o->plan_day,
                                           .schedule = o->schedule,
                                           .release = o->release,
                                           .planned_at = o->due_at,
                                           .priority = o->priority,
                                           .arguments = &o->arguments};
        struct hor_event *event = NULL;
        struct hor_error err = {0};
        sim_law_accept(h->cluster, o->id);
        int rc = hor_core_accept(h->cluster->core, MASTER, &order, sim_now_us(), &event, &err);
        if (rc != HOR_OK) {
            sim_events_done(events);
            return rc;
        }
        if (event != NULL)
            sim_events_add(event, events);
        else
            sim->t.repeats++;
    }
    return HOR_OK;
}

static int handle_events(struct handling *h)
{
    struct cluster *cluster = h->cluster;
    struct response *r = h->response;
    r->position = h->request->after;
    if (strcmp(h->request->run_id, cluster->run_id) != 0)
        return HOR_ERR_CONFLICT;
    if (h->request->after + 1 < cluster->ledger.first)
        return HOR_ERR_NOT_FOUND;
    while (r->position < cluster->ledger.entries.count && r->held_or_events.count < 50) {
        const struct hor_event *event = cluster->ledger.entries.items[r->position++];
        if (event->master == NULL || strcmp(event->master, MASTER) == 0)
            sim_events_add(hor_event_copy(event), &r->held_or_events);
    }
    return HOR_OK;
}

static int handle_acknowledge(struct handling *h, struct events *events)
{
    const struct request *q = h->request;
    if (strcmp(q->run_id, h->cluster->run_id) != 0 || q->after > h->cluster->ledger.entries.count)
        return HOR_ERR_CONFLICT;
    if (q->after <= hor_core_acknowledged(h->cluster->core, MASTER))
        return HOR_OK;
    struct hor_event *event = hor_event_new(HOR_EVENT_EVENTS_ACKNOWLEDGED, sim_now_us());
    hor_event_set(&event->master, MASTER);
    event->cluster_index = (int64_t)q->after;
    sim_events_add(event, events);
    return HOR_OK;
}

static int handle_command(struct handling *h, struct events *events)
{
    const struct hor_event *e = h->request->command;
    struct hor_core_command command = {.id = e->command,
                                       .master = MASTER,
                                       .action = e->action,
                                       .order = e->order,
                                       .chain = e->chain,
                                       .agent = e->agent,
                                       .node = e->node,
                                       .outcome = e->outcome,
                                       .actor = e->actor,
                                       .reason = e->reason,
                                       .start_at = e->due_at,
                                       .priority = e->priority,
                                       .arguments = &e->arguments};
    struct hor_core_answer answer = {0};
    struct hor_error err = {0};
    int rc =
        hor_core_command(h->cluster->core, &command, sim_now_us(), emit, events, &answer, &err);
    h->response->command_done = answer.done;
    snprintf(h->response->text, sizeof h->response->text, "%s", answer.text);
    return rc == HOR_ERR_EXISTS ? HOR_OK : rc;
}

static void handle(void *ctx, void *arg)
{
    struct handling *h = ctx;
    struct events events = {0};
    (void)arg;
    int rc = HOR_ERR_BUSY;
    if (h->cluster->core != NULL) {
        snprintf(h->response->run_id, sizeof h->response->run_id, "%s", h->cluster->run_id);
        switch (h->request->kind) {
        case COUPLE:
            rc = handle_couple(h);
            break;
        case APPLY_RELEASE:
            rc = handle_release(h, &events);
            break;
        case ACCEPT_PLAN:
            rc = handle_plan(h, &events);
            break;
        case GET_EVENTS:
            rc = handle_events(h);
            break;
        case ACKNOWLEDGE:
            rc = handle_acknowledge(h, &events);
            break;
        case COMMAND:
            rc = handle_command(h, &events);
            if (rc == HOR_ERR_BUSY &&
                h->tries++ < BUSY_TRIES) { /* its order has events under way */
                world_at(&sim->world, sim->world.now_ms + BUSY_MS, handle, NULL, h, NULL);
                return;
            }
            break;
        }
    }
    if (rc == HOR_OK && events.count > 0)
        sim_submit(&h->cluster->ledger, h->cluster->ledger.life, &events, when_committed, h);
    else {
        sim_events_done(&events);
        answered(h, rc);
    }
}

void sim_cluster_handle(struct cluster *cluster, struct request *request, answer_fn *answer,
                        void *ctx)
{
    struct handling *h = calloc(1, sizeof *h);
    struct response *response = calloc(1, sizeof *response);
    if (h == NULL || response == NULL)
        abort();
    *h = (struct handling){
        .cluster = cluster, .request = request, .response = response, .answer = answer, .ctx = ctx};
    request->references++;
    handle(h, NULL);
}

void sim_request_unref(struct request *request)
{
    if (--request->references > 0)
        return;
    for (size_t i = 0; i < request->order_count; i++) {
        free(request->orders[i].id);
        free(request->orders[i].chain);
        free(request->orders[i].plan_day);
        free(request->orders[i].schedule);
        hor_arguments_done(&request->orders[i].arguments);
    }
    free(request->orders);
    hor_buf_done(&request->document);
    hor_event_free(request->command);
    free(request);
}

void sim_response_free(struct response *response)
{
    for (size_t i = 0; i < response->order_count; i++)
        free(response->orders[i]);
    free(response->orders);
    sim_events_done(&response->held_or_events);
    free(response);
}

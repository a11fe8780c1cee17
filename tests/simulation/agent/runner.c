/* A runner as agent/runner/README.md describes it, and the agent's client of it. Processes take a
 * random time and end with a random code. */
#include "lib/base/str.h"
#include "tests/simulation/agent/sim.h"

struct hor_runner { /* the client; dies with the agent */
    struct hor_loop *host;
    const struct hor_runner_ops *ops;
    void *ctx;
    bool connected;
    uint64_t life; /* of the runner that it is connected to */
};

enum request_kind { START, KILL, RENEW, FORGET };
struct request {
    enum request_kind kind;
    struct hor_loop *host;
    uint64_t life;
    char task[HOR_CORE_NAME_BYTES + 1];
    uint64_t fence;
    int64_t lease_end_ms, kill_at_ms;
};

static int64_t utc_us(void) { return UTC_START_US + sim->world.now_ms * 1000; }

static struct record *find(struct hor_loop *host, const char *task)
{
    for (unsigned i = 0; i < RECORDS_MAX; i++)
        if (host->runner.records[i].used && strcmp(host->runner.records[i].task, task) == 0)
            return &host->runner.records[i];
    return NULL;
}

static struct record *add(struct hor_loop *host, const char *task, uint64_t fence)
{
    for (unsigned i = 0; i < RECORDS_MAX; i++) {
        struct record *record = &host->runner.records[i];
        if (record->used)
            continue;
        *record = (struct record){.used = true, .fence = fence, .number = ++sim->record_number};
        snprintf(record->task, sizeof record->task, "%s", task);
        return record;
    }
    world_law(&sim->world, "runner of %s: more than %d records", host->name, RECORDS_MAX);
    return NULL;
}

/* ---- what it tells ---- */

struct news {
    struct hor_loop *host;
    uint64_t life, agent_life;
    struct record record;
};

static void tell(struct hor_runner *client, const struct record *record)
{
    struct hor_runner_report report = {.task = record->task,
                                       .fence = record->fence,
                                       .fate = record->fate,
                                       .pid = 100,
                                       .exit_code = record->exit_code,
                                       .signal = record->signal,
                                       .started_us = record->started_us,
                                       .ended_us = record->ended_us};
    client->ops->report(&report, client->ctx);
}

static void news_drop(void *ctx, void *arg)
{
    (void)arg;
    free(ctx);
}

static void on_news(void *ctx, void *arg)
{
    struct news *news = ctx;
    struct hor_loop *host = news->host;
    if (sim_postpone(host, on_news, news_drop, ctx, arg))
        return;
    if (host->client != NULL && host->life == news->agent_life && host->client->connected &&
        host->client->life == news->life) {
        sim_enter(host);
        tell(host->client, &news->record);
        if (host->client != NULL && host->client->connected && host->client->ops->settled != NULL)
            host->client->ops->settled(host->client->ctx);
    }
    free(news);
}

static void report(struct hor_loop *host, const struct record *record)
{
    struct news *news = malloc(sizeof *news);
    *news = (struct news){.host = host, .life = host->runner.life, .agent_life = host->life,
                          .record = *record};
    world_at(&sim->world, sim->world.now_ms + (int64_t)world_random(&sim->world, 3), on_news,
             news_drop, news, NULL);
}

/* ---- processes ---- */

static void end_process(struct hor_loop *host, struct record *record, enum hor_runner_fate fate,
                        int exit_code)
{
    sim_law_stop(host, record);
    record->live = false;
    record->fate = fate;
    record->exit_code = exit_code;
    record->signal = fate == HOR_RUNNER_EXITED ? 0 : 9;
    record->ended_us = utc_us();
    if (host->runner.up)
        report(host, record);
}

static struct record *by_number(struct hor_loop *host, uint64_t number)
{
    for (unsigned i = 0; i < RECORDS_MAX; i++)
        if (host->runner.records[i].used && host->runner.records[i].number == number)
            return &host->runner.records[i];
    return NULL;
}

static void on_exit_of(void *ctx, void *arg)
{
    struct hor_loop *host = ctx;
    struct record *record = by_number(host, (uintptr_t)arg);
    if (record != NULL && record->live)
        end_process(host, record, HOR_RUNNER_EXITED, world_chance(&sim->world, 15) ? 1 : 0);
}

static void on_kill_at(void *ctx, void *arg)
{
    struct hor_loop *host = ctx;
    struct record *record = by_number(host, (uintptr_t)arg);
    if (record == NULL || !record->live)
        return;
    if (record->kill_at_ms > sim_monotonic_ms(host))
        world_at(&sim->world, sim_world_ms(host, record->kill_at_ms), on_kill_at, NULL, ctx, arg);
    else
        end_process(host, record, HOR_RUNNER_FENCED, 0);
}

static void on_killed(void *ctx, void *arg)
{
    struct hor_loop *host = ctx;
    struct record *record = by_number(host, (uintptr_t)arg);
    if (record != NULL && record->live)
        end_process(host, record, HOR_RUNNER_KILLED, 0);
}

static void start_process(struct hor_loop *host, const struct request *request)
{
    struct record *record = find(host, request->task);
    int64_t now_ms = sim->world.now_ms;
    if (record != NULL && record->fence >= request->fence) {
        report(host, record); /* known: as it is */
        return;
    }
    if (record != NULL && record->live) {
        world_law(&sim->world, "%s gives its runner %s anew while it runs", host->name,
                  request->task);
        return;
    }
    if (record != NULL)
        record->used = false;
    record = add(host, request->task, request->fence);
    if (record == NULL)
        return;
    int64_t end_ms = request->lease_end_ms > host->runner.lease_end_ms ? request->lease_end_ms
                                                                       : host->runner.lease_end_ms;
    if (request->lease_end_ms != 0 && end_ms <= sim_monotonic_ms(host)) {
        record->fate = HOR_RUNNER_FENCED;
        record->ended_us = utc_us();
        report(host, record);
        return;
    }
    if (world_chance(&sim->world, 1)) {
        record->fate = HOR_RUNNER_NOT_STARTED;
        record->ended_us = utc_us();
        report(host, record);
        return;
    }
    record->live = true;
    record->fate = HOR_RUNNER_RUNNING;
    record->started_us = utc_us();
    record->kill_at_ms = request->kill_at_ms;
    sim_law_start(host, record);
    int64_t lasts_ms = 5 + (int64_t)world_random(&sim->world, world_chance(&sim->world, 25) ? 15000 : 900);
    world_at(&sim->world, now_ms + lasts_ms, on_exit_of, NULL, host,
             (void *)(uintptr_t)record->number);
    if (record->kill_at_ms != 0)
        world_at(&sim->world, sim_world_ms(host, record->kill_at_ms), on_kill_at, NULL, host,
                 (void *)(uintptr_t)record->number);
    report(host, record);
}

/* ---- requests ---- */

static void request_drop(void *ctx, void *arg)
{
    (void)arg;
    free(ctx);
}

static void on_request(void *ctx, void *arg)
{
    struct request *request = ctx;
    struct hor_loop *host = request->host;
    struct runner *runner = &host->runner;
    (void)arg;
    if (runner->up && runner->life == request->life) {
        struct record *record = find(host, request->task);
        switch (request->kind) {
        case START:
            start_process(host, request);
            break;
        case KILL:
            if (record != NULL && record->live)
                world_at(&sim->world,
                         sim->world.now_ms + (int64_t)world_random(&sim->world, 300), on_killed,
                         NULL, host, (void *)(uintptr_t)record->number);
            break;
        case RENEW:
            if (request->lease_end_ms > runner->lease_end_ms)
                runner->lease_end_ms = request->lease_end_ms;
            for (unsigned i = 0; i < RECORDS_MAX; i++)
                if (runner->records[i].live && runner->records[i].kill_at_ms != 0 &&
                    runner->records[i].kill_at_ms < request->kill_at_ms)
                    runner->records[i].kill_at_ms = request->kill_at_ms;
            break;
        case FORGET:
            if (record != NULL && !record->live && record->fence == request->fence)
                record->used = false;
        }
    }
    free(request);
}

static int ask(struct hor_runner *client, const struct request *from, struct hor_error *err)
{
    struct hor_loop *host = client->host;
    if (!client->connected)
        return hor_error_set(err, HOR_ERR_UNREACHABLE, "the runner is away");
    struct request *request = malloc(sizeof *request);
    *request = *from;
    request->host = host;
    request->life = client->life;
    int64_t at_ms = sim->world.now_ms + (int64_t)world_random(&sim->world, 3);
    if (sim->chaos && world_chance(&sim->world, 3))
        at_ms += (int64_t)world_random(&sim->world, 3000); /* a busy machine */
    if (at_ms < host->runner.socket_ms)
        at_ms = host->runner.socket_ms;
    host->runner.socket_ms = at_ms;
    world_at(&sim->world, at_ms, on_request, request_drop, request, NULL);
    return HOR_OK;
}

/* Each request has its own way here: late, but in order. */
void hor_runner_flush(struct hor_runner *client) { (void)client; }

int hor_runner_start(struct hor_runner *client, const struct hor_runner_job *job,
                     struct hor_error *err)
{
    struct request request = {.kind = START, .fence = job->fence, .lease_end_ms = job->lease_end_ms,
                              .kill_at_ms = job->kill_at_ms};
    snprintf(request.task, sizeof request.task, "%s", job->task);
    world_note(&sim->world, "%s gives %s to its runner, lease for %" PRId64 " ms more",
               client->host->name, job->task,
               job->lease_end_ms == 0 ? 0 : job->lease_end_ms - sim_monotonic_ms(client->host));
    return ask(client, &request, err);
}

int hor_runner_kill(struct hor_runner *client, const char *task, struct hor_error *err)
{
    struct request request = {.kind = KILL};
    snprintf(request.task, sizeof request.task, "%s", task);
    return ask(client, &request, err);
}

int hor_runner_renew(struct hor_runner *client, int64_t lease_end_ms, int64_t kill_at_ms,
                     struct hor_error *err)
{
    struct request request = {.kind = RENEW, .lease_end_ms = lease_end_ms, .kill_at_ms = kill_at_ms};
    return ask(client, &request, err);
}

int hor_runner_forget(struct hor_runner *client, const char *task, uint64_t fence,
                      struct hor_error *err)
{
    struct request request = {.kind = FORGET, .fence = fence};
    snprintf(request.task, sizeof request.task, "%s", task);
    return ask(client, &request, err);
}

/* ---- connection ---- */

static void on_connect(void *ctx, void *arg)
{
    struct hor_loop *host = ctx;
    struct runner *runner = &host->runner;
    struct hor_runner *client = host->client;
    if (client == NULL || host->life != (uintptr_t)arg || client->connected)
        return;
    if (sim_postpone(host, on_connect, NULL, ctx, arg))
        return;
    if (!runner->up) { /* the client starts it, and tries again */
        sim_runner_start(host);
        world_at(&sim->world, sim->world.now_ms + 50, on_connect, NULL, ctx, arg);
        return;
    }
    sim_enter(host);
    client->life = runner->life;
    for (unsigned i = 0; i < RECORDS_MAX; i++)
        if (runner->records[i].used)
            tell(client, &runner->records[i]);
    client->connected = true;
    client->ops->connected(true, client->ctx);
}

static void on_disconnect(void *ctx, void *arg)
{
    struct hor_loop *host = ctx;
    struct hor_runner *client = host->client;
    if (client == NULL || host->life != (uintptr_t)arg || !client->connected)
        return;
    if (sim_postpone(host, on_disconnect, NULL, ctx, arg))
        return;
    client->connected = false;
    sim_enter(host);
    client->ops->connected(false, client->ctx);
    world_at(&sim->world, host->runner.up ? sim->world.now_ms + 20 : sim->world.now_ms + 300,
             on_connect, NULL, ctx, arg);
}

int hor_runner_open(struct hor_loop *loop, const char *program, const char *directory,
                    const struct hor_runner_ops *ops, void *ctx, struct hor_runner **ret,
                    struct hor_error *err)
{
    (void)program;
    (void)directory;
    (void)err;
    *ret = calloc(1, sizeof **ret);
    **ret = (struct hor_runner){.host = loop, .ops = ops, .ctx = ctx};
    loop->client = *ret;
    world_at(&sim->world, sim->world.now_ms + 5 + (int64_t)world_random(&sim->world, 50), on_connect,
             NULL, loop, (void *)(uintptr_t)loop->life);
    return HOR_OK;
}

void hor_runner_close(struct hor_runner *client)
{
    if (client->host->client == client)
        client->host->client = NULL;
    free(client);
}

void sim_runner_start(struct hor_loop *host)
{
    host->runner.up = true;
    host->runner.life++;
    host->runner.socket_ms = host->runner.lease_end_ms = 0;
}

static void on_runner_up(void *ctx, void *arg)
{
    struct hor_loop *host = ctx;
    (void)arg;
    if (!host->runner.up)
        sim_runner_start(host);
}

/* Its records are written and not synced: when the power goes, some are lost, or only their ends. */
static void lose_record(struct record *record)
{
    if (!record->used || !world_chance(&sim->world, 60))
        return;
    sim->t.records_lost++;
    if (world_chance(&sim->world, 70)) {
        record->used = false;
    } else if (record->fate != HOR_RUNNER_RUNNING) {
        record->fate = HOR_RUNNER_UNKNOWN;
        record->ended_us = 0;
    }
}

/* Kills its processes; their ends are not seen. `power`: the machine goes down. */
void sim_runner_crash(struct hor_loop *host, int64_t down_ms, bool power)
{
    struct runner *runner = &host->runner;
    for (unsigned i = 0; power && !runner->up && i < RECORDS_MAX; i++)
        lose_record(&runner->records[i]);
    if (!runner->up)
        return;
    runner->up = false;
    for (unsigned i = 0; i < RECORDS_MAX; i++) {
        struct record *record = &runner->records[i];
        if (record->live) {
            sim_law_stop(host, record);
            record->live = false;
            record->fate = HOR_RUNNER_UNKNOWN;
            record->ended_us = 0;
        }
        if (power)
            lose_record(record);
    }
    sim->t.runner_crashes++;
    world_note(&sim->world, "%s: runner crashes%s", host->name, power ? " with its machine" : "");
    world_at(&sim->world, sim->world.now_ms + down_ms, on_runner_up, NULL, host, NULL);
    world_at(&sim->world, sim->world.now_ms, on_disconnect, NULL, host,
             (void *)(uintptr_t)host->life);
}

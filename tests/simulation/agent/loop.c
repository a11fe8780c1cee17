/* The loop, its timers and the clocks, of a host. */
#include <unistd.h>

#include "lib/base/boot.h"
#include "lib/base/clock.h"
#include "tests/simulation/agent/sim.h"

struct hor_timer {
    struct hor_loop *host;
    hor_loop_fn *fn;
    void *ctx;
    uint64_t set; /* counts starts and stops */
    bool pending, freed;
    struct hor_timer *next;
};

void sim_enter(struct hor_loop *host) { sim->current = host; }

int64_t sim_monotonic_ms(const struct hor_loop *host)
{
    int64_t now_ms = sim->world.now_ms;
    return now_ms + now_ms * host->clock_ppm / 1000000 + host->clock_offset_ms;
}

int64_t sim_world_ms(const struct hor_loop *host, int64_t monotonic_ms)
{
    int64_t there = monotonic_ms - host->clock_offset_ms;
    return there - there * host->clock_ppm / 1000000 + 1; /* rounded up: never too early */
}

int64_t hor_clock_monotonic_ms(void) { return sim_monotonic_ms(sim->current); }
int64_t hor_clock_monotonic_us(void) { return sim_monotonic_ms(sim->current) * 1000; }
int64_t hor_clock_utc_us(void) { return UTC_START_US + sim->world.now_ms * 1000; }
int64_t hor_clock_utc_ms(void) { return hor_clock_utc_us() / 1000; }

int hor_boot_id(char ret_id[HOR_BOOT_ID_BYTES], struct hor_error *err)
{
    (void)err;
    snprintf(ret_id, HOR_BOOT_ID_BYTES, "start-%u-of-%s", sim->current->boot, sim->current->name);
    return HOR_OK;
}

bool sim_postpone(struct hor_loop *host, world_fn *fn, world_fn *drop, void *ctx, void *arg)
{
    if (host->paused_ms <= sim->world.now_ms)
        return false;
    world_at(&sim->world, host->paused_ms, fn, drop, ctx, arg);
    return true;
}

/* ---- timers ---- */

static void on_timer(void *ctx, void *arg)
{
    struct hor_timer *timer = ctx;
    if (timer->freed || !timer->pending || timer->set != (uintptr_t)arg ||
        sim_postpone(timer->host, on_timer, NULL, ctx, arg))
        return;
    timer->pending = false;
    sim_enter(timer->host);
    timer->fn(timer->ctx);
}

struct hor_timer *hor_timer_new(struct hor_loop *loop, hor_loop_fn *fn, void *ctx)
{
    struct hor_timer *timer = calloc(1, sizeof *timer);
    *timer = (struct hor_timer){.host = loop, .fn = fn, .ctx = ctx, .next = sim->timers};
    sim->timers = timer;
    return timer;
}

void hor_timer_start(struct hor_timer *timer, int64_t in_ms)
{
    timer->set++;
    timer->pending = true;
    world_at(&sim->world, sim->world.now_ms + (in_ms > 0 ? in_ms : 0), on_timer, NULL, timer,
             (void *)(uintptr_t)timer->set);
}

void hor_timer_stop(struct hor_timer *timer)
{
    timer->set++;
    timer->pending = false;
}

bool hor_timer_pending(const struct hor_timer *timer) { return timer->pending; }

void hor_timer_free(struct hor_timer *timer)
{
    if (timer != NULL)
        timer->freed = true; /* its memory goes with the simulation: events may name it still */
}

void sim_timers_free(void)
{
    while (sim->timers != NULL) {
        struct hor_timer *timer = sim->timers;
        sim->timers = timer->next;
        free(timer);
    }
}

/* ---- posts ---- */

struct post {
    struct hor_loop *host;
    hor_loop_fn *fn;
    void *ctx;
};

/* Those of a crashed agent run as well: they hold memory, see that all is closed, and let it go. */
static void on_post(void *ctx, void *arg)
{
    struct post *post = ctx;
    (void)arg;
    sim_enter(post->host);
    post->fn(post->ctx);
    free(post);
}

static void on_post_in_time(void *ctx, void *arg)
{
    struct post *post = ctx;
    if (!sim_postpone(post->host, on_post_in_time, on_post, ctx, arg))
        on_post(ctx, arg);
}

int hor_loop_post(struct hor_loop *loop, hor_loop_fn *fn, void *ctx)
{
    struct post *post = malloc(sizeof *post);
    *post = (struct post){.host = loop, .fn = fn, .ctx = ctx};
    world_at(&sim->world, sim->world.now_ms, on_post_in_time, on_post, post, NULL);
    return HOR_OK;
}

int hor_loop_call(struct hor_loop *loop, hor_loop_fn *fn, void *ctx)
{
    sim_enter(loop);
    fn(ctx);
    return HOR_OK;
}

void hor_loop_stop(struct hor_loop *loop) { loop->ended = true; }

/* ---- what the simulation has no need of ---- */

struct hor_workers *hor_workers_new(unsigned count, const char *name)
{
    (void)count;
    (void)name;
    return (struct hor_workers *)sim;
}
void hor_workers_free(struct hor_workers *workers) { (void)workers; }
void hor_http_server_wake(struct hor_http_server *server) { (void)server; }
void hor_http_client_abort(struct hor_http_client *client) { (void)client; }
int hor_agent_service_open(struct hor_agent *agent, struct hor_error *err)
{
    (void)agent;
    (void)err;
    return HOR_OK;
}
void hor_agent_service_close(struct hor_agent *agent) { (void)agent; }
void hor_agent_commands_retry(struct hor_agent *agent) { (void)agent; }

/* ---- the real disk ---- */

/* Small files of the agents are on the real disk, which need not keep them. */
int fsync(int fd) { return fd < 0 ? -1 : 0; }
int fdatasync(int fd) { return fsync(fd); }

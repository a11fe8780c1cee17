/* Masters, agents and a Supervisor that lose one another: faults, work, and the series of runs. */
#include "tests/lib/tap.h"
#include "tests/simulation/coupling/sim.h"

enum { FAULTS_MS = 40 * 60 * 1000, SETTLE_MS = 30 * 60 * 1000 };

struct sim *sim;
static struct totals all;

int64_t sim_now_us(void)
{
    return UTC_START_US + sim->world.now_ms * 1000;
}

int64_t sim_arrival(void)
{
    int64_t ms = 1 + (int64_t)world_random(&sim->world, 5);
    if (sim->chaos && world_chance(&sim->world, 8))
        return -1;
    if (sim->chaos && world_chance(&sim->world, 10))
        ms += (int64_t)world_random(&sim->world, 3000);
    if (sim->chaos && world_chance(&sim->world, 2)) /* when nobody waits for it any more */
        ms += (int64_t)world_random(&sim->world, 120000);
    return sim->world.now_ms + ms;
}

static void start_cluster(void *ctx, void *arg)
{
    (void)arg;
    sim_cluster_start(ctx);
}

static void start_supervisor(void *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    if (!sim->supervisor_up)
        sim_supervisor_start();
}

/* Down for a moment, for minutes, or (one in ten) for a quarter of an hour. */
static int64_t outage_ms(void)
{
    uint64_t kind = world_random(&sim->world, 10);
    return 300 + (int64_t)world_random(&sim->world, kind == 0 ? 900000 : kind < 4 ? 120000 : 5000);
}

static void fault(void)
{
    struct world *world = &sim->world;
    struct cluster *cluster = &sim->clusters[world_random(world, CLUSTERS)];
    switch (world_random(world, 7)) {
    case 0:
    case 1:
        world_note(world, "%s loses its leader", cluster->path);
        sim_cluster_crash(cluster);
        world_at(world, world->now_ms + outage_ms(), start_cluster, NULL, cluster, NULL);
        break;
    case 2:
    case 3:
        world_note(world, "the active Master is deposed");
        if (sim->active != NULL)
            sim_master_take_over((int64_t)world_random(world, 60000));
        break;
    case 4:
        world_note(world, "the active Master crashes");
        sim_master_crash();
        break;
    case 5:
        world_note(world, "the Supervisor crashes");
        sim_supervisor_crash();
        world_at(world, world->now_ms + outage_ms(), start_supervisor, NULL, NULL, NULL);
        break;
    default: {
        int64_t number = sim->deployed == 1 ? 2 : 1;
        world_note(world, "release %" PRId64 " is deployed", number);
        if (sim_master_deploy(number) == HOR_OK)
            sim->deployed = number;
    }
    }
}

static void run_until(int64_t ms, bool faults)
{
    while (sim->world.now_ms < ms && !sim->world.broken) {
        int64_t next =
            sim->world.now_ms + 1000 + (int64_t)world_random(&sim->world, faults ? 120000 : 20000);
        next = next < ms ? next : ms;
        while (world_step(&sim->world, next))
            ;
        if (sim->world.now_ms < next)
            sim->world.now_ms = next;
        if (faults && !sim->world.broken)
            fault();
    }
}

static void settle(void)
{
    sim->chaos = false;
    sim->settling = true;
    for (unsigned i = 0; i < CLUSTERS; i++)
        sim_cluster_start(&sim->clusters[i]);
    if (!sim->supervisor_up)
        sim_supervisor_start();
    if (sim->active == NULL)
        sim_master_take_over(0);
    int64_t end_ms = sim->world.now_ms + SETTLE_MS;
    run_until(sim->world.now_ms + 200000, false); /* late messages arrive */
    while (sim->world.now_ms < end_ms && !sim->world.broken) {
        sim_supervisor_settle();
        run_until(sim->world.now_ms + 10000, false);
        if (sim_settled())
            break;
    }
    if (!sim->world.broken)
        sim_law_end();
}

static void add_totals(const struct totals *t)
{
    all.orders += t->orders;
    all.rows += t->rows;
    all.starts += t->starts;
    all.calls += t->calls;
    all.lost += t->lost;
    all.repeats += t->repeats;
    all.take_overs += t->take_overs;
    all.crashes += t->crashes;
    all.recouplings += t->recouplings;
    all.commands += t->commands;
    all.stale += t->stale;
}

static bool run(uint64_t seed, bool trace)
{
    sim = calloc(1, sizeof *sim);
    world_init(&sim->world, seed);
    sim->world.quiet = false;
    sim->masters =
        (struct ledger){.name = "masters", .first = 1, .life = 1, .apply = sim_master_apply};
    sim_laws_open();
    for (unsigned i = 0; i < CLUSTERS; i++) {
        sim_cluster_init(&sim->clusters[i], i);
        sim_cluster_start(&sim->clusters[i]);
    }
    sim_master_take_over(0);
    sim_supervisor_start();
    run_until(5000, false);
    sim->deployed = 1;
    sim_master_deploy(1);
    sim->chaos = true;
    run_until(FAULTS_MS, true);
    if (!sim->world.broken)
        settle();
    bool broken = sim->world.broken;
    if (broken)
        diag("seed %" PRIu64 ": %s", seed, sim->world.what);
    if (broken || trace)
        world_print_trace(&sim->world, trace ? 400 : 60);
    add_totals(&sim->t);
    for (unsigned i = 0; i < sim->master_count; i++)
        sim->all[i]->believes = false;
    sim->active = NULL;
    sim_ledger_done(&sim->masters);
    for (unsigned i = 0; i < CLUSTERS; i++)
        sim_cluster_done(&sim->clusters[i]);
    world_done(&sim->world);
    sim_laws_close();
    free(sim);
    return !broken;
}

int main(int argc, char **argv)
{
    struct world_seeds seeds = world_seeds_of(argc, argv, 20);
    unsigned failed = 0;
    sim_config_open();
    for (unsigned i = 0; i < seeds.count && failed < 3; i++)
        failed += !run(seeds.first + i, seeds.chosen);
    ok(failed == 0, "%u runs from seed %" PRIu64 ": no law is broken", seeds.count, seeds.first);
    diag("%" PRIu64 " orders, %" PRIu64 " task starts, %" PRIu64 " rows, %" PRIu64
         " requests of people",
         all.orders, all.starts, all.rows, all.commands);
    diag("%" PRIu64 " calls, %" PRIu64 " not answered in time, %" PRIu64
         " answered too late, %" PRIu64 " orders given again",
         all.calls, all.lost, all.stale, all.repeats);
    diag("%" PRIu64 " Masters took over, %" PRIu64 " crashes, %" PRIu64 " couplings ended",
         all.take_overs, all.crashes, all.recouplings);
    ok(seeds.chosen || (all.repeats > 0 && all.stale > 0 && all.take_overs > seeds.count),
       "faults happened");
    sim_config_close();
    return done_testing();
}

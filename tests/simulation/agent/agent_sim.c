/* tests/simulation/agent/agent_sim.c - agent clusters of one to five members on virtual time, with
 * seeded faults of hosts, agents, runners, disks and the network (../README.md).
 *   agent_sim [seeds [first seed]], or SEEDS and SEED in the environment. */
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/cluster/private.h"
#include "tests/lib/tap.h"
#include "tests/simulation/agent/sim.h"

enum { CHAOS_MS = 60000, HEALED_MS = 300000 };

struct sim *sim;

/* ---- agents ---- */

static void start_agent(struct hor_loop *host)
{
    struct hor_error err;
    host->verified = host->disk.snapshot.index;
    host->paused_ms = 0;
    sim_enter(host);
    if (hor_agent_start(&host->settings, host, &host->agent, &err) < 0) {
        host->agent = NULL;
        world_law(&sim->world, "%s does not start: %s", host->name, err.text);
        return;
    }
    host->agent->cluster->snapshot_every = 150;
    world_note(&sim->world, "%s: agent starts, journal to %" PRIu64, host->name, host->disk.count);
}

static void on_agent_up(void *ctx, void *arg)
{
    struct hor_loop *host = ctx;
    (void)arg;
    if (host->agent == NULL && host->up_ms <= sim->world.now_ms)
        start_agent(host);
}

static void stop_agent(struct hor_loop *host)
{
    if (host->agent == NULL)
        return;
    sim_enter(host);
    sim->crashing = true;
    host->agent->stopping = true;
    sim_calls_end(host);
    hor_agent_free(host->agent);
    sim->crashing = false;
    host->agent = NULL;
    host->life++;
}

static void crash_agent(struct hor_loop *host, int64_t down_ms)
{
    if (host->agent == NULL)
        return;
    stop_agent(host);
    world_note(&sim->world, "%s: agent crashes, journal to %" PRIu64, host->name, host->disk.count);
    host->up_ms = sim->world.now_ms + down_ms;
    sim->t.crashes++;
    world_at(&sim->world, host->up_ms, on_agent_up, NULL, host, NULL);
}

/* ---- trouble ---- */

static void partition(void)
{
    struct world *world = &sim->world;
    unsigned kind = (unsigned)world_random(world, 4);
    unsigned side = (unsigned)world_random(world, 1u << sim->members);
    unsigned alone = (unsigned)world_random(world, sim->members);
    if (world->now_ms < sim->cut_until_ms)
        return;
    if (world_chance(world, 30)) /* longer than lease and grace */
        sim->cut_until_ms = world->now_ms + 12000;
    for (unsigned i = 0; i < sim->members; i++)
        for (unsigned k = 0; k < sim->members; k++)
            world->net.cut[i][k] = kind == 0   ? false
                                   : kind == 1 ? i == alone && k != alone
                                   : kind == 2 ? (i == alone) != (k == alone)
                                               : ((side >> i) & 1) != ((side >> k) & 1);
    world_note(world, "network: kind %u, member %u, sides %x", kind, alone + 1, side);
}

static void make_trouble(void)
{
    struct world *world = &sim->world;
    struct hor_loop *host = &sim->hosts[world_random(world, sim->members)];
    int64_t short_ms = 50 + (int64_t)world_random(world, 1500);
    int64_t long_ms = 50 + (int64_t)world_random(world, 12000);
    switch (world_random(world, 6000)) {
    case 0:
    case 1:
        crash_agent(host, world_chance(world, 70) ? short_ms : long_ms);
        break;
    case 2:
        sim_runner_crash(host, short_ms, false);
        break;
    case 3:
        if (world_chance(world, 30)) { /* power */
            sim_runner_crash(host, short_ms, true);
            crash_agent(host, world_chance(world, 50) ? short_ms : long_ms);
            host->boot++;
            sim->t.power_losses++;
        }
        break;
    case 4:
    case 5:
        partition();
        break;
    case 6:
        host->paused_ms = world->now_ms + (world_chance(world, 60) ? short_ms : long_ms);
        world_note(world, "%s: agent stands still until %" PRId64, host->name, host->paused_ms);
        sim->t.pauses++;
        break;
    case 7:
        if (host->agent != NULL && host->agent->leader && host->paused_ms <= world->now_ms) {
            sim_enter(host);
            hor_cluster_transfer(host->agent->cluster, 1 + world_random(world, sim->members), NULL);
        }
        break;
    default:
        break;
    }
}

/* ---- work ---- */

static struct hor_agent *a_leader(void)
{
    unsigned first = (unsigned)world_random(&sim->world, sim->members);
    for (unsigned i = 0; i < sim->members; i++) {
        struct hor_loop *host = &sim->hosts[(first + i) % sim->members];
        if (host->agent != NULL && host->agent->leader && !host->agent->stopping &&
            host->paused_ms <= sim->world.now_ms) {
            sim_enter(host);
            return host->agent;
        }
    }
    return NULL;
}

struct sent {
    struct sim *of;
    unsigned order;
};

static void on_accepted(int code, uint64_t index, void *ctx)
{
    struct sent *sent = ctx;
    struct order *order = &sim->orders[sent->order];
    (void)index;
    order->sending = false;
    order->acknowledged |= code == HOR_OK;
    free(sent);
}

/* As a Master does: again until it is acknowledged. */
static void send_order(struct hor_agent *agent, unsigned i)
{
    struct order *order = &sim->orders[i];
    char chain[8];
    snprintf(chain, sizeof chain, "/c%u", order->chain);
    struct hor_core_new_order new_order = {
        .id = order->id, .chain = chain, .release = 1, .planned_at = UTC_START_US + 1000,
        .priority = HOR_EVENT_NONE, .plan_day = "2026-11-24"};
    struct hor_event *event = NULL;
    struct hor_error err;
    if (hor_core_accept(agent->core, "main", &new_order, UTC_START_US + sim->world.now_ms * 1000,
                        &event, &err) < 0)
        return;
    if (event == NULL) { /* it has it: committed and applied */
        order->acknowledged = true;
        return;
    }
    struct hor_event **events = malloc(sizeof *events);
    struct sent *sent = malloc(sizeof *sent);
    events[0] = event;
    *sent = (struct sent){.of = sim, .order = i};
    order->sending = true;
    hor_agent_submit(agent, events, 1, on_accepted, sent);
}

struct batch {
    struct hor_event **events;
    size_t count;
};

static void collect(struct hor_event *take_event, void *ctx)
{
    struct batch *batch = ctx;
    batch->events = realloc(batch->events, (batch->count + 1) * sizeof *batch->events);
    batch->events[batch->count++] = take_event;
}

/* A person says what became of the tasks that nobody can know of: they hold places till then. */
static void resolve(struct hor_agent *agent)
{
    for (unsigned i = 0; i < sim->order_count; i++) {
        char task[HOR_CORE_NAME_BYTES + 1], id[40];
        struct hor_core_node_view node;
        size_t n = 0;
        while (hor_core_order_node(agent->core, sim->orders[i].id, n, task, &node) == HOR_OK &&
               strcmp(node.state, "inDoubt") != 0)
            n++;
        if (hor_core_order_node(agent->core, sim->orders[i].id, n, task, &node) != HOR_OK)
            continue;
        struct hor_core_command command = {.id = id, .master = "main", .action = "resolve",
                                           .order = sim->orders[i].id, .node = node.id,
                                           .outcome = "success", .actor = "anna", .reason = "seen",
                                           .start_at = HOR_EVENT_NONE, .priority = HOR_EVENT_NONE};
        struct hor_core_answer answer;
        struct hor_error err;
        struct batch batch = {0};
        snprintf(id, sizeof id, "person-%" PRIu64, ++sim->commands);
        if (hor_core_command(agent->core, &command, UTC_START_US + sim->world.now_ms * 1000, collect,
                             &batch, &answer, &err) == HOR_OK &&
            batch.count > 0)
            hor_agent_submit(agent, batch.events, batch.count, NULL, NULL);
    }
}

static void work(void)
{
    struct hor_agent *agent = a_leader();
    if (sim->order_count < ORDERS_MAX && sim->world.now_ms > 3000 && sim->world.now_ms < CHAOS_MS &&
        world_chance(&sim->world, 12)) {
        struct order *order = &sim->orders[sim->order_count++];
        snprintf(order->id, sizeof order->id, "o%u", sim->order_count);
        order->chain = (unsigned)world_random(&sim->world, CHAINS);
    }
    if (agent == NULL)
        return;
    if (hor_core_release(agent->core, "main", 1) == NULL) {
        if (sim->world.now_ms % 1000 == 0)
            sim_release(agent);
        return;
    }
    for (unsigned i = 0; i < sim->order_count; i++)
        if (!sim->orders[i].acknowledged && !sim->orders[i].sending)
            send_order(agent, i);
    if (sim->world.now_ms > CHAOS_MS + 15000 && sim->world.now_ms % 1000 == 0)
        resolve(agent);
}

/* ---- a run ---- */

static void forget_boot(const struct hor_loop *host)
{
    char *path = hor_str_printf("%s/boot", host->directory);
    unlink(path);
    free(path);
}

static void begin(uint64_t seed, unsigned members)
{
    sim = calloc(1, sizeof *sim);
    world_init(&sim->world, seed);
    sim->members = members;
    sim->chaos = true;
    sim->world.net = (struct world_net){.bad = true, .loss_percent = 4, .delay_ms = 150,
                                        .reorder = world_chance(&sim->world, 50)};
    sim->committed = calloc(JOURNAL_MAX, sizeof *sim->committed);
    for (unsigned i = 0; i < members; i++) {
        struct hor_loop *host = &sim->hosts[i];
        host->number = i;
        snprintf(host->name, sizeof host->name, "a%u", i + 1);
        host->clock_offset_ms = 5000 + (int64_t)world_random(&sim->world, 1000000);
        host->clock_ppm = (int64_t)world_random(&sim->world, 400) - 200;
        host->disk.entries = calloc(JOURNAL_MAX, sizeof *host->disk.entries);
        host->directory = hor_str_printf("%s/%s", hor_tap_tmpdir(), host->name);
        forget_boot(host);
        sim->settings_members[i] =
            (struct hor_settings_member){.name = host->name, .priority = 1, .max_tasks = 4};
        host->settings = (struct hor_settings_agent){
            .common = {.name = host->name, .data_directory = host->directory},
            .cluster = "/clusters/etl",
            .members = sim->settings_members,
            .member_count = members,
            .self = i};
    }
    sim->oracle = sim_core_new();
    for (unsigned i = 0; i < members; i++) {
        sim_runner_start(&sim->hosts[i]);
        start_agent(&sim->hosts[i]);
    }
}

static void heal(void)
{
    sim->chaos = sim->world.net.bad = false;
    memset(sim->world.net.cut, 0, sizeof sim->world.net.cut);
    world_note(&sim->world, "the faults are over");
}

static void end(struct totals *t)
{
    for (unsigned i = 0; i < sim->members; i++)
        stop_agent(&sim->hosts[i]);
    t->seeds++;
    t->events += sim->world.events_run;
    t->entries += sim->committed_count;
    t->starts += sim->t.starts;
    t->crashes += sim->t.crashes;
    t->runner_crashes += sim->t.runner_crashes;
    t->power_losses += sim->t.power_losses;
    t->records_lost += sim->t.records_lost;
    t->pauses += sim->t.pauses;
    t->losses += sim->t.losses;
    t->restarts += sim->t.restarts;
    t->doubts += sim->t.doubts;
    t->ends += sim->t.ends;
    t->waits += sim->t.waits;
    world_done(&sim->world);
    sim_timers_free();
    for (unsigned i = 0; i < sim->members; i++) {
        sim_disk_done(&sim->hosts[i].disk);
        free(sim->hosts[i].directory);
    }
    while (sim->committed_count > 0)
        sim_blob_unref(sim->committed[sim->committed_count--]);
    free(sim->committed);
    hor_core_free(sim->oracle);
    free(sim);
    sim = NULL;
}

static bool run(uint64_t seed, unsigned members, bool show, char what[300], struct totals *t)
{
    begin(seed, members);
    struct world *world = &sim->world;
    for (int64_t at_ms = world->now_ms; at_ms < CHAOS_MS + HEALED_MS && !world->broken; at_ms++) {
        if (at_ms < CHAOS_MS)
            make_trouble();
        if (at_ms == CHAOS_MS)
            heal();
        while (world_step(world, at_ms))
            ;
        if (at_ms % 50 == 0 && !world->broken)
            work();
        if (at_ms % 1000 == 0 && !world->broken)
            sim_law_states();
        if (at_ms % 1000 == 0 && at_ms > CHAOS_MS + 20000 && sim_settled())
            break;
    }
    if (!world->broken)
        sim_law_end();
    bool good = !world->broken;
    snprintf(what, 300, "%s", world->what);
    if (!good && show)
        world_print_trace(world, getenv("SIM_LINES") != NULL ? 400 : 60);
    end(t);
    return good;
}

static void series(unsigned members, const struct world_seeds *seeds, unsigned percent)
{
    struct totals t = {0};
    unsigned broken = 0, count = seeds->count * percent / 100;
    count = count > 0 ? count : 1;
    for (unsigned i = 0; i < count; i++) {
        char what[300];
        if (!run(seeds->first + i, members, broken == 0, what, &t) && broken++ < 5)
            diag("%u members, SEED=%" PRIu64 ": %s", members, seeds->first + i, what);
    }
    diag("%u members: %" PRIu64 " seeds, %" PRIu64 " events, %" PRIu64 " entries, %" PRIu64
         " starts, %" PRIu64 " agent crashes, %" PRIu64 " runner crashes, %" PRIu64
         " power losses (%" PRIu64 " records lost), %" PRIu64 " pauses",
         members, t.seeds, t.events, t.entries, t.starts, t.crashes, t.runner_crashes,
         t.power_losses, t.records_lost, t.pauses);
    diag("  %" PRIu64 " times lost, %" PRIu64 " restarted elsewhere, %" PRIu64 " in doubt, %" PRIu64
         " orders ended, %" PRIu64 " wait for a person", t.losses, t.restarts, t.doubts, t.ends,
         t.waits);
    is_int(broken, 0, "%u members: the laws hold", members);
}

int main(int argc, char **argv)
{
    struct world_seeds seeds = world_seeds_of(argc, argv, 60);
    sim_config_open();
    series(1, &seeds, 25);
    series(2, &seeds, 25);
    series(3, &seeds, 100);
    series(5, &seeds, 25);
    sim_config_close();
    return done_testing();
}

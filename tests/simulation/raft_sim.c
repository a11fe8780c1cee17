/* tests/simulation/raft_sim.c - clusters of lib/raft members in one process on virtual time, with
 * seeded faults, and the laws after every step (README.md tells which).
 *   raft_sim [seeds [first seed]], or SEEDS and SEED in the environment; SERIES: only those with
 *   this in their name.
 * Without: some hundred seeds of each kind, and each guard off, which must be noticed. */
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/tap.h"
#include "tests/simulation/raft_cluster.h"

static struct raft_member *any(struct raft_cluster *cluster)
{
    return &cluster->members[world_random(&cluster->world, cluster->count)];
}

static void partition(struct raft_cluster *cluster)
{
    struct world_net *net = &cluster->world.net;
    unsigned kind = (unsigned)world_random(&cluster->world, 4);
    unsigned side = (unsigned)world_random(&cluster->world, 1u << cluster->count);
    unsigned alone = (unsigned)world_random(&cluster->world, cluster->count);
    for (unsigned i = 0; i < cluster->count; i++)
        for (unsigned k = 0; k < cluster->count; k++)
            net->cut[i][k] = kind == 0   ? false /* heals */
                             : kind == 1 ? i == alone && k != alone /* one way: it is not heard */
                             : kind == 2 ? (i == alone) != (k == alone)
                                         : ((side >> i) & 1) != ((side >> k) & 1);
    world_note(&cluster->world, "network: kind %u, member %u, sides %x", kind, alone + 1, side);
}

static void make_trouble(struct raft_cluster *cluster)
{
    struct world *world = &cluster->world;
    if (world_random(world, 400) == 0)
        raft_member_crash(any(cluster), 50 + (int64_t)world_random(world, 1000));
    if (world_random(world, 300) == 0)
        partition(cluster);
    if (world_random(world, 400) == 0) {
        struct raft_member *member = any(cluster);
        if (member->raft != NULL && hor_raft_is_leader(member->raft)) {
            hor_raft_transfer(member->raft, world->now_ms, 0, NULL);
            raft_member_settle(member);
        }
    }
    if (cluster->plan.pauses && world_random(world, 500) == 0)
        any(cluster)->paused_ms = world->now_ms + 20 + (int64_t)world_random(world, 1500);
}

static int find(const struct hor_raft_configuration *c, uint64_t id)
{
    for (unsigned i = 0; i < c->count; i++)
        if (c->members[i].id == id)
            return (int)i;
    return -1;
}

/* Whether every voter of every member's own list still exists. */
static bool all_there(struct raft_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->count; i++) {
        struct hor_raft_configuration c;
        if (cluster->members[i].raft == NULL)
            return false;
        hor_raft_get_configuration(cluster->members[i].raft, &c);
        for (unsigned k = 0; k < c.count; k++)
            if (raft_member_of(cluster, c.members[k].id) == NULL)
                return false;
    }
    return true;
}

/* One whom nobody counts begins anew. */
static void recycle(struct raft_cluster *cluster, const struct raft_member *leader)
{
    const struct hor_raft_configuration *c =
        &cluster->configurations[leader->state.configuration];
    struct raft_member *member = any(cluster);
    if (leader->state.configuration_index == 0 || leader->installing || member->term == 0 ||
        cluster->last_id + 1 >= RAFT_IDS_MAX)
        return;
    for (unsigned i = 0; i < c->count; i++)
        if (c->members[i].id == member->id)
            return;
    raft_member_wipe(member, 50 + (int64_t)world_random(&cluster->world, 500));
}

/* A new member joins, catches up and gets a vote; a voter is removed; a disk is lost. */
static void change_members(struct raft_cluster *cluster)
{
    struct raft_member *leader = raft_cluster_leader(cluster);
    struct world *world = &cluster->world;
    struct hor_raft_configuration to;
    if (leader == NULL || !hor_raft_is_leader(leader->raft))
        return;
    if (world_chance(world, 10))
        recycle(cluster, leader);
    if (world_chance(world, 2) && all_there(cluster) && cluster->last_id + 1 < RAFT_IDS_MAX) {
        struct raft_member *member = any(cluster);
        if (member != leader)
            raft_member_wipe(member, 50 + (int64_t)world_random(world, 500));
    }
    hor_raft_get_configuration(leader->raft, &to);
    uint64_t id = world_chance(world, 30) && to.count > 0
                      ? to.members[world_random(world, to.count)].id
                      : any(cluster)->id;
    int at = find(&to, id);
    if (at < 0) {
        if (to.count >= WORLD_MEMBERS)
            return;
        to.members[to.count++] = (struct hor_raft_member){.id = id, .role = HOR_RAFT_STANDBY};
    } else if (to.members[at].role != HOR_RAFT_VOTER && raft_member_of(cluster, id) != NULL) {
        to.members[at].role = HOR_RAFT_VOTER;
    } else {
        if (raft_member_of(cluster, id) != NULL && world_chance(world, 50))
            return;
        to.members[at] = to.members[--to.count];
    }
    raft_member_change(leader, &to); /* refused, if it must not be */
}

struct load {
    struct raft_cluster *cluster;
    int64_t end_ms;
};

/* Who believes to lead takes work: in a partition that may be two. */
static void on_load(void *ctx, void *arg)
{
    struct load *load = ctx;
    struct raft_cluster *cluster = load->cluster;
    (void)arg;
    for (unsigned i = 0; i < cluster->count; i++) {
        struct raft_member *member = &cluster->members[i];
        if (member->raft != NULL && member->leader && member->paused_ms <= cluster->world.now_ms)
            raft_member_submit(member, cluster->plan.overload
                                           ? 40
                                           : 1 + (unsigned)world_random(&cluster->world, 8));
    }
    if (cluster->plan.changes && cluster->chaos && world_random(&cluster->world, 5) == 0)
        change_members(cluster);
    if (cluster->world.now_ms < load->end_ms)
        world_at(&cluster->world, cluster->world.now_ms + 5 + (int64_t)world_random(
                                      &cluster->world, cluster->plan.overload ? 1 : 20),
                 on_load, NULL, load, NULL);
}

struct totals {
    uint64_t seeds, events, committed, crashes, elections, installs, snapshots, changes, wipes,
        refused;
};

static bool run(const struct raft_plan *plan, uint64_t seed, bool show, char what[300],
                struct totals *totals)
{
    struct raft_cluster *cluster = malloc(sizeof *cluster);
    raft_cluster_init(cluster, plan, seed);
    struct world *world = &cluster->world;
    struct load load = {.cluster = cluster,
                        .end_ms = plan->chaos_ms + plan->healed_ms - 2000};
    world->net = (struct world_net){.bad = true, .reorder = plan->reorder, .loss_percent = 8,
                                    .delay_ms = 200};
    cluster->chaos = true;
    for (unsigned i = 0; i < cluster->count; i++)
        raft_member_start(&cluster->members[i]);
    world_at(world, 500, on_load, NULL, &load, NULL);
    for (int64_t at_ms = world->now_ms; at_ms < plan->chaos_ms && !world->broken; at_ms++) {
        make_trouble(cluster);
        while (world_step(world, at_ms))
            ;
    }
    uint64_t before = cluster->committed_last;
    cluster->chaos = world->net.bad = false;
    memset(world->net.cut, 0, sizeof world->net.cut);
    while (world_step(world, plan->chaos_ms + plan->healed_ms))
        ;
    if (!world->broken)
        raft_law_healed(cluster, before);
    bool good = !world->broken;
    snprintf(what, 300, "%s", world->what);
    if (!good && show)
        world_print_trace(world, 40);
    totals->seeds++;
    totals->events += world->events_run;
    totals->committed += cluster->committed_last;
    totals->crashes += cluster->crashes;
    totals->elections += cluster->elections;
    totals->installs += cluster->installs;
    totals->snapshots += cluster->snapshots;
    totals->changes += cluster->changes;
    totals->wipes += cluster->wipes;
    totals->refused += cluster->refused;
    raft_cluster_done(cluster);
    free(cluster);
    return good;
}

static void series(const char *name, const struct raft_plan *plan, const struct world_seeds *seeds,
                   unsigned percent)
{
    struct totals t = {0};
    unsigned broken = 0, count = seeds->count * percent / 100;
    const char *only = getenv("SERIES");
    if (only != NULL && strstr(name, only) == NULL)
        return;
    count = count > 0 ? count : 1;
    for (unsigned i = 0; i < count; i++) {
        char what[300];
        if (!run(plan, seeds->first + i, broken == 0, what, &t) && broken++ < 5)
            diag("%s, SEED=%" PRIu64 ": %s", name, seeds->first + i, what);
    }
    diag("%s: %" PRIu64 " seeds, %" PRIu64 " events, %" PRIu64 " committed, %" PRIu64
         " elections, %" PRIu64 " crashes, %" PRIu64 " snapshots, %" PRIu64 " installed, %" PRIu64
         " changes, %" PRIu64 " disks lost, %" PRIu64 " refused for load",
         name, t.seeds, t.events, t.committed, t.elections, t.crashes, t.snapshots, t.installs,
         t.changes, t.wipes, t.refused);
    is_int(broken, 0, "%s: the laws hold", name);
}

/* In a process of its own: without a guard the library may write where it must not. */
static bool breaks(bool (*schedule)(unsigned, char[300]), unsigned guards_off, char text[300])
{
    int pipes[2], status = 0;
    if (pipe(pipes) != 0)
        return false;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        bool broken = schedule(guards_off, text);
        ssize_t n = write(pipes[1], text, 300);
        _exit(n == 300 && broken ? 1 : 0);
    }
    close(pipes[1]);
    if (read(pipes[0], text, 300) != 300)
        snprintf(text, 300, "ended by a signal");
    close(pipes[0]);
    return child > 0 && waitpid(child, &status, 0) == child && status != 0;
}

static void directed(int guard, bool (*schedule)(unsigned, char[300]))
{
    char text[300];
    bool broken = schedule(0, text);
    ok(!broken, "guard %d: its schedule keeps the laws %s", guard, text);
    ok(breaks(schedule, 1u << guard, text), "guard %d off is noticed", guard);
    diag("guard %d off: %s", guard, text);
}

int main(int argc, char **argv)
{
    struct world_seeds seeds = world_seeds_of(argc, argv, 150);
    struct raft_plan three = {.voters = 3, .chaos_ms = 12000, .healed_ms = 12000, .pauses = true};
    const char *off = getenv("GUARD_OFF"); /* to see what chance notices by itself */
    if (off != NULL)
        three.guards_off = 1u << (strtoul(off, NULL, 10) & 31);
    struct raft_plan reorder = three, five = three, snapshots = three, changes = three, load = three;
    reorder.reorder = five.reorder = snapshots.reorder = changes.reorder = true;
    five.voters = 5;
    snapshots.snapshots = true;
    changes.voters = 4;
    changes.spares = 2;
    changes.changes = changes.snapshots = true;
    load.overload = true;
    load.chaos_ms = 3000;
    load.healed_ms = 12000;
    series("three members", &three, &seeds, 100);
    series("reordering and doubling", &reorder, &seeds, 100);
    series("five members", &five, &seeds, 50);
    series("snapshots", &snapshots, &seeds, 100);
    series("members change", &changes, &seeds, 100);
    series("overload", &load, &seeds, 25);
    if (!seeds.chosen) {
        directed(1, raft_guard_1);
        directed(2, raft_guard_2);
        directed(3, raft_guard_3);
        directed(5, raft_guard_5);
        directed(7, raft_guard_7);
        directed(8, raft_guard_8);
        directed(10, raft_guard_10);
        directed(11, raft_guard_11);
        directed(12, raft_guard_12);
        directed(13, raft_guard_13);
        directed(14, raft_guard_14);
    }
    return done_testing();
}

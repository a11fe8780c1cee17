/* tests/simulation/raft_sim.c - clusters of lib/raft members in one process on virtual time, with
 * seeded faults, and the laws after every step (README.md tells which).
 *   raft_sim [seeds [first seed]], or SEEDS and SEED in the environment.
 * Without: some hundred seeds of each kind, and each guard off, which must be noticed. */
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

/* A spare is added, catches up and gets a vote; a voter is set back or removed. */
static void change_members(struct raft_cluster *cluster)
{
    struct raft_member *leader = raft_leader(cluster);
    struct hor_raft_configuration to;
    if (leader == NULL || !hor_raft_is_leader(leader->raft))
        return;
    hor_raft_get_configuration(leader->raft, &to);
    uint64_t id = 1 + world_random(&cluster->world, cluster->count);
    int at = find(&to, id);
    if (at < 0) {
        to.members[to.count++] = (struct hor_raft_member){.id = id, .role = HOR_RAFT_SPARE};
        raft_member_change(leader, &to);
    } else if (to.members[at].role != HOR_RAFT_VOTER) {
        if (hor_raft_caught_up(leader->raft, id)) {
            to.members[at].role = HOR_RAFT_VOTER;
            raft_member_change(leader, &to);
        } else {
            struct hor_error err;
            int rc = hor_raft_catch_up(leader->raft, cluster->world.now_ms, id, &err);
            if (rc == HOR_ERR_INTERNAL)
                raft_check(leader, rc, &err);
            raft_member_settle(leader);
        }
    } else if (hor_raft_voters(leader->raft) > 3) {
        if (world_chance(&cluster->world, 50))
            to.members[at].role = HOR_RAFT_SPARE;
        else
            to.members[at] = to.members[--to.count];
        raft_member_change(leader, &to);
    }
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
    if (cluster->plan.changes && cluster->chaos && world_random(&cluster->world, 20) == 0)
        change_members(cluster);
    if (cluster->world.now_ms < load->end_ms)
        world_at(&cluster->world, cluster->world.now_ms + 5 + (int64_t)world_random(
                                      &cluster->world, cluster->plan.overload ? 1 : 20),
                 on_load, NULL, load, NULL);
}

struct totals {
    uint64_t seeds, events, committed, crashes, elections, installs, snapshots, changes, refused;
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
    count = count > 0 ? count : 1;
    for (unsigned i = 0; i < count; i++) {
        char what[300];
        if (!run(plan, seeds->first + i, broken == 0, what, &t) && broken++ < 5)
            diag("%s, SEED=%" PRIu64 ": %s", name, seeds->first + i, what);
    }
    diag("%s: %" PRIu64 " seeds, %" PRIu64 " events, %" PRIu64 " committed, %" PRIu64
         " elections, %" PRIu64 " crashes, %" PRIu64 " snapshots, %" PRIu64 " installed, %" PRIu64
         " changes, %" PRIu64 " refused for load",
         name, t.seeds, t.events, t.committed, t.elections, t.crashes, t.snapshots, t.installs,
         t.changes, t.refused);
    is_int(broken, 0, "%s: the laws hold", name);
}

static void directed(int guard, bool (*schedule)(unsigned, char[300]))
{
    char text[300];
    bool broken = schedule(0, text);
    ok(!broken, "guard %d: its schedule keeps the laws %s", guard, text);
    ok(schedule(1u << guard, text), "guard %d off is noticed", guard);
    diag("guard %d off: %s", guard, text);
}

int main(int argc, char **argv)
{
    struct world_seeds seeds = world_seeds_of(argc, argv, 150);
    struct raft_plan three = {.voters = 3, .chaos_ms = 12000, .healed_ms = 12000, .pauses = true};
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
        directed(7, raft_guard_7);
        directed(8, raft_guard_8);
        directed(10, raft_guard_10);
    }
    return done_testing();
}

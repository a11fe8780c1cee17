/* Schedules made by hand for the guards whose absence chance would meet once in thousands of seeds.
 * Each runs the same with and without its guard (lib/raft/README.md), and tells whether a law broke. */
#include "tests/simulation/raft_cluster.h"

static void begin(struct raft_cluster *cluster, unsigned voters, bool changes, unsigned guards_off)
{
    struct raft_plan plan = {.voters = voters, .changes = changes, .guards_off = guards_off};
    raft_cluster_init(cluster, &plan, 1);
}

static bool end(struct raft_cluster *cluster, char text[300])
{
    bool broken = cluster->world.broken;
    snprintf(text, 300, "%s", cluster->world.what);
    raft_cluster_done(cluster);
    free(cluster);
    return broken;
}

static void run_for(struct raft_cluster *cluster, int64_t ms)
{
    int64_t until_ms = cluster->world.now_ms + ms;
    while (world_step(&cluster->world, until_ms))
        ;
}

static struct raft_member *wait_leader(struct raft_cluster *cluster, int64_t ms)
{
    int64_t until_ms = cluster->world.now_ms + ms;
    while (raft_cluster_leader(cluster) == NULL && world_step(&cluster->world, until_ms))
        ;
    return raft_cluster_leader(cluster);
}

static void cut(struct raft_cluster *cluster, unsigned a, unsigned b, bool is_cut)
{
    cluster->world.net.cut[a][b] = cluster->world.net.cut[b][a] = is_cut;
}

/* A leader that does not know how far a member is asks with an old entry, and tells a commit index
 * that is news: the member must not take back what it committed. */
bool raft_guard_1(unsigned guards_off, char text[300])
{
    struct raft_cluster *cluster = malloc(sizeof *cluster);
    begin(cluster, 3, false, guards_off);
    for (unsigned i = 0; i < 3; i++)
        raft_member_start(&cluster->members[i]);
    struct raft_member *leader = wait_leader(cluster, 5000);
    if (leader != NULL) {
        struct raft_member *other = &cluster->members[(leader->number + 1) % 3];
        for (int i = 0; i < 10; i++, run_for(cluster, 20))
            raft_member_submit(leader, 5);
        cut(cluster, leader->number, other->number, true);
        raft_member_submit(leader, 5);
        run_for(cluster, 50);
        struct hor_raft_entry entry = {.term = leader->log.slots[4].term};
        struct hor_raft_message old = {.kind = HOR_RAFT_APPEND_ENTRIES, .peer = leader->id,
                                       .version = 1, .term = hor_raft_term(leader->raft),
                                       .prev_index = 3, .prev_term = leader->log.slots[3].term,
                                       .commit = leader->commit, .entries = &entry,
                                       .entry_count = 1};
        struct hor_error err;
        raft_check(other, hor_raft_receive(other->raft, cluster->world.now_ms, 1, &old, &err), &err);
        raft_member_settle(other);
        cut(cluster, leader->number, other->number, false);
        run_for(cluster, 2000);
        raft_law_healed(cluster, 0);
    }
    return end(cluster, text);
}

/* A member that was away gets [command, change, command] in one message; then another leader
 * replaces the change and what follows, but not the command. The member must count the members
 * that counted before. */
bool raft_guard_2(unsigned guards_off, char text[300])
{
    struct raft_cluster *cluster = malloc(sizeof *cluster);
    begin(cluster, 5, true, guards_off);
    for (unsigned i = 0; i < 5; i++)
        raft_member_start(&cluster->members[i]);
    struct raft_member *leader = wait_leader(cluster, 5000);
    if (leader != NULL) {
        run_for(cluster, 500);
        unsigned away = (leader->number + 1) % 5;
        for (unsigned i = 0; i < 5; i++)
            cut(cluster, away, i, i != away);
        raft_member_submit(leader, 1); /* reaches the others */
        run_for(cluster, 30);
        for (unsigned i = 0; i < 5; i++) { /* what follows reaches the one that was away only */
            cut(cluster, leader->number, i, i != leader->number && i != away);
            cut(cluster, leader->number, away, false);
        }
        struct hor_raft_configuration to;
        hor_raft_get_configuration(leader->raft, &to);
        to.count--;
        if (to.members[to.count].id == leader->number + 1) /* removes another than itself */
            to.members[to.count - 1] = to.members[to.count];
        raft_member_change(leader, &to);
        raft_member_submit(leader, 1);
        run_for(cluster, 200);
        leader->gone = true;
        raft_member_crash(leader, INT32_MAX);
        memset(cluster->world.net.cut, 0, sizeof cluster->world.net.cut);
        run_for(cluster, 5000);
        if (!cluster->world.broken && cluster->members[away].disk.last < 3)
            world_law(&cluster->world, "the schedule did not come about");
    }
    return end(cluster, text);
}

/* Two of three are up. One has the longer log and the lower term, the other the higher term: both
 * refuse one another, and the first must learn the term. */
bool raft_guard_3(unsigned guards_off, char text[300])
{
    struct raft_cluster *cluster = malloc(sizeof *cluster);
    begin(cluster, 3, false, guards_off);
    for (unsigned i = 0; i < 2; i++) {
        struct raft_member *member = &cluster->members[i];
        member->disk.last = i == 0 ? 4 : 3;
        for (uint64_t k = 2; k <= member->disk.last; k++)
            member->disk.slots[k] =
                (struct raft_slot){.term = 2, .value = k, .kind = HOR_RAFT_COMMAND};
        member->term = i == 0 ? 2 : 5;
        raft_member_start(member);
    }
    if (wait_leader(cluster, 20000) == NULL)
        world_law(&cluster->world, "two of three members are up and none leads for 20 s");
    return end(cluster, text);
}

/* A leader that is cut off takes all that comes, and so does its successor. Then the majority needs
 * the first one, whose entries a leader that does not know it has to find wrong one a round trip. */
bool raft_guard_7(unsigned guards_off, char text[300])
{
    struct raft_cluster *cluster = malloc(sizeof *cluster);
    begin(cluster, 3, false, guards_off);
    for (unsigned i = 0; i < 3; i++)
        raft_member_start(&cluster->members[i]);
    struct raft_member *old = wait_leader(cluster, 5000);
    if (old != NULL) {
        run_for(cluster, 500);
        for (unsigned i = 0; i < 3; i++)
            cut(cluster, old->number, i, i != old->number);
        int64_t until_ms = cluster->world.now_ms + 1000;
        for (; old->leader && cluster->world.now_ms < until_ms; run_for(cluster, 1))
            raft_member_submit(old, 40);
        struct raft_member *leader = wait_leader(cluster, 5000);
        for (int i = 0; leader != NULL && i < 300; i++, run_for(cluster, 5))
            raft_member_submit(leader, 64);
        /* The third goes, the first returns. */
        for (unsigned i = 0; leader != NULL && i < 3; i++)
            if (i != old->number && i != leader->number) {
                cluster->members[i].gone = true;
                raft_member_crash(&cluster->members[i], INT32_MAX);
            }
        if (leader != NULL)
            raft_member_crash(leader, 10);
        memset(cluster->world.net.cut, 0, sizeof cluster->world.net.cut);
        uint64_t before = cluster->committed_last;
        until_ms = cluster->world.now_ms + 10000;
        while (cluster->committed_last <= before + 1 && cluster->world.now_ms < until_ms &&
               !cluster->world.broken) {
            leader = raft_cluster_leader(cluster);
            if (leader != NULL)
                raft_member_submit(leader, 1);
            run_for(cluster, 20);
        }
        if (cluster->committed_last <= before + 1)
            world_law(&cluster->world, "nothing was committed within 10 s after the member returned");
    }
    return end(cluster, text);
}

static void answer(struct raft_member *leader, uint64_t from, uint64_t rejected, uint64_t last)
{
    struct hor_raft_message message = {.kind = HOR_RAFT_APPEND_ENTRIES_RESULT, .peer = from,
                                       .version = 1, .term = hor_raft_term(leader->raft),
                                       .rejected = rejected, .last_index = last,
                                       .capacity = UINT16_MAX};
    struct hor_error err;
    raft_check(leader, hor_raft_receive(leader->raft, leader->cluster->world.now_ms, 1, &message,
                                        &err), &err);
    raft_member_settle(leader);
}

/* A refusal comes late, after the success that followed it. The member must get entries still. */
bool raft_guard_8(unsigned guards_off, char text[300])
{
    struct raft_cluster *cluster = malloc(sizeof *cluster);
    begin(cluster, 3, false, guards_off);
    for (unsigned i = 0; i < 3; i++)
        raft_member_start(&cluster->members[i]);
    struct raft_member *leader = wait_leader(cluster, 5000);
    if (leader != NULL) {
        struct raft_member *other = &cluster->members[(leader->number + 1) % 3];
        for (int i = 0; i < 10; i++, run_for(cluster, 20))
            raft_member_submit(leader, 5);
        run_for(cluster, 100);
        uint64_t match = other->disk.last;
        for (unsigned i = 0; i < 3; i++)
            cut(cluster, other->number, i, i != other->number);
        raft_member_submit(leader, 5); /* lost on the way to it */
        run_for(cluster, 20);
        answer(leader, other->number + 1, match + 3, match); /* there was a gap: send from there */
        answer(leader, other->number + 1, match, match - 10); /* and this one is old */
        memset(cluster->world.net.cut, 0, sizeof cluster->world.net.cut);
        for (int i = 0; i < 100; i++, run_for(cluster, 20))
            if ((leader = raft_cluster_leader(cluster)) != NULL)
                raft_member_submit(leader, 1);
        run_for(cluster, 1000);
        raft_law_healed(cluster, 0);
    }
    return end(cluster, text);
}

/* Three of four are up, and one of them has not got the change that gives it its vote. */
bool raft_guard_10(unsigned guards_off, char text[300])
{
    struct raft_cluster *cluster = malloc(sizeof *cluster);
    struct raft_plan plan = {.voters = 3, .spares = 1, .guards_off = guards_off};
    raft_cluster_init(cluster, &plan, 1);
    struct hor_raft_configuration *first = &cluster->configurations[0];
    first->members[first->count++] = (struct hor_raft_member){.id = 4, .role = HOR_RAFT_SPARE};
    cluster->configurations[1] = *first;
    cluster->configurations[1].members[3].role = HOR_RAFT_VOTER;
    cluster->configuration_count = 2;
    for (unsigned i = 0; i < 4; i++) {
        struct raft_member *member = &cluster->members[i];
        member->disk.slots[1] = (struct raft_slot){.term = 1, .kind = HOR_RAFT_CHANGE};
        member->disk.slots[2] = (struct raft_slot){.term = 1, .value = 1, .kind = HOR_RAFT_CHANGE};
        member->disk.last = i == 3 ? 1 : 2;
        member->term = 1;
        if (i != 2)
            raft_member_start(member);
    }
    if (wait_leader(cluster, 20000) == NULL)
        world_law(&cluster->world, "three of four members are up and none leads for 20 s");
    return end(cluster, text);
}

/* A leader that nobody hears removes itself; then another one of four is gone for good. */
bool raft_guard_5(unsigned guards_off, char text[300])
{
    struct raft_cluster *cluster = malloc(sizeof *cluster);
    begin(cluster, 4, true, guards_off);
    for (unsigned i = 0; i < 4; i++)
        raft_member_start(&cluster->members[i]);
    struct raft_member *leader = wait_leader(cluster, 5000);
    if (leader != NULL) {
        raft_member_submit(leader, 1);
        run_for(cluster, 200);
        struct raft_member *other = &cluster->members[(leader->number + 1) % 4];
        for (unsigned i = 0; i < 4; i++)
            cut(cluster, leader->number, i, i != leader->number);
        struct hor_raft_configuration to;
        hor_raft_get_configuration(leader->raft, &to);
        for (unsigned i = 0; i < to.count; i++)
            if (to.members[i].id == leader->id) {
                to.members[i] = to.members[--to.count];
                break;
            }
        raft_member_change(leader, &to);
        run_for(cluster, 50);
        raft_member_crash(leader, 10);
        other->gone = true;
        raft_member_crash(other, INT32_MAX);
        memset(cluster->world.net.cut, 0, sizeof cluster->world.net.cut);
        if (wait_leader(cluster, 20000) == NULL)
            world_law(&cluster->world, "three of four members are up and none leads for 20 s");
    }
    return end(cluster, text);
}

/* Hands a member a message that some leader might have sent. */
static void hand(struct raft_member *to, uint64_t from, uint64_t term, uint64_t prev_index,
                 uint64_t prev_term, const struct raft_slot *slots, unsigned count)
{
    struct hor_raft_entry entries[4];
    struct hor_raft_message message = {.kind = HOR_RAFT_APPEND_ENTRIES, .peer = from, .version = 1,
                                       .term = term, .prev_index = prev_index,
                                       .prev_term = prev_term, .commit = 1, .entries = entries,
                                       .entry_count = count};
    struct raft_cluster *cluster = to->cluster;
    struct hor_error err;
    for (unsigned i = 0; i < count; i++)
        entries[i] = (struct hor_raft_entry){
            .term = slots[i].term, .kind = slots[i].kind,
            .configuration = slots[i].kind == HOR_RAFT_CHANGE
                                 ? &cluster->configurations[slots[i].value] : NULL};
    to->incoming = slots;
    to->incoming_count = count;
    raft_check(to, hor_raft_receive(to->raft, cluster->world.now_ms, 1, &message, &err), &err);
    to->incoming = NULL;
    to->incoming_count = 0;
    raft_member_settle(to);
}

/* The first entries come once more, when a snapshot has long replaced them. */
bool raft_guard_11(unsigned guards_off, char text[300])
{
    struct raft_cluster *cluster = malloc(sizeof *cluster);
    begin(cluster, 3, false, guards_off);
    cluster->plan.snapshots = true;
    for (unsigned i = 0; i < 3; i++)
        raft_member_start(&cluster->members[i]);
    struct raft_member *leader = wait_leader(cluster, 5000);
    if (leader != NULL) {
        for (int i = 0; i < 40; i++, run_for(cluster, 20))
            raft_member_submit(leader, 5);
        struct raft_member *other = &cluster->members[(leader->number + 1) % 3];
        if (other->log.first <= 3)
            world_law(&cluster->world, "the schedule did not come about");
        hand(other, leader->id, leader->term, 0, 0, &leader->log.slots[1], 3);
        run_for(cluster, 2000);
        raft_law_healed(cluster, 0);
    }
    return end(cluster, text);
}

/* Two changes in one message, the first of them committed; another leader replaces the second. */
bool raft_guard_12(unsigned guards_off, char text[300])
{
    struct raft_cluster *cluster = malloc(sizeof *cluster);
    begin(cluster, 5, true, guards_off);
    struct raft_member *member = &cluster->members[0];
    const struct raft_slot changes[2] = {{.term = 2, .value = 1, .kind = HOR_RAFT_CHANGE},
                                         {.term = 2, .value = 2, .kind = HOR_RAFT_CHANGE}};
    const struct raft_slot barrier = {.term = 3, .kind = HOR_RAFT_BARRIER};
    for (unsigned i = 1; i <= 2; i++) {
        struct hor_raft_configuration *to = &cluster->configurations[i];
        *to = cluster->configurations[i - 1];
        to->members[to->count++] = (struct hor_raft_member){.id = 5 + i, .role = HOR_RAFT_STANDBY};
    }
    cluster->configuration_count = 3;
    raft_member_start(member);
    hand(member, 2, 2, 1, 1, changes, 2);
    run_for(cluster, 50);
    hand(member, 3, 3, 2, 2, &barrier, 1);
    run_for(cluster, 50);
    return end(cluster, text);
}

/* Member 1 led once and gave 5 its vote, which nobody else knows. Another leads, and removes 1 with
 * the help of one more; then only 1, 5 and one that knows of neither change are left. */
bool raft_guard_13(unsigned guards_off, char text[300])
{
    struct raft_cluster *cluster = malloc(sizeof *cluster);
    struct raft_plan plan = {.voters = 4, .spares = 1, .guards_off = guards_off};
    raft_cluster_init(cluster, &plan, 1);
    struct hor_raft_configuration *first = &cluster->configurations[0], to;
    first->members[first->count++] = (struct hor_raft_member){.id = 5, .role = HOR_RAFT_STANDBY};
    cluster->configurations[1] = *first;
    cluster->configurations[1].members[4].role = HOR_RAFT_VOTER;
    cluster->configuration_count = 2;
    for (unsigned i = 0; i < 5; i++) {
        struct raft_member *member = &cluster->members[i];
        member->disk.slots[1] = (struct raft_slot){.term = 1, .kind = HOR_RAFT_CHANGE};
        member->disk.slots[2] = (struct raft_slot){.term = 1, .value = 1, .kind = HOR_RAFT_CHANGE};
        member->disk.last = i == 0 || i == 4 ? 2 : 1;
        member->term = 1;
        if (member->disk.last == 1)
            raft_member_start(member);
    }
    struct raft_member *leader = wait_leader(cluster, 20000);
    if (leader != NULL) {
        struct raft_member *helper = &cluster->members[leader->number % 3 + 1];
        unsigned third = 1 + 2 + 3 - leader->number - helper->number;
        run_for(cluster, 60);
        cut(cluster, leader->number, third, true);
        hor_raft_get_configuration(leader->raft, &to);
        to.members[0] = to.members[--to.count]; /* that was member 1 */
        for (int i = 0; i < 3; i++, run_for(cluster, 40))
            raft_member_change(leader, &to);
        leader->gone = helper->gone = true;
        raft_member_crash(leader, INT32_MAX);
        raft_member_crash(helper, INT32_MAX);
        memset(cluster->world.net.cut, 0, sizeof cluster->world.net.cut);
        raft_member_start(&cluster->members[0]);
        raft_member_start(&cluster->members[4]);
        leader = wait_leader(cluster, 20000);
        if (leader != NULL)
            raft_member_submit(leader, 1);
        run_for(cluster, 1000);
        if (leader == NULL)
            world_law(&cluster->world, "the schedule did not come about");
    }
    return end(cluster, text);
}

/* Leadership is passed on while entries are on their way. */
bool raft_guard_14(unsigned guards_off, char text[300])
{
    struct raft_cluster *cluster = malloc(sizeof *cluster);
    begin(cluster, 3, false, guards_off);
    for (unsigned i = 0; i < 3; i++)
        raft_member_start(&cluster->members[i]);
    struct raft_member *leader = wait_leader(cluster, 5000);
    for (int round = 0; leader != NULL && round < 5 && !cluster->world.broken; round++) {
        struct raft_member *other = &cluster->members[(leader->number + 1) % 3];
        for (int i = 0; i < 50; i++, run_for(cluster, 1))
            raft_member_submit(leader, 1);
        hor_raft_transfer(leader->raft, cluster->world.now_ms, other->id, NULL);
        raft_member_settle(leader);
        run_for(cluster, RAFT_ELECTION_MS - 50);
        if (!other->leader)
            world_law(&cluster->world, "leadership was not passed on under load");
        leader = other;
    }
    return end(cluster, text);
}

/* The laws. Each is looked at where it could be broken: at every vote, commit, application and step. */
#include "tests/simulation/raft_cluster.h"

uint64_t raft_mix(uint64_t hash, const struct raft_slot *slot)
{
    hash = (hash ^ slot->value) * 0x100000001b3u;
    hash = (hash ^ slot->term) * 0x100000001b3u;
    return (hash ^ (uint64_t)slot->kind) * 0x9e3779b97f4a7c15u;
}

static bool same(const struct raft_slot *a, const struct raft_slot *b)
{
    return a->term == b->term && a->value == b->value && a->kind == b->kind;
}

/* One leader in each term. */
void raft_law_role(struct raft_member *member, bool leader, uint64_t term)
{
    struct raft_cluster *cluster = member->cluster;
    if (!leader || term >= RAFT_TERMS_MAX)
        return;
    if (cluster->leader_of[term] != 0 && cluster->leader_of[term] != member->id)
        world_law(&cluster->world, "members %" PRIu64 " and %" PRIu64 " both lead term %" PRIu64,
                  cluster->leader_of[term], member->id, term);
    if (cluster->leader_of[term] == 0)
        cluster->elections++;
    cluster->leader_of[term] = member->id;
}

/* Terms do not fall; one vote in each. */
void raft_law_state(struct raft_member *member, uint64_t term, uint64_t vote)
{
    struct world *world = &member->cluster->world;
    if (term < member->term)
        world_law(world, "member %" PRIu64 ": the term falls", member->id);
    if (term == member->term && member->vote != 0 && vote != member->vote)
        world_law(world, "member %" PRIu64 " votes twice in term %" PRIu64, member->id, term);
}

static bool has_durably(const struct raft_member *member, uint64_t index,
                        const struct raft_slot *slot)
{
    const struct raft_log *disk = &member->disk;
    return disk->snapshot.index >= index || (index >= disk->first && index <= disk->last &&
                                             same(&disk->slots[index], slot));
}

/* What is committed for the first time is on the disks of a majority of those who vote. */
static void majority_has(struct raft_member *member, uint64_t index)
{
    struct raft_cluster *cluster = member->cluster;
    struct hor_raft_configuration now;
    unsigned voters = 0, copies = 0;
    hor_raft_get_configuration(member->raft, &now);
    for (unsigned i = 0; i < now.count; i++) {
        if (now.members[i].role != HOR_RAFT_VOTER)
            continue;
        voters++;
        const struct raft_member *voter = raft_member_of(cluster, now.members[i].id);
        /* A disk that was lost had it when it was acknowledged. */
        copies += voter != NULL ? has_durably(voter, index, &member->log.slots[index])
                                : cluster->lost_last[now.members[i].id] >= index;
    }
    if (copies <= voters / 2)
        world_law(&cluster->world, "member %" PRIu64 " commits entry %" PRIu64 " with %u of %u disks",
                  member->id, index, copies, voters);
}

/* The commit index never goes back, and what is committed is the same for everybody for ever. */
void raft_law_commit(struct raft_member *member, uint64_t commit)
{
    struct raft_cluster *cluster = member->cluster;
    struct world *world = &cluster->world;
    if (commit < member->commit)
        world_law(world, "member %" PRIu64 ": the commit index goes back from %" PRIu64 " to %" PRIu64,
                  member->id, member->commit, commit);
    if (member->installing || commit <= member->log.snapshot.index)
        return; /* a snapshot's state is compared when it is restored */
    if (commit > member->log.last) {
        world_law(world, "member %" PRIu64 " commits %" PRIu64 ", its log ends at %" PRIu64,
                  member->id, commit, member->log.last);
        return;
    }
    if (commit > cluster->committed_last && member->leader)
        majority_has(member, commit); /* its copies stand for all before it */
    uint64_t from = member->commit + 1 > member->log.first ? member->commit + 1 : member->log.first;
    for (uint64_t i = from; i <= commit && !world->broken; i++) {
        const struct raft_slot *slot = &member->log.slots[i];
        if (i == cluster->committed_last + 1) {
            cluster->committed[i] = *slot;
            cluster->hashes[i] = raft_mix(cluster->hashes[i - 1], slot);
            cluster->committed_last = i;
        } else if (i > cluster->committed_last || !same(&cluster->committed[i], slot)) {
            world_law(world, "member %" PRIu64 " commits another entry %" PRIu64 " than others",
                      member->id, i);
        }
    }
}

/* The same sequence everywhere, from snapshots as well. */
void raft_law_apply(struct raft_member *member, const struct raft_slot *slot)
{
    struct raft_cluster *cluster = member->cluster;
    uint64_t index = member->state.index;
    if (index > cluster->committed_last || !same(&cluster->committed[index], slot))
        world_law(&cluster->world, "member %" PRIu64 " applies %" PRIu64 ", which is not what was committed",
                  member->id, index);
    else if (member->state.hash != cluster->hashes[index])
        world_law(&cluster->world, "member %" PRIu64 ": another state at %" PRIu64 " than others",
                  member->id, index);
}

/* The members that count are those of the newest change in the log. */
static void configuration_is_newest(struct raft_member *member)
{
    struct raft_cluster *cluster = member->cluster;
    const struct raft_log *log = &member->log;
    struct hor_raft_configuration now;
    unsigned wanted = log->snapshot.configuration;
    uint64_t i = log->last;
    while (i >= log->first && i > 0 && log->slots[i].kind != HOR_RAFT_CHANGE)
        i--;
    if (i >= log->first && i > 0)
        wanted = (unsigned)log->slots[i].value;
    else if (log->snapshot.index == 0)
        return; /* a spare that has nothing yet */
    hor_raft_get_configuration(member->raft, &now);
    const struct hor_raft_configuration *want = &cluster->configurations[wanted];
    bool equal = now.count == want->count;
    for (unsigned k = 0; equal && k < now.count; k++) {
        bool found = false;
        for (unsigned m = 0; m < want->count; m++)
            found |= now.members[k].id == want->members[m].id &&
                     now.members[k].role == want->members[m].role;
        equal = found;
    }
    if (!equal)
        world_law(&cluster->world,
                  "member %" PRIu64 " counts other members than the newest change in its log says "
                  "(configuration %u)",
                  member->id, wanted);
}

void raft_law_step(struct raft_member *member)
{
    struct raft_cluster *cluster = member->cluster;
    uint64_t index = member->state.index;
    if (index > 0 && index <= cluster->committed_last &&
        member->state.hash != cluster->hashes[index])
        world_law(&cluster->world, "member %" PRIu64 ": another state at %" PRIu64 " than others",
                  member->id, index);
    if (cluster->plan.changes && !member->installing)
        configuration_is_newest(member);
}

/* What a person wants to see when there is no leader. */
static void note_members(struct raft_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->count; i++) {
        const struct raft_member *member = &cluster->members[i];
        struct hor_raft_configuration now = {.count = 0};
        char roles[WORLD_MEMBERS * 4 + 1] = "";
        if (member->raft != NULL)
            hor_raft_get_configuration(member->raft, &now);
        for (unsigned k = 0; k < now.count; k++)
            snprintf(roles + strlen(roles), sizeof roles - strlen(roles), " %" PRIu64 "%c",
                     now.members[k].id, "vts"[now.members[k].role]);
        world_note(&cluster->world, "%" PRIu64 ": %s term %" PRIu64 " vote %" PRIu64 " log to %" PRIu64
                   " of term %" PRIu64 " counts%s", member->id, member->raft != NULL ? "up" : "down",
                   member->term, member->vote, member->log.last,
                   member->log.last >= member->log.first ? member->log.slots[member->log.last].term
                                                         : member->log.snapshot.term, roles);
    }
}

void raft_law_healed(struct raft_cluster *cluster, uint64_t committed_before)
{
    struct world *world = &cluster->world;
    struct raft_member *leader = raft_cluster_leader(cluster);
    struct hor_raft_configuration now;
    unsigned leaders = 0;
    note_members(cluster);
    if (cluster->committed_last <= committed_before)
        world_law(world, "nothing was committed after the faults ended");
    if (leader == NULL) {
        world_law(world, "no leader after the faults ended");
        return;
    }
    hor_raft_get_configuration(leader->raft, &now);
    for (unsigned i = 0; i < now.count; i++) {
        const struct raft_member *member = raft_member_of(cluster, now.members[i].id);
        if (now.members[i].role != HOR_RAFT_VOTER || member == NULL || member->gone)
            continue;
        leaders += member->leader;
        if (member->raft == NULL || member->state.index < cluster->committed_last)
            world_law(world, "member %" PRIu64 " did not catch up: %" PRIu64 " of %" PRIu64,
                      member->id, member->state.index, cluster->committed_last);
    }
    if (leaders != 1)
        world_law(world, "%u leaders at the end", leaders);
}

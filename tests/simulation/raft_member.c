/* One member: what consensus asks for, on a disk that forgets and a network that loses. */
#include "tests/simulation/raft_cluster.h"

struct letter {
    uint64_t to;
    unsigned from; /* place */
    struct hor_raft_message message;
    struct raft_slot *slots;
    struct raft_state snapshot;
    unsigned copies;
};

static void finish_first_write(struct raft_member *member);
static void on_written(void *ctx, void *arg);

void raft_check(struct raft_member *member, int rc, const struct hor_error *err)
{
    if (rc == HOR_ERR_INTERNAL || rc == HOR_ERR_STATE)
        world_law(&member->cluster->world, "member %" PRIu64 ": %s", member->id, err->text);
}

/* Runs again at the end of a pause. True: not now. */
static bool postpone(struct raft_member *member, world_fn *fn, world_fn *drop, void *arg)
{
    struct world *world = &member->cluster->world;
    if (member->paused_ms <= world->now_ms)
        return false;
    world_at(world, member->paused_ms, fn, drop, member, arg);
    return true;
}

/* ---- what consensus asks for ---- */

static int on_state(uint64_t term, uint64_t vote, void *ctx)
{
    struct raft_member *member = ctx;
    raft_law_state(member, term, vote);
    member->term = term;
    member->vote = vote;
    return HOR_OK;
}

static void queue_write(struct raft_member *member, const struct raft_write *from)
{
    struct world *world = &member->cluster->world;
    struct raft_write *write = malloc(sizeof *write);
    int64_t at_ms = world->now_ms + 1 + (int64_t)world_random(world, 5);
    *write = *from;
    write->next = NULL;
    if (member->cluster->chaos && world_chance(world, 5))
        at_ms += 10 + (int64_t)world_random(world, 290);
    if (at_ms < member->written_ms)
        at_ms = member->written_ms;
    member->written_ms = at_ms;
    *member->last_write = write;
    member->last_write = &write->next;
    world_at(world, at_ms, on_written, NULL, member, (void *)(uintptr_t)member->life);
}

static void on_append(uint64_t index, unsigned first, unsigned count, uint64_t term, bool barrier,
                      uint64_t epoch, void *ctx)
{
    struct raft_member *member = ctx;
    struct world *world = &member->cluster->world;
    struct raft_log *log = &member->log;
    if (index <= member->state.index)
        world_law(world, "member %" PRIu64 " replaces applied entry %" PRIu64, member->id, index);
    if (index > log->last + 1 || index < log->first || index + count >= RAFT_LOG_MAX ||
        (!barrier && first + count > member->incoming_count)) {
        world_law(world, "member %" PRIu64 " appends at %" PRIu64 " after %" PRIu64, member->id,
                  index, log->last);
        return;
    }
    if (index <= log->last)
        world_note(world, "%" PRIu64 " drops %" PRIu64 "..%" PRIu64, member->id, index, log->last);
    for (unsigned i = 0; i < count; i++)
        log->slots[index + i] = barrier ? (struct raft_slot){.term = term, .kind = HOR_RAFT_BARRIER}
                                        : member->incoming[first + i];
    log->last = index + count - 1;
    struct raft_write write = {.kind = RAFT_WRITE_APPEND, .index = index, .epoch = epoch,
                               .count = count, .slots = malloc(count * sizeof *write.slots)};
    memcpy(write.slots, &log->slots[index], count * sizeof *write.slots);
    queue_write(member, &write);
}

static void on_install(const struct hor_raft_snapshot *snapshot, void *ctx)
{
    struct raft_member *member = ctx;
    struct raft_write write = {.kind = RAFT_WRITE_INSTALL, .snapshot = member->log.snapshot};
    member->installing = true;
    if (write.snapshot.index != snapshot->index)
        world_law(&member->cluster->world, "member %" PRIu64 " installs another snapshot than it got",
                  member->id);
    member->log.first = snapshot->index + 1;
    member->log.last = snapshot->index;
    world_note(&member->cluster->world, "%" PRIu64 " installs snapshot %" PRIu64, member->id,
               snapshot->index);
    member->cluster->installs++;
    queue_write(member, &write);
}

static void letter_free(void *ctx, void *arg)
{
    struct letter *letter = arg;
    (void)ctx;
    if (--letter->copies > 0)
        return;
    free(letter->slots);
    free(letter);
}

static void on_letter(void *ctx, void *arg)
{
    struct raft_member *member = ctx;
    struct letter *letter = arg;
    struct raft_cluster *cluster = member->cluster;
    struct hor_error err;
    if (postpone(member, on_letter, letter_free, letter))
        return;
    if (member->raft == NULL || member->id != letter->to ||
        cluster->world.net.cut[letter->from][member->number]) {
        letter_free(NULL, letter);
        return;
    }
    struct hor_raft_message message = letter->message;
    unsigned count = message.entry_count;
    struct hor_raft_entry *entries = calloc(count + 1, sizeof *entries);
    for (unsigned i = 0; i < count; i++)
        entries[i] = (struct hor_raft_entry){
            .term = letter->slots[i].term,
            .kind = letter->slots[i].kind,
            .configuration = letter->slots[i].kind == HOR_RAFT_CHANGE
                                 ? &cluster->configurations[letter->slots[i].value]
                                 : NULL};
    message.entries = count > 0 ? entries : NULL;
    member->incoming = letter->slots;
    member->incoming_count = count;
    struct raft_state before = member->log.snapshot;
    if (message.kind == HOR_RAFT_INSTALL_SNAPSHOT)
        member->log.snapshot = letter->snapshot; /* as received; install takes it from here */
    int rc = hor_raft_receive(member->raft, cluster->world.now_ms, 1, &message, &err);
    if (message.kind == HOR_RAFT_INSTALL_SNAPSHOT)
        member->log.snapshot = before;
    member->incoming = NULL;
    member->incoming_count = 0;
    raft_check(member, rc, &err);
    free(entries);
    letter_free(NULL, letter);
    raft_member_settle(member);
}

static void on_send(const struct hor_raft_message *message, void *ctx)
{
    struct raft_member *member = ctx;
    struct raft_cluster *cluster = member->cluster;
    struct raft_log *log = &member->log;
    struct raft_member *receiver = raft_member_of(cluster, message->peer);
    struct letter *letter;
    if (message->peer == 0 || message->peer == member->id) {
        world_law(&cluster->world, "member %" PRIu64 " sends to itself or nobody", member->id);
        return;
    }
    if (receiver == NULL)
        return; /* who had this id is no more */
    unsigned to = receiver->number;
    if (message->entry_count > 0 && (message->prev_index + 1 < log->first ||
                                     message->prev_index + message->entry_count > log->last)) {
        world_law(&cluster->world, "member %" PRIu64 " sends entries it has not", member->id);
        return;
    }
    if (message->kind == HOR_RAFT_INSTALL_SNAPSHOT &&
        (member->disk.snapshot.index != message->last_index ||
         member->disk.snapshot.term != message->last_term))
        return; /* a newer one took its place: it is asked for again */
    letter = calloc(1, sizeof *letter);
    *letter = (struct letter){.from = member->number, .to = message->peer, .message = *message};
    letter->message.peer = member->id;
    letter->message.entries = NULL;
    if (message->kind == HOR_RAFT_INSTALL_SNAPSHOT) {
        letter->snapshot = member->disk.snapshot;
        letter->message.configuration =
            cluster->configurations[member->disk.snapshot.configuration];
        letter->message.configuration_index = member->disk.snapshot.configuration_index;
    }
    if (message->entry_count > 0) {
        letter->slots = malloc(message->entry_count * sizeof *letter->slots);
        memcpy(letter->slots, &log->slots[message->prev_index + 1],
               message->entry_count * sizeof *letter->slots);
    }
    unsigned copies = cluster->world.net.reorder && world_chance(&cluster->world, 5) ? 2 : 1;
    letter->copies = 1;
    for (unsigned i = 0; i < copies; i++) {
        int64_t at_ms = world_arrival(&cluster->world, member->number, to);
        if (at_ms < 0)
            continue;
        letter->copies++;
        world_at(&cluster->world, at_ms, on_letter, letter_free, &cluster->members[to], letter);
    }
    letter_free(NULL, letter);
}

static void on_timeout(void *ctx, void *arg)
{
    struct raft_member *member = ctx;
    struct hor_error err;
    if (postpone(member, on_timeout, NULL, arg))
        return;
    if (member->raft == NULL || member->life != (uintptr_t)arg || member->timer_ms < 0 ||
        member->timer_ms > member->cluster->world.now_ms)
        return;
    member->timer_ms = -1;
    raft_check(member, hor_raft_timeout(member->raft, member->cluster->world.now_ms, &err), &err);
    raft_member_settle(member);
}

static void on_timer(int64_t at_ms, void *ctx)
{
    struct raft_member *member = ctx;
    if (member->timer_ms == at_ms)
        return;
    member->timer_ms = at_ms;
    world_at(&member->cluster->world, at_ms, on_timeout, NULL, member,
             (void *)(uintptr_t)member->life);
}

static void on_role(bool leader, uint64_t leader_id, uint64_t term, void *ctx)
{
    struct raft_member *member = ctx;
    (void)leader_id;
    if (leader && !member->leader)
        world_note(&member->cluster->world, "%" PRIu64 " leads term %" PRIu64 ", log to %" PRIu64,
                   member->id, term, member->log.last);
    member->leader = leader;
    raft_law_role(member, leader, term);
}

static void on_commit(uint64_t commit, void *ctx)
{
    struct raft_member *member = ctx;
    raft_law_commit(member, commit);
    if (commit > member->commit)
        member->commit = commit;
}

static const struct hor_raft_ops ops = {.state = on_state,
                                        .append = on_append,
                                        .install = on_install,
                                        .send = on_send,
                                        .timer = on_timer,
                                        .role = on_role,
                                        .commit = on_commit};

/* ---- disk ---- */

static void to_disk(struct raft_member *member, const struct raft_write *write)
{
    struct raft_log *disk = &member->disk;
    switch (write->kind) {
    case RAFT_WRITE_APPEND:
        memcpy(&disk->slots[write->index], write->slots, write->count * sizeof *write->slots);
        disk->last = write->index + write->count - 1;
        break;
    case RAFT_WRITE_SNAPSHOT:
        disk->snapshot = write->snapshot;
        if (write->snapshot.index > RAFT_TRAILING &&
            disk->first < write->snapshot.index - RAFT_TRAILING + 1)
            disk->first = write->snapshot.index - RAFT_TRAILING + 1;
        break;
    case RAFT_WRITE_INSTALL:
        disk->snapshot = write->snapshot;
        disk->first = write->snapshot.index + 1;
        disk->last = write->snapshot.index;
        break;
    }
}

static void finish_first_write(struct raft_member *member)
{
    struct raft_write *write = member->writes;
    member->writes = write->next;
    if (member->writes == NULL)
        member->last_write = &member->writes;
    free(write->slots);
    free(write);
}

static struct hor_raft_snapshot place_of(const struct raft_cluster *cluster,
                                         const struct raft_state *state)
{
    return (struct hor_raft_snapshot){.index = state->index, .term = state->term,
                                      .configuration = cluster->configurations[state->configuration],
                                      .configuration_index = state->configuration_index};
}

static void on_written(void *ctx, void *arg)
{
    struct raft_member *member = ctx;
    struct raft_cluster *cluster = member->cluster;
    struct hor_error err;
    if (postpone(member, on_written, NULL, arg))
        return;
    if (member->raft == NULL || member->life != (uintptr_t)arg || member->writes == NULL)
        return;
    struct raft_write write = *member->writes;
    struct hor_raft_snapshot place = place_of(cluster, &write.snapshot);
    int rc;
    to_disk(member, &write);
    finish_first_write(member);
    switch (write.kind) {
    case RAFT_WRITE_APPEND:
        rc = hor_raft_persisted(member->raft, cluster->world.now_ms, write.index + write.count - 1,
                                write.epoch, &err);
        break;
    case RAFT_WRITE_SNAPSHOT:
        member->snapshotting = false;
        cluster->snapshots++;
        if (write.snapshot.index > member->log.snapshot.index && !member->installing) {
            member->log.snapshot = write.snapshot;
            if (member->disk.first > member->log.first)
                member->log.first = member->disk.first;
        }
        rc = hor_raft_snapshot_taken(member->raft, cluster->world.now_ms, &place, RAFT_TRAILING,
                                     &err);
        break;
    default:
        member->installing = false;
        member->log.snapshot = member->state = write.snapshot;
        rc = hor_raft_installed(member->raft, cluster->world.now_ms, &place, &err);
    }
    raft_check(member, rc, &err);
    raft_member_settle(member);
}

/* ---- life ---- */

static void on_start(void *ctx, void *arg)
{
    struct raft_member *member = ctx;
    (void)arg;
    if (member->raft == NULL && !member->gone && member->up_ms <= member->cluster->world.now_ms)
        raft_member_start(member);
}

void raft_member_start(struct raft_member *member)
{
    struct raft_cluster *cluster = member->cluster;
    struct hor_raft_settings settings = {.self = member->id, .incarnation = 1,
                                         .election_ms = RAFT_ELECTION_MS,
                                         .heartbeat_ms = RAFT_HEARTBEAT_MS,
                                         .seed = (unsigned)world_random(&cluster->world, 1u << 30)};
    const struct raft_log *disk = &member->disk;
    uint64_t count = disk->last + 1 - disk->first;
    struct hor_raft_entry *entries = calloc(count + 1, sizeof *entries);
    struct hor_raft_start begin = {.term = member->term, .vote = member->vote,
                                   .first_index = disk->first, .entries = entries,
                                   .entry_count = (unsigned)count};
    struct hor_error err;
    if (disk->snapshot.index > 0)
        begin.snapshot = place_of(cluster, &disk->snapshot);
    member->log.first = disk->first;
    member->log.last = disk->last;
    member->log.snapshot = member->state = disk->snapshot;
    for (uint64_t i = 0; i < count; i++) {
        const struct raft_slot *slot = &disk->slots[disk->first + i];
        member->log.slots[disk->first + i] = *slot;
        entries[i] = (struct hor_raft_entry){
            .term = slot->term, .kind = slot->kind,
            .configuration =
                slot->kind == HOR_RAFT_CHANGE ? &cluster->configurations[slot->value] : NULL};
    }
    member->commit = 0;
    member->leader = member->installing = member->snapshotting = false;
    member->timer_ms = -1;
    world_note(&cluster->world, "%" PRIu64 " starts: term %" PRIu64 ", entries %" PRIu64 "..%" PRIu64,
               member->id, member->term, disk->first, disk->last);
    hor_raft_new(&settings, &ops, member, &member->raft, &err);
    for (int g = 1; g <= 14; g++)
        if (cluster->plan.guards_off & (1u << g))
            hor_raft_test_disable_guard(member->raft, g);
    raft_check(member, hor_raft_start(member->raft, cluster->world.now_ms, &begin, &err), &err);
    free(entries);
    raft_member_settle(member);
}

struct raft_member *raft_member_of(struct raft_cluster *cluster, uint64_t id)
{
    for (unsigned i = 0; i < cluster->count; i++)
        if (cluster->members[i].id == id)
            return &cluster->members[i];
    return NULL;
}

void raft_member_wipe(struct raft_member *member, int64_t down_ms)
{
    struct raft_cluster *cluster = member->cluster;
    uint64_t before = member->id;
    raft_member_crash(member, down_ms);
    cluster->lost_last[before] = member->disk.last;
    member->disk = (struct raft_log){.slots = member->disk.slots, .first = 1};
    member->term = member->vote = 0;
    member->id = ++cluster->last_id;
    cluster->wipes++;
    world_note(&cluster->world, "%" PRIu64 " loses its disk, and comes back as %" PRIu64, before,
               member->id);
}

void raft_member_crash(struct raft_member *member, int64_t down_ms)
{
    struct raft_cluster *cluster = member->cluster;
    unsigned survive = (unsigned)world_random(&cluster->world, 4);
    if (member->raft == NULL)
        return;
    while (member->writes != NULL) {
        struct raft_write *write = member->writes;
        if (survive > 0) {
            survive--;
            if (write->kind == RAFT_WRITE_APPEND && world_chance(&cluster->world, 30)) {
                write->count = 1 + (unsigned)world_random(&cluster->world, write->count);
                survive = 0; /* a torn batch, and nothing after it */
            }
            to_disk(member, write);
        }
        finish_first_write(member);
    }
    member->written_ms = 0;
    hor_raft_free(member->raft);
    member->raft = NULL;
    member->leader = false;
    member->life++;
    member->paused_ms = 0;
    member->up_ms = cluster->world.now_ms + down_ms;
    cluster->crashes++;
    world_note(&cluster->world, "%" PRIu64 " crashes, keeps %" PRIu64 "..%" PRIu64, member->id,
               member->disk.first, member->disk.last);
    world_at(&cluster->world, member->up_ms, on_start, NULL, member, NULL);
}

static void apply(struct raft_member *member, uint64_t index)
{
    const struct raft_slot *slot = &member->log.slots[index];
    struct hor_error err;
    member->state.index = index;
    member->state.term = slot->term;
    member->state.hash = raft_mix(member->state.hash, slot);
    raft_law_apply(member, slot);
    if (slot->kind != HOR_RAFT_CHANGE)
        return;
    member->state.configuration = (unsigned)slot->value;
    member->state.configuration_index = index;
    raft_check(member, hor_raft_configured(member->raft, member->cluster->world.now_ms, index,
                                           &member->cluster->configurations[slot->value], &err),
               &err);
}

void raft_member_settle(struct raft_member *member)
{
    struct raft_cluster *cluster = member->cluster;
    while (member->raft != NULL && !member->installing && !cluster->world.broken &&
           member->state.index < member->commit && member->state.index < member->log.last)
        apply(member, member->state.index + 1);
    if (member->raft == NULL || cluster->world.broken)
        return;
    raft_law_step(member);
    if (cluster->plan.snapshots && !member->snapshotting && !member->installing &&
        member->state.index >= member->log.snapshot.index + 60 &&
        member->state.index <= member->disk.last) {
        struct raft_write write = {.kind = RAFT_WRITE_SNAPSHOT, .snapshot = member->state};
        member->snapshotting = true;
        queue_write(member, &write);
    }
}

void raft_member_submit(struct raft_member *member, unsigned count)
{
    struct raft_cluster *cluster = member->cluster;
    struct raft_slot slots[64];
    struct hor_error err;
    unsigned room = member->raft != NULL ? hor_raft_room(member->raft) : 0;
    if (count > room) {
        cluster->refused += count - room;
        count = room;
    }
    if (count > 64)
        count = 64;
    if (count == 0 || member->log.last + count + 8 >= RAFT_LOG_MAX || member->installing)
        return;
    for (unsigned i = 0; i < count; i++)
        slots[i] = (struct raft_slot){.term = hor_raft_term(member->raft),
                                      .value = ++cluster->next_value, .kind = HOR_RAFT_COMMAND};
    member->incoming = slots;
    member->incoming_count = count;
    raft_check(member, hor_raft_submit(member->raft, cluster->world.now_ms, count, &err), &err);
    member->incoming = NULL;
    member->incoming_count = 0;
    cluster->submits += count;
    raft_member_settle(member);
}

bool raft_member_change(struct raft_member *member, const struct hor_raft_configuration *to)
{
    struct raft_cluster *cluster = member->cluster;
    struct hor_error err;
    if (cluster->configuration_count == RAFT_CONFIGURATIONS_MAX)
        return false;
    unsigned number = cluster->configuration_count;
    struct raft_slot slot = {.term = hor_raft_term(member->raft), .value = number,
                             .kind = HOR_RAFT_CHANGE};
    cluster->configurations[number] = *to;
    member->incoming = &slot;
    member->incoming_count = 1;
    cluster->configuration_count++; /* first: the law looks at it during the call */
    int rc = hor_raft_change(member->raft, cluster->world.now_ms, to, &err);
    member->incoming = NULL;
    member->incoming_count = 0;
    if (rc == HOR_ERR_INTERNAL)
        raft_check(member, rc, &err);
    if (rc != HOR_OK)
        cluster->configuration_count--;
    if (rc == HOR_OK) {
        cluster->changes++;
        world_note(&cluster->world, "%" PRIu64 " changes members, configuration %u", member->id,
                   number);
    }
    raft_member_settle(member);
    return rc == HOR_OK;
}

struct raft_member *raft_cluster_leader(struct raft_cluster *cluster)
{
    struct raft_member *best = NULL;
    for (unsigned i = 0; i < cluster->count; i++) {
        struct raft_member *member = &cluster->members[i];
        if (member->raft != NULL && member->leader && (best == NULL || member->term > best->term))
            best = member;
    }
    return best;
}

/* ---- cluster ---- */

void raft_cluster_init(struct raft_cluster *cluster, const struct raft_plan *plan, uint64_t seed)
{
    memset(cluster, 0, sizeof *cluster);
    world_init(&cluster->world, seed);
    cluster->plan = *plan;
    cluster->count = plan->voters + plan->spares;
    cluster->last_id = cluster->count;
    cluster->committed = calloc(RAFT_LOG_MAX, sizeof *cluster->committed);
    cluster->hashes = calloc(RAFT_LOG_MAX, sizeof *cluster->hashes);
    cluster->configuration_count = 1;
    for (unsigned i = 0; i < plan->voters; i++)
        cluster->configurations[0].members[cluster->configurations[0].count++] =
            (struct hor_raft_member){.id = i + 1, .role = HOR_RAFT_VOTER};
    for (unsigned i = 0; i < cluster->count; i++) {
        struct raft_member *member = &cluster->members[i];
        member->cluster = cluster;
        member->number = i;
        member->id = i + 1;
        member->log.slots = calloc(RAFT_LOG_MAX, sizeof *member->log.slots);
        member->disk.slots = calloc(RAFT_LOG_MAX, sizeof *member->disk.slots);
        member->disk.first = 1;
        member->last_write = &member->writes;
        if (i >= plan->voters)
            continue; /* waits to be added: has nothing */
        member->disk.slots[1] = (struct raft_slot){.term = 1, .kind = HOR_RAFT_CHANGE};
        member->disk.last = 1;
        member->term = 1;
    }
}

void raft_cluster_done(struct raft_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->count; i++) {
        struct raft_member *member = &cluster->members[i];
        while (member->writes != NULL)
            finish_first_write(member);
        hor_raft_free(member->raft);
        free(member->log.slots);
        free(member->disk.slots);
    }
    free(cluster->committed);
    free(cluster->hashes);
    world_done(&cluster->world);
}

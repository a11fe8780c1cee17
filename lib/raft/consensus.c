/* Steps of libraft, and the guards around them (lib/raft/README.md tells why each is there). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/raft/private.h"

#if !defined(RAFT_VERSION_NUMBER) || RAFT_VERSION_NUMBER < 2201
#error "libraft 0.22.1 or newer is needed: older ones lose acknowledged entries"
#endif

enum { TIMER_FLOOR_MS = 10, UNCOMMITTED_MAX = 256, ALONE_MAX = 4096 };

bool hor_raft_guard(const struct hor_raft *raft, int number)
{
    return (raft->guards_off & (1u << number)) == 0;
}

int hor_raft_new(const struct hor_raft_settings *settings, const struct hor_raft_ops *ops,
                 void *ctx, struct hor_raft **ret, struct hor_error *err)
{
    char address[HOR_RAFT_SERVER_BYTES];
    struct hor_raft *raft = calloc(1, sizeof *raft);
    if (raft == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "consensus: out of memory");
    raft->settings = *settings;
    raft->ops = ops;
    raft->ctx = ctx;
    snprintf(address, sizeof address, "%llu", (unsigned long long)settings->self);
    if (settings->self == 0 || settings->election_ms <= 0 || settings->heartbeat_ms <= 0 ||
        settings->election_ms > 3600000 || settings->heartbeat_ms > settings->election_ms) {
        free(raft);
        return hor_error_set(err, HOR_ERR_INVALID,
                             "consensus: id 0, or times that do not fit each other");
    }
    if (raft_init(&raft->raft, NULL, NULL, settings->self, address) != 0) {
        free(raft);
        return hor_error_set(err, HOR_ERR_MEMORY, "consensus: out of memory");
    }
    raft->raft.tracer = NULL; /* its messages share one static buffer and cost more than a step */
    raft_seed(&raft->raft, settings->seed);
    raft_set_election_timeout(&raft->raft, (unsigned)settings->election_ms);
    raft_set_heartbeat_timeout(&raft->raft, (unsigned)settings->heartbeat_ms);
    raft_set_install_snapshot_timeout(&raft->raft, 20 * (unsigned)settings->election_ms);
    raft_set_pre_vote(&raft->raft, true);
    raft_set_max_inflight_entries(&raft->raft,
                                  settings->inflight_max ? settings->inflight_max : 1024);
    *ret = raft;
    return HOR_OK;
}

void hor_raft_free(struct hor_raft *raft)
{
    if (raft == NULL)
        return;
    raft_close(&raft->raft, NULL);
    free(raft);
}

int hor_raft_broken(struct hor_raft *raft, const char *what, const char *why, struct hor_error *err)
{
    raft->broken = true;
    return hor_error_set(err, HOR_ERR_INTERNAL, "consensus: %s: %s", what, why);
}

int hor_raft_usable(const struct hor_raft *raft, struct hor_error *err)
{
    if (raft->broken)
        return hor_error_set(err, HOR_ERR_STATE, "consensus stopped after an error");
    if (!raft->started)
        return hor_error_set(err, HOR_ERR_STATE, "consensus has not started");
    return HOR_OK;
}

uint64_t hor_raft_term_of(const struct hor_raft *raft, uint64_t index)
{
    const struct raft_trail *trail = &raft->raft.trail;
    /* Each record is a term, and the last index of it. */
    for (unsigned i = trail->front; index > trail->offset && i != trail->back;
         i = (i + 1) % trail->size)
        if (trail->records[i].index >= index)
            return trail->records[i].term;
    return index > 0 && index == trail->snapshot.index ? trail->snapshot.term : 0;
}

bool hor_raft_has_vote(const struct hor_raft *raft)
{
    const struct raft_configuration *conf = &raft->raft.configuration;
    for (unsigned i = 0; i < conf->n; i++)
        if (conf->servers[i].id == raft->settings.self)
            return conf->servers[i].role == RAFT_VOTER;
    return false;
}

void hor_raft_tell_role(struct hor_raft *raft)
{
    raft_id id = 0;
    const char *address = NULL;
    bool leader = raft_state(&raft->raft) == RAFT_LEADER;
    uint64_t term = raft_current_term(&raft->raft);
    raft_leader(&raft->raft, &id, &address);
    if (leader)
        id = raft->settings.self;
    if (leader == raft->role_leader && id == raft->role_id && term == raft->role_term)
        return;
    raft->role_leader = leader;
    raft->role_id = id;
    raft->role_term = term;
    raft->ops->role(leader, id, term, raft->ctx);
}

/* Guard 9: in some answers the library leaves the last index to what the stack held, and the leader
 * may take it for a copy that is not there. A refusal tells where our log ends; an answer to a
 * snapshot that was not needed tells what of it we have for certain. */
static void tell_last_index(const struct hor_raft *raft, struct hor_raft_message *result)
{
    uint64_t stored = raft->raft.last_stored;
    if (result->rejected > 0)
        result->last_index = raft_last_index((struct raft *)&raft->raft);
    else if (raft->snapshot_received != 0)
        result->last_index = stored < raft->snapshot_received ? stored : raft->snapshot_received;
}

static void tell_messages(struct hor_raft *raft, const struct raft_update *update)
{
    for (unsigned i = 0; i < update->messages.n; i++) {
        struct hor_raft_message message;
        if (hor_raft_message_out(&update->messages.batch[i], &message) != HOR_OK)
            continue;
        /* Guard 4: the library is known to address nobody, or itself. */
        if (hor_raft_guard(raft, 4) && (message.peer == 0 || message.peer == raft->settings.self))
            continue;
        /* Guard 3: whoever asks with an old term must learn ours from the refusal; the library
         * sends the asker's own term back, and two members can refuse one another for ever. */
        if (hor_raft_guard(raft, 3) && message.kind == HOR_RAFT_REQUEST_VOTE_RESULT && message.pre_vote &&
            !message.granted)
            message.term = raft_current_term(&raft->raft);
        if (hor_raft_guard(raft, 9) && message.kind == HOR_RAFT_APPEND_ENTRIES_RESULT)
            tell_last_index(raft, &message);
        raft->ops->send(&message, raft->ctx);
    }
}

static void tell_entries(struct hor_raft *raft, const struct raft_update *update)
{
    uint64_t index = update->entries.index;
    bool ours = index >= raft->base && index + update->entries.n <= raft->end;
    uint64_t term = update->entries.n ? update->entries.batch[0].term : 0;
    if (update->entries.n == 0)
        return;
    raft_free(update->entries.batch[0].batch);
    raft->ops->append(index, ours ? (unsigned)(index - raft->base) : 0, update->entries.n, term,
                      !ours, raft->epoch, raft->ctx);
}

/* Does what a step asks for, in the one order that is safe. */
static int carry_out(struct hor_raft *raft, int64_t now_ms, const struct raft_update *update,
                     struct hor_error *err)
{
    if (update->flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR)) {
        if (raft->ops->state(raft_current_term(&raft->raft), raft_voted_for(&raft->raft),
                             raft->ctx) != HOR_OK)
            return hor_raft_broken(raft, "term and vote", "they were not saved", err);
    }
    if (update->flags & RAFT_UPDATE_ENTRIES)
        tell_entries(raft, update);
    if (update->flags & RAFT_UPDATE_SNAPSHOT) {
        struct hor_raft_snapshot snapshot = {.index = update->snapshot.metadata.index,
                                             .term = update->snapshot.metadata.term,
                                             .configuration_index =
                                                 update->snapshot.metadata.configuration_index};
        struct raft_configuration conf = update->snapshot.metadata.configuration;
        hor_raft_configuration_in(&conf, &snapshot.configuration);
        raft_configuration_close(&conf);
        raft->epoch++;
        raft->ops->install(&snapshot, raft->ctx);
    }
    if (update->flags & RAFT_UPDATE_MESSAGES)
        tell_messages(raft, update);
    if (update->flags & (RAFT_UPDATE_TIMEOUT | RAFT_UPDATE_STATE)) {
        int64_t at_ms = (int64_t)raft_timeout(&raft->raft);
        /* Guard 5: for members without a vote the library gives times in the past. */
        if (hor_raft_guard(raft, 5) && at_ms < now_ms + TIMER_FLOOR_MS)
            at_ms = now_ms + TIMER_FLOOR_MS;
        raft->ops->timer(at_ms, raft->ctx);
    }
    hor_raft_tell_role(raft);
    if (update->flags & RAFT_UPDATE_COMMIT_INDEX) {
        uint64_t commit = raft_commit_index(&raft->raft);
        /* Guard 1: the library's index steps back when a leader's older message comes late. */
        if (hor_raft_guard(raft, 1) ? commit > raft->commit : commit != raft->commit) {
            raft->commit = commit;
            raft->ops->commit(commit, raft->ctx);
        }
    }
    return HOR_OK;
}

/* Guard 6, second part: states that the library only asserts, and its package asserts nothing. A
 * member that met one must not go on: what it says next might be believed. */
static const char *impossible(const struct hor_raft *raft)
{
    const struct raft *r = &raft->raft;
    uint64_t last = raft_last_index((struct raft *)r);
    if (r->last_stored > last)
        return "more entries are stored than there are";
    if (r->commit_index > last)
        return "more entries are committed than there are";
    if (r->trail.offset > r->trail.snapshot.index)
        return "entries between the snapshot and the log are missing";
    if (r->snapshot.installing)
        return NULL; /* its members come with its end */
    if (r->configuration_uncommitted_index > last ||
        (r->configuration_uncommitted_index != 0 &&
         r->configuration_uncommitted_index <= r->configuration_committed_index))
        return "a change of members is where no entry is";
    if (last > 0 && r->configuration.n == 0)
        return "a log without members";
    return NULL;
}

int hor_raft_step(struct hor_raft *raft, int64_t now_ms, struct raft_event *event, const char *what,
                  struct hor_error *err)
{
    struct raft_update update;
    uint64_t last = raft_last_index(&raft->raft);
    int rv;

    memset(&update, 0, sizeof update);
    event->time = (raft_time)now_ms;
    event->capacity = UINT16_MAX;
    rv = raft_step(&raft->raft, event, &update);
    if (rv != 0)
        return hor_raft_broken(raft, what, raft_strerror(rv), err);
    const char *wrong = hor_raft_guard(raft, 6) ? impossible(raft) : NULL;
    if (wrong != NULL) {
        if (update.flags & RAFT_UPDATE_ENTRIES)
            raft_free(update.entries.batch[0].batch);
        return hor_raft_broken(raft, what, wrong, err);
    }
    /* Entries that were replaced or dropped must not be reported as stored any more. */
    if ((update.flags & RAFT_UPDATE_ENTRIES) && update.entries.index <= last)
        raft->epoch++;
    return carry_out(raft, now_ms, &update, err);
}

int hor_raft_start(struct hor_raft *raft, int64_t now_ms, const struct hor_raft_start *start,
                   struct hor_error *err)
{
    struct raft_event event;
    struct raft_snapshot_metadata metadata;
    struct raft_entry *entries = NULL;
    int rc;

    if (raft->started || raft->broken)
        return hor_error_set(err, HOR_ERR_STATE, "consensus has started already");
    if (start->first_index == 0 || start->first_index > start->snapshot.index + 1 ||
        (start->snapshot.index == 0 && start->entry_count > 0 &&
         start->entries[0].kind != HOR_RAFT_CHANGE) ||
        (start->term == 0 && (start->vote != 0 || start->entry_count > 0 || start->snapshot.index)))
        return hor_error_set(err, HOR_ERR_INVALID, "consensus: a log without its beginning");
    memset(&event, 0, sizeof event);
    event.type = RAFT_START;
    event.start.term = start->term;
    event.start.voted_for = start->vote;
    event.start.start_index = start->first_index;
    if (start->entry_count > 0) {
        rc = hor_raft_entries_out(start->entries, start->entry_count, &entries, err);
        if (rc != HOR_OK)
            return rc;
        event.start.entries = entries;
        event.start.n_entries = start->entry_count;
    }
    if (start->snapshot.index > 0) {
        rc = hor_raft_metadata_out(&start->snapshot, &metadata, err);
        if (rc != HOR_OK) {
            hor_raft_entries_free(entries);
            return rc;
        }
        event.start.metadata = &metadata;
    }
    raft->started = true;
    raft->commit = start->snapshot.index;
    if (raft->commit > 0)
        raft->ops->commit(raft->commit, raft->ctx);
    rc = hor_raft_step(raft, now_ms, &event, "start", err);
    if (rc == HOR_OK)
        hor_raft_entries_free(entries); /* after a failed step the library has freed them */
    return rc;
}

int hor_raft_persisted(struct hor_raft *raft, int64_t now_ms, uint64_t index, uint64_t epoch,
                       struct hor_error *err)
{
    struct raft_event event;
    int rc = hor_raft_usable(raft, err);
    if (rc != HOR_OK)
        return rc;
    if (epoch != raft->epoch || index <= raft->raft.last_stored ||
        index > raft_last_index(&raft->raft) || raft->raft.snapshot.installing)
        return HOR_OK;
    memset(&event, 0, sizeof event);
    event.type = RAFT_PERSISTED_ENTRIES;
    event.persisted_entries.index = index;
    return hor_raft_step(raft, now_ms, &event, "entries stored", err);
}

int hor_raft_installed(struct hor_raft *raft, int64_t now_ms,
                       const struct hor_raft_snapshot *snapshot, struct hor_error *err)
{
    struct raft_event event;
    int rc = hor_raft_usable(raft, err);
    if (rc != HOR_OK)
        return rc;
    if (!raft->raft.snapshot.installing)
        return hor_error_set(err, HOR_ERR_STATE, "no snapshot is being installed");
    memset(&event, 0, sizeof event);
    event.type = RAFT_PERSISTED_SNAPSHOT;
    rc = hor_raft_metadata_out(snapshot, &event.persisted_snapshot.metadata, err);
    if (rc != HOR_OK)
        return rc;
    event.persisted_snapshot.last = true;
    return hor_raft_step(raft, now_ms, &event, "snapshot installed", err);
}

int hor_raft_snapshot_taken(struct hor_raft *raft, int64_t now_ms,
                            const struct hor_raft_snapshot *snapshot, unsigned trailing,
                            struct hor_error *err)
{
    struct raft_event event;
    int rc = hor_raft_usable(raft, err);
    if (rc != HOR_OK)
        return rc;
    /* One that an install overtook is nobody's any more. */
    if (raft->raft.snapshot.installing || snapshot->index <= raft->raft.trail.snapshot.index ||
        snapshot->index > raft->commit)
        return HOR_OK;
    memset(&event, 0, sizeof event);
    event.type = RAFT_SNAPSHOT;
    rc = hor_raft_metadata_out(snapshot, &event.snapshot.metadata, err);
    if (rc != HOR_OK)
        return rc;
    event.snapshot.trailing = trailing;
    return hor_raft_step(raft, now_ms, &event, "snapshot taken", err);
}

int hor_raft_configured(struct hor_raft *raft, int64_t now_ms, uint64_t index,
                        const struct hor_raft_configuration *configuration, struct hor_error *err)
{
    struct raft_event event;
    int rc = hor_raft_usable(raft, err);
    if (rc != HOR_OK)
        return rc;
    memset(&event, 0, sizeof event);
    event.type = RAFT_CONFIGURATION;
    event.configuration.index = index;
    rc = hor_raft_configuration_out(configuration, &event.configuration.conf, err);
    if (rc != HOR_OK)
        return rc;
    return hor_raft_step(raft, now_ms, &event, "configuration applied", err);
}

int hor_raft_timeout(struct hor_raft *raft, int64_t now_ms, struct hor_error *err)
{
    struct raft_event event;
    int rc = hor_raft_usable(raft, err);
    if (rc != HOR_OK)
        return rc;
    memset(&event, 0, sizeof event);
    event.type = RAFT_TIMEOUT;
    /* Guard 10, second part: who has no vote never gives up a leader, and would refuse for ever. */
    bool forgets = hor_raft_guard(raft, 10) && raft_state(&raft->raft) == RAFT_FOLLOWER &&
                   !hor_raft_has_vote(raft) && (int64_t)raft_timeout(&raft->raft) <= now_ms;
    rc = hor_raft_step(raft, now_ms, &event, "timeout", err);
    if (rc != HOR_OK)
        return rc;
    if (forgets) {
        raft_free(raft->raft.follower_state.current_leader.address);
        raft->raft.follower_state.current_leader.address = NULL;
        raft->raft.follower_state.current_leader.id = 0;
        hor_raft_tell_role(raft);
    }
    /* The library arms nothing when a timeout changed nothing. */
    int64_t at_ms = (int64_t)raft_timeout(&raft->raft);
    if (hor_raft_guard(raft, 5) && at_ms < now_ms + TIMER_FLOOR_MS)
        at_ms = now_ms + TIMER_FLOOR_MS;
    raft->ops->timer(at_ms, raft->ctx);
    return HOR_OK;
}

int hor_raft_submit_entries(struct hor_raft *raft, int64_t now_ms,
                            const struct hor_raft_entry *entries, unsigned count,
                            struct hor_error *err)
{
    struct raft_event event;
    struct raft_entry *list = NULL;
    int rc = hor_raft_entries_out(entries, count, &list, err);
    if (rc != HOR_OK)
        return rc;
    memset(&event, 0, sizeof event);
    event.type = RAFT_SUBMIT;
    event.submit.entries = list;
    event.submit.n = count;
    if (entries[0].kind != HOR_RAFT_BARRIER) { /* which is made here, and comes from nobody */
        raft->base = raft_last_index(&raft->raft) + 1;
        raft->end = raft->base + count;
    }
    rc = hor_raft_step(raft, now_ms, &event, "submit", err);
    raft->base = raft->end = 0;
    raft_free(list); /* the batch went with the update, or is lost with the broken module */
    return rc;
}

int hor_raft_may_submit(const struct hor_raft *raft, struct hor_error *err)
{
    int rc = hor_raft_usable(raft, err);
    if (rc != HOR_OK)
        return rc;
    if (!hor_raft_is_leader(raft))
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "this member is not the leader");
    if (hor_raft_transferring(raft))
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "leadership is being passed on");
    return HOR_OK;
}

int hor_raft_submit(struct hor_raft *raft, int64_t now_ms, unsigned count, struct hor_error *err)
{
    struct hor_raft_entry *entries;
    int rc = hor_raft_may_submit(raft, err);
    if (rc != HOR_OK)
        return rc;
    if (count == 0)
        return HOR_OK;
    if (hor_raft_guard(raft, 7) && count > hor_raft_room(raft))
        return hor_error_set(err, HOR_ERR_BUSY, "too many entries wait to be committed");
    entries = calloc(count, sizeof *entries);
    if (entries == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "consensus: out of memory");
    for (unsigned i = 0; i < count; i++)
        entries[i] = (struct hor_raft_entry){.term = raft_current_term(&raft->raft),
                                             .kind = HOR_RAFT_COMMAND};
    rc = hor_raft_submit_entries(raft, now_ms, entries, count, err);
    free(entries);
    return rc;
}

void hor_raft_set_incarnation(struct hor_raft *raft, uint64_t incarnation)
{
    raft->settings.incarnation = incarnation;
}

/* The library's readers take a pointer that is not const. */
static struct raft *core(const struct hor_raft *raft) { return (struct raft *)&raft->raft; }

bool hor_raft_is_leader(const struct hor_raft *raft)
{
    return raft_state(core(raft)) == RAFT_LEADER;
}
bool hor_raft_transferring(const struct hor_raft *raft)
{
    return raft_transferee(&raft->raft) != 0;
}
bool hor_raft_installing(const struct hor_raft *raft) { return raft->raft.snapshot.installing; }
uint64_t hor_raft_term(const struct hor_raft *raft) { return raft_current_term(&raft->raft); }
uint64_t hor_raft_last_index(const struct hor_raft *raft) { return raft_last_index(core(raft)); }
uint64_t hor_raft_commit_index(const struct hor_raft *raft) { return raft->commit; }
uint64_t hor_raft_epoch(const struct hor_raft *raft) { return raft->epoch; }

void hor_raft_get_configuration(const struct hor_raft *raft, struct hor_raft_configuration *ret)
{
    hor_raft_configuration_in(&raft->raft.configuration, ret);
}

unsigned hor_raft_voters(const struct hor_raft *raft)
{
    unsigned voters = 0;
    for (unsigned i = 0; i < raft->raft.configuration.n; i++)
        voters += raft->raft.configuration.servers[i].role == RAFT_VOTER;
    return voters;
}

unsigned hor_raft_room(const struct hor_raft *raft)
{
    uint64_t limit = raft->settings.uncommitted_max ? raft->settings.uncommitted_max
                                                    : UNCOMMITTED_MAX;
    uint64_t waiting = hor_raft_last_index(raft) - raft->commit;
    if (raft->broken || !raft->started || !hor_raft_is_leader(raft) || hor_raft_transferring(raft))
        return 0;
    /* Guard 7: a new leader backs off one index a round trip, so a long divergence is a long gap.
     * Alone there is nobody to diverge from. */
    if (hor_raft_voters(raft) < 2 && limit < ALONE_MAX)
        limit = ALONE_MAX;
    if (!hor_raft_guard(raft, 7))
        limit = UINT32_MAX;
    return waiting < limit ? (unsigned)(limit - waiting) : 0;
}

void hor_raft_test_disable_guard(struct hor_raft *raft, int number)
{
    raft->guards_off |= 1u << number;
}

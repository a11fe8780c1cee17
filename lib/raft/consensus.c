/* Steps of libraft, and the guards around them (lib/raft/README.md tells why each is there). */
#include <raft.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/raft/consensus.h"
#include "lib/raft/convert.h"

#if !defined(RAFT_VERSION_NUMBER) || RAFT_VERSION_NUMBER < 2201
#error "libraft 0.22.1 or newer is needed: older ones lose acknowledged entries"
#endif

enum { TIMER_FLOOR_MS = 10, VOTERS_MIN = 3, UNCOMMITTED_MAX = 256, ALONE_MAX = 4096 };

struct hor_raft {
    struct raft raft;
    struct hor_raft_settings settings;
    const struct hor_raft_ops *ops;
    void *ctx;
    bool started, broken;
    uint64_t commit;          /* highest seen: guard 1 */
    uint64_t epoch;           /* changes whenever entries were dropped */
    uint64_t base, end;       /* of the entries that the event under way brought; 0: none */
    bool role_leader;         /* as told last */
    uint64_t role_id, role_term;
    uint64_t snapshot_received; /* index of the one that is being received; 0: none */
    unsigned guards_off;      /* bit n: guard n */
};

static bool guard(const struct hor_raft *raft, int number)
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
    raft_set_install_snapshot_timeout(&raft->raft, 60000);
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

static int broken(struct hor_raft *raft, int rv, const char *what, struct hor_error *err)
{
    if (!guard(raft, 6))
        return HOR_OK;
    raft->broken = true;
    return hor_error_set(err, HOR_ERR_INTERNAL, "consensus: %s: %s", what, raft_strerror(rv));
}

static int usable(const struct hor_raft *raft, struct hor_error *err)
{
    if (raft->broken)
        return hor_error_set(err, HOR_ERR_STATE, "consensus stopped after an error");
    if (!raft->started)
        return hor_error_set(err, HOR_ERR_STATE, "consensus has not started");
    return HOR_OK;
}

static void tell_role(struct hor_raft *raft)
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
        if (guard(raft, 4) && (message.peer == 0 || message.peer == raft->settings.self))
            continue;
        /* Guard 3: whoever asks with an old term must learn ours from the refusal; the library
         * sends the asker's own term back, and two members can refuse one another for ever. */
        if (guard(raft, 3) && message.kind == HOR_RAFT_REQUEST_VOTE_RESULT && message.pre_vote &&
            !message.granted)
            message.term = raft_current_term(&raft->raft);
        if (guard(raft, 9) && message.kind == HOR_RAFT_APPEND_ENTRIES_RESULT)
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
                             raft->ctx) != HOR_OK) {
            int rc = broken(raft, RAFT_IOERR, "term and vote were not saved", err);
            if (rc != HOR_OK)
                return rc;
        }
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
        if (guard(raft, 5) && at_ms < now_ms + TIMER_FLOOR_MS)
            at_ms = now_ms + TIMER_FLOOR_MS;
        raft->ops->timer(at_ms, raft->ctx);
    }
    tell_role(raft);
    if (update->flags & RAFT_UPDATE_COMMIT_INDEX) {
        uint64_t commit = raft_commit_index(&raft->raft);
        /* Guard 1: the library's index steps back when a leader's older message comes late. */
        if (guard(raft, 1) ? commit > raft->commit : commit != raft->commit) {
            raft->commit = commit;
            raft->ops->commit(commit, raft->ctx);
        }
    }
    return HOR_OK;
}

static int step(struct hor_raft *raft, int64_t now_ms, struct raft_event *event, const char *what,
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
        return broken(raft, rv, what, err);
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
    rc = step(raft, now_ms, &event, "start", err);
    if (rc == HOR_OK)
        hor_raft_entries_free(entries); /* after a failed step the library has freed them */
    return rc;
}

/* Guard 4, second part: shapes that the library would only assert, and its package asserts
 * nothing. */
static const char *malformed(const struct hor_raft *raft, const struct hor_raft_message *m)
{
    if (m->peer == 0 || m->peer == raft->settings.self)
        return "a message from nobody or from this member itself";
    if (m->term == 0)
        return "a message without a term";
    switch (m->kind) {
    case HOR_RAFT_REQUEST_VOTE:
        if (m->candidate != m->peer)
            return "a vote is asked for somebody else";
        return m->last_index > 0 && m->last_term == 0 ? "an index without its term" : NULL;
    case HOR_RAFT_REQUEST_VOTE_RESULT:
        if (m->pre_vote && m->granted && m->term > raft_current_term(&raft->raft) + 1)
            return "a vote for a term that was not asked for";
        return NULL;
    case HOR_RAFT_APPEND_ENTRIES:
        if ((m->prev_index == 0) != (m->prev_term == 0) || m->prev_term > m->term)
            return "a preceding entry without its term";
        if (m->entry_count > 0 && m->entries == NULL)
            return "entries are missing";
        for (unsigned i = 0; i < m->entry_count; i++)
            if (m->entries[i].term == 0 || m->entries[i].term > m->term ||
                (m->entries[i].kind == HOR_RAFT_CHANGE &&
                 (m->entries[i].configuration == NULL || m->entries[i].configuration->count == 0)))
                return "an entry with a wrong term, or a change without members";
        if (raft_state((struct raft *)&raft->raft) == RAFT_LEADER &&
            m->term == raft_current_term(&raft->raft))
            return "a second leader of this term";
        return NULL;
    case HOR_RAFT_INSTALL_SNAPSHOT:
        if (m->last_index == 0 || m->last_term == 0 || m->configuration.count == 0)
            return "a snapshot without its place or its members";
        if (raft_state((struct raft *)&raft->raft) == RAFT_LEADER &&
            m->term == raft_current_term(&raft->raft))
            return "a second leader of this term";
        return NULL;
    case HOR_RAFT_APPEND_ENTRIES_RESULT:
    case HOR_RAFT_TIMEOUT_NOW:
        return NULL;
    }
    return "a message of an unknown kind";
}

static int receive_one(struct hor_raft *raft, int64_t now_ms, const struct hor_raft_message *m,
                       uint64_t base, struct hor_error *err)
{
    struct raft_event event;
    struct raft_message message;
    char address[HOR_RAFT_SERVER_BYTES];
    int rc = hor_raft_message_in(m, &message, err);
    if (rc != HOR_OK)
        return rc;
    snprintf(address, sizeof address, "%llu", (unsigned long long)m->peer);
    message.server_address = address;
    memset(&event, 0, sizeof event);
    event.type = RAFT_RECEIVE;
    event.receive.message = &message;
    raft->base = base;
    raft->end = m->kind == HOR_RAFT_APPEND_ENTRIES ? m->prev_index + 1 + m->entry_count : 0;
    raft->snapshot_received = m->kind == HOR_RAFT_INSTALL_SNAPSHOT ? m->last_index : 0;
    rc = step(raft, now_ms, &event, "receive", err);
    raft->base = raft->end = raft->snapshot_received = 0;
    if (m->kind == HOR_RAFT_APPEND_ENTRIES && m->entry_count > 0)
        raft_free(message.append_entries.entries); /* the batch is the step's */
    return rc;
}

/* Guard 8: a refusal that was overtaken by the success after it would put the next index before the
 * match, and then nothing is ever sent again. What is left of it is a sign of life. */
static int receive_result(struct hor_raft *raft, int64_t now_ms, const struct hor_raft_message *m,
                          struct hor_error *err)
{
    struct hor_raft_message result = *m;
    raft_index match = 0;
    if (m->rejected > 0 && raft_match_index(&raft->raft, m->peer, &match) == 0 &&
        m->rejected <= match && m->term == raft_current_term(&raft->raft)) {
        result.rejected = 0;
        result.last_index = match;
    }
    return receive_one(raft, now_ms, &result, 0, err);
}

/* Guard 10: a member that has not yet got the change that gives it a vote is asked for that vote
 * already, and must give it: without it those who count it may never have a leader. The library
 * refuses; so it is a voter as long as it answers. */
static int receive_request(struct hor_raft *raft, int64_t now_ms, const struct hor_raft_message *m,
                           struct hor_error *err)
{
    struct raft_server *self = NULL;
    int role = RAFT_VOTER, rc;
    for (unsigned i = 0; i < raft->raft.configuration.n; i++)
        if (raft->raft.configuration.servers[i].id == raft->settings.self)
            self = &raft->raft.configuration.servers[i];
    if (self != NULL) {
        role = self->role;
        self->role = RAFT_VOTER;
    }
    rc = receive_one(raft, now_ms, m, 0, err); /* changes nothing of the configuration */
    if (self != NULL)
        self->role = role;
    return rc;
}

int hor_raft_receive(struct hor_raft *raft, int64_t now_ms, uint64_t incarnation,
                     const struct hor_raft_message *m, struct hor_error *err)
{
    int rc = usable(raft, err);
    if (rc != HOR_OK)
        return rc;
    if (guard(raft, 4)) {
        const char *wrong = malformed(raft, m);
        if (incarnation != raft->settings.incarnation)
            return hor_error_set(err, HOR_ERR_CONFLICT, "a message of another incarnation");
        if (wrong != NULL)
            return hor_error_set(err, HOR_ERR_INVALID, "%s", wrong);
    }
    /* Its fields overlay those of other states in the library; late ones say nothing anyway. */
    if (m->kind == HOR_RAFT_REQUEST_VOTE_RESULT && raft_state(&raft->raft) != RAFT_CANDIDATE)
        return HOR_OK;
    if (m->kind == HOR_RAFT_REQUEST_VOTE && guard(raft, 10))
        return receive_request(raft, now_ms, m, err);
    if (m->kind == HOR_RAFT_APPEND_ENTRIES_RESULT && guard(raft, 8))
        return receive_result(raft, now_ms, m, err);
    if (m->kind != HOR_RAFT_APPEND_ENTRIES || !guard(raft, 2))
        return receive_one(raft, now_ms, m, m->prev_index + 1, err);

    /* Guard 2: the library records a change at the index of its batch's first entry. So every
     * change starts a batch of its own. */
    struct hor_raft_message part = *m;
    unsigned from = 0;
    do {
        unsigned to = from + 1;
        while (to < m->entry_count && m->entries[to].kind != HOR_RAFT_CHANGE)
            to++;
        if (to > m->entry_count)
            to = m->entry_count;
        part.entries = m->entry_count > 0 ? m->entries + from : NULL;
        part.entry_count = to - from;
        part.prev_index = m->prev_index + from;
        part.prev_term = from > 0 ? m->entries[from - 1].term : m->prev_term;
        rc = receive_one(raft, now_ms, &part, m->prev_index + 1, err);
        from = to;
    } while (rc == HOR_OK && from < m->entry_count);
    return rc;
}

int hor_raft_persisted(struct hor_raft *raft, int64_t now_ms, uint64_t index, uint64_t epoch,
                       struct hor_error *err)
{
    struct raft_event event;
    int rc = usable(raft, err);
    if (rc != HOR_OK)
        return rc;
    if (epoch != raft->epoch || index <= raft->raft.last_stored ||
        index > raft_last_index(&raft->raft) || raft->raft.snapshot.installing)
        return HOR_OK;
    memset(&event, 0, sizeof event);
    event.type = RAFT_PERSISTED_ENTRIES;
    event.persisted_entries.index = index;
    return step(raft, now_ms, &event, "entries stored", err);
}

int hor_raft_installed(struct hor_raft *raft, int64_t now_ms,
                       const struct hor_raft_snapshot *snapshot, struct hor_error *err)
{
    struct raft_event event;
    int rc = usable(raft, err);
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
    return step(raft, now_ms, &event, "snapshot installed", err);
}

int hor_raft_snapshot_taken(struct hor_raft *raft, int64_t now_ms,
                            const struct hor_raft_snapshot *snapshot, unsigned trailing,
                            struct hor_error *err)
{
    struct raft_event event;
    int rc = usable(raft, err);
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
    return step(raft, now_ms, &event, "snapshot taken", err);
}

int hor_raft_configured(struct hor_raft *raft, int64_t now_ms, uint64_t index,
                        const struct hor_raft_configuration *configuration, struct hor_error *err)
{
    struct raft_event event;
    int rc = usable(raft, err);
    if (rc != HOR_OK)
        return rc;
    memset(&event, 0, sizeof event);
    event.type = RAFT_CONFIGURATION;
    event.configuration.index = index;
    rc = hor_raft_configuration_out(configuration, &event.configuration.conf, err);
    if (rc != HOR_OK)
        return rc;
    return step(raft, now_ms, &event, "configuration applied", err);
}

int hor_raft_timeout(struct hor_raft *raft, int64_t now_ms, struct hor_error *err)
{
    struct raft_event event;
    int rc = usable(raft, err);
    if (rc != HOR_OK)
        return rc;
    memset(&event, 0, sizeof event);
    event.type = RAFT_TIMEOUT;
    rc = step(raft, now_ms, &event, "timeout", err);
    if (rc != HOR_OK)
        return rc;
    /* The library arms nothing when a timeout changed nothing. */
    int64_t at_ms = (int64_t)raft_timeout(&raft->raft);
    if (guard(raft, 5) && at_ms < now_ms + TIMER_FLOOR_MS)
        at_ms = now_ms + TIMER_FLOOR_MS;
    raft->ops->timer(at_ms, raft->ctx);
    return HOR_OK;
}

static int submit(struct hor_raft *raft, int64_t now_ms, const struct hor_raft_entry *entries,
                  unsigned count, struct hor_error *err)
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
    raft->base = raft_last_index(&raft->raft) + 1;
    raft->end = raft->base + count;
    rc = step(raft, now_ms, &event, "submit", err);
    raft->base = raft->end = 0;
    raft_free(list); /* the batch went with the update, or is lost with the broken module */
    return rc;
}

static int may_submit(const struct hor_raft *raft, struct hor_error *err)
{
    int rc = usable(raft, err);
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
    int rc = may_submit(raft, err);
    if (rc != HOR_OK)
        return rc;
    if (count == 0)
        return HOR_OK;
    if (guard(raft, 7) && count > hor_raft_room(raft))
        return hor_error_set(err, HOR_ERR_BUSY, "too many entries wait to be committed");
    entries = calloc(count, sizeof *entries);
    if (entries == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "consensus: out of memory");
    for (unsigned i = 0; i < count; i++)
        entries[i] = (struct hor_raft_entry){.term = raft_current_term(&raft->raft),
                                             .kind = HOR_RAFT_COMMAND};
    rc = submit(raft, now_ms, entries, count, err);
    free(entries);
    return rc;
}

static unsigned voters_of(const struct hor_raft_configuration *c)
{
    unsigned voters = 0;
    for (unsigned i = 0; i < c->count; i++)
        voters += c->members[i].role == HOR_RAFT_VOTER;
    return voters;
}

static bool votes(const struct hor_raft_configuration *c, uint64_t id)
{
    for (unsigned i = 0; i < c->count; i++)
        if (c->members[i].id == id)
            return c->members[i].role == HOR_RAFT_VOTER;
    return false;
}

int hor_raft_change(struct hor_raft *raft, int64_t now_ms,
                    const struct hor_raft_configuration *configuration, struct hor_error *err)
{
    struct hor_raft_configuration now;
    struct hor_raft_entry entry = {.kind = HOR_RAFT_CHANGE, .configuration = configuration};
    unsigned differ = 0;
    int rc = may_submit(raft, err);
    if (rc != HOR_OK)
        return rc;
    hor_raft_get_configuration(raft, &now);
    for (unsigned i = 0; i < configuration->count; i++)
        differ += votes(configuration, configuration->members[i].id) !=
                  votes(&now, configuration->members[i].id);
    for (unsigned i = 0; i < now.count; i++)
        differ += votes(&now, now.members[i].id) &&
                  !votes(configuration, now.members[i].id) &&
                  hor_raft_member_role(configuration, now.members[i].id) < 0;
    if (differ > 1)
        return hor_error_set(err, HOR_ERR_INVALID, "only one vote may change at a time");
    /* Guard 5: a member whose older configuration gives it no vote refuses its own; with two
     * voters that is a cluster without a leader. */
    if (guard(raft, 5) && voters_of(configuration) < VOTERS_MIN && differ > 0)
        return hor_error_set(err, HOR_ERR_INVALID, "fewer than %d voters would be left",
                             VOTERS_MIN);
    if (raft->raft.configuration_uncommitted_index != 0 ||
        raft->raft.leader_state.promotee_id != 0)
        return hor_error_set(err, HOR_ERR_STATE, "another change of members is under way");
    entry.term = raft_current_term(&raft->raft);
    return submit(raft, now_ms, &entry, 1, err);
}

int hor_raft_catch_up(struct hor_raft *raft, int64_t now_ms, uint64_t id, struct hor_error *err)
{
    struct hor_raft_configuration now;
    struct raft_event event;
    int rc = may_submit(raft, err);
    if (rc != HOR_OK)
        return rc;
    hor_raft_get_configuration(raft, &now);
    /* Guard 5: a leader that catches itself up follows a null pointer. */
    if (guard(raft, 5) &&
        (id == raft->settings.self || hor_raft_member_role(&now, id) < 0 || votes(&now, id)))
        return hor_error_set(err, HOR_ERR_INVALID,
                             "only another member without a vote can catch up");
    memset(&event, 0, sizeof event);
    event.type = RAFT_CATCH_UP;
    event.catch_up.server_id = id;
    return step(raft, now_ms, &event, "catch up", err);
}

bool hor_raft_caught_up(const struct hor_raft *raft, uint64_t id)
{
    int status = RAFT_CATCH_UP_NONE;
    return raft_catch_up(&raft->raft, id, &status) == 0 && status == RAFT_CATCH_UP_FINISHED;
}

int hor_raft_transfer(struct hor_raft *raft, int64_t now_ms, uint64_t to, struct hor_error *err)
{
    struct hor_raft_configuration now;
    struct raft_event event;
    int rc = may_submit(raft, err);
    if (rc != HOR_OK)
        return rc;
    hor_raft_get_configuration(raft, &now);
    if (to == raft->settings.self || (to != 0 && !votes(&now, to)))
        return hor_error_set(err, HOR_ERR_INVALID, "leadership can only pass to another voter");
    if (to == 0 && voters_of(&now) < 2)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "there is no other voter");
    memset(&event, 0, sizeof event);
    event.type = RAFT_TRANSFER;
    event.transfer.server_id = to;
    return step(raft, now_ms, &event, "transfer", err);
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
    if (!guard(raft, 7))
        limit = UINT32_MAX;
    return waiting < limit ? (unsigned)(limit - waiting) : 0;
}

void hor_raft_test_disable_guard(struct hor_raft *raft, int number)
{
    raft->guards_off |= 1u << number;
}

/* Messages, and what of them must not reach the library as it is (lib/raft/README.md). */
#include <stdio.h>
#include <string.h>

#include "lib/raft/private.h"

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
    rc = hor_raft_step(raft, now_ms, &event, "receive", err);
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
 * already, and one that is being removed is asked by those who do not know it yet. Both must give it:
 * without it those who count it may never have a leader. The library refuses; so as long as it
 * answers, it counts itself alone. */
static int receive_request(struct hor_raft *raft, int64_t now_ms, const struct hor_raft_message *m,
                           struct hor_error *err)
{
    char address[] = "self";
    struct raft_server self = {.id = raft->settings.self, .address = address, .role = RAFT_VOTER};
    struct raft_configuration own = raft->raft.configuration;
    bool alone = !hor_raft_has_vote(raft) && raft_state(&raft->raft) == RAFT_FOLLOWER;
    int rc;
    if (alone)
        raft->raft.configuration = (struct raft_configuration){.servers = &self, .n = 1};
    rc = receive_one(raft, now_ms, m, 0, err); /* changes nothing of the configuration */
    if (alone)
        raft->raft.configuration = own;
    return rc;
}

/* Guard 11: entries that a snapshot of ours has replaced are news to the library, which appends them
 * at the end of its log. They are committed, so the leader has them as they were: what is left of
 * the message begins after them. */
static const char *skip_covered(const struct hor_raft *raft, struct hor_raft_message *m)
{
    const struct raft_trail *trail = &raft->raft.trail;
    uint64_t covered = trail->snapshot.index;
    unsigned skip;
    if (m->prev_index >= covered)
        return NULL;
    skip = m->entry_count < covered - m->prev_index ? m->entry_count
                                                    : (unsigned)(covered - m->prev_index);
    if (m->prev_index + skip == covered && skip > 0 && m->term >= raft_current_term(&raft->raft) &&
        m->entries[skip - 1].term != trail->snapshot.term)
        return "a leader has another entry than the snapshot ends with";
    m->entries = skip < m->entry_count ? m->entries + skip : NULL;
    m->entry_count -= skip;
    m->prev_index = covered;
    m->prev_term = trail->snapshot.term;
    return NULL;
}

/* Guard 12: a leader changes members only when the change before is committed. So the one that we
 * hold as uncommitted is committed when the next one follows it; the library would forget it, and
 * fall back to an older one should the next be replaced. */
static int settle_change(struct hor_raft *raft, int64_t now_ms, const struct hor_raft_message *m,
                         struct hor_error *err)
{
    uint64_t pending = raft->raft.configuration_uncommitted_index;
    struct hor_raft_configuration now;
    if (m->entry_count == 0 || m->entries[0].kind != HOR_RAFT_CHANGE || pending == 0 ||
        pending > m->prev_index || m->term < raft_current_term(&raft->raft) ||
        raft->raft.snapshot.installing || hor_raft_term_of(raft, m->prev_index) != m->prev_term ||
        hor_raft_term_of(raft, m->prev_index + 1) == m->entries[0].term)
        return HOR_OK;
    hor_raft_get_configuration(raft, &now);
    return hor_raft_configured(raft, now_ms, pending, &now, err);
}

/* Guard 2: the library records a change at the index of its batch's first entry. So every change
 * starts a batch of its own. */
static int receive_entries(struct hor_raft *raft, int64_t now_ms, const struct hor_raft_message *m,
                           struct hor_error *err)
{
    struct hor_raft_message all = *m, part;
    const char *wrong = hor_raft_guard(raft, 11) ? skip_covered(raft, &all) : NULL;
    unsigned from = 0;
    int rc;
    if (wrong != NULL)
        return hor_raft_broken(raft, "receive", wrong, err);
    do {
        unsigned to = hor_raft_guard(raft, 2) ? from + 1 : all.entry_count;
        while (to < all.entry_count && all.entries[to].kind != HOR_RAFT_CHANGE)
            to++;
        if (to > all.entry_count)
            to = all.entry_count;
        part = all;
        part.entries = all.entry_count > 0 ? all.entries + from : NULL;
        part.entry_count = to - from;
        part.prev_index = all.prev_index + from;
        part.prev_term = from > 0 ? all.entries[from - 1].term : all.prev_term;
        rc = hor_raft_guard(raft, 12) ? settle_change(raft, now_ms, &part, err) : HOR_OK;
        if (rc == HOR_OK)
            rc = receive_one(raft, now_ms, &part, m->prev_index + 1, err);
        from = to;
    } while (rc == HOR_OK && from < all.entry_count);
    return rc;
}

static void note_heard(struct hor_raft *raft, int64_t now_ms, const struct hor_raft_message *m)
{
    struct hor_raft_peer *peer = raft->peers, *end = raft->peers + raft->peer_count;
    if (m->term != raft_current_term(&raft->raft))
        return;
    while (peer < end && peer->id != m->peer)
        peer++;
    if (peer == end && raft->peer_count < HOR_RAFT_MEMBERS_MAX)
        raft->peer_count++;
    else if (peer == end)
        peer = raft->peers; /* more than there can be members: some were removed long ago */
    *peer = (struct hor_raft_peer){.id = m->peer, .heard_ms = now_ms, .term = m->term};
}

/* Guard 14: the library tells the one that is to lead as soon as it has stored anything, and once; it
 * then finds that it lacks entries still, and the transfer comes to nothing. As long as it is under way
 * nothing new is taken, so there is a moment when it has everything: now it is told again. */
static void tell_transferee(struct hor_raft *raft, const struct hor_raft_message *m)
{
    uint64_t last = raft_last_index(&raft->raft);
    raft_index match = 0;
    struct hor_raft_message now = {.kind = HOR_RAFT_TIMEOUT_NOW, .peer = m->peer,
                                   .term = raft_current_term(&raft->raft), .last_index = last,
                                   .last_term = hor_raft_term_of(raft, last)};
    if (raft_transferee(&raft->raft) == m->peer &&
        raft_match_index(&raft->raft, m->peer, &match) == 0 && match == last)
        raft->ops->send(&now, raft->ctx);
}

int hor_raft_receive(struct hor_raft *raft, int64_t now_ms, uint64_t incarnation,
                     const struct hor_raft_message *m, struct hor_error *err)
{
    int rc = hor_raft_usable(raft, err);
    if (rc != HOR_OK)
        return rc;
    if (hor_raft_guard(raft, 4)) {
        const char *wrong = malformed(raft, m);
        if (incarnation != raft->settings.incarnation)
            return hor_error_set(err, HOR_ERR_CONFLICT, "a message of another incarnation");
        if (wrong != NULL)
            return hor_error_set(err, HOR_ERR_INVALID, "%s", wrong);
    }
    /* Its fields overlay those of other states in the library; late ones say nothing anyway. */
    if (m->kind == HOR_RAFT_REQUEST_VOTE_RESULT && raft_state(&raft->raft) != RAFT_CANDIDATE)
        return HOR_OK;
    if (m->kind == HOR_RAFT_REQUEST_VOTE && hor_raft_guard(raft, 10))
        return receive_request(raft, now_ms, m, err);
    if (m->kind == HOR_RAFT_APPEND_ENTRIES_RESULT) {
        note_heard(raft, now_ms, m);
        rc = hor_raft_guard(raft, 8) ? receive_result(raft, now_ms, m, err)
                                     : receive_one(raft, now_ms, m, 0, err);
        if (rc == HOR_OK && hor_raft_guard(raft, 14))
            tell_transferee(raft, m);
        return rc;
    }
    if (m->kind == HOR_RAFT_APPEND_ENTRIES)
        return receive_entries(raft, now_ms, m, err);
    if (m->kind == HOR_RAFT_INSTALL_SNAPSHOT && raft->raft.snapshot.installing) {
        /* One at a time; the library would never free the second one's members. */
        struct hor_raft_message alive = {.kind = HOR_RAFT_APPEND_ENTRIES, .peer = m->peer,
                                         .version = m->version, .term = m->term,
                                         .prev_index = raft->raft.trail.snapshot.index,
                                         .prev_term = raft->raft.trail.snapshot.term};
        return receive_one(raft, now_ms, &alive, 0, err);
    }
    return receive_one(raft, now_ms, m, 0, err);
}

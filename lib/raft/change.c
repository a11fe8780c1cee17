/* Changes of members, and passing leadership on. */
#include <inttypes.h>
#include <string.h>

#include "lib/raft/private.h"

enum { VOTERS_MIN = 3, BEHIND_MAX = 256 };

static unsigned voters_of(const struct hor_raft_configuration *c)
{
    unsigned voters = 0;
    for (unsigned i = 0; i < c->count; i++)
        voters += c->members[i].role == HOR_RAFT_VOTER;
    return voters;
}

static bool votes(const struct hor_raft_configuration *c, uint64_t id)
{
    return hor_raft_member_role(c, id) == HOR_RAFT_VOTER;
}

static const struct hor_raft_peer *peer_of(const struct hor_raft *raft, uint64_t id)
{
    for (unsigned i = 0; i < raft->peer_count; i++)
        if (raft->peers[i].id == id)
            return &raft->peers[i];
    return NULL;
}

static bool is_near(const struct hor_raft *raft, int64_t now_ms, uint64_t id)
{
    const struct hor_raft_peer *peer = peer_of(raft, id);
    raft_index match = 0;
    return peer != NULL && peer->term == raft_current_term(&raft->raft) &&
           now_ms - peer->heard_ms <= raft->settings.election_ms &&
           raft_match_index(&raft->raft, id, &match) == 0 && match + BEHIND_MAX >= raft->commit;
}

bool hor_raft_caught_up(const struct hor_raft *raft, int64_t now_ms, uint64_t id)
{
    return hor_raft_is_leader(raft) && is_near(raft, now_ms, id);
}

bool hor_raft_match(const struct hor_raft *raft, uint64_t id, uint64_t *ret_index)
{
    raft_index match = 0;
    if (raft_match_index(&raft->raft, id, &match) != 0)
        return false;
    *ret_index = match;
    return true;
}

/* Guard 5, third part: the one step from `now` to `to`, or why it is none. A member that is set back
 * or removes itself can hold the only copy of that entry, and may then neither lead nor vote. */
static int judge(const struct hor_raft *raft, int64_t now_ms, const struct hor_raft_configuration *now,
                 const struct hor_raft_configuration *to, struct hor_error *err)
{
    unsigned differ = 0, voters = voters_of(now);
    for (unsigned i = 0; i < to->count; i++) {
        uint64_t id = to->members[i].id;
        int before = hor_raft_member_role(now, id), role = (int)to->members[i].role;
        if (before == role)
            continue;
        differ++;
        if (before < 0 && role == HOR_RAFT_VOTER)
            return hor_error_set(err, HOR_ERR_INVALID,
                                 "member %" PRIu64 " gets its vote when it has caught up", id);
        if (before == HOR_RAFT_VOTER)
            return hor_error_set(err, HOR_ERR_INVALID,
                                 "member %" PRIu64 " cannot give up its vote and stay", id);
        if (role == HOR_RAFT_VOTER && !is_near(raft, now_ms, id))
            return hor_error_set(err, HOR_ERR_STATE, "member %" PRIu64 " has not caught up", id);
    }
    for (unsigned i = 0; i < now->count; i++) {
        uint64_t id = now->members[i].id;
        if (hor_raft_member_role(to, id) >= 0)
            continue;
        differ++;
        if (id == raft->settings.self)
            return hor_error_set(err, HOR_ERR_STATE,
                                 "a leader is not removed: leadership is passed on first");
        if (votes(now, id) && voters <= VOTERS_MIN)
            return hor_error_set(err, HOR_ERR_INVALID, "fewer than %d voters would be left",
                                 VOTERS_MIN);
    }
    if (differ > 1)
        return hor_error_set(err, HOR_ERR_INVALID, "only one member may change at a time");
    return HOR_OK;
}

/* Guard 13: a change of an older leader may be on few disks, and count other members than ours does.
 * It is out of the way for certain when an entry of our own term is committed. The library makes
 * one only when its log has what is not committed. */
static int begin_term(struct hor_raft *raft, int64_t now_ms, struct hor_error *err)
{
    struct hor_raft_entry barrier = {.term = raft_current_term(&raft->raft),
                                     .kind = HOR_RAFT_BARRIER};
    int rc = HOR_OK;
    if (hor_raft_term_of(raft, hor_raft_last_index(raft)) != barrier.term)
        rc = hor_raft_submit_entries(raft, now_ms, &barrier, 1, err);
    return rc != HOR_OK ? rc : hor_error_set(err, HOR_ERR_BUSY, "this member has only begun to lead");
}

int hor_raft_change(struct hor_raft *raft, int64_t now_ms,
                    const struct hor_raft_configuration *to, struct hor_error *err)
{
    struct hor_raft_configuration now;
    struct hor_raft_entry entry = {.kind = HOR_RAFT_CHANGE, .configuration = to};
    int rc = hor_raft_may_submit(raft, err);
    if (rc != HOR_OK)
        return rc;
    hor_raft_get_configuration(raft, &now);
    if (hor_raft_guard(raft, 5)) {
        rc = judge(raft, now_ms, &now, to, err);
        if (rc != HOR_OK)
            return rc;
    }
    if (raft->raft.configuration_uncommitted_index != 0)
        return hor_error_set(err, HOR_ERR_STATE, "another change of members is under way");
    if (hor_raft_guard(raft, 13) &&
        hor_raft_term_of(raft, raft->commit) != raft_current_term(&raft->raft))
        return begin_term(raft, now_ms, err);
    entry.term = raft_current_term(&raft->raft);
    return hor_raft_submit_entries(raft, now_ms, &entry, 1, err);
}

int hor_raft_transfer(struct hor_raft *raft, int64_t now_ms, uint64_t to, struct hor_error *err)
{
    struct hor_raft_configuration now;
    struct raft_event event;
    int rc = hor_raft_may_submit(raft, err);
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
    return hor_raft_step(raft, now_ms, &event, "transfer", err);
}

/* Members come and go while the cluster runs: one step of consensus at a time, each committed before
 * the next (lib/raft/change.c says which steps there are). A newcomer is a standby first; the leader
 * gives it its vote when it has caught up, and removes whom it replaces. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/cluster/private.h"

struct hor_change {
    bool removes;
    struct hor_member member; /* id 0: not given yet */
    uint64_t index;           /* of its entry; 0: not made yet */
    int64_t until_ms;
    hor_cluster_changed_fn *done;
    void *ctx;
};

/* ---- who is who ---------------------------------------------------------------------------- */

/* This member's place was taken by another folder of the same member, or by one begun anew. */
static void look_at_self(struct hor_cluster *cluster, const struct hor_members *members)
{
    const struct hor_journal_identity *own = hor_journal_get_identity(cluster->journal);
    const struct hor_member *self = hor_members_find(members, cluster->self);
    if (self == NULL)
        return;
    cluster->witness = self->witness;
    cluster->disowned = own->folder[0] != '\0' && self->folder[0] != '\0' &&
                                strcmp(own->folder, self->folder) != 0
                            ? "the journal names other recovery files of it"
                            : NULL;
}

void hor_cluster_roster(struct hor_cluster *cluster, const struct hor_members *members)
{
    for (unsigned i = 0; i < members->count; i++)
        if (members->list[i].id != cluster->self)
            hor_cluster_add_peer(cluster, members->list[i].id);
    look_at_self(cluster, members);
}

int hor_cluster_learn(struct hor_cluster *cluster, const char *xml, size_t len, uint64_t index,
                      struct hor_error *err)
{
    int rc = hor_members_read(xml, len, &cluster->newest, err);
    if (rc != HOR_OK)
        return rc;
    cluster->newest_index = index;
    hor_cluster_roster(cluster, &cluster->newest);
    return HOR_OK;
}

void hor_cluster_refused(struct hor_cluster *cluster)
{
    if (cluster->closing || cluster->failed || hor_raft_last_index(cluster->raft) > 1 ||
        cluster->run_id[0] != '\0' || cluster->members.count < 2)
        return;
    cluster->disowned = "another member refuses to hear it";
    hor_cluster_settle(cluster);
}

void hor_cluster_tell_members(struct hor_cluster *cluster)
{
    struct hor_cluster_member views[HOR_RAFT_MEMBERS_MAX];
    if (cluster->ops->members == NULL)
        return;
    for (unsigned i = 0; i < cluster->members.count; i++)
        views[i] = hor_members_view(&cluster->members.list[i]);
    cluster->ops->members(views, cluster->members.count, cluster->ctx);
}

unsigned hor_cluster_get_members(const struct hor_cluster *cluster,
                                 struct hor_cluster_member_status *ret, unsigned max)
{
    int64_t now_ms = hor_cluster_now();
    for (unsigned i = 0; i < cluster->members.count && i < max; i++) {
        const struct hor_member *m = &cluster->members.list[i];
        const struct hor_peer *peer = hor_cluster_peer(cluster, m->id);
        struct hor_cluster_member_status *to = &ret[i];
        *to = (struct hor_cluster_member_status){.member = hor_members_view(m), .heard_ms_ago = -1};
        to->self = m->id == cluster->self;
        to->leader = m->id == cluster->leader_id;
        if (!cluster->raft_leader)
            continue;
        to->known = hor_raft_match(cluster->raft, m->id, &to->match_index);
        if (to->self) {
            to->heard_ms_ago = 0;
            to->match_index = hor_journal_synced_index(cluster->journal);
        } else if (peer != NULL && peer->followed_ms != 0) {
            to->heard_ms_ago = now_ms - (int64_t)peer->followed_ms;
        }
    }
    return cluster->members.count;
}

/* ---- making a change ----------------------------------------------------------------------- */

/* HOR_ERR_STATE, HOR_ERR_BUSY: not now. */
static int submit_change(struct hor_cluster *cluster, struct hor_members *next, uint64_t *ret_index,
                         struct hor_error *err)
{
    struct hor_tail_entry entry = {.event = NULL}, *incoming[1] = {&entry};
    struct hor_raft_configuration to;
    struct hor_buf xml = HOR_BUF_INIT;
    uint64_t index = hor_raft_last_index(cluster->raft) + 1;
    int rc;
    if (next->highest < cluster->members.highest)
        next->highest = cluster->members.highest;
    hor_members_write(next, &xml);
    hor_members_to_raft(next, &to);
    entry.xml = xml.failed ? NULL : hor_buf_take(&xml);
    if (entry.xml == NULL) {
        hor_buf_done(&xml);
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    entry.entry = (struct hor_journal_entry){.term = hor_raft_term(cluster->raft),
                                             .at_us = hor_clock_utc_us(), .xml = entry.xml,
                                             .len = strlen(entry.xml)};
    cluster->incoming = incoming;
    cluster->incoming_count = 1;
    rc = hor_raft_change(cluster->raft, hor_cluster_now(), &to, err);
    cluster->incoming = NULL;
    cluster->incoming_count = 0;
    hor_tail_entry_done(&entry); /* empty, when it was taken */
    if (rc == HOR_OK && ret_index != NULL)
        *ret_index = index;
    return rc;
}

static void remove_at(struct hor_members *members, const struct hor_member *member)
{
    size_t at = (size_t)(member - members->list);
    memmove(&members->list[at], &members->list[at + 1],
            (members->count - at - 1) * sizeof members->list[0]);
    members->count--;
}

void hor_cluster_change_lost(struct hor_cluster *cluster, int code, const char *text)
{
    struct hor_change *change = cluster->change;
    cluster->change = NULL;
    if (change != NULL && change->done != NULL)
        change->done(code, change->member.id, text, change->ctx);
    free(change);
}

/* What a person asked for, as the next list. */
static int next_of(struct hor_cluster *cluster, struct hor_change *change, struct hor_members *next,
                   struct hor_error *err)
{
    *next = cluster->members;
    if (change->removes) {
        struct hor_member *gone = hor_members_find(next, change->member.id);
        if (gone == NULL)
            return hor_error_set(err, HOR_ERR_NOT_FOUND, "there is no member '%s'",
                                 change->member.name);
        remove_at(next, gone);
        return HOR_OK;
    }
    if (next->count == HOR_RAFT_MEMBERS_MAX)
        return hor_error_set(err, HOR_ERR_LIMIT, "more than %d members", HOR_RAFT_MEMBERS_MAX);
    change->member.id = next->highest + 1;
    change->member.role = HOR_RAFT_STANDBY;
    next->highest = change->member.id;
    next->list[next->count++] = change->member;
    return HOR_OK;
}

static int make_asked(struct hor_cluster *cluster, struct hor_members *next, struct hor_error *err)
{
    struct hor_change *change = cluster->change;
    struct hor_error why = {.text = ""};
    int rc;
    if (change->index != 0) {
        if (cluster->configuration_index >= change->index)
            hor_cluster_change_lost(cluster, HOR_OK, "");
        return HOR_OK;
    }
    rc = next_of(cluster, change, next, &why);
    if (rc == HOR_OK)
        rc = submit_change(cluster, next, &change->index, &why);
    if (rc == HOR_ERR_INTERNAL || rc == HOR_ERR_MEMORY) {
        if (err != NULL)
            *err = why;
        return rc;
    }
    if (rc == HOR_OK || ((rc == HOR_ERR_STATE || rc == HOR_ERR_BUSY) &&
                         hor_cluster_now() < change->until_ms))
        return HOR_OK; /* not now */
    hor_cluster_change_lost(cluster, rc, why.text);
    return HOR_OK;
}

/* What nobody has to ask for; false: nothing. */
static bool next_by_itself(struct hor_cluster *cluster, struct hor_members *next)
{
    bool any = false;
    *next = cluster->members;
    for (unsigned i = 0; i < next->count; i++) { /* identities of folders, all at once */
        struct hor_member *m = &next->list[i];
        const struct hor_peer *peer = hor_cluster_peer(cluster, m->id);
        const char *folder = m->id == cluster->self
                                 ? hor_journal_get_identity(cluster->journal)->folder
                                 : peer != NULL ? peer->folder : "";
        if (m->folder[0] != '\0' || folder[0] == '\0')
            continue;
        snprintf(m->folder, sizeof m->folder, "%s", folder);
        any = true;
    }
    if (any)
        return true;
    for (unsigned i = 0; i < next->count; i++) {
        struct hor_member *m = &next->list[i];
        if (m->role == HOR_RAFT_STANDBY &&
            hor_raft_caught_up(cluster->raft, hor_cluster_now(), m->id)) {
            m->role = HOR_RAFT_VOTER;
            return true;
        }
        /* Replaced by one of the same name that votes. */
        struct hor_member *newer = hor_members_named(next, m->name);
        if (newer != m && newer->role == HOR_RAFT_VOTER && m->id != cluster->self) {
            remove_at(next, m);
            return true;
        }
    }
    return false;
}

bool hor_cluster_is_unsettled(const struct hor_members *members)
{
    for (unsigned i = 0; i < members->count; i++) {
        const struct hor_member *m = &members->list[i];
        if (m->folder[0] == '\0' || m->role != HOR_RAFT_VOTER || hor_members_named(members, m->name) != m)
            return true;
    }
    return false;
}

int hor_cluster_change_members(struct hor_cluster *cluster, struct hor_error *err)
{
    struct hor_members *next;
    struct hor_error why;
    int rc = HOR_OK;
    if ((!cluster->unsettled && cluster->change == NULL) || !cluster->told_leader ||
        !cluster->raft_leader || cluster->no_room ||
        cluster->newest_index > cluster->configuration_index)
        return HOR_OK; /* one after the other */
    next = malloc(sizeof *next);
    if (next == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (cluster->change != NULL)
        rc = make_asked(cluster, next, err);
    else if (next_by_itself(cluster, next)) {
        rc = submit_change(cluster, next, NULL, &why);
        if (rc != HOR_ERR_INTERNAL && rc != HOR_ERR_MEMORY)
            rc = HOR_OK; /* later, then */
        else if (err != NULL)
            *err = why;
    }
    free(next);
    return rc;
}

/* ---- asked by a person, or by a member that joins ------------------------------------------- */

static int ask(struct hor_cluster *cluster, bool removes, const struct hor_member *member,
               hor_cluster_changed_fn *done, void *ctx, struct hor_error *err)
{
    if (cluster->change != NULL)
        return hor_error_set(err, HOR_ERR_BUSY, "another change of members is under way");
    cluster->change = malloc(sizeof *cluster->change);
    if (cluster->change == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    *cluster->change = (struct hor_change){.removes = removes, .member = *member, .done = done,
                                           .until_ms = hor_cluster_now() + HOR_CLUSTER_CHANGE_MS,
                                           .ctx = ctx};
    hor_cluster_settle(cluster);
    return HOR_OK;
}

static int is_leader(const struct hor_cluster *cluster, struct hor_error *err)
{
    if (cluster->closing || cluster->failed || !cluster->told_leader || !cluster->raft_leader)
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "this member does not lead the cluster");
    return HOR_OK;
}

int hor_cluster_add(struct hor_cluster *cluster, const struct hor_cluster_member *member,
                    hor_cluster_changed_fn *done, void *ctx, struct hor_error *err)
{
    struct hor_members one;
    struct hor_cluster_member numbered = *member;
    int rc = is_leader(cluster, err);
    if (rc != HOR_OK)
        return rc;
    numbered.id = 1;
    rc = hor_members_from(&numbered, 1, &one, err);
    if (rc != HOR_OK)
        return rc;
    if (one.list[0].name[0] == '\0' || one.list[0].url[0] == '\0')
        return hor_error_set(err, HOR_ERR_INVALID, "a member has a name and a URL");
    const struct hor_member *known = hor_members_named(&cluster->members, one.list[0].name);
    const char *folder = one.list[0].folder;
    if (known != NULL && (folder[0] == '\0' || known->folder[0] == '\0' ||
                          strcmp(known->folder, folder) == 0)) {
        if (done != NULL)
            done(HOR_OK, known->id, "", ctx);
        return HOR_OK;
    }
    if (known != NULL) { /* it lost its disk: all but the id stays */
        struct hor_member again = *known;
        snprintf(again.folder, sizeof again.folder, "%s", folder);
        one.list[0] = again;
    }
    one.list[0].id = 0;
    return ask(cluster, false, &one.list[0], done, ctx, err);
}

int hor_cluster_remove(struct hor_cluster *cluster, const char *name, hor_cluster_changed_fn *done,
                       void *ctx, struct hor_error *err)
{
    int rc = is_leader(cluster, err);
    if (rc != HOR_OK)
        return rc;
    const struct hor_member *member = hor_members_named(&cluster->members, name);
    if (member == NULL)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "there is no member '%.100s'", name);
    if (member->id == cluster->self) {
        rc = hor_cluster_transfer(cluster, 0, err);
        return rc != HOR_OK ? rc
                            : hor_error_set(err, HOR_ERR_STATE,
                                            "member '%s' leads, and passes leadership on first: "
                                            "ask again", name);
    }
    return ask(cluster, true, member, done, ctx, err);
}

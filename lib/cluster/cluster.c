/* Opening and closing, what consensus asks for, and settling. */
#include "lib/cluster/cluster.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/cluster/private.h"

int64_t hor_cluster_now(void) { return hor_clock_monotonic_ms(); }

void hor_cluster_fail(struct hor_cluster *cluster, const struct hor_error *err)
{
    if (cluster->failed)
        return;
    cluster->failed = true;
    hor_timer_stop(cluster->timer);
    hor_requests_fail(cluster, HOR_ERR_NOT_ACTIVE);
    hor_cluster_change_lost(cluster, HOR_ERR_NOT_ACTIVE, "this member stopped after an error");
    cluster->ops->fatal(err, cluster->ctx);
}

/* ---- what consensus asks for --------------------------------------------------------------- */

static int on_state(uint64_t term, uint64_t vote, void *ctx)
{
    struct hor_cluster *cluster = ctx;
    return hor_journal_save_vote(cluster->journal, term, vote, NULL);
}

static int make_barrier(uint64_t index, uint64_t term, struct hor_tail_entry *ret)
{
    ret->xml = hor_strdup("<barrier/>");
    ret->event = NULL;
    ret->entry = (struct hor_journal_entry){.index = index, .term = term,
                                            .at_us = hor_clock_utc_us(), .xml = ret->xml,
                                            .len = 10};
    return ret->xml != NULL ? HOR_OK : HOR_ERR_MEMORY;
}

static void on_append(uint64_t index, unsigned first, unsigned count, uint64_t term, bool barrier,
                      uint64_t epoch, void *ctx)
{
    struct hor_cluster *cluster = ctx;
    struct hor_journal_entry *lines = calloc(count, sizeof *lines);
    struct hor_tail_entry own;
    struct hor_error err;
    int rc = lines != NULL ? HOR_OK : hor_error_set(&err, HOR_ERR_MEMORY, "out of memory");

    hor_tail_truncate(&cluster->tail, index);
    if (index <= cluster->newest_index) { /* it was replaced before it was committed */
        cluster->newest = cluster->members;
        cluster->newest_index = cluster->configuration_index;
    }
    for (unsigned i = 0; rc == HOR_OK && i < count; i++) {
        struct hor_tail_entry *one = &own;
        if (barrier) {
            rc = make_barrier(index, term, &own);
        } else if (first + i < cluster->incoming_count) {
            one = cluster->incoming[first + i];
            one->entry.index = index + i;
        } else {
            rc = HOR_ERR_INTERNAL;
        }
        if (rc == HOR_OK && hor_journal_kind_of(one->entry.xml, one->entry.len) ==
                                HOR_JOURNAL_CONFIGURATION)
            rc = hor_cluster_learn(cluster, one->entry.xml, one->entry.len, index + i, NULL);
        if (rc == HOR_OK) {
            lines[i] = one->entry;
            if (!hor_tail_push(&cluster->tail, one))
                rc = HOR_ERR_MEMORY;
        }
        if (rc != HOR_OK)
            hor_error_set(&err, rc, "entry %" PRIu64 " could not be kept", index + i);
    }
    if (rc == HOR_OK)
        rc = hor_journal_append(cluster->journal, lines, count, epoch, &err);
    free(lines);
    if (rc != HOR_OK)
        hor_cluster_fail(cluster, &err); /* consensus counts on these entries: no way back */
}

static void on_install(const struct hor_raft_snapshot *snapshot, void *ctx)
{
    struct hor_cluster *cluster = ctx;
    struct hor_error err;
    int rc;
    cluster->installing = *snapshot;
    hor_tail_truncate(&cluster->tail, 0);
    rc = hor_journal_install(cluster->journal, cluster->staged, snapshot->index, snapshot->term,
                             &err);
    cluster->staged[0] = '\0';
    if (rc != HOR_OK)
        hor_cluster_fail(cluster, &err);
}

static void on_timer_set(int64_t at_ms, void *ctx)
{
    struct hor_cluster *cluster = ctx;
    int64_t in_ms = at_ms - hor_cluster_now();
    hor_timer_start(cluster->timer, in_ms > 0 ? in_ms : 0);
}

static void on_role(bool leader, uint64_t leader_id, uint64_t term, void *ctx)
{
    struct hor_cluster *cluster = ctx;
    bool led = cluster->raft_leader && leader && cluster->term == term;
    if (cluster->raft_leader && !led)
        cluster->lost = true;
    if (leader && !led) {
        cluster->ready_index = hor_raft_last_index(cluster->raft);
        for (unsigned i = 0; i < cluster->peer_count; i++)
            cluster->peers[i].followed_ms = 0;
    }
    cluster->raft_leader = leader;
    cluster->leader_id = leader_id;
    cluster->term = term;
    if (!leader)
        cluster->founding = false;
}

static void on_commit(uint64_t index, void *ctx)
{
    struct hor_cluster *cluster = ctx;
    if (index > cluster->commit)
        cluster->commit = index;
}

static const struct hor_raft_ops raft_ops = {.state = on_state,
                                             .append = on_append,
                                             .install = on_install,
                                             .send = hor_cluster_send,
                                             .timer = on_timer_set,
                                             .role = on_role,
                                             .commit = on_commit};

/* ---- settling ------------------------------------------------------------------------------ */

/* A witness has the vote, not the lead: it passes it on to whoever may act. */
static void pass_on(struct hor_cluster *cluster)
{
    if (hor_raft_transferring(cluster->raft))
        return;
    unsigned count = cluster->members.count, start = cluster->passes++ % (count ? count : 1);
    for (unsigned i = 0; i < 2 * count; i++) { /* one of them may be away */
        const struct hor_member *m = &cluster->members.list[(start + i) % count];
        if (m->id == cluster->self || m->witness || m->role != HOR_RAFT_VOTER ||
            /* first those that answer: waiting for one that is dead takes an election's time */
            (i < count && !hor_cluster_caught_up(cluster, m->id)))
            continue;
        if (hor_raft_transfer(cluster->raft, hor_cluster_now(), m->id, NULL) == HOR_OK)
            return;
    }
}

/* Another folder of this member counts: what is in this one must not be believed any more. */
static int disown(struct hor_cluster *cluster, struct hor_error *err)
{
    struct hor_journal_identity own = *hor_journal_get_identity(cluster->journal);
    own.abandoned = true;
    int rc = hor_journal_save_identity(cluster->journal, &own, err);
    if (rc != HOR_OK)
        return rc;
    return hor_error_set(err, HOR_ERR_STATE,
                         "member %" PRIu64 " of cluster '%s' is not who its recovery files say: %s; it "
                         "rejoins with nothing at its next start", cluster->self, cluster->name,
                         cluster->disowned);
}

static int tell_role(struct hor_cluster *cluster, struct hor_error *err)
{
    bool ready = cluster->raft_leader && cluster->applied >= cluster->ready_index;
    int rc = HOR_OK;
    if (cluster->lost) {
        cluster->lost = false;
        hor_requests_fail(cluster, HOR_ERR_NOT_ACTIVE);
        hor_cluster_change_lost(cluster, HOR_ERR_NOT_ACTIVE,
                                "leadership was lost: whether the change is made is not known");
    }
    if (ready && (cluster->witness || (cluster->no_room && cluster->peer_count > 0)))
        pass_on(cluster); /* without room nothing new could be taken here */
    if (ready && !cluster->witness && cluster->run_id[0] == '\0') {
        ready = false;
        if (!cluster->founding)
            rc = hor_cluster_found(cluster, err);
    }
    /* A leader that is not ready yet is told to nobody, unless somebody believes in an old one. */
    if (cluster->raft_leader && !ready && !cluster->told_leader)
        return rc;
    ready = ready && !cluster->witness;
    if (ready == cluster->told_leader && cluster->leader_id == cluster->told_leader_id &&
        cluster->term == cluster->told_term)
        return rc;
    cluster->told_leader = ready;
    cluster->told_leader_id = cluster->leader_id;
    cluster->told_term = cluster->term;
    cluster->ops->role(ready, cluster->leader_id, cluster->term, cluster->ctx);
    return rc;
}

void hor_cluster_settle(struct hor_cluster *cluster)
{
    struct hor_error err;
    int rc = HOR_OK;
    if (cluster->settling) {
        cluster->again = true;
        return;
    }
    cluster->settling = true;
    do {
        bool any = false;
        cluster->again = false;
        rc = hor_cluster_apply_committed(cluster, &any, &err);
        any = any || cluster->replaced;
        cluster->replaced = false;
        if (rc == HOR_OK && cluster->disowned != NULL)
            rc = disown(cluster, &err);
        if (rc == HOR_OK && !cluster->failed)
            rc = tell_role(cluster, &err);
        if (rc == HOR_OK && any && !cluster->failed && cluster->ops->applied != NULL)
            cluster->ops->applied(cluster->applied, cluster->ctx);
        if (rc == HOR_OK && !cluster->failed) {
            hor_cluster_answer(cluster);
            rc = hor_cluster_feed(cluster, &err);
        }
        if (rc == HOR_OK && !cluster->failed)
            rc = hor_cluster_change_members(cluster, &err);
        if (rc == HOR_OK && !cluster->failed)
            hor_cluster_maybe_snapshot(cluster);
        if (rc != HOR_OK)
            hor_cluster_fail(cluster, &err);
    } while (rc == HOR_OK && !cluster->failed && cluster->again);
    hor_cluster_tidy(cluster);
    hor_cluster_flush(cluster);
    cluster->settling = false;
}

static void on_timeout(void *ctx)
{
    struct hor_cluster *cluster = ctx;
    struct hor_error err;
    if (cluster->failed)
        return;
    if (hor_raft_timeout(cluster->raft, hor_cluster_now(), &err) != HOR_OK)
        hor_cluster_fail(cluster, &err);
    hor_cluster_resend_parts(cluster);
    hor_cluster_settle(cluster);
}

/* ---- the writer's news --------------------------------------------------------------------- */

static int snapshot_taken(struct hor_cluster *cluster, const struct hor_journal_done *done,
                          struct hor_error *err)
{
    cluster->snapshot_asked = 0;
    if (done->snapshot_code != HOR_OK || done->snapshot_index <= cluster->snapshot_index)
        return HOR_OK; /* no room, or overtaken: the next one may do */
    cluster->snapshot_index = done->snapshot_index;
    return hor_raft_snapshot_taken(cluster->raft, hor_cluster_now(), &cluster->taking,
                                   cluster->trailing, err);
}

static int snapshot_installed(struct hor_cluster *cluster, struct hor_error *err)
{
    struct hor_raft_snapshot snapshot = cluster->installing;
    struct hor_journal_snapshot file;
    struct hor_buf text = HOR_BUF_INIT;
    char path[4096];
    int rc = hor_journal_snapshot_path(cluster->journal, snapshot.index, snapshot.term, path,
                                       sizeof path);
    if (rc == HOR_OK)
        rc = hor_journal_snapshot_read(path, cluster->name, &text, &file, err);
    if (rc == HOR_OK)
        rc = hor_cluster_restore(cluster, &file, err);
    hor_buf_done(&text);
    cluster->installing.index = 0;
    if (rc != HOR_OK)
        return rc;
    cluster->replaced = true;
    hor_journal_note_run_id(cluster->journal, cluster->run_id);
    return hor_raft_installed(cluster->raft, hor_cluster_now(), &snapshot, err);
}

static void on_written(void *ctx)
{
    struct hor_cluster *cluster = ctx;
    struct hor_journal_done done;
    struct hor_error err;
    int rc = HOR_OK;
    atomic_store(&cluster->notified, false); /* before collecting: nothing may be missed */
    if (!cluster->closing && !cluster->failed) {
        hor_journal_collect(cluster->journal, &done);
        cluster->no_room = done.no_room;
        if (done.fatal != HOR_OK) {
            err = done.err;
            rc = done.fatal;
        }
        if (rc == HOR_OK && done.persisted != 0)
            rc = hor_raft_persisted(cluster->raft, hor_cluster_now(), done.persisted, done.epoch,
                                    &err);
        if (rc == HOR_OK && done.snapshot_taken)
            rc = snapshot_taken(cluster, &done, &err);
        if (rc == HOR_OK && done.installed)
            rc = snapshot_installed(cluster, &err);
        if (rc != HOR_OK)
            hor_cluster_fail(cluster, &err);
        hor_cluster_settle(cluster);
    }
    hor_cluster_unref(cluster);
}

/* Writer thread. */
static void notify(void *ctx)
{
    struct hor_cluster *cluster = ctx;
    if (atomic_exchange(&cluster->notified, true))
        return;
    atomic_fetch_add(&cluster->references, 1);
    if (hor_loop_post(cluster->loop, on_written, cluster) != HOR_OK) {
        atomic_store(&cluster->notified, false); /* the next news brings it */
        hor_cluster_unref(cluster);
    }
}

/* ---- opening ------------------------------------------------------------------------------- */

/* Collects what consensus must know of the log, and applies what is known to be committed. */
struct replay {
    struct hor_cluster *cluster;
    uint64_t first;  /* index of entries[0] */
    uint64_t commit; /* committed for sure */
    struct hor_raft_entry *entries;
    size_t count, cap;
    struct hor_raft_configuration **changes; /* that entries point to */
    size_t change_count;
};

static int remember(struct replay *replay, const struct hor_journal_entry *entry,
                    struct hor_error *err)
{
    struct hor_raft_entry *one;
    if (replay->count == replay->cap) {
        size_t cap = replay->cap ? replay->cap * 2 : 1024;
        one = realloc(replay->entries, cap * sizeof *one);
        if (one == NULL)
            return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        replay->entries = one;
        replay->cap = cap;
    }
    if (replay->count == 0)
        replay->first = entry->index;
    one = &replay->entries[replay->count];
    *one = (struct hor_raft_entry){.term = entry->term};
    switch (hor_journal_kind_of(entry->xml, entry->len)) {
    case HOR_JOURNAL_EVENT:
        one->kind = HOR_RAFT_COMMAND;
        break;
    case HOR_JOURNAL_BARRIER:
        one->kind = HOR_RAFT_BARRIER;
        break;
    case HOR_JOURNAL_CONFIGURATION: {
        struct hor_raft_configuration *conf = malloc(sizeof *conf);
        struct hor_raft_configuration **list =
            realloc(replay->changes, (replay->change_count + 1) * sizeof *list);
        if (list != NULL)
            replay->changes = list;
        if (conf == NULL || list == NULL) {
            free(conf);
            return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        }
        replay->changes[replay->change_count++] = conf;
        int rc = hor_members_read_raft(entry->xml, entry->len, conf, err);
        if (rc == HOR_OK)
            rc = hor_cluster_learn(replay->cluster, entry->xml, entry->len, entry->index, err);
        if (rc != HOR_OK)
            return hor_error_prefix(err, "entry %" PRIu64, entry->index);
        one->kind = HOR_RAFT_CHANGE;
        one->configuration = conf;
        break;
    }
    }
    replay->count++;
    return HOR_OK;
}

static int replay_entry(const struct hor_journal_entry *entry, void *ctx, struct hor_error *err)
{
    struct replay *replay = ctx;
    struct hor_cluster *cluster = replay->cluster;
    struct hor_tail_entry kept = {.entry = *entry};
    uint64_t snapshot = cluster->snapshot_index;
    int rc = HOR_OK;
    if (snapshot == 0 || entry->index + replay->cluster->trailing > snapshot)
        rc = remember(replay, entry, err);
    if (rc == HOR_OK && entry->index > cluster->applied && entry->index <= replay->commit)
        rc = hor_cluster_apply_entry(cluster, entry, NULL, err);
    if (rc != HOR_OK)
        return rc;
    kept.xml = malloc(entry->len + 1);
    if (kept.xml == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    memcpy(kept.xml, entry->xml, entry->len);
    kept.xml[entry->len] = '\0';
    kept.entry.xml = kept.xml;
    if (!hor_tail_push(&cluster->tail, &kept)) {
        free(kept.xml);
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    hor_tail_trim(&cluster->tail, cluster->applied, HOR_CLUSTER_TAIL_COUNT,
                  HOR_CLUSTER_TAIL_BYTES);
    return HOR_OK;
}

static int begin(struct hor_cluster *cluster, const struct hor_cluster_settings *settings,
                 struct hor_error *err)
{
    struct hor_buf xml = HOR_BUF_INIT;
    struct hor_journal_entry first = {.index = 1, .term = 1, .at_us = hor_clock_utc_us()};
    int rc;
    hor_members_write(&cluster->members, &xml);
    first.xml = hor_buf_text(&xml);
    first.len = xml.len;
    if (settings->joins)
        rc = hor_journal_begin(cluster->journal, settings->incarnation, NULL, err);
    else
        rc = xml.failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                        : hor_journal_begin(cluster->journal, 1, &first, err);
    hor_buf_done(&xml);
    return rc;
}

static int replay_all(struct hor_cluster *cluster, const struct hor_cluster_settings *settings,
                      struct hor_error *err)
{
    struct replay replay = {.cluster = cluster};
    struct hor_raft_start start = {.first_index = 1};
    const struct hor_journal_snapshot *snapshot = hor_journal_get_snapshot(cluster->journal);
    struct hor_journal_state state;
    struct hor_raft_settings raft_settings = {.self = cluster->self};
    int rc = HOR_OK;

    if (snapshot->index > 0) {
        rc = hor_cluster_restore(cluster, snapshot, err);
        start.snapshot = (struct hor_raft_snapshot){
            .index = snapshot->index, .term = snapshot->term,
            .configuration = cluster->configured,
            .configuration_index = snapshot->configuration_index};
        start.first_index = snapshot->index + 1;
        cluster->snapshot_index = snapshot->index;
        hor_journal_drop_snapshot(cluster->journal);
    }
    state = hor_journal_get_state(cluster->journal);
    cluster->incarnation = state.incarnation;
    replay.commit = state.commit;
    if (rc == HOR_OK)
        rc = hor_journal_load(cluster->journal, replay_entry, &replay, err);
    if (rc != HOR_OK)
        goto out;
    cluster->commit = cluster->applied;
    if (cluster->snapshot_index > 0 &&
        hor_journal_last_index(cluster->journal) == cluster->snapshot_index &&
        hor_journal_first_index(cluster->journal) > cluster->snapshot_index) {
        replay.count = 0; /* the snapshot superseded them */
        hor_tail_truncate(&cluster->tail, 0);
    }
    if (replay.count > 0)
        start.first_index = replay.first;
    start.term = state.term;
    start.vote = state.vote;
    start.entries = replay.entries;
    start.entry_count = (unsigned)replay.count;
    raft_settings.incarnation = state.incarnation;
    raft_settings.election_ms = settings->election_ms ? settings->election_ms : 500;
    raft_settings.heartbeat_ms = settings->heartbeat_ms ? settings->heartbeat_ms : 100;
    raft_settings.seed = (unsigned)(hor_clock_monotonic_us() * 2654435761u + cluster->self);
    rc = hor_raft_new(&raft_settings, &raft_ops, cluster, &cluster->raft, err);
    if (rc == HOR_OK)
        rc = hor_journal_start(cluster->journal, notify, cluster, err);
    if (rc == HOR_OK)
        rc = hor_raft_start(cluster->raft, hor_cluster_now(), &start, err);
    if (rc == HOR_OK) {
        bool any;
        rc = hor_cluster_apply_committed(cluster, &any, err);
    }
out:
    for (size_t i = 0; i < replay.change_count; i++)
        free(replay.changes[i]);
    free(replay.changes);
    free(replay.entries);
    return rc;
}

static int know_members(struct hor_cluster *cluster, const struct hor_cluster_settings *settings,
                        struct hor_error *err)
{
    const struct hor_member *self;
    int rc = hor_members_from(settings->members, settings->member_count, &cluster->members, err);
    if (rc != HOR_OK)
        return hor_error_prefix(err, "cluster '%s'", cluster->name);
    self = hor_members_find(&cluster->members, cluster->self);
    if (self == NULL)
        return hor_error_set(err, HOR_ERR_INVALID,
                             "cluster '%s': member %" PRIu64 " is not among the members",
                             cluster->name, cluster->self);
    cluster->witness = self->witness;
    cluster->newest = cluster->members;
    cluster->own_name = hor_strdup(settings->name != NULL ? settings->name : self->name);
    cluster->peers = calloc(HOR_CLUSTER_PEERS, sizeof *cluster->peers);
    if (cluster->own_name == NULL || cluster->peers == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    return HOR_OK;
}

/* Whose folder it is: by itself, or by the settings when it does not say so yet. */
static int identify(struct hor_cluster *cluster, const struct hor_cluster_settings *settings,
                    struct hor_error *err)
{
    struct hor_journal_identity own = *hor_journal_get_identity(cluster->journal);
    bool is_new = hor_journal_is_new(cluster->journal);
    if (own.abandoned)
        return hor_error_set(err, HOR_ERR_STATE,
                             "%s: the cluster counts on other recovery files of this member; it has "
                             "to rejoin with nothing", settings->directory);
    if (own.member != 0 && !is_new) {
        cluster->self = own.member;
        return HOR_OK;
    }
    own.member = cluster->self;
    own.joining = is_new && settings->joins;
    return hor_journal_save_identity(cluster->journal, &own, err);
}

int hor_cluster_open(struct hor_loop *loop, const struct hor_cluster_settings *settings,
                     const struct hor_cluster_ops *ops, void *ctx, struct hor_cluster **ret,
                     struct hor_error *err)
{
    struct hor_journal_settings files = {.directory = settings->directory,
                                         .segment_bytes = settings->segment_bytes};
    struct hor_cluster *cluster = calloc(1, sizeof *cluster);
    int rc;
    if (cluster == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "cluster: out of memory");
    cluster->loop = loop;
    cluster->own_ops = *ops;
    cluster->ops = &cluster->own_ops;
    cluster->ctx = ctx;
    cluster->self = settings->self;
    cluster->snapshot_every = settings->snapshot_every ? settings->snapshot_every : 100000;
    cluster->trailing = cluster->snapshot_every < HOR_CLUSTER_TRAILING
                            ? (unsigned)cluster->snapshot_every
                            : HOR_CLUSTER_TRAILING;
    cluster->staging_fd = -1;
    atomic_init(&cluster->references, 1);
    hor_requests_init(&cluster->waiting);
    hor_requests_init(&cluster->inflight);
    cluster->name = hor_strdup(settings->cluster);
    cluster->timer = hor_timer_new(loop, on_timeout, cluster);
    if (cluster->name == NULL || cluster->timer == NULL) {
        rc = hor_error_set(err, HOR_ERR_MEMORY, "cluster: out of memory");
        goto out;
    }
    rc = know_members(cluster, settings, err);
    if (rc != HOR_OK)
        goto out;
    files.cluster = cluster->name;
    files.member = cluster->own_name;
    rc = hor_journal_open(&files, &cluster->journal, err);
    if (rc == HOR_OK)
        rc = identify(cluster, settings, err);
    if (rc == HOR_OK && (hor_journal_is_new(cluster->journal) || settings->joins))
        hor_cluster_roster(cluster, &cluster->members); /* others' journals name them later */
    if (rc == HOR_OK && hor_journal_is_new(cluster->journal))
        rc = begin(cluster, settings, err);
    if (rc == HOR_OK)
        rc = replay_all(cluster, settings, err);
    if (rc == HOR_OK) {
        /* Roles are told from the loop, when the caller has the cluster in hand. */
        atomic_store(&cluster->notified, true);
        atomic_fetch_add(&cluster->references, 1);
        rc = hor_loop_post(loop, on_written, cluster);
        if (rc != HOR_OK) {
            hor_error_set(err, rc, "cluster: out of memory");
            atomic_fetch_sub(&cluster->references, 1);
        }
    }
out:
    if (rc == HOR_OK)
        *ret = cluster;
    else
        hor_cluster_close(cluster);
    return rc;
}

void hor_cluster_unref(struct hor_cluster *cluster)
{
    if (atomic_fetch_sub(&cluster->references, 1) == 1)
        free(cluster);
}

void hor_cluster_close(struct hor_cluster *cluster)
{
    if (cluster == NULL)
        return;
    cluster->closing = true;
    hor_cluster_change_lost(cluster, HOR_ERR_NOT_ACTIVE, "this member ends");
    hor_journal_close(cluster->journal);
    cluster->journal = NULL;
    hor_timer_free(cluster->timer);
    hor_requests_fail(cluster, HOR_ERR_NOT_ACTIVE);
    hor_raft_free(cluster->raft);
    hor_tail_done(&cluster->tail);
    hor_cluster_drop_staging(cluster);
    for (unsigned i = 0; i < cluster->peer_count; i++)
        hor_peer_done(&cluster->peers[i]);
    free(cluster->peers);
    free(cluster->own_name);
    hor_buf_done(&cluster->configuration);
    free(cluster->name);
    hor_cluster_unref(cluster); /* a post may still be on its way */
}

const char *hor_cluster_name(const struct hor_cluster *cluster) { return cluster->name; }

void hor_cluster_get_status(const struct hor_cluster *cluster, struct hor_cluster_status *ret)
{
    uint64_t last = hor_raft_last_index(cluster->raft);
    *ret = (struct hor_cluster_status){
        .self = cluster->self,
        .incarnation = cluster->incarnation,
        .leader = cluster->told_leader && cluster->raft_leader,
        .leader_id = cluster->leader_id,
        .term = hor_raft_term(cluster->raft),
        .last_index = last,
        .commit_index = cluster->commit,
        .applied_index = cluster->applied,
        .first_index = hor_journal_first_index(cluster->journal),
        .run_id = cluster->run_id,
        .uncommitted = (last > cluster->commit ? (size_t)(last - cluster->commit) : 0) +
                       cluster->queued_count,
        .no_room = cluster->no_room,
        .majority_ms = hor_cluster_majority_ms(cluster)};
}

int hor_cluster_transfer(struct hor_cluster *cluster, uint64_t to, struct hor_error *err)
{
    int rc;
    if (cluster->failed)
        return hor_error_set(err, HOR_ERR_STATE, "the cluster has stopped after an error");
    rc = hor_raft_transfer(cluster->raft, hor_cluster_now(), to, err);
    hor_cluster_settle(cluster);
    return rc;
}

bool hor_cluster_caught_up(const struct hor_cluster *cluster, uint64_t id)
{
    return !cluster->failed && hor_raft_caught_up(cluster->raft, hor_cluster_now(), id);
}

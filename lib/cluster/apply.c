/* Committed entries become state; state becomes snapshots. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/cluster/private.h"

/* The members from here on, as a journal or a snapshot names them. */
static int take_members(struct hor_cluster *cluster, const char *xml, size_t len, uint64_t index,
                        struct hor_error *err)
{
    const struct hor_journal_identity *own = hor_journal_get_identity(cluster->journal);
    int rc = hor_members_read(xml, len, &cluster->members, err);
    if (rc != HOR_OK)
        return rc;
    hor_buf_clear(&cluster->configuration);
    hor_buf_add(&cluster->configuration, xml, len);
    if (cluster->configuration.failed)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    hor_members_to_raft(&cluster->members, &cluster->configured);
    cluster->unsettled = hor_cluster_is_unsettled(&cluster->members);
    cluster->configuration_index = index;
    if (cluster->newest_index <= index) {
        cluster->newest = cluster->members;
        cluster->newest_index = index;
    }
    hor_cluster_roster(cluster, &cluster->members);
    for (unsigned i = 0; i < cluster->peer_count; i++)
        cluster->peers[i].leaves =
            hor_members_find(&cluster->members, cluster->peers[i].id) == NULL &&
            hor_members_find(&cluster->newest, cluster->peers[i].id) == NULL;
    if (own->joining && hor_members_find(&cluster->members, cluster->self) != NULL) {
        struct hor_journal_identity joined = *own;
        joined.joining = false;
        rc = hor_journal_save_identity(cluster->journal, &joined, err);
        if (rc != HOR_OK)
            return rc;
    }
    hor_cluster_tell_members(cluster);
    return HOR_OK;
}

static int apply_configuration(struct hor_cluster *cluster, const char *xml, size_t len,
                               uint64_t index, struct hor_error *err)
{
    int rc = take_members(cluster, xml, len, index, err);
    if (rc == HOR_OK && cluster->raft != NULL)
        rc = hor_raft_configured(cluster->raft, hor_cluster_now(), index, &cluster->configured, err);
    return rc;
}

static int apply_event(struct hor_cluster *cluster, const struct hor_journal_entry *entry,
                       struct hor_event *take_event, struct hor_error *err)
{
    struct hor_event *event = take_event;
    if (event == NULL) {
        int rc = hor_event_read(entry->xml, entry->len, &event, err);
        if (rc != HOR_OK)
            return rc;
    }
    event->index = entry->index;
    event->at_us = entry->at_us;
    if (event->type == HOR_EVENT_CLUSTER_STARTED && event->run_id != NULL) {
        snprintf(cluster->run_id, sizeof cluster->run_id, "%s", event->run_id);
        hor_journal_note_run_id(cluster->journal, cluster->run_id);
    }
    cluster->ops->apply(event, cluster->ctx);
    hor_event_free(event);
    return HOR_OK;
}

/* Takes `take_event` (may be NULL) when it succeeds. */
int hor_cluster_apply_entry(struct hor_cluster *cluster, const struct hor_journal_entry *entry,
                            struct hor_event *take_event, struct hor_error *err)
{
    int rc = HOR_OK;
    switch (hor_journal_kind_of(entry->xml, entry->len)) {
    case HOR_JOURNAL_EVENT:
        rc = apply_event(cluster, entry, take_event, err);
        break;
    case HOR_JOURNAL_CONFIGURATION:
        rc = apply_configuration(cluster, entry->xml, entry->len, entry->index, err);
        break;
    case HOR_JOURNAL_BARRIER:
        break;
    }
    if (rc != HOR_OK) {
        hor_error_prefix(err, "entry %" PRIu64, entry->index);
        return rc;
    }
    cluster->applied = entry->index;
    return HOR_OK;
}

int hor_cluster_apply_committed(struct hor_cluster *cluster, bool *ret_any, struct hor_error *err)
{
    *ret_any = false;
    if (cluster->failed || cluster->installing.index != 0)
        return HOR_OK; /* the snapshot's state comes first */
    while (cluster->applied < cluster->commit && !cluster->failed) {
        struct hor_tail_entry *kept = hor_tail_get(&cluster->tail, cluster->applied + 1);
        struct hor_event *event;
        int rc;
        if (kept == NULL)
            break; /* committed, but not received yet */
        event = kept->event;
        kept->event = NULL;
        rc = hor_cluster_apply_entry(cluster, &kept->entry, event, err);
        if (rc != HOR_OK)
            return rc;
        *ret_any = true;
    }
    if (*ret_any)
        hor_journal_note_commit(cluster->journal, cluster->applied);
    return HOR_OK;
}

int hor_cluster_restore(struct hor_cluster *cluster, const struct hor_journal_snapshot *snapshot,
                        struct hor_error *err)
{
    int rc;
    rc = take_members(cluster, snapshot->configuration, snapshot->configuration_len,
                      snapshot->configuration_index, err);
    if (rc != HOR_OK)
        return rc;
    memcpy(cluster->run_id, snapshot->run_id, sizeof cluster->run_id);
    rc = cluster->ops->restore(snapshot->state, snapshot->state_len, cluster->ctx, err);
    if (rc != HOR_OK) {
        hor_error_prefix(err, "restore the snapshot of entry %" PRIu64, snapshot->index);
        return rc;
    }
    cluster->applied = snapshot->index;
    cluster->snapshot_index = snapshot->index;
    if (cluster->commit < snapshot->index)
        cluster->commit = snapshot->index;
    return HOR_OK;
}

void hor_cluster_maybe_snapshot(struct hor_cluster *cluster)
{
    struct hor_journal_snapshot snapshot = {.index = cluster->applied};
    struct hor_tail_entry *last;
    struct hor_buf state = HOR_BUF_INIT;
    uint64_t stored = hor_journal_synced_index(cluster->journal);
    if (cluster->snapshot_asked != 0 || cluster->installing.index != 0 ||
        cluster->ops->snapshot == NULL ||
        cluster->applied < cluster->snapshot_index + cluster->snapshot_every ||
        cluster->applied > stored || cluster->applied > hor_raft_commit_index(cluster->raft))
        return;
    last = hor_tail_get(&cluster->tail, cluster->applied);
    if (last == NULL)
        return; /* not while its term is unknown: the next entry brings another chance */
    if (cluster->ops->snapshot(&state, cluster->ctx) == HOR_OK && !state.failed) {
        snapshot.term = last->entry.term;
        snapshot.at_us = hor_clock_utc_us();
        snapshot.configuration = cluster->configuration.data;
        snapshot.configuration_len = cluster->configuration.len;
        snapshot.configuration_index = cluster->configuration_index;
        snapshot.state = hor_buf_text(&state);
        snapshot.state_len = state.len;
        memcpy(snapshot.run_id, cluster->run_id, sizeof snapshot.run_id);
        if (hor_journal_take_snapshot(cluster->journal, &snapshot, NULL) == HOR_OK) {
            cluster->snapshot_asked = snapshot.index;
            cluster->taking = (struct hor_raft_snapshot){
                .index = snapshot.index, .term = snapshot.term,
                .configuration = cluster->configured,
                .configuration_index = cluster->configuration_index};
        }
    }
    hor_buf_done(&state);
}

void hor_cluster_tidy(struct hor_cluster *cluster)
{
    uint64_t stored = hor_journal_synced_index(cluster->journal);
    uint64_t keep = cluster->applied < stored ? cluster->applied : stored;
    hor_tail_trim(&cluster->tail, keep, HOR_CLUSTER_TAIL_COUNT, HOR_CLUSTER_TAIL_BYTES);
    for (unsigned i = 0; i < cluster->peer_count;) {
        if (cluster->peers[i].leaves) {
            hor_peer_done(&cluster->peers[i]);
            cluster->peers[i] = cluster->peers[--cluster->peer_count];
        } else {
            i++;
        }
    }
    if (cluster->released == 0 || cluster->snapshot_index <= cluster->trailing)
        return;
    /* Members that are a little behind get entries, not the snapshot: some stay before it. */
    uint64_t until = cluster->snapshot_index - cluster->trailing;
    hor_journal_remove_until(cluster->journal,
                             cluster->released < until ? cluster->released : until);
}

/* Consumers read committed events: new ones from memory, old ones from the disk. */
#include "lib/cluster/private.h"

struct reading {
    size_t left;
    hor_cluster_each_fn *each;
    void *ctx;
    uint64_t position;
    int rc;
    struct hor_error *err;
};

/* false: stop. */
static bool give(const struct hor_journal_entry *entry, void *ctx)
{
    struct reading *r = ctx;
    struct hor_event *event;
    bool go_on;
    if (hor_journal_kind_of(entry->xml, entry->len) != HOR_JOURNAL_EVENT) {
        r->position = entry->index;
        return true;
    }
    if (r->left == 0)
        return false;
    r->rc = hor_event_read(entry->xml, entry->len, &event, r->err);
    if (r->rc != HOR_OK)
        return false;
    event->index = entry->index;
    event->at_us = entry->at_us;
    go_on = r->each(event, r->ctx);
    hor_event_free(event);
    r->position = entry->index;
    r->left--;
    return go_on;
}

int hor_cluster_read(struct hor_cluster *cluster, uint64_t after, size_t limit,
                     hor_cluster_each_fn *each, void *ctx, uint64_t *ret_position,
                     struct hor_error *err)
{
    struct reading r = {.left = limit, .each = each, .ctx = ctx, .position = after, .err = err};
    uint64_t to = cluster->applied, memory_first = cluster->tail.count > 0 ? cluster->tail.first
                                                                            : to + 1;
    if (after < to && after + 1 < memory_first) {
        uint64_t first = hor_journal_first_index(cluster->journal);
        uint64_t until = memory_first - 1 < to ? memory_first - 1 : to;
        if (after + 1 < first) {
            *ret_position = first;
            return hor_error_set(err, HOR_ERR_NOT_FOUND,
                                 "events after %llu are gone: the journal begins with %llu",
                                 (unsigned long long)after, (unsigned long long)first);
        }
        int rc = hor_journal_read(cluster->journal, after + 1, until, give, &r, err);
        if (rc != HOR_OK)
            return rc;
        if (r.rc != HOR_OK || r.position < until) {
            *ret_position = r.position;
            return r.rc;
        }
    }
    while (r.position < to) {
        const struct hor_tail_entry *kept = hor_tail_get(&cluster->tail, r.position + 1);
        if (kept == NULL || !give(&kept->entry, &r))
            break;
    }
    *ret_position = r.position;
    return r.rc;
}

void hor_cluster_release(struct hor_cluster *cluster, uint64_t index)
{
    if (index <= cluster->released)
        return;
    cluster->released = index;
    if (!cluster->settling)
        hor_cluster_tidy(cluster);
}

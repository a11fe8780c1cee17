/* A new beginning with one member, when most others' disks are gone for good. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/cluster/private.h"
#include "lib/journal/meta.h"

struct look {
    struct hor_cluster_remains *remains;
    struct hor_members members; /* of the newest list */
};

static int look_at(const struct hor_journal_entry *entry, void *ctx, struct hor_error *err)
{
    struct look *look = ctx;
    look->remains->last_index = entry->index;
    look->remains->last_at_us = entry->at_us;
    if (hor_journal_kind_of(entry->xml, entry->len) == HOR_JOURNAL_CONFIGURATION)
        return hor_members_read(entry->xml, entry->len, &look->members, err);
    return HOR_OK;
}

/* Opens it as its member would; *ret_journal is loaded and not started. */
static int open_remains(const char *directory, struct hor_journal **ret_journal, struct look *look,
                        struct hor_error *err)
{
    struct hor_cluster_remains *r = look->remains;
    struct hor_journal_settings settings = {.directory = directory};
    struct hor_journal_header header;
    struct hor_journal_state state;
    struct hor_journal *journal = NULL;
    char *path = hor_path_join(directory, HOR_JOURNAL_META_NAME);
    int rc = path != NULL ? hor_journal_meta_peek(path, &header, &state, err)
                          : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    free(path);
    if (rc != HOR_OK)
        return rc == HOR_ERR_NOT_FOUND
                   ? hor_error_set(err, HOR_ERR_NOT_FOUND, "%s holds no journal", directory)
                   : rc;
    memset(r, 0, sizeof *r);
    settings.cluster = header.cluster;
    settings.member = header.member;
    rc = hor_journal_open(&settings, &journal, err);
    if (rc != HOR_OK)
        return rc;
    const struct hor_journal_snapshot *snapshot = hor_journal_get_snapshot(journal);
    if (snapshot->index > 0) {
        r->snapshot_index = r->last_index = snapshot->index;
        r->last_at_us = snapshot->at_us;
        rc = hor_members_read(snapshot->configuration, snapshot->configuration_len, &look->members,
                              err);
        hor_journal_drop_snapshot(journal);
    }
    if (rc == HOR_OK)
        rc = hor_journal_load(journal, look_at, look, err);
    if (rc == HOR_OK && r->last_index == 0)
        rc = hor_error_set(err, HOR_ERR_STATE, "%s has nothing yet: it cannot be a beginning",
                           directory);
    if (rc != HOR_OK) {
        hor_journal_close(journal);
        return rc;
    }
    state = hor_journal_get_state(journal);
    snprintf(r->cluster, sizeof r->cluster, "%s", header.cluster);
    snprintf(r->member, sizeof r->member, "%s", header.member);
    snprintf(r->run_id, sizeof r->run_id, "%s", state.run_id);
    r->incarnation = state.incarnation;
    r->term = state.term;
    r->commit_index = state.commit;
    r->member_count = look->members.count;
    for (unsigned i = 0; i < look->members.count; i++)
        r->voters += look->members.list[i].role == HOR_RAFT_VOTER;
    r->id = hor_journal_get_identity(journal)->member;
    if (r->id == 0) { /* of before folders knew it */
        const struct hor_member *own = hor_members_named(&look->members, header.member);
        r->id = own != NULL ? own->id : 0;
    }
    *ret_journal = journal;
    return HOR_OK;
}

static void ignore(void *ctx) { (void)ctx; }

/* The new list, as an entry of a new term; term and vote say that this member chose itself. */
static int begin_anew(struct hor_journal *journal, struct look *look, struct hor_error *err)
{
    struct hor_cluster_remains *r = look->remains;
    const struct hor_member *self = hor_members_find(&look->members, r->id);
    struct hor_members *next = calloc(1, sizeof *next);
    struct hor_buf xml = HOR_BUF_INIT;
    uint64_t incarnation = (uint64_t)hor_clock_utc_us();
    int rc = HOR_OK;
    if (next == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (self == NULL) {
        rc = hor_error_set(err, HOR_ERR_STATE,
                           "member '%s' is not in the newest list of members: it was removed, and "
                           "others went on without it", r->member);
        goto out;
    }
    next->list[next->count++] = *self;
    next->list[0].role = HOR_RAFT_VOTER;
    next->list[0].witness = false; /* somebody has to lead */
    snprintf(next->list[0].folder, sizeof next->list[0].folder, "%s",
             hor_journal_get_identity(journal)->folder);
    next->highest = look->members.highest;
    hor_members_write(next, &xml);
    struct hor_journal_entry entry = {.index = r->last_index + 1, .term = r->term + 1,
                                      .at_us = hor_clock_utc_us(), .xml = hor_buf_text(&xml),
                                      .len = xml.len};
    struct hor_journal_identity identity = *hor_journal_get_identity(journal);
    identity.member = r->id;
    identity.abandoned = identity.joining = false;
    if (xml.failed)
        rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    /* Above every older one, so that fresh members follow it; and another one on each side, should
     * both be forced. */
    if (incarnation <= r->incarnation)
        incarnation = r->incarnation + 1;
    if (rc == HOR_OK)
        rc = hor_journal_save_identity(journal, &identity, err);
    if (rc == HOR_OK)
        rc = hor_journal_save_incarnation(journal, incarnation, err);
    if (rc == HOR_OK)
        rc = hor_journal_save_vote(journal, entry.term, r->id, err);
    if (rc == HOR_OK)
        rc = hor_journal_start(journal, ignore, NULL, err);
    if (rc == HOR_OK)
        rc = hor_journal_append(journal, &entry, 1, 1, err);
    if (rc == HOR_OK) {
        r->incarnation = incarnation;
        r->term = entry.term;
        r->last_index = entry.index;
        r->member_count = r->voters = 1;
    }
out:
    hor_buf_done(&xml);
    free(next);
    return rc;
}

static int with_remains(const char *directory, bool force, struct hor_cluster_remains *ret,
                        struct hor_error *err)
{
    struct hor_cluster_remains *r = calloc(1, sizeof *r);
    struct look *look = calloc(1, sizeof *look);
    struct hor_journal *journal = NULL;
    int rc = HOR_ERR_MEMORY;
    if (r == NULL || look == NULL) {
        hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        goto out;
    }
    look->remains = r;
    rc = open_remains(directory, &journal, look, err);
    if (rc == HOR_OK && force)
        rc = begin_anew(journal, look, err);
    hor_journal_close(journal); /* writes out what waits */
    if (rc == HOR_OK && force) { /* and is it there? */
        struct hor_cluster_remains wanted = *r;
        rc = open_remains(directory, &journal, look, err);
        if (rc == HOR_OK) {
            hor_journal_close(journal);
            if (r->last_index != wanted.last_index || r->incarnation != wanted.incarnation)
                rc = hor_error_set(err, HOR_ERR_IO, "%s: the new beginning was not written: is the "
                                   "disk full?", directory);
        }
    }
    if (rc == HOR_OK)
        *ret = *r;
out:
    free(look);
    free(r);
    return rc;
}

int hor_cluster_look(const char *directory, struct hor_cluster_remains *ret, struct hor_error *err)
{
    return with_remains(directory, false, ret, err);
}

int hor_cluster_force(const char *directory, struct hor_cluster_remains *ret, struct hor_error *err)
{
    return with_remains(directory, true, ret, err);
}

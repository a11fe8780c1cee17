/* Opening, checking and reading; the writer thread is in writer.c. */
#define _GNU_SOURCE
#include "lib/journal/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/journal/private.h"

char *hor_journal_file(const struct hor_journal *journal, const char *name)
{
    return hor_path_join(journal->directory, name);
}

bool hor_journal_mark_add(struct hor_journal_mark **marks, size_t *count, size_t *cap,
                          uint64_t index, uint64_t offset)
{
    if (*count == *cap) {
        size_t grown = *cap ? *cap * 2 : 16;
        struct hor_journal_mark *more = realloc(*marks, grown * sizeof *more);
        if (more == NULL)
            return false;
        *marks = more;
        *cap = grown;
    }
    (*marks)[(*count)++] = (struct hor_journal_mark){.index = index, .offset = offset};
    return true;
}

struct hor_journal_segment *hor_journal_add_segment(struct hor_journal *journal, uint64_t first)
{
    if (journal->segment_count == journal->segment_cap) {
        size_t cap = journal->segment_cap ? journal->segment_cap * 2 : 16;
        struct hor_journal_segment *more = realloc(journal->segments, cap * sizeof *more);
        if (more == NULL)
            return NULL;
        journal->segments = more;
        journal->segment_cap = cap;
    }
    struct hor_journal_segment *segment = &journal->segments[journal->segment_count++];
    *segment = (struct hor_journal_segment){.first = first, .last = first - 1};
    return segment;
}

void hor_journal_drop_segment(struct hor_journal *journal, size_t at)
{
    free(journal->segments[at].marks);
    memmove(&journal->segments[at], &journal->segments[at + 1],
            (journal->segment_count - at - 1) * sizeof journal->segments[0]);
    journal->segment_count--;
}

static int by_first(const void *a, const void *b)
{
    const struct hor_journal_segment *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* Lists segments and the newest snapshot; removes what an interrupted write left. */
static int look_around(struct hor_journal *journal, struct hor_error *err)
{
    DIR *dir = opendir(journal->directory);
    struct dirent *item;
    int rc = HOR_OK;
    if (dir == NULL)
        return hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", journal->directory);
    while (rc == HOR_OK && (item = readdir(dir)) != NULL) {
        uint64_t first, index, term;
        size_t len = strlen(item->d_name);
        if (len > 4 && strcmp(item->d_name + len - 4, ".tmp") == 0) {
            unlinkat(dirfd(dir), item->d_name, 0);
        } else if (hor_journal_segment_parse_name(item->d_name, &first)) {
            if (hor_journal_add_segment(journal, first) == NULL)
                rc = hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
        } else if (hor_journal_snapshot_parse_name(item->d_name, &index, &term) &&
                   index > journal->snapshot_index) {
            journal->snapshot_index = index;
            journal->snapshot_term = term;
        }
    }
    closedir(dir);
    if (journal->segment_count > 1)
        qsort(journal->segments, journal->segment_count, sizeof journal->segments[0], by_first);
    return rc;
}

static int read_snapshot(struct hor_journal *journal, struct hor_error *err)
{
    char name[HOR_JOURNAL_NAME_BYTES];
    char *path;
    int rc;
    if (journal->snapshot_index == 0)
        return HOR_OK;
    hor_journal_snapshot_name(journal->snapshot_index, journal->snapshot_term, name);
    path = hor_journal_file(journal, name);
    if (path == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
    rc = hor_journal_snapshot_read(path, journal->cluster, &journal->snapshot_text,
                                   &journal->snapshot, err);
    if (rc == HOR_OK && (journal->snapshot.index != journal->snapshot_index ||
                         journal->snapshot.term != journal->snapshot_term))
        rc = hor_error_set(err, HOR_ERR_CORRUPT, "%s: index or term differ from the file's name",
                           path);
    if (rc == HOR_ERR_CORRUPT && err != NULL) {
        struct hor_error why = *err;
        hor_error_set(err, HOR_ERR_CORRUPT,
                      "%s; empty the folder and let this member rejoin, or restore the file from a "
                      "backup", why.text);
    }
    free(path);
    return rc;
}

int hor_journal_open(const struct hor_journal_settings *settings, struct hor_journal **ret,
                     struct hor_error *err)
{
    struct hor_journal *journal = calloc(1, sizeof *journal);
    char *path = NULL;
    int rc;
    if (journal == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
    journal->lock_fd = journal->fd = journal->meta.fd = -1;
    pthread_mutex_init(&journal->lock, NULL);
    pthread_mutex_init(&journal->meta_lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&journal->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    journal->directory = hor_strdup(settings->directory);
    journal->cluster = hor_strdup(settings->cluster);
    journal->member = hor_strdup(settings->member);
    journal->segment_bytes = settings->segment_bytes ? settings->segment_bytes : 8u << 20;
    journal->io = settings->io;
    if (journal->directory == NULL || journal->cluster == NULL || journal->member == NULL ||
        (path = hor_journal_file(journal, "lock")) == NULL) {
        rc = hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
        goto out;
    }
    if ((rc = hor_dir_make(journal->directory, 0750, err)) != HOR_OK ||
        (rc = hor_file_lock(path, &journal->lock_fd, err)) != HOR_OK ||
        (rc = look_around(journal, err)) != HOR_OK)
        goto out;
    free(path);
    path = hor_journal_file(journal, HOR_JOURNAL_META_NAME);
    if (path == NULL) {
        rc = hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
        goto out;
    }
    rc = hor_journal_meta_open(path, journal->cluster, journal->member, &journal->meta, err);
    if (rc == HOR_ERR_NOT_FOUND) {
        if (journal->segment_count > 0 || journal->snapshot_index > 0)
            rc = hor_error_set(err, HOR_ERR_CORRUPT,
                               "%s is missing, but there are entries: term and vote are lost; "
                               "restore it, or empty the folder and let this member rejoin", path);
        else
            rc = HOR_OK;
        journal->is_new = rc == HOR_OK;
    }
    if (rc == HOR_OK)
        rc = read_snapshot(journal, err);
    if (rc == HOR_OK) {
        rc = hor_journal_identity_read(journal->directory, &journal->identity, err);
        if (rc == HOR_ERR_NOT_FOUND) {
            hor_uuid(journal->identity.folder);
            rc = HOR_OK;
        }
    }
out:
    free(path);
    if (rc == HOR_OK)
        *ret = journal;
    else
        hor_journal_close(journal);
    return rc;
}

void hor_journal_job_free(struct hor_journal_job *job)
{
    if (job == NULL)
        return;
    hor_buf_done(&job->data);
    free(job->marks);
    free(job->path);
    free(job);
}

void hor_journal_close(struct hor_journal *journal)
{
    if (journal == NULL)
        return;
    if (journal->started) {
        pthread_mutex_lock(&journal->lock);
        journal->stopping = true;
        pthread_cond_signal(&journal->wake);
        pthread_mutex_unlock(&journal->lock);
        pthread_join(journal->thread, NULL);
    }
    while (journal->head != NULL) {
        struct hor_journal_job *job = journal->head;
        journal->head = job->next;
        hor_journal_job_free(job);
    }
    while (journal->segment_count > 0)
        hor_journal_drop_segment(journal, journal->segment_count - 1);
    free(journal->segments);
    if (journal->fd >= 0)
        close(journal->fd);
    hor_journal_meta_close(&journal->meta);
    hor_buf_done(&journal->snapshot_text);
    pthread_cond_destroy(&journal->wake);
    pthread_mutex_destroy(&journal->lock);
    pthread_mutex_destroy(&journal->meta_lock);
    free(journal->directory);
    free(journal->cluster);
    free(journal->member);
    if (journal->lock_fd >= 0)
        close(journal->lock_fd); /* last: nobody else may have it earlier */
    free(journal);
}

const struct hor_journal_identity *hor_journal_get_identity(const struct hor_journal *journal)
{
    return &journal->identity;
}

int hor_journal_save_identity(struct hor_journal *journal,
                              const struct hor_journal_identity *identity, struct hor_error *err)
{
    int rc = hor_journal_identity_write(journal->directory, identity, err);
    if (rc == HOR_OK)
        journal->identity = *identity;
    return rc;
}

bool hor_journal_is_new(const struct hor_journal *journal) { return journal->is_new; }

int hor_journal_begin(struct hor_journal *journal, uint64_t incarnation,
                      const struct hor_journal_entry *first, struct hor_error *err)
{
    struct hor_buf buf = HOR_BUF_INIT;
    struct hor_journal_state state = {.incarnation = incarnation};
    char name[HOR_JOURNAL_NAME_BYTES];
    char *segment = NULL, *meta = NULL;
    int rc;
    if (!journal->is_new || (first != NULL && (first->index != 1 ||
                                               !hor_journal_content_ok(first->xml, first->len))))
        return hor_error_set(err, HOR_ERR_STATE, "journal: only a new folder can be begun");
    hor_journal_segment_name(1, name);
    segment = hor_journal_file(journal, name);
    meta = hor_journal_file(journal, HOR_JOURNAL_META_NAME);
    if (first != NULL) {
        state.term = first->term;
        state.synced = state.commit = first->index;
        hor_journal_header_write(journal->cluster, journal->member, 1, &buf);
        hor_journal_line_write(first, &buf);
    }
    if (segment == NULL || meta == NULL || buf.failed) {
        rc = hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
        goto out;
    }
    /* Meta comes last: without it the folder is still new, and entry 1 is written again. */
    rc = first != NULL ? hor_file_write_atomic(segment, buf.data, buf.len, 0640, err) : HOR_OK;
    if (rc != HOR_OK || (rc = hor_journal_meta_create(meta, journal->cluster, journal->member, &state, err)) !=
            HOR_OK ||
        (rc = hor_journal_meta_open(meta, journal->cluster, journal->member, &journal->meta,
                                    err)) != HOR_OK)
        goto out;
    if (first != NULL && hor_journal_add_segment(journal, 1) == NULL) {
        rc = hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
        goto out;
    }
    journal->is_new = false;
out:
    hor_buf_done(&buf);
    free(segment);
    free(meta);
    return rc;
}

const struct hor_journal_snapshot *hor_journal_get_snapshot(const struct hor_journal *journal)
{
    return &journal->snapshot;
}

void hor_journal_drop_snapshot(struct hor_journal *journal)
{
    hor_buf_done(&journal->snapshot_text);
    journal->snapshot_text = HOR_BUF_INIT;
    journal->snapshot.state = journal->snapshot.configuration = NULL;
}

struct loading {
    struct hor_journal *journal;
    struct hor_journal_segment *segment;
    hor_journal_entry_fn *each;
    void *ctx;
    uint64_t term; /* of the entry before: terms never fall */
    bool meets_snapshot;  /* the log holds the snapshot's last entry with its term, */
    bool denies_snapshot; /* or with another */
};

static int load_entry(const struct hor_journal_entry *entry, uint64_t offset, unsigned long line,
                      void *ctx, struct hor_error *err)
{
    struct loading *l = ctx;
    if (entry->term < l->term)
        return hor_error_set(err, HOR_ERR_CORRUPT, "line %lu: the term falls back", line);
    l->term = entry->term;
    if (entry->index % HOR_JOURNAL_MARK_EVERY == 0 &&
        !hor_journal_mark_add(&l->segment->marks, &l->segment->mark_count, &l->segment->mark_cap,
                              entry->index, offset))
        return hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
    if (entry->index == l->journal->snapshot_index) {
        l->meets_snapshot = entry->term == l->journal->snapshot_term;
        l->denies_snapshot = !l->meets_snapshot;
    }
    return l->each(entry, l->ctx, err);
}

/* Cuts what a crash left behind the last whole line, and keeps it for whoever wants to look. */
static int cut_tail(const char *path, const struct hor_journal_segment_end *end,
                    struct hor_error *err)
{
    struct hor_buf torn = HOR_BUF_INIT;
    char *kept = hor_str_printf("%s.torn", path);
    int rc, fd = open(path, O_RDWR | O_CLOEXEC);
    uint64_t at = end->good_bytes;
    char block[65536];
    if (kept == NULL || fd < 0) {
        rc = fd < 0 ? hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", path)
                    : hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
        goto out;
    }
    for (;;) {
        ssize_t n = pread(fd, block, sizeof block, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        hor_buf_add(&torn, block, (size_t)n);
        at += (uint64_t)n;
    }
    if (torn.failed)
        rc = hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
    else
        rc = hor_file_write_atomic(kept, torn.len ? torn.data : "", torn.len, 0640, err);
    if (rc == HOR_OK && (ftruncate(fd, (off_t)end->good_bytes) != 0 || fsync(fd) != 0))
        rc = hor_error_set_errno(err, HOR_ERR_IO, errno, "cut the torn tail of %s", path);
out:
    if (fd >= 0)
        close(fd);
    hor_buf_done(&torn);
    free(kept);
    return rc;
}

static int damaged(const char *path, const struct hor_journal_segment_end *end,
                   struct hor_error *err)
{
    return hor_error_set(err, HOR_ERR_CORRUPT,
                         "%s: line %lu: %s; empty the folder and let this member rejoin, or restore "
                         "the file from a backup ('horarium journal verify' shows what is whole)",
                         path, end->line, end->what);
}

/* One segment; *ret_gone when it held nothing and was moved away. */
static int load_segment(struct loading *l, size_t at, bool newest, bool *ret_gone,
                        struct hor_error *err)
{
    struct hor_journal *journal = l->journal;
    struct hor_journal_segment *segment = &journal->segments[at];
    struct hor_journal_segment_end end;
    struct hor_journal_header header;
    char name[HOR_JOURNAL_NAME_BYTES];
    char *path;
    int rc;
    hor_journal_segment_name(segment->first, name);
    path = hor_journal_file(journal, name);
    if (path == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
    l->segment = segment;
    rc = hor_journal_segment_walk(path, segment->first, load_entry, l, &header, &end, err);
    if (rc != HOR_OK) {
        if (rc == HOR_ERR_CORRUPT)
            hor_error_prefix(err, "%s", path);
        goto out;
    }
    if (end.has_header && (strcmp(header.cluster, journal->cluster) != 0 ||
                           strcmp(header.member, journal->member) != 0)) {
        rc = hor_error_set(err, HOR_ERR_INVALID,
                           "%s: this segment belongs to '%s' of cluster '%s', not to '%s' of '%s'",
                           path, header.member, header.cluster, journal->member, journal->cluster);
        goto out;
    }
    if (end.bad && (!newest || end.good_after_bad)) {
        rc = damaged(path, &end, err);
        goto out;
    }
    if (!newest && !end.closed) {
        rc = hor_error_set(err, HOR_ERR_CORRUPT,
                           "%s: the end is missing after entry %" PRIu64
                           "; restore the file, or empty the folder and let this member rejoin",
                           path, end.last);
        goto out;
    }
    segment->last = end.last;
    segment->bytes = end.good_bytes;
    segment->closed = end.closed;
    if (end.bad) {
        rc = cut_tail(path, &end, err);
        if (rc == HOR_OK && !end.has_header) {
            if (unlink(path) != 0)
                rc = hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", path);
            *ret_gone = true;
        }
    }
out:
    free(path);
    return rc;
}

/* Were entries that had reached the disk lost with the tail? Then somebody may count on them. */
static int check_synced(const struct hor_journal *journal, struct hor_error *err)
{
    uint64_t wanted = journal->meta.state.synced;
    if (journal->last_index >= wanted || journal->snapshot_index >= wanted)
        return HOR_OK;
    return hor_error_set(err, HOR_ERR_CORRUPT,
                         "%s: entries up to %" PRIu64 " were stored here, but the journal ends at "
                         "%" PRIu64 ": the disk lost what it had confirmed; empty the folder and let "
                         "this member rejoin, or accept the loss with 'horarium journal repair'",
                         journal->directory, wanted, journal->last_index);
}

/* A snapshot from the leader replaced the log, and the old segments were not yet removed. */
static int drop_superseded(struct hor_journal *journal, struct hor_error *err)
{
    while (journal->segment_count > 0) {
        char name[HOR_JOURNAL_NAME_BYTES];
        char *path;
        hor_journal_segment_name(journal->segments[0].first, name);
        path = hor_journal_file(journal, name);
        if (path == NULL)
            return hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
        if (unlink(path) != 0 && errno != ENOENT) {
            int rc = hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", path);
            free(path);
            return rc;
        }
        free(path);
        hor_journal_drop_segment(journal, 0);
    }
    struct hor_journal_state state = journal->meta.state;
    state.synced = state.commit = journal->last_index = journal->snapshot_index;
    int rc = hor_journal_meta_save(&journal->meta, &state, err);
    return rc == HOR_OK ? hor_dir_sync(journal->directory, err) : rc;
}

int hor_journal_load(struct hor_journal *journal, hor_journal_entry_fn *each, void *ctx,
                     struct hor_error *err)
{
    struct loading l = {.journal = journal, .each = each, .ctx = ctx};
    uint64_t expected = 0;
    int rc;
    if (journal->loaded || journal->is_new)
        return hor_error_set(err, HOR_ERR_STATE, "journal: nothing to load");
    for (size_t i = 0; i < journal->segment_count; i++) {
        struct hor_journal_segment *segment = &journal->segments[i];
        bool gone = false;
        if (expected != 0 && segment->first != expected) {
            char name[HOR_JOURNAL_NAME_BYTES];
            hor_journal_segment_name(expected, name);
            return hor_error_set(err, HOR_ERR_CORRUPT,
                                 "%s/%s is missing: entries %" PRIu64 " to %" PRIu64
                                 " are not here; restore the file, or empty the folder and let this "
                                 "member rejoin",
                                 journal->directory, name, expected, segment->first - 1);
        }
        rc = load_segment(&l, i, i + 1 == journal->segment_count, &gone, err);
        if (rc != HOR_OK)
            return rc;
        if (gone) {
            hor_journal_drop_segment(journal, i);
            break;
        }
        expected = segment->last + 1;
    }
    journal->last_index = expected ? expected - 1 : journal->snapshot_index;
    if (journal->snapshot_index > 0 && !l.meets_snapshot && journal->segment_count > 0 &&
        journal->segments[0].first != journal->snapshot_index + 1) {
        if (journal->last_index > journal->snapshot_index && !l.denies_snapshot)
            return hor_error_set(err, HOR_ERR_CORRUPT,
                                 "%s: the entries do not continue the snapshot of %" PRIu64
                                 "; restore the missing segment, or empty the folder and let this "
                                 "member rejoin",
                                 journal->directory, journal->snapshot_index);
        rc = drop_superseded(journal, err);
        if (rc != HOR_OK)
            return rc;
    }
    if (journal->snapshot_index == 0 &&
        (journal->segment_count > 0 ? journal->segments[0].first != 1
                                    : journal->meta.state.synced > 0))
        return hor_error_set(err, HOR_ERR_CORRUPT,
                             "%s: the journal's beginning is missing and there is no snapshot; "
                             "restore the files, or empty the folder and let this member rejoin",
                             journal->directory);
    rc = check_synced(journal, err);
    if (rc != HOR_OK)
        return rc;
    journal->loaded = true;
    return HOR_OK;
}

int hor_journal_start(struct hor_journal *journal, void (*notify)(void *ctx), void *ctx,
                      struct hor_error *err)
{
    int code;
    journal->notify = notify;
    journal->notify_ctx = ctx;
    journal->noted_commit = journal->meta.state.commit;
    memcpy(journal->noted_run_id, journal->meta.state.run_id, sizeof journal->noted_run_id);
    code = pthread_create(&journal->thread, NULL, hor_journal_writer, journal);
    if (code != 0)
        return hor_error_set_errno(err, HOR_ERR_IO, code, "journal: start the writer");
    journal->started = true;
    return HOR_OK;
}

struct hor_journal_state hor_journal_get_state(const struct hor_journal *journal)
{
    struct hor_journal *j = (struct hor_journal *)journal;
    pthread_mutex_lock(&j->meta_lock);
    struct hor_journal_state state = j->meta.state;
    pthread_mutex_unlock(&j->meta_lock);
    return state;
}

uint64_t hor_journal_first_index(const struct hor_journal *journal)
{
    struct hor_journal *j = (struct hor_journal *)journal;
    pthread_mutex_lock(&j->lock);
    uint64_t first = j->segment_count > 0 ? j->segments[0].first : j->last_index + 1;
    pthread_mutex_unlock(&j->lock);
    return first;
}

uint64_t hor_journal_last_index(const struct hor_journal *journal) { return journal->last_index; }

uint64_t hor_journal_synced_index(const struct hor_journal *journal)
{
    struct hor_journal *j = (struct hor_journal *)journal;
    pthread_mutex_lock(&j->lock);
    uint64_t last = j->segment_count > 0 ? j->segments[j->segment_count - 1].last : 0;
    pthread_mutex_unlock(&j->lock);
    return last;
}

size_t hor_journal_bytes(const struct hor_journal *journal)
{
    struct hor_journal *j = (struct hor_journal *)journal;
    size_t bytes = 0;
    pthread_mutex_lock(&j->lock);
    for (size_t i = 0; i < j->segment_count; i++)
        bytes += j->segments[i].bytes;
    pthread_mutex_unlock(&j->lock);
    return bytes;
}

int hor_journal_save_vote(struct hor_journal *journal, uint64_t term, uint64_t vote,
                          struct hor_error *err)
{
    pthread_mutex_lock(&journal->meta_lock);
    struct hor_journal_state state = journal->meta.state;
    state.term = term;
    state.vote = vote;
    int rc = hor_journal_meta_save(&journal->meta, &state, err);
    pthread_mutex_unlock(&journal->meta_lock);
    return rc;
}

int hor_journal_save_incarnation(struct hor_journal *journal, uint64_t incarnation,
                                 struct hor_error *err)
{
    pthread_mutex_lock(&journal->meta_lock);
    struct hor_journal_state state = journal->meta.state;
    state.incarnation = incarnation;
    int rc = hor_journal_meta_save(&journal->meta, &state, err);
    pthread_mutex_unlock(&journal->meta_lock);
    return rc;
}

int hor_journal_staging_path(const struct hor_journal *journal, uint64_t index, uint64_t term,
                             char *out, size_t out_bytes)
{
    int n = snprintf(out, out_bytes, "%s/incoming-%" PRIu64 "-%" PRIu64 ".tmp", journal->directory,
                     index, term);
    return n > 0 && (size_t)n < out_bytes ? HOR_OK : HOR_ERR_LIMIT;
}

int hor_journal_snapshot_path(const struct hor_journal *journal, uint64_t index, uint64_t term,
                              char *out, size_t out_bytes)
{
    char name[HOR_JOURNAL_NAME_BYTES];
    hor_journal_snapshot_name(index, term, name);
    int n = snprintf(out, out_bytes, "%s/%s", journal->directory, name);
    return n > 0 && (size_t)n < out_bytes ? HOR_OK : HOR_ERR_LIMIT;
}

int hor_journal_find_offset(const struct hor_journal *journal, uint64_t first,
                            const struct hor_journal_mark *near, uint64_t index, uint64_t *ret,
                            struct hor_error *err)
{
    struct hor_journal_lines lines;
    char name[HOR_JOURNAL_NAME_BYTES];
    char *path;
    int rc;
    hor_journal_segment_name(first, name);
    path = hor_journal_file(journal, name);
    if (path == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
    rc = hor_journal_lines_open(path, near->offset, &lines, err);
    if (rc != HOR_OK)
        goto out;
    for (;;) {
        const char *line;
        size_t len;
        bool whole;
        struct hor_journal_entry entry;
        rc = hor_journal_lines_next(&lines, &line, &len, &whole, err);
        if (rc <= 0) {
            if (rc == 0)
                rc = hor_error_set(err, HOR_ERR_CORRUPT, "%s: entry %" PRIu64 " is missing", path,
                                   index);
            break;
        }
        if (hor_journal_line_read(line, len, &entry, NULL) != HOR_OK)
            continue; /* the header, when there was no mark yet */
        if (entry.index == index) {
            *ret = lines.offset;
            rc = HOR_OK;
            break;
        }
    }
    hor_journal_lines_close(&lines);
out:
    free(path);
    return rc;
}

/* The part of one segment that holds `from` and is synced. */
static int read_part(struct hor_journal *journal, uint64_t from, uint64_t to,
                     hor_journal_read_fn *each, void *ctx, uint64_t *ret_next, bool *ret_stop,
                     struct hor_error *err)
{
    struct hor_journal_segment segment = {.first = 0};
    struct hor_journal_mark near = {.offset = 0};
    struct hor_journal_lines lines;
    char name[HOR_JOURNAL_NAME_BYTES];
    char *path;
    int rc;
    pthread_mutex_lock(&journal->lock);
    for (size_t i = 0; i < journal->segment_count; i++) {
        const struct hor_journal_segment *s = &journal->segments[i];
        if (from < s->first || from > s->last)
            continue;
        segment = *s;
        for (size_t k = 0; k < s->mark_count && s->marks[k].index <= from; k++)
            near = s->marks[k];
        break;
    }
    pthread_mutex_unlock(&journal->lock);
    if (segment.first == 0)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "entry %" PRIu64 " is not in this journal",
                             from);
    hor_journal_segment_name(segment.first, name);
    path = hor_journal_file(journal, name);
    if (path == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
    rc = hor_journal_lines_open(path, near.offset, &lines, err);
    if (rc != HOR_OK)
        goto out;
    while (!*ret_stop && from <= to && from <= segment.last) {
        const char *line;
        size_t len;
        bool whole;
        struct hor_journal_entry entry;
        struct hor_error why = {.text = "its index is not the next"};
        rc = hor_journal_lines_next(&lines, &line, &len, &whole, err);
        if (rc < 0)
            break;
        if (rc == 0) {
            rc = hor_error_set(err, HOR_ERR_CORRUPT, "%s: entry %" PRIu64 " is missing", path,
                               from);
            break;
        }
        rc = HOR_OK;
        if (len > 1 && (line[1] == '?' || line[1] == 'j'))
            continue; /* the header */
        if (hor_journal_line_read(line, len, &entry, &why) != HOR_OK || entry.index > from) {
            rc = hor_error_set(err, HOR_ERR_CORRUPT, "%s: entry %" PRIu64 ": %s", path, from,
                               why.text);
            break;
        }
        if (entry.index < from)
            continue;
        from++;
        *ret_stop = !each(&entry, ctx);
    }
    hor_journal_lines_close(&lines);
    *ret_next = from;
out:
    free(path);
    return rc;
}

int hor_journal_read(struct hor_journal *journal, uint64_t from, uint64_t to,
                     hor_journal_read_fn *each, void *ctx, struct hor_error *err)
{
    bool stop = false;
    while (!stop && from <= to) {
        int rc = read_part(journal, from, to, each, ctx, &from, &stop, err);
        if (rc != HOR_OK)
            return rc;
    }
    return HOR_OK;
}

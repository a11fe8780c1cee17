/* The writer thread: everything that waits goes out with one write and one fdatasync. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/journal/private.h"

enum { MERGE_BYTES_MAX = 4 << 20, ROOM_RETRY_MS = 250 };

/* ---- the owner's side ---------------------------------------------------------------------- */

static struct hor_journal_job *new_job(enum hor_journal_job_kind kind)
{
    struct hor_journal_job *job = calloc(1, sizeof *job);
    if (job != NULL)
        job->kind = kind;
    return job;
}

static void enqueue(struct hor_journal *journal, struct hor_journal_job *job)
{
    if (journal->tail != NULL)
        journal->tail->next = job;
    else
        journal->head = job;
    journal->tail = job;
    pthread_cond_signal(&journal->wake);
}

static int add_lines(struct hor_journal_job *job, const struct hor_journal_entry *entries,
                     size_t count)
{
    size_t bytes = job->data.len, marks = job->mark_count;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].index % HOR_JOURNAL_MARK_EVERY == 0 &&
            !hor_journal_mark_add(&job->marks, &job->mark_count, &job->mark_cap, entries[i].index,
                                  job->data.len))
            goto memory;
        hor_journal_line_write(&entries[i], &job->data);
    }
    if (!job->data.failed)
        return HOR_OK;
memory:
    job->data.failed = false;
    job->data.len = bytes;
    job->mark_count = marks;
    return HOR_ERR_MEMORY;
}

int hor_journal_append(struct hor_journal *journal, const struct hor_journal_entry *entries,
                       size_t count, uint64_t epoch, struct hor_error *err)
{
    struct hor_journal_job *job;
    int rc;
    if (count == 0)
        return HOR_OK;
    for (size_t i = 0; i < count; i++)
        if (entries[i].index != entries[0].index + i || entries[i].term == 0 ||
            !hor_journal_content_ok(entries[i].xml, entries[i].len))
            return hor_error_set(err, HOR_ERR_INVALID,
                                 "journal: an entry is empty, too long or out of order");
    if (entries[0].index == 0 || entries[0].index > journal->last_index + 1)
        return hor_error_set(err, HOR_ERR_INVALID, "journal: entries are missing before these");
    pthread_mutex_lock(&journal->lock);
    job = journal->tail;
    if (job != NULL && job->kind == JOB_APPEND && job->epoch == epoch &&
        job->last + 1 == entries[0].index && job->data.len < MERGE_BYTES_MAX) {
        rc = add_lines(job, entries, count);
        if (rc == HOR_OK)
            job->last = entries[count - 1].index;
    } else {
        job = new_job(JOB_APPEND);
        rc = job != NULL ? add_lines(job, entries, count) : HOR_ERR_MEMORY;
        if (rc == HOR_OK) {
            job->first = entries[0].index;
            job->last = entries[count - 1].index;
            job->epoch = epoch;
            enqueue(journal, job);
        } else {
            hor_journal_job_free(job);
        }
    }
    pthread_mutex_unlock(&journal->lock);
    if (rc != HOR_OK)
        return hor_error_set(err, rc, "journal: out of memory");
    journal->last_index = entries[count - 1].index;
    return HOR_OK;
}

static int queue_job(struct hor_journal *journal, struct hor_journal_job *job)
{
    pthread_mutex_lock(&journal->lock);
    enqueue(journal, job);
    pthread_mutex_unlock(&journal->lock);
    return HOR_OK;
}

int hor_journal_take_snapshot(struct hor_journal *journal,
                              const struct hor_journal_snapshot *snapshot, struct hor_error *err)
{
    struct hor_journal_job *job = new_job(JOB_SNAPSHOT);
    if (job != NULL)
        hor_journal_snapshot_write(snapshot, journal->cluster, &job->data);
    if (job == NULL || job->data.failed) {
        hor_journal_job_free(job);
        return hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
    }
    job->index = snapshot->index;
    job->term = snapshot->term;
    return queue_job(journal, job);
}

int hor_journal_install(struct hor_journal *journal, const char *staged, uint64_t index,
                        uint64_t term, struct hor_error *err)
{
    struct hor_journal_job *job = new_job(JOB_INSTALL);
    if (job == NULL || (job->path = hor_strdup(staged)) == NULL) {
        hor_journal_job_free(job);
        return hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
    }
    job->index = index;
    job->term = term;
    journal->last_index = index;
    return queue_job(journal, job);
}

void hor_journal_remove_until(struct hor_journal *journal, uint64_t index)
{
    bool any;
    struct hor_journal_job *job;
    pthread_mutex_lock(&journal->lock);
    any = journal->segment_count > 1 && journal->segments[0].last <= index;
    pthread_mutex_unlock(&journal->lock);
    if (!any || (job = new_job(JOB_REMOVE)) == NULL)
        return; /* not urgent: the next call tries again */
    job->index = index;
    queue_job(journal, job);
}

void hor_journal_note_commit(struct hor_journal *journal, uint64_t index)
{
    pthread_mutex_lock(&journal->lock);
    journal->noted_commit = index;
    pthread_mutex_unlock(&journal->lock);
}

void hor_journal_note_run_id(struct hor_journal *journal, const char *run_id)
{
    pthread_mutex_lock(&journal->lock);
    snprintf(journal->noted_run_id, sizeof journal->noted_run_id, "%s", run_id);
    pthread_mutex_unlock(&journal->lock);
}

void hor_journal_collect(struct hor_journal *journal, struct hor_journal_done *ret)
{
    pthread_mutex_lock(&journal->lock);
    *ret = journal->done;
    /* what happened is told once; what is the case, each time */
    journal->done.persisted = 0;
    journal->done.snapshot_taken = journal->done.installed = false;
    pthread_mutex_unlock(&journal->lock);
}

/* ---- the writer's side --------------------------------------------------------------------- */

static ssize_t write_some(struct hor_journal *journal, int fd, const void *data, size_t len)
{
    return journal->io.write != NULL ? journal->io.write(fd, data, len, journal->io.ctx)
                                     : write(fd, data, len);
}

static int sync_file(struct hor_journal *journal, int fd)
{
    return journal->io.sync != NULL ? journal->io.sync(fd, journal->io.ctx) : fdatasync(fd);
}

static void tell_room(struct hor_journal *journal, bool no_room)
{
    pthread_mutex_lock(&journal->lock);
    bool changed = journal->done.no_room != no_room;
    journal->done.no_room = no_room;
    pthread_mutex_unlock(&journal->lock);
    if (changed)
        journal->notify(journal->notify_ctx);
}

/* Waits for room; false when the journal is being closed. Nothing tells when a disk has room again,
 * so it is tried from time to time. */
static bool wait_for_room(struct hor_journal *journal)
{
    struct timespec until;
    tell_room(journal, true);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ROOM_RETRY_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&journal->lock);
    while (!journal->stopping &&
           pthread_cond_timedwait(&journal->wake, &journal->lock, &until) != ETIMEDOUT)
        ;
    bool go_on = !journal->stopping;
    pthread_mutex_unlock(&journal->lock);
    return go_on;
}

/* Appends at `end`, all or nothing. HOR_ERR_BUSY: closing while there is no room. */
static int write_all(struct hor_journal *journal, uint64_t end, const char *data, size_t len,
                     struct hor_error *err)
{
    for (;;) {
        size_t done = 0;
        int why = 0;
        while (done < len) {
            ssize_t n = write_some(journal, journal->fd, data + done, len - done);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0) {
                why = n < 0 ? errno : ENOSPC;
                break;
            }
            done += (size_t)n;
        }
        if (why == 0) {
            tell_room(journal, false);
            return HOR_OK;
        }
        if (ftruncate(journal->fd, (off_t)end) != 0)
            return hor_error_set_errno(err, HOR_ERR_IO, errno, "journal: take back a write");
        if (why != ENOSPC && why != EDQUOT)
            return hor_error_set_errno(err, HOR_ERR_IO, why, "journal: write");
        if (!wait_for_room(journal))
            return HOR_ERR_BUSY;
    }
}

static struct hor_journal_segment *newest(struct hor_journal *journal)
{
    return journal->segment_count > 0 ? &journal->segments[journal->segment_count - 1] : NULL;
}

static int open_segment(struct hor_journal *journal, uint64_t first, int flags,
                        struct hor_error *err)
{
    char name[HOR_JOURNAL_NAME_BYTES];
    char *path;
    int rc = HOR_OK;
    hor_journal_segment_name(first, name);
    path = hor_journal_file(journal, name);
    if (path == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
    if (journal->fd >= 0)
        close(journal->fd);
    journal->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0640);
    if (journal->fd < 0)
        rc = hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", path);
    free(path);
    return rc;
}

static int remove_segment(struct hor_journal *journal, size_t at, struct hor_error *err)
{
    char name[HOR_JOURNAL_NAME_BYTES];
    char *path;
    int rc = HOR_OK;
    hor_journal_segment_name(journal->segments[at].first, name);
    path = hor_journal_file(journal, name);
    if (path == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
    if (unlink(path) != 0 && errno != ENOENT)
        rc = hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", path);
    free(path);
    if (rc == HOR_OK) {
        pthread_mutex_lock(&journal->lock);
        hor_journal_drop_segment(journal, at);
        pthread_mutex_unlock(&journal->lock);
    }
    return rc;
}

/* Meta first: a journal that is shorter than what meta calls synced counts as damaged. */
static int lower_synced(struct hor_journal *journal, uint64_t to, bool commit_too,
                        struct hor_error *err)
{
    pthread_mutex_lock(&journal->meta_lock);
    struct hor_journal_state state = journal->meta.state;
    state.synced = to;
    if (commit_too || state.commit > to)
        state.commit = to;
    int rc = hor_journal_meta_save(&journal->meta, &state, err);
    pthread_mutex_unlock(&journal->meta_lock);
    return rc;
}

/* Drops entries from `index` on. */
static int truncate_from(struct hor_journal *journal, uint64_t index, struct hor_error *err)
{
    struct hor_journal_segment *segment;
    int rc = lower_synced(journal, index - 1, false, err);
    while (rc == HOR_OK && (segment = newest(journal)) != NULL && segment->first >= index)
        rc = remove_segment(journal, journal->segment_count - 1, err);
    if (rc != HOR_OK)
        return rc;
    if (journal->fd >= 0)
        close(journal->fd);
    journal->fd = -1;
    segment = newest(journal);
    if (segment != NULL && segment->last >= index) {
        struct hor_journal_mark near = {.offset = 0};
        uint64_t offset;
        for (size_t i = 0; i < segment->mark_count && segment->marks[i].index <= index; i++)
            near = segment->marks[i];
        rc = hor_journal_find_offset(journal, segment->first, &near, index, &offset, err);
        if (rc == HOR_OK)
            rc = open_segment(journal, segment->first, 0, err);
        if (rc != HOR_OK)
            return rc;
        if (ftruncate(journal->fd, (off_t)offset) != 0 || fsync(journal->fd) != 0)
            return hor_error_set_errno(err, HOR_ERR_IO, errno, "journal: cut from entry %llu",
                                       (unsigned long long)index);
        pthread_mutex_lock(&journal->lock);
        segment->last = index - 1;
        segment->bytes = offset;
        segment->closed = false;
        while (segment->mark_count > 0 && segment->marks[segment->mark_count - 1].index >= index)
            segment->mark_count--;
        pthread_mutex_unlock(&journal->lock);
    }
    return hor_dir_sync(journal->directory, err);
}

static int close_segment(struct hor_journal *journal, struct hor_error *err)
{
    struct hor_journal_segment *segment = newest(journal);
    int rc = write_all(journal, segment->bytes, HOR_JOURNAL_CLOSE, sizeof HOR_JOURNAL_CLOSE - 1,
                       err);
    if (rc != HOR_OK)
        return rc;
    if (sync_file(journal, journal->fd) != 0)
        return hor_error_set_errno(err, HOR_ERR_IO, errno, "journal: sync");
    pthread_mutex_lock(&journal->lock);
    segment->bytes += sizeof HOR_JOURNAL_CLOSE - 1;
    segment->closed = true;
    pthread_mutex_unlock(&journal->lock);
    return HOR_OK;
}

/* Makes journal->fd the segment that takes entry `first`; *ret_new when it is an empty file. */
static int ready_segment(struct hor_journal *journal, uint64_t first, bool *ret_new,
                         struct hor_error *err)
{
    struct hor_journal_segment *segment = newest(journal);
    int rc;
    *ret_new = false;
    if (segment != NULL && !segment->closed) {
        if (journal->fd < 0 && (rc = open_segment(journal, segment->first, 0, err)) != HOR_OK)
            return rc;
        if (segment->bytes < journal->segment_bytes)
            return HOR_OK;
        rc = close_segment(journal, err);
        if (rc != HOR_OK)
            return rc;
    }
    rc = open_segment(journal, first, O_CREAT | O_TRUNC, err);
    if (rc != HOR_OK)
        return rc;
    pthread_mutex_lock(&journal->lock);
    segment = hor_journal_add_segment(journal, first);
    pthread_mutex_unlock(&journal->lock);
    if (segment == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
    *ret_new = true;
    return HOR_OK;
}

static int do_append(struct hor_journal *journal, struct hor_journal_job *job,
                     struct hor_error *err)
{
    struct hor_journal_segment *segment = newest(journal);
    struct hor_buf with_header = HOR_BUF_INIT;
    const struct hor_buf *data = &job->data;
    uint64_t base;
    bool fresh;
    int rc;
    if (segment != NULL && segment->last >= job->first &&
        (rc = truncate_from(journal, job->first, err)) != HOR_OK)
        return rc;
    rc = ready_segment(journal, job->first, &fresh, err);
    if (rc != HOR_OK)
        return rc;
    segment = newest(journal);
    base = segment->bytes;
    if (fresh) {
        hor_journal_header_write(journal->cluster, journal->member, job->first, &with_header);
        base = with_header.len;
        hor_buf_add(&with_header, job->data.data, job->data.len);
        data = &with_header;
        if (with_header.failed) {
            rc = hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
            goto out;
        }
    }
    rc = write_all(journal, segment->bytes, data->data, data->len, err);
    if (rc != HOR_OK)
        goto out;
    if (sync_file(journal, journal->fd) != 0) {
        rc = hor_error_set_errno(err, HOR_ERR_IO, errno, "journal: sync");
        goto out;
    }
    if (fresh && (rc = hor_dir_sync(journal->directory, err)) != HOR_OK)
        goto out;
    pthread_mutex_lock(&journal->lock);
    segment->bytes += data->len;
    segment->last = job->last;
    for (size_t i = 0; i < job->mark_count; i++)
        hor_journal_mark_add(&segment->marks, &segment->mark_count, &segment->mark_cap,
                             job->marks[i].index, base + job->marks[i].offset);
    journal->done.persisted = job->last;
    journal->done.epoch = job->epoch;
    uint64_t commit = journal->noted_commit < job->last ? journal->noted_commit : job->last;
    char run_id[HOR_JOURNAL_RUN_BYTES];
    memcpy(run_id, journal->noted_run_id, sizeof run_id);
    pthread_mutex_unlock(&journal->lock);
    journal->notify(journal->notify_ctx); /* others go on while this thread takes notes */
    pthread_mutex_lock(&journal->meta_lock);
    struct hor_journal_state state = journal->meta.state;
    state.synced = job->last;
    state.commit = commit;
    memcpy(state.run_id, run_id, sizeof state.run_id);
    hor_journal_meta_note(&journal->meta, &state);
    pthread_mutex_unlock(&journal->meta_lock);
out:
    hor_buf_done(&with_header);
    return rc;
}

static void remove_snapshot(struct hor_journal *journal, uint64_t index, uint64_t term)
{
    char path[4096];
    if (index != 0 &&
        hor_journal_snapshot_path(journal, index, term, path, sizeof path) == HOR_OK)
        unlink(path);
}

static int write_snapshot_file(struct hor_journal *journal, const struct hor_journal_job *job,
                               const char *temporary, struct hor_error *err)
{
    int rc = HOR_OK, fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", temporary);
    for (size_t done = 0; rc == HOR_OK && done < job->data.len;) {
        ssize_t n = write_some(journal, fd, job->data.data + done, job->data.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            rc = hor_error_set_errno(err, HOR_ERR_IO, n < 0 ? errno : ENOSPC, "%s", temporary);
        else
            done += (size_t)n;
    }
    if (rc == HOR_OK && sync_file(journal, fd) != 0)
        rc = hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", temporary);
    close(fd);
    return rc;
}

/* A snapshot that cannot be written is no disaster: the entries are all there. */
static void do_snapshot(struct hor_journal *journal, const struct hor_journal_job *job)
{
    char path[4096], temporary[4200];
    struct hor_error err = {.code = HOR_OK};
    int rc = hor_journal_snapshot_path(journal, job->index, job->term, path, sizeof path);
    if (rc == HOR_OK && job->index > journal->snapshot_index) {
        snprintf(temporary, sizeof temporary, "%s.tmp", path);
        rc = write_snapshot_file(journal, job, temporary, &err);
        if (rc == HOR_OK && rename(temporary, path) != 0)
            rc = hor_error_set_errno(&err, HOR_ERR_IO, errno, "%s", path);
        if (rc == HOR_OK)
            rc = hor_dir_sync(journal->directory, &err);
        if (rc == HOR_OK) {
            remove_snapshot(journal, journal->snapshot_index, journal->snapshot_term);
            journal->snapshot_index = job->index;
            journal->snapshot_term = job->term;
        } else {
            unlink(temporary);
        }
    }
    pthread_mutex_lock(&journal->lock);
    journal->done.snapshot_taken = true;
    journal->done.snapshot_index = job->index;
    journal->done.snapshot_code = rc;
    if (rc != HOR_OK)
        journal->done.err = err;
    pthread_mutex_unlock(&journal->lock);
}

static int do_install(struct hor_journal *journal, const struct hor_journal_job *job,
                      struct hor_error *err)
{
    char path[4096];
    int fd, rc = hor_journal_snapshot_path(journal, job->index, job->term, path, sizeof path);
    if (rc != HOR_OK)
        return hor_error_set(err, rc, "journal: the folder's name is too long");
    fd = open(job->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        rc = hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", job->path);
    if (fd >= 0)
        close(fd);
    if (rc == HOR_OK && rename(job->path, path) != 0)
        rc = hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", path);
    if (rc == HOR_OK)
        rc = hor_dir_sync(journal->directory, err);
    if (rc == HOR_OK)
        rc = lower_synced(journal, job->index, true, err);
    if (rc != HOR_OK)
        return rc;
    if (journal->fd >= 0)
        close(journal->fd);
    journal->fd = -1;
    while (rc == HOR_OK && journal->segment_count > 0)
        rc = remove_segment(journal, journal->segment_count - 1, err);
    if (rc != HOR_OK)
        return rc;
    if (job->index != journal->snapshot_index || job->term != journal->snapshot_term)
        remove_snapshot(journal, journal->snapshot_index, journal->snapshot_term);
    journal->snapshot_index = job->index;
    journal->snapshot_term = job->term;
    rc = hor_dir_sync(journal->directory, err);
    pthread_mutex_lock(&journal->lock);
    journal->done.installed = rc == HOR_OK;
    pthread_mutex_unlock(&journal->lock);
    return rc;
}

static int do_remove(struct hor_journal *journal, const struct hor_journal_job *job,
                     struct hor_error *err)
{
    int rc = HOR_OK;
    while (rc == HOR_OK && journal->segment_count > 1 && journal->segments[0].last <= job->index)
        rc = remove_segment(journal, 0, err);
    return rc == HOR_OK ? hor_dir_sync(journal->directory, err) : rc;
}

static int do_job(struct hor_journal *journal, struct hor_journal_job *job, struct hor_error *err)
{
    switch (job->kind) {
    case JOB_APPEND:
        return do_append(journal, job, err);
    case JOB_SNAPSHOT:
        do_snapshot(journal, job);
        return HOR_OK;
    case JOB_INSTALL:
        return do_install(journal, job, err);
    case JOB_REMOVE:
        return do_remove(journal, job, err);
    }
    return HOR_OK;
}

void *hor_journal_writer(void *ctx)
{
    struct hor_journal *journal = ctx;
    bool broken = false;
    pthread_mutex_lock(&journal->lock);
    for (;;) {
        struct hor_journal_job *job = journal->head;
        struct hor_error err = {.code = HOR_OK};
        int rc;
        if (job == NULL) {
            if (journal->stopping)
                break;
            pthread_cond_wait(&journal->wake, &journal->lock);
            continue;
        }
        journal->head = job->next;
        if (journal->head == NULL)
            journal->tail = NULL;
        pthread_mutex_unlock(&journal->lock);
        rc = broken ? HOR_OK : do_job(journal, job, &err);
        bool told = !broken && rc == HOR_OK && job->kind == JOB_APPEND;
        hor_journal_job_free(job);
        if (rc == HOR_ERR_BUSY) {
            /* closing a journal on a full disk: what waits was never promised to anybody */
            pthread_mutex_lock(&journal->lock);
            break;
        }
        if (rc != HOR_OK) {
            broken = true;
            pthread_mutex_lock(&journal->lock);
            journal->done.fatal = rc;
            journal->done.err = err;
            pthread_mutex_unlock(&journal->lock);
        }
        if (!told)
            journal->notify(journal->notify_ctx);
        pthread_mutex_lock(&journal->lock);
    }
    pthread_mutex_unlock(&journal->lock);
    return NULL;
}

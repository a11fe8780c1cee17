#define _GNU_SOURCE
#include "lib/journal/inspect.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/base/fd.h"
#include "lib/journal/meta.h"
#include "lib/journal/segment.h"
#include "lib/journal/snapshot.h"

/* What there is to look at: segments by first index, and snapshots. */
struct folder {
    char **segments; /* paths, in order */
    uint64_t *firsts;
    size_t count;
    char **snapshots;
    size_t snapshot_count;
    char *meta; /* NULL: none, or a single file is looked at */
};

static void folder_done(struct folder *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->segments[i]);
    for (size_t i = 0; i < f->snapshot_count; i++)
        free(f->snapshots[i]);
    free(f->segments);
    free(f->firsts);
    free(f->snapshots);
    free(f->meta);
}

static int keep(struct folder *f, char *take_path, uint64_t first)
{
    char **segments = realloc(f->segments, (f->count + 1) * sizeof *segments);
    uint64_t *firsts;
    size_t at = f->count;
    if (segments != NULL)
        f->segments = segments;
    firsts = realloc(f->firsts, (f->count + 1) * sizeof *firsts);
    if (firsts != NULL)
        f->firsts = firsts;
    if (segments == NULL || firsts == NULL || take_path == NULL) {
        free(take_path);
        return HOR_ERR_MEMORY;
    }
    for (; at > 0 && f->firsts[at - 1] > first; at--) {
        f->firsts[at] = f->firsts[at - 1];
        f->segments[at] = f->segments[at - 1];
    }
    f->firsts[at] = first;
    f->segments[at] = take_path;
    f->count++;
    return HOR_OK;
}

static int keep_snapshot(struct folder *f, char *take_path)
{
    char **more = realloc(f->snapshots, (f->snapshot_count + 1) * sizeof *more);
    if (more != NULL)
        f->snapshots = more;
    if (more == NULL || take_path == NULL) {
        free(take_path);
        return HOR_ERR_MEMORY;
    }
    f->snapshots[f->snapshot_count++] = take_path;
    return HOR_OK;
}

static int look(const char *path, struct folder *ret, struct hor_error *err)
{
    struct folder f = {.count = 0};
    struct stat status;
    int rc = HOR_OK;
    if (stat(path, &status) != 0)
        return hor_error_set_errno(err, errno == ENOENT ? HOR_ERR_NOT_FOUND : HOR_ERR_IO, errno,
                                   "%s", path);
    if (!S_ISDIR(status.st_mode)) {
        rc = keep(&f, hor_strdup(path), 0);
    } else {
        DIR *dir = opendir(path);
        struct dirent *item;
        if (dir == NULL)
            return hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", path);
        while (rc == HOR_OK && (item = readdir(dir)) != NULL) {
            uint64_t first, index, term;
            if (hor_journal_segment_parse_name(item->d_name, &first))
                rc = keep(&f, hor_path_join(path, item->d_name), first);
            else if (hor_journal_snapshot_parse_name(item->d_name, &index, &term))
                rc = keep_snapshot(&f, hor_path_join(path, item->d_name));
            else if (strcmp(item->d_name, HOR_JOURNAL_META_NAME) == 0 && f.meta == NULL)
                f.meta = hor_path_join(path, item->d_name);
        }
        closedir(dir);
    }
    if (rc != HOR_OK)
        hor_error_set(err, rc, "%s: out of memory", path);
    else if (f.count == 0 && f.snapshot_count == 0 && f.meta == NULL)
        rc = hor_error_set(err, HOR_ERR_INVALID, "%s: there is no journal here", path);
    if (rc == HOR_OK)
        *ret = f;
    else
        folder_done(&f);
    return rc;
}

struct showing {
    const struct hor_journal_filter *filter;
    hor_journal_show_fn *each;
    void *ctx;
    const char *file;
    bool stopped;
};

static bool wanted(const struct hor_journal_filter *filter, const struct hor_journal_entry *entry)
{
    char order[512];
    const char *end;
    if (filter == NULL)
        return true;
    if ((filter->from != 0 && entry->index < filter->from) ||
        (filter->to != 0 && entry->index > filter->to))
        return false;
    if (filter->order == NULL)
        return true;
    end = memchr(entry->xml, '>', entry->len);
    return end != NULL &&
           hor_journal_attribute(entry->xml, (size_t)(end - entry->xml), "order", order,
                                 sizeof order) == HOR_OK &&
           strcmp(order, filter->order) == 0;
}

enum { STOP = -1000 };

static int show_entry(const struct hor_journal_entry *entry, uint64_t offset, unsigned long line,
                      void *ctx, struct hor_error *err)
{
    struct showing *s = ctx;
    struct hor_journal_shown shown = {.file = s->file, .line = line, .index = entry->index,
                                      .term = entry->term, .at_us = entry->at_us,
                                      .xml = entry->xml, .len = entry->len};
    (void)offset;
    (void)err;
    if (!wanted(s->filter, entry) || s->each(&shown, s->ctx))
        return HOR_OK;
    s->stopped = true;
    return STOP;
}

int hor_journal_show(const char *path, const struct hor_journal_filter *filter,
                     hor_journal_show_fn *each, void *ctx, struct hor_error *err)
{
    struct folder f;
    struct showing s = {.filter = filter, .each = each, .ctx = ctx};
    int rc = look(path, &f, err);
    if (rc != HOR_OK)
        return rc;
    for (size_t i = 0; rc == HOR_OK && i < f.count; i++) {
        struct hor_journal_segment_end end;
        if (filter != NULL && filter->from != 0 && i + 1 < f.count &&
            f.firsts[i + 1] <= filter->from)
            continue;
        if (filter != NULL && filter->to != 0 && f.firsts[i] > filter->to)
            break;
        s.file = f.segments[i];
        rc = hor_journal_segment_walk(f.segments[i], f.firsts[i], show_entry, &s, NULL, &end, err);
        if (rc == STOP) {
            rc = HOR_OK;
            break;
        }
        if (rc == HOR_OK && !end.has_header && f.firsts[i] == 0)
            rc = hor_error_set(err, HOR_ERR_INVALID, "%s: this is no journal", f.segments[i]);
        else if (rc == HOR_OK && end.bad && (end.good_after_bad || i + 1 < f.count))
            rc = hor_error_set(err, HOR_ERR_CORRUPT, "%s: line %lu: %s", f.segments[i], end.line,
                               end.what);
    }
    folder_done(&f);
    return rc;
}

static void damage(struct hor_journal_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void damage(struct hor_journal_report *report, const char *format, ...)
{
    va_list args;
    if (report->damaged)
        return;
    report->damaged = true;
    va_start(args, format);
    vsnprintf(report->damage, sizeof report->damage, format, args);
    va_end(args);
}

static int count_entry(const struct hor_journal_entry *entry, uint64_t offset, unsigned long line,
                       void *ctx, struct hor_error *err)
{
    struct hor_journal_report *report = ctx;
    (void)offset;
    (void)line;
    (void)err;
    report->entries++;
    report->events += hor_journal_kind_of(entry->xml, entry->len) == HOR_JOURNAL_EVENT;
    if (report->first_index == 0)
        report->first_index = entry->index;
    report->last_index = entry->index;
    return HOR_OK;
}

static void check_snapshots(const struct folder *f, struct hor_journal_report *report)
{
    for (size_t i = 0; i < f->snapshot_count; i++) {
        struct hor_buf text = HOR_BUF_INIT;
        struct hor_journal_snapshot snapshot;
        struct hor_error why;
        report->snapshots++;
        if (hor_journal_snapshot_read(f->snapshots[i], NULL, &text, &snapshot, &why) != HOR_OK)
            damage(report, "%s", why.text);
        else if (snapshot.index > report->snapshot_index)
            report->snapshot_index = snapshot.index;
        hor_buf_done(&text);
    }
}

static void check_meta(const struct folder *f, struct hor_journal_report *report)
{
    struct hor_journal_header header;
    struct hor_journal_state state;
    struct hor_error why;
    if (f->meta == NULL) {
        if (f->count != 1 || f->firsts[0] != 0)
            damage(report, HOR_JOURNAL_META_NAME " is missing");
        return;
    }
    if (hor_journal_meta_peek(f->meta, &header, &state, &why) != HOR_OK) {
        damage(report, "%s", why.text);
        return;
    }
    report->term = state.term;
    report->vote = state.vote;
    report->incarnation = state.incarnation;
    report->synced_index = state.synced;
    report->commit_index = state.commit;
    snprintf(report->run_id, sizeof report->run_id, "%s", state.run_id);
    snprintf(report->cluster, sizeof report->cluster, "%s", header.cluster);
    snprintf(report->member, sizeof report->member, "%s", header.member);
}

int hor_journal_verify(const char *path, struct hor_journal_report *ret, struct hor_error *err)
{
    struct folder f;
    struct hor_journal_report report;
    uint64_t expected = 0;
    int rc = look(path, &f, err);
    if (rc != HOR_OK)
        return rc;
    memset(&report, 0, sizeof report);
    check_snapshots(&f, &report);
    for (size_t i = 0; i < f.count; i++) {
        struct hor_journal_segment_end end;
        struct hor_journal_header header;
        struct hor_error why;
        bool newest = i + 1 == f.count;
        report.segments++;
        if (expected != 0 && f.firsts[i] != expected)
            damage(&report, "entries %" PRIu64 " to %" PRIu64 " are missing", expected,
                   f.firsts[i] - 1);
        rc = hor_journal_segment_walk(f.segments[i], f.firsts[i], count_entry, &report, &header,
                                      &end, &why);
        if (rc != HOR_OK) {
            damage(&report, "%s", why.text);
            continue;
        }
        if (f.firsts[i] == 0 && !end.has_header) {
            rc = hor_error_set(err, HOR_ERR_INVALID, "%s: this is no journal", f.segments[i]);
            folder_done(&f);
            return rc;
        }
        if (end.bad && (!newest || end.good_after_bad)) {
            damage(&report, "%s: line %lu: %s", f.segments[i], end.line, end.what);
        } else if (end.bad) {
            report.torn_bytes = end.total_bytes - end.good_bytes;
            snprintf(report.torn_file, sizeof report.torn_file, "%s", f.segments[i]);
        }
        if (!newest && !end.closed)
            damage(&report, "%s: the end is missing", f.segments[i]);
        if (report.cluster[0] == '\0') {
            snprintf(report.cluster, sizeof report.cluster, "%s", header.cluster);
            snprintf(report.member, sizeof report.member, "%s", header.member);
        } else if (end.has_header && strcmp(report.cluster, header.cluster) != 0) {
            damage(&report, "%s: belongs to cluster '%s', the others to '%s'", f.segments[i],
                   header.cluster, report.cluster);
        }
        expected = end.last + 1;
    }
    check_meta(&f, &report);
    report.lost = !report.damaged && report.synced_index > report.last_index &&
                  report.synced_index > report.snapshot_index;
    if (report.lost)
        damage(&report, "entries up to %" PRIu64 " were stored, but the journal ends at %" PRIu64,
               report.synced_index, report.last_index);
    folder_done(&f);
    *ret = report;
    return HOR_OK;
}

int hor_journal_accept_loss(const char *directory, uint64_t *ret_lost, struct hor_error *err)
{
    struct hor_journal_report report;
    struct hor_journal_meta meta;
    char *lock = hor_path_join(directory, "lock");
    char *path = hor_path_join(directory, HOR_JOURNAL_META_NAME);
    int rc, lock_fd = -1;
    uint64_t end;
    if (lock == NULL || path == NULL) {
        rc = hor_error_set(err, HOR_ERR_MEMORY, "%s: out of memory", directory);
        goto out;
    }
    if ((rc = hor_journal_verify(directory, &report, err)) != HOR_OK ||
        (rc = hor_file_lock(lock, &lock_fd, err)) != HOR_OK)
        goto out;
    if (!report.lost) {
        rc = report.damaged ? hor_error_set(err, HOR_ERR_CORRUPT, "%s", report.damage)
                            : hor_error_set(err, HOR_ERR_STATE, "%s: no entries are lost",
                                            directory);
        goto out;
    }
    rc = hor_journal_meta_open(path, report.cluster, report.member, &meta, err);
    if (rc != HOR_OK)
        goto out;
    end = report.last_index > report.snapshot_index ? report.last_index : report.snapshot_index;
    struct hor_journal_state state = meta.state;
    state.synced = end;
    if (state.commit > end)
        state.commit = end;
    rc = hor_journal_meta_save(&meta, &state, err);
    hor_journal_meta_close(&meta);
    if (rc == HOR_OK)
        *ret_lost = report.synced_index - end;
out:
    if (lock_fd >= 0)
        close(lock_fd);
    free(lock);
    free(path);
    return rc;
}

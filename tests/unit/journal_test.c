/* lib/journal: what every crash and every damage leaves, and that nothing is guessed. */
#define _GNU_SOURCE
#include "lib/journal/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/journal/inspect.h"
#include "tests/lib/tap.h"

static const char first_xml[] =
    "<configuration><member id=\"1\" name=\"a1\" url=\"\" role=\"voter\"/></configuration>";

/* Writer's news, awaited. */
struct news {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned count;
};
static struct news news = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void on_news(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&news.lock);
    news.count++;
    pthread_cond_signal(&news.changed);
    pthread_mutex_unlock(&news.lock);
}

static void await_news(unsigned after)
{
    pthread_mutex_lock(&news.lock);
    while (news.count == after)
        pthread_cond_wait(&news.changed, &news.lock);
    pthread_mutex_unlock(&news.lock);
}

static void await_persisted(struct hor_journal *journal, uint64_t index)
{
    for (;;) {
        struct hor_journal_done done;
        pthread_mutex_lock(&news.lock);
        unsigned before = news.count;
        pthread_mutex_unlock(&news.lock);
        hor_journal_collect(journal, &done);
        if (hor_journal_synced_index(journal) >= index || done.fatal != HOR_OK)
            return;
        await_news(before);
    }
}

struct loaded {
    uint64_t count, last, sum;
};
static int on_entry(const struct hor_journal_entry *entry, void *ctx, struct hor_error *err)
{
    struct loaded *l = ctx;
    (void)err;
    l->count++;
    l->last = entry->index;
    for (size_t i = 0; i < entry->len; i++)
        l->sum = l->sum * 31 + (unsigned char)entry->xml[i];
    return HOR_OK;
}

static struct hor_journal_settings settings(const char *dir)
{
    return (struct hor_journal_settings){.directory = dir, .cluster = "/clusters/etl",
                                         .member = "a1", .segment_bytes = 2000};
}

static int open_all(const struct hor_journal_settings *s, struct hor_journal **ret,
                    struct loaded *loaded, struct hor_error *err)
{
    struct hor_journal *journal;
    struct hor_journal_entry first = {.index = 1, .term = 1, .at_us = 1700000000123456,
                                      .xml = first_xml, .len = sizeof first_xml - 1};
    int rc = hor_journal_open(s, &journal, err);
    memset(loaded, 0, sizeof *loaded);
    if (rc != HOR_OK)
        return rc;
    if (hor_journal_is_new(journal))
        rc = hor_journal_begin(journal, 1, &first, err);
    if (rc == HOR_OK)
        rc = hor_journal_load(journal, on_entry, loaded, err);
    if (rc == HOR_OK)
        rc = hor_journal_start(journal, on_news, NULL, err);
    if (rc != HOR_OK) {
        hor_journal_close(journal);
        return rc;
    }
    *ret = journal;
    return HOR_OK;
}

static int append(struct hor_journal *journal, uint64_t index, uint64_t term, unsigned count,
                  const char *what, struct hor_error *err)
{
    struct hor_journal_entry entries[256];
    char xml[256][160];
    for (unsigned i = 0; i < count; i++) {
        int n = snprintf(xml[i], sizeof xml[i], "<orderStarted order=\"%s-%" PRIu64 "\"/>", what,
                         index + i);
        entries[i] = (struct hor_journal_entry){.index = index + i, .term = term,
                                                .at_us = 1700000001000000 + (int64_t)index + i,
                                                .xml = xml[i], .len = (size_t)n};
    }
    return hor_journal_append(journal, entries, count, 0, err);
}

static char *folder(const char *name)
{
    return hor_path_join(hor_tap_tmpdir(), name);
}

/* A journal with `count` entries in several segments, closed. */
static char *made(const char *name, unsigned count)
{
    char *dir = folder(name);
    struct hor_journal_settings s = settings(dir);
    struct hor_journal *journal;
    struct loaded loaded;
    struct hor_error err;
    if (open_all(&s, &journal, &loaded, &err) != HOR_OK) {
        diag("%s", err.text);
        return dir;
    }
    for (uint64_t at = 2; at < 1 + count; at++) {
        append(journal, at, 1, 1, "eod", &err);
        await_persisted(journal, at); /* one batch each: segments stay small */
    }
    hor_journal_close(journal);
    return dir;
}

static char *newest(const char *dir)
{
    char best[64] = "";
    DIR *d = opendir(dir);
    struct dirent *item;
    while ((item = readdir(d)) != NULL)
        if (strlen(item->d_name) == 24 && strcmp(item->d_name, best) > 0)
            snprintf(best, sizeof best, "%.24s", item->d_name);
    closedir(d);
    return hor_path_join(dir, best);
}

static void put_file(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    hor_fd_write_all(fd, data, len, NULL);
    close(fd);
}

static int reopen(const char *dir, struct loaded *loaded, struct hor_error *err)
{
    struct hor_journal_settings s = settings(dir);
    struct hor_journal *journal;
    int rc = open_all(&s, &journal, loaded, err);
    if (rc == HOR_OK)
        hor_journal_close(journal);
    return rc;
}

static void test_lines(void)
{
    struct hor_journal_entry entry = {.index = 4201, .term = 7, .at_us = 1764903600123456,
                                      .xml = "<barrier/>", .len = 10}, again;
    struct hor_buf buf = HOR_BUF_INIT;
    struct hor_error err;
    unsigned refused = 0;
    uint32_t crc = hor_journal_line_write(&entry, &buf);
    ok(crc == hor_journal_line_crc(&entry), "the checksum can be known without the line");
    ok(hor_journal_line_read(buf.data, buf.len - 1, &again, &err) == HOR_OK && again.index == 4201 &&
           again.term == 7 && again.at_us == entry.at_us && again.len == 10,
       "a line reads as it was written");
    for (size_t i = 0; i + 1 < buf.len; i++) {
        buf.data[i] ^= 1;
        refused += hor_journal_line_read(buf.data, buf.len - 1, &again, NULL) == HOR_ERR_CORRUPT;
        buf.data[i] ^= 1;
    }
    is_int(refused, buf.len - 1, "a flipped bit is seen wherever it is");
    hor_buf_done(&buf);
}

static void test_good_days(void)
{
    char *dir = folder("good");
    struct hor_journal_settings s = settings(dir);
    struct hor_journal *journal, *second;
    struct loaded loaded, later;
    struct hor_error err;
    ok(open_all(&s, &journal, &loaded, &err) == HOR_OK && loaded.count == 1, "a new folder begins");
    ok(hor_journal_open(&s, &second, &err) == HOR_ERR_BUSY, "and is locked: %s", err.text);
    for (unsigned i = 0; i < 10; i++)
        append(journal, 2 + i * 20, 1, 20, "eod", &err);
    await_persisted(journal, 201);
    is_int(hor_journal_synced_index(journal), 201, "all entries get to the disk");
    ok(append(journal, 300, 1, 1, "gap", &err) == HOR_ERR_INVALID, "a gap is refused");
    ok(hor_journal_save_vote(journal, 5, 3, &err) == HOR_OK, "term and vote are saved");
    append(journal, 190, 5, 3, "new", &err);
    await_persisted(journal, 0);
    hor_journal_close(journal);
    ok(open_all(&s, &journal, &loaded, &err) == HOR_OK || (diag("%s", err.text), false), "it opens");
    ok(loaded.count == 192 && loaded.last == 192, "later entries replaced the old ones");
    struct hor_journal_state state = hor_journal_get_state(journal);
    ok(state.term == 5 && state.vote == 3 && state.synced == 192, "meta.xml remembers");
    append(journal, 150, 6, 1, "cut", &err);
    await_persisted(journal, 0);
    hor_journal_close(journal);
    ok(reopen(dir, &later, &err) == HOR_OK && later.last == 150, "cutting into an older segment too");
    struct hor_journal_report report;
    ok(hor_journal_verify(dir, &report, &err) == HOR_OK && !report.damaged && report.entries == 150,
       "verify finds all whole");
    free(dir);
}

static void test_torn_tail(void)
{
    char *dir = made("torn", 40);
    char *path = newest(dir);
    struct hor_buf before = HOR_BUF_INIT;
    struct hor_journal_entry next = {.index = 41, .term = 1, .at_us = 1700000009000000,
                                     .xml = "<orderStarted order=\"torn\"/>", .len = 28};
    struct hor_buf line = HOR_BUF_INIT;
    struct hor_error err;
    struct loaded loaded;
    struct stat status;
    unsigned good = 0;
    char *torn = hor_str_printf("%s.torn", path);
    hor_file_read(path, 1 << 20, &before, &err);
    hor_journal_line_write(&next, &line);
    size_t whole = before.len;
    for (size_t cut = 1; cut < line.len; cut++) {
        before.len = whole;
        hor_buf_add(&before, line.data, cut);
        put_file(path, before.data, before.len);
        int rc = reopen(dir, &loaded, &err);
        if (rc == HOR_OK && loaded.last == 40 && stat(torn, &status) == 0 &&
            (size_t)status.st_size == cut && stat(path, &status) == 0 &&
            (size_t)status.st_size == whole)
            good++;
        else
            diag("cut at %zu: %d %s", cut, rc, rc ? err.text : "");
    }
    is_int(good, line.len - 1, "a line torn at any byte is cut, and kept as .torn");
    put_file(path, before.data, whole - 10);
    ok(reopen(dir, &loaded, &err) == HOR_ERR_CORRUPT, "but not one that had been confirmed");
    like(err.text, "entries up to 40 were stored here", "it says what is lost");
    uint64_t lost = 0;
    ok(hor_journal_accept_loss(dir, &lost, &err) == HOR_OK && lost == 1, "a person may accept it");
    ok(reopen(dir, &loaded, &err) == HOR_OK && loaded.last == 39, "and it opens without");
    ok(hor_journal_accept_loss(dir, &lost, &err) == HOR_ERR_STATE, "once: %s", err.text);
    put_file(path, before.data, whole);
    char *fresh = hor_str_printf("%s/00000000000000000041.xml", dir);
    struct hor_buf closed = HOR_BUF_INIT;
    hor_buf_add(&closed, before.data, whole);
    hor_buf_puts(&closed, "</journal>\n");
    put_file(path, closed.data, closed.len);
    put_file(fresh, "<?xml version", 13);
    ok(reopen(dir, &loaded, &err) == HOR_OK && loaded.last == 40,
       "a new segment that got no header is no damage");
    free(fresh);
    free(torn);
    free(path);
    free(dir);
    hor_buf_done(&closed);
    hor_buf_done(&line);
    hor_buf_done(&before);
}

static void test_damage(void)
{
    char *dir = made("damage", 60);
    char *path = hor_str_printf("%s/00000000000000000001.xml", dir);
    struct hor_buf text = HOR_BUF_INIT;
    struct hor_error err;
    struct loaded loaded;
    struct hor_journal_report report;
    hor_file_read(path, 1 << 20, &text, &err);
    char *middle = strstr(text.data, "eod-5");
    *middle = 'x';
    put_file(path, text.data, text.len);
    ok(reopen(dir, &loaded, &err) == HOR_ERR_CORRUPT, "a flipped byte in the middle stops it");
    like(err.text, "00000000000000000001.xml: line 7: the checksum is", "naming file and line");
    like(err.text, "rejoin", "and the way out");
    hor_journal_verify(dir, &report, &err);
    ok(report.damaged && strstr(report.damage, "line 7") != NULL, "verify tells the same");
    *middle = 'e';
    put_file(path, text.data, text.len);
    ok(reopen(dir, &loaded, &err) == HOR_OK && loaded.count == 60, "whole again, it opens");

    char *last = newest(dir);
    struct hor_buf tail = HOR_BUF_INIT;
    hor_file_read(last, 1 << 20, &tail, &err);
    char *line = strstr(strstr(tail.data, "<entry"), "order=");
    *line = 'O';
    put_file(last, tail.data, tail.len);
    ok(reopen(dir, &loaded, &err) == HOR_ERR_CORRUPT,
       "in the newest segment too, when good lines follow");
    *line = 'o';
    put_file(last, tail.data, tail.len);

    unlink(path);
    ok(reopen(dir, &loaded, &err) == HOR_ERR_CORRUPT, "the first segment is missing: %s", err.text);
    put_file(path, text.data, text.len);
    DIR *d = opendir(dir);
    char second[64] = "zzz";
    struct dirent *item;
    while ((item = readdir(d)) != NULL)
        if (strlen(item->d_name) == 24 && strcmp(item->d_name, "00000000000000000001.xml") > 0 &&
            strcmp(item->d_name, second) < 0)
            snprintf(second, sizeof second, "%.24s", item->d_name);
    closedir(d);
    char *gone = hor_path_join(dir, second);
    char *aside = hor_path_join(dir, "aside");
    rename(gone, aside);
    ok(reopen(dir, &loaded, &err) == HOR_ERR_CORRUPT, "one in the middle is missing");
    like(err.text, second, "and is named");
    rename(aside, gone);

    struct hor_journal_settings s = settings(dir);
    struct hor_journal *journal;
    s.cluster = "/clusters/other";
    ok(hor_journal_open(&s, &journal, &err) == HOR_ERR_INVALID, "another cluster's: %s", err.text);
    char *meta = hor_path_join(dir, "meta.xml"), *version;
    struct hor_buf m = HOR_BUF_INIT;
    hor_file_read(meta, 1 << 20, &m, &err);
    version = strstr(m.data, "formatVersion=\"1\"") + 15;
    *version = '2';
    put_file(meta, m.data, m.len);
    ok(reopen(dir, &loaded, &err) == HOR_ERR_INVALID, "another format version's: %s", err.text);
    *version = '1';
    memset(m.data + 2048, 'x', 100);
    put_file(meta, m.data, m.len);
    ok(reopen(dir, &loaded, &err) == HOR_OK, "one torn slot of meta.xml is no loss");
    memset(m.data + 2048, 'x', 100);
    memset(m.data + 2560, 'x', 100);
    put_file(meta, m.data, m.len);
    ok(reopen(dir, &loaded, &err) == HOR_ERR_CORRUPT, "two are: %s", err.text);
    unlink(meta);
    ok(reopen(dir, &loaded, &err) == HOR_ERR_CORRUPT, "no meta.xml at all: %s", err.text);
    hor_buf_done(&m);
    hor_buf_done(&tail);
    hor_buf_done(&text);
    free(meta);
    free(aside);
    free(gone);
    free(last);
    free(path);
    free(dir);
}

static struct hor_journal_snapshot snapshot_at(uint64_t index, const char *state)
{
    return (struct hor_journal_snapshot){.index = index, .term = 1, .configuration_index = 1,
                                         .at_us = 1700000002000000, .run_id = "run",
                                         .configuration = first_xml,
                                         .configuration_len = sizeof first_xml - 1,
                                         .state = state, .state_len = strlen(state)};
}

static void await_snapshot(struct hor_journal *journal, struct hor_journal_done *ret)
{
    for (;;) {
        pthread_mutex_lock(&news.lock);
        unsigned before = news.count;
        pthread_mutex_unlock(&news.lock);
        hor_journal_collect(journal, ret);
        if (ret->snapshot_taken || ret->installed || ret->fatal != HOR_OK)
            return;
        await_news(before);
    }
}

static void test_snapshots(void)
{
    char *dir = made("snap", 50);
    struct hor_journal_settings s = settings(dir);
    struct hor_journal *journal;
    struct hor_journal_done done;
    struct hor_journal_snapshot snapshot = snapshot_at(30, "<test a=\"1\"/>");
    struct loaded loaded;
    struct hor_error err;
    char path[600];
    open_all(&s, &journal, &loaded, &err);
    ok(hor_journal_take_snapshot(journal, &snapshot, &err) == HOR_OK, "a snapshot is queued");
    await_snapshot(journal, &done);
    ok(done.snapshot_code == HOR_OK && done.snapshot_index == 30, "and written");
    hor_journal_remove_until(journal, 30);
    snapshot = snapshot_at(45, "<test a=\"2\"/>");
    hor_journal_take_snapshot(journal, &snapshot, &err);
    await_snapshot(journal, &done);
    ok(hor_journal_first_index(journal) > 1 && hor_journal_first_index(journal) <= 31,
       "old segments go, up to what may go");
    hor_journal_close(journal);
    hor_journal_open(&s, &journal, &err);
    const struct hor_journal_snapshot *read = hor_journal_get_snapshot(journal);
    ok(read->index == 45 && read->state_len == 13 && memcmp(read->state, "<test a=\"2\"/>", 13) == 0,
       "the newest is read at open");
    hor_journal_close(journal);
    snprintf(path, sizeof path, "%s/snapshot-50-1.xml.tmp", dir);
    put_file(path, "half", 4);
    ok(reopen(dir, &loaded, &err) == HOR_OK && access(path, F_OK) != 0,
       "one that a crash left half written is no snapshot");

    /* from the leader: replaces the log, whatever it held */
    open_all(&s, &journal, &loaded, &err);
    struct hor_buf file = HOR_BUF_INIT;
    struct hor_journal_snapshot far = snapshot_at(1000, "<test a=\"3\"/>");
    far.term = 4;
    hor_journal_snapshot_write(&far, "/clusters/etl", &file);
    hor_journal_staging_path(journal, 1000, 4, path, sizeof path);
    put_file(path, file.data, file.len);
    hor_journal_install(journal, path, 1000, 4, &err);
    await_snapshot(journal, &done);
    ok(done.installed, "a received snapshot is installed");
    append(journal, 1001, 4, 2, "after", &err);
    await_persisted(journal, 1002);
    hor_journal_close(journal);
    ok(reopen(dir, &loaded, &err) == HOR_OK && loaded.count == 2 && loaded.last == 1002,
       "the log goes on after it");
    free(dir);

    /* a crash between its rename and the removal of the old segments */
    dir = made("between", 20);
    snprintf(path, sizeof path, "%s/snapshot-1000-4.xml", dir);
    put_file(path, file.data, file.len);
    ok(reopen(dir, &loaded, &err) == HOR_OK || (diag("%s", err.text), false),
       "a crash in the middle of an install is finished at open");
    s = settings(dir);
    open_all(&s, &journal, &loaded, &err);
    ok(loaded.count == 0 && hor_journal_first_index(journal) == 1001, "without the old entries");
    hor_journal_close(journal);
    file.data[file.len / 2] ^= 1;
    put_file(path, file.data, file.len);
    ok(reopen(dir, &loaded, &err) == HOR_ERR_CORRUPT, "a damaged snapshot is told: %s", err.text);
    hor_buf_done(&file);
    free(dir);
}

static pthread_mutex_t disk_lock = PTHREAD_MUTEX_INITIALIZER;
static bool disk_full, disk_broken;
static unsigned syncs;

static ssize_t full_write(int fd, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&disk_lock);
    bool full = disk_full;
    pthread_mutex_unlock(&disk_lock);
    if (!full)
        return write(fd, data, len);
    if (len > 10)
        return write(fd, data, 10); /* a part still fits */
    errno = ENOSPC;
    return -1;
}

static int counting_sync(int fd, void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&disk_lock);
    syncs++;
    bool broken = disk_broken;
    pthread_mutex_unlock(&disk_lock);
    errno = EIO;
    return broken ? -1 : fdatasync(fd);
}

static void set_disk(bool full, bool broken)
{
    pthread_mutex_lock(&disk_lock);
    disk_full = full;
    disk_broken = broken;
    pthread_mutex_unlock(&disk_lock);
}

static void test_full_disk(void)
{
    char *dir = made("full", 10);
    struct hor_journal_settings s = settings(dir);
    struct hor_journal *journal;
    struct hor_journal_done done;
    struct loaded loaded;
    struct hor_error err;
    s.io.write = full_write;
    s.io.sync = counting_sync;
    open_all(&s, &journal, &loaded, &err);
    unsigned before = syncs;
    append(journal, 11, 1, 200, "batch", &err);
    await_persisted(journal, 210);
    ok(syncs - before <= 3, "200 entries cost one sync (and a new segment's): %u", syncs - before);
    set_disk(true, false);
    append(journal, 211, 1, 5, "full", &err);
    do {
        pthread_mutex_lock(&news.lock);
        unsigned seen = news.count;
        pthread_mutex_unlock(&news.lock);
        hor_journal_collect(journal, &done);
        if (!done.no_room)
            await_news(seen);
    } while (!done.no_room);
    ok(done.fatal == HOR_OK && hor_journal_synced_index(journal) == 210,
       "a full disk is told; what is there stays");
    set_disk(false, false);
    await_persisted(journal, 215);
    hor_journal_collect(journal, &done);
    ok(!done.no_room && hor_journal_synced_index(journal) == 215, "with room it goes on by itself");
    hor_journal_close(journal);
    ok(reopen(dir, &loaded, &err) == HOR_OK && loaded.count == 215, "and nothing is half there");

    open_all(&s, &journal, &loaded, &err);
    set_disk(true, false);
    append(journal, 216, 1, 5, "full", &err);
    hor_journal_close(journal);
    set_disk(false, false);
    ok(reopen(dir, &loaded, &err) == HOR_OK && loaded.count == 215, "closing does not wait for room");

    open_all(&s, &journal, &loaded, &err);
    set_disk(false, true);
    append(journal, 216, 1, 1, "broken", &err);
    await_persisted(journal, 216);
    hor_journal_collect(journal, &done);
    ok(done.fatal == HOR_ERR_IO, "a failed sync is fatal: %s", done.err.text);
    set_disk(false, false);
    hor_journal_close(journal);
    free(dir);
}

static bool count_shown(const struct hor_journal_shown *entry, void *ctx)
{
    (void)entry;
    ++*(unsigned *)ctx;
    return true;
}

static bool read_one(const struct hor_journal_entry *entry, void *ctx)
{
    *(uint64_t *)ctx += entry->index;
    return true;
}

static void test_reading(void)
{
    char *dir = made("read", 150);
    struct hor_journal_settings s = settings(dir);
    struct hor_journal *journal;
    struct loaded loaded;
    struct hor_error err;
    struct hor_journal_filter filter = {.from = 20, .to = 29};
    uint64_t sum = 0;
    unsigned shown = 0;
    open_all(&s, &journal, &loaded, &err);
    ok(hor_journal_read(journal, 100, 110, read_one, &sum, &err) == HOR_OK && sum == 1155,
       "entries are read from the middle");
    ok(hor_journal_read(journal, 151, 151, read_one, &sum, &err) == HOR_ERR_NOT_FOUND,
       "not those that are not there");
    hor_journal_close(journal);
    ok(hor_journal_show(dir, &filter, count_shown, &shown, &err) == HOR_OK && shown == 10,
       "show takes bounds");
    filter = (struct hor_journal_filter){.order = "eod-77"};
    shown = 0;
    ok(hor_journal_show(dir, &filter, count_shown, &shown, &err) == HOR_OK && shown == 1,
       "and an order");
    ok(hor_journal_show("/nonexistent", NULL, count_shown, &shown, &err) == HOR_ERR_NOT_FOUND,
       "nothing there: %s", err.text);
    free(dir);
}

/* The frozen sample of format version 1 must always load. It is copied: opening writes. */
static void test_frozen(void)
{
    static const char *const files[] = {"00000000000000000001.xml", "00000000000000000006.xml",
                                        "00000000000000000012.xml",
                                        "snapshot-8-2.xml", "meta.xml"};
    char *dir = folder("frozen");
    struct hor_error err;
    struct loaded loaded;
    struct hor_journal_report report;
    hor_dir_make(dir, 0750, &err);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *from = hor_str_printf("%s/tests/fixtures/journal-v1/%s", hor_tap_srcdir(), files[i]);
        char *to = hor_path_join(dir, files[i]);
        struct hor_buf text = HOR_BUF_INIT;
        if (hor_file_read(from, 1 << 20, &text, &err) != HOR_OK)
            diag("%s", err.text);
        put_file(to, hor_buf_text(&text), text.len);
        hor_buf_done(&text);
        free(from);
        free(to);
    }
    struct hor_journal_settings s = {.directory = dir, .cluster = "/clusters/etl", .member = "a1"};
    struct hor_journal *journal;
    ok(open_all(&s, &journal, &loaded, &err) == HOR_OK || (diag("%s", err.text), false),
       "the frozen journal of version 1 loads");
    ok(loaded.count == 14 && loaded.sum == 13205149305362798253u, "with all its entries (%" PRIu64
       ")", loaded.sum);
    ok(hor_journal_get_snapshot(journal)->index == 8 && hor_journal_get_state(journal).term == 2 &&
           hor_journal_get_state(journal).vote == 1,
       "its snapshot, term and vote");
    hor_journal_close(journal);
    ok(hor_journal_verify(dir, &report, &err) == HOR_OK && !report.damaged && report.events == 12,
       "and verifies");
    free(dir);
}

int main(void)
{
    test_lines();
    test_good_days();
    test_torn_tail();
    test_damage();
    test_snapshots();
    test_full_disk();
    test_reading();
    test_frozen();
    return done_testing();
}

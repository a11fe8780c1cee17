#include "agent/runner/records.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/crc32c.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

enum { MAX_BYTES = 256 << 20, WORDS = 12, CRC_DIGITS = 8 };

static const char *const fate_names[] = {"running", "exited", "signalled", "timedOut",
                                         "killed",  "fenced", "notStarted", "unknown"};

static bool number(const char *word, int64_t *ret)
{
    return word != NULL && hor_str_to_int64(word, ret) == HOR_OK;
}

/* Splits at single spaces; the last word takes the rest of the line. Missing words are NULL. */
static void split(char *line, char *words[WORDS])
{
    for (int i = 0; i < WORDS; i++) {
        words[i] = line;
        char *space = line != NULL && i < WORDS - 1 ? strchr(line, ' ') : NULL;
        if (space != NULL)
            *space++ = '\0';
        line = space;
    }
}

static bool parse_end(char *words[WORDS], struct hor_runner_report *report)
{
    int64_t exit_code, signal;
    size_t fate = 0;
    while (fate < sizeof fate_names / sizeof fate_names[0] &&
           !hor_str_equal(words[3], fate_names[fate]))
        fate++;
    if (fate == sizeof fate_names / sizeof fate_names[0] || !number(words[4], &report->pid) ||
        !number(words[5], &exit_code) || !number(words[6], &signal) ||
        !number(words[7], &report->started_us) || !number(words[8], &report->ended_us) ||
        !number(words[9], &report->cpu_ms) || !number(words[10], &report->max_rss_kb))
        return false;
    report->fate = (enum hor_runner_fate)fate;
    report->exit_code = (int)exit_code;
    report->signal = (int)signal;
    report->text = words[11] != NULL && words[11][0] != '\0' ? words[11] : NULL;
    return true;
}

/* False for a line that is not whole. `line` is changed. */
static bool parse(char *line, size_t len, struct hor_record *record)
{
    char *words[WORDS], wanted[CRC_DIGITS + 1];
    *record = (struct hor_record){0};
    if (len <= CRC_DIGITS + 1 || strlen(line) != len)
        return false;
    snprintf(wanted, sizeof wanted, "%08" PRIx32,
             hor_crc32c(0, line + CRC_DIGITS + 1, len - CRC_DIGITS - 1));
    if (memcmp(line, wanted, CRC_DIGITS) != 0)
        return false;
    split(line + CRC_DIGITS + 1, words);
    if (hor_str_equal(words[0], "boot")) {
        record->kind = HOR_RECORD_BOOT;
        record->boot = words[1];
        return words[1] != NULL;
    }
    record->report.task = words[1];
    if (words[1] == NULL || words[2] == NULL ||
        hor_str_to_uint64(words[2], &record->report.fence) != HOR_OK)
        return false;
    if (strcmp(words[0], "start") == 0) {
        record->kind = HOR_RECORD_START;
        return number(words[3], &record->report.started_us);
    }
    if (strcmp(words[0], "pid") == 0) {
        record->kind = HOR_RECORD_PID;
        return number(words[3], &record->report.pid) && number(words[4], &record->ticks_from) &&
               number(words[5], &record->ticks_to);
    }
    if (strcmp(words[0], "end") == 0) {
        record->kind = HOR_RECORD_END;
        return parse_end(words, &record->report);
    }
    record->kind = HOR_RECORD_FORGET;
    return strcmp(words[0], "forget") == 0;
}

static int open_file(struct hor_records *records, struct hor_error *err)
{
    records->fd = open(records->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (records->fd < 0)
        return hor_error_set_errno(err, HOR_ERR_IO, errno, "records %s", records->path);
    return HOR_OK;
}

int hor_records_open(struct hor_records *records, const char *path, hor_record_fn *fn, void *ctx,
                     struct hor_error *err)
{
    struct hor_buf file = HOR_BUF_INIT;
    *records = (struct hor_records){.path = path, .fd = -1};
    int code = hor_file_read(path, MAX_BYTES, &file, err);
    if (code == HOR_ERR_NOT_FOUND)
        code = HOR_OK;
    char *line = file.data, *end = file.data != NULL ? file.data + file.len : NULL;
    while (code == HOR_OK && line < end) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        records->torn = newline == NULL;
        if (newline == NULL)
            newline = end; /* cut; its CRC tells whether all of it is there */
        *newline = '\0';
        struct hor_record record;
        if (parse(line, (size_t)(newline - line), &record))
            code = fn(&record, ctx);
        line = newline + 1;
    }
    records->bytes = (int64_t)file.len;
    hor_buf_done(&file);
    return code == HOR_OK ? open_file(records, err) : code;
}

void hor_records_done(struct hor_records *records)
{
    if (records->fd >= 0)
        close(records->fd);
    records->fd = -1;
    hor_buf_done(&records->waiting);
}

/* Lines are written after room for their CRC, which is filled in here. */
static size_t begin(struct hor_records *records)
{
    size_t at = records->waiting.len;
    hor_buf_puts(&records->waiting, "........ ");
    return at;
}

static void end(struct hor_records *records, size_t at)
{
    struct hor_buf *out = &records->waiting;
    if (out->failed)
        return;
    char crc[CRC_DIGITS + 1];
    char *text = out->data + at + CRC_DIGITS + 1;
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    snprintf(crc, sizeof crc, "%08" PRIx32, hor_crc32c(0, text, strlen(text)));
    memcpy(out->data + at, crc, CRC_DIGITS);
    hor_buf_putc(out, '\n');
}

void hor_records_boot(struct hor_records *records, const char *boot)
{
    size_t at = begin(records);
    hor_buf_printf(&records->waiting, "boot %s", boot);
    end(records, at);
}

void hor_records_start(struct hor_records *records, const char *task, uint64_t fence, int64_t at_us)
{
    size_t at = begin(records);
    hor_buf_printf(&records->waiting, "start %s %" PRIu64 " %" PRId64, task, fence, at_us);
    end(records, at);
}

void hor_records_pid(struct hor_records *records, const char *task, uint64_t fence, int64_t pid,
                     int64_t ticks_from, int64_t ticks_to)
{
    size_t at = begin(records);
    hor_buf_printf(&records->waiting, "pid %s %" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64, task,
                   fence, pid, ticks_from, ticks_to);
    end(records, at);
}

void hor_records_end(struct hor_records *records, const struct hor_runner_report *r)
{
    size_t at = begin(records);
    hor_buf_printf(&records->waiting,
                   "end %s %" PRIu64 " %s %" PRId64 " %d %d %" PRId64 " %" PRId64 " %" PRId64
                   " %" PRId64 " %s",
                   r->task, r->fence, fate_names[r->fate], r->pid, r->exit_code, r->signal,
                   r->started_us, r->ended_us, r->cpu_ms, r->max_rss_kb,
                   r->text != NULL ? r->text : "");
    end(records, at);
}

void hor_records_forget(struct hor_records *records, const char *task, uint64_t fence)
{
    size_t at = begin(records);
    hor_buf_printf(&records->waiting, "forget %s %" PRIu64, task, fence);
    end(records, at);
}

int hor_records_flush(struct hor_records *records, struct hor_error *err)
{
    struct hor_buf *out = &records->waiting;
    if (out->failed)
        return hor_error_set(err, HOR_ERR_MEMORY, "records %s: out of memory", records->path);
    if (out->len == 0)
        return HOR_OK;
    int code = HOR_OK;
    if (records->torn) /* ends the broken line, so that only that one is lost */
        code = hor_fd_write_all(records->fd, "\n", 1, err);
    if (code == HOR_OK) {
        records->torn = false;
        code = hor_fd_write_all(records->fd, out->data, out->len, err);
        records->torn = code != HOR_OK;
    }
    if (code != HOR_OK) {
        hor_error_prefix(err, "records %s", records->path);
        return code;
    }
    records->bytes += (int64_t)out->len;
    hor_buf_clear(out);
    return HOR_OK;
}

int hor_records_replace(struct hor_records *records, struct hor_error *err)
{
    struct hor_buf *out = &records->waiting;
    if (out->failed)
        return hor_error_set(err, HOR_ERR_MEMORY, "records %s: out of memory", records->path);
    int code = hor_file_write_atomic(records->path, hor_buf_text(out), out->len, 0600, err);
    if (code != HOR_OK)
        return code;
    if (records->fd >= 0)
        close(records->fd);
    records->bytes = (int64_t)out->len;
    records->torn = false;
    hor_buf_done(out);
    return open_file(records, err);
}

#include "agent/runner/protocol.h"

#include <stdlib.h>
#include <string.h>

static void put_u32(struct hor_buf *out, uint32_t value)
{
    unsigned char b[4];
    for (int i = 0; i < 4; i++)
        b[i] = (unsigned char)(value >> 8 * i);
    hor_buf_add(out, b, sizeof b);
}

static void put_u64(struct hor_buf *out, uint64_t value)
{
    put_u32(out, (uint32_t)value);
    put_u32(out, (uint32_t)(value >> 32));
}

static void put_i64(struct hor_buf *out, int64_t value) { put_u64(out, (uint64_t)value); }

static void put_string(struct hor_buf *out, const char *text)
{
    size_t len = text != NULL ? strlen(text) + 1 : 0;
    if (len > HOR_RUNNER_FRAME_BYTES) {
        out->failed = true;
        return;
    }
    put_u32(out, (uint32_t)len);
    hor_buf_add(out, text, len);
}

static void put_list(struct hor_buf *out, const char *const *list)
{
    uint32_t count = 0;
    while (list != NULL && list[count] != NULL && count < HOR_RUNNER_FRAME_BYTES)
        count++;
    put_u32(out, count);
    for (uint32_t i = 0; i < count; i++)
        put_string(out, list[i]);
}

/* Begins a frame; returns where it stands. */
static size_t begin(struct hor_buf *out, enum hor_runner_kind kind)
{
    size_t at = out->len;
    put_u32(out, 0);
    hor_buf_putc(out, HOR_RUNNER_VERSION);
    hor_buf_putc(out, (char)kind);
    return at;
}

static void end(struct hor_buf *out, size_t at)
{
    if (out->failed)
        return;
    size_t len = out->len - at - 4;
    if (len > HOR_RUNNER_FRAME_BYTES) {
        out->failed = true;
        return;
    }
    for (int i = 0; i < 4; i++)
        out->data[at + (size_t)i] = (char)(len >> 8 * i);
}

void hor_runner_put_empty(struct hor_buf *out, enum hor_runner_kind kind)
{
    size_t at = begin(out, kind);
    put_u32(out, 0);
    end(out, at);
}

void hor_runner_put_start(struct hor_buf *out, const struct hor_runner_job *job)
{
    size_t at = begin(out, HOR_RUNNER_START);
    put_string(out, job->task);
    put_u64(out, job->fence);
    put_list(out, job->argv);
    put_list(out, job->environment);
    put_string(out, job->directory);
    put_string(out, job->user);
    put_string(out, job->log_file);
    put_string(out, job->output_file);
    put_i64(out, job->lease_end_ms);
    put_i64(out, job->kill_at_ms);
    put_i64(out, job->timeout_ms);
    put_u32(out, (uint32_t)job->terminate_signal);
    put_i64(out, job->grace_ms);
    put_i64(out, job->memory_bytes);
    put_i64(out, job->cpu_seconds);
    put_i64(out, job->file_bytes);
    put_i64(out, job->processes);
    put_i64(out, job->open_files);
    end(out, at);
}

void hor_runner_put_task(struct hor_buf *out, enum hor_runner_kind kind, const char *task,
                         uint64_t fence)
{
    size_t at = begin(out, kind);
    put_string(out, task);
    put_u64(out, fence);
    end(out, at);
}

void hor_runner_put_renew(struct hor_buf *out, int64_t lease_end_ms, int64_t kill_at_ms)
{
    size_t at = begin(out, HOR_RUNNER_RENEW);
    put_i64(out, lease_end_ms);
    put_i64(out, kill_at_ms);
    end(out, at);
}

void hor_runner_put_report(struct hor_buf *out, const struct hor_runner_report *report)
{
    size_t at = begin(out, HOR_RUNNER_REPORT);
    put_string(out, report->task);
    put_u64(out, report->fence);
    put_u32(out, (uint32_t)report->fate);
    put_i64(out, report->pid);
    put_u32(out, (uint32_t)report->exit_code);
    put_u32(out, (uint32_t)report->signal);
    put_i64(out, report->started_us);
    put_i64(out, report->ended_us);
    put_i64(out, report->cpu_ms);
    put_i64(out, report->max_rss_kb);
    put_string(out, report->text);
    end(out, at);
}

/* Reads a body; the first step beyond its end sets `bad`, and all later values are 0. */
struct body {
    const unsigned char *at, *end;
    bool bad;
};

static uint32_t get_u32(struct body *in)
{
    if (in->bad || in->end - in->at < 4) {
        in->bad = true;
        return 0;
    }
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value |= (uint32_t)in->at[i] << 8 * i;
    in->at += 4;
    return value;
}

static uint64_t get_u64(struct body *in)
{
    uint64_t low = get_u32(in);
    return low | (uint64_t)get_u32(in) << 32;
}

static int64_t get_i64(struct body *in) { return (int64_t)get_u64(in); }
static int32_t get_i32(struct body *in) { return (int32_t)get_u32(in); }

static const char *get_string(struct body *in)
{
    uint32_t len = get_u32(in);
    if (in->bad || len == 0)
        return NULL;
    if (len > (size_t)(in->end - in->at) || memchr(in->at, 0, len) != in->at + len - 1) {
        in->bad = true;
        return NULL;
    }
    const char *text = (const char *)in->at;
    in->at += len;
    return text;
}

/* A string that must be there. */
static const char *need_string(struct body *in)
{
    const char *text = get_string(in);
    if (text == NULL)
        in->bad = true;
    return text;
}

static const char *need_task(struct body *in)
{
    const char *task = need_string(in);
    if (task != NULL && (strlen(task) >= HOR_RUNNER_TASK_BYTES || *task == '\0'))
        in->bad = true;
    for (const char *c = task; c != NULL && *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7F) /* records hold it as a word */
            in->bad = true;
    return task;
}

static struct body body_of(const struct hor_runner_frame *frame)
{
    const unsigned char *start = (const unsigned char *)frame->body;
    return (struct body){.at = start, .end = start + frame->len};
}

static int complete(const struct body *in)
{
    return in->bad || in->at != in->end ? HOR_ERR_INVALID : HOR_OK;
}

int hor_runner_next_frame(const char *data, size_t len, size_t *pos,
                          struct hor_runner_frame *ret_frame)
{
    const unsigned char *at = (const unsigned char *)data + *pos;
    size_t left = len - *pos;
    if (left < 4)
        return 0;
    struct body head = {.at = at, .end = at + 4};
    uint32_t frame_len = get_u32(&head);
    if (frame_len < 2 || frame_len > HOR_RUNNER_FRAME_BYTES)
        return HOR_ERR_INVALID;
    if (left - 4 >= 1 && at[4] != HOR_RUNNER_VERSION)
        return HOR_ERR_INVALID;
    if (left - 4 < frame_len)
        return 0;
    ret_frame->kind = (enum hor_runner_kind)at[5];
    ret_frame->body = (const char *)at + 6;
    ret_frame->len = frame_len - 2;
    *pos += 4 + frame_len;
    return 1;
}

/* Counts a list's strings and passes over them. */
static uint32_t skip_list(struct body *in)
{
    uint32_t count = get_u32(in);
    for (uint32_t i = 0; i < count && !in->bad; i++)
        need_string(in);
    return in->bad ? 0 : count;
}

static const char *const *fill_list(struct body *in, const char **where)
{
    uint32_t count = get_u32(in);
    for (uint32_t i = 0; i < count; i++)
        where[i] = get_string(in);
    where[count] = NULL;
    return where;
}

int hor_runner_get_start(const struct hor_runner_frame *frame, struct hor_runner_job *ret_job,
                         void **ret_lists)
{
    struct body in = body_of(frame);
    struct hor_runner_job job = {0};
    job.task = need_task(&in);
    job.fence = get_u64(&in);
    struct body lists_at = in; /* read twice: to check and count, then to fill */
    size_t arguments = skip_list(&in), variables = skip_list(&in);
    job.directory = get_string(&in);
    job.user = get_string(&in);
    job.log_file = need_string(&in);
    job.output_file = get_string(&in);
    job.lease_end_ms = get_i64(&in);
    job.kill_at_ms = get_i64(&in);
    job.timeout_ms = get_i64(&in);
    job.terminate_signal = get_i32(&in);
    job.grace_ms = get_i64(&in);
    job.memory_bytes = get_i64(&in);
    job.cpu_seconds = get_i64(&in);
    job.file_bytes = get_i64(&in);
    job.processes = get_i64(&in);
    job.open_files = get_i64(&in);
    if (complete(&in) != HOR_OK || arguments == 0 || job.terminate_signal < 0 ||
        job.terminate_signal > 64)
        return HOR_ERR_INVALID;
    const char **lists = malloc((arguments + variables + 2) * sizeof *lists);
    if (lists == NULL)
        return HOR_ERR_MEMORY;
    job.argv = fill_list(&lists_at, lists);
    job.environment = fill_list(&lists_at, lists + arguments + 1);
    *ret_job = job;
    *ret_lists = lists;
    return HOR_OK;
}

int hor_runner_get_task(const struct hor_runner_frame *frame, const char **ret_task,
                        uint64_t *ret_fence)
{
    struct body in = body_of(frame);
    const char *task = need_task(&in);
    uint64_t fence = get_u64(&in);
    if (complete(&in) != HOR_OK)
        return HOR_ERR_INVALID;
    *ret_task = task;
    *ret_fence = fence;
    return HOR_OK;
}

int hor_runner_get_renew(const struct hor_runner_frame *frame, int64_t *ret_lease_end_ms,
                         int64_t *ret_kill_at_ms)
{
    struct body in = body_of(frame);
    int64_t lease_end_ms = get_i64(&in), kill_at_ms = get_i64(&in);
    if (complete(&in) != HOR_OK)
        return HOR_ERR_INVALID;
    *ret_lease_end_ms = lease_end_ms;
    *ret_kill_at_ms = kill_at_ms;
    return HOR_OK;
}

int hor_runner_get_report(const struct hor_runner_frame *frame, struct hor_runner_report *ret)
{
    struct body in = body_of(frame);
    struct hor_runner_report report = {0};
    report.task = need_task(&in);
    report.fence = get_u64(&in);
    uint32_t fate = get_u32(&in);
    report.pid = get_i64(&in);
    report.exit_code = get_i32(&in);
    report.signal = get_i32(&in);
    report.started_us = get_i64(&in);
    report.ended_us = get_i64(&in);
    report.cpu_ms = get_i64(&in);
    report.max_rss_kb = get_i64(&in);
    report.text = get_string(&in);
    if (complete(&in) != HOR_OK || fate > HOR_RUNNER_UNKNOWN)
        return HOR_ERR_INVALID;
    report.fate = (enum hor_runner_fate)fate;
    *ret = report;
    return HOR_OK;
}

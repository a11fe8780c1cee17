#define _GNU_SOURCE /* wait4 */
#include "agent/runner/tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/runner/records.h"
#include "agent/runner/spawn.h"
#include "agent/runner/tree.h"
#include "lib/base/boot.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/map.h"
#include "lib/base/str.h"

enum {
    MAX_TASKS = 100000,
    BUCKETS = 1024,
    LEFTOVER_GRACE_MS = 1000, /* for processes that outlive the job's own */
    KILL_AGAIN_MS = 20,       /* a tree that forks while it is killed is killed again */
    KILL_AGAIN_MOST_MS = 1000,
    SURVIVORS_WITHIN_MS = 5000,
    COMPACT_BYTES = 1 << 20,
};

enum phase { RUNS, ASKED, KILLED, ENDED }; /* ASKED: got its signal and has until next_ms */

struct task {
    struct hor_runner_report report; /* its strings are `name` and `text` */
    char *name, *text;
    enum phase phase;
    /* until it has ended */
    struct task *next, *previous; /* of the running ones */
    struct task *next_by_pid;
    struct hor_tree tree;
    bool main_ended;
    enum hor_runner_fate why; /* it is being killed; HOR_RUNNER_RUNNING: it is not */
    int terminate_signal;
    int64_t grace_ms, timeout_at_ms, kill_at_ms; /* 0: never */
    int64_t next_ms, again_ms;                   /* of the killing */
};

struct hor_tasks {
    struct hor_map *by_name;
    struct task *running;
    size_t running_count, mains; /* mains: first processes that have not ended */
    struct task *by_pid[BUCKETS];
    struct hor_records records;
    struct hor_groups *groups;
    hor_tasks_report_fn *report;
    void *ctx;
    int64_t lease_end_ms; /* the latest renewal */
    int null_fd;
    char boot[HOR_BOOT_ID_BYTES], old_boot[HOR_BOOT_ID_BYTES];
    bool record_failed;
};

static void free_task(void *value)
{
    struct task *task = value;
    hor_tree_done(&task->tree);
    free(task->name);
    free(task->text);
    free(task);
}

static struct task *new_task(struct hor_tasks *tasks, const char *name, uint64_t fence)
{
    struct task *task = calloc(1, sizeof *task);
    char *copy = strdup(name);
    if (task == NULL || copy == NULL) {
        free(task);
        free(copy);
        return NULL;
    }
    task->name = copy;
    task->report.task = copy;
    task->report.fence = fence;
    task->phase = ENDED;
    task->tree = (struct hor_tree){.task = copy, .group_fd = -1};
    if (hor_map_put(tasks->by_name, name, task) != HOR_OK) {
        free_task(task);
        return NULL;
    }
    return task;
}

static void set_text(struct task *task, const char *text)
{
    free(task->text);
    task->text = hor_strdup(text); /* without memory there are no words */
    task->report.text = task->text;
}

static void link_running(struct hor_tasks *tasks, struct task *task)
{
    struct task **bucket = &tasks->by_pid[(unsigned)task->tree.main % BUCKETS];
    task->next = tasks->running;
    task->previous = NULL;
    if (task->next != NULL)
        task->next->previous = task;
    tasks->running = task;
    tasks->running_count++;
    tasks->mains++;
    task->next_by_pid = *bucket;
    *bucket = task;
}

static void unlink_running(struct hor_tasks *tasks, struct task *task)
{
    if (task->next != NULL)
        task->next->previous = task->previous;
    if (task->previous != NULL)
        task->previous->next = task->next;
    else
        tasks->running = task->next;
    tasks->running_count--;
}

/* Takes the task whose first process this was out of the table of processes. */
static struct task *take_by_pid(struct hor_tasks *tasks, pid_t pid)
{
    struct task **at = &tasks->by_pid[(unsigned)pid % BUCKETS];
    while (*at != NULL && (*at)->tree.main != pid)
        at = &(*at)->next_by_pid;
    struct task *task = *at;
    if (task != NULL) {
        *at = task->next_by_pid;
        tasks->mains--;
    }
    return task;
}

/* A record says that the task ended so. */
static void record_end(struct hor_tasks *tasks, struct task *task)
{
    task->phase = ENDED;
    hor_records_end(&tasks->records, &task->report);
    tasks->report(&task->report, tasks->ctx);
}

/* Nothing of the task lives any more. */
static void finish(struct hor_tasks *tasks, struct task *task)
{
    unlink_running(tasks, task);
    hor_groups_give(tasks->groups, task->tree.group_fd, task->tree.group_killed);
    task->tree.group_fd = -1;
    hor_tree_done(&task->tree);
    if (task->why != HOR_RUNNER_RUNNING)
        task->report.fate = task->why;
    else
        task->report.fate = task->report.signal != 0 ? HOR_RUNNER_SIGNALLED : HOR_RUNNER_EXITED;
    record_end(tasks, task);
}

static size_t signal_tree(struct hor_tasks *tasks, struct task *task, int number)
{
    task->tree.below = getpid();
    task->tree.all_below = tasks->running_count == 1;
    return hor_tree_signal(&task->tree, number);
}

static void kill_now(struct hor_tasks *tasks, struct task *task)
{
    int64_t now_ms = hor_clock_monotonic_ms();
    if (task->phase != KILLED)
        task->again_ms = KILL_AGAIN_MS;
    else if (task->again_ms < KILL_AGAIN_MOST_MS)
        task->again_ms *= 2;
    task->phase = KILLED;
    task->next_ms = now_ms + task->again_ms;
    signal_tree(tasks, task, SIGKILL);
}

static void ask_to_end(struct hor_tasks *tasks, struct task *task, int64_t grace_ms)
{
    if (grace_ms <= 0) {
        kill_now(tasks, task);
        return;
    }
    task->phase = ASKED;
    task->next_ms = hor_clock_monotonic_ms() + grace_ms;
    signal_tree(tasks, task, task->terminate_signal);
}

static void kill_task(struct hor_tasks *tasks, struct task *task, enum hor_runner_fate why)
{
    if (task->phase == ENDED)
        return;
    if (task->why == HOR_RUNNER_RUNNING && !task->main_ended)
        task->why = why; /* a task that ended before by itself keeps its own fate */
    if (why == HOR_RUNNER_FENCED) {
        if (task->phase != KILLED)
            kill_now(tasks, task); /* others may start it elsewhere from now on: no grace */
    } else if (task->phase == RUNS) {
        ask_to_end(tasks, task, task->grace_ms);
    }
}

/* Ends the tasks whose first process is gone once nothing of them is left. */
static void settle(struct hor_tasks *tasks)
{
    enum { UNKNOWN, NONE_LEFT, SOME_LEFT } children = UNKNOWN;
    for (struct task *task = tasks->running, *next; task != NULL; task = next) {
        next = task->next;
        if (!task->main_ended)
            continue;
        /* Without groups: as many children as first processes means that no task left any behind. */
        if (task->tree.group_fd < 0 && children == UNKNOWN)
            children = hor_tree_children() == (int)tasks->mains ? NONE_LEFT : SOME_LEFT;
        bool empty = task->tree.group_fd < 0 && children == NONE_LEFT
                         ? true
                         : signal_tree(tasks, task, 0) == 0;
        if (empty)
            finish(tasks, task);
        else if (task->phase == RUNS)
            ask_to_end(tasks, task,
                       task->grace_ms < LEFTOVER_GRACE_MS ? task->grace_ms : LEFTOVER_GRACE_MS);
    }
}

static int64_t timeval_us(struct timeval t) { return (int64_t)t.tv_sec * 1000000 + t.tv_usec; }

void hor_tasks_reap(struct hor_tasks *tasks)
{
    int status;
    struct rusage usage;
    bool any = false;
    for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0; any = true) {
        struct task *task = take_by_pid(tasks, pid);
        if (task == NULL)
            continue; /* an adopted one */
        task->main_ended = true;
        task->report.ended_us = hor_clock_utc_us();
        task->report.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        task->report.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        task->report.cpu_ms = (timeval_us(usage.ru_utime) + timeval_us(usage.ru_stime)) / 1000;
        task->report.max_rss_kb = usage.ru_maxrss;
    }
    if (any)
        settle(tasks);
}

int64_t hor_tasks_tick(struct hor_tasks *tasks)
{
    int64_t now_ms = hor_clock_monotonic_ms(), next_ms = INT64_MAX;
    bool killed = false;
    for (struct task *task = tasks->running; task != NULL; task = task->next) {
        if (task->kill_at_ms != 0 && now_ms >= task->kill_at_ms)
            kill_task(tasks, task, HOR_RUNNER_FENCED);
        else if (task->timeout_at_ms != 0 && now_ms >= task->timeout_at_ms)
            kill_task(tasks, task, HOR_RUNNER_TIMED_OUT);
        if (task->phase != RUNS && now_ms >= task->next_ms) {
            kill_now(tasks, task);
            killed = true;
        }
        int64_t at = INT64_MAX;
        if (task->phase != RUNS)
            at = task->next_ms;
        else if (task->timeout_at_ms != 0)
            at = task->timeout_at_ms;
        if (task->phase != KILLED && task->kill_at_ms != 0 && task->kill_at_ms < at)
            at = task->kill_at_ms;
        if (at < next_ms)
            next_ms = at;
    }
    if (killed)
        settle(tasks);
    return next_ms == INT64_MAX ? -1 : next_ms;
}

/* True when the job is new; otherwise the agent was told what is known. */
static bool is_new(struct hor_tasks *tasks, const struct hor_runner_job *job)
{
    struct task *known = hor_map_get(tasks->by_name, job->task);
    struct hor_runner_report refusal = {
        .task = job->task, .fence = job->fence, .fate = HOR_RUNNER_NOT_STARTED};
    if (known == NULL && hor_map_count(tasks->by_name) < MAX_TASKS)
        return true;
    if (known == NULL) {
        refusal.text = "the runner holds too many tasks that were not forgotten";
    } else if (known->report.fence == job->fence) {
        tasks->report(&known->report, tasks->ctx);
        return false;
    } else if (job->fence < known->report.fence) {
        refusal.fate = HOR_RUNNER_FENCED;
        refusal.text = "a later assignment of the task is known here";
    } else if (known->phase != ENDED) {
        refusal.text = "an earlier assignment of the task still runs here";
    } else {
        hor_tasks_forget(tasks, job->task, known->report.fence);
        return true;
    }
    tasks->report(&refusal, tasks->ctx);
    return false;
}

static void not_started(struct hor_tasks *tasks, struct task *task, enum hor_runner_fate fate,
                        const char *text)
{
    task->report.fate = fate;
    task->report.started_us = 0;
    task->report.ended_us = hor_clock_utc_us();
    set_text(task, text);
    record_end(tasks, task);
}

static int64_t after(int64_t now_ms, int64_t ms)
{
    return ms <= 0 ? 0 : ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + ms;
}

static void start_one(struct hor_tasks *tasks, struct task *task, const struct hor_runner_job *given)
{
    struct hor_spawned spawned;
    struct hor_error err;
    struct hor_runner_job job = *given;
    if (job.lease_end_ms != 0 && job.lease_end_ms < tasks->lease_end_ms)
        job.lease_end_ms = tasks->lease_end_ms;
    task->tree.group_fd = hor_groups_take(tasks->groups);
    task->report.started_us = hor_clock_utc_us();
    if (hor_spawn(&job, task->tree.group_fd, tasks->null_fd, &spawned, &err) != HOR_OK) {
        hor_groups_give(tasks->groups, task->tree.group_fd, false);
        task->tree.group_fd = -1;
        not_started(tasks, task, spawned.lease_over ? HOR_RUNNER_FENCED : HOR_RUNNER_NOT_STARTED,
                    err.text);
        return;
    }
    task->report.fate = HOR_RUNNER_RUNNING;
    task->report.pid = spawned.pid;
    task->phase = RUNS;
    task->tree.main = spawned.pid;
    task->tree.ticks_from = spawned.ticks_from;
    task->tree.ticks_to = spawned.ticks_to;
    task->terminate_signal = job.terminate_signal != 0 ? job.terminate_signal : SIGTERM;
    task->grace_ms = job.grace_ms;
    task->timeout_at_ms = after(hor_clock_monotonic_ms(), job.timeout_ms);
    task->kill_at_ms = job.kill_at_ms;
    link_running(tasks, task);
    hor_records_pid(&tasks->records, task->name, task->report.fence, spawned.pid,
                    spawned.ticks_from, spawned.ticks_to);
    tasks->report(&task->report, tasks->ctx);
}

void hor_tasks_start(struct hor_tasks *tasks, const struct hor_runner_job *jobs, size_t count)
{
    struct task **fresh = calloc(count + 1, sizeof *fresh);
    struct hor_error err = {0};
    int code = fresh != NULL ? HOR_OK : HOR_ERR_MEMORY;
    for (size_t i = 0; i < count && code == HOR_OK; i++) {
        if (!is_new(tasks, &jobs[i]))
            continue;
        fresh[i] = new_task(tasks, jobs[i].task, jobs[i].fence);
        if (fresh[i] == NULL) {
            struct hor_runner_report refusal = {.task = jobs[i].task,
                                                .fence = jobs[i].fence,
                                                .fate = HOR_RUNNER_NOT_STARTED,
                                                .text = "the runner is out of memory"};
            tasks->report(&refusal, tasks->ctx);
            continue;
        }
        fresh[i]->phase = RUNS; /* so that another assignment in the same batch is refused */
        fresh[i]->report.started_us = hor_clock_utc_us();
        hor_records_start(&tasks->records, jobs[i].task, jobs[i].fence,
                          fresh[i]->report.started_us);
    }
    /* Only what is on record may run: else a restarted runner would not look for it. */
    if (code == HOR_OK)
        code = hor_records_flush(&tasks->records, &err);
    for (size_t i = 0; i < count && fresh != NULL; i++) {
        if (fresh[i] == NULL)
            continue;
        if (code == HOR_OK)
            start_one(tasks, fresh[i], &jobs[i]);
        else
            not_started(tasks, fresh[i], HOR_RUNNER_NOT_STARTED, err.text);
    }
    free(fresh);
}

void hor_tasks_kill(struct hor_tasks *tasks, const char *name)
{
    struct task *task = hor_map_get(tasks->by_name, name);
    if (task != NULL)
        kill_task(tasks, task, HOR_RUNNER_KILLED);
}

void hor_tasks_kill_all(struct hor_tasks *tasks)
{
    for (struct task *task = tasks->running; task != NULL; task = task->next)
        kill_task(tasks, task, HOR_RUNNER_KILLED);
}

void hor_tasks_renew(struct hor_tasks *tasks, int64_t lease_end_ms, int64_t kill_at_ms)
{
    tasks->lease_end_ms = lease_end_ms;
    for (struct task *task = tasks->running; task != NULL; task = task->next)
        if (task->kill_at_ms != 0 && task->kill_at_ms < kill_at_ms)
            task->kill_at_ms = kill_at_ms;
}

void hor_tasks_forget(struct hor_tasks *tasks, const char *name, uint64_t fence)
{
    struct task *task = hor_map_get(tasks->by_name, name);
    if (task == NULL || task->report.fence != fence || task->phase != ENDED)
        return;
    hor_records_forget(&tasks->records, name, fence);
    hor_map_remove(tasks->by_name, name);
}

void hor_tasks_report_all(struct hor_tasks *tasks, hor_tasks_report_fn *report, void *ctx)
{
    size_t pos = 0;
    for (struct task *task; (task = hor_map_next(tasks->by_name, &pos, NULL)) != NULL;)
        report(&task->report, ctx);
}

size_t hor_tasks_count(const struct hor_tasks *tasks) { return hor_map_count(tasks->by_name); }
size_t hor_tasks_running(const struct hor_tasks *tasks) { return tasks->running_count; }

/* Writes the file anew with what is still known. */
static int compact(struct hor_tasks *tasks, struct hor_error *err)
{
    struct hor_records *records = &tasks->records;
    hor_buf_clear(&records->waiting); /* all of it is in the tasks, too */
    hor_records_boot(records, tasks->boot);
    size_t pos = 0;
    for (struct task *task; (task = hor_map_next(tasks->by_name, &pos, NULL)) != NULL;) {
        const struct hor_runner_report *r = &task->report;
        hor_records_start(records, r->task, r->fence, r->started_us);
        if (task->phase == ENDED)
            hor_records_end(records, r);
        else
            hor_records_pid(records, r->task, r->fence, r->pid, task->tree.ticks_from,
                            task->tree.ticks_to);
    }
    return hor_records_replace(records, err);
}

void hor_tasks_flush(struct hor_tasks *tasks)
{
    struct hor_error err = {0};
    int code = hor_records_flush(&tasks->records, &err);
    /* Some 300 bytes a task: rewritten when three quarters of the file are about forgotten ones. */
    int64_t live_bytes = (int64_t)hor_map_count(tasks->by_name) * 300;
    if (code == HOR_OK && tasks->records.bytes > COMPACT_BYTES &&
        tasks->records.bytes > 4 * live_bytes)
        code = compact(tasks, &err);
    if (code != HOR_OK && !tasks->record_failed)
        hor_log_error("%s", err.text);
    else if (code == HOR_OK && tasks->record_failed)
        hor_log_info("records are written again");
    tasks->record_failed = code != HOR_OK;
}

static int load(const struct hor_record *record, void *ctx)
{
    struct hor_tasks *tasks = ctx;
    const struct hor_runner_report *r = &record->report;
    if (record->kind == HOR_RECORD_BOOT) {
        snprintf(tasks->old_boot, sizeof tasks->old_boot, "%s", record->boot);
        return HOR_OK;
    }
    struct task *task = hor_map_get(tasks->by_name, r->task);
    if (record->kind == HOR_RECORD_START) {
        if (task != NULL)
            hor_map_remove(tasks->by_name, r->task);
        task = new_task(tasks, r->task, r->fence);
        if (task == NULL)
            return HOR_ERR_MEMORY;
        task->phase = RUNS;
        task->report.started_us = r->started_us;
        return HOR_OK;
    }
    if (task == NULL || task->report.fence != r->fence)
        return HOR_OK;
    if (record->kind == HOR_RECORD_FORGET) {
        hor_map_remove(tasks->by_name, r->task);
    } else if (record->kind == HOR_RECORD_PID) {
        task->report.pid = task->tree.main = (pid_t)r->pid;
        task->tree.ticks_from = record->ticks_from;
        task->tree.ticks_to = record->ticks_to;
    } else {
        const char *name = task->report.task;
        task->report = *r;
        task->report.task = name;
        set_text(task, r->text);
        task->phase = ENDED;
    }
    return HOR_OK;
}

/* Kills what still lives of a task that ran under the runner before. Its processes are nobody's
 * children here, so their end cannot be awaited, only seen. */
static bool kill_survivors(struct task *task)
{
    int64_t until_ms = hor_clock_monotonic_ms() + SURVIVORS_WITHIN_MS;
    bool any = false;
    while (hor_tree_signal(&task->tree, SIGKILL) > 0) {
        any = true;
        if (hor_clock_monotonic_ms() >= until_ms) {
            hor_log_error("task=%s: processes are left that cannot be killed", task->name);
            break;
        }
        poll(NULL, 0, 5);
    }
    return any;
}

/* The tasks that were running when the runner before ended. */
static void resolve_open(struct hor_tasks *tasks)
{
    bool same_boot = strcmp(tasks->boot, tasks->old_boot) == 0;
    size_t pos = 0;
    for (struct task *task; (task = hor_map_next(tasks->by_name, &pos, NULL)) != NULL;) {
        if (task->phase == ENDED)
            continue;
        bool survived = same_boot && kill_survivors(task);
        hor_tree_done(&task->tree);
        task->phase = ENDED;
        task->report.fate = HOR_RUNNER_UNKNOWN;
        task->report.ended_us = 0;
        set_text(task, !same_boot ? "the host was started anew while the task ran"
                       : survived ? "the runner ended while the task ran; what lived of it was killed"
                                  : "the runner ended while the task ran");
        hor_log_warning("task=%s: %s", task->name, task->report.text);
    }
}

int hor_tasks_open(const char *path, struct hor_groups *groups, hor_tasks_report_fn *report,
                   void *ctx, struct hor_tasks **ret, struct hor_error *err)
{
    struct hor_tasks *tasks = calloc(1, sizeof *tasks);
    if (tasks == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    tasks->records.fd = -1;
    tasks->groups = groups;
    tasks->report = report;
    tasks->ctx = ctx;
    tasks->by_name = hor_map_new(free_task);
    tasks->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int code;
    if (tasks->by_name == NULL)
        code = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    else if (tasks->null_fd < 0)
        code = hor_error_set_errno(err, HOR_ERR_IO, errno, "/dev/null");
    else
        code = hor_boot_id(tasks->boot, err);
    if (code == HOR_OK)
        code = hor_records_open(&tasks->records, path, load, tasks, err);
    if (code == HOR_OK) {
        resolve_open(tasks);
        code = compact(tasks, err);
    }
    if (code != HOR_OK) {
        hor_tasks_free(tasks);
        return code;
    }
    *ret = tasks;
    return HOR_OK;
}

void hor_tasks_free(struct hor_tasks *tasks)
{
    if (tasks == NULL)
        return;
    hor_records_done(&tasks->records);
    if (tasks->by_name != NULL)
        hor_map_free(tasks->by_name);
    if (tasks->null_fd >= 0)
        close(tasks->null_fd);
    free(tasks);
}

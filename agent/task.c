/* The tasks of this member: what the runner has, what the state says, and what follows from both.
 * The state is right about what shall run; the runner is right about what does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/map.h"
#include "lib/base/str.h"

enum { OUTPUT_FILE_BYTES = 1024 * 1024, REPORT_EVENTS = 500, ROOM_AGAIN_MS = 1000 };

static void task_free(void *value)
{
    struct hor_agent_task *task = value;
    free(task->id);
    free(task->cause);
    free(task);
}

static struct hor_agent_task *task_get(struct hor_agent *agent, const char *id, uint64_t fence)
{
    struct hor_agent_task *task = hor_map_get(agent->tasks, id);
    if (task != NULL) {
        if (fence > task->fence)
            task->fence = fence;
        return task;
    }
    task = calloc(1, sizeof *task);
    if (task == NULL)
        return NULL;
    task->id = hor_strdup(id);
    task->fence = fence;
    if (task->id == NULL || hor_map_put(agent->tasks, id, task) < 0) {
        task_free(task);
        return NULL;
    }
    return task;
}

bool hor_agent_task_is_here(const struct hor_agent *agent, const char *id)
{
    return hor_map_get(agent->tasks, id) != NULL;
}

/* ---- what the runner tells ---- */

static void on_report(const struct hor_runner_report *report, void *ctx)
{
    struct hor_agent *agent = ctx;
    struct hor_agent_task *task = task_get(agent, report->task, report->fence);
    if (task == NULL) {
        hor_log_error("task %s: out of memory", report->task);
        return;
    }
    task->launched = task->seen = true;
    task->fate = report->fate;
    task->pid = report->pid;
    task->started = report->started_us != 0;
    task->ended = report->fate != HOR_RUNNER_RUNNING;
    task->started_us = report->started_us;
    task->ended_us = report->ended_us;
    task->exit_code = report->exit_code;
    task->signal = report->signal;
    task->cpu_ms = report->cpu_ms;
    task->max_rss_kb = report->max_rss_kb;
    free(task->cause);
    task->cause = hor_strdup(report->text);
}

static void on_settled(void *ctx)
{
    struct hor_agent *agent = ctx;
    if (agent->runner_connected)
        hor_agent_tasks_sync(agent);
}

/* What the runner does not tell of again was either never given to it, or its end was not seen. */
static void unsee(struct hor_agent *agent)
{
    size_t pos = 0;
    struct hor_agent_task *task;
    const char *id;
    while ((task = hor_map_next(agent->tasks, &pos, &id)) != NULL) {
        task->seen = task->killed = false;
        if (task->launched && !task->started && !task->ended && !task->reporting) {
            hor_map_take(agent->tasks, id); /* starting it again with the same fence is harmless */
            task_free(task);
        }
    }
}

static void on_connected(bool connected, void *ctx)
{
    struct hor_agent *agent = ctx;
    agent->runner_connected = connected;
    if (!connected)
        unsee(agent);
    if (connected)
        hor_log_info("runner connected, it has %zu tasks", hor_map_count(agent->tasks));
    else
        hor_log_warning("runner not reachable: no tasks are started until it is back");
    hor_agent_lease_role(agent);
    if (connected && agent->live)
        hor_agent_tasks_reconcile(agent);
    hor_agent_decide(agent);
}

int hor_agent_tasks_open(struct hor_agent *agent, struct hor_error *err)
{
    static const struct hor_runner_ops ops = {
        .report = on_report, .connected = on_connected, .settled = on_settled};
    agent->tasks = hor_map_new(task_free);
    if (agent->tasks == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    int rc = hor_agent_outputs_make(agent, false, err);
    if (rc == HOR_OK)
        rc = hor_runner_open(agent->loop, agent->settings->runner_program,
                             agent->settings->runner_directory, &ops, agent, &agent->runner, err);
    return rc < 0 ? hor_error_prefix(err, "runner") : HOR_OK;
}

void hor_agent_tasks_close(struct hor_agent *agent)
{
    if (agent->runner != NULL)
        hor_runner_close(agent->runner);
    agent->runner = NULL;
    for (size_t i = 0; i < agent->launch_count; i++)
        free(agent->to_launch[i]);
    free(agent->to_launch);
    agent->to_launch = NULL;
    agent->launch_count = agent->launch_cap = 0;
    hor_map_free(agent->tasks);
    agent->tasks = NULL;
}

/* ---- starting ---- */

static void want_launch(struct hor_agent *agent, const char *id)
{
    if (agent->launch_count == agent->launch_cap) {
        size_t cap = agent->launch_cap ? agent->launch_cap * 2 : 64;
        char **ids = realloc(agent->to_launch, cap * sizeof *ids);
        if (ids == NULL)
            return; /* the next reconcile finds it */
        agent->to_launch = ids;
        agent->launch_cap = cap;
    }
    char *copy = hor_strdup(id);
    if (copy != NULL)
        agent->to_launch[agent->launch_count++] = copy;
}

/* It will never start: that is the task's end, told like any other. */
static void refuse(struct hor_agent *agent, const struct hor_core_task_view *view, const char *cause)
{
    struct hor_agent_task *task = task_get(agent, view->task, view->fence);
    if (task == NULL)
        return;
    task->refused = task->ended = true;
    task->fate = HOR_RUNNER_NOT_STARTED;
    task->ended_us = hor_clock_utc_us();
    free(task->cause);
    task->cause = hor_strdup(cause);
}

/* Assigned before the machine was started anew, and unknown to the runner, which may have lost its
 * record with the machine: it may have run. */
static void doubt(struct hor_agent *agent, const struct hor_core_task_view *view)
{
    refuse(agent, view, "the machine was started anew, and whether it ran before that is unknown");
    struct hor_agent_task *task = hor_map_get(agent->tasks, view->task);
    if (task != NULL)
        task->fate = HOR_RUNNER_UNKNOWN;
}

/* Returns false when it has to be tried again later. */
static bool launch(struct hor_agent *agent, const char *id)
{
    struct hor_core_task_view view;
    struct hor_error err = {0};
    struct hor_agent_task *task = hor_map_get(agent->tasks, id);
    /* In doubt, but never given to the runner: this member was lost meanwhile, and knows better. */
    if (hor_core_task(agent->core, id, &view) < 0 || strcmp(view.agent, agent->name) != 0 ||
        (strcmp(view.state, "assigned") != 0 && strcmp(view.state, "inDoubt") != 0) || (task != NULL && task->fence == view.fence))
        return true; /* changed meanwhile, or it is with the runner already */
    if (view.fence <= agent->doubt_until) {
        doubt(agent, &view);
        return true;
    }
    if (view.killing) {
        refuse(agent, &view, "killed before it was started");
        return true;
    }
    int rc = hor_agent_launch(agent, &view, &err);
    if (rc == HOR_ERR_UNREACHABLE || rc == HOR_ERR_BUSY)
        return false;
    if (rc < 0) {
        hor_log_warning("task=%s cannot be started: %s", id, err.text);
        refuse(agent, &view, err.text);
        return true;
    }
    task = task_get(agent, id, view.fence);
    if (task != NULL)
        task->launched = true;
    atomic_fetch_add(&agent->tasks_started, 1);
    hor_log_debug("task=%s given to the runner", id);
    return true;
}

static void launch_all(struct hor_agent *agent)
{
    int64_t end_ms;
    if (agent->launch_count == 0 || !agent->runner_connected || !agent->boot_known ||
        !hor_agent_lease_holds(agent, &end_ms))
        return;
    if (!hor_agent_has_room(agent)) {
        hor_timer_start(agent->retry_timer, ROOM_AGAIN_MS);
        return;
    }
    size_t left = 0;
    for (size_t i = 0; i < agent->launch_count; i++) {
        if (left == 0 && launch(agent, agent->to_launch[i]))
            free(agent->to_launch[i]);
        else
            agent->to_launch[left++] = agent->to_launch[i];
    }
    agent->launch_count = left;
}

/* ---- telling ---- */

static int read_outputs(struct hor_agent *agent, const char *id, struct hor_arguments *ret)
{
    struct hor_buf text = HOR_BUF_INIT;
    struct hor_error err = {0};
    size_t dropped = 0;
    struct stat st;
    char *path = hor_agent_output_path(agent, id);
    bool any = path != NULL && stat(path, &st) == 0 && st.st_size > 0; /* most jobs give none */
    int rc = any ? hor_file_read(path, OUTPUT_FILE_BYTES, &text, &err) : HOR_ERR_NOT_FOUND;
    if (rc == HOR_OK)
        rc = hor_agent_outputs_parse(hor_buf_text(&text), text.len, ret, &dropped);
    else if (rc != HOR_ERR_NOT_FOUND)
        hor_log_warning("task=%s outputs not read, ignoring: %s", id, err.text);
    if (dropped > 0)
        hor_log_warning("task=%s %zu output lines are not name=value within the limits, ignoring", id,
                        dropped);
    hor_buf_done(&text);
    free(path);
    return rc == HOR_ERR_MEMORY ? rc : HOR_OK;
}

static int64_t log_bytes(struct hor_agent *agent, const char *id)
{
    struct stat st;
    char *path = hor_agent_log_path(agent, id);
    int64_t bytes = path != NULL && stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
    free(path);
    return bytes;
}

static struct hor_event *event_of(const struct hor_agent *agent, enum hor_event_type type,
                                  const struct hor_core_task_view *view)
{
    struct hor_event *event = hor_event_new(type, hor_clock_utc_us());
    if (event != NULL && (hor_event_set(&event->master, view->master) < 0 ||
                          hor_event_set(&event->order, view->order) < 0 ||
                          hor_event_set(&event->node, view->node->id) < 0 ||
                          hor_event_set(&event->task, view->task) < 0 ||
                          hor_event_set(&event->job, view->job->object.path) < 0 ||
                          hor_event_set(&event->agent, agent->name) < 0)) {
        hor_event_free(event);
        return NULL;
    }
    if (event != NULL)
        event->attempt = view->attempt;
    return event;
}

static struct hor_event *started_event(const struct hor_agent *agent, const struct hor_agent_task *task,
                                       const struct hor_core_task_view *view)
{
    struct hor_event *event = event_of(agent, HOR_EVENT_TASK_STARTED, view);
    if (event != NULL) {
        event->pid = task->pid;
        event->started_at = task->started_us;
    }
    return event;
}

/* What the runner's fate means for the order. */
struct verdict {
    const char *outcome, *action;
    char cause[500];
    bool in_doubt;
};

static void judge(const struct hor_agent_task *task, const struct hor_core_task_view *view,
                  struct verdict *v)
{
    bool restart = view->job->agent_loss == HOR_AGENT_LOSS_RESTART;
    *v = (struct verdict){.outcome = "failure"};
    switch (task->fate) {
    case HOR_RUNNER_EXITED:
        v->outcome = hor_core_outcome(view->job, task->exit_code);
        if (strcmp(v->outcome, "success") != 0)
            snprintf(v->cause, sizeof v->cause, "exit code %d", task->exit_code);
        break;
    case HOR_RUNNER_SIGNALLED:
        snprintf(v->cause, sizeof v->cause, "ended by signal %d", task->signal);
        break;
    case HOR_RUNNER_TIMED_OUT:
        snprintf(v->cause, sizeof v->cause, "killed: it ran longer than its timeout of %lld s",
                 (long long)(view->job->timeout_ms / 1000));
        break;
    case HOR_RUNNER_KILLED:
        snprintf(v->cause, sizeof v->cause, "killed on request");
        break;
    case HOR_RUNNER_FENCED:
        v->action = "restart"; /* it was not started, or it is dead for certain */
        snprintf(v->cause, sizeof v->cause, "the agent's lease had ended");
        break;
    case HOR_RUNNER_NOT_STARTED:
        snprintf(v->cause, sizeof v->cause, "not started: %s",
                 task->cause != NULL ? task->cause : "unknown cause");
        break;
    default:
        v->action = restart ? "restart" : NULL;
        v->in_doubt = !restart;
        snprintf(v->cause, sizeof v->cause, "its end was not seen: %s",
                 task->cause != NULL ? task->cause : "the runner or the host was restarted");
    }
}

static struct hor_event *ended_event(struct hor_agent *agent, const struct hor_agent_task *task,
                                     const struct hor_core_task_view *view)
{
    struct verdict v;
    judge(task, view, &v);
    if (v.in_doubt && strcmp(view->state, "inDoubt") == 0)
        return NULL; /* known, and there is no more to say */
    struct hor_event *event =
        event_of(agent, v.in_doubt ? HOR_EVENT_TASK_IN_DOUBT : HOR_EVENT_TASK_ENDED, view);
    if (event == NULL || hor_event_set(&event->cause, v.cause[0] != '\0' ? v.cause : NULL) < 0 ||
        (!v.in_doubt && (hor_event_set(&event->outcome, v.outcome) < 0 ||
                         hor_event_set(&event->action, v.action) < 0)) ||
        read_outputs(agent, task->id, &event->arguments) < 0) {
        hor_event_free(event);
        return NULL;
    }
    if (v.in_doubt)
        return event;
    if (task->fate == HOR_RUNNER_EXITED)
        event->exit_code = task->exit_code;
    if (task->fate == HOR_RUNNER_SIGNALLED || task->fate == HOR_RUNNER_KILLED)
        event->signal = task->signal;
    if (task->started_us != 0)
        event->started_at = task->started_us;
    event->ended_at = task->ended_us != 0 ? task->ended_us : event->at_us;
    event->cpu_ms = task->cpu_ms;
    event->max_rss_kb = task->max_rss_kb;
    event->log_bytes = log_bytes(agent, task->id);
    return event;
}

struct report { /* the events of one submission; the tasks they are about are marked `reporting` */
    struct hor_agent *agent;
    uint64_t epoch;
    char **ids;
    size_t count;
};

static void reported(int code, uint64_t index, void *ctx)
{
    struct report *report = ctx;
    struct hor_agent *agent = report->agent;
    bool present = report->epoch == agent->report_epoch; /* else it was told anew meanwhile */
    (void)index;
    for (size_t i = 0; i < report->count; i++) {
        struct hor_agent_task *task =
            agent->tasks != NULL ? hor_map_get(agent->tasks, report->ids[i]) : NULL;
        if (task != NULL && present)
            task->reporting = false;
        free(report->ids[i]);
    }
    free(report->ids);
    free(report);
    if (!present)
        return;
    agent->reporting_away = false;
    if (code < 0 && !agent->stopping)
        hor_timer_start(agent->retry_timer, HOR_AGENT_RETRY_MS);
    else if (!agent->stopping)
        hor_agent_tasks_sync(agent); /* what was told meanwhile */
}

static void push(struct hor_event **events, size_t *count, struct hor_event *event)
{
    if (event != NULL)
        events[(*count)++] = event;
}

static void tell(struct hor_agent *agent)
{
    if (!agent->leader && (agent->leader_id == 0 || agent->reporting_away))
        return;
    size_t tasks = hor_map_count(agent->tasks), pos = 0, count = 0;
    if (tasks == 0)
        return;
    if (tasks > REPORT_EVENTS / 2)
        tasks = REPORT_EVENTS / 2;
    struct hor_event **events = calloc(tasks * 2, sizeof *events);
    struct report *report = calloc(1, sizeof *report);
    char **ids = calloc(tasks, sizeof *ids);
    struct hor_agent_task *task;
    while (events != NULL && report != NULL && ids != NULL && report->count < tasks &&
           (task = hor_map_next(agent->tasks, &pos, NULL)) != NULL) {
        struct hor_core_task_view view;
        if (task->reporting || hor_core_task(agent->core, task->id, &view) < 0 ||
            view.fence != task->fence)
            continue;
        size_t before = count;
        /* One in doubt is running after all only while it lives: what ended tells its end alone. */
        if (task->started && strcmp(view.state, task->ended ? "assigned" : view.state) == 0 &&
            strcmp(view.state, "running") != 0)
            push(events, &count, started_event(agent, task, &view));
        if (task->ended)
            push(events, &count, ended_event(agent, task, &view));
        if (count == before || (ids[report->count] = hor_strdup(task->id)) == NULL)
            continue;
        report->count++;
        task->reporting = true;
    }
    if (count == 0) {
        free(events);
        free(report);
        free(ids);
        return;
    }
    report->agent = agent;
    report->epoch = agent->report_epoch;
    report->ids = ids;
    if (agent->leader) {
        hor_agent_submit_reports(agent, events, count, reported, report);
    } else {
        agent->reporting_away = true;
        hor_agent_peer_report(agent, events, count, reported, report);
    }
}

/* Another leader: what was on its way to the old one, which may hang, is told again. */
void hor_agent_tasks_tell_anew(struct hor_agent *agent)
{
    size_t pos = 0;
    struct hor_agent_task *task;
    while (agent->tasks != NULL && (task = hor_map_next(agent->tasks, &pos, NULL)) != NULL)
        task->reporting = false;
    agent->reporting_away = false;
    agent->report_epoch++;
}

/* ---- what is over ---- */

/* A task that the state does not want from this member: kill it if it lives, forget it if not. A task
 * that this member's state does not know *yet* (the journal is still coming) is left alone. */
static bool drop_stale(struct hor_agent *agent, struct hor_agent_task *task, uint64_t applied)
{
    struct hor_core_task_view view;
    if (hor_core_task(agent->core, task->id, &view) == HOR_OK && view.fence == task->fence &&
        strcmp(view.agent, agent->name) == 0) {
        if (view.killing && !task->killed && !task->ended && agent->runner_connected)
            task->killed = hor_runner_kill(agent->runner, task->id, NULL) == HOR_OK;
        return false;
    }
    if (task->fence > applied || task->reporting)
        return false;
    if (task->refused)
        return true;
    if (!agent->runner_connected)
        return false;
    if (task->ended)
        return hor_runner_forget(agent->runner, task->id, task->fence, NULL) == HOR_OK;
    if (!task->killed) {
        hor_log_warning("task=%s is not wanted any more, killing it", task->id);
        task->killed = hor_runner_kill(agent->runner, task->id, NULL) == HOR_OK;
    }
    return false;
}

static void drop_all_stale(struct hor_agent *agent)
{
    struct hor_cluster_status status;
    hor_cluster_get_status(agent->cluster, &status);
    size_t pos = 0;
    struct hor_agent_task *task;
    const char *id;
    while ((task = hor_map_next(agent->tasks, &pos, &id)) != NULL) {
        if (!drop_stale(agent, task, status.applied_index))
            continue;
        char *output = hor_agent_output_path(agent, task->id);
        if (output != NULL)
            unlink(output); /* its lines are in the journal */
        free(output);
        hor_map_take(agent->tasks, id);
        task_free(task);
    }
}

void hor_agent_tasks_sync(struct hor_agent *agent)
{
    if (!agent->live || agent->stopping || agent->tasks == NULL)
        return;
    if (agent->syncing) { /* a call below came back here */
        agent->sync_again = true;
        return;
    }
    agent->syncing = true;
    do {
        agent->sync_again = false;
        launch_all(agent);
        if (agent->runner != NULL)
            hor_runner_flush(agent->runner); /* first: telling and forgetting take their time */
        tell(agent);
        drop_all_stale(agent);
        if (agent->runner != NULL)
            hor_runner_flush(agent->runner);
    } while (agent->sync_again && !agent->stopping);
    agent->syncing = false;
}

void hor_agent_tasks_applied(struct hor_agent *agent, const struct hor_event *event)
{
    if (event->type == HOR_EVENT_TASK_ASSIGNED && hor_str_equal(event->agent, agent->name))
        want_launch(agent, event->task);
    else if (event->type == HOR_EVENT_TASK_ENDED)
        atomic_fetch_add(&agent->tasks_ended, 1);
}

/* After replay and after the runner came back: start what was assigned and is not with the runner;
 * what ran and is unknown there has an end that nobody saw. */
static void compare(const struct hor_core_task_view *view, void *ctx)
{
    struct hor_agent *agent = ctx;
    struct hor_agent_task *task = hor_map_get(agent->tasks, view->task);
    if (task != NULL && task->fence == view->fence && (task->seen || task->ended))
        return;
    if (strcmp(view->state, "assigned") == 0) {
        want_launch(agent, view->task);
        return;
    }
    task = task_get(agent, view->task, view->fence);
    if (task == NULL)
        return;
    task->refused = task->ended = true; /* there is nothing to forget at the runner */
    task->fate = HOR_RUNNER_UNKNOWN;
}

void hor_agent_tasks_reconcile(struct hor_agent *agent)
{
    hor_core_each_task(agent->core, agent->name, compare, agent);
    hor_agent_tasks_sync(agent);
}

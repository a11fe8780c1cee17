/* agent/runner/tasks.h - the tasks that the runner has: starts, watches, kills and records them.
 * One thread, which must be the process's only one. Times are monotonic milliseconds. */
#ifndef HOR_AGENT_RUNNER_TASKS_H
#define HOR_AGENT_RUNNER_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/runner/client.h"
#include "agent/runner/groups.h"
#include "lib/base/error.h"

struct hor_tasks;
typedef void hor_tasks_report_fn(const struct hor_runner_report *report, void *ctx);

/* Reads the records at `path`. Tasks that ran when the runner before ended are killed, tree and
 * all, when their processes still live on the same boot of the host, and count as UNKNOWN.
 * `groups` may be NULL; it is borrowed, like path. `report` is called for each start and end,
 * before the record is written: send it only after hor_tasks_flush. */
int hor_tasks_open(const char *path, struct hor_groups *groups, hor_tasks_report_fn *report,
                   void *ctx, struct hor_tasks **ret, struct hor_error *err);
void hor_tasks_free(struct hor_tasks *tasks);
size_t hor_tasks_count(const struct hor_tasks *tasks); /* running, and ended but not forgotten */
size_t hor_tasks_running(const struct hor_tasks *tasks);

/* Starts each job, after one write of all their records. What cannot be started is reported. */
void hor_tasks_start(struct hor_tasks *tasks, const struct hor_runner_job *jobs, size_t count);
void hor_tasks_kill(struct hor_tasks *tasks, const char *task);
void hor_tasks_kill_all(struct hor_tasks *tasks);
void hor_tasks_renew(struct hor_tasks *tasks, int64_t lease_end_ms, int64_t kill_at_ms);
void hor_tasks_forget(struct hor_tasks *tasks, const char *task, uint64_t fence);
void hor_tasks_report_all(struct hor_tasks *tasks, hor_tasks_report_fn *report, void *ctx);

void hor_tasks_reap(struct hor_tasks *tasks); /* after SIGCHLD */
/* Does what is due and returns when the next thing is, -1: never. */
int64_t hor_tasks_tick(struct hor_tasks *tasks);
/* Writes what is to be recorded; a failure is logged and tried again the next time. */
void hor_tasks_flush(struct hor_tasks *tasks);

#endif

/* agent/runner/spawn.h - starts one process at vfork's cost: the child shares the runner's memory
 * until it executes the program, so the cost does not grow with memory. */
#ifndef HOR_AGENT_RUNNER_SPAWN_H
#define HOR_AGENT_RUNNER_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/runner/client.h"
#include "lib/base/error.h"

struct hor_spawned {
    pid_t pid;              /* 0: nothing was started */
    bool lease_over;        /* nothing was started because of the lease */
    int64_t ticks_from, ticks_to; /* the start time in /proc/PID/stat lies between */
};

/* Raises this process's limit of open files; jobs still get the one it had. Once, at the start. */
void hor_spawn_init(void);
/* Starts job's program in its own session, in the cgroup `group_fd` (a folder) unless that is -1.
 * job->lease_end_ms is looked at immediately before execve. HOR_ERR_IO and a sentence when a step
 * failed or the lease was over: then there is no process. */
int hor_spawn(const struct hor_runner_job *job, int group_fd, int null_fd,
              struct hor_spawned *ret, struct hor_error *err);
/* The present time in the unit and clock of /proc/PID/stat's start times. */
int64_t hor_spawn_ticks(void);

#endif

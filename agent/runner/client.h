/* agent/runner/client.h - the agent's side of the runner's socket. The runner (agent/runner) starts,
 * watches and kills jobs, and outlives the agent; after a reconnect it tells of every task it has,
 * running or ended and not yet forgotten. All on the loop's thread. */
#ifndef HOR_AGENT_RUNNER_CLIENT_H
#define HOR_AGENT_RUNNER_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/loop/loop.h"

struct hor_runner;

struct hor_runner_job { /* all borrowed during the call */
    const char *task;
    uint64_t fence;          /* journal index of taskAssigned */
    const char *const *argv; /* NULL-terminated; argv[0] is an absolute path */
    const char *const *environment; /* NULL-terminated "NAME=value", complete */
    const char *directory;
    const char *user;      /* NULL: as the runner itself */
    const char *log_file;  /* stdout and stderr, appended */
    const char *output_file; /* HORARIUM_OUTPUT, or NULL; made empty, or absent where nobody else
                              * could make it: in a folder that is closed to other users */
    int64_t lease_end_ms;    /* monotonic; not started after it; 0: no limit */
    int64_t kill_at_ms;      /* monotonic; killed when the lease was not renewed by then; 0: never */
    int64_t timeout_ms;      /* 0: none */
    int terminate_signal;    /* sent first; 0: SIGTERM */
    int64_t grace_ms;        /* then SIGKILL to the whole tree */
    int64_t memory_bytes, cpu_seconds, file_bytes; /* setrlimit; 0: none */
    int64_t processes, open_files;
};

enum hor_runner_fate {
    HOR_RUNNER_RUNNING,     /* found again after a reconnect, or just started */
    HOR_RUNNER_EXITED,      /* exit_code */
    HOR_RUNNER_SIGNALLED,   /* signal */
    HOR_RUNNER_TIMED_OUT,   /* killed by its timeout; exit_code or signal also set */
    HOR_RUNNER_KILLED,      /* killed on request */
    HOR_RUNNER_FENCED,      /* not started or killed: the lease had ended */
    HOR_RUNNER_NOT_STARTED, /* exec failed: `text` says why */
    HOR_RUNNER_UNKNOWN,     /* started, but its end was not seen (runner or host died) */
};

struct hor_runner_report {
    const char *task;
    uint64_t fence;
    enum hor_runner_fate fate;
    int64_t pid;
    int exit_code, signal;
    int64_t started_us, ended_us; /* UTC; 0: not */
    int64_t cpu_ms, max_rss_kb;
    const char *text; /* may be NULL */
};

struct hor_runner_ops {
    /* Each report may come again after a reconnect, until hor_runner_forget. */
    void (*report)(const struct hor_runner_report *report, void *ctx);
    /* Connected and every known task was reported; or the connection was lost (it is tried again,
     * and the runner started again, by itself). */
    void (*connected)(bool connected, void *ctx);
    /* After reports: all that came at once were given. Time to act on them. May be NULL. */
    void (*settled)(void *ctx);
};

/* Connects to the socket, starting `program` (horarium-runner) detached when nobody listens there.
 * `directory` keeps its records and socket. Returns at once; ops.connected follows. */
int hor_runner_open(struct hor_loop *loop, const char *program, const char *directory,
                    const struct hor_runner_ops *ops, void *ctx, struct hor_runner **ret,
                    struct hor_error *err);
void hor_runner_close(struct hor_runner *runner); /* the runner and its tasks go on */
/* Requests are collected until hor_runner_flush, which sends them together; it may tell that the
 * connection is lost. HOR_ERR_UNREACHABLE while not connected. */
void hor_runner_flush(struct hor_runner *runner);
/* Starts a task; the same task and fence again is not started twice but reported. */
int hor_runner_start(struct hor_runner *runner, const struct hor_runner_job *job,
                     struct hor_error *err);
int hor_runner_kill(struct hor_runner *runner, const char *task, struct hor_error *err);
/* Extends the lease of all tasks. Not collected: goes at once, behind what was. */
int hor_runner_renew(struct hor_runner *runner, int64_t lease_end_ms, int64_t kill_at_ms,
                     struct hor_error *err);
/* The task's end is committed in the journal: the record may go. */
int hor_runner_forget(struct hor_runner *runner, const char *task, uint64_t fence,
                      struct hor_error *err);

#endif

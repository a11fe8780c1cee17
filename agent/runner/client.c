#define _GNU_SOURCE /* POSIX_SPAWN_SETSID, syscall */
#include "agent/runner/client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/runner/protocol.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

enum {
    FIRST_RETRY_MS = 10,
    MOST_RETRY_MS = 2000,
    READ_BYTES = 256 * 1024,
    MAX_WAITING_BYTES = 64 << 20,
};

struct hor_runner {
    struct hor_loop *loop;
    char *program, *directory;
    struct hor_runner_ops ops;
    void *ctx;
    struct hor_timer *retry;
    int64_t retry_ms;
    int fd; /* -1: not connected */
    struct hor_watch *watch;
    bool ready;             /* READY came: requests may go */
    struct hor_buf in, out;
    pid_t starting; /* the runner's first process, which ends once the runner listens; 0: none */
    int starting_fd;
    struct hor_watch *starting_watch;
    bool start_failed; /* it was logged */
    unsigned calling; /* in a callback of the owner, which may close us */
    bool closed;
};

static void destroy(struct hor_runner *runner);
static void try_connect(void *ctx);

static void enter(struct hor_runner *runner) { runner->calling++; }

/* False when the owner has closed meanwhile: `runner` is gone. */
static bool leave(struct hor_runner *runner)
{
    if (--runner->calling > 0 || !runner->closed)
        return true;
    destroy(runner);
    return false;
}

static void retry_later(struct hor_runner *runner)
{
    hor_timer_start(runner->retry, runner->retry_ms);
    runner->retry_ms *= 2;
    if (runner->retry_ms > MOST_RETRY_MS)
        runner->retry_ms = MOST_RETRY_MS;
}

static void close_socket(struct hor_runner *runner)
{
    hor_watch_free(runner->watch);
    runner->watch = NULL;
    if (runner->fd >= 0)
        close(runner->fd);
    runner->fd = -1;
    hor_buf_done(&runner->in);
    hor_buf_done(&runner->out);
}

/* The connection is lost: tells the owner and tries again. */
static void lose(struct hor_runner *runner)
{
    bool was_ready = runner->ready;
    runner->ready = false;
    close_socket(runner);
    retry_later(runner);
    if (was_ready && !runner->closed)
        runner->ops.connected(false, runner->ctx);
}

static void flush(struct hor_runner *runner)
{
    size_t sent = 0;
    while (sent < runner->out.len) {
        ssize_t wrote = send(runner->fd, runner->out.data + sent, runner->out.len - sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0 && errno != EAGAIN) {
            lose(runner);
            return;
        }
        if (wrote < 0)
            break;
        sent += (size_t)wrote;
    }
    if (sent > 0) {
        memmove(runner->out.data, runner->out.data + sent, runner->out.len - sent);
        runner->out.len -= sent;
    }
    hor_watch_change(runner->watch, true, runner->out.len > 0);
}

void hor_runner_flush(struct hor_runner *runner)
{
    if (!runner->ready || runner->out.len == 0)
        return;
    enter(runner);
    flush(runner);
    leave(runner);
}

static void handle(struct hor_runner *runner, const struct hor_runner_frame *frame)
{
    struct hor_runner_report report;
    if (frame->kind == HOR_RUNNER_REPORT && hor_runner_get_report(frame, &report) == HOR_OK) {
        runner->ops.report(&report, runner->ctx);
    } else if (frame->kind == HOR_RUNNER_READY && !runner->ready) {
        runner->ready = true;
        runner->retry_ms = FIRST_RETRY_MS;
        runner->ops.connected(true, runner->ctx);
    } else {
        hor_log_error("the runner sent what is not this protocol, connecting again");
        lose(runner);
    }
}

static void receive(struct hor_runner *runner)
{
    if (!hor_buf_reserve(&runner->in, READ_BYTES)) {
        lose(runner);
        return;
    }
    ssize_t got = recv(runner->fd, runner->in.data + runner->in.len, READ_BYTES, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        lose(runner);
        return;
    }
    runner->in.len += (size_t)got;
    /* The bytes are ours while the owner is told: it may lose the connection or close. */
    struct hor_buf in = runner->in;
    runner->in = HOR_BUF_INIT;
    struct hor_runner_frame frame;
    size_t pos = 0;
    int found = 0;
    bool told = false;
    while (!runner->closed && runner->fd >= 0 &&
           (found = hor_runner_next_frame(in.data, in.len, &pos, &frame)) > 0) {
        handle(runner, &frame);
        told = true;
    }
    if (told && !runner->closed && runner->ready && runner->ops.settled != NULL)
        runner->ops.settled(runner->ctx);
    if (found < 0 && runner->fd >= 0) {
        hor_log_error("the runner sent what is not this protocol, connecting again");
        lose(runner);
    }
    if (runner->closed || runner->fd < 0) {
        hor_buf_done(&in);
        return;
    }
    memmove(in.data, in.data + pos, in.len - pos);
    in.len -= pos;
    runner->in = in;
}

static void socket_ready(int fd, bool readable, bool writable, void *ctx)
{
    struct hor_runner *runner = ctx;
    (void)fd;
    enter(runner);
    if (writable)
        flush(runner);
    if (readable && runner->fd >= 0 && !runner->closed)
        receive(runner);
    leave(runner);
}

/* The socket's path may be longer than an address holds: through the folder's descriptor it is
 * short. */
static int open_socket(const char *directory)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int folder = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -1;
    char *path = hor_str_printf("/proc/self/fd/%d/runner.sock", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (path == NULL || fd < 0 || strlen(path) >= sizeof address.sun_path) {
        errno = ENOMEM;
        goto fail;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        goto fail;
    free(path);
    close(folder);
    return fd;
fail:;
    int why = errno;
    free(path);
    if (fd >= 0)
        close(fd);
    close(folder);
    errno = why;
    return -1;
}

/* The runner's first process has ended: it listens now, or it could not start. */
static void start_ended(int fd, bool readable, bool writable, void *ctx)
{
    struct hor_runner *runner = ctx;
    int status = 0;
    (void)fd;
    (void)readable;
    (void)writable;
    pid_t pid = waitpid(runner->starting, &status, WNOHANG);
    if (pid == 0)
        return;
    hor_watch_free(runner->starting_watch);
    runner->starting_watch = NULL;
    close(runner->starting_fd);
    runner->starting = 0;
    bool failed = pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    if (failed && !runner->start_failed)
        hor_log_error("the runner '%s' could not start in '%s', trying again", runner->program,
                      runner->directory);
    runner->start_failed = failed;
    if (failed)
        retry_later(runner);
    else
        try_connect(runner);
}

static void start_program(struct hor_runner *runner)
{
    posix_spawnattr_t attributes;
    sigset_t none, all;
    char *argv[] = {runner->program, (char *)"--directory", runner->directory,
                    (char *)"--detach", NULL};
    extern char **environ;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    int why = posix_spawn(&runner->starting, runner->program, NULL, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    if (why != 0) {
        runner->starting = 0;
        if (!runner->start_failed)
            hor_log_error("the runner '%s' cannot be run: %s, trying again", runner->program,
                          strerror(why));
        runner->start_failed = true;
        retry_later(runner);
        return;
    }
    runner->starting_fd = (int)syscall(SYS_pidfd_open, runner->starting, 0);
    if (runner->starting_fd >= 0)
        runner->starting_watch =
            hor_watch_new(runner->loop, runner->starting_fd, true, false, start_ended, runner);
    if (runner->starting_watch == NULL) { /* no way to be told: wait for it here */
        if (runner->starting_fd >= 0)
            close(runner->starting_fd);
        waitpid(runner->starting, NULL, 0);
        runner->starting = 0;
        retry_later(runner);
    }
}

static void try_connect(void *ctx)
{
    struct hor_runner *runner = ctx;
    if (runner->starting != 0 || runner->fd >= 0)
        return;
    runner->fd = open_socket(runner->directory);
    if (runner->fd < 0) {
        if (errno == ENOENT || errno == ECONNREFUSED)
            start_program(runner);
        else
            retry_later(runner);
        return;
    }
    hor_runner_put_empty(&runner->out, HOR_RUNNER_HELLO);
    runner->watch = hor_watch_new(runner->loop, runner->fd, true, true, socket_ready, runner);
    if (runner->watch == NULL)
        lose(runner);
}

int hor_runner_open(struct hor_loop *loop, const char *program, const char *directory,
                    const struct hor_runner_ops *ops, void *ctx, struct hor_runner **ret,
                    struct hor_error *err)
{
    struct hor_runner *runner = calloc(1, sizeof *runner);
    if (runner == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "runner: out of memory");
    runner->loop = loop;
    runner->fd = -1;
    runner->ops = *ops;
    runner->ctx = ctx;
    runner->retry_ms = FIRST_RETRY_MS;
    runner->program = hor_strdup(program);
    runner->directory = hor_strdup(directory);
    runner->retry = hor_timer_new(loop, try_connect, runner);
    if (runner->program == NULL || runner->directory == NULL || runner->retry == NULL) {
        destroy(runner);
        return hor_error_set(err, HOR_ERR_MEMORY, "runner: out of memory");
    }
    hor_timer_start(runner->retry, 0);
    *ret = runner;
    return HOR_OK;
}

static void destroy(struct hor_runner *runner)
{
    close_socket(runner);
    hor_watch_free(runner->starting_watch);
    if (runner->starting != 0) {
        close(runner->starting_fd);
        waitpid(runner->starting, NULL, 0); /* it ends as soon as the runner listens */
    }
    hor_timer_free(runner->retry);
    free(runner->program);
    free(runner->directory);
    free(runner);
}

void hor_runner_close(struct hor_runner *runner)
{
    if (runner == NULL)
        return;
    if (runner->fd >= 0 && runner->out.len > 0) /* what was asked for still goes, as far as it can */
        send(runner->fd, runner->out.data, runner->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    runner->closed = true;
    if (runner->calling == 0)
        destroy(runner);
}

/* After one more request was appended: it goes out together with others. */
static int queued(struct hor_runner *runner, size_t before, struct hor_error *err)
{
    if (runner->out.failed || runner->out.len > MAX_WAITING_BYTES) {
        bool memory = runner->out.failed && runner->out.len - before < HOR_RUNNER_FRAME_BYTES;
        runner->out.len = before;
        runner->out.failed = false;
        return hor_error_set(err, memory ? HOR_ERR_MEMORY : HOR_ERR_LIMIT,
                             "runner: the request is too large");
    }
    return HOR_OK;
}

static int not_connected(struct hor_error *err)
{
    return hor_error_set(err, HOR_ERR_UNREACHABLE, "runner: not connected");
}

int hor_runner_start(struct hor_runner *runner, const struct hor_runner_job *job,
                     struct hor_error *err)
{
    if (!runner->ready)
        return not_connected(err);
    size_t before = runner->out.len;
    hor_runner_put_start(&runner->out, job);
    return queued(runner, before, err);
}

int hor_runner_kill(struct hor_runner *runner, const char *task, struct hor_error *err)
{
    if (!runner->ready)
        return not_connected(err);
    size_t before = runner->out.len;
    hor_runner_put_task(&runner->out, HOR_RUNNER_KILL, task, 0);
    return queued(runner, before, err);
}

int hor_runner_renew(struct hor_runner *runner, int64_t lease_end_ms, int64_t kill_at_ms,
                     struct hor_error *err)
{
    if (!runner->ready)
        return not_connected(err);
    size_t before = runner->out.len;
    hor_runner_put_renew(&runner->out, lease_end_ms, kill_at_ms);
    int rc = queued(runner, before, err);
    if (rc == HOR_OK)
        hor_runner_flush(runner);
    return rc;
}

int hor_runner_forget(struct hor_runner *runner, const char *task, uint64_t fence,
                      struct hor_error *err)
{
    if (!runner->ready)
        return not_connected(err);
    size_t before = runner->out.len;
    hor_runner_put_task(&runner->out, HOR_RUNNER_FORGET, task, fence);
    return queued(runner, before, err);
}

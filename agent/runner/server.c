#define _GNU_SOURCE /* accept4, struct ucred */
#include "agent/runner/server.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/runner/protocol.h"
#include "agent/runner/tasks.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

enum {
    MAX_PEERS = 8, /* one agent, and those that it was before and are not yet seen to be gone */
    MAX_BATCH = 32,
    READ_BYTES = 256 * 1024,
    MAX_WAITING_BYTES = 64 << 20, /* for an agent that does not read */
    MAX_KEPT_BYTES = 64 * 1024,   /* of a buffer that is empty */
    IDLE_MS = 60000,
};

#define SOCKET_NAME "runner.sock"
#define RECORDS_NAME "records"

struct peer {
    int fd; /* -1: free */
    bool greeted, writing, more; /* more: frames wait in `in` */
    struct hor_buf in, out;
};

struct hor_runner_server {
    int epoll_fd, listen_fd, signal_fd;
    struct peer peers[MAX_PEERS];
    struct hor_tasks *tasks;
    int64_t idle_since_ms; /* 0: not idle */
    bool ending;
};

static int watch(const struct hor_runner_server *server, int op, int fd, uint32_t events, void *what)
{
    struct epoll_event event = {.events = events, .data.ptr = what};
    return epoll_ctl(server->epoll_fd, op, fd, &event);
}

static void drop(struct hor_runner_server *server, struct peer *peer)
{
    if (peer->fd < 0)
        return;
    /* By hand: while a child that has not yet executed its program shares the descriptor, closing
     * alone would leave it in the epoll. */
    watch(server, EPOLL_CTL_DEL, peer->fd, 0, NULL);
    close(peer->fd);
    hor_buf_done(&peer->in);
    hor_buf_done(&peer->out);
    *peer = (struct peer){.fd = -1};
}

static void send_to(const struct hor_runner_report *report, void *ctx)
{
    struct peer *peer = ctx;
    hor_runner_put_report(&peer->out, report);
}

static void send_to_all(const struct hor_runner_report *report, void *ctx)
{
    struct hor_runner_server *server = ctx;
    for (int i = 0; i < MAX_PEERS; i++)
        if (server->peers[i].fd >= 0 && server->peers[i].greeted)
            send_to(report, &server->peers[i]);
}

static void write_out(struct hor_runner_server *server, struct peer *peer)
{
    size_t sent = 0;
    while (sent < peer->out.len) {
        ssize_t wrote = send(peer->fd, peer->out.data + sent, peer->out.len - sent, MSG_NOSIGNAL);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0 && errno != EAGAIN) {
            drop(server, peer);
            return;
        }
        if (wrote < 0)
            break;
        sent += (size_t)wrote;
    }
    if (peer->out.failed || peer->out.len - sent > MAX_WAITING_BYTES) {
        hor_log_warning("an agent does not read its reports, closing its connection");
        drop(server, peer);
        return;
    }
    if (sent < peer->out.len)
        memmove(peer->out.data, peer->out.data + sent, peer->out.len - sent);
    if (sent > 0)
        peer->out.len -= sent;
    if (peer->out.len == 0 && peer->out.cap > MAX_KEPT_BYTES)
        hor_buf_done(&peer->out);
    bool writing = peer->out.len > 0;
    if (writing != peer->writing)
        watch(server, EPOLL_CTL_MOD, peer->fd, EPOLLIN | (writing ? EPOLLOUT : 0u), peer);
    peer->writing = writing;
}

/* Jobs that came in a row are started in one go. */
struct batch {
    struct hor_runner_job jobs[MAX_BATCH];
    void *lists[MAX_BATCH];
    size_t count;
};

static void start_batch(struct hor_runner_server *server, struct batch *batch)
{
    if (batch->count > 0)
        hor_tasks_start(server->tasks, batch->jobs, batch->count);
    for (size_t i = 0; i < batch->count; i++)
        free(batch->lists[i]);
    batch->count = 0;
}

/* Every kind but START. */
static int handle(struct hor_runner_server *server, struct peer *peer,
                  const struct hor_runner_frame *frame)
{
    const char *task;
    uint64_t fence;
    int64_t lease_end_ms, kill_at_ms;
    int code;
    switch (frame->kind) {
    case HOR_RUNNER_HELLO:
        peer->greeted = true;
        hor_tasks_report_all(server->tasks, send_to, peer);
        hor_runner_put_empty(&peer->out, HOR_RUNNER_READY);
        return HOR_OK;
    case HOR_RUNNER_KILL:
        code = hor_runner_get_task(frame, &task, &fence);
        if (code == HOR_OK)
            hor_tasks_kill(server->tasks, task);
        return code;
    case HOR_RUNNER_FORGET:
        code = hor_runner_get_task(frame, &task, &fence);
        if (code == HOR_OK)
            hor_tasks_forget(server->tasks, task, fence);
        return code;
    case HOR_RUNNER_RENEW:
        code = hor_runner_get_renew(frame, &lease_end_ms, &kill_at_ms);
        if (code == HOR_OK)
            hor_tasks_renew(server->tasks, lease_end_ms, kill_at_ms);
        return code;
    default:
        return HOR_ERR_INVALID;
    }
}

/* Handles what is complete, but no more than one batch of starts: ends and due times come in
 * between. */
static int handle_frames(struct hor_runner_server *server, struct peer *peer)
{
    struct batch batch = {.count = 0};
    struct hor_runner_frame frame;
    size_t pos = 0;
    int code = HOR_OK, found = 0;
    while (code == HOR_OK && batch.count < MAX_BATCH &&
           (found = hor_runner_next_frame(peer->in.data, peer->in.len, &pos, &frame)) > 0) {
        if (frame.kind == HOR_RUNNER_START && peer->greeted) {
            code = hor_runner_get_start(&frame, &batch.jobs[batch.count], &batch.lists[batch.count]);
            batch.count += code == HOR_OK;
        } else if (frame.kind == HOR_RUNNER_HELLO || peer->greeted) {
            start_batch(server, &batch);
            code = handle(server, peer, &frame);
        } else {
            code = HOR_ERR_INVALID;
        }
    }
    peer->more = batch.count == MAX_BATCH;
    start_batch(server, &batch);
    memmove(peer->in.data, peer->in.data + pos, peer->in.len - pos);
    peer->in.len -= pos;
    if (peer->in.len == 0 && peer->in.cap > MAX_KEPT_BYTES)
        hor_buf_done(&peer->in);
    return found < 0 ? found : code;
}

/* False when the connection is gone. */
static bool read_in(struct hor_runner_server *server, struct peer *peer)
{
    if (!hor_buf_reserve(&peer->in, READ_BYTES)) {
        drop(server, peer);
        return false;
    }
    ssize_t got = recv(peer->fd, peer->in.data + peer->in.len, READ_BYTES, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0) {
        drop(server, peer);
        return false;
    }
    peer->in.len += (size_t)got;
    return true;
}

static void serve(struct hor_runner_server *server, struct peer *peer, uint32_t events)
{
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !peer->more && !read_in(server, peer))
        return;
    if (peer->in.len > 0 && handle_frames(server, peer) != HOR_OK) {
        hor_log_warning("an agent sent what is not this protocol, closing its connection");
        drop(server, peer);
    }
}

static bool allowed(int fd)
{
    struct ucred who;
    socklen_t len = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
           (who.uid == geteuid() || who.uid == 0);
}

static void accept_peer(struct hor_runner_server *server)
{
    int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct peer *peer = server->peers;
    while (peer < server->peers + MAX_PEERS && peer->fd >= 0)
        peer++;
    if (!allowed(fd) || peer == server->peers + MAX_PEERS ||
        watch(server, EPOLL_CTL_ADD, fd, EPOLLIN, peer) != 0) {
        hor_log_warning("a connection was refused");
        close(fd);
        return;
    }
    *peer = (struct peer){.fd = fd};
}

static void take_signals(struct hor_runner_server *server)
{
    struct signalfd_siginfo info[3]; /* the three signals, each pending once; others wake us again */
    ssize_t got = read(server->signal_fd, info, sizeof info);
    for (ssize_t i = 0; got > 0 && i < got / (ssize_t)sizeof info[0]; i++) {
        if (info[i].ssi_signo == SIGHUP)
            hor_log_reopen();
        if (info[i].ssi_signo == SIGTERM) {
            hor_log_info("told to end; tasks that run are killed first");
            server->ending = true;
            hor_tasks_kill_all(server->tasks);
        }
    }
    hor_tasks_reap(server->tasks);
}

/* How long to wait: until something is due, or until the runner may end for want of work. */
static int wait_ms(struct hor_runner_server *server, int64_t due_ms)
{
    int64_t now_ms = hor_clock_monotonic_ms();
    bool idle = hor_tasks_count(server->tasks) == 0;
    for (int i = 0; i < MAX_PEERS; i++) {
        if (server->peers[i].more)
            return 0;
        idle = idle && server->peers[i].fd < 0;
    }
    if (!idle)
        server->idle_since_ms = 0;
    else if (server->idle_since_ms == 0)
        server->idle_since_ms = now_ms;
    if (idle)
        due_ms = server->idle_since_ms + IDLE_MS;
    if (due_ms < 0)
        return -1;
    return due_ms <= now_ms ? 0 : due_ms - now_ms > 3600000 ? 3600000 : (int)(due_ms - now_ms);
}

static bool finished(const struct hor_runner_server *server)
{
    if (server->ending)
        return hor_tasks_running(server->tasks) == 0;
    return server->idle_since_ms != 0 &&
           hor_clock_monotonic_ms() >= server->idle_since_ms + IDLE_MS;
}

int hor_runner_server_run(struct hor_runner_server *server, struct hor_error *err)
{
    struct epoll_event events[MAX_PEERS + 2];
    while (!finished(server)) {
        int64_t due_ms = hor_tasks_tick(server->tasks);
        hor_tasks_flush(server->tasks); /* first the record, then the report */
        for (int i = 0; i < MAX_PEERS; i++)
            if (server->peers[i].fd >= 0 && server->peers[i].out.len > 0)
                write_out(server, &server->peers[i]);
        int count = epoll_wait(server->epoll_fd, events, MAX_PEERS + 2, wait_ms(server, due_ms));
        if (count < 0 && errno != EINTR)
            return hor_error_set_errno(err, HOR_ERR_IO, errno, "wait for events");
        bool served[MAX_PEERS] = {false};
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &server->signal_fd) {
                take_signals(server);
            } else if (events[i].data.ptr == &server->listen_fd) {
                accept_peer(server);
            } else {
                struct peer *peer = events[i].data.ptr;
                served[peer - server->peers] = true;
                serve(server, peer, events[i].events);
            }
        }
        for (int i = 0; i < MAX_PEERS; i++)
            if (server->peers[i].more && !served[i])
                serve(server, &server->peers[i], 0);
    }
    hor_tasks_flush(server->tasks);
    for (int i = 0; i < MAX_PEERS; i++)
        if (server->peers[i].fd >= 0)
            write_out(server, &server->peers[i]);
    return HOR_OK;
}

static int listen_here(struct hor_runner_server *server, struct hor_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET_NAME};
    unlink(SOCKET_NAME); /* of a runner that was killed: the lock says that none lives */
    server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t old = umask(0177);
    bool bound = server->listen_fd >= 0 &&
                 bind(server->listen_fd, (struct sockaddr *)&address, sizeof address) == 0;
    umask(old);
    if (!bound || listen(server->listen_fd, MAX_PEERS) != 0)
        return hor_error_set_errno(err, HOR_ERR_IO, errno, "listen on %s", SOCKET_NAME);
    return HOR_OK;
}

int hor_runner_server_open(struct hor_groups *groups, struct hor_runner_server **ret,
                           struct hor_error *err)
{
    struct hor_runner_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    for (int i = 0; i < MAX_PEERS; i++)
        server->peers[i].fd = -1;
    server->listen_fd = server->signal_fd = -1;
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    server->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    int code = hor_tasks_open(RECORDS_NAME, groups, send_to_all, server, &server->tasks, err);
    if (code == HOR_OK)
        code = listen_here(server, err);
    if (code == HOR_OK &&
        (server->epoll_fd < 0 || server->signal_fd < 0 ||
         watch(server, EPOLL_CTL_ADD, server->signal_fd, EPOLLIN, &server->signal_fd) != 0 ||
         watch(server, EPOLL_CTL_ADD, server->listen_fd, EPOLLIN, &server->listen_fd) != 0))
        code = hor_error_set_errno(err, HOR_ERR_IO, errno, "watch descriptors");
    if (code != HOR_OK) {
        hor_runner_server_free(server);
        return code;
    }
    *ret = server;
    return HOR_OK;
}

void hor_runner_server_free(struct hor_runner_server *server)
{
    if (server == NULL)
        return;
    for (int i = 0; i < MAX_PEERS; i++)
        drop(server, &server->peers[i]);
    if (server->listen_fd >= 0) {
        close(server->listen_fd);
        unlink(SOCKET_NAME);
    }
    if (server->signal_fd >= 0)
        close(server->signal_fd);
    if (server->epoll_fd >= 0)
        close(server->epoll_fd);
    hor_tasks_free(server->tasks);
    free(server);
}

/* lib/http/server.c - listening, handing requests to the workers, parking. */
#include "lib/http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/listener.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/http/internal.h"

enum { ACCEPT_AGAIN_MS = 500, LONGEST_PARK_MS = 60000, WAKE_GAP_MS = 5 };

/* ---- requests ---- */

static void list_add(struct hor_http_server *server, struct hor_http_request *request)
{
    request->previous = NULL;
    request->next = server->requests;
    if (request->next != NULL)
        request->next->previous = request;
    server->requests = request;
}

static void list_remove(struct hor_http_server *server, struct hor_http_request *request)
{
    if (request->next != NULL)
        request->next->previous = request->previous;
    if (request->previous != NULL)
        request->previous->next = request->next;
    else
        server->requests = request->next;
}

/* Frees a request whose connection is gone, or answers it. */
static void finish(struct hor_http_server *server, struct hor_http_request *request)
{
    list_remove(server, request);
    if (request->connection == NULL)
        hor_http_request_free(request);
    else
        hor_http_connection_answer(request->connection, request);
}

static void handled(void *ctx);

static void handle(void *ctx)
{
    struct hor_http_request *request = ctx;
    struct hor_http_server *server = request->server;
    const char *reason;
    int status = 0;
    request->response.status = 200;
    request->outcome = HOR_HTTP_ANSWER;
    request->park_age_ms = LONGEST_PARK_MS;
    if (!request->inflated) /* a parked request comes here several times */
        status = hor_http_inflate(request, server->settings.max_body_bytes, &reason);
    request->inflated = true;
    if (status != 0)
        hor_http_refuse(&request->response, status, reason);
    else
        request->outcome = server->handle(request, &request->response, server->ctx);
    while (hor_loop_post(server->loop, handled, request) != HOR_OK) {
        const struct timespec pause = {.tv_nsec = 10000000}; /* memory may come back */
        nanosleep(&pause, NULL);
    }
}

static void run(struct hor_http_server *server, struct hor_http_request *request)
{
    request->generation = atomic_load(&server->generation);
    int rc = hor_workers_run(server->workers, handle, request, server->settings.max_waiting);
    if (rc == HOR_OK)
        return;
    hor_http_refuse(&request->response, 503,
                    rc == HOR_ERR_BUSY ? "too many requests wait" : "out of memory");
    finish(server, request);
}

static void set_park_timer(struct hor_http_server *server)
{
    int64_t now_ms = hor_clock_monotonic_ms(), next_ms = INT64_MAX;
    for (struct hor_http_request *one = server->requests; one != NULL; one = one->next) {
        if (one->parked && one->complete_ms + one->park_age_ms < next_ms)
            next_ms = one->complete_ms + one->park_age_ms;
    }
    if (next_ms != INT64_MAX)
        hor_timer_start(server->park_timer, next_ms > now_ms ? next_ms - now_ms : 0);
}

/* Runs parked requests again: all, or those whose time has come. */
static void unpark(struct hor_http_server *server, bool all)
{
    int64_t now_ms = hor_clock_monotonic_ms();
    struct hor_http_request *next;
    for (struct hor_http_request *one = server->requests; one != NULL; one = next) {
        next = one->next;
        if (one->parked && (all || one->complete_ms + one->park_age_ms <= now_ms)) {
            one->parked = false;
            run(server, one);
        }
    }
    set_park_timer(server);
}

static void on_park_timer(void *ctx)
{
    unpark(ctx, false);
}

static void on_wake_timer(void *ctx)
{
    struct hor_http_server *server = ctx;
    server->last_wake_ms = hor_clock_monotonic_ms();
    atomic_store(&server->wake_posted, false);
    unpark(server, true);
}

/* A first wake acts at once; when they come in quick succession, one acts for many: every one makes
 * every parked request look again. */
static void on_wake(void *ctx)
{
    struct hor_http_server *server = ctx;
    int64_t since_ms = hor_clock_monotonic_ms() - server->last_wake_ms;
    if (since_ms >= WAKE_GAP_MS)
        on_wake_timer(server);
    else
        hor_timer_start(server->wake_timer, WAKE_GAP_MS - since_ms);
}

void hor_http_server_wake(struct hor_http_server *server)
{
    atomic_fetch_add(&server->generation, 1);
    if (!atomic_exchange(&server->wake_posted, true) &&
        hor_loop_post(server->loop, on_wake, server) != HOR_OK)
        atomic_store(&server->wake_posted, false);
}

static void handled(void *ctx)
{
    struct hor_http_request *request = ctx;
    struct hor_http_server *server = request->server;
    if (request->outcome != HOR_HTTP_PARK || request->connection == NULL) {
        finish(server, request);
        return;
    }
    hor_buf_clear(&request->response.body);
    hor_buf_clear(&request->response.headers);
    request->parked = true;
    set_park_timer(server);
    /* something may have happened between the handler's look and now: then it looks again */
    if (request->generation != atomic_load(&server->generation) &&
        !atomic_exchange(&server->wake_posted, true))
        on_wake(server);
}

/* Compressed bodies are a worker's: they take time. */
static bool answer_quickly(struct hor_http_server *server, struct hor_http_request *request)
{
    if (server->settings.quick == NULL ||
        hor_http_request_header(request, "Content-Encoding") != NULL)
        return false;
    request->response.status = 200;
    if (server->settings.quick(request, &request->response, server->ctx))
        return true;
    hor_buf_clear(&request->response.body);
    hor_buf_clear(&request->response.headers);
    return false;
}

void hor_http_server_dispatch(struct hor_http_server *server, struct hor_http_request *request)
{
    list_add(server, request);
    if (answer_quickly(server, request))
        finish(server, request);
    else
        run(server, request);
}

void hor_http_server_forget(struct hor_http_server *server, struct hor_http_request *request)
{
    if (request->parked) {
        list_remove(server, request);
        hor_http_request_free(request);
    }
    /* else a worker has it; it is freed when the worker is done */
}

/* ---- listening ---- */

static void on_accept_again(void *ctx)
{
    struct hor_http_server *server = ctx;
    evconnlistener_enable(server->listener);
}

static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
    struct hor_http_server *server = ctx;
    hor_log_warning("http: port %u: cannot take connections: %s, trying again", server->port,
                    strerror(errno));
    evconnlistener_disable(listener);
    hor_timer_start(server->accept_again, ACCEPT_AGAIN_MS);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
                      int from_len, void *ctx)
{
    struct hor_http_server *server = ctx;
    char peer[64] = "";
    (void)listener;
    (void)from_len;
    if (from->sa_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)from)->sin_addr, peer, sizeof peer);
    else if (from->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)(void *)from)->sin6_addr, peer, sizeof peer);
    if (server->connection_count >= HOR_HTTP_MAX_CONNECTIONS)
        evutil_closesocket(fd);
    else
        hor_http_connection_accept(server, (int)fd, peer);
}

static int bind_socket(const struct hor_http_settings *settings, int *ret_fd, uint16_t *ret_port,
                       struct hor_error *err)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } address = {0};
    socklen_t len;
    const char *text = settings->address != NULL ? settings->address : "127.0.0.1";
    if (inet_pton(AF_INET, text, &address.four.sin_addr) == 1) {
        address.four.sin_family = AF_INET;
        address.four.sin_port = htons(settings->port);
        len = sizeof address.four;
    } else if (inet_pton(AF_INET6, text, &address.six.sin6_addr) == 1) {
        address.six.sin6_family = AF_INET6;
        address.six.sin6_port = htons(settings->port);
        len = sizeof address.six;
    } else {
        return hor_error_set(err, HOR_ERR_IO, "listen on %s port %u: not an IP address", text,
                             settings->port);
    }
    int on = 1, fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* Accepted sockets inherit the no-delay: without it a small TLS answer waits 40 ms for the
     * other side's acknowledgement. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        bind(fd, &address.any, len) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, &address.any, &len) != 0) {
        int errno_value = errno;
        if (fd >= 0)
            close(fd);
        if (errno_value == EADDRINUSE)
            return hor_error_set(err, HOR_ERR_IO,
                                 "listen on %s port %u: port in use by another program", text,
                                 settings->port);
        return hor_error_set_errno(err, HOR_ERR_IO, errno_value, "listen on %s port %u", text,
                                   settings->port);
    }
    *ret_port =
        ntohs(address.any.sa_family == AF_INET ? address.four.sin_port : address.six.sin6_port);
    *ret_fd = fd;
    return HOR_OK;
}

static void set_defaults(struct hor_http_settings *settings)
{
    if (settings->max_body_bytes == 0)
        settings->max_body_bytes = (size_t)64 << 20;
    if (settings->max_header_bytes == 0)
        settings->max_header_bytes = 32 << 10;
    if (settings->workers == 0)
        settings->workers = 4;
    if (settings->max_waiting == 0)
        settings->max_waiting = 1000;
    if (settings->read_timeout_ms == 0)
        settings->read_timeout_ms = 15000;
    if (settings->idle_timeout_ms == 0)
        settings->idle_timeout_ms = 300000;
    if (settings->max_answer_bytes == 0)
        settings->max_answer_bytes = (size_t)256 << 20;
}

int hor_http_server_start(struct hor_loop *loop, const struct hor_http_settings *settings,
                          hor_http_handle_fn *handler, void *ctx, struct hor_http_server **ret,
                          struct hor_error *err)
{
    struct hor_http_server *server = calloc(1, sizeof *server);
    int fd = -1, rc;
    if (server == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "http server: out of memory");
    server->loop = loop;
    server->settings = *settings;
    server->handle = handler;
    server->ctx = ctx;
    set_defaults(&server->settings);
    if (settings->certificate_file != NULL || settings->key_file != NULL) {
        rc = hor_http_tls_new(settings, &server->tls, err);
        if (rc != HOR_OK)
            goto out;
    }
    rc = bind_socket(settings, &fd, &server->port, err);
    if (rc != HOR_OK)
        goto out;
    rc = HOR_ERR_MEMORY;
    server->accept_again = hor_timer_new(loop, on_accept_again, server);
    server->park_timer = hor_timer_new(loop, on_park_timer, server);
    server->wake_timer = hor_timer_new(loop, on_wake_timer, server);
    server->workers = hor_workers_new(server->settings.workers, "http");
    if (server->accept_again != NULL && server->park_timer != NULL && server->wake_timer != NULL &&
        server->workers != NULL)
        server->listener =
            evconnlistener_new(hor_loop_base(loop), on_accept, server,
                               LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1, fd);
    if (server->listener == NULL) {
        hor_error_set(err, rc, "http server: out of memory");
        goto out;
    }
    fd = -1;
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    server->settings.address = NULL;
    server->settings.certificate_file = server->settings.key_file = server->settings.ca_file = NULL;
    *ret = server;
    return HOR_OK;
out:
    if (fd >= 0)
        close(fd);
    hor_http_server_stop(server);
    return rc;
}

uint16_t hor_http_server_port(const struct hor_http_server *server)
{
    return server->port;
}

void hor_http_server_stop(struct hor_http_server *server)
{
    if (server == NULL)
        return;
    if (server->listener != NULL)
        evconnlistener_free(server->listener);
    hor_workers_free(server->workers);
    while (server->connections != NULL)
        hor_http_connection_close(server->connections);
    /* what the workers posted is not going to run any more */
    while (server->requests != NULL) {
        struct hor_http_request *request = server->requests;
        list_remove(server, request);
        hor_http_request_free(request);
    }
    hor_timer_free(server->accept_again);
    hor_timer_free(server->park_timer);
    hor_timer_free(server->wake_timer);
    SSL_CTX_free(server->tls);
    free(server);
}

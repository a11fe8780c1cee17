/* lib/http/connection.c - one connection: reads requests one after the other, sends answers, keeps
 * its times. All on the loop's thread.
 *
 *   HANDSHAKE -> HEAD -> BODY -> HANDLING -> (answer) -> HEAD ... -> DRAINING -> closed
 *
 * Bytes of a next request that come early stay in the input buffer, which is bounded, until the
 * answer is on its way: pipelined requests are answered in order. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/http/internal.h"

enum {
    INPUT_BYTES = 64 * 1024,   /* kept unread beside a head */
    OUTPUT_BYTES = 256 * 1024, /* unsent; beyond, the next request waits */
    COPY_BYTES = 16 * 1024,    /* larger bodies are not copied */
    DRAIN_MS = 2000,           /* how long a client that is refused may go on sending */
    SLOWEST_BYTES_PER_MS = 64, /* a body may take longer than a head when it is large */
    WRITE_TIMEOUT_MS = 30000   /* without any progress */
};

enum connection_state { HANDSHAKE, HEAD, BODY, HANDLING, DRAINING };

struct hor_http_connection {
    struct hor_http_server *server;
    struct hor_http_connection *next, *previous;
    struct bufferevent *bev;
    SSL *ssl; /* belongs to bev; NULL: plain */
    struct event *timer;
    enum connection_state state;
    struct hor_http_request *request; /* being read, or given to the server */
    size_t searched;                  /* bytes of the input without an end of head */
    int64_t began_ms;                 /* first byte of this request; 0: none yet */
    size_t answer_bytes;              /* counted in server->answer_bytes */
    size_t body_bytes;                /* counted in server->body_bytes */
    char peer[64];
    char *certificate_name;
    bool close_after; /* once the output is written */
    bool unread;      /* and the rest of what comes in is to be thrown away first */
    bool input_ended;
};

static void set_timer(struct hor_http_connection *connection, int64_t in_ms)
{
    struct timeval in = {.tv_sec = (time_t)(in_ms / 1000),
                         .tv_usec = (suseconds_t)(in_ms % 1000 * 1000)};
    evtimer_add(connection->timer, &in);
}

static void release_answer(struct hor_http_connection *connection)
{
    connection->server->answer_bytes -= connection->answer_bytes;
    connection->answer_bytes = 0;
}

static void release_body(struct hor_http_connection *connection)
{
    connection->server->body_bytes -= connection->body_bytes;
    connection->body_bytes = 0;
}

void hor_http_connection_close(struct hor_http_connection *connection)
{
    struct hor_http_server *server = connection->server;
    release_answer(connection);
    release_body(connection);
    if (connection->request != NULL) {
        connection->request->connection = NULL;
        if (connection->state == HANDLING)
            hor_http_server_forget(server, connection->request);
        else
            hor_http_request_free(connection->request);
    }
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    server->connection_count--;
    if (connection->timer != NULL)
        event_free(connection->timer);
    if (connection->ssl != NULL && connection->state != HANDSHAKE)
        SSL_shutdown(connection->ssl); /* says goodbye, waits for nothing */
    if (connection->bev != NULL)
        bufferevent_free(connection->bev);
    free(connection->certificate_name);
    free(connection);
}

/* Waits for the next request: long for its first byte, short for the rest. */
static void expect_request(struct hor_http_connection *connection)
{
    connection->state = HEAD;
    connection->request = NULL;
    connection->searched = 0;
    connection->began_ms = 0;
    set_timer(connection, connection->server->settings.idle_timeout_ms);
}

static void free_body(const void *data, size_t len, void *ctx)
{
    (void)data;
    (void)len;
    free(ctx);
}

static void add_body(struct evbuffer *out, struct hor_buf *body)
{
    if (body->len > COPY_BYTES &&
        evbuffer_add_reference(out, body->data, body->len, free_body, body->data) == 0)
        *body = HOR_BUF_INIT; /* out owns the bytes now */
    else
        evbuffer_add(out, hor_buf_text(body), body->len);
}

static void write_answer(struct hor_http_connection *connection, struct hor_http_request *request)
{
    struct hor_http_response *response = &request->response;
    struct evbuffer *out = bufferevent_get_output(connection->bev);
    char date[64];
    struct tm utc;
    time_t now = (time_t)(hor_clock_utc_ms() / 1000);
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", response->status,
                        hor_http_status_words(response->status), date);
    evbuffer_add(out, hor_buf_text(&response->headers), response->headers.len);
    bool bodyless = response->status == 204 || response->status == 304;
    if (!bodyless)
        evbuffer_add_printf(out, "Content-Length: %zu\r\n", response->body.len);
    evbuffer_add_printf(out, "Connection: %s\r\n\r\n",
                        connection->close_after ? "close" : "keep-alive");
    if (!bodyless && !request->is_head)
        add_body(out, &response->body);
    size_t waiting = evbuffer_get_length(out);
    connection->server->answer_bytes += waiting - connection->answer_bytes;
    connection->answer_bytes = waiting;
}

void hor_http_connection_answer(struct hor_http_connection *connection,
                                struct hor_http_request *request)
{
    struct hor_http_server *server = connection->server;
    struct hor_http_response *response = &request->response;
    release_body(connection);
    if (response->body.failed || response->headers.failed)
        hor_http_refuse(response, 503, "out of memory");
    else if (server->answer_bytes + response->body.len > server->settings.max_answer_bytes)
        hor_http_refuse(response, 503, "too many answers wait to be read");
    if (!request->keep_alive || connection->input_ended)
        connection->close_after = true;
    write_answer(connection, request);
    hor_http_request_free(request);
    connection->request = NULL;
    if (connection->close_after) {
        connection->state = DRAINING;
        set_timer(connection, WRITE_TIMEOUT_MS);
        return; /* on_written goes on */
    }
    expect_request(connection);
    if (evbuffer_get_length(bufferevent_get_input(connection->bev)) > 0)
        bufferevent_trigger(connection->bev, EV_READ, /* later, not from in here */
                            BEV_TRIG_DEFER_CALLBACKS | BEV_TRIG_IGNORE_WATERMARKS);
}

/* Memory is out: closes soon, without an answer. */
static void drop(struct hor_http_connection *connection)
{
    connection->state = DRAINING;
    set_timer(connection, 0);
}

/* Refuses what is being read: answers and closes, since nobody knows where it ends. */
static void refuse(struct hor_http_connection *connection, int status, const char *reason)
{
    struct hor_http_request *request = connection->request;
    hor_log_info("http: refused with %d from %s: %s", status, connection->peer, reason);
    if (request == NULL && (request = hor_http_request_new(connection->server)) == NULL) {
        drop(connection);
        return;
    }
    hor_http_refuse(&request->response, status, reason);
    request->keep_alive = false;
    connection->unread = true;
    hor_http_connection_answer(connection, request);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct hor_http_connection *connection = ctx;
    (void)fd;
    (void)what;
    if (connection->state == HEAD && connection->began_ms != 0)
        refuse(connection, 408, "the request did not arrive in time");
    else if (connection->state == BODY)
        refuse(connection, 408, "the body did not arrive in time");
    else if (connection->state != HANDLING)
        hor_http_connection_close(connection);
}

static void complete(struct hor_http_connection *connection)
{
    struct hor_http_request *request = connection->request;
    connection->state = HANDLING;
    evtimer_del(connection->timer);
    request->connection = connection;
    request->complete_ms = hor_clock_monotonic_ms();
    request->tls = connection->ssl != NULL;
    memcpy(request->peer, connection->peer, sizeof request->peer);
    request->certificate_name = hor_strdup(connection->certificate_name);
    hor_http_server_dispatch(connection->server, request);
}

static void read_head(struct hor_http_connection *connection)
{
    struct evbuffer *in = bufferevent_get_input(connection->bev);
    size_t limit = connection->server->settings.max_header_bytes;
    char two[2];
    if (connection->searched == 0) { /* an empty line before the request is forgiven */
        while (evbuffer_copyout(in, two, 2) == 2 && memcmp(two, "\r\n", 2) == 0)
            evbuffer_drain(in, 2);
    }
    size_t have = evbuffer_get_length(in);
    if (have == 0)
        return;
    if (connection->began_ms == 0) {
        connection->began_ms = hor_clock_monotonic_ms();
        set_timer(connection, connection->server->settings.read_timeout_ms);
    }
    struct evbuffer_ptr from, end;
    evbuffer_ptr_set(in, &from, connection->searched, EVBUFFER_PTR_SET);
    end = evbuffer_search(in, "\r\n\r\n", 4, &from);
    if ((end.pos < 0 && have > limit) || end.pos > (ev_ssize_t)limit) {
        refuse(connection, 431, "the header is too large");
        return;
    }
    if (end.pos < 0) {
        connection->searched = have > 3 ? have - 3 : 0;
        return;
    }
    size_t len = (size_t)end.pos + 4;
    char *head = malloc(len + 1);
    struct hor_http_request *request = hor_http_request_new(connection->server);
    if (head == NULL || request == NULL) {
        free(head);
        hor_http_request_free(request);
        drop(connection);
        return;
    }
    evbuffer_remove(in, head, len);
    head[len] = '\0';
    connection->request = request;
    const char *reason;
    int status = hor_http_parse_head(request, head, len, &reason);
    if (status == 0 && request->content_length > connection->server->settings.max_body_bytes) {
        status = 413;
        reason = "the body is too large";
    }
    if (status != 0) {
        refuse(connection, status, reason);
        return;
    }
    if (request->wants_continue && request->state.step != HOR_BODY_COMPLETE &&
        evbuffer_get_length(in) == 0)
        bufferevent_write(connection->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    connection->state = BODY;
    connection->searched = 0;
}

static void read_body(struct hor_http_connection *connection)
{
    struct hor_http_server *server = connection->server;
    struct hor_http_request *request = connection->request;
    struct evbuffer *in = bufferevent_get_input(connection->bev);
    size_t before = request->body.len;
    while (request->state.step != HOR_BODY_COMPLETE && evbuffer_get_length(in) > 0) {
        size_t len = evbuffer_get_contiguous_space(in), used = 0;
        const char *data = (const char *)evbuffer_pullup(in, (ev_ssize_t)len), *reason;
        int status = hor_http_parse_body(request, data, len, server->settings.max_body_bytes, &used,
                                         &reason);
        evbuffer_drain(in, used);
        if (status != 0) {
            refuse(connection, status, reason);
            return;
        }
    }
    size_t grown = request->body.len - before;
    server->body_bytes += grown;
    connection->body_bytes += grown;
    if (server->body_bytes > server->settings.max_answer_bytes) {
        refuse(connection, 503, "too many requests arrive at the same time");
        return;
    }
    if (request->state.step == HOR_BODY_COMPLETE) {
        complete(connection);
    } else if (grown > 0) {
        int64_t allowed =
            server->settings.read_timeout_ms + (int64_t)(request->body.len / SLOWEST_BYTES_PER_MS);
        int64_t left = connection->began_ms + allowed - hor_clock_monotonic_ms();
        set_timer(connection, left > 0 ? left : 0);
    }
}

static void read_input(struct hor_http_connection *connection)
{
    if (connection->state == DRAINING) {
        struct evbuffer *in = bufferevent_get_input(connection->bev);
        evbuffer_drain(in, evbuffer_get_length(in));
    }
    if (connection->state == HEAD &&
        evbuffer_get_length(bufferevent_get_output(connection->bev)) <= OUTPUT_BYTES)
        read_head(connection);
    if (connection->state == BODY)
        read_body(connection);
}

static void on_readable(struct bufferevent *bev, void *ctx)
{
    (void)bev;
    read_input(ctx);
}

static void on_written(struct bufferevent *bev, void *ctx)
{
    struct hor_http_connection *connection = ctx;
    release_answer(connection);
    if (connection->state == HEAD)
        read_input(connection); /* it may have waited for this */
    if (connection->state != DRAINING || !connection->close_after)
        return;
    if (!connection->unread || connection->input_ended) {
        hor_http_connection_close(connection);
        return;
    }
    /* Closing now would reset the connection under the answer: say that we are done, and let the
     * other side end. */
    connection->unread = false;
    connection->close_after = false;
    if (connection->ssl != NULL)
        SSL_shutdown(connection->ssl);
    shutdown((int)bufferevent_getfd(bev), SHUT_WR);
    set_timer(connection, DRAIN_MS);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    struct hor_http_connection *connection = ctx;
    (void)bev;
    if (what & BEV_EVENT_CONNECTED) { /* the TLS handshake is done */
        connection->certificate_name = hor_http_tls_peer_name(connection->ssl);
        expect_request(connection);
        return;
    }
    bool parked = connection->state == HANDLING && connection->request->parked;
    if ((what & BEV_EVENT_EOF) && connection->state == HANDLING && !parked) {
        connection->input_ended = true; /* it may still read the answer */
        bufferevent_disable(connection->bev, EV_READ);
        return;
    }
    if ((what & BEV_EVENT_EOF) && connection->state == DRAINING && connection->close_after) {
        connection->input_ended = true;
        return;
    }
    hor_http_connection_close(connection);
}

void hor_http_connection_accept(struct hor_http_server *server, int fd, const char *peer)
{
    struct hor_http_connection *connection = calloc(1, sizeof *connection);
    struct event_base *base = hor_loop_base(server->loop);
    if (connection == NULL) {
        evutil_closesocket(fd);
        return;
    }
    connection->server = server;
    connection->next = server->connections;
    if (server->connections != NULL)
        server->connections->previous = connection;
    server->connections = connection;
    server->connection_count++;
    strncpy(connection->peer, peer, sizeof connection->peer - 1);
    if (server->tls != NULL) {
        connection->ssl = SSL_new(server->tls);
        if (connection->ssl != NULL)
            connection->bev = bufferevent_openssl_socket_new(
                base, fd, connection->ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
        if (connection->bev == NULL) {
            connection->ssl = NULL; /* freed, as the option says */
        } else {
            bufferevent_openssl_set_allow_dirty_shutdown(connection->bev, 1);
        }
    } else {
        connection->bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    }
    if (connection->bev == NULL)
        evutil_closesocket(fd);
    connection->timer = evtimer_new(base, on_timer, connection);
    connection->state = HANDSHAKE;
    if (connection->bev == NULL || connection->timer == NULL) {
        hor_http_connection_close(connection);
        return;
    }
    bufferevent_setcb(connection->bev, on_readable, on_written, on_event, connection);
    bufferevent_setwatermark(connection->bev, EV_READ, 0,
                             INPUT_BYTES + server->settings.max_header_bytes);
    struct timeval write_timeout = {.tv_sec = WRITE_TIMEOUT_MS / 1000};
    bufferevent_set_timeouts(connection->bev, NULL, &write_timeout);
    if (server->tls != NULL)
        set_timer(connection, server->settings.read_timeout_ms);
    else
        expect_request(connection);
    bufferevent_enable(connection->bev, EV_READ | EV_WRITE);
}

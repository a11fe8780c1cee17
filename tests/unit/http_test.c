/* The HTTP server over real sockets: what it answers, what it refuses and how, and that it lives
 * on; then TLS with the client. The table of hostile requests is printed as comments. */
#define _GNU_SOURCE /* memmem */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/http/certificates.h"
#include "lib/http/client.h"
#include "lib/http/server.h"
#include "tests/lib/tap.h"

enum { IDLE_CONNECTIONS = 2000, ANSWER_BYTES = 3 << 20 };

static struct hor_loop *loop;
static atomic_int news, handled;

static enum hor_http_outcome handle(const struct hor_http_request *request,
                                    struct hor_http_response *response, void *ctx)
{
    size_t len;
    const char *path = hor_http_path(request);
    (void)ctx;
    atomic_fetch_add(&handled, 1);
    hor_http_body(request, &len);
    hor_http_header(response, "Content-Type", "text/plain");
    if (strcmp(path, "/park") == 0 && atomic_load(&news) == 0 && hor_http_age_ms(request) < 5000) {
        hor_http_park_until(request, 5000);
        return HOR_HTTP_PARK;
    }
    if (strcmp(path, "/short-park") == 0 && hor_http_age_ms(request) < 50) {
        hor_http_park_until(request, 50);
        return HOR_HTTP_PARK;
    }
    if (strcmp(path, "/big") == 0) {
        if (hor_buf_reserve(&response->body, ANSWER_BYTES))
            memset(response->body.data, 'x', response->body.len = ANSWER_BYTES);
        return HOR_HTTP_ANSWER;
    }
    const char *name = hor_http_certificate_name(request);
    hor_buf_printf(&response->body, "%s %s?%s %zu name=%s", hor_http_method(request), path,
                   hor_http_query(request) != NULL ? hor_http_query(request) : "", len,
                   name != NULL ? name : "-");
    return HOR_HTTP_ANSWER;
}

static void *run_loop(void *ctx)
{
    hor_loop_run(ctx, NULL);
    return NULL;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Reads until the connection ends, or `want` stands in what came, at most 5 s. */
static bool read_until(int fd, struct hor_buf *got, const char *want)
{
    for (;;) {
        if (want != NULL && got->len > 0 && memmem(got->data, got->len, want, strlen(want)) != NULL)
            return true;
        struct pollfd one = {.fd = fd, .events = POLLIN};
        if (poll(&one, 1, 5000) <= 0)
            return false;
        char data[65536];
        ssize_t len = read(fd, data, sizeof data);
        if (len <= 0)
            return want == NULL;
        hor_buf_add(got, data, (size_t)len);
    }
}

/* Sends bytes, tells the status of the first answer (0: closed without, -1: nothing came). */
static int status_of(uint16_t port, const char *bytes, size_t len, struct hor_buf *got)
{
    int fd = connect_to(port), status = 0;
    hor_fd_write_all(fd, bytes, len, NULL); /* may fail when the server has closed already */
    bool ended = read_until(fd, got, "\r\n\r\n") || got->len > 0 || errno != EAGAIN;
    close(fd);
    if (!ended)
        return -1;
    if (got->len > 12 && sscanf(got->data, "HTTP/1.1 %d", &status) != 1)
        return -1;
    return status;
}

struct hostile {
    const char *what, *bytes;
    size_t len; /* 0: strlen */
    int status;
};

#define GET "GET /a HTTP/1.1\r\nHost: h\r\n"
#define POST "POST /a HTTP/1.1\r\nHost: h\r\n"
#define ZERO GET "X: a\0b\r\n\r\n"
static const struct hostile table[] = {
    {"a good request", GET "\r\n", 0, 200},
    {"an empty line first", "\r\n" GET "\r\n", 0, 200},
    {"binary garbage", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 11, 400},
    {"no request line", "hello\r\n\r\n", 0, 400},
    {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 0, 505},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", 0, 400},
    {"two Hosts", GET "Host: i\r\n\r\n", 0, 400},
    {"two Content-Lengths", POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 0, 400},
    {"two different Content-Lengths", POST "Content-Length: 1\r\nContent-Length: 5\r\n\r\nx", 0,
     400},
    {"a list as Content-Length", POST "Content-Length: 1, 1\r\n\r\nx", 0, 400},
    {"a negative Content-Length", POST "Content-Length: -1\r\n\r\nx", 0, 400},
    {"a signed Content-Length", POST "Content-Length: +1\r\n\r\nx", 0, 400},
    {"a huge Content-Length", POST "Content-Length: 1000000000000000\r\n\r\nx", 0, 413},
    {"an overflowing Content-Length", POST "Content-Length: 99999999999999999999999\r\n\r\nx", 0,
     413},
    {"length and chunks", POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     0, 400},
    {"an unknown coding", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0, 501},
    {"two codings", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", 0,
     400},
    {"a huge chunk", POST "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", 0, 413},
    {"a bad chunk size", POST "Transfer-Encoding: chunked\r\n\r\n1g\r\n", 0, 400},
    {"a chunk without its end", POST "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n", 0, 400},
    {"good chunks", POST "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\n", 0,
     200},
    {"a zero byte in a value", ZERO, sizeof ZERO - 1, 400},
    {"a control byte in a value", GET "X: a\x01z\r\n\r\n", 0, 400},
    {"a lone carriage return", GET "X: a\rY: b\r\n\r\n", 0, 400},
    {"a lone line feed", GET "X: a\nY: b\r\n\r\n", 0, 400},
    {"a folded line", GET "X: a\r\n b\r\n\r\n", 0, 400},
    {"a space before the colon", GET "X : a\r\n\r\n", 0, 400},
    {"no colon", GET "X\r\n\r\n", 0, 400},
    {"a path upwards", "GET /a/../b HTTP/1.1\r\nHost: h\r\n\r\n", 0, 400},
    {"an encoded path upwards", "GET /a/%2e%2E/b HTTP/1.1\r\nHost: h\r\n\r\n", 0, 400},
    {"an encoded slash upwards", "GET /a%2f..%2fb HTTP/1.1\r\nHost: h\r\n\r\n", 0, 400},
    {"an encoded zero byte", "GET /a%00b HTTP/1.1\r\nHost: h\r\n\r\n", 0, 400},
    {"an encoded line end", "GET /a%0d%0aX HTTP/1.1\r\nHost: h\r\n\r\n", 0, 400},
    {"a cut escape", "GET /a%2 HTTP/1.1\r\nHost: h\r\n\r\n", 0, 400},
    {"a relative path", "GET a HTTP/1.1\r\nHost: h\r\n\r\n", 0, 400},
    {"a proxy's form", "GET http://other/a HTTP/1.1\r\nHost: h\r\n\r\n", 0, 200},
    {"an unknown Expect", POST "Expect: magic\r\nContent-Length: 1\r\n\r\nx", 0, 417},
    {"an unknown Content-Encoding", POST "Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx", 0,
     415},
    {"no gzip in gzip", POST "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 0, 400},
};

static void test_table(uint16_t port)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct hor_buf got = HOR_BUF_INIT;
        size_t len = table[i].len > 0 ? table[i].len : strlen(table[i].bytes);
        int status = status_of(port, table[i].bytes, len, &got);
        const char *text = strstr(hor_buf_text(&got), "\r\n\r\n");
        is_int(status, table[i].status, "%s", table[i].what);
        diag("%-32s %d %.*s", table[i].what, status,
             text != NULL && status >= 400 ? (int)strcspn(text + 4, "\n") : 0,
             text != NULL ? text + 4 : "");
        hor_buf_done(&got);
    }
}

static void test_sizes(uint16_t port)
{
    struct hor_buf text = HOR_BUF_INIT, got = HOR_BUF_INIT;
    hor_buf_puts(&text, GET "X: ");
    for (int i = 0; i < 40000; i++)
        hor_buf_putc(&text, 'a');
    is_int(status_of(port, text.data, text.len, &got), 431, "a header without end");
    hor_buf_clear(&text);
    hor_buf_clear(&got);
    hor_buf_puts(&text, GET);
    for (int i = 0; i < 150; i++)
        hor_buf_printf(&text, "X%d: a\r\n", i);
    hor_buf_puts(&text, "\r\n");
    is_int(status_of(port, text.data, text.len, &got), 431, "150 header lines");
    hor_buf_clear(&text);
    hor_buf_clear(&got);
    hor_buf_puts(&text, POST "Content-Length: 2000000\r\n\r\n");
    for (int i = 0; i < 2000000 / 20; i++)
        hor_buf_puts(&text, "twenty characters of");
    is_int(status_of(port, text.data, text.len, &got), 413,
           "a body above the limit is answered, "
           "not reset");
    like(hor_buf_text(&got), "too large", "with a sentence");
    hor_buf_done(&text);
    hor_buf_done(&got);
}

static void test_gzip(uint16_t port)
{
    enum { PLAIN = 4 << 20 };
    unsigned char *plain = calloc(1, PLAIN), *packed = malloc(PLAIN);
    for (int bomb = 0; bomb < 2; bomb++) {
        z_stream stream = {0};
        deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
        stream.next_in = plain;
        stream.avail_in = bomb ? PLAIN : 1000;
        stream.next_out = packed;
        stream.avail_out = PLAIN;
        deflate(&stream, Z_FINISH);
        struct hor_buf text = HOR_BUF_INIT, got = HOR_BUF_INIT;
        hor_buf_printf(&text, POST "Content-Encoding: gzip\r\nContent-Length: %lu\r\n\r\n",
                       stream.total_out);
        hor_buf_add(&text, packed, stream.total_out);
        int status = status_of(port, text.data, text.len, &got);
        if (bomb) {
            is_int(status, 413, "a gzip bomb of %lu bytes", stream.total_out);
        } else {
            is_int(status, 200, "a gzip body");
            like(hor_buf_text(&got), "1000", "is inflated");
        }
        deflateEnd(&stream);
        hor_buf_done(&text);
        hor_buf_done(&got);
    }
    free(plain);
    free(packed);
}

static int count_of(const struct hor_buf *got, const char *what)
{
    int count = 0;
    for (const char *at = hor_buf_text(got); (at = strstr(at, what)) != NULL; at += strlen(what))
        count++;
    return count;
}

static void test_connections(uint16_t port)
{
    struct hor_buf got = HOR_BUF_INIT;
    static const char five[] =
        "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
        "POST /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
        "GET /4 HTTP/1.1\r\nHost: h\r\n\r\n"
        "GET /5 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    int fd = connect_to(port);
    hor_fd_write_all(fd, five, sizeof five - 1, NULL);
    ok(read_until(fd, &got, NULL), "the connection ends when it was asked for");
    is_int(count_of(&got, "HTTP/1.1 200 OK"), 5, "five pipelined requests, five answers");
    const char *second = strstr(hor_buf_text(&got), "GET /2?");
    const char *fifth = strstr(hor_buf_text(&got), "GET /5?");
    ok(second != NULL && fifth != NULL && second < fifth, "in order");
    close(fd);

    hor_buf_clear(&got);
    fd = connect_to(port);
    static const char head[] = "HEAD /big HTTP/1.1\r\nHost: h\r\n\r\n" GET "\r\n";
    hor_fd_write_all(fd, head, sizeof head - 1, NULL);
    ok(read_until(fd, &got, "GET /a?"), "HEAD, then GET");
    like(hor_buf_text(&got), "Content-Length: 3145728", "HEAD tells the length");
    ok(got.len < 2000, "and sends no body");
    close(fd);

    hor_buf_clear(&got);
    fd = connect_to(port);
    static const char expect[] = POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    hor_fd_write_all(fd, expect, sizeof expect - 1, NULL);
    ok(read_until(fd, &got, "100 Continue"), "Expect: 100-continue");
    hor_fd_write_all(fd, "abc", 3, NULL);
    ok(read_until(fd, &got, "POST /a? 3"), "then the answer");
    close(fd);

    hor_buf_clear(&got);
    fd = connect_to(port);
    hor_fd_write_all(fd, "GET /a HTTP/1.0\r\n\r\n", 19, NULL);
    ok(read_until(fd, &got, NULL), "HTTP/1.0 closes");
    like(hor_buf_text(&got), "200 OK", "after its answer");
    close(fd);

    hor_buf_clear(&got);
    fd = connect_to(port);
    hor_fd_write_all(fd, GET "\r\n", strlen(GET) + 2, NULL);
    shutdown(fd, SHUT_WR);
    ok(read_until(fd, &got, NULL), "a half-closed connection");
    like(hor_buf_text(&got), "200 OK", "still gets its answer");
    close(fd);
    hor_buf_done(&got);
}

static void test_times(uint16_t port)
{
    struct hor_buf got = HOR_BUF_INIT;
    int64_t began_ms = hor_clock_monotonic_ms();
    int fd = connect_to(port);
    hor_fd_write_all(fd, "GET /a HT", 9, NULL);
    ok(read_until(fd, &got, NULL), "a head that does not arrive ends the connection");
    like(hor_buf_text(&got), " 408 ", "with 408");
    ok(hor_clock_monotonic_ms() - began_ms < 4000, "in time");
    close(fd);
    hor_buf_clear(&got);
    fd = connect_to(port);
    static const char slow[] = POST "Content-Length: 10\r\n\r\nabc";
    hor_fd_write_all(fd, slow, sizeof slow - 1, NULL);
    ok(read_until(fd, &got, NULL), "so does a body");
    like(hor_buf_text(&got), " 408 ", "with 408");
    close(fd);
    hor_buf_done(&got);
}

static void test_park(uint16_t port, struct hor_http_server *server)
{
    enum { COUNT = 50 };
    int fds[COUNT];
    struct hor_buf got = HOR_BUF_INIT;
    atomic_store(&news, 0);
    int before = atomic_load(&handled);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = connect_to(port);
        hor_fd_write_all(fds[i], "GET /park HTTP/1.1\r\nHost: h\r\n\r\n", 32, NULL);
    }
    is_int(status_of(port, GET "\r\n", strlen(GET) + 2, &got), 200,
           "parked requests hold no worker");
    close(fds[0]); /* gone while it waits */
    fds[0] = -1;
    while (atomic_load(&handled) < before + COUNT + 1)
        poll(NULL, 0, 1); /* until the last one was looked at */
    atomic_store(&news, 1);
    hor_http_server_wake(server);
    int answered = 0;
    for (int i = 1; i < COUNT; i++) {
        hor_buf_clear(&got);
        answered += read_until(fds[i], &got, "GET /park?");
        close(fds[i]);
    }
    is_int(answered, COUNT - 1, "all are answered when something happens");
    hor_buf_clear(&got);
    int64_t began_ms = hor_clock_monotonic_ms();
    static const char park[] = "GET /short-park HTTP/1.1\r\nHost: h\r\n\r\n";
    is_int(status_of(port, park, sizeof park - 1, &got), 200, "or when the time has come");
    ok(hor_clock_monotonic_ms() - began_ms >= 50, "not before");
    hor_buf_done(&got);
}

static void test_unread(uint16_t port)
{
    /* 20 clients that never read answers of 3 MiB: the bound is 16 MiB */
    enum { COUNT = 20 };
    int fds[COUNT], refused = 0;
    struct hor_buf got = HOR_BUF_INIT;
    int before = atomic_load(&handled);
    for (int i = 0; i < COUNT; i++) {
        int small = 4096;
        fds[i] = connect_to(port);
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        hor_fd_write_all(fds[i], "GET /big HTTP/1.1\r\nHost: h\r\n\r\n", 31, NULL);
    }
    while (atomic_load(&handled) < before + COUNT)
        poll(NULL, 0, 1);
    is_int(status_of(port, GET "\r\n", strlen(GET) + 2, &got), 200, "others are served");
    for (int i = 0; i < COUNT; i++) {
        hor_buf_clear(&got);
        read_until(fds[i], &got, "\r\n\r\n");
        refused += strstr(hor_buf_text(&got), " 503 ") != NULL;
        close(fds[i]);
    }
    ok(refused > 0 && refused < COUNT, "answers that nobody reads are bounded: %d of %d refused",
       refused, COUNT);
    hor_buf_done(&got);
}

static void test_idle(uint16_t port)
{
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < 10000 ? files.rlim_max : 10000;
    setrlimit(RLIMIT_NOFILE, &files);
    static int fds[IDLE_CONNECTIONS];
    int open_count = 0, alive = 0, threads = 0;
    struct hor_buf got = HOR_BUF_INIT;
    if (files.rlim_cur < 2 * IDLE_CONNECTIONS + 100) {
        skip("too few descriptors are allowed here");
        return;
    }
    for (int i = 0; i < IDLE_CONNECTIONS; i++) {
        fds[i] = connect_to(port);
        open_count += fds[i] >= 0;
    }
    char line[200];
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        sscanf(line, "Threads: %d", &threads);
    if (status != NULL)
        fclose(status);
    for (int i = 0; i < IDLE_CONNECTIONS; i++) {
        hor_buf_clear(&got);
        hor_fd_write_all(fds[i], GET "\r\n", strlen(GET) + 2, NULL);
        alive += read_until(fds[i], &got, "GET /a?");
        close(fds[i]);
    }
    is_int(open_count, IDLE_CONNECTIONS, "%d idle connections", IDLE_CONNECTIONS);
    is_int(alive, IDLE_CONNECTIONS, "all are alive");
    ok(threads < 20, "with %d threads", threads);
    hor_buf_done(&got);
}

static void test_tls(const char *dir)
{
    struct hor_error err;
    const char *members[] = {"m1", "a1"};
    hor_certificates_init(dir, members, 2, &err);
    char *other = hor_path_join(dir, "other");
    hor_certificates_init(other, members, 2, &err);
    char *ca = hor_path_join(dir, "ca.crt"), *crt = hor_path_join(dir, "m1.crt"),
         *key = hor_path_join(dir, "m1.key"), *their_crt = hor_path_join(dir, "a1.crt"),
         *their_key = hor_path_join(dir, "a1.key"), *other_ca = hor_path_join(other, "ca.crt"),
         *other_crt = hor_path_join(other, "a1.crt"), *other_key = hor_path_join(other, "a1.key");
    struct hor_http_settings settings = {
        .address = "127.0.0.1", .certificate_file = crt, .key_file = key, .ca_file = ca};
    struct hor_http_server *server = NULL;
    struct hor_loop *tls_loop = hor_loop_new();
    pthread_t thread;
    is_int(hor_http_server_start(tls_loop, &settings, handle, NULL, &server, &err), HOR_OK,
           "a TLS server");
    pthread_create(&thread, NULL, run_loop, tls_loop);
    char *url = hor_str_printf("https://127.0.0.1:%u/tls", hor_http_server_port(server));
    struct hor_http_client *mutual = NULL, *plain = NULL, *stranger = NULL, *doubter = NULL;
    struct hor_http_client_settings s = {
        .certificate_file = their_crt, .key_file = their_key, .ca_file = ca};
    hor_http_client_new(&s, &mutual, &err);
    s.certificate_file = s.key_file = NULL;
    hor_http_client_new(&s, &plain, &err);
    s.ca_file = other_ca;
    hor_http_client_new(&s, &doubter, &err);
    s = (struct hor_http_client_settings){
        .certificate_file = other_crt, .key_file = other_key, .ca_file = ca};
    hor_http_client_new(&s, &stranger, &err);
    int status = 0;
    struct hor_buf got = HOR_BUF_INIT;
    is_int(hor_http_client_post(mutual, url, "m1", "text/plain", NULL, "abc", 3, 5000, &status,
                                &got, &err),
           HOR_OK, "a call with certificates on both sides");
    is(hor_buf_text(&got), "POST /tls? 3 name=a1", "the server knows who calls");
    hor_buf_clear(&got);
    is_int(hor_http_client_get(plain, url, NULL, 5000, &status, &got, &err), HOR_OK,
           "a client without a certificate");
    like(hor_buf_text(&got), "name=-", "has no name");
    is_int(hor_http_client_post(mutual, url, "m2", "text/plain", NULL, "abc", 3, 5000, &status,
                                &got, &err),
           HOR_ERR_DENIED, "another server than expected is refused");
    like(err.text, "belongs to 'm1', expected 'm2'", "the message names both");
    is_int(hor_http_client_get(doubter, url, NULL, 5000, &status, &got, &err), HOR_ERR_DENIED,
           "a server of another authority is refused");
    ok(hor_http_client_get(stranger, url, NULL, 5000, &status, &got, &err) != HOR_OK,
       "a client of another authority is refused");
    hor_buf_clear(&got);
    struct hor_buf large = HOR_BUF_INIT;
    hor_buf_reserve(&large, 5 << 20);
    memset(large.data, 'y', large.len = 5 << 20);
    is_int(hor_http_client_post(mutual, url, "m1", "text/plain", NULL, large.data, large.len, 10000,
                                &status, &got, &err),
           HOR_OK, "5 MiB over TLS");
    like(hor_buf_text(&got), "5242880", "arrive");
    hor_buf_clear(&got);
    char *none = hor_str_printf("https://127.0.0.1:1/");
    is_int(hor_http_client_get(plain, none, NULL, 5000, &status, &got, &err), HOR_ERR_UNREACHABLE,
           "nobody listens");
    char *park = hor_str_printf("https://127.0.0.1:%u/park", hor_http_server_port(server));
    atomic_store(&news, 0);
    is_int(hor_http_client_get(plain, park, NULL, 100, &status, &got, &err), HOR_ERR_TIMEOUT,
           "no answer in time");
    struct hor_buf raw = HOR_BUF_INIT;
    ok(status_of(hor_http_server_port(server), GET "\r\n", strlen(GET) + 2, &raw) <= 0,
       "plain HTTP on the TLS port gets nothing");
    hor_http_client_abort(plain);
    is_int(hor_http_client_get(plain, url, NULL, 5000, &status, &got, &err), HOR_ERR_UNREACHABLE,
           "an aborted client calls no more");
    hor_loop_stop(tls_loop);
    pthread_join(thread, NULL);
    hor_http_server_stop(server);
    hor_loop_free(tls_loop);
    hor_http_client_free(mutual);
    hor_http_client_free(plain);
    hor_http_client_free(stranger);
    hor_http_client_free(doubter);
    hor_buf_done(&got);
    hor_buf_done(&raw);
    hor_buf_done(&large);
    char *strings[] = {ca,       crt,       key,       their_crt, their_key, other,
                       other_ca, other_crt, other_key, url,       none,      park};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        free(strings[i]);
}

static void test_forms(void)
{
    static const char form[] = "a=1&b=x%20y+z&a=2&c&d=%C3%A4&e=%zz";
    static const struct {
        const char *name;
        unsigned n;
        const char *value;
    } cases[] = {{"a", 0, "1"}, {"a", 1, "2"},        {"a", 2, NULL},  {"b", 0, "x y z"},
                 {"c", 0, ""},  {"d", 0, "\xc3\xa4"}, {"e", 0, "%zz"}, {"x", 0, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *value = hor_http_form_value(form, sizeof form - 1, cases[i].name, cases[i].n);
        is(value, cases[i].value, "form value %s[%u]", cases[i].name, cases[i].n);
        free(value);
    }
    struct hor_buf out = HOR_BUF_INIT;
    hor_http_encode(&out, "a b&\xc3\xa4/");
    is(hor_buf_text(&out), "a%20b%26%C3%A4%2F", "a value is encoded");
    hor_buf_done(&out);
    struct hor_http_response response = {0};
    is_int(hor_http_header(&response, "X", "a\r\nSet-Cookie: b"), HOR_ERR_INVALID,
           "a header value cannot begin another header");
    is_int(hor_http_header(&response, "X:", "a"), HOR_ERR_INVALID, "nor can a name");
    hor_buf_done(&response.headers);
}

int main(void)
{
    struct hor_error err;
    struct hor_http_server *server = NULL, *second = NULL;
    hor_log_open("http_test", "/dev/null", HOR_LOG_INFO, NULL);
    loop = hor_loop_new();
    struct hor_http_settings settings = {.address = "127.0.0.1",
                                         .max_body_bytes = 1 << 20,
                                         .read_timeout_ms = 1000,
                                         .max_answer_bytes = 16 << 20};
    is_int(hor_http_server_start(loop, &settings, handle, NULL, &server, &err), HOR_OK, "a server");
    uint16_t port = hor_http_server_port(server);
    settings.port = port;
    is_int(hor_http_server_start(loop, &settings, handle, NULL, &second, &err), HOR_ERR_IO,
           "a second one on its port");
    like(err.text, "port in use", "says why");
    settings.address = "localhost";
    is_int(hor_http_server_start(loop, &settings, handle, NULL, &second, &err), HOR_ERR_IO,
           "a name is no address");
    settings = (struct hor_http_settings){.address = "127.0.0.1", .certificate_file = "/no/such"};
    is_int(hor_http_server_start(loop, &settings, handle, NULL, &second, &err), HOR_ERR_INVALID,
           "no certificate");
    like(err.text, "/no/such", "names the file");
    pthread_t thread;
    pthread_create(&thread, NULL, run_loop, loop);
    test_table(port);
    test_sizes(port);
    test_gzip(port);
    test_connections(port);
    test_times(port);
    test_park(port, server);
    test_unread(port);
    test_idle(port);
    struct hor_buf got = HOR_BUF_INIT;
    is_int(status_of(port, GET "\r\n", strlen(GET) + 2, &got), 200, "after all that it lives on");
    hor_buf_done(&got);
    hor_loop_stop(loop);
    pthread_join(thread, NULL);
    hor_http_server_stop(server);
    hor_loop_free(loop);
    char *dir = hor_path_join(hor_tap_tmpdir(), "tls");
    test_tls(dir);
    free(dir);
    test_forms();
    return done_testing();
}

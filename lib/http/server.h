/* lib/http/server.h - the HTTP/1.1 server: libevent's bufferevents carry bytes on the loop's thread
 * (TLS 1.2 and newer by OpenSSL), requests are framed strictly, complete ones are handed to a pool
 * of workers. Thousands of idle or slow connections need no thread. Limits: time, header and body
 * size (also inflated), requests waiting, memory of bodies and answers in flight. Answers that
 * cannot be given (limits, garbage) are made here. What a proxy could read in another way is
 * refused: two Content-Length headers, folded lines, control characters in the head. (evhttp
 * accepts those, has one timeout for all and does not show the raw head: that is why it is not
 * used.) */
#ifndef HOR_HTTP_SERVER_H
#define HOR_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/loop/loop.h"

struct hor_http_server;
struct hor_http_request; /* owned by the server; a worker may read it during the handler */

struct hor_http_response;
/* Called on the loop's thread before a worker gets the request: true when it was answered. For what is
 * short and must not wait behind requests that wait themselves. Must not block. */
typedef bool hor_http_quick_fn(const struct hor_http_request *request,
                               struct hor_http_response *response, void *ctx);

struct hor_http_settings {
    const char *address;                     /* "127.0.0.1", "::1", "0.0.0.0" */
    uint16_t port;                           /* 0: any; hor_http_server_port tells */
    const char *certificate_file, *key_file; /* PEM; NULL both: plain HTTP (tests only) */
    const char *ca_file; /* verifies client certificates when given; a client may have none */
    size_t max_body_bytes, max_header_bytes; /* 0: 64 MiB, 32 KiB */
    unsigned workers;                        /* 0: 4 */
    unsigned max_waiting;                    /* requests queued for workers; 0: 1000; beyond: 503 */
    int64_t read_timeout_ms;                 /* for a request to arrive; 0: 15,000 */
    int64_t idle_timeout_ms;                 /* keep-alive; 0: 300,000 */
    size_t max_answer_bytes;                 /* memory of unsent answers in all; 0: 256 MiB */
    hor_http_quick_fn *quick;                /* NULL: every request goes to a worker */
};

struct hor_http_response {
    int status; /* 200 at the start */
    struct hor_buf body;
    struct hor_buf headers; /* "Name: value\r\n" lines made by hor_http_header */
};

enum hor_http_outcome {
    HOR_HTTP_ANSWER, /* send the response */
    HOR_HTTP_PARK,   /* nothing new yet: call the handler again after hor_http_server_wake or at the
                        deadline, holding no worker meanwhile; the response so far is dropped */
};

/* Called on a worker, several at once. */
typedef enum hor_http_outcome hor_http_handle_fn(const struct hor_http_request *request,
                                                 struct hor_http_response *response, void *ctx);

/* Listens. HOR_ERR_IO: the text names address, port and cause ("port in use"); HOR_ERR_INVALID:
 * certificate, key or CA unusable. Settings are copied. Loop thread. */
int hor_http_server_start(struct hor_loop *loop, const struct hor_http_settings *settings,
                          hor_http_handle_fn *handle, void *ctx, struct hor_http_server **ret,
                          struct hor_error *err);
uint16_t hor_http_server_port(const struct hor_http_server *server);
/* Stops accepting, lets workers end, closes. Loop's thread, after hor_loop_run has returned: a
 * handler that waits for the loop then gets HOR_ERR_STATE and ends. Accepts NULL. */
void hor_http_server_stop(struct hor_http_server *server);
/* Runs the handlers of parked requests again. Any thread. */
void hor_http_server_wake(struct hor_http_server *server);

/* Of a request; borrowed strings, NULL when absent. */
const char *hor_http_method(const struct hor_http_request *request);
const char *hor_http_path(const struct hor_http_request *request);  /* decoded, no query; has no
                                                                        "..", NUL or control bytes */
const char *hor_http_query(const struct hor_http_request *request); /* raw, NULL without */
const char *hor_http_request_header(const struct hor_http_request *request, const char *name);
const char *hor_http_body(const struct hor_http_request *request, size_t *ret_len);
const char *hor_http_peer(const struct hor_http_request *request);             /* "127.0.0.1" */
const char *hor_http_certificate_name(const struct hor_http_request *request); /* verified client
                                                                     certificate's common name */
bool hor_http_is_tls(const struct hor_http_request *request);
/* Milliseconds since the request was complete: a long poll compares it with its waitMs. */
int64_t hor_http_age_ms(const struct hor_http_request *request);
/* When a parked request shall be called again at the latest. */
void hor_http_park_until(const struct hor_http_request *request, int64_t age_ms);

/* Adds a header; HOR_ERR_INVALID for control characters in name or value. */
int hor_http_header(struct hor_http_response *response, const char *name, const char *value);

/* Decodes one value of a query or form body ("a=b&c=d"): the n-th (from 0) value of `name`, new
 * string, NULL when there is none. */
char *hor_http_form_value(const char *form, size_t len, const char *name, unsigned n);
/* Percent-encodes for a query value. */
void hor_http_encode(struct hor_buf *out, const char *text);

#endif

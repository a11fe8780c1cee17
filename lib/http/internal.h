/* lib/http/internal.h - what the files of lib/http share. Everything that names a connection is for
 * the loop's thread; a request is its worker's while the handler runs. */
#ifndef HOR_HTTP_INTERNAL_H
#define HOR_HTTP_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "lib/http/server.h"

struct bufferevent;
struct event;
struct evconnlistener;
struct hor_http_connection;

enum { HOR_HTTP_MAX_FIELDS = 100, HOR_HTTP_MAX_CONNECTIONS = 20000 };

struct hor_http_field {
    const char *name, *value;
};

/* Where a body stands that comes in pieces. */
struct hor_http_body_state {
    enum {
        HOR_BODY_LENGTH, /* `left` bytes to come */
        HOR_BODY_SIZE,   /* chunked: in the line with the size */
        HOR_BODY_DATA,   /* `left` bytes of this chunk to come */
        HOR_BODY_DATA_END,
        HOR_BODY_TRAILER,
        HOR_BODY_COMPLETE
    } step;
    uint64_t left;
    unsigned line; /* bytes of the line so far */
    bool digit, extension, carriage, text;
};

struct hor_http_request {
    struct hor_http_server *server;
    struct hor_http_connection *connection;   /* NULL once it is gone; loop's thread */
    struct hor_http_request *next, *previous; /* of the server's list */

    char *head; /* owns method, target and fields, cut up in place */
    struct hor_http_field fields[HOR_HTTP_MAX_FIELDS];
    unsigned field_count;
    const char *method, *query;
    char *path; /* owned, decoded */
    bool http_1_1, keep_alive, wants_continue, is_head, chunked;
    uint64_t content_length;
    struct hor_http_body_state state;
    struct hor_buf body;
    char peer[64];
    char *certificate_name; /* owned */
    bool tls;

    int64_t complete_ms; /* monotonic, when all of it was there */
    int64_t park_age_ms;
    bool parked, inflated;
    uint64_t generation; /* of the server's wakes, read before the handler ran */
    enum hor_http_outcome outcome;
    struct hor_http_response response;
    char *reason; /* NULL, or a sentence for an answer made by the server */
};

struct hor_http_server {
    struct hor_loop *loop;
    struct hor_http_settings settings; /* strings not kept */
    hor_http_handle_fn *handle;
    void *ctx;
    SSL_CTX *tls; /* NULL: plain */
    struct evconnlistener *listener;
    struct hor_timer *accept_again; /* after descriptors ran out */
    struct hor_timer *park_timer, *wake_timer;
    int64_t last_wake_ms;
    struct hor_workers *workers;
    uint16_t port;

    /* loop's thread */
    struct hor_http_connection *connections;
    unsigned connection_count;
    struct hor_http_request *requests; /* given to the workers or parked */
    size_t answer_bytes, body_bytes;   /* in memory now */

    atomic_uint_fast64_t generation; /* number of wakes */
    atomic_bool wake_posted;
};

/* head.c. Cuts `head` (which ends with an empty line) into request->method ... fields; takes it
 * over. Returns 0 or the status to refuse with and a sentence in *ret_reason. Pure. */
int hor_http_parse_head(struct hor_http_request *request, char *take_head, size_t len,
                        const char **ret_reason);
/* body.c. Takes what belongs to the body from `data`; *ret_used says how much. 0, or the status to
 * refuse with. */
int hor_http_parse_body(struct hor_http_request *request, const char *data, size_t len,
                        size_t max_bytes, size_t *ret_used, const char **ret_reason);
/* body.c. Inflates a body with Content-Encoding in place; 0 or a status. Worker. */
int hor_http_inflate(struct hor_http_request *request, size_t max_bytes, const char **ret_reason);

/* request.c */
struct hor_http_request *hor_http_request_new(struct hor_http_server *server);
void hor_http_request_free(struct hor_http_request *request);
/* Makes the response a short text of our own. */
void hor_http_refuse(struct hor_http_response *response, int status, const char *reason);
const char *hor_http_status_words(int status);

/* connection.c */
void hor_http_connection_accept(struct hor_http_server *server, int fd, const char *peer);
void hor_http_connection_close(struct hor_http_connection *connection);
/* Sends request->response and goes on reading; the request is freed. */
void hor_http_connection_answer(struct hor_http_connection *connection,
                                struct hor_http_request *request);
/* server.c: a request is complete. */
void hor_http_server_dispatch(struct hor_http_server *server, struct hor_http_request *request);
/* server.c: its connection is gone. */
void hor_http_server_forget(struct hor_http_server *server, struct hor_http_request *request);

/* tls.c */
int hor_http_tls_new(const struct hor_http_settings *settings, SSL_CTX **ret,
                     struct hor_error *err);
char *hor_http_tls_peer_name(SSL *ssl); /* common name of the verified certificate, new string */

#endif

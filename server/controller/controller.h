/* server/controller/controller.h - the web GUI: HTML made by XSLT from the answers of the
 * Supervisor's own services. A page is a row of a table: which operation is asked, how the
 * address's parameters become the request, which style sheet shows the answer. The Controller has
 * no data path of its own: it calls the services as the person who is signed in.
 *
 * It owns everything below /controller/. Handlers run on the HTTP server's worker threads, several
 * at once; what they share (style sheets, static files, keys) does not change after the start, but
 * for a small ring of messages under its own lock. */
#ifndef HOR_CONTROLLER_CONTROLLER_H
#define HOR_CONTROLLER_CONTROLLER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/http/server.h"
#include "lib/soap/service.h"

struct hor_controller;

enum { HOR_CONTROLLER_TOKEN_BYTES = 128 };

/* How the Controller reaches sessions and services; the Supervisor fills it in, tests put their
 * own functions. Every function may be called by several threads at once. */
struct hor_controller_backend {
    /* Opens a session and writes its token. HOR_ERR_UNAUTHENTICATED for a wrong user or password
     * (which of them is not told), HOR_ERR_BUSY when attempts come too fast. */
    int (*login)(const char *user, const char *password, const char *from,
                 char token[HOR_CONTROLLER_TOKEN_BYTES], void *ctx, struct hor_error *err);
    /* Whose session is it? HOR_ERR_UNAUTHENTICATED for an unknown or expired token. What it fills
     * in is given back with `release`. */
    int (*identify)(const char *token, const char *from, struct hor_identity *who, void *ctx,
                    struct hor_error *err);
    void (*release)(struct hor_identity *who, void *ctx); /* may be NULL */
    /* Ends the session; an unknown token is no error. */
    int (*logout)(const char *token, void *ctx, struct hor_error *err);
    /* Does one operation: hor_soap_local of the Supervisor's service. */
    int (*call)(const struct hor_identity *who, const char *body, size_t len,
                struct hor_buf *answer, void *ctx, struct hor_error *err);
    void *ctx; /* borrowed for the Controller's life */
};

struct hor_controller_settings {
    const char *folder;  /* xslt-gui: style sheets and static files; copied */
    const char *version; /* shown at the foot of pages; copied */
    struct hor_controller_backend backend;
};

/* Reads and compiles everything in the folder. HOR_ERR_NOT_FOUND, HOR_ERR_INVALID: the text names
 * the file and line. */
int hor_controller_new(const struct hor_controller_settings *settings, struct hor_controller **ret,
                       struct hor_error *err);
void hor_controller_free(struct hor_controller *controller); /* no handler may be running */

/* Answers a request whose path is "/" or begins with "/controller". /controller/changes parks:
 * call hor_http_server_wake when events were stored. Worker thread. */
enum hor_http_outcome hor_controller_handle(struct hor_controller *controller,
                                            const struct hor_http_request *request,
                                            struct hor_http_response *response);

#endif

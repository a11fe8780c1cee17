/* lib/http/client.h - a blocking HTTPS client over libcurl, for worker threads. Connections are
 * kept and reused per client; a client may be used by several threads at once (each gets its own
 * handle). */
#ifndef HOR_HTTP_CLIENT_H
#define HOR_HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

struct hor_http_client;

struct hor_http_client_settings {
    const char *certificate_file, *key_file; /* ours; NULL both: none */
    const char *ca_file;                     /* who we believe; required for https */
    int64_t connect_timeout_ms;              /* 0: 2,000 */
    size_t max_body_bytes;                   /* of answers; 0: 256 MiB */
};

int hor_http_client_new(const struct hor_http_client_settings *settings,
                        struct hor_http_client **ret, struct hor_error *err);
void hor_http_client_free(struct hor_http_client *client); /* no call may be under way */

/* POSTs `body` and appends the answer's body to `answer`. `headers` is a NULL-terminated array of
 * "Name: value" or NULL. `expect_name`, when not NULL, must be the common name of the server's
 * certificate. HOR_ERR_UNREACHABLE, HOR_ERR_TIMEOUT, HOR_ERR_DENIED (certificate), HOR_ERR_LIMIT.
 */
int hor_http_client_post(struct hor_http_client *client, const char *url, const char *expect_name,
                         const char *content_type, const char *const *headers, const void *body,
                         size_t len, int64_t timeout_ms, int *ret_status, struct hor_buf *answer,
                         struct hor_error *err);
int hor_http_client_get(struct hor_http_client *client, const char *url, const char *const *headers,
                        int64_t timeout_ms, int *ret_status, struct hor_buf *answer,
                        struct hor_error *err);
/* Makes the calls that are under way to the server of that name (`expect_name`) return within a
 * second with HOR_ERR_UNREACHABLE: it hangs, and others are there. Any thread. */
void hor_http_client_interrupt(struct hor_http_client *client, const char *expect_name);
/* Makes calls under way return soon with HOR_ERR_UNREACHABLE (program is ending). Any thread. */
void hor_http_client_abort(struct hor_http_client *client);

#endif

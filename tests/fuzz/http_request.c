#define _GNU_SOURCE /* memmem */
/* Fuzz target: a request as it comes from the network: head, body in pieces, gzip, form values. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { MAX_BODY = 100000 };

static void use(struct hor_http_request *request)
{
    size_t len;
    const char *body = hor_http_body(request, &len), *query = hor_http_query(request);
    free(hor_http_form_value(body, len, "a", 0));
    if (query != NULL)
        free(hor_http_form_value(query, strlen(query), "a", 1));
    if (hor_http_path(request)[0] != '/' || strstr(hor_http_path(request), "/../") != NULL)
        abort();
    for (unsigned i = 0; i < request->field_count; i++) {
        struct hor_http_response response = {0};
        /* what was let in as a header may be sent out as one */
        if (hor_http_header(&response, request->fields[i].name, request->fields[i].value) != HOR_OK)
            abort();
        hor_buf_done(&response.headers);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data, *reason;
    const char *end = len >= 4 ? memmem(text, len, "\r\n\r\n", 4) : NULL;
    if (end == NULL)
        return 0;
    size_t head_len = (size_t)(end - text) + 4;
    char *head = malloc(head_len + 1);
    struct hor_http_request *request = hor_http_request_new(NULL);
    if (head == NULL || request == NULL)
        abort();
    memcpy(head, text, head_len);
    head[head_len] = '\0';
    int status = hor_http_parse_head(request, head, head_len, &reason);
    size_t at = head_len;
    for (size_t piece = 1; status == 0 && at < len && request->state.step != HOR_BODY_COMPLETE;
         piece = piece % 7 + 1) {
        size_t used = 0, give = len - at < piece ? len - at : piece;
        status = hor_http_parse_body(request, text + at, give, MAX_BODY, &used, &reason);
        at += used;
        if (status == 0 && used == 0)
            abort(); /* it must go on */
    }
    if (status == 0 && request->state.step == HOR_BODY_COMPLETE)
        status = hor_http_inflate(request, MAX_BODY, &reason);
    if (status == 0)
        use(request);
    hor_http_request_free(request);
    return 0;
}

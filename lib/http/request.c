/* lib/http/request.c - reading a request, making an answer, forms. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/http/internal.h"

struct hor_http_request *hor_http_request_new(struct hor_http_server *server)
{
    struct hor_http_request *request = calloc(1, sizeof *request);
    if (request != NULL)
        request->server = server;
    return request;
}

void hor_http_request_free(struct hor_http_request *request)
{
    if (request == NULL)
        return;
    free(request->head);
    free(request->path);
    free(request->certificate_name);
    free(request->reason);
    hor_buf_done(&request->body);
    hor_buf_done(&request->response.body);
    hor_buf_done(&request->response.headers);
    free(request);
}

const char *hor_http_status_words(int status)
{
    static const struct {
        int status;
        const char *words;
    } table[] = {{200, "OK"},
                 {204, "No Content"},
                 {206, "Partial Content"},
                 {301, "Moved Permanently"},
                 {302, "Found"},
                 {303, "See Other"},
                 {304, "Not Modified"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {408, "Request Timeout"},
                 {409, "Conflict"},
                 {413, "Content Too Large"},
                 {414, "URI Too Long"},
                 {415, "Unsupported Media Type"},
                 {416, "Range Not Satisfiable"},
                 {417, "Expectation Failed"},
                 {429, "Too Many Requests"},
                 {431, "Request Header Fields Too Large"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {503, "Service Unavailable"},
                 {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].status == status)
            return table[i].words;
    }
    return "Other";
}

void hor_http_refuse(struct hor_http_response *response, int status, const char *reason)
{
    hor_buf_clear(&response->body);
    hor_buf_clear(&response->headers);
    response->status = status;
    hor_http_header(response, "Content-Type", "text/plain; charset=utf-8");
    if (status == 503)
        hor_http_header(response, "Retry-After", "1");
    hor_buf_printf(&response->body, "%d %s: %s\n", status, hor_http_status_words(status), reason);
}

const char *hor_http_method(const struct hor_http_request *request)
{
    return request->method;
}
const char *hor_http_path(const struct hor_http_request *request)
{
    return request->path;
}
const char *hor_http_query(const struct hor_http_request *request)
{
    return request->query;
}
const char *hor_http_peer(const struct hor_http_request *request)
{
    return request->peer;
}
bool hor_http_is_tls(const struct hor_http_request *request)
{
    return request->tls;
}

const char *hor_http_request_header(const struct hor_http_request *request, const char *name)
{
    for (unsigned i = 0; i < request->field_count; i++) {
        if (strcasecmp(request->fields[i].name, name) == 0)
            return request->fields[i].value;
    }
    return NULL;
}

const char *hor_http_body(const struct hor_http_request *request, size_t *ret_len)
{
    *ret_len = request->body.len;
    return hor_buf_text(&request->body);
}

const char *hor_http_certificate_name(const struct hor_http_request *request)
{
    return request->certificate_name;
}

int64_t hor_http_age_ms(const struct hor_http_request *request)
{
    return hor_clock_monotonic_ms() - request->complete_ms;
}

void hor_http_park_until(const struct hor_http_request *request, int64_t age_ms)
{
    /* the handler sees its request as constant; this is the one thing that it may say about it */
    ((struct hor_http_request *)request)->park_age_ms = age_ms;
}

int hor_http_header(struct hor_http_response *response, const char *name, const char *value)
{
    for (const char *c = name; *c != '\0'; c++) {
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f || *c == ':')
            return HOR_ERR_INVALID;
    }
    for (const char *c = value; *c != '\0'; c++) {
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
            return HOR_ERR_INVALID;
    }
    if (*name == '\0')
        return HOR_ERR_INVALID;
    hor_buf_printf(&response->headers, "%s: %s\r\n", name, value);
    return response->headers.failed ? HOR_ERR_MEMORY : HOR_OK;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decodes form text; a bad escape stands for itself, %00 is dropped. */
static char *decode_form(const char *text, size_t len)
{
    char *out = malloc(len + 1);
    if (out == NULL)
        return NULL;
    size_t to = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i] == '+' ? ' ' : text[i];
        if (c == '%' && len - i > 2 && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
            c = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
            i += 2;
        }
        if (c != '\0')
            out[to++] = c;
    }
    out[to] = '\0';
    return out;
}

char *hor_http_form_value(const char *form, size_t len, const char *name, unsigned n)
{
    size_t at = 0;
    while (form != NULL && at < len) {
        const char *and_sign = memchr(form + at, '&', len - at);
        size_t end = and_sign != NULL ? (size_t)(and_sign - form) : len;
        const char *equals = memchr(form + at, '=', end - at);
        size_t name_end = equals != NULL ? (size_t)(equals - form) : end;
        char *key = decode_form(form + at, name_end - at);
        bool hit = key != NULL && strcmp(key, name) == 0;
        free(key);
        if (hit && n-- == 0)
            return equals != NULL ? decode_form(equals + 1, end - name_end - 1) : hor_strdup("");
        at = end + 1;
    }
    return NULL;
}

void hor_http_encode(struct hor_buf *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        unsigned char u = (unsigned char)*c;
        bool plain = (u >= '0' && u <= '9') || (u >= 'A' && u <= 'Z') || (u >= 'a' && u <= 'z') ||
                     u == '-' || u == '.' || u == '_' || u == '~';
        if (plain)
            hor_buf_putc(out, *c);
        else
            hor_buf_printf(out, "%%%02X", u);
    }
}

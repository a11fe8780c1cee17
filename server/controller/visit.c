/* server/controller/visit.c - cookies, tokens in forms, headers, redirects, messages. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "server/controller/internal.h"

enum { NOTE_MS = 10 * 60 * 1000, NOTE_BYTES = 64 * 1024 };

bool hor_visit_cookie(const struct hor_visit *visit, const char *name, char *out, size_t bytes)
{
    const char *at = hor_http_request_header(visit->http, "Cookie");
    size_t len = strlen(name);
    while (at != NULL && *at != '\0') {
        at += strspn(at, " ;");
        size_t size = strcspn(at, ";");
        if (size > len && strncmp(at, name, len) == 0 && at[len] == '=') {
            size_t value = size - len - 1;
            if (value == 0 || value >= bytes)
                return false;
            memcpy(out, at + len + 1, value);
            out[value] = '\0';
            return true;
        }
        at += size;
    }
    return false;
}

void hor_visit_set_cookie(struct hor_visit *visit, const char *name, const char *value,
                          bool lasting)
{
    /* Path keeps the session away from /soap: a browser never speaks to the services by itself. */
    char *text = hor_str_printf("%s=%s; Path=/controller; HttpOnly; Secure; SameSite=Strict%s",
                                name, value,
                                value[0] == '\0' ? "; Max-Age=0"
                                : lasting        ? "; Max-Age=31536000"
                                                 : "");
    if (text != NULL)
        hor_http_header(visit->response, "Set-Cookie", text);
    free(text);
}

void hor_visit_csrf(const struct hor_visit *visit, char out[65])
{
    unsigned char sum[32] = {0};
    unsigned len = 0;
    HMAC(EVP_sha256(), visit->controller->key, sizeof visit->controller->key,
         (const unsigned char *)visit->token, strlen(visit->token), sum, &len);
    hor_hex(sum, sizeof sum, out);
}

/* Browsers say where a request comes from; other clients say nothing and have no cookie either. */
bool hor_visit_same_origin(const struct hor_http_request *request)
{
    const char *site = hor_http_request_header(request, "Sec-Fetch-Site");
    if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return false;
    const char *origin = hor_http_request_header(request, "Origin");
    const char *host = hor_http_request_header(request, "Host");
    if (origin == NULL)
        return true;
    const char *rest = strstr(origin, "://");
    return rest != NULL && host != NULL && strcmp(rest + 3, host) == 0;
}

void hor_visit_security_headers(struct hor_http_response *response)
{
    hor_http_header(response, "Content-Security-Policy",
                    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
                    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
                    "base-uri 'none'");
    hor_http_header(response, "X-Content-Type-Options", "nosniff");
    hor_http_header(response, "X-Frame-Options", "DENY");
    hor_http_header(response, "Referrer-Policy", "same-origin");
    hor_http_header(response, "Cross-Origin-Opener-Policy", "same-origin");
}

enum hor_http_outcome hor_visit_redirect(struct hor_visit *visit, const char *to)
{
    visit->response->status = 303;
    hor_http_header(visit->response, "Location", to);
    hor_http_header(visit->response, "Cache-Control", "no-store");
    hor_visit_security_headers(visit->response);
    return HOR_HTTP_ANSWER;
}

enum hor_http_outcome hor_visit_plain(struct hor_visit *visit, int status, const char *text)
{
    visit->response->status = status;
    hor_http_header(visit->response, "Content-Type", "text/plain; charset=utf-8");
    hor_http_header(visit->response, "Cache-Control", "no-store");
    hor_visit_security_headers(visit->response);
    hor_buf_printf(&visit->response->body, "%s\n", text);
    return HOR_HTTP_ANSWER;
}

char *hor_visit_next(const char *next)
{
    static const char ours[] = "/controller";
    size_t len = sizeof ours - 1;
    bool good = next != NULL && strncmp(next, ours, len) == 0 &&
                (next[len] == '\0' || next[len] == '/' || next[len] == '?') &&
                !hor_str_starts(next, "/controller/do/") &&
                !hor_str_starts(next, "/controller/sign-in") && strlen(next) < 4000 &&
                strstr(next, "..") == NULL && strchr(next, '\\') == NULL;
    for (const char *c = next; good && *c != '\0'; c++)
        good = (unsigned char)*c > 0x20 && (unsigned char)*c < 0x7F;
    return hor_strdup(good ? next : "/controller/overview");
}

char *hor_visit_note(struct hor_visit *visit, const char *to, const char *message_xml)
{
    struct hor_controller *controller = visit->controller;
    char *kept = strlen(message_xml) < NOTE_BYTES
                     ? hor_strdup(message_xml)
                     : hor_strdup("<message text=\"Done. The full answer was too long to show.\"/>");
    if (kept == NULL)
        return hor_strdup(to);
    char id[HOR_UUID_BYTES];
    hor_uuid(id);
    mtx_lock(&controller->notes_mutex);
    struct hor_note *note = &controller->notes[controller->next_note++ % HOR_NOTES];
    free(note->xml);
    note->xml = kept;
    memcpy(note->id, id, sizeof note->id);
    memcpy(note->session, visit->who.session, sizeof note->session);
    note->at_ms = hor_clock_monotonic_ms();
    mtx_unlock(&controller->notes_mutex);
    /* an older message leaves the address, a fragment stays at its end */
    struct hor_buf out = HOR_BUF_INIT;
    size_t path = strcspn(to, "?#");
    const char *query = to[path] == '?' ? to + path + 1 : "";
    size_t query_len = strcspn(query, "#");
    hor_buf_add(&out, to, path);
    hor_buf_putc(&out, '?');
    struct hor_form form;
    static const char *const except[] = {"message", NULL};
    if (hor_form_parse(query, query_len, &form, NULL) == HOR_OK) {
        size_t before = out.len;
        hor_form_write(&form, except, &out);
        if (out.len > before)
            hor_buf_putc(&out, '&');
        hor_form_done(&form);
    }
    hor_buf_printf(&out, "message=%s", id);
    return hor_buf_take(&out);
}

void hor_visit_show_note(struct hor_visit *visit, const char *id, struct hor_buf *out)
{
    struct hor_controller *controller = visit->controller;
    int64_t now_ms = hor_clock_monotonic_ms();
    mtx_lock(&controller->notes_mutex);
    for (unsigned i = 0; i < HOR_NOTES; i++) {
        const struct hor_note *note = &controller->notes[i];
        if (note->xml != NULL && strcmp(note->id, id) == 0 &&
            strcmp(note->session, visit->who.session) == 0 && now_ms - note->at_ms < NOTE_MS)
            hor_buf_puts(out, note->xml);
    }
    mtx_unlock(&controller->notes_mutex);
}

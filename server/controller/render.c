/* server/controller/render.c - asking a service, and making a page of the answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "server/controller/internal.h"

int hor_visit_ask(struct hor_visit *visit, const char *request, size_t len, struct hor_buf *answer,
                  struct hor_error *err)
{
    const struct hor_controller_backend *backend = &visit->controller->backend;
    return backend->call(&visit->who, request, len, answer, backend->ctx, err);
}

int hor_status_of(int code)
{
    switch (code) {
    case HOR_OK:
        return 200;
    case HOR_ERR_NOT_FOUND:
        return 404;
    case HOR_ERR_DENIED:
        return 403;
    case HOR_ERR_INVALID:
    case HOR_ERR_LIMIT:
        return 400;
    case HOR_ERR_CONFLICT:
    case HOR_ERR_STATE:
    case HOR_ERR_EXISTS:
        return 409;
    case HOR_ERR_BUSY:
    case HOR_ERR_NOT_ACTIVE:
    case HOR_ERR_UNREACHABLE:
    case HOR_ERR_TIMEOUT:
        return 503;
    default:
        return 500;
    }
}

void hor_fault_write(const struct hor_buf *answer, int code, const struct hor_error *err,
                     struct hor_buf *out)
{
    hor_buf_puts(out, "<fault>");
    if (answer != NULL && answer->len > 0 && !answer->failed)
        hor_buf_add(out, answer->data, answer->len);
    else {
        const char *name = code == HOR_ERR_NOT_FOUND  ? "NotFound"
                           : code == HOR_ERR_DENIED   ? "NotAuthorized"
                           : code == HOR_ERR_INVALID  ? "InvalidRequest"
                           : code == HOR_ERR_CONFLICT ? "Conflict"
                           : code == HOR_ERR_BUSY     ? "Busy"
                                                      : "Internal";
        hor_buf_printf(out, "<%s xmlns=\"urn:horarium:types:1\"><code>%s</code><text>", name, name);
        hor_buf_xml(out, err != NULL ? err->text : hor_error_words(code));
        hor_buf_printf(out, "</text><correlation/><retryable>false</retryable></%s>", name);
    }
    hor_buf_puts(out, "</fault>");
}

static void attribute(struct hor_buf *out, const char *name, const char *value)
{
    hor_buf_printf(out, " %s=\"", name);
    hor_buf_xml(out, value);
    hor_buf_putc(out, '"');
}

static void choice(const struct hor_visit *visit, const char *cookie, const char *name,
                   const char *const *values, struct hor_buf *out)
{
    char got[16];
    size_t chosen = 0;
    if (hor_visit_cookie(visit, cookie, got, sizeof got)) {
        for (size_t i = 0; values[i] != NULL; i++)
            chosen = strcmp(values[i], got) == 0 ? i : chosen;
    }
    attribute(out, name, values[chosen]);
}

static void write_query(const struct hor_visit *visit, struct hor_buf *out)
{
    static const char *const transient[] = {"message", "format", NULL};
    static const char *const paging[] = {"message", "format", "cursor", NULL};
    struct hor_buf text = HOR_BUF_INIT;
    hor_form_write(&visit->form, transient, &text);
    attribute(out, "query", hor_buf_text(&text));
    hor_buf_clear(&text);
    hor_form_write(&visit->form, paging, &text);
    attribute(out, "filter", hor_buf_text(&text));
    hor_buf_done(&text);
}

/* The rights of the person decide which actions a page offers. */
static void write_who(struct hor_visit *visit, struct hor_buf *out)
{
    static const char ask[] = "<WhoAmI xmlns=\"urn:horarium:supervisor:1\"/>";
    struct hor_buf answer = HOR_BUF_INIT;
    if (visit->known && hor_visit_ask(visit, ask, sizeof ask - 1, &answer, NULL) == HOR_OK &&
        answer.len > 0) {
        hor_buf_puts(out, "<who>");
        hor_buf_add(out, answer.data, answer.len);
        hor_buf_puts(out, "</who>");
    }
    hor_buf_done(&answer);
}

static void write_page(struct hor_visit *visit, const struct hor_buf *inner, struct hor_buf *out)
{
    static const char *const themes[] = {"auto", "light", "dark", NULL};
    static const char *const zones[] = {"utc", "browser", NULL};
    char text[HOR_TIME_TEXT_BYTES], csrf[65], request[HOR_UUID_BYTES];
    const char *method = hor_http_method(visit->http);
    bool get = method != NULL && strcmp(method, "GET") == 0;
    hor_buf_puts(out, "<page xmlns=\"urn:horarium:controller:1\"");
    attribute(out, "name", visit->page);
    struct hor_buf path = HOR_BUF_INIT; /* after a POST this is where a form returns to */
    hor_buf_printf(&path, "/controller/%s", get ? visit->page : "overview");
    attribute(out, "path", hor_buf_text(&path));
    hor_buf_done(&path);
    if (get)
        write_query(visit, out);
    if (visit->known) {
        attribute(out, "user", visit->who.user);
        hor_visit_csrf(visit, csrf);
        attribute(out, "csrf", csrf);
    }
    hor_uuid(request);
    attribute(out, "request", request);
    attribute(out, "now", hor_time_format_us(hor_clock_utc_us(), text));
    attribute(out, "static", visit->controller->static_tag);
    attribute(out, "version", visit->controller->version);
    choice(visit, "horarium-theme", "theme", themes, out);
    choice(visit, "horarium-zone", "zone", zones, out);
    hor_buf_printf(out, " position=\"%llu\"",
                   (unsigned long long)atomic_load(&visit->controller->position));
    hor_buf_puts(out, hor_buf_text(&visit->extra));
    hor_buf_puts(out, "><query>");
    for (size_t i = 0; i < visit->form.count && get; i++) {
        hor_buf_puts(out, "<value");
        attribute(out, "name", visit->form.values[i].name);
        hor_buf_putc(out, '>');
        hor_buf_xml(out, visit->form.values[i].value);
        hor_buf_puts(out, "</value>");
    }
    hor_buf_puts(out, "</query>");
    write_who(visit, out);
    const char *message = get ? hor_form_get(&visit->form, "message", 0) : NULL;
    if (message != NULL && visit->known)
        hor_visit_show_note(visit, message, out);
    hor_buf_add(out, inner->data, inner->len);
    hor_buf_puts(out, "</page>");
}

enum hor_http_outcome hor_visit_render(struct hor_visit *visit, const char *sheet, int status,
                                       const struct hor_buf *inner)
{
    struct hor_error err = {0};
    struct hor_buf page = HOR_BUF_INIT;
    char own[64];
    if (sheet == NULL) {
        snprintf(own, sizeof own, "%s.xsl", visit->page);
        sheet = own;
    }
    write_page(visit, inner, &page);
    int code = page.failed || inner->failed
                   ? hor_error_set(&err, HOR_ERR_MEMORY, "out of memory")
                   : hor_xslt_apply(visit->controller->xslt, sheet, page.data, page.len, NULL,
                                    &visit->response->body, &err);
    hor_buf_done(&page);
    if (code != HOR_OK || visit->response->body.failed) {
        hor_buf_clear(&visit->response->body);
        hor_log_error("page='%s' sheet='%s': %s", visit->page, sheet, err.text);
        return hor_visit_plain(visit, 500, "This page could not be made; the log of the Supervisor "
                                           "says why.");
    }
    visit->response->status = status;
    hor_http_header(visit->response, "Content-Type", "text/html; charset=utf-8");
    hor_http_header(visit->response, "Cache-Control", "no-store");
    hor_visit_security_headers(visit->response);
    return HOR_HTTP_ANSWER;
}

/* server/controller/controller.c - start and end, static files, and where each request goes. */
#include "server/controller/controller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/base64.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/xml/xml.h"
#include "server/controller/internal.h"

enum { STATIC_BYTES = 1024 * 1024, FORM_BYTES = 1024 * 1024 };

static const struct {
    const char *name, *type;
} static_files[HOR_STATIC_FILES] = {
    {"style.css", "text/css; charset=utf-8"},
    {"controller.js", "text/javascript; charset=utf-8"},
    {"icon.svg", "image/svg+xml"},
};

static int load_static(struct hor_controller *controller, const char *folder, struct hor_error *err)
{
    struct hor_buf tags = HOR_BUF_INIT;
    int code = HOR_OK;
    for (size_t i = 0; i < HOR_STATIC_FILES && code == HOR_OK; i++) {
        struct hor_static_file *file = &controller->files[i];
        char *path = hor_path_join(folder, static_files[i].name);
        file->name = static_files[i].name;
        file->type = static_files[i].type;
        code = path == NULL ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                            : hor_file_read(path, STATIC_BYTES, &file->content, err);
        free(path);
        hor_sha256_hex(file->content.data, file->content.len, file->tag);
        hor_buf_puts(&tags, file->tag);
    }
    char tag[65];
    hor_sha256_hex(tags.data, tags.len, tag);
    memcpy(controller->static_tag, tag, sizeof controller->static_tag - 1);
    hor_buf_done(&tags);
    return code;
}

/* Renders an empty page with a sheet: a fault in one shows at the start, not to a user. */
static int try_sheets(struct hor_controller *controller, struct hor_error *err)
{
    static const char *const sheets[] = {
        "sign-in.xsl", "error.xsl",         "overview.xsl",   "plan.xsl",     "orders.xsl",
        "order.xsl",   "chains.xsl",        "chain.xsl",      "log.xsl",      "history.xsl",
        "tasks.xsl",   "clusters.xsl",      "releases.xsl",   "release.xsl",  "events.xsl",
        "audit.xsl",   "configuration.xsl", "validation.xsl", "sessions.xsl", "object.xsl",
        "confirm.xsl", "help.xsl",          "csv.xsl"};
    static const char page[] =
        "<page xmlns=\"urn:horarium:controller:1\" now=\"2026-01-01T00:00:00Z\"/>";
    int code = HOR_OK;
    for (size_t i = 0; i < sizeof sheets / sizeof sheets[0] && code == HOR_OK; i++) {
        struct hor_buf out = HOR_BUF_INIT;
        code = hor_xslt_apply(controller->xslt, sheets[i], page, sizeof page - 1, NULL, &out, err);
        hor_buf_done(&out);
    }
    return code;
}

int hor_controller_new(const struct hor_controller_settings *settings, struct hor_controller **ret,
                       struct hor_error *err)
{
    struct hor_controller *controller = calloc(1, sizeof *controller);
    if (controller == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "controller: out of memory");
    mtx_init(&controller->notes_mutex, mtx_plain);
    controller->backend = settings->backend;
    controller->version = hor_strdup(settings->version != NULL ? settings->version : "");
    int code = controller->version != NULL ? HOR_OK
                                           : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (code == HOR_OK &&
        getrandom(controller->key, sizeof controller->key, 0) != (ssize_t)sizeof controller->key)
        code = hor_error_set(err, HOR_ERR_IO, "no random bytes for the keys of forms");
    if (code == HOR_OK)
        code = load_static(controller, settings->folder, err);
    if (code == HOR_OK)
        code = hor_xslt_open(settings->folder, &controller->xslt, err);
    if (code == HOR_OK)
        code = try_sheets(controller, err);
    if (code != HOR_OK) {
        hor_error_prefix(err, "controller");
        hor_controller_free(controller);
        return code;
    }
    *ret = controller;
    return HOR_OK;
}

void hor_controller_free(struct hor_controller *controller)
{
    if (controller == NULL)
        return;
    hor_xslt_close(controller->xslt);
    for (size_t i = 0; i < HOR_STATIC_FILES; i++)
        hor_buf_done(&controller->files[i].content);
    for (size_t i = 0; i < HOR_NOTES; i++)
        free(controller->notes[i].xml);
    mtx_destroy(&controller->notes_mutex);
    free(controller->version);
    free(controller);
}

/* Only names of the table are ever looked up: nothing in a path reaches the file system. */
static enum hor_http_outcome give_static(struct hor_visit *visit, const char *name)
{
    const struct hor_static_file *file = NULL;
    for (size_t i = 0; i < HOR_STATIC_FILES; i++) {
        if (strcmp(visit->controller->files[i].name, name) == 0)
            file = &visit->controller->files[i];
    }
    if (file == NULL)
        return hor_visit_plain(visit, 404, "No such file.");
    struct hor_http_response *response = visit->response;
    const char *version = hor_form_get(&visit->form, "v", 0);
    const char *known = hor_http_request_header(visit->http, "If-None-Match");
    char tag[20];
    snprintf(tag, sizeof tag, "\"%.16s\"", file->tag);
    hor_http_header(response, "ETag", tag);
    hor_http_header(response, "Cache-Control",
                    version != NULL && strcmp(version, visit->controller->static_tag) == 0
                        ? "public, max-age=31536000, immutable"
                        : "no-cache");
    hor_visit_security_headers(response);
    if (known != NULL && strstr(known, tag) != NULL) {
        response->status = 304;
        return HOR_HTTP_ANSWER;
    }
    hor_http_header(response, "Content-Type", file->type);
    hor_buf_add(&response->body, file->content.data, file->content.len);
    return HOR_HTTP_ANSWER;
}

/* The session's cookie is not sent when a link of another site or a mail leads here. A page of ours
 * that loads itself again is the same site, and then it is sent. */
static enum hor_http_outcome hop(struct hor_visit *visit)
{
    hor_http_header(visit->response, "Content-Type", "text/html; charset=utf-8");
    hor_http_header(visit->response, "Cache-Control", "no-store");
    hor_visit_security_headers(visit->response);
    hor_buf_puts(&visit->response->body, "<!DOCTYPE html><html lang=\"en\"><head><meta "
                                         "http-equiv=\"refresh\" content=\"0\"><title>Horarium"
                                         "</title></head><body></body></html>\n");
    return HOR_HTTP_ANSWER;
}

static enum hor_http_outcome must_sign_in(struct hor_visit *visit, const char *name)
{
    const char *site = hor_http_request_header(visit->http, "Sec-Fetch-Site");
    const char *format = hor_form_get(&visit->form, "format", 0);
    if (strcmp(name, "changes") == 0 || format != NULL)
        return hor_visit_plain(visit, 401, "Sign in first.");
    if (visit->token[0] == '\0' && site != NULL && strcmp(site, "cross-site") == 0)
        return hop(visit);
    static const char *const transient[] = {"message", NULL};
    struct hor_buf to = HOR_BUF_INIT, next = HOR_BUF_INIT;
    hor_buf_printf(&next, "/controller/%s", name);
    size_t bare = next.len;
    hor_buf_putc(&next, '?');
    hor_form_write(&visit->form, transient, &next);
    if (next.len == bare + 1) {
        next.len = bare;
        next.data[bare] = '\0';
    }
    hor_buf_puts(&to, "/controller/sign-in?next=");
    hor_http_encode(&to, hor_buf_text(&next));
    enum hor_http_outcome outcome = hor_visit_redirect(visit, hor_buf_text(&to));
    hor_buf_done(&to);
    hor_buf_done(&next);
    return outcome;
}

static enum hor_http_outcome get(struct hor_visit *visit, const char *name)
{
    if (hor_str_starts(name, "static/"))
        return give_static(visit, name + 7);
    if (strcmp(name, "sign-in") == 0)
        return hor_controller_sign_in_page(visit, 200, NULL);
    const struct hor_page *page = hor_page_find(name);
    bool log = strcmp(name, "log") == 0, file = strcmp(name, "log-file") == 0;
    bool changes = strcmp(name, "changes") == 0;
    if (page == NULL && !log && !file && !changes)
        return hor_visit_plain(visit, 404, "There is no such page.");
    if (!visit->known)
        return must_sign_in(visit, name);
    if (changes)
        return hor_controller_changes(visit);
    visit->page = page != NULL ? page->name : "log";
    return log    ? hor_controller_log(visit)
           : file ? hor_controller_log_file(visit)
                  : hor_controller_page(visit, page);
}

static enum hor_http_outcome dispatch(struct hor_visit *visit, const char *path, const char *method)
{
    if (strcmp(path, "/") == 0 || strcmp(path, "/controller") == 0 ||
        strcmp(path, "/controller/") == 0)
        return hor_visit_redirect(visit, "/controller/overview");
    if (!hor_str_starts(path, "/controller/"))
        return hor_visit_plain(visit, 404, "There is no such page.");
    const char *name = path + strlen("/controller/");
    if (hor_str_starts(name, "do/")) {
        if (strcmp(method, "POST") == 0)
            return hor_controller_do(visit, name + 3);
        hor_http_header(visit->response, "Allow", "POST");
        return hor_visit_plain(visit, 405, "This address takes forms only.");
    }
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return get(visit, name);
    hor_http_header(visit->response, "Allow", "GET");
    return hor_visit_plain(visit, 405, "This address can only be read.");
}

enum hor_http_outcome hor_controller_handle(struct hor_controller *controller,
                                            const struct hor_http_request *request,
                                            struct hor_http_response *response)
{
    struct hor_visit visit = {.controller = controller,
                              .http = request,
                              .response = response,
                              .page = "error"};
    struct hor_error err = {0};
    const char *method = hor_http_method(request), *path = hor_http_path(request);
    const char *query = hor_http_query(request);
    size_t len = query != NULL ? strlen(query) : 0;
    if (method == NULL || path == NULL)
        return hor_visit_plain(&visit, 400, "This is not a request.");
    bool post = strcmp(method, "POST") == 0;
    const char *form = post ? hor_http_body(request, &len) : query;
    if (len > FORM_BYTES)
        return hor_visit_plain(&visit, 413, "This form is too large.");
    const char *type = hor_http_request_header(request, "Content-Type");
    if (post && len > 0 &&
        (type == NULL || !hor_str_starts(type, "application/x-www-form-urlencoded")))
        return hor_visit_plain(&visit, 415, "Only forms are taken here; the services are at /soap.");
    if (hor_form_parse(form, len, &visit.form, &err) != HOR_OK)
        return hor_visit_plain(&visit, 400, err.text);
    const struct hor_controller_backend *backend = &controller->backend;
    if (hor_visit_cookie(&visit, "horarium-session", visit.token, sizeof visit.token))
        visit.known = backend->identify(visit.token, hor_http_peer(request), &visit.who,
                                        backend->ctx, NULL) == HOR_OK;
    enum hor_http_outcome outcome = dispatch(&visit, path, method);
    if (visit.known && backend->release != NULL)
        backend->release(&visit.who, backend->ctx);
    hor_form_done(&visit.form);
    hor_buf_done(&visit.extra);
    return outcome;
}

/* lib/soap/files.c - WSDL and schemas as clients get them: the address in them is the one by which
 * the client reached us, schema locations are beside the WSDL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/soap/internal.h"

enum { MAX_FILE = 4 << 20, MAX_HOST = 255 };

struct hor_soap_files {
    char *name;                      /* "agent" */
    char *wsdl, *flat, *types, *own; /* texts */
};

/* `folder` is "wsdl" or "xsd"; both kinds may also lie in `dir` itself. */
static int read_one(const char *dir, const char *folder, const char *name, const char *extension,
                    char **ret, struct hor_error *err)
{
    struct hor_buf text = HOR_BUF_INIT;
    char *path = hor_str_printf("%s/%s/%s.%s", dir, folder, name, extension);
    if (path != NULL && access(path, R_OK) != 0) {
        char *beside = hor_str_printf("%s/%s.%s", dir, name, extension);
        if (beside != NULL && access(beside, R_OK) == 0) {
            free(path);
            path = beside;
        } else {
            free(beside); /* the message names the usual place */
        }
    }
    int rc = path != NULL ? hor_file_read(path, MAX_FILE, &text, err)
                          : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    free(path);
    if (rc == HOR_OK && (*ret = hor_buf_take(&text)) == NULL)
        rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    hor_buf_done(&text);
    return rc;
}

/* Adds `text` with every `from` replaced by `to`. */
static void add_replaced(struct hor_buf *out, const char *text, size_t len, const char *from,
                         const char *to)
{
    const char *end = text + len, *hit;
    while (text < end && (hit = strstr(text, from)) != NULL && hit < end) {
        hor_buf_add(out, text, (size_t)(hit - text));
        hor_buf_puts(out, to);
        text = hit + strlen(from);
    }
    if (text < end)
        hor_buf_add(out, text, (size_t)(end - text));
}

static void add_schema(struct hor_buf *out, const char *xsd)
{
    const char *begin = strstr(xsd, "<xsd:schema");
    if (begin != NULL)
        add_replaced(out, begin, strlen(begin), " schemaLocation=\"types.xsd\"", "");
}

/* The WSDL with the schemas inside, for tools that fetch one file only. */
static char *flatten(const char *wsdl, const char *types, const char *own)
{
    static const char open[] = "<xsd:schema>", close[] = "</xsd:schema>";
    const char *begin = strstr(wsdl, open), *end = begin != NULL ? strstr(begin, close) : NULL;
    struct hor_buf out = HOR_BUF_INIT;
    if (end == NULL)
        return NULL;
    hor_buf_add(&out, wsdl, (size_t)(begin - wsdl));
    add_schema(&out, types);
    add_schema(&out, own);
    hor_buf_puts(&out, end + sizeof close - 1);
    return hor_buf_take(&out);
}

int hor_soap_files_load(const char *dir, const char *name, struct hor_soap_files **ret,
                        struct hor_error *err)
{
    struct hor_soap_files *files = calloc(1, sizeof *files);
    if (files == NULL || (files->name = hor_strdup(name)) == NULL) {
        hor_soap_files_free(files);
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    int rc = read_one(dir, "wsdl", name, "wsdl", &files->wsdl, err);
    if (rc == HOR_OK)
        rc = read_one(dir, "xsd", "types", "xsd", &files->types, err);
    if (rc == HOR_OK)
        rc = read_one(dir, "xsd", name, "xsd", &files->own, err);
    if (rc == HOR_OK && (files->flat = flatten(files->wsdl, files->types, files->own)) == NULL)
        rc = hor_error_set(err, HOR_ERR_INVALID, "%s.wsdl: no place for the schemas", name);
    if (rc != HOR_OK) {
        hor_soap_files_free(files);
        return rc;
    }
    *ret = files;
    return HOR_OK;
}

void hor_soap_files_free(struct hor_soap_files *files)
{
    if (files == NULL)
        return;
    free(files->name);
    free(files->wsdl);
    free(files->flat);
    free(files->types);
    free(files->own);
    free(files);
}

/* "https://HOST" of this request; a Host header that could break the document counts as none. */
static void add_address(struct hor_buf *out, const struct hor_http_request *request)
{
    const char *host = hor_http_request_header(request, "Host");
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-:[]_";
    if (host == NULL || *host == '\0' || strlen(host) > MAX_HOST ||
        host[strspn(host, allowed)] != '\0')
        host = "localhost";
    hor_buf_printf(out, "%s://%s/soap/", hor_http_is_tls(request) ? "https" : "http", host);
}

static void answer_wsdl(const struct hor_soap_files *files, const char *wsdl,
                        const struct hor_http_request *request, struct hor_buf *out)
{
    struct hor_buf address = HOR_BUF_INIT, first = HOR_BUF_INIT;
    static const char attribute[] = "address location=\"";
    add_address(&address, request);
    hor_buf_puts(&address, files->name);
    add_replaced(&first, wsdl, strlen(wsdl), "\"../xsd/", "\"");
    const char *text = hor_buf_text(&first), *hit;
    while ((hit = strstr(text, attribute)) != NULL) {
        const char *value = hit + sizeof attribute - 1;
        hor_buf_add(out, text, (size_t)(value - text));
        hor_buf_xml(out, hor_buf_text(&address));
        text = value + strcspn(value, "\"");
    }
    hor_buf_puts(out, text);
    if (first.failed || address.failed)
        out->failed = true;
    hor_buf_done(&first);
    hor_buf_done(&address);
}

void hor_soap_files_answer(const struct hor_soap_files *files,
                           const struct hor_http_request *request,
                           struct hor_http_response *response)
{
    const char *path = hor_http_path(request), *query = hor_http_query(request);
    const char *file = path + strlen("/soap/");
    char own_wsdl[80], flat_wsdl[80], own_xsd[80];
    snprintf(own_wsdl, sizeof own_wsdl, "%s.wsdl", files->name);
    snprintf(flat_wsdl, sizeof flat_wsdl, "%s-flat.wsdl", files->name);
    snprintf(own_xsd, sizeof own_xsd, "%s.xsd", files->name);
    bool asks = query != NULL && strncasecmp(query, "wsdl", 4) == 0;
    hor_http_header(response, "Content-Type", "text/xml; charset=utf-8");
    if ((strcmp(file, files->name) == 0 && asks) || strcmp(file, own_wsdl) == 0) {
        answer_wsdl(files, files->wsdl, request, &response->body);
    } else if (strcmp(file, flat_wsdl) == 0) {
        answer_wsdl(files, files->flat, request, &response->body);
    } else if (strcmp(file, "types.xsd") == 0) {
        hor_buf_puts(&response->body, files->types);
    } else if (strcmp(file, own_xsd) == 0) {
        hor_buf_puts(&response->body, files->own);
    } else {
        hor_buf_clear(&response->headers);
        hor_http_header(response, "Content-Type", "text/plain; charset=utf-8");
        response->status = 404;
        hor_buf_printf(&response->body,
                       "There is no such file. This service is at /soap/%s, its description at "
                       "/soap/%s?wsdl and, in one piece, /soap/%s.\n",
                       files->name, files->name, flat_wsdl);
    }
}

/* lib/http/head.c - the head of a request: request line and fields (RFC 9112), strictly. What has
 * two readings is refused: a proxy in front could see another request than we do. Pure. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/http/internal.h"

static bool is_token(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes the path; NULL for control bytes, bad escapes and "..". */
static char *decode_path(const char *raw, size_t len)
{
    char *path = malloc(len + 1);
    if (path == NULL)
        return NULL;
    size_t to = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)raw[i];
        if (c == '%') {
            int high = i + 2 < len ? hex_value(raw[i + 1]) : -1;
            int low = i + 2 < len ? hex_value(raw[i + 2]) : -1;
            if (high < 0 || low < 0)
                goto bad;
            c = (unsigned char)(high * 16 + low);
            i += 2;
        }
        if (c < 0x20 || c == 0x7f)
            goto bad;
        path[to++] = (char)c;
    }
    path[to] = '\0';
    for (const char *part = path; part != NULL; part = strchr(part + 1, '/')) {
        size_t part_len = strcspn(part + 1, "/");
        if (*part == '/' && part_len == 2 && part[1] == '.' && part[2] == '.')
            goto bad;
    }
    return path;
bad:
    free(path);
    return NULL;
}

static int parse_target(struct hor_http_request *request, char *target, const char **ret_reason)
{
    *ret_reason = "the address is not an absolute path";
    if (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0) {
        target = strchr(target, ':') + 3;
        target += strcspn(target, "/?");
    }
    if (*target != '/' || strchr(target, '#') != NULL)
        return 400;
    char *query = strchr(target, '?');
    if (query != NULL) {
        *query = '\0';
        request->query = query + 1;
    }
    request->path = decode_path(target, strlen(target));
    *ret_reason = "the address holds an escape or a part that is not allowed";
    return request->path != NULL ? 0 : 400;
}

static int parse_request_line(struct hor_http_request *request, char *line, const char **ret_reason)
{
    char *space = strchr(line, ' ');
    char *version = space != NULL ? strrchr(space + 1, ' ') : NULL;
    *ret_reason = "the first line is no request line";
    if (space == NULL || space == line || version == NULL || version == space + 1 ||
        strchr(space + 1, ' ') != version)
        return 400;
    *space = '\0';
    *version++ = '\0';
    for (const char *c = line; *c != '\0'; c++) {
        if (!is_token((unsigned char)*c))
            return 400;
    }
    request->method = line;
    request->is_head = strcmp(line, "HEAD") == 0;
    if (strcmp(version, "HTTP/1.1") == 0) {
        request->http_1_1 = true;
    } else if (strcmp(version, "HTTP/1.0") != 0) {
        bool other = strncmp(version, "HTTP/", 5) == 0;
        *ret_reason = other ? "only HTTP/1.1 and HTTP/1.0 are spoken here" : *ret_reason;
        return other ? 505 : 400;
    }
    return parse_target(request, space + 1, ret_reason);
}

static int parse_field(struct hor_http_request *request, char *line, const char **ret_reason)
{
    char *colon = strchr(line, ':');
    *ret_reason = "a header line is malformed";
    if (colon == NULL || colon == line)
        return 400;
    for (const char *c = line; c < colon; c++) {
        if (!is_token((unsigned char)*c)) /* a folded line starts with a space: refused too */
            return 400;
    }
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t len = strlen(value);
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        value[--len] = '\0';
    if (request->field_count == HOR_HTTP_MAX_FIELDS) {
        *ret_reason = "too many header lines";
        return 431;
    }
    request->fields[request->field_count++] = (struct hor_http_field){line, value};
    return 0;
}

/* A field that must not be there twice. */
static const char *only(const struct hor_http_request *request, const char *name, bool *ret_twice)
{
    const char *found = NULL;
    for (unsigned i = 0; i < request->field_count; i++) {
        if (strcasecmp(request->fields[i].name, name) == 0) {
            if (found != NULL)
                *ret_twice = true;
            found = request->fields[i].value;
        }
    }
    return found;
}

static bool has_word(const char *list, const char *word)
{
    size_t len = strlen(word);
    while (list != NULL && *list != '\0') {
        list += strspn(list, " \t,");
        size_t here = strcspn(list, " \t,");
        if (here == len && strncasecmp(list, word, len) == 0)
            return true;
        list += here;
    }
    return false;
}

static int parse_framing(struct hor_http_request *request, const char **ret_reason)
{
    bool twice = false;
    const char *host = only(request, "Host", &twice);
    const char *length = only(request, "Content-Length", &twice);
    const char *coding = only(request, "Transfer-Encoding", &twice);
    const char *expect = only(request, "Expect", &twice);
    *ret_reason = "Host, Content-Length, Transfer-Encoding and Expect may be there once";
    if (twice)
        return 400;
    *ret_reason = "HTTP/1.1 asks for a Host header";
    if (host == NULL && request->http_1_1)
        return 400;
    *ret_reason = "Content-Length and Transfer-Encoding exclude one another";
    if (length != NULL && coding != NULL)
        return 400;
    if (coding != NULL) {
        *ret_reason = "the only Transfer-Encoding here is chunked";
        if (!request->http_1_1 || strcasecmp(coding, "chunked") != 0)
            return 501;
        request->chunked = true;
    }
    if (length != NULL) {
        *ret_reason = "Content-Length is not a number";
        if (*length == '\0' || length[strspn(length, "0123456789")] != '\0')
            return 400;
        *ret_reason = "the body is too large";
        if (strlen(length) > 18)
            return 413;
        request->content_length = strtoull(length, NULL, 10);
    }
    if (expect != NULL) {
        *ret_reason = "the only Expect here is 100-continue";
        if (strcasecmp(expect, "100-continue") != 0)
            return 417;
        request->wants_continue = request->http_1_1;
    }
    const char *connection = hor_http_request_header(request, "Connection");
    request->keep_alive =
        request->http_1_1 ? !has_word(connection, "close") : has_word(connection, "keep-alive");
    request->state.step = request->chunked              ? HOR_BODY_SIZE
                          : request->content_length > 0 ? HOR_BODY_LENGTH
                                                        : HOR_BODY_COMPLETE;
    request->state.left = request->content_length;
    return 0;
}

int hor_http_parse_head(struct hor_http_request *request, char *take_head, size_t len,
                        const char **ret_reason)
{
    request->head = take_head;
    *ret_reason = "a control character stands in the header";
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)take_head[i];
        bool line_end = (c == '\r' && i + 1 < len && take_head[i + 1] == '\n') ||
                        (c == '\n' && i > 0 && take_head[i - 1] == '\r');
        if ((c < 0x20 && c != '\t' && !line_end) || c == 0x7f)
            return 400;
    }
    int status = 0;
    char *line = take_head;
    for (bool first = true; status == 0; first = false) {
        char *end = strstr(line, "\r\n"); /* the caller saw the empty line at the end */
        if (end == NULL || end == line)
            break;
        *end = '\0';
        status = first ? parse_request_line(request, line, ret_reason)
                       : parse_field(request, line, ret_reason);
        line = end + 2;
    }
    if (status == 0 && request->method == NULL) {
        *ret_reason = "the first line is no request line";
        status = 400;
    }
    return status != 0 ? status : parse_framing(request, ret_reason);
}

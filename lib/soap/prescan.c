/* lib/soap/prescan.c - the first look at a message. */
#include "lib/soap/prescan.h"

#include <stdbool.h>
#include <string.h>

struct scan {
    const char *at, *end;
    unsigned depth;
    unsigned long elements, attributes, namespaces;
};

static bool starts(const struct scan *scan, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(scan->end - scan->at) >= len && memcmp(scan->at, text, len) == 0;
}

/* Goes behind the next `text`; false when there is none. */
static bool skip_past(struct scan *scan, const char *text)
{
    size_t len = strlen(text);
    while ((size_t)(scan->end - scan->at) >= len) {
        const char *hit = memchr(scan->at, text[0], (size_t)(scan->end - scan->at) - len + 1);
        if (hit == NULL)
            break;
        if (memcmp(hit, text, len) == 0) {
            scan->at = hit + len;
            return true;
        }
        scan->at = hit + 1;
    }
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool contains(const char *from, const char *to, const char *text)
{
    size_t len = strlen(text);
    for (; (size_t)(to - from) >= len; from++) {
        size_t i = 0;
        while (i < len && (from[i] | 0x20) == (text[i] | 0x20))
            i++;
        if (i == len)
            return true;
    }
    return false;
}

/* <?xml version="1.0" encoding="UTF-8"?>, at the very beginning only. */
static int declaration(struct scan *scan, struct hor_error *err)
{
    const char *from = scan->at;
    if (!skip_past(scan, "?>") || scan->at - from > 200)
        return hor_error_set(err, HOR_ERR_INVALID, "the XML declaration does not end");
    if (contains(from, scan->at, "encoding") && !contains(from, scan->at, "utf-8") &&
        !contains(from, scan->at, "us-ascii"))
        return hor_error_set(err, HOR_ERR_INVALID, "the only encoding here is UTF-8");
    return HOR_OK;
}

/* One attribute, from its first character to behind the closing quote. */
static int attribute(struct scan *scan, struct hor_error *err)
{
    const char *name = scan->at;
    if (starts(scan, "xmlns") && ++scan->namespaces > HOR_PRESCAN_NAMESPACES)
        return hor_error_set(err, HOR_ERR_LIMIT, "more than %d namespace declarations",
                             HOR_PRESCAN_NAMESPACES);
    while (scan->at < scan->end && *scan->at != '=' && *scan->at != '>' && *scan->at != '<')
        scan->at++;
    if (scan->at - name > HOR_PRESCAN_NAME)
        return hor_error_set(err, HOR_ERR_LIMIT, "a name has more than %d characters",
                             HOR_PRESCAN_NAME);
    if (scan->at == scan->end || *scan->at != '=')
        return hor_error_set(err, HOR_ERR_INVALID, "an attribute has no value");
    scan->at++;
    while (scan->at < scan->end && is_space(*scan->at))
        scan->at++;
    if (scan->at == scan->end || (*scan->at != '"' && *scan->at != '\''))
        return hor_error_set(err, HOR_ERR_INVALID, "an attribute's value has no quotes");
    const char *close = memchr(scan->at + 1, *scan->at, (size_t)(scan->end - scan->at) - 1);
    if (close == NULL)
        return hor_error_set(err, HOR_ERR_INVALID, "an attribute's value does not end");
    scan->at = close + 1;
    return HOR_OK;
}

static int start_tag(struct scan *scan, struct hor_error *err)
{
    const char *name = ++scan->at;
    unsigned count = 0;
    while (scan->at < scan->end && !is_space(*scan->at) && *scan->at != '>' && *scan->at != '/' &&
           *scan->at != '<')
        scan->at++;
    if (scan->at == name)
        return hor_error_set(err, HOR_ERR_INVALID, "a '<' stands where no tag is");
    if (scan->at - name > HOR_PRESCAN_NAME)
        return hor_error_set(err, HOR_ERR_LIMIT, "a name has more than %d characters",
                             HOR_PRESCAN_NAME);
    if (++scan->elements > HOR_PRESCAN_ELEMENTS)
        return hor_error_set(err, HOR_ERR_LIMIT, "more than %d elements", HOR_PRESCAN_ELEMENTS);
    if (++scan->depth > HOR_PRESCAN_DEPTH)
        return hor_error_set(err, HOR_ERR_LIMIT, "elements are nested deeper than %d",
                             HOR_PRESCAN_DEPTH);
    for (;;) {
        while (scan->at < scan->end && is_space(*scan->at))
            scan->at++;
        if (scan->at == scan->end)
            return hor_error_set(err, HOR_ERR_INVALID, "a tag does not end");
        if (*scan->at == '>') {
            scan->at++;
            return HOR_OK;
        }
        if (starts(scan, "/>")) {
            scan->at += 2;
            scan->depth--;
            return HOR_OK;
        }
        if (++count > HOR_PRESCAN_ATTRIBUTES)
            return hor_error_set(err, HOR_ERR_LIMIT, "an element has more than %d attributes",
                                 HOR_PRESCAN_ATTRIBUTES);
        if (++scan->attributes > HOR_PRESCAN_ALL_ATTRIBUTES)
            return hor_error_set(err, HOR_ERR_LIMIT, "more than %d attributes",
                                 HOR_PRESCAN_ALL_ATTRIBUTES);
        int rc = attribute(scan, err);
        if (rc != HOR_OK)
            return rc;
    }
}

static int markup(struct scan *scan, struct hor_error *err)
{
    if (starts(scan, "<!--")) {
        scan->at += 4;
        return skip_past(scan, "-->")
                   ? HOR_OK
                   : hor_error_set(err, HOR_ERR_INVALID, "a comment does not end");
    }
    if (starts(scan, "<![CDATA[")) {
        scan->at += 9;
        return skip_past(scan, "]]>")
                   ? HOR_OK
                   : hor_error_set(err, HOR_ERR_INVALID, "a CDATA section does not end");
    }
    if (starts(scan, "<!"))
        return hor_error_set(err, HOR_ERR_INVALID, "a document type is not allowed");
    if (starts(scan, "<?"))
        return hor_error_set(err, HOR_ERR_INVALID, "a processing instruction is not allowed");
    if (starts(scan, "</")) {
        if (scan->depth == 0)
            return hor_error_set(err, HOR_ERR_INVALID, "more elements end than begin");
        scan->depth--;
        return skip_past(scan, ">") ? HOR_OK
                                    : hor_error_set(err, HOR_ERR_INVALID, "a tag does not end");
    }
    return start_tag(scan, err);
}

int hor_soap_prescan(const char *bytes, size_t len, struct hor_error *err)
{
    struct scan scan = {.at = bytes, .end = bytes + len};
    if (memchr(bytes, '\0', len) != NULL)
        return hor_error_set(err, HOR_ERR_INVALID, "a zero byte stands in the message");
    if (starts(&scan, "\xef\xbb\xbf"))
        scan.at += 3;
    int rc = starts(&scan, "<?xml") ? declaration(&scan, err) : HOR_OK;
    while (scan.at < scan.end && is_space(*scan.at))
        scan.at++;
    if (rc == HOR_OK && (scan.at == scan.end || *scan.at != '<'))
        return hor_error_set(err, HOR_ERR_INVALID, "the message is no XML in UTF-8");
    while (rc == HOR_OK && scan.at < scan.end) {
        scan.at = memchr(scan.at, '<', (size_t)(scan.end - scan.at));
        if (scan.at == NULL)
            break;
        rc = markup(&scan, err);
    }
    if (rc == HOR_OK && scan.depth != 0)
        return hor_error_set(err, HOR_ERR_INVALID, "the message is cut off");
    return rc;
}

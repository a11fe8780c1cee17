#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <stdlib.h>
#include <string.h>

#include "lib/xml/internal.h"
#include "lib/xml/xpath_internal.h"

static bool starts_name(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (unsigned char)c >= 128;
}

static bool in_name(char c)
{
    return starts_name(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/* The length of a QName at `text`. An axis' "::" does not belong to it. */
static size_t name_length(const char *text)
{
    size_t len = 0;
    if (!starts_name(text[0]))
        return 0;
    while (in_name(text[len]))
        len++;
    if (text[len] == ':' && starts_name(text[len + 1])) {
        len++;
        while (in_name(text[len]))
            len++;
    }
    return len;
}

static bool is_one_of(const char *const *names, const char *name, size_t len)
{
    for (; *names != NULL; names++)
        if (strlen(*names) == len && memcmp(*names, name, len) == 0)
            return true;
    return false;
}

/* Function calls, node tests and operators may all stand before a parenthesis. */
static bool is_callable(const char *name, size_t len)
{
    static const char *const names[] = {
        "last",       "position",         "count",           "id",           "local-name",
        "name",       "namespace-uri",    "string",          "concat",       "starts-with",
        "contains",   "substring-before", "substring-after", "substring",    "string-length",
        "translate",  "normalize-space",  "boolean",         "not",          "true",
        "false",      "lang",             "number",          "sum",          "floor",
        "ceiling",    "round",            "comment",         "text",         "node",
        "and",        "or",               "div",             "mod",          "processing-instruction",
        NULL};
    if (len > 2 && memcmp(name, "h:", 2) == 0)
        return hor_xpath_has_function(name + 2, len - 2);
    return is_one_of(names, name, len);
}

/* XPath's grammar is checked by libxml2; what it leaves to evaluation is found in the text. */
static int check_names(const char *expression, hor_xpath_known_fn *known, void *ctx,
                       struct hor_error *err)
{
    for (const char *at = expression; *at != '\0';) {
        if (*at == '"' || *at == '\'') {
            const char *close = strchr(at + 1, *at);
            if (close == NULL)
                break;
            at = close + 1;
            continue;
        }
        bool variable = *at == '$';
        if (variable)
            at++;
        while (variable && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
            at++;
        size_t len = name_length(at);
        if (len == 0) {
            at += variable ? 0 : 1;
            continue;
        }
        const char *after = at + len + strspn(at + len, " \t\r\n");
        char name[HOR_XPATH_BYTES + 1];
        memcpy(name, at, len);
        name[len] = '\0';
        if (variable && known != NULL && !known(name, ctx))
            return hor_error_set(err, HOR_ERR_INVALID, "unknown variable $%s", name);
        if (!variable && *after == '(' && !is_callable(at, len))
            return hor_error_set(err, HOR_ERR_INVALID, "unknown function %s()", name);
        at += len;
    }
    return HOR_OK;
}

int hor_xpath_check(const char *expression, hor_xpath_known_fn *known, void *ctx,
                    struct hor_error *err)
{
    if (strlen(expression) > HOR_XPATH_BYTES)
        return hor_error_set(err, HOR_ERR_LIMIT, "XPath '%.40s...' is longer than %d bytes",
                             expression, HOR_XPATH_BYTES);
    hor_xml_init();
    struct hor_xml_catch catching;
    hor_xml_catch_begin(&catching, NULL, NULL);
    xmlXPathCompExprPtr compiled = xmlXPathCompile(BAD_CAST expression);
    if (compiled == NULL && catching.first.code == HOR_OK)
        hor_xml_catch_add(&catching, HOR_ERR_INVALID, 0, NULL, "not an expression");
    xmlXPathFreeCompExpr(compiled);
    int code = hor_xml_catch_end(&catching, err);
    if (code == HOR_OK)
        code = check_names(expression, known, ctx, err);
    if (code != HOR_OK)
        hor_error_prefix(err, "XPath '%.200s'", expression);
    return code;
}

/* The end of an expression that begins at `text`: a brace outside of literals; NULL: none. */
static const char *expression_end(const char *text)
{
    char quote = '\0';
    for (; *text != '\0'; text++) {
        if (quote != '\0')
            quote = *text == quote ? '\0' : quote;
        else if (*text == '"' || *text == '\'')
            quote = *text;
        else if (*text == '}')
            return text;
    }
    return NULL;
}

int hor_template_walk(const char *text, struct hor_buf *plain, hor_template_fn *fn, void *ctx,
                      struct hor_error *err)
{
    for (const char *at = text; *at != '\0';) {
        size_t len = strcspn(at, "{}");
        if (plain != NULL)
            hor_buf_add(plain, at, len);
        at += len;
        if (*at == '\0')
            break;
        if (at[0] == at[1]) {
            if (plain != NULL)
                hor_buf_putc(plain, *at);
            at += 2;
            continue;
        }
        const char *end = *at == '{' ? expression_end(at + 1) : NULL;
        if (end == NULL)
            return hor_error_set(err, HOR_ERR_INVALID, "'%.200s': a single '%c', write '%c%c' for a brace",
                                 text, *at, *at, *at);
        if ((size_t)(end - at - 1) > HOR_XPATH_BYTES)
            return hor_error_set(err, HOR_ERR_LIMIT, "XPath '%.40s...' is longer than %d bytes", at,
                                 HOR_XPATH_BYTES);
        int code = fn(at + 1, (size_t)(end - at - 1), ctx, err);
        if (code != HOR_OK)
            return code;
        at = end + 1;
    }
    return HOR_OK;
}

struct known {
    hor_xpath_known_fn *fn;
    void *ctx;
};

static int check_one(const char *expression, size_t len, void *ctx, struct hor_error *err)
{
    const struct known *known = ctx;
    char copy[HOR_XPATH_BYTES + 1];
    memcpy(copy, expression, len);
    copy[len] = '\0';
    return hor_xpath_check(copy, known->fn, known->ctx, err);
}

int hor_template_check(const char *text, hor_xpath_known_fn *known, void *ctx,
                       struct hor_error *err)
{
    struct known pair = {known, ctx};
    return hor_template_walk(text, NULL, check_one, &pair, err);
}

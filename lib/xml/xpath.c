/* Evaluation. Checks without evaluation are in xpath_check.c, h: functions in xpath_functions.c. */
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/xml/internal.h"
#include "lib/xml/xpath.h"
#include "lib/xml/xpath_internal.h"

enum {
    STEPS = 1000 * 1000,         /* libxml2's operations of one evaluation */
    RESULT_BYTES = 1024 * 1024,
    VALUE_BYTES = 1024 * 1024,   /* of one variable */
    COMPILED_MAX = 1000,         /* expressions kept compiled */
};

struct hor_xpath_scope {
    int64_t now_us;
    xmlXPathContextPtr context;
    xmlDocPtr empty;          /* what expressions without a variable look at */
    struct hor_map *compiled; /* by expression */
    struct hor_map *docs;     /* by variable */
};

static void free_compiled(void *compiled)
{
    xmlXPathFreeCompExpr(compiled);
}

static void free_doc(void *doc)
{
    xmlFreeDoc(doc);
}

struct hor_xpath_scope *hor_xpath_scope_new(int64_t now_us)
{
    hor_xml_init();
    struct hor_xpath_scope *scope = calloc(1, sizeof *scope);
    if (scope == NULL)
        return NULL;
    scope->now_us = now_us;
    scope->empty = xmlNewDoc(BAD_CAST "1.0");
    scope->context = xmlXPathNewContext(scope->empty);
    scope->compiled = hor_map_new(free_compiled);
    scope->docs = hor_map_new(free_doc);
    if (scope->empty == NULL || scope->context == NULL || scope->compiled == NULL ||
        scope->docs == NULL || hor_xpath_register_functions(scope->context) != HOR_OK) {
        hor_xpath_scope_free(scope);
        return NULL;
    }
    scope->context->userData = &scope->now_us;
    scope->context->node = (xmlNodePtr)scope->empty;
    scope->context->opLimit = STEPS;
    return scope;
}

void hor_xpath_scope_free(struct hor_xpath_scope *scope)
{
    if (scope == NULL)
        return;
    xmlXPathFreeContext(scope->context);
    hor_map_free(scope->compiled);
    hor_map_free(scope->docs); /* after the context, whose variables point into them */
    xmlFreeDoc(scope->empty);
    free(scope);
}

void hor_xpath_scope_set_now(struct hor_xpath_scope *scope, int64_t now_us)
{
    scope->now_us = now_us;
}

/* Takes `value`. */
static int set_variable(struct hor_xpath_scope *scope, const char *name, xmlXPathObjectPtr value)
{
    if (value == NULL)
        return HOR_ERR_MEMORY;
    if (xmlXPathRegisterVariable(scope->context, BAD_CAST name, value) == 0)
        return HOR_OK;
    xmlXPathFreeObject(value);
    return HOR_ERR_MEMORY;
}

int hor_xpath_set_text(struct hor_xpath_scope *scope, const char *name, const char *value)
{
    if (strlen(value) > VALUE_BYTES)
        return HOR_ERR_LIMIT;
    int code = set_variable(scope, name, xmlXPathNewString(BAD_CAST value));
    if (code == HOR_OK)
        hor_map_remove(scope->docs, name); /* of an earlier hor_xpath_set_xml */
    return code;
}

int hor_xpath_set_xml(struct hor_xpath_scope *scope, const char *name, const char *xml, size_t len,
                      struct hor_error *err)
{
    struct hor_xml_doc *parsed;
    int code = hor_xml_parse(name, xml, len, NULL, NULL, &parsed, err);
    if (code != HOR_OK)
        return code;
    xmlDocPtr doc = (xmlDocPtr)parsed;
    code = set_variable(scope, name, xmlXPathNewNodeSet(xmlDocGetRootElement(doc)));
    if (code == HOR_OK)
        code = hor_map_put(scope->docs, name, doc);
    if (code != HOR_OK) {
        xmlXPathRegisterVariable(scope->context, BAD_CAST name, NULL);
        xmlFreeDoc(doc);
        return hor_error_set(err, code, "$%s: %s", name, hor_error_words(code));
    }
    return HOR_OK;
}

/* Puts the expression in front of what libxml2 said. */
static int explain(struct hor_xml_catch *catching, const char *expression, struct hor_error *err)
{
    if (catching->first.code == HOR_OK)
        hor_xml_catch_add(catching, HOR_ERR_INVALID, 0, NULL, "cannot be evaluated");
    bool exhausted = catching->first_xml_code == XML_XPATH_EXPRESSION_OK + XPATH_OP_LIMIT_EXCEEDED;
    int code = hor_xml_catch_end(catching, err);
    if (exhausted)
        code = hor_error_set(err, HOR_ERR_LIMIT, "takes more than %d steps", STEPS);
    hor_error_prefix(err, "XPath '%.200s'", expression);
    return code;
}

static xmlXPathCompExprPtr compile(struct hor_xpath_scope *scope, const char *expression)
{
    xmlXPathCompExprPtr compiled = hor_map_get(scope->compiled, expression);
    if (compiled != NULL)
        return compiled;
    compiled = xmlXPathCtxtCompile(scope->context, BAD_CAST expression);
    if (compiled == NULL)
        return NULL;
    if (hor_map_count(scope->compiled) >= COMPILED_MAX) {
        size_t pos = 0;
        const char *oldest;
        if (hor_map_next(scope->compiled, &pos, &oldest) != NULL)
            hor_map_remove(scope->compiled, oldest);
    }
    if (hor_map_put(scope->compiled, expression, compiled) != HOR_OK) {
        xmlXPathFreeCompExpr(compiled);
        return NULL;
    }
    return compiled;
}

static int evaluate(struct hor_xpath_scope *scope, const char *expression, xmlXPathObjectPtr *ret,
                    struct hor_error *err)
{
    if (strlen(expression) > HOR_XPATH_BYTES)
        return hor_error_set(err, HOR_ERR_LIMIT, "XPath '%.40s...' is longer than %d bytes",
                             expression, HOR_XPATH_BYTES);
    struct hor_xml_catch catching;
    hor_xml_catch_begin(&catching, NULL, NULL);
    scope->context->opCount = 0;
    xmlXPathCompExprPtr compiled = compile(scope, expression);
    xmlXPathObjectPtr value = NULL;
    if (compiled != NULL)
        value = xmlXPathCompiledEval(compiled, scope->context);
    if (value == NULL || catching.first.code != HOR_OK) {
        xmlXPathFreeObject(value);
        return explain(&catching, expression, err);
    }
    hor_xml_catch_end(&catching, NULL);
    *ret = value;
    return HOR_OK;
}

int hor_xpath_test(struct hor_xpath_scope *scope, const char *expression, bool *ret,
                   struct hor_error *err)
{
    xmlXPathObjectPtr value;
    int code = evaluate(scope, expression, &value, err);
    if (code != HOR_OK)
        return code;
    *ret = xmlXPathCastToBoolean(value) != 0;
    xmlXPathFreeObject(value);
    return HOR_OK;
}

int hor_xpath_text(struct hor_xpath_scope *scope, const char *expression, struct hor_buf *out,
                   struct hor_error *err)
{
    xmlXPathObjectPtr value;
    int code = evaluate(scope, expression, &value, err);
    if (code != HOR_OK)
        return code;
    xmlChar *text = xmlXPathCastToString(value);
    xmlXPathFreeObject(value);
    if (text == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "XPath '%.200s': out of memory", expression);
    size_t len = strlen((const char *)text);
    if (len > RESULT_BYTES)
        code = hor_error_set(err, HOR_ERR_LIMIT, "XPath '%.200s': the result is larger than 1 MiB",
                             expression);
    else
        hor_buf_add(out, text, len);
    xmlFree(text);
    return code;
}

static int add_value(const char *expression, size_t len, void *ctx, struct hor_error *err)
{
    void **pair = ctx;
    char copy[HOR_XPATH_BYTES + 1];
    memcpy(copy, expression, len);
    copy[len] = '\0';
    return hor_xpath_text(pair[0], copy, pair[1], err);
}

int hor_template_text(struct hor_xpath_scope *scope, const char *text, struct hor_buf *out,
                      struct hor_error *err)
{
    void *pair[] = {scope, out};
    size_t start = out->len;
    int code = hor_template_walk(text, out, add_value, pair, err);
    if (code == HOR_OK && out->failed)
        code = hor_error_set(err, HOR_ERR_MEMORY, "'%.200s': out of memory", text);
    if (code != HOR_OK && !out->failed && out->data != NULL) {
        out->len = start;
        out->data[start] = '\0';
    }
    return code;
}

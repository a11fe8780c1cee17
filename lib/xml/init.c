#define _GNU_SOURCE
#include <libexslt/exslt.h>
#include <libxml/parserInternals.h>
#include <libxml/uri.h>
#include <libxml/xmlschemastypes.h>
#include <libxslt/security.h>
#include <libxslt/xslt.h>
#include <libxslt/xsltutils.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include "lib/base/str.h"
#include "lib/xml/internal.h"

static thread_local struct hor_xml_catch *innermost;
static thread_local const char *allowed_folder;

/* Schema messages name elements as '{urn:...}job'; people know them as 'job'. */
static void tidy(const char *message, char *out, size_t out_bytes)
{
    size_t len = 0;
    for (const char *in = message; *in != '\0' && len + 1 < out_bytes; in++) {
        const char *close;
        if (*in == '{' && (close = strchr(in, '}')) != NULL && hor_str_starts(in + 1, "urn:")) {
            in = close;
            continue;
        }
        out[len++] = *in == '\n' ? ' ' : *in;
    }
    while (len > 0 && (out[len - 1] == ' ' || out[len - 1] == '.'))
        len--;
    out[len] = '\0';
}

static void keep(struct hor_xml_catch *catching, int code, int xml_code, int line,
                 enum hor_severity severity, const char *remedy, const char *text)
{
    hor_problems_add(catching->problems, severity, catching->name, line, NULL, remedy, "%s", text);
    if (severity == HOR_SEVERITY_WARNING || catching->first.code != HOR_OK)
        return;
    catching->first_xml_code = xml_code;
    hor_error_set(&catching->first, code, "%s", text);
    if (line > 0)
        hor_error_prefix(&catching->first, "line %d", line);
    if (catching->name != NULL)
        hor_error_prefix(&catching->first, "%s", catching->name);
}

static void on_message(void *ctx, xmlErrorPtr message)
{
    struct hor_xml_catch *catching = ctx;
    char text[2000];
    tidy(message->message == NULL ? "unknown fault" : message->message, text, sizeof text);
    if (message->domain == XML_FROM_XPATH && message->str1 != NULL) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, " at position %d", message->int1 + 1);
    }
    int code = message->code == XML_ERR_NO_MEMORY ? HOR_ERR_MEMORY : HOR_ERR_INVALID;
    keep(catching, code, message->code, message->line,
         message->level >= XML_ERR_ERROR ? HOR_SEVERITY_ERROR : HOR_SEVERITY_WARNING, NULL, text);
}

void hor_xml_catch_begin(struct hor_xml_catch *catching, const char *name,
                         struct hor_problems *problems)
{
    *catching = (struct hor_xml_catch){.name = name,
                                       .problems = problems,
                                       .old_fn = xmlStructuredError,
                                       .old_ctx = xmlStructuredErrorContext,
                                       .outer = innermost};
    innermost = catching;
    xmlSetStructuredErrorFunc(catching, on_message);
}

int hor_xml_catch_end(struct hor_xml_catch *catching, struct hor_error *err)
{
    xmlSetStructuredErrorFunc(catching->old_ctx, catching->old_fn);
    innermost = catching->outer;
    if (catching->first.code != HOR_OK && err != NULL)
        *err = catching->first;
    return catching->first.code;
}

void hor_xml_catch_add(struct hor_xml_catch *catching, int code, int line, const char *remedy,
                       const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    keep(catching, code, 0, line, HOR_SEVERITY_ERROR, remedy, text);
}

/* libxslt prints its messages in pieces, without structure. */
static void on_plain_message(void *ctx, const char *format, ...)
{
    (void)ctx;
    char text[2000], tidied[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (innermost == NULL)
        return;
    tidy(text, tidied, sizeof tidied);
    /* "compilation error: file orders.xsl line 7 element if" comes first, the reason after it */
    if (innermost->first.code == HOR_OK)
        hor_error_set(&innermost->first, HOR_ERR_INVALID, "%s", tidied);
    else if (strlen(innermost->first.text) + strlen(tidied) + 3 < HOR_ERROR_TEXT_BYTES) {
        strcat(innermost->first.text, ": ");
        strcat(innermost->first.text, tidied);
    }
}

const char *hor_xml_allow_folder(const char *folder)
{
    const char *before = allowed_folder;
    allowed_folder = folder;
    return before;
}

static bool below(const char *folder, const char *file)
{
    char real[PATH_MAX];
    size_t len = strlen(folder);
    return realpath(file, real) != NULL && strncmp(real, folder, len) == 0 && real[len] == '/';
}

/* The only way by which libxml2 and libxslt come to any file or address. */
static xmlParserInputPtr load_external(const char *url, const char *id, xmlParserCtxtPtr parser)
{
    (void)id;
    if (url != NULL && allowed_folder != NULL && strstr(url, "://") == NULL) {
        if (below(allowed_folder, url))
            return xmlNewInputFromFile(parser, url);
        char *plain = xmlURIUnescapeString(url, 0, NULL);
        xmlParserInputPtr input = NULL;
        if (plain != NULL && below(allowed_folder, plain))
            input = xmlNewInputFromFile(parser, plain);
        xmlFree(plain);
        if (input != NULL)
            return input;
    }
    if (innermost != NULL)
        hor_xml_catch_add(innermost, HOR_ERR_INVALID, 0, NULL,
                          "'%s' does not exist or must not be read", url == NULL ? "" : url);
    return NULL;
}

static void init(void)
{
    xmlInitParser();
    xmlSchemaInitTypes();
    xmlSetExternalEntityLoader(load_external);
    xsltInit();
    exsltCommonRegister();
    exsltMathRegister();
    exsltSetsRegister();
    exsltStrRegister();
    exsltDateRegister();
    exsltFuncRegister(); /* functions that the style sheets themselves define */
    xsltSetGenericErrorFunc(NULL, on_plain_message);
    xsltSecurityPrefsPtr prefs = xsltNewSecurityPrefs();
    if (prefs == NULL)
        abort(); /* no memory at program start */
    xsltSetSecurityPrefs(prefs, XSLT_SECPREF_WRITE_FILE, xsltSecurityForbid);
    xsltSetSecurityPrefs(prefs, XSLT_SECPREF_CREATE_DIRECTORY, xsltSecurityForbid);
    xsltSetSecurityPrefs(prefs, XSLT_SECPREF_READ_NETWORK, xsltSecurityForbid);
    xsltSetSecurityPrefs(prefs, XSLT_SECPREF_WRITE_NETWORK, xsltSecurityForbid);
    xsltSetDefaultSecurityPrefs(prefs);
}

void hor_xml_init(void)
{
    static once_flag once = ONCE_FLAG_INIT;
    call_once(&once, init);
}

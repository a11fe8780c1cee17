#include <libxml/SAX2.h>
#include <libxml/parserInternals.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/xml/internal.h"

/* An attribute as libxml2 gives it: five pointers. */
enum { LOCAL_NAME, PREFIX, URI, VALUE, END, FIELDS };

struct hor_xml_attributes {
    const xmlChar **items;
    int count;
    const char *values; /* all of them in their order, each ended by a zero byte */
};

struct scan {
    const struct hor_xml_scan *handlers;
    void *ctx;
    struct hor_xml_catch *catching;
    xmlParserCtxtPtr parser;
    const char *at, *end; /* what was not read yet */
    struct hor_buf values;
    bool large; /* more than libxml2 takes in one text by itself */
    int stopped; /* a handler's code */
};

const char *hor_xml_attribute_of(const struct hor_xml_attributes *attributes, const char *name)
{
    const char *value = attributes->values;
    for (int i = 0; i < attributes->count; i++) {
        const xmlChar **item = attributes->items + i * FIELDS;
        if (item[URI] == NULL && strcmp((const char *)item[LOCAL_NAME], name) == 0)
            return value;
        value += item[END] - item[VALUE] + 1;
    }
    return NULL;
}

static void stop(struct scan *scan, int code)
{
    if (code != HOR_OK && scan->stopped == HOR_OK) {
        scan->stopped = code;
        xmlStopParser(scan->parser);
    }
}

static void on_doctype(void *ctx, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
    (void)name, (void)id, (void)system;
    struct scan *scan = ctx;
    hor_xml_refuse_doctype(scan->catching, scan->parser);
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int ns_count, const xmlChar **ns, int count, int defaulted,
                     const xmlChar **items)
{
    (void)prefix, (void)ns_count, (void)ns, (void)defaulted;
    struct scan *scan = ctx;
    if (scan->stopped != HOR_OK || hor_xml_too_deep(scan->catching, scan->parser) ||
        scan->handlers->start == NULL)
        return;
    hor_buf_clear(&scan->values);
    for (int i = 0; i < count; i++) {
        const xmlChar **item = items + i * FIELDS;
        hor_buf_add(&scan->values, item[VALUE], (size_t)(item[END] - item[VALUE]));
        hor_buf_putc(&scan->values, '\0');
    }
    if (scan->values.failed) {
        stop(scan, HOR_ERR_MEMORY);
        return;
    }
    struct hor_xml_attributes attributes = {items, count, hor_buf_text(&scan->values)};
    stop(scan, scan->handlers->start((const char *)name, uri == NULL ? "" : (const char *)uri,
                                     &attributes, xmlSAX2GetLineNumber(scan->parser), scan->ctx));
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    (void)prefix;
    struct scan *scan = ctx;
    if (scan->stopped == HOR_OK && scan->handlers->end != NULL)
        stop(scan, scan->handlers->end((const char *)name, uri == NULL ? "" : (const char *)uri,
                                       xmlSAX2GetLineNumber(scan->parser), scan->ctx));
}

static void on_text(void *ctx, const xmlChar *text, int len)
{
    struct scan *scan = ctx;
    if (scan->stopped == HOR_OK && scan->handlers->text != NULL)
        stop(scan, scan->handlers->text((const char *)text, (size_t)len, scan->ctx));
}

static int locate(void *ctx, const char **ret_file, unsigned long *ret_line)
{
    struct scan *scan = ctx;
    *ret_file = NULL;
    *ret_line = (unsigned long)xmlSAX2GetLineNumber(scan->parser);
    return 0;
}

/* The bytes are given piece by piece: the parser then keeps a window of them, not a copy. */
static int read_more(void *ctx, char *out, int room)
{
    struct scan *scan = ctx;
    size_t len = (size_t)(scan->end - scan->at);
    if (len > (size_t)room)
        len = (size_t)room;
    memcpy(out, scan->at, len);
    scan->at += len;
    return (int)len;
}

static void parse(struct scan *scan, const struct hor_xml_schema *schema)
{
    xmlParserCtxtPtr parser = scan->parser;
    xmlSAXHandler handler = {.initialized = XML_SAX2_MAGIC,
                             .internalSubset = on_doctype,
                             .startElementNs = on_start,
                             .endElementNs = on_end,
                             .characters = on_text,
                             .ignorableWhitespace = on_text,
                             .cdataBlock = on_text};
    /* NOENT decodes &amp; in attribute values; there are no other entities without a DOCTYPE */
    xmlCtxtUseOptions(parser, XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_BIG_LINES |
                                  (scan->large ? XML_PARSE_HUGE : 0));
    xmlSAXHandlerPtr own_handler = parser->sax;
    parser->sax = &handler;
    parser->userData = scan;

    xmlSchemaValidCtxtPtr valid = NULL;
    xmlSchemaSAXPlugPtr plug = NULL;
    bool ready = true;
    if (schema != NULL) {
        valid = xmlSchemaNewValidCtxt(hor_xml_schema_compiled(schema));
        if (valid != NULL) {
            xmlSchemaValidateSetLocator(valid, locate, scan);
            plug = xmlSchemaSAXPlug(valid, &parser->sax, &parser->userData);
        }
        ready = plug != NULL;
    }
    xmlParserInputBufferPtr bytes = NULL;
    xmlParserInputPtr input = NULL;
    if (ready)
        bytes = xmlParserInputBufferCreateIO(read_more, NULL, scan, XML_CHAR_ENCODING_NONE);
    if (bytes != NULL)
        input = xmlNewIOInputStream(parser, bytes, XML_CHAR_ENCODING_NONE);
    if (input != NULL && inputPush(parser, input) >= 0) {
        xmlParseDocument(parser);
        if (!parser->wellFormed && scan->stopped == HOR_OK && scan->catching->first.code == HOR_OK)
            hor_xml_catch_add(scan->catching, HOR_ERR_INVALID, 0, NULL, "not an XML document");
    } else {
        hor_xml_catch_add(scan->catching, HOR_ERR_MEMORY, 0, NULL, "out of memory");
    }
    xmlSchemaSAXUnplug(plug);
    xmlSchemaFreeValidCtxt(valid);
    parser->sax = own_handler;
    parser->userData = parser;
}

int hor_xml_scan(const char *name, const char *bytes, size_t len, size_t max_bytes,
                 const struct hor_xml_schema *schema, const struct hor_xml_scan *handlers,
                 void *ctx, struct hor_problems *problems, struct hor_error *err)
{
    hor_xml_init();
    struct hor_xml_catch catching;
    hor_xml_catch_begin(&catching, name, problems);
    size_t most = max_bytes == 0 ? HOR_XML_DOCUMENT_BYTES : max_bytes;
    struct scan scan = {.handlers = handlers,
                        .ctx = ctx,
                        .catching = &catching,
                        .large = most > HOR_XML_DOCUMENT_BYTES,
                        .at = bytes,
                        .end = bytes + len};
    if (len > most) {
        hor_xml_catch_add(&catching, HOR_ERR_LIMIT, 0, "split it",
                          "the document has %zu bytes, more than %zu MiB", len, most >> 20);
    } else if ((scan.parser = xmlNewParserCtxt()) == NULL) {
        hor_xml_catch_add(&catching, HOR_ERR_MEMORY, 0, NULL, "out of memory");
    } else {
        parse(&scan, schema);
        xmlFreeParserCtxt(scan.parser);
    }
    hor_buf_done(&scan.values);
    int code = hor_xml_catch_end(&catching, err);
    if (scan.stopped != HOR_OK) {
        if (code == HOR_OK)
            hor_error_set(err, scan.stopped, "%s: %s", name, hor_error_words(scan.stopped));
        code = scan.stopped;
    }
    return code;
}

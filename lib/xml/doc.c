#include <libxml/SAX2.h>
#include <libxml/c14n.h>
#include <libxml/tree.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/xml/internal.h"

/* hor_xml_doc and hor_xml_node are libxml2's own structs under other names. */
static const xmlNode *real(const struct hor_xml_node *node)
{
    return (const xmlNode *)node;
}

void hor_xml_refuse_doctype(struct hor_xml_catch *catching, xmlParserCtxtPtr parser)
{
    hor_xml_catch_add(catching, HOR_ERR_INVALID, xmlSAX2GetLineNumber(parser),
                      "remove it: entities and DTDs are never read",
                      "a document type declaration (DOCTYPE) is not allowed");
    xmlStopParser(parser);
}

bool hor_xml_too_deep(struct hor_xml_catch *catching, xmlParserCtxtPtr parser)
{
    if (parser->nameNr < HOR_XML_DEPTH)
        return false;
    hor_xml_catch_add(catching, HOR_ERR_LIMIT, xmlSAX2GetLineNumber(parser), NULL,
                      "elements are nested more than %d deep", HOR_XML_DEPTH);
    xmlStopParser(parser);
    return true;
}

/* The SAX callbacks of a DOM parse: ctx is the parser, whose _private is the catch. */
static void on_doctype(void *ctx, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
    (void)name, (void)id, (void)system;
    xmlParserCtxtPtr parser = ctx;
    hor_xml_refuse_doctype(parser->_private, parser);
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int ns_count, const xmlChar **ns, int count, int defaulted,
                     const xmlChar **attributes)
{
    xmlParserCtxtPtr parser = ctx;
    if (!hor_xml_too_deep(parser->_private, parser))
        xmlSAX2StartElementNs(ctx, name, prefix, uri, ns_count, ns, count, defaulted, attributes);
}

static xmlDocPtr read_document(struct hor_xml_catch *catching, const char *name, const char *bytes,
                               size_t len)
{
    xmlParserCtxtPtr parser = xmlNewParserCtxt();
    if (parser == NULL) {
        hor_xml_catch_add(catching, HOR_ERR_MEMORY, 0, NULL, "out of memory");
        return NULL;
    }
    parser->_private = catching;
    parser->sax->internalSubset = on_doctype;
    parser->sax->startElementNs = on_start;
    xmlDocPtr doc = xmlCtxtReadMemory(parser, bytes, (int)len, name, NULL,
                                      XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_BIG_LINES |
                                          XML_PARSE_COMPACT);
    xmlFreeParserCtxt(parser);
    if (doc == NULL && catching->first.code == HOR_OK)
        hor_xml_catch_add(catching, HOR_ERR_INVALID, 0, NULL, "not an XML document");
    return doc;
}

static void validate(struct hor_xml_catch *catching, xmlDocPtr doc,
                     const struct hor_xml_schema *schema)
{
    xmlSchemaValidCtxtPtr valid = xmlSchemaNewValidCtxt(hor_xml_schema_compiled(schema));
    int result = valid == NULL ? -1 : xmlSchemaValidateDoc(valid, doc);
    if (result != 0 && catching->first.code == HOR_OK)
        hor_xml_catch_add(catching, HOR_ERR_INVALID, 0, NULL, "cannot be validated");
    xmlSchemaFreeValidCtxt(valid);
}

int hor_xml_parse(const char *name, const char *bytes, size_t len,
                  const struct hor_xml_schema *schema, struct hor_problems *problems,
                  struct hor_xml_doc **ret, struct hor_error *err)
{
    hor_xml_init();
    struct hor_xml_catch catching;
    hor_xml_catch_begin(&catching, name, problems);
    xmlDocPtr doc = NULL;
    if (len > HOR_XML_DOCUMENT_BYTES)
        hor_xml_catch_add(&catching, HOR_ERR_LIMIT, 0, "split it",
                          "the document has %zu bytes, more than 16 MiB", len);
    else
        doc = read_document(&catching, name, bytes, len);
    if (catching.first.code == HOR_OK && schema != NULL)
        validate(&catching, doc, schema);
    int code = hor_xml_catch_end(&catching, err);
    if (code != HOR_OK)
        xmlFreeDoc(doc);
    else
        *ret = (struct hor_xml_doc *)doc;
    return code;
}

void hor_xml_doc_free(struct hor_xml_doc *doc)
{
    xmlFreeDoc((xmlDocPtr)doc);
}

const struct hor_xml_node *hor_xml_root(const struct hor_xml_doc *doc)
{
    return (const struct hor_xml_node *)xmlDocGetRootElement((const xmlDoc *)doc);
}

static const struct hor_xml_node *first_element(const xmlNode *from, const char *name)
{
    for (; from != NULL; from = from->next)
        if (from->type == XML_ELEMENT_NODE &&
            (name == NULL || strcmp((const char *)from->name, name) == 0))
            return (const struct hor_xml_node *)from;
    return NULL;
}

const struct hor_xml_node *hor_xml_child(const struct hor_xml_node *node, const char *name)
{
    return first_element(real(node)->children, name);
}

const struct hor_xml_node *hor_xml_next(const struct hor_xml_node *node, const char *name)
{
    return first_element(real(node)->next, name);
}

const char *hor_xml_name(const struct hor_xml_node *node)
{
    return (const char *)real(node)->name;
}

const char *hor_xml_namespace(const struct hor_xml_node *node)
{
    return real(node)->ns == NULL ? "" : (const char *)real(node)->ns->href;
}

int hor_xml_line(const struct hor_xml_node *node)
{
    long line = xmlGetLineNo(real(node));
    return line > 0 && line <= INT_MAX ? (int)line : 0;
}

const char *hor_xml_attribute(const struct hor_xml_node *node, const char *name)
{
    for (const xmlAttr *at = real(node)->properties; at != NULL; at = at->next) {
        if (at->ns != NULL || strcmp((const char *)at->name, name) != 0)
            continue;
        /* without a DTD the value is one text node, or none when it is empty */
        return at->children == NULL ? "" : (const char *)at->children->content;
    }
    return NULL;
}

bool hor_xml_attribute_bool(const struct hor_xml_node *node, const char *name, bool fallback)
{
    const char *value = hor_xml_attribute(node, name);
    return value == NULL ? fallback : strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
}

long hor_xml_attribute_int(const struct hor_xml_node *node, const char *name, long fallback)
{
    const char *value = hor_xml_attribute(node, name);
    int64_t number;
    return value != NULL && hor_str_to_int64(value, &number) == HOR_OK ? (long)number : fallback;
}

/* By hand and not by recursion of libxml2's, so that memory that runs out is seen in `out`. */
void hor_xml_text(const struct hor_xml_node *node, struct hor_buf *out)
{
    for (const xmlNode *at = real(node)->children; at != NULL; at = at->next) {
        if (at->type == XML_TEXT_NODE || at->type == XML_CDATA_SECTION_NODE)
            hor_buf_puts(out, (const char *)at->content);
        else if (at->type == XML_ELEMENT_NODE)
            hor_xml_text((const struct hor_xml_node *)at, out); /* as deep as HOR_XML_DEPTH */
    }
}

/* The nodes of a canonical form are those below the one in user_data. */
static int is_below(void *user_data, xmlNodePtr node, xmlNodePtr parent)
{
    if (node == user_data)
        return 1;
    /* namespace nodes have no parent of their own */
    for (xmlNodePtr at = node->type == XML_NAMESPACE_DECL ? parent : node; at != NULL;
         at = at->parent)
        if (at == user_data)
            return 1;
    return 0;
}

static int write_buf(void *ctx, const char *data, int len)
{
    struct hor_buf *out = ctx;
    hor_buf_add(out, data, (size_t)len);
    return out->failed ? -1 : len;
}

int hor_xml_canonical(const struct hor_xml_node *node, struct hor_buf *out, struct hor_error *err)
{
    struct hor_xml_catch catching;
    hor_xml_catch_begin(&catching, NULL, NULL);
    size_t start = out->len;
    xmlNodePtr top = (xmlNodePtr)(uintptr_t)node;
    xmlOutputBufferPtr sink = xmlOutputBufferCreateIO(write_buf, NULL, out, NULL);
    int result = -1;
    if (sink != NULL) {
        result = xmlC14NExecute(top->doc, is_below, top, XML_C14N_EXCLUSIVE_1_0, NULL, 1, sink);
        if (xmlOutputBufferClose(sink) < 0)
            result = -1;
    }
    hor_xml_catch_end(&catching, NULL);
    if (result >= 0 && !out->failed)
        return HOR_OK;
    if (!out->failed && out->data != NULL) {
        out->len = start;
        out->data[start] = '\0';
    }
    if (catching.first.code != HOR_OK && err != NULL)
        *err = catching.first;
    else
        hor_error_set(err, HOR_ERR_MEMORY, "canonical form: out of memory");
    return catching.first.code != HOR_OK ? catching.first.code : HOR_ERR_MEMORY;
}

/* Scripts read better without escapes. */
static void use_cdata(xmlNodePtr element)
{
    for (xmlNodePtr at = element->children, next; at != NULL; at = next) {
        next = at->next;
        if (at->type == XML_ELEMENT_NODE) {
            use_cdata(at);
        } else if (at->type == XML_TEXT_NODE && at->prev == NULL && at->next == NULL &&
                   strchr((const char *)at->content, '\n') != NULL &&
                   strpbrk((const char *)at->content, "<>&") != NULL &&
                   strstr((const char *)at->content, "]]>") == NULL) {
            xmlNodePtr cdata =
                xmlNewCDataBlock(at->doc, at->content, (int)strlen((const char *)at->content));
            if (cdata != NULL)
                xmlFreeNode(xmlReplaceNode(at, cdata));
        }
    }
}

int hor_xml_pretty(const struct hor_xml_node *node, struct hor_buf *out, struct hor_error *err)
{
    xmlDocPtr doc = xmlNewDoc((const xmlChar *)"1.0");
    xmlNodePtr copy = doc != NULL ? xmlDocCopyNode((xmlNodePtr)(uintptr_t)node, doc, 1) : NULL;
    xmlChar *text = NULL;
    int len = 0;
    if (copy != NULL) {
        xmlDocSetRootElement(doc, copy);
        use_cdata(copy);
        xmlDocDumpFormatMemoryEnc(doc, &text, &len, "UTF-8", 1);
    }
    if (text != NULL)
        hor_buf_add(out, text, (size_t)len);
    int rc = text != NULL && !out->failed
                 ? HOR_OK
                 : hor_error_set(err, HOR_ERR_MEMORY, "writing XML: out of memory");
    xmlFree(text);
    xmlFreeDoc(doc);
    return rc;
}

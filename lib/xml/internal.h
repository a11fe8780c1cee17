/* lib/xml/internal.h - what the files of lib/xml share: catching libxml2's messages, and saying
 * which folder files may be read from. */
#ifndef HOR_XML_INTERNAL_H
#define HOR_XML_INTERNAL_H

#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <libxml/xmlschemas.h>

#include "lib/xml/xml.h"

/* While a catch stands, the messages of libxml2 on this thread become problems; the first error is
 * kept. Catches nest. */
struct hor_xml_catch {
    const char *name; /* of the document, for messages; NULL: none */
    struct hor_problems *problems; /* NULL: none */
    struct hor_error first;        /* code HOR_OK while there was no error */
    int first_xml_code;            /* libxml2's own code of it */
    xmlStructuredErrorFunc old_fn;
    void *old_ctx;
    struct hor_xml_catch *outer;
};

void hor_xml_catch_begin(struct hor_xml_catch *catching, const char *name,
                         struct hor_problems *problems);
/* Ends it; returns the first error's code, copied into err, or HOR_OK. */
int hor_xml_catch_end(struct hor_xml_catch *catching, struct hor_error *err);
/* Records an error of our own. */
void hor_xml_catch_add(struct hor_xml_catch *catching, int code, int line, const char *remedy,
                       const char *format, ...) __attribute__((format(printf, 5, 6)));

/* libxml2 and libxslt on this thread may read files below `folder` (a real path) and nothing else;
 * NULL: no file at all. Returns what was allowed before, to be set again. */
const char *hor_xml_allow_folder(const char *folder);

/* The SAX callback that refuses a DOCTYPE, given the catch and the parser. */
void hor_xml_refuse_doctype(struct hor_xml_catch *catching, xmlParserCtxtPtr parser);
/* Whether the parser is at a depth that is refused; then the parse was stopped. */
bool hor_xml_too_deep(struct hor_xml_catch *catching, xmlParserCtxtPtr parser);

/* The compiled form, shared and never changed. */
xmlSchemaPtr hor_xml_schema_compiled(const struct hor_xml_schema *schema);

#endif

/* lib/xml/xml.h - XML as Horarium takes it: UTF-8 or what the declaration says, no DOCTYPE at all
 * (so no entities), no XInclude, nothing fetched from anywhere, bounded in size and depth. This
 * folder is the one user of libxml2 and libxslt; others see text, problems and opaque nodes.
 * Any thread once hor_xml_init has run; a document is for one thread at a time. */
#ifndef HOR_XML_XML_H
#define HOR_XML_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/base/problem.h"

enum {
    HOR_XML_DOCUMENT_BYTES = 16 * 1024 * 1024, /* one configuration document, one request */
    HOR_XML_DEPTH = 100,
};

/* Once at program start, before other threads; more calls do nothing. */
void hor_xml_init(void);

/* ---- schemas ---- */
struct hor_xml_schema;
/* The compiled schema of a file, compiled once per process and kept until its end; imports and
 * includes are taken from the same folder only. Any thread. HOR_ERR_NOT_FOUND, HOR_ERR_INVALID. */
const struct hor_xml_schema *hor_xml_schema_load(const char *file, struct hor_error *err);
/* $HORARIUM_DATADIR/xsd/<name>, such as "configuration.xsd". */
const struct hor_xml_schema *hor_xml_schema_named(const char *name, struct hor_error *err);

/* ---- whole documents ---- */
struct hor_xml_doc;
struct hor_xml_node; /* an element, borrowed from its document */

/* Parses and, with a schema, validates. `name` stands in messages. Every fault found becomes a
 * problem (problems may be NULL) and the first one is in err. Returns HOR_OK or HOR_ERR_INVALID,
 * HOR_ERR_LIMIT (too large), HOR_ERR_MEMORY. */
int hor_xml_parse(const char *name, const char *bytes, size_t len,
                  const struct hor_xml_schema *schema, struct hor_problems *problems,
                  struct hor_xml_doc **ret, struct hor_error *err);
void hor_xml_doc_free(struct hor_xml_doc *doc);
const struct hor_xml_node *hor_xml_root(const struct hor_xml_doc *doc);
/* Elements only. NULL: none. `name` NULL: any. */
const struct hor_xml_node *hor_xml_child(const struct hor_xml_node *node, const char *name);
const struct hor_xml_node *hor_xml_next(const struct hor_xml_node *node, const char *name);
const char *hor_xml_name(const struct hor_xml_node *node);
const char *hor_xml_namespace(const struct hor_xml_node *node); /* "" for none */
int hor_xml_line(const struct hor_xml_node *node);
/* An attribute without namespace as it is written, borrowed; NULL: absent. */
const char *hor_xml_attribute(const struct hor_xml_node *node, const char *name);
bool hor_xml_attribute_bool(const struct hor_xml_node *node, const char *name, bool fallback);
long hor_xml_attribute_int(const struct hor_xml_node *node, const char *name, long fallback);
/* Adds all character data below the node. */
void hor_xml_text(const struct hor_xml_node *node, struct hor_buf *out);
/* Adds the node in exclusive canonical form (W3C, with comments): equal content, equal bytes. */
int hor_xml_canonical(const struct hor_xml_node *node, struct hor_buf *out, struct hor_error *err);
/* Adds the node as a document of its own for a person to read and change: indented, with an XML
 * declaration, and text of several lines in CDATA sections. HOR_ERR_MEMORY. */
int hor_xml_pretty(const struct hor_xml_node *node, struct hor_buf *out, struct hor_error *err);

/* ---- streaming ---- */
struct hor_xml_attributes; /* of one start; borrowed during the call */
/* An attribute's value (of no namespace), decoded; NULL: absent. Valid during the call. */
const char *hor_xml_attribute_of(const struct hor_xml_attributes *attributes, const char *name);

struct hor_xml_scan { /* any may be NULL; a non-zero return ends the scan with that code */
    int (*start)(const char *name, const char *uri, const struct hor_xml_attributes *attributes,
                 int line, void *ctx);
    int (*end)(const char *name, const char *uri, int line, void *ctx);
    int (*text)(const char *text, size_t len, void *ctx); /* may come in pieces, CDATA too */
};

/* Reads a document of any length (max_bytes; 0: HOR_XML_DOCUMENT_BYTES) in constant memory,
 * validating on the way when there is a schema. What was scanned counts only when HOR_OK is
 * returned. Codes and problems as hor_xml_parse, and what a callback returned. */
int hor_xml_scan(const char *name, const char *bytes, size_t len, size_t max_bytes,
                 const struct hor_xml_schema *schema, const struct hor_xml_scan *handlers,
                 void *ctx, struct hor_problems *problems, struct hor_error *err);

#endif

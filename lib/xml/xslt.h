/* lib/xml/xslt.h - renders documents with the style sheets of one folder. Style sheets may import
 * and include one another inside the folder; they can write nothing and read nothing else.
 * Compiled ones are kept and compiled again when a file of the folder changed. Any thread. */
#ifndef HOR_XML_XSLT_H
#define HOR_XML_XSLT_H

#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

struct hor_xslt;

/* HOR_ERR_NOT_FOUND when the folder cannot be read. */
int hor_xslt_open(const char *folder, struct hor_xslt **ret, struct hor_error *err);
void hor_xslt_close(struct hor_xslt *xslt);
/* Applies `sheet` ("orders.xsl") to a document and adds the result to `out`. `parameters` is NULL
 * or name, value, name, value, .., NULL: strings, safe with any content. HOR_ERR_NOT_FOUND: no such
 * sheet; HOR_ERR_INVALID: sheet or document is wrong, or xsl:message terminate="yes". */
int hor_xslt_apply(struct hor_xslt *xslt, const char *sheet, const char *xml, size_t len,
                   const char *const *parameters, struct hor_buf *out, struct hor_error *err);
/* The media type that the sheet's xsl:output names, "text/html" otherwise. Copied into `out`. */
int hor_xslt_media_type(struct hor_xslt *xslt, const char *sheet, char *out, size_t out_bytes,
                        struct hor_error *err);

#endif

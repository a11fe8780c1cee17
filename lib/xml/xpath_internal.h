/* lib/xml/xpath_internal.h - what the xpath files share. */
#ifndef HOR_XML_XPATH_INTERNAL_H
#define HOR_XML_XPATH_INTERNAL_H

#include <libxml/xpath.h>

#include "lib/xml/xpath.h"

enum { HOR_XPATH_BYTES = 4000 }; /* longest expression */

#define HOR_FUNCTIONS_NAMESPACE "urn:horarium:functions:1"

/* Makes h: known in the context, whose userData will point at an int64_t, the time. */
int hor_xpath_register_functions(xmlXPathContextPtr context);
/* Whether urn:horarium:functions:1 has the function. */
bool hor_xpath_has_function(const char *name, size_t len);

/* Walks through a template: adds plain text to `plain` (may be NULL) and gives each expression, at
 * most HOR_XPATH_BYTES long, to fn. HOR_ERR_INVALID for braces that do not match. */
typedef int hor_template_fn(const char *expression, size_t len, void *ctx, struct hor_error *err);
int hor_template_walk(const char *text, struct hor_buf *plain, hor_template_fn *fn, void *ctx,
                      struct hor_error *err);

#endif

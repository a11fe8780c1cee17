/* lib/xml/xpath.h - XPath 1.0 expressions and texts with {XPath} in them, over variables that the
 * engine supplies, with the functions of urn:horarium:functions:1 (prefix h):
 *   h:now()                     the scope's time, xsd:dateTime in UTC
 *   h:date-add(date, days)      a date (or the date of a dateTime) moved by whole days
 *   h:date-format(date, text)   %Y %m %d %H %M %S %j %V %a %b of a date or dateTime
 * Evaluation is bounded: steps, depth, and 1 MiB of result. Nothing outside is read.
 * A scope is for one thread. */
#ifndef HOR_XML_XPATH_H
#define HOR_XML_XPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

struct hor_xpath_scope;

/* `now_us` is what h:now() gives (UTC): pure code passes its own time. NULL: out of memory. */
struct hor_xpath_scope *hor_xpath_scope_new(int64_t now_us);
void hor_xpath_scope_free(struct hor_xpath_scope *scope);
void hor_xpath_scope_set_now(struct hor_xpath_scope *scope, int64_t now_us);
/* $name as a string; replaces. HOR_ERR_MEMORY. */
int hor_xpath_set_text(struct hor_xpath_scope *scope, const char *name, const char *value);
/* $name as the root element of a small document: "<plan day='2026-11-24'/>" makes $plan/@day. */
int hor_xpath_set_xml(struct hor_xpath_scope *scope, const char *name, const char *xml, size_t len,
                      struct hor_error *err);

/* HOR_ERR_INVALID names the expression; HOR_ERR_LIMIT. */
int hor_xpath_test(struct hor_xpath_scope *scope, const char *expression, bool *ret,
                   struct hor_error *err);
int hor_xpath_text(struct hor_xpath_scope *scope, const char *expression, struct hor_buf *out,
                   struct hor_error *err);
/* Adds the text with every {XPath} replaced by its string value; {{ and }} are braces. */
int hor_template_text(struct hor_xpath_scope *scope, const char *text, struct hor_buf *out,
                      struct hor_error *err);

/* Checks without evaluating: syntax, functions, variables (known NULL: any). The message names the
 * unknown variable or function. */
typedef bool hor_xpath_known_fn(const char *variable, void *ctx);
int hor_xpath_check(const char *expression, hor_xpath_known_fn *known, void *ctx,
                    struct hor_error *err);
int hor_template_check(const char *text, hor_xpath_known_fn *known, void *ctx,
                       struct hor_error *err);

#endif

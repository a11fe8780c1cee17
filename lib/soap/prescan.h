/* lib/soap/prescan.h - a first look at a message before any parser builds something from it: one
 * pass over the bytes, constant memory. Parsers do work for each attribute and namespace that grows
 * faster than the message; this bounds it. It does not check that the XML is well-formed. Pure. */
#ifndef HOR_SOAP_PRESCAN_H
#define HOR_SOAP_PRESCAN_H

#include <stddef.h>

#include "lib/base/error.h"

enum {
    HOR_PRESCAN_DEPTH = 64,
    HOR_PRESCAN_ATTRIBUTES = 100, /* of one element, namespace declarations included */
    HOR_PRESCAN_ELEMENTS = 4000000,
    HOR_PRESCAN_ALL_ATTRIBUTES = 8000000,
    HOR_PRESCAN_NAMESPACES = 1000, /* declarations in all */
    HOR_PRESCAN_NAME = 256
};

/* HOR_ERR_INVALID or HOR_ERR_LIMIT with a sentence: document type, processing instruction,
 * encoding other than UTF-8, zero byte, too deep, too many, not XML at all. */
int hor_soap_prescan(const char *bytes, size_t len, struct hor_error *err);

#endif

/* lib/model/icalendar_line.h - content lines of RFC 5545, 3.1. Inside lib/model/icalendar. */
#ifndef HOR_MODEL_ICALENDAR_LINE_H
#define HOR_MODEL_ICALENDAR_LINE_H

#include <stdbool.h>

#include "lib/base/error.h"

enum { HOR_ICALENDAR_NAME_BYTES = 60, HOR_ICALENDAR_ZONE_BYTES = 100 };

struct hor_icalendar_property {
    int line;                                /* where it begins in the file, from 1 */
    char name[HOR_ICALENDAR_NAME_BYTES + 1]; /* in capitals */
    char zone[HOR_ICALENDAR_ZONE_BYTES + 1]; /* TZID, "" for none */
    char type[HOR_ICALENDAR_NAME_BYTES + 1]; /* VALUE */
    bool range;                              /* it has RANGE */
    char *value;                             /* may be changed */
};

/* Not HOR_OK ends the reading with that. */
typedef int hor_icalendar_property_fn(struct hor_icalendar_property *property, void *ctx);
/* Gives every line, those that go on put together. HOR_ERR_INVALID and HOR_ERR_LIMIT: *ret_line
 * tells where. HOR_ERR_MEMORY. */
int hor_icalendar_lines(const char *text, hor_icalendar_property_fn *each, void *ctx, int *ret_line,
                        struct hor_error *err);

#endif

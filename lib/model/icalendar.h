/* lib/model/icalendar.h - the days of an iCalendar file (RFC 5545): which days its VEVENTs touch.
 *
 * An event's days are those that its own DTSTART writes: whole days, or the days on the clock of
 * the zone that is named there (for UTC: of UTC). DTEND or DURATION make it touch several. DTSTART
 * is the first instance; RRULE and RDATE add to it, EXDATE takes out, a VEVENT with RECURRENCE-ID
 * stands in the place of one instance, and what is cancelled has no days. Values in another zone
 * than DTSTART's (UNTIL and EXDATE in UTC, mostly) are turned into that zone first. Other
 * components (VTODO, VALARM, VTIMEZONE, ...) and properties are passed over; TZID is the name of a
 * zone of this system. Any thread. */
#ifndef HOR_MODEL_ICALENDAR_H
#define HOR_MODEL_ICALENDAR_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/model/recurrence.h"

enum {
    HOR_ICALENDAR_BYTES = 4 * 1024 * 1024,
    HOR_ICALENDAR_MAX_EVENTS = 20000,
    HOR_ICALENDAR_MAX_SPAN_DAYS = 3660, /* that one instance touches */
};

struct hor_icalendar_date {
    int32_t day;
    int32_t second; /* after its midnight; -1: the whole day */
    int32_t span;   /* days after the first that it touches; -1: as the event */
};

struct hor_icalendar_event {
    int32_t day, second; /* DTSTART; second -1: whole days */
    int32_t span;
    struct hor_rule *rule;                  /* UNTIL is a whole day; NULL: none */
    struct hor_icalendar_date *more, *less; /* RDATE; EXDATE and what was replaced, sorted */
    size_t more_count, less_count;
};

struct hor_icalendar_events {
    struct hor_icalendar_event *items; /* without those that have no days */
    size_t count;
};

/* Reads a file's text. HOR_ERR_INVALID, HOR_ERR_LIMIT: *ret_line tells where. HOR_ERR_MEMORY. */
int hor_icalendar_parse(const char *text, struct hor_arena *arena, struct hor_icalendar_events *ret,
                        int *ret_line, struct hor_error *err);
/* Gives the days in [from, to) that an event touches, in no order, some more than once. */
void hor_icalendar_walk(const struct hor_icalendar_event *event, int32_t from, int32_t to,
                        hor_recurrence_each_fn *each, void *ctx);

#endif

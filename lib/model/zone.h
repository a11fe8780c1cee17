/* lib/model/zone.h - time zones: local time <-> UTC by the system's own rules (TZif files of RFC 8536
 * below $TZDIR or /usr/share/zoneinfo, with the footer's rule for the years after the table).
 * A local time may not exist (clocks go forward: a gap) or exist twice (clocks go back); a caller is
 * told which and decides by the schedule's <clockChange>.
 * Times are seconds; local ones as in lib/model/day.h. A zone never changes after it was opened;
 * any thread may read it. */
#ifndef HOR_MODEL_ZONE_H
#define HOR_MODEL_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

struct hor_zone;

/* "Europe/Berlin". HOR_ERR_NOT_FOUND, HOR_ERR_CORRUPT, HOR_ERR_IO, HOR_ERR_MEMORY. */
int hor_zone_open(const char *name, struct hor_zone **ret, struct hor_error *err);
/* The same from a file's bytes, without reading anything. */
int hor_zone_parse(const char *name, const void *data, size_t len, struct hor_zone **ret,
                   struct hor_error *err);
void hor_zone_free(struct hor_zone *zone); /* accepts NULL */
const char *hor_zone_name(const struct hor_zone *zone);
/* Version of the system's zone data ("2025b"), "" when it does not tell. */
const char *hor_zone_data_version(char *out, size_t out_bytes);

int64_t hor_zone_to_local(const struct hor_zone *zone, int64_t utc_s);
/* Seconds east of Greenwich at that moment. */
int32_t hor_zone_offset(const struct hor_zone *zone, int64_t utc_s);

enum hor_zone_fit { HOR_ZONE_ONCE, HOR_ZONE_GAP, HOR_ZONE_TWICE };

struct hor_zone_moment {
    enum hor_zone_fit fit;
    int64_t first_s; /* ONCE: the moment; TWICE: the earlier one; GAP: as if the clock had not been
                        put forward yet, so that 02:30 is what the clock then shows as 03:30 */
    int64_t last_s;  /* TWICE: the later one; GAP: as if the clock had been put forward before */
    int64_t change_s; /* GAP: when the clock was put forward; else equal to first_s */
};
struct hor_zone_moment hor_zone_to_utc(const struct hor_zone *zone, int64_t local_s);

/* <clockChange missingHour="shift|skip|atChange" repeatedHour="first|last|both"/> */
enum hor_missing_hour { HOR_MISSING_HOUR_SHIFT, HOR_MISSING_HOUR_SKIP, HOR_MISSING_HOUR_AT_CHANGE };
enum hor_repeated_hour { HOR_REPEATED_HOUR_FIRST, HOR_REPEATED_HOUR_LAST, HOR_REPEATED_HOUR_BOTH };
/* The moments that a planned local time stands for: 0, 1 or 2, ascending. */
unsigned hor_zone_resolve(const struct hor_zone *zone, int64_t local_s,
                          enum hor_missing_hour missing, enum hor_repeated_hour repeated,
                          int64_t ret_utc_s[2]);

#endif

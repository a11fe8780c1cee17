/* lib/model/day.h - calendar days as numbers: days since 1970-01-01 in the proleptic Gregorian
 * calendar, years 1 to 9999. Local times are seconds since 1970-01-01T00:00:00 as a clock on the
 * wall shows them, so that day * HOR_DAY_SECONDS + time of day is one. Any thread. */
#ifndef HOR_MODEL_DAY_H
#define HOR_MODEL_DAY_H

#include <stdbool.h>
#include <stdint.h>

enum { HOR_DAY_SECONDS = 86400, HOR_DAY_TEXT_BYTES = 16 };

struct hor_date {
    int year, month, day; /* month and day from 1 */
};

int32_t hor_day_of(int year, int month, int day);
struct hor_date hor_day_date(int32_t day);
int hor_day_weekday(int32_t day); /* ISO 8601: 1 Monday .. 7 Sunday */
int hor_days_in_month(int year, int month);
/* "2026-11-24"; HOR_ERR_INVALID for anything else, 2026-02-30 included. */
int hor_day_parse(const char *text, int32_t *ret);
const char *hor_day_format(int32_t day, char out[HOR_DAY_TEXT_BYTES]);
/* The day that a local time falls on (floor). */
int32_t hor_day_of_local(int64_t local_s);

#endif

/* lib/model/day.h - calendar days and times of day without zone. A day is the number of days since
 * 1970-01-01 (Gregorian); HOR_DAY_NONE is no day. Any thread. */
#ifndef HOR_MODEL_DAY_H
#define HOR_MODEL_DAY_H

#include <stdint.h>

#define HOR_DAY_NONE INT32_MIN
enum { HOR_DAY_TEXT_BYTES = 16, HOR_DAY_SECONDS = 86400 };

int32_t hor_day_make(int year, int month, int day_of_month);
void hor_day_split(int32_t day, int *ret_year, int *ret_month, int *ret_day_of_month);
int hor_day_weekday(int32_t day); /* 0 Monday .. 6 Sunday */
int hor_days_in_month(int year, int month);
/* The day of a local time in seconds since 1970-01-01T00:00:00 (floor). */
int32_t hor_day_of_local(int64_t local_s);
/* "2026-12-24". HOR_ERR_INVALID for anything else, days that do not exist included. */
int hor_day_parse(const char *text, int32_t *ret);
const char *hor_day_format(int32_t day, char out[HOR_DAY_TEXT_BYTES]);
/* "18:30" or "18:30:15" to seconds; "24:00" is 86400. HOR_ERR_INVALID. */
int hor_time_of_day_parse(const char *text, int32_t *ret_s);

#endif

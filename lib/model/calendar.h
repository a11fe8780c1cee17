/* lib/model/calendar.h - which days a calendar holds. A calendar's days are worked out once for a
 * window of days and kept, since a plan asks the same few calendars over and over. One thread. */
#ifndef HOR_MODEL_CALENDAR_H
#define HOR_MODEL_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/model/config.h"

struct hor_calendars;

/* Answers for days in [from, to), 40 years at most. Calendars that are asked for must outlive it.
 * HOR_ERR_LIMIT, HOR_ERR_MEMORY. */
int hor_calendars_new(int32_t from, int32_t to, struct hor_calendars **ret, struct hor_error *err);
void hor_calendars_free(struct hor_calendars *calendars); /* accepts NULL */

/* Below: HOR_ERR_LIMIT for a day outside the window or references nested deeper than 20,
 * HOR_ERR_INVALID for a rule that cannot be evaluated, HOR_ERR_MEMORY. */

/* Does the calendar hold the day? A NULL calendar holds every day. */
int hor_calendars_have(struct hor_calendars *calendars, const struct hor_calendar *calendar,
                       int32_t day, bool *ret, struct hor_error *err);
/* The nearest day of the calendar at or after (step 1) or at or before (step -1) `day`; HOR_DAY_NONE
 * when there is none in the window. */
int hor_calendars_near(struct hor_calendars *calendars, const struct hor_calendar *calendar,
                       int32_t day, int step, int32_t *ret, struct hor_error *err);
/* Is the day among those that <days calendar weekdays nth of> means? The nth counts the calendar's
 * days with those weekdays in the period that holds `day`: 1 is the first, -1 the last. */
int hor_calendars_mean(struct hor_calendars *calendars, const struct hor_days *days, int32_t day,
                       bool *ret, struct hor_error *err);

#endif

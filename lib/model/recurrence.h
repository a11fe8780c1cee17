/* lib/model/recurrence.h - RFC 5545 recurrence rules that give days. Days have no zone: times of
 * day stand in schedules and are turned into UTC by lib/model/zone, so that no clock change ever
 * enters a rule. A rule has FREQ=DAILY, WEEKLY, MONTHLY or YEARLY; BYHOUR, BYMINUTE, BYSECOND,
 * RSCALE and SKIP are refused. Each day is looked at by itself, so the time that a rule takes grows
 * with the days it is asked for and with nothing else (see docs/deviations.md for why libical's
 * iterator is not used). Any thread. */
#ifndef HOR_MODEL_RECURRENCE_H
#define HOR_MODEL_RECURRENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/model/rule.h"

enum { HOR_RECURRENCE_MAX_BYTES = 1000 };

/* Is this a rule that gives a day at all, counted from `start`? HOR_ERR_INVALID says what is wrong.
 */
int hor_recurrence_check(const char *rule, int32_t start, struct hor_error *err);

/* Called for each day (days since 1970-01-01) in ascending order; false stops. */
typedef bool hor_recurrence_each_fn(int32_t day, void *ctx);
/* Gives the rule's days in [from, to). The rule counts (INTERVAL, COUNT, the weekday or day of
 * month that it does not name) from `start`; use HOR_RECURRENCE_START when the document gives none.
 * HOR_ERR_INVALID, HOR_ERR_LIMIT (from and to are more than 100 years apart). */
int hor_recurrence_each(const char *rule, int32_t start, int32_t from, int32_t to,
                        hor_recurrence_each_fn *each, void *ctx, struct hor_error *err);
/* The same for a rule that was read before; from and to may be any days. */
void hor_recurrence_walk(const struct hor_rule *rule, int32_t start, int32_t from, int32_t to,
                         hor_recurrence_each_fn *each, void *ctx);

/* Thursday, 1970-01-01. */
#define HOR_RECURRENCE_START 0

#endif

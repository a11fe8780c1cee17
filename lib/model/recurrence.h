/* lib/model/recurrence.h - RFC 5545 recurrence rules that give days, evaluated by libical (this is
 * its only user). Rules are iterated on floating dates: no zone ever enters the iterator, because
 * libical 3.0 keeps a shifted hour after it crosses a clock change. Times of day stand in schedules
 * and are turned into UTC by lib/model/zone.
 * A rule has FREQ=DAILY, WEEKLY, MONTHLY or YEARLY; BYHOUR, BYMINUTE, BYSECOND, RSCALE and SKIP
 * are refused. Any thread. */
#ifndef HOR_MODEL_RECURRENCE_H
#define HOR_MODEL_RECURRENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"

enum { HOR_RECURRENCE_MAX_BYTES = 1000 };

/* Is this a rule that we can evaluate? HOR_ERR_INVALID says what is wrong with it. */
int hor_recurrence_check(const char *rule, struct hor_error *err);

/* Called for each day (days since 1970-01-01) in ascending order; false stops. */
typedef bool hor_recurrence_each_fn(int32_t day, void *ctx);
/* Gives the rule's days in [from, to). The rule counts (INTERVAL, COUNT, the weekday or day of month
 * that it does not name) from `start`; use HOR_RECURRENCE_START when the document gives none.
 * HOR_ERR_INVALID, HOR_ERR_LIMIT (from and to are more than 100 years apart), HOR_ERR_MEMORY. */
int hor_recurrence_each(const char *rule, int32_t start, int32_t from, int32_t to,
                        hor_recurrence_each_fn *each, void *ctx, struct hor_error *err);

/* Thursday, 1970-01-01. */
#define HOR_RECURRENCE_START 0

#endif

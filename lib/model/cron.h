/* lib/model/cron.h - the five time fields of crontab(5): minute, hour, day of month, month, day of
 * week. Strict: what one cron takes and another does not (L, W, #, ?, %, ranges that go backwards,
 * steps without a range) is refused, and so is a line that never starts anything. No zone and no
 * clock: the plan turns days and minutes into moments. Any thread. */
#ifndef HOR_MODEL_CRON_H
#define HOR_MODEL_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"

struct hor_cron {           /* bit n stands for the value n */
    uint64_t minutes;       /* 0 .. 59 */
    uint32_t hours;         /* 0 .. 23 */
    uint32_t days_of_month; /* 1 .. 31 */
    uint16_t months;        /* 1 .. 12 */
    uint8_t weekdays;       /* 0 Monday .. 6 Sunday, as in lib/model/day.h */
    /* When both fields for days are written without a leading *, a day that either names counts;
     * otherwise it must be in both. */
    bool either_day;
};

/* "0,30 8-17 * * MON-FRI", or one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly and
 * @annually. HOR_ERR_INVALID says which field is wrong and why. */
int hor_cron_parse(const char *text, struct hor_cron *ret, struct hor_error *err);
/* Does it start anything on that day (lib/model/day.h)? */
bool hor_cron_has_day(const struct hor_cron *cron, int32_t day);
/* The first start of a day at or after `minute` (since midnight), or -1. */
int hor_cron_minute(const struct hor_cron *cron, int minute);

#endif

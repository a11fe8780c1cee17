#include "lib/model/calendar.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/model/day.h"
#include "lib/model/recurrence.h"

enum { MAX_WINDOW_DAYS = 40 * 366, MAX_DEPTH = 20 };

struct hor_calendars {
    int32_t from, to;
    struct hor_map *days; /* path of a calendar -> one byte a day of the window: 1 it holds it */
};

int hor_calendars_new(int32_t from, int32_t to, struct hor_calendars **ret, struct hor_error *err)
{
    if (to <= from || to - from > MAX_WINDOW_DAYS)
        return hor_error_set(err, HOR_ERR_LIMIT, "calendars can be asked for 1 day to 40 years");
    struct hor_calendars *calendars = calloc(1, sizeof *calendars);
    if (calendars == NULL || (calendars->days = hor_map_new(free)) == NULL) {
        free(calendars);
        return hor_error_set(err, HOR_ERR_MEMORY, "calendars: out of memory");
    }
    calendars->from = from;
    calendars->to = to;
    *ret = calendars;
    return HOR_OK;
}

void hor_calendars_free(struct hor_calendars *calendars)
{
    if (calendars == NULL)
        return;
    hor_map_free(calendars->days);
    free(calendars);
}

struct marking {
    const struct hor_calendars *calendars;
    unsigned char *days;
    unsigned char value;
};

static bool mark(int32_t day, void *ctx)
{
    struct marking *marking = ctx;
    marking->days[day - marking->calendars->from] = marking->value;
    return true;
}

static int days_of(struct hor_calendars *calendars, const struct hor_calendar *calendar, int depth,
                   const unsigned char **ret, struct hor_error *err);

static int mark_set(struct hor_calendars *calendars, const struct hor_day_set *set, int depth,
                    struct marking *marking, struct hor_error *err)
{
    int32_t from = set->from, to = set->to;
    const unsigned char *other = NULL;
    int rc;
    switch (set->type) {
    case HOR_DAY_SET_RULE:
        return hor_recurrence_each(set->rule, from != HOR_DAY_NONE ? from : HOR_RECURRENCE_START,
                                   calendars->from, calendars->to, mark, marking, err);
    case HOR_DAY_SET_DATES:
        if (from < calendars->from)
            from = calendars->from;
        for (int32_t day = from; day <= to && day < calendars->to; day++)
            mark(day, marking);
        return HOR_OK;
    case HOR_DAY_SET_CALENDAR:
        rc = days_of(calendars, set->calendar, depth + 1, &other, err);
        for (int32_t day = calendars->from; rc == HOR_OK && day < calendars->to; day++)
            if (other[day - calendars->from])
                mark(day, marking);
        return rc;
    }
    return HOR_OK;
}

static int days_of(struct hor_calendars *calendars, const struct hor_calendar *calendar, int depth,
                   const unsigned char **ret, struct hor_error *err)
{
    const char *path = calendar->object.path;
    unsigned char *days = hor_map_get(calendars->days, path);
    int rc = HOR_OK;
    if (days != NULL) {
        *ret = days;
        return HOR_OK;
    }
    if (depth > MAX_DEPTH)
        return hor_error_set(err, HOR_ERR_LIMIT, "calendar '%s': references nested deeper than %d",
                             path, MAX_DEPTH);
    size_t count = (size_t)(calendars->to - calendars->from);
    days = malloc(count);
    if (days == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "calendar '%s': out of memory", path);
    memset(days, calendar->include_count == 0, count);
    struct marking marking = {.calendars = calendars, .days = days, .value = 1};
    for (size_t i = 0; rc == HOR_OK && i < calendar->include_count; i++)
        rc = mark_set(calendars, &calendar->include[i], depth, &marking, err);
    marking.value = 0;
    for (size_t i = 0; rc == HOR_OK && i < calendar->exclude_count; i++)
        rc = mark_set(calendars, &calendar->exclude[i], depth, &marking, err);
    if (rc == HOR_OK && hor_map_put(calendars->days, path, days) != HOR_OK)
        rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (rc != HOR_OK) {
        free(days);
        if (depth == 0)
            hor_error_prefix(err, "calendar '%s'", path);
        return rc;
    }
    *ret = days;
    return HOR_OK;
}

int hor_calendars_have(struct hor_calendars *calendars, const struct hor_calendar *calendar,
                       int32_t day, bool *ret, struct hor_error *err)
{
    if (day < calendars->from || day >= calendars->to) {
        char text[HOR_DAY_TEXT_BYTES];
        return hor_error_set(err, HOR_ERR_LIMIT, "%s is outside of what the plan looks at",
                             hor_day_format(day, text));
    }
    const unsigned char *days = NULL;
    if (calendar != NULL) {
        int rc = days_of(calendars, calendar, 0, &days, err);
        if (rc != HOR_OK)
            return rc;
    }
    *ret = days == NULL || days[day - calendars->from] != 0;
    return HOR_OK;
}

int hor_calendars_near(struct hor_calendars *calendars, const struct hor_calendar *calendar,
                       int32_t day, int step, int32_t *ret, struct hor_error *err)
{
    bool have = false;
    for (; day >= calendars->from && day < calendars->to; day += step) {
        int rc = hor_calendars_have(calendars, calendar, day, &have, err);
        if (rc != HOR_OK)
            return rc;
        if (have) {
            *ret = day;
            return HOR_OK;
        }
    }
    *ret = HOR_DAY_NONE;
    return HOR_OK;
}

/* The period's days, [*ret_from, *ret_to). */
static void period_of(enum hor_day_period period, int32_t day, int32_t *ret_from, int32_t *ret_to)
{
    int year, month, day_of_month, months = 1;
    hor_day_split(day, &year, &month, &day_of_month);
    switch (period) {
    case HOR_PERIOD_WEEK:
        *ret_from = day - hor_day_weekday(day);
        *ret_to = *ret_from + 7;
        return;
    case HOR_PERIOD_QUARTER:
        months = 3;
        month -= (month - 1) % 3;
        break;
    case HOR_PERIOD_YEAR:
        months = 12;
        month = 1;
        break;
    case HOR_PERIOD_MONTH:
    case HOR_PERIOD_NONE:
        break;
    }
    *ret_from = hor_day_make(year, month, 1);
    month += months;
    *ret_to = month > 12 ? hor_day_make(year + 1, month - 12, 1) : hor_day_make(year, month, 1);
}

static int counts(struct hor_calendars *calendars, const struct hor_days *days, int32_t day,
                  bool *ret, struct hor_error *err)
{
    if (days->weekdays != 0 && (days->weekdays >> hor_day_weekday(day) & 1) == 0) {
        *ret = false;
        return HOR_OK;
    }
    return hor_calendars_have(calendars, days->calendar, day, ret, err);
}

int hor_calendars_mean(struct hor_calendars *calendars, const struct hor_days *days, int32_t day,
                       bool *ret, struct hor_error *err)
{
    bool here = false, one = false;
    int rc = counts(calendars, days, day, &here, err);
    if (rc != HOR_OK || !here || days->nth == 0) {
        if (rc == HOR_OK)
            *ret = here;
        return rc;
    }
    int32_t from, to;
    period_of(days->of, day, &from, &to);
    int place = 1; /* of `day`, from the end that nth counts from */
    if (days->nth > 0)
        to = day;
    else
        from = day + 1;
    for (int32_t other = from; other < to; other++) {
        rc = counts(calendars, days, other, &one, err);
        if (rc != HOR_OK)
            return rc;
        place += one;
    }
    *ret = place == (days->nth > 0 ? days->nth : -days->nth);
    return HOR_OK;
}

#include "lib/model/calendar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/model/day.h"
#include "lib/model/recurrence.h"

enum { MAX_WINDOW_DAYS = 40 * 366, MAX_DEPTH = 20, YEAR_BYTES = 366 / 8 + 1, MAX_KEY_BYTES = 1100 };

/* Days that are asked for are worked out a year at a time and kept, under a key that says what they
 * are the days of: a calendar, a rule with its start, a file, or a <days> with nth. Many objects
 * share those. */
struct hor_calendars {
    int32_t from, to;
    int first_year;
    size_t year_count;
    struct hor_map *known; /* key -> struct years */
};

struct years {
    size_t count;
    unsigned char *bits[]; /* per year of the window; NULL: not worked out */
};

/* The year at hand. */
struct year {
    struct hor_calendars *calendars;
    int number;
    int32_t from, to;
    unsigned char *bits;
    bool value;
};

static void free_years(void *item)
{
    struct years *years = item;
    for (size_t i = 0; i < years->count; i++)
        free(years->bits[i]);
    free(years);
}

int hor_calendars_new(int32_t from, int32_t to, struct hor_calendars **ret, struct hor_error *err)
{
    int year, month, day;
    if (to <= from || to - from > MAX_WINDOW_DAYS)
        return hor_error_set(err, HOR_ERR_LIMIT, "calendars can be asked for 1 day to 40 years");
    struct hor_calendars *calendars = calloc(1, sizeof *calendars);
    if (calendars == NULL || (calendars->known = hor_map_new(free_years)) == NULL) {
        free(calendars);
        return hor_error_set(err, HOR_ERR_MEMORY, "calendars: out of memory");
    }
    calendars->from = from;
    calendars->to = to;
    hor_day_split(from, &calendars->first_year, &month, &day);
    hor_day_split(to, &year, &month, &day);
    calendars->first_year--; /* weeks begin in the year before and end in the one after */
    calendars->year_count = (size_t)(year - calendars->first_year + 2);
    *ret = calendars;
    return HOR_OK;
}

void hor_calendars_free(struct hor_calendars *calendars)
{
    if (calendars == NULL)
        return;
    hor_map_free(calendars->known);
    free(calendars);
}

static bool bit(const unsigned char *bits, int32_t at)
{
    return bits[at / 8] >> at % 8 & 1;
}

static bool mark(int32_t day, void *ctx)
{
    struct year *year = ctx;
    if (day < year->from || day >= year->to)
        return true;
    int32_t at = day - year->from;
    unsigned char one = (unsigned char)(1u << at % 8);
    if (year->value)
        year->bits[at / 8] |= one;
    else
        year->bits[at / 8] &= (unsigned char)~one;
    return true;
}

/* Fills year->bits, which are zero. */
typedef int fill_fn(struct year *year, const void *of, int depth, struct hor_error *err);

/* The bits of a year, worked out by `fill` when they are asked for the first time. */
static int year_of(struct hor_calendars *calendars, const char *key, int number, fill_fn *fill,
                   const void *of, int depth, const unsigned char **ret, struct hor_error *err)
{
    struct years *years = hor_map_get(calendars->known, key);
    size_t at = (size_t)(number - calendars->first_year);
    if (years == NULL) {
        years = calloc(1, sizeof *years + calendars->year_count * sizeof *years->bits);
        if (years == NULL || hor_map_put(calendars->known, key, years) != HOR_OK) {
            free(years);
            return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        }
        years->count = calendars->year_count;
    }
    if (years->bits[at] == NULL) {
        struct year year = {.calendars = calendars,
                            .number = number,
                            .from = hor_day_make(number, 1, 1),
                            .to = hor_day_make(number + 1, 1, 1),
                            .bits = calloc(1, YEAR_BYTES),
                            .value = true};
        int rc = year.bits == NULL ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                                   : fill(&year, of, depth, err);
        if (rc != HOR_OK) {
            free(year.bits);
            return rc;
        }
        years->bits[at] = year.bits;
    }
    *ret = years->bits[at];
    return HOR_OK;
}

static int fill_rule(struct year *year, const void *of, int depth, struct hor_error *err)
{
    const struct hor_day_set *set = of;
    (void)depth;
    return hor_recurrence_each(set->rule,
                               set->from != HOR_DAY_NONE ? set->from : HOR_RECURRENCE_START,
                               year->from, year->to, mark, year, err);
}

static int fill_icalendar(struct year *year, const void *of, int depth, struct hor_error *err)
{
    const struct hor_icalendar *icalendar = of;
    (void)depth;
    (void)err;
    for (size_t i = 0; i < icalendar->events.count; i++)
        hor_icalendar_walk(&icalendar->events.items[i], year->from, year->to, mark, year);
    return HOR_OK;
}

static int fill_calendar(struct year *year, const void *of, int depth, struct hor_error *err);

static int mark_bits(struct year *year, const char *key, fill_fn *fill, const void *of, int depth,
                     struct hor_error *err)
{
    const unsigned char *bits = NULL;
    int rc = year_of(year->calendars, key, year->number, fill, of, depth, &bits, err);
    for (int i = 0; rc == HOR_OK && i < YEAR_BYTES; i++)
        year->bits[i] =
            (unsigned char)(year->value ? year->bits[i] | bits[i] : year->bits[i] & ~bits[i]);
    return rc;
}

static int mark_set(struct year *year, const struct hor_day_set *set, int depth,
                    struct hor_error *err)
{
    char key[MAX_KEY_BYTES];
    switch (set->type) {
    case HOR_DAY_SET_RULE:
        snprintf(key, sizeof key, "rule %d %s", (int)set->from, set->rule);
        return mark_bits(year, key, fill_rule, set, depth, err);
    case HOR_DAY_SET_DATES:
        for (int32_t day = set->from > year->from ? set->from : year->from;
             day <= set->to && day < year->to; day++)
            mark(day, year);
        return HOR_OK;
    case HOR_DAY_SET_CALENDAR:
        snprintf(key, sizeof key, "calendar %s", set->calendar->object.path);
        return mark_bits(year, key, fill_calendar, set->calendar, depth + 1, err);
    case HOR_DAY_SET_ICALENDAR:
        snprintf(key, sizeof key, "file %s", set->icalendar->object.path);
        return mark_bits(year, key, fill_icalendar, set->icalendar, depth, err);
    }
    return HOR_OK;
}

static int fill_calendar(struct year *year, const void *of, int depth, struct hor_error *err)
{
    const struct hor_calendar *calendar = of;
    int rc = HOR_OK;
    if (depth > MAX_DEPTH)
        return hor_error_set(err, HOR_ERR_LIMIT, "calendar '%s': references nested deeper than %d",
                             calendar->object.path, MAX_DEPTH);
    if (calendar->include_count == 0)
        memset(year->bits, 0xff, YEAR_BYTES);
    for (size_t i = 0; rc == HOR_OK && i < calendar->include_count; i++)
        rc = mark_set(year, &calendar->include[i], depth, err);
    year->value = false;
    for (size_t i = 0; rc == HOR_OK && i < calendar->exclude_count; i++)
        rc = mark_set(year, &calendar->exclude[i], depth, err);
    if (rc != HOR_OK && depth == 0)
        hor_error_prefix(err, "calendar '%s'", calendar->object.path);
    return rc;
}

static int have(struct hor_calendars *calendars, const struct hor_calendar *calendar, int32_t day,
                bool *ret, struct hor_error *err)
{
    char key[MAX_KEY_BYTES];
    int year, month, day_of_month;
    const unsigned char *bits = NULL;
    *ret = true;
    if (calendar == NULL)
        return HOR_OK;
    hor_day_split(day, &year, &month, &day_of_month);
    snprintf(key, sizeof key, "calendar %s", calendar->object.path);
    int rc = year_of(calendars, key, year, fill_calendar, calendar, 0, &bits, err);
    if (rc == HOR_OK)
        *ret = bit(bits, day - hor_day_make(year, 1, 1));
    return rc;
}

static int check_window(const struct hor_calendars *calendars, int32_t day, struct hor_error *err)
{
    char text[HOR_DAY_TEXT_BYTES];
    if (day >= calendars->from && day < calendars->to)
        return HOR_OK;
    return hor_error_set(err, HOR_ERR_LIMIT, "%s is outside of what the plan looks at",
                         hor_day_format(day, text));
}

int hor_calendars_have(struct hor_calendars *calendars, const struct hor_calendar *calendar,
                       int32_t day, bool *ret, struct hor_error *err)
{
    int rc = check_window(calendars, day, err);
    return rc != HOR_OK ? rc : have(calendars, calendar, day, ret, err);
}

int hor_calendars_near(struct hor_calendars *calendars, const struct hor_calendar *calendar,
                       int32_t day, int step, int32_t *ret, struct hor_error *err)
{
    bool found = false;
    for (; day >= calendars->from && day < calendars->to; day += step) {
        int rc = have(calendars, calendar, day, &found, err);
        if (rc != HOR_OK)
            return rc;
        if (found) {
            *ret = day;
            return HOR_OK;
        }
    }
    *ret = HOR_DAY_NONE;
    return HOR_OK;
}

/* The period that begins on a day, or the week that holds it: [*ret_from, *ret_to). */
static void period_at(enum hor_day_period period, int32_t day, int32_t *ret_from, int32_t *ret_to)
{
    static const int lengths[] = {[HOR_PERIOD_NONE] = 1,
                                  [HOR_PERIOD_WEEK] = 0,
                                  [HOR_PERIOD_MONTH] = 1,
                                  [HOR_PERIOD_QUARTER] = 3,
                                  [HOR_PERIOD_YEAR] = 12};
    int year, month, day_of_month;
    if (period == HOR_PERIOD_WEEK) {
        *ret_from = day - hor_day_weekday(day);
        *ret_to = *ret_from + 7;
        return;
    }
    hor_day_split(day, &year, &month, &day_of_month);
    month += lengths[period];
    *ret_from = day;
    *ret_to = month > 12 ? hor_day_make(year + 1, month - 12, 1) : hor_day_make(year, month, 1);
}

static int counts(struct hor_calendars *calendars, const struct hor_days *days, int32_t day,
                  bool *ret, struct hor_error *err)
{
    if (days->weekdays != 0 && (days->weekdays >> hor_day_weekday(day) & 1) == 0) {
        *ret = false;
        return HOR_OK;
    }
    return have(calendars, days->calendar, day, ret, err);
}

/* Of each period that has a day in the year the nth day that counts. */
static int fill_nth(struct year *year, const void *of, int depth, struct hor_error *err)
{
    const struct hor_days *days = of;
    int32_t from, to, found[366];
    (void)depth;
    for (int32_t day = year->from; day < year->to; day = to) {
        int count = 0, rc = HOR_OK;
        period_at(days->of, day, &from, &to);
        for (int32_t other = from; rc == HOR_OK && other < to; other++) {
            bool one = false;
            rc = counts(year->calendars, days, other, &one, err);
            if (one)
                found[count++] = other;
        }
        if (rc != HOR_OK)
            return rc;
        int place = days->nth > 0 ? days->nth - 1 : count + days->nth;
        if (place >= 0 && place < count)
            mark(found[place], year);
    }
    return HOR_OK;
}

int hor_calendars_mean(struct hor_calendars *calendars, const struct hor_days *days, int32_t day,
                       bool *ret, struct hor_error *err)
{
    char key[MAX_KEY_BYTES];
    int year, month, day_of_month;
    const unsigned char *bits = NULL;
    int rc = check_window(calendars, day, err);
    if (rc != HOR_OK)
        return rc;
    if (days->nth == 0)
        return counts(calendars, days, day, ret, err);
    hor_day_split(day, &year, &month, &day_of_month);
    snprintf(key, sizeof key, "nth %d %d %u %s", days->nth, (int)days->of, days->weekdays,
             days->calendar != NULL ? days->calendar->object.path : "");
    rc = year_of(calendars, key, year, fill_nth, days, 0, &bits, err);
    if (rc == HOR_OK)
        *ret = bit(bits, day - hor_day_make(year, 1, 1));
    return rc;
}

#include "lib/model/zone_rule.h"

#include <string.h>

#include "lib/model/day.h"

static bool skip_name(const char **at)
{
    const char *start = *at;
    if (*start == '<') {
        const char *end = strchr(start, '>');
        if (end == NULL)
            return false;
        *at = end + 1;
        return true;
    }
    while ((**at >= 'A' && **at <= 'Z') || (**at >= 'a' && **at <= 'z'))
        (*at)++;
    return *at - start >= 3;
}

static bool read_number(const char **at, int max, int *ret)
{
    int value = 0;
    const char *start = *at;
    while (**at >= '0' && **at <= '9') {
        value = value * 10 + (**at - '0');
        if (value > max)
            return false;
        (*at)++;
    }
    *ret = value;
    return *at != start;
}

/* [+-]hh[:mm[:ss]] */
static bool read_time(const char **at, int max_hours, int32_t *ret_s)
{
    int sign = 1, hours = 0, minutes = 0, seconds = 0;
    if (**at == '-' || **at == '+')
        sign = *(*at)++ == '-' ? -1 : 1;
    if (!read_number(at, max_hours, &hours))
        return false;
    if (**at == ':') {
        (*at)++;
        if (!read_number(at, 59, &minutes))
            return false;
        if (**at == ':') {
            (*at)++;
            if (!read_number(at, 59, &seconds))
                return false;
        }
    }
    *ret_s = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

static bool read_date(const char **at, struct hor_zone_date *ret)
{
    if (*(*at)++ != ',')
        return false;
    struct hor_zone_date date = {.time_s = 2 * 3600};
    if (**at == 'M') {
        (*at)++;
        date.kind = HOR_ZONE_MONTH_WEEK_DAY;
        if (!read_number(at, 12, &date.month) || date.month < 1 || *(*at)++ != '.' ||
            !read_number(at, 5, &date.week) || date.week < 1 || *(*at)++ != '.' ||
            !read_number(at, 6, &date.day))
            return false;
    } else if (**at == 'J') {
        (*at)++;
        date.kind = HOR_ZONE_JULIAN;
        if (!read_number(at, 365, &date.day) || date.day < 1)
            return false;
    } else {
        date.kind = HOR_ZONE_DAY_OF_YEAR;
        if (!read_number(at, 365, &date.day))
            return false;
    }
    if (**at == '/') {
        (*at)++;
        if (!read_time(at, 167, &date.time_s))
            return false;
    }
    *ret = date;
    return true;
}

bool hor_zone_rule_parse(const char *text, struct hor_zone_rule *ret)
{
    struct hor_zone_rule rule = {0};
    int32_t west = 0;
    const char *at = text;
    if (!skip_name(&at) || !read_time(&at, 24, &west))
        return false;
    rule.standard_s = -west;
    if (*at != '\0') {
        rule.has_daylight = true;
        rule.daylight_s = rule.standard_s + 3600;
        if (!skip_name(&at))
            return false;
        if (*at != ',') {
            if (!read_time(&at, 24, &west))
                return false;
            rule.daylight_s = -west;
        }
        if (!read_date(&at, &rule.begin) || !read_date(&at, &rule.end) || *at != '\0')
            return false;
    }
    *ret = rule;
    return true;
}

/* Local time of the change in that year, on the clock as it is before the change. */
static int64_t local_change(const struct hor_zone_date *date, int year)
{
    int32_t day = 0, first = hor_day_make(year, 1, 1);
    switch (date->kind) {
    case HOR_ZONE_JULIAN: /* February 29 is never counted */
        day = first + date->day - 1;
        if (date->day >= 60 && hor_days_in_month(year, 2) == 29)
            day++;
        break;
    case HOR_ZONE_DAY_OF_YEAR:
        day = first + date->day;
        break;
    case HOR_ZONE_MONTH_WEEK_DAY: {
        int32_t month_first = hor_day_make(year, date->month, 1);
        int weekday = (hor_day_weekday(month_first) + 1) % 7; /* 0: Sunday, as in the rule */
        int offset = (date->day - weekday + 7) % 7 + 7 * (date->week - 1);
        if (offset >= hor_days_in_month(year, date->month))
            offset -= 7; /* week 5 is the last one */
        day = month_first + offset;
        break;
    }
    }
    return (int64_t)day * HOR_DAY_SECONDS + date->time_s;
}

static int64_t begin_of(const struct hor_zone_rule *rule, int year)
{
    return local_change(&rule->begin, year) - rule->standard_s;
}

static int64_t end_of(const struct hor_zone_rule *rule, int year)
{
    return local_change(&rule->end, year) - rule->daylight_s;
}

static int year_of(int64_t local_s)
{
    int year, month, day;
    hor_day_split(hor_day_of_local(local_s), &year, &month, &day);
    return year;
}

/* The last change at or before `utc_s` decides. Changes of a year may, with times beyond a day, fall
 * into its neighbours, so those are looked at too. A rule that begins and ends in the same instant of
 * different years ("all year round") leaves daylight time on: begin wins the tie. */
int32_t hor_zone_rule_offset(const struct hor_zone_rule *rule, int64_t utc_s)
{
    if (!rule->has_daylight)
        return rule->standard_s;
    int year = year_of(utc_s + rule->standard_s);
    int64_t last_begin = INT64_MIN, last_end = INT64_MIN;
    for (int y = year - 1; y <= year + 1; y++) {
        int64_t begin = begin_of(rule, y), end = end_of(rule, y);
        if (begin <= utc_s && begin > last_begin)
            last_begin = begin;
        if (end <= utc_s && end > last_end)
            last_end = end;
    }
    return last_begin >= last_end ? rule->daylight_s : rule->standard_s;
}

bool hor_zone_rule_next(const struct hor_zone_rule *rule, int64_t utc_s, int64_t *ret_utc_s)
{
    if (!rule->has_daylight)
        return false;
    int year = year_of(utc_s + rule->standard_s);
    int64_t next = INT64_MAX;
    for (int y = year - 1; y <= year + 2; y++) {
        int64_t begin = begin_of(rule, y), end = end_of(rule, y);
        if (begin > utc_s && begin < next)
            next = begin;
        if (end > utc_s && end < next)
            next = end;
    }
    *ret_utc_s = next;
    return next != INT64_MAX;
}

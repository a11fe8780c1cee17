#include "lib/model/recurrence.h"

#include <string.h>

#include "lib/model/day.h"

enum { MAX_SPAN_DAYS = 100 * 366, CYCLE_DAYS = 146097 /* 400 years, a whole number of weeks */ };

/* The longest period is a leap year. */
enum { MAX_SET = 366 };

/* A day and what its rule may ask about it. */
struct place {
    int32_t day;
    int year, month, day_of_month, month_days;
    int year_day, year_days; /* from 1 */
    int weekday;
};

static int days_of_year(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 366 : 365;
}

static struct place place_of(int32_t day)
{
    struct place p = {.day = day, .weekday = hor_day_weekday(day)};
    hor_day_split(day, &p.year, &p.month, &p.day_of_month);
    p.month_days = hor_days_in_month(p.year, p.month);
    p.year_days = days_of_year(p.year);
    p.year_day = day - hor_day_make(p.year, 1, 1) + 1;
    return p;
}

static void next_day(struct place *p)
{
    if (p->day_of_month == p->month_days) { /* once a month the slow way */
        *p = place_of(p->day + 1);
        return;
    }
    p->day++;
    p->day_of_month++;
    p->year_day++;
    p->weekday = p->weekday == 6 ? 0 : p->weekday + 1;
}

static bool has(const uint64_t *words, int value)
{
    return words[value / 64] >> value % 64 & 1;
}

/* A week belongs to the year that has its fourth day. */
static bool in_week(const struct hor_rule *rule, const struct place *p)
{
    int32_t fourth = p->day - (p->weekday - rule->week_start + 7) % 7 + 3;
    int year, month, day_of_month;
    hor_day_split(fourth, &year, &month, &day_of_month);
    int week = (fourth - hor_day_make(year, 1, 1)) / 7 + 1;
    /* the week of 28 December is the year's last */
    int32_t end = hor_day_make(year, 12, 28);
    end += 3 - (hor_day_weekday(end) - rule->week_start + 7) % 7;
    int weeks = (end - hor_day_make(year, 1, 1)) / 7 + 1;
    return (rule->weeks >> week & 1) != 0 || (rule->weeks_back >> (weeks - week + 1) & 1) != 0;
}

/* The numbers in BYDAY count in the month, and in the year when a yearly rule names no month. */
static bool is_nth(const struct hor_rule *rule, const struct place *p, bool of_year)
{
    int before = of_year ? p->year_day : p->day_of_month;
    int after = (of_year ? p->year_days : p->month_days) - before;
    return (rule->nth[p->weekday] >> ((before - 1) / 7 + 1) & 1) != 0 ||
           (rule->nth_back[p->weekday] >> (after / 7 + 1) & 1) != 0;
}

static bool matches(const struct hor_rule *rule, const struct place *p)
{
    if (rule->months != 0 && (rule->months >> p->month & 1) == 0)
        return false;
    if ((rule->month_days | rule->month_days_back) != 0 &&
        (rule->month_days >> p->day_of_month & 1) == 0 &&
        (rule->month_days_back >> (p->month_days - p->day_of_month + 1) & 1) == 0)
        return false;
    if (rule->has_year_days && !has(rule->year_days, p->year_day) &&
        !has(rule->year_days_back, p->year_days - p->year_day + 1))
        return false;
    if ((rule->weekdays != 0 || rule->has_nth) && (rule->weekdays >> p->weekday & 1) == 0 &&
        !(rule->has_nth &&
          is_nth(rule, p, rule->frequency == HOR_RULE_YEARLY && rule->months == 0)))
        return false;
    return (rule->weeks | rule->weeks_back) == 0 || in_week(rule, p);
}

/* What a rule leaves out it takes from its start. */
static struct hor_rule completed(const struct hor_rule *written, int32_t start)
{
    struct hor_rule rule = *written;
    struct place p = place_of(start);
    bool by_week = (rule.weeks | rule.weeks_back) != 0;
    bool by_day = rule.weekdays != 0 || rule.has_nth;
    if (by_day || (rule.month_days | rule.month_days_back) != 0 || rule.has_year_days)
        return rule;
    if (rule.frequency == HOR_RULE_WEEKLY || by_week)
        rule.weekdays = (uint8_t)(1u << p.weekday);
    else if (rule.frequency != HOR_RULE_DAILY)
        rule.month_days = UINT32_C(1) << p.day_of_month;
    if (rule.frequency == HOR_RULE_YEARLY && !by_week && rule.months == 0)
        rule.months = (uint16_t)(1u << p.month);
    return rule;
}

/* Periods are counted from the one that holds the start. */
static int64_t period_index(const struct hor_rule *rule, int32_t day)
{
    int year, month, day_of_month;
    hor_day_split(day, &year, &month, &day_of_month);
    switch (rule->frequency) {
    case HOR_RULE_DAILY:
        return day;
    case HOR_RULE_WEEKLY: /* floor: days before 1970 are negative */
        day -= (hor_day_weekday(day) - rule->week_start + 7) % 7;
        return (day - (rule->week_start + 4) % 7 + 7 * 1000000) / 7;
    case HOR_RULE_MONTHLY:
        return (int64_t)year * 12 + month - 1;
    case HOR_RULE_YEARLY:
        break;
    }
    return year;
}

static void period_days(const struct hor_rule *rule, int64_t index, int32_t *ret_from,
                        int32_t *ret_to)
{
    int year, month;
    switch (rule->frequency) {
    case HOR_RULE_DAILY:
        *ret_from = (int32_t)index;
        *ret_to = *ret_from + 1;
        return;
    case HOR_RULE_WEEKLY:
        *ret_from = (int32_t)((index - 1000000) * 7) + (rule->week_start + 4) % 7;
        *ret_to = *ret_from + 7;
        return;
    case HOR_RULE_MONTHLY:
        year = (int)(index / 12);
        month = (int)(index % 12) + 1;
        *ret_from = hor_day_make(year, month, 1);
        *ret_to = *ret_from + hor_days_in_month(year, month);
        return;
    case HOR_RULE_YEARLY:
        *ret_from = hor_day_make((int)index, 1, 1);
        *ret_to = *ret_from + days_of_year((int)index);
        return;
    }
}

/* The days of a period that match, those at the places of BYSETPOS. */
static int period_set(const struct hor_rule *rule, int32_t from, int32_t to, int32_t days[MAX_SET])
{
    int count = 0, kept = 0;
    struct place p = place_of(from);
    for (; p.day < to; next_day(&p))
        if (matches(rule, &p))
            days[count++] = p.day;
    if (!rule->has_places)
        return count;
    for (int i = 0; i < count; i++)
        if (has(rule->places, i + 1) || has(rule->places_back, count - i))
            days[kept++] = days[i];
    return kept;
}

void hor_recurrence_walk(const struct hor_rule *written, int32_t start, int32_t from, int32_t to,
                         hor_recurrence_each_fn *each, void *ctx)
{
    struct hor_rule rule = completed(written, start);
    int32_t left = rule.count, days[MAX_SET], first = 0, end = 0;
    if (from < start)
        from = start;
    if (rule.until != HOR_DAY_NONE && rule.until < to)
        to = rule.until + 1;
    if (from >= to)
        return;
    int64_t index = period_index(&rule, start), last = period_index(&rule, to - 1);
    if (rule.count == 0) /* a rule that counts is walked from its start */
        index += (period_index(&rule, from) - index) / rule.interval * rule.interval;
    for (; index <= last; index += rule.interval) {
        period_days(&rule, index, &first, &end);
        int count = period_set(&rule, first, end, days);
        for (int i = 0; i < count; i++) {
            if (days[i] < start)
                continue;
            if (days[i] >= to || (rule.count > 0 && left-- == 0))
                return;
            if (days[i] >= from && !each(days[i], ctx))
                return;
        }
        if (rule.count > 0 && left == 0)
            return;
    }
}

static bool note(int32_t day, void *ctx)
{
    *(int32_t *)ctx = day;
    return false;
}

/* Days repeat after 400 years, so a rule with an interval repeats after that many cycles at most,
 * which are as many periods as one cycle has: what gives no day until then never does. */
static bool gives_days(const struct hor_rule *rule, int32_t start)
{
    int32_t found = HOR_DAY_NONE, end = hor_day_make(9999, 12, 31);
    int64_t cycle = (int64_t)CYCLE_DAYS * rule->interval;
    if (start + cycle < end)
        end = (int32_t)(start + cycle);
    hor_recurrence_walk(rule, start, start, end, note, &found);
    return found != HOR_DAY_NONE;
}

int hor_recurrence_check(const char *text, int32_t start, struct hor_error *err)
{
    struct hor_rule rule;
    int rc = hor_rule_parse(text, &rule, err);
    if (rc == HOR_OK && !gives_days(&rule, start)) {
        char day[HOR_DAY_TEXT_BYTES];
        rc = hor_error_set(err, HOR_ERR_INVALID, "rule '%s': it never gives a day, counted from %s",
                           text, hor_day_format(start, day));
    }
    return rc;
}

int hor_recurrence_each(const char *text, int32_t start, int32_t from, int32_t to,
                        hor_recurrence_each_fn *each, void *ctx, struct hor_error *err)
{
    struct hor_rule rule;
    int rc = hor_rule_parse(text, &rule, err);
    if (rc != HOR_OK)
        return rc;
    if (to > from && (int64_t)to - from > MAX_SPAN_DAYS)
        return hor_error_set(err, HOR_ERR_LIMIT, "rule '%s': more than 100 years asked for", text);
    hor_recurrence_walk(&rule, start, from, to, each, ctx);
    return HOR_OK;
}

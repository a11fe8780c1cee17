#include "lib/model/cron.h"

#include <string.h>
#include <strings.h>

#include "lib/model/day.h"

static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                          "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const weekday_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

struct field {
    const char *title;
    int low, high;
    const char *const *names; /* of the values from `low` on; NULL: numbers only */
    int name_count;
};

enum { MINUTE, HOUR, DAY_OF_MONTH, MONTH, WEEKDAY, FIELDS };

static const struct field fields[FIELDS] = {
    {"minute", 0, 59, NULL, 0},
    {"hour", 0, 23, NULL, 0},
    {"day of month", 1, 31, NULL, 0},
    {"month", 1, 12, month_names, 12},
    {"day of week", 0, 7, weekday_names, 7}, /* 0 and 7 are Sunday */
};

static int wrong(const struct field *field, const char *text, const char *why,
                 struct hor_error *err)
{
    size_t len = strcspn(text, " \t");
    return hor_error_set(err, HOR_ERR_INVALID, "%s '%.*s': %s", field->title,
                         (int)(len < 60 ? len : 60), text, why);
}

/* A number of at most three digits, or a name. False: neither. */
static bool value(const struct field *field, const char **at, int *ret)
{
    size_t digits = strspn(*at, "0123456789");
    if (digits > 0 && digits <= 3) {
        *ret = 0;
        for (size_t i = 0; i < digits; i++)
            *ret = *ret * 10 + (*(*at)++ - '0');
        return true;
    }
    for (int i = 0; digits == 0 && i < field->name_count; i++)
        if (strncasecmp(*at, field->names[i], 3) == 0) {
            *ret = field->low + i;
            *at += 3;
            return true;
        }
    return false;
}

/* One part of a list: `*`, a value or a range; a step after the first and the last. */
static int part(const struct field *field, const char *whole, const char **at, uint64_t *bits,
                struct hor_error *err)
{
    int from = field->low, to = field->high, step = 1;
    bool range = true;
    if (**at == '*') {
        (*at)++;
        if (field == &fields[WEEKDAY])
            to = 6;
    } else {
        if (!value(field, at, &from))
            return wrong(field, whole,
                         field->names != NULL ? "expected *, a number or a name of three letters"
                                              : "expected * or a number",
                         err);
        range = **at == '-';
        to = from;
        if (range && ((*at)++, !value(field, at, &to)))
            return wrong(field, whole, "the range has no end", err);
        /* As a name and as a start Sunday is 0; at the end of a range it comes after Saturday. */
        if (range && field == &fields[WEEKDAY] && to == 0 && from > 0)
            to = 7;
    }
    if (from < field->low || to > field->high)
        return hor_error_set(err, HOR_ERR_INVALID, "%s '%.*s': %d is not within %d to %d",
                             field->title, (int)strcspn(whole, " \t"), whole,
                             from < field->low ? from : to, field->low, field->high);
    if (from > to)
        return wrong(field, whole, "the range goes backwards (write two)", err);
    if (**at == '/') {
        const char *digits = ++*at;
        if (!range)
            return wrong(field, whole, "a step needs a range, such as 5-59/10", err);
        if (*digits < '0' || *digits > '9' || !value(field, at, &step) || step == 0)
            return wrong(field, whole, "the step is not a number from 1 on", err);
        if (step > 1 && step > to - from)
            return wrong(field, whole,
                         "the step is longer than the range: only the first value "
                         "counts (write that)",
                         err);
    }
    for (int i = from; i <= to; i += step)
        *bits |= UINT64_C(1) << i;
    return HOR_OK;
}

static int list(const struct field *field, const char **at, uint64_t *ret, struct hor_error *err)
{
    const char *whole = *at;
    for (;; (*at)++) {
        int rc = part(field, whole, at, ret, err);
        if (rc != HOR_OK || **at != ',') {
            if (rc == HOR_OK && **at != '\0' && **at != ' ' && **at != '\t')
                rc = wrong(field, whole, "only numbers, names, '*', '-', ',' and '/' are known",
                           err);
            return rc;
        }
    }
}

static const char *words(const char *text, struct hor_error *err)
{
    static const char *const known[][2] = {
        {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
        {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
        {"@annually", "0 0 1 1 *"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(text, known[i][0]) == 0)
            return known[i][1];
    hor_error_set(err, HOR_ERR_INVALID,
                  "'%.40s' is not one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, "
                  "@annually",
                  text);
    return NULL;
}

/* Is there a month with one of the days? February counts 29 of them. */
static bool ever(const struct hor_cron *cron)
{
    static const int last[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (cron->either_day)
        return true;
    for (int month = 1; month <= 12; month++)
        if (cron->months >> month & 1 && (cron->days_of_month & ((UINT64_C(2) << last[month]) - 2)))
            return true;
    return false;
}

int hor_cron_parse(const char *text, struct hor_cron *ret, struct hor_error *err)
{
    uint64_t bits[FIELDS] = {0};
    bool starred[FIELDS] = {false};
    if (*text == '@' && (text = words(text, err)) == NULL)
        return HOR_ERR_INVALID;
    for (int i = 0; i < FIELDS; i++) {
        text += strspn(text, " \t");
        if (*text == '\0')
            return hor_error_set(err, HOR_ERR_INVALID,
                                 "there are %d fields and not five: minute, hour, day of month, "
                                 "month, day of week",
                                 i);
        starred[i] = *text == '*';
        int rc = list(&fields[i], &text, &bits[i], err);
        if (rc != HOR_OK)
            return rc;
    }
    text += strspn(text, " \t");
    if (*text != '\0')
        return hor_error_set(err, HOR_ERR_INVALID, "'%.40s' stands after the five fields", text);
    struct hor_cron cron = {
        .minutes = bits[MINUTE],
        .hours = (uint32_t)bits[HOUR],
        .days_of_month = (uint32_t)bits[DAY_OF_MONTH],
        .months = (uint16_t)bits[MONTH],
        /* from 0 Sunday .. 6 Saturday, 7 Sunday to 0 Monday .. 6 Sunday */
        .weekdays = (uint8_t)((bits[WEEKDAY] >> 1 | (bits[WEEKDAY] & 1) << 6) & 0x7f),
        .either_day = !starred[DAY_OF_MONTH] && !starred[WEEKDAY],
    };
    if (!ever(&cron))
        return hor_error_set(err, HOR_ERR_INVALID, "none of its months has one of its days");
    *ret = cron;
    return HOR_OK;
}

bool hor_cron_has_day(const struct hor_cron *cron, int32_t day)
{
    int year, month, day_of_month;
    hor_day_split(day, &year, &month, &day_of_month);
    if ((cron->months >> month & 1) == 0)
        return false;
    bool by_date = cron->days_of_month >> day_of_month & 1;
    bool by_weekday = cron->weekdays >> hor_day_weekday(day) & 1;
    return cron->either_day ? by_date || by_weekday : by_date && by_weekday;
}

int hor_cron_minute(const struct hor_cron *cron, int minute)
{
    for (int hour = minute / 60, from = minute % 60; hour < 24; hour++, from = 0) {
        uint64_t left = (cron->hours >> hour & 1) != 0 ? cron->minutes >> from : 0;
        for (int i = from; left != 0; i++, left >>= 1)
            if (left & 1)
                return hour * 60 + i;
    }
    return -1;
}

#include "lib/model/rule.h"

#include <stdio.h>
#include <string.h>

#include "lib/model/day.h"
#include "lib/model/recurrence.h"

enum part {
    FREQ,
    UNTIL,
    COUNT,
    INTERVAL,
    BYDAY,
    BYMONTHDAY,
    BYYEARDAY,
    BYWEEKNO,
    BYMONTH,
    BYSETPOS,
    WKST,
    PARTS
};

static const char *const part_names[PARTS] = {"FREQ",    "UNTIL",      "COUNT",     "INTERVAL",
                                              "BYDAY",   "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO",
                                              "BYMONTH", "BYSETPOS",   "WKST"};
static const char *const weekday_names[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};

/* One part at a time: its value is [at, end). */
struct reading {
    const char *text;
    enum part part;
    const char *at, *end;
    struct hor_rule *rule;
    struct hor_error *err;
};

static int wrong(const struct reading *r, const char *why)
{
    size_t len = (size_t)(r->end - r->at);
    return hor_error_set(r->err, HOR_ERR_INVALID, "rule '%s': %s: '%.*s' %s", r->text,
                         part_names[r->part], (int)(len < 40 ? len : 40), r->at, why);
}

/* Digits up to six, with a sign where negatives are allowed. */
static bool number(struct reading *r, bool sign, int *ret)
{
    int factor = 1, value = 0, digits = 0;
    const char *at = r->at;
    if (sign && at < r->end && (*at == '-' || *at == '+'))
        factor = *at++ == '-' ? -1 : 1;
    for (; at < r->end && *at >= '0' && *at <= '9' && digits < 7; at++, digits++)
        value = value * 10 + (*at - '0');
    if (digits == 0 || digits == 7)
        return false;
    r->at = at;
    *ret = factor * value;
    return true;
}

static int whole(struct reading *r, int most, int32_t *ret)
{
    const char *start = r->at;
    int value = 0;
    if (number(r, false, &value) && r->at == r->end && value >= 1 && value <= most) {
        *ret = value;
        return HOR_OK;
    }
    char why[60];
    snprintf(why, sizeof why, "is not a number from 1 to %d", most);
    r->at = start;
    return wrong(r, why);
}

static void put(uint64_t *words, int value)
{
    words[value / 64] |= UINT64_C(1) << value % 64;
}

/* A comma or the end; the comma is passed over. */
static bool next_item(struct reading *r, bool *ret_more)
{
    *ret_more = r->at < r->end && *r->at == ',';
    if (*ret_more)
        r->at++;
    return *ret_more || r->at == r->end;
}

/* Numbers 1 .. most, and -1 .. -most where `back` is given. */
static int numbers(struct reading *r, int most, uint64_t *front, uint64_t *back)
{
    const char *start = r->at;
    bool more = true;
    while (more) {
        int value = 0;
        if (!number(r, back != NULL, &value) || value == 0 || value > most || value < -most ||
            !next_item(r, &more)) {
            char why[80];
            snprintf(why, sizeof why, "is not a list of numbers from 1 to %d%s", most,
                     back != NULL ? " or from -1 down" : "");
            r->at = start;
            return wrong(r, why);
        }
        put(value > 0 ? front : back, value > 0 ? value : -value);
    }
    return HOR_OK;
}

static bool weekday(struct reading *r, int *ret)
{
    for (int i = 0; r->end - r->at >= 2 && i < 7; i++)
        if (strncmp(r->at, weekday_names[i], 2) == 0) {
            r->at += 2;
            *ret = i;
            return true;
        }
    return false;
}

static int by_day(struct reading *r)
{
    const char *start = r->at;
    bool more = true;
    while (more) {
        int nth = 0, day = 0;
        bool numbered = number(r, true, &nth);
        if ((numbered && (nth == 0 || nth > 53 || nth < -53)) || !weekday(r, &day) ||
            !next_item(r, &more)) {
            r->at = start;
            return wrong(r, "is not a list of weekdays such as MO,TU or 1MO,-1FR");
        }
        if (!numbered)
            r->rule->weekdays |= (uint8_t)(1u << day);
        else
            put(nth > 0 ? &r->rule->nth[day] : &r->rule->nth_back[day], nth > 0 ? nth : -nth);
        r->rule->has_nth |= numbered;
    }
    return HOR_OK;
}

static int frequency(struct reading *r)
{
    static const char *const names[] = {"DAILY", "WEEKLY", "MONTHLY", "YEARLY"};
    for (int i = 0; i < 4; i++)
        if ((size_t)(r->end - r->at) == strlen(names[i]) &&
            strncmp(r->at, names[i], strlen(names[i])) == 0) {
            r->rule->frequency = (enum hor_rule_frequency)i;
            return HOR_OK;
        }
    return wrong(r, "is not DAILY, WEEKLY, MONTHLY or YEARLY; times of day stand in the schedule");
}

static bool two_digits(const char *at, int most, int *ret)
{
    if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9')
        return false;
    *ret = (at[0] - '0') * 10 + (at[1] - '0');
    return *ret <= most;
}

/* 20261224, 20261224T180000 or the latter with Z. */
static int until(struct reading *r)
{
    size_t len = (size_t)(r->end - r->at);
    char iso[11] = "0000-00-00";
    int hour, minute, second;
    bool right = len == 8 || len == 15 || (len == 16 && r->at[15] == 'Z');
    if (right) {
        memcpy(iso, r->at, 4);
        memcpy(iso + 5, r->at + 4, 2);
        memcpy(iso + 8, r->at + 6, 2);
        right = hor_day_parse(iso, &r->rule->until) == HOR_OK;
    }
    r->rule->until_s = -1;
    if (right && len > 8) {
        right = r->at[8] == 'T' && two_digits(r->at + 9, 23, &hour) &&
                two_digits(r->at + 11, 59, &minute) && two_digits(r->at + 13, 60, &second);
        r->rule->until_utc = len == 16;
        if (right)
            r->rule->until_s = hour * 3600 + minute * 60 + second;
    }
    return right ? HOR_OK : wrong(r, "is not a day such as 20261224");
}

static int months(struct reading *r)
{
    uint64_t words[HOR_RULE_WORDS] = {0};
    int rc = numbers(r, 12, words, NULL);
    r->rule->months = (uint16_t)words[0];
    return rc;
}

static int month_days(struct reading *r)
{
    uint64_t front[HOR_RULE_WORDS] = {0}, back[HOR_RULE_WORDS] = {0};
    int rc = numbers(r, 31, front, back);
    r->rule->month_days = (uint32_t)front[0];
    r->rule->month_days_back = (uint32_t)back[0];
    return rc;
}

static int week_start(struct reading *r)
{
    const char *start = r->at;
    if (weekday(r, &r->rule->week_start) && r->at == r->end)
        return HOR_OK;
    r->at = start;
    return wrong(r, "is not a weekday such as MO");
}

static int read_part(struct reading *r)
{
    struct hor_rule *rule = r->rule;
    switch (r->part) {
    case FREQ:
        return frequency(r);
    case UNTIL:
        return until(r);
    case COUNT:
        return whole(r, HOR_RULE_MAX_COUNT, &rule->count);
    case INTERVAL:
        return whole(r, HOR_RULE_MAX_INTERVAL, &rule->interval);
    case BYDAY:
        return by_day(r);
    case BYMONTHDAY:
        return month_days(r);
    case BYYEARDAY:
        rule->has_year_days = true;
        return numbers(r, 366, rule->year_days, rule->year_days_back);
    case BYWEEKNO:
        return numbers(r, 53, &rule->weeks, &rule->weeks_back);
    case BYMONTH:
        return months(r);
    case BYSETPOS:
        rule->has_places = true;
        return numbers(r, 366, rule->places, rule->places_back);
    case WKST:
        return week_start(r);
    case PARTS:
        break;
    }
    return HOR_OK;
}

/* What RFC 5545, 3.3.10, says about which parts go together. */
static const char *mismatch(const struct hor_rule *rule, unsigned seen)
{
    enum hor_rule_frequency f = rule->frequency;
    if ((seen & 1u << FREQ) == 0)
        return "FREQ is missing";
    if ((seen & 1u << COUNT) != 0 && (seen & 1u << UNTIL) != 0)
        return "COUNT and UNTIL may not stand together";
    if ((seen & 1u << BYWEEKNO) != 0 && f != HOR_RULE_YEARLY)
        return "BYWEEKNO needs FREQ=YEARLY";
    if ((seen & 1u << BYYEARDAY) != 0 && f != HOR_RULE_YEARLY)
        return "BYYEARDAY needs FREQ=YEARLY";
    if ((seen & 1u << BYMONTHDAY) != 0 && f == HOR_RULE_WEEKLY)
        return "BYMONTHDAY may not stand with FREQ=WEEKLY";
    if (rule->has_nth && f != HOR_RULE_MONTHLY && f != HOR_RULE_YEARLY)
        return "numbers in BYDAY need FREQ=MONTHLY or YEARLY";
    if (rule->has_nth && (seen & 1u << BYWEEKNO) != 0)
        return "numbers in BYDAY may not stand with BYWEEKNO";
    if ((seen & 1u << BYSETPOS) != 0 && (seen & (1u << BYDAY | 1u << BYMONTHDAY | 1u << BYYEARDAY |
                                                 1u << BYWEEKNO | 1u << BYMONTH)) == 0)
        return "BYSETPOS needs another BY part to choose from";
    return NULL;
}

static int unknown_part(const char *text, const char *at, size_t len, struct hor_error *err)
{
    return hor_error_set(
        err, HOR_ERR_INVALID,
        "rule '%s': '%.*s' is not a part of a rule for days (FREQ, UNTIL, COUNT, "
        "INTERVAL, BYDAY, BYMONTHDAY, BYYEARDAY, BYWEEKNO, BYMONTH, BYSETPOS, WKST)",
        text, (int)(len < 100 ? len : 100), at);
}

int hor_rule_parse(const char *text, struct hor_rule *ret, struct hor_error *err)
{
    struct hor_rule rule = {.interval = 1, .until = HOR_DAY_NONE};
    struct reading r = {.text = text, .rule = &rule, .err = err};
    unsigned seen = 0;
    if (strlen(text) > HOR_RECURRENCE_MAX_BYTES)
        return hor_error_set(err, HOR_ERR_INVALID, "rule '%.40s...': longer than %d bytes", text,
                             HOR_RECURRENCE_MAX_BYTES);
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ";"), name_len = strcspn(at, "=;"), i = 0;
        while (i < PARTS &&
               (strlen(part_names[i]) != name_len || strncmp(at, part_names[i], name_len) != 0))
            i++;
        if (i == PARTS)
            return unknown_part(text, at, name_len, err);
        r.part = (enum part)i;
        r.end = at + len;
        r.at = len > name_len ? at + name_len + 1 : r.end;
        if (seen & 1u << i)
            return hor_error_set(err, HOR_ERR_INVALID, "rule '%s': %s stands twice", text,
                                 part_names[i]);
        seen |= 1u << i;
        if (r.at == r.end)
            return hor_error_set(err, HOR_ERR_INVALID, "rule '%s': %s has no value", text,
                                 part_names[i]);
        int rc = read_part(&r);
        if (rc != HOR_OK)
            return rc;
        at += len;
        if (*at == '\0')
            break;
    }
    const char *why = mismatch(&rule, seen);
    if (why != NULL)
        return hor_error_set(err, HOR_ERR_INVALID, "rule '%s': %s", text, why);
    *ret = rule;
    return HOR_OK;
}

#include "lib/model/recurrence.h"

#include <libical/ical.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/model/day.h"

enum { MAX_SPAN_DAYS = 100 * 366, MAX_STEPS = 4000000 };

static const char *const known_parts[] = {"FREQ",     "UNTIL",     "COUNT",    "INTERVAL",
                                          "BYDAY",    "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO",
                                          "BYMONTH",  "BYSETPOS",  "WKST"};

/* libical takes empty parts and parts that make no sense for days in silence, so each part is looked
 * at before. */
static int check_parts(const char *rule, struct hor_error *err)
{
    size_t count = sizeof known_parts / sizeof *known_parts;
    for (const char *at = rule;; at++) {
        size_t len = strcspn(at, ";"), name_len = strcspn(at, "=;"), i = 0;
        while (i < count &&
               (strlen(known_parts[i]) != name_len || strncmp(at, known_parts[i], name_len) != 0))
            i++;
        if (i == count)
            return hor_error_set(err, HOR_ERR_INVALID,
                                 "rule '%s': '%.*s' is not a part of a rule for days (FREQ, UNTIL, "
                                 "COUNT, INTERVAL, BYDAY, BYMONTHDAY, BYYEARDAY, BYWEEKNO, BYMONTH, "
                                 "BYSETPOS, WKST)",
                                 rule, (int)(name_len < 100 ? name_len : 100), at);
        if (len < name_len + 2)
            return hor_error_set(err, HOR_ERR_INVALID, "rule '%s': %s has no value", rule,
                                 known_parts[i]);
        at += len;
        if (*at == '\0')
            return HOR_OK;
    }
}

static int parse(const char *rule, struct icalrecurrencetype *ret, struct hor_error *err)
{
    if (strlen(rule) > HOR_RECURRENCE_MAX_BYTES)
        return hor_error_set(err, HOR_ERR_INVALID, "rule '%.40s...': longer than %d bytes", rule,
                             HOR_RECURRENCE_MAX_BYTES);
    int rc = check_parts(rule, err);
    if (rc != HOR_OK)
        return rc;
    struct icalrecurrencetype parsed = icalrecurrencetype_from_string(rule);
    if (parsed.freq == ICAL_NO_RECURRENCE)
        return hor_error_set(err, HOR_ERR_INVALID, "rule '%s': not an RFC 5545 recurrence rule",
                             rule);
    if (parsed.freq < ICAL_DAILY_RECURRENCE)
        return hor_error_set(err, HOR_ERR_INVALID,
                             "rule '%s': FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY; times of day "
                             "stand in the schedule",
                             rule);
    *ret = parsed;
    return HOR_OK;
}

/* A floating midnight: with is_date set the iterator loses its step at each day. */
static struct icaltimetype time_of(int32_t day)
{
    struct icaltimetype ret = icaltime_null_time();
    hor_day_split(day, &ret.year, &ret.month, &ret.day);
    return ret;
}

static icalrecur_iterator *iterator_new(const char *rule, struct icalrecurrencetype parsed,
                                        int32_t start, struct hor_error *err)
{
    icalerror_clear_errno();
    icalrecur_iterator *it = icalrecur_iterator_new(parsed, time_of(start));
    if (it != NULL)
        return it;
    if (icalerrno == ICAL_NEWFAILED_ERROR)
        hor_error_set(err, HOR_ERR_MEMORY, "rule '%s': out of memory", rule);
    else
        hor_error_set(err, HOR_ERR_INVALID,
                      "rule '%s': its parts never give a day, or may not stand together", rule);
    return NULL;
}

int hor_recurrence_check(const char *rule, struct hor_error *err)
{
    struct icalrecurrencetype parsed;
    struct hor_error own = {0};
    if (err == NULL)
        err = &own;
    int rc = parse(rule, &parsed, err);
    if (rc != HOR_OK)
        return rc;
    icalrecur_iterator *it = iterator_new(rule, parsed, HOR_RECURRENCE_START, err);
    if (it == NULL)
        return err->code;
    icalrecur_iterator_free(it);
    return HOR_OK;
}

/* Positions the iterator at `from`. Not possible for rules that count; and where libical gives up the
 * iterator is begun anew, because its position is then undefined. */
static icalrecur_iterator *iterator_at(const char *rule, struct icalrecurrencetype parsed,
                                       int32_t start, int32_t from, struct hor_error *err)
{
    icalrecur_iterator *it = iterator_new(rule, parsed, start, err);
    if (it == NULL || parsed.count > 0 || from <= start ||
        icalrecur_iterator_set_start(it, time_of(from)))
        return it;
    icalrecur_iterator_free(it);
    return iterator_new(rule, parsed, start, err);
}

/* Ends the rule with its last whole day, or the last one asked for: without an end libical would look
 * for a next day until the year 2582. A rule that counts may not have an end, and needs none. */
static void limit(struct icalrecurrencetype *rule, int32_t to)
{
    if (rule->count > 0)
        return;
    int32_t last = to - 1;
    if (!icaltime_is_null_time(rule->until)) {
        int32_t until = hor_day_make(rule->until.year, rule->until.month, rule->until.day);
        if (until < last)
            last = until;
    }
    rule->until = time_of(last);
    rule->until.hour = 23;
}

int hor_recurrence_each(const char *rule, int32_t start, int32_t from, int32_t to,
                        hor_recurrence_each_fn *each, void *ctx, struct hor_error *err)
{
    struct icalrecurrencetype parsed;
    struct hor_error own = {0};
    if (err == NULL)
        err = &own;
    int rc = parse(rule, &parsed, err);
    if (rc != HOR_OK)
        return rc;
    if (from < start)
        from = start;
    if (from >= to)
        return HOR_OK;
    if (to - from > MAX_SPAN_DAYS)
        return hor_error_set(err, HOR_ERR_LIMIT, "rule '%s': more than 100 years asked for", rule);
    limit(&parsed, to);
    if (!icaltime_is_null_time(parsed.until) && icaltime_compare(parsed.until, time_of(from)) < 0)
        return HOR_OK;
    icalrecur_iterator *it = iterator_at(rule, parsed, start, from, err);
    if (it == NULL)
        return err->code;
    int32_t previous = from - 1;
    for (int steps = 0; steps < MAX_STEPS; steps++) {
        struct icaltimetype next = icalrecur_iterator_next(it);
        if (icaltime_is_null_time(next))
            break;
        int32_t day = hor_day_make(next.year, next.month, next.day);
        if (day >= to)
            break;
        if (day <= previous)
            continue;
        previous = day;
        if (!each(day, ctx))
            break;
    }
    icalrecur_iterator_free(it);
    return HOR_OK;
}

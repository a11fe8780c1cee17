/* Random recurrence rules over 20 years against two other implementations by other people:
 * python-dateutil (peers/dateutil_days.py) and, where it can be a witness, libical.
 * HOR_RULES (200) and HOR_SEED (1) change what is compared. */
#define _GNU_SOURCE
#include "lib/model/recurrence.h"

#include <libical/ical.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/day.h"
#include "tests/lib/tap.h"

enum { MAX_DAYS = 40000 };

struct found {
    int32_t days[MAX_DAYS];
    int count;
};

static bool note(int32_t day, void *ctx)
{
    struct found *found = ctx;
    found->days[found->count++] = day;
    return found->count < MAX_DAYS;
}

/* The first day on which both differ, HOR_DAY_NONE for none. */
static int32_t difference(const struct found *found, const char *steps)
{
    int32_t day = 0;
    int at = 0;
    char *end;
    for (long step; (step = strtol(steps, &end, 10)), end != steps; steps = end, at++) {
        day += (int32_t)step;
        if (at == found->count || found->days[at] != day)
            return at < found->count && found->days[at] < day ? found->days[at] : day;
    }
    return at < found->count ? found->days[at] : HOR_DAY_NONE;
}

/* libical 3.0 gives other days than RFC 5545 and dateutil for the rest: days of the month without
 * months in a yearly rule and in daily ones, places in weekly rules, weeks of the year, long
 * intervals of weeks that begin on another day. It tells COUNT and UNTIL apart, and looks for a
 * first day until 2582. */
static bool libical_can(const char *rule, const struct found *found)
{
    bool yearly = strstr(rule, "FREQ=YEARLY") != NULL, weekly = strstr(rule, "FREQ=WEEKLY") != NULL;
    bool month_days = strstr(rule, "BYMONTHDAY") != NULL;
    if (found->count == 0 || strstr(rule, "COUNT") != NULL || strstr(rule, "UNTIL") != NULL ||
        strstr(rule, "BYSETPOS") != NULL || strstr(rule, "BYWEEKNO") != NULL)
        return false;
    return weekly ? strstr(rule, "WKST") == NULL
                  : !month_days || (strstr(rule, "FREQ=MONTHLY") != NULL) ||
                        (yearly && strstr(rule, "BYMONTH=") != NULL);
}

static bool libical_agrees(const char *rule, int32_t start, int32_t first, int32_t last,
                           const struct found *found)
{
    struct icaltimetype at = icaltime_null_time();
    struct icalrecurrencetype parsed = icalrecurrencetype_from_string(rule);
    int count = 0;
    hor_day_split(last, &at.year, &at.month, &at.day);
    parsed.until = at;
    hor_day_split(start, &at.year, &at.month, &at.day);
    icalrecur_iterator *it = icalrecur_iterator_new(parsed, at);
    bool same = it != NULL;
    while (same) {
        at = icalrecur_iterator_next(it);
        int32_t day =
            icaltime_is_null_time(at) ? last + 1 : hor_day_make(at.year, at.month, at.day);
        if (day > last)
            break;
        same = day < first || (count < found->count && found->days[count++] == day);
    }
    if (it != NULL)
        icalrecur_iterator_free(it);
    return same && count == found->count;
}

static bool compare(char *line, int *ret_days, int *ret_witnessed)
{
    static struct found found;
    char *words[5] = {line}, text[HOR_DAY_TEXT_BYTES];
    int32_t start, first, last;
    struct hor_error err = {0};
    for (int i = 1; i < 5; i++) {
        words[i] = strchr(words[i - 1], '\t');
        if (words[i] == NULL)
            return ok(false, "the peer writes five words a line: %s", line);
        *words[i]++ = '\0';
    }
    if (hor_day_parse(words[1], &start) != HOR_OK || hor_day_parse(words[2], &first) != HOR_OK ||
        hor_day_parse(words[3], &last) != HOR_OK)
        return ok(false, "the peer writes days: %s", words[1]);
    found.count = 0;
    int rc = hor_recurrence_each(words[0], start, first, last + 1, note, &found, &err);
    int32_t other = difference(&found, words[4]);
    *ret_days += found.count;
    if (rc == HOR_OK && other == HOR_DAY_NONE && libical_can(words[0], &found)) {
        ++*ret_witnessed;
        if (libical_agrees(words[0], start, first, last, &found))
            return true;
        diag("%s from %s: libical knows other days", words[0], words[1]);
        return false;
    }
    if (rc == HOR_OK && other == HOR_DAY_NONE)
        return true;
    diag("%s from %s, asked from %s: %s", words[0], words[1], words[2],
         rc != HOR_OK ? err.text : hor_day_format(other, text));
    return false;
}

int main(void)
{
    const char *seed = getenv("HOR_SEED"), *count = getenv("HOR_RULES");
    char command[1024], *line = NULL;
    snprintf(command, sizeof command,
             "/usr/bin/python3 '%s/tests/unit/peers/dateutil_days.py' %d %d", hor_tap_srcdir(),
             atoi(seed != NULL ? seed : "1"), atoi(count != NULL ? count : "200"));
    FILE *in = popen(command, "re");
    int rules = 0, wrong = 0, days = 0, witnessed = 0;
    size_t room = 0;
    while (in != NULL && wrong < 20 && getline(&line, &room, in) > 0) {
        line[strcspn(line, "\n")] = '\0';
        rules++;
        wrong += compare(line, &days, &witnessed) ? 0 : 1;
    }
    free(line);
    int status = in != NULL ? pclose(in) : -1;
    ok(wrong == 0 && rules > 0 && witnessed > 0,
       "%d rules give the same %d days as dateutil, and %d of them as libical (seed %s)", rules,
       days, witnessed, seed != NULL ? seed : "1");
    ok(status == 0, "the peer came to its end");
    return done_testing();
}

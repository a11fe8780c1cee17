/* crontab(5) lines: what they mean by themselves, and against a second reader that tries every
 * minute and every day (peers/cron_minutes.py). HOR_CRON_LINES (300) and HOR_SEED (1) change what
 * is compared. */
#define _GNU_SOURCE
#include "lib/model/cron.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/day.h"
#include "tests/lib/tap.h"

static struct hor_cron parsed(const char *text)
{
    struct hor_cron cron = {0};
    struct hor_error err = {0};
    if (hor_cron_parse(text, &cron, &err) != HOR_OK)
        diag("%s: %s", text, err.text);
    return cron;
}

static bool has(const char *text, int year, int month, int day)
{
    struct hor_cron cron = parsed(text);
    return hor_cron_has_day(&cron, hor_day_make(year, month, day));
}

/* The first starts of a day, "08:00 08:30". */
static const char *minutes(const char *line)
{
    static char text[200];
    struct hor_cron cron = parsed(line);
    int count = 0;
    text[0] = '\0';
    for (int m = hor_cron_minute(&cron, 0); m >= 0 && count < 6; m = hor_cron_minute(&cron, m + 1))
        sprintf(text + strlen(text), "%s%02d:%02d", count++ > 0 ? " " : "", m / 60, m % 60);
    return text;
}

static void test_meaning(void)
{
    is(minutes("*/20 8-9 * * *"), "08:00 08:20 08:40 09:00 09:20 09:40", "steps and ranges");
    is(minutes("5-59/25 0,23 * * *"), "00:05 00:30 00:55 23:05 23:30 23:55",
       "a step begins at its range");
    is(minutes("59 23 * * *"), "23:59", "the last minute of a day");
    is(minutes("@hourly"), "00:00 01:00 02:00 03:00 04:00 05:00", "@hourly");
    is(minutes("@daily"), "00:00", "@daily");
    is(minutes("\t 30  6\t* * * "), "06:30", "any white space stands between fields");
    ok(has("0 0 * * MON-FRI", 2026, 11, 27) && !has("0 0 * * MON-FRI", 2026, 11, 28), "weekdays");
    ok(has("0 0 * * 0", 2026, 11, 29) && has("0 0 * * 7", 2026, 11, 29) &&
           has("0 0 * * sun", 2026, 11, 29) && has("0 0 * * FRI-SUN", 2026, 11, 29) &&
           has("0 0 * * SUN-TUE", 2026, 12, 1) && !has("0 0 * * SUN-TUE", 2026, 12, 2),
       "Sunday is 0 and 7, first and last");
    ok(has("0 0 13 * FRI", 2026, 11, 13) && has("0 0 13 * FRI", 2026, 11, 20) &&
           has("0 0 13 * FRI", 2026, 12, 13) && !has("0 0 13 * FRI", 2026, 12, 14),
       "both fields for days: either is enough");
    ok(has("0 0 */2 * FRI", 2026, 11, 13) && !has("0 0 */2 * FRI", 2026, 11, 20) &&
           !has("0 0 */2 * FRI", 2026, 11, 15),
       "one that begins with a star: both are needed");
    ok(has("@yearly", 2027, 1, 1) && !has("@yearly", 2027, 1, 2) && has("@monthly", 2027, 2, 1) &&
           has("@weekly", 2026, 11, 29) && !has("@weekly", 2026, 11, 30),
       "@yearly, @monthly, @weekly");
    ok(has("0 0 29 2 *", 2028, 2, 29) && !has("0 0 29 2 *", 2027, 3, 1), "a leap day");
}

/* Nothing that is refused touches the result; the words are in
 * tests/fixtures/configuration/bad-cron. */
static void test_refusal(void)
{
    struct hor_cron cron = parsed("1 2 3 4 5"), before = cron;
    char longer[2000];
    memset(longer, ',', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    ok(hor_cron_parse("* * * *", &cron, NULL) == HOR_ERR_INVALID &&
           hor_cron_parse("", &cron, NULL) == HOR_ERR_INVALID &&
           hor_cron_parse(longer, &cron, NULL) == HOR_ERR_INVALID &&
           hor_cron_parse("4294967296 * * * *", &cron, NULL) == HOR_ERR_INVALID &&
           hor_cron_parse("*/99999999999 * * * *", &cron, NULL) == HOR_ERR_INVALID &&
           memcmp(&cron, &before, sizeof cron) == 0,
       "a refused line leaves the result alone");
}

static bool same_minutes(const struct hor_cron *cron, char *list)
{
    int minute = hor_cron_minute(cron, 0);
    for (char *word = strtok(list, " "); word != NULL; word = strtok(NULL, " ")) {
        if (minute != atoi(word))
            return false;
        minute = hor_cron_minute(cron, minute + 1);
    }
    return minute < 0;
}

static bool same_days(const struct hor_cron *cron, char *list)
{
    char *word = strtok(list, " ");
    for (int32_t day = hor_day_make(2027, 1, 1); day <= hor_day_make(2028, 12, 31); day++) {
        bool wanted = word != NULL && atoi(word) == day;
        if (hor_cron_has_day(cron, day) != wanted)
            return false;
        if (wanted)
            word = strtok(NULL, " ");
    }
    return word == NULL;
}

static void test_peer(void)
{
    const char *seed = getenv("HOR_SEED"), *count = getenv("HOR_CRON_LINES");
    char command[1024], *line = NULL;
    snprintf(command, sizeof command,
             "/usr/bin/python3 '%s/tests/unit/peers/cron_minutes.py' %d %d", hor_tap_srcdir(),
             atoi(seed != NULL ? seed : "1"), atoi(count != NULL ? count : "300"));
    FILE *in = popen(command, "re");
    int lines = 0, wrong = 0;
    size_t room = 0;
    while (in != NULL && getline(&line, &room, in) > 0) {
        struct hor_cron cron;
        struct hor_error err = {0};
        line[strcspn(line, "\n")] = '\0';
        char *minute_list = strchr(line, '\t');
        char *day_list = minute_list != NULL ? strchr(minute_list + 1, '\t') : NULL;
        if (day_list == NULL)
            break;
        *minute_list++ = '\0';
        *day_list++ = '\0';
        lines++;
        bool never = *day_list == '\0'; /* in these years or for ever */
        int rc = hor_cron_parse(line, &cron, &err);
        if (rc == HOR_OK ? same_minutes(&cron, minute_list) && same_days(&cron, day_list) : never)
            continue;
        if (wrong++ < 10)
            diag("'%s': %s", line, rc == HOR_OK ? "other minutes or days" : err.text);
    }
    free(line);
    int status = in != NULL ? pclose(in) : -1;
    ok(status == 0 && wrong == 0 && lines > 0, "%d lines mean the same to another reader (seed %s)",
       lines, seed != NULL ? seed : "1");
}

int main(void)
{
    test_meaning();
    test_refusal();
    test_peer();
    return done_testing();
}

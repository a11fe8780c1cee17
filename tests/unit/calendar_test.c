#include "lib/model/calendar.h"

#include <stdio.h>
#include <string.h>

#include "lib/model/day.h"
#include "tests/lib/documents.h"
#include "tests/lib/tap.h"

static const char *const documents[] = {
    "weekdays.calendar.xml",
    "<calendar><include><rule>FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR</rule></include></calendar>",
    "holidays.calendar.xml",
    "<calendar><include><rule>FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25,26</rule>"
    "<date>2026-12-31</date></include></calendar>",
    "banking.calendar.xml",
    "<calendar><include><calendar ref='weekdays'/></include>"
    "<exclude><calendar ref='holidays'/></exclude></calendar>",
    "all-but.calendar.xml",
    "<calendar><exclude><date>2026-11-24</date></exclude></calendar>",
    "files/open.calendar.xml",
    "<calendar><include><calendar ref='/weekdays'/></include>"
    "<exclude><iCalendar file='closed.ics'/></exclude></calendar>",
    "files/both.calendar.xml",
    "<calendar><include><iCalendar file='/files/closed.ics'/><date>2026-11-30</date></include></calendar>",
    "files/years.calendar.xml",
    "<calendar><include><iCalendar file='years.ics'/></include></calendar>",
    "files/years.ics",
    "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20231230\nDTEND;VALUE=DATE:20240103\n"
    "RRULE:FREQ=YEARLY\nEND:VEVENT\nEND:VCALENDAR\n",
    "files/closed.ics",
    "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20251223\nDTEND;VALUE=DATE:20251227\n"
    "RRULE:FREQ=YEARLY;COUNT=2\nEND:VEVENT\nEND:VCALENDAR\n",
    NULL,
};

static struct hor_config *config;
static struct hor_calendars *calendars;

static int32_t day(const char *text)
{
    int32_t ret = HOR_DAY_NONE;
    hor_day_parse(text, &ret);
    return ret;
}

static bool has(const char *path, const char *text)
{
    bool ret = false;
    hor_calendars_have(calendars, hor_config_calendar(config, path), day(text), &ret, NULL);
    return ret;
}

/* The days of a month that <days> means, as "1 15 30". */
static const char *meant(struct hor_days days, const char *first, int count)
{
    static char text[400];
    text[0] = '\0';
    for (int i = 0; i < count; i++) {
        bool yes = false;
        int year, month, day_of_month;
        hor_calendars_mean(calendars, &days, day(first) + i, &yes, NULL);
        hor_day_split(day(first) + i, &year, &month, &day_of_month);
        if (yes)
            sprintf(text + strlen(text), "%s%d", text[0] != '\0' ? " " : "", day_of_month);
    }
    return text;
}

int main(void)
{
    struct hor_error err = {0};
    int32_t near = 0;
    bool yes = false;
    config = hor_test_config(documents);
    hor_calendars_new(day("2025-01-01"), day("2029-01-01"), &calendars, NULL);
    const struct hor_calendar *banking = hor_config_calendar(config, "/banking");

    ok(has("/weekdays", "2026-11-24") && !has("/weekdays", "2026-11-28"), "weekdays");
    ok(has("/weekdays", "2026-12-25") && !has("/banking", "2026-12-25"), "holidays are excluded");
    ok(!has("/banking", "2026-12-31") && has("/banking", "2026-12-30"), "single dates too");
    ok(has("/all-but", "2026-11-23") && !has("/all-but", "2026-11-24"),
       "no include at all means every day");
    hor_calendars_near(calendars, banking, day("2026-12-25"), 1, &near, NULL);
    is_int(near, day("2026-12-28"), "the next working day after Christmas");
    hor_calendars_near(calendars, banking, day("2026-12-27"), -1, &near, NULL);
    is_int(near, day("2026-12-24"), "the one before");
    hor_calendars_near(calendars, banking, day("2026-12-24"), -1, &near, NULL);
    is_int(near, day("2026-12-24"), "a day that is there is its own nearest");

    ok(has("/files/open", "2026-12-22") && !has("/files/open", "2026-12-23") &&
           !has("/files/open", "2026-12-24") && has("/files/open", "2026-12-28") &&
           has("/files/open", "2027-12-23"),
       "a calendar without the days of an iCalendar file");
    ok(has("/files/years", "2026-12-31") && has("/files/years", "2027-01-02") &&
           !has("/files/years", "2027-01-03") && has("/files/years", "2025-01-01"),
       "an event that goes over the end of a year");
    ok(has("/files/both", "2026-12-24") && has("/files/both", "2026-11-30") &&
           !has("/files/both", "2026-12-27"),
       "and one with them");

    is(meant((struct hor_days){.calendar = banking, .nth = -1, .of = HOR_PERIOD_MONTH},
             "2026-12-01", 31),
       "30", "last banking day of the month");
    is(meant((struct hor_days){.calendar = banking, .nth = 2, .of = HOR_PERIOD_MONTH},
             "2026-11-01", 30),
       "3", "second banking day");
    is(meant((struct hor_days){.weekdays = 1, .nth = 1, .of = HOR_PERIOD_MONTH}, "2026-11-01", 30),
       "2", "first Monday");
    is(meant((struct hor_days){.calendar = banking, .nth = -2, .of = HOR_PERIOD_WEEK},
             "2026-12-21", 7),
       "23", "last but one of the week, Monday to Sunday");
    is(meant((struct hor_days){.calendar = banking, .nth = 1, .of = HOR_PERIOD_QUARTER},
             "2026-10-01", 31),
       "1", "first of the quarter");
    is(meant((struct hor_days){.calendar = banking, .nth = 1, .of = HOR_PERIOD_QUARTER},
             "2026-11-01", 30),
       "", "and of no other month");
    is(meant((struct hor_days){.calendar = banking, .nth = -1, .of = HOR_PERIOD_YEAR}, "2026-12-01",
             31),
       "30", "last of the year");
    is(meant((struct hor_days){.calendar = banking, .nth = 25, .of = HOR_PERIOD_MONTH},
             "2026-12-01", 31),
       "", "a place that no day has");
    is(meant((struct hor_days){.calendar = banking, .nth = -1, .of = HOR_PERIOD_WEEK}, "2026-12-28", 7),
       "1", "the last of a week that two years share");
    is(meant((struct hor_days){.calendar = banking, .nth = 1, .of = HOR_PERIOD_WEEK}, "2026-12-28", 7),
       "28", "and its first");
    is(meant((struct hor_days){.calendar = banking, .nth = 1, .of = HOR_PERIOD_WEEK}, "2025-01-01", 12),
       "6", "a week that begins before all that is looked at");
    is(meant((struct hor_days){.calendar = banking, .nth = -1, .of = HOR_PERIOD_WEEK}, "2028-12-18", 14),
       "22 29", "and one that ends after it");
    is(meant((struct hor_days){.calendar = banking, .nth = 3, .of = HOR_PERIOD_YEAR}, "2027-01-01", 31),
       "5", "third of the year");
    is(meant((struct hor_days){.calendar = banking, .nth = -3, .of = HOR_PERIOD_QUARTER}, "2026-12-01",
             31),
       "28", "third from the end of the quarter");
    is(meant((struct hor_days){.weekdays = 1 << 5 | 1 << 6}, "2026-11-23", 7), "28 29",
       "weekdays without a calendar");

    ok(hor_calendars_have(calendars, banking, day("2031-01-01"), &yes, &err) == HOR_ERR_LIMIT,
       "a day outside is refused: %s", err.text);
    struct hor_calendars *none = NULL;
    ok(hor_calendars_new(0, 100000, &none, NULL) == HOR_ERR_LIMIT, "and so is a window too wide");
    hor_calendars_free(calendars);
    hor_config_free(config);
    return done_testing();
}

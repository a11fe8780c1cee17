/* iCalendar files: the examples of RFC 5545 itself, what a file can do to a day, and holidays that
 * go with Easter. What is refused stands in tests/fixtures/configuration/bad-icalendar. */
#include "lib/model/icalendar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/model/day.h"
#include "tests/lib/tap.h"

enum { FIRST_YEAR = 1990, YEARS = 60, DAYS = YEARS * 366 };

static unsigned char seen[DAYS];

static int32_t base_day(void)
{
    return hor_day_make(FIRST_YEAR, 1, 1);
}

static bool note(int32_t day, void *ctx)
{
    (void)ctx;
    seen[day - base_day()] = 1;
    return true;
}

static struct hor_arena arena;

/* Marks the days of a whole file; the problem's text when it is refused. */
static const char *read_file(const char *text)
{
    static struct hor_error err;
    struct hor_icalendar_events events = {0};
    int line = 0;
    memset(seen, 0, sizeof seen);
    if (hor_icalendar_parse(text, &arena, &events, &line, &err) != HOR_OK)
        return err.text;
    for (size_t i = 0; i < events.count; i++)
        hor_icalendar_walk(&events.items[i], base_day(), base_day() + DAYS, note, NULL);
    return NULL;
}

/* The days that were seen from one to another, "1997-09 2 3 4; 1997-10 1": consecutive ones as 2-4.
 */
static const char *days(int32_t from, int32_t to)
{
    static char text[8000];
    int month_before = 0;
    size_t len = 0;
    text[0] = '\0';
    for (int32_t day = from; day <= to && len < sizeof text - 40; day++) {
        int year, month, day_of_month, run = 0;
        if (!seen[day - base_day()])
            continue;
        hor_day_split(day, &year, &month, &day_of_month);
        if (month + 12 * year != month_before)
            len += (size_t)sprintf(text + len, "%s%04d-%02d", len > 0 ? "; " : "", year, month);
        month_before = month + 12 * year;
        while (day + run < to && seen[day + run + 1 - base_day()] &&
               day_of_month + run < hor_days_in_month(year, month))
            run++;
        len += (size_t)sprintf(text + len, run > 0 ? " %d-%d" : " %d", day_of_month,
                               day_of_month + run);
        day += run;
    }
    return text;
}

static const char *all_days(void)
{
    return days(base_day(), base_day() + DAYS - 1);
}

/* The examples of RFC 5545, 3.8.5.3 that give days, in its order. `until` cuts those without an end
 * where the RFC's own list stops. */
static const struct {
    const char *start, *lines, *until, *expected;
} examples[] = {
    {"19970902T090000", "RRULE:FREQ=DAILY;COUNT=10", NULL, "1997-09 2-11"},
    {"19970902T090000", "RRULE:FREQ=DAILY;UNTIL=19971224T000000Z", NULL,
     "1997-09 2-30; 1997-10 1-31; 1997-11 1-30; 1997-12 1-23"},
    {"19970902T090000", "RRULE:FREQ=DAILY;INTERVAL=2", "1997-12-03",
     "1997-09 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30; "
     "1997-10 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30; "
     "1997-11 1 3 5 7 9 11 13 15 17 19 21 23 25 27 29; 1997-12 1 3"},
    {"19970902T090000", "RRULE:FREQ=DAILY;INTERVAL=10;COUNT=5", NULL,
     "1997-09 2 12 22; 1997-10 2 12"},
    {"19980101T090000",
     "RRULE:FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA", NULL,
     "1998-01 1-31; 1999-01 1-31; 2000-01 1-31"},
    {"19980101T090000", "RRULE:FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1", NULL,
     "1998-01 1-31; 1999-01 1-31; 2000-01 1-31"},
    {"19970902T090000", "RRULE:FREQ=WEEKLY;COUNT=10", NULL,
     "1997-09 2 9 16 23 30; 1997-10 7 14 21 28; 1997-11 4"},
    {"19970902T090000", "RRULE:FREQ=WEEKLY;UNTIL=19971224T000000Z", NULL,
     "1997-09 2 9 16 23 30; 1997-10 7 14 21 28; 1997-11 4 11 18 25; 1997-12 2 9 16 23"},
    {"19970902T090000", "RRULE:FREQ=WEEKLY;INTERVAL=2;WKST=SU", "1998-02-17",
     "1997-09 2 16 30; 1997-10 14 28; 1997-11 11 25; 1997-12 9 23; 1998-01 6 20; 1998-02 3 17"},
    {"19970902T090000", "RRULE:FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", NULL,
     "1997-09 2 4 9 11 16 18 23 25 30; 1997-10 2"},
    {"19970902T090000", "RRULE:FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", NULL,
     "1997-09 2 4 9 11 16 18 23 25 30; 1997-10 2"},
    {"19970901T090000",
     "RRULE:FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR", NULL,
     "1997-09 1 3 5 15 17 19 29; 1997-10 1 3 13 15 17 27 29 31; 1997-11 10 12 14 24 26 28; "
     "1997-12 8 10 12 22"},
    {"19970902T090000", "RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", NULL,
     "1997-09 2 4 16 18 30; 1997-10 2 14 16"},
    {"19970905T090000", "RRULE:FREQ=MONTHLY;COUNT=10;BYDAY=1FR", NULL,
     "1997-09 5; 1997-10 3; 1997-11 7; 1997-12 5; 1998-01 2; 1998-02 6; 1998-03 6; 1998-04 3; "
     "1998-05 1; 1998-06 5"},
    {"19970905T090000", "RRULE:FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", NULL,
     "1997-09 5; 1997-10 3; 1997-11 7; 1997-12 5"},
    {"19970907T090000", "RRULE:FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU", NULL,
     "1997-09 7 28; 1997-11 2 30; 1998-01 4 25; 1998-03 1 29; 1998-05 3 31"},
    {"19970922T090000", "RRULE:FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", NULL,
     "1997-09 22; 1997-10 20; 1997-11 17; 1997-12 22; 1998-01 19; 1998-02 16"},
    {"19970928T090000", "RRULE:FREQ=MONTHLY;BYMONTHDAY=-3", "1998-02-26",
     "1997-09 28; 1997-10 29; 1997-11 28; 1997-12 29; 1998-01 29; 1998-02 26"},
    {"19970902T090000", "RRULE:FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15", NULL,
     "1997-09 2 15; 1997-10 2 15; 1997-11 2 15; 1997-12 2 15; 1998-01 2 15"},
    {"19970930T090000", "RRULE:FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1", NULL,
     "1997-09 30; 1997-10 1 31; 1997-11 1 30; 1997-12 1 31; 1998-01 1 31; 1998-02 1"},
    {"19970910T090000", "RRULE:FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
     NULL, "1997-09 10-15; 1999-03 10-13"},
    {"19970902T090000", "RRULE:FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", "1998-03-31",
     "1997-09 2 9 16 23 30; 1997-11 4 11 18 25; 1998-01 6 13 20 27; 1998-03 3 10 17 24 31"},
    {"19970610T090000", "RRULE:FREQ=YEARLY;COUNT=10;BYMONTH=6,7", NULL,
     "1997-06 10; 1997-07 10; 1998-06 10; 1998-07 10; 1999-06 10; 1999-07 10; 2000-06 10; "
     "2000-07 10; 2001-06 10; 2001-07 10"},
    {"19970310T090000", "RRULE:FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3", NULL,
     "1997-03 10; 1999-01 10; 1999-02 10; 1999-03 10; 2001-01 10; 2001-02 10; 2001-03 10; "
     "2003-01 10; 2003-02 10; 2003-03 10"},
    {"19970101T090000", "RRULE:FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200", NULL,
     "1997-01 1; 1997-04 10; 1997-07 19; 2000-01 1; 2000-04 9; 2000-07 18; 2003-01 1; 2003-04 10; "
     "2003-07 19; 2006-01 1"},
    {"19970519T090000", "RRULE:FREQ=YEARLY;BYDAY=20MO", "1999-05-17",
     "1997-05 19; 1998-05 18; 1999-05 17"},
    {"19970512T090000", "RRULE:FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1999-05-17",
     "1997-05 12; 1998-05 11; 1999-05 17"},
    {"19970313T090000", "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=TH", "1999-03-25",
     "1997-03 13 20 27; 1998-03 5 12 19 26; 1999-03 4 11 18 25"},
    {"19970605T090000", "RRULE:FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8", "1999-08-26",
     "1997-06 5 12 19 26; 1997-07 3 10 17 24 31; 1997-08 7 14 21 28; 1998-06 4 11 18 25; "
     "1998-07 2 9 16 23 30; 1998-08 6 13 20 27; 1999-06 3 10 17 24; 1999-07 1 8 15 22 29; "
     "1999-08 5 12 19 26"},
    {"19970902T090000",
     "EXDATE;TZID=America/New_York:19970902T090000\r\nRRULE:FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
     "2000-10-13", "1998-02 13; 1998-03 13; 1998-11 13; 1999-08 13; 2000-10 13"},
    {"19970913T090000", "RRULE:FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", "1998-06-13",
     "1997-09 13; 1997-10 11; 1997-11 8; 1997-12 13; 1998-01 10; 1998-02 7; 1998-03 7; 1998-04 11; "
     "1998-05 9; 1998-06 13"},
    {"19961105T090000", "RRULE:FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
     "2004-11-02", "1996-11 5; 2000-11 7; 2004-11 2"},
    {"19970904T090000", "RRULE:FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", NULL,
     "1997-09 4; 1997-10 7; 1997-11 6"},
    {"19970929T090000", "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "1998-03-30",
     "1997-09 29; 1997-10 30; 1997-11 27; 1997-12 30; 1998-01 29; 1998-02 26; 1998-03 30"},
    {"19970805T090000", "RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", NULL,
     "1997-08 5 10 19 24"},
    {"19970805T090000", "RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", NULL,
     "1997-08 5 17 19 31"},
    {"20070115T090000", "RRULE:FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", NULL,
     "2007-01 15 30; 2007-02 15; 2007-03 15 30"},
};

/* The others, of times within a day, are told to belong into the schedule. */
static const char *const times_of_day[] = {
    "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z",
    "FREQ=MINUTELY;INTERVAL=15;COUNT=6",
    "FREQ=MINUTELY;INTERVAL=90;COUNT=4",
    "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40",
    "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16",
};

static void test_rfc_examples(void)
{
    char text[1000];
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        snprintf(text, sizeof text,
                 "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;TZID=America/New_York:%s\r\n%s\r\n"
                 "END:VEVENT\r\nEND:VCALENDAR\r\n",
                 examples[i].start, examples[i].lines);
        int32_t until = base_day() + DAYS - 1;
        const char *wrong = read_file(text);
        if (examples[i].until != NULL)
            hor_day_parse(examples[i].until, &until);
        is(wrong != NULL ? wrong : days(base_day(), until), examples[i].expected, "%s",
           strrchr(examples[i].lines, '\n') != NULL ? strrchr(examples[i].lines, '\n') + 1
                                                    : examples[i].lines);
    }
    for (size_t i = 0; i < sizeof times_of_day / sizeof *times_of_day; i++) {
        snprintf(text, sizeof text,
                 "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:19970902T090000\nRRULE:%s\nEND:VEVENT\n"
                 "END:VCALENDAR\n",
                 times_of_day[i]);
        ok(read_file(text) != NULL, "no rule for days: %s", times_of_day[i]);
    }
}

/* One event of these lines, and the days of the file. */
static const char *event(const char *lines)
{
    char text[2000];
    snprintf(text, sizeof text,
             "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\n%s\nEND:VEVENT\nEND:VCALENDAR\n", lines);
    const char *wrong = read_file(text);
    return wrong != NULL ? wrong : all_days();
}

static void test_length(void)
{
    is(event("DTSTART;VALUE=DATE:20261224"), "2026-12 24", "a whole day");
    is(event("DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261227"), "2026-12 24-26",
       "the day of DTEND does not belong to it");
    is(event("DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261224"), "2026-12 24", "no length");
    is(event("DTSTART;VALUE=DATE:20261224\nDURATION:P1W"), "2026-12 24-30", "a week");
    is(event("DTSTART:20261224T220000\nDTEND:20261225T000000"), "2026-12 24", "until midnight");
    is(event("DTSTART:20261224T220000\nDTEND:20261225T000001"), "2026-12 24-25", "a second more");
    is(event("DTSTART:20261224T220000\nDURATION:P1DT2H"), "2026-12 24-25", "days and hours");
    is(event("DTSTART:20261224T220000\nDURATION:P1DT2H1S"), "2026-12 24-26", "and a second");
    is(event("DTSTART;TZID=Europe/Berlin:20261224T233000\nDTEND:20261224T233000Z"), "2026-12 24-25",
       "an end in another zone is read on the clock of the start");
    is(event("DTSTART;VALUE=DATE:20251230\nDTEND;VALUE=DATE:20260102\nRRULE:FREQ=YEARLY;COUNT=3"),
       "2025-12 30-31; 2026-01 1; 2026-12 30-31; 2027-01 1; 2027-12 30-31; 2028-01 1",
       "over the end of a year, and repeated");
}

static void test_sets(void)
{
    is(event("DTSTART;VALUE=DATE:20260101\nRDATE;VALUE=DATE:20260105,20260107\nRDATE:20260109"),
       "2026-01 1 5 7 9", "RDATE");
    is(event("DTSTART:20260101T100000\nRDATE;VALUE=PERIOD:20260105T100000/20260107T100000,"
             "20260110T230000/PT2H"),
       "2026-01 1 5-7 10-11", "RDATE with periods");
    is(event("DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY;COUNT=5\nEXDATE;VALUE=DATE:20260102\n"
             "EXDATE:20260104"),
       "2026-01 1 3 5", "EXDATE; COUNT counts what is taken out");
    is(event("DTSTART:20260101T100000\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE:20260102T100000,"
             "20260103T110000\nEXDATE;VALUE=DATE:20260104"),
       "2026-01 1 3", "EXDATE takes out what begins then, a day all of it");
    is(event("DTSTART:20260102T090000\nRRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=2"), "2026-01 2 5 12",
       "DTSTART is an instance also where the rule does not meet it");
    is(event("DTSTART;TZID=America/New_York:20260101T200000\nRRULE:FREQ=DAILY;COUNT=4\n"
             "EXDATE:20260103T010000Z"),
       "2026-01 1 3-4", "EXDATE in UTC is turned into the event's zone");
    is(event("DTSTART;TZID=Europe/Berlin:20260701T003000\nRRULE:FREQ=DAILY;COUNT=4\n"
             "EXDATE;TZID=Europe/London:20260701T233000"),
       "2026-07 1 3-4", "and so is one in a third zone");
    is(event("DTSTART;TZID=America/"
             "New_York:20260101T200000\nRRULE:FREQ=DAILY;UNTIL=20260104T010000Z"),
       "2026-01 1-3", "UNTIL in UTC is turned too, and belongs to it");
    is(event("DTSTART;TZID=America/"
             "New_York:20260101T200000\nRRULE:FREQ=DAILY;UNTIL=20260104T005959Z"),
       "2026-01 1-2", "a second before it does not");
    is(event("DTSTART;TZID=Custom Zone:20260101T200000\nRRULE:FREQ=DAILY;COUNT=2"), "2026-01 1-2",
       "a zone that nobody knows matters only where times are turned");
}

static void test_overrides(void)
{
    static const char series[] = "UID:a\nDTSTART;TZID=Europe/Berlin:20260105T100000\n"
                                 "RRULE:FREQ=WEEKLY;COUNT=4\n";
    char text[1000];
    snprintf(text, sizeof text,
             "%sEND:VEVENT\nBEGIN:VEVENT\nUID:a\nRECURRENCE-ID:20260112T090000Z\n"
             "DTSTART;TZID=Europe/Berlin:20260114T100000",
             series);
    is(event(text), "2026-01 5 14 19 26", "an instance moves to another day");
    snprintf(text, sizeof text,
             "UID:a\nRECURRENCE-ID;TZID=Europe/Berlin:20260112T100000\nSTATUS:CANCELLED\n"
             "DTSTART;TZID=Europe/Berlin:20260112T100000\nEND:VEVENT\nBEGIN:VEVENT\n%s",
             series);
    is(event(text), "2026-01 5 19 26", "or is cancelled, wherever it stands in the file");
    snprintf(text, sizeof text,
             "UID:b\nRECURRENCE-ID:20260112T090000Z\nDTSTART:20260201T100000\nEND:VEVENT\n"
             "BEGIN:VEVENT\n%s",
             series);
    is(event(text), "2026-01 5 12 19 26; 2026-02 1", "that of another event takes nothing out");
    snprintf(text, sizeof text, "%sSTATUS:CANCELLED", series);
    is(event(text), "", "a cancelled event has no days");
}

static void test_lines(void)
{
    is(event("DTST\n ART;VALUE=DA\n\tTE:2026\n 0101\nSUMMARY:A long\n  text: with; signs"),
       "2026-01 1", "lines go on with a space or a tab");
    is(event("dtstart;value=date:20260101\nrrule:freq=daily;count=2"), "2026-01 1-2",
       "names know no case");
    is(event("DTSTART;X-NOTE=\"a;b:c\",d;VALUE=DATE:20260101"), "2026-01 1", "quoted parameters");
    is(event("DTSTART:20260101\nBEGIN:VALARM\nDTSTART:nonsense\nTRIGGER:-PT1H\nEND:VALARM"),
       "2026-01 1", "what stands inside an event is passed over");
    is(event(
           "DTSTART:20260101\nEND:VEVENT\nBEGIN:VTODO\nDTSTART:20260202\nEND:VTODO\nBEGIN:VEVENT\n"
           "DTSTART:20260303"),
       "2026-01 1; 2026-03 3", "and so is what is no event");
}

/* Easter by the algorithm of Gauss, with Lichtenberg's corrections: other arithmetic than any
 * rule's. */
static int32_t easter(int x)
{
    int k = x / 100, m = 15 + (3 * k + 3) / 4 - (8 * k + 13) / 25, s = 2 - (3 * k + 3) / 4,
        a = x % 19;
    int d = (19 * a + m) % 30, r = (d + a / 11) / 29, og = 21 + d - r;
    int sz = 7 - (x + x / 4 + s) % 7, oe = 7 - (og - sz) % 7;
    return hor_day_make(x, 3, 1) + og + oe - 1;
}

/* TARGET2 is closed on Saturdays, Sundays, New Year, Good Friday, Easter Monday, 1 May and on both
 * days of Christmas. */
static void test_easter_holidays(void)
{
    char *file = hor_str_printf("%s/tests/fixtures/icalendar/target2.ics", hor_tap_srcdir());
    struct hor_buf text = HOR_BUF_INIT;
    hor_file_read(file, 1 << 20, &text, NULL);
    const char *wrong = read_file(hor_buf_text(&text));
    int missing = 0, more = 0;
    ok(wrong == NULL, "the file is read: %s", wrong != NULL ? wrong : "");
    is_int(easter(2024), hor_day_make(2024, 3, 31), "Easter 2024 was on 31 March");
    for (int32_t day = hor_day_make(2020, 1, 1); day < hor_day_make(2036, 1, 1); day++) {
        int year, month, d;
        hor_day_split(day, &year, &month, &d);
        bool closed = (month == 1 && d == 1) || (month == 5 && d == 1) ||
                      (month == 12 && (d == 25 || d == 26)) || day == easter(year) - 2 ||
                      day == easter(year) + 1;
        missing += closed && !seen[day - base_day()];
        more += !closed && seen[day - base_day()];
    }
    is_int(missing, 0, "no holiday of 2020 to 2035 is missing");
    is_int(more, 0, "and no other day is one");
    hor_buf_done(&text);
    free(file);
}

/* A file cut anywhere is refused or read; nothing is read beyond its end. */
static void test_cut(void)
{
    static const char whole[] =
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTART;TZID=\"Europe/"
        "Berlin\";X=\"a\",\"b\":20260105T100000\r\n"
        "DURATION:P1DT2H3M4S\r\nRRULE:FREQ=YEARLY;UNTIL=20300101T000000Z;BYDAY=1MO,-1FR\r\n"
        "RDATE;VALUE=PERIOD:20260105T100000Z/PT1H,20260105T100000Z/20260106T100000Z\r\n"
        "EXDATE:20260105T090000Z\r\nEND:VEVENT\r\nEND:VCALENDAR";
    int read = 0;
    for (size_t len = 0; len <= sizeof whole - 1; len++) {
        char *copy = malloc(len + 1);
        memcpy(copy, whole, len);
        copy[len] = '\0';
        read += read_file(copy) == NULL;
        free(copy);
    }
    is_int(read, 1, "only the whole file is one");
}

int main(void)
{
    test_rfc_examples();
    test_length();
    test_sets();
    test_overrides();
    test_lines();
    test_easter_holidays();
    test_cut();
    hor_arena_done(&arena);
    return done_testing();
}

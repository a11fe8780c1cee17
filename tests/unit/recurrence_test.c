#include "lib/model/recurrence.h"

#include <string.h>

#include "lib/model/day.h"
#include "tests/lib/tap.h"

struct found {
    int32_t days[4000];
    int count, limit;
};

static bool note(int32_t day, void *ctx)
{
    struct found *found = ctx;
    found->days[found->count++] = day;
    return found->count < found->limit;
}

static int32_t day(const char *text)
{
    int32_t ret = HOR_DAY_NONE;
    hor_day_parse(text, &ret);
    return ret;
}

/* The days as one text, "2026-01-30 2026-02-27". */
static const char *days(const char *rule, const char *start, const char *from, const char *to)
{
    static char text[4000];
    struct found found = {.limit = 200};
    struct hor_error err = {0};
    text[0] = '\0';
    int rc = hor_recurrence_each(rule, start != NULL ? day(start) : HOR_RECURRENCE_START, day(from),
                                 day(to), note, &found, &err);
    if (rc != HOR_OK)
        return strcpy(text, err.text);
    for (int i = 0; i < found.count; i++) {
        char one[HOR_DAY_TEXT_BYTES];
        strcat(strcat(text, i > 0 ? " " : ""), hor_day_format(found.days[i], one));
    }
    return text;
}

static void refusals(void)
{
    static const char *const bad[] = {"",
                                      "BYDAY=MO",
                                      "FREQ=FOO",
                                      "FREQ=HOURLY",
                                      "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
                                      "FREQ=DAILY;BYHOUR=3",
                                      "FREQ=DAILY;;INTERVAL=2",
                                      "FREQ=DAILY;",
                                      "freq=daily",
                                      "FREQ=DAILY;FREQ=WEEKLY",
                                      "FREQ=DAILY;INTERVAL=0",
                                      "FREQ=DAILY;COUNT=-3",
                                      "FREQ=DAILY;COUNT=3;UNTIL=20270101",
                                      "FREQ=DAILY;UNTIL=junk",
                                      "FREQ=WEEKLY;BYDAY=XX",
                                      "FREQ=WEEKLY;BYMONTH=13",
                                      "FREQ=MONTHLY;BYMONTHDAY=",
                                      "FREQ=MONTHLY;BYMONTHDAY=99",
                                      "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
                                      "RSCALE=HEBREW;FREQ=YEARLY",
                                      /* parts that may not stand together */
                                      "FREQ=MONTHLY;BYWEEKNO=20",
                                      "FREQ=MONTHLY;BYYEARDAY=100",
                                      "FREQ=WEEKLY;BYMONTHDAY=1",
                                      "FREQ=WEEKLY;BYDAY=1MO",
                                      "FREQ=DAILY;BYDAY=-1MO",
                                      "FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO",
                                      "FREQ=MONTHLY;BYSETPOS=1",
                                      /* numbers that others cut, wrap or take in part */
                                      "FREQ=DAILY;INTERVAL=70000",
                                      "FREQ=DAILY;INTERVAL=2x",
                                      "FREQ=DAILY;INTERVAL= 2",
                                      "FREQ=DAILY;COUNT=99999999999",
                                      "FREQ=DAILY;UNTIL=20261399",
                                      "FREQ=DAILY;UNTIL=20260229",
                                      "FREQ=DAILY;UNTIL=20261224T990000Z",
                                      "FREQ=MONTHLY;BYDAY=0MO",
                                      "FREQ=MONTHLY;BYDAY=54MO",
                                      "FREQ=MONTHLY;BYDAY=MO,",
                                      "FREQ=MONTHLY;BYMONTHDAY=0",
                                      "FREQ=MONTHLY;BYMONTHDAY=1,,2",
                                      "FREQ=YEARLY;BYYEARDAY=367",
                                      "FREQ=WEEKLY;WKST=XX",
                                      "FREQ=WEEKLY;WKST=MO,TU",
                                      /* what never comes, and would be looked for until 9999 */
                                      "FREQ=MONTHLY;BYDAY=6MO",
                                      "FREQ=MONTHLY;BYDAY=5MO;BYMONTHDAY=1",
                                      "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=300",
                                      "FREQ=YEARLY;INTERVAL=4;BYYEARDAY=366",
                                      "FREQ=DAILY;UNTIL=19691231",
                                      "FREQ=DAILY;INTERVAL=7;BYDAY=MO"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct hor_error err = {0};
        ok(hor_recurrence_check(bad[i], HOR_RECURRENCE_START, &err) == HOR_ERR_INVALID && err.text[0] != '\0',
           "refused: %s (%s)", bad[i], err.text);
    }
    char longer[HOR_RECURRENCE_MAX_BYTES + 20];
    memset(longer, 'x', sizeof longer);
    memcpy(longer, "FREQ=DAILY;BYDAY=", 17);
    longer[sizeof longer - 1] = '\0';
    ok(hor_recurrence_check(longer, HOR_RECURRENCE_START, NULL) == HOR_ERR_INVALID, "a rule has a length limit");
}

/* Law: where the iterator is placed must not matter. */
static void same_from_anywhere(const char *rule)
{
    static struct found all, part;
    int32_t from = day("2010-01-01"), to = day("2014-01-01");
    all = (struct found){.limit = 4000};
    hor_recurrence_each(rule, HOR_RECURRENCE_START, from, to, note, &all, NULL);
    bool same = true;
    for (int32_t cut = from; cut < to; cut += 37) {
        part = (struct found){.limit = 4000};
        hor_recurrence_each(rule, HOR_RECURRENCE_START, cut, to, note, &part, NULL);
        int skip = 0;
        while (skip < all.count && all.days[skip] < cut)
            skip++;
        same = same && part.count == all.count - skip &&
               memcmp(part.days, all.days + skip, sizeof(int32_t) * (size_t)part.count) == 0;
    }
    ok(same && all.count > 0, "%s gives the same days from wherever it is asked (%d)", rule,
       all.count);
}

int main(void)
{
    refusals();
    ok(hor_recurrence_check("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", HOR_RECURRENCE_START, NULL) == HOR_OK, "working days");
    is(days("FREQ=WEEKLY;BYDAY=MO,FR", NULL, "2026-11-24", "2026-12-08"),
       "2026-11-27 2026-11-30 2026-12-04 2026-12-07", "weekdays");
    is(days("FREQ=MONTHLY;BYMONTHDAY=-1", NULL, "2028-01-01", "2028-04-01"),
       "2028-01-31 2028-02-29 2028-03-31", "last day of the month, leap year");
    is(days("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", NULL, "2026-10-01", "2027-01-01"),
       "2026-10-30 2026-11-30 2026-12-31", "last weekday of the month");
    is(days("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU", "2026-11-03", "2026-11-01", "2026-12-05"),
       "2026-11-03 2026-11-17 2026-12-01", "every second week from the start");
    is(days("FREQ=DAILY;INTERVAL=3", "2026-11-20", "2026-11-22", "2026-12-01"),
       "2026-11-23 2026-11-26 2026-11-29", "every third day counts from the start");
    is(days("FREQ=DAILY;COUNT=5", "2026-11-20", "2026-11-22", "2026-12-01"),
       "2026-11-22 2026-11-23 2026-11-24", "COUNT counts from the start");
    is(days("FREQ=DAILY;UNTIL=20261124", "2026-11-20", "2026-11-22", "2026-12-01"),
       "2026-11-22 2026-11-23 2026-11-24", "UNTIL is included");
    is(days("FREQ=DAILY;UNTIL=20261124", "2026-11-20", "2026-11-25", "2026-12-01"), "",
       "nothing after UNTIL");
    is(days("FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25,26", NULL, "2026-01-01", "2028-01-01"),
       "2026-12-25 2026-12-26 2027-12-25 2027-12-26", "Christmas");
    is(days("FREQ=DAILY", NULL, "2026-11-24", "2026-11-24"), "", "an empty span");
    is(days("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", NULL, "2026-01-01", "2030-01-01"), "",
       "a day that never comes ends the search");
    ok(hor_recurrence_each("FREQ=DAILY", 0, 0, 40000, note, NULL, NULL) == HOR_ERR_LIMIT,
       "a span has a limit");
    same_from_anywhere("FREQ=DAILY");
    same_from_anywhere("FREQ=DAILY;INTERVAL=3");
    same_from_anywhere("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH");
    same_from_anywhere("FREQ=WEEKLY;INTERVAL=3");
    same_from_anywhere("FREQ=MONTHLY;INTERVAL=2;BYDAY=-1FR");
    same_from_anywhere("FREQ=MONTHLY;BYMONTHDAY=31");
    same_from_anywhere("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=3");
    same_from_anywhere("FREQ=YEARLY;BYDAY=20MO");
    same_from_anywhere("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO");
    same_from_anywhere("FREQ=YEARLY;BYYEARDAY=100,-1");
    return done_testing();
}

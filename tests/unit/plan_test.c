#include "lib/model/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/model/day.h"
#include "tests/lib/documents.h"
#include "tests/lib/tap.h"

#define COMMON                                                                                     \
    "c.agentCluster.xml",                                                                          \
        "<agentCluster><member name='a1' url='https://127.0.0.1:1'/></agentCluster>",              \
        "j.job.xml", "<job><script>true</script></job>", "eod.chain.xml",                          \
        "<jobChain agentCluster='/c'><node id='n' job='/j'/></jobChain>", "work.calendar.xml",     \
        "<calendar><include><rule>FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR</rule></include>"               \
        "<exclude><date>2026-12-25</date></exclude></calendar>"

static int32_t day(const char *text)
{
    int32_t ret = HOR_DAY_NONE;
    hor_day_parse(text, &ret);
    return ret;
}

static struct hor_plan plan_of(const struct hor_config *config, const char *plan_day)
{
    struct hor_plan plan = {0};
    struct hor_planner *planner = NULL;
    struct hor_error err = {0};
    hor_planner_new(config, "main", day(plan_day), day(plan_day) + 1, &planner, NULL);
    if (hor_planner_day(planner, day(plan_day), INT64_MIN, &plan, &err) != HOR_OK)
        diag("%s", err.text);
    hor_planner_free(planner);
    return plan;
}

/* The starts of a day for one schedule, in UTC, "16:30 17:30". */
static const char *starts(const char *schedule, const char *plan_day)
{
    static char text[2000];
    const char *const documents[] = {COMMON, "s.schedule.xml", schedule, NULL};
    struct hor_config *config = hor_test_config(documents);
    struct hor_plan plan = plan_of(config, plan_day);
    text[0] = '\0';
    for (size_t i = 0; i < plan.count && i < 60; i++) {
        char at[HOR_TIME_TEXT_BYTES];
        hor_time_format_us(plan.items[i].planned_us, at);
        at[16] = '\0';
        sprintf(text + strlen(text), "%s%s", text[0] != '\0' ? " " : "", at + 11);
    }
    hor_plan_done(&plan);
    hor_config_free(config);
    return text;
}

#define BERLIN "<schedule chain='/eod' timeZone='Europe/Berlin'>"
#define END "</schedule>"

static void test_times(void)
{
    is(starts(BERLIN "<at time='18:30'/><at time='06:00'/>" END, "2026-11-24"), "05:00 17:30",
       "local times in winter, sorted");
    is(starts(BERLIN "<at time='18:30'/>" END, "2026-07-01"), "16:30", "and in summer");
    is(starts("<schedule chain='/eod'><every interval='PT20M' from='08:00' to='09:00'/></schedule>",
              "2026-11-24"),
       "08:00 08:20 08:40 09:00", "every: both ends are included");
    is(starts("<schedule chain='/eod'><at time='08:00'/>"
              "<every interval='PT1H' from='08:00' to='09:00'/></schedule>",
              "2026-11-24"),
       "08:00 09:00", "the same time twice is one order");
    is(starts("<schedule chain='/eod' timeZone='Asia/Kathmandu'><at time='08:00'/></schedule>",
              "2026-11-24"),
       "02:15", "a zone with quarters of an hour");
}

static void test_clock_changes(void)
{
    is(starts(BERLIN "<at time='02:30'/>" END, "2027-03-28"), "01:30", "missing hour: shift");
    is(starts(BERLIN "<at time='02:30'/><clockChange missingHour='skip'/>" END, "2027-03-28"), "",
       "skip");
    is(starts(BERLIN "<at time='02:30'/><clockChange missingHour='atChange'/>" END, "2027-03-28"),
       "01:00", "atChange");
    is(starts(BERLIN "<at time='02:30'/>" END, "2026-10-25"), "00:30", "repeated hour: first");
    is(starts(BERLIN "<at time='02:30'/><clockChange repeatedHour='last'/>" END, "2026-10-25"),
       "01:30", "last");
    is(starts(BERLIN "<at time='02:30'/><clockChange repeatedHour='both'/>" END, "2026-10-25"),
       "00:30 01:30", "both");
    is(starts(BERLIN "<every interval='PT30M' from='01:30' to='03:30'/>" END, "2027-03-28"),
       "00:30 01:00 01:30", "shifted times that meet others are one order");
    is(starts(BERLIN "<at time='18:30'/>" END, "2027-03-28"), "16:30",
       "and the day goes on with the new offset");
    is(starts("<schedule chain='/eod' timeZone='Australia/Lord_Howe'><at time='02:15'/></schedule>",
              "2026-10-04"),
       "15:45", "a gap of half an hour");
}

static void test_days(void)
{
    const char *skip = "<schedule chain='/eod'><at time='12:00'/>"
                       "<nonWorkingDay action='skip' calendar='/work'/></schedule>";
    const char *before = "<schedule chain='/eod'><days weekdays='SA'/><at time='12:00'/>"
                         "<nonWorkingDay action='before' calendar='/work'/></schedule>";
    const char *after = "<schedule chain='/eod'><days weekdays='FR'/><at time='12:00'/>"
                        "<nonWorkingDay action='after' calendar='/work'/></schedule>";
    is(starts(skip, "2026-11-27"), "12:00", "a working day");
    is(starts(skip, "2026-11-28"), "", "a Saturday is skipped");
    is(starts(before, "2026-11-27"), "12:00", "before: Friday instead of Saturday");
    is(starts(before, "2026-11-28"), "", "and Saturday not");
    is(starts(before, "2026-12-24"), "12:00", "over a holiday too");
    is(starts(after, "2026-12-28"), "12:00", "after: Monday instead of a Friday that is a holiday");
    is(starts(after, "2026-12-21"), "", "no other Monday");
    const char *valid = "<schedule chain='/eod' validFrom='2026-11-24' validTo='2026-11-25'>"
                        "<at time='12:00'/></schedule>";
    is(starts(valid, "2026-11-23"), "", "before validFrom");
    is(starts(valid, "2026-11-25"), "12:00", "validTo is included");
    is(starts(valid, "2026-11-26"), "", "after validTo");
    is(starts("<schedule chain='/eod'><days calendar='/work' nth='-1' of='month'/>"
              "<at time='12:00'/></schedule>",
              "2026-12-31"),
       "12:00", "the last working day of the month");
}

static void test_substitute(void)
{
    const char *const documents[] = {
        COMMON, "s.schedule.xml",
        "<schedule chain='/eod'><at time='12:00'/>"
        "<substitute from='2026-12-24' to='2026-12-31' schedule='late'/></schedule>",
        "late.schedule.xml", "<schedule chain='/eod'><at time='20:00'/></schedule>", NULL};
    struct hor_config *config = hor_test_config(documents);
    struct hor_plan before = plan_of(config, "2026-12-23"), during = plan_of(config, "2026-12-24");
    ok(before.count == 1 && strcmp(before.items[0].schedule->object.path, "/s") == 0,
       "a substitute does not run by itself");
    ok(during.count == 1 && strcmp(during.items[0].schedule->object.path, "/late") == 0,
       "but in the place of the other");
    hor_plan_done(&before);
    hor_plan_done(&during);
    hor_config_free(config);
}

static void test_cron(void)
{
    is(starts(BERLIN "<cron>0,30 8-9 * * MON-FRI</cron>" END, "2026-11-24"),
       "07:00 07:30 08:00 08:30", "cron in the zone of the schedule");
    is(starts(BERLIN "<cron>0 8 * * MON-FRI</cron>" END, "2026-11-28"), "", "not on a Saturday");
    is(starts("<schedule chain='/eod'><days weekdays='TU'/><cron>0 8 * * *</cron>"
              "<cron>0 9 24 * *</cron><at time='10:00'/></schedule>",
              "2026-11-24"),
       "08:00 09:00 10:00", "several crons and times");
    is(starts("<schedule chain='/eod'><days weekdays='MO'/><cron>0 8 * * *</cron></schedule>",
              "2026-11-24"),
       "", "a day must be wanted by <days> too");
    is(starts("<schedule chain='/eod'><cron>0 8 * * SAT</cron><cron>0 9 27 * *</cron>"
              "<nonWorkingDay action='before' calendar='/work'/></schedule>",
              "2026-11-27"),
       "08:00 09:00", "each cron moves by its own days: Saturday's start to Friday");
    is(starts("<schedule chain='/eod'><cron>0 8 * * SAT</cron><cron>0 9 27 * *</cron>"
              "<nonWorkingDay action='before' calendar='/work'/></schedule>",
              "2026-11-20"),
       "08:00", "and no other one's");
    is(starts(BERLIN "<cron>*/30 1-3 * * *</cron>" END, "2027-03-28"), "00:00 00:30 01:00 01:30",
       "a missing hour: shifted starts that meet others are one order");
    is(starts(BERLIN "<cron>*/30 2 * * *</cron><clockChange missingHour='skip'/>" END, "2027-03-28"),
       "", "skipped");
    is(starts(BERLIN "<cron>*/30 2 * * *</cron><clockChange repeatedHour='both'/>" END,
              "2026-10-25"),
       "00:00 00:30 01:00 01:30", "a repeated hour, both times");
    is(starts("<schedule chain='/eod'><cron>@yearly</cron></schedule>", "2027-01-01"), "00:00",
       "@yearly");
}

/* What stands in for what when days move: a day belongs to one schedule, and moves as that one says. */
static void test_substitute_and_move(void)
{
    const char *const documents[] = {
        COMMON, "s.schedule.xml",
        "<schedule chain='/eod' validTo='2027-01-15'><days weekdays='SA'/><at time='12:00'/>"
        "<nonWorkingDay action='before' calendar='/work'/>"
        "<substitute from='2026-12-24' to='2026-12-31' schedule='late'/>"
        "<substitute from='2027-01-10' to='2027-01-31' schedule='late'/>"
        "<substitute from='2026-12-19' to='2026-12-20' schedule='late'/></schedule>",
        "late.schedule.xml",
        "<schedule chain='/eod'><days weekdays='TH SU'/><at time='20:00'/>"
        "<nonWorkingDay action='after' calendar='/work'/>"
        "<substitute from='2026-12-31' to='2026-12-31' schedule='last'/></schedule>",
        "last.schedule.xml", "<schedule chain='/eod'><at time='23:00'/></schedule>", NULL};
    static const struct {
        const char *day, *expected, *what;
    } cases[] = {
        {"2026-12-11", "/s", "a Saturday's start moves to Friday"},
        {"2026-12-18", "", "not that of a Saturday which was handed over"},
        {"2026-12-21", "/late", "the start of a day that was handed over moves to one that was not"},
        {"2026-12-24", "/late", "the first day that is handed over"},
        {"2026-12-25", "", "a holiday; Saturday's start was handed over and does not move here"},
        {"2026-12-28", "/late", "Sunday's start moves after, as the substitute says"},
        {"2026-12-31", "/last", "a substitute's own substitute"},
        {"2027-01-01", "/s", "the Saturday after the range moves before as before"},
        {"2027-01-11", "/late", "a second range: Sunday's start on Monday"},
        {"2027-01-14", "/late", "and Thursday's"},
        {"2027-01-21", "", "nothing is handed on when it is not valid any more"},
    };
    struct hor_config *config = hor_test_config(documents);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200] = "";
        struct hor_plan plan = plan_of(config, cases[i].day);
        for (size_t k = 0; k < plan.count && k < 5; k++)
            strcat(strcat(text, k > 0 ? " " : ""), plan.items[k].schedule->object.path);
        is(text, cases[i].expected, "%s: %s", cases[i].day, cases[i].what);
        hor_plan_done(&plan);
    }
    hor_config_free(config);
}

/* Law: over a year each start that is wanted happens once, and on a working day. */
static void test_moves_lose_nothing(void)
{
    const char *const documents[] = {
        COMMON, "s.schedule.xml",
        "<schedule chain='/eod'><days weekdays='SA SU'/><at time='12:00'/>"
        "<nonWorkingDay action='after' calendar='/work'/></schedule>",
        "t.schedule.xml",
        "<schedule chain='/eod'><days nth='-1' of='month'/><at time='13:00'/>"
        "<nonWorkingDay action='before' calendar='/work'/></schedule>",
        NULL};
    struct hor_config *config = hor_test_config(documents);
    struct hor_planner *planner = NULL;
    int32_t from = day("2026-01-01"), to = day("2027-01-01");
    int weekends = 0, months = 0, idle = 0;
    hor_planner_new(config, "main", from, to, &planner, NULL);
    for (int32_t d = from; d < to; d++) {
        struct hor_plan plan = {0};
        if (hor_planner_day(planner, d, INT64_MIN, &plan, NULL) != HOR_OK)
            break;
        for (size_t i = 0; i < plan.count; i++) {
            bool second = plan.items[i].schedule->object.path[1] == 't';
            months += second;
            weekends += !second;
            idle += hor_day_weekday(d) > 4 || d == day("2026-12-25");
        }
        hor_plan_done(&plan);
    }
    is_int(weekends, 52, "each weekend's two starts meet on one Monday, and are one order");
    is_int(months, 12, "each month's last day has its start");
    is_int(idle, 0, "all on working days");
    hor_planner_free(planner);
    hor_config_free(config);
}

static void test_ids(void)
{
    const char *const documents[] = {COMMON, "s.schedule.xml", BERLIN
                                     "<at time='18:30'/>" END,
                                     NULL};
    struct hor_config *config = hor_test_config(documents);
    config->schedules[0]->deadline_s = 19 * 3600 + 1800;
    struct hor_plan one = plan_of(config, "2026-11-24"), two = plan_of(config, "2026-11-24"),
                    next = plan_of(config, "2026-11-25");
    char id[HOR_ORDER_ID_BYTES];
    ok(one.count == 1 && strncmp(one.items[0].id, "eod-20261124-1830-", 18) == 0, "%s",
       one.items[0].id);
    is(one.items[0].id, two.items[0].id, "the same plan has the same ids");
    ok(strcmp(one.items[0].id, next.items[0].id) != 0, "another day has others");
    is_int(one.items[0].deadline_us - one.items[0].planned_us, 3600000000, "the deadline");
    hor_plan_order_id("/eod", "other", day("2026-11-24"), "/s", one.items[0].planned_us,
                      one.items[0].planned_us / 1000000 + 3600, id);
    ok(strncmp(id, one.items[0].id, 18) == 0 && strcmp(id, one.items[0].id) != 0,
       "and another Master's too");
    struct hor_planner *planner = NULL;
    struct hor_plan late = {0};
    hor_planner_new(config, "main", day("2026-11-24"), day("2026-11-25"), &planner, NULL);
    hor_planner_day(planner, day("2026-11-24"), one.items[0].planned_us, &late, NULL);
    is_int(late.count, 0, "only what is planned after a moment");
    ok(hor_planner_day(planner, day("2026-11-30"), 0, &late, NULL) == HOR_ERR_LIMIT,
       "a day outside the window is refused");
    hor_planner_free(planner);
    hor_plan_done(&one);
    hor_plan_done(&two);
    hor_plan_done(&next);
    hor_config_free(config);
}

/* Growth must be linear: this many orders are a few hundred milliseconds on any machine. */
static void test_many(void)
{
    const char *const documents[] = {
        COMMON, "s.schedule.xml",
        "<schedule chain='/eod'><every interval='PT1S' from='00:00' to='23:59:59'/></schedule>",
        "t.schedule.xml",
        "<schedule chain='/eod'><every interval='PT6S' from='00:00' to='23:59:59'/></schedule>",
        NULL};
    struct hor_config *config = hor_test_config(documents);
    int64_t begun_ms = hor_clock_monotonic_ms();
    struct hor_plan plan = plan_of(config, "2026-11-24");
    int64_t took_ms = hor_clock_monotonic_ms() - begun_ms;
    is_int(plan.count, 86400 + 14400, "100,800 orders in %lld ms", (long long)took_ms);
    bool sorted = true, ids = true;
    for (size_t i = 1; i < plan.count; i++) {
        sorted = sorted && plan.items[i - 1].planned_us <= plan.items[i].planned_us;
        ids = ids && strcmp(plan.items[i - 1].id, plan.items[i].id) != 0;
    }
    ok(sorted && ids, "sorted by time, each with its own id");
    ok(plan.arena.bytes + plan.room * sizeof *plan.items < 200 * plan.count,
       "less than 200 bytes each");
    hor_plan_done(&plan);
    hor_config_free(config);
}

int main(void)
{
    test_times();
    test_clock_changes();
    test_days();
    test_substitute();
    test_cron();
    test_substitute_and_move();
    test_moves_lose_nothing();
    test_ids();
    test_many();
    return done_testing();
}

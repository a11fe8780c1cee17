/* tests/bench/plan.c - makes the plan of a day from SCHEDULES schedules with five starts each, in a
 * configuration of JOBS jobs, and holds its CPU against the bare cost of such a plan: as many ids
 * with their digests, kept and sorted. plan SCHEDULES [JOBS]; prints figures for a tenth of them
 * too. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "lib/config/config.h"
#include "lib/model/day.h"
#include "lib/model/plan.h"
#include "lib/xml/xml.h"

#define NS "xmlns=\"urn:horarium:configuration:1\""
enum { CALENDARS = 300, ZONES = 8, STARTS = 5, REPEATS = 3 };

static const char *const zones[ZONES] = {"UTC",
                                         "Europe/Berlin",
                                         "America/New_York",
                                         "Asia/Tokyo",
                                         "Australia/Lord_Howe",
                                         "Asia/Kathmandu",
                                         "America/St_Johns",
                                         "Pacific/Chatham"};
/* All want 2026-11-30, a Monday and the last working day of its month. */
static const char *const days[] = {"", " nth=\"-1\" of=\"month\"", " weekdays=\"MO\"",
                                   " nth=\"1\" of=\"week\""};

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double peak_mb(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}

static void add_schedule(struct hor_buf *out, long i, long jobs)
{
    hor_buf_printf(out,
                   "<object file=\"s/s%06ld.schedule.xml\" kind=\"schedule\" path=\"/s/s%06ld\">"
                   "<schedule " NS " chain=\"/j/c%06ld\" timeZone=\"%s\">",
                   i, i, i % ((jobs + 9) / 10) * 10, zones[i % ZONES]);
    hor_buf_printf(out, "<days calendar=\"/k/c%03ld\"%s></days>", i % CALENDARS, days[i % 4]);
    if (i % 2 == 0)
        hor_buf_printf(out,
                       "<at time=\"%02ld:30\"></at><at time=\"%02ld:45\"></at>"
                       "<every interval=\"PT2H\" from=\"10:00\" to=\"14:00\"></every>",
                       i % 9, i % 9);
    else
        hor_buf_printf(out, "<cron>%ld 4,8,12,16,20 * * MON-FRI</cron>", i % 60);
    hor_buf_printf(out,
                   "<nonWorkingDay action=\"before\" calendar=\"/k/c%03ld\"></nonWorkingDay>"
                   "</schedule></object>",
                   i % CALENDARS);
}

static void make_release(struct hor_buf *out, long schedules, long jobs)
{
    hor_buf_puts(
        out, "<release xmlns=\"urn:horarium:release:1\" author=\"bench\" "
             "created=\"2026-01-01T00:00:00.000000Z\" number=\"1\">"
             "<object file=\"c/local.agentCluster.xml\" kind=\"agentCluster\" "
             "path=\"/c/local\"><agentCluster " NS ">"
             "<member name=\"a1\" url=\"https://127.0.0.1:1\"></member></agentCluster></object>");
    for (long i = 0; i < CALENDARS; i++)
        hor_buf_printf(
            out,
            "<object file=\"k/c%03ld.calendar.xml\" kind=\"calendar\" path=\"/k/c%03ld\">"
            "<calendar " NS "><include><rule>FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR</rule>"
            "</include><exclude><rule>FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25,26</rule>"
            "<rule>FREQ=YEARLY;BYMONTH=%ld;BYDAY=1MO</rule></exclude></calendar></object>",
            i, i, i % 9 + 1);
    for (long i = 0; i < jobs; i++) {
        hor_buf_printf(out,
                       "<object file=\"j/j%06ld.job.xml\" kind=\"job\" path=\"/j/j%06ld\"><job " NS
                       "><script>echo %ld</script></job></object>",
                       i, i, i);
        if (i % 10 == 0)
            hor_buf_printf(out,
                           "<object file=\"j/c%06ld.chain.xml\" kind=\"chain\" path=\"/j/c%06ld\">"
                           "<jobChain " NS " agentCluster=\"/c/local\"><node id=\"n\" "
                           "job=\"j%06ld\"></node></jobChain></object>",
                           i, i, i);
    }
    for (long i = 0; i < schedules; i++)
        add_schedule(out, i, jobs);
    hor_buf_puts(out, "</release>");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Ids of the same length with their digests, kept and sorted. */
static double bare_s(size_t count)
{
    double begin = cpu_s();
    char **ids = calloc(count + 1, sizeof *ids);
    for (size_t i = 0; ids != NULL && i < count; i++) {
        char source[200], sha[65];
        int len = snprintf(source, sizeof source,
                           "main|2026-11-30|/s/s%06zu|2026-11-30T%02zu:30:00.000000Z", i / STARTS,
                           i % 24);
        hor_sha256_hex(source, (size_t)len, sha);
        ids[i] = hor_str_printf("c%06zu-20261130-%02zu30-%.8s", i / STARTS, i % 24, sha);
    }
    if (ids != NULL)
        qsort(ids, count, sizeof *ids, by_text);
    for (size_t i = 0; ids != NULL && i < count; i++)
        free(ids[i]);
    free(ids);
    return cpu_s() - begin;
}

/* The best of some runs, because other programs are running too; -1 when the plan is not whole. */
static double plan_s(const struct hor_config *config, size_t expected)
{
    int32_t day = hor_day_make(2026, 11, 30);
    double best = -1;
    for (int i = 0; i < REPEATS; i++) {
        struct hor_planner *planner = NULL;
        struct hor_plan plan = {0};
        struct hor_error err = {0};
        double begin = cpu_s();
        if (hor_planner_new(config, "main", day, day + 1, &planner, &err) != HOR_OK ||
            hor_planner_day(planner, day, INT64_MIN, &plan, &err) != HOR_OK)
            fprintf(stderr, "plan: %s\n", err.text);
        hor_planner_free(planner);
        double took = cpu_s() - begin;
        size_t count = plan.count;
        hor_plan_done(&plan);
        if (count != expected) {
            fprintf(stderr, "plan: %zu orders and not %zu\n", count, expected);
            return -1;
        }
        best = best < 0 || took < best ? took : best;
    }
    return best;
}

static int measure(long schedules, long jobs)
{
    struct hor_buf release = HOR_BUF_INIT;
    struct hor_config *config = NULL;
    struct hor_error err = {0};
    make_release(&release, schedules, jobs);
    double begin = cpu_s();
    if (release.failed ||
        hor_config_load_release(release.data, release.len, NULL, &config, &err) != HOR_OK) {
        fprintf(stderr, "plan: %s\n", err.text);
        return 1;
    }
    double load = cpu_s() - begin, loaded_mb = peak_mb();
    hor_buf_done(&release);
    size_t orders = (size_t)schedules * STARTS;
    double plan = plan_s(config, orders), bare = bare_s(orders);
    printf("schedules=%ld jobs=%ld orders=%zu load_s=%.4f plan_s=%.4f bare_s=%.4f loaded_mb=%.1f "
           "rss_mb=%.1f\n",
           schedules, jobs, orders, load, plan, bare, loaded_mb, peak_mb());
    hor_config_free(config);
    return plan < 0;
}

int main(int argc, char **argv)
{
    long schedules = argc > 1 ? atol(argv[1]) : 20000, jobs = argc > 2 ? atol(argv[2]) : 1000;
    if (schedules < 10 || jobs < 10)
        return 2;
    hor_xml_init();
    return measure(schedules / 10, jobs) != 0 || measure(schedules, jobs) != 0;
}

/* server/cli/forecast.c - what would start from one day to another: a configuration's schedules
 * through the planner that the Master uses. Nothing is sent, nothing is started. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/config/config.h"
#include "lib/model/day.h"
#include "lib/model/plan.h"
#include "lib/model/zone.h"
#include "server/cli/cli.h"

enum { MAX_DAYS = 5 * 366, US = 1000000, LINE_BYTES = 75 /* of iCalendar, RFC 5545, 3.1 */ };

struct forecast {
    struct hor_cli *cli;
    const char *from_text, *to_text, *chain, *schedule, *master, *source;
    int32_t from, to;
    struct hor_config *config;
    struct hor_map *zones;
    size_t starts;
    char stamp[20]; /* of the export: when it was made */
};

/* Prints one start. */
typedef int show_fn(struct forecast *f, int32_t day, const struct hor_planned *planned,
                    struct hor_error *err);

static int load(struct forecast *f, struct hor_error *err)
{
    struct stat st;
    struct hor_problems problems = {0};
    struct hor_buf release = HOR_BUF_INIT;
    int rc;
    if (stat(f->source, &st) == 0 && S_ISREG(st.st_mode)) {
        rc = hor_file_read(f->source, HOR_RELEASE_BYTES, &release, err);
        if (rc == HOR_OK)
            rc = hor_config_load_release(hor_buf_text(&release), release.len, &problems, &f->config,
                                         err);
    } else {
        rc = hor_config_load_folder(f->source, &problems, &f->config, err);
    }
    hor_buf_done(&release);
    for (size_t i = 0; i < problems.count; i++) {
        struct hor_buf text = HOR_BUF_INIT;
        hor_problem_write(&problems.items[i], &text);
        fprintf(stderr, "%s\n", hor_buf_text(&text));
        hor_buf_done(&text);
    }
    hor_problems_done(&problems);
    return rc;
}

static int zone_of(struct forecast *f, const char *name, const struct hor_zone **ret,
                   struct hor_error *err)
{
    struct hor_zone *zone = hor_map_get(f->zones, name);
    if (zone == NULL) {
        int rc = hor_zone_open(name, &zone, err);
        if (rc != HOR_OK)
            return rc;
        if (hor_map_put(f->zones, name, zone) != HOR_OK) {
            hor_zone_free(zone);
            return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        }
    }
    *ret = zone;
    return HOR_OK;
}

static bool wanted(const struct forecast *f, const struct hor_planned *planned)
{
    return (f->chain == NULL || strcmp(planned->schedule->chain_path, f->chain) == 0) &&
           (f->schedule == NULL || strcmp(planned->schedule->object.path, f->schedule) == 0);
}

static int each_start(struct forecast *f, show_fn *show, struct hor_error *err)
{
    struct hor_planner *planner = NULL;
    int rc = hor_planner_new(f->config, f->master, f->from, f->to + 1, &planner, err);
    for (int32_t day = f->from; rc == HOR_OK && day <= f->to; day++) {
        struct hor_plan plan = {0};
        rc = hor_planner_day(planner, day, INT64_MIN, &plan, err);
        for (size_t i = 0; rc == HOR_OK && i < plan.count; i++) {
            if (!wanted(f, &plan.items[i]))
                continue;
            f->starts++;
            rc = show(f, day, &plan.items[i], err);
        }
        hor_plan_done(&plan);
    }
    hor_planner_free(planner);
    return rc;
}

/* ---- the table ---- */

static int show_row(struct forecast *f, int32_t day, const struct hor_planned *planned,
                    struct hor_error *err)
{
    char text[HOR_DAY_TEXT_BYTES], at[HOR_TIME_TEXT_BYTES], local_day[HOR_DAY_TEXT_BYTES];
    const struct hor_zone *zone = NULL;
    int rc = zone_of(f, planned->schedule->time_zone, &zone, err);
    if (rc != HOR_OK)
        return rc;
    hor_time_format_us(planned->planned_us, at);
    at[19] = '\0'; /* planned starts are whole seconds */
    int64_t local_s = hor_zone_to_local(zone, planned->planned_us / US);
    int32_t local = hor_day_of_local(local_s);
    int second = (int)(local_s - (int64_t)local * HOR_DAY_SECONDS);
    printf("%s  %s %02d:%02d:%02d  %sZ  %-20s  %s  %s\n", hor_day_format(day, text),
           hor_day_format(local, local_day), second / 3600, second / 60 % 60, second % 60, at,
           planned->schedule->time_zone, planned->schedule->chain_path,
           planned->schedule->object.path);
    return HOR_OK;
}

/* ---- iCalendar ---- */

/* One content line; a line goes on after 75 bytes, between characters. */
static void put_line(const char *name, const char *value, bool is_text)
{
    struct hor_buf line = HOR_BUF_INIT;
    hor_buf_printf(&line, "%s:", name);
    for (; *value != '\0'; value++) {
        if (is_text && (*value == '\\' || *value == ';' || *value == ','))
            hor_buf_putc(&line, '\\');
        if (is_text && *value == '\n')
            hor_buf_puts(&line, "\\n");
        else
            hor_buf_putc(&line, *value);
    }
    const char *at = hor_buf_text(&line);
    for (size_t room = LINE_BYTES; strlen(at) > room; room = LINE_BYTES - 1) {
        size_t len = room;
        while (len > 1 && ((unsigned char)at[len] & 0xc0) == 0x80)
            len--;
        printf("%.*s\r\n ", (int)len, at);
        at += len;
    }
    printf("%s\r\n", at);
    hor_buf_done(&line);
}

static void ical_time(int64_t utc_us, char out[20])
{
    char iso[HOR_TIME_TEXT_BYTES];
    hor_time_format_us(utc_us, iso);
    snprintf(out, 20, "%.4s%.2s%.2sT%.2s%.2s%.2sZ", iso, iso + 5, iso + 8, iso + 11, iso + 14,
             iso + 17);
}

static int show_event(struct forecast *f, int32_t day, const struct hor_planned *planned,
                      struct hor_error *err)
{
    const struct hor_schedule *schedule = planned->schedule;
    char at[20], text[HOR_DAY_TEXT_BYTES];
    struct hor_buf words = HOR_BUF_INIT;
    ical_time(planned->planned_us, at);
    puts("BEGIN:VEVENT\r");
    put_line("UID", planned->id, true);
    put_line("DTSTAMP", f->stamp, false);
    put_line("DTSTART", at, false);
    put_line("SUMMARY",
             schedule->chain != NULL && schedule->chain->object.title != NULL
                 ? schedule->chain->object.title
                 : schedule->chain_path,
             true);
    hor_buf_printf(&words, "chain %s, schedule %s, plan day %s", schedule->chain_path,
                   schedule->object.path, hor_day_format(day, text));
    put_line("DESCRIPTION", hor_buf_text(&words), true);
    puts("TRANSP:TRANSPARENT\r\nEND:VEVENT\r");
    bool failed = words.failed;
    hor_buf_done(&words);
    return failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory") : HOR_OK;
}

/* ---- the commands ---- */

static void free_zone(void *zone)
{
    hor_zone_free(zone);
}

/* Takes the arguments and loads; an exit code when that is all, -1 to go on. */
static int begin(struct forecast *f, const struct hor_cli_command *command, int argc, char **argv)
{
    const struct hor_cli_option options[] = {
        {"--from", "DAY", "the first day, YYYY-MM-DD", &f->from_text, NULL, false},
        {"--to", "DAY", "the last day (default: the first)", &f->to_text, NULL, false},
        {"--chain", "PATH", "only starts of this chain", &f->chain, NULL, false},
        {"--schedule", "PATH", "only starts by this schedule", &f->schedule, NULL, false},
        {"--master", "NAME", "the Master cluster, for the ids of orders (default: main)",
         &f->master, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    struct hor_error err = {0};
    int code = hor_cli_parse(f->cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 1 || f->from_text == NULL)
        return hor_cli_usage(command,
                             "it wants a folder with a configuration, or a release document, "
                             "and --from DAY");
    f->source = argv[0];
    if (f->to_text == NULL)
        f->to_text = f->from_text;
    if (f->master == NULL)
        f->master = "main";
    if (hor_day_parse(f->from_text, &f->from) != HOR_OK ||
        hor_day_parse(f->to_text, &f->to) != HOR_OK)
        return hor_cli_usage(command, "--from and --to want days such as 2026-12-24");
    if (f->to < f->from || f->to - f->from >= MAX_DAYS)
        return hor_cli_usage(command, "--to is a day from --from on, and at most five years later");
    f->zones = hor_map_new(free_zone);
    int rc =
        f->zones == NULL ? hor_error_set(&err, HOR_ERR_MEMORY, "out of memory") : load(f, &err);
    if (rc == HOR_OK && f->chain != NULL && hor_config_chain(f->config, f->chain) == NULL)
        rc = hor_error_set(&err, HOR_ERR_NOT_FOUND, "there is no chain '%s'", f->chain);
    if (rc == HOR_OK && f->schedule != NULL && hor_config_schedule(f->config, f->schedule) == NULL)
        rc = hor_error_set(&err, HOR_ERR_NOT_FOUND, "there is no schedule '%s'", f->schedule);
    return rc == HOR_OK ? -1 : hor_cli_failed(&err);
}

static int end(struct forecast *f, int code)
{
    hor_config_free(f->config);
    hor_map_free(f->zones);
    return code;
}

static int forecast(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                    char **argv)
{
    struct forecast f = {.cli = cli};
    struct hor_error err = {0};
    int code = begin(&f, command, argc, argv);
    if (code >= 0)
        return end(&f, code);
    if (!cli->quiet)
        printf("%-10s  %-19s  %-20s  %-20s  %s\n", "plan day", "local time", "UTC", "zone",
               "chain and schedule");
    int rc = each_start(&f, show_row, &err);
    if (rc == HOR_OK && !cli->quiet)
        printf("%zu start%s from %s to %s\n", f.starts, f.starts == 1 ? "" : "s", f.from_text,
               f.to_text);
    return end(&f, rc == HOR_OK ? HOR_EXIT_OK : hor_cli_failed(&err));
}

static int export(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    struct forecast f = {.cli = cli};
    struct hor_error err = {0};
    int code = begin(&f, command, argc, argv);
    if (code >= 0)
        return end(&f, code);
    ical_time(hor_clock_utc_us(), f.stamp);
    puts("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Horarium//Planned starts//EN\r");
    put_line("X-WR-CALNAME", "Horarium", true);
    int rc = each_start(&f, show_event, &err);
    puts("END:VCALENDAR\r");
    return end(&f, rc == HOR_OK ? HOR_EXIT_OK : hor_cli_failed(&err));
}

const struct hor_cli_command hor_cli_forecast[] = {
    {"forecast", "FOLDER|RELEASE --from DAY [--to DAY]", "Lists what a configuration would start",
     forecast},
    {"export", "FOLDER|RELEASE --from DAY [--to DAY]", "Writes planned starts as iCalendar",
     export},
    {NULL, NULL, NULL, NULL},
};

/* Calendars and schedules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config/builder.h"
#include "lib/model/day.h"
#include "lib/model/recurrence.h"

/* Whether the text was found right before; remembers it otherwise, before it is checked: a wrong
 * one is told at its first place. */
static bool known_already(struct hor_builder *b, const char *text)
{
    if (hor_map_get(b->checked, text) != NULL)
        return true;
    if (hor_map_put(b->checked, text, b) != HOR_OK)
        b->code = HOR_ERR_MEMORY;
    return false;
}

void hor_calendar_begin(struct hor_builder *b, hor_attributes *a)
{
    (void)a;
    b->set = NULL;
}

static struct hor_day_set *add_set(struct hor_builder *b, enum hor_day_set_type type)
{
    if (b->set == NULL)
        return NULL;
    struct hor_day_set *added = hor_builder_add(b, b->set, b->set_count, sizeof **b->set);
    if (added != NULL)
        *added = (struct hor_day_set){
            .type = type, .from = HOR_DAY_NONE, .to = HOR_DAY_NONE, .line = b->line};
    return added;
}

static void check_order(struct hor_builder *b, int32_t from, int32_t to)
{
    if (from != HOR_DAY_NONE && to != HOR_DAY_NONE && from > to)
        hor_builder_problem(b, "write the earlier day first", "the days end before they begin");
}

/* An iCalendar file is an object: its path is its name without .ics. */
static void read_file(struct hor_builder *b, hor_attributes *a)
{
    struct hor_day_set *set = add_set(b, HOR_DAY_SET_ICALENDAR);
    const char *path = hor_builder_reference(b, a, "file");
    size_t len = path != NULL ? strlen(path) : 0;
    if (set == NULL || len <= 4)
        return;
    if (strcmp(path + len - 4, ".ics") == 0)
        set->calendar_path = hor_arena_text(b->arena, path, len - 4);
}

void hor_calendar_start(struct hor_builder *b, const char *name, hor_attributes *a)
{
    struct hor_calendar *calendar = b->calendar;
    if (strcmp(name, "include") == 0) {
        b->set = &calendar->include;
        b->set_count = &calendar->include_count;
    } else if (strcmp(name, "exclude") == 0) {
        b->set = &calendar->exclude;
        b->set_count = &calendar->exclude_count;
    } else if (strcmp(name, "rule") == 0) {
        struct hor_day_set *rule = add_set(b, HOR_DAY_SET_RULE);
        if (rule != NULL)
            rule->from = hor_builder_day(b, a, "start");
    } else if (strcmp(name, "dates") == 0) {
        struct hor_day_set *dates = add_set(b, HOR_DAY_SET_DATES);
        if (dates == NULL)
            return;
        dates->from = hor_builder_day(b, a, "from");
        dates->to = hor_builder_day(b, a, "to");
        check_order(b, dates->from, dates->to);
    } else if (strcmp(name, "calendar") == 0) {
        struct hor_day_set *other = add_set(b, HOR_DAY_SET_CALENDAR);
        if (other != NULL)
            other->calendar_path = hor_builder_reference(b, a, "ref");
    } else if (strcmp(name, "iCalendar") == 0) {
        read_file(b, a);
    }
}

void hor_calendar_end(struct hor_builder *b, const char *name)
{
    if (b->set == NULL)
        return;
    if (strcmp(name, "date") == 0) {
        struct hor_day_set *date = add_set(b, HOR_DAY_SET_DATES);
        const char *text = hor_builder_trimmed(b);
        int32_t day;
        if (date == NULL || text == NULL)
            return;
        if (hor_day_parse(text, &day) == HOR_OK)
            date->from = date->to = day;
        else if (strlen(text) != 10) /* a zone, which the schema's xsd:date allows */
            hor_builder_problem(b, "write YYYY-MM-DD", "'%s' is not a day", text);
    } else if (strcmp(name, "rule") == 0 && *b->set_count > 0) {
        struct hor_error err;
        struct hor_day_set *set = &(*b->set)[*b->set_count - 1];
        const char *rule = set->rule = hor_builder_trimmed(b);
        int32_t start = set->from != HOR_DAY_NONE ? set->from : HOR_RECURRENCE_START;
        char key[HOR_RECURRENCE_MAX_BYTES + 20];
        snprintf(key, sizeof key, "%d %s", (int)start, rule != NULL ? rule : "");
        if (rule != NULL && !known_already(b, key) &&
            hor_recurrence_check(rule, start, &err) != HOR_OK)
            hor_builder_problem(b, "write an RFC 5545 rule such as FREQ=WEEKLY;BYDAY=MO,TU", "%s",
                                err.text);
    } else if (strcmp(name, "include") == 0 || strcmp(name, "exclude") == 0) {
        b->set = NULL;
    }
}

/* Values of a schedule's arguments are made with the plan, before anything of the order is
 * known but its id, chain and planned time. */
static bool schedule_knows(const char *variable, void *ctx)
{
    (void)ctx;
    return strcmp(variable, "plan") == 0 || strcmp(variable, "order") == 0;
}

static void check_zone(struct hor_builder *b, const char *name)
{
    struct hor_zone *zone;
    struct hor_error err;
    if (known_already(b, name))
        return;
    if (hor_zone_open(name, &zone, &err) == HOR_OK)
        hor_zone_free(zone);
    else
        hor_builder_problem(b, "use a name of /usr/share/zoneinfo, such as Europe/Berlin",
                            "unknown time zone '%s'", name);
}

void hor_schedule_begin(struct hor_builder *b, hor_attributes *a)
{
    struct hor_schedule *schedule = b->schedule;
    schedule->chain_path = hor_builder_reference(b, a, "chain");
    schedule->time_zone = hor_builder_text(b, a, "timeZone");
    if (schedule->time_zone == NULL)
        schedule->time_zone = "UTC";
    check_zone(b, schedule->time_zone);
    schedule->valid_from = hor_builder_day(b, a, "validFrom");
    schedule->valid_to = hor_builder_day(b, a, "validTo");
    check_order(b, schedule->valid_from, schedule->valid_to);
    schedule->priority = (int)hor_builder_int(b, a, "priority", 0);
    schedule->deadline_s = -1;
}

static void read_days(struct hor_builder *b, hor_attributes *a)
{
    static const char *const names[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};
    static const char *const periods[] = {"", "week", "month", "quarter", "year", NULL};
    struct hor_days *days = HOR_ADD(b, b->schedule->days, b->schedule->days_count);
    if (days == NULL)
        return;
    days->calendar_path = hor_builder_reference(b, a, "calendar");
    const char *weekdays = hor_xml_attribute_of(a, "weekdays");
    for (int i = 0; weekdays != NULL && i < 7; i++)
        days->weekdays |= strstr(weekdays, names[i]) != NULL ? 1u << i : 0;
    days->nth = (int)hor_builder_int(b, a, "nth", 0);
    days->of = (enum hor_day_period)hor_builder_choice(a, "of", periods, HOR_PERIOD_NONE);
    if (hor_builder_has(a, "nth") != hor_builder_has(a, "of"))
        hor_builder_problem(b, "write both, such as nth=\"-1\" of=\"month\"",
                            "nth and of belong together");
    if (hor_builder_has(a, "nth") && days->nth == 0)
        hor_builder_problem(b, "write 1 for the first or -1 for the last", "nth='0' is no day");
}

static void read_every(struct hor_builder *b, hor_attributes *a)
{
    struct hor_every *every = HOR_ADD(b, b->schedule->every, b->schedule->every_count);
    if (every == NULL)
        return;
    int64_t interval_ms = hor_builder_duration(b, a, "interval", 0);
    every->from_s = hor_builder_time(b, a, "from", 0);
    every->to_s = hor_builder_time(b, a, "to", 86400);
    if (every->to_s == 86400)
        every->to_s = 86399; /* midnight belongs to the next day */
    if (interval_ms < 1000 || interval_ms % 1000 != 0 || interval_ms > 86400000)
        hor_builder_problem(b, "write PT1S to P1D",
                            "the interval must be whole seconds and not longer than a day");
    else
        every->interval_s = (int32_t)(interval_ms / 1000);
    if (every->from_s > every->to_s)
        hor_builder_problem(b, "write two <every>, one until 24:00 and one from 00:00",
                            "from is later than to");
}

static void read_substitute(struct hor_builder *b, hor_attributes *a)
{
    struct hor_substitute *added =
        HOR_ADD(b, b->schedule->substitutes, b->schedule->substitute_count);
    if (added == NULL)
        return;
    added->from = hor_builder_day(b, a, "from");
    added->to = hor_builder_day(b, a, "to");
    check_order(b, added->from, added->to);
    added->schedule_path = hor_builder_reference(b, a, "schedule");
}

static void read_missed(struct hor_builder *b, hor_attributes *a)
{
    static const char *const actions[] = {"runLast", "run", "skip", NULL};
    b->schedule->missed = (enum hor_missed)hor_builder_choice(a, "action", actions, 0);
    b->schedule->missed_within_ms = hor_builder_duration(b, a, "within", 0);
}

static void read_clock_change(struct hor_builder *b, hor_attributes *a)
{
    static const char *const missing[] = {"shift", "skip", "atChange", NULL};
    static const char *const repeated[] = {"first", "last", "both", NULL};
    b->schedule->missing_hour =
        (enum hor_missing_hour)hor_builder_choice(a, "missingHour", missing, 0);
    b->schedule->repeated_hour =
        (enum hor_repeated_hour)hor_builder_choice(a, "repeatedHour", repeated, 0);
}

static void read_non_working_day(struct hor_builder *b, hor_attributes *a)
{
    static const char *const actions[] = {"ignore", "skip", "before", "after", NULL};
    struct hor_schedule *schedule = b->schedule;
    schedule->non_working_day = (enum hor_non_working_day)hor_builder_choice(a, "action", actions, 0);
    schedule->working_days_path = hor_builder_reference(b, a, "calendar");
    if (schedule->non_working_day != HOR_NON_WORKING_IGNORE && schedule->working_days_path == NULL)
        hor_builder_problem(b, "add calendar=\"NAME\"",
                            "nonWorkingDay needs the calendar of the working days");
}

void hor_schedule_start(struct hor_builder *b, const char *name, hor_attributes *a)
{
    struct hor_schedule *schedule = b->schedule;
    if (strcmp(name, "days") == 0) {
        read_days(b, a);
    } else if (strcmp(name, "at") == 0) {
        int32_t *at = HOR_ADD(b, schedule->at_s, schedule->at_count);
        if (at == NULL)
            return;
        *at = hor_builder_time(b, a, "time", 0);
        if (*at == 86400)
            hor_builder_problem(b, "write 00:00 and the days after", "no day has a start at 24:00");
    } else if (strcmp(name, "every") == 0) {
        read_every(b, a);
    } else if (strcmp(name, "cron") == 0) {
        return; /* its text is read at its end */
    } else if (strcmp(name, "nonWorkingDay") == 0) {
        read_non_working_day(b, a);
    } else if (strcmp(name, "clockChange") == 0) {
        read_clock_change(b, a);
    } else if (strcmp(name, "missed") == 0) {
        read_missed(b, a);
    } else if (strcmp(name, "deadline") == 0) {
        schedule->deadline_s = hor_builder_time(b, a, "end", -1);
        hor_builder_refuse(b, "deadline");
    } else if (strcmp(name, "argument") == 0) {
        b->name = hor_builder_text(b, a, "name");
    } else if (strcmp(name, "substitute") == 0) {
        read_substitute(b, a);
    }
}

static void read_cron(struct hor_builder *b)
{
    struct hor_error err;
    struct hor_cron parsed, *cron;
    const char *text = hor_builder_trimmed(b);
    if (text == NULL)
        return;
    if (hor_cron_parse(text, &parsed, &err) != HOR_OK)
        hor_builder_problem(b, "write five fields, such as 0,30 8-17 * * MON-FRI",
                            "cron '%s': %s", text, err.text);
    else if ((cron = HOR_ADD(b, b->schedule->cron, b->schedule->cron_count)) != NULL)
        *cron = parsed;
}

void hor_schedule_end(struct hor_builder *b, const char *name)
{
    if (strcmp(name, "argument") == 0)
        hor_builder_named(b, &b->schedule->arguments, &b->schedule->argument_count, schedule_knows);
    else if (strcmp(name, "cron") == 0)
        read_cron(b);
}

static int compare_times(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

void hor_schedule_finish(struct hor_builder *b)
{
    struct hor_schedule *schedule = b->schedule;
    if (schedule->at_count > 0)
        qsort(schedule->at_s, schedule->at_count, sizeof *schedule->at_s, compare_times);
    b->line = schedule->object.line;
    for (size_t i = 1; i < schedule->at_count; i++)
        if (schedule->at_s[i] == schedule->at_s[i - 1])
            hor_builder_problem(b, "take one out", "the start at %02d:%02d stands twice",
                                (int)schedule->at_s[i] / 3600, (int)schedule->at_s[i] / 60 % 60);
}

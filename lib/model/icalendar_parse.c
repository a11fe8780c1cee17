/* Components and properties of RFC 5545 to events. */
#include "lib/model/icalendar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/model/day.h"
#include "lib/model/icalendar_line.h"
#include "lib/model/zone.h"

enum { MAX_DEPTH = 10, MAX_DATES = 100000 };

/* A date as it is written. */
struct moment {
    int32_t day, second; /* second -1: a whole day */
    bool utc;
    const char *zone; /* TZID; NULL: floating, or UTC */
    int32_t span;
    int line;
};

struct moments {
    struct moment *items;
    size_t count;
};

/* A VEVENT while its lines come, and after that until all are there. */
struct event {
    struct hor_icalendar_event made;
    int line;
    const char *uid;
    struct moment start, end, replaces;
    bool has_start, has_end, has_replaces, has_rule, has_length, cancelled;
    int64_t length_s; /* DURATION */
    struct hor_rule rule;
    struct moments more, less;
};

struct parse {
    struct hor_arena *arena; /* the result's */
    struct hor_arena own;    /* freed at the end */
    struct hor_error *err;
    int line; /* where the content line at hand begins */
    char depth_names[MAX_DEPTH][HOR_ICALENDAR_NAME_BYTES + 1];
    int depth;
    struct event *events, *event; /* event: the open one */
    size_t event_count, date_count;
    struct hor_map *zones; /* name -> struct hor_zone */
    bool any;              /* a VCALENDAR was seen */
};

static int no_memory(struct parse *p)
{
    return hor_error_set(p->err, HOR_ERR_MEMORY, "out of memory");
}

static void upper(char *text)
{
    for (; *text != '\0'; text++)
        if (*text >= 'a' && *text <= 'z')
            *text = (char)(*text - 'a' + 'A');
}

/* ---- values ---- */

static bool digits(const char *at, int count, int *ret)
{
    *ret = 0;
    for (int i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9')
            return false;
        *ret = *ret * 10 + (at[i] - '0');
    }
    return true;
}

/* 20261224, 20261224T180000 or the latter with Z, `len` characters of it. */
static int read_moment(struct parse *p, const struct hor_icalendar_property *property,
                       const char *at, size_t len, struct moment *ret)
{
    char iso[40]; /* for any numbers */
    int year, month, day, hour = 0, minute = 0, second = 0;
    struct moment m = {.second = -1, .span = -1, .line = p->line};
    bool right = (len == 8 || len == 15 || (len == 16 && at[15] == 'Z')) && digits(at, 4, &year) &&
                 digits(at + 4, 2, &month) && digits(at + 6, 2, &day);
    if (right) {
        snprintf(iso, sizeof iso, "%04d-%02d-%02d", year, month, day);
        right = hor_day_parse(iso, &m.day) == HOR_OK;
    }
    if (right && len > 8) {
        right = at[8] == 'T' && digits(at + 9, 2, &hour) && digits(at + 11, 2, &minute) &&
                digits(at + 13, 2, &second) && hour <= 23 && minute <= 59 && second <= 60;
        m.second = hour * 3600 + minute * 60 + second;
        m.utc = len == 16;
    }
    if (!right)
        return hor_error_set(p->err, HOR_ERR_INVALID,
                             "%s: '%.*s' is not a date such as 20261224 or "
                             "20261224T180000",
                             property->name, (int)(len < 40 ? len : 40), at);
    if (m.second >= 0 && !m.utc && property->zone[0] != '\0' &&
        (m.zone = hor_arena_strdup(&p->own, property->zone)) == NULL)
        return no_memory(p);
    *ret = m;
    return HOR_OK;
}

/* P15DT5H0M20S, P7W: seconds. */
static int read_duration(struct parse *p, const char *text, int64_t *ret_s)
{
    static const char units[] = "WDHMS"; /* in their order */
    static const int64_t unit_s[] = {604800, 86400, 3600, 60, 1};
    const char *at = text[0] == '+' ? text + 1 : text, *unit = units;
    bool in_time = false, any = false;
    int64_t total = 0;
    if (*at++ != 'P')
        at = "?";
    while (*at != '\0') {
        if (*at == 'T' && !in_time) {
            in_time = true;
            at++;
        }
        size_t len = strspn(at, "0123456789");
        const char *found = len > 0 && len <= 9 && at[len] != '\0' ? strchr(unit, at[len]) : NULL;
        if (found == NULL || (found - units >= 2) != in_time) {
            any = false;
            break;
        }
        total += strtoll(at, NULL, 10) * unit_s[found - units];
        unit = found + 1;
        at += len + 1;
        any = true;
    }
    if (!any || total > (int64_t)HOR_ICALENDAR_MAX_SPAN_DAYS * HOR_DAY_SECONDS)
        return hor_error_set(
            p->err, HOR_ERR_INVALID,
            "DURATION: '%.40s' is not a duration such as P1D or PT2H30M, of at most "
            "%d days",
            text, HOR_ICALENDAR_MAX_SPAN_DAYS);
    *ret_s = total;
    return HOR_OK;
}

/* ---- time zones ---- */

static int zone_of(struct parse *p, const char *name, const struct hor_zone **ret)
{
    struct hor_zone *zone = hor_map_get(p->zones, name);
    if (zone == NULL) {
        if (hor_zone_open(name, &zone, NULL) != HOR_OK)
            return hor_error_set(p->err, HOR_ERR_INVALID,
                                 "TZID '%s' is not a zone of this system, which a time in another "
                                 "zone needs",
                                 name);
        if (hor_map_put(p->zones, name, zone) != HOR_OK) {
            hor_zone_free(zone);
            return no_memory(p);
        }
    }
    *ret = zone;
    return HOR_OK;
}

/* Turns a moment into what the clock of `start` shows. Floating times stay as they are. */
static int to_clock_of(struct parse *p, const struct moment *start, struct moment *m)
{
    const struct hor_zone *zone = NULL;
    int64_t at_s = (int64_t)m->day * HOR_DAY_SECONDS + m->second;
    int rc = HOR_OK;
    bool floating = (!m->utc && m->zone == NULL) || (!start->utc && start->zone == NULL);
    bool same = m->utc ? start->utc : hor_str_equal(m->zone, start->zone);
    if (m->second < 0 || start->second < 0 || floating || same)
        return HOR_OK;
    if (!m->utc && (rc = zone_of(p, m->zone, &zone)) == HOR_OK)
        at_s = hor_zone_to_utc(zone, at_s).first_s;
    if (rc == HOR_OK && !start->utc && (rc = zone_of(p, start->zone, &zone)) == HOR_OK)
        at_s = hor_zone_to_local(zone, at_s);
    if (rc != HOR_OK)
        return rc;
    m->day = hor_day_of_local(at_s);
    m->second = (int32_t)(at_s - (int64_t)m->day * HOR_DAY_SECONDS);
    m->utc = start->utc;
    m->zone = start->zone;
    return HOR_OK;
}

/* ---- properties of an event ---- */

static int add_moment(struct parse *p, struct moments *list, const struct moment *moment)
{
    if (++p->date_count > MAX_DATES)
        return hor_error_set(p->err, HOR_ERR_LIMIT, "more than %d dates", MAX_DATES);
    struct moment *items = hor_arena_grow(&p->own, list->items, list->count, sizeof *items);
    if (items == NULL)
        return no_memory(p);
    list->items = items;
    items[list->count++] = *moment;
    return HOR_OK;
}

static int span_of(struct parse *p, const struct moment *start, const struct moment *end,
                   int64_t length_s, int32_t *ret)
{
    int64_t from = (int64_t)start->day * HOR_DAY_SECONDS + (start->second < 0 ? 0 : start->second);
    int64_t to = end == NULL
                     ? from + length_s
                     : (int64_t)end->day * HOR_DAY_SECONDS + (end->second < 0 ? 0 : end->second);
    if (to < from)
        return hor_error_set(p->err, HOR_ERR_INVALID, "the event ends before it begins");
    /* the end does not belong to it */
    int64_t span = to == from ? 0 : hor_day_of_local(to - 1) - start->day;
    if (span > HOR_ICALENDAR_MAX_SPAN_DAYS)
        return hor_error_set(p->err, HOR_ERR_LIMIT, "the event is longer than %d days",
                             HOR_ICALENDAR_MAX_SPAN_DAYS);
    *ret = (int32_t)span;
    return HOR_OK;
}

/* A list of dates, or of periods "start/end" and "start/duration". */
static int read_moments(struct parse *p, const struct hor_icalendar_property *property,
                        struct moments *list)
{
    bool periods = strcasecmp(property->type, "PERIOD") == 0;
    for (char *at = property->value;; at++) {
        struct moment moment, end;
        size_t len = strcspn(at, ","), first = strcspn(at, ",/");
        int64_t length_s = 0;
        if ((len != first) != periods)
            return hor_error_set(p->err, HOR_ERR_INVALID, "%s: '%.*s' is not a %s", property->name,
                                 (int)(len < 40 ? len : 40), at, periods ? "period" : "date");
        int rc = read_moment(p, property, at, first, &moment);
        if (rc == HOR_OK && periods) {
            char last = at[len];
            at[len] = '\0';
            const char *second = at + first + 1;
            bool is_length = *second == 'P' || *second == '+';
            rc = is_length ? read_duration(p, second, &length_s)
                           : read_moment(p, property, second, strlen(second), &end);
            if (rc == HOR_OK)
                rc = span_of(p, &moment, is_length ? NULL : &end, length_s, &moment.span);
            at[len] = last;
        }
        if (rc == HOR_OK)
            rc = add_moment(p, list, &moment);
        if (rc != HOR_OK)
            return rc;
        at += len;
        if (*at == '\0')
            return HOR_OK;
    }
}

static int once(struct parse *p, const struct hor_icalendar_property *property, bool *seen)
{
    if (*seen)
        return hor_error_set(p->err, HOR_ERR_INVALID, "the event has two %s", property->name);
    *seen = true;
    return HOR_OK;
}

static int read_rule(struct parse *p, const struct hor_icalendar_property *property)
{
    upper(property->value); /* names and values know no case there */
    return hor_rule_parse(property->value, &p->event->rule, p->err);
}

static int read_property(struct parse *p, const struct hor_icalendar_property *property)
{
    struct event *event = p->event;
    const char *name = property->name, *value = property->value;
    int rc = HOR_OK;
    if (strcmp(name, "UID") == 0) {
        event->uid = hor_arena_strdup(&p->own, value);
        return event->uid == NULL ? no_memory(p) : HOR_OK;
    }
    if (strcmp(name, "STATUS") == 0)
        event->cancelled = strcasecmp(value, "CANCELLED") == 0;
    else if (strcmp(name, "DTSTART") == 0 && (rc = once(p, property, &event->has_start)) == HOR_OK)
        rc = read_moment(p, property, value, strlen(value), &event->start);
    else if (strcmp(name, "DTEND") == 0 && (rc = once(p, property, &event->has_end)) == HOR_OK)
        rc = read_moment(p, property, value, strlen(value), &event->end);
    else if (strcmp(name, "DURATION") == 0 &&
             (rc = once(p, property, &event->has_length)) == HOR_OK)
        rc = read_duration(p, value, &event->length_s);
    else if (strcmp(name, "RRULE") == 0 && (rc = once(p, property, &event->has_rule)) == HOR_OK)
        rc = read_rule(p, property);
    else if (strcmp(name, "RDATE") == 0)
        rc = read_moments(p, property, &event->more);
    else if (strcmp(name, "EXDATE") == 0)
        rc = read_moments(p, property, &event->less);
    else if (strcmp(name, "EXRULE") == 0)
        rc = hor_error_set(p->err, HOR_ERR_INVALID,
                           "EXRULE is not part of RFC 5545; use EXDATE, or "
                           "<exclude> in the calendar");
    else if (strcmp(name, "RECURRENCE-ID") == 0 && property->range)
        rc = hor_error_set(p->err, HOR_ERR_INVALID,
                           "RECURRENCE-ID with RANGE is not supported; write each instance");
    else if (strcmp(name, "RECURRENCE-ID") == 0 &&
             (rc = once(p, property, &event->has_replaces)) == HOR_OK)
        rc = read_moment(p, property, value, strlen(value), &event->replaces);
    return rc;
}

/* ---- components ---- */

static int begin(struct parse *p, const char *name)
{
    if (p->depth == MAX_DEPTH || strlen(name) > HOR_ICALENDAR_NAME_BYTES)
        return hor_error_set(p->err, HOR_ERR_LIMIT,
                             "components nested deeper than %d, or a name of "
                             "more than %d bytes",
                             MAX_DEPTH, HOR_ICALENDAR_NAME_BYTES);
    if (p->depth == 0 && strcmp(name, "VCALENDAR") != 0)
        return hor_error_set(p->err, HOR_ERR_INVALID, "expected BEGIN:VCALENDAR");
    snprintf(p->depth_names[p->depth++], HOR_ICALENDAR_NAME_BYTES + 1, "%s", name);
    p->any = true;
    if (p->depth != 2 || strcmp(name, "VEVENT") != 0)
        return HOR_OK;
    if (p->event_count == HOR_ICALENDAR_MAX_EVENTS)
        return hor_error_set(p->err, HOR_ERR_LIMIT, "more than %d events",
                             HOR_ICALENDAR_MAX_EVENTS);
    struct event *items = hor_arena_grow(&p->own, p->events, p->event_count, sizeof *items);
    if (items == NULL)
        return no_memory(p);
    p->events = items;
    p->event = &items[p->event_count++];
    *p->event = (struct event){.line = p->line};
    return HOR_OK;
}

static int end(struct parse *p, const char *name)
{
    if (p->depth == 0 || strcmp(p->depth_names[p->depth - 1], name) != 0)
        return hor_error_set(p->err, HOR_ERR_INVALID, "END:%.60s ends nothing that is open", name);
    p->depth--;
    if (p->depth == 1 && p->event != NULL) {
        if (!p->event->has_start)
            return hor_error_set(p->err, HOR_ERR_INVALID, "the event has no DTSTART");
        if (p->event->has_end && p->event->has_length)
            return hor_error_set(p->err, HOR_ERR_INVALID, "the event has both DTEND and DURATION");
        p->event = NULL;
    }
    return HOR_OK;
}

static int content_line(struct hor_icalendar_property *property, void *ctx)
{
    struct parse *p = ctx;
    p->line = property->line;
    bool begins = strcmp(property->name, "BEGIN") == 0, ends = strcmp(property->name, "END") == 0;
    if (begins || ends) {
        upper(property->value);
        return begins ? begin(p, property->value) : end(p, property->value);
    }
    if (p->depth == 0)
        return hor_error_set(p->err, HOR_ERR_INVALID, "%s stands outside of a VCALENDAR",
                             property->name);
    return p->depth == 2 && p->event != NULL ? read_property(p, property) : HOR_OK;
}

static int read_lines(struct parse *p, const char *text)
{
    int rc = hor_icalendar_lines(text, content_line, p, &p->line, p->err);
    if (rc == HOR_OK && (p->depth > 0 || !p->any))
        rc = hor_error_set(p->err, HOR_ERR_INVALID,
                           p->any ? "the file ends inside of %s" : "there is no BEGIN:VCALENDAR",
                           p->any ? p->depth_names[p->depth - 1] : "");
    return rc;
}

/* ---- when all events are there ---- */

/* What stands in the place of an instance takes it out of the event with the same UID. */
static int replace(struct parse *p, struct hor_map *masters, struct event *other)
{
    struct event *master = other->uid != NULL ? hor_map_get(masters, other->uid) : NULL;
    return master == NULL ? HOR_OK : add_moment(p, &master->less, &other->replaces);
}

static int compare_dates(const void *a, const void *b)
{
    const struct hor_icalendar_date *x = a, *y = b;
    if (x->day != y->day)
        return x->day < y->day ? -1 : 1;
    return (x->second > y->second) - (x->second < y->second);
}

static int convert(struct parse *p, const struct event *event, struct moments *from,
                   struct hor_icalendar_date **ret, size_t *ret_count)
{
    if (from->count == 0)
        return HOR_OK;
    struct hor_icalendar_date *dates = hor_arena_alloc(p->arena, from->count * sizeof *dates);
    if (dates == NULL)
        return no_memory(p);
    for (size_t i = 0; i < from->count; i++) {
        struct moment *m = &from->items[i];
        p->line = m->line;
        int rc = to_clock_of(p, &event->start, m);
        if (rc != HOR_OK)
            return rc;
        /* whole days know no times, whatever their file says */
        dates[i] =
            (struct hor_icalendar_date){m->day, event->start.second < 0 ? -1 : m->second, m->span};
    }
    qsort(dates, from->count, sizeof *dates, compare_dates);
    *ret = dates;
    *ret_count = from->count;
    return HOR_OK;
}

/* UNTIL in the event's own zone, and as the last day that may begin an instance. */
static int convert_rule(struct parse *p, struct event *event)
{
    struct hor_rule *rule = &event->rule;
    if (!event->has_rule)
        return HOR_OK;
    if (rule->until != HOR_DAY_NONE && rule->until_s >= 0 && event->start.second >= 0) {
        struct moment m = {.day = rule->until, .second = rule->until_s, .utc = rule->until_utc};
        int rc = to_clock_of(p, &event->start, &m);
        if (rc != HOR_OK)
            return rc;
        rule->until = m.second < event->start.second ? m.day - 1 : m.day;
    }
    rule->until_s = -1;
    event->made.rule = hor_arena_alloc(p->arena, sizeof *rule);
    if (event->made.rule == NULL)
        return no_memory(p);
    *event->made.rule = *rule;
    return HOR_OK;
}

static int finish_event(struct parse *p, struct event *event)
{
    p->line = event->line;
    event->made.day = event->start.day;
    event->made.second = event->start.second;
    int rc = event->has_end ? to_clock_of(p, &event->start, &event->end) : HOR_OK;
    if (rc == HOR_OK)
        rc = span_of(p, &event->start, event->has_end ? &event->end : NULL, event->length_s,
                     &event->made.span);
    if (rc == HOR_OK)
        rc = convert_rule(p, event);
    if (rc == HOR_OK)
        rc = convert(p, event, &event->more, &event->made.more, &event->made.more_count);
    return rc == HOR_OK
               ? convert(p, event, &event->less, &event->made.less, &event->made.less_count)
               : rc;
}

static int finish(struct parse *p, struct hor_icalendar_events *ret)
{
    struct hor_map *masters = hor_map_new(NULL);
    int rc = masters == NULL ? no_memory(p) : HOR_OK;
    struct hor_icalendar_event *made =
        hor_arena_alloc(p->arena, (p->event_count + 1) * sizeof *made);
    if (rc == HOR_OK && made == NULL)
        rc = no_memory(p);
    for (size_t i = 0; rc == HOR_OK && i < p->event_count; i++)
        if (!p->events[i].has_replaces && p->events[i].uid != NULL &&
            hor_map_put(masters, p->events[i].uid, &p->events[i]) != HOR_OK)
            rc = no_memory(p);
    for (size_t i = 0; rc == HOR_OK && i < p->event_count; i++)
        if (p->events[i].has_replaces)
            rc = replace(p, masters, &p->events[i]);
    size_t count = 0;
    for (size_t i = 0; rc == HOR_OK && i < p->event_count; i++) {
        rc = finish_event(p, &p->events[i]);
        if (rc == HOR_OK && !p->events[i].cancelled)
            made[count++] = p->events[i].made;
    }
    if (rc == HOR_OK)
        *ret = (struct hor_icalendar_events){made, count};
    hor_map_free(masters);
    return rc;
}

static void free_zone(void *zone)
{
    hor_zone_free(zone);
}

int hor_icalendar_parse(const char *text, struct hor_arena *arena, struct hor_icalendar_events *ret,
                        int *ret_line, struct hor_error *err)
{
    struct parse p = {.arena = arena, .err = err, .line = 1, .zones = hor_map_new(free_zone)};
    int rc = p.zones == NULL ? no_memory(&p) : HOR_OK;
    if (rc == HOR_OK)
        rc = read_lines(&p, text);
    if (rc == HOR_OK)
        rc = finish(&p, ret);
    if (rc != HOR_OK)
        *ret_line = p.line;
    hor_map_free(p.zones);
    hor_arena_done(&p.own);
    return rc;
}

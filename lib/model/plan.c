#include "lib/model/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/model/calendar.h"
#include "lib/model/day.h"
#include "lib/model/zone.h"

enum { US = 1000000, MARGIN_DAYS = 400, MAX_NAME_BYTES = 200, MAX_SUBSTITUTES = 20 };

struct hor_planner {
    const struct hor_config *config;
    const char *master;
    int32_t from, to;
    struct hor_calendars *calendars;
    struct hor_map *zones;       /* name -> struct hor_zone, owned */
    struct hor_map *substitutes; /* paths of schedules that stand in for others */
};

static void free_zone(void *zone) { hor_zone_free(zone); }

void hor_plan_done(struct hor_plan *plan)
{
    free(plan->items);
    hor_arena_done(&plan->arena);
    *plan = (struct hor_plan){0};
}

int hor_planner_new(const struct hor_config *config, const char *master, int32_t from, int32_t to,
                    struct hor_planner **ret, struct hor_error *err)
{
    struct hor_planner *planner = calloc(1, sizeof *planner);
    if (planner == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "plan: out of memory");
    *planner = (struct hor_planner){.config = config, .master = master, .from = from, .to = to};
    planner->zones = hor_map_new(free_zone);
    planner->substitutes = hor_map_new(NULL);
    bool failed = planner->zones == NULL || planner->substitutes == NULL;
    for (size_t i = 0; !failed && i < config->schedule_count; i++)
        for (size_t j = 0; !failed && j < config->schedules[i]->substitute_count; j++)
            failed = hor_map_put(planner->substitutes,
                                 config->schedules[i]->substitutes[j].schedule_path,
                                 planner) != HOR_OK;
    /* Periods and working days around the plan's days are looked at too: a year, and some. */
    int rc = failed ? hor_error_set(err, HOR_ERR_MEMORY, "plan: out of memory")
                    : hor_calendars_new(from - MARGIN_DAYS, to + MARGIN_DAYS, &planner->calendars,
                                        err);
    if (rc != HOR_OK) {
        hor_planner_free(planner);
        return rc;
    }
    *ret = planner;
    return HOR_OK;
}

void hor_planner_free(struct hor_planner *planner)
{
    if (planner == NULL)
        return;
    hor_calendars_free(planner->calendars);
    hor_map_free(planner->zones);
    hor_map_free(planner->substitutes);
    free(planner);
}

static int zone_of(struct hor_planner *planner, const char *name, const struct hor_zone **ret,
                   struct hor_error *err)
{
    struct hor_zone *zone = hor_map_get(planner->zones, name);
    if (zone == NULL) {
        int rc = hor_zone_open(name, &zone, err);
        if (rc != HOR_OK)
            return rc;
        if (hor_map_put(planner->zones, name, zone) != HOR_OK) {
            hor_zone_free(zone);
            return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        }
    }
    *ret = zone;
    return HOR_OK;
}

/* Validity and <days>, before any moving. */
static int wants(struct hor_planner *planner, const struct hor_schedule *schedule, int32_t day,
                 bool *ret, struct hor_error *err)
{
    bool wanted = schedule->days_count == 0;
    if ((schedule->valid_from != HOR_DAY_NONE && day < schedule->valid_from) ||
        (schedule->valid_to != HOR_DAY_NONE && day > schedule->valid_to)) {
        *ret = false;
        return HOR_OK;
    }
    for (size_t i = 0; !wanted && i < schedule->days_count; i++) {
        int rc = hor_calendars_mean(planner->calendars, &schedule->days[i], day, &wanted, err);
        if (rc != HOR_OK)
            return rc;
    }
    *ret = wanted;
    return HOR_OK;
}

/* Does a wanted day that is no working day move to `day`? Those lie between `day` and the next
 * working day on the side that they come from. */
static int moved_to(struct hor_planner *planner, const struct hor_schedule *schedule, int32_t day,
                    bool *ret, struct hor_error *err)
{
    int step = schedule->non_working_day == HOR_NON_WORKING_BEFORE ? 1 : -1;
    bool working = false, wanted = false;
    for (int32_t other = day + step; !wanted && abs(other - day) < MARGIN_DAYS; other += step) {
        int rc = hor_calendars_have(planner->calendars, schedule->working_days, other, &working, err);
        if (rc == HOR_OK && !working)
            rc = wants(planner, schedule, other, &wanted, err);
        if (rc != HOR_OK)
            return rc;
        if (working)
            break;
    }
    *ret = wanted;
    return HOR_OK;
}

static int runs_on(struct hor_planner *planner, const struct hor_schedule *schedule, int32_t day,
                   bool *ret, struct hor_error *err)
{
    bool wanted = false, working = true;
    int rc = wants(planner, schedule, day, &wanted, err);
    if (rc == HOR_OK && schedule->non_working_day != HOR_NON_WORKING_IGNORE &&
        schedule->working_days != NULL) {
        rc = hor_calendars_have(planner->calendars, schedule->working_days, day, &working, err);
        if (rc == HOR_OK && !working)
            wanted = false;
        else if (rc == HOR_OK && !wanted && schedule->non_working_day != HOR_NON_WORKING_SKIP)
            rc = moved_to(planner, schedule, day, &wanted, err);
    }
    if (rc == HOR_OK)
        *ret = wanted;
    return rc;
}

static const char *id_name(const char *chain)
{
    const char *slash = strrchr(chain, '/');
    return slash != NULL ? slash + 1 : chain;
}

void hor_plan_order_id(const char *chain, const char *master, int32_t plan_day,
                       const char *schedule, int64_t planned_us, int64_t local_s,
                       char out[HOR_ORDER_ID_BYTES])
{
    char day[HOR_DAY_TEXT_BYTES], at[HOR_TIME_TEXT_BYTES], source[1200], sha[65];
    int year, month, day_of_month;
    hor_day_split(plan_day, &year, &month, &day_of_month);
    int len = snprintf(source, sizeof source, "%s|%s|%s|%s", master, hor_day_format(plan_day, day),
                       schedule, hor_time_format_us(planned_us, at));
    hor_sha256_hex(source, (size_t)len < sizeof source ? (size_t)len : sizeof source - 1, sha);
    int second = (int)(local_s - (int64_t)hor_day_of_local(local_s) * HOR_DAY_SECONDS);
    snprintf(out, HOR_ORDER_ID_BYTES, "%.*s-%04d%02d%02d-%02d%02d-%.8s", MAX_NAME_BYTES,
             id_name(chain), year % 10000, month % 100, day_of_month % 100, second / 3600 % 100,
             second / 60 % 60, sha);
}

void hor_plan_added_id(const char *chain, const char *request, int64_t planned_us,
                       char out[HOR_ORDER_ID_BYTES])
{
    char sha[65];
    int year, month, day;
    int64_t utc_s = planned_us / US;
    hor_sha256_hex(request, strlen(request), sha);
    hor_day_split(hor_day_of_local(utc_s), &year, &month, &day);
    int second = (int)(utc_s % HOR_DAY_SECONDS);
    snprintf(out, HOR_ORDER_ID_BYTES, "%.*s-%04d%02d%02d-%02d%02d%02d-%.8s", MAX_NAME_BYTES,
             id_name(chain), year % 10000, month % 100, day % 100, second / 3600 % 100,
             second / 60 % 60, second % 60, sha);
}

struct expansion {
    struct hor_planner *planner;
    const struct hor_schedule *schedule;
    const struct hor_zone *zone;
    int32_t day;
    int64_t after_us, deadline_us;
    struct hor_plan *plan;
};

static int add_order(struct expansion *x, int64_t utc_s, struct hor_error *err)
{
    struct hor_plan *plan = x->plan;
    if (utc_s * US <= x->after_us)
        return HOR_OK;
    if (plan->count == HOR_PLAN_MAX_ORDERS)
        return hor_error_set(err, HOR_ERR_LIMIT, "a plan day holds %d orders at most",
                             HOR_PLAN_MAX_ORDERS);
    if (plan->count == plan->room) {
        size_t room = plan->room == 0 ? 256 : plan->room * 2;
        struct hor_planned *items = realloc(plan->items, room * sizeof *items);
        if (items == NULL)
            return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        plan->items = items;
        plan->room = room;
    }
    char id[HOR_ORDER_ID_BYTES];
    hor_plan_order_id(x->schedule->chain_path, x->planner->master, x->day,
                      x->schedule->object.path, utc_s * US, hor_zone_to_local(x->zone, utc_s), id);
    const char *kept = hor_arena_strdup(&plan->arena, id);
    if (kept == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    plan->items[plan->count++] = (struct hor_planned){.id = kept,
                                                      .schedule = x->schedule,
                                                      .planned_us = utc_s * US,
                                                      .deadline_us = x->deadline_us};
    return HOR_OK;
}

static int add_time(struct expansion *x, int32_t second, struct hor_error *err)
{
    int64_t at[2];
    unsigned count = hor_zone_resolve(x->zone, (int64_t)x->day * HOR_DAY_SECONDS + second,
                                      x->schedule->missing_hour, x->schedule->repeated_hour, at);
    for (unsigned i = 0; i < count; i++) {
        int rc = add_order(x, at[i], err);
        if (rc != HOR_OK)
            return rc;
    }
    return HOR_OK;
}

static int add_times(struct expansion *x, struct hor_error *err)
{
    const struct hor_schedule *schedule = x->schedule;
    int rc = HOR_OK;
    for (size_t i = 0; rc == HOR_OK && i < schedule->at_count; i++)
        rc = add_time(x, schedule->at_s[i], err);
    for (size_t i = 0; rc == HOR_OK && i < schedule->every_count; i++) {
        const struct hor_every *every = &schedule->every[i];
        for (int64_t s = every->from_s; rc == HOR_OK && every->interval_s > 0 && s <= every->to_s;
             s += every->interval_s)
            rc = add_time(x, (int32_t)s, err);
    }
    return rc;
}

/* The schedule that a day is handed to; itself when it has no substitute on that day. */
static const struct hor_schedule *stand_in(const struct hor_schedule *schedule, int32_t day)
{
    for (int depth = 0; depth < MAX_SUBSTITUTES; depth++) {
        const struct hor_schedule *other = NULL;
        for (size_t i = 0; other == NULL && i < schedule->substitute_count; i++)
            if (day >= schedule->substitutes[i].from && day <= schedule->substitutes[i].to)
                other = schedule->substitutes[i].schedule;
        if (other == NULL)
            break;
        schedule = other;
    }
    return schedule;
}

static int expand(struct hor_planner *planner, const struct hor_schedule *schedule, int32_t day,
                  int64_t after_us, struct hor_plan *plan, struct hor_error *err)
{
    if (hor_map_get(planner->substitutes, schedule->object.path) != NULL)
        return HOR_OK;
    schedule = stand_in(schedule, day);
    bool runs = false;
    struct expansion x = {.planner = planner,
                          .schedule = schedule,
                          .day = day,
                          .after_us = after_us,
                          .deadline_us = INT64_MIN,
                          .plan = plan};
    int rc = runs_on(planner, schedule, day, &runs, err);
    if (rc == HOR_OK && runs)
        rc = zone_of(planner, schedule->time_zone, &x.zone, err);
    if (rc == HOR_OK && runs) {
        if (schedule->deadline_s >= 0)
            x.deadline_us = hor_zone_to_utc(x.zone, (int64_t)day * HOR_DAY_SECONDS +
                                                        schedule->deadline_s)
                                .last_s *
                            US;
        rc = add_times(&x, err);
    }
    if (rc != HOR_OK)
        hor_error_prefix(err, "schedule '%s'", schedule->object.path);
    return rc;
}

static int by_time(const void *a, const void *b)
{
    const struct hor_planned *x = a, *y = b;
    if (x->planned_us != y->planned_us)
        return x->planned_us < y->planned_us ? -1 : 1;
    return strcmp(x->id, y->id);
}

/* Equal moments of one schedule have equal ids. */
static void drop_repeats(struct hor_plan *plan)
{
    size_t kept = 0;
    for (size_t i = 0; i < plan->count; i++)
        if (kept == 0 || strcmp(plan->items[kept - 1].id, plan->items[i].id) != 0)
            plan->items[kept++] = plan->items[i];
    plan->count = kept;
}

int hor_planner_day(struct hor_planner *planner, int32_t day, int64_t after_us,
                    struct hor_plan *ret, struct hor_error *err)
{
    struct hor_plan plan = {0};
    struct hor_error own = {0};
    if (err == NULL)
        err = &own;
    if (day < planner->from || day >= planner->to)
        return hor_error_set(err, HOR_ERR_LIMIT, "plan: the day is outside of the planner's window");
    for (size_t i = 0; i < planner->config->schedule_count; i++) {
        int rc = expand(planner, planner->config->schedules[i], day, after_us, &plan, err);
        if (rc != HOR_OK) {
            hor_plan_done(&plan);
            return rc;
        }
    }
    if (plan.count > 0)
        qsort(plan.items, plan.count, sizeof *plan.items, by_time);
    drop_repeats(&plan);
    *ret = plan;
    return HOR_OK;
}

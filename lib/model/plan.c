#include "lib/model/plan.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/model/calendar.h"
#include "lib/model/day.h"
#include "lib/model/zone.h"

enum { US = 1000000, MARGIN_DAYS = 400, MAX_SUBSTITUTES = 20 };

struct hor_planner {
    const struct hor_config *config;
    const char *master;
    int32_t from, to;
    struct hor_calendars *calendars;
    struct hor_map *zones;              /* name -> struct hor_zone, owned */
    struct hor_map *substitutes;        /* paths of schedules that stand in for others */
    const struct hor_schedule **chosen; /* room for those that one schedule hands days to */
    size_t chosen_count, chosen_room;
};

/* A schedule that starts orders by itself, and the one that counts for it on some days: itself or
 * one of its substitutes. `cron` is NULL for <at> and <every>, whose days are those of <days>
 * alone. */
struct plan_source {
    const struct hor_schedule *owner, *schedule;
    const struct hor_cron *cron;
};

static void free_zone(void *zone)
{
    hor_zone_free(zone);
}

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
            failed =
                hor_map_put(planner->substitutes,
                            config->schedules[i]->substitutes[j].schedule_path, planner) != HOR_OK;
    /* Periods and working days around the plan's days are looked at too: a year, and some. */
    int rc =
        failed ? hor_error_set(err, HOR_ERR_MEMORY, "plan: out of memory")
               : hor_calendars_new(from - MARGIN_DAYS, to + MARGIN_DAYS, &planner->calendars, err);
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
    free(planner->chosen);
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

static bool is_valid(const struct hor_schedule *schedule, int32_t day)
{
    return (schedule->valid_from == HOR_DAY_NONE || day >= schedule->valid_from) &&
           (schedule->valid_to == HOR_DAY_NONE || day <= schedule->valid_to);
}

/* The schedule that counts on a day; itself when it is handed to none. A day on which a schedule is
 * not valid is not its own to hand on. */
static const struct hor_schedule *stand_in(const struct hor_schedule *schedule, int32_t day)
{
    for (int depth = 0; depth < MAX_SUBSTITUTES && is_valid(schedule, day); depth++) {
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

/* Whose day it is, validity, cron's days and <days>: before any moving. */
static int wants(struct hor_planner *planner, const struct plan_source *source, int32_t day,
                 bool *ret, struct hor_error *err)
{
    const struct hor_schedule *schedule = source->schedule;
    bool wanted = schedule->days_count == 0;
    if (!is_valid(schedule, day) || stand_in(source->owner, day) != schedule ||
        (source->cron != NULL && !hor_cron_has_day(source->cron, day))) {
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
static int moved_to(struct hor_planner *planner, const struct plan_source *source, int32_t day,
                    bool *ret, struct hor_error *err)
{
    const struct hor_schedule *schedule = source->schedule;
    int step = schedule->non_working_day == HOR_NON_WORKING_BEFORE ? 1 : -1;
    bool working = false, wanted = false;
    for (int32_t other = day + step; !wanted && abs(other - day) < MARGIN_DAYS; other += step) {
        int rc =
            hor_calendars_have(planner->calendars, schedule->working_days, other, &working, err);
        if (rc == HOR_OK && !working)
            rc = wants(planner, source, other, &wanted, err);
        if (rc != HOR_OK)
            return rc;
        if (working)
            break;
    }
    *ret = wanted;
    return HOR_OK;
}

static bool moves_days(const struct hor_schedule *schedule)
{
    return schedule->working_days != NULL && (schedule->non_working_day == HOR_NON_WORKING_BEFORE ||
                                              schedule->non_working_day == HOR_NON_WORKING_AFTER);
}

static int runs_on(struct hor_planner *planner, const struct plan_source *source, int32_t day,
                   bool *ret, struct hor_error *err)
{
    const struct hor_schedule *schedule = source->schedule;
    bool wanted = false, working = true;
    int rc = wants(planner, source, day, &wanted, err);
    if (rc == HOR_OK && schedule->non_working_day != HOR_NON_WORKING_IGNORE &&
        schedule->working_days != NULL) {
        rc = hor_calendars_have(planner->calendars, schedule->working_days, day, &working, err);
        if (rc == HOR_OK && !working)
            wanted = false;
        else if (rc == HOR_OK && !wanted && moves_days(schedule))
            rc = moved_to(planner, source, day, &wanted, err);
    }
    if (rc == HOR_OK)
        *ret = wanted;
    return rc;
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
    hor_plan_order_id(x->schedule->chain_path, x->planner->master, x->day, x->schedule->object.path,
                      utc_s * US, hor_zone_to_local(x->zone, utc_s), id);
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

static int add_every(struct expansion *x, const struct hor_every *every, struct hor_error *err)
{
    int rc = HOR_OK;
    for (int64_t s = every->from_s; rc == HOR_OK && every->interval_s > 0 && s <= every->to_s;
         s += every->interval_s)
        rc = add_time(x, (int32_t)s, err);
    return rc;
}

static int add_cron(struct expansion *x, const struct hor_cron *cron, struct hor_error *err)
{
    int rc = HOR_OK;
    for (int minute = hor_cron_minute(cron, 0); rc == HOR_OK && minute >= 0;
         minute = hor_cron_minute(cron, minute + 1))
        rc = add_time(x, minute * 60, err);
    return rc;
}

/* <at> and <every> share their days; each <cron> has days of its own. */
static int add_times(struct expansion *x, struct plan_source *source, struct hor_error *err)
{
    const struct hor_schedule *schedule = x->schedule;
    bool runs = false;
    int rc = HOR_OK;
    if (schedule->at_count > 0 || schedule->every_count > 0)
        rc = runs_on(x->planner, source, x->day, &runs, err);
    for (size_t i = 0; rc == HOR_OK && runs && i < schedule->at_count; i++)
        rc = add_time(x, schedule->at_s[i], err);
    for (size_t i = 0; rc == HOR_OK && runs && i < schedule->every_count; i++)
        rc = add_every(x, &schedule->every[i], err);
    for (size_t i = 0; rc == HOR_OK && i < schedule->cron_count; i++) {
        source->cron = &schedule->cron[i];
        rc = runs_on(x->planner, source, x->day, &runs, err);
        if (rc == HOR_OK && runs)
            rc = add_cron(x, source->cron, err);
    }
    return rc;
}

static int expand_one(struct hor_planner *planner, const struct hor_schedule *owner,
                      const struct hor_schedule *schedule, int32_t day, int64_t after_us,
                      struct hor_plan *plan, struct hor_error *err)
{
    struct plan_source source = {.owner = owner, .schedule = schedule};
    struct expansion x = {.planner = planner,
                          .schedule = schedule,
                          .day = day,
                          .after_us = after_us,
                          .deadline_us = INT64_MIN,
                          .plan = plan};
    int rc = zone_of(planner, schedule->time_zone, &x.zone, err);
    if (rc == HOR_OK && schedule->deadline_s >= 0)
        x.deadline_us =
            hor_zone_to_utc(x.zone, (int64_t)day * HOR_DAY_SECONDS + schedule->deadline_s).last_s *
            US;
    if (rc == HOR_OK)
        rc = add_times(&x, &source, err);
    if (rc != HOR_OK)
        hor_error_prefix(err, "schedule '%s'", schedule->object.path);
    return rc;
}

/* Adds the schedule and all that it may hand days around `day` to, each once. */
static int choose(struct hor_planner *planner, const struct hor_schedule *schedule, int32_t day,
                  struct hor_error *err)
{
    for (size_t i = 0; i < planner->chosen_count; i++)
        if (planner->chosen[i] == schedule)
            return HOR_OK;
    if (planner->chosen_count == planner->chosen_room) {
        size_t room = planner->chosen_room == 0 ? 16 : planner->chosen_room * 2;
        const struct hor_schedule **items = realloc(planner->chosen, room * sizeof *items);
        if (items == NULL)
            return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        planner->chosen = items;
        planner->chosen_room = room;
    }
    planner->chosen[planner->chosen_count++] = schedule;
    int rc = HOR_OK;
    for (size_t i = 0; rc == HOR_OK && i < schedule->substitute_count; i++)
        if (schedule->substitutes[i].from - MARGIN_DAYS <= day &&
            schedule->substitutes[i].to + MARGIN_DAYS >= day)
            rc = choose(planner, schedule->substitutes[i].schedule, day, err);
    return rc;
}

/* The orders of one schedule and of its substitutes: of the one that counts on the day, and of
 * others when a day of theirs moves to it. */
static int expand(struct hor_planner *planner, const struct hor_schedule *owner, int32_t day,
                  int64_t after_us, struct hor_plan *plan, struct hor_error *err)
{
    if (hor_map_get(planner->substitutes, owner->object.path) != NULL)
        return HOR_OK;
    if (owner->substitute_count == 0)
        return expand_one(planner, owner, owner, day, after_us, plan, err);
    const struct hor_schedule *today = stand_in(owner, day);
    planner->chosen_count = 0;
    int rc = choose(planner, owner, day, err);
    for (size_t i = 0; rc == HOR_OK && i < planner->chosen_count; i++)
        if (planner->chosen[i] == today || moves_days(planner->chosen[i]))
            rc = expand_one(planner, owner, planner->chosen[i], day, after_us, plan, err);
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
        return hor_error_set(err, HOR_ERR_LIMIT,
                             "plan: the day is outside of the planner's window");
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

/* lib/model/plan.h - expands schedules into the orders of a plan day. Pure but for the system's zone
 * files, which are read when a planner meets a zone for the first time.
 *
 * A plan day is a day in the schedule's own time zone. An order's id is made from the Master, the
 * plan day, the schedule and the planned time, so that the same plan made twice has the same ids, and
 * orders come sorted by planned time and id. Rules of a schedule, in this order:
 *   - <substitute> hands a day to another schedule, with all that stands there; a schedule that is
 *     named as a substitute runs in the place of others only, never by itself, and once for all of them;
 *   - validFrom/validTo, <days> (any of them; none: every day) and the days of a <cron> say which days
 *     are wanted;
 *   - <nonWorkingDay> skips a wanted day that is none of the working days, or moves it;
 *   - <at>, <every>, <cron> give local times, <clockChange> the moments that those mean.
 * Several times that mean the same moment (after a clock change) are one order. One thread. */
#ifndef HOR_MODEL_PLAN_H
#define HOR_MODEL_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/model/config.h"

enum { HOR_PLAN_MAX_ORDERS = 2000000, HOR_ORDER_ID_BYTES = 251 };

struct hor_planned {
    const char *id;
    const struct hor_schedule *schedule; /* the one that gave it: a substitute, perhaps */
    int64_t planned_us;                  /* UTC */
    int64_t deadline_us;                 /* UTC; INT64_MIN: none */
};

struct hor_plan { /* all zero is empty */
    struct hor_planned *items;
    size_t count, room;
    struct hor_arena arena; /* the ids */
};
void hor_plan_done(struct hor_plan *plan);

struct hor_planner;

/* For days in [from, to). `config` and `master` are borrowed. */
int hor_planner_new(const struct hor_config *config, const char *master, int32_t from, int32_t to,
                    struct hor_planner **ret, struct hor_error *err);
void hor_planner_free(struct hor_planner *planner); /* accepts NULL */
/* Fills the empty *ret with the orders of that day that are planned after `after_us` (INT64_MIN: all).
 * All or nothing: HOR_ERR_NOT_FOUND (zone), HOR_ERR_LIMIT, HOR_ERR_INVALID, HOR_ERR_MEMORY name the
 * schedule. */
int hor_planner_day(struct hor_planner *planner, int32_t day, int64_t after_us,
                    struct hor_plan *ret, struct hor_error *err);

/* The id of a planned order. `local_s` is the planned time on the clock of the schedule's zone. */
void hor_plan_order_id(const char *chain, const char *master, int32_t plan_day,
                       const char *schedule, int64_t planned_us, int64_t local_s,
                       char out[HOR_ORDER_ID_BYTES]);
/* The id of an order that a person adds, made from the id of the request. Times are UTC. */
void hor_plan_added_id(const char *chain, const char *request, int64_t planned_us,
                       char out[HOR_ORDER_ID_BYTES]);

#endif

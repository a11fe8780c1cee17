#include "lib/model/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/model/day.h"
#include "lib/xml/xpath.h"
#include "server/master/core/state.h"

/* One plan day being made: what the release wants, against what there is. */
struct making {
    struct hor_master_core *core;
    const struct hor_master_release *release;
    const char *day;
    int64_t now_us;
    struct hor_plan plan;
    struct hor_map *wanted; /* ids */
    struct hor_map *last;   /* schedule -> its last start that is over; of a later day: the making */
};

enum { LATE_DAYS = 31 }; /* that are looked at for a later start */

static void attribute(struct hor_buf *out, const char *name, const char *value)
{
    hor_buf_printf(out, " %s=\"", name);
    hor_buf_xml(out, value != NULL ? value : "");
    hor_buf_puts(out, "\"");
}

/* $plan and $order, as an agent would give them for the same order. */
static struct hor_xpath_scope *scope_of(const struct making *m, const struct hor_planned *planned,
                                        struct hor_error *err)
{
    char at[HOR_TIME_TEXT_BYTES];
    struct hor_buf plan = HOR_BUF_INIT, order = HOR_BUF_INIT;
    struct hor_xpath_scope *scope = hor_xpath_scope_new(planned->planned_us);
    hor_buf_puts(&plan, "<plan");
    attribute(&plan, "day", m->day);
    attribute(&plan, "master", m->core->name);
    attribute(&plan, "schedule", planned->schedule->object.path);
    hor_buf_printf(&plan, " release=\"%" PRId64 "\"/>", m->release->number);
    hor_buf_puts(&order, "<order");
    attribute(&order, "id", planned->id);
    attribute(&order, "chain", planned->schedule->chain_path);
    attribute(&order, "plannedAt", hor_time_format_us(planned->planned_us, at));
    hor_buf_puts(&order, "/>");
    if (scope == NULL || plan.failed || order.failed ||
        hor_xpath_set_xml(scope, "plan", hor_buf_text(&plan), plan.len, err) != HOR_OK ||
        hor_xpath_set_xml(scope, "order", hor_buf_text(&order), order.len, err) != HOR_OK) {
        hor_xpath_scope_free(scope);
        scope = NULL;
        hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    hor_buf_done(&plan);
    hor_buf_done(&order);
    return scope;
}

static bool is_secret(const struct hor_chain *chain, const char *name)
{
    const struct hor_parameter *parameter =
        chain != NULL ? hor_parameter_find(chain->parameters, chain->parameter_count, name) : NULL;
    return parameter != NULL && parameter->type == HOR_PARAMETER_SECRET;
}

/* Most arguments are plain text; only for the others a scope is made. */
static int add_arguments(const struct making *m, const struct hor_planned *planned,
                         struct hor_arguments *list, struct hor_error *err)
{
    const struct hor_schedule *schedule = planned->schedule;
    struct hor_xpath_scope *scope = NULL;
    int rc = HOR_OK;
    for (size_t i = 0; rc == HOR_OK && i < schedule->argument_count; i++) {
        const char *name = schedule->arguments[i].name, *value = schedule->arguments[i].value;
        struct hor_buf text = HOR_BUF_INIT;
        if (strpbrk(value, "{}") != NULL) {
            if (scope == NULL && (scope = scope_of(m, planned, err)) == NULL)
                return err->code;
            rc = hor_template_text(scope, value, &text, err);
            value = hor_buf_text(&text);
        }
        if (rc != HOR_OK)
            hor_error_prefix(err, "schedule '%s': argument '%s'", schedule->object.path, name);
        else if (text.failed ||
                 hor_arguments_add(list, name, value, is_secret(schedule->chain, name)) != HOR_OK)
            rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        hor_buf_done(&text);
    }
    hor_xpath_scope_free(scope);
    return rc;
}

static struct hor_event *order_event(const struct making *m, enum hor_event_type type,
                                     const struct hor_planned *planned, struct hor_error *err)
{
    struct hor_event *event = hor_event_new(type, m->now_us);
    const struct hor_schedule *schedule = planned->schedule;
    if (event == NULL || hor_event_set(&event->order, planned->id) != HOR_OK ||
        hor_event_set(&event->chain, schedule->chain_path) != HOR_OK ||
        hor_event_set(&event->cluster, schedule->chain->cluster_path) != HOR_OK ||
        hor_event_set(&event->schedule, schedule->object.path) != HOR_OK ||
        hor_event_set(&event->plan_day, m->day) != HOR_OK ||
        hor_event_set(&event->title, schedule->object.title) != HOR_OK) {
        hor_event_free(event);
        hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        return NULL;
    }
    event->release = m->release->number;
    event->planned_at = planned->planned_us;
    event->priority = schedule->priority != 0 ? schedule->priority : schedule->chain->priority;
    if (add_arguments(m, planned, &event->arguments, err) != HOR_OK) {
        hor_event_free(event);
        return NULL;
    }
    return event;
}

static int queue(struct making *m, struct hor_event *event, struct hor_error *err)
{
    if (event == NULL)
        return err->code;
    return hor_master_queue_add(m->core, event) == HOR_OK
               ? HOR_OK
               : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
}

static bool may_be_there(const struct hor_master_core *core, const struct hor_master_entry *entry)
{
    return entry->away || entry->forwarding ||
           !hor_master_place_settled(hor_map_get(core->places, entry->cluster));
}

/* ---- starts that were over before anybody planned them ---- */

static bool is_over(const struct making *m, const struct hor_planned *planned)
{
    return planned->planned_us + HOR_MASTER_LATE_S * HOR_MASTER_US < m->now_us;
}

/* Finds the last such start of each schedule, on this day or on a later one: no Master ran for
 * days, perhaps. Nothing is looked at when all starts are still to come, as they should be. */
static int find_last(struct making *m, struct hor_planner *planner, int32_t day, int32_t to,
                     struct hor_error *err)
{
    int rc = HOR_OK;
    for (size_t i = 0; rc == HOR_OK && i < m->plan.count && is_over(m, &m->plan.items[i]); i++)
        rc = hor_map_put(m->last, m->plan.items[i].schedule->object.path, &m->plan.items[i]);
    for (day++; rc == HOR_OK && hor_map_count(m->last) > 0 && day < to; day++) {
        struct hor_plan later = {0};
        rc = hor_planner_day(planner, day, INT64_MIN, &later, err);
        for (size_t i = 0; rc == HOR_OK && i < later.count && is_over(m, &later.items[i]); i++)
            if (hor_map_get(m->last, later.items[i].schedule->object.path) != NULL)
                rc = hor_map_put(m->last, later.items[i].schedule->object.path, m);
        hor_plan_done(&later);
    }
    return rc == HOR_ERR_MEMORY ? hor_error_set(err, rc, "out of memory") : rc;
}

/* Ends a start as missed that the schedule's rule gives up: it is added, so that there is a row. */
static int give_up(struct making *m, const struct hor_planned *planned, struct hor_error *err)
{
    const struct hor_schedule *schedule = planned->schedule;
    bool last = hor_map_get(m->last, schedule->object.path) == planned;
    const char *rule = hor_master_missed_rule(schedule, planned->planned_us, last, m->now_us);
    char cause[200];
    if (rule == NULL)
        return HOR_OK;
    snprintf(
        cause, sizeof cause,
        "its start passed while no Master planned it; the schedule's rule for missed starts is %s",
        rule);
    struct hor_event *event = hor_event_new(HOR_EVENT_ORDER_ENDED, m->now_us);
    if (event == NULL || hor_event_set(&event->order, planned->id) != HOR_OK ||
        hor_event_set(&event->state, "missed") != HOR_OK ||
        hor_event_set(&event->cause, cause) != HOR_OK) {
        hor_event_free(event);
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    return queue(m, event, err);
}

/* Orders that the plan wants: new ones, and those not started that go over to the release; of those
 * that were handed over only the ones whose chain stayed where they are. */
static int want(struct making *m, const struct hor_planned *planned, struct hor_error *err)
{
    struct hor_master_entry *entry = hor_map_get(m->core->orders, planned->id);
    if (hor_map_put(m->wanted, planned->id, m) != HOR_OK)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (entry == NULL) {
        int rc = queue(m, order_event(m, HOR_EVENT_ORDER_ADDED, planned, err), err);
        return rc == HOR_OK && is_over(m, planned) ? give_up(m, planned, err) : rc;
    }
    if (entry->under_way || !hor_master_entry_not_started(entry) ||
        entry->release == m->release->number)
        return HOR_OK;
    if (may_be_there(m->core, entry) &&
        (strcmp(entry->chain, planned->schedule->chain_path) != 0 ||
         strcmp(entry->cluster, planned->schedule->chain->cluster_path) != 0))
        return HOR_OK;
    struct hor_event *event = order_event(m, HOR_EVENT_ORDER_CHANGED, planned, err);
    if (event != NULL)
        entry->under_way = true;
    return queue(m, event, err);
}

/* An order that the release does not plan any more: ended here, or cancelled by a command there. */
static int unwant(struct making *m, struct hor_master_entry *entry, struct hor_error *err)
{
    char cause[160], id[400];
    snprintf(cause, sizeof cause, "release %" PRId64 " does not plan it any more",
             m->release->number);
    snprintf(id, sizeof id, "replan-%" PRId64 "-%.250s", m->release->number, entry->id);
    bool there = may_be_there(m->core, entry);
    if (there && hor_map_get(m->core->requests, id) != NULL)
        return HOR_OK;
    struct hor_event *event =
        hor_event_new(there ? HOR_EVENT_COMMAND_RECEIVED : HOR_EVENT_ORDER_ENDED, m->now_us);
    bool failed = event == NULL || hor_event_set(&event->order, entry->id) != HOR_OK ||
                  hor_event_set(&event->actor, m->release->actor) != HOR_OK;
    if (!failed && there)
        failed = hor_event_set(&event->command, id) != HOR_OK ||
                 hor_event_set(&event->action, "cancel") != HOR_OK ||
                 hor_event_set(&event->cluster, entry->cluster) != HOR_OK ||
                 hor_event_set(&event->reason, cause) != HOR_OK;
    else if (!failed)
        failed = hor_event_set(&event->state, "cancelled") != HOR_OK ||
                 hor_event_set(&event->cause, cause) != HOR_OK;
    if (failed) {
        hor_event_free(event);
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    entry->under_way = !there;
    return queue(m, event, err);
}

static int compare(struct making *m, int64_t after_us, struct hor_error *err)
{
    size_t pos = 0;
    struct hor_master_entry *entry;
    int rc = HOR_OK;
    for (size_t i = 0; rc == HOR_OK && i < m->plan.count; i++)
        rc = want(m, &m->plan.items[i], err);
    while (rc == HOR_OK && (entry = hor_map_next(m->core->orders, &pos, NULL)) != NULL)
        if (hor_str_equal(entry->plan_day, m->day) && entry->schedule != NULL &&
            hor_master_entry_not_started(entry) && entry->planned_us > after_us &&
            entry->release != m->release->number && hor_map_get(m->wanted, entry->id) == NULL)
            rc = unwant(m, entry, err);
    return rc;
}

static int finish(struct making *m, struct hor_error *err)
{
    struct hor_event *event = hor_event_new(HOR_EVENT_PLAN_MADE, m->now_us);
    if (event == NULL || hor_event_set(&event->plan_day, m->day) != HOR_OK) {
        hor_event_free(event);
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    event->release = m->release->number;
    event->count = (int64_t)m->plan.count;
    return queue(m, event, err);
}

/* On a day that has a plan only the future is planned anew. A day that has none because no Master
 * ran when it was due is planned whole: what is over then falls under the rule for missed starts,
 * at once. */
static int64_t plan_after(const struct hor_master_core *core, const struct hor_master_day *made)
{
    return made != NULL || hor_map_count(core->days) == 0 ? core->deployed->at_us
                                                          : core->first_release_us;
}

int hor_master_plan_day(struct hor_master_core *core, int32_t day, int64_t now_us,
                        struct hor_error *err)
{
    char text[HOR_DAY_TEXT_BYTES];
    struct making m = {.core = core,
                       .release = core->deployed,
                       .day = hor_day_format(day, text),
                       .now_us = now_us,
                       .wanted = hor_map_new(NULL),
                       .last = hor_map_new(NULL)};
    struct hor_planner *planner = NULL;
    int32_t now = hor_day_of_local(now_us / HOR_MASTER_US), to = now + 2; /* zones may be ahead */
    if (to <= day)
        to = day + 1;
    if (to > day + LATE_DAYS)
        to = day + LATE_DAYS;
    const struct hor_master_day *made = hor_map_get(core->days, m.day);
    int64_t after_us = plan_after(core, made);
    int rc = m.wanted == NULL || m.last == NULL
                 ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                 : hor_planner_new(m.release->config, core->name, day, to, &planner, err);
    if (rc == HOR_OK)
        rc = hor_planner_day(planner, day, after_us, &m.plan, err);
    if (rc == HOR_OK)
        rc = find_last(&m, planner, day, to, err);
    if (rc == HOR_OK)
        rc = compare(&m, after_us, err);
    if (rc == HOR_OK)
        rc = finish(&m, err);
    if (rc == HOR_OK)
        snprintf(core->making, sizeof core->making, "%s", m.day);
    else
        hor_master_queue_clear(core);
    hor_planner_free(planner);
    hor_plan_done(&m.plan);
    hor_map_free(m.wanted);
    hor_map_free(m.last);
    return rc;
}

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "lib/config/config.h"
#include "lib/model/day.h"
#include "server/master/core/dependencies.h"

enum { CHECK_MISSED_S = 5 };

void hor_master_core_lead(struct hor_master_core *core)
{
    size_t pos = 0;
    struct hor_master_entry *entry;
    hor_master_queue_clear(core);
    core->missed_checked_us = 0;
    while ((entry = hor_map_next(core->orders, &pos, NULL)) != NULL)
        entry->under_way = entry->forwarding = false;
    struct hor_master_place *place;
    for (pos = 0; (place = hor_map_next(core->places, &pos, NULL)) != NULL;)
        place->settled = false;
}

static void set_free(struct hor_master_core *core, struct hor_event *const *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct hor_master_entry *entry =
            events[i]->order != NULL ? hor_map_get(core->orders, events[i]->order) : NULL;
        if (entry != NULL)
            entry->under_way = false;
    }
}

void hor_master_core_dropped(struct hor_master_core *core, struct hor_event *const *events,
                             size_t count, bool decided)
{
    set_free(core, events, count);
    if (!decided)
        return;
    set_free(core, core->queue + core->queue_at, core->queue_count - core->queue_at);
    hor_master_queue_clear(core);
    core->missed_checked_us = 0;
}

const char *hor_master_core_problem(const struct hor_master_core *core) { return core->problem; }

void hor_master_core_reached(struct hor_master_core *core, const char *cluster, bool reached)
{
    struct hor_master_place *place = hor_master_place(core, cluster);
    if (place != NULL && reached)
        place->settled = true;
    if (place != NULL)
        place->reached = reached;
    if (!reached)
        hor_master_core_answered(core, cluster, false); /* the next session hands them over again */
}

/* ---- plan days ---- */

static int32_t today(int64_t now_us) { return hor_day_of_local(now_us / HOR_MASTER_US); }

/* Plan days are days of the schedules' zones, which begin up to 14 hours before a day in UTC and end
 * up to 12 hours after it: so yesterday still counts, and the next day always. */
static int32_t first_day(const struct hor_master_core *core, int64_t now_us)
{
    int32_t first = today(now_us) - 1, last = HOR_DAY_NONE;
    size_t pos = 0;
    const struct hor_master_day *made;
    while ((made = hor_map_next(core->days, &pos, NULL)) != NULL) {
        int32_t day;
        if (hor_day_parse(made->day, &day) == HOR_OK && day > last)
            last = day;
    }
    if (last != HOR_DAY_NONE && last + 1 < first)
        first = last + 1 > first - HOR_MASTER_CATCH_UP_DAYS ? last + 1
                                                             : first - HOR_MASTER_CATCH_UP_DAYS;
    return first;
}

static int32_t last_day(const struct hor_master_core *core, int64_t now_us)
{
    return today(now_us) + (core->days_ahead > 1 ? core->days_ahead : 1);
}

/* The next day whose plan is not that of the deployed release; HOR_DAY_NONE: all are made. */
static int32_t day_to_make(const struct hor_master_core *core, int64_t now_us)
{
    if (core->deployed == NULL || core->deployed->config == NULL)
        return HOR_DAY_NONE;
    if (core->problem_release == core->deployed->number && core->problem_day == today(now_us))
        return HOR_DAY_NONE;
    for (int32_t day = first_day(core, now_us); day <= last_day(core, now_us); day++) {
        char text[HOR_DAY_TEXT_BYTES];
        const struct hor_master_day *made = hor_map_get(core->days, hor_day_format(day, text));
        if (made == NULL || made->release != core->deployed->number)
            return day;
    }
    return HOR_DAY_NONE;
}

bool hor_master_core_plan_is_made(const struct hor_master_core *core, int64_t now_us)
{
    return core->making[0] == '\0' && day_to_make(core, now_us) == HOR_DAY_NONE;
}

static int make_next_day(struct hor_master_core *core, int64_t now_us)
{
    struct hor_error err = {0};
    int32_t day = day_to_make(core, now_us);
    if (day == HOR_DAY_NONE || core->making[0] != '\0')
        return HOR_OK;
    int rc = hor_master_plan_day(core, day, now_us, &err);
    if (rc == HOR_OK || rc == HOR_ERR_MEMORY) {
        free(core->problem);
        core->problem = NULL;
        core->problem_release = HOR_EVENT_NONE;
        return rc;
    }
    char text[HOR_DAY_TEXT_BYTES];
    free(core->problem);
    core->problem = hor_str_printf("the plan of %s cannot be made with release %" PRId64 ": %s",
                                   hor_day_format(day, text), core->deployed->number, err.text);
    core->problem_release = core->deployed->number;
    core->problem_day = today(now_us);
    return HOR_OK;
}

/* ---- missed starts ---- */

static struct hor_event *missed_event(struct hor_master_entry *entry,
                                      const struct hor_master_place *place, const char *rule,
                                      int64_t now_us)
{
    char cause[900];
    struct hor_event *event = hor_event_new(HOR_EVENT_ORDER_ENDED, now_us);
    snprintf(cause, sizeof cause,
             "its start passed while it could not be handed to %s%s%s; the schedule's rule for missed "
             "starts is %s",
             place->path, place->cause != NULL ? ": " : "",
             place->cause != NULL ? place->cause : "", rule);
    if (event == NULL || hor_event_set(&event->order, entry->id) != HOR_OK ||
        hor_event_set(&event->state, "missed") != HOR_OK ||
        hor_event_set(&event->cause, cause) != HOR_OK) {
        hor_event_free(event);
        return NULL;
    }
    entry->under_way = true;
    return event;
}

static bool is_late(const struct hor_master_entry *entry, int64_t now_us)
{
    return entry->schedule != NULL && entry->state == HOR_MASTER_PLANNED && !entry->under_way &&
           !entry->forwarding && entry->due_us + HOR_MASTER_LATE_S * HOR_MASTER_US < now_us;
}

/* The latest late order of each schedule: the only one that action="runLast" keeps. */
static struct hor_map *latest_of(const struct hor_master_place *place, int64_t now_us)
{
    struct hor_map *latest = hor_map_new(NULL);
    size_t pos = 0;
    struct hor_master_entry *entry;
    while (latest != NULL && (entry = hor_map_next(place->here, &pos, NULL)) != NULL) {
        if (!is_late(entry, now_us))
            continue;
        const struct hor_master_entry *other = hor_map_get(latest, entry->schedule);
        if ((other == NULL || other->due_us <= entry->due_us) &&
            hor_map_put(latest, entry->schedule, entry) != HOR_OK) {
            hor_map_free(latest);
            return NULL;
        }
    }
    return latest;
}

const char *hor_master_missed_rule(const struct hor_schedule *schedule, int64_t due_us, bool last,
                                   int64_t now_us)
{
    if (schedule->missed == HOR_MISSED_SKIP)
        return "skip";
    if (schedule->missed_within_ms > 0 && now_us - due_us > schedule->missed_within_ms * 1000)
        return "to run within a time that is over";
    return schedule->missed == HOR_MISSED_RUN_LAST && !last ? "to run the last one only" : NULL;
}

int hor_master_find_missed(struct hor_master_core *core, struct hor_master_place *place,
                           int64_t now_us)
{
    struct hor_map *latest = latest_of(place, now_us);
    size_t pos = 0;
    struct hor_master_entry *entry;
    int rc = latest == NULL ? HOR_ERR_MEMORY : HOR_OK;
    while (rc == HOR_OK && (entry = hor_map_next(place->here, &pos, NULL)) != NULL) {
        if (!is_late(entry, now_us))
            continue;
        const struct hor_schedule *schedule =
            hor_config_schedule(core->deployed->config, entry->schedule);
        if (schedule == NULL)
            continue;
        bool last = hor_map_get(latest, entry->schedule) == entry;
        const char *rule = hor_master_missed_rule(schedule, entry->due_us, last, now_us);
        if (rule != NULL)
            rc = hor_master_queue_add(core, missed_event(entry, place, rule, now_us));
    }
    hor_map_free(latest);
    return rc;
}

static int find_all_missed(struct hor_master_core *core, int64_t now_us)
{
    size_t pos = 0;
    struct hor_master_place *place;
    int rc = HOR_OK;
    if (core->deployed == NULL || core->deployed->config == NULL ||
        now_us < core->missed_checked_us + CHECK_MISSED_S * HOR_MASTER_US)
        return HOR_OK;
    core->missed_checked_us = now_us;
    while (rc == HOR_OK && (place = hor_map_next(core->places, &pos, NULL)) != NULL)
        if (!place->reached && hor_map_count(place->here) > 0 && hor_master_place_settled(place))
            rc = hor_master_find_missed(core, place, now_us);
    return rc;
}

int hor_master_core_decide(struct hor_master_core *core, int64_t now_us, size_t limit,
                           hor_master_emit_fn *emit, void *ctx, bool *ret_more)
{
    int rc = HOR_OK;
    if (core->queue_at == core->queue_count) {
        core->queue_at = core->queue_count = 0;
        rc = hor_master_decide_dependencies(core, now_us);
        if (rc == HOR_OK)
            rc = make_next_day(core, now_us);
        if (rc == HOR_OK && core->queue_count == 0 && core->making[0] == '\0')
            rc = find_all_missed(core, now_us);
    }
    if (rc != HOR_OK)
        return rc;
    for (size_t i = 0; i < limit && core->queue_at < core->queue_count; i++)
        emit(core->queue[core->queue_at++], ctx);
    *ret_more = core->queue_at < core->queue_count;
    return HOR_OK;
}

int64_t hor_master_core_next_due(const struct hor_master_core *core, int64_t now_us)
{
    int64_t midnight = ((int64_t)today(now_us) + 1) * HOR_DAY_SECONDS * HOR_MASTER_US;
    size_t pos = 0;
    const struct hor_master_place *place;
    while ((place = hor_map_next(core->places, &pos, NULL)) != NULL)
        if (!place->reached && hor_map_count(place->here) > 0 && hor_master_place_settled(place) &&
            now_us + CHECK_MISSED_S * HOR_MASTER_US < midnight)
            return now_us + CHECK_MISSED_S * HOR_MASTER_US;
    return midnight;
}

/* ---- releases ---- */

const struct hor_config *hor_master_core_config(const struct hor_master_core *core)
{
    return core->deployed != NULL ? core->deployed->config : NULL;
}

const struct hor_buf *hor_master_core_release(const struct hor_master_core *core, int64_t number,
                                              const char **ret_sha256)
{
    const struct hor_master_release *release = hor_master_release(core, number);
    if (release == NULL || !release->applied)
        return NULL;
    *ret_sha256 = release->sha256;
    return &release->document;
}

static struct hor_event *part_event(int64_t number, const char *data, size_t len, size_t part,
                                    size_t parts, int64_t now_us)
{
    struct hor_event *event = hor_event_new(HOR_EVENT_RELEASE_PART, now_us);
    struct hor_buf text = HOR_BUF_INIT;
    if (event == NULL)
        return NULL;
    hor_base64_encode(data, len, &text);
    event->release = number;
    event->part = (int64_t)part;
    event->parts = (int64_t)parts;
    event->text = hor_buf_take(&text);
    if (event->text == NULL) {
        hor_event_free(event);
        return NULL;
    }
    return event;
}

static int check_release(int64_t number, const char *sha256, const void *document, size_t len,
                         struct hor_error *err)
{
    char sha[65];
    struct hor_problems problems = {0};
    struct hor_config *config = NULL;
    hor_sha256_hex(document, len, sha);
    if (strcmp(sha, sha256) != 0)
        return hor_error_set(err, HOR_ERR_INVALID,
                             "release %" PRId64 ": its SHA-256 is %s, not the %.64s that was told",
                             number, sha, sha256);
    int rc = hor_config_load_release(document, len, &problems, &config, err);
    if (rc == HOR_OK && config->release != number)
        rc = hor_error_set(err, HOR_ERR_INVALID, "the document is of release %" PRId64,
                           config->release);
    if (rc != HOR_OK)
        hor_error_prefix(err, "release %" PRId64, number);
    hor_config_free(config);
    hor_problems_done(&problems);
    return rc;
}

int hor_master_core_apply_release(struct hor_master_core *core, int64_t number, const char *sha256,
                                  const char *actor, const void *document, size_t len,
                                  int64_t now_us, hor_master_emit_fn *emit, void *ctx,
                                  struct hor_error *err)
{
    const struct hor_master_release *known = hor_master_release(core, number);
    if (known != NULL && known->applied && strcmp(known->sha256, sha256) != 0)
        return hor_error_set(err, HOR_ERR_CONFLICT,
                             "release %" PRId64 " is known with another content", number);
    if (known != NULL && known == core->deployed)
        return hor_error_set(err, HOR_ERR_EXISTS, "release %" PRId64 " is deployed already", number);
    int rc = check_release(number, sha256, document, len, err);
    if (rc != HOR_OK)
        return rc;
    size_t parts = (len + HOR_MASTER_PART_BYTES - 1) / HOR_MASTER_PART_BYTES, made = 0;
    struct hor_event **events = calloc(parts + 1, sizeof *events);
    struct hor_event *applied = hor_event_new(HOR_EVENT_RELEASE_APPLIED, now_us);
    bool failed = events == NULL || applied == NULL;
    for (size_t i = 0; !failed && i < parts && (known == NULL || !known->applied); i++) {
        size_t at = i * HOR_MASTER_PART_BYTES, rest = len - at;
        events[made] = part_event(number, (const char *)document + at,
                                  rest < HOR_MASTER_PART_BYTES ? rest : HOR_MASTER_PART_BYTES,
                                  i + 1, parts, now_us);
        failed = events[made++] == NULL;
    }
    if (!failed) {
        applied->release = number;
        failed = hor_event_set(&applied->sha256, sha256) != HOR_OK ||
                 hor_event_set(&applied->actor, actor) != HOR_OK;
    }
    for (size_t i = 0; i < made; i++)
        failed ? hor_event_free(events[i]) : emit(events[i], ctx);
    failed ? hor_event_free(applied) : emit(applied, ctx);
    free(events);
    return failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory") : HOR_OK;
}

size_t hor_master_core_planned(const struct hor_master_core *core)
{
    size_t pos = 0, count = 0;
    const struct hor_master_entry *entry;
    while ((entry = hor_map_next(core->orders, &pos, NULL)) != NULL)
        count += entry->schedule != NULL && entry->state == HOR_MASTER_PLANNED;
    return count;
}

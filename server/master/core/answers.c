/* What the questions of agent clusters are answered, and handing the answers over: on the leader. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "server/master/core/dependencies.h"

enum { ORDER_ID_MAX = 180 }; /* of a node's order: its tasks need names too */

/* ---- deciding ---- */

static struct hor_event *answer_event(const struct hor_master_dependency *dep, const char *outcome,
                                      const char *cause, int64_t now_us)
{
    const struct hor_event *asked = dep->asked;
    struct hor_event *event = hor_event_new(HOR_EVENT_DEPENDENCY_RESOLVED, now_us);
    if (event == NULL || hor_event_set(&event->command, dep->id) != HOR_OK ||
        hor_event_set(&event->order, asked->order) != HOR_OK ||
        hor_event_set(&event->node, asked->node) != HOR_OK ||
        hor_event_set(&event->name, asked->name) != HOR_OK ||
        hor_event_set(&event->chain, asked->chain) != HOR_OK ||
        hor_event_set(&event->action, asked->action) != HOR_OK ||
        hor_event_set(&event->cluster, asked->cluster) != HOR_OK ||
        hor_event_set(&event->outcome, outcome) != HOR_OK ||
        hor_event_set(&event->cause, cause) != HOR_OK) {
        hor_event_free(event);
        return NULL;
    }
    event->count = asked->count;
    event->attempt = asked->attempt;
    return event;
}

static int give(struct hor_master_core *core, struct hor_master_dependency *dep,
                struct hor_event *take_event)
{
    dep->under_way = take_event != NULL;
    return hor_master_queue_add(core, take_event);
}

static int look_at_history(struct hor_master_core *core, struct hor_master_dependency *dep,
                           int64_t now_us)
{
    const struct hor_event *asked = dep->asked;
    char cause[600], at[HOR_TIME_TEXT_BYTES];
    int64_t latest = hor_ends_latest(&dep->topic->ends, hor_on_parse(asked->outcome));
    if (latest == HOR_EVENT_NONE || latest < asked->started_at)
        return HOR_OK;
    snprintf(cause, sizeof cause, "an order of chain %s ended with %s at %s", asked->chain,
             asked->outcome, hor_time_format_us(latest, at));
    return give(core, dep, answer_event(dep, "resolved", cause, now_us));
}

static int look_at_event(struct hor_master_core *core, struct hor_master_dependency *dep,
                         int64_t now_us)
{
    const struct hor_event *asked = dep->asked;
    bool consume = hor_str_equal(asked->state, "consume");
    char cause[400], at[HOR_TIME_TEXT_BYTES];
    for (size_t i = 0; i < dep->topic->event_count; i++) {
        struct hor_master_external *external = &dep->topic->events[i];
        if (external->taken || external->at_us < asked->started_at)
            continue;
        snprintf(cause, sizeof cause, "external event '%s' came at %s", asked->name,
                 hor_time_format_us(external->at_us, at));
        struct hor_event *event = answer_event(dep, "resolved", cause, now_us);
        if (event != NULL && consume) {
            event->part = (int64_t)external->index;
            external->taken = true; /* until that is applied */
        }
        return give(core, dep, event);
    }
    return HOR_OK;
}

static const struct hor_chain *part_in(const struct hor_master_release *release, const char *path)
{
    return release != NULL && release->config != NULL ? hor_config_chain(release->config, path)
                                                      : NULL;
}

/* The order that runs the node, with the release of the order that it is of. */
static struct hor_event *child_event(struct hor_master_core *core,
                                     const struct hor_master_dependency *dep, char *ret_why,
                                     size_t why_bytes, int64_t now_us)
{
    const struct hor_event *asked = dep->asked;
    const struct hor_master_release *release = hor_master_release(core, asked->release);
    const struct hor_chain *part = part_in(release, asked->chain);
    char id[600];
    int len = snprintf(id, sizeof id, "%s.%s-%" PRId64, asked->order, asked->node, asked->attempt);
    ret_why[0] = '\0';
    if (part == NULL)
        part = part_in(release = core->deployed, asked->chain);
    if (part == NULL)
        snprintf(ret_why, why_bytes, "no release that is kept has chain %.300s", asked->chain);
    else if (len > ORDER_ID_MAX)
        snprintf(ret_why, why_bytes, "the ids of order and node are too long to be one name");
    if (ret_why[0] != '\0')
        return NULL;
    struct hor_event *event = hor_event_new(HOR_EVENT_ORDER_ADDED, now_us);
    if (event == NULL || hor_event_set(&event->order, id) != HOR_OK ||
        hor_event_set(&event->chain, asked->chain) != HOR_OK ||
        hor_event_set(&event->cluster, part->cluster_path) != HOR_OK ||
        hor_event_set(&event->command, dep->id) != HOR_OK ||
        hor_event_set(&event->title, part->object.title) != HOR_OK ||
        hor_event_set(&event->cause, "a node of an order of another cluster") != HOR_OK ||
        hor_arguments_copy(&event->arguments, &asked->arguments) != HOR_OK) {
        hor_event_free(event);
        return NULL;
    }
    event->release = release->number;
    event->planned_at = now_us;
    event->priority = asked->priority;
    return event;
}

static int start_child(struct hor_master_core *core, struct hor_master_dependency *dep,
                       int64_t now_us)
{
    char why[500], cause[900];
    struct hor_event *event = child_event(core, dep, why, sizeof why, now_us);
    if (why[0] != '\0')
        return give(core, dep, answer_event(dep, "failure", why, now_us));
    if (event == NULL)
        return HOR_ERR_MEMORY;
    snprintf(cause, sizeof cause, "order %.300s on cluster %.400s", event->order, event->cluster);
    int rc = hor_master_queue_add(core, event);
    return rc == HOR_OK ? give(core, dep, answer_event(dep, "waiting", cause, now_us)) : rc;
}

static int child_over(struct hor_master_core *core, struct hor_master_dependency *dep,
                      int64_t now_us)
{
    char cause[900];
    const char *outcome = hor_outcome_of_end(dep->end_state);
    snprintf(cause, sizeof cause, "order %.200s: %.100s%s%.500s", dep->child, dep->end_state,
             dep->end_cause != NULL ? ", " : "", dep->end_cause != NULL ? dep->end_cause : "");
    struct hor_event *event = answer_event(dep, outcome, cause, now_us);
    if (event != NULL && dep->task != NULL) {
        event->exit_code = dep->task->exit_code;
        if (hor_arguments_copy(&event->arguments, &dep->task->arguments) != HOR_OK) {
            hor_event_free(event);
            event = NULL;
        }
    }
    return give(core, dep, event);
}

/* Nobody waits for it any more: it is cancelled here, or killed where it is. */
static int end_child(struct hor_master_core *core, struct hor_master_dependency *dep,
                     int64_t now_us)
{
    struct hor_master_entry *child = hor_map_get(core->orders, dep->child);
    char id[700];
    if (child == NULL || child->state == HOR_MASTER_ENDED)
        return HOR_OK;
    bool there = child->away || child->forwarding;
    snprintf(id, sizeof id, "take-back-%.600s", dep->id);
    if (there ? hor_map_get(core->requests, id) != NULL : child->under_way)
        return HOR_OK;
    struct hor_event *event =
        hor_event_new(there ? HOR_EVENT_COMMAND_RECEIVED : HOR_EVENT_ORDER_ENDED, now_us);
    const char *cause = "the order that it is of does not wait for it any more";
    if (event == NULL || hor_event_set(&event->order, child->id) != HOR_OK ||
        (there ? hor_event_set(&event->command, id) != HOR_OK ||
                     hor_event_set(&event->action, "kill") != HOR_OK ||
                     hor_event_set(&event->cluster, child->cluster) != HOR_OK ||
                     hor_event_set(&event->reason, cause) != HOR_OK
               : hor_event_set(&event->state, "cancelled") != HOR_OK ||
                     hor_event_set(&event->cause, cause) != HOR_OK)) {
        hor_event_free(event);
        return HOR_ERR_MEMORY;
    }
    child->under_way = !there;
    return hor_master_queue_add(core, event);
}

static int look_at(struct hor_master_core *core, struct hor_master_dependency *dep, int64_t now_us)
{
    if (dep->state == HOR_MASTER_DEPENDENCY_ENDING)
        return end_child(core, dep, now_us);
    if (dep->state != HOR_MASTER_DEPENDENCY_OPEN || dep->under_way)
        return HOR_OK;
    if (dep->asked->count == 0)
        return dep->child == NULL       ? start_child(core, dep, now_us)
               : dep->end_state != NULL ? child_over(core, dep, now_us)
                                        : HOR_OK;
    return hor_str_equal(dep->asked->action, "history") ? look_at_history(core, dep, now_us)
                                                        : look_at_event(core, dep, now_us);
}

int hor_master_decide_dependencies(struct hor_master_core *core, int64_t now_us)
{
    int rc = HOR_OK;
    while (rc == HOR_OK && core->look_first != NULL) {
        struct hor_master_dependency *dep = core->look_first;
        core->look_first = dep->next_look;
        if (core->look_first == NULL)
            core->look_last = NULL;
        dep->looked_for = false;
        rc = look_at(core, dep, now_us);
    }
    return rc;
}

/* ---- handing answers over; leader ---- */

size_t hor_master_core_answers(struct hor_master_core *core, const char *cluster, size_t limit,
                               hor_master_event_fn *each, void *ctx)
{
    struct hor_master_place *place = hor_map_get(core->places, cluster);
    struct hor_master_dependency *dep;
    size_t pos = 0, count = 0;
    if (place == NULL || !place->answers)
        return 0;
    while (count < limit && (dep = hor_map_next(core->asked, &pos, NULL)) != NULL) {
        if (dep->answer == NULL || dep->sent != HOR_MASTER_NOT_SENT ||
            !hor_str_equal(dep->asked->cluster, cluster))
            continue;
        dep->sent = HOR_MASTER_SENDING;
        each(dep->answer, ctx);
        count++;
    }
    if (count < limit)
        place->answers = false;
    return count;
}

void hor_master_core_answered(struct hor_master_core *core, const char *cluster, bool taken)
{
    struct hor_master_place *place = hor_map_get(core->places, cluster);
    struct hor_master_dependency *dep;
    size_t pos = 0;
    while ((dep = hor_map_next(core->asked, &pos, NULL)) != NULL)
        if (hor_str_equal(dep->asked->cluster, cluster) &&
            (!taken || dep->sent == HOR_MASTER_SENDING))
            dep->sent = taken ? HOR_MASTER_SENT : HOR_MASTER_NOT_SENT;
    if (!taken && place != NULL)
        place->answers = true;
}

#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "server/master/core/dependencies.h"

static int set_time(int64_t *field, int64_t value)
{
    if (value != HOR_EVENT_NONE)
        *field = value;
    return HOR_OK;
}

/* ---- releases and plan ---- */

static int release_part(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_release *release = hor_master_release_add(core, event->release);
    if (release == NULL)
        return HOR_ERR_MEMORY;
    if (release->applied || event->text == NULL)
        return HOR_OK;
    if (event->part == 1) { /* begun anew after a leader that did not come to the end */
        hor_buf_clear(&release->document);
        release->parts_seen = 0;
    }
    if (event->part != release->parts_seen + 1)
        return HOR_OK;
    if (hor_base64_decode(event->text, strlen(event->text), &release->document) != HOR_OK ||
        release->document.failed)
        return HOR_ERR_MEMORY;
    release->parts = event->parts;
    release->parts_seen = event->part;
    return HOR_OK;
}

static int release_applied(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_release *release = hor_master_release(core, event->release);
    if (release == NULL || (!release->applied && release->parts_seen != release->parts))
        return HOR_OK;
    int rc = hor_master_release_complete(core, release, event->at_us, event->sha256, event->actor);
    if (rc == HOR_OK)
        hor_master_release_drop_unused(core);
    hor_master_queue_clear(core); /* what was decided belongs to the release before */
    return rc;
}

static int plan_made(struct hor_master_core *core, const struct hor_event *event)
{
    if (event->plan_day == NULL)
        return HOR_OK;
    struct hor_master_day *day = hor_map_get(core->days, event->plan_day);
    if (day == NULL) {
        day = calloc(1, sizeof *day);
        if (day == NULL || (day->day = hor_strdup(event->plan_day)) == NULL ||
            hor_map_put(core->days, event->plan_day, day) != HOR_OK) {
            if (day != NULL)
                free(day->day);
            free(day);
            return HOR_ERR_MEMORY;
        }
    }
    day->release = event->release;
    day->count = event->count;
    if (strcmp(core->making, event->plan_day) == 0)
        core->making[0] = '\0';
    /* Days are compared as text: ISO dates sort by time. Some are kept to know the last one. */
    size_t pos = 0;
    const char *key;
    while (hor_map_count(core->days) > 40 && hor_map_next(core->days, &pos, &key) != NULL)
        if (strcmp(key, event->plan_day) < 0)
            hor_map_remove(core->days, key);
    return HOR_OK;
}

/* ---- orders ---- */

static int order_added(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_entry *entry = NULL;
    if (event->order == NULL || event->chain == NULL || event->cluster == NULL ||
        hor_map_get(core->orders, event->order) != NULL)
        return HOR_OK;
    int rc = hor_master_entry_add(core, event, &entry);
    if (rc == HOR_OK)
        rc = hor_master_entry_comes(core, entry);
    if (rc == HOR_OK)
        rc = hor_master_child_added(core, event);
    if (rc == HOR_OK && event->command != NULL &&
        hor_map_get(core->requests, event->command) == NULL) {
        struct hor_master_request *request = NULL;
        rc = hor_master_request_add(core, event->command, NULL, &request);
        if (rc == HOR_OK) {
            request->kind = HOR_MASTER_DONE;
            request->done_index = event->index;
            request->done_us = event->at_us;
            rc = hor_event_set(&request->text, event->order);
        }
    }
    return rc;
}

static int order_ended(struct hor_master_core *core, struct hor_master_entry *entry,
                       const struct hor_event *event)
{
    if (entry->state == HOR_MASTER_ENDED)
        return HOR_OK;
    hor_master_entry_leaves(core, entry);
    hor_arguments_done(&entry->arguments);
    entry->state = HOR_MASTER_ENDED;
    entry->ended_us = event->ended_at != HOR_EVENT_NONE ? event->ended_at : event->at_us;
    entry->ended_index = event->index;
    core->ended++;
    if (hor_event_set(&entry->end_state, event->state) != HOR_OK ||
        hor_event_set(&entry->cause, event->cause) != HOR_OK)
        return HOR_ERR_MEMORY;
    return hor_master_order_over(core, entry);
}

static int add_arguments(struct hor_master_entry *entry, const struct hor_arguments *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (hor_arguments_add(&entry->arguments, from->items[i].name, from->items[i].value,
                              from->items[i].secret) != HOR_OK)
            return HOR_ERR_MEMORY;
    return HOR_OK;
}

/* The order goes over to another release, and perhaps to another cluster when it is still here. */
static int order_goes_over(struct hor_master_core *core, struct hor_master_entry *entry,
                           const struct hor_event *event)
{
    if (!hor_master_entry_not_started(entry))
        return HOR_OK;
    hor_master_entry_leaves(core, entry);
    entry->release = event->release;
    hor_arguments_done(&entry->arguments);
    if (add_arguments(entry, &event->arguments) != HOR_OK ||
        (event->chain != NULL && hor_event_set(&entry->chain, event->chain) != HOR_OK) ||
        (event->cluster != NULL && !entry->away &&
         hor_event_set(&entry->cluster, event->cluster) != HOR_OK))
        return HOR_ERR_MEMORY;
    int rc = hor_master_entry_comes(core, entry);
    hor_master_release_drop_unused(core);
    return rc;
}

/* A person changed it, here or there, or a new plan did. */
static int order_changed(struct hor_master_core *core, struct hor_master_entry *entry,
                         const struct hor_event *event)
{
    set_time(&entry->due_us, event->due_at);
    set_time(&entry->priority, event->priority);
    if (event->cluster_index == HOR_EVENT_NONE && hor_str_equal(event->state, "planned")) {
        entry->away = false; /* its cluster does not have it any more */
        entry->state = HOR_MASTER_PLANNED;
    }
    return event->cluster_index == HOR_EVENT_NONE && event->release != HOR_EVENT_NONE
               ? order_goes_over(core, entry, event)
               : add_arguments(entry, &event->arguments);
}

static int order_moves(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_entry *entry =
        event->order != NULL ? hor_map_get(core->orders, event->order) : NULL;
    if (entry == NULL)
        return HOR_OK;
    bool theirs = event->cluster_index != HOR_EVENT_NONE;
    if (!theirs)
        entry->under_way = false;
    if (entry->state == HOR_MASTER_ENDED)
        return HOR_OK;
    if (theirs && !entry->away) { /* it is there, though we never heard that it was taken */
        hor_master_entry_leaves(core, entry);
        entry->away = true;
        entry->forwarding = false;
    }
    hor_master_order_moved(core, event);
    if (event->type == HOR_EVENT_NODE_SET || event->type == HOR_EVENT_NODE_SKIPPED ||
        event->type == HOR_EVENT_NODE_RESET)
        hor_master_take_back(core, entry, event->node);
    switch (event->type) {
    case HOR_EVENT_ORDER_FORWARDED:
        hor_master_entry_leaves(core, entry);
        entry->away = true;
        entry->forwarding = false;
        return hor_str_equal(event->mark, "again") && hor_master_entry_not_started(entry)
                   ? hor_master_entry_comes(core, entry)
                   : HOR_OK;
    case HOR_EVENT_ORDER_CHANGED:
        return order_changed(core, entry, event);
    case HOR_EVENT_ORDER_STARTED:
        entry->state = HOR_MASTER_RUNNING;
        entry->started_us = event->started_at != HOR_EVENT_NONE ? event->started_at : event->at_us;
        return HOR_OK;
    case HOR_EVENT_ORDER_FAILED:
        entry->state = HOR_MASTER_FAILED;
        return hor_event_set(&entry->cause, event->cause);
    case HOR_EVENT_ORDER_SUSPENDED:
        entry->state = HOR_MASTER_SUSPENDED;
        return hor_event_set(&entry->cause, event->reason);
    case HOR_EVENT_ORDER_RESUMED:
    case HOR_EVENT_NODE_RESET:
    case HOR_EVENT_NODE_SET:
    case HOR_EVENT_TASK_ASSIGNED:
        if (entry->state == HOR_MASTER_SUSPENDED && event->type != HOR_EVENT_ORDER_RESUMED)
            return HOR_OK;
        entry->state =
            entry->started_us != HOR_EVENT_NONE ? HOR_MASTER_RUNNING : HOR_MASTER_PLANNED;
        return hor_event_set(&entry->cause, NULL);
    case HOR_EVENT_TASK_IN_DOUBT:
        entry->state = HOR_MASTER_IN_DOUBT;
        return hor_event_set(&entry->cause, event->cause);
    case HOR_EVENT_TASK_ENDED:
        if (entry->state == HOR_MASTER_IN_DOUBT)
            entry->state = HOR_MASTER_RUNNING;
        return HOR_OK;
    case HOR_EVENT_RETRY_SCHEDULED:
        entry->state = HOR_MASTER_RETRYING;
        return HOR_OK;
    case HOR_EVENT_ORDER_ENDED:
        return order_ended(core, entry, event);
    default:
        return HOR_OK;
    }
}

/* ---- clusters, commands, consumers ---- */

static int coupling(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_place *place =
        event->cluster != NULL ? hor_master_place(core, event->cluster) : NULL;
    if (place == NULL)
        return event->cluster != NULL ? HOR_ERR_MEMORY : HOR_OK;
    place->coupled = event->type == HOR_EVENT_CLUSTER_COUPLED;
    place->changed_us = event->at_us;
    if (place->coupled)
        place->anew = false;
    else if (hor_str_equal(event->action, "recouple")) {
        place->anew = true;
        place->cursor = 0;
        if (hor_event_set(&place->run_id, NULL) != HOR_OK)
            return HOR_ERR_MEMORY;
    }
    if (place->coupled && event->run_id != NULL && !hor_str_equal(event->run_id, place->run_id)) {
        if (hor_event_set(&place->run_id, event->run_id) != HOR_OK)
            return HOR_ERR_MEMORY;
        place->cursor =
            event->cluster_index != HOR_EVENT_NONE ? (uint64_t)event->cluster_index : 0;
    }
    return hor_event_set(&place->cause, place->coupled ? NULL : event->cause);
}

static int held(struct hor_master_core *core, const struct hor_event *event)
{
    if (event->chain == NULL)
        return HOR_OK;
    if (event->type == HOR_EVENT_CHAIN_RELEASED) {
        hor_map_remove(core->held, event->chain);
        return HOR_OK;
    }
    char *cluster = hor_strdup(event->cluster != NULL ? event->cluster : "");
    if (cluster == NULL || hor_map_put(core->held, event->chain, cluster) != HOR_OK) {
        free(cluster);
        return HOR_ERR_MEMORY;
    }
    return HOR_OK;
}

static int command(struct hor_master_core *core, const struct hor_event *event)
{
    if (event->command == NULL)
        return HOR_OK;
    struct hor_master_request *request = hor_map_get(core->requests, event->command);
    if (event->type == HOR_EVENT_COMMAND_RECEIVED)
        return request != NULL ? HOR_OK
                               : hor_master_request_add(core, event->command, event, &request);
    if (request == NULL || request->kind != HOR_MASTER_WAITING)
        return HOR_OK;
    request->kind = hor_str_equal(event->outcome, "done") ? HOR_MASTER_DONE : HOR_MASTER_REFUSED;
    request->done_index = event->index;
    request->done_us = event->at_us;
    if (request->kind == HOR_MASTER_DONE && request->received != NULL &&
        hor_str_equal(request->received->action, "switch") &&
        hor_event_set(&core->preferred, request->received->agent) != HOR_OK)
        return HOR_ERR_MEMORY;
    return hor_event_set(&request->text, event->cause);
}

/* Finished orders and answered commands are forgotten once the Supervisor has them; an order that
 * ended before its planned time stays until then, so that no new plan brings it back. */
static int acknowledged(struct hor_master_core *core, const struct hor_event *event)
{
    size_t pos = 0;
    struct hor_master_entry *entry;
    struct hor_master_request *request;
    if (event->cluster_index == HOR_EVENT_NONE ||
        (uint64_t)event->cluster_index <= core->acknowledged)
        return HOR_OK;
    core->acknowledged = (uint64_t)event->cluster_index;
    while (core->ended > 0 && (entry = hor_map_next(core->orders, &pos, NULL)) != NULL)
        if (entry->state == HOR_MASTER_ENDED && entry->ended_index <= core->acknowledged &&
            entry->planned_us <= event->at_us) {
            hor_master_entry_remove(core, entry);
            core->ended--;
        }
    pos = 0;
    while ((request = hor_map_next(core->requests, &pos, NULL)) != NULL)
        if (request->kind != HOR_MASTER_WAITING && request->done_index <= core->acknowledged &&
            request->done_us + HOR_MASTER_COMMAND_MEMORY_S * HOR_MASTER_US <= event->at_us)
            hor_map_remove(core->requests, request->id);
    return HOR_OK;
}

static int apply_own(struct hor_master_core *core, const struct hor_event *event)
{
    switch (event->type) {
    case HOR_EVENT_RELEASE_PART:
        return release_part(core, event);
    case HOR_EVENT_RELEASE_APPLIED:
        return release_applied(core, event);
    case HOR_EVENT_PLAN_MADE:
        return plan_made(core, event);
    case HOR_EVENT_ORDER_ADDED:
        return order_added(core, event);
    case HOR_EVENT_CLUSTER_COUPLED:
    case HOR_EVENT_CLUSTER_UNCOUPLED:
        return coupling(core, event);
    case HOR_EVENT_EVENTS_ACKNOWLEDGED:
        return acknowledged(core, event);
    case HOR_EVENT_COMMAND_RECEIVED:
    case HOR_EVENT_COMMAND_DONE:
        return command(core, event);
    case HOR_EVENT_EXTERNAL_EVENT:
        return hor_master_external_event(core, event);
    case HOR_EVENT_DEPENDENCY_RESOLVED:
        return hor_master_own_resolved(core, event);
    default:
        return order_moves(core, event);
    }
}

/* An event of an agent cluster: each counts once, by its index there. */
static int apply_theirs(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_place *place =
        event->cluster != NULL ? hor_master_place(core, event->cluster) : NULL;
    if (place == NULL)
        return event->cluster != NULL ? HOR_ERR_MEMORY : HOR_OK;
    if (event->cluster_index <= 0 || (uint64_t)event->cluster_index <= place->cursor)
        return HOR_OK;
    place->cursor = (uint64_t)event->cluster_index;
    switch (event->type) {
    case HOR_EVENT_CHAIN_HELD:
    case HOR_EVENT_CHAIN_RELEASED:
        return held(core, event);
    case HOR_EVENT_COMMAND_DONE:
        return command(core, event);
    case HOR_EVENT_DEPENDENCY_REQUESTED:
        return hor_master_asked(core, event);
    case HOR_EVENT_DEPENDENCY_RESOLVED:
        return hor_master_theirs_resolved(core, event);
    default:
        return order_moves(core, event);
    }
}

int hor_master_core_apply(struct hor_master_core *core, const struct hor_event *event)
{
    return event->cluster_index != HOR_EVENT_NONE && event->cluster != NULL &&
                   event->type != HOR_EVENT_CLUSTER_COUPLED
               ? apply_theirs(core, event)
               : apply_own(core, event);
}

bool hor_master_core_takes(const struct hor_master_core *core, const char *cluster,
                           const struct hor_event *event)
{
    const struct hor_master_place *place = hor_map_get(core->places, cluster);
    switch (event->type) {
    case HOR_EVENT_CLUSTER_STARTED:
    case HOR_EVENT_RELEASE_PART:
    case HOR_EVENT_RELEASE_APPLIED:
    case HOR_EVENT_RELEASE_DROPPED:
    case HOR_EVENT_PLAN_ACCEPTED:
    case HOR_EVENT_EVENTS_ACKNOWLEDGED:
    case HOR_EVENT_MASTER_COUPLED:
        return false;
    case HOR_EVENT_ORDER_ADDED: /* ours says the same, and orderForwarded that it is there */
        if (event->order != NULL && hor_map_get(core->orders, event->order) != NULL)
            return false;
        break;
    case HOR_EVENT_COMMAND_RECEIVED: /* the answer to our call says the same */
    case HOR_EVENT_COMMAND_DONE:
        if (event->command != NULL && hor_map_get(core->requests, event->command) != NULL)
            return false;
        break;
    default:
        break;
    }
    return place == NULL || event->index > place->cursor;
}

#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/model/plan.h"
#include "server/master/core/state.h"

int hor_master_core_order(const struct hor_master_core *core, const char *id,
                          struct hor_master_order *ret)
{
    const struct hor_master_entry *entry = hor_map_get(core->orders, id);
    if (entry == NULL)
        return HOR_ERR_NOT_FOUND;
    hor_master_view(entry, ret);
    return HOR_OK;
}

/* ---- handing over ---- */

/* A plan counts as a whole: its orders go out when planMade of its release is committed. */
static bool may_go(const struct hor_master_core *core, const struct hor_master_entry *entry)
{
    if (entry->state != HOR_MASTER_PLANNED || entry->forwarding || entry->under_way)
        return false;
    if (entry->plan_day == NULL)
        return true;
    const struct hor_master_day *made = hor_map_get(core->days, entry->plan_day);
    return made != NULL && (made->release == entry->release || core->deployed == NULL ||
                            entry->release != core->deployed->number);
}

struct forwarding {
    struct hor_master_core *core;
    size_t limit, count;
    int64_t release;
    hor_master_order_fn *each;
    void *ctx;
};

static void forward_from(struct forwarding *f, const struct hor_map *map)
{
    struct hor_master_entry *entry;
    size_t pos = 0;
    if (hor_map_count(map) == 0)
        return; /* walking the places of what was there takes time too */
    while (f->count < f->limit && (entry = hor_map_next(map, &pos, NULL)) != NULL) {
        if (!(entry->again ? hor_master_entry_not_started(entry) && !entry->forwarding &&
                                 !entry->under_way
                           : may_go(f->core, entry)) ||
            (f->count > 0 && entry->release != f->release))
            continue;
        struct hor_master_order view;
        f->release = entry->release;
        entry->forwarding = true;
        f->count++;
        hor_master_view(entry, &view);
        f->each(&view, f->ctx);
    }
}

size_t hor_master_core_forward(struct hor_master_core *core, const char *cluster, size_t limit,
                               hor_master_order_fn *each, void *ctx)
{
    const struct hor_master_place *place = hor_map_get(core->places, cluster);
    struct forwarding f = {.core = core, .limit = limit, .each = each, .ctx = ctx};
    if (place == NULL)
        return 0;
    forward_from(&f, place->again);
    forward_from(&f, place->here);
    return f.count;
}

static int forwarded_from(const struct hor_map *map, const char *cluster, bool accepted,
                          int64_t now_us, hor_master_emit_fn *emit, void *ctx)
{
    struct hor_master_entry *entry;
    size_t pos = 0;
    if (hor_map_count(map) == 0)
        return HOR_OK;
    while ((entry = hor_map_next(map, &pos, NULL)) != NULL) {
        if (!entry->forwarding || entry->under_way)
            continue;
        if (!accepted) {
            entry->forwarding = false;
            continue;
        }
        struct hor_event *event = hor_event_new(HOR_EVENT_ORDER_FORWARDED, now_us);
        if (event == NULL || hor_event_set(&event->order, entry->id) != HOR_OK ||
            hor_event_set(&event->cluster, cluster) != HOR_OK) {
            hor_event_free(event);
            return HOR_ERR_MEMORY;
        }
        event->release = entry->release;
        entry->under_way = true;
        emit(event, ctx);
    }
    return HOR_OK;
}

int hor_master_core_forwarded(struct hor_master_core *core, const char *cluster, bool accepted,
                              int64_t now_us, hor_master_emit_fn *emit, void *ctx)
{
    const struct hor_master_place *place = hor_map_get(core->places, cluster);
    if (place == NULL)
        return HOR_OK;
    int rc = forwarded_from(place->again, cluster, accepted, now_us, emit, ctx);
    return rc != HOR_OK ? rc
                        : forwarded_from(place->here, cluster, accepted, now_us, emit, ctx);
}

/* ---- orders that a person adds ---- */

static bool job_knows(const struct hor_chain *chain, const char *name)
{
    for (size_t i = 0; i < chain->node_count; i++) {
        const struct hor_job *job = chain->nodes[i].job;
        if (job != NULL && hor_parameter_find(job->parameters, job->parameter_count, name) != NULL)
            return true;
    }
    return false;
}

static int check_arguments(const struct hor_chain *chain, const struct hor_arguments *arguments,
                           struct hor_error *err)
{
    for (size_t i = 0; arguments != NULL && i < arguments->count; i++) {
        const char *name = arguments->items[i].name;
        const struct hor_parameter *parameter =
            hor_parameter_find(chain->parameters, chain->parameter_count, name);
        if (parameter == NULL && !job_knows(chain, name))
            return hor_error_set(err, HOR_ERR_INVALID,
                                 "neither chain '%s' nor a job of it has a parameter '%s'",
                                 chain->object.path, name);
        if (parameter != NULL && !hor_parameter_accepts(parameter, arguments->items[i].value))
            return hor_error_set(err, HOR_ERR_INVALID,
                                 "chain '%s': parameter '%s' does not take this value",
                                 chain->object.path, name);
    }
    for (size_t i = 0; i < chain->parameter_count; i++) {
        const struct hor_parameter *parameter = &chain->parameters[i];
        if (parameter->required && parameter->fallback == NULL &&
            (arguments == NULL || hor_arguments_get(arguments, parameter->name) == NULL))
            return hor_error_set(err, HOR_ERR_INVALID, "chain '%s' needs parameter '%s'",
                                 chain->object.path, parameter->name);
    }
    return HOR_OK;
}

static struct hor_event *added_event(const struct hor_chain *chain,
                                     const struct hor_master_new_order *order, const char *id,
                                     int64_t start_at, int64_t release, int64_t now_us)
{
    struct hor_event *event = hor_event_new(HOR_EVENT_ORDER_ADDED, now_us);
    if (event == NULL || hor_event_set(&event->order, id) != HOR_OK ||
        hor_event_set(&event->chain, chain->object.path) != HOR_OK ||
        hor_event_set(&event->cluster, chain->cluster_path) != HOR_OK ||
        hor_event_set(&event->title, order->title) != HOR_OK ||
        hor_event_set(&event->actor, order->actor) != HOR_OK ||
        hor_event_set(&event->reason, order->reason) != HOR_OK ||
        hor_event_set(&event->command, order->request) != HOR_OK ||
        (order->arguments != NULL &&
         hor_arguments_copy(&event->arguments, order->arguments) != HOR_OK)) {
        hor_event_free(event);
        return NULL;
    }
    for (size_t i = 0; i < event->arguments.count; i++) {
        const struct hor_parameter *parameter = hor_parameter_find(
            chain->parameters, chain->parameter_count, event->arguments.items[i].name);
        if (parameter != NULL && parameter->type == HOR_PARAMETER_SECRET)
            event->arguments.items[i].secret = true;
    }
    event->release = release;
    event->planned_at = start_at;
    event->priority = order->priority != HOR_EVENT_NONE ? order->priority : chain->priority;
    return event;
}

int hor_master_core_add(struct hor_master_core *core, const struct hor_master_new_order *order,
                        int64_t now_us, hor_master_emit_fn *emit, void *ctx, char *ret_id,
                        struct hor_error *err)
{
    const struct hor_config *config = hor_master_core_config(core);
    if (config == NULL)
        return hor_error_set(err, HOR_ERR_STATE, "no release is deployed on Master '%s'", core->name);
    const struct hor_master_request *before = hor_map_get(core->requests, order->request);
    if (before != NULL && before->received == NULL && before->text != NULL) {
        snprintf(ret_id, HOR_ORDER_ID_BYTES, "%s", before->text);
        return hor_error_set(err, HOR_ERR_EXISTS, "order '%s' was added by this request before",
                             before->text);
    }
    const struct hor_chain *chain = hor_config_chain(config, order->chain);
    if (chain == NULL || chain->part_of != NULL)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "release %lld has no chain '%s'",
                             (long long)core->deployed->number, order->chain);
    int rc = check_arguments(chain, order->arguments, err);
    if (rc != HOR_OK)
        return rc;
    int64_t start_at = order->start_at != HOR_EVENT_NONE ? order->start_at : now_us;
    char id[HOR_ORDER_ID_BYTES];
    hor_plan_added_id(chain->object.path, order->request, start_at, id);
    if (hor_map_get(core->orders, id) != NULL) {
        snprintf(ret_id, HOR_ORDER_ID_BYTES, "%s", id);
        return hor_error_set(err, HOR_ERR_EXISTS, "order '%s' exists", id);
    }
    struct hor_event *event =
        added_event(chain, order, id, start_at, core->deployed->number, now_us);
    if (event == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    snprintf(ret_id, HOR_ORDER_ID_BYTES, "%s", id);
    emit(event, ctx);
    return HOR_OK;
}

/* ---- clusters ---- */

int hor_master_core_cluster(const struct hor_master_core *core, const char *path,
                            struct hor_master_cluster *ret)
{
    const struct hor_master_place *place = hor_map_get(core->places, path);
    size_t pos = 0;
    const struct hor_master_entry *entry;
    const struct hor_master_request *request;
    if (place == NULL)
        return HOR_ERR_NOT_FOUND;
    *ret = (struct hor_master_cluster){.path = place->path,
                                       .run_id = place->run_id,
                                       .cause = place->cause,
                                       .cursor = place->cursor,
                                       .coupled = place->coupled,
                                       .changed_at = place->changed_us};
    while ((entry = hor_map_next(core->orders, &pos, NULL)) != NULL)
        ret->orders +=
            entry->state != HOR_MASTER_ENDED && strcmp(entry->cluster, place->path) == 0;
    pos = 0;
    while ((request = hor_map_next(core->requests, &pos, NULL)) != NULL)
        ret->waiting_commands += request->kind == HOR_MASTER_WAITING && request->received != NULL &&
                                 hor_str_equal(request->received->cluster, place->path);
    return HOR_OK;
}

/* ---- coupling anew ---- */

bool hor_master_core_is_anew(const struct hor_master_core *core, const char *cluster)
{
    const struct hor_master_place *place = hor_map_get(core->places, cluster);
    return place != NULL && place->anew;
}

/* An order that its cluster does not have any more: it goes there again when it had not started. What
 * became of one that had cannot be known, and it is not run twice. */
static struct hor_event *lost_event(const struct hor_master_core *core,
                                    const struct hor_master_entry *entry, int64_t now_us)
{
    bool again = hor_master_entry_not_started(entry);
    struct hor_event *event =
        hor_event_new(again ? HOR_EVENT_ORDER_CHANGED : HOR_EVENT_ORDER_ENDED, now_us);
    const char *cause = again ? "its cluster had lost it and gets it again"
                              : "its cluster has lost it after its start: what became of it is not "
                                "known, and it is not run again by itself";
    if (event == NULL || hor_event_set(&event->order, entry->id) != HOR_OK ||
        hor_event_set(&event->state, again ? "planned" : "failedFinally") != HOR_OK ||
        hor_event_set(&event->cause, cause) != HOR_OK ||
        (again && hor_arguments_copy(&event->arguments, &entry->arguments) != HOR_OK)) {
        hor_event_free(event);
        return NULL;
    }
    if (again)
        event->release = core->deployed != NULL ? core->deployed->number : entry->release;
    return event;
}

int hor_master_core_recoupled(struct hor_master_core *core, const char *cluster,
                              char *const *held, size_t held_count, int64_t now_us,
                              hor_master_emit_fn *emit, void *ctx)
{
    struct hor_map *there = hor_map_new(NULL);
    struct hor_master_entry *entry;
    size_t pos = 0;
    int rc = there == NULL ? HOR_ERR_MEMORY : HOR_OK;
    for (size_t i = 0; rc == HOR_OK && i < held_count; i++)
        rc = hor_map_put(there, held[i], core);
    while (rc == HOR_OK && (entry = hor_map_next(core->orders, &pos, NULL)) != NULL) {
        if (!entry->away || entry->state == HOR_MASTER_ENDED ||
            strcmp(entry->cluster, cluster) != 0 || hor_map_get(there, entry->id) != NULL)
            continue;
        struct hor_event *event = lost_event(core, entry, now_us);
        if (event == NULL)
            rc = HOR_ERR_MEMORY;
        else
            emit(event, ctx);
    }
    hor_map_free(there);
    return rc;
}

const char *hor_master_core_held(const struct hor_master_core *core, size_t *pos,
                                 const char **ret_cluster)
{
    const char *chain = NULL;
    const char *cluster = hor_map_next(core->held, pos, &chain);
    if (cluster == NULL)
        return NULL;
    *ret_cluster = cluster;
    return chain;
}

uint64_t hor_master_core_acknowledged(const struct hor_master_core *core)
{
    return core->acknowledged;
}

const char *hor_master_core_preferred(const struct hor_master_core *core) { return core->preferred; }

#include "server/master/core/dependencies.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "lib/config/config.h"

static void free_release(void *value)
{
    struct hor_master_release *release = value;
    if (release == NULL)
        return;
    free(release->sha256);
    free(release->actor);
    hor_buf_done(&release->document);
    hor_config_free(release->config);
    free(release);
}

static void free_entry(void *value)
{
    struct hor_master_entry *e = value;
    if (e == NULL)
        return;
    char *strings[] = {e->id,     e->chain, e->cluster, e->schedule, e->plan_day,
                       e->title,  e->actor, e->reason,  e->cause,    e->end_state};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        free(strings[i]);
    hor_arguments_done(&e->arguments);
    free(e);
}

static void free_place(void *value)
{
    struct hor_master_place *place = value;
    if (place == NULL)
        return;
    free(place->path);
    free(place->run_id);
    free(place->cause);
    hor_map_free(place->here);
    hor_map_free(place->again);
    free(place);
}

static void free_request(void *value)
{
    struct hor_master_request *request = value;
    if (request == NULL)
        return;
    hor_event_free(request->received);
    free(request->id);
    free(request->text);
    free(request);
}

static void free_day(void *value)
{
    struct hor_master_day *day = value;
    if (day == NULL)
        return;
    free(day->day);
    free(day);
}

static void free_maps(struct hor_master_core *core)
{
    hor_map_free(core->orders);
    hor_map_free(core->places);
    hor_map_free(core->requests);
    hor_map_free(core->days);
    hor_map_free(core->held);
    hor_map_free(core->releases);
}

static bool has_parts(const struct hor_config *config)
{
    for (size_t i = 0; config != NULL && i < config->chain_count; i++)
        if (config->chains[i]->part_of != NULL)
            return true;
    return false;
}

/* A node of a running order may yet have to go to another cluster, with the order's release. */
static bool is_needed_by_nodes(const struct hor_master_core *core,
                               const struct hor_master_release *release)
{
    size_t pos = 0;
    const struct hor_master_entry *entry;
    if (!has_parts(release->config))
        return false;
    while ((entry = hor_map_next(core->orders, &pos, NULL)) != NULL)
        if (entry->release == release->number && entry->state != HOR_MASTER_ENDED)
            return true;
    return false;
}

int hor_master_clear(struct hor_master_core *core)
{
    hor_master_queue_clear(core);
    free_maps(core);
    core->orders = hor_map_new(free_entry);
    core->places = hor_map_new(free_place);
    core->requests = hor_map_new(free_request);
    core->days = hor_map_new(free_day);
    core->held = hor_map_new(free);
    core->releases = hor_map_new(free_release);
    core->deployed = NULL;
    core->first_release_us = HOR_EVENT_NONE;
    core->acknowledged = 0;
    core->ended = 0;
    free(core->preferred);
    core->preferred = NULL;
    return core->orders != NULL && core->places != NULL && core->requests != NULL &&
                   core->days != NULL && core->held != NULL && core->releases != NULL
               ? hor_master_dependencies_clear(core)
               : HOR_ERR_MEMORY;
}

int hor_master_core_new(const char *name, int days_ahead, struct hor_master_core **ret,
                        struct hor_error *err)
{
    struct hor_master_core *core = calloc(1, sizeof *core);
    if (core == NULL || (core->name = hor_strdup(name)) == NULL ||
        hor_master_clear(core) != HOR_OK) {
        hor_master_core_free(core);
        return hor_error_set(err, HOR_ERR_MEMORY, "Master: out of memory");
    }
    core->days_ahead = days_ahead < 0 ? 0 : days_ahead > 366 ? 366 : days_ahead;
    *ret = core;
    return HOR_OK;
}

void hor_master_core_free(struct hor_master_core *core)
{
    if (core == NULL)
        return;
    hor_master_queue_clear(core);
    free(core->queue);
    free_maps(core);
    hor_map_free(core->children);
    hor_map_free(core->asked);
    hor_map_free(core->topics);
    free(core->problem);
    free(core->preferred);
    free(core->name);
    free(core);
}

void hor_master_queue_clear(struct hor_master_core *core)
{
    for (size_t i = core->queue_at; i < core->queue_count; i++) {
        const char *order = core->queue[i]->order;
        struct hor_master_entry *entry = order != NULL ? hor_map_get(core->orders, order) : NULL;
        if (entry != NULL)
            entry->under_way = false; /* what was decided about it is forgotten */
        hor_event_free(core->queue[i]);
    }
    core->queue_at = core->queue_count = 0;
    core->making[0] = '\0';
    hor_master_dependencies_lead(core); /* their answers may have been among it */
}

int hor_master_queue_add(struct hor_master_core *core, struct hor_event *take_event)
{
    if (take_event == NULL)
        return HOR_ERR_MEMORY;
    if ((core->queue_count & (core->queue_count - 1)) == 0) {
        size_t room = core->queue_count == 0 ? 1 : core->queue_count * 2;
        struct hor_event **queue = realloc(core->queue, room * sizeof *queue);
        if (queue == NULL) {
            hor_event_free(take_event);
            return HOR_ERR_MEMORY;
        }
        core->queue = queue;
    }
    core->queue[core->queue_count++] = take_event;
    return HOR_OK;
}

/* ---- places ---- */

struct hor_master_place *hor_master_place(struct hor_master_core *core, const char *path)
{
    struct hor_master_place *place = hor_map_get(core->places, path);
    if (place != NULL)
        return place;
    place = calloc(1, sizeof *place);
    if (place == NULL || (place->path = hor_strdup(path)) == NULL ||
        (place->here = hor_map_new(NULL)) == NULL || (place->again = hor_map_new(NULL)) == NULL ||
        hor_map_put(core->places, path, place) != HOR_OK) {
        free_place(place);
        return NULL;
    }
    place->changed_us = HOR_EVENT_NONE;
    return place;
}

/* ---- releases ---- */

static const char *number_key(int64_t number, char out[24])
{
    snprintf(out, 24, "%" PRId64, number);
    return out;
}

struct hor_master_release *hor_master_release(const struct hor_master_core *core, int64_t number)
{
    char key[24];
    return hor_map_get(core->releases, number_key(number, key));
}

struct hor_master_release *hor_master_release_add(struct hor_master_core *core, int64_t number)
{
    char key[24];
    struct hor_master_release *release = hor_master_release(core, number);
    if (release != NULL)
        return release;
    release = calloc(1, sizeof *release);
    if (release == NULL || hor_map_put(core->releases, number_key(number, key), release) != HOR_OK) {
        free(release);
        return NULL;
    }
    release->number = number;
    return release;
}

void hor_master_release_drop_unused(struct hor_master_core *core)
{
    size_t pos = 0;
    const char *key;
    struct hor_master_release *release;
    while ((release = hor_map_next(core->releases, &pos, &key)) != NULL)
        if (release != core->deployed && release->applied && release->here == 0 &&
            !is_needed_by_nodes(core, release))
            hor_map_remove(core->releases, key);
}

int hor_master_release_complete(struct hor_master_core *core, struct hor_master_release *release,
                                int64_t at_us, const char *sha256, const char *actor)
{
    if (!release->applied) {
        struct hor_problems problems = {0};
        int rc = hor_config_load_release(hor_buf_text(&release->document), release->document.len,
                                         &problems, &release->config, NULL);
        hor_problems_done(&problems);
        if (rc == HOR_ERR_MEMORY)
            return rc; /* any other failure: a Master of another version; it stays without */
        release->applied = true;
    }
    release->at_us = at_us;
    if (hor_event_set(&release->sha256, sha256) != HOR_OK ||
        hor_event_set(&release->actor, actor) != HOR_OK)
        return HOR_ERR_MEMORY;
    core->deployed = release;
    if (core->first_release_us == HOR_EVENT_NONE)
        core->first_release_us = at_us;
    return HOR_OK;
}

/* ---- orders ---- */

static bool copy(char **to, const char *from)
{
    return from == NULL || (*to = hor_strdup(from)) != NULL;
}

int hor_master_entry_add(struct hor_master_core *core, const struct hor_event *event,
                         struct hor_master_entry **ret)
{
    struct hor_master_entry *e = calloc(1, sizeof *e);
    if (e == NULL)
        return HOR_ERR_MEMORY;
    e->release = event->release;
    e->planned_us = event->planned_at;
    e->due_us = event->due_at != HOR_EVENT_NONE ? event->due_at : event->planned_at;
    e->priority = event->priority;
    e->started_us = e->ended_us = HOR_EVENT_NONE;
    if (!copy(&e->id, event->order) || !copy(&e->chain, event->chain) ||
        !copy(&e->cluster, event->cluster) || !copy(&e->schedule, event->schedule) ||
        !copy(&e->plan_day, event->plan_day) || !copy(&e->title, event->title) ||
        !copy(&e->actor, event->actor) || !copy(&e->reason, event->reason) ||
        hor_arguments_copy(&e->arguments, &event->arguments) != HOR_OK ||
        hor_map_put(core->orders, e->id, e) != HOR_OK) {
        free_entry(e);
        return HOR_ERR_MEMORY;
    }
    *ret = e;
    return HOR_OK;
}

bool hor_master_entry_not_started(const struct hor_master_entry *e)
{
    return (e->state == HOR_MASTER_PLANNED || e->state == HOR_MASTER_SUSPENDED) &&
           e->started_us == HOR_EVENT_NONE;
}

int hor_master_entry_comes(struct hor_master_core *core, struct hor_master_entry *e)
{
    struct hor_master_place *place = hor_master_place(core, e->cluster);
    struct hor_master_release *release = hor_master_release(core, e->release);
    if (place == NULL || hor_map_put(e->away ? place->again : place->here, e->id, e) != HOR_OK)
        return HOR_ERR_MEMORY;
    e->again = e->away;
    if (release != NULL)
        release->here++;
    return HOR_OK;
}

/* It waits no longer: handed over, or ended. */
void hor_master_entry_leaves(struct hor_master_core *core, struct hor_master_entry *e)
{
    struct hor_master_place *place = hor_map_get(core->places, e->cluster);
    e->again = false;
    if (place == NULL || (hor_map_take(place->here, e->id) == NULL &&
                          hor_map_take(place->again, e->id) == NULL))
        return;
    struct hor_master_release *release = hor_master_release(core, e->release);
    if (release != NULL && release->here > 0 && --release->here == 0 && release != core->deployed)
        hor_master_release_drop_unused(core);
}

void hor_master_entry_remove(struct hor_master_core *core, struct hor_master_entry *e)
{
    hor_master_entry_leaves(core, e);
    hor_map_remove(core->orders, e->id);
}

const char *hor_master_state_name(const struct hor_master_entry *e)
{
    static const char *const names[] = {"planned", "running",   "retrying",
                                        "failed",  "suspended", "inDoubt"};
    if (e->state == HOR_MASTER_ENDED)
        return e->end_state != NULL ? e->end_state : "failedFinally";
    return names[e->state];
}

void hor_master_view(const struct hor_master_entry *e, struct hor_master_order *ret)
{
    *ret = (struct hor_master_order){
        .id = e->id,
        .chain = e->chain,
        .cluster = e->cluster,
        .schedule = e->schedule,
        .plan_day = e->plan_day,
        .title = e->title,
        .actor = e->actor,
        .reason = e->reason,
        .cause = e->cause,
        .state = hor_master_state_name(e),
        .where = e->away ? "agents" : e->forwarding ? "forwarding" : "master",
        .release = e->release,
        .planned_at = e->planned_us,
        .due_at = e->due_us,
        .priority = e->priority,
        .started_at = e->started_us,
        .ended_at = e->ended_us,
        .arguments = &e->arguments,
    };
}

/* ---- requests ---- */

int hor_master_request_add(struct hor_master_core *core, const char *id,
                           const struct hor_event *received, struct hor_master_request **ret)
{
    struct hor_master_request *request = calloc(1, sizeof *request);
    if (request == NULL || (request->id = hor_strdup(id)) == NULL ||
        (received != NULL && (request->received = hor_event_copy(received)) == NULL) ||
        hor_map_put(core->requests, id, request) != HOR_OK) {
        free_request(request);
        return HOR_ERR_MEMORY;
    }
    request->kind = HOR_MASTER_WAITING;
    *ret = request;
    return HOR_OK;
}

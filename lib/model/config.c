#include "lib/model/config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/model/day.h"

static const char *const kind_names[] = {
#define KIND_NAME(suffix, name, root) name,
    HOR_KIND_TABLE(KIND_NAME)
#undef KIND_NAME
};

const char *hor_kind_name(enum hor_kind kind)
{
    return kind < HOR_KINDS ? kind_names[kind] : "unknown";
}

enum hor_kind hor_kind_from_name(const char *name)
{
    int kind = 0;
    while (kind < HOR_KINDS && strcmp(kind_names[kind], name) != 0)
        kind++;
    return (enum hor_kind)kind;
}

const char *hor_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

bool hor_codes_have(const struct hor_codes *codes, int code)
{
    for (size_t i = 0; i < codes->count; i++)
        if (codes->items[i].from <= code && code <= codes->items[i].to)
            return true;
    return false;
}

int64_t hor_job_retry_delay_ms(const struct hor_job *job, int next)
{
    double delay = (double)job->retry_delay_ms;
    double most = job->retry_max_delay_ms > 0 ? (double)job->retry_max_delay_ms : 1e15;
    for (int i = 2; i < next && delay < most && delay > 0; i++)
        delay *= job->retry_factor_milli / 1000.0;
    return (int64_t)(delay < most ? delay : most);
}

const struct hor_parameter *hor_parameter_find(const struct hor_parameter *items, size_t count,
                                               const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(items[i].name, name) == 0)
            return &items[i];
    return NULL;
}

static bool is_number(const char *text)
{
    if (*text == '-')
        text++;
    size_t whole = strspn(text, "0123456789");
    text += whole;
    size_t fraction = 0;
    if (*text == '.') {
        fraction = strspn(text + 1, "0123456789");
        text += 1 + fraction;
    }
    return whole + fraction > 0 && *text == '\0';
}

bool hor_parameter_accepts(const struct hor_parameter *parameter, const char *value)
{
    int64_t number;
    int32_t day;
    switch (parameter->type) {
    case HOR_PARAMETER_INTEGER:
        return hor_str_to_int64(value, &number) == HOR_OK;
    case HOR_PARAMETER_NUMBER:
        return is_number(value);
    case HOR_PARAMETER_BOOLEAN:
        return strcmp(value, "true") == 0 || strcmp(value, "false") == 0;
    case HOR_PARAMETER_DATE:
        return hor_day_parse(value, &day) == HOR_OK;
    case HOR_PARAMETER_STRING:
    case HOR_PARAMETER_SECRET:
        break;
    }
    return true;
}

size_t hor_chain_node(const struct hor_chain *chain, const char *id)
{
    for (size_t i = 0; i < chain->node_count; i++)
        if (strcmp(chain->nodes[i].id, id) == 0)
            return i;
    return HOR_NODE_NONE;
}

/* Every object begins with its struct hor_object, so arrays of any kind are searched alike. */
static const void *find(const void *items, size_t count, const char *path)
{
    const struct hor_object *const *objects = items;
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(path, objects[middle]->path);
        if (order == 0)
            return objects[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

#define FINDER(kind, items, count)                                                                 \
    const struct hor_##kind *hor_config_##kind(const struct hor_config *config, const char *path)  \
    {                                                                                              \
        return find(config->items, config->count, path);                                           \
    }
FINDER(job, jobs, job_count)
FINDER(chain, chains, chain_count)
FINDER(schedule, schedules, schedule_count)
FINDER(calendar, calendars, calendar_count)
FINDER(lock, locks, lock_count)
FINDER(folder, folders, folder_count)
FINDER(icalendar, icalendars, icalendar_count)

const struct hor_agent_cluster *hor_config_cluster(const struct hor_config *config,
                                                   const char *path)
{
    return find(config->clusters, config->cluster_count, path);
}

/* What the loader made itself is no object of the configuration. */
static bool is_part(const struct hor_object *object)
{
    return object->kind == HOR_KIND_CHAIN && ((const struct hor_chain *)object)->part_of != NULL;
}

const struct hor_object *hor_config_next(const struct hor_config *config, size_t *pos)
{
    const struct {
        const void *items;
        size_t count;
    } lists[] = {{config->clusters, config->cluster_count}, {config->calendars, config->calendar_count},
                 {config->chains, config->chain_count},     {config->folders, config->folder_count},
                 {config->icalendars, config->icalendar_count},
                 {config->jobs, config->job_count},         {config->locks, config->lock_count},
                 {config->schedules, config->schedule_count}};
    size_t at = *pos;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (; at < lists[i].count; at++) {
            const struct hor_object *object =
                ((const struct hor_object *const *)lists[i].items)[at];
            (*pos)++;
            if (!is_part(object))
                return object;
        }
        at -= lists[i].count;
    }
    return NULL;
}

size_t hor_config_object_count(const struct hor_config *config)
{
    size_t parts = 0;
    for (size_t i = 0; i < config->chain_count; i++)
        parts += config->chains[i]->part_of != NULL;
    return config->cluster_count + config->calendar_count + config->chain_count - parts +
           config->folder_count + config->icalendar_count + config->job_count +
           config->lock_count + config->schedule_count;
}

void hor_config_free(struct hor_config *config)
{
    if (config == NULL)
        return;
    hor_arena_done(&config->arena);
    free(config);
}

const char *hor_requirement_name(enum hor_requirement_type type)
{
    static const char *const names[] = {"history", "event", "condition"};
    return names[type];
}

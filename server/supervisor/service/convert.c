#include "server/supervisor/service/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/map.h"

int service_no_memory(struct hor_error *err)
{
    return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
}

void *service_add(struct soap *soap, void **items, int *count, size_t item_bytes)
{
    size_t n = (size_t)*count;
    if ((n & (n - 1)) == 0) { /* full at powers of two; the call's memory goes as a whole */
        void *bigger = hor_soap_alloc(soap, (n == 0 ? 1 : n * 2) * item_bytes);
        if (bigger == NULL)
            return NULL;
        if (n > 0)
            memcpy(bigger, *items, n * item_bytes);
        *items = bigger;
    }
    (*count)++;
    return (char *)*items + n * item_bytes;
}

LONG64 *service_long(struct soap *soap, int64_t value)
{
    if (value == HOR_EVENT_NONE)
        return NULL;
    LONG64 *copy = hor_soap_alloc(soap, sizeof *copy);
    if (copy != NULL)
        *copy = value;
    return copy;
}

bool *service_bool(struct soap *soap, bool value)
{
    bool *copy = hor_soap_alloc(soap, sizeof *copy);
    if (copy != NULL)
        *copy = value;
    return copy;
}

/* Copies what is there; notes what could not be copied. */
static char *text(struct soap *soap, const char *from, bool *good)
{
    char *copy = hor_soap_string(soap, from);
    *good = *good && (from == NULL || copy != NULL);
    return copy;
}

static int *integer(struct soap *soap, int64_t from, bool *good)
{
    int *copy = hor_soap_int(soap, from);
    *good = *good && (from == HOR_EVENT_NONE || copy != NULL);
    return copy;
}

static LONG64 *number(struct soap *soap, int64_t from, bool *good)
{
    LONG64 *copy = service_long(soap, from);
    *good = *good && (from == HOR_EVENT_NONE || copy != NULL);
    return copy;
}

bool service_order(struct soap *soap, const struct hor_order_row *row, struct t__Order *out)
{
    bool good = true;
    *out = (struct t__Order){.id = text(soap, row->id, &good),
                             .chain = text(soap, row->chain, &good),
                             .title = text(soap, row->title, &good),
                             .state = text(soap, row->state, &good),
                             .mark = text(soap, row->mark, &good),
                             .where = text(soap, row->place, &good),
                             .master = text(soap, row->master, &good),
                             .cluster = text(soap, row->cluster, &good),
                             .release = integer(soap, row->release, &good),
                             .planDay = text(soap, row->plan_day, &good),
                             .schedule = text(soap, row->schedule, &good),
                             .plannedAt = number(soap, row->planned_us, &good),
                             .startedAt = number(soap, row->started_us, &good),
                             .endedAt = number(soap, row->ended_us, &good),
                             .priority = integer(soap, row->priority, &good),
                             .nodesDone = integer(soap, row->nodes_done, &good),
                             .cause = text(soap, row->cause, &good)};
    return good;
}

bool service_task(struct soap *soap, const struct hor_task_row *row, struct t__Task *out)
{
    bool good = true;
    *out = (struct t__Task){.id = text(soap, row->id, &good),
                            .order = text(soap, row->order, &good),
                            .chain = text(soap, row->chain, &good),
                            .node = text(soap, row->node, &good),
                            .job = text(soap, row->job, &good),
                            .attempt = (int)row->attempt,
                            .agent = text(soap, row->agent, &good),
                            .cluster = text(soap, row->cluster, &good),
                            .state = text(soap, row->state, &good),
                            .outcome = text(soap, row->outcome, &good),
                            .exitCode = integer(soap, row->exit_code, &good),
                            .signal = integer(soap, row->signal, &good),
                            .assignedAt = number(soap, row->assigned_us, &good),
                            .startedAt = number(soap, row->started_us, &good),
                            .endedAt = number(soap, row->ended_us, &good),
                            .cpuMs = number(soap, row->cpu_ms, &good),
                            .maxRssKb = number(soap, row->max_rss_kb, &good),
                            .logBytes = number(soap, row->log_bytes, &good),
                            .cause = text(soap, row->cause, &good)};
    return good;
}

bool service_release(struct soap *soap, const struct hor_release_row *row, struct t__Release *out)
{
    bool good = true;
    *out = (struct t__Release){.number = (int)row->number,
                               .state = text(soap, row->state, &good),
                               .sha256 = text(soap, row->sha256, &good),
                               .objects = (int)row->objects,
                               .revision = text(soap, row->revision, &good),
                               .author = text(soap, row->author, &good),
                               .createdAt = row->created_us,
                               .approver = text(soap, row->approver, &good),
                               .approvedAt = number(soap, row->approved_us, &good),
                               .reason = text(soap, row->reason, &good)};
    return good;
}

bool service_problem(struct soap *soap, const struct hor_problem *problem, struct t__Problem *out)
{
    bool good = true;
    *out =
        (struct t__Problem){.severity = text(soap, hor_severity_name(problem->severity), &good),
                            .file = text(soap, problem->file, &good),
                            .line = problem->line > 0 ? integer(soap, problem->line, &good) : NULL,
                            .object = text(soap, problem->object, &good),
                            .text = text(soap, problem->text, &good),
                            .remedy = text(soap, problem->remedy, &good)};
    return good;
}

static void *copy_value(struct soap *soap, const void *from, size_t bytes, bool *good)
{
    if (from == NULL)
        return NULL;
    void *copy = hor_soap_alloc(soap, bytes);
    if (copy != NULL)
        memcpy(copy, from, bytes);
    *good = *good && copy != NULL;
    return copy;
}

static bool copy_member(struct soap *soap, const struct t__Member *in, struct t__Member *out)
{
    bool good = true;
    *out = (struct t__Member){
        .name = text(soap, in->name, &good),
        .url = text(soap, in->url, &good),
        .role = text(soap, in->role, &good),
        .state = text(soap, in->state, &good),
        .priority = copy_value(soap, in->priority, sizeof *in->priority, &good),
        .tasks = copy_value(soap, in->tasks, sizeof *in->tasks, &good),
        .maxTasks = copy_value(soap, in->maxTasks, sizeof *in->maxTasks, &good),
        .leaseMs = copy_value(soap, in->leaseMs, sizeof *in->leaseMs, &good),
        .version = text(soap, in->version, &good),
        .journalIndex = copy_value(soap, in->journalIndex, sizeof *in->journalIndex, &good),
        .lastSeen = copy_value(soap, in->lastSeen, sizeof *in->lastSeen, &good)};
    return good;
}

bool service_cluster(struct soap *soap, const struct t__Cluster *in, struct t__Cluster *out)
{
    bool good = true;
    *out = (struct t__Cluster){
        .path = text(soap, in->path, &good),
        .kind = text(soap, in->kind, &good),
        .state = text(soap, in->state, &good),
        .cause = text(soap, in->cause, &good),
        .selection = text(soap, in->selection, &good),
        .runId = text(soap, in->runId, &good),
        .release = copy_value(soap, in->release, sizeof *in->release, &good),
        .lastSeen = copy_value(soap, in->lastSeen, sizeof *in->lastSeen, &good),
        .commitIndex = copy_value(soap, in->commitIndex, sizeof *in->commitIndex, &good),
        .acknowledged = copy_value(soap, in->acknowledged, sizeof *in->acknowledged, &good),
        .orders = copy_value(soap, in->orders, sizeof *in->orders, &good),
        .tasks = copy_value(soap, in->tasks, sizeof *in->tasks, &good),
        .waitingCommands =
            copy_value(soap, in->waitingCommands, sizeof *in->waitingCommands, &good)};
    for (int i = 0; good && i < in->__sizeheldChain; i++) {
        char **held = SERVICE_ADD(soap, &out->heldChain, &out->__sizeheldChain);
        good = held != NULL && (*held = hor_soap_string(soap, in->heldChain[i])) != NULL;
    }
    for (int i = 0; good && i < in->__sizemember; i++) {
        struct t__Member *member = SERVICE_ADD(soap, &out->member, &out->__sizemember);
        good = member != NULL && copy_member(soap, &in->member[i], member);
    }
    return good;
}

bool service_argument(struct soap *soap, const char *name, const char *value, bool secret,
                      struct t__Argument *out)
{
    bool good = true;
    *out = (struct t__Argument){.name = text(soap, name, &good),
                                .__item = text(soap, value != NULL ? value : "", &good)};
    if (secret)
        good = (out->secret = service_bool(soap, true)) != NULL && good;
    return good;
}

void service_fault_problems(struct hor_soap_call *call, const struct hor_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct hor_problem *p = &problems->items[i];
        hor_soap_fault_problem(call, hor_severity_name(p->severity), p->file, p->line, p->object,
                               p->text, p->remedy);
    }
}

int service_take_order(const struct hor_order_row *row, void *ctx)
{
    struct service_orders *orders = ctx;
    struct t__Order *order = SERVICE_ADD(orders->soap, &orders->items, &orders->count);
    return order != NULL && service_order(orders->soap, row, order) ? HOR_OK : HOR_ERR_MEMORY;
}

static int take_mean(const struct hor_chain_row *row, void *ctx)
{
    if (row->mean_ms == HOR_EVENT_NONE)
        return HOR_OK;
    int64_t *mean = malloc(sizeof *mean);
    if (mean == NULL)
        return HOR_ERR_MEMORY;
    *mean = row->mean_ms;
    if (hor_map_put(ctx, row->chain, mean) == HOR_OK)
        return HOR_OK;
    free(mean);
    return HOR_ERR_MEMORY;
}

/* The order's number of nodes stands in its release; one that cannot be read is left out. */
static void complete_nodes(struct hor_soap_call *call, struct t__Order *items, int count)
{
    struct hor_release_config *config = NULL;
    int loaded = 0;
    for (int i = 0; i < count; i++) {
        if (items[i].release == NULL || *items[i].release <= 0)
            continue;
        if (*items[i].release != loaded) {
            hor_release_unref(config);
            config = NULL;
            loaded = *items[i].release;
            if (hor_release_config(service_parts(call)->releases, loaded, &config, NULL) != HOR_OK)
                config = NULL;
        }
        const struct hor_chain *chain =
            config != NULL ? hor_config_chain(hor_release_model(config), items[i].chain) : NULL;
        if (chain != NULL)
            items[i].nodes = hor_soap_int(call->soap, (int64_t)chain->node_count);
    }
    hor_release_unref(config);
}

int service_complete_orders(struct hor_soap_call *call, struct t__Order *items, int count,
                            struct hor_error *err)
{
    struct hor_map *means = hor_map_new(free);
    if (means == NULL)
        return service_no_memory(err);
    int rc =
        count > 0 ? hor_query_chains(service_parts(call)->store, take_mean, means, err) : HOR_OK;
    for (int i = 0; rc == HOR_OK && i < count; i++) {
        const int64_t *mean = hor_map_get(means, items[i].chain);
        if (mean != NULL)
            items[i].expectedMs = service_long(call->soap, *mean);
    }
    hor_map_free(means);
    if (rc == HOR_OK)
        complete_nodes(call, items, count);
    return rc;
}

void service_today(char out[11])
{
    time_t now = (time_t)(hor_clock_utc_ms() / 1000);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(out, 11, "%Y-%m-%d", &tm);
}

int service_day(const char *given, char out[11], struct hor_error *err)
{
    int year, month, day, used = 0;
    if (sscanf(given, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3 || used != 10)
        return hor_error_set(err, HOR_ERR_INVALID, "planDay: '%.40s' is not a day like 2026-11-24",
                             given);
    snprintf(out, 11, "%.10s", given);
    return HOR_OK;
}

int service_limit(const int *given, int fallback)
{
    return given != NULL ? *given : fallback;
}

#include "lib/soap/event.h"

#include "lib/soap/codec.h"
#include "lib/soap/service.h"

/* member of hor_event, member of t__Event, kind: S string, N number, T time */
#define FIELDS(X)                                                                                  \
    X(master, master, S)                                                                           \
    X(cluster, cluster, S)                                                                         \
    X(cluster_index, clusterIndex, N)                                                              \
    X(run_id, runId, S)                                                                            \
    X(order, order, S)                                                                             \
    X(chain, chain, S)                                                                             \
    X(title, title, S)                                                                             \
    X(release, release, N)                                                                         \
    X(sha256, sha256, S)                                                                           \
    X(part, part, N)                                                                               \
    X(parts, parts, N)                                                                             \
    X(plan_day, planDay, S)                                                                        \
    X(schedule, schedule, S)                                                                       \
    X(planned_at, plannedAt, T)                                                                    \
    X(due_at, dueAt, T)                                                                            \
    X(priority, priority, N)                                                                       \
    X(count, count, N)                                                                             \
    X(node, node, S)                                                                               \
    X(job, job, S)                                                                                 \
    X(task, task, S)                                                                               \
    X(attempt, attempt, N)                                                                         \
    X(agent, agent, S)                                                                             \
    X(pid, pid, N)                                                                                 \
    X(state, state, S)                                                                             \
    X(mark, mark, S)                                                                               \
    X(outcome, outcome, S)                                                                         \
    X(exit_code, exitCode, N)                                                                      \
    X(signal, signal, N)                                                                           \
    X(started_at, startedAt, T)                                                                    \
    X(ended_at, endedAt, T)                                                                        \
    X(cpu_ms, cpuMs, N)                                                                            \
    X(max_rss_kb, maxRssKb, N)                                                                     \
    X(log_bytes, logBytes, N)                                                                      \
    X(name, name, S)                                                                               \
    X(cause, cause, S)                                                                             \
    X(command, command, S)                                                                         \
    X(action, action, S)                                                                           \
    X(actor, actor, S)                                                                             \
    X(reason, reason, S)

/* A new field of the model must be named here too. */
enum {
#define COUNT(member, other, kind) HAVE_##member,
    FIELDS(COUNT)
#undef COUNT
        HAVE_COUNT
};
enum {
#define COUNT(member, attribute, kind) WANT_##member,
    HOR_EVENT_FIELDS(COUNT)
#undef COUNT
        WANT_COUNT
};
_Static_assert((int)HAVE_COUNT == (int)WANT_COUNT, "FIELDS follows HOR_EVENT_FIELDS");

static bool put_number(struct soap *soap, int64_t value, LONG64 **out)
{
    if (value == HOR_EVENT_NONE)
        return true;
    if ((*out = hor_soap_alloc(soap, sizeof **out)) == NULL)
        return false;
    **out = value;
    return true;
}

static bool put_string(struct soap *soap, const char *value, char **out)
{
    return value == NULL || (*out = hor_soap_string(soap, value)) != NULL;
}

#define PUT_S(member, other) put_string(soap, event->member, &out->other)
#define PUT_N(member, other) put_number(soap, event->member, &out->other)
#define PUT_T(member, other) put_number(soap, event->member, &out->other)

int hor_soap_event_put(struct soap *soap, const struct hor_event *event, struct t__Event *out)
{
    *out = (struct t__Event){0};
    out->index = event->index;
    out->at = event->at_us;
    bool good = put_string(soap, hor_event_type_name(event->type), &out->type) &&
                put_string(soap, event->text, &out->text);
#define PUT(member, other, kind) good = good && PUT_##kind(member, other);
    FIELDS(PUT)
#undef PUT
    if (!good)
        return HOR_ERR_MEMORY;
    return hor_soap_arguments_put(soap, &event->arguments, &out->__sizeargument, &out->argument);
}

#define GET_S(member, other) hor_event_set(&event->member, in->other) == HOR_OK
#define GET_N(member, other)                                                                       \
    ((void)(event->member = in->other != NULL ? *in->other : HOR_EVENT_NONE), true)
#define GET_T(member, other) GET_N(member, other)

int hor_soap_event_get(const struct t__Event *in, struct hor_event **ret, struct hor_error *err)
{
    enum hor_event_type type;
    if (in->type == NULL || hor_event_type_from_name(in->type, &type) != HOR_OK)
        return hor_error_set(err, HOR_ERR_INVALID, "event type '%.60s' is unknown",
                             in->type != NULL ? in->type : "");
    struct hor_event *event = hor_event_new(type, in->at);
    if (event == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "read an event: out of memory");
    event->index = in->index;
    bool good = hor_event_set(&event->text, in->text) == HOR_OK &&
                hor_soap_arguments_get(in->argument, in->__sizeargument, &event->arguments) ==
                    HOR_OK;
#define GET(member, other, kind) good = good && GET_##kind(member, other);
    FIELDS(GET)
#undef GET
    if (!good) {
        hor_event_free(event);
        return hor_error_set(err, HOR_ERR_MEMORY, "read an event: out of memory");
    }
    *ret = event;
    return HOR_OK;
}

int hor_soap_arguments_put(struct soap *soap, const struct hor_arguments *list, int *ret_count,
                           struct t__Argument **ret)
{
    *ret_count = 0;
    *ret = NULL;
    if (list->count == 0)
        return HOR_OK;
    struct t__Argument *items = hor_soap_alloc(soap, list->count * sizeof *items);
    if (items == NULL)
        return HOR_ERR_MEMORY;
    for (size_t i = 0; i < list->count; i++) {
        const struct hor_argument *a = &list->items[i];
        items[i].name = hor_soap_string(soap, a->name);
        items[i].__item = hor_soap_string(soap, a->value != NULL ? a->value : "");
        if (items[i].name == NULL || items[i].__item == NULL)
            return HOR_ERR_MEMORY;
        if (a->secret) {
            if ((items[i].secret = hor_soap_alloc(soap, sizeof *items[i].secret)) == NULL)
                return HOR_ERR_MEMORY;
            *items[i].secret = true;
        }
    }
    *ret_count = (int)list->count;
    *ret = items;
    return HOR_OK;
}

int hor_soap_arguments_get(const struct t__Argument *items, int count, struct hor_arguments *list)
{
    for (int i = 0; i < count; i++) {
        const struct t__Argument *a = &items[i];
        int rc = hor_arguments_add(list, a->name != NULL ? a->name : "",
                                   a->__item != NULL ? a->__item : "",
                                   a->secret != NULL && *a->secret);
        if (rc != HOR_OK)
            return rc;
    }
    return HOR_OK;
}

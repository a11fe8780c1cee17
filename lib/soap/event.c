#include "lib/soap/event.h"

#include <stdlib.h>

#include "lib/soap/codec.h"
#include "lib/soap/service.h"

/* field of struct hor_event, field of struct t__Event, text or number (times are numbers) */
#define FIELDS(TEXT, NUMBER)                                                                       \
    TEXT(master, master)                                                                           \
    TEXT(cluster, cluster)                                                                         \
    NUMBER(cluster_index, clusterIndex)                                                            \
    TEXT(run_id, runId)                                                                            \
    TEXT(order, order)                                                                             \
    TEXT(chain, chain)                                                                             \
    TEXT(title, title)                                                                             \
    NUMBER(release, release)                                                                       \
    TEXT(sha256, sha256)                                                                           \
    NUMBER(part, part)                                                                             \
    NUMBER(parts, parts)                                                                           \
    TEXT(plan_day, planDay)                                                                        \
    TEXT(schedule, schedule)                                                                       \
    NUMBER(planned_at, plannedAt)                                                                  \
    NUMBER(due_at, dueAt)                                                                          \
    NUMBER(priority, priority)                                                                     \
    NUMBER(count, count)                                                                           \
    TEXT(node, node)                                                                               \
    TEXT(job, job)                                                                                 \
    TEXT(task, task)                                                                               \
    NUMBER(attempt, attempt)                                                                       \
    TEXT(agent, agent)                                                                             \
    NUMBER(pid, pid)                                                                               \
    TEXT(state, state)                                                                             \
    TEXT(mark, mark)                                                                               \
    TEXT(outcome, outcome)                                                                         \
    NUMBER(exit_code, exitCode)                                                                    \
    NUMBER(signal, signal)                                                                         \
    NUMBER(started_at, startedAt)                                                                  \
    NUMBER(ended_at, endedAt)                                                                      \
    NUMBER(cpu_ms, cpuMs)                                                                          \
    NUMBER(max_rss_kb, maxRssKb)                                                                   \
    NUMBER(log_bytes, logBytes)                                                                    \
    TEXT(name, name)                                                                               \
    TEXT(cause, cause)                                                                             \
    TEXT(command, command)                                                                         \
    TEXT(action, action)                                                                           \
    TEXT(actor, actor)                                                                             \
    TEXT(reason, reason)

#define ONE(a, b) +1
#define HOR_EVENT_ONE(member, attribute, kind) +1
_Static_assert((FIELDS(ONE, ONE)) == (HOR_EVENT_FIELDS(HOR_EVENT_ONE)),
               "every field of an event has its place in the service's type");

/* soap.h's dateTime is a LONG64 of UTC microseconds, as an event's. */
int hor_soap_event_write(struct soap *soap, const struct hor_event *event, struct t__Event *ret)
{
    struct t__Event made = {0};
#define WRITE_TEXT(from, to)                                                                       \
    if (event->from != NULL && (made.to = hor_soap_string(soap, event->from)) == NULL)             \
        return HOR_ERR_MEMORY;
#define WRITE_NUMBER(from, to)                                                                     \
    if (event->from != HOR_EVENT_NONE) {                                                           \
        made.to = hor_soap_alloc(soap, sizeof *made.to);                                           \
        if (made.to == NULL)                                                                       \
            return HOR_ERR_MEMORY;                                                                 \
        *made.to = event->from;                                                                    \
    }
    FIELDS(WRITE_TEXT, WRITE_NUMBER)
    made.index = event->index;
    made.at = event->at_us;
    made.type = hor_soap_string(soap, hor_event_type_name(event->type));
    made.text = hor_soap_string(soap, event->text);
    if (made.type == NULL || (event->text != NULL && made.text == NULL))
        return HOR_ERR_MEMORY;
    int rc = hor_soap_arguments_write(soap, &event->arguments, HOR_SOAP_SECRETS_SHOW,
                                      &made.__sizeargument, &made.argument);
    if (rc == HOR_OK)
        *ret = made;
    return rc;
}

int hor_soap_event_read(const struct t__Event *event, struct hor_event **ret, struct hor_error *err)
{
    enum hor_event_type type;
    if (event->type == NULL || hor_event_type_from_name(event->type, &type) < 0)
        return hor_error_set(err, HOR_ERR_INVALID, "'%.50s' is no type of event",
                             event->type != NULL ? event->type : "");
    struct hor_event *made = hor_event_new(type, event->at);
    if (made == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    made->index = event->index;
    int rc = hor_event_set(&made->text, event->text);
#define READ_TEXT(to, from)                                                                        \
    if (rc == HOR_OK)                                                                              \
        rc = hor_event_set(&made->to, event->from);
#define READ_NUMBER(to, from)                                                                      \
    if (event->from != NULL)                                                                       \
        made->to = *event->from;
    FIELDS(READ_TEXT, READ_NUMBER)
    if (rc == HOR_OK)
        rc = hor_soap_arguments_read(event->argument, event->__sizeargument, &made->arguments);
    if (rc < 0) {
        hor_event_free(made);
        return hor_error_set(err, rc, "out of memory");
    }
    *ret = made;
    return HOR_OK;
}

int hor_soap_arguments_write(struct soap *soap, const struct hor_arguments *list,
                             enum hor_soap_secrets secrets, int *ret_count,
                             struct t__Argument **ret)
{
    if (list->count == 0) {
        *ret_count = 0;
        *ret = NULL;
        return HOR_OK;
    }
    struct t__Argument *items = hor_soap_alloc(soap, list->count * sizeof *items);
    if (items == NULL)
        return HOR_ERR_MEMORY;
    for (size_t i = 0; i < list->count; i++) {
        const struct hor_argument *one = &list->items[i];
        bool hidden = one->secret && secrets == HOR_SOAP_SECRETS_HIDE;
        items[i].name = hor_soap_string(soap, one->name);
        items[i].__item = hor_soap_string(soap, hidden ? "" : one->value);
        if (one->secret && (items[i].secret = hor_soap_alloc(soap, sizeof *items[i].secret)) != NULL)
            *items[i].secret = true;
        if (items[i].name == NULL || items[i].__item == NULL ||
            (one->secret && items[i].secret == NULL))
            return HOR_ERR_MEMORY;
    }
    *ret_count = (int)list->count;
    *ret = items;
    return HOR_OK;
}

int hor_soap_arguments_read(const struct t__Argument *items, int count, struct hor_arguments *ret)
{
    struct hor_arguments list = {0};
    for (int i = 0; i < count; i++)
        if (hor_arguments_add(&list, items[i].name, items[i].__item,
                              items[i].secret != NULL && *items[i].secret) < 0) {
            hor_arguments_done(&list);
            return HOR_ERR_MEMORY;
        }
    *ret = list;
    return HOR_OK;
}

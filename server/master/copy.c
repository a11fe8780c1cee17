#include "server/master/copy.h"

#include <string.h>

static void *copy_bytes(struct soap *soap, const void *from, size_t bytes)
{
    void *to = from != NULL ? hor_soap_alloc(soap, bytes) : NULL;
    if (to != NULL)
        memcpy(to, from, bytes);
    return to;
}

ULONG64 *hor_master_copy_number(struct soap *soap, const ULONG64 *from)
{
    return copy_bytes(soap, from, sizeof *from);
}

LONG64 *hor_master_copy_long(struct soap *soap, const LONG64 *from)
{
    return copy_bytes(soap, from, sizeof *from);
}

int *hor_master_copy_int(struct soap *soap, const int *from)
{
    return copy_bytes(soap, from, sizeof *from);
}

/* Structs are copied whole first, then everything that they point to is made our own. */
#define TEXT(field) to->field = hor_soap_string(soap, from->field)
#define INT(field) to->field = hor_master_copy_int(soap, from->field)
#define LONG(field) to->field = hor_master_copy_long(soap, from->field)
#define NUMBER(field) to->field = hor_master_copy_number(soap, from->field)

static struct t__Argument *copy_arguments(struct soap *soap, const struct t__Argument *items,
                                          int count)
{
    struct t__Argument *copies = copy_bytes(soap, items, (size_t)count * sizeof *items);
    for (int i = 0; copies != NULL && i < count; i++) {
        const struct t__Argument *from = &items[i];
        struct t__Argument *to = &copies[i];
        TEXT(name);
        TEXT(__item);
        to->secret = copy_bytes(soap, from->secret, sizeof *from->secret);
    }
    return copies;
}

static struct t__Order *copy_order(struct soap *soap, const struct t__Order *from)
{
    struct t__Order *to = copy_bytes(soap, from, sizeof *from);
    if (to == NULL)
        return NULL;
    TEXT(id);
    TEXT(chain);
    TEXT(title);
    TEXT(state);
    TEXT(mark);
    TEXT(where);
    TEXT(master);
    TEXT(cluster);
    INT(release);
    TEXT(planDay);
    TEXT(schedule);
    LONG(plannedAt);
    LONG(startedAt);
    LONG(endedAt);
    LONG(expectedMs);
    INT(priority);
    INT(nodes);
    INT(nodesDone);
    TEXT(cause);
    to->argument = copy_arguments(soap, from->argument, from->__sizeargument);
    return to;
}

static void copy_node(struct soap *soap, const struct t__Node *from, struct t__Node *to)
{
    to->after = copy_bytes(soap, from->after, (size_t)from->__sizeafter * sizeof *from->after);
    for (int i = 0; to->after != NULL && i < from->__sizeafter; i++) {
        TEXT(after[i].node);
        TEXT(after[i].on);
    }
    TEXT(id);
    TEXT(job);
    TEXT(title);
    TEXT(state);
    INT(attempt);
    TEXT(agent);
    TEXT(task);
    LONG(startedAt);
    LONG(endedAt);
    INT(exitCode);
    LONG(expectedMs);
    TEXT(cause);
    INT(column);
    INT(row);
    to->output = copy_arguments(soap, from->output, from->__sizeoutput);
}

static void copy_obstacle(struct soap *soap, const struct t__Obstacle *from, struct t__Obstacle *to)
{
    TEXT(kind);
    TEXT(node);
    TEXT(text);
    LONG(until);
}

struct t__OrderState *hor_master_copy_order_state(struct soap *soap,
                                                  const struct t__OrderState *from)
{
    struct t__OrderState *to = copy_bytes(soap, from, sizeof *from);
    if (to == NULL)
        return NULL;
    to->order = copy_order(soap, from->order);
    to->node = copy_bytes(soap, from->node, (size_t)from->__sizenode * sizeof *from->node);
    for (int i = 0; to->node != NULL && i < from->__sizenode; i++)
        copy_node(soap, &from->node[i], &to->node[i]);
    to->obstacle =
        copy_bytes(soap, from->obstacle, (size_t)from->__sizeobstacle * sizeof *from->obstacle);
    for (int i = 0; to->obstacle != NULL && i < from->__sizeobstacle; i++)
        copy_obstacle(soap, &from->obstacle[i], &to->obstacle[i]);
    bool complete = (to->order != NULL || from->order == NULL) &&
                    (to->node != NULL || from->__sizenode == 0) &&
                    (to->obstacle != NULL || from->__sizeobstacle == 0);
    return complete ? to : NULL;
}

struct t__LogRange *hor_master_copy_log_range(struct soap *soap, const struct t__LogRange *from)
{
    struct t__LogRange *to = copy_bytes(soap, from, sizeof *from);
    if (to == NULL)
        return NULL;
    TEXT(task);
    to->data = (struct xsd__base64Binary){.__size = from->data.__size};
    if (from->data.__size > 0 &&
        (to->data.__ptr = copy_bytes(soap, from->data.__ptr, (size_t)from->data.__size)) == NULL)
        return NULL;
    return to;
}

static void copy_member(struct soap *soap, const struct t__Member *from, struct t__Member *to)
{
    TEXT(name);
    TEXT(url);
    TEXT(role);
    TEXT(state);
    INT(priority);
    INT(tasks);
    INT(maxTasks);
    LONG(leaseMs);
    TEXT(version);
    NUMBER(journalIndex);
    LONG(lastSeen);
}

void hor_master_copy_members(struct soap *soap, const struct t__Cluster *from,
                             struct t__Cluster *to)
{
    to->member = copy_bytes(soap, from->member, (size_t)from->__sizemember * sizeof *from->member);
    to->__sizemember = to->member != NULL ? from->__sizemember : 0;
    for (int i = 0; i < to->__sizemember; i++)
        copy_member(soap, &from->member[i], &to->member[i]);
}

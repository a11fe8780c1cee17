/* What orders of agent clusters wait for beyond their cluster: ends of orders of other chains, external
 * events, and nodes that run on another cluster. A question comes as dependencyRequested in the
 * cluster's events; the answer is a dependencyResolved of our own journal, which the coupling hands
 * over until the cluster's events show that it has it. A question is taken back by what ends the
 * order, or gives the node its outcome, over there. */
#include "server/master/core/dependencies.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"

enum {
    EVENTS_KEPT = 1000,       /* external events of one name that nobody consumed */
    NAMES_KEPT = 10000,       /* names of external events */
    EVENT_AGE_S = 30 * 86400, /* external events are forgotten after that */
};

/* ---- topics ---- */

static void free_topic(void *value)
{
    struct hor_master_topic *topic = value;
    if (topic == NULL)
        return;
    free(topic->key);
    free(topic->events);
    free(topic);
}

static struct hor_master_topic *find_topic(const struct hor_master_core *core, char kind,
                                           const char *name)
{
    char key[500];
    snprintf(key, sizeof key, "%c%s", kind, name);
    return hor_map_get(core->topics, key);
}

static struct hor_master_topic *get_topic(struct hor_master_core *core, char kind,
                                          const char *name)
{
    struct hor_master_topic *topic = find_topic(core, kind, name);
    if (topic != NULL)
        return topic;
    topic = calloc(1, sizeof *topic);
    if (topic == NULL || (topic->key = hor_str_printf("%c%s", kind, name)) == NULL ||
        hor_map_put(core->topics, topic->key, topic) != HOR_OK) {
        free_topic(topic);
        return NULL;
    }
    hor_ends_init(&topic->ends);
    core->event_names += kind == HOR_MASTER_TOPIC_EVENT;
    return topic;
}

static void drop_if_empty(struct hor_master_core *core, struct hor_master_topic *topic)
{
    if (topic->key[0] != HOR_MASTER_TOPIC_EVENT || topic->event_count > 0 || topic->first != NULL)
        return;
    core->event_names--;
    hor_map_remove(core->topics, topic->key);
}

/* ---- one question ---- */

static void look_again(struct hor_master_core *core, struct hor_master_dependency *dep)
{
    if (dep->looked_for)
        return;
    dep->looked_for = true;
    dep->next_look = NULL;
    *(core->look_last != NULL ? &core->look_last->next_look : &core->look_first) = dep;
    core->look_last = dep;
}

static void look_no_more(struct hor_master_core *core, struct hor_master_dependency *dep)
{
    struct hor_master_dependency *before = NULL;
    for (struct hor_master_dependency *d = core->look_first; dep->looked_for && d != NULL;
         before = d, d = d->next_look)
        if (d == dep) {
            *(before != NULL ? &before->next_look : &core->look_first) = d->next_look;
            if (core->look_last == d)
                core->look_last = before;
            break;
        }
    dep->looked_for = false;
}

static void free_dependency(void *value)
{
    struct hor_master_dependency *dep = value;
    if (dep == NULL)
        return;
    hor_event_free(dep->asked);
    hor_event_free(dep->answer);
    hor_event_free(dep->task);
    free(dep->id);
    free(dep->child);
    free(dep->end_state);
    free(dep->end_cause);
    free(dep);
}

static void unlink_topic(struct hor_master_core *core, struct hor_master_dependency *dep)
{
    struct hor_master_topic *topic = dep->topic;
    if (topic == NULL)
        return;
    *(dep->topic_prev != NULL ? &dep->topic_prev->topic_next : &topic->first) = dep->topic_next;
    *(dep->topic_next != NULL ? &dep->topic_next->topic_prev : &topic->last) = dep->topic_prev;
    dep->topic = NULL;
    drop_if_empty(core, topic);
}

static void link_topic(struct hor_master_topic *topic, struct hor_master_dependency *dep)
{
    dep->topic = topic;
    dep->topic_prev = topic->last;
    *(topic->last != NULL ? &topic->last->topic_next : &topic->first) = dep;
    topic->last = dep;
}

static void forget(struct hor_master_core *core, struct hor_master_dependency *dep)
{
    unlink_topic(core, dep);
    look_no_more(core, dep);
    if (dep->child != NULL)
        hor_map_take(core->children, dep->child);
    if (dep->entry != NULL) {
        struct hor_master_dependency **at = &dep->entry->dependencies;
        while (*at != dep)
            at = &(*at)->next_of_order;
        *at = dep->next_of_order;
    }
    hor_map_remove(core->asked, dep->id);
}

static bool is_node(const struct hor_master_dependency *dep) { return dep->asked->count == 0; }

static char *id_of(const struct hor_event *event)
{
    return hor_str_printf("%s:%s:%" PRId64, event->order, event->node, event->attempt);
}

static int set_child(struct hor_master_core *core, struct hor_master_dependency *dep,
                     const char *order)
{
    if (dep->child != NULL)
        return HOR_OK;
    dep->child = hor_strdup(order);
    return dep->child != NULL && hor_map_put(core->children, dep->child, dep) == HOR_OK
               ? HOR_OK
               : HOR_ERR_MEMORY;
}

static int add(struct hor_master_core *core, const struct hor_event *event,
               struct hor_master_dependency **ret)
{
    struct hor_master_entry *entry = hor_map_get(core->orders, event->order);
    struct hor_master_dependency *dep = calloc(1, sizeof *dep);
    if (dep == NULL || (dep->id = id_of(event)) == NULL ||
        (dep->asked = hor_event_copy(event)) == NULL ||
        hor_map_put(core->asked, dep->id, dep) != HOR_OK) {
        free_dependency(dep);
        return HOR_ERR_MEMORY;
    }
    if (entry != NULL) {
        dep->entry = entry;
        dep->next_of_order = entry->dependencies;
        entry->dependencies = dep;
    }
    if (!is_node(dep)) {
        bool history = hor_str_equal(event->action, "history");
        struct hor_master_topic *topic =
            get_topic(core, history ? HOR_MASTER_TOPIC_CHAIN : HOR_MASTER_TOPIC_EVENT,
                      history ? event->chain : event->name);
        if (topic == NULL)
            return HOR_ERR_MEMORY;
        link_topic(topic, dep);
    }
    look_again(core, dep);
    *ret = dep;
    return HOR_OK;
}

int hor_master_asked(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_entry *entry =
        event->order != NULL ? hor_map_get(core->orders, event->order) : NULL;
    struct hor_master_dependency *dep;
    bool mine = hor_str_equal(event->action, "history")  ? event->chain != NULL
                : hor_str_equal(event->action, "event") ? event->name != NULL
                : hor_str_equal(event->action, "node")  ? event->chain != NULL && event->count == 0
                                                        : false;
    if (!mine || entry == NULL || entry->state == HOR_MASTER_ENDED || event->node == NULL)
        return HOR_OK; /* a condition is for the cluster alone */
    char *id = id_of(event);
    if (id == NULL)
        return HOR_ERR_MEMORY;
    bool known = hor_map_get(core->asked, id) != NULL;
    free(id);
    return known ? HOR_OK : add(core, event, &dep);
}

/* The cluster wants no answer any more. What runs for it elsewhere is ended first. */
static void take_back(struct hor_master_core *core, struct hor_master_dependency *dep)
{
    const struct hor_master_entry *child =
        dep->child != NULL ? hor_map_get(core->orders, dep->child) : NULL;
    if (child == NULL || child->state == HOR_MASTER_ENDED) {
        forget(core, dep);
        return;
    }
    if (dep->entry != NULL) { /* the order may be forgotten before its child has ended */
        struct hor_master_dependency **at = &dep->entry->dependencies;
        while (*at != dep)
            at = &(*at)->next_of_order;
        *at = dep->next_of_order;
        dep->entry = NULL;
    }
    hor_event_free(dep->answer);
    dep->answer = NULL;
    dep->state = HOR_MASTER_DEPENDENCY_ENDING;
    look_again(core, dep);
}

void hor_master_take_back(struct hor_master_core *core, struct hor_master_entry *entry,
                          const char *node)
{
    struct hor_master_dependency *next;
    for (struct hor_master_dependency *dep = entry->dependencies; dep != NULL; dep = next) {
        next = dep->next_of_order;
        if (node == NULL || hor_str_equal(dep->asked->node, node))
            take_back(core, dep);
    }
}

int hor_master_theirs_resolved(struct hor_master_core *core, const struct hor_event *event)
{
    if (event->order == NULL || event->node == NULL || hor_str_equal(event->outcome, "waiting"))
        return HOR_OK;
    char *id = id_of(event);
    struct hor_master_dependency *dep = id != NULL ? hor_map_get(core->asked, id) : NULL;
    if (dep != NULL && dep->state != HOR_MASTER_DEPENDENCY_ENDING)
        forget(core, dep);
    bool memory = id == NULL;
    free(id);
    return memory ? HOR_ERR_MEMORY : HOR_OK;
}

/* ---- what happens, and who waited for it ---- */

static void look_at_topic(struct hor_master_core *core, struct hor_master_topic *topic)
{
    for (struct hor_master_dependency *dep = topic->first; dep != NULL; dep = dep->topic_next)
        if (dep->state == HOR_MASTER_DEPENDENCY_OPEN)
            look_again(core, dep);
}

int hor_master_order_over(struct hor_master_core *core, struct hor_master_entry *entry)
{
    struct hor_master_dependency *dep = hor_map_get(core->children, entry->id);
    hor_master_take_back(core, entry, NULL);
    if (dep != NULL && dep->state == HOR_MASTER_DEPENDENCY_ENDING) {
        forget(core, dep);
    } else if (dep != NULL) {
        if (hor_event_set(&dep->end_state, entry->end_state) != HOR_OK ||
            hor_event_set(&dep->end_cause, entry->cause) != HOR_OK)
            return HOR_ERR_MEMORY;
        look_again(core, dep);
        return HOR_OK; /* the end of a part is no end of a chain */
    }
    struct hor_master_topic *topic = get_topic(core, HOR_MASTER_TOPIC_CHAIN, entry->chain);
    if (topic == NULL)
        return HOR_ERR_MEMORY;
    hor_ends_note(&topic->ends, entry->end_state, entry->ended_us);
    look_at_topic(core, topic);
    return HOR_OK;
}

void hor_master_order_moved(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_dependency *dep = hor_map_get(core->children, event->order);
    if (dep == NULL)
        return;
    look_again(core, dep);
    if (event->type != HOR_EVENT_TASK_ENDED)
        return;
    hor_event_free(dep->task); /* what its last attempt gave is what counts */
    dep->task = hor_event_copy(event);
}

static void drop_event(struct hor_master_topic *topic, size_t i)
{
    memmove(topic->events + i, topic->events + i + 1,
            (--topic->event_count - i) * sizeof *topic->events);
}

static int add_event(struct hor_master_core *core, const char *name, uint64_t index, int64_t at_us)
{
    struct hor_master_topic *topic = get_topic(core, HOR_MASTER_TOPIC_EVENT, name);
    if (topic == NULL)
        return HOR_ERR_MEMORY;
    while (topic->event_count > 0 &&
           (topic->event_count >= EVENTS_KEPT ||
            topic->events[0].at_us < at_us - EVENT_AGE_S * HOR_MASTER_US))
        drop_event(topic, 0);
    if (topic->event_count == topic->event_room) {
        size_t room = topic->event_room == 0 ? 4 : topic->event_room * 2;
        struct hor_master_external *events = realloc(topic->events, room * sizeof *events);
        if (events == NULL)
            return HOR_ERR_MEMORY;
        topic->events = events;
        topic->event_room = room;
    }
    topic->events[topic->event_count++] =
        (struct hor_master_external){.index = index, .at_us = at_us};
    look_at_topic(core, topic);
    return HOR_OK;
}

int hor_master_external_event(struct hor_master_core *core, const struct hor_event *event)
{
    if (event->name == NULL ||
        (event->command != NULL && hor_map_get(core->requests, event->command) != NULL))
        return HOR_OK;
    int rc = add_event(core, event->name, event->index, event->at_us);
    if (rc == HOR_OK && event->command != NULL) {
        struct hor_master_request *request = NULL;
        rc = hor_master_request_add(core, event->command, NULL, &request);
        if (rc == HOR_OK) {
            request->kind = HOR_MASTER_DONE;
            request->done_index = event->index;
            request->done_us = event->at_us;
            rc = hor_event_set(&request->text, event->name);
        }
    }
    return rc;
}

int hor_master_own_resolved(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_dependency *dep =
        event->command != NULL ? hor_map_get(core->asked, event->command) : NULL;
    if (dep == NULL)
        return HOR_OK;
    dep->under_way = false;
    look_again(core, dep);
    if (dep->state != HOR_MASTER_DEPENDENCY_OPEN)
        return HOR_OK;
    for (size_t i = 0; event->part != HOR_EVENT_NONE && dep->topic != NULL &&
                       i < dep->topic->event_count; i++)
        if (dep->topic->events[i].index == (uint64_t)event->part) {
            drop_event(dep->topic, i); /* consumed */
            break;
        }
    hor_event_free(dep->answer);
    dep->answer = hor_event_copy(event);
    dep->sent = HOR_MASTER_NOT_SENT;
    if (!hor_str_equal(event->outcome, "waiting")) {
        dep->state = HOR_MASTER_DEPENDENCY_RESOLVED;
        unlink_topic(core, dep);
    }
    struct hor_master_place *place =
        dep->asked->cluster != NULL ? hor_map_get(core->places, dep->asked->cluster) : NULL;
    if (place != NULL)
        place->answers = true;
    return dep->answer != NULL ? HOR_OK : HOR_ERR_MEMORY;
}

int hor_master_child_added(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_dependency *dep =
        event->command != NULL ? hor_map_get(core->asked, event->command) : NULL;
    if (dep == NULL || !is_node(dep))
        return HOR_OK;
    look_again(core, dep);
    return set_child(core, dep, event->order);
}

/* ---- leading ---- */

void hor_master_dependencies_lead(struct hor_master_core *core)
{
    size_t pos = 0;
    struct hor_master_dependency *dep;
    struct hor_master_topic *topic;
    struct hor_master_place *place;
    if (core->asked == NULL)
        return; /* the core is just being made */
    while ((dep = hor_map_next(core->asked, &pos, NULL)) != NULL) {
        dep->under_way = false;
        dep->sent = HOR_MASTER_NOT_SENT;
        look_again(core, dep);
    }
    pos = 0;
    while ((topic = hor_map_next(core->topics, &pos, NULL)) != NULL)
        for (size_t i = 0; i < topic->event_count; i++)
            topic->events[i].taken = false;
    pos = 0;
    while ((place = hor_map_next(core->places, &pos, NULL)) != NULL)
        place->answers = true;
}

/* ---- external events; leader ---- */

int hor_master_core_post(struct hor_master_core *core, const struct hor_master_posted *posted,
                         int64_t now_us, hor_master_emit_fn *emit, void *ctx, struct hor_error *err)
{
    if (posted->request != NULL && hor_map_get(core->requests, posted->request) != NULL)
        return hor_error_set(err, HOR_ERR_EXISTS, "event '%s' was posted by this request before",
                             posted->name);
    if (find_topic(core, HOR_MASTER_TOPIC_EVENT, posted->name) == NULL &&
        core->event_names >= NAMES_KEPT)
        return hor_error_set(err, HOR_ERR_LIMIT,
                             "event '%s': %d other names are kept already, of events that nobody "
                             "consumed",
                             posted->name, NAMES_KEPT);
    struct hor_event *event = hor_event_new(HOR_EVENT_EXTERNAL_EVENT, now_us);
    if (event == NULL || hor_event_set(&event->name, posted->name) != HOR_OK ||
        hor_event_set(&event->command, posted->request) != HOR_OK ||
        hor_event_set(&event->actor, posted->actor) != HOR_OK ||
        hor_event_set(&event->reason, posted->reason) != HOR_OK ||
        (posted->arguments != NULL &&
         hor_arguments_copy(&event->arguments, posted->arguments) != HOR_OK)) {
        hor_event_free(event);
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    emit(event, ctx);
    return HOR_OK;
}

/* ---- looking ---- */

const char *hor_master_core_asked(const struct hor_master_core *core, const char *order, size_t *pos,
                                  const char **ret_node)
{
    const struct hor_master_entry *entry = hor_map_get(core->orders, order);
    const struct hor_master_dependency *dep = entry != NULL ? entry->dependencies : NULL;
    for (size_t i = 0; dep != NULL; dep = dep->next_of_order, i++)
        if (i >= *pos && dep->child != NULL && dep->end_state == NULL) {
            *pos = i + 1;
            *ret_node = dep->asked->node;
            return dep->child;
        }
    return NULL;
}

/* ---- keeping ---- */

int hor_master_dependencies_clear(struct hor_master_core *core)
{
    hor_map_free(core->children);
    hor_map_free(core->asked);
    hor_map_free(core->topics);
    core->children = hor_map_new(NULL);
    core->asked = hor_map_new(free_dependency);
    core->topics = hor_map_new(free_topic);
    core->event_names = 0;
    core->look_first = core->look_last = NULL;
    return core->children != NULL && core->asked != NULL && core->topics != NULL ? HOR_OK
                                                                                 : HOR_ERR_MEMORY;
}

static int by_key(const void *a, const void *b)
{
    const struct hor_master_topic *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static void write_topic(const struct hor_master_topic *topic, const struct hor_event *none,
                        void (*write)(struct hor_event *, struct hor_buf *), struct hor_buf *out)
{
    static const char *const states[HOR_ENDS] = {"succeeded", "warned", "failedFinally", "skipped",
                                                 "cancelled"};
    for (int i = 0; i < HOR_ENDS; i++) {
        struct hor_event event = *none;
        event.type = HOR_EVENT_ORDER_ENDED;
        event.chain = topic->key + 1;
        event.state = (char *)states[i];
        event.ended_at = topic->ends.at[i];
        if (event.ended_at != HOR_EVENT_NONE)
            write(&event, out);
    }
    for (size_t i = 0; i < topic->event_count; i++) {
        struct hor_event event = *none;
        event.type = HOR_EVENT_EXTERNAL_EVENT;
        event.name = topic->key + 1;
        event.cluster_index = (int64_t)topic->events[i].index;
        event.ended_at = topic->events[i].at_us;
        write(&event, out);
    }
}

static void write_asked(const struct hor_master_dependency *dep,
                        void (*write)(struct hor_event *, struct hor_buf *), struct hor_buf *out)
{
    struct hor_event event = *dep->asked;
    event.command = dep->id;
    event.mark = (char *)(dep->state == HOR_MASTER_DEPENDENCY_ENDING     ? "ending"
                          : dep->state == HOR_MASTER_DEPENDENCY_RESOLVED ? "resolved"
                                                                         : NULL);
    event.task = dep->child;
    event.title = dep->end_state;
    event.cause = dep->end_cause;
    write(&event, out);
    if (dep->task != NULL) {
        event = *dep->task;
        event.command = dep->id;
        write(&event, out);
    }
    if (dep->answer != NULL)
        write(dep->answer, out);
}

void hor_master_dependencies_write(const struct hor_master_core *core, const struct hor_event *none,
                                   void (*write)(struct hor_event *, struct hor_buf *),
                                   struct hor_buf *out)
{
    size_t pos = 0, count = 0;
    const struct hor_master_topic *topic;
    struct hor_master_dependency *dep;
    const struct hor_master_topic **list = calloc(hor_map_count(core->topics) + 1, sizeof *list);
    if (list == NULL) {
        out->failed = true;
        return;
    }
    while ((topic = hor_map_next(core->topics, &pos, NULL)) != NULL)
        list[count++] = topic;
    qsort(list, count, sizeof *list, by_key); /* some come to be by a question alone */
    for (size_t i = 0; i < count; i++)
        write_topic(list[i], none, write, out);
    free(list);
    pos = 0;
    while ((dep = hor_map_next(core->asked, &pos, NULL)) != NULL)
        write_asked(dep, write, out);
}

static int restore_asked(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_dependency *dep = NULL;
    if (event->order == NULL || event->node == NULL || event->action == NULL)
        return HOR_ERR_CORRUPT;
    int rc = add(core, event, &dep);
    if (rc != HOR_OK)
        return rc;
    if (event->mark != NULL) {
        bool ending = hor_str_equal(event->mark, "ending");
        dep->state = ending ? HOR_MASTER_DEPENDENCY_ENDING : HOR_MASTER_DEPENDENCY_RESOLVED;
        unlink_topic(core, dep);
    }
    if ((event->task != NULL && set_child(core, dep, event->task) != HOR_OK) ||
        hor_event_set(&dep->end_state, event->title) != HOR_OK ||
        hor_event_set(&dep->end_cause, event->cause) != HOR_OK)
        return HOR_ERR_MEMORY;
    return HOR_OK;
}

int hor_master_dependencies_restore(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_topic *topic;
    struct hor_master_dependency *dep;
    switch (event->type) {
    case HOR_EVENT_ORDER_ENDED:
        if (event->chain == NULL || event->state == NULL)
            return HOR_ERR_CORRUPT;
        topic = get_topic(core, HOR_MASTER_TOPIC_CHAIN, event->chain);
        if (topic == NULL)
            return HOR_ERR_MEMORY;
        hor_ends_note(&topic->ends, event->state, event->ended_at);
        return HOR_OK;
    case HOR_EVENT_EXTERNAL_EVENT:
        return event->name == NULL ? HOR_ERR_CORRUPT
                                   : add_event(core, event->name, (uint64_t)event->cluster_index,
                                               event->ended_at);
    case HOR_EVENT_DEPENDENCY_REQUESTED:
        return restore_asked(core, event);
    default:
        dep = event->command != NULL ? hor_map_get(core->asked, event->command) : NULL;
        if (dep == NULL)
            return HOR_ERR_CORRUPT;
        struct hor_event *copy = hor_event_copy(event);
        *(event->type == HOR_EVENT_TASK_ENDED ? &dep->task : &dep->answer) = copy;
        return copy != NULL ? HOR_OK : HOR_ERR_MEMORY;
    }
}

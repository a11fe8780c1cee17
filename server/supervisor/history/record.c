#include "server/supervisor/history/record.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"

void record_order_free(void *p)
{
    struct record_order *order = p;
    if (order == NULL)
        return;
    char *const strings[] = {order->id,    order->master,   order->cluster,  order->chain,
                             order->title, order->plan_day, order->schedule, order->state,
                             order->mark,  order->place,    order->cause};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        free(strings[i]);
    hor_arguments_done(&order->arguments);
    free(order);
}

void record_task_free(void *p)
{
    struct record_task *task = p;
    if (task == NULL)
        return;
    char *const strings[] = {task->id,    task->order,   task->master, task->cluster,
                             task->chain, task->node,    task->job,    task->agent,
                             task->state, task->outcome, task->cause};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        free(strings[i]);
    hor_arguments_done(&task->outputs);
    free(task);
}

static void hold_free(void *p)
{
    struct record_hold *hold = p;
    if (hold == NULL)
        return;
    free(hold->chain);
    free(hold->actor);
    free(hold->reason);
    free(hold);
}

struct record_order *record_order_new(const char *id)
{
    struct record_order *order = calloc(1, sizeof *order);
    if (order == NULL || (order->id = hor_strdup(id)) == NULL) {
        free(order);
        return NULL;
    }
    order->release = order->due_us = order->started_us = order->ended_us = order->priority =
        HOR_EVENT_NONE;
    return order;
}

struct record_task *record_task_new(const char *id)
{
    struct record_task *task = calloc(1, sizeof *task);
    if (task == NULL || (task->id = hor_strdup(id)) == NULL) {
        free(task);
        return NULL;
    }
    task->exit_code = task->signal = task->started_us = task->ended_us = task->cpu_ms =
        task->max_rss_kb = task->log_bytes = HOR_EVENT_NONE;
    return task;
}

int record_init(struct record *record, const char *master)
{
    *record = (struct record){.master = master};
    record->orders = hor_map_new(record_order_free);
    record->tasks = hor_map_new(record_task_free);
    record->holds = hor_map_new(hold_free);
    if (record->orders != NULL && record->tasks != NULL && record->holds != NULL)
        return HOR_OK;
    record_done(record);
    return HOR_ERR_MEMORY;
}

void record_done(struct record *record)
{
    hor_map_free(record->orders);
    hor_map_free(record->tasks);
    hor_map_free(record->holds);
}

int record_put_order(struct record *record, struct record_order *take_order)
{
    return hor_map_put(record->orders, take_order->id, take_order);
}

int record_put_task(struct record *record, struct record_task *take_task)
{
    return hor_map_put(record->tasks, take_task->id, take_task);
}

bool record_from_cluster(const struct hor_event *event)
{
    /* Coupling is the Master's own view of a cluster's journal. */
    return event->cluster != NULL && event->cluster_index != HOR_EVENT_NONE &&
           event->type != HOR_EVENT_CLUSTER_COUPLED && event->type != HOR_EVENT_CLUSTER_UNCOUPLED;
}

/* Fields that an event lacks leave the row as it is. */
static int take_text(char **field, const char *value)
{
    return value != NULL ? hor_event_set(field, value) : HOR_OK;
}

static void take_number(int64_t *field, int64_t value)
{
    if (value != HOR_EVENT_NONE)
        *field = value;
}

/* The row of the event's order; one that was never seen begins here: its earlier events went away
 * with a database, or with the Master's retention. */
static struct record_order *order_of(struct record *record, const struct hor_event *event)
{
    struct record_order *order = hor_map_get(record->orders, event->order);
    if (order != NULL)
        return order;
    order = record_order_new(event->order);
    if (order == NULL)
        return NULL;
    order->planned_us = event->planned_at != HOR_EVENT_NONE ? event->planned_at : event->at_us;
    if (hor_event_set(&order->master, event->master != NULL ? event->master : record->master) !=
            HOR_OK ||
        hor_event_set(&order->chain, event->chain != NULL ? event->chain : "/") != HOR_OK ||
        hor_event_set(&order->state, "planned") != HOR_OK ||
        record_put_order(record, order) != HOR_OK) {
        record_order_free(order);
        return NULL;
    }
    return order;
}

static struct record_task *task_of(struct record *record, const struct hor_event *event,
                                   const struct record_order *order)
{
    struct record_task *task = hor_map_get(record->tasks, event->task);
    if (task != NULL)
        return task;
    task = record_task_new(event->task);
    if (task == NULL)
        return NULL;
    task->attempt = event->attempt != HOR_EVENT_NONE ? event->attempt : 1;
    task->assigned_us = event->at_us;
    if (hor_event_set(&task->order, order->id) != HOR_OK ||
        hor_event_set(&task->master, order->master) != HOR_OK ||
        hor_event_set(&task->chain, order->chain) != HOR_OK ||
        hor_event_set(&task->node, event->node != NULL ? event->node : "") != HOR_OK ||
        hor_event_set(&task->state, "assigned") != HOR_OK ||
        record_put_task(record, task) != HOR_OK) {
        record_task_free(task);
        return NULL;
    }
    return task;
}

static bool ended(const struct record_order *order)
{
    return order->ended_us != HOR_EVENT_NONE;
}

static bool order_is(const struct record_order *order, const char *state)
{
    return hor_str_equal(order->state, state);
}

static int copy_arguments(struct hor_arguments *to, const struct hor_arguments *from)
{
    struct hor_arguments copy = {0};
    if (hor_arguments_copy(&copy, from) != HOR_OK)
        return HOR_ERR_MEMORY;
    hor_arguments_done(to);
    *to = copy;
    return HOR_OK;
}

/* The Master adds the order to its plan, then the agents add it to theirs. */
static int apply_added(struct record_order *order, const struct hor_event *event)
{
    bool from_agents = record_from_cluster(event);
    int rc = take_text(&order->chain, event->chain);
    rc = rc != HOR_OK ? rc : take_text(&order->title, event->title);
    rc = rc != HOR_OK ? rc : take_text(&order->plan_day, event->plan_day);
    rc = rc != HOR_OK ? rc : take_text(&order->schedule, event->schedule);
    rc = rc != HOR_OK ? rc : take_text(&order->cluster, event->cluster);
    take_number(&order->release, event->release);
    take_number(&order->planned_us, event->planned_at);
    take_number(&order->due_us, event->due_at);
    take_number(&order->priority, event->priority);
    if (rc == HOR_OK && event->arguments.count > 0) {
        rc = copy_arguments(&order->arguments, &event->arguments);
        order->arguments_changed = true;
    }
    if (rc == HOR_OK && !ended(order))
        rc = hor_event_set(&order->place, from_agents ? "agents" : "master");
    if (rc == HOR_OK && from_agents && order_is(order, "planned"))
        rc = hor_event_set(&order->state, "waitingForTime");
    return rc;
}

static int set_state(struct record_order *order, const char *state, const char *cause)
{
    int rc = hor_event_set(&order->state, state);
    return rc != HOR_OK ? rc : hor_event_set(&order->cause, cause);
}

/* What says where and as what a task runs stays the same through its life: rows are told when not. */
static int take_place(struct record_task *task, char **field, const char *value)
{
    if (value == NULL || hor_str_equal(*field, value))
        return HOR_OK;
    task->replaced = true;
    return hor_event_set(field, value);
}

/* One doubt less. Whether it was the last one, the writer looks up. */
static int leave_doubt(struct record_order *order)
{
    if (!order_is(order, "inDoubt") || ended(order))
        return HOR_OK;
    order->redoubt = true;
    return set_state(order, "running", NULL);
}

static int apply_order(struct record_order *order, const struct hor_event *event)
{
    if (ended(order)) /* a late report: the end stands */
        return event->type == HOR_EVENT_ORDER_ADDED ? apply_added(order, event) : HOR_OK;
    switch (event->type) {
    case HOR_EVENT_ORDER_ADDED:
        return apply_added(order, event);
    case HOR_EVENT_ORDER_FORWARDED:
        if (order_is(order, "planned") && hor_event_set(&order->place, "forwarding") != HOR_OK)
            return HOR_ERR_MEMORY;
        return take_text(&order->cluster, event->cluster);
    case HOR_EVENT_ORDER_CHANGED:
        take_number(&order->due_us, event->due_at);
        take_number(&order->priority, event->priority);
        if (event->arguments.count > 0) {
            for (size_t i = 0; i < event->arguments.count; i++) {
                const struct hor_argument *a = &event->arguments.items[i];
                if (hor_arguments_add(&order->arguments, a->name, a->value, a->secret) != HOR_OK)
                    return HOR_ERR_MEMORY;
            }
            order->arguments_changed = true;
        }
        return HOR_OK;
    case HOR_EVENT_ORDER_STARTED:
        order->started_us = event->started_at != HOR_EVENT_NONE ? event->started_at : event->at_us;
        return set_state(order, "running", NULL);
    case HOR_EVENT_ORDER_FAILED:
    case HOR_EVENT_ORDER_SUSPENDED:
        if (hor_event_set(&order->mark, NULL) != HOR_OK)
            return HOR_ERR_MEMORY;
        return set_state(order, event->type == HOR_EVENT_ORDER_FAILED ? "failed" : "suspended",
                         event->cause);
    case HOR_EVENT_ORDER_RESUMED:
        if (hor_event_set(&order->mark, NULL) != HOR_OK)
            return HOR_ERR_MEMORY;
        return set_state(order, order->started_us != HOR_EVENT_NONE ? "running" : "waitingForTime",
                         NULL);
    case HOR_EVENT_ORDER_MARKED:
        return hor_event_set(&order->mark, event->mark);
    case HOR_EVENT_ORDER_ENDED:
        order->ended_us = event->ended_at != HOR_EVENT_NONE ? event->ended_at : event->at_us;
        order->just_ended = true;
        if (hor_event_set(&order->mark, NULL) != HOR_OK ||
            hor_event_set(&order->place, "master") != HOR_OK)
            return HOR_ERR_MEMORY;
        return set_state(order, event->state != NULL ? event->state : "succeeded", event->cause);
    case HOR_EVENT_NODE_SKIPPED:
        order->nodes_done++;
        return HOR_OK;
    case HOR_EVENT_NODE_RESET:
        order->recount = true;
        return order_is(order, "failed") ? set_state(order, "running", NULL) : leave_doubt(order);
    case HOR_EVENT_NODE_SET:
        order->recount = true;
        return leave_doubt(order);
    case HOR_EVENT_NODE_WAITING:
        return hor_event_set(&order->cause, event->cause);
    case HOR_EVENT_DEPENDENCY_RESOLVED: /* of a node that ran on another cluster */
        order->nodes_done += event->count == 0 && record_from_cluster(event) &&
                             (hor_str_equal(event->outcome, "success") ||
                              hor_str_equal(event->outcome, "warning"));
        return HOR_OK;
    case HOR_EVENT_RETRY_SCHEDULED:
        return order_is(order, "running") ? set_state(order, "retrying", event->cause) : HOR_OK;
    default:
        return HOR_OK;
    }
}

static int apply_task(struct record_task *task, struct record_order *order,
                      const struct hor_event *event)
{
    int rc = take_place(task, &task->job, event->job);
    rc = rc != HOR_OK ? rc : take_place(task, &task->agent, event->agent);
    rc = rc != HOR_OK ? rc
                      : take_place(task, &task->cluster,
                                   event->cluster != NULL ? event->cluster : order->cluster);
    if (rc != HOR_OK)
        return rc;
    switch (event->type) {
    case HOR_EVENT_TASK_ASSIGNED:
        task->assigned_us = event->at_us;
        task->replaced = true;
        return order_is(order, "retrying") && !ended(order) ? set_state(order, "running", NULL)
                                                            : HOR_OK;
    case HOR_EVENT_TASK_STARTED:
        task->started_us = event->started_at != HOR_EVENT_NONE ? event->started_at : event->at_us;
        if (hor_str_equal(task->state, "inDoubt") && leave_doubt(order) != HOR_OK)
            return HOR_ERR_MEMORY;
        return hor_event_set(&task->state, "running");
    case HOR_EVENT_TASK_ENDED:
        task->ended_us = event->ended_at != HOR_EVENT_NONE ? event->ended_at : event->at_us;
        take_number(&task->started_us, event->started_at);
        take_number(&task->exit_code, event->exit_code);
        take_number(&task->signal, event->signal);
        take_number(&task->cpu_ms, event->cpu_ms);
        take_number(&task->max_rss_kb, event->max_rss_kb);
        take_number(&task->log_bytes, event->log_bytes);
        if (event->arguments.count > 0) {
            if (copy_arguments(&task->outputs, &event->arguments) != HOR_OK)
                return HOR_ERR_MEMORY;
            task->outputs_changed = true;
        }
        if (hor_event_set(&task->state, "ended") != HOR_OK ||
            hor_event_set(&task->outcome, event->outcome) != HOR_OK ||
            hor_event_set(&task->cause, event->cause) != HOR_OK)
            return HOR_ERR_MEMORY;
        /* without an outcome it is run again elsewhere, by itself */
        if (event->outcome != NULL && strcmp(event->outcome, "failure") != 0)
            order->nodes_done++;
        return leave_doubt(order); /* its outcome is known after all */
    case HOR_EVENT_TASK_IN_DOUBT:
        if (hor_event_set(&task->state, "inDoubt") != HOR_OK ||
            hor_event_set(&task->cause, event->cause) != HOR_OK)
            return HOR_ERR_MEMORY;
        return ended(order) ? HOR_OK : set_state(order, "inDoubt", event->cause);
    default:
        return HOR_OK;
    }
}

static int apply_hold(struct record *record, const struct hor_event *event)
{
    struct record_hold *hold = calloc(1, sizeof *hold);
    if (hold == NULL)
        return HOR_ERR_MEMORY;
    hold->at_us = event->at_us;
    hold->held = event->type == HOR_EVENT_CHAIN_HELD;
    if (hor_event_set(&hold->chain, event->chain) == HOR_OK &&
        hor_event_set(&hold->actor, event->actor) == HOR_OK &&
        hor_event_set(&hold->reason, event->reason) == HOR_OK &&
        hor_map_put(record->holds, event->chain, hold) == HOR_OK)
        return HOR_OK;
    hold_free(hold);
    return HOR_ERR_MEMORY;
}

int record_apply(struct record *record, const struct hor_event *event)
{
    if ((event->type == HOR_EVENT_CHAIN_HELD || event->type == HOR_EVENT_CHAIN_RELEASED) &&
        event->chain != NULL)
        return apply_hold(record, event);
    /* Commands carry an order but change nothing by themselves: their effects are events. */
    if (event->order == NULL || event->type == HOR_EVENT_COMMAND_RECEIVED ||
        event->type == HOR_EVENT_COMMAND_DONE)
        return HOR_OK;
    struct record_order *order = order_of(record, event);
    if (order == NULL)
        return HOR_ERR_MEMORY;
    order->changed = true;
    order->replanned = order->replanned || event->type == HOR_EVENT_ORDER_ADDED ||
                       event->type == HOR_EVENT_ORDER_FORWARDED ||
                       event->type == HOR_EVENT_ORDER_CHANGED;
    bool about_task = event->type == HOR_EVENT_TASK_ASSIGNED ||
                      event->type == HOR_EVENT_TASK_STARTED ||
                      event->type == HOR_EVENT_TASK_ENDED || event->type == HOR_EVENT_TASK_IN_DOUBT;
    if (!about_task || event->task == NULL)
        return apply_order(order, event);
    struct record_task *task = task_of(record, event, order);
    if (task == NULL)
        return HOR_ERR_MEMORY;
    task->changed = true;
    return apply_task(task, order, event);
}

int record_doubt(struct record_order *order, const char *cause)
{
    return order_is(order, "running") ? set_state(order, "inDoubt", cause) : HOR_OK;
}

enum { MEAN_OVER = 10 }; /* some of the latest orders count */

int record_chain_apply(struct record_chain *chain, const struct record_order *order)
{
    bool good = order_is(order, "succeeded") || order_is(order, "warned");
    if (order->ended_us >= chain->last_ended_us) {
        if (hor_event_set(&chain->last_state, order->state) != HOR_OK)
            return HOR_ERR_MEMORY;
        chain->last_ended_us = order->ended_us;
    }
    if (!good || order->started_us == HOR_EVENT_NONE)
        return HOR_OK;
    int64_t took_ms = (order->ended_us - order->started_us) / 1000;
    chain->run_count++;
    if (chain->mean_ms == HOR_EVENT_NONE)
        chain->mean_ms = took_ms;
    else
        chain->mean_ms += (took_ms - chain->mean_ms) /
                          (chain->run_count < MEAN_OVER ? chain->run_count : MEAN_OVER);
    return HOR_OK;
}

void record_chain_free(void *p)
{
    struct record_chain *chain = p;
    if (chain != NULL)
        free(chain->last_state);
    free(chain);
}

int record_nodes_apply(struct record_nodes *nodes, const struct hor_event *event)
{
    static char mark;
    if (nodes->done == NULL && (nodes->done = hor_map_new(NULL)) == NULL)
        return HOR_ERR_MEMORY;
    if (event->node == NULL)
        return HOR_OK;
    switch (event->type) {
    case HOR_EVENT_NODE_RESET:
        hor_map_take(nodes->done, event->node);
        return HOR_OK;
    case HOR_EVENT_TASK_ENDED:
        if (event->outcome == NULL || strcmp(event->outcome, "failure") == 0)
            return HOR_OK;
        return hor_map_put(nodes->done, event->node, &mark);
    case HOR_EVENT_NODE_SKIPPED:
    case HOR_EVENT_NODE_SET:
        return hor_map_put(nodes->done, event->node, &mark);
    default:
        return HOR_OK;
    }
}

int64_t record_nodes_count(const struct record_nodes *nodes)
{
    return nodes->done != NULL ? (int64_t)hor_map_count(nodes->done) : 0;
}

void record_nodes_done(struct record_nodes *nodes)
{
    hor_map_free(nodes->done);
    nodes->done = NULL;
}

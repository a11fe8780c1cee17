/* The answers are made on the loop's thread in the call's own memory while its worker waits. */
#include "agent/looking.h"

#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/soap/event.h"
#include "lib/soap/events.h"

enum { EVENTS_LIMIT = 10000, EVENTS_LOOKED_AT = 20000 };

static ULONG64 *optional_index(struct soap *soap, uint64_t value)
{
    ULONG64 *copy = hor_soap_alloc(soap, sizeof *copy);
    if (copy != NULL)
        *copy = value;
    return copy;
}

static int on_loop(struct hor_agent *agent, hor_loop_fn *fn, void *ctx, struct hor_error *err)
{
    return hor_loop_call(agent->loop, fn, ctx) < 0
               ? hor_error_set(err, HOR_ERR_BUSY, "the agent is ending")
               : HOR_OK;
}

/* ---- members ---- */

static const char *role_of(const struct hor_agent *agent, size_t i)
{
    if (agent->leader_id != 0 && agent->leader_id == agent->member_ids[i])
        return "leader";
    return agent->settings->members[i].witness ? "witness" : "follower";
}

static int write_member(struct hor_agent *agent, struct soap *soap, size_t i, struct t__Member *ret)
{
    struct hor_core_member_view view;
    struct hor_cluster_status status;
    hor_core_member(agent->core, i, &view);
    hor_cluster_get_status(agent->cluster, &status);
    bool self = i == agent->settings->self;
    int64_t lease_ms = 0;
    *ret = (struct t__Member){
        .name = hor_soap_string(soap, view.name),
        .url = hor_soap_string(soap, agent->settings->members[i].url),
        .role = hor_soap_string(soap, role_of(agent, i)),
        .state = hor_soap_string(soap, view.state),
        .priority = hor_soap_int(soap, view.priority),
        .tasks = hor_soap_int(soap, view.tasks),
        .maxTasks = hor_soap_int(soap, view.max_tasks),
    };
    if (self) {
        ret->version = hor_soap_string(soap, PACKAGE_VERSION);
        ret->journalIndex = optional_index(soap, status.applied_index);
        if (!hor_agent_is_single(agent) && hor_agent_lease_holds(agent, &lease_ms))
            ret->leaseMs = hor_soap_time(soap, lease_ms - hor_clock_monotonic_ms());
    } else if (agent->leader && agent->peers[i].granted_ms != 0) {
        int64_t age_ms = hor_clock_monotonic_ms() - agent->peers[i].granted_ms;
        ret->leaseMs = hor_soap_time(soap, age_ms < HOR_AGENT_LEASE_MS ? HOR_AGENT_LEASE_MS - age_ms : 0);
        ret->lastSeen = hor_soap_time(soap, hor_clock_utc_us() - age_ms * 1000);
    }
    return ret->name != NULL && ret->role != NULL && ret->state != NULL ? HOR_OK : HOR_ERR_MEMORY;
}

struct ping_call {
    struct hor_agent *agent;
    struct soap *soap;
    struct _agt__PingResponse *response;
    int code;
};

static void ping_on_loop(void *ctx)
{
    struct ping_call *call = ctx;
    struct hor_cluster_status status;
    hor_cluster_get_status(call->agent->cluster, &status);
    call->response->member = hor_soap_alloc(call->soap, sizeof *call->response->member);
    call->response->cluster = hor_soap_string(call->soap, call->agent->settings->cluster);
    call->response->runId = hor_soap_string(call->soap, status.run_id != NULL ? status.run_id : "");
    call->code = call->response->member == NULL
                     ? HOR_ERR_MEMORY
                     : write_member(call->agent, call->soap, call->agent->settings->self,
                                    call->response->member);
}

int hor_agent_ping(struct hor_soap_call *call, const struct _agt__Ping *request,
                   struct _agt__PingResponse *response, struct hor_error *err)
{
    struct ping_call ping = {.agent = call->ctx, .soap = call->soap, .response = response};
    (void)request;
    int rc = on_loop(ping.agent, ping_on_loop, &ping, err);
    return rc < 0 ? rc : ping.code;
}

/* ---- GetState ---- */

struct state_call {
    struct hor_agent *agent;
    struct soap *soap;
    const char *master;
    struct t__Cluster *cluster;
    size_t capacity;
    int code;
};

static void state_count_held(const char *chain, void *ctx)
{
    struct state_call *call = ctx;
    (void)chain;
    call->capacity++;
}

static void state_held(const char *chain, void *ctx)
{
    struct state_call *call = ctx;
    struct t__Cluster *c = call->cluster;
    if ((size_t)c->__sizeheldChain < call->capacity &&
        (c->heldChain[c->__sizeheldChain] = hor_soap_string(call->soap, chain)) != NULL)
        c->__sizeheldChain++;
}

static void state_newest(const char *master, int64_t number, void *ctx)
{
    struct state_call *call = ctx;
    (void)master;
    if (call->cluster->release == NULL || *call->cluster->release < number)
        call->cluster->release = hor_soap_int(call->soap, number);
}

static void state_on_loop(void *ctx)
{
    struct state_call *call = ctx;
    struct hor_agent *agent = call->agent;
    struct t__Cluster *c = call->cluster;
    struct hor_core_counts counts;
    struct hor_cluster_status status;
    hor_core_counts(agent->core, call->master, &counts);
    hor_cluster_get_status(agent->cluster, &status);
    c->path = hor_soap_string(call->soap, agent->settings->cluster);
    c->kind = hor_soap_string(call->soap, "agents");
    c->state = hor_soap_string(call->soap, status.leader_id != 0 ? "coupled" : "noLeader");
    c->selection = hor_soap_string(call->soap, counts.selection);
    c->runId = hor_soap_string(call->soap, status.run_id);
    c->lastSeen = hor_soap_time(call->soap, hor_clock_utc_us());
    c->commitIndex = optional_index(call->soap, status.commit_index);
    if (call->master != NULL)
        c->acknowledged =
            optional_index(call->soap, hor_core_acknowledged(agent->core, call->master));
    c->orders = hor_soap_int(call->soap, (int64_t)counts.orders);
    c->tasks = hor_soap_int(call->soap, (int64_t)counts.tasks);
    hor_core_each_release(agent->core, call->master, state_newest, call);
    hor_core_each_held(agent->core, call->master, state_count_held, call);
    c->heldChain = hor_soap_alloc(call->soap, (call->capacity + 1) * sizeof *c->heldChain);
    if (c->heldChain != NULL)
        hor_core_each_held(agent->core, call->master, state_held, call);
    c->member = hor_soap_alloc(call->soap, agent->settings->member_count * sizeof *c->member);
    call->code = c->member != NULL && c->heldChain != NULL && c->path != NULL && c->kind != NULL &&
                         c->state != NULL
                     ? HOR_OK
                     : HOR_ERR_MEMORY;
    for (size_t i = 0; call->code == HOR_OK && i < agent->settings->member_count; i++) {
        if (agent->member_ids[i] != 0)
            call->code = write_member(agent, call->soap, i, &c->member[c->__sizemember++]);
    }
}

int hor_agent_get_state(struct hor_soap_call *call, const struct _agt__GetState *request,
                        struct _agt__GetStateResponse *response, struct hor_error *err)
{
    struct state_call state = {.agent = call->ctx, .soap = call->soap, .master = request->master};
    response->cluster = state.cluster = hor_soap_alloc(call->soap, sizeof *state.cluster);
    if (state.cluster == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    int rc = on_loop(state.agent, state_on_loop, &state, err);
    return rc < 0 ? rc : state.code;
}

/* ---- GetOrderState ---- */

struct order_call {
    struct hor_agent *agent;
    struct soap *soap;
    const char *id;
    struct t__OrderState *state;
    size_t capacity;
    int code;
    struct hor_error *err;
};

static int write_order(struct order_call *call, const struct hor_core_order_view *view)
{
    struct t__Order *order = hor_soap_alloc(call->soap, sizeof *order);
    if (order == NULL)
        return HOR_ERR_MEMORY;
    *order = (struct t__Order){
        .id = hor_soap_string(call->soap, view->id),
        .chain = hor_soap_string(call->soap, view->chain),
        .title = hor_soap_string(call->soap, view->title),
        .state = hor_soap_string(call->soap, view->state),
        .mark = hor_soap_string(call->soap, view->mark),
        .where = hor_soap_string(call->soap, "agents"),
        .master = hor_soap_string(call->soap, view->master),
        .cluster = hor_soap_string(call->soap, call->agent->settings->cluster),
        .release = hor_soap_int(call->soap, view->release),
        .planDay = hor_soap_string(call->soap, view->plan_day),
        .schedule = hor_soap_string(call->soap, view->schedule),
        .plannedAt = hor_soap_time(call->soap, view->planned_at),
        .startedAt = hor_soap_time(call->soap, view->started_at),
        .endedAt = hor_soap_time(call->soap, view->ended_at),
        .priority = hor_soap_int(call->soap, view->priority),
        .nodes = hor_soap_int(call->soap, (int64_t)view->nodes),
        .nodesDone = hor_soap_int(call->soap, (int64_t)view->nodes_done),
        .cause = hor_soap_string(call->soap, view->cause),
    };
    call->state->order = order;
    if (order->id == NULL || order->chain == NULL || order->state == NULL)
        return HOR_ERR_MEMORY;
    return hor_soap_arguments_write(call->soap, view->arguments, HOR_SOAP_SECRETS_HIDE,
                                    &order->__sizeargument, &order->argument);
}

static char *on_text(struct soap *soap, const struct hor_edge *edge)
{
    char text[200] = "";
    size_t len = 0;
    if (edge->plain)
        return NULL;
    if (edge->on == HOR_ON_ANY)
        return hor_soap_string(soap, "any");
    static const struct {
        unsigned on;
        const char *name;
    } names[] = {{HOR_ON_SUCCESS, "success"},
                 {HOR_ON_WARNING, "warning"},
                 {HOR_ON_FAILURE, "failure"},
                 {HOR_ON_SKIPPED, "skipped"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (edge->on & names[i].on)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", len ? " " : "",
                                    names[i].name);
    for (size_t i = 0; i < edge->codes.count && len < sizeof text - 30; i++)
        len += (size_t)snprintf(text + len, sizeof text - len,
                                edge->codes.items[i].from == edge->codes.items[i].to ? "%s%d" : "%s%d-%d",
                                len ? " " : "", edge->codes.items[i].from, edge->codes.items[i].to);
    return hor_soap_string(soap, text);
}

static int write_node(struct order_call *call, const struct hor_core_order_view *order, size_t i,
                      struct t__Node *ret)
{
    char task[HOR_CORE_NAME_BYTES + 1];
    struct hor_core_node_view view;
    if (hor_core_order_node(call->agent->core, order->id, i, task, &view) < 0)
        return HOR_ERR_NOT_FOUND;
    const struct hor_node *def = view.definition;
    *ret = (struct t__Node){
        .id = hor_soap_string(call->soap, view.id),
        .job = hor_soap_string(call->soap, view.job),
        .title = hor_soap_string(call->soap, view.title),
        .state = hor_soap_string(call->soap, view.state),
        .attempt = hor_soap_int(call->soap, view.attempt),
        .agent = hor_soap_string(call->soap, view.agent),
        .task = hor_soap_string(call->soap, view.task),
        .startedAt = hor_soap_time(call->soap, view.started_at),
        .endedAt = hor_soap_time(call->soap, view.ended_at),
        .exitCode = hor_soap_int(call->soap, view.exit_code),
        .cause = hor_soap_string(call->soap, view.cause),
    };
    ret->after = hor_soap_alloc(call->soap, (def->edge_count + 1) * sizeof *ret->after);
    if (ret->id == NULL || ret->state == NULL || ret->after == NULL)
        return HOR_ERR_MEMORY;
    for (size_t e = 0; e < def->edge_count; e++) {
        /* The chain's nodes stand in one array: an edge names its beginning by position in it. */
        const struct hor_node *from = def - i + def->edges[e].from;
        ret->after[e] = (struct t__After){.node = hor_soap_string(call->soap, from->id),
                                          .on = on_text(call->soap, &def->edges[e])};
        if (ret->after[e].node == NULL)
            return HOR_ERR_MEMORY;
        ret->__sizeafter++;
    }
    return hor_soap_arguments_write(call->soap, view.outputs, HOR_SOAP_SECRETS_HIDE,
                                    &ret->__sizeoutput, &ret->output);
}

static void count_obstacle(const struct hor_core_obstacle *obstacle, void *ctx)
{
    struct order_call *call = ctx;
    (void)obstacle;
    call->capacity++;
}

static void write_obstacle(const struct hor_core_obstacle *obstacle, void *ctx)
{
    struct order_call *call = ctx;
    struct t__OrderState *s = call->state;
    if ((size_t)s->__sizeobstacle >= call->capacity)
        return;
    struct t__Obstacle *o = &s->obstacle[s->__sizeobstacle];
    *o = (struct t__Obstacle){.kind = hor_soap_string(call->soap, obstacle->kind),
                              .node = hor_soap_string(call->soap, obstacle->node),
                              .text = hor_soap_string(call->soap, obstacle->text),
                              .until = hor_soap_time(call->soap, obstacle->until)};
    if (o->kind != NULL && o->text != NULL)
        s->__sizeobstacle++;
}

static void order_on_loop(void *ctx)
{
    struct order_call *call = ctx;
    struct hor_core *core = call->agent->core;
    struct hor_core_order_view view;
    int64_t now_us = hor_clock_utc_us();
    if (hor_core_order(core, call->id, now_us, &view) < 0) {
        call->code = hor_error_set(call->err, HOR_ERR_NOT_FOUND, "order %s is not in cluster %s",
                                   call->id, call->agent->settings->cluster);
        return;
    }
    call->code = write_order(call, &view);
    call->state->node = hor_soap_alloc(call->soap, view.nodes * sizeof *call->state->node);
    if (call->state->node == NULL)
        call->code = HOR_ERR_MEMORY;
    for (size_t i = 0; call->code == HOR_OK && i < view.nodes; i++) {
        int rc = write_node(call, &view, i, &call->state->node[i]);
        if (rc == HOR_ERR_NOT_FOUND)
            break; /* the order has ended */
        call->code = rc;
        call->state->__sizenode++;
    }
    hor_core_obstacles(core, call->id, now_us, count_obstacle, call, NULL);
    call->state->obstacle =
        hor_soap_alloc(call->soap, (call->capacity + 1) * sizeof *call->state->obstacle);
    if (call->state->obstacle == NULL)
        call->code = HOR_ERR_MEMORY;
    else
        hor_core_obstacles(core, call->id, now_us, write_obstacle, call, NULL);
    if (call->code == HOR_ERR_MEMORY)
        hor_error_set(call->err, HOR_ERR_MEMORY, "out of memory");
}

int hor_agent_get_order_state(struct hor_soap_call *call, const struct _agt__GetOrderState *request,
                              struct _agt__GetOrderStateResponse *response, struct hor_error *err)
{
    struct order_call order = {
        .agent = call->ctx, .soap = call->soap, .id = request->order, .err = err};
    response->state = order.state = hor_soap_alloc(call->soap, sizeof *order.state);
    if (order.state == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    int rc = on_loop(order.agent, order_on_loop, &order, err);
    if (rc == HOR_OK && order.code == HOR_OK && order.state->order->master != NULL)
        rc = hor_agent_may_speak_for(call, order.state->order->master, err);
    return rc < 0 ? rc : order.code;
}

/* ---- GetEvents ---- */

struct events_call {
    struct hor_agent *agent;
    const struct _agt__GetEvents *request;
    struct hor_soap_events events;
    char run_id[64];
    uint64_t position;
    size_t capacity;
    uint64_t last; /* looked at */
    int code;
    struct hor_error *err;
};

/* What concerns a Master: its own orders, commands and plans, and what happens to the agents. Parts of
 * releases came from it, and its acknowledgements as well. */
static bool concerns(const struct hor_event *event, const char *master)
{
    if (event->type == HOR_EVENT_RELEASE_PART || event->type == HOR_EVENT_EVENTS_ACKNOWLEDGED)
        return false;
    if (event->master == NULL)
        return event->type == HOR_EVENT_MEMBER_CHANGED || event->type == HOR_EVENT_CLUSTER_STARTED;
    return strcmp(event->master, master) == 0;
}

static bool take_event(const struct hor_event *event, void *ctx)
{
    struct events_call *call = ctx;
    if (call->events.count >= call->capacity)
        return false; /* this one comes with the next call */
    if (concerns(event, call->request->master))
        hor_soap_events_add(&call->events, event);
    call->last = event->index;
    return !call->events.text.failed;
}

static void events_on_loop(void *ctx)
{
    struct events_call *call = ctx;
    struct hor_cluster_status status;
    uint64_t position = call->request->after;
    struct hor_error err = {0};
    hor_cluster_get_status(call->agent->cluster, &status);
    const char *run_id = status.run_id != NULL ? status.run_id : "";
    snprintf(call->run_id, sizeof call->run_id, "%s", run_id);
    if (call->request->runId != NULL && strcmp(call->request->runId, run_id) != 0) {
        call->code = hor_error_set(call->err, HOR_ERR_CONFLICT,
                                   "the cluster is run %s, not %.60s: couple again", run_id,
                                   call->request->runId);
        return;
    }
    int rc = hor_cluster_read(call->agent->cluster, call->request->after, EVENTS_LOOKED_AT, take_event,
                              call, &position, &err);
    if (rc == HOR_ERR_NOT_FOUND)
        call->code = hor_error_set(call->err, HOR_ERR_CONFLICT,
                                   "events after %llu are gone, the first one is %llu: couple again",
                                   (unsigned long long)call->request->after,
                                   (unsigned long long)position);
    else if (rc < 0)
        call->code = hor_error_set(call->err, rc, "%s", err.text);
    else if (call->events.count >= call->capacity)
        call->position = call->last; /* stopped by the limit */
    else
        call->position = position > call->last ? position : call->last;
}

int hor_agent_get_events(struct hor_soap_call *call, const struct _agt__GetEvents *request,
                         struct _agt__GetEventsResponse *response, struct hor_error *err)
{
    struct events_call events = {.agent = call->ctx,
                                 .request = request,
                                 .events = {.codec = &hor_soap_codec_agt_GetEvents},
                                 .last = request->after,
                                 .err = err};
    (void)response; /* the answer is written as text */
    int rc = hor_agent_may_speak_for(call, request->master, err);
    if (rc < 0)
        return rc;
    events.capacity = request->limit < 1              ? 1
                      : request->limit > EVENTS_LIMIT ? EVENTS_LIMIT
                                                      : (size_t)request->limit;
    rc = on_loop(events.agent, events_on_loop, &events, err);
    if (rc >= 0)
        rc = events.code;
    if (rc >= 0 && events.events.count == 0 && events.position == request->after &&
        request->waitMs != NULL && *request->waitMs > 0)
        rc = hor_soap_park(call, *request->waitMs);
    if (rc == HOR_OK)
        rc = hor_soap_events_answer(&events.events, events.run_id, events.position, call, err);
    hor_soap_events_done(&events.events);
    return rc;
}

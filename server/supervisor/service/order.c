/* Orders: lists, and one of them with everything that is known of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "server/supervisor/service/nodes.h"
#include "server/supervisor/service/operations.h"

enum { LIVE_TIMEOUT_MS = 1000 };

int service_filter(const struct sup__OrderFilter *in, const struct hor_scope *scope,
                   struct hor_order_filter *out, char day[11], struct hor_error *err)
{
    *out = (struct hor_order_filter){.scope = scope};
    if (in == NULL)
        return HOR_OK;
    for (int i = 0; i < in->__sizestate && i < HOR_ORDER_STATES_MAX; i++)
        out->states[out->state_count++] = in->state[i];
    out->chain = in->chain;
    out->folder = in->folder;
    out->agent = in->agent;
    out->master = in->master;
    out->text = in->text != NULL && in->text[0] != '\0' ? in->text : NULL;
    out->from_us = in->from != NULL ? *in->from : HOR_EVENT_NONE;
    out->to_us = in->to != NULL ? *in->to : HOR_EVENT_NONE;
    if (in->planDay == NULL)
        return HOR_OK;
    out->plan_day = day;
    return service_day(in->planDay, day, err);
}

int service_list_orders(struct hor_soap_call *call, const struct _sup__ListOrders *request,
                        struct _sup__ListOrdersResponse *response, struct hor_error *err)
{
    struct service_orders orders = {.soap = call->soap};
    struct hor_buf next = HOR_BUF_INIT;
    struct hor_order_filter filter;
    struct hor_scope scope;
    char day[11];
    int rc = hor_auth_scope(call->who, "order.view", &scope, err);
    if (rc == HOR_OK)
        rc = service_filter(request->filter, &scope, &filter, day, err);
    if (rc == HOR_OK)
        rc = hor_query_orders(service_parts(call)->store, &filter, request->cursor,
                              service_limit(request->limit, 100), service_take_order, &orders,
                              &next, err);
    if (rc == HOR_OK)
        rc = service_complete_orders(call, orders.items, orders.count, err);
    response->asOf = hor_clock_utc_us();
    response->order = orders.items;
    response->__sizeorder = orders.count;
    if (next.len > 0)
        response->cursor = hor_soap_string(call->soap, hor_buf_text(&next));
    if (rc == HOR_ERR_MEMORY || (next.len > 0 && response->cursor == NULL))
        rc = service_no_memory(err);
    hor_buf_done(&next);
    hor_scope_done(&scope);
    return rc;
}

/* ---- one order ---- */

struct order {
    struct hor_soap_call *call;
    struct _sup__GetOrderResponse *response;
    struct service_nodes nodes;
};

static int take_order(const struct hor_order_row *row, void *ctx)
{
    struct order *order = ctx;
    struct t__Order *out = hor_soap_alloc(order->call->soap, sizeof *out);
    order->response->order = out;
    return out != NULL && service_order(order->call->soap, row, out) ? HOR_OK : HOR_ERR_MEMORY;
}

static int take_task(const struct hor_task_row *row, void *ctx)
{
    struct order *order = ctx;
    struct t__Task *out =
        SERVICE_ADD(order->call->soap, &order->response->task, &order->response->__sizetask);
    return out != NULL && service_task(order->call->soap, row, out) ? HOR_OK : HOR_ERR_MEMORY;
}

static int take_argument(const char *task, const char *name, const char *value, bool secret,
                         void *ctx)
{
    struct order *order = ctx;
    struct t__Order *to = order->response->order;
    (void)task;
    struct t__Argument *out = SERVICE_ADD(order->call->soap, &to->argument, &to->__sizeargument);
    return out != NULL && service_argument(order->call->soap, name, value, secret, out)
               ? HOR_OK
               : HOR_ERR_MEMORY;
}

/* An output stands at its task, and at the node when the task is the node's latest. */
static int take_output(const char *task, const char *name, const char *value, bool secret,
                       void *ctx)
{
    struct order *order = ctx;
    struct soap *soap = order->call->soap;
    for (int i = 0; i < order->response->__sizetask; i++) {
        struct t__Task *to = &order->response->task[i];
        if (strcmp(to->id, task) != 0)
            continue;
        struct t__Argument *out = SERVICE_ADD(soap, &to->output, &to->__sizeoutput);
        if (out == NULL || !service_argument(soap, name, value, secret, out))
            return HOR_ERR_MEMORY;
        struct t__Node *node = service_nodes_find(&order->nodes, to->node);
        if (node == NULL || node->task == NULL || strcmp(node->task, task) != 0)
            return HOR_OK;
        out = SERVICE_ADD(soap, &node->output, &node->__sizeoutput);
        return out != NULL && service_argument(soap, name, value, secret, out) ? HOR_OK
                                                                               : HOR_ERR_MEMORY;
    }
    return HOR_OK;
}

static int take_event(struct hor_event *event, const char *chain, void *ctx)
{
    struct order *order = ctx;
    struct soap *soap = order->call->soap;
    (void)chain;
    struct t__Transition *out =
        SERVICE_ADD(soap, &order->response->transition, &order->response->__sizetransition);
    if (out == NULL || service_nodes_apply(&order->nodes, event) != HOR_OK)
        return HOR_ERR_MEMORY;
    const char *cause = event->cause != NULL ? event->cause : event->reason;
    *out = (struct t__Transition){
        .at = event->at_us,
        .event = hor_soap_string(soap, hor_event_type_name(event->type)),
        .state = hor_soap_string(soap, event->state != NULL ? event->state : event->outcome),
        .node = hor_soap_string(soap, event->node),
        .attempt = hor_soap_int(soap, event->attempt),
        .agent = hor_soap_string(soap, event->agent),
        .actor = hor_soap_string(soap, event->actor),
        .cause = hor_soap_string(soap, cause)};
    return out->event != NULL ? HOR_OK : HOR_ERR_MEMORY;
}

static bool add_obstacle(struct order *order, const char *kind, const char *node, const char *text,
                         const LONG64 *until)
{
    struct soap *soap = order->call->soap;
    struct t__Obstacle *out =
        SERVICE_ADD(soap, &order->response->obstacle, &order->response->__sizeobstacle);
    if (out == NULL)
        return false;
    *out = (struct t__Obstacle){.kind = hor_soap_string(soap, kind),
                                .node = hor_soap_string(soap, node),
                                .text = hor_soap_string(soap, text),
                                .until = until != NULL ? service_long(soap, *until) : NULL};
    return out->kind != NULL && out->text != NULL;
}

static bool is_end(const char *state)
{
    static const char *const ends[] = {"succeeded", "warned",  "failedFinally",
                                       "cancelled", "skipped", "missed"};
    for (size_t i = 0; state != NULL && i < sizeof ends / sizeof *ends; i++)
        if (strcmp(state, ends[i]) == 0)
            return true;
    return false;
}

static bool take_live_order(struct soap *soap, const struct t__Order *live, struct t__Order *to)
{
    if (live->state != NULL && (to->state = hor_soap_string(soap, live->state)) == NULL)
        return false;
    to->mark = hor_soap_string(soap, live->mark);
    if (live->where != NULL)
        to->where = hor_soap_string(soap, live->where);
    if (live->cause != NULL)
        to->cause = hor_soap_string(soap, live->cause);
    if (live->nodes != NULL)
        to->nodes = hor_soap_int(soap, *live->nodes);
    if (live->nodesDone != NULL)
        to->nodesDone = hor_soap_int(soap, *live->nodesDone);
    if (live->startedAt != NULL)
        to->startedAt = service_long(soap, *live->startedAt);
    return true;
}

static int64_t last_heard_us(struct hor_soap_call *call, const char *master)
{
    struct hor_masters *masters = service_parts(call)->masters;
    for (size_t i = 0; i < hor_masters_count(masters); i++) {
        struct hor_master_state state;
        if (strcmp(hor_masters_name(masters, i), master) != 0)
            continue;
        hor_masters_state(masters, i, &state);
        int64_t at_us = state.at_us;
        hor_master_state_done(&state);
        return at_us;
    }
    return 0;
}

static bool add_uncoupled(struct order *order, const struct hor_error *why)
{
    char text[700];
    const char *master = order->response->order->master;
    int64_t heard_us = last_heard_us(order->call, master);
    if (heard_us != 0)
        snprintf(
            text, sizeof text,
            "Master '%.100s' cannot be asked (%.300s): what is shown is what was known %" PRId64
            " s ago",
            master, why->text, (hor_clock_utc_us() - heard_us) / 1000000);
    else
        snprintf(text, sizeof text,
                 "Master '%.100s' cannot be asked (%.300s): what is shown is what it reported last",
                 master, why->text);
    return add_obstacle(order, "uncoupled", NULL, text, NULL);
}

/* Asks where the order is. That it cannot be asked is an obstacle, not a failure. */
static int take_live(struct order *order)
{
    struct soap *soap = NULL;
    struct hor_soap_partner *partner;
    struct hor_error why = {0};
    struct _mst__GetOrderState request = {.order = order->response->order->id};
    struct _mst__GetOrderStateResponse *answer = NULL;
    int rc = hor_masters_partner(service_parts(order->call)->masters,
                                 order->response->order->master, &partner, NULL, &why);
    if (rc == HOR_OK)
        rc = hor_soap_call_op(partner, mst, GetOrderState, &request, &soap, &answer,
                              LIVE_TIMEOUT_MS, &why);
    bool good = true;
    if (rc != HOR_OK) {
        good = add_uncoupled(order, &why);
    } else if (answer->state != NULL) {
        const struct t__OrderState *live = answer->state;
        /* An end is told when the history has it, with all attempts, not a moment before. */
        bool ended = live->order != NULL && is_end(live->order->state);
        good = ended || ((live->order == NULL ||
                          take_live_order(order->call->soap, live->order, order->response->order)) &&
                         service_nodes_live(&order->nodes, live->node, live->__sizenode) == HOR_OK);
        for (int i = 0; good && i < live->__sizeobstacle; i++)
            good = add_obstacle(order, live->obstacle[i].kind, live->obstacle[i].node,
                                live->obstacle[i].text, live->obstacle[i].until);
    }
    hor_soap_done(soap);
    return good ? HOR_OK : HOR_ERR_MEMORY;
}

static int fill_nodes_from_release(struct order *order)
{
    struct hor_release_config *config = NULL;
    const int *release = order->response->order->release;
    if (release == NULL ||
        hor_release_config(service_parts(order->call)->releases, *release, &config, NULL) != HOR_OK)
        return HOR_OK; /* the events give what can be known */
    const struct hor_chain *chain =
        hor_config_chain(hor_release_model(config), order->response->order->chain);
    int rc = chain != NULL ? service_nodes_from_chain(&order->nodes, chain) : HOR_OK;
    hor_release_unref(config);
    return rc;
}

static int fill_order(struct order *order, const char *id, struct hor_error *err)
{
    struct hor_store *store = service_parts(order->call)->store;
    int rc = fill_nodes_from_release(order);
    if (rc == HOR_OK)
        rc = hor_query_events(store, 0, id, NULL, 0, take_event, order, NULL, err);
    if (rc == HOR_OK)
        rc = hor_query_order_tasks(store, id, take_task, order, err);
    if (rc == HOR_OK)
        rc = hor_query_arguments(store, id, take_argument, order, err);
    if (rc == HOR_OK && order->response->order->endedAt == NULL)
        rc = take_live(order);
    if (rc == HOR_OK)
        rc = hor_query_outputs(store, id, take_output, order, err);
    if (rc == HOR_OK)
        rc = service_complete_orders(order->call, order->response->order, 1, err);
    return rc;
}

int service_get_order(struct hor_soap_call *call, const struct _sup__GetOrder *request,
                      struct _sup__GetOrderResponse *response, struct hor_error *err)
{
    struct order order = {call, response, {.soap = call->soap}};
    response->asOf = hor_clock_utc_us();
    int rc = hor_query_order(service_parts(call)->store, request->id, take_order, &order, err);
    /* An order that was added a moment ago is on its way here: wait for it before denying it. */
    if (rc == HOR_ERR_NOT_FOUND && hor_soap_park(call, SERVICE_FRESH_MS) == HOR_SOAP_PARKED)
        return HOR_SOAP_PARKED;
    if (rc == HOR_OK)
        rc = hor_auth_require(call->who, "order.view", response->order->chain, err);
    if (rc == HOR_OK)
        rc = fill_order(&order, request->id, err);
    response->node = order.nodes.items;
    response->__sizenode = order.nodes.count;
    if (rc == HOR_ERR_MEMORY)
        service_no_memory(err);
    return rc;
}

/* What people ask of orders and chains: passed on to the Master that has them. */
#include <stdio.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "server/supervisor/service/operations.h"

enum { COMMAND_TIMEOUT_MS = 15000, ORDERS_MAX = 1000, ID_MAX = 250 };

/* The request's id, or a new one: a command always has an id, so that the way to the agents may
 * repeat it. */
static const char *request_id(const char *given, char uuid[HOR_UUID_BYTES])
{
    if (given != NULL)
        return given;
    hor_uuid(uuid);
    return uuid;
}

/* An id for one command of a request that makes several. */
static void command_id(const char *request, const char *object, char out[ID_MAX + 1])
{
    char digest[65];
    struct hor_buf text = HOR_BUF_INIT;
    hor_buf_printf(&text, "%s:%s", request, object);
    if (text.len <= ID_MAX && strchr(object, '/') == NULL) {
        snprintf(out, ID_MAX + 1, "%s", hor_buf_text(&text));
    } else {
        hor_sha256_hex(hor_buf_text(&text), text.len, digest);
        snprintf(out, ID_MAX + 1, "%s", digest);
    }
    hor_buf_done(&text);
}

int service_add_order(struct hor_soap_call *call, const struct _sup__AddOrder *request,
                      struct _sup__AddOrderResponse *response, struct hor_error *err)
{
    char uuid[HOR_UUID_BYTES];
    struct hor_soap_partner *partner;
    const char *master = NULL;
    struct soap *soap = NULL;
    struct _mst__AddOrderResponse *answer = NULL;
    service_note(call, request->chain, request->reason);
    int rc = hor_auth_require(call->who, "order.add", request->chain, err);
    if (rc == HOR_OK)
        rc = hor_masters_partner(service_parts(call)->masters, request->master, &partner, &master,
                                 err);
    if (rc != HOR_OK)
        return rc;
    struct _mst__AddOrder ask = {
        .requestId = hor_soap_string(call->soap, request_id(request->requestId, uuid)),
        .chain = request->chain,
        .startAt = request->startAt,
        .priority = request->priority,
        .title = request->title,
        .actor = hor_soap_string(call->soap, call->who->user),
        .reason = request->reason,
        .__sizeargument = request->__sizeargument,
        .argument = request->argument};
    if (ask.requestId == NULL || ask.actor == NULL)
        return service_no_memory(err);
    rc = hor_soap_call_op(partner, mst, AddOrder, &ask, &soap, &answer, COMMAND_TIMEOUT_MS, err);
    if (rc == HOR_OK && answer->order != NULL) {
        const struct t__Order *in = answer->order;
        struct hor_order_row row = {
            .id = in->id,
            .chain = in->chain,
            .title = in->title,
            .state = in->state,
            .mark = in->mark,
            .place = in->where,
            .master = in->master != NULL ? in->master : master,
            .cluster = in->cluster,
            .plan_day = in->planDay,
            .schedule = in->schedule,
            .cause = in->cause,
            .release = in->release != NULL ? *in->release : HOR_EVENT_NONE,
            .planned_us = in->plannedAt != NULL ? *in->plannedAt : HOR_EVENT_NONE,
            .due_us = HOR_EVENT_NONE,
            .started_us = in->startedAt != NULL ? *in->startedAt : HOR_EVENT_NONE,
            .ended_us = in->endedAt != NULL ? *in->endedAt : HOR_EVENT_NONE,
            .priority = in->priority != NULL ? *in->priority : HOR_EVENT_NONE,
            .nodes_done = in->nodesDone != NULL ? *in->nodesDone : HOR_EVENT_NONE};
        service_note(call, in->id, request->reason);
        service_note_text(request->chain);
        response->order = hor_soap_alloc(call->soap, sizeof *response->order);
        if (response->order == NULL || !service_order(call->soap, &row, response->order))
            rc = service_no_memory(err);
    } else if (rc == HOR_OK) {
        rc = hor_error_set(err, HOR_ERR_INTERNAL, "the Master's answer has no order");
    }
    hor_soap_done(soap);
    return rc;
}

/* ---- orders ---- */

struct control {
    struct hor_soap_call *call;
    const struct _sup__ControlOrders *request;
    const char *action, *request_id;
    struct service_orders orders;
    struct t__CommandResult *results;
    int count;
    char unreached[128]; /* a Master that did not answer: it is not asked a thousand times */
};

static int add_result(struct control *c, const char *object, const char *outcome, const char *text)
{
    struct t__CommandResult *out = SERVICE_ADD(c->call->soap, &c->results, &c->count);
    if (out == NULL)
        return HOR_ERR_MEMORY;
    *out = (struct t__CommandResult){.object = hor_soap_string(c->call->soap, object),
                                     .outcome = hor_soap_string(c->call->soap, outcome),
                                     .text = hor_soap_string(c->call->soap, text)};
    return out->object != NULL && out->outcome != NULL ? HOR_OK : HOR_ERR_MEMORY;
}

static bool outcome_is(const char *outcome, const char *const *allowed)
{
    for (; outcome != NULL && *allowed != NULL; allowed++)
        if (strcmp(outcome, *allowed) == 0)
            return true;
    return false;
}

static int check_request(const struct _sup__ControlOrders *r, struct hor_error *err)
{
    static const char *const outcomes[] = {"success", "warning", "failure", "skipped", NULL};
    static const char *const resolutions[] = {"success", "failure", "again", NULL};
    bool needs_node = r->action == t__OrderAction__skipNode ||
                      r->action == t__OrderAction__setOutcome ||
                      r->action == t__OrderAction__resolve;
    if ((r->__sizeorder > 0) == (r->filter != NULL))
        return hor_error_set(err, HOR_ERR_INVALID,
                             "order, filter: give the orders or a filter, one of both");
    if (needs_node && r->node == NULL)
        return hor_error_set(err, HOR_ERR_INVALID, "node: this action needs it");
    if (r->action == t__OrderAction__setOutcome && !outcome_is(r->outcome, outcomes))
        return hor_error_set(err, HOR_ERR_INVALID,
                             "outcome: allowed are success, warning, failure, skipped");
    if (r->action == t__OrderAction__resolve && !outcome_is(r->outcome, resolutions))
        return hor_error_set(err, HOR_ERR_INVALID, "outcome: allowed are success, failure, again");
    if (r->action == t__OrderAction__change && r->startAt == NULL && r->priority == NULL &&
        r->__sizeargument == 0)
        return hor_error_set(err, HOR_ERR_INVALID,
                             "startAt, priority, argument: give what shall change");
    return HOR_OK;
}

/* Whether the action can fit the state, as far as it is known here; the agents decide. NULL: it
 * can. */
static const char *misfit(enum t__OrderAction action, const struct t__Order *order)
{
    const char *s = order->state;
    bool waits =
        strcmp(s, "planned") == 0 || strcmp(s, "waitingForTime") == 0 || strcmp(s, "waiting") == 0;
    bool suspended = strcmp(s, "suspended") == 0, failed = strcmp(s, "failed") == 0,
         in_doubt = strcmp(s, "inDoubt") == 0;
    if (order->endedAt != NULL)
        return "it has ended";
    switch (action) {
    case t__OrderAction__start:
        return waits ? NULL : "it has started already";
    case t__OrderAction__suspend:
        return suspended ? "it is suspended already" : NULL;
    case t__OrderAction__resume:
        return suspended || failed ? NULL : "it is not suspended";
    case t__OrderAction__cancel:
        return waits || suspended || failed ? NULL : "it runs: kill it, or suspend it first";
    case t__OrderAction__retry:
        return failed ? NULL : "it has not failed";
    case t__OrderAction__resolve:
        return in_doubt ? NULL : "it is not in doubt";
    default:
        return NULL;
    }
}

static int send_command(struct control *c, const struct t__Order *order, struct hor_error *err)
{
    const struct _sup__ControlOrders *r = c->request;
    char id[ID_MAX + 1];
    struct hor_soap_partner *partner;
    struct soap *soap = NULL;
    struct _mst__CommandResponse *answer = NULL;
    command_id(c->request_id, order->id, id);
    struct t__Command command = {.id = id,
                                 .action = hor_soap_string(c->call->soap, c->action),
                                 .order = order->id,
                                 .node = r->node,
                                 .outcome = r->outcome,
                                 .startAt = r->startAt,
                                 .priority = r->priority,
                                 .actor = hor_soap_string(c->call->soap, c->call->who->user),
                                 .reason = r->reason,
                                 .__sizeargument = r->__sizeargument,
                                 .argument = r->argument};
    struct _mst__Command ask = {.command = &command};
    if (command.action == NULL || command.actor == NULL)
        return service_no_memory(err);
    int rc =
        hor_masters_partner(service_parts(c->call)->masters, order->master, &partner, NULL, err);
    if (rc == HOR_OK)
        rc = hor_soap_call_op(partner, mst, Command, &ask, &soap, &answer, COMMAND_TIMEOUT_MS, err);
    if (rc == HOR_OK && answer->result != NULL)
        rc = add_result(c, order->id, answer->result->outcome, answer->result->text) == HOR_OK
                 ? HOR_OK
                 : service_no_memory(err);
    hor_soap_done(soap);
    return rc;
}

/* One order of several: what goes wrong with it is its own result. */
static int control_one(struct control *c, const struct t__Order *order, struct hor_error *err)
{
    struct hor_error why = {0};
    bool single = c->request->__sizeorder == 1;
    int rc = hor_auth_require(c->call->who, "order.control", order->chain, &why);
    if (rc == HOR_OK && c->request->dryRun != NULL && *c->request->dryRun) {
        const char *text = misfit(c->request->action, order);
        return add_result(c, order->id, text != NULL ? "refused" : "wouldDo", text);
    }
    if (rc == HOR_OK && order->master != NULL && strcmp(c->unreached, order->master) == 0)
        rc = hor_error_set(&why, HOR_ERR_UNREACHABLE, "Master '%.100s' is not reached",
                           order->master);
    else if (rc == HOR_OK)
        rc = send_command(c, order, &why);
    if (rc == HOR_OK)
        return HOR_OK;
    if (rc == HOR_ERR_MEMORY || single)
        return hor_error_set(err, rc, "%s", why.text);
    if ((rc == HOR_ERR_UNREACHABLE || rc == HOR_ERR_TIMEOUT) && order->master != NULL)
        snprintf(c->unreached, sizeof c->unreached, "%s", order->master);
    return add_result(c, order->id, "refused", why.text);
}

static int find_named(struct control *c, struct hor_error *err)
{
    const struct _sup__ControlOrders *r = c->request;
    static char mark;
    struct hor_map *known = hor_map_new(NULL);
    int rc = known != NULL ? hor_query_orders_named(service_parts(c->call)->store, r->order,
                                                    (size_t)r->__sizeorder, service_take_order,
                                                    &c->orders, err)
                           : HOR_ERR_MEMORY;
    for (int i = 0; rc == HOR_OK && i < c->orders.count; i++)
        rc = hor_map_put(known, c->orders.items[i].id, &mark);
    for (int i = 0; rc == HOR_OK && i < r->__sizeorder; i++) {
        char text[300];
        if (hor_map_get(known, r->order[i]) != NULL)
            continue;
        snprintf(text, sizeof text, "order '%.250s' is not known", r->order[i]);
        rc = r->__sizeorder == 1 ? hor_error_set(err, HOR_ERR_NOT_FOUND, "%s", text)
                                 : add_result(c, r->order[i], "refused", text);
    }
    hor_map_free(known);
    return rc;
}

static int find_filtered(struct control *c, struct hor_error *err)
{
    struct hor_order_filter filter;
    struct hor_scope scope;
    char day[11];
    int rc = hor_auth_scope(c->call->who, "order.control", &scope, err);
    if (rc == HOR_OK)
        rc = service_filter(c->request->filter, &scope, &filter, day, err);
    struct hor_buf cursor = HOR_BUF_INIT, next = HOR_BUF_INIT;
    do { /* a search may give short pages */
        hor_buf_clear(&next);
        if (rc == HOR_OK)
            rc = hor_query_orders(service_parts(c->call)->store, &filter,
                                  cursor.len > 0 ? cursor.data : NULL, ORDERS_MAX - c->orders.count,
                                  service_take_order, &c->orders, &next, err);
        hor_buf_clear(&cursor);
        hor_buf_puts(&cursor, hor_buf_text(&next));
    } while (rc == HOR_OK && next.len > 0 && c->orders.count < ORDERS_MAX);
    hor_buf_done(&cursor);
    hor_buf_done(&next);
    hor_scope_done(&scope);
    return rc;
}

int service_control_orders(struct hor_soap_call *call, const struct _sup__ControlOrders *request,
                           struct _sup__ControlOrdersResponse *response, struct hor_error *err)
{
    char uuid[HOR_UUID_BYTES], about[200];
    struct control c = {.call = call,
                        .request = request,
                        .action = soap_t__OrderAction2s(call->soap, request->action),
                        .request_id = request_id(request->requestId, uuid),
                        .orders = {.soap = call->soap}};
    int rc = check_request(request, err);
    if (request->__sizeorder == 1)
        service_note(call, request->order[0], request->reason);
    service_note_text(c.action);
    if (rc == HOR_OK)
        rc = request->filter != NULL ? find_filtered(&c, err) : find_named(&c, err);
    if (rc == HOR_ERR_NOT_FOUND && hor_soap_park(call, SERVICE_FRESH_MS) == HOR_SOAP_PARKED)
        return HOR_SOAP_PARKED; /* nothing was done yet; the order may be on its way here */
    if (rc == HOR_OK && request->__sizeorder != 1) {
        snprintf(about, sizeof about, "%d orders", c.orders.count);
        service_note(call, about, request->reason);
        snprintf(about, sizeof about, "%s%s", c.action,
                 request->dryRun != NULL && *request->dryRun ? " (dry run)" : "");
        service_note_text(about);
    }
    for (int i = 0; rc == HOR_OK && i < c.orders.count; i++)
        rc = control_one(&c, &c.orders.items[i], err);
    if (rc == HOR_ERR_MEMORY)
        service_no_memory(err);
    response->result = c.results;
    response->__sizeresult = c.count;
    return rc;
}

/* ---- chains ---- */

static int control_chain_at(struct hor_soap_call *call, const struct _sup__ControlChain *request,
                            const char *request_key, const char *master,
                            struct _sup__ControlChainResponse *response, struct hor_error *err)
{
    char id[ID_MAX + 1], about[700];
    struct hor_soap_partner *partner;
    struct soap *soap = NULL;
    struct _mst__CommandResponse *answer = NULL;
    bool hold = request->action == _sup__ControlChain_action__hold;
    snprintf(about, sizeof about, "%s/%s", master, request->chain);
    command_id(request_key, about, id);
    struct t__Command command = {.id = id,
                                 .action = hor_soap_string(call->soap, hold ? "hold" : "release"),
                                 .chain = request->chain,
                                 .actor = hor_soap_string(call->soap, call->who->user),
                                 .reason = request->reason};
    struct _mst__Command ask = {.command = &command};
    struct t__CommandResult *out =
        SERVICE_ADD(call->soap, &response->result, &response->__sizeresult);
    if (out == NULL || command.action == NULL || command.actor == NULL)
        return service_no_memory(err);
    int rc = hor_masters_partner(service_parts(call)->masters, master, &partner, NULL, err);
    if (rc == HOR_OK)
        rc = hor_soap_call_op(partner, mst, Command, &ask, &soap, &answer, COMMAND_TIMEOUT_MS, err);
    if (rc == HOR_OK && answer->result != NULL) {
        snprintf(about, sizeof about, "%s at Master %s", request->chain, master);
        *out = (struct t__CommandResult){.object = hor_soap_string(call->soap, about),
                                         .outcome =
                                             hor_soap_string(call->soap, answer->result->outcome),
                                         .text = hor_soap_string(call->soap, answer->result->text)};
        if (out->object == NULL || out->outcome == NULL)
            rc = service_no_memory(err);
    } else if (rc == HOR_OK) {
        rc = hor_error_set(err, HOR_ERR_INTERNAL, "the Master's answer has no result");
    }
    hor_soap_done(soap);
    return rc;
}

int service_control_chain(struct hor_soap_call *call, const struct _sup__ControlChain *request,
                          struct _sup__ControlChainResponse *response, struct hor_error *err)
{
    const struct hor_supervisor_parts *parts = service_parts(call);
    char uuid[HOR_UUID_BYTES];
    const char *key = request_id(request->requestId, uuid);
    service_note(call, request->chain, request->reason);
    service_note_text(request->action == _sup__ControlChain_action__hold ? "hold" : "release");
    int rc = hor_auth_require(call->who, "chain.control", request->chain, err);
    if (rc == HOR_OK && request->master != NULL)
        return control_chain_at(call, request, key, request->master, response, err);
    for (size_t i = 0; rc == HOR_OK && i < hor_masters_count(parts->masters); i++)
        rc = control_chain_at(call, request, key, hor_masters_name(parts->masters, i), response,
                              err);
    return rc;
}

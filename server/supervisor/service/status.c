/* Masters, agent clusters, and what a person wants to see first. */
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "server/supervisor/service/operations.h"

enum { OVERVIEW_ORDERS = 50, OVERVIEW_NEXT = 20 };
static const int64_t day_us = 24 * 3600 * INT64_C(1000000);

/* The Master cluster itself: as it said, or what is known of one that is away. */
static bool add_master(struct soap *soap, const struct hor_master_state *state,
                       struct t__Cluster *out)
{
    bool good = true;
    if (state->answer != NULL && state->answer->master != NULL)
        good = service_cluster(soap, state->answer->master, out);
    else
        *out = (struct t__Cluster){.kind = hor_soap_string(soap, "master"),
                                   .state = hor_soap_string(soap, "unknown")};
    out->path = hor_soap_string(soap, state->name);
    if (state->at_us != 0)
        out->lastSeen = service_long(soap, state->at_us);
    if (!state->reachable) {
        out->state = hor_soap_string(soap, "uncoupled");
        out->cause = hor_soap_string(soap, state->cause);
    }
    return good && out->path != NULL && out->kind != NULL && out->state != NULL;
}

int service_clusters(struct hor_soap_call *call, int *ret_masters, struct t__Cluster **masters,
                     int *ret_clusters, struct t__Cluster **clusters, struct hor_error *err)
{
    struct hor_masters *all = service_parts(call)->masters;
    bool good = true;
    for (size_t i = 0; good && i < hor_masters_count(all); i++) {
        struct hor_master_state state;
        hor_masters_state(all, i, &state);
        struct t__Cluster *out = SERVICE_ADD(call->soap, masters, ret_masters);
        good = out != NULL && add_master(call->soap, &state, out);
        for (int c = 0; good && state.answer != NULL && c < state.answer->__sizecluster; c++) {
            out = SERVICE_ADD(call->soap, clusters, ret_clusters);
            good = out != NULL && service_cluster(call->soap, &state.answer->cluster[c], out);
            if (good && !state.reachable) {
                char cause[400];
                snprintf(cause, sizeof cause, "last known: Master '%s' is not reached", state.name);
                out->cause = hor_soap_string(call->soap, cause);
            }
            if (good && out->lastSeen == NULL && state.at_us != 0)
                out->lastSeen = service_long(call->soap, state.at_us);
        }
        hor_master_state_done(&state);
    }
    return good ? HOR_OK : service_no_memory(err);
}

int service_get_status(struct hor_soap_call *call, const struct _sup__GetStatus *request,
                       struct _sup__GetStatusResponse *response, struct hor_error *err)
{
    (void)request;
    response->asOf = hor_clock_utc_us();
    response->version = hor_soap_string(call->soap, service_parts(call)->version);
    if (response->version == NULL)
        return service_no_memory(err);
    return service_clusters(call, &response->__sizemaster, &response->master,
                            &response->__sizecluster, &response->cluster, err);
}

struct counts {
    struct soap *soap;
    struct _sup__GetOverviewResponse *response;
};

static int take_count(const char *state, int64_t count, void *ctx)
{
    struct counts *counts = ctx;
    struct sup__Count *out =
        SERVICE_ADD(counts->soap, &counts->response->today, &counts->response->__sizetoday);
    if (out == NULL || (out->state = hor_soap_string(counts->soap, state)) == NULL)
        return HOR_ERR_MEMORY;
    out->count = count;
    return HOR_OK;
}

static int add_orders(struct hor_soap_call *call, const struct hor_order_filter *filter, int limit,
                      int *ret_count, struct t__Order **ret, struct hor_error *err)
{
    struct service_orders orders = {.soap = call->soap};
    int rc = hor_query_orders(service_parts(call)->store, filter, NULL, limit, service_take_order,
                              &orders, NULL, err);
    if (rc == HOR_OK)
        rc = service_complete_orders(call, orders.items, orders.count, err);
    if (rc == HOR_ERR_MEMORY)
        service_no_memory(err);
    *ret_count = orders.count;
    *ret = orders.items;
    return rc;
}

static int fill_overview(struct hor_soap_call *call, const struct hor_scope *scope,
                         struct _sup__GetOverviewResponse *response, struct hor_error *err)
{
    struct counts counts = {call->soap, response};
    struct hor_order_filter running = {.states = {"active"}, .state_count = 1, .scope = scope};
    struct hor_order_filter problem = {.states = {"problem"}, .state_count = 1, .scope = scope};
    struct hor_order_filter next = {.states = {"waiting"},
                                    .state_count = 1,
                                    .scope = scope,
                                    .to_us = response->asOf + day_us,
                                    .ascending = true};
    int rc = hor_query_counts(service_parts(call)->store, response->planDay, scope, take_count,
                              &counts, err);
    if (rc == HOR_OK)
        rc = add_orders(call, &running, OVERVIEW_ORDERS, &response->__sizerunning,
                        &response->running, err);
    if (rc == HOR_OK)
        rc = add_orders(call, &problem, OVERVIEW_ORDERS, &response->__sizeproblem,
                        &response->problem, err);
    if (rc == HOR_OK)
        rc = add_orders(call, &next, OVERVIEW_NEXT, &response->__sizenext, &response->next, err);
    if (rc == HOR_OK && hor_auth_may(call->who, "status.view", NULL))
        rc = service_clusters(call, &response->__sizemaster, &response->master,
                              &response->__sizecluster, &response->cluster, err);
    return rc;
}

int service_get_overview(struct hor_soap_call *call, const struct _sup__GetOverview *request,
                         struct _sup__GetOverviewResponse *response, struct hor_error *err)
{
    struct hor_scope scope;
    char today[11];
    (void)request;
    service_today(today);
    response->asOf = hor_clock_utc_us();
    response->planDay = hor_soap_string(call->soap, today);
    response->version = hor_soap_string(call->soap, service_parts(call)->version);
    if (response->planDay == NULL || response->version == NULL)
        return service_no_memory(err);
    int rc = hor_auth_scope(call->who, "order.view", &scope, err);
    if (rc == HOR_OK)
        rc = fill_overview(call, &scope, response, err);
    hor_scope_done(&scope);
    return rc;
}

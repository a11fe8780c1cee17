/* The plan of a day, and the chains of what is deployed. */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "server/supervisor/service/operations.h"

int service_get_plan(struct hor_soap_call *call, const struct _sup__GetPlan *request,
                     struct _sup__GetPlanResponse *response, struct hor_error *err)
{
    struct service_orders orders = {.soap = call->soap};
    struct hor_buf next = HOR_BUF_INIT;
    struct hor_scope scope;
    char day[11];
    int rc = HOR_OK;
    if (request->planDay != NULL)
        rc = service_day(request->planDay, day, err);
    else
        service_today(day);
    if (rc == HOR_OK)
        rc = hor_auth_scope(call->who, "order.view", &scope, err);
    if (rc != HOR_OK)
        return rc;
    struct hor_order_filter filter = {.plan_day = day, .scope = &scope, .ascending = true};
    response->asOf = hor_clock_utc_us();
    rc = hor_query_orders(service_parts(call)->store, &filter, request->cursor,
                          service_limit(request->limit, 500), service_take_order, &orders, &next,
                          err);
    hor_scope_done(&scope);
    if (rc == HOR_OK)
        rc = service_complete_orders(call, orders.items, orders.count, err);
    response->order = orders.items;
    response->__sizeorder = orders.count;
    response->planDay = hor_soap_string(call->soap, day);
    if (next.len > 0)
        response->cursor = hor_soap_string(call->soap, hor_buf_text(&next));
    if (rc == HOR_ERR_MEMORY || response->planDay == NULL ||
        (next.len > 0 && response->cursor == NULL))
        rc = service_no_memory(err);
    hor_buf_done(&next);
    return rc;
}

struct chains {
    struct soap *soap;
    struct _sup__ListChainsResponse *response;
    struct hor_map *by_path; /* -> index + 1 in the response */
};

static struct sup__ChainInfo *chain_of(struct chains *chains, const char *path)
{
    uintptr_t at = (uintptr_t)hor_map_get(chains->by_path, path);
    return at == 0 ? NULL : &chains->response->chain[at - 1];
}

static int add_chain(struct chains *chains, const struct hor_chain *chain)
{
    struct soap *soap = chains->soap;
    struct sup__ChainInfo *info =
        SERVICE_ADD(soap, &chains->response->chain, &chains->response->__sizechain);
    if (info == NULL)
        return HOR_ERR_MEMORY;
    *info = (struct sup__ChainInfo){.path = hor_soap_string(soap, chain->object.path),
                                    .title = hor_soap_string(soap, chain->object.title),
                                    .cluster = hor_soap_string(soap, chain->cluster_path),
                                    .nodes = (int)chain->node_count};
    for (size_t i = 0; i < chain->parameter_count; i++) {
        const struct hor_parameter *p = &chain->parameters[i];
        bool secret = p->type == HOR_PARAMETER_SECRET;
        struct t__Argument *out = SERVICE_ADD(soap, &info->parameter, &info->__sizeparameter);
        if (out == NULL ||
            !service_argument(soap, p->name, secret ? NULL : p->fallback, secret, out))
            return HOR_ERR_MEMORY;
    }
    if (info->path == NULL)
        return HOR_ERR_MEMORY;
    uintptr_t at = (uintptr_t)chains->response->__sizechain;
    return hor_map_put(chains->by_path, chain->object.path, (void *)at);
}

static int take_hold(const char *master, const char *chain, void *ctx)
{
    struct sup__ChainInfo *info = chain_of(ctx, chain);
    (void)master;
    if (info != NULL)
        info->held = true;
    return HOR_OK;
}

static int take_last(const struct hor_chain_row *row, void *ctx)
{
    struct chains *chains = ctx;
    struct sup__ChainInfo *info = chain_of(chains, row->chain);
    if (info == NULL)
        return HOR_OK;
    if (row->last_state != NULL) {
        info->lastState = hor_soap_string(chains->soap, row->last_state);
        info->lastEndedAt = service_long(chains->soap, row->last_ended_us);
        if (info->lastState == NULL)
            return HOR_ERR_MEMORY;
    }
    if (row->next_us != HOR_EVENT_NONE)
        info->nextAt = service_long(chains->soap, row->next_us);
    return HOR_OK;
}

int service_list_chains(struct hor_soap_call *call, const struct _sup__ListChains *request,
                        struct _sup__ListChainsResponse *response, struct hor_error *err)
{
    const struct hor_supervisor_parts *parts = service_parts(call);
    struct chains chains = {call->soap, response, hor_map_new(NULL)};
    struct hor_release_config *config = NULL;
    struct hor_scope scope = {0};
    int64_t current = 0;
    (void)request;
    response->asOf = hor_clock_utc_us();
    int rc = chains.by_path != NULL ? HOR_OK : HOR_ERR_MEMORY;
    if (rc == HOR_OK)
        rc = hor_auth_scope(call->who, "order.view", &scope, err);
    if (rc == HOR_OK)
        rc = hor_release_current(parts->releases, &current, err);
    if (rc == HOR_OK && current != 0)
        rc = hor_release_config(parts->releases, current, &config, err);
    if (rc == HOR_OK && config != NULL) {
        const struct hor_config *model = hor_release_model(config);
        for (size_t i = 0; rc == HOR_OK && i < model->chain_count; i++)
            if (model->chains[i]->part_of == NULL &&
                hor_scope_has(&scope, model->chains[i]->object.path))
                rc = add_chain(&chains, model->chains[i]);
    }
    if (rc == HOR_OK)
        rc = hor_query_holds(parts->store, take_hold, &chains, err);
    if (rc == HOR_OK)
        rc = hor_query_chains(parts->store, take_last, &chains, err);
    if (rc == HOR_ERR_MEMORY)
        service_no_memory(err);
    hor_release_unref(config);
    hor_scope_done(&scope);
    hor_map_free(chains.by_path);
    return rc;
}

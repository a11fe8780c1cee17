#include "lib/soap/event.h"

#include "server/supervisor/service/operations.h"

struct events {
    struct soap *soap;
    struct _sup__GetEventsResponse *response;
};

static int take_event(struct hor_event *event, const char *chain, void *ctx)
{
    struct events *events = ctx;
    struct t__Event *out =
        SERVICE_ADD(events->soap, &events->response->event, &events->response->__sizeevent);
    if (event->chain == NULL && chain != NULL && hor_event_set(&event->chain, chain) != HOR_OK)
        return HOR_ERR_MEMORY;
    return out != NULL ? hor_soap_event_write(events->soap, event, out) : HOR_ERR_MEMORY;
}

int service_get_events(struct hor_soap_call *call, const struct _sup__GetEvents *request,
                       struct _sup__GetEventsResponse *response, struct hor_error *err)
{
    struct hor_store *store = service_parts(call)->store;
    struct events events = {call->soap, response};
    struct hor_scope scope;
    uint64_t last = request->after, newest = hor_store_last_event(store);
    int rc = HOR_OK;
    response->last = hor_soap_alloc(call->soap, sizeof *response->last);
    if (response->last == NULL)
        return service_no_memory(err);
    if (newest > request->after) { /* asked from memory: a waiting call costs no statement */
        rc = hor_auth_scope(call->who, "event.view", &scope, err);
        if (rc != HOR_OK)
            return rc;
        rc = hor_query_events(store, request->after, request->order, &scope,
                              service_limit(request->limit, 100), take_event, &events, &last, err);
        hor_scope_done(&scope);
        if (rc == HOR_ERR_MEMORY)
            service_no_memory(err);
    }
    if (rc != HOR_OK)
        return rc;
    if (response->__sizeevent == 0 && request->waitMs != NULL && *request->waitMs > 0 &&
        hor_soap_park(call, *request->waitMs) == HOR_SOAP_PARKED)
        return HOR_SOAP_PARKED;
    response->position = last;
    *response->last = newest > last ? newest : last;
    return HOR_OK;
}

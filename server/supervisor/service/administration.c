#include "server/supervisor/service/operations.h"

#include <string.h>

struct audit {
    struct soap *soap;
    struct _sup__ListAuditResponse *response;
};

static int take_entry(const struct hor_audit_entry *row, void *ctx)
{
    struct audit *audit = ctx;
    struct soap *soap = audit->soap;
    struct sup__AuditEntry *entry =
        SERVICE_ADD(soap, &audit->response->entry, &audit->response->__sizeentry);
    if (entry == NULL)
        return HOR_ERR_MEMORY;
    *entry = (struct sup__AuditEntry){.at = row->at_us,
                                      .user = hor_soap_string(soap, row->user),
                                      .from = hor_soap_string(soap, row->address),
                                      .operation = hor_soap_string(soap, row->operation),
                                      .object = hor_soap_string(soap, row->object),
                                      .reason = hor_soap_string(soap, row->reason),
                                      .outcome = hor_soap_string(soap, row->outcome),
                                      .text = hor_soap_string(soap, row->detail),
                                      .correlation = hor_soap_string(soap, row->correlation)};
    return entry->user != NULL && entry->operation != NULL && entry->outcome != NULL
               ? HOR_OK
               : HOR_ERR_MEMORY;
}

int service_list_audit(struct hor_soap_call *call, const struct _sup__ListAudit *request,
                       struct _sup__ListAuditResponse *response, struct hor_error *err)
{
    struct audit audit = {call->soap, response};
    struct hor_buf next = HOR_BUF_INIT;
    int rc =
        hor_query_audit(service_parts(call)->store, request->user, request->object, request->cursor,
                        service_limit(request->limit, 100), take_entry, &audit, &next, err);
    if (rc == HOR_OK && next.len > 0 &&
        (response->cursor = hor_soap_string(call->soap, hor_buf_text(&next))) == NULL)
        rc = HOR_ERR_MEMORY;
    hor_buf_done(&next);
    if (rc == HOR_ERR_MEMORY)
        service_no_memory(err);
    return rc;
}

struct sessions {
    struct hor_soap_call *call;
    struct _sup__ListSessionsResponse *response;
};

static int take_session(const struct hor_session_info *info, void *ctx)
{
    struct sessions *sessions = ctx;
    struct soap *soap = sessions->call->soap;
    struct sup__SessionInfo *out =
        SERVICE_ADD(soap, &sessions->response->session, &sessions->response->__sizesession);
    if (out == NULL)
        return HOR_ERR_MEMORY;
    *out =
        (struct sup__SessionInfo){.id = hor_soap_string(soap, info->id),
                                  .user = hor_soap_string(soap, info->user),
                                  .from = hor_soap_string(soap, info->from),
                                  .startedAt = info->started_us,
                                  .lastUsedAt = info->used_us,
                                  .current = strcmp(info->id, sessions->call->who->session) == 0};
    return out->id != NULL && out->user != NULL ? HOR_OK : HOR_ERR_MEMORY;
}

/* Everybody sees the own sessions; who manages sessions sees all. */
static const char *whose(const struct hor_soap_call *call)
{
    return hor_auth_may(call->who, "session.manage", NULL) ? NULL : call->who->user;
}

int service_list_sessions(struct hor_soap_call *call, const struct _sup__ListSessions *request,
                          struct _sup__ListSessionsResponse *response, struct hor_error *err)
{
    struct sessions sessions = {call, response};
    (void)request;
    int rc = hor_auth_sessions(service_parts(call)->auth, whose(call), take_session, &sessions);
    return rc == HOR_OK ? HOR_OK : service_no_memory(err);
}

int service_end_session(struct hor_soap_call *call, const struct _sup__EndSession *request,
                        struct _sup__EndSessionResponse *response, struct hor_error *err)
{
    (void)response;
    service_note(call, request->id, NULL);
    return hor_auth_end_session(service_parts(call)->auth, request->id, whose(call), err);
}

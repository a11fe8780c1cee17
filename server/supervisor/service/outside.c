/* What comes from outside the orders: external events for chains that require them, and agents that
 * people take out of use for a while. */
#include <stdio.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "server/supervisor/service/operations.h"

enum { TIMEOUT_MS = 15000, ID_MAX = 250 };

/* The same request to the same Master about the same thing has the same id. */
static void id_of(const char *request, const char *master, const char *object, char out[ID_MAX + 1])
{
    char digest[65];
    struct hor_buf text = HOR_BUF_INIT;
    hor_buf_printf(&text, "%s\n%s\n%s", request, master, object);
    hor_sha256_hex(hor_buf_text(&text), text.len, digest);
    snprintf(out, ID_MAX + 1, "%s", digest);
    hor_buf_done(&text);
}

static int add_result(struct hor_soap_call *call, const char *object, const char *master,
                      const char *outcome, const char *text, int *count,
                      struct t__CommandResult **results, struct hor_error *err)
{
    char about[700];
    struct t__CommandResult *out = SERVICE_ADD(call->soap, results, count);
    snprintf(about, sizeof about, "%.250s at Master %.250s", object, master);
    if (out == NULL)
        return service_no_memory(err);
    out->object = hor_soap_string(call->soap, about);
    out->outcome = hor_soap_string(call->soap, outcome);
    out->text = hor_soap_string(call->soap, text);
    return out->object != NULL && out->outcome != NULL ? HOR_OK : service_no_memory(err);
}

/* ---- external events ---- */

static int post_to(struct hor_soap_call *call, const struct _sup__PostEvent *request,
                   const char *key, const char *master, struct _sup__PostEventResponse *response,
                   struct hor_error *err)
{
    char id[ID_MAX + 1];
    struct hor_soap_partner *partner;
    struct soap *soap = NULL;
    struct _mst__PostEventResponse *answer = NULL;
    id_of(key, master, request->name, id);
    struct _mst__PostEvent ask = {.requestId = id,
                                  .name = request->name,
                                  .actor = hor_soap_string(call->soap, call->who->user),
                                  .reason = request->reason,
                                  .__sizeargument = request->__sizeargument,
                                  .argument = request->argument};
    if (ask.actor == NULL)
        return service_no_memory(err);
    int rc = hor_masters_partner(service_parts(call)->masters, master, &partner, NULL, err);
    if (rc == HOR_OK)
        rc = hor_soap_call_op(partner, mst, PostEvent, &ask, &soap, &answer, TIMEOUT_MS, err);
    hor_soap_done(soap);
    return rc == HOR_OK ? add_result(call, request->name, master, "done", NULL,
                                     &response->__sizeresult, &response->result, err)
                        : rc;
}

/* To all Masters unless one is named. One that is away does not keep the others from hearing of it:
 * the caller sees who did not, and may repeat the request for all. */
int service_post_event(struct hor_soap_call *call, const struct _sup__PostEvent *request,
                       struct _sup__PostEventResponse *response, struct hor_error *err)
{
    const struct hor_supervisor_parts *parts = service_parts(call);
    char uuid[HOR_UUID_BYTES];
    const char *key = request->requestId;
    size_t told = 0;
    int rc = HOR_OK;
    service_note(call, request->name, request->reason);
    if (key == NULL) {
        hor_uuid(uuid);
        key = uuid;
    }
    if (request->master != NULL)
        return post_to(call, request, key, request->master, response, err);
    for (size_t i = 0; i < hor_masters_count(parts->masters); i++) {
        struct hor_error why = {0};
        const char *master = hor_masters_name(parts->masters, i);
        rc = post_to(call, request, key, master, response, &why);
        told += rc == HOR_OK;
        if (rc == HOR_OK)
            continue;
        *err = why;
        if (rc == HOR_ERR_MEMORY || hor_masters_count(parts->masters) == 1)
            return rc;
        rc = add_result(call, request->name, master, "refused", why.text, &response->__sizeresult,
                        &response->result, err);
        if (rc != HOR_OK)
            return rc;
    }
    return told > 0 ? HOR_OK : rc != HOR_OK ? rc : err->code;
}

/* ---- agents ---- */

static int control_at(struct hor_soap_call *call, const struct _sup__ControlAgent *request,
                      const char *key, const char *master,
                      struct _sup__ControlAgentResponse *response, struct hor_error *err)
{
    char id[ID_MAX + 1];
    struct hor_soap_partner *partner;
    struct soap *soap = NULL;
    struct _mst__CommandResponse *answer = NULL;
    bool drain = request->action == _sup__ControlAgent_action__drain;
    id_of(key, master, request->agent, id);
    struct t__Command command = {.id = id,
                                 .action = hor_soap_string(call->soap, drain ? "drain" : "undrain"),
                                 .agent = request->agent,
                                 .actor = hor_soap_string(call->soap, call->who->user),
                                 .reason = request->reason};
    struct _mst__Command ask = {.command = &command};
    if (command.action == NULL || command.actor == NULL)
        return service_no_memory(err);
    int rc = hor_masters_partner(service_parts(call)->masters, master, &partner, NULL, err);
    if (rc == HOR_OK)
        rc = hor_soap_call_op(partner, mst, Command, &ask, &soap, &answer, TIMEOUT_MS, err);
    if (rc == HOR_OK && answer->result == NULL)
        rc = hor_error_set(err, HOR_ERR_INTERNAL, "the Master's answer has no result");
    if (rc == HOR_OK)
        rc = add_result(call, request->agent, master, answer->result->outcome, answer->result->text,
                        &response->__sizeresult, &response->result, err);
    hor_soap_done(soap);
    return rc;
}

/* One Master is enough: an agent that is drained is so for all. */
int service_control_agent(struct hor_soap_call *call, const struct _sup__ControlAgent *request,
                          struct _sup__ControlAgentResponse *response, struct hor_error *err)
{
    const struct hor_supervisor_parts *parts = service_parts(call);
    char uuid[HOR_UUID_BYTES];
    const char *key = request->requestId;
    int rc = HOR_ERR_NOT_FOUND;
    service_note(call, request->agent, request->reason);
    service_note_text(request->action == _sup__ControlAgent_action__drain ? "drain" : "resume");
    if (key == NULL) {
        hor_uuid(uuid);
        key = uuid;
    }
    if (request->master != NULL)
        return control_at(call, request, key, request->master, response, err);
    for (size_t i = 0; rc != HOR_OK && i < hor_masters_count(parts->masters); i++)
        rc = control_at(call, request, key, hor_masters_name(parts->masters, i), response, err);
    return rc;
}

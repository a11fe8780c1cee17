/* What people decide about Master clusters and agent clusters: passing leadership on, coupling anew,
 * and commands that wait. */
#include <stdio.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "server/supervisor/service/operations.h"

enum { CLUSTER_CALL_MS = 15000, LIST_CALL_MS = 5000 };

/* One command for one Master; the answer is a result with `object`. */
static int send_command(struct hor_soap_call *call, const char *master, struct t__Command *command,
                const char *request, const char *reason, int *ret_count,
                struct t__CommandResult **ret, struct hor_error *err)
{
    char uuid[HOR_UUID_BYTES];
    struct hor_soap_partner *partner;
    struct soap *soap = NULL;
    struct _mst__CommandResponse *answer = NULL;
    struct _mst__Command ask = {.command = command};
    hor_uuid(uuid);
    command->id = hor_soap_string(call->soap, request != NULL ? request : uuid);
    command->actor = hor_soap_string(call->soap, call->who->user);
    command->reason = (char *)reason;
    if (command->id == NULL || command->actor == NULL || command->action == NULL)
        return service_no_memory(err);
    int rc = hor_masters_partner(service_parts(call)->masters, master, &partner, NULL, err);
    if (rc == HOR_OK)
        rc = hor_soap_call_op(partner, mst, Command, &ask, &soap, &answer, CLUSTER_CALL_MS, err);
    if (rc == HOR_OK) {
        struct t__CommandResult *out = SERVICE_ADD(call->soap, ret, ret_count);
        if (out != NULL)
            *out = (struct t__CommandResult){
                .object = hor_soap_string(call->soap, answer->result->object),
                .outcome = hor_soap_string(call->soap, answer->result->outcome),
                .text = hor_soap_string(call->soap, answer->result->text)};
        if (out == NULL || out->object == NULL || out->outcome == NULL)
            rc = service_no_memory(err);
    }
    hor_soap_done(soap);
    return rc;
}

int service_switch_master(struct hor_soap_call *call, const struct _sup__SwitchMaster *request,
                          struct _sup__SwitchMasterResponse *response, struct hor_error *err)
{
    struct t__Command command = {.action = hor_soap_string(call->soap, "switch"),
                                 .agent = request->member};
    service_note(call, request->member, request->reason);
    return send_command(call, request->master, &command, request->requestId, request->reason,
                &response->__sizeresult, &response->result, err);
}

int service_control_cluster(struct hor_soap_call *call, const struct _sup__ControlCluster *request,
                            struct _sup__ControlClusterResponse *response, struct hor_error *err)
{
    struct t__Command command = {.action = hor_soap_string(call->soap, "recouple"),
                                 .chain = request->cluster};
    service_note(call, request->cluster, request->reason);
    service_note_text("recouple");
    return send_command(call, request->master, &command, request->requestId, request->reason,
                &response->__sizeresult, &response->result, err);
}

int service_revoke_command(struct hor_soap_call *call, const struct _sup__RevokeCommand *request,
                           struct _sup__RevokeCommandResponse *response, struct hor_error *err)
{
    struct t__Command command = {.action = hor_soap_string(call->soap, "revoke"),
                                 .command = request->command};
    service_note(call, request->command, request->reason);
    return send_command(call, request->master, &command, request->requestId, request->reason,
                &response->__sizeresult, &response->result, err);
}

/* ---- waiting commands ---- */

static int take_commands(struct hor_soap_call *call, const struct _mst__ListCommandsResponse *answer,
                         struct _sup__ListCommandsResponse *response)
{
    struct soap *soap = call->soap;
    for (int i = 0; i < answer->__sizecommand; i++) {
        const struct t__WaitingCommand *in = &answer->command[i];
        struct t__WaitingCommand *out =
            SERVICE_ADD(soap, &response->command, &response->__sizecommand);
        if (out == NULL)
            return HOR_ERR_MEMORY;
        *out = (struct t__WaitingCommand){.id = hor_soap_string(soap, in->id),
                                          .action = hor_soap_string(soap, in->action),
                                          .object = hor_soap_string(soap, in->object),
                                          .node = hor_soap_string(soap, in->node),
                                          .master = hor_soap_string(soap, in->master),
                                          .cluster = hor_soap_string(soap, in->cluster),
                                          .receivedAt = in->receivedAt,
                                          .actor = hor_soap_string(soap, in->actor),
                                          .reason = hor_soap_string(soap, in->reason)};
        if (out->id == NULL || out->action == NULL || out->object == NULL || out->master == NULL ||
            out->cluster == NULL)
            return HOR_ERR_MEMORY;
    }
    return HOR_OK;
}

static int not_asked(struct hor_soap_call *call, const char *master, const struct hor_error *why,
                     struct _sup__ListCommandsResponse *response)
{
    struct t__Problem *out =
        SERVICE_ADD(call->soap, &response->problem, &response->__sizeproblem);
    if (out == NULL)
        return HOR_ERR_MEMORY;
    *out = (struct t__Problem){.severity = hor_soap_string(call->soap, "warning"),
                               .object = hor_soap_string(call->soap, master),
                               .text = hor_soap_string(call->soap, why->text)};
    return out->severity != NULL && out->text != NULL ? HOR_OK : HOR_ERR_MEMORY;
}

static int list_at(struct hor_soap_call *call, const char *master,
                   struct _sup__ListCommandsResponse *response, struct hor_error *err)
{
    static const struct _mst__ListCommands ask; /* has no members */
    struct hor_soap_partner *partner;
    struct soap *soap = NULL;
    struct _mst__ListCommandsResponse *answer = NULL;
    int rc = hor_masters_partner(service_parts(call)->masters, master, &partner, NULL, err);
    if (rc == HOR_OK)
        rc = hor_soap_call_op(partner, mst, ListCommands, &ask, &soap, &answer, LIST_CALL_MS, err);
    if (rc == HOR_OK && take_commands(call, answer, response) != HOR_OK)
        rc = service_no_memory(err);
    hor_soap_done(soap);
    return rc;
}

int service_list_commands(struct hor_soap_call *call, const struct _sup__ListCommands *request,
                          struct _sup__ListCommandsResponse *response, struct hor_error *err)
{
    struct hor_masters *masters = service_parts(call)->masters;
    if (request->master != NULL)
        return list_at(call, request->master, response, err);
    for (size_t i = 0; i < hor_masters_count(masters); i++) {
        struct hor_error why = {0};
        const char *name = hor_masters_name(masters, i);
        int rc = list_at(call, name, response, &why);
        if (rc == HOR_ERR_MEMORY ||
            (rc != HOR_OK && not_asked(call, name, &why, response) != HOR_OK))
            return service_no_memory(err);
    }
    return HOR_OK;
}

/* Commands that wait for their agent cluster, for those who may want to take one back. */
#include <stdlib.h>

#include "lib/soap/service.h"
#include "server/master/master.h"

struct commands_answer {
    struct soap *soap;
    const char *master;
    struct t__WaitingCommand *commands;
    int count;
};

enum { COMMANDS_MAX = 10000 };

static int compare_commands(const void *a, const void *b)
{
    const struct t__WaitingCommand *x = a, *y = b;
    return x->receivedAt < y->receivedAt ? -1 : x->receivedAt > y->receivedAt;
}

static int ask_commands(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct commands_answer *answer = arg;
    struct soap *soap = answer->soap;
    const struct hor_event *e;
    size_t pos = 0, count = 0;
    if (!atomic_load(&master->leader))
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "this Master is not the active one");
    while (hor_master_core_waiting(master->core, NULL, &pos) != NULL && count < COMMANDS_MAX)
        count++;
    answer->commands = hor_soap_alloc(soap, (count + 1) * sizeof *answer->commands);
    if (answer->commands == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    for (pos = 0; answer->count < (int)count &&
                  (e = hor_master_core_waiting(master->core, NULL, &pos)) != NULL;) {
        const char *object = e->order != NULL ? e->order : e->chain != NULL ? e->chain : e->agent;
        answer->commands[answer->count++] = (struct t__WaitingCommand){
            .id = hor_soap_string(soap, e->command),
            .action = hor_soap_string(soap, e->action != NULL ? e->action : ""),
            .object = hor_soap_string(soap, object != NULL ? object : ""),
            .node = hor_soap_string(soap, e->node),
            .master = hor_soap_string(soap, answer->master),
            .cluster = hor_soap_string(soap, e->cluster),
            .receivedAt = e->at_us,
            .actor = hor_soap_string(soap, e->actor),
            .reason = hor_soap_string(soap, e->reason)};
    }
    qsort(answer->commands, (size_t)answer->count, sizeof *answer->commands, compare_commands);
    return HOR_OK;
}

int hor_master_list_commands(struct hor_soap_call *call, const struct _mst__ListCommands *request,
                             struct _mst__ListCommandsResponse *response, struct hor_error *err)
{
    struct hor_master *master = call->ctx;
    struct commands_answer answer = {.soap = call->soap, .master = master->settings->cluster};
    (void)request;
    int rc = hor_master_ask(master, ask_commands, &answer, err);
    response->command = answer.commands;
    response->__sizecommand = answer.count;
    const char *url = hor_master_active_url(master);
    if (rc == HOR_ERR_NOT_ACTIVE && url != NULL)
        hor_soap_fault_active(call, url);
    return rc;
}

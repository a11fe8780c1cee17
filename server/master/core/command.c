#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "server/master/core/state.h"

/* A command on its way through the decision: events are kept until it is clear that all are there. */
struct deciding {
    const struct hor_master_command *command;
    int64_t now_us;
    struct hor_event *events[4];
    size_t count;
};

static struct hor_event *event_of(struct deciding *d, enum hor_event_type type)
{
    const struct hor_master_command *c = d->command;
    struct hor_event *event = hor_event_new(type, d->now_us);
    if (event == NULL || hor_event_set(&event->command, c->id) != HOR_OK ||
        hor_event_set(&event->order, c->order) != HOR_OK ||
        hor_event_set(&event->actor, c->actor) != HOR_OK ||
        hor_event_set(&event->reason, c->reason) != HOR_OK) {
        hor_event_free(event);
        return NULL;
    }
    d->events[d->count++] = event;
    return event;
}

static int received(struct deciding *d, const char *cluster)
{
    const struct hor_master_command *c = d->command;
    struct hor_event *event = event_of(d, HOR_EVENT_COMMAND_RECEIVED);
    if (event == NULL || hor_event_set(&event->action, c->action) != HOR_OK ||
        hor_event_set(&event->chain, c->chain) != HOR_OK ||
        hor_event_set(&event->agent, c->agent) != HOR_OK ||
        hor_event_set(&event->node, c->node) != HOR_OK ||
        hor_event_set(&event->outcome, c->outcome) != HOR_OK ||
        hor_event_set(&event->name, c->command) != HOR_OK ||
        hor_event_set(&event->cluster, cluster) != HOR_OK ||
        (c->arguments != NULL &&
         hor_arguments_copy(&event->arguments, c->arguments) != HOR_OK))
        return HOR_ERR_MEMORY;
    event->due_at = c->start_at;
    event->priority = c->priority;
    return HOR_OK;
}

static int answered(struct deciding *d, bool done, const char *cause)
{
    struct hor_event *event = event_of(d, HOR_EVENT_COMMAND_DONE);
    return event == NULL || hor_event_set(&event->outcome, done ? "done" : "refused") != HOR_OK ||
                   hor_event_set(&event->cause, cause) != HOR_OK
               ? HOR_ERR_MEMORY
               : HOR_OK;
}

static int refuse(struct deciding *d, struct hor_master_answer *answer, const char *text)
{
    answer->kind = HOR_MASTER_REFUSED;
    snprintf(answer->text, sizeof answer->text, "%s", text);
    int rc = received(d, NULL);
    return rc == HOR_OK ? answered(d, false, answer->text) : rc;
}

/* What a command does to an order that is still here; HOR_EVENT_TYPES: `ret_text` says why not. */
static enum hor_event_type effect_here(const struct hor_master_entry *entry, const char *action,
                                       const char **ret_text)
{
    bool suspended = entry->state == HOR_MASTER_SUSPENDED;
    if (strcmp(action, "cancel") == 0 || strcmp(action, "kill") == 0)
        return HOR_EVENT_ORDER_ENDED;
    if (strcmp(action, "change") == 0 || strcmp(action, "start") == 0) {
        if (!suspended || strcmp(action, "change") == 0)
            return HOR_EVENT_ORDER_CHANGED;
        *ret_text = "the order is suspended: resume it first";
    } else if (strcmp(action, "suspend") == 0) {
        if (!suspended)
            return HOR_EVENT_ORDER_SUSPENDED;
        *ret_text = "the order is suspended already";
    } else if (strcmp(action, "resume") == 0) {
        if (suspended)
            return HOR_EVENT_ORDER_RESUMED;
        *ret_text = "the order is not suspended";
    } else
        *ret_text = "the order has not started";
    return HOR_EVENT_TYPES;
}

static int act_here(struct deciding *d, struct hor_master_entry *entry,
                    struct hor_master_answer *answer)
{
    const struct hor_master_command *c = d->command;
    const char *text = NULL;
    enum hor_event_type type = effect_here(entry, c->action, &text);
    if (type == HOR_EVENT_TYPES)
        return refuse(d, answer, text);
    if (received(d, NULL) != HOR_OK)
        return HOR_ERR_MEMORY;
    struct hor_event *event = event_of(d, type);
    if (event == NULL)
        return HOR_ERR_MEMORY;
    if (type == HOR_EVENT_ORDER_ENDED &&
        (hor_event_set(&event->state, "cancelled") != HOR_OK ||
         hor_event_set(&event->cause, c->reason != NULL ? c->reason : "cancelled by command") !=
             HOR_OK))
        return HOR_ERR_MEMORY;
    if (type == HOR_EVENT_ORDER_CHANGED) {
        event->due_at = strcmp(c->action, "start") == 0 ? d->now_us : c->start_at;
        event->priority = c->priority;
        if (c->arguments != NULL && hor_arguments_copy(&event->arguments, c->arguments) != HOR_OK)
            return HOR_ERR_MEMORY;
    }
    answer->kind = HOR_MASTER_DONE;
    return answered(d, true, NULL);
}

static int pass_on(struct deciding *d, const char *cluster, struct hor_master_answer *answer)
{
    answer->kind = HOR_MASTER_REMOTE;
    snprintf(answer->cluster, sizeof answer->cluster, "%s", cluster);
    return received(d, cluster);
}

/* ---- whose is it ---- */

static int order_command(struct hor_master_core *core, struct deciding *d,
                         struct hor_master_answer *answer, struct hor_error *err)
{
    const char *id = d->command->order;
    struct hor_master_entry *entry = hor_map_get(core->orders, id);
    char text[400];
    if (entry == NULL)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "Master '%s' has no order '%s'", core->name, id);
    if (entry->state == HOR_MASTER_ENDED) {
        snprintf(text, sizeof text, "the order has ended: %s", hor_master_state_name(entry));
        return refuse(d, answer, text);
    }
    if (entry->away || entry->forwarding ||
        !hor_master_place_settled(hor_map_get(core->places, entry->cluster)))
        return pass_on(d, entry->cluster, answer);
    if (entry->under_way)
        return hor_error_set(err, HOR_ERR_BUSY, "order '%s' is being changed", id);
    int rc = act_here(d, entry, answer);
    if (rc == HOR_OK && answer->kind == HOR_MASTER_DONE)
        entry->under_way = true;
    return rc;
}

/* The member is to lead: it becomes the preferred one, and the shell passes leadership on. */
static int switch_command(struct deciding *d, struct hor_master_answer *answer)
{
    if (received(d, NULL) != HOR_OK)
        return HOR_ERR_MEMORY;
    answer->kind = HOR_MASTER_DONE;
    return answered(d, true, NULL);
}

static int revoke_command(struct hor_master_core *core, struct deciding *d,
                          struct hor_master_answer *answer, struct hor_error *err)
{
    const char *id = d->command->command;
    const struct hor_master_request *request = hor_map_get(core->requests, id);
    char cause[500];
    if (request == NULL || request->received == NULL)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "Master '%s' has no command '%s'", core->name, id);
    if (request->kind != HOR_MASTER_WAITING)
        return refuse(d, answer, "the command does not wait any more: it was answered");
    if (request->sent)
        return refuse(d, answer, "the command was sent, and its answer is not here: whether it was "
                                 "carried out is not known before its cluster is reached");
    if (received(d, NULL) != HOR_OK)
        return HOR_ERR_MEMORY;
    struct hor_event *event = event_of(d, HOR_EVENT_COMMAND_DONE);
    snprintf(cause, sizeof cause, "revoked by %.200s", d->command->actor != NULL ? d->command->actor : "somebody");
    if (event == NULL || hor_event_set(&event->command, id) != HOR_OK ||
        hor_event_set(&event->order, request->received->order) != HOR_OK ||
        hor_event_set(&event->outcome, "refused") != HOR_OK ||
        hor_event_set(&event->cause, cause) != HOR_OK)
        return HOR_ERR_MEMORY;
    if (!hor_master_place_settled(hor_map_get(core->places, request->received->cluster)))
        snprintf(answer->text, sizeof answer->text,
                 "it is not delivered any more; whether it was before the active Master changed is "
                 "not known until its cluster is reached");
    answer->kind = HOR_MASTER_DONE;
    return answered(d, true, answer->text[0] != '\0' ? answer->text : NULL);
}

/* The way out of unknownPartner and gap: forget what is known of the cluster's journal. */
static int recouple(struct hor_master_core *core, struct deciding *d,
                    struct hor_master_answer *answer, struct hor_error *err)
{
    const struct hor_master_place *place = hor_map_get(core->places, d->command->chain);
    if (place == NULL)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "Master '%s' knows no agent cluster '%s'",
                             core->name, d->command->chain);
    if (place->coupled && place->reached)
        return refuse(d, answer, "the cluster is coupled: nothing has to be decided");
    if (received(d, NULL) != HOR_OK)
        return HOR_ERR_MEMORY;
    struct hor_event *event = event_of(d, HOR_EVENT_CLUSTER_UNCOUPLED);
    if (event == NULL || hor_event_set(&event->cluster, place->path) != HOR_OK ||
        hor_event_set(&event->action, "recouple") != HOR_OK ||
        hor_event_set(&event->cause, "a person decided to couple anew") != HOR_OK)
        return HOR_ERR_MEMORY;
    answer->kind = HOR_MASTER_DONE;
    return answered(d, true, NULL);
}

static int chain_command(struct hor_master_core *core, struct deciding *d,
                         struct hor_master_answer *answer, struct hor_error *err)
{
    const char *path = d->command->chain;
    const struct hor_config *config = hor_master_core_config(core);
    const struct hor_chain *chain = config != NULL ? hor_config_chain(config, path) : NULL;
    if (strcmp(d->command->action, "recouple") == 0)
        return recouple(core, d, answer, err);
    if (chain != NULL)
        return pass_on(d, chain->cluster_path, answer);
    const char *cluster = hor_map_get(core->held, path); /* held, and gone from the release since */
    if (cluster != NULL && cluster[0] != '\0')
        return pass_on(d, cluster, answer);
    return hor_error_set(err, HOR_ERR_NOT_FOUND, "Master '%s' has no chain '%s'", core->name, path);
}

static int agent_command(struct hor_master_core *core, struct deciding *d,
                         struct hor_master_answer *answer, struct hor_error *err)
{
    const char *name = d->command->agent;
    const struct hor_config *config = hor_master_core_config(core);
    for (size_t i = 0; config != NULL && i < config->cluster_count; i++)
        for (size_t j = 0; j < config->clusters[i]->member_count; j++)
            if (strcmp(config->clusters[i]->members[j].name, name) == 0)
                return pass_on(d, config->clusters[i]->object.path, answer);
    return hor_error_set(err, HOR_ERR_NOT_FOUND, "Master '%s' knows no agent '%s'", core->name, name);
}

static int repeat(const struct hor_master_request *request, struct hor_master_answer *answer,
                  struct hor_error *err)
{
    answer->kind = request->kind;
    if (request->received != NULL && request->text != NULL)
        snprintf(answer->text, sizeof answer->text, "%s", request->text);
    if (request->received != NULL && request->received->cluster != NULL)
        snprintf(answer->cluster, sizeof answer->cluster, "%s", request->received->cluster);
    return hor_error_set(err, HOR_ERR_EXISTS, "command '%s' was given before", request->id);
}

int hor_master_core_command(struct hor_master_core *core, const struct hor_master_command *command,
                            int64_t now_us, hor_master_emit_fn *emit, void *ctx,
                            struct hor_master_answer *ret_answer, struct hor_error *err)
{
    struct deciding d = {.command = command, .now_us = now_us};
    struct hor_master_answer answer = {.kind = HOR_MASTER_REFUSED};
    const struct hor_master_request *before = hor_map_get(core->requests, command->id);
    if (before != NULL)
        return repeat(before, ret_answer, err);
    int rc;
    if (command->order != NULL)
        rc = order_command(core, &d, &answer, err);
    else if (command->chain != NULL)
        rc = chain_command(core, &d, &answer, err);
    else if (command->command != NULL && strcmp(command->action, "revoke") == 0)
        rc = revoke_command(core, &d, &answer, err);
    else if (command->agent != NULL && strcmp(command->action, "switch") == 0)
        rc = switch_command(&d, &answer);
    else if (command->agent != NULL)
        rc = agent_command(core, &d, &answer, err);
    else
        rc = hor_error_set(err, HOR_ERR_INVALID, "a command names an order, a chain or an agent");
    if (rc == HOR_ERR_MEMORY)
        hor_error_set(err, rc, "out of memory");
    for (size_t i = 0; i < d.count; i++)
        rc == HOR_OK ? emit(d.events[i], ctx) : hor_event_free(d.events[i]);
    if (rc == HOR_OK)
        *ret_answer = answer;
    return rc;
}

struct hor_event *hor_master_core_command_done(const char *id, const char *cluster, bool done,
                                               const char *cause, int64_t now_us)
{
    struct hor_event *event = hor_event_new(HOR_EVENT_COMMAND_DONE, now_us);
    if (event == NULL || hor_event_set(&event->command, id) != HOR_OK ||
        hor_event_set(&event->cluster, cluster) != HOR_OK ||
        hor_event_set(&event->outcome, done ? "done" : "refused") != HOR_OK ||
        hor_event_set(&event->cause, cause) != HOR_OK) {
        hor_event_free(event);
        return NULL;
    }
    return event;
}

int hor_master_core_command_here(struct hor_master_core *core, const char *id, int64_t now_us,
                                 hor_master_emit_fn *emit, void *ctx, bool *ret_here)
{
    const struct hor_master_request *request = hor_map_get(core->requests, id);
    const struct hor_event *e = request != NULL ? request->received : NULL;
    struct hor_master_entry *entry =
        e != NULL && e->order != NULL ? hor_map_get(core->orders, e->order) : NULL;
    *ret_here = entry != NULL && !entry->away && !entry->forwarding && !entry->under_way &&
                entry->state != HOR_MASTER_ENDED && request->kind == HOR_MASTER_WAITING;
    if (!*ret_here)
        return HOR_OK;
    struct hor_master_command command = {.id = e->command,
                                         .action = e->action,
                                         .order = e->order,
                                         .actor = e->actor,
                                         .reason = e->reason,
                                         .start_at = e->due_at,
                                         .priority = e->priority,
                                         .arguments = &e->arguments};
    struct deciding d = {.command = &command, .now_us = now_us};
    struct hor_master_answer answer = {.kind = HOR_MASTER_REFUSED};
    int rc = act_here(&d, entry, &answer);
    if (rc == HOR_OK && answer.kind == HOR_MASTER_DONE)
        entry->under_way = true;
    for (size_t i = 0; i < d.count; i++)
        /* that it was received stands in the journal already */
        if (rc == HOR_OK && d.events[i]->type != HOR_EVENT_COMMAND_RECEIVED)
            emit(d.events[i], ctx);
        else
            hor_event_free(d.events[i]);
    return rc;
}

void hor_master_core_command_sent(struct hor_master_core *core, const char *id, bool sent)
{
    struct hor_master_request *request = hor_map_get(core->requests, id);
    if (request != NULL)
        request->sent = sent;
}

const struct hor_event *hor_master_core_waiting(const struct hor_master_core *core,
                                                const char *cluster, size_t *pos)
{
    const struct hor_master_request *request;
    while ((request = hor_map_next(core->requests, pos, NULL)) != NULL)
        if (request->kind == HOR_MASTER_WAITING && request->received != NULL &&
            (cluster == NULL ? request->received->cluster != NULL
                             : hor_str_equal(request->received->cluster, cluster)))
            return request->received;
    return NULL;
}

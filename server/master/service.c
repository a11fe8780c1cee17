#include "lib/soap/service.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/model/plan.h"
#include "lib/soap/client.h"
#include "lib/soap/event.h"
#include "lib/soap/events.h"
#include "server/master/copy.h"
#include "server/master/master.h"

enum { COMMAND_WAIT_MS = 5000, PLAN_WAIT_MS = 20000, LOG_CALL_MS = 70000, EVENTS_MAX = 10000 };

/* Tells a caller that came to the wrong member where to go. */
static int not_active(struct hor_soap_call *call, int rc)
{
    struct hor_master *master = call->ctx;
    const char *url = hor_master_active_url(master);
    if (rc == HOR_ERR_NOT_ACTIVE && url != NULL)
        hor_soap_fault_active(call, url);
    return rc;
}

/* ---- ApplyRelease ---- */

struct release_change {
    const struct _mst__ApplyRelease *request;
    size_t planned;
    bool made;
};

static int change_release(struct hor_master *master, struct hor_master_events *events, void *arg,
                          struct hor_error *err)
{
    struct release_change *change = arg;
    const struct _mst__ApplyRelease *r = change->request;
    int rc = hor_master_core_apply_release(
        master->core, r->number, r->sha256, r->actor, r->document.__ptr,
        (size_t)(r->document.__size > 0 ? r->document.__size : 0), hor_clock_utc_us(),
        hor_master_collect, events, err);
    return rc == HOR_ERR_EXISTS ? HOR_OK : rc;
}

static int ask_plan(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct release_change *change = arg;
    (void)err;
    change->made = hor_master_core_plan_is_made(master->core, hor_clock_utc_us());
    change->planned = hor_master_core_planned(master->core);
    return HOR_OK;
}

/* Is called again while the plan is being made: the release is known then, nothing is submitted. */
static int apply_release(struct hor_soap_call *call, const struct _mst__ApplyRelease *request,
                         struct _mst__ApplyReleaseResponse *response, struct hor_error *err)
{
    struct hor_master *master = call->ctx;
    struct release_change change = {.request = request};
    int rc = hor_master_transact(master, change_release, &change, err);
    if (rc == HOR_OK)
        rc = hor_master_ask(master, ask_plan, &change, err);
    if (rc != HOR_OK)
        return not_active(call, rc);
    if (!change.made && hor_soap_park(call, PLAN_WAIT_MS) == HOR_SOAP_PARKED)
        return HOR_SOAP_PARKED;
    response->planned = change.planned > INT_MAX ? INT_MAX : (int)change.planned;
    return HOR_OK;
}

/* ---- AddOrder ---- */

struct add_change {
    struct hor_master_new_order order;
    char id[HOR_ORDER_ID_BYTES];
    struct soap *soap;
    struct t__Order *answer;
};

static int change_add(struct hor_master *master, struct hor_master_events *events, void *arg,
                      struct hor_error *err)
{
    struct add_change *change = arg;
    int rc = hor_master_core_add(master->core, &change->order, hor_clock_utc_us(),
                                 hor_master_collect, events, change->id, err);
    return rc == HOR_ERR_EXISTS ? HOR_OK : rc;
}

static int ask_added(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct add_change *change = arg;
    struct hor_master_order order;
    if (hor_master_core_order(master->core, change->id, &order) != HOR_OK)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "order '%s' has ended and is forgotten",
                             change->id);
    change->answer = hor_master_order_of(change->soap, master, &order);
    return change->answer != NULL ? HOR_OK : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
}

static int add_order(struct hor_soap_call *call, const struct _mst__AddOrder *request,
                     struct _mst__AddOrderResponse *response, struct hor_error *err)
{
    struct hor_master *master = call->ctx;
    struct hor_arguments arguments = {0};
    struct add_change change = {
        .soap = call->soap,
        .order = {.request = request->requestId,
                  .chain = request->chain,
                  .title = request->title,
                  .actor = request->actor,
                  .reason = request->reason,
                  .start_at = request->startAt != NULL ? *request->startAt : HOR_EVENT_NONE,
                  .priority = request->priority != NULL ? *request->priority : HOR_EVENT_NONE,
                  .arguments = &arguments}};
    int rc = hor_soap_arguments_read(request->argument, request->__sizeargument, &arguments);
    if (rc != HOR_OK)
        hor_error_set(err, rc, "%s", hor_error_words(rc));
    if (rc == HOR_OK)
        rc = hor_master_transact(master, change_add, &change, err);
    if (rc == HOR_OK)
        rc = hor_master_ask(master, ask_added, &change, err);
    hor_arguments_done(&arguments);
    response->order = change.answer;
    return not_active(call, rc);
}

/* ---- Command ---- */

struct command_change {
    struct hor_master_command command;
    struct hor_master_answer answer;
    bool coupled;
    bool repeated;
    uint64_t to; /* of a switch: the member that is to lead */
};

/* Leadership goes to a member that could take it at once, or the command is refused. */
static int check_switch(struct hor_master *master, struct command_change *change,
                        struct hor_error *err)
{
    const char *name = change->command.agent;
    change->to = hor_master_member(master, name);
    if (change->to == 0)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "Master cluster '%s' has no member '%.100s'",
                             master->settings->cluster, name != NULL ? name : "");
    size_t place = hor_master_place_of(master, change->to);
    if (place == SIZE_MAX || master->settings->members[place].witness)
        return hor_error_set(err, HOR_ERR_INVALID, "member '%s' is a witness: it never leads", name);
    if (change->to != master->member_ids[master->settings->self] &&
        !hor_cluster_caught_up(master->cluster, change->to))
        return hor_error_set(err, HOR_ERR_CONFLICT, "member '%s' does not answer or is not up to date",
                             name);
    return HOR_OK;
}

static int change_command(struct hor_master *master, struct hor_master_events *events, void *arg,
                          struct hor_error *err)
{
    struct command_change *change = arg;
    int rc = hor_str_equal(change->command.action, "switch") ? check_switch(master, change, err)
                                                             : HOR_OK;
    if (rc != HOR_OK)
        return rc;
    rc = hor_master_core_command(master->core, &change->command, hor_clock_utc_us(),
                                     hor_master_collect, events, &change->answer, err);
    change->coupled = hor_master_is_coupled(master, change->answer.cluster);
    change->repeated = rc == HOR_ERR_EXISTS;
    return rc == HOR_ERR_EXISTS ? HOR_OK : rc;
}

static int ask_pass_on(struct hor_master *master, void *arg, struct hor_error *err)
{
    const struct command_change *change = arg;
    return change->to == master->member_ids[master->settings->self] ? HOR_OK
                                                    : hor_master_pass_on(master, change->to, err);
}

static int fill_result(struct hor_soap_call *call, const struct t__Command *c, const char *outcome,
                       const char *text, struct _mst__CommandResponse *response,
                       struct hor_error *err)
{
    struct t__CommandResult *result = hor_soap_alloc(call->soap, sizeof *result);
    const char *object = c->order != NULL     ? c->order
                         : c->chain != NULL   ? c->chain
                         : c->command != NULL ? c->command
                         : c->agent != NULL   ? c->agent
                                              : "";
    if (result == NULL || (result->object = hor_soap_string(call->soap, object)) == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    result->outcome = (char *)outcome;
    result->text = text[0] != '\0' ? hor_soap_string(call->soap, text) : NULL;
    response->result = result;
    return HOR_OK;
}

/* Waits until somebody else leads: then the caller is sent there, and finds it done. */
static int passed_on(struct hor_soap_call *call, struct command_change *change,
                     struct _mst__CommandResponse *response, struct hor_error *err)
{
    struct hor_master *master = call->ctx;
    const struct t__Command as = {.agent = (char *)change->command.agent};
    const char *text = "";
    if (!change->repeated && hor_master_ask(master, ask_pass_on, change, err) != HOR_OK)
        text = err->text; /* it stays the wish: see members.c */
    else if (change->to != master->member_ids[master->settings->self]) {
        if (hor_soap_park(call, COMMAND_WAIT_MS) == HOR_SOAP_PARKED)
            return HOR_SOAP_PARKED;
        text = "leadership has not moved yet";
    }
    return fill_result(call, &as, text[0] == '\0' ? "done" : "waiting", text, response, err);
}

/* The coupling delivers what waits for a cluster; this call waits for its answer by being run again,
 * which a command's id makes harmless. */
static int command(struct hor_soap_call *call, const struct _mst__Command *request,
                   struct _mst__CommandResponse *response, struct hor_error *err)
{
    struct hor_master *master = call->ctx;
    const struct t__Command *c = request->command;
    struct hor_arguments arguments = {0};
    struct command_change change = {
        .command = {.id = c->id,
                    .action = c->action,
                    .order = c->order,
                    .chain = c->chain,
                    .agent = c->agent,
                    .node = c->node,
                    .outcome = c->outcome,
                    .actor = c->actor,
                    .reason = c->reason,
                    .command = c->command,
                    .start_at = c->startAt != NULL ? *c->startAt : HOR_EVENT_NONE,
                    .priority = c->priority != NULL ? *c->priority : HOR_EVENT_NONE,
                    .arguments = &arguments}};
    int rc = hor_soap_arguments_read(c->argument, c->__sizeargument, &arguments);
    if (rc != HOR_OK)
        hor_error_set(err, rc, "%s", hor_error_words(rc));
    if (rc == HOR_OK)
        rc = hor_master_transact(master, change_command, &change, err);
    hor_arguments_done(&arguments);
    if (rc == HOR_ERR_BUSY && hor_soap_park(call, COMMAND_WAIT_MS) == HOR_SOAP_PARKED)
        return HOR_SOAP_PARKED;
    if (rc != HOR_OK)
        return not_active(call, rc);
    atomic_fetch_add(&master->commands, 1);
    if (change.to != 0 && change.answer.kind == HOR_MASTER_DONE)
        return passed_on(call, &change, response, err);
    bool open = change.answer.kind == HOR_MASTER_REMOTE || change.answer.kind == HOR_MASTER_WAITING;
    if (open && change.coupled && hor_soap_park(call, COMMAND_WAIT_MS) == HOR_SOAP_PARKED)
        return HOR_SOAP_PARKED;
    if (open)
        snprintf(change.answer.text, sizeof change.answer.text,
                 "%.400s has not answered yet; the command is delivered when it does",
                 change.answer.cluster);
    return fill_result(call, c,
                       open                                      ? "waiting"
                       : change.answer.kind == HOR_MASTER_DONE ? "done"
                                                               : "refused",
                       change.answer.text, response, err);
}

/* ---- external events ---- */

static int change_posted(struct hor_master *master, struct hor_master_events *events, void *arg,
                         struct hor_error *err)
{
    int rc = hor_master_core_post(master->core, arg, hor_clock_utc_us(), hor_master_collect, events,
                                  err);
    return rc == HOR_ERR_EXISTS ? HOR_OK : rc;
}

static int post_event(struct hor_soap_call *call, const struct _mst__PostEvent *request,
                      struct _mst__PostEventResponse *response, struct hor_error *err)
{
    struct hor_arguments arguments = {0};
    struct hor_master_posted posted = {.request = request->requestId,
                                       .name = request->name,
                                       .actor = request->actor,
                                       .reason = request->reason,
                                       .arguments = &arguments};
    (void)response;
    int rc = hor_soap_arguments_read(request->argument, request->__sizeargument, &arguments);
    if (rc != HOR_OK)
        hor_error_set(err, rc, "%s", hor_error_words(rc));
    else
        rc = hor_master_transact(call->ctx, change_posted, &posted, err);
    hor_arguments_done(&arguments);
    return not_active(call, rc);
}

/* ---- events ---- */

struct events_answer {
    const struct _mst__GetEvents *request;
    struct hor_soap_events events;
    char run_id[64];
    uint64_t position;
    size_t limit;
};

/* What only this cluster needs stays here: a release's bytes, and how far the Supervisor has read,
 * which would otherwise be news for it for ever. */
static bool is_news(const struct hor_event *event)
{
    return event->type != HOR_EVENT_RELEASE_PART && event->type != HOR_EVENT_EVENTS_ACKNOWLEDGED;
}

static bool add_event(const struct hor_event *event, void *ctx)
{
    struct events_answer *answer = ctx;
    if (is_news(event))
        hor_soap_events_add(&answer->events, event);
    return !answer->events.text.failed && answer->events.count < answer->limit;
}

static int ask_events(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct events_answer *answer = arg;
    struct hor_cluster_status status;
    if (!atomic_load(&master->leader))
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "this Master is not the active one");
    hor_cluster_get_status(master->cluster, &status);
    if (answer->request->runId != NULL && answer->request->runId[0] != '\0' &&
        !hor_str_equal(answer->request->runId, status.run_id))
        return hor_error_set(err, HOR_ERR_CONFLICT, "this Master cluster's run is %s, not %.100s",
                             status.run_id, answer->request->runId);
    snprintf(answer->run_id, sizeof answer->run_id, "%s", status.run_id);
    answer->position = answer->request->after;
    while (answer->position < status.applied_index && answer->events.count < answer->limit &&
           !answer->events.text.failed) {
        uint64_t before = answer->position;
        int rc = hor_cluster_read(master->cluster, before, answer->limit - answer->events.count,
                                  add_event, answer, &answer->position, err);
        if (rc != HOR_OK)
            return rc;
        if (answer->position <= before)
            break;
    }
    return HOR_OK;
}

static int get_events(struct hor_soap_call *call, const struct _mst__GetEvents *request,
                      struct _mst__GetEventsResponse *response, struct hor_error *err)
{
    struct events_answer answer = {
        .request = request,
        .events = {.codec = &hor_soap_codec_mst_GetEvents},
        .limit = request->limit < 1            ? 1
                 : request->limit > EVENTS_MAX ? EVENTS_MAX
                                               : (size_t)request->limit};
    (void)response; /* the answer is written as text */
    int rc = not_active(call, hor_master_ask(call->ctx, ask_events, &answer, err));
    if (rc == HOR_OK && answer.events.count == 0 && request->waitMs != NULL)
        rc = hor_soap_park(call, *request->waitMs);
    if (rc == HOR_OK)
        rc = hor_soap_events_answer(&answer.events, answer.run_id, answer.position, call, err);
    hor_soap_events_done(&answer.events);
    return rc;
}

static int change_acknowledged(struct hor_master *master, struct hor_master_events *events, void *arg,
                               struct hor_error *err)
{
    const struct _mst__AcknowledgeEvents *request = arg;
    struct hor_cluster_status status;
    hor_cluster_get_status(master->cluster, &status);
    if (!hor_str_equal(request->runId, status.run_id))
        return hor_error_set(err, HOR_ERR_CONFLICT, "this Master cluster's run is %s", status.run_id);
    if (request->upTo > status.applied_index)
        return hor_error_set(err, HOR_ERR_INVALID, "upTo: the last event is %llu",
                             (unsigned long long)status.applied_index);
    if (request->upTo <= hor_master_core_acknowledged(master->core))
        return HOR_OK;
    struct hor_event *event = hor_event_new(HOR_EVENT_EVENTS_ACKNOWLEDGED, hor_clock_utc_us());
    if (event != NULL)
        event->cluster_index = (int64_t)request->upTo;
    hor_master_collect(event, events);
    return HOR_OK;
}

static int acknowledge_events(struct hor_soap_call *call,
                              const struct _mst__AcknowledgeEvents *request,
                              struct _mst__AcknowledgeEventsResponse *response,
                              struct hor_error *err)
{
    (void)response;
    return not_active(call, hor_master_transact(call->ctx, change_acknowledged, (void *)request, err));
}

/* ---- ReadLog ---- */

static int read_log(struct hor_soap_call *call, const struct _mst__ReadLog *request,
                    struct _mst__ReadLogResponse *response, struct hor_error *err)
{
    struct hor_master *master = call->ctx;
    struct hor_soap_partner *partner = NULL;
    struct _agt__ReadLog passed = {.task = request->task,
                                   .offset = request->offset,
                                   .length = request->length,
                                   .waitMs = request->waitMs};
    struct _agt__ReadLogResponse *answer = NULL;
    struct soap *soap = NULL;
    int rc = hor_master_cluster_partner(master, request->cluster, request->agent, &partner, err);
    if (rc == HOR_OK)
        rc = hor_soap_call_op(partner, agt, ReadLog, &passed, &soap, &answer, LOG_CALL_MS, err);
    if (rc == HOR_OK) {
        response->range = hor_master_copy_log_range(call->soap, answer->range);
        if (response->range == NULL)
            rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    hor_soap_done(soap);
    hor_soap_partner_free(partner);
    return rc;
}

/* ---- the table and who may use it ---- */

static const struct hor_soap_operation operations[] = {
    HOR_SOAP_OPERATION(mst, Ping, "", false, hor_master_ping),
    HOR_SOAP_OPERATION(mst, ApplyRelease, "supervisor", true, apply_release),
    HOR_SOAP_OPERATION(mst, AddOrder, "supervisor", true, add_order),
    HOR_SOAP_OPERATION(mst, Command, "supervisor", true, command),
    HOR_SOAP_OPERATION(mst, PostEvent, "supervisor", true, post_event),
    HOR_SOAP_OPERATION(mst, GetState, "supervisor", false, hor_master_get_state),
    HOR_SOAP_OPERATION(mst, GetOrderState, "supervisor", false, hor_master_get_order_state),
    HOR_SOAP_OPERATION(mst, GetEvents, "supervisor", false, get_events),
    HOR_SOAP_OPERATION(mst, AcknowledgeEvents, "supervisor", false, acknowledge_events),
    HOR_SOAP_OPERATION(mst, ReadLog, "supervisor", false, read_log),
    HOR_SOAP_OPERATION(mst, ListCommands, "supervisor", false, hor_master_list_commands),
    HOR_SOAP_OPERATION(mst, ExchangeJournal, "member", false, hor_master_exchange_journal),
    HOR_SOAP_OPERATION(mst, ClusterStatus, "member", false, hor_master_cluster_status),
    HOR_SOAP_OPERATION(mst, ChangeCluster, "member", true, hor_master_change_cluster),
    HOR_SOAP_OPERATIONS_END,
};

const struct hor_soap_operation *hor_master_operations(void) { return operations; }

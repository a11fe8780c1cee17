/* The operations of the agent's service that change something, and the table of all. They run on
 * workers: the state is looked at in hor_loop_call, commits are waited for here. What only the leader
 * can do is passed on to it as it came. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/looking.h"
#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/config/config.h"
#include "lib/soap/client.h"
#include "lib/soap/codec.h"
#include "lib/soap/event.h"
#include "lib/cluster/service.h"
#include "lib/soap/service.h"

enum {
    FORWARD_MS = 35000, /* longer than the leader waits for its commit */
    PART_BYTES = 256 * 1024,
};

/* Passes the request to the leader when that is not this member. `done` tells whether it was passed
 * on: then the code is the call's. */
#define PASS_ON(call, op, request, ret_response, code, done, err)                                  \
    do {                                                                                           \
        struct hor_agent *to_agent = (call)->ctx;                                                  \
        struct hor_soap_partner *leader_partner = hor_agent_leader_partner(to_agent);              \
        struct soap *answer_soap = NULL;                                                           \
        struct _agt__##op##Response *answer = NULL;                                                \
        (done) = leader_partner != NULL && !hor_agent_is_from_member(call);                        \
        if (done) {                                                                                \
            (code) = hor_soap_call_op(leader_partner, agt, op, request, &answer_soap, &answer,     \
                                      FORWARD_MS, err);                                            \
            if ((code) == HOR_OK) {                                                                \
                (code) = copy_##op(call, answer, ret_response);                                    \
                hor_soap_done(answer_soap);                                                        \
            }                                                                                      \
        }                                                                                          \
    } while (0)

#define FENCE_OF(request) ((request)->fence != NULL ? *(request)->fence : 0)

#define COPY_NOTHING(op)                                                                           \
    static int copy_##op(struct hor_soap_call *call, const struct _agt__##op##Response *from,      \
                         struct _agt__##op##Response *to)                                          \
    {                                                                                              \
        (void)call;                                                                                \
        *to = *from; /* numbers only */                                                            \
        return HOR_OK;                                                                             \
    }
COPY_NOTHING(ApplyRelease)
COPY_NOTHING(AcceptPlan)
COPY_NOTHING(AcknowledgeEvents)
COPY_NOTHING(ResolveDependencies)

static int not_leading(struct hor_agent *agent, struct hor_error *err)
{
    return hor_error_set(err, HOR_ERR_BUSY, "cluster %s has no leader at present",
                         agent->settings->cluster);
}

/* ---- submitting from a worker ---- */

struct submit_call {
    struct hor_agent *agent;
    struct hor_event **events;
    size_t count;
    struct hor_agent_wait *wait;
};

static void submit_on_loop(void *ctx)
{
    struct submit_call *call = ctx;
    hor_agent_submit(call->agent, call->events, call->count, hor_agent_wait_done, call->wait);
}

/* Takes the events; returns when they are committed and applied. */
static int submit(struct hor_agent *agent, struct hor_event **events, size_t count,
                  uint64_t *ret_index, struct hor_error *err)
{
    struct submit_call call = {
        .agent = agent, .events = events, .count = count, .wait = hor_agent_wait_new()};
    if (call.wait == NULL || hor_loop_call(agent->loop, submit_on_loop, &call) < 0) {
        for (size_t i = 0; i < count; i++)
            hor_event_free(events[i]);
        free(events);
        free(call.wait);
        return hor_error_set(err, HOR_ERR_BUSY, "the agent is ending");
    }
    int rc = hor_agent_wait(call.wait, ret_index, err);
    return rc == HOR_ERR_NOT_ACTIVE ? not_leading(agent, err) : rc;
}

/* ---- ApplyRelease ---- */

struct release_query {
    struct hor_agent *agent;
    const char *master;
    int64_t number;
    char sha256[65];
    bool found, leader;
    uint64_t fence;
    int fenced; /* HOR_OK: the newest coupling asks */
    struct hor_error *err;
};

static void release_on_loop(void *ctx)
{
    struct release_query *query = ctx;
    const char *sha = hor_core_release(query->agent->core, query->master, query->number);
    query->leader = query->agent->leader;
    query->found = sha != NULL;
    query->fenced = hor_agent_check_fence(query->agent, query->master, query->fence, query->err);
    if (sha != NULL)
        snprintf(query->sha256, sizeof query->sha256, "%s", sha);
}

/* Loads it as the state will: what is refused here is refused before it is in the journal. */
static int check_release(struct hor_soap_call *call, const struct _agt__ApplyRelease *request,
                         struct hor_error *err)
{
    struct hor_problems problems = {0};
    struct hor_config *config = NULL;
    char sha256[65];
    hor_sha256_hex(request->document.__ptr, (size_t)request->document.__size, sha256);
    if (strcmp(sha256, request->sha256) != 0)
        return hor_error_set(err, HOR_ERR_INVALID,
                             "release %d: the document's SHA-256 is %s, not %.64s", request->number,
                             sha256, request->sha256);
    int rc = hor_config_load_release((const char *)request->document.__ptr,
                                     (size_t)request->document.__size, &problems, &config, err);
    for (size_t i = 0; rc < 0 && i < problems.count; i++)
        hor_soap_fault_problem(call, hor_severity_name(problems.items[i].severity),
                               problems.items[i].file, problems.items[i].line,
                               problems.items[i].object, problems.items[i].text,
                               problems.items[i].remedy);
    if (rc == HOR_OK && config->release != request->number)
        rc = hor_error_set(err, HOR_ERR_INVALID, "release %d: the document says it is release %" PRId64,
                           request->number, config->release);
    hor_problems_done(&problems);
    hor_config_free(config);
    return rc < 0 ? hor_error_prefix(err, "release %d", request->number) : HOR_OK;
}

static struct hor_event *release_event(enum hor_event_type type,
                                       const struct _agt__ApplyRelease *request, int64_t now_us)
{
    struct hor_event *event = hor_event_new(type, now_us);
    if (event == NULL || hor_event_set(&event->master, request->master) < 0) {
        hor_event_free(event);
        return NULL;
    }
    event->release = request->number;
    return event;
}

static int release_events(const struct _agt__ApplyRelease *request, struct hor_event ***ret,
                          size_t *ret_count)
{
    size_t size = (size_t)request->document.__size, parts = (size + PART_BYTES - 1) / PART_BYTES;
    struct hor_event **events = calloc(parts + 1, sizeof *events);
    int64_t now_us = hor_clock_utc_us();
    size_t count = 0;
    for (; events != NULL && count < parts; count++) {
        struct hor_buf text = HOR_BUF_INIT;
        size_t at = count * PART_BYTES, n = size - at < PART_BYTES ? size - at : PART_BYTES;
        events[count] = release_event(HOR_EVENT_RELEASE_PART, request, now_us);
        if (events[count] == NULL)
            break;
        hor_base64_encode(request->document.__ptr + at, n, &text);
        events[count]->part = (int64_t)count + 1;
        events[count]->parts = (int64_t)parts;
        events[count]->text = hor_buf_take(&text);
        if (events[count]->text == NULL) {
            hor_event_free(events[count]);
            break;
        }
    }
    if (events != NULL && count == parts) {
        events[count] = release_event(HOR_EVENT_RELEASE_APPLIED, request, now_us);
        if (events[count] != NULL && hor_event_set(&events[count]->sha256, request->sha256) == HOR_OK) {
            *ret = events;
            *ret_count = count + 1;
            return HOR_OK;
        }
        hor_event_free(events[count]);
    }
    for (size_t i = 0; events != NULL && i < count; i++)
        hor_event_free(events[i]);
    free(events);
    return HOR_ERR_MEMORY;
}

static int apply_release(struct hor_soap_call *call, const struct _agt__ApplyRelease *request,
                         struct _agt__ApplyReleaseResponse *response, struct hor_error *err)
{
    struct hor_agent *agent = call->ctx;
    struct release_query query = {
        .agent = agent, .master = request->master, .number = request->number,
        .fence = FENCE_OF(request), .err = err};
    struct hor_event **events;
    size_t count;
    bool passed;
    int rc = hor_agent_may_speak_for(call, request->master, err);
    if (rc < 0)
        return rc;
    PASS_ON(call, ApplyRelease, request, response, rc, passed, err);
    if (passed)
        return rc;
    if (request->document.__size <= 0)
        return hor_error_set(err, HOR_ERR_INVALID, "release %d: no document", request->number);
    if (hor_loop_call(agent->loop, release_on_loop, &query) < 0 || !query.leader)
        return not_leading(agent, err);
    if (query.fenced < 0)
        return query.fenced;
    if (query.found)
        return strcmp(query.sha256, request->sha256) == 0
                   ? HOR_OK
                   : hor_error_set(err, HOR_ERR_CONFLICT,
                                   "release %d of Master %s is here with another content",
                                   request->number, request->master);
    if ((rc = check_release(call, request, err)) < 0)
        return rc;
    if (release_events(request, &events, &count) < 0)
        return hor_error_set(err, HOR_ERR_MEMORY, "release %d: out of memory", request->number);
    if ((rc = submit(agent, events, count, NULL, err)) < 0)
        return rc;
    hor_loop_call(agent->loop, release_on_loop, &query);
    if (!query.found)
        return hor_error_set(err, HOR_ERR_CONFLICT,
                             "release %d: two transfers got mixed, send it again", request->number);
    hor_log_info("release %d of Master %s is here", request->number, request->master);
    return HOR_OK;
}

/* ---- AcceptPlan ---- */

struct plan_call {
    struct hor_agent *agent;
    const struct _agt__AcceptPlan *request;
    struct hor_agent_wait *wait;
    int added, known, code;
    bool submitted;
    struct hor_error *err;
};

static int plan_order(struct plan_call *plan, const struct t__NewOrder *order, struct hor_event **ret)
{
    struct hor_arguments arguments = {0};
    int rc = hor_soap_arguments_read(order->argument, order->__sizeargument, &arguments);
    if (rc < 0)
        return hor_error_set(plan->err, rc, "order %s: out of memory", order->id);
    struct hor_core_new_order made = {
        .id = order->id,
        .chain = order->chain,
        .plan_day = order->planDay != NULL ? order->planDay : plan->request->planDay,
        .schedule = order->schedule,
        .title = order->title,
        .actor = order->actor,
        .reason = order->reason,
        .release = order->release,
        .planned_at = order->plannedAt,
        .priority = order->priority != NULL ? *order->priority : HOR_EVENT_NONE,
        .arguments = &arguments,
    };
    rc = hor_core_accept(plan->agent->core, plan->request->master, &made, hor_clock_utc_us(), ret,
                         plan->err);
    hor_arguments_done(&arguments);
    return rc;
}

/* All or nothing: one order that cannot be taken refuses the plan. */
static void plan_on_loop(void *ctx)
{
    struct plan_call *plan = ctx;
    size_t orders = (size_t)plan->request->__sizeorder, count = 0;
    struct hor_event **events = calloc(orders + 1, sizeof *events);
    plan->code = events == NULL             ? hor_error_set(plan->err, HOR_ERR_MEMORY, "out of memory")
                 : !plan->agent->leader ? not_leading(plan->agent, plan->err)
                 : !hor_agent_has_room(plan->agent)
                     ? hor_error_set(plan->err, HOR_ERR_BUSY,
                                     "the disk of %s is full: new work is refused until there is room",
                                     plan->agent->name)
                                        : hor_agent_check_fence(plan->agent, plan->request->master,
                                                                FENCE_OF(plan->request), plan->err);
    for (size_t i = 0; plan->code == HOR_OK && i < orders; i++) {
        struct hor_event *event = NULL;
        plan->code = plan_order(plan, &plan->request->order[i], &event);
        if (event != NULL)
            events[count++] = event;
        else
            plan->known++;
    }
    plan->added = (int)count;
    if (plan->code == HOR_OK && count > 0) {
        struct hor_event *event = hor_event_new(HOR_EVENT_PLAN_ACCEPTED, hor_clock_utc_us());
        if (event != NULL && hor_event_set(&event->master, plan->request->master) == HOR_OK &&
            hor_event_set(&event->plan_day, plan->request->planDay) == HOR_OK &&
            hor_event_set(&event->command, plan->request->id) == HOR_OK) {
            event->count = (int64_t)count;
            events[count++] = event;
            plan->submitted = true;
            hor_agent_submit(plan->agent, events, count, hor_agent_wait_done, plan->wait);
            return;
        }
        hor_event_free(event);
        plan->code = hor_error_set(plan->err, HOR_ERR_MEMORY, "out of memory");
    }
    for (size_t i = 0; events != NULL && i < count; i++)
        hor_event_free(events[i]);
    free(events);
}

static int accept_plan(struct hor_soap_call *call, const struct _agt__AcceptPlan *request,
                       struct _agt__AcceptPlanResponse *response, struct hor_error *err)
{
    bool passed;
    int rc = hor_agent_may_speak_for(call, request->master, err);
    if (rc < 0)
        return rc;
    PASS_ON(call, AcceptPlan, request, response, rc, passed, err);
    if (passed)
        return rc;
    struct plan_call plan = {
        .agent = call->ctx, .request = request, .wait = hor_agent_wait_new(), .err = err};
    if (plan.wait == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (hor_loop_call(plan.agent->loop, plan_on_loop, &plan) < 0)
        plan.code = hor_error_set(err, HOR_ERR_BUSY, "the agent is ending");
    if (!plan.submitted) {
        free(plan.wait);
        rc = plan.code;
    } else {
        rc = hor_agent_wait(plan.wait, NULL, err);
        if (rc == HOR_ERR_NOT_ACTIVE)
            rc = not_leading(plan.agent, err);
    }
    response->added = plan.added;
    response->known = plan.known;
    return rc;
}

/* ---- Command ---- */

struct command_call {
    struct hor_agent *agent;
    const struct hor_core_command *command;
    uint64_t fence;
    struct hor_event **events;
    size_t count, cap;
    struct hor_core_answer answer;
    struct hor_agent_wait *wait;
    bool memory;
    int code;
    struct hor_error *err;
    struct command_call *next; /* in agent->commands */
};

static void command_emit(struct hor_event *take_event, void *ctx)
{
    struct command_call *call = ctx;
    if (call->count == call->cap) {
        size_t cap = call->cap ? call->cap * 2 : 16;
        struct hor_event **events = realloc(call->events, cap * sizeof *events);
        if (events == NULL) {
            call->memory = true;
            hor_event_free(take_event);
            return;
        }
        call->events = events;
        call->cap = cap;
    }
    call->events[call->count++] = take_event;
}

/* False: the order has events under way. */
static bool try_command(struct command_call *call)
{
    if (!call->agent->leader || call->agent->stopping) {
        call->code = not_leading(call->agent, call->err);
    } else if ((call->code = hor_agent_check_fence(call->agent, call->command->master, call->fence,
                                                   call->err)) == HOR_OK) {
        call->code = hor_core_command(call->agent->core, call->command, hor_clock_utc_us(),
                                      command_emit, call, &call->answer, call->err);
        if (call->code == HOR_ERR_BUSY)
            return false;
    }
    if (call->code == HOR_OK && !call->memory) {
        hor_agent_submit(call->agent, call->events, call->count, hor_agent_wait_done, call->wait);
        return true;
    }
    for (size_t i = 0; i < call->count; i++)
        hor_event_free(call->events[i]);
    free(call->events);
    if (call->code == HOR_OK) {
        hor_core_lead(call->agent->core); /* what was emitted is lost */
        call->code = hor_error_set(call->err, HOR_ERR_MEMORY, "out of memory");
    }
    hor_agent_wait_done(call->code == HOR_ERR_EXISTS ? HOR_OK : call->code, 0, call->wait);
    return true;
}

static void command_on_loop(void *ctx)
{
    struct command_call *call = ctx;
    if (!try_command(call)) {
        call->next = call->agent->commands;
        call->agent->commands = call;
    }
}

/* What waited for an order's events is tried again, now that some were applied. */
void hor_agent_commands_retry(struct hor_agent *agent)
{
    struct command_call *list = agent->commands;
    agent->commands = NULL;
    while (list != NULL) {
        struct command_call *call = list;
        list = call->next;
        command_on_loop(call);
    }
}

static void command_forget(void *ctx)
{
    struct command_call *call = ctx;
    for (struct command_call **at = &call->agent->commands; *at != NULL; at = &(*at)->next)
        if (*at == call) {
            *at = call->next;
            return;
        }
}

static int run_command(struct command_call *call)
{
    call->wait = hor_agent_wait_new();
    if (call->wait == NULL)
        return hor_error_set(call->err, HOR_ERR_MEMORY, "out of memory");
    if (hor_loop_call(call->agent->loop, command_on_loop, call) < 0) {
        free(call->wait);
        return hor_error_set(call->err, HOR_ERR_BUSY, "the agent is ending");
    }
    struct hor_error err = {0};
    int rc = hor_agent_wait(call->wait, NULL, &err);
    hor_loop_call(call->agent->loop, command_forget, call); /* after a time-out it may still be there */
    if (rc < 0 && call->code == HOR_OK)
        hor_error_set(call->err, rc, "%s", err.text);
    return rc;
}

static int fill_result(struct hor_soap_call *call, const struct t__Command *command,
                       const char *outcome, const char *text, struct _agt__CommandResponse *response)
{
    struct t__CommandResult *result = hor_soap_alloc(call->soap, sizeof *result);
    const char *object = command->order != NULL   ? command->order
                         : command->chain != NULL ? command->chain
                         : command->agent != NULL ? command->agent
                                                  : "";
    if (result == NULL)
        return HOR_ERR_MEMORY;
    result->object = hor_soap_string(call->soap, object);
    result->outcome = hor_soap_string(call->soap, outcome);
    result->text = text != NULL && text[0] != '\0' ? hor_soap_string(call->soap, text) : NULL;
    response->result = result;
    return result->object != NULL && result->outcome != NULL ? HOR_OK : HOR_ERR_MEMORY;
}

static int copy_Command(struct hor_soap_call *call, const struct _agt__CommandResponse *from,
                        struct _agt__CommandResponse *to)
{
    struct t__CommandResult *result = hor_soap_alloc(call->soap, sizeof *result);
    if (result == NULL || from->result == NULL)
        return HOR_ERR_MEMORY;
    result->object = hor_soap_string(call->soap, from->result->object);
    result->outcome = hor_soap_string(call->soap, from->result->outcome);
    result->text = hor_soap_string(call->soap, from->result->text);
    to->result = result;
    return HOR_OK;
}

static int command(struct hor_soap_call *call, const struct _agt__Command *request,
                   struct _agt__CommandResponse *response, struct hor_error *err)
{
    const struct t__Command *asked = request->command;
    struct hor_arguments arguments = {0};
    bool passed;
    int rc = hor_agent_may_speak_for(call, request->master, err);
    if (rc < 0)
        return rc;
    PASS_ON(call, Command, request, response, rc, passed, err);
    if (passed)
        return rc;
    if (hor_soap_arguments_read(asked->argument, asked->__sizeargument, &arguments) < 0)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    struct hor_core_command wanted = {
        .id = asked->id,
        .master = request->master,
        .action = asked->action,
        .order = asked->order,
        .chain = asked->chain,
        .agent = asked->agent,
        .node = asked->node,
        .outcome = asked->outcome,
        .actor = asked->actor,
        .reason = asked->reason,
        .start_at = asked->startAt != NULL ? *asked->startAt : HOR_EVENT_NONE,
        .priority = asked->priority != NULL ? *asked->priority : HOR_EVENT_NONE,
        .arguments = &arguments,
    };
    struct command_call run = {
        .agent = call->ctx, .command = &wanted, .fence = FENCE_OF(request), .err = err};
    rc = run_command(&run);
    hor_arguments_done(&arguments);
    if (rc < 0)
        return rc;
    return fill_result(call, asked, run.answer.done ? "done" : "refused", run.answer.text, response);
}

/* ---- AcknowledgeEvents ---- */

struct acknowledge_query {
    struct hor_agent *agent;
    const struct _agt__AcknowledgeEvents *request;
    uint64_t commit, acknowledged;
    bool leader, right_run;
    int fenced; /* HOR_OK: the newest coupling asks */
    struct hor_error *err;
};

static void acknowledge_on_loop(void *ctx)
{
    struct acknowledge_query *query = ctx;
    struct hor_cluster_status status;
    hor_cluster_get_status(query->agent->cluster, &status);
    query->commit = status.commit_index;
    query->leader = query->agent->leader;
    query->right_run = hor_str_equal(status.run_id, query->request->runId);
    query->fenced = hor_agent_check_fence(query->agent, query->request->master,
                                          FENCE_OF(query->request), query->err);
    query->acknowledged = hor_core_acknowledged(query->agent->core, query->request->master);
}

static int acknowledge_events(struct hor_soap_call *call, const struct _agt__AcknowledgeEvents *request,
                              struct _agt__AcknowledgeEventsResponse *response, struct hor_error *err)
{
    struct hor_agent *agent = call->ctx;
    struct acknowledge_query query = {.agent = agent, .request = request, .err = err};
    bool passed;
    int rc = hor_agent_may_speak_for(call, request->master, err);
    if (rc < 0)
        return rc;
    PASS_ON(call, AcknowledgeEvents, request, response, rc, passed, err);
    if (passed)
        return rc;
    if (hor_loop_call(agent->loop, acknowledge_on_loop, &query) < 0 || !query.leader)
        return not_leading(agent, err);
    if (query.fenced < 0)
        return query.fenced;
    if (!query.right_run)
        return hor_error_set(err, HOR_ERR_CONFLICT, "the cluster is another run than '%.60s'",
                             request->runId);
    if (request->upTo > query.commit)
        return hor_error_set(err, HOR_ERR_INVALID,
                             "events up to %llu are acknowledged, but the last one is %" PRIu64,
                             (unsigned long long)request->upTo, query.commit);
    if (request->upTo <= query.acknowledged)
        return HOR_OK;
    struct hor_event **events = calloc(1, sizeof *events);
    struct hor_event *event = hor_event_new(HOR_EVENT_EVENTS_ACKNOWLEDGED, hor_clock_utc_us());
    if (events == NULL || event == NULL || hor_event_set(&event->master, request->master) < 0) {
        free(events);
        hor_event_free(event);
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    event->cluster_index = (int64_t)request->upTo;
    events[0] = event;
    return submit(agent, events, 1, NULL, err);
}

/* ---- ResolveDependencies ---- */

struct answers_call {
    struct hor_agent *agent;
    const struct _agt__ResolveDependencies *request;
    struct hor_event **events;
    size_t count;
    int stale;
    bool leader;
};

static void answers_on_loop(void *ctx)
{
    struct answers_call *call = ctx;
    call->leader = call->agent->leader;
    for (int i = 0; call->leader && i < call->request->__sizeevent; i++) {
        struct hor_event *event = NULL;
        if (hor_soap_event_read(&call->request->event[i], &event, NULL) == HOR_OK &&
            hor_event_set(&event->master, call->request->master) == HOR_OK &&
            hor_event_set(&event->cluster, NULL) == HOR_OK &&
            hor_core_awaits(call->agent->core, event)) {
            event->at_us = hor_clock_utc_us();
            event->part = HOR_EVENT_NONE; /* of the Master's journal */
            call->events[call->count++] = event;
        } else {
            call->stale++;
            hor_event_free(event);
        }
    }
}

static int resolve_dependencies(struct hor_soap_call *call,
                                const struct _agt__ResolveDependencies *request,
                                struct _agt__ResolveDependenciesResponse *response,
                                struct hor_error *err)
{
    struct answers_call answers = {.agent = call->ctx, .request = request};
    bool passed;
    int rc = hor_agent_may_speak_for(call, request->master, err);
    if (rc < 0)
        return rc;
    PASS_ON(call, ResolveDependencies, request, response, rc, passed, err);
    if (passed)
        return rc;
    answers.events = calloc((size_t)request->__sizeevent + 1, sizeof *answers.events);
    if (answers.events == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (hor_loop_call(answers.agent->loop, answers_on_loop, &answers) < 0 || !answers.leader) {
        free(answers.events);
        return not_leading(answers.agent, err);
    }
    response->stale = answers.stale;
    response->taken = (int)answers.count;
    if (answers.count > 0)
        return submit(answers.agent, answers.events, answers.count, NULL, err);
    free(answers.events);
    return HOR_OK;
}

/* ---- between members ---- */

struct report_call {
    struct hor_agent *agent;
    const struct _agt__SubmitEvents *request;
    struct hor_agent_wait *wait;
    int submitted, stale, code;
    bool waiting;
    struct hor_error *err;
};

static void report_on_loop(void *ctx)
{
    struct report_call *call = ctx;
    size_t count = 0;
    struct hor_event **events = calloc((size_t)call->request->__sizeevent + 1, sizeof *events);
    if (!call->agent->leader || events == NULL) {
        free(events);
        call->code = hor_error_set(call->err, HOR_ERR_NOT_ACTIVE, "this member does not lead");
        return;
    }
    for (int i = 0; i < call->request->__sizeevent; i++) {
        struct hor_event *event = NULL;
        if (hor_soap_event_read(&call->request->event[i], &event, NULL) == HOR_OK &&
            hor_str_equal(event->agent, call->request->from) &&
            hor_core_wants(call->agent->core, event)) {
            events[count++] = event;
        } else {
            call->stale++;
            hor_event_free(event);
        }
    }
    call->submitted = (int)count;
    call->waiting = true;
    hor_agent_submit_reports(call->agent, events, count, hor_agent_wait_done, call->wait);
}

static int submit_events(struct hor_soap_call *call, const struct _agt__SubmitEvents *request,
                         struct _agt__SubmitEventsResponse *response, struct hor_error *err)
{
    struct report_call report = {
        .agent = call->ctx, .request = request, .wait = hor_agent_wait_new(), .err = err};
    if (report.wait == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (hor_agent_is_from_member(call) && strcmp(call->who->user, request->from) != 0)
        report.code = hor_error_set(err, HOR_ERR_DENIED, "'%s' cannot report for '%s'",
                                    call->who->user, request->from);
    else if (hor_loop_call(report.agent->loop, report_on_loop, &report) < 0)
        report.code = hor_error_set(err, HOR_ERR_BUSY, "the agent is ending");
    if (!report.waiting) {
        free(report.wait);
        return report.code;
    }
    response->submitted = report.submitted;
    response->stale = report.stale;
    return hor_agent_wait(report.wait, NULL, err);
}

struct lease_call {
    struct hor_agent *agent;
    const struct _agt__RenewLease *request;
    int64_t lease_ms;
    uint64_t term;
    int code;
    struct hor_error *err;
};

static void lease_on_loop(void *ctx)
{
    struct lease_call *call = ctx;
    call->code = hor_agent_lease_grant(call->agent, call->request->from, call->request->life,
                                       call->request->appliedIndex, call->request->runner,
                                       &call->lease_ms, call->err);
    call->term = call->agent->term;
}

static int renew_lease(struct hor_soap_call *call, const struct _agt__RenewLease *request,
                       struct _agt__RenewLeaseResponse *response, struct hor_error *err)
{
    struct lease_call lease = {.agent = call->ctx, .request = request, .err = err};
    if (hor_agent_is_from_member(call) && strcmp(call->who->user, request->from) != 0)
        return hor_error_set(err, HOR_ERR_DENIED, "'%s' cannot ask for '%s'", call->who->user,
                             request->from);
    if (hor_loop_call(lease.agent->loop, lease_on_loop, &lease) < 0)
        return hor_error_set(err, HOR_ERR_BUSY, "the agent is ending");
    response->leaseMs = lease.lease_ms;
    response->graceMs = HOR_AGENT_GRACE_MS;
    response->term = lease.term;
    return lease.code;
}

static int exchange_journal(struct hor_soap_call *call, const struct _agt__ExchangeJournal *request,
                            struct _agt__ExchangeJournalResponse *response, struct hor_error *err)
{
    struct hor_agent *agent = call->ctx;
    size_t len;
    const char *body = call->http != NULL ? hor_http_body(call->http, &len) : NULL;
    ULONG64 from = request->exchange != NULL ? request->exchange->from : 0;
    (void)response;
    if (from == 0 || (hor_agent_is_from_member(call) &&
                      hor_agent_id_of(agent, call->who->user) != from))
        return hor_error_set(err, HOR_ERR_DENIED, "'%s' cannot speak for member %llu of %s",
                             call->who->user, (unsigned long long)from, agent->settings->cluster);
    if (body == NULL)
        return hor_error_set(err, HOR_ERR_INVALID, "an exchange comes over HTTP");
    return hor_cluster_deliver(agent->cluster, body, len, err);
}

/* ---- members of the cluster: for people, with a member's certificate, and for who joins ---- */

static int cluster_status(struct hor_soap_call *call, const struct _agt__ClusterStatus *request,
                          struct _agt__ClusterStatusResponse *response, struct hor_error *err)
{
    struct hor_agent *agent = call->ctx;
    (void)request;
    return hor_cluster_soap_status(agent->loop, agent->cluster, call->soap, &response->status, err);
}

static int change_cluster(struct hor_soap_call *call, const struct _agt__ChangeCluster *request,
                          struct _agt__ChangeClusterResponse *response, struct hor_error *err)
{
    struct hor_agent *agent = call->ctx;
    uint64_t id = 0;
    int rc = hor_cluster_soap_change(agent->loop, agent->cluster, request->change, &id, err);
    response->id = id;
    return rc;
}

const struct hor_soap_operation *hor_agent_operations(void)
{
    static const struct hor_soap_operation table[] = {
        HOR_SOAP_OPERATION(agt, Ping, "master", false, hor_agent_ping),
        HOR_SOAP_OPERATION(agt, Couple, "master", false, hor_agent_couple),
        HOR_SOAP_OPERATION(agt, ApplyRelease, "master", true, apply_release),
        HOR_SOAP_OPERATION(agt, AcceptPlan, "master", true, accept_plan),
        HOR_SOAP_OPERATION(agt, Command, "master", true, command),
        HOR_SOAP_OPERATION(agt, ResolveDependencies, "master", true, resolve_dependencies),
        HOR_SOAP_OPERATION(agt, GetState, "master", false, hor_agent_get_state),
        HOR_SOAP_OPERATION(agt, GetOrderState, "master", false, hor_agent_get_order_state),
        HOR_SOAP_OPERATION(agt, GetEvents, "master", false, hor_agent_get_events),
        HOR_SOAP_OPERATION(agt, AcknowledgeEvents, "master", false, acknowledge_events),
        HOR_SOAP_OPERATION(agt, ReadLog, "master", false, hor_agent_read_log),
        HOR_SOAP_OPERATION(agt, SubmitEvents, "member", false, submit_events),
        HOR_SOAP_OPERATION(agt, RenewLease, "member", false, renew_lease),
        HOR_SOAP_OPERATION(agt, ExchangeJournal, "member", false, exchange_journal),
        HOR_SOAP_OPERATION(agt, ClusterStatus, "member", false, cluster_status),
        HOR_SOAP_OPERATION(agt, ChangeCluster, "member", true, change_cluster),
        HOR_SOAP_OPERATIONS_END,
    };
    return table;
}

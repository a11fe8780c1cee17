/* Coupling: a Master says which history it knows, and gets to know what is here. Each coupling has a
 * number, the fence, that is in the journal before the answer leaves. From then on a call of an
 * earlier coupling changes nothing: so the answer is the whole truth about what this cluster was
 * given, and a Master that was deposed without noticing does no harm. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/looking.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/soap/client.h"

enum { COUPLE_ORDERS = 1000000, FORWARD_MS = 10000 };

int hor_agent_check_fence(struct hor_agent *agent, const char *master, uint64_t fence,
                          struct hor_error *err)
{
    uint64_t newest = hor_core_fence(agent->core, master);
    if (fence == newest)
        return HOR_OK;
    return hor_error_set(err, HOR_ERR_NOT_ACTIVE,
                         fence < newest
                             ? "Master %.100s has coupled anew since (coupling %" PRIu64 ", the newest "
                               "is %" PRIu64 "): this caller is not the active one any more"
                             : "Master %.100s has not coupled with number %" PRIu64 " (the newest is "
                               "%" PRIu64 ")",
                         master, fence, newest);
}

struct couple_call {
    struct hor_agent *agent;
    struct soap *soap;
    const struct _agt__Couple *request;
    struct _agt__CoupleResponse *response;
    size_t capacity;
    int code;
};

static void couple_count_order(const char *id, void *ctx)
{
    struct couple_call *call = ctx;
    (void)id;
    call->capacity++;
}

static void couple_order(const char *id, void *ctx)
{
    struct couple_call *call = ctx;
    struct _agt__CoupleResponse *r = call->response;
    if ((size_t)r->__sizeorder < call->capacity && r->__sizeorder < COUPLE_ORDERS &&
        (r->order[r->__sizeorder] = hor_soap_string(call->soap, id)) != NULL)
        r->__sizeorder++;
}

static void couple_count_release(const char *master, int64_t number, void *ctx)
{
    struct couple_call *call = ctx;
    (void)master;
    (void)number;
    call->capacity++;
}

static void couple_release(const char *master, int64_t number, void *ctx)
{
    struct couple_call *call = ctx;
    struct _agt__CoupleResponse *r = call->response;
    (void)master;
    if ((size_t)r->__sizerelease < call->capacity)
        r->release[r->__sizerelease++] = (int)number;
}

static void couple_on_loop(void *ctx)
{
    struct couple_call *call = ctx;
    struct hor_cluster_status status;
    const struct _agt__Couple *request = call->request;
    hor_cluster_get_status(call->agent->cluster, &status);
    const char *run_id = status.run_id != NULL ? status.run_id : "";
    bool stranger = request->runId != NULL && request->runId[0] != '\0' &&
                    strcmp(request->runId, run_id) != 0;
    /* A Master that begins reads from the first event there is; one that goes on must find its next. */
    bool gap = !stranger && request->afterEvent > 0 && request->afterEvent + 1 < status.first_index;
    call->response->state =
        hor_soap_string(call->soap, stranger ? "unknownPartner" : gap ? "gap" : "coupled");
    call->response->runId = hor_soap_string(call->soap, run_id);
    call->response->firstEvent = status.first_index;
    call->response->lastEvent = status.applied_index;
    hor_core_each_release(call->agent->core, request->master, couple_count_release, call);
    call->response->release =
        hor_soap_alloc(call->soap, (call->capacity + 1) * sizeof *call->response->release);
    if (call->response->release != NULL)
        hor_core_each_release(call->agent->core, request->master, couple_release, call);
    call->capacity = 0;
    hor_core_each_order(call->agent->core, request->master, couple_count_order, call);
    call->response->order =
        hor_soap_alloc(call->soap, (call->capacity + 1) * sizeof *call->response->order);
    if (call->response->order != NULL)
        hor_core_each_order(call->agent->core, request->master, couple_order, call);
    call->code = call->response->release != NULL && call->response->order != NULL &&
                         call->response->state != NULL && call->response->runId != NULL
                     ? HOR_OK
                     : HOR_ERR_MEMORY;
}

/* ---- the fence ---- */

struct fence_call {
    struct couple_call *couple;
    struct hor_agent_wait *wait;
    bool leader, waiting;
    int code;
    struct hor_error *err;
};

static bool fits(const struct hor_agent *agent, const struct _agt__Couple *request)
{
    struct hor_cluster_status status;
    hor_cluster_get_status(agent->cluster, &status);
    return (request->runId == NULL || request->runId[0] == '\0' ||
            hor_str_equal(request->runId, status.run_id)) &&
           (request->afterEvent == 0 || request->afterEvent + 1 >= status.first_index);
}

static struct hor_event **coupled_event(const char *master, uint64_t fence)
{
    struct hor_event **events = calloc(1, sizeof *events);
    struct hor_event *event = hor_event_new(HOR_EVENT_MASTER_COUPLED, hor_clock_utc_us());
    if (events == NULL || event == NULL || hor_event_set(&event->master, master) != HOR_OK) {
        free(events);
        hor_event_free(event);
        return NULL;
    }
    event->count = (int64_t)fence;
    events[0] = event;
    return events;
}

static void fence_on_loop(void *ctx)
{
    struct fence_call *call = ctx;
    struct hor_agent *agent = call->couple->agent;
    const struct _agt__Couple *request = call->couple->request;
    uint64_t newest = hor_core_fence(agent->core, request->master);
    call->leader = agent->leader && !agent->stopping;
    if (!call->leader || !fits(agent, request)) /* the answer will say what does not fit */
        return;
    if (*request->fence < newest) {
        call->code = hor_agent_check_fence(agent, request->master, *request->fence, call->err);
        return;
    }
    struct hor_event **events = coupled_event(request->master, *request->fence);
    if (events == NULL || hor_core_fence_ask(agent->core, request->master, *request->fence) != HOR_OK) {
        if (events != NULL)
            hor_event_free(events[0]);
        free(events);
        call->code = hor_error_set(call->err, HOR_ERR_MEMORY, "out of memory");
        return;
    }
    call->waiting = true;
    hor_agent_submit(agent, events, 1, hor_agent_wait_done, call->wait);
}

/* On the leader: returns when the number is committed. */
static int raise_fence(struct couple_call *couple, struct hor_error *err)
{
    struct fence_call call = {.couple = couple, .wait = hor_agent_wait_new(), .err = err};
    if (call.wait == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    int rc = hor_loop_call(couple->agent->loop, fence_on_loop, &call);
    if (rc >= 0 && call.waiting) {
        rc = hor_agent_wait(call.wait, NULL, err);
        call.leader = rc != HOR_ERR_NOT_ACTIVE;
    } else {
        free(call.wait);
        rc = rc < 0 ? hor_error_set(err, HOR_ERR_BUSY, "the agent is ending") : call.code;
    }
    return call.leader ? rc
                       : hor_error_set(err, HOR_ERR_BUSY, "cluster %s has no leader at present",
                                       couple->agent->settings->cluster);
}

static int copy_answer(struct hor_soap_call *call, const struct _agt__CoupleResponse *from,
                       struct _agt__CoupleResponse *to)
{
    *to = (struct _agt__CoupleResponse){.state = hor_soap_string(call->soap, from->state),
                                        .runId = hor_soap_string(call->soap, from->runId),
                                        .firstEvent = from->firstEvent,
                                        .lastEvent = from->lastEvent,
                                        .__sizerelease = from->__sizerelease};
    size_t releases = (size_t)from->__sizerelease, orders = (size_t)from->__sizeorder;
    to->release = hor_soap_alloc(call->soap, (releases + 1) * sizeof *to->release);
    to->order = hor_soap_alloc(call->soap, (orders + 1) * sizeof *to->order);
    if (to->release == NULL || to->order == NULL || to->state == NULL || to->runId == NULL)
        return HOR_ERR_MEMORY;
    if (releases > 0)
        memcpy(to->release, from->release, releases * sizeof *to->release);
    for (size_t i = 0; i < orders; i++)
        if ((to->order[to->__sizeorder++] = hor_soap_string(call->soap, from->order[i])) == NULL)
            return HOR_ERR_MEMORY;
    return HOR_OK;
}

static int pass_on(struct hor_soap_call *call, struct hor_soap_partner *leader,
                   const struct _agt__Couple *request, struct _agt__CoupleResponse *response,
                   struct hor_error *err)
{
    struct soap *soap = NULL;
    struct _agt__CoupleResponse *answer = NULL;
    int rc = hor_soap_call_op(leader, agt, Couple, request, &soap, &answer, FORWARD_MS, err);
    if (rc == HOR_OK && (rc = copy_answer(call, answer, response)) != HOR_OK)
        hor_error_set(err, rc, "out of memory");
    hor_soap_done(soap);
    return rc;
}

int hor_agent_couple(struct hor_soap_call *call, const struct _agt__Couple *request,
                     struct _agt__CoupleResponse *response, struct hor_error *err)
{
    struct couple_call couple = {
        .agent = call->ctx, .soap = call->soap, .request = request, .response = response};
    int rc = hor_agent_may_speak_for(call, request->master, err);
    if (rc == HOR_OK && request->fence != NULL) {
        struct hor_soap_partner *leader =
            hor_agent_is_from_member(call) ? NULL : hor_agent_leader_partner(couple.agent);
        if (leader != NULL)
            return pass_on(call, leader, request, response, err);
        rc = raise_fence(&couple, err);
    }
    if (rc == HOR_OK && hor_loop_call(couple.agent->loop, couple_on_loop, &couple) < 0)
        rc = hor_error_set(err, HOR_ERR_BUSY, "the agent is ending");
    return rc < 0 ? rc : couple.code;
}

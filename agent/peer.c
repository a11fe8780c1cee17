/* Calls to other members: consensus through the transport's threads, reports and leases through
 * workers. Nothing here blocks the loop. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/soap/client.h"
#include "lib/soap/codec.h"
#include "lib/soap/event.h"
#include "lib/soap/service.h"

enum { CALL_MS = 5000, RENEW_CALL_MS = 1500, EXCHANGE_CALL_MS = 2000, TELL_EVERY_MS = 60000 };

/* ---- consensus ---- */

static void refused(void *ctx)
{
    struct hor_agent *agent = ctx;
    if (!agent->stopping && agent->cluster != NULL)
        hor_cluster_refused(agent->cluster);
}

static int exchange(const struct hor_cluster_member *to, const char *text, size_t len, void *ctx,
                    struct hor_error *err)
{
    struct hor_agent *agent = ctx;
    struct hor_buf body = HOR_BUF_INIT, answer = HOR_BUF_INIT;
    static const char *const headers[] = {"SOAPAction: " HOR_AGENT_EXCHANGE_ACTION, NULL};
    int status = 0;
    char *url = hor_str_printf("%s/soap/agent", to->url);
    hor_buf_puts(&body, "<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\"><S:Body>"
                        "<ExchangeJournal xmlns=\"urn:horarium:agent:1\">");
    hor_buf_add(&body, text, len);
    hor_buf_puts(&body, "</ExchangeJournal></S:Body></S:Envelope>");
    int rc = url == NULL || body.failed
                 ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                 : hor_http_client_post(agent->exchange_http, url, to->name,
                                        "text/xml; charset=utf-8", headers, body.data, body.len,
                                        EXCHANGE_CALL_MS, &status, &answer, err);
    if (rc == HOR_OK && status == HOR_AGENT_REFUSED) {
        rc = hor_error_set(err, HOR_ERR_CONFLICT, "%s refuses: %.200s", to->name,
                           hor_buf_text(&answer));
        static atomic_int_fast64_t told_ms; /* a removed member would say so all the time */
        int64_t now_ms = hor_clock_monotonic_ms(), before_ms = atomic_load(&told_ms);
        if (before_ms == 0 || now_ms - before_ms > TELL_EVERY_MS) {
            atomic_store(&told_ms, now_ms);
            hor_log_warning("member %s at %s refuses what this member sends: %.300s", to->name, to->url,
                            hor_buf_text(&answer));
        }
        hor_loop_post(agent->loop, refused, agent);
    } else if (rc == HOR_OK && status != 200) {
        rc = hor_error_set(err, HOR_ERR_STATE, "%s answers with HTTP status %d", to->name, status);
    }
    hor_buf_done(&body);
    hor_buf_done(&answer);
    free(url);
    return rc;
}

/* ---- set up ---- */

static int open_clients(struct hor_agent *agent, struct hor_error *err)
{
    const struct hor_settings_listen *listen = &agent->settings->common.listen;
    struct hor_http_client_settings settings = {
        .certificate_file = listen->certificate, .key_file = listen->key, .ca_file = listen->ca};
    int rc = hor_http_client_new(&settings, &agent->http, err);
    if (rc == HOR_OK)
        rc = hor_http_client_new(&settings, &agent->exchange_http, err);
    return rc;
}

static int make_partner(struct hor_agent *agent, size_t place, struct hor_error *err)
{
    const struct hor_settings_member *member = &agent->settings->members[place];
    struct hor_soap_partner *partner = NULL;
    char *url = hor_str_printf("%s/soap/agent", member->url != NULL ? member->url : "");
    const char *urls[] = {url}, *names[] = {member->name};
    int rc = url == NULL ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                         : hor_soap_partner_new(agent->http, urls, names, 1, &partner, err);
    free(url);
    if (rc < 0)
        return rc;
    if (agent->peers[place].partner != NULL) { /* a call may be under way there */
        struct hor_soap_partner **more =
            realloc(agent->retired, (agent->retired_count + 1) * sizeof *more);
        if (more == NULL) {
            hor_soap_partner_free(partner);
            return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        }
        agent->retired = more;
        agent->retired[agent->retired_count++] = agent->peers[place].partner;
    }
    agent->peers[place].partner = partner;
    agent->peers[place].url = member->url;
    return HOR_OK;
}

int hor_agent_peers_join(struct hor_agent *agent, struct hor_cluster_settings *settings,
                         struct hor_cluster_joined *ret, struct hor_error *err)
{
    const struct hor_settings_member *self = &agent->settings->members[agent->settings->self];
    struct hor_cluster_join join = {.service = "agent",
                                    .http = agent->http,
                                    .cluster = settings->cluster,
                                    .directory = settings->directory,
                                    .name = agent->name,
                                    .url = self->url,
                                    .members = settings->members,
                                    .member_count = settings->member_count};
    int rc = hor_cluster_join(&join, settings->self, ret, err);
    if (rc < 0)
        return rc;
    if (ret->note[0] != '\0')
        hor_log_warning("%s", ret->note);
    settings->self = ret->self;
    settings->joins = ret->joins;
    settings->incarnation = ret->incarnation;
    if (ret->members != NULL) {
        settings->members = ret->members;
        settings->member_count = ret->member_count;
        hor_agent_roster_set(ret->members, ret->member_count, agent);
    }
    return HOR_OK;
}

void hor_agent_peers_changed(struct hor_agent *agent, const struct hor_cluster_member *members,
                             unsigned count)
{
    struct hor_error err;
    for (size_t i = 0; i < agent->settings->member_count; i++) {
        const struct hor_settings_member *member = &agent->settings->members[i];
        if (i != agent->settings->self && agent->member_ids[i] != 0 &&
            agent->peers[i].url != member->url && make_partner(agent, i, &err) < 0)
            hor_log_error("member %s: %s", member->name, err.text);
    }
    if (hor_transport_set(agent->transport, members, count,
                          agent->member_ids[agent->settings->self], &err) < 0)
        hor_log_error("%s", err.text);
}

int hor_agent_peers_open(struct hor_agent *agent, struct hor_error *err)
{
    const struct hor_settings_agent *settings = agent->settings;
    agent->peers = calloc(HOR_CORE_MEMBERS, sizeof *agent->peers);
    agent->members = calloc(settings->member_count, sizeof *agent->members);
    if (agent->peers == NULL || agent->members == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < settings->member_count; i++)
        agent->members[i] = (struct hor_cluster_member){.id = i + 1,
                                                        .name = settings->members[i].name,
                                                        .url = settings->members[i].url,
                                                        .witness = settings->members[i].witness};
    int rc = open_clients(agent, err);
    for (size_t i = 0; rc == HOR_OK && i < settings->member_count; i++)
        if (i != settings->self)
            rc = make_partner(agent, i, err);
    if (rc == HOR_OK)
        rc = hor_transport_new(agent->members, (unsigned)settings->member_count, settings->self + 1,
                               exchange, agent, &agent->transport, err);
    return rc < 0 ? hor_error_prefix(err, "other members") : HOR_OK;
}

void hor_agent_peers_close(struct hor_agent *agent)
{
    if (agent->exchange_http != NULL)
        hor_http_client_abort(agent->exchange_http);
    hor_transport_free(agent->transport);
    agent->transport = NULL;
    for (size_t i = 0; agent->peers != NULL && i < agent->settings->member_count; i++)
        hor_soap_partner_free(agent->peers[i].partner);
    for (size_t i = 0; i < agent->retired_count; i++)
        hor_soap_partner_free(agent->retired[i]);
    free(agent->retired);
    if (agent->http != NULL)
        hor_http_client_free(agent->http);
    if (agent->exchange_http != NULL)
        hor_http_client_free(agent->exchange_http);
    free(agent->peers);
    free(agent->members);
}

void hor_agent_peers_interrupt(struct hor_agent *agent, uint64_t leader_id)
{
    for (size_t i = 0; agent->http != NULL && i < agent->settings->member_count; i++)
        if (agent->member_ids[i] != leader_id && i != agent->settings->self)
            hor_http_client_interrupt(agent->http, agent->settings->members[i].name);
}

/* ---- asking the leader ---- */

struct leader_query {
    struct hor_agent *agent;
    struct hor_soap_partner *partner;
};

static void find_leader(void *ctx)
{
    struct leader_query *query = ctx;
    const struct hor_agent *agent = query->agent;
    size_t place = hor_agent_place_of(agent, agent->leader_id);
    if (!agent->leader && place != SIZE_MAX && agent->peers != NULL)
        query->partner = agent->peers[place].partner;
}

struct hor_soap_partner *hor_agent_leader_partner(struct hor_agent *agent)
{
    struct leader_query query = {.agent = agent};
    return hor_loop_call(agent->loop, find_leader, &query) == HOR_OK ? query.partner : NULL;
}

/* ---- reports ---- */

struct report_call {
    struct hor_agent *agent;
    struct hor_soap_partner *partner;
    struct hor_event **events;
    size_t count;
    hor_agent_done_fn *done;
    void *ctx;
    int code;
};

static void report_ended(void *ctx)
{
    struct report_call *call = ctx;
    call->done(call->code, 0, call->ctx);
    for (size_t i = 0; i < call->count; i++)
        hor_event_free(call->events[i]);
    free(call->events);
    free(call);
}

static void report_work(void *ctx)
{
    struct report_call *call = ctx;
    struct hor_error err = {0};
    struct soap *soap = NULL, *memory = soap_new();
    struct _agt__SubmitEventsResponse *response;
    struct t__Event *events = memory != NULL ? hor_soap_alloc(memory, call->count * sizeof *events)
                                             : NULL;
    call->code = events != NULL ? HOR_OK : HOR_ERR_MEMORY;
    for (size_t i = 0; call->code == HOR_OK && i < call->count; i++)
        call->code = hor_soap_event_write(memory, call->events[i], &events[i]);
    if (call->code == HOR_OK) {
        char from[256];
        snprintf(from, sizeof from, "%s", call->agent->name);
        struct _agt__SubmitEvents request = {
            .from = from, .__sizeevent = (int)call->count, .event = events};
        call->code = hor_soap_call_op(call->partner, agt, SubmitEvents, &request, &soap, &response,
                                      CALL_MS, &err);
        if (call->code < 0)
            hor_log_debug("report to the leader: %s", err.text);
        else
            hor_soap_done(soap);
    }
    if (memory != NULL) {
        soap_destroy(memory);
        soap_end(memory);
        soap_free(memory);
    }
    if (hor_loop_post(call->agent->loop, report_ended, call) < 0)
        hor_log_error("report to the leader: out of memory");
}

void hor_agent_peer_report(struct hor_agent *agent, struct hor_event **take_events, size_t count,
                           hor_agent_done_fn *done, void *ctx)
{
    struct report_call *call = calloc(1, sizeof *call);
    struct leader_query query = {.agent = agent};
    find_leader(&query);
    if (call != NULL)
        *call = (struct report_call){.agent = agent,
                                     .partner = query.partner,
                                     .events = take_events,
                                     .count = count,
                                     .done = done,
                                     .ctx = ctx};
    if (call != NULL && query.partner != NULL &&
        hor_workers_run(agent->workers, report_work, call, 0) == HOR_OK)
        return;
    for (size_t i = 0; i < count; i++)
        hor_event_free(take_events[i]);
    free(take_events);
    free(call);
    done(HOR_ERR_UNREACHABLE, 0, ctx);
}

/* ---- lease ---- */

struct renew_call {
    struct hor_agent *agent;
    struct hor_soap_partner *partner;
    uint64_t applied, term;
    char run_id[64];
    bool runner;
    int64_t sent_ms, lease_ms, grace_ms;
    int code;
};

static void renew_ended(void *ctx)
{
    struct renew_call *call = ctx;
    struct hor_agent *agent = call->agent;
    bool present = call->term == agent->renewing_term; /* else another leader was asked meanwhile */
    if (present)
        agent->renewing = false;
    if (present && call->code == HOR_OK && call->lease_ms == 0 && !agent->leader &&
        !agent->stopping)
        hor_timer_start(agent->lease_timer, HOR_AGENT_RENEW_SOON_MS);
    if (call->code == HOR_OK && call->lease_ms > 0)
        hor_agent_lease_got(agent, call->applied, call->sent_ms + call->lease_ms, call->grace_ms);
    free(call);
}

static void renew_work(void *ctx)
{
    struct renew_call *call = ctx;
    struct hor_error err = {0};
    struct soap *soap = NULL;
    struct _agt__RenewLeaseResponse *response;
    char from[256];
    snprintf(from, sizeof from, "%s", call->agent->name);
    struct _agt__RenewLease request = {.from = from,
                                       .runId = call->run_id,
                                       .life = call->agent->life,
                                       .appliedIndex = call->applied,
                                       .runner = call->runner};
    call->code = hor_soap_call_op(call->partner, agt, RenewLease, &request, &soap, &response,
                                  RENEW_CALL_MS, &err);
    if (call->code == HOR_OK) {
        call->lease_ms = response->leaseMs;
        call->grace_ms = response->graceMs;
        hor_soap_done(soap);
    } else {
        hor_log_debug("lease: %s", err.text);
    }
    if (hor_loop_post(call->agent->loop, renew_ended, call) < 0)
        hor_log_error("lease: out of memory");
}

void hor_agent_peer_renew(struct hor_agent *agent)
{
    struct leader_query query = {.agent = agent};
    struct hor_cluster_status status;
    find_leader(&query);
    if ((agent->renewing && agent->renewing_term == agent->term) || query.partner == NULL ||
        agent->settings->members[agent->settings->self].witness)
        return;
    struct renew_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return;
    hor_cluster_get_status(agent->cluster, &status);
    *call = (struct renew_call){.agent = agent,
                                .partner = query.partner,
                                .applied = status.applied_index,
                                .term = agent->term,
                                .runner = agent->runner_connected && hor_agent_has_room(agent),
                                .sent_ms = hor_clock_monotonic_ms()};
    snprintf(call->run_id, sizeof call->run_id, "%s", status.run_id != NULL ? status.run_id : "");
    agent->renewing = true;
    agent->renewing_term = agent->term;
    if (hor_workers_run(agent->workers, renew_work, call, 0) < 0) {
        agent->renewing = false;
        free(call);
    }
}

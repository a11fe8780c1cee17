/* The agent's port: the SOAP service, /metrics and /healthz, and who may call what. Partners are
 * programs, known by the common name of their certificate: members of this cluster, and members of the
 * Masters in the settings. Without TLS (trials on one machine) only this machine is believed. */
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/soap/service.h"

/* A member's own mark in hor_identity.principal; otherwise the Master's settings, or NULL. */
static const char own_member[] = "member of this cluster";
static const char this_machine[] = "this machine, without TLS";

static const struct hor_settings_cluster *find_master(const struct hor_agent *agent,
                                                      const char *member)
{
    for (size_t i = 0; i < agent->settings->master_count; i++)
        for (size_t k = 0; k < agent->settings->masters[i].member_count; k++)
            if (strcmp(agent->settings->masters[i].members[k].name, member) == 0)
                return &agent->settings->masters[i];
    return NULL;
}

static bool is_loopback(const char *peer)
{
    return peer != NULL && (hor_str_starts(peer, "127.") || strcmp(peer, "::1") == 0);
}

static int authenticate(const struct hor_http_request *request, const char *wsse_user,
                        const char *wsse_password, struct hor_identity *who, void *ctx,
                        struct hor_error *err)
{
    struct hor_agent *agent = ctx;
    const char *name = hor_http_certificate_name(request);
    (void)wsse_password;
    if (wsse_user != NULL)
        return hor_error_set(err, HOR_ERR_UNAUTHENTICATED,
                             "people do not call agents: ask the Supervisor");
    snprintf(who->from, sizeof who->from, "%s", hor_http_peer(request));
    if (agent->settings->common.listen.certificate == NULL && is_loopback(who->from)) {
        snprintf(who->user, sizeof who->user, "local");
        who->program = true;
        who->principal = (void *)(uintptr_t)this_machine;
        return HOR_OK;
    }
    if (name == NULL)
        return hor_error_set(err, HOR_ERR_UNAUTHENTICATED, "a client certificate is needed");
    snprintf(who->user, sizeof who->user, "%s", name);
    who->program = true;
    if (hor_agent_id_of(agent, name) != 0)
        who->principal = (void *)(uintptr_t)own_member;
    else
        who->principal = (void *)(uintptr_t)find_master(agent, name);
    if (who->principal == NULL)
        return hor_error_set(err, HOR_ERR_UNAUTHENTICATED,
                             "'%.100s' is neither a member of this cluster nor of a Master in the "
                             "agent's settings",
                             name);
    return HOR_OK;
}

static int authorize(const struct hor_identity *who, const struct hor_soap_operation *operation,
                     void *ctx, struct hor_error *err)
{
    (void)ctx;
    if (who->principal == own_member || who->principal == this_machine ||
        (who->principal != NULL && strcmp(operation->right, "master") == 0))
        return HOR_OK;
    return hor_error_set(err, HOR_ERR_DENIED, "'%s' may not call %s", who->user, operation->name);
}

static void audit(const struct hor_soap_call *call, const struct hor_soap_operation *operation, int rc,
                  const struct hor_error *err, void *ctx)
{
    char quoted[300];
    (void)ctx;
    if (rc < 0)
        hor_log_info("%s by %s from %s refused: %s", operation->name, call->who->user, call->who->from,
                     hor_log_quote(err->text, quoted, sizeof quoted));
    else
        hor_log_debug("%s by %s from %s", operation->name, call->who->user, call->who->from);
}

int hor_agent_may_speak_for(struct hor_soap_call *call, const char *master, struct hor_error *err)
{
    const void *principal = call->who->principal;
    if (principal == own_member || principal == this_machine)
        return HOR_OK;
    const struct hor_settings_cluster *cluster = principal;
    if (strcmp(cluster->name, master) == 0)
        return HOR_OK;
    return hor_error_set(err, HOR_ERR_DENIED, "'%s' belongs to Master %s and cannot speak for '%.100s'",
                         call->who->user, cluster->name, master);
}

bool hor_agent_is_from_member(const struct hor_soap_call *call)
{
    return call->who->principal == own_member;
}

/* ---- for monitoring ---- */

struct figures {
    struct hor_agent *agent;
    struct hor_buf *out;
};

static void write_metrics(void *ctx)
{
    struct figures *f = ctx;
    struct hor_agent *agent = f->agent;
    struct hor_core_counts counts;
    struct hor_cluster_status status;
    hor_core_counts(agent->core, NULL, &counts);
    hor_cluster_get_status(agent->cluster, &status);
    const struct {
        const char *name, *type, *help;
        unsigned long long value;
    } table[] = {
        {"leader", "gauge", "1 where this member leads.", agent->leader},
        {"journal_index", "gauge", "Last committed journal entry.", status.commit_index},
        {"journal_uncommitted", "gauge", "Entries on their way.", status.uncommitted},
        {"orders", "gauge", "Orders that have not ended.", counts.orders},
        {"orders_running", "gauge", "Orders that run.", counts.running},
        {"orders_unacknowledged", "gauge", "Ended orders a Master has not acknowledged.",
         counts.ended_kept},
        {"tasks", "gauge", "Tasks assigned, running or in doubt in the cluster.", counts.tasks},
        {"runner_connected", "gauge", "1 where the runner answers.", agent->runner_connected},
        {"tasks_started_total", "counter", "Tasks given to this member's runner.",
         atomic_load(&agent->tasks_started)},
        {"tasks_ended_total", "counter", "Ends of tasks seen in the journal.",
         atomic_load(&agent->tasks_ended)},
        {"events_applied_total", "counter", "Journal events applied.",
         atomic_load(&agent->events_applied)},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        hor_buf_printf(f->out,
                       "# HELP horarium_agent_%s %s\n# TYPE horarium_agent_%s %s\n"
                       "horarium_agent_%s %llu\n",
                       table[i].name, table[i].help, table[i].name, table[i].type, table[i].name,
                       table[i].value);
}

static void write_health(void *ctx)
{
    struct figures *f = ctx;
    struct hor_agent *agent = f->agent;
    hor_buf_printf(f->out, "%s\n",
                   agent->leader_id == 0        ? "no leader"
                   : !agent->runner_connected ? "no runner"
                                              : "ok");
}

static enum hor_http_outcome handle(const struct hor_http_request *request,
                                    struct hor_http_response *response, void *ctx)
{
    struct hor_agent *agent = ctx;
    struct figures f = {.agent = agent, .out = &response->body};
    const char *path = hor_http_path(request);
    bool metrics = strcmp(path, "/metrics") == 0;
    if (!metrics && strcmp(path, "/healthz") != 0)
        return hor_soap_handle(agent->service, request, response);
    hor_http_header(response, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    if (hor_loop_call(agent->loop, metrics ? write_metrics : write_health, &f) < 0 ||
        (!metrics && strcmp(hor_buf_text(&response->body), "ok\n") != 0))
        response->status = 503;
    return HOR_HTTP_ANSWER;
}

/* Consensus passes by the workers, who may all be waiting for what it brings; and by gSOAP, since
 * every entry passes here and lib/cluster reads the element itself. Whatever is unusual about the
 * request goes the long way. */
static bool quick(const struct hor_http_request *request, struct hor_http_response *response, void *ctx)
{
    static const char answer[] =
        "<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\"><S:Body>"
        "<ExchangeJournalResponse xmlns=\"urn:horarium:agent:1\"/></S:Body></S:Envelope>";
    struct hor_agent *agent = ctx;
    const char *action = hor_http_request_header(request, "SOAPAction");
    const char *name = hor_http_certificate_name(request);
    size_t len;
    if (action == NULL || strcmp(action, HOR_AGENT_EXCHANGE_ACTION) != 0 ||
        strcmp(hor_http_method(request), "POST") != 0 ||
        strcmp(hor_http_path(request), "/soap/agent") != 0 || agent->cluster == NULL ||
        hor_agent_member(agent, name, NULL) == NULL) /* or was one: it is told so */
        return false;
    struct hor_error err = {0};
    const char *body = hor_http_body(request, &len);
    int rc = hor_cluster_receive_from(agent->cluster, hor_agent_id_of(agent, name), body, len, &err);
    if (rc == HOR_ERR_CONFLICT) {
        hor_log_debug("exchange from %s: %s", name, err.text);
        response->status = HOR_AGENT_REFUSED;
        hor_http_header(response, "Content-Type", "text/plain; charset=utf-8");
        hor_buf_puts(&response->body, err.text);
        return true;
    }
    if (rc < 0) {
        hor_log_debug("exchange from %s: %s", name, err.text);
        return false; /* the long way makes a fault of it */
    }
    hor_http_header(response, "Content-Type", "text/xml; charset=utf-8");
    hor_buf_puts(&response->body, answer);
    return true;
}

int hor_agent_service_open(struct hor_agent *agent, struct hor_error *err)
{
    static const struct hor_soap_policy policy = {
        .authenticate = authenticate, .authorize = authorize, .audit = audit};
    const struct hor_settings_listen *listen = &agent->settings->common.listen;
    int rc = hor_soap_service_new("agent", hor_datadir(), hor_agent_operations(), &policy, agent,
                                  &agent->service, err);
    if (rc < 0)
        return hor_error_prefix(err, "service");
    struct hor_http_settings settings = {
        .address = listen->address,
        .port = listen->port,
        .certificate_file = listen->certificate,
        .key_file = listen->key,
        .ca_file = listen->ca,
        .max_body_bytes = 512 * 1024 * 1024, /* a release document in base 64 */
        .workers = 8,
        .quick = quick,
    };
    rc = hor_http_server_start(agent->loop, &settings, handle, agent, &agent->server, err);
    if (rc < 0)
        return rc;
    if (listen->certificate == NULL)
        hor_log_warning("no certificate in the settings: only callers on this machine are served");
    hor_log_info("listens on %s port %u", listen->address,
                 (unsigned)hor_http_server_port(agent->server));
    return HOR_OK;
}

void hor_agent_service_close(struct hor_agent *agent)
{
    if (agent->server != NULL)
        hor_http_server_stop(agent->server);
    agent->server = NULL;
    if (agent->service != NULL)
        hor_soap_service_free(agent->service);
    agent->service = NULL;
}

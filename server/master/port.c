/* The Master's port: who may call what, the quick way for consensus, /metrics and /healthz. Partners
 * are programs, known by the common name of their certificate: members of this cluster, and the
 * Supervisors in the settings. Without TLS (trials on one machine) only this machine is believed. */
#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/cluster/service.h"
#include "lib/soap/service.h"
#include "server/master/master.h"

/* Marks in hor_identity.principal. */
static const char own_member[] = "member of this cluster", a_supervisor[] = "Supervisor",
                  this_machine[] = "this machine, without TLS";

static const void *principal_of(const struct hor_master *master, const char *name)
{
    const struct hor_settings_master *s = master->settings;
    /* Its operations are the more powerful ones: a name that is both counts as Supervisor. */
    for (size_t i = 0; i < s->supervisor_count; i++)
        if (strcmp(s->supervisors[i], name) == 0)
            return a_supervisor;
    return hor_master_member(master, name) != 0 ? own_member : NULL;
}

static bool is_loopback(const char *peer)
{
    return peer != NULL && (hor_str_starts(peer, "127.") || strcmp(peer, "::1") == 0);
}

static int authenticate(const struct hor_http_request *request, const char *wsse_user,
                        const char *wsse_password, struct hor_identity *who, void *ctx,
                        struct hor_error *err)
{
    const struct hor_master *master = ctx;
    const char *name = hor_http_certificate_name(request);
    const void *principal = NULL;
    (void)wsse_password;
    if (wsse_user != NULL)
        return hor_error_set(err, HOR_ERR_UNAUTHENTICATED,
                             "people do not call Masters: ask the Supervisor");
    snprintf(who->from, sizeof who->from, "%s", hor_http_peer(request));
    who->program = true;
    if (master->settings->common.listen.certificate == NULL && is_loopback(who->from)) {
        snprintf(who->user, sizeof who->user, "local");
        principal = this_machine;
    } else if (name == NULL) {
        return hor_error_set(err, HOR_ERR_UNAUTHENTICATED,
                             "a Master talks to programs: a client certificate is needed");
    } else {
        snprintf(who->user, sizeof who->user, "%s", name);
        principal = principal_of(master, name);
    }
    if (principal == NULL)
        return hor_error_set(err, HOR_ERR_UNAUTHENTICATED,
                             "'%.100s' is neither a member of Master cluster '%s' nor a Supervisor in "
                             "its settings",
                             name, master->settings->cluster);
    who->principal = (void *)(uintptr_t)principal;
    return HOR_OK;
}

static int authorize(const struct hor_identity *who, const struct hor_soap_operation *operation,
                     void *ctx, struct hor_error *err)
{
    const char *right = operation->right;
    (void)ctx;
    if (right[0] == '\0' || who->principal == this_machine ||
        (who->principal == own_member && strcmp(right, "member") == 0) ||
        (who->principal == a_supervisor && strcmp(right, "supervisor") == 0))
        return HOR_OK;
    return hor_error_set(err, HOR_ERR_DENIED, "'%.100s' may not call %s: it is for a %s", who->user,
                         operation->name,
                         strcmp(right, "member") == 0 ? "member of the Master cluster"
                                                      : "Supervisor in the Master's settings");
}

static void audit(const struct hor_soap_call *call, const struct hor_soap_operation *operation,
                  int rc, const struct hor_error *err, void *ctx)
{
    (void)ctx;
    (void)err; /* lib/soap logs refusals */
    if (rc == HOR_OK)
        hor_log_debug("%s by '%s' from %s", operation->name, call->who->user, call->who->from);
}

/* ---- consensus between members ---- */

/* Passes by the workers, who may all be waiting for what it brings; and by gSOAP, since every entry
 * passes here and lib/cluster reads the element itself. Whatever is unusual about the request goes
 * the long way. */
static bool quick(const struct hor_http_request *request, struct hor_http_response *response, void *ctx)
{
    static const char answer[] =
        "<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\"><S:Body>"
        "<ExchangeJournalResponse xmlns=\"" HOR_SOAP_NS_mst "\"/></S:Body></S:Envelope>";
    struct hor_master *master = ctx;
    const char *action = hor_http_request_header(request, "SOAPAction");
    const char *name = hor_http_certificate_name(request);
    uint64_t from = name != NULL ? hor_master_member(master, name) : 0;
    size_t len;
    if (action == NULL || strcmp(action, HOR_MASTER_EXCHANGE_ACTION) != 0 || from == 0 ||
        strcmp(hor_http_method(request), "POST") != 0 ||
        strcmp(hor_http_path(request), "/soap/master") != 0 || master->cluster == NULL)
        return false;
    struct hor_error err = {0};
    const char *body = hor_http_body(request, &len);
    int rc = hor_cluster_receive_from(master->cluster, from, body, len, &err);
    if (rc == HOR_ERR_CONFLICT) {
        response->status = HOR_MASTER_NO_MEMBER;
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

int hor_master_exchange_journal(struct hor_soap_call *call,
                                const struct _mst__ExchangeJournal *request,
                                struct _mst__ExchangeJournalResponse *response, struct hor_error *err)
{
    struct hor_master *master = call->ctx;
    size_t len = 0;
    const char *body = call->http != NULL ? hor_http_body(call->http, &len) : NULL;
    uint64_t from = request->exchange != NULL ? request->exchange->from : 0;
    (void)response;
    if (call->who->principal != this_machine &&
        (from == 0 || hor_master_member(master, call->who->user) != from))
        return hor_error_set(err, HOR_ERR_DENIED, "'%s' cannot speak for member %llu of '%s'",
                             call->who->user, (unsigned long long)from, master->settings->cluster);
    if (body == NULL)
        return hor_error_set(err, HOR_ERR_INVALID, "an exchange comes over HTTP");
    return hor_cluster_deliver(master->cluster, body, len, err);
}

/* ---- members of the cluster: for people, with a member's certificate, and for who joins ---- */

int hor_master_cluster_status(struct hor_soap_call *call, const struct _mst__ClusterStatus *request,
                              struct _mst__ClusterStatusResponse *response, struct hor_error *err)
{
    struct hor_master *master = call->ctx;
    (void)request;
    return hor_cluster_soap_status(master->loop, master->cluster, call->soap, &response->status, err);
}

int hor_master_change_cluster(struct hor_soap_call *call, const struct _mst__ChangeCluster *request,
                              struct _mst__ChangeClusterResponse *response, struct hor_error *err)
{
    struct hor_master *master = call->ctx;
    uint64_t id = 0;
    int rc = hor_cluster_soap_change(master->loop, master->cluster, request->change, &id, err);
    response->id = id;
    return rc;
}

/* ---- for monitoring ---- */

struct figures {
    struct hor_cluster_status status;
    size_t clusters, coupled;
};

static void count_cluster(const struct hor_coupling_state *state, void *ctx)
{
    struct figures *figures = ctx;
    figures->clusters++;
    figures->coupled += strcmp(state->state, "coupled") == 0;
}

static int ask_figures(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct figures *figures = arg;
    (void)err;
    hor_cluster_get_status(master->cluster, &figures->status);
    hor_master_couplings_each(master, count_cluster, figures);
    return HOR_OK;
}

static void write_metrics(struct hor_master *master, const struct figures *f, struct hor_buf *out)
{
    const struct {
        const char *name, *type, *help;
        unsigned long long value;
    } rows[] = {
        {"horarium_master_active", "gauge", "1 when this member decides", f->status.leader},
        {"horarium_master_term", "gauge", "grows with each change of the active member",
         f->status.term},
        {"horarium_journal_index", "gauge", "last applied index", f->status.applied_index},
        {"horarium_journal_uncommitted", "gauge", "events not yet committed", f->status.uncommitted},
        {"horarium_master_clusters", "gauge", "agent clusters", f->clusters},
        {"horarium_master_clusters_coupled", "gauge", "agent clusters in touch", f->coupled},
        {"horarium_events_applied_total", "counter", "events applied since start",
         atomic_load(&master->events_applied)},
        {"horarium_orders_ended_total", "counter", "orders ended since start",
         atomic_load(&master->orders_ended)},
        {"horarium_commands_total", "counter", "commands received since start",
         atomic_load(&master->commands)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        hor_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", rows[i].name, rows[i].help,
                       rows[i].name, rows[i].type, rows[i].name, rows[i].value);
}

static enum hor_http_outcome handle(const struct hor_http_request *request,
                                    struct hor_http_response *response, void *ctx)
{
    struct hor_master *master = ctx;
    const char *path = hor_http_path(request);
    struct figures figures = {0};
    struct hor_error err = {0};
    bool metrics = strcmp(path, "/metrics") == 0, health = strcmp(path, "/healthz") == 0;
    if (hor_str_starts(path, "/soap/"))
        return hor_soap_handle(master->service, request, response);
    hor_http_header(response, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    if (!metrics && !health) {
        response->status = 404;
        hor_buf_puts(&response->body, "not found\n");
    } else if (hor_master_ask(master, ask_figures, &figures, &err) != HOR_OK) {
        response->status = 503;
        hor_buf_printf(&response->body, "%s\n", err.text);
    } else if (metrics)
        write_metrics(master, &figures, &response->body);
    else if (figures.status.leader_id == 0) {
        response->status = 503;
        hor_buf_puts(&response->body, "no active Master\n");
    } else
        hor_buf_puts(&response->body, figures.status.leader ? "active\n" : "stand-by\n");
    return HOR_HTTP_ANSWER;
}

int hor_master_port_open(struct hor_master *master, struct hor_error *err)
{
    static const struct hor_soap_policy policy = {
        .authenticate = authenticate, .authorize = authorize, .audit = audit};
    const struct hor_settings_listen *listen = &master->settings->common.listen;
    struct hor_http_settings settings = {.address = listen->address,
                                         .port = listen->port,
                                         .certificate_file = listen->certificate,
                                         .key_file = listen->key,
                                         .ca_file = listen->ca,
                                         .workers = 8,
                                         .quick = quick};
    int rc = hor_soap_service_new("master", hor_datadir(), hor_master_operations(), &policy, master,
                                  &master->service, err);
    if (rc != HOR_OK)
        return rc;
    if (listen->certificate == NULL)
        hor_log_warning("no certificate in the settings: only callers on this machine are served");
    return hor_http_server_start(master->loop, &settings, handle, master, &master->server, err);
}

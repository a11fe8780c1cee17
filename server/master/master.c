#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/soap/client.h"
#include "lib/soap/service.h"
#include "server/master/master.h"

enum { RETRY_MS = 200, EXCHANGE_TIMEOUT_MS = 2000 };

/* ---- deciding ---- */

static void decided(int code, uint64_t index, void *ctx)
{
    struct hor_master *master = ctx;
    (void)index;
    master->deciding = false;
    if (code != HOR_OK) {
        hor_master_core_lead(master->core);
        return;
    }
    hor_master_decide(master);
}

static void log_problem(struct hor_master *master)
{
    const char *problem = hor_master_core_problem(master->core);
    if (problem == NULL || hor_str_equal(problem, master->logged_problem))
        return;
    char text[1200];
    hor_log_error("plan not made: %s", hor_log_quote(problem, text, sizeof text));
    free(master->logged_problem);
    master->logged_problem = hor_strdup(problem);
}

void hor_master_decide(struct hor_master *master)
{
    struct hor_master_events events = {0};
    struct hor_error err = {0};
    bool more = false;
    int64_t now_us = hor_clock_utc_us();
    if (!atomic_load(&master->leader) || master->deciding)
        return;
    int rc = hor_master_core_decide(master->core, now_us, HOR_MASTER_BATCH_EVENTS,
                                    hor_master_collect, &events, &more);
    log_problem(master);
    if (rc == HOR_OK && events.failed)
        rc = HOR_ERR_MEMORY;
    if (rc == HOR_OK && events.count > 0) {
        master->deciding = true;
        rc = hor_cluster_submit(master->cluster, events.items, events.count, decided, master, &err);
        if (rc == HOR_OK)
            events.count = 0;
        else
            master->deciding = false;
    }
    if (rc != HOR_OK) /* busy, or no longer the leader: what was decided is decided again */
        hor_master_core_dropped(master->core, events.items, events.count, true);
    hor_master_events_done(&events);
    if (rc != HOR_OK) {
        hor_timer_start(master->decide_timer, RETRY_MS);
        return;
    }
    int64_t due_ms = (hor_master_core_next_due(master->core, now_us) - now_us) / 1000;
    hor_timer_start(master->decide_timer, due_ms < 1000 ? 1000 : due_ms);
}

static void decide_timer(void *ctx) { hor_master_decide(ctx); }

/* ---- the journal ---- */

static void give_up(struct hor_master *master)
{
    master->exit_status = 1;
    hor_loop_stop(master->loop);
}

static void on_apply(const struct hor_event *event, void *ctx)
{
    struct hor_master *master = ctx;
    if (hor_master_core_apply(master->core, event) != HOR_OK) {
        hor_log_error("out of memory while events are applied: ending");
        give_up(master);
        return;
    }
    atomic_fetch_add(&master->events_applied, 1);
    /* What an agent cluster reports, and what the Supervisor has read, is no work for a coupling. */
    if (event->cluster_index == HOR_EVENT_NONE || event->type == HOR_EVENT_CLUSTER_COUPLED)
        master->kick = true;
    if (event->type == HOR_EVENT_ORDER_ENDED)
        atomic_fetch_add(&master->orders_ended, 1);
    if (!master->live)
        return;
    if (event->type == HOR_EVENT_RELEASE_APPLIED && event->cluster == NULL)
        hor_log_info("release=%lld deployed", (long long)event->release);
    else if (event->type == HOR_EVENT_PLAN_MADE)
        hor_log_info("planDay=%s release=%lld orders=%lld planned",
                     event->plan_day != NULL ? event->plan_day : "", (long long)event->release,
                     (long long)event->count);
    else if (event->type == HOR_EVENT_EVENTS_ACKNOWLEDGED && event->cluster_index > 0)
        hor_cluster_release(master->cluster, (uint64_t)event->cluster_index);
}

static void on_applied(uint64_t index, void *ctx)
{
    struct hor_master *master = ctx;
    (void)index;
    if (master->server != NULL)
        hor_http_server_wake(master->server);
    if (master->kick)
        hor_master_couplings_update(master);
    master->kick = false;
    hor_master_decide(master);
}

static int on_snapshot(struct hor_buf *out, void *ctx)
{
    struct hor_master *master = ctx;
    return hor_master_core_snapshot(master->core, out);
}

static int on_restore(const char *xml, size_t len, void *ctx, struct hor_error *err)
{
    struct hor_master *master = ctx;
    return hor_master_core_restore(master->core, xml, len, err);
}

static void on_role(bool leader, uint64_t leader_id, uint64_t term, void *ctx)
{
    struct hor_master *master = ctx;
    master->leader_id = leader_id;
    master->deciding = false;
    if (leader)
        hor_master_core_lead(master->core);
    atomic_store(&master->leader, leader);
    hor_log_info("term=%llu %s", (unsigned long long)term,
                 leader             ? "this Master is active"
                 : leader_id != 0 ? "another Master is active"
                                  : "no Master is active");
    if (master->server != NULL)
        hor_http_server_wake(master->server);
    hor_master_couplings_update(master);
    hor_master_decide(master);
}

static void on_send(uint64_t to, const char *exchange, size_t len, void *ctx)
{
    struct hor_master *master = ctx;
    hor_transport_send(master->transport, to, exchange, len);
}

static void on_fatal(const struct hor_error *err, void *ctx)
{
    hor_log_error("journal: %s: ending", err->text);
    give_up(ctx);
}

/* Runs on a thread of the transport. */
static int exchange(const struct hor_cluster_member *to, const char *text, size_t len, void *ctx,
                    struct hor_error *err)
{
    struct hor_master *master = ctx;
    struct hor_buf body = HOR_BUF_INIT, answer = HOR_BUF_INIT;
    hor_buf_puts(&body, "<ExchangeJournal xmlns=\"" HOR_SOAP_NS_mst "\">");
    hor_buf_add(&body, text, len);
    hor_buf_puts(&body, "</ExchangeJournal>");
    int rc = body.failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                         : hor_soap_call_text(master->member_partners[to->id - 1],
                                              hor_buf_text(&body), &answer, EXCHANGE_TIMEOUT_MS,
                                              err);
    hor_buf_done(&body);
    hor_buf_done(&answer);
    return rc;
}

const char *hor_master_active_url(const struct hor_master *master)
{
    uint64_t id = master->leader_id;
    return id >= 1 && id <= master->settings->member_count
               ? master->settings->members[id - 1].url
               : NULL;
}

/* ---- opening ---- */

static int open_clients(struct hor_master *master, struct hor_error *err)
{
    const struct hor_settings_listen *listen = &master->settings->common.listen;
    struct hor_http_client_settings http = {.certificate_file = listen->certificate,
                                            .key_file = listen->key,
                                            .ca_file = listen->ca};
    int rc = hor_http_client_new(&http, &master->http, err);
    return rc != HOR_OK ? rc : hor_http_client_new(&http, &master->exchange_http, err);
}

static int open_members(struct hor_master *master, struct hor_error *err)
{
    const struct hor_settings_master *s = master->settings;
    master->members = calloc(s->member_count, sizeof *master->members);
    master->member_partners = calloc(s->member_count, sizeof *master->member_partners);
    if (master->members == NULL || master->member_partners == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < s->member_count; i++) {
        const struct hor_settings_member *member = &s->members[i];
        master->members[i] = (struct hor_cluster_member){
            .id = i + 1, .name = member->name, .url = member->url, .witness = member->witness};
        if (i == s->self)
            continue;
        char *url = hor_str_printf("%s/soap/master", member->url != NULL ? member->url : "");
        int rc = url == NULL ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                             : hor_soap_partner_new(master->exchange_http,
                                                    (const char *const *)&url, &member->name, 1,
                                                    &master->member_partners[i], err);
        free(url);
        if (rc != HOR_OK)
            return rc;
    }
    return s->member_count < 2
               ? HOR_OK
               : hor_transport_new(master->members, (unsigned)s->member_count, s->self + 1,
                                   exchange, master, &master->transport, err);
}

static int open_cluster(struct hor_master *master, struct hor_error *err)
{
    const struct hor_settings_master *s = master->settings;
    char *directory = hor_path_join(s->common.data_directory, "journal");
    if (directory == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    struct hor_cluster_settings settings = {.cluster = s->cluster,
                                            .directory = directory,
                                            .self = s->self + 1,
                                            .members = master->members,
                                            .member_count = (unsigned)s->member_count};
    struct hor_cluster_ops ops = {.apply = on_apply,
                                  .applied = on_applied,
                                  .snapshot = on_snapshot,
                                  .restore = on_restore,
                                  .role = on_role,
                                  .send = s->member_count > 1 ? on_send : NULL,
                                  .fatal = on_fatal};
    int rc = hor_dir_make(s->common.data_directory, 0700, err);
    if (rc == HOR_OK)
        rc = hor_cluster_open(master->loop, &settings, &ops, master, &master->cluster, err);
    free(directory);
    master->live = true;
    return rc;
}

static int open_server(struct hor_master *master, struct hor_error *err)
{
    const struct hor_settings_listen *listen = &master->settings->common.listen;
    struct hor_http_settings settings = {.address = listen->address,
                                         .port = listen->port,
                                         .certificate_file = listen->certificate,
                                         .key_file = listen->key,
                                         .ca_file = listen->ca,
                                         .workers = 8};
    int rc = hor_master_service_open(master, err);
    return rc != HOR_OK ? rc
                        : hor_http_server_start(master->loop, &settings, hor_master_handle, master,
                                                &master->server, err);
}

int hor_master_start(const struct hor_settings_master *settings, struct hor_loop *loop,
                     struct hor_master **ret, struct hor_error *err)
{
    struct hor_master *master = calloc(1, sizeof *master);
    if (master == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    master->settings = settings;
    master->loop = loop;
    master->coupled_release = HOR_EVENT_NONE;
    int rc = hor_master_core_new(settings->cluster, settings->plan_days_ahead, &master->core, err);
    if (rc == HOR_OK && (master->decide_timer = hor_timer_new(loop, decide_timer, master)) == NULL)
        rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (rc == HOR_OK)
        rc = open_clients(master, err);
    if (rc == HOR_OK)
        rc = open_members(master, err);
    if (rc == HOR_OK)
        rc = open_cluster(master, err);
    if (rc == HOR_OK)
        rc = open_server(master, err);
    if (rc != HOR_OK) {
        hor_master_free(master);
        return rc;
    }
    *ret = master;
    return HOR_OK;
}

void hor_master_free(struct hor_master *master)
{
    if (master == NULL)
        return;
    atomic_store(&master->stopping, true);
    atomic_store(&master->leader, false);
    if (master->http != NULL)
        hor_http_client_abort(master->http);
    if (master->exchange_http != NULL)
        hor_http_client_abort(master->exchange_http);
    hor_master_couplings_stop(master);
    if (master->server != NULL)
        hor_http_server_stop(master->server);
    hor_transport_free(master->transport);
    if (master->cluster != NULL)
        hor_cluster_close(master->cluster);
    hor_soap_service_free(master->service);
    for (size_t i = 0; master->member_partners != NULL && i < master->settings->member_count; i++)
        hor_soap_partner_free(master->member_partners[i]);
    free(master->member_partners);
    free(master->members);
    if (master->http != NULL)
        hor_http_client_free(master->http);
    if (master->exchange_http != NULL)
        hor_http_client_free(master->exchange_http);
    hor_timer_free(master->decide_timer);
    hor_master_core_free(master->core);
    free(master->logged_problem);
    free(master);
}

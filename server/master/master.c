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

enum { RETRY_MS = 200 };

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
    if (event->cluster_index == HOR_EVENT_NONE || event->type == HOR_EVENT_CLUSTER_COUPLED ||
        event->type == HOR_EVENT_DEPENDENCY_REQUESTED)
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
    atomic_store(&master->leader_id, leader_id);
    atomic_store(&master->term, term);
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
    hor_master_members_role(master);
    hor_master_decide(master);
}

static void on_fatal(const struct hor_error *err, void *ctx)
{
    hor_log_error("journal: %s: ending", err->text);
    give_up(ctx);
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

static int open_cluster(struct hor_master *master, struct hor_error *err)
{
    const struct hor_settings_master *s = master->settings;
    char *directory = hor_path_join(s->common.data_directory, "journal");
    if (directory == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    struct hor_cluster_settings settings = {.cluster = s->cluster,
                                            .directory = directory,
                                            .self = s->self + 1,
                                            .name = s->common.name,
                                            .snapshot_every = s->common.snapshot_every,
                                            .segment_bytes = s->common.segment_bytes,
                                            .members = master->members,
                                            .member_count = (unsigned)s->member_count};
    struct hor_cluster_ops ops = {.apply = on_apply,
                                  .applied = on_applied,
                                  .snapshot = on_snapshot,
                                  .restore = on_restore,
                                  .role = on_role,
                                  .send = hor_master_send,
                                  .members = hor_master_members_set,
                                  .fatal = on_fatal};
    int rc = hor_dir_make(s->common.data_directory, 0700, err);
    struct hor_cluster_joined joined = {.self = 0};
    if (rc == HOR_OK)
        rc = hor_master_members_join(master, &settings, &joined, err);
    if (rc == HOR_OK)
        rc = hor_cluster_open(master->loop, &settings, &ops, master, &master->cluster, err);
    hor_cluster_joined_done(&joined);
    free(directory);
    master->live = true;
    return rc;
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
        rc = hor_master_members_open(master, settings, err);
    if (rc == HOR_OK)
        rc = open_cluster(master, err);
    if (rc == HOR_OK)
        rc = hor_master_port_open(master, err);
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
    hor_master_members_close(master);
    if (master->http != NULL)
        hor_http_client_free(master->http);
    if (master->exchange_http != NULL)
        hor_http_client_free(master->exchange_http);
    hor_timer_free(master->decide_timer);
    hor_timer_free(master->failback_timer);
    hor_master_core_free(master->core);
    free(master->logged_problem);
    free(master);
}

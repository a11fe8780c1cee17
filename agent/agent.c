/* The agent: the core fed by the journal, deciding where this member leads. */
#include "agent/agent.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

enum { DECIDE_EVENTS = 128, WORKERS = 4 };

static void fail(struct hor_agent *agent, const char *what)
{
    hor_log_error("%s: ending, the service manager starts this program again", what);
    agent->exit_status = 1;
    agent->stopping = true;
    hor_loop_stop(agent->loop);
}

/* ---- deciding ---- */

struct batch {
    struct hor_event **events;
    size_t count, cap;
    bool memory;
};

static void collect(struct hor_event *take_event, void *ctx)
{
    struct batch *batch = ctx;
    if (batch->count == batch->cap) {
        size_t cap = batch->cap ? batch->cap * 2 : DECIDE_EVENTS;
        struct hor_event **events = realloc(batch->events, cap * sizeof *events);
        if (events == NULL) {
            batch->memory = true;
            hor_event_free(take_event);
            return;
        }
        batch->events = events;
        batch->cap = cap;
    }
    batch->events[batch->count++] = take_event;
}

static void decided(int code, uint64_t index, void *ctx)
{
    struct hor_agent *agent = ctx;
    (void)index;
    if (code < 0 && !agent->stopping && agent->leader) {
        hor_log_warning("decisions were not taken into the journal (%s), deciding again",
                        hor_error_words(code));
        hor_core_lead(agent->core);
        hor_timer_start(agent->decide_timer, HOR_AGENT_RETRY_MS);
    }
}

static void set_timer(struct hor_agent *agent)
{
    int64_t due_us = hor_core_next_due(agent->core);
    if (due_us == INT64_MAX) {
        hor_timer_stop(agent->decide_timer);
        return;
    }
    /* Not longer than a minute: the wall clock may be set meanwhile. Rounded up: never too early. */
    int64_t in_ms = (due_us - hor_clock_utc_us() + 999) / 1000;
    hor_timer_start(agent->decide_timer, in_ms < 0 ? 0 : in_ms > 60000 ? 60000 : in_ms);
}

void hor_agent_decide(struct hor_agent *agent)
{
    bool more = true;
    if (!agent->live || agent->stopping)
        return;
    /* While events wait for room in the journal more of them would only wait longer. */
    while (more && agent->leader && agent->queue == NULL) {
        struct batch batch = {0};
        int rc = hor_core_decide(agent->core, hor_clock_utc_us(), DECIDE_EVENTS, collect, &batch,
                                 &more);
        if (rc < 0 || batch.memory) {
            free(batch.events);
            fail(agent, "out of memory");
            return;
        }
        if (batch.count == 0) {
            free(batch.events);
            break;
        }
        hor_agent_submit(agent, batch.events, batch.count, decided, agent);
    }
    if (agent->leader && agent->queue == NULL)
        set_timer(agent);
    else /* the queue's end decides again: what is due would only be found due without end */
        hor_timer_stop(agent->decide_timer);
}

static void on_decide_timer(void *ctx) { hor_agent_decide(ctx); }

static void on_retry_timer(void *ctx)
{
    struct hor_agent *agent = ctx;
    hor_agent_boot_save(agent);
    hor_agent_pump(agent);
    hor_agent_tasks_sync(agent);
    hor_agent_decide(agent);
}

/* ---- the cluster's calls ---- */

static void on_apply(const struct hor_event *event, void *ctx)
{
    struct hor_agent *agent = ctx;
    if (hor_core_apply(agent->core, event) < 0)
        fail(agent, "out of memory");
    atomic_fetch_add(&agent->events_applied, 1);
    if (!agent->live)
        return;
    hor_agent_tasks_applied(agent, event);
    if (event->type == HOR_EVENT_EVENTS_ACKNOWLEDGED) {
        uint64_t least = hor_core_acknowledged(agent->core, NULL);
        if (least != UINT64_MAX)
            hor_cluster_release(agent->cluster, least);
    }
}

static void on_applied(uint64_t index, void *ctx)
{
    struct hor_agent *agent = ctx;
    (void)index;
    if (!agent->live || agent->stopping)
        return;
    hor_agent_pump(agent);
    hor_agent_commands_retry(agent);
    hor_agent_tasks_sync(agent);
    hor_agent_decide(agent);
    if (agent->server != NULL)
        hor_http_server_wake(agent->server);
}

static int on_snapshot(struct hor_buf *out, void *ctx)
{
    struct hor_agent *agent = ctx;
    return hor_core_snapshot(agent->core, out);
}

static int make_core(struct hor_agent *agent, struct hor_core **ret, struct hor_error *err)
{
    const struct hor_settings_agent *settings = agent->settings;
    struct hor_core_member members[HOR_CORE_MEMBERS];
    if (settings->member_count > HOR_CORE_MEMBERS)
        return hor_error_set(err, HOR_ERR_LIMIT, "more than %d members", HOR_CORE_MEMBERS);
    for (size_t i = 0; i < settings->member_count; i++)
        members[i] = (struct hor_core_member){.name = settings->members[i].name,
                                              .priority = settings->members[i].priority,
                                              .max_tasks = settings->members[i].max_tasks,
                                              .witness = settings->members[i].witness};
    struct hor_core_settings core = {.cluster = settings->cluster,
                                     .members = members,
                                     .member_count = settings->member_count};
    return hor_core_new(&core, ret, err);
}

static int on_restore(const char *xml, size_t len, void *ctx, struct hor_error *err)
{
    struct hor_agent *agent = ctx;
    struct hor_core *core = NULL;
    int rc = make_core(agent, &core, err);
    if (rc == HOR_OK)
        rc = hor_core_restore(core, xml, len, err);
    if (rc < 0) {
        hor_core_free(core);
        return rc;
    }
    hor_core_free(agent->core);
    agent->core = core;
    if (agent->live) { /* a snapshot from the leader: what this member knew is void */
        hor_agent_lease_role(agent);
        hor_agent_tasks_reconcile(agent);
    }
    return HOR_OK;
}

static void on_role(bool leader, uint64_t leader_id, uint64_t term, void *ctx)
{
    struct hor_agent *agent = ctx;
    bool was = agent->leader, other = leader_id != 0 && term != agent->leader_term;
    agent->leader = leader;
    agent->leader_id = leader_id;
    agent->term = term;
    if (agent->stopping)
        return;
    if (other) {
        hor_agent_peers_interrupt(agent, leader_id); /* calls to the old leader, which may hang */
        agent->leader_term = term;
        hor_agent_tasks_tell_anew(agent);
    }
    if (leader && !was) {
        struct hor_cluster_status status;
        hor_log_info("leads cluster %s in term %" PRIu64, agent->settings->cluster, term);
        hor_cluster_get_status(agent->cluster, &status);
        hor_agent_boot_confirm(agent, status.last_index);
        hor_agent_lease_lead(agent);
        hor_core_lead(agent->core);
    } else if (!leader && was) {
        hor_log_info("leads no longer (term %" PRIu64 ")", term);
        hor_agent_drop_queue(agent);
    } else if (!leader) {
        hor_log_info("follows %s in term %" PRIu64,
                     hor_agent_place_of(agent, leader_id) != SIZE_MAX
                         ? agent->settings->members[hor_agent_place_of(agent, leader_id)].name
                         : "nobody yet",
                     term);
    }
    if (!agent->live)
        return;
    hor_agent_commands_retry(agent); /* where this member leads no longer they are refused */
    hor_agent_lease_role(agent);
    hor_agent_tasks_sync(agent);
    hor_agent_decide(agent);
}

static void on_send(uint64_t to, const char *exchange, size_t len, void *ctx)
{
    struct hor_agent *agent = ctx;
    hor_transport_send(agent->transport, to, exchange, len);
}

static void on_fatal(const struct hor_error *err, void *ctx) { fail(ctx, err->text); }

static int open_cluster(struct hor_agent *agent, struct hor_error *err)
{
    const struct hor_settings_agent *settings = agent->settings;
    struct hor_cluster_ops ops = {.apply = on_apply,
                                  .applied = on_applied,
                                  .snapshot = on_snapshot,
                                  .restore = on_restore,
                                  .role = on_role,
                                  .send = on_send,
                                  .members = hor_agent_roster_set,
                                  .fatal = on_fatal};
    char *directory = hor_str_printf("%s/journal", settings->common.data_directory);
    struct hor_cluster_settings cluster = {.cluster = settings->cluster,
                                           .directory = directory,
                                           .self = settings->self + 1,
                                           .name = agent->name,
                                           .members = agent->members,
                                           .member_count = (unsigned)settings->member_count,
                                           .election_ms = HOR_AGENT_ELECTION_MS,
                                           .snapshot_every = settings->common.snapshot_every,
                                           .segment_bytes = settings->common.segment_bytes};
    struct hor_cluster_joined joined = {.self = 0};
    int rc = directory == NULL ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                               : hor_agent_peers_join(agent, &cluster, &joined, err);
    if (rc == HOR_OK)
        rc = hor_cluster_open(agent->loop, &cluster, &ops, agent, &agent->cluster, err);
    hor_cluster_joined_done(&joined);
    free(directory);
    return rc;
}

/* ---- start and end ---- */

static void go_live(struct hor_agent *agent)
{
    struct hor_cluster_status status;
    hor_cluster_get_status(agent->cluster, &status);
    agent->live = true;
    hor_log_info("agent %s of cluster %s is up at journal index %" PRIu64, agent->name,
                 agent->settings->cluster, status.applied_index);
    hor_agent_lease_role(agent);
    if (agent->runner_connected)
        hor_agent_tasks_reconcile(agent);
    hor_agent_decide(agent);
}

static int start(struct hor_agent *agent, struct hor_error *err)
{
    int rc = make_core(agent, &agent->core, err);
    if (rc < 0)
        return rc;
    agent->decide_timer = hor_timer_new(agent->loop, on_decide_timer, agent);
    agent->retry_timer = hor_timer_new(agent->loop, on_retry_timer, agent);
    agent->workers = hor_workers_new(WORKERS, "peer");
    if (agent->decide_timer == NULL || agent->retry_timer == NULL || agent->workers == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if ((rc = hor_agent_boot_open(agent, err)) < 0 || (rc = hor_agent_lease_open(agent, err)) < 0 ||
        (rc = hor_agent_peers_open(agent, err)) < 0 ||
        (rc = hor_agent_tasks_open(agent, err)) < 0 || (rc = open_cluster(agent, err)) < 0 ||
        (rc = hor_agent_service_open(agent, err)) < 0)
        return rc;
    go_live(agent);
    return HOR_OK;
}

int hor_agent_start(const struct hor_settings_agent *settings, struct hor_loop *loop,
                    struct hor_agent **ret, struct hor_error *err)
{
    struct hor_agent *agent = calloc(1, sizeof *agent);
    if (agent == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    agent->name = settings->common.name;
    agent->loop = loop;
    agent->queue_end = &agent->queue;
    agent->life = (uint64_t)hor_clock_utc_us();
    int rc = hor_agent_roster_open(agent, settings, err);
    if (rc == HOR_OK)
        rc = start(agent, err);
    if (rc < 0) {
        hor_agent_free(agent);
        return rc;
    }
    *ret = agent;
    return HOR_OK;
}

void hor_agent_free(struct hor_agent *agent)
{
    if (agent == NULL)
        return;
    agent->stopping = true;
    hor_agent_drop_queue(agent);
    hor_agent_wait_stop(); /* workers that wait for a commit would hold the server */
    hor_agent_service_close(agent);
    if (agent->http != NULL)
        hor_http_client_abort(agent->http);
    if (agent->workers != NULL)
        hor_workers_free(agent->workers);
    if (agent->cluster != NULL)
        hor_cluster_close(agent->cluster);
    agent->cluster = NULL;
    hor_agent_peers_close(agent);
    hor_agent_tasks_close(agent);
    if (agent->decide_timer != NULL)
        hor_timer_free(agent->decide_timer);
    if (agent->retry_timer != NULL)
        hor_timer_free(agent->retry_timer);
    if (agent->lease_timer != NULL)
        hor_timer_free(agent->lease_timer);
    hor_core_free(agent->core);
    hor_agent_roster_close(agent);
    free(agent);
}

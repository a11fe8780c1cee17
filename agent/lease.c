/* Leases: the right to start tasks. A member asks the leader and counts from when it asked; the
 * leader counts from when it was asked, so that the member's lease always ends first. The leader tells
 * its core who is reached, lost, or fenced for certain. Monotonic clocks only. */
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

/* Clocks may run apart a little; a new leader also allows for its predecessor's last moments. */
enum { DRIFT_MS = 100, TICK_MS = 100, HAND_OVER_AGAIN_MS = 2000 };

static void tell_self(struct hor_agent *agent)
{
    hor_core_reach(agent->core, agent->name,
                   agent->runner_connected && hor_agent_has_room(agent) ? HOR_CORE_REACHED
                                                                        : HOR_CORE_IDLE);
}

static enum hor_core_reach reach_of(const struct hor_agent *agent, const struct hor_agent_peer *peer,
                                    int64_t now_ms)
{
    int64_t from = peer->granted_ms != 0 && peer->granted_ms > agent->leading_since_ms
                       ? peer->granted_ms
                       : agent->leading_since_ms + HOR_AGENT_ELECTION_MS;
    bool granted = peer->granted_ms > agent->leading_since_ms;
    int64_t age = now_ms - from;
    if (age < HOR_AGENT_LEASE_MS + DRIFT_MS)
        return !granted        ? HOR_CORE_UNKNOWN
               : peer->runner ? HOR_CORE_REACHED
                              : HOR_CORE_IDLE;
    return age < HOR_AGENT_LEASE_MS + HOR_AGENT_GRACE_MS + 2 * DRIFT_MS ? HOR_CORE_LOST
                                                                        : HOR_CORE_FENCED;
}

/* A leader holds its lease from the last time that it certainly was the leader: a process that stood
 * still, or was cut off, must not believe that it still is. */
static int64_t leaders_end(const struct hor_agent *agent)
{
    struct hor_cluster_status status;
    hor_cluster_get_status(agent->cluster, &status);
    return status.majority_ms == 0 ? 0 : status.majority_ms + HOR_AGENT_LEASE_MS;
}

/* Begins to judge the others: they get a full lease's time to be heard, and no tasks before. */
static void begin_watch(struct hor_agent *agent)
{
    agent->leading_since_ms = hor_clock_monotonic_ms();
    for (size_t i = 0; i < agent->settings->member_count; i++)
        if (i != agent->settings->self)
            hor_core_reach(agent->core, agent->settings->members[i].name, HOR_CORE_UNKNOWN);
}

static void watch_peers(struct hor_agent *agent)
{
    int64_t now_ms = hor_clock_monotonic_ms();
    if (leaders_end(agent) <= now_ms) {
        begin_watch(agent); /* who cannot be heard cannot be judged */
        return;
    }
    for (size_t i = 0; i < agent->settings->member_count; i++) {
        if (i == agent->settings->self || agent->settings->members[i].witness)
            continue;
        struct hor_agent_peer *peer = &agent->peers[i];
        enum hor_core_reach reach = reach_of(agent, peer, now_ms);
        if (reach == HOR_CORE_LOST || reach == HOR_CORE_FENCED)
            peer->must_apply = 0; /* it has to catch up before it gets a lease again */
        hor_core_reach(agent->core, agent->settings->members[i].name, reach);
    }
}

/* Without room a leader can take no orders and decide nothing: one that has room shall lead. */
static void hand_over(struct hor_agent *agent)
{
    int64_t now_ms = hor_clock_monotonic_ms();
    if (!agent->no_room || now_ms < agent->handed_over_ms + HAND_OVER_AGAIN_MS)
        return;
    for (size_t n = 1; n < agent->settings->member_count; n++) {
        size_t i = (agent->settings->self + n) % agent->settings->member_count;
        if (agent->member_ids[i] == 0 ||
            reach_of(agent, &agent->peers[i], now_ms) != HOR_CORE_REACHED)
            continue; /* away, or without room as well */
        agent->handed_over_ms = now_ms;
        if (hor_cluster_transfer(agent->cluster, agent->member_ids[i], NULL) == HOR_OK) {
            hor_log_warning("hands the leadership over to %s, which has room",
                            agent->settings->members[i].name);
            return;
        }
    }
}

static void on_tick(void *ctx)
{
    struct hor_agent *agent = ctx;
    if (agent->stopping)
        return;
    if (agent->leader) {
        int64_t end_ms = leaders_end(agent);
        bool had = agent->lease_end_ms > hor_clock_monotonic_ms();
        if (end_ms > agent->lease_end_ms) {
            agent->lease_end_ms = end_ms;
            hor_runner_renew(agent->runner, end_ms, end_ms + HOR_AGENT_GRACE_MS, NULL);
        }
        if (!had && hor_agent_lease_holds(agent, &end_ms))
            hor_agent_tasks_sync(agent); /* starts that waited for the lease */
        tell_self(agent);
        watch_peers(agent);
        hand_over(agent);
        hor_agent_decide(agent);
        hor_timer_start(agent->lease_timer, TICK_MS);
        return;
    }
    hor_agent_peer_renew(agent);
    hor_timer_start(agent->lease_timer, HOR_AGENT_RENEW_MS);
}

int hor_agent_lease_open(struct hor_agent *agent, struct hor_error *err)
{
    agent->lease_timer = hor_timer_new(agent->loop, on_tick, agent);
    if (agent->lease_timer == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    return HOR_OK;
}

/* This member leads from now on: what it knew of the others was of another time. */
void hor_agent_lease_lead(struct hor_agent *agent)
{
    begin_watch(agent);
    for (size_t i = 0; i < agent->settings->member_count; i++)
        agent->peers[i].must_apply = 0;
}

/* After a change of leadership, and of the runner's connection. */
void hor_agent_lease_role(struct hor_agent *agent)
{
    if (agent->leader)
        tell_self(agent);
    if (!hor_agent_is_single(agent) && agent->live && agent->cluster != NULL)
        on_tick(agent);
}

bool hor_agent_lease_holds(const struct hor_agent *agent, int64_t *ret_end_ms)
{
    if (hor_agent_is_single(agent)) {
        *ret_end_ms = 0;
        return true;
    }
    *ret_end_ms = agent->lease_end_ms;
    return agent->lease_end_ms > hor_clock_monotonic_ms();
}

void hor_agent_lease_got(struct hor_agent *agent, uint64_t applied, int64_t end_ms,
                         int64_t grace_ms)
{
    if (end_ms <= agent->lease_end_ms || agent->stopping || agent->leader)
        return;
    bool had = agent->lease_end_ms > hor_clock_monotonic_ms();
    agent->lease_end_ms = end_ms;
    hor_agent_boot_confirm(agent, applied);
    if (agent->runner_connected)
        hor_runner_renew(agent->runner, end_ms, end_ms + grace_ms, NULL);
    if (!had)
        hor_agent_tasks_sync(agent);
}

int hor_agent_lease_grant(struct hor_agent *agent, const char *from, uint64_t life,
                          uint64_t applied, bool runner, int64_t *ret_lease_ms,
                          struct hor_error *err)
{
    size_t i;
    struct hor_cluster_status status;
    if (!agent->leader)
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "%s does not lead", agent->name);
    if (hor_agent_member(agent, from, &i) == NULL || i == agent->settings->self)
        return hor_error_set(err, HOR_ERR_DENIED, "'%.100s' is not another member", from);
    struct hor_agent_peer *peer = &agent->peers[i];
    hor_cluster_get_status(agent->cluster, &status);
    /* Another process of the member: it may have forgotten what the one before had applied. */
    if (peer->life != life)
        peer->must_apply = 0;
    peer->life = life;
    /* What was decided about a lost member counts, though it may not be committed yet. */
    if (peer->must_apply == 0 && agent->queue == NULL)
        peer->must_apply = status.commit_index + status.uncommitted;
    /* A member that lags might start what was given to another meanwhile; and nobody can give what
     * he has not: the member's lease ends no later than the leader's. */
    int64_t now_ms = hor_clock_monotonic_ms(), left_ms = leaders_end(agent) - now_ms;
    if (peer->must_apply == 0 || applied < peer->must_apply || left_ms <= 0) {
        *ret_lease_ms = 0;
        return HOR_OK;
    }
    peer->granted_ms = now_ms;
    peer->runner = runner;
    *ret_lease_ms = left_ms < HOR_AGENT_LEASE_MS ? left_ms : HOR_AGENT_LEASE_MS;
    watch_peers(agent);
    hor_agent_decide(agent);
    return HOR_OK;
}

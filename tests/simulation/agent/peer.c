/* Calls between members: consensus, reports and leases, on the virtual network. What the agent does
 * with an answer is in agent/peer.c, which needs SOAP and threads; here is the same without them. */
#include "lib/base/clock.h"
#include "tests/simulation/agent/sim.h"

enum { CALL_MS = 5000, RENEW_CALL_MS = 1500 };

/* ---- consensus ---- */

struct exchange {
    struct hor_loop *to;
    unsigned from;
    size_t len;
    char text[];
};

static void exchange_drop(void *ctx, void *arg)
{
    (void)ctx;
    free(arg);
}

static void on_exchange(void *ctx, void *arg)
{
    struct hor_loop *host = ctx;
    struct exchange *exchange = arg;
    struct hor_error err;
    if (sim_postpone(host, on_exchange, exchange_drop, ctx, arg))
        return;
    if (host->agent != NULL && !host->ended && host->agent->cluster != NULL &&
        !sim->world.net.cut[exchange->from][host->number]) {
        sim_enter(host);
        hor_cluster_receive(host->agent->cluster, exchange->text, exchange->len, &err);
    }
    free(exchange);
}

void hor_transport_send(struct hor_transport *transport, uint64_t to, const char *text, size_t len)
{
    struct hor_loop *from = sim->current;
    int64_t at_ms = world_arrival(&sim->world, from->number, (unsigned)to - 1);
    (void)transport;
    if (at_ms < 0)
        return;
    struct exchange *exchange = malloc(sizeof *exchange + len + 1);
    exchange->to = &sim->hosts[to - 1];
    exchange->from = from->number;
    exchange->len = len;
    memcpy(exchange->text, text, len);
    exchange->text[len] = '\0';
    world_at(&sim->world, at_ms, on_exchange, exchange_drop, exchange->to, exchange);
}

/* ---- calls ---- */

struct call { /* belongs to the caller until it ends */
    struct hor_loop *from, *to;
    uint64_t life, to_life;
    bool over, answered;
    unsigned refs;
    /* a report, */
    struct hor_event **events;
    size_t count;
    hor_agent_done_fn *done;
    void *ctx;
    /* or a lease */
    uint64_t applied, term, agent_life;
    bool runner;
    int64_t sent_ms, lease_ms;
    int code;
    struct call *next;
};

static void unref(struct call *call)
{
    if (--call->refs > 0)
        return;
    for (size_t i = 0; i < call->count; i++)
        hor_event_free(call->events[i]);
    free(call->events);
    free(call);
}

static void drop(void *ctx, void *arg)
{
    (void)arg;
    unref(ctx);
}

static void renewed(struct call *call)
{
    struct hor_agent *agent = call->from->agent;
    bool present = call->term == agent->renewing_term;
    if (present)
        agent->renewing = false;
    if (present && call->code == HOR_OK && call->lease_ms == 0 && !agent->leader && !agent->stopping)
        hor_timer_start(agent->lease_timer, HOR_AGENT_RENEW_SOON_MS);
    if (call->code == HOR_OK && call->lease_ms > 0 && !agent->stopping && !agent->leader) {
        sim->lost[call->from->number] = false; /* the journal says so a little later */
        hor_agent_lease_got(agent, call->applied, call->sent_ms + call->lease_ms,
                            HOR_AGENT_GRACE_MS);
    }
}

/* At the caller: its answer, or its time is over. Once. */
static void end_call(struct call *call)
{
    struct hor_loop *host = call->from;
    if (call->over)
        return;
    call->over = true;
    for (struct call **at = &host->calls; *at != NULL; at = &(*at)->next)
        if (*at == call) {
            *at = call->next;
            break;
        }
    sim_enter(host);
    if (call->done != NULL)
        call->done(call->code, 0, call->ctx);
    else
        renewed(call);
    unref(call);
}

static void on_answer(void *ctx, void *arg)
{
    struct call *call = ctx;
    if (!call->over && sim_postpone(call->from, on_answer, drop, ctx, arg))
        return;
    if (!call->over && !sim->world.net.cut[call->to->number][call->from->number])
        end_call(call);
    unref(call);
}

static void on_too_late(void *ctx, void *arg)
{
    struct call *call = ctx;
    if (!call->over && sim_postpone(call->from, on_too_late, drop, ctx, arg))
        return;
    if (!call->over) {
        call->code = HOR_ERR_TIMEOUT;
        end_call(call);
    }
    unref(call);
}

static void answer(struct call *call, int code)
{
    int64_t at_ms = world_arrival(&sim->world, call->to->number, call->from->number);
    if (at_ms < 0 || call->over)
        return;
    call->code = code;
    call->refs++;
    world_at(&sim->world, at_ms, on_answer, drop, call, NULL);
}

static void committed(int code, uint64_t index, void *ctx)
{
    struct call *call = ctx;
    (void)index;
    if (call->to->life == call->to_life)
        answer(call, code);
    unref(call);
}

static void take_report(struct call *call, struct hor_agent *leader)
{
    size_t count = 0;
    struct hor_event **events = calloc(call->count + 1, sizeof *events);
    for (size_t i = 0; i < call->count; i++)
        if (hor_core_wants(leader->core, call->events[i]))
            events[count++] = hor_event_copy(call->events[i]);
    call->refs++;
    call->to_life = call->to->life;
    hor_agent_submit_reports(leader, events, count, committed, call);
}

static void on_call(void *ctx, void *arg)
{
    struct call *call = ctx;
    struct hor_loop *host = call->to;
    if (sim_postpone(host, on_call, drop, ctx, arg))
        return;
    struct hor_agent *agent = host->agent;
    if (agent != NULL && !host->ended && !sim->world.net.cut[call->from->number][host->number] &&
        !call->over) {
        sim_enter(host);
        if (!agent->leader) {
            answer(call, HOR_ERR_NOT_ACTIVE);
        } else if (call->done != NULL) {
            take_report(call, agent);
        } else {
            int rc = hor_agent_lease_grant(agent, call->from->name, call->agent_life,
                                           call->applied, call->runner, &call->lease_ms, NULL);
            if (getenv("SIM_LEASES") != NULL)
                world_note(&sim->world, "%s asks %s for a lease, applied %" PRIu64 ": %" PRId64 " ms",
                           call->from->name, host->name, call->applied, call->lease_ms);
            answer(call, rc);
        }
    }
    unref(call);
}

static void begin(struct hor_agent *agent, struct call *call, int64_t timeout_ms)
{
    struct hor_loop *host = agent->loop;
    call->from = host;
    call->to = &sim->hosts[agent->leader_id - 1];
    call->life = host->life;
    call->refs = 2; /* the caller's list, and the time */
    call->next = host->calls;
    host->calls = call;
    world_at(&sim->world, sim->world.now_ms + timeout_ms, on_too_late, drop, call, NULL);
    int64_t at_ms = world_arrival(&sim->world, host->number, call->to->number);
    if (at_ms < 0)
        return;
    call->refs++;
    world_at(&sim->world, at_ms, on_call, drop, call, NULL);
}

static bool has_leader(const struct hor_agent *agent)
{
    return !agent->leader && agent->leader_id > 0 && agent->leader_id <= sim->members;
}

void hor_agent_peer_report(struct hor_agent *agent, struct hor_event **take_events, size_t count,
                           hor_agent_done_fn *done, void *ctx)
{
    if (!has_leader(agent)) {
        for (size_t i = 0; i < count; i++)
            hor_event_free(take_events[i]);
        free(take_events);
        done(HOR_ERR_UNREACHABLE, 0, ctx);
        return;
    }
    struct call *call = calloc(1, sizeof *call);
    *call = (struct call){.events = take_events, .count = count, .done = done, .ctx = ctx};
    begin(agent, call, CALL_MS);
}

void hor_agent_peer_renew(struct hor_agent *agent)
{
    struct hor_cluster_status status;
    if (!has_leader(agent) || (agent->renewing && agent->renewing_term == agent->term))
        return;
    hor_cluster_get_status(agent->cluster, &status);
    struct call *call = calloc(1, sizeof *call);
    *call = (struct call){.applied = status.applied_index, .term = agent->term,
                          .agent_life = agent->life,
                          .runner = agent->runner_connected, .sent_ms = hor_clock_monotonic_ms()};
    agent->renewing = true;
    agent->renewing_term = agent->term;
    begin(agent, call, RENEW_CALL_MS);
}

/* Those to others end soon, from the loop. */
void hor_agent_peers_interrupt(struct hor_agent *agent, uint64_t leader_id)
{
    for (struct call *call = agent->loop->calls; call != NULL; call = call->next)
        if (call->to->number + 1 != leader_id) {
            call->refs++;
            world_at(&sim->world, sim->world.now_ms + 1, on_too_late, drop, call, NULL);
        }
}

/* The agent is ending. */
void sim_calls_end(struct hor_loop *host)
{
    while (host->calls != NULL) {
        host->calls->code = HOR_ERR_UNREACHABLE;
        end_call(host->calls);
    }
}

int hor_agent_peers_open(struct hor_agent *agent, struct hor_error *err)
{
    (void)err;
    agent->peers = calloc(HOR_CORE_MEMBERS, sizeof *agent->peers);
    agent->members = calloc(sim->members, sizeof *agent->members);
    for (size_t i = 0; i < sim->members; i++)
        agent->members[i] = (struct hor_cluster_member){.id = i + 1,
                                                        .name = agent->settings->members[i].name,
                                                        .url = "sim:"};
    return HOR_OK;
}

int hor_agent_peers_join(struct hor_agent *agent, struct hor_cluster_settings *settings,
                         struct hor_cluster_joined *ret, struct hor_error *err)
{
    (void)agent; /* disks are not lost here */
    (void)settings;
    (void)ret;
    (void)err;
    return HOR_OK;
}

void hor_cluster_joined_done(struct hor_cluster_joined *joined) { (void)joined; }

void hor_agent_peers_changed(struct hor_agent *agent, const struct hor_cluster_member *members,
                             unsigned count)
{
    (void)agent; /* the network knows everybody */
    (void)members;
    (void)count;
}

void hor_agent_peers_close(struct hor_agent *agent)
{
    free(agent->peers);
    free(agent->members);
}

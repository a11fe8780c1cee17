#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/soap/client.h"
#include "lib/soap/event.h"
#include "lib/soap/service.h"
#include "server/master/copy.h"
#include "server/master/master.h"

enum { AGENT_CALL_MS = 5000 };

static ULONG64 *number_of(struct soap *soap, uint64_t value)
{
    ULONG64 *ret = hor_soap_alloc(soap, sizeof *ret);
    if (ret != NULL)
        *ret = value;
    return ret;
}

static LONG64 *long_of(struct soap *soap, int64_t value)
{
    LONG64 *ret = value != HOR_EVENT_NONE ? hor_soap_alloc(soap, sizeof *ret) : NULL;
    if (ret != NULL)
        *ret = value;
    return ret;
}

/* ---- members of the Master cluster ---- */

static void fill_member(struct soap *soap, const struct hor_master *master,
                        const struct hor_cluster_status *status, size_t i, struct t__Member *ret)
{
    const struct hor_settings_member *member = &master->settings->members[i];
    bool self = i == master->settings->self;
    ret->name = hor_soap_string(soap, member->name);
    ret->url = hor_soap_string(soap, member->url);
    ret->role = (char *)(member->witness                 ? "witness"
                         : status->leader_id != 0 && status->leader_id == master->member_ids[i]
                             ? "leader"
                         : status->leader_id == 0 && self ? "candidate"
                                                          : "follower");
    ret->state = (char *)"up";
    if (self) {
        ret->version = (char *)PACKAGE_VERSION;
        ret->journalIndex = number_of(soap, status->applied_index);
        ret->lastSeen = long_of(soap, hor_clock_utc_us());
        return;
    }
    struct hor_transport_peer_status peer = {0};
    hor_transport_get_status(master->transport, master->member_ids[i], &peer);
    if (peer.last_success_ms == 0)
        ret->state = (char *)"unknown";
    else {
        int64_t age_ms = hor_clock_monotonic_ms() - peer.last_success_ms;
        ret->lastSeen = long_of(soap, hor_clock_utc_us() - age_ms * 1000);
        /* A follower hears from its leader and need not send for long. */
        if (peer.last_error[0] != '\0' || (status->leader && age_ms > 5000))
            ret->state = (char *)"lost";
    }
}

/* ---- GetState ---- */

struct state_answer {
    struct soap *soap;
    struct hor_master *master;
    struct t__Cluster *own, *clusters;
    int count, room;
};

/* As the cluster told last; while it is away nobody knows how its members are. */
static void told_members(struct soap *soap, const struct t__Cluster *told, bool coupled,
                         struct t__Cluster *to)
{
    hor_master_copy_members(soap, told, to);
    for (int i = 0; !coupled && i < to->__sizemember; i++)
        to->member[i].state = (char *)"unknown";
}

/* Members by the configuration, for a cluster that never answered. */
static void configured_members(struct soap *soap, const struct hor_agent_cluster *cluster,
                               struct t__Cluster *to)
{
    to->member = hor_soap_alloc(soap, (cluster->member_count + 1) * sizeof *to->member);
    for (size_t i = 0; to->member != NULL && i < cluster->member_count; i++) {
        to->member[i] = (struct t__Member){
            .name = hor_soap_string(soap, cluster->members[i].name),
            .url = hor_soap_string(soap, cluster->members[i].url),
            .role = (char *)(cluster->members[i].witness ? "witness" : "follower"),
            .state = (char *)"unknown",
            .priority = hor_soap_int(soap, cluster->members[i].priority),
            .maxTasks = hor_soap_int(soap, cluster->members[i].max_tasks)};
        to->__sizemember = (int)i + 1;
    }
}

static void held_chains(struct soap *soap, const struct hor_master *master, const char *cluster,
                        struct t__Cluster *to)
{
    size_t pos = 0, count = 0;
    const char *of, *chain;
    while (hor_master_core_held(master->core, &pos, &of) != NULL)
        count++;
    to->heldChain = hor_soap_alloc(soap, (count + 1) * sizeof *to->heldChain);
    pos = 0;
    while (to->heldChain != NULL && (chain = hor_master_core_held(master->core, &pos, &of)) != NULL)
        if (strcmp(of, cluster) == 0)
            to->heldChain[to->__sizeheldChain++] = hor_soap_string(soap, chain);
}

static void add_cluster(const struct hor_coupling_state *state, void *ctx)
{
    struct state_answer *answer = ctx;
    struct soap *soap = answer->soap;
    const struct hor_master *master = answer->master;
    const struct hor_config *config = hor_master_core_config(master->core);
    const struct hor_agent_cluster *configured =
        config != NULL ? hor_config_cluster(config, state->path) : NULL;
    const struct t__Cluster *told = state->cluster;
    struct hor_master_cluster view;
    if (answer->count == answer->room || configured == NULL)
        return;
    struct t__Cluster *to = &answer->clusters[answer->count++];
    bool active = atomic_load(&master->leader);
    bool coupled = active && strcmp(state->state, "coupled") == 0;
    to->path = hor_soap_string(soap, state->path);
    to->kind = (char *)"agent";
    to->state = (char *)(active ? state->state : "uncoupled");
    to->cause = !active                  ? (char *)"this Master is not the active one"
                : state->cause[0] != '\0' ? hor_soap_string(soap, state->cause)
                                          : NULL;
    to->lastSeen = long_of(soap, state->seen_us);
    to->selection = (char *)(configured->selection == HOR_SELECTION_ROUND_ROBIN ? "roundRobin"
                                                                                : "fixedPriority");
    if (hor_master_core_cluster(master->core, state->path, &view) == HOR_OK) {
        to->runId = hor_soap_string(soap, view.run_id);
        to->acknowledged = number_of(soap, view.cursor);
        to->orders = hor_soap_int(soap, (int64_t)view.orders);
        to->waitingCommands = hor_soap_int(soap, (int64_t)view.waiting_commands);
    }
    held_chains(soap, master, state->path, to);
    if (told == NULL) {
        configured_members(soap, configured, to);
        return;
    }
    to->release = hor_master_copy_int(soap, told->release);
    to->commitIndex = hor_master_copy_number(soap, told->commitIndex);
    to->tasks = hor_master_copy_int(soap, told->tasks);
    told_members(soap, told, coupled, to);
}

static int fill_own(struct hor_master *master, struct soap *soap, struct t__Cluster *own)
{
    struct hor_cluster_status status;
    const struct hor_config *config = hor_master_core_config(master->core);
    const char *problem = hor_master_core_problem(master->core);
    size_t count = master->settings->member_count;
    hor_cluster_get_status(master->cluster, &status);
    own->path = hor_soap_string(soap, master->settings->cluster);
    own->kind = (char *)"master";
    own->state = (char *)(status.leader_id != 0 ? "coupled" : "noLeader");
    own->cause = problem != NULL ? hor_soap_string(soap, problem)
                 : status.leader_id == 0
                     ? (char *)"no majority of the Master cluster's members is in touch"
                     : NULL;
    own->runId = hor_soap_string(soap, status.run_id);
    own->release = config != NULL ? hor_soap_int(soap, config->release) : NULL;
    own->lastSeen = long_of(soap, hor_clock_utc_us());
    own->commitIndex = number_of(soap, status.commit_index);
    own->acknowledged = number_of(soap, hor_master_core_acknowledged(master->core));
    own->member = hor_soap_alloc(soap, count * sizeof *own->member);
    for (size_t i = 0; own->member != NULL && i < count; i++) {
        if (master->member_ids[i] != 0)
            fill_member(soap, master, &status, i, &own->member[own->__sizemember++]);
    }
    return own->path != NULL && own->member != NULL ? HOR_OK : HOR_ERR_MEMORY;
}

static int ask_state(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct state_answer *answer = arg;
    const struct hor_config *config = hor_master_core_config(master->core);
    answer->room = config != NULL ? (int)config->cluster_count : 0;
    answer->clusters =
        hor_soap_alloc(answer->soap, ((size_t)answer->room + 1) * sizeof *answer->clusters);
    if (answer->clusters == NULL || fill_own(master, answer->soap, answer->own) != HOR_OK)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    hor_master_couplings_each(master, add_cluster, answer);
    return HOR_OK;
}

int hor_master_get_state(struct hor_soap_call *call, const struct _mst__GetState *request,
                         struct _mst__GetStateResponse *response, struct hor_error *err)
{
    struct hor_master *master = call->ctx;
    (void)request;
    response->master = hor_soap_alloc(call->soap, sizeof *response->master);
    if (response->master == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    struct state_answer answer = {.soap = call->soap, .master = master, .own = response->master};
    int rc = hor_master_ask(master, ask_state, &answer, err);
    response->cluster = answer.clusters;
    response->__sizecluster = answer.count;
    return rc;
}

/* ---- Ping ---- */

static int ask_ping(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct state_answer *answer = arg;
    struct hor_cluster_status status;
    hor_cluster_get_status(master->cluster, &status);
    answer->clusters->runId = hor_soap_string(answer->soap, status.run_id);
    fill_member(answer->soap, master, &status, master->settings->self, answer->clusters->member);
    (void)err;
    return HOR_OK;
}

int hor_master_ping(struct hor_soap_call *call, const struct _mst__Ping *request,
                    struct _mst__PingResponse *response, struct hor_error *err)
{
    struct hor_master *master = call->ctx;
    struct t__Cluster cluster = {0};
    struct state_answer answer = {.soap = call->soap, .master = master, .clusters = &cluster};
    (void)request;
    cluster.member = response->member = hor_soap_alloc(call->soap, sizeof *response->member);
    response->cluster = hor_soap_string(call->soap, master->settings->cluster);
    if (cluster.member == NULL || response->cluster == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    int rc = hor_master_ask(master, ask_ping, &answer, err);
    response->runId = cluster.runId != NULL ? cluster.runId : (char *)"";
    return rc;
}

/* ---- orders ---- */

struct t__Order *hor_master_order_of(struct soap *soap, const struct hor_master *master,
                                     const struct hor_master_order *order)
{
    struct t__Order *to = hor_soap_alloc(soap, sizeof *to);
    if (to == NULL)
        return NULL;
    to->id = hor_soap_string(soap, order->id);
    to->chain = hor_soap_string(soap, order->chain);
    to->title = hor_soap_string(soap, order->title);
    to->state = hor_soap_string(soap, order->state);
    to->where = hor_soap_string(soap, order->where);
    to->master = hor_soap_string(soap, master->settings->cluster);
    to->cluster = hor_soap_string(soap, order->cluster);
    to->release = hor_soap_int(soap, order->release);
    to->planDay = hor_soap_string(soap, order->plan_day);
    to->schedule = hor_soap_string(soap, order->schedule);
    to->plannedAt = hor_soap_time(soap, order->due_at);
    to->startedAt = hor_soap_time(soap, order->started_at);
    to->endedAt = hor_soap_time(soap, order->ended_at);
    to->priority = hor_soap_int(soap, order->priority);
    to->cause = hor_soap_string(soap, order->cause);
    if (hor_soap_arguments_write(soap, order->arguments, HOR_SOAP_SECRETS_HIDE,
                                 &to->__sizeargument, &to->argument) != HOR_OK)
        return NULL;
    return to;
}

struct order_answer {
    struct soap *soap;
    const char *id;
    struct t__OrderState *state;
    bool away, ended;
    char cluster[401];
};

static void add_obstacle(struct soap *soap, struct t__OrderState *state, const char *kind,
                         char *take_text, int64_t until_us)
{
    if (state->obstacle == NULL)
        state->obstacle = hor_soap_alloc(soap, 4 * sizeof *state->obstacle);
    if (state->obstacle != NULL && take_text != NULL && state->__sizeobstacle < 4)
        state->obstacle[state->__sizeobstacle++] =
            (struct t__Obstacle){.kind = (char *)kind,
                                 .text = hor_soap_string(soap, take_text),
                                 .until = hor_soap_time(soap, until_us)};
    free(take_text);
}

struct coupling_of {
    const char *path;
    char text[HOR_ERROR_TEXT_BYTES];
    int64_t seen_us;
    bool coupled;
};

static void find_coupling(const struct hor_coupling_state *state, void *ctx)
{
    struct coupling_of *of = ctx;
    if (strcmp(state->path, of->path) != 0)
        return;
    of->coupled = strcmp(state->state, "coupled") == 0;
    of->seen_us = state->seen_us;
    snprintf(of->text, sizeof of->text, "%s", state->cause);
}

static void uncoupled_obstacle(struct hor_master *master, struct soap *soap, const char *cluster,
                               const char *why, struct t__OrderState *state)
{
    char seen[HOR_TIME_TEXT_BYTES];
    struct coupling_of of = {.path = cluster, .seen_us = HOR_EVENT_NONE};
    hor_master_couplings_each(master, find_coupling, &of);
    if (of.coupled && why == NULL)
        return;
    add_obstacle(soap, state, "uncoupled",
                 of.seen_us != HOR_EVENT_NONE
                     ? hor_str_printf("%s cannot be reached: %.500s; it answered last at %s", cluster,
                                      why != NULL ? why : of.text,
                                      hor_time_format_us(of.seen_us, seen))
                     : hor_str_printf("%s cannot be reached: %.500s", cluster,
                                      why != NULL ? why : of.text),
                 HOR_EVENT_NONE);
}

static void obstacles_here(struct hor_master *master, struct soap *soap,
                           const struct hor_master_order *order, struct t__OrderState *state)
{
    char at[HOR_TIME_TEXT_BYTES];
    if (strcmp(order->state, "suspended") == 0)
        add_obstacle(soap, state, "suspended", hor_strdup("somebody suspended it before its start"),
                     HOR_EVENT_NONE);
    if (order->due_at > hor_clock_utc_us())
        add_obstacle(soap, state, "time",
                     hor_str_printf("it is planned for %s", hor_time_format_us(order->due_at, at)),
                     order->due_at);
    uncoupled_obstacle(master, soap, order->cluster, NULL, state);
}

static int ask_order(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct order_answer *answer = arg;
    struct hor_master_order order;
    if (!atomic_load(&master->leader))
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "this Master is not the active one");
    if (hor_master_core_order(master->core, answer->id, &order) != HOR_OK)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "Master '%s' has no order '%s'",
                             master->settings->cluster, answer->id);
    answer->state->order = hor_master_order_of(answer->soap, master, &order);
    if (answer->state->order == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    answer->away = strcmp(order.where, "master") != 0;
    answer->ended = order.ended_at != HOR_EVENT_NONE;
    snprintf(answer->cluster, sizeof answer->cluster, "%s", order.cluster);
    if (!answer->away && !answer->ended)
        obstacles_here(master, answer->soap, &order, answer->state);
    return HOR_OK;
}

struct unreached {
    struct order_answer *answer;
    const char *why;
};

static int ask_unreached(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct unreached *u = arg;
    (void)err;
    uncoupled_obstacle(master, u->answer->soap, u->answer->cluster, u->why, u->answer->state);
    return HOR_OK;
}

static void append_obstacle(struct soap *soap, struct t__OrderState *state, const char *node,
                            char *take_text)
{
    int count = state->__sizeobstacle;
    struct t__Obstacle *all = hor_soap_alloc(soap, ((size_t)count + 1) * sizeof *all);
    if (all != NULL && take_text != NULL) {
        if (count > 0)
            memcpy(all, state->obstacle, (size_t)count * sizeof *all);
        all[count] = (struct t__Obstacle){.kind = (char *)"dependency",
                                          .node = hor_soap_string(soap, node),
                                          .text = hor_soap_string(soap, take_text)};
        state->obstacle = all;
        state->__sizeobstacle = count + 1;
    }
    free(take_text);
}

/* Nodes that are on their way to another cluster: its agents cannot tell why they wait. */
static int ask_nodes_elsewhere(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct order_answer *answer = arg;
    struct hor_master_order order;
    size_t pos = 0;
    const char *child, *node;
    (void)err;
    while ((child = hor_master_core_asked(master->core, answer->id, &pos, &node)) != NULL) {
        if (hor_master_core_order(master->core, child, &order) != HOR_OK ||
            strcmp(order.where, "agents") == 0)
            continue;
        struct coupling_of of = {.path = order.cluster, .seen_us = HOR_EVENT_NONE};
        hor_master_couplings_each(master, find_coupling, &of);
        append_obstacle(answer->soap, answer->state, node,
                        hor_str_printf("order %s is not handed over to %s yet%s%.500s", child,
                                       order.cluster, of.coupled ? "" : ": ",
                                       of.coupled ? "" : of.text));
    }
    return HOR_OK;
}

static int pass_on(struct hor_master *master, struct order_answer *answer, struct hor_error *err)
{
    struct hor_soap_partner *partner = NULL;
    struct _agt__GetOrderState request = {.order = (char *)answer->id};
    struct _agt__GetOrderStateResponse *response = NULL;
    struct soap *soap = NULL;
    int rc = hor_master_cluster_partner(master, answer->cluster, NULL, &partner, err);
    if (rc == HOR_OK)
        rc = hor_soap_call_op(partner, agt, GetOrderState, &request, &soap, &response, AGENT_CALL_MS,
                              err);
    if (rc == HOR_OK) {
        struct t__OrderState *copy =
            hor_master_copy_order_state(answer->soap, response->state);
        if (copy == NULL)
            rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        else {
            if (copy->order != NULL && copy->order->where == NULL)
                copy->order->where = (char *)"agents";
            answer->state = copy;
        }
    }
    hor_soap_done(soap);
    hor_soap_partner_free(partner);
    return rc;
}

int hor_master_get_order_state(struct hor_soap_call *call, const struct _mst__GetOrderState *request,
                               struct _mst__GetOrderStateResponse *response, struct hor_error *err)
{
    struct hor_master *master = call->ctx;
    struct order_answer answer = {.soap = call->soap,
                                  .id = request->order,
                                  .state = hor_soap_alloc(call->soap, sizeof *answer.state)};
    if (answer.state == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    int rc = hor_master_ask(master, ask_order, &answer, err);
    if (rc == HOR_OK && answer.away) {
        struct hor_error why = {0};
        int asked = pass_on(master, &answer, &why);
        if (asked != HOR_OK && !answer.ended) { /* the last known state, and why it is that old */
            struct unreached u = {.answer = &answer, .why = why.text};
            rc = hor_master_ask(master, ask_unreached, &u, err);
        }
        if (rc == HOR_OK && !answer.ended)
            rc = hor_master_ask(master, ask_nodes_elsewhere, &answer, err);
    }
    response->state = answer.state;
    return rc;
}

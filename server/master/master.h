/* server/master/master.h - the Master program's parts, for the files of this folder. The loop's
 * thread owns a hor_master; workers (HTTP) and the couplings' threads reach it through
 * hor_master_ask and hor_master_transact only, except for what says "any thread". */
#ifndef HOR_SERVER_MASTER_MASTER_H
#define HOR_SERVER_MASTER_MASTER_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/cluster/cluster.h"
#include "lib/cluster/join.h"
#include "lib/cluster/transport.h"
#include "lib/config/settings.h"
#include "lib/http/client.h"
#include "lib/http/server.h"
#include "lib/loop/loop.h"
#include "server/master/core/core.h"

enum {
    HOR_MASTER_BATCH_EVENTS = 5000, /* decided at once */
    HOR_MASTER_BATCH_ORDERS = 1000, /* of one AcceptPlan */
    HOR_MASTER_COMMIT_MS = 15000,   /* how long a call waits for its commit */
};

#define HOR_MASTER_EXCHANGE_ACTION "\"urn:horarium:master:1:ExchangeJournal\""

struct hor_soap_service;
struct hor_soap_partner;
enum { HOR_MASTER_NO_MEMBER = 409 }; /* HTTP status of an exchange of who is no member any more */

struct hor_coupling;
struct hor_master;

struct hor_master_events { /* events on their way into the journal; owned */
    struct hor_event **items;
    size_t count, room;
    bool failed; /* memory was out: nothing is submitted */
};

struct hor_master {
    const struct hor_settings_master *settings;
    struct hor_loop *loop;
    struct hor_master_core *core;
    struct hor_cluster *cluster;
    struct hor_settings_master own; /* `settings`: with the members of the running cluster, one place
                                       for each name; places stay */
    uint64_t *member_ids;           /* by place; 0: no member (any more) */
    char **owned;                   /* strings of members that came later */
    size_t owned_count;
    struct hor_cluster_member *members; /* as the settings name them */
    struct hor_transport *transport;
    struct hor_http_client *http, *exchange_http; /* consensus does not wait for anything else */
    struct hor_http_server *server;
    struct hor_soap_service *service;
    struct hor_timer *decide_timer, *failback_timer;
    int64_t steady_since_ms; /* the member that should be active has been current since then */
    struct hor_coupling *couplings; /* one for each agent cluster that was ever configured */
    int64_t coupled_release;        /* the couplings' addresses are of this release */
    bool live;                      /* the journal was replayed */
    bool kick;                      /* something was applied that may be work for a coupling */
    bool deciding;                  /* events of hor_master_core_decide are under way */
    int exit_status;
    char *logged_problem;

    atomic_bool leader, stopping; /* any thread */
    atomic_uint_fast64_t leader_id, term; /* any thread; leader_id 0: nobody is known */
    atomic_uint_fast64_t events_applied, orders_ended, commands; /* for /metrics; any thread */
};

/* ---- master.c ---- */
int hor_master_start(const struct hor_settings_master *settings, struct hor_loop *loop,
                     struct hor_master **ret, struct hor_error *err);
void hor_master_free(struct hor_master *master);
/* Decides, submits, and sets the timer for the next time. */
void hor_master_decide(struct hor_master *master);

/* ---- members.c ---- */
int hor_master_members_open(struct hor_master *master, const struct hor_settings_master *settings,
                            struct hor_error *err);
void hor_master_members_close(struct hor_master *master);
/* Before the journal is opened: a new folder of a known cluster joins it. */
int hor_master_members_join(struct hor_master *master, struct hor_cluster_settings *settings,
                            struct hor_cluster_joined *ret, struct hor_error *err);
/* Of hor_cluster_ops: the members as the journal names them. Loop. */
void hor_master_members_set(const struct hor_cluster_member *members, unsigned count, void *ctx);
/* A member's place among settings->members; SIZE_MAX: nobody has this id. */
size_t hor_master_place_of(const struct hor_master *master, uint64_t id);
/* Id of the member of that name; 0: none. Any thread. */
uint64_t hor_master_member(const struct hor_master *master, const char *name);
/* The address of the active member; NULL: none known. Any thread. */
const char *hor_master_active_url(const struct hor_master *master);
/* Passes leadership on. HOR_ERR_STATE: that member is not there, or lags; HOR_ERR_NOT_ACTIVE. Loop. */
int hor_master_pass_on(struct hor_master *master, uint64_t to, struct hor_error *err);
void hor_master_members_role(struct hor_master *master); /* after a change of leadership */
void hor_master_send(uint64_t to, const char *text, size_t len, void *ctx); /* of hor_cluster_ops */

/* ---- transact.c: from other threads ---- */
/* Runs fn on the loop's thread and gives its result. HOR_ERR_STATE: the program ends. Any thread. */
typedef int hor_master_ask_fn(struct hor_master *master, void *arg, struct hor_error *err);
int hor_master_ask(struct hor_master *master, hor_master_ask_fn *fn, void *arg,
                   struct hor_error *err);
/* Runs fn on the loop's thread of the active member; the events that it adds are submitted, and the
 * call returns when they are committed and applied. HOR_ERR_NOT_ACTIVE; HOR_ERR_BUSY;
 * HOR_ERR_TIMEOUT: the outcome is unknown. Any other negative result of fn: nothing is submitted.
 * Any thread but the loop's. */
typedef int hor_master_change_fn(struct hor_master *master, struct hor_master_events *events,
                                 void *arg, struct hor_error *err);
int hor_master_transact(struct hor_master *master, hor_master_change_fn *fn, void *arg,
                        struct hor_error *err);
/* Takes the event; a hor_master_emit_fn, ctx is the hor_master_events. */
void hor_master_collect(struct hor_event *take_event, void *ctx);
void hor_master_events_done(struct hor_master_events *events);

/* ---- coupling.c ---- */
/* Starts couplings that the deployed release needs, and tells all of them that something changed. */
void hor_master_couplings_update(struct hor_master *master);
void hor_master_couplings_stop(struct hor_master *master); /* and waits; loop stopped */
/* Any thread: a partner with the cluster's members, or with one of them; the caller owns it. */
int hor_master_cluster_partner(struct hor_master *master, const char *cluster, const char *member,
                               struct hor_soap_partner **ret, struct hor_error *err);
/* Is the coupling with this cluster alive, or was it when a Master was active last? Loop thread. */
bool hor_master_is_coupled(const struct hor_master *master, const char *cluster);

struct hor_coupling_state {
    const char *path, *state; /* as in xsd/types.xsd */
    char cause[HOR_ERROR_TEXT_BYTES];
    int64_t seen_us; /* last answer; HOR_EVENT_NONE: never */
    const void *cluster; /* struct t__Cluster as the cluster told last, NULL: never */
};
/* Calls fn for each coupling, with its state held still. Loop thread. */
typedef void hor_coupling_fn(const struct hor_coupling_state *state, void *ctx);
void hor_master_couplings_each(struct hor_master *master, hor_coupling_fn *fn, void *ctx);

/* ---- service.c ---- */
struct hor_soap_operation;
const struct hor_soap_operation *hor_master_operations(void);

/* ---- commands.c ---- */
struct hor_soap_call;
struct _mst__ListCommands;
struct _mst__ListCommandsResponse;
int hor_master_list_commands(struct hor_soap_call *call, const struct _mst__ListCommands *request,
                             struct _mst__ListCommandsResponse *response, struct hor_error *err);

/* ---- port.c: who may call, HTTP ---- */
struct _mst__ExchangeJournal;
struct _mst__ExchangeJournalResponse;
struct _mst__ClusterStatus;
struct _mst__ClusterStatusResponse;
struct _mst__ChangeCluster;
struct _mst__ChangeClusterResponse;
int hor_master_port_open(struct hor_master *master, struct hor_error *err);
int hor_master_cluster_status(struct hor_soap_call *call, const struct _mst__ClusterStatus *request,
                              struct _mst__ClusterStatusResponse *response, struct hor_error *err);
int hor_master_change_cluster(struct hor_soap_call *call, const struct _mst__ChangeCluster *request,
                              struct _mst__ChangeClusterResponse *response, struct hor_error *err);
int hor_master_exchange_journal(struct hor_soap_call *call,
                                const struct _mst__ExchangeJournal *request,
                                struct _mst__ExchangeJournalResponse *response,
                                struct hor_error *err);

/* ---- state.c: what GetState and GetOrderState answer ---- */
struct _mst__GetState;
struct _mst__GetStateResponse;
struct _mst__GetOrderState;
struct _mst__GetOrderStateResponse;
struct _mst__Ping;
struct _mst__PingResponse;
struct t__Order;
int hor_master_ping(struct hor_soap_call *call, const struct _mst__Ping *request,
                    struct _mst__PingResponse *response, struct hor_error *err);
int hor_master_get_state(struct hor_soap_call *call, const struct _mst__GetState *request,
                         struct _mst__GetStateResponse *response, struct hor_error *err);
int hor_master_get_order_state(struct hor_soap_call *call, const struct _mst__GetOrderState *request,
                               struct _mst__GetOrderStateResponse *response, struct hor_error *err);
struct soap;
struct t__Order *hor_master_order_of(struct soap *soap, const struct hor_master *master,
                                     const struct hor_master_order *order);

#endif

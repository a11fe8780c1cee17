/* agent/agent.h - the agent program's parts, for the files of this folder. The loop's thread owns a
 * hor_agent; workers (HTTP and calls to other members) reach it through hor_loop_call and
 * hor_loop_post only, except for what says "any thread". */
#ifndef HOR_AGENT_AGENT_H
#define HOR_AGENT_AGENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "agent/core/core.h"
#include "agent/runner/client.h"
#include "lib/base/boot.h"
#include "lib/cluster/cluster.h"
#include "lib/cluster/join.h"
#include "lib/cluster/transport.h"
#include "lib/config/settings.h"
#include "lib/http/client.h"
#include "lib/http/server.h"
#include "lib/loop/loop.h"

enum {
    HOR_AGENT_LEASE_MS = 2000,
    HOR_AGENT_GRACE_MS = 5000,   /* after the lease: then tasks with agentLoss="restart" are killed */
    HOR_AGENT_ELECTION_MS = 500,
    HOR_AGENT_RENEW_MS = 400,
    HOR_AGENT_RENEW_SOON_MS = 50, /* after a "not yet" */
    HOR_AGENT_RETRY_MS = 200,    /* before a failed report to the leader is tried again */
};

#define HOR_AGENT_EXCHANGE_ACTION "\"urn:horarium:agent:1:ExchangeJournal\""

struct hor_agent;
struct hor_soap_service;
struct hor_soap_partner;

/* A row of events on its way into the journal. */
typedef void hor_agent_done_fn(int code, uint64_t index, void *ctx);
struct hor_agent_submission {
    struct hor_event **events; /* owned; those before `sent` belong to the cluster */
    size_t count, sent;
    hor_agent_done_fn *done; /* may be NULL; once, on the loop's thread */
    void *ctx;
    struct hor_agent *agent;
    bool reports; /* decisions count on them */
    struct hor_agent_submission *next;
};

/* A task of this member as the runner knows it. */
struct hor_agent_task {
    char *id;
    uint64_t fence;
    bool launched; /* given to the runner, or found there */
    bool started, ended;
    bool reporting; /* its events are on their way */
    bool seen;      /* the runner told of it since it was connected last */
    bool killed;
    bool refused;   /* could not be given to the runner: `cause` */
    enum hor_runner_fate fate;
    int64_t pid, started_us, ended_us, cpu_ms, max_rss_kb;
    int exit_code, signal;
    char *cause;
};

enum { HOR_AGENT_REFUSED = 409 }; /* HTTP status of an exchange of who is no member any more */

struct hor_agent_peer { /* another member */
    struct hor_soap_partner *partner;
    const char *url; /* the settings' string that it was made from */
    int64_t granted_ms;   /* leader: when its lease was last renewed; monotonic; 0: never */
    uint64_t must_apply;  /* leader: index that it must have applied before it gets a lease */
    uint64_t life;        /* leader: of its process, as it said */
    bool runner;
};

struct hor_agent {
    const struct hor_settings_agent *settings;
    const char *name;
    struct hor_loop *loop;
    struct hor_core *core;
    struct hor_cluster *cluster;
    struct hor_settings_agent own; /* `settings`: with the members of the running cluster, one place
                                      for each name; places stay */
    uint64_t *member_ids;          /* by place; 0: no member (any more) */
    char **owned;                  /* strings of members that came later */
    size_t owned_count;
    struct hor_cluster_member *members; /* as the settings name them */
    struct hor_agent_peer *peers; /* by place */
    struct hor_soap_partner **retired; /* of members that moved */
    size_t retired_count;
    struct hor_transport *transport;
    struct hor_http_client *http;
    struct hor_http_client *exchange_http; /* consensus does not wait for anything else */
    struct hor_http_server *server;
    struct hor_soap_service *service;
    struct hor_workers *workers;
    struct hor_runner *runner;
    bool runner_connected;
    bool live; /* the journal was replayed */
    bool stopping;
    int exit_status;

    bool leader;
    uint64_t leader_id, term;
    uint64_t leader_term; /* of the leader known last */
    int64_t leading_since_ms;
    struct hor_timer *decide_timer, *lease_timer, *retry_timer;
    struct hor_agent_submission *queue, **queue_end;
    struct hor_agent_submission *deciding; /* what decide emitted and is not in the queue yet */
    struct command_call *commands; /* wait until their order has nothing under way */

    struct hor_map *tasks; /* id to struct hor_agent_task */
    char **to_launch;      /* ids, from taskAssigned */
    size_t launch_count, launch_cap;
    bool syncing, sync_again;
    bool reporting_away;    /* a SubmitEvents call is under way, */
    uint64_t report_epoch;  /* and it is of this epoch: a new leader gets reports anew */

    uint64_t life; /* differs from process to process of this member */
    char boot_id[HOR_BOOT_ID_BYTES];
    bool boot_known;      /* the file says of this start of the machine: */
    uint64_t doubt_until; /* tasks with a fence up to here may have run before it */
    bool boot_pending, boot_failed; /* doubt_until has to be written */
    bool no_room;                   /* the disk was full when it was looked at last */
    int64_t handed_over_ms;         /* monotonic: when a leader without room tried to hand over */

    int64_t lease_end_ms; /* monotonic; member's own; 0: none yet */
    bool renewing;         /* a RenewLease call is under way, */
    uint64_t renewing_term; /* to the leader of this term */

    atomic_uint_fast64_t tasks_started, tasks_ended, events_applied; /* for /metrics; any thread */
};

/* ---- agent.c ---- */
int hor_agent_start(const struct hor_settings_agent *settings, struct hor_loop *loop,
                    struct hor_agent **ret, struct hor_error *err);
void hor_agent_free(struct hor_agent *agent);
bool hor_agent_is_single(const struct hor_agent *agent);
const struct hor_settings_member *hor_agent_member(const struct hor_agent *agent, const char *name,
                                                   size_t *ret_index);
/* Decides, submits and sets the timer for the next time something is due. */
void hor_agent_decide(struct hor_agent *agent);

/* ---- roster.c: the members as the journal names them; loop, except where it says otherwise ---- */
int hor_agent_roster_open(struct hor_agent *agent, const struct hor_settings_agent *settings,
                          struct hor_error *err);
void hor_agent_roster_close(struct hor_agent *agent);
void hor_agent_roster_set(const struct hor_cluster_member *members, unsigned count, void *ctx);
/* The place of a member, SIZE_MAX: nobody has this id. */
size_t hor_agent_place_of(const struct hor_agent *agent, uint64_t id);
/* The id behind a name, 0: no member. Any thread. */
uint64_t hor_agent_id_of(const struct hor_agent *agent, const char *name);

/* ---- submit.c: into the journal ---- */
/* Takes the events in any case; `done` tells what became of them. Leader only: HOR_ERR_NOT_ACTIVE. */
void hor_agent_submit(struct hor_agent *agent, struct hor_event **take_events, size_t count,
                      hor_agent_done_fn *done, void *ctx);
/* The same for reports of tasks, together with what follows from them. */
void hor_agent_submit_reports(struct hor_agent *agent, struct hor_event **take_events, size_t count,
                              hor_agent_done_fn *done, void *ctx);
void hor_agent_pump(struct hor_agent *agent);
void hor_agent_drop_queue(struct hor_agent *agent);
/* Worker thread: waits for the commit. HOR_ERR_NOT_ACTIVE, HOR_ERR_TIMEOUT: the outcome is unknown. */
struct hor_agent_wait;
struct hor_agent_wait *hor_agent_wait_new(void);
hor_agent_done_fn hor_agent_wait_done; /* ctx is the wait */
void hor_agent_wait_stop(void); /* the process ends: nobody waits any longer; any thread */
int hor_agent_wait(struct hor_agent_wait *wait, uint64_t *ret_index, struct hor_error *err);

/* ---- boot.c: tasks from before the machine's present start ---- */
int hor_agent_boot_open(struct hor_agent *agent, struct hor_error *err);
/* With the first right to start tasks after the machine's start: all that was assigned before that
 * has an index up to `index`. Until it is on the disk boot_known is false. */
void hor_agent_boot_confirm(struct hor_agent *agent, uint64_t index);
void hor_agent_boot_save(struct hor_agent *agent); /* tries again what failed */

/* ---- room.c ---- */
bool hor_agent_has_room(struct hor_agent *agent); /* looks, and logs what changed */

/* ---- task.c: the runner's side ---- */
int hor_agent_tasks_open(struct hor_agent *agent, struct hor_error *err);
void hor_agent_tasks_close(struct hor_agent *agent);
/* A committed event: remembers what concerns this member. */
void hor_agent_tasks_applied(struct hor_agent *agent, const struct hor_event *event);
/* After a change of the leader. */
void hor_agent_tasks_tell_anew(struct hor_agent *agent);
/* Starts, kills, reports and forgets what the state asks for. */
void hor_agent_tasks_sync(struct hor_agent *agent);
/* Compares all that the state and the runner know: after replay and after a reconnect. */
void hor_agent_tasks_reconcile(struct hor_agent *agent);
bool hor_agent_task_is_here(const struct hor_agent *agent, const char *task);

/* ---- launch.c ---- */
/* Gives one task to the runner. HOR_ERR_INVALID: it cannot be run, the text says why;
 * HOR_ERR_UNREACHABLE: try again. */
int hor_agent_launch(struct hor_agent *agent, const struct hor_core_task_view *task,
                     struct hor_error *err);
/* <data>/logs/XX/ORDER:NODE.ATTEMPT.log, new string; NULL for a task's name that is none. XX: two
 * hexadecimal digits of the order's CRC-32C. */
char *hor_agent_log_path(const struct hor_agent *agent, const char *task);
char *hor_agent_output_path(const struct hor_agent *agent, const char *task);
/* The folder of outputs: this user's only, or one through which jobs of others reach their file. */
int hor_agent_outputs_make(const struct hor_agent *agent, bool other_users, struct hor_error *err);
/* name=value lines into arguments; *ret_dropped lines did not fit the rules or limits. */
int hor_agent_outputs_parse(const char *text, size_t len, struct hor_arguments *ret,
                            size_t *ret_dropped);

/* ---- lease.c ---- */
int hor_agent_lease_open(struct hor_agent *agent, struct hor_error *err);
void hor_agent_lease_lead(struct hor_agent *agent);
void hor_agent_lease_role(struct hor_agent *agent);
/* Leader, on the loop: a member asks. *ret_lease_ms 0: not yet. */
int hor_agent_lease_grant(struct hor_agent *agent, const char *from, uint64_t life,
                          uint64_t applied, bool runner, int64_t *ret_lease_ms,
                          struct hor_error *err);
/* On the loop: this member asked when it had applied so much, and got the lease. */
void hor_agent_lease_got(struct hor_agent *agent, uint64_t applied, int64_t end_ms,
                         int64_t grace_ms);
/* May this member start tasks now, and until when (monotonic; 0: no limit). */
bool hor_agent_lease_holds(const struct hor_agent *agent, int64_t *ret_end_ms);

/* ---- couple.c ---- */
/* Leader, loop: is this (0: none was told) the newest coupling of the Master? HOR_ERR_NOT_ACTIVE. */
int hor_agent_check_fence(struct hor_agent *agent, const char *master, uint64_t fence,
                          struct hor_error *err);

/* ---- operations.c ---- */
void hor_agent_commands_retry(struct hor_agent *agent);

/* ---- service.c ---- */
struct hor_soap_call;
struct hor_soap_operation;
const struct hor_soap_operation *hor_agent_operations(void); /* operations.c */
/* May the caller speak for this Master? HOR_ERR_DENIED. Worker thread. */
int hor_agent_may_speak_for(struct hor_soap_call *call, const char *master, struct hor_error *err);
/* A call from another member of this cluster. Worker thread. */
bool hor_agent_is_from_member(const struct hor_soap_call *call);
int hor_agent_service_open(struct hor_agent *agent, struct hor_error *err);
void hor_agent_service_close(struct hor_agent *agent);

/* ---- peer.c: calls to other members; worker threads ---- */
int hor_agent_peers_open(struct hor_agent *agent, struct hor_error *err);
/* Before the journal is opened: a new folder of a known cluster joins it. */
int hor_agent_peers_join(struct hor_agent *agent, struct hor_cluster_settings *settings,
                         struct hor_cluster_joined *ret, struct hor_error *err);
/* Loop: after hor_agent_roster_set changed the members. */
void hor_agent_peers_changed(struct hor_agent *agent, const struct hor_cluster_member *members,
                             unsigned count);
void hor_agent_peers_close(struct hor_agent *agent);
/* Loop: calls under way to other members than the leader end soon. */
void hor_agent_peers_interrupt(struct hor_agent *agent, uint64_t leader_id);
/* The leader's service, NULL when it is this member or nobody; any thread. */
struct hor_soap_partner *hor_agent_leader_partner(struct hor_agent *agent);
/* Loop: sends the events (which it takes) to the leader; `done` comes on the loop. */
void hor_agent_peer_report(struct hor_agent *agent, struct hor_event **take_events, size_t count,
                           hor_agent_done_fn *done, void *ctx);
void hor_agent_peer_renew(struct hor_agent *agent);

#endif

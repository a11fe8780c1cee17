#include "lib/cluster/service.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/soap/service.h"

enum { MEMBERS_MAX = 31, WAIT_S = 20, TEXT_BYTES = 300 };

/* ---- status ---- */

struct status_call {
    struct hor_cluster *cluster;
    struct soap *soap;
    struct t__ClusterStatus *ret;
    bool memory;
};

static void fill_member(struct status_call *call, const struct hor_cluster_member_status *from,
                        bool leads, struct t__ClusterMember *to)
{
    const struct hor_cluster_member *m = &from->member;
    to->id = m->id;
    to->name = hor_soap_string(call->soap, m->name);
    to->url = hor_soap_string(call->soap, m->url);
    to->folder = hor_soap_string(call->soap, m->folder);
    to->role = (char *)(m->standby ? "standby" : "voter");
    to->state = (char *)(from->leader                    ? "leader"
                         : from->self                    ? "follower"
                         : leads && from->heard_ms_ago >= 0 ? "follower"
                                                            : "unknown");
    to->witness = hor_soap_alloc(call->soap, sizeof *to->witness);
    if (to->witness != NULL)
        *to->witness = m->witness;
    if (m->priority != 0)
        to->priority = hor_soap_int(call->soap, m->priority);
    if (m->max_tasks != 0)
        to->maxTasks = hor_soap_int(call->soap, m->max_tasks);
    if (from->known && (to->match = hor_soap_alloc(call->soap, sizeof *to->match)) != NULL)
        *to->match = from->match_index;
    if (from->heard_ms_ago >= 0 &&
        (to->heardMsAgo = hor_soap_alloc(call->soap, sizeof *to->heardMsAgo)) != NULL)
        *to->heardMsAgo = from->heard_ms_ago;
    call->memory |= to->name == NULL || to->url == NULL;
}

static void status_on_loop(void *ctx)
{
    struct status_call *call = ctx;
    struct hor_cluster_member_status members[MEMBERS_MAX];
    struct hor_cluster_status status;
    struct t__ClusterStatus *to = call->ret;
    unsigned count = hor_cluster_get_members(call->cluster, members, MEMBERS_MAX);
    hor_cluster_get_status(call->cluster, &status);
    to->cluster = hor_soap_string(call->soap, hor_cluster_name(call->cluster));
    to->runId = hor_soap_string(call->soap, status.run_id);
    to->incarnation = status.incarnation;
    to->self = status.self;
    to->leader = status.leader_id;
    to->term = status.term;
    to->lastIndex = status.last_index;
    to->commitIndex = status.commit_index;
    to->appliedIndex = status.applied_index;
    to->firstIndex = status.first_index;
    to->member = hor_soap_alloc(call->soap, (count + 1) * sizeof *to->member);
    call->memory = to->cluster == NULL || to->runId == NULL || to->member == NULL;
    for (unsigned i = 0; !call->memory && i < count; i++, to->__sizemember++)
        fill_member(call, &members[i], status.leader, &to->member[i]);
}

int hor_cluster_soap_status(struct hor_loop *loop, struct hor_cluster *cluster, struct soap *soap,
                            struct t__ClusterStatus **ret, struct hor_error *err)
{
    struct status_call call = {.cluster = cluster, .soap = soap,
                               .ret = hor_soap_alloc(soap, sizeof *call.ret)};
    if (call.ret == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (hor_loop_call(loop, status_on_loop, &call) < 0)
        return hor_error_set(err, HOR_ERR_BUSY, "this program is ending");
    if (call.memory)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    *ret = call.ret;
    return HOR_OK;
}

/* ---- change ---- */

struct wait { /* of the caller and of what it waits for */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    unsigned references;
    bool ended;
    int code;
    uint64_t id;
    char text[TEXT_BYTES];
};

static void unref(struct wait *wait)
{
    pthread_mutex_lock(&wait->lock);
    bool last = --wait->references == 0;
    pthread_mutex_unlock(&wait->lock);
    if (!last)
        return;
    pthread_cond_destroy(&wait->wake);
    pthread_mutex_destroy(&wait->lock);
    free(wait);
}

static void changed(int code, uint64_t id, const char *text, void *ctx)
{
    struct wait *wait = ctx;
    pthread_mutex_lock(&wait->lock);
    wait->ended = true;
    wait->code = code;
    wait->id = id;
    snprintf(wait->text, sizeof wait->text, "%s", text);
    pthread_cond_signal(&wait->wake);
    pthread_mutex_unlock(&wait->lock);
    unref(wait);
}

struct change_call {
    struct hor_cluster *cluster;
    const struct t__ClusterChange *change;
    struct wait *wait;
    bool waiting;
    int code;
    struct hor_error *err;
};

static uint64_t id_of(struct hor_cluster *cluster, const char *name)
{
    struct hor_cluster_member_status members[MEMBERS_MAX];
    unsigned count = hor_cluster_get_members(cluster, members, MEMBERS_MAX);
    uint64_t id = 0;
    for (unsigned i = 0; i < count; i++)
        if (strcmp(members[i].member.name, name) == 0 && members[i].member.id > id)
            id = members[i].member.id;
    return id;
}

static void transfer(struct change_call *call)
{
    struct hor_cluster_status status;
    uint64_t to = 0;
    hor_cluster_get_status(call->cluster, &status);
    if (call->change->name != NULL && (to = id_of(call->cluster, call->change->name)) == 0) {
        call->code = hor_error_set(call->err, HOR_ERR_NOT_FOUND, "there is no member '%.100s'",
                                   call->change->name);
        return;
    }
    call->wait->id = to;
    if (to == status.self && status.leader)
        return; /* it leads already */
    call->code = status.leader ? hor_cluster_transfer(call->cluster, to, call->err)
                               : hor_error_set(call->err, HOR_ERR_NOT_ACTIVE,
                                               "this member does not lead the cluster");
}

static void change_on_loop(void *ctx)
{
    struct change_call *call = ctx;
    const struct t__ClusterChange *c = call->change;
    if (strcmp(c->action, "transfer") == 0) {
        transfer(call);
        return;
    }
    call->wait->references++; /* for `changed`, which may come at once */
    if (strcmp(c->action, "add") == 0 && c->name != NULL) {
        struct hor_cluster_member member = {.name = c->name, .url = c->url, .folder = c->folder,
                                            .witness = c->witness != NULL && *c->witness,
                                            .priority = c->priority != NULL ? *c->priority : 0,
                                            .max_tasks = c->maxTasks != NULL ? *c->maxTasks : 0};
        call->code = hor_cluster_add(call->cluster, &member, changed, call->wait, call->err);
    } else if (strcmp(c->action, "remove") == 0 && c->name != NULL) {
        call->code = hor_cluster_remove(call->cluster, c->name, changed, call->wait, call->err);
    } else {
        call->code = hor_error_set(call->err, HOR_ERR_INVALID,
                                   "'%.50s': the actions are add, remove (with a name) and transfer",
                                   c->action);
    }
    call->waiting = call->code == HOR_OK;
    if (!call->waiting)
        call->wait->references--;
}

static int wait_for(struct wait *wait, uint64_t *ret_id, struct hor_error *err)
{
    struct timespec until;
    int rc;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&wait->lock);
    while (!wait->ended && pthread_cond_timedwait(&wait->wake, &wait->lock, &until) == 0)
        ;
    if (!wait->ended)
        rc = hor_error_set(err, HOR_ERR_TIMEOUT, "the change takes long; whether it will be made is "
                           "not known");
    else if (wait->code != HOR_OK)
        rc = hor_error_set(err, wait->code, "%s", wait->text);
    else
        rc = HOR_OK;
    *ret_id = wait->id;
    pthread_mutex_unlock(&wait->lock);
    return rc;
}

int hor_cluster_soap_change(struct hor_loop *loop, struct hor_cluster *cluster,
                            const struct t__ClusterChange *change, uint64_t *ret_id,
                            struct hor_error *err)
{
    struct change_call call = {.cluster = cluster, .change = change, .err = err,
                               .wait = calloc(1, sizeof *call.wait)};
    pthread_condattr_t attributes;
    if (call.wait == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    pthread_mutex_init(&call.wait->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&call.wait->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    call.wait->references = 1;
    if (hor_loop_call(loop, change_on_loop, &call) < 0)
        call.code = hor_error_set(err, HOR_ERR_BUSY, "this program is ending");
    *ret_id = call.wait->id;
    if (call.code == HOR_OK && call.waiting)
        call.code = wait_for(call.wait, ret_id, err);
    unref(call.wait);
    return call.code;
}

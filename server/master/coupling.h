/* server/master/coupling.h - one agent cluster as this Master is coupled with it. For the files
 * coupling.c (its life), hand_over.c, answer.c (what it gets) and collect.c (its events into our journal).
 *
 * Each coupling has a thread that couples, hands over releases, orders and commands, and sleeps when
 * there are none; while it is coupled a second thread reads the cluster's events by long polls. */
#ifndef HOR_SERVER_MASTER_COUPLING_H
#define HOR_SERVER_MASTER_COUPLING_H

#include "server/master/master.h"
#include "lib/soap/client.h"

struct hor_coupling {
    struct hor_coupling *next;
    struct hor_master *master;
    char *path;
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool needed;  /* the deployed release has the cluster */
    bool kicked;  /* something was applied */
    bool coupled; /* a session is alive */
    bool collecting_failed;
    struct hor_error collecting_error;
    const char *state; /* of xsd/types.xsd */
    char cause[HOR_ERROR_TEXT_BYTES];
    int64_t seen_us;
    struct soap *told_soap; /* owns `told` */
    const struct t__Cluster *told;

    /* one session; the coupling's thread, and the collecting thread after it was begun */
    struct hor_soap_partner *partner;
    char addresses[4096];
    char run_id[64];
    uint64_t fence, sessions; /* this coupling's number: the term, and a count within it */
    uint64_t position; /* the next call reads after it */
    uint64_t stored;   /* the last event that is in our journal */
    int64_t releases[64]; /* that the cluster has */
    size_t release_count;
};

enum {
    HOR_COUPLING_FENCE_BITS = 43, /* sessions in one term */
    HOR_COUPLING_TRY_BITS = 10,   /* of them at one index of the Master's journal */
};

/* This Master is active, and has not been deposed since the session's Couple. Any thread. */
bool hor_coupling_is_present(const struct hor_coupling *coupling);
bool hor_coupling_may_go_on(struct hor_coupling *coupling);
/* Waits that long, unless the program or our turn ends. */
void hor_coupling_pause(struct hor_coupling *coupling, int64_t ms);
/* The cluster answered. */
void hor_coupling_seen(struct hor_coupling *coupling);
/* Gives the cluster a release that it lacks. */
int hor_coupling_give_release(struct hor_coupling *coupling, int64_t number, struct hor_error *err);
/* Hands over one batch of orders; *ret_count 0: there was none. */
int hor_coupling_hand_over(struct hor_coupling *coupling, int *ret_count, struct hor_error *err);
/* Delivers waiting commands; *ret_waiting: some must be tried again soon. */
int hor_coupling_deliver(struct hor_coupling *coupling, bool *ret_waiting, struct hor_error *err);
/* Gives the cluster answers to what its orders wait for; *ret_count 0: there were none. */
int hor_coupling_answer(struct hor_coupling *coupling, int *ret_count, struct hor_error *err);
/* Reads events until the session ends or fails; thread function. */
void *hor_coupling_collect(void *coupling);

#endif

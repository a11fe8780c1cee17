/* server/supervisor/masters_internal.h - one Master cluster, for masters.c and puller.c. */
#ifndef HOR_SUPERVISOR_MASTERS_INTERNAL_H
#define HOR_SUPERVISOR_MASTERS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/supervisor/masters.h"

struct held_state; /* an answer and its memory, shared by those who look at it */

struct master {
    const char *name;
    struct hor_soap_partner *partner;
    struct hor_http_client *http; /* borrowed */
    const char **members;         /* names of those that may be active; borrowed strings */
    unsigned member_count;
    const char *active; /* the watcher's: who answered it last */
    struct hor_masters *all;
    pthread_t puller, watcher;
    bool pulling, watching;
    pthread_mutex_t deploy_lock; /* one attempt at a time */

    pthread_mutex_t lock; /* guards these */
    pthread_cond_t wake;
    bool stop, look; /* look: something happened, ask for the state soon */
    bool reachable;
    char cause[300];
    struct held_state *state;
    struct hor_master_counts counts;
};

struct hor_masters {
    struct hor_store *store;
    struct hor_releases *releases;
    size_t count;
    struct master items[];
};

/* Waits for `ms`, a wake-up (`for_look`) or the end; false: end. */
bool master_wait(struct master *master, int64_t ms, bool for_look);
bool master_stopped(struct master *master);
void *master_puller(void *master); /* the thread */

#endif

#define _GNU_SOURCE /* pthread_setname_np */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/loop/loop.h"

struct job {
    struct job *next;
    hor_loop_fn *fn;
    void *ctx;
};

struct hor_workers {
    pthread_mutex_t lock; /* of the queue */
    pthread_cond_t changed;
    struct job *first, **last;
    unsigned waiting;
    bool ending;

    unsigned count; /* threads that run */
    pthread_t threads[];
};

static void *work(void *ctx)
{
    struct hor_workers *workers = ctx;
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        struct job *job = workers->first;
        if (job == NULL && workers->ending)
            break;
        if (job == NULL) {
            pthread_cond_wait(&workers->changed, &workers->lock);
            continue;
        }
        workers->first = job->next;
        if (workers->first == NULL)
            workers->last = &workers->first;
        workers->waiting--;
        pthread_mutex_unlock(&workers->lock);
        job->fn(job->ctx);
        free(job);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

struct hor_workers *hor_workers_new(unsigned count, const char *name)
{
    struct hor_workers *workers = calloc(1, sizeof *workers + count * sizeof workers->threads[0]);
    if (workers == NULL)
        return NULL;
    workers->last = &workers->first;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->changed, NULL);
    sigset_t all, old;
    sigfillset(&all); /* signals are for the loop's thread */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (workers->count < count) {
        pthread_t *thread = &workers->threads[workers->count];
        if (pthread_create(thread, NULL, work, workers) != 0)
            break;
        workers->count++;
        char short_name[16]; /* what the kernel keeps */
        snprintf(short_name, sizeof short_name, "%s", name);
        pthread_setname_np(*thread, short_name);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (workers->count == 0 && count > 0) {
        hor_workers_free(workers);
        return NULL; /* fewer than asked for will do */
    }
    return workers;
}

int hor_workers_run(struct hor_workers *workers, hor_loop_fn *fn, void *ctx, unsigned limit)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return HOR_ERR_MEMORY;
    job->fn = fn;
    job->ctx = ctx;
    pthread_mutex_lock(&workers->lock);
    bool full = limit > 0 && workers->waiting >= limit;
    if (!full) {
        *workers->last = job;
        workers->last = &job->next;
        workers->waiting++;
        pthread_cond_signal(&workers->changed);
    }
    pthread_mutex_unlock(&workers->lock);
    if (full)
        free(job);
    return full ? HOR_ERR_BUSY : HOR_OK;
}

void hor_workers_free(struct hor_workers *workers)
{
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->ending = true;
    pthread_cond_broadcast(&workers->changed);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->count; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_mutex_destroy(&workers->lock);
    pthread_cond_destroy(&workers->changed);
    free(workers);
}

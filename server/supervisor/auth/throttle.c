#include "server/supervisor/auth/throttle.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/map.h"

enum { ENTRIES_MAX = 20000, LONGEST_MS = 300000, FORGET_MS = 15 * 60000 };

struct entry {
    unsigned failures;
    int64_t last_ms, next_ms;
};

struct throttle {
    pthread_mutex_t lock;
    struct hor_map *entries; /* "u" account or "a" address */
};

struct throttle *throttle_new(void)
{
    struct throttle *throttle = calloc(1, sizeof *throttle);
    if (throttle != NULL && (throttle->entries = hor_map_new(free)) == NULL) {
        free(throttle);
        return NULL;
    }
    if (throttle != NULL)
        pthread_mutex_init(&throttle->lock, NULL);
    return throttle;
}

void throttle_free(struct throttle *throttle)
{
    if (throttle == NULL)
        return;
    hor_map_free(throttle->entries);
    pthread_mutex_destroy(&throttle->lock);
    free(throttle);
}

static const char *key_of(char out[200], char kind, const char *name)
{
    snprintf(out, 200, "%c%s", kind, name);
    return out;
}

static int64_t wait_of(struct throttle *throttle, char kind, const char *name, int64_t now_ms)
{
    char key[200];
    const struct entry *entry = hor_map_get(throttle->entries, key_of(key, kind, name));
    if (entry == NULL || now_ms - entry->last_ms > FORGET_MS || entry->next_ms <= now_ms)
        return 0;
    return entry->next_ms - now_ms;
}

int64_t throttle_wait_ms(struct throttle *throttle, const char *account, const char *address,
                         int64_t now_ms)
{
    pthread_mutex_lock(&throttle->lock);
    int64_t wait = account != NULL ? wait_of(throttle, 'u', account, now_ms) : 0;
    int64_t other = wait_of(throttle, 'a', address, now_ms);
    pthread_mutex_unlock(&throttle->lock);
    return wait > other ? wait : other;
}

static void forget_old(struct throttle *throttle, int64_t now_ms)
{
    size_t pos = 0;
    const char *key;
    for (struct entry *e; (e = hor_map_next(throttle->entries, &pos, &key)) != NULL;)
        if (now_ms - e->last_ms > FORGET_MS)
            hor_map_remove(throttle->entries, key);
}

static void count(struct throttle *throttle, char kind, const char *name, unsigned free_attempts,
                  int64_t now_ms)
{
    char key[200];
    struct entry *entry = hor_map_get(throttle->entries, key_of(key, kind, name));
    if (entry == NULL) {
        if (hor_map_count(throttle->entries) >= ENTRIES_MAX)
            forget_old(throttle, now_ms);
        if (hor_map_count(throttle->entries) >= ENTRIES_MAX ||
            (entry = calloc(1, sizeof *entry)) == NULL)
            return;
        if (hor_map_put(throttle->entries, key, entry) != 0) {
            free(entry);
            return;
        }
    }
    if (now_ms - entry->last_ms > FORGET_MS)
        entry->failures = 0;
    entry->failures++;
    entry->last_ms = now_ms;
    if (entry->failures >= free_attempts) {
        unsigned doublings = entry->failures - free_attempts;
        int64_t delay = doublings < 9 ? (int64_t)1000 << doublings : LONGEST_MS;
        entry->next_ms = now_ms + (delay < LONGEST_MS ? delay : LONGEST_MS);
    }
}

void throttle_failed(struct throttle *throttle, const char *account, const char *address,
                     int64_t now_ms)
{
    pthread_mutex_lock(&throttle->lock);
    count(throttle, 'u', account, THROTTLE_FREE_ACCOUNT, now_ms);
    count(throttle, 'a', address, THROTTLE_FREE_ADDRESS, now_ms);
    pthread_mutex_unlock(&throttle->lock);
}

void throttle_succeeded(struct throttle *throttle, const char *account)
{
    char key[200];
    pthread_mutex_lock(&throttle->lock);
    hor_map_remove(throttle->entries, key_of(key, 'u', account));
    pthread_mutex_unlock(&throttle->lock);
}

void throttle_expire(struct throttle *throttle, int64_t now_ms)
{
    pthread_mutex_lock(&throttle->lock);
    forget_old(throttle, now_ms);
    pthread_mutex_unlock(&throttle->lock);
}

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/cluster/exchange.h"
#include "lib/cluster/transport.h"

enum { QUEUE_COUNT_MAX = 256, QUEUE_BYTES_MAX = 32 << 20, CALL_BYTES = 512 << 10 };

struct parcel {
    struct parcel *next;
    size_t len;
    char text[];
};

struct peer {
    struct hor_transport *transport;
    struct hor_cluster_member member; /* strings owned */
    pthread_t thread;
    bool started;
    struct peer *next;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool stopping;
    struct parcel *first, **last;
    size_t count, bytes;
    struct hor_transport_peer_status status;
};

struct hor_transport {
    hor_transport_call_fn *call;
    void *ctx;
    pthread_mutex_t lock; /* guards the lists */
    struct peer *peers, *retired; /* retired: end, and are joined when all end */
};

static struct parcel *take(struct peer *peer)
{
    struct parcel *parcel = peer->first;
    if (parcel != NULL) {
        peer->first = parcel->next;
        if (peer->first == NULL)
            peer->last = &peer->first;
        peer->count--;
        peer->bytes -= parcel->len;
    }
    return parcel;
}

/* All that waits becomes one call, as far as it fits: a call costs more than what it carries. The
 * lock is held. */
static void gather(struct peer *peer, struct hor_buf *exchange)
{
    struct parcel *parcel = take(peer);
    hor_buf_add(exchange, parcel->text, parcel->len);
    free(parcel);
    while (peer->first != NULL && exchange->len + peer->first->len <= CALL_BYTES &&
           hor_exchange_join(exchange, peer->first->text, peer->first->len)) {
        peer->status.joined++;
        free(take(peer));
    }
}

static void *carry(void *ctx)
{
    struct peer *peer = ctx;
    struct hor_buf exchange = HOR_BUF_INIT;
    pthread_mutex_lock(&peer->lock);
    while (!peer->stopping) {
        struct hor_error err = {.text = ""};
        int rc;
        if (peer->first == NULL) {
            pthread_cond_wait(&peer->wake, &peer->lock);
            continue;
        }
        gather(peer, &exchange);
        pthread_mutex_unlock(&peer->lock);
        rc = exchange.failed
                 ? hor_error_set(&err, HOR_ERR_MEMORY, "transport: out of memory")
                 : peer->transport->call(&peer->member, exchange.data, exchange.len,
                                         peer->transport->ctx, &err);
        if (exchange.cap > CALL_BYTES)
            hor_buf_done(&exchange);
        hor_buf_clear(&exchange);
        pthread_mutex_lock(&peer->lock);
        if (rc == HOR_OK) {
            peer->status.sent++;
            peer->status.last_success_ms = hor_clock_monotonic_ms();
            peer->status.last_error[0] = '\0';
        } else {
            peer->status.failed++;
            snprintf(peer->status.last_error, sizeof peer->status.last_error, "%.255s",
                     err.text[0] ? err.text : hor_error_words(rc));
        }
    }
    pthread_mutex_unlock(&peer->lock);
    hor_buf_done(&exchange);
    return NULL;
}

static void peer_free(struct peer *peer)
{
    struct parcel *parcel;
    if (peer->started)
        pthread_join(peer->thread, NULL);
    while ((parcel = take(peer)) != NULL)
        free(parcel);
    pthread_cond_destroy(&peer->wake);
    pthread_mutex_destroy(&peer->lock);
    free((char *)peer->member.name);
    free((char *)peer->member.url);
    free(peer);
}

static void peer_stop(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    peer->stopping = true;
    pthread_cond_signal(&peer->wake);
    pthread_mutex_unlock(&peer->lock);
}

static int peer_new(struct hor_transport *transport, const struct hor_cluster_member *member,
                    struct peer **ret, struct hor_error *err)
{
    struct peer *peer = calloc(1, sizeof *peer);
    int code;
    if (peer == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "transport: out of memory");
    peer->transport = transport;
    peer->member = *member;
    peer->last = &peer->first;
    pthread_mutex_init(&peer->lock, NULL);
    pthread_cond_init(&peer->wake, NULL);
    peer->member.name = hor_strdup(member->name ? member->name : "");
    peer->member.url = hor_strdup(member->url ? member->url : "");
    peer->member.folder = NULL;
    if (peer->member.name == NULL || peer->member.url == NULL) {
        peer_free(peer);
        return hor_error_set(err, HOR_ERR_MEMORY, "transport: out of memory");
    }
    code = pthread_create(&peer->thread, NULL, carry, peer);
    if (code != 0) {
        peer_free(peer);
        return hor_error_set_errno(err, HOR_ERR_IO, code, "transport: start a thread");
    }
    peer->started = true;
    *ret = peer;
    return HOR_OK;
}

static bool is_same(const struct peer *peer, const struct hor_cluster_member *member)
{
    return peer->member.id == member->id &&
           strcmp(peer->member.name, member->name ? member->name : "") == 0 &&
           strcmp(peer->member.url, member->url ? member->url : "") == 0;
}

int hor_transport_set(struct hor_transport *transport, const struct hor_cluster_member *members,
                      unsigned count, uint64_t self, struct hor_error *err)
{
    struct peer *kept = NULL, **old;
    int rc = HOR_OK;
    pthread_mutex_lock(&transport->lock);
    for (unsigned i = 0; i < count; i++) {
        struct peer *peer = NULL;
        if (members[i].id == self)
            continue;
        for (old = &transport->peers; *old != NULL && !is_same(*old, &members[i]);)
            old = &(*old)->next;
        if (*old != NULL) {
            peer = *old;
            *old = peer->next;
        } else {
            int code = peer_new(transport, &members[i], &peer, err);
            if (code != HOR_OK) {
                rc = code;
                continue;
            }
        }
        peer->next = kept;
        kept = peer;
    }
    while (transport->peers != NULL) {
        struct peer *peer = transport->peers;
        transport->peers = peer->next;
        peer->next = transport->retired;
        transport->retired = peer;
        peer_stop(peer);
    }
    transport->peers = kept;
    pthread_mutex_unlock(&transport->lock);
    return rc;
}

int hor_transport_new(const struct hor_cluster_member *members, unsigned count, uint64_t self,
                      hor_transport_call_fn *call, void *ctx, struct hor_transport **ret,
                      struct hor_error *err)
{
    struct hor_transport *transport = calloc(1, sizeof *transport);
    int rc;
    if (transport == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "transport: out of memory");
    transport->call = call;
    transport->ctx = ctx;
    pthread_mutex_init(&transport->lock, NULL);
    rc = hor_transport_set(transport, members, count, self, err);
    if (rc != HOR_OK)
        hor_transport_free(transport);
    else
        *ret = transport;
    return rc;
}

void hor_transport_free(struct hor_transport *transport)
{
    if (transport == NULL)
        return;
    hor_transport_set(transport, NULL, 0, 0, NULL); /* all at once: calls end side by side */
    while (transport->retired != NULL) {
        struct peer *peer = transport->retired;
        transport->retired = peer->next;
        peer_free(peer);
    }
    pthread_mutex_destroy(&transport->lock);
    free(transport);
}

/* Its lock is held, so that it lives: whoever ends it needs that. NULL: unknown. */
static struct peer *lock_peer(struct hor_transport *transport, uint64_t id)
{
    struct peer *peer;
    pthread_mutex_lock(&transport->lock);
    for (peer = transport->peers; peer != NULL && peer->member.id != id;)
        peer = peer->next;
    if (peer != NULL)
        pthread_mutex_lock(&peer->lock);
    pthread_mutex_unlock(&transport->lock);
    return peer;
}

void hor_transport_send(struct hor_transport *transport, uint64_t to, const char *exchange,
                        size_t len)
{
    struct parcel *parcel = malloc(sizeof *parcel + len + 1);
    struct parcel *old = NULL, **old_last = &old;
    if (parcel == NULL)
        return; /* as if the network had lost it */
    parcel->next = NULL;
    parcel->len = len;
    memcpy(parcel->text, exchange, len);
    parcel->text[len] = '\0';
    struct peer *peer = lock_peer(transport, to);
    if (peer == NULL) {
        free(parcel);
        return;
    }
    while (peer->count > 0 &&
           (peer->count >= QUEUE_COUNT_MAX || peer->bytes + len > QUEUE_BYTES_MAX)) {
        *old_last = take(peer);
        (*old_last)->next = NULL;
        old_last = &(*old_last)->next;
        peer->status.dropped++;
    }
    *peer->last = parcel;
    peer->last = &parcel->next;
    peer->count++;
    peer->bytes += len;
    pthread_cond_signal(&peer->wake);
    pthread_mutex_unlock(&peer->lock);
    while (old != NULL) {
        parcel = old->next;
        free(old);
        old = parcel;
    }
}

int hor_transport_get_status(struct hor_transport *transport, uint64_t member,
                             struct hor_transport_peer_status *ret)
{
    struct peer *peer = lock_peer(transport, member);
    if (peer == NULL)
        return HOR_ERR_NOT_FOUND;
    *ret = peer->status;
    pthread_mutex_unlock(&peer->lock);
    return HOR_OK;
}

/* lib/cluster/transport.h - carries exchanges to the other members: one thread and one bounded
 * queue per peer, so that a slow or dead peer delays nobody else. Calls are made by a function that
 * the program gives (the SOAP operation ExchangeJournal); what it could not deliver is dropped,
 * since Raft sends again what matters. What waits for a peer goes in one call (hor_exchange_join).
 * When a queue is full the oldest exchange goes: newest wins.
 *
 * Sending side:  ops.send = f, where f calls hor_transport_send(transport, to, exchange, len).
 * Receiving side: the operation hands the request's text to hor_cluster_deliver. */
#ifndef HOR_CLUSTER_TRANSPORT_H
#define HOR_CLUSTER_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/cluster/cluster.h"

struct hor_transport;

/* Delivers one exchange (the text of one <exchange> element, see hor_cluster_ops.send) to a member,
 * blocking, on that member's thread. Any negative code: not delivered. */
typedef int hor_transport_call_fn(const struct hor_cluster_member *to, const char *exchange,
                                  size_t len, void *ctx, struct hor_error *err);

struct hor_transport_peer_status {
    uint64_t sent, failed, dropped; /* calls made, calls that failed, exchanges that went unsent */
    uint64_t joined;                /* exchanges that went along in another one's call */
    int64_t last_success_ms; /* monotonic; 0: never */
    char last_error[256];    /* "" after a success */
};

/* Starts a thread for each member but `self`. `members` are copied. An id that `self` does not know
 * yet (it joins) may be 0. */
int hor_transport_new(const struct hor_cluster_member *members, unsigned count, uint64_t self,
                      hor_transport_call_fn *call, void *ctx, struct hor_transport **ret,
                      struct hor_error *err);
/* The members from now on: threads of new ones start, those of others end when their call has ended.
 * Any thread, but one at a time. */
int hor_transport_set(struct hor_transport *transport, const struct hor_cluster_member *members,
                      unsigned count, uint64_t self, struct hor_error *err);
/* Waits for calls under way. Accepts NULL. */
void hor_transport_free(struct hor_transport *transport);
/* Queues a copy. Never blocks. Any thread. Unknown members are ignored. */
void hor_transport_send(struct hor_transport *transport, uint64_t to, const char *exchange,
                        size_t len);
/* HOR_ERR_NOT_FOUND for an unknown member. Any thread. */
int hor_transport_get_status(struct hor_transport *transport, uint64_t member,
                             struct hor_transport_peer_status *ret);

#endif

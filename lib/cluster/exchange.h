/* lib/cluster/exchange.h - the wire form between members: the text of one <exchange> element, type
 * Exchange of xsd/types.xsd. Hand-written on both sides, since every entry passes here: entries
 * travel as they stand in the journal, in CDATA. Any thread. */
#ifndef HOR_CLUSTER_EXCHANGE_H
#define HOR_CLUSTER_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/journal/line.h"
#include "lib/raft/consensus.h"

enum {
    HOR_EXCHANGE_BYTES_MAX = 64 << 20,
    HOR_EXCHANGE_MESSAGES_MAX = 10000,
    HOR_EXCHANGE_ENTRIES_MAX = 100000
};

struct hor_exchange_head {
    char cluster[512];
    char folder[40]; /* of the sender's recovery files */
    uint64_t incarnation, from, to, format_version;
    /* When the sender opened it, by its own monotonic clock (ms), and the newest such time that it
     * had heard from the receiver: a leader learns from that when it was followed last. 0: none. */
    uint64_t sent_at, echo;
};

/* One entry as received; xml is one allocation, owned by the message. */
struct hor_exchange_entry {
    struct hor_journal_entry entry;
    uint32_t crc;
    char *xml;
};

struct hor_exchange_message {
    struct hor_raft_message raft; /* without entries and configuration */
    bool part_wanted;             /* kind snapshotPart: the receiver wants the part at `offset` */
    uint64_t offset, size;        /* of installSnapshot and snapshotPart */
    struct hor_exchange_entry *entries;
    size_t entry_count, entry_cap;
    struct hor_buf data;
};

void hor_exchange_open(const struct hor_exchange_head *head, struct hor_buf *out);
void hor_exchange_close(struct hor_buf *out);
/* Appends the messages of a later exchange to a closed one, whose own times stay. False: they do not
 * belong together, nothing was changed. */
bool hor_exchange_join(struct hor_buf *exchange, const char *more, size_t len);
/* Between them: hor_exchange_message_open, entries or data, hor_exchange_message_close. */
void hor_exchange_message_open(const struct hor_raft_message *message, bool part_wanted,
                               uint64_t offset, uint64_t size, struct hor_buf *out);
void hor_exchange_entry(const struct hor_journal_entry *entry, struct hor_buf *out);
void hor_exchange_data(const void *data, size_t len, struct hor_buf *out);
void hor_exchange_message_close(struct hor_buf *out);

/* Calls `head` once, then `message` for each; both stop the reading by a negative code, which is
 * returned. Whatever stands around the exchange is skipped. Entries are numbered from prev_index + 1
 * and their checksums compared. HOR_ERR_INVALID, HOR_ERR_LIMIT, HOR_ERR_CORRUPT, HOR_ERR_MEMORY. */
typedef int hor_exchange_head_fn(const struct hor_exchange_head *head, void *ctx,
                                 struct hor_error *err);
typedef int hor_exchange_message_fn(struct hor_exchange_message *message, void *ctx,
                                    struct hor_error *err);
int hor_exchange_read(const char *text, size_t len, hor_exchange_head_fn *head,
                      hor_exchange_message_fn *message, void *ctx, struct hor_error *err);

#endif

/* lib/cluster/tail.h - the newest entries in memory: what is not applied yet, and a bounded number
 * before that for slow peers and consumers. One thread. */
#ifndef HOR_CLUSTER_TAIL_H
#define HOR_CLUSTER_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/journal/line.h"
#include "lib/model/event.h"

struct hor_tail_entry {
    struct hor_journal_entry entry; /* entry.xml is `xml` */
    char *xml;                      /* owned */
    struct hor_event *event;        /* owned; what xml says, or NULL: read it from there */
};

struct hor_tail {
    struct hor_tail_entry *ring;
    size_t cap, start, count, bytes;
    uint64_t first; /* index of the oldest, meaningless when count is 0 */
};

void hor_tail_entry_done(struct hor_tail_entry *entry);
void hor_tail_done(struct hor_tail *tail);
/* Takes the entry, which follows the newest (or is the first); false when memory is out. */
bool hor_tail_push(struct hor_tail *tail, struct hor_tail_entry *entry);
struct hor_tail_entry *hor_tail_get(const struct hor_tail *tail, uint64_t index); /* or NULL */
void hor_tail_truncate(struct hor_tail *tail, uint64_t from);
/* Drops the oldest beyond the bounds, but none after `keep_after`. */
void hor_tail_trim(struct hor_tail *tail, uint64_t keep_after, size_t count_max, size_t bytes_max);

#endif

/* lib/journal/meta.h - meta.xml: what a member must remember besides its entries. One XML document
 * with a fixed head and two slots of one sector each. A durable change goes to the slot that was
 * not made durable last, so a torn write leaves the older one; in between, that same slot takes
 * unsynced notes (highest synced and committed index), which only ever lag behind.
 * Guarded by the journal's meta lock. */
#ifndef HOR_JOURNAL_META_H
#define HOR_JOURNAL_META_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/journal/segment.h"

#define HOR_JOURNAL_META_NAME "meta.xml"

struct hor_journal_state {
    uint64_t term, vote, incarnation;
    uint64_t synced; /* entries up to here were on this disk */
    uint64_t commit; /* entries up to here are committed, and on this disk */
    char run_id[HOR_JOURNAL_RUN_BYTES];
};

struct hor_journal_meta {
    int fd;
    uint64_t sequence;
    unsigned durable_slot; /* the slot that must not be touched until the other one is durable */
    struct hor_journal_state state;
};

int hor_journal_meta_create(const char *path, const char *cluster, const char *member,
                            const struct hor_journal_state *state, struct hor_error *err);
/* HOR_ERR_NOT_FOUND; HOR_ERR_CORRUPT; HOR_ERR_INVALID: of another cluster, member (NULL: any) or
 * format version. */
int hor_journal_meta_open(const char *path, const char *cluster, const char *member,
                          struct hor_journal_meta *ret, struct hor_error *err);
/* The same without checking whose it is, for inspection. */
int hor_journal_meta_peek(const char *path, struct hor_journal_header *ret_header,
                          struct hor_journal_state *ret, struct hor_error *err);
void hor_journal_meta_close(struct hor_journal_meta *meta);
/* Durable when it returns. HOR_ERR_IO. */
int hor_journal_meta_save(struct hor_journal_meta *meta, const struct hor_journal_state *state,
                          struct hor_error *err);
/* A note: written, not synced; failure is of no consequence. */
void hor_journal_meta_note(struct hor_journal_meta *meta, const struct hor_journal_state *state);

#endif

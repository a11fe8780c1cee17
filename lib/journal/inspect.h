/* lib/journal/inspect.h - looking at recovery files offline: what `horarium journal show|verify`
 * calls. Reads only; takes no lock, so it may look at a running member's folder (the last line may
 * then be half written, which is told as a torn tail). */
#ifndef HOR_JOURNAL_INSPECT_H
#define HOR_JOURNAL_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

struct hor_journal_filter {
    uint64_t from, to; /* indexes, both included; 0: no bound */
    const char *order; /* only events with this order attribute; NULL: all */
};

/* One entry as it stands in the file; borrowed during the call. */
struct hor_journal_shown {
    const char *file;
    unsigned long line;
    uint64_t index, term;
    int64_t at_us;
    const char *xml; /* the content: an event, <barrier/> or <configuration> */
    size_t len;
};
typedef bool hor_journal_show_fn(const struct hor_journal_shown *entry, void *ctx); /* false: stop */

/* Walks the entries of a folder (in order of index) or of one segment file. HOR_ERR_NOT_FOUND,
 * HOR_ERR_INVALID (no journal), HOR_ERR_CORRUPT at the first damaged line: everything before it was
 * shown. A torn tail ends the walk with HOR_OK. */
int hor_journal_show(const char *path, const struct hor_journal_filter *filter,
                     hor_journal_show_fn *each, void *ctx, struct hor_error *err);

struct hor_journal_report {
    unsigned segments, snapshots;
    uint64_t entries, events, first_index, last_index, snapshot_index;
    uint64_t term, vote, incarnation, synced_index, commit_index; /* 0 for a single file */
    uint64_t torn_bytes; /* at the end of the newest segment */
    char cluster[512], member[256], run_id[64];
    char torn_file[512];
    bool damaged;
    bool lost; /* the only damage: confirmed entries are missing at the end */
    char damage[HOR_ERROR_TEXT_BYTES]; /* first damage: file, line, what is wrong */
};

/* Checks every line, checksum and number of a folder or file. HOR_OK even when `damaged`: the
 * report says so. HOR_ERR_NOT_FOUND, HOR_ERR_INVALID: nothing to look at. */
int hor_journal_verify(const char *path, struct hor_journal_report *ret, struct hor_error *err);

/* `horarium journal repair`: a person accepts that a disk lost confirmed entries at the journal's
 * end; from now on the journal counts as ending where it ends. For a cluster of one, or when no
 * other member has them: otherwise the member should rejoin empty. HOR_ERR_BUSY: in use;
 * HOR_ERR_CORRUPT: damaged in another way, which this does not heal; HOR_ERR_STATE: nothing is
 * lost. *ret_lost: how many entries. */
int hor_journal_accept_loss(const char *directory, uint64_t *ret_lost, struct hor_error *err);

#endif

/* lib/journal/journal.h - a member's recovery files: segments of entries, snapshots, meta.xml
 * (README.md tells the format and what each crash leaves). One thread, the owner's, calls
 * everything; an own writer thread takes all that waits, writes it with one write and one
 * fdatasync, and then calls `notify`; the owner collects what was done with hor_journal_collect. */
#ifndef HOR_JOURNAL_JOURNAL_H
#define HOR_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/error.h"
#include "lib/journal/identity.h"
#include "lib/journal/line.h"
#include "lib/journal/meta.h"
#include "lib/journal/snapshot.h"

struct hor_journal;

/* How files are written; tests put failing ones here. NULL: write(2), fdatasync(2). */
struct hor_journal_io {
    ssize_t (*write)(int fd, const void *data, size_t len, void *ctx);
    int (*sync)(int fd, void *ctx);
    void *ctx;
};

struct hor_journal_settings {
    const char *directory, *cluster, *member;
    size_t segment_bytes; /* 0: 8 MiB */
    struct hor_journal_io io;
};

/* Locks the folder (made when missing), reads meta.xml and the newest snapshot, and checks that the
 * segments follow one another; entries are read by hor_journal_load. HOR_ERR_BUSY: another process
 * uses it; HOR_ERR_INVALID: of another cluster, member or format version; HOR_ERR_CORRUPT names the
 * file and the way out; HOR_ERR_IO. */
int hor_journal_open(const struct hor_journal_settings *settings, struct hor_journal **ret,
                     struct hor_error *err);
/* Writes out what waits, then stops; entries that found no room are not waited for. Accepts NULL. */
void hor_journal_close(struct hor_journal *journal);

bool hor_journal_is_new(const struct hor_journal *journal);
/* Makes a new folder's meta.xml and first segment with one entry, durably. `first` NULL: of a member
 * that joins and has nothing yet. */
int hor_journal_begin(struct hor_journal *journal, uint64_t incarnation,
                      const struct hor_journal_entry *first, struct hor_error *err);

/* Whose folder it is. A folder without member.xml gets a new identity at open, and no member; it is
 * kept by hor_journal_save_identity. */
const struct hor_journal_identity *hor_journal_get_identity(const struct hor_journal *journal);
int hor_journal_save_identity(struct hor_journal *journal,
                              const struct hor_journal_identity *identity, struct hor_error *err);

/* The newest snapshot, read at open; index 0 when there is none. Borrowed until
 * hor_journal_drop_snapshot. */
const struct hor_journal_snapshot *hor_journal_get_snapshot(const struct hor_journal *journal);
void hor_journal_drop_snapshot(struct hor_journal *journal); /* frees its memory */

/* Reads and checks every line, calling `each` for every entry; cuts a torn tail (kept beside the
 * segment as .torn); removes segments that a snapshot from the leader has replaced.
 * HOR_ERR_CORRUPT as above, or what `each` returned. */
typedef int hor_journal_entry_fn(const struct hor_journal_entry *entry, void *ctx,
                                 struct hor_error *err);
int hor_journal_load(struct hor_journal *journal, hor_journal_entry_fn *each, void *ctx,
                     struct hor_error *err);
/* Starts the writer thread. `notify` is called on it. */
int hor_journal_start(struct hor_journal *journal, void (*notify)(void *ctx), void *ctx,
                      struct hor_error *err);

struct hor_journal_state hor_journal_get_state(const struct hor_journal *journal);
uint64_t hor_journal_first_index(const struct hor_journal *journal); /* on disk */
uint64_t hor_journal_last_index(const struct hor_journal *journal);  /* as queued */
uint64_t hor_journal_synced_index(const struct hor_journal *journal);
size_t hor_journal_bytes(const struct hor_journal *journal); /* of all segments */

/* Durable when it returns. */
int hor_journal_save_vote(struct hor_journal *journal, uint64_t term, uint64_t vote,
                          struct hor_error *err);
int hor_journal_save_incarnation(struct hor_journal *journal, uint64_t incarnation,
                                 struct hor_error *err);
/* Noted in meta.xml with the next sync. */
void hor_journal_note_commit(struct hor_journal *journal, uint64_t index);
void hor_journal_note_run_id(struct hor_journal *journal, const char *run_id);

/* Queues entries (copied) that follow one another. Those from entries[0].index on that are there
 * already are cut off first. HOR_ERR_MEMORY, HOR_ERR_INVALID: nothing was queued. */
int hor_journal_append(struct hor_journal *journal, const struct hor_journal_entry *entries,
                       size_t count, uint64_t epoch, struct hor_error *err);
/* Queues a snapshot of an index that is on this disk. The texts are copied. */
int hor_journal_take_snapshot(struct hor_journal *journal,
                              const struct hor_journal_snapshot *snapshot, struct hor_error *err);
/* Queues that a received snapshot file becomes the whole journal; `staged` is a file in the
 * journal's folder (hor_journal_staging_path) that was read without error. */
int hor_journal_install(struct hor_journal *journal, const char *staged, uint64_t index,
                        uint64_t term, struct hor_error *err);
/* Queues the removal of segments whose entries are all at or below `index`. */
void hor_journal_remove_until(struct hor_journal *journal, uint64_t index);

/* Where a snapshot being received may be stored; removed at the next open. */
int hor_journal_staging_path(const struct hor_journal *journal, uint64_t index, uint64_t term,
                             char *out, size_t out_bytes);
int hor_journal_snapshot_path(const struct hor_journal *journal, uint64_t index, uint64_t term,
                              char *out, size_t out_bytes);

/* What the writer did since the last call. */
struct hor_journal_done {
    uint64_t persisted, epoch; /* 0: nothing new; entries of the latest epoch only */
    bool snapshot_taken;       /* a take_snapshot ended: */
    uint64_t snapshot_index;
    int snapshot_code;         /* HOR_OK, or why there is none */
    bool installed;
    bool no_room;              /* the disk is full: entries wait until there is room */
    int fatal;                 /* HOR_OK, or the journal is unusable: end the process */
    struct hor_error err;      /* of fatal or snapshot_code */
};
void hor_journal_collect(struct hor_journal *journal, struct hor_journal_done *ret);

/* Reads synced entries from `from` on until `each` returns false or `to` was read. Opens files:
 * for what memory no longer holds. HOR_ERR_NOT_FOUND: `from` is not on this disk. */
typedef bool hor_journal_read_fn(const struct hor_journal_entry *entry, void *ctx);
int hor_journal_read(struct hor_journal *journal, uint64_t from, uint64_t to,
                     hor_journal_read_fn *each, void *ctx, struct hor_error *err);

#endif

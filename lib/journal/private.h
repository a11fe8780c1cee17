/* lib/journal/private.h - what journal.c (opening, reading) and writer.c (the writer thread) share.
 * For these two files only. */
#ifndef HOR_JOURNAL_PRIVATE_H
#define HOR_JOURNAL_PRIVATE_H

#include <pthread.h>

#include "lib/journal/journal.h"

enum { HOR_JOURNAL_MARK_EVERY = 64 };

/* Every 64th entry's place, so that reading in the middle looks at little. */
struct hor_journal_mark {
    uint64_t index, offset;
};

struct hor_journal_segment {
    uint64_t first, last, bytes; /* last: first - 1 when empty; bytes: good and synced */
    bool closed;
    struct hor_journal_mark *marks;
    size_t mark_count, mark_cap;
};

enum hor_journal_job_kind { JOB_APPEND, JOB_SNAPSHOT, JOB_INSTALL, JOB_REMOVE };

struct hor_journal_job {
    enum hor_journal_job_kind kind;
    struct hor_journal_job *next;
    struct hor_buf data; /* lines, or the snapshot file */
    uint64_t first, last, epoch;
    struct hor_journal_mark *marks; /* offsets within data */
    size_t mark_count, mark_cap;
    uint64_t index, term;
    char *path;
};

struct hor_journal {
    /* set at open, read by both threads */
    char *directory, *cluster, *member;
    size_t segment_bytes;
    struct hor_journal_io io;
    void (*notify)(void *ctx);
    void *notify_ctx;

    /* owner's thread */
    int lock_fd;
    bool is_new, loaded, started;
    uint64_t last_index;
    struct hor_buf snapshot_text;
    struct hor_journal_snapshot snapshot; /* as read at open */
    pthread_t thread;

    /* writer's thread once started */
    int fd; /* the newest segment, open for appending; -1: none yet */
    uint64_t snapshot_index, snapshot_term;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    struct hor_journal_job *head, *tail;
    bool stopping;
    struct hor_journal_segment *segments;
    size_t segment_count, segment_cap;
    struct hor_journal_done done;
    uint64_t noted_commit;
    char noted_run_id[HOR_JOURNAL_RUN_BYTES];

    struct hor_journal_identity identity; /* the owner's */

    pthread_mutex_t meta_lock; /* guards meta; never taken together with lock */
    struct hor_journal_meta meta;
};

char *hor_journal_file(const struct hor_journal *journal, const char *name); /* new string */
struct hor_journal_segment *hor_journal_add_segment(struct hor_journal *journal, uint64_t first);
void hor_journal_drop_segment(struct hor_journal *journal, size_t at);
bool hor_journal_mark_add(struct hor_journal_mark **marks, size_t *count, size_t *cap,
                          uint64_t index, uint64_t offset);
void hor_journal_job_free(struct hor_journal_job *job);
/* Where entry `index` begins in its segment; called with a segment that holds it. */
int hor_journal_find_offset(const struct hor_journal *journal, uint64_t first,
                            const struct hor_journal_mark *near, uint64_t index, uint64_t *ret,
                            struct hor_error *err);
void *hor_journal_writer(void *journal);

#endif

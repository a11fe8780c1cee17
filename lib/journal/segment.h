/* lib/journal/segment.h - segment files: names, headers, and reading them line by line. */
#ifndef HOR_JOURNAL_SEGMENT_H
#define HOR_JOURNAL_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/journal/line.h"

enum { HOR_JOURNAL_NAME_BYTES = 64, HOR_JOURNAL_CLUSTER_BYTES = 512, HOR_JOURNAL_RUN_BYTES = 64 };
#define HOR_JOURNAL_CLOSE "</journal>\n"

/* "00000000000000004201.xml" */
void hor_journal_segment_name(uint64_t first, char out[HOR_JOURNAL_NAME_BYTES]);
bool hor_journal_segment_parse_name(const char *name, uint64_t *ret_first);

struct hor_journal_header {
    char cluster[HOR_JOURNAL_CLUSTER_BYTES], member[256];
    uint64_t first, format_version;
};
void hor_journal_header_write(const char *cluster, const char *member, uint64_t first,
                              struct hor_buf *out);
/* Reads the second line of a segment. HOR_ERR_CORRUPT. */
int hor_journal_header_read(const char *line, size_t len, struct hor_journal_header *ret,
                            struct hor_error *err);
/* Is it a version that this program reads? HOR_ERR_INVALID says which it is. */
int hor_journal_check_version(uint64_t version, struct hor_error *err);

/* A file's lines, of bounded length. */
struct hor_journal_lines {
    int fd;
    char *data;
    size_t cap, start, end;
    uint64_t offset;      /* of the line given last */
    uint64_t next_offset; /* of what follows it */
    unsigned long number; /* of the line given last, from 1; 0 when opened in the middle */
    bool eof;
};
/* Starts at `offset`. HOR_ERR_NOT_FOUND, HOR_ERR_IO. */
int hor_journal_lines_open(const char *path, uint64_t offset, struct hor_journal_lines *ret,
                           struct hor_error *err);
void hor_journal_lines_close(struct hor_journal_lines *lines);
/* 1: a line, without its newline; *ret_whole false when the file ends without one. 0: the end.
 * HOR_ERR_LIMIT: a line that is too long, HOR_ERR_IO, HOR_ERR_MEMORY. */
int hor_journal_lines_next(struct hor_journal_lines *lines, const char **ret_line, size_t *ret_len,
                           bool *ret_whole, struct hor_error *err);

/* What a walk over a whole segment found. */
struct hor_journal_segment_end {
    uint64_t last;        /* index of the last good entry, first - 1 when there is none */
    uint64_t good_bytes;  /* up to and with that entry (or the header) */
    uint64_t total_bytes;
    unsigned long line;   /* of the first bad line */
    bool has_header, closed;
    bool bad;             /* something bad follows the good part */
    bool good_after_bad;  /* and after that a good entry again: not a torn tail */
    char what[HOR_ERROR_TEXT_BYTES];
};
/* Called for each good entry with its place; negative: stop, and return that. */
typedef int hor_journal_walk_fn(const struct hor_journal_entry *entry, uint64_t offset,
                                unsigned long line, void *ctx, struct hor_error *err);
/* Walks from the beginning, checking header, checksums and numbers. Damage is told in *ret, not by
 * the return code: HOR_ERR_IO, HOR_ERR_NOT_FOUND, HOR_ERR_MEMORY, or what `each` returned. A header
 * of another version: HOR_ERR_INVALID. */
int hor_journal_segment_walk(const char *path, uint64_t first, hor_journal_walk_fn *each, void *ctx,
                             struct hor_journal_header *ret_header,
                             struct hor_journal_segment_end *ret, struct hor_error *err);

#endif

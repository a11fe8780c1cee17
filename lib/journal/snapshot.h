/* lib/journal/snapshot.h - snapshot files: the complete state at an index, and the members then.
 *   <snapshot xmlns=".." cluster=".." formatVersion="1" index="4200" term="7" at=".."
 *     configurationIndex="1" runId=".." crc="..">       (one line)
 *   <configuration>..</configuration>
 *   <state>one element</state>
 *   </snapshot>
 * crc is CRC-32C over the file's bytes without the attribute's value. Any thread. */
#ifndef HOR_JOURNAL_SNAPSHOT_H
#define HOR_JOURNAL_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/journal/segment.h"

enum { HOR_JOURNAL_SNAPSHOT_MAX = 1 << 30 }; /* bytes */

struct hor_journal_snapshot {
    uint64_t index, term, configuration_index;
    int64_t at_us;
    char run_id[HOR_JOURNAL_RUN_BYTES];
    const char *configuration; /* <configuration> element; borrowed */
    size_t configuration_len;
    const char *state; /* borrowed */
    size_t state_len;
};

/* "snapshot-4200-7.xml" */
void hor_journal_snapshot_name(uint64_t index, uint64_t term, char out[HOR_JOURNAL_NAME_BYTES]);
bool hor_journal_snapshot_parse_name(const char *name, uint64_t *ret_index, uint64_t *ret_term);

void hor_journal_snapshot_write(const struct hor_journal_snapshot *snapshot, const char *cluster,
                                struct hor_buf *out);
/* Reads a file; *ret points into `text`, which is filled. HOR_ERR_CORRUPT, HOR_ERR_INVALID: of
 * another cluster (NULL: any) or version; HOR_ERR_NOT_FOUND, HOR_ERR_LIMIT, HOR_ERR_IO. */
int hor_journal_snapshot_read(const char *path, const char *cluster, struct hor_buf *text,
                              struct hor_journal_snapshot *ret, struct hor_error *err);

#endif

/* agent/runner/records.h - the runner's memory on disk: what was started, what ended, what may be
 * forgotten. One text line a step, appended; each begins with the CRC-32C of the rest:
 *   9ae0daaf boot 1f6c...                                   host's boot id, first line
 *   ........ start TASK FENCE AT_US                         written before the program is executed
 *   ........ pid TASK FENCE PID TICKS_FROM TICKS_TO         start time as in /proc/PID/stat
 *   ........ end TASK FENCE FATE PID EXIT SIGNAL STARTED_US ENDED_US CPU_MS RSS_KB TEXT
 *   ........ forget TASK FENCE
 * Lines go out with write(2) and are not synced: the page cache survives everything but the
 * machine, and when the machine dies its tasks die too; the agent notices its new start and starts
 * nothing that was assigned before (agent/boot.c). A line that is damaged or cut is passed over. */
#ifndef HOR_AGENT_RUNNER_RECORDS_H
#define HOR_AGENT_RUNNER_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/runner/client.h"
#include "lib/base/buf.h"
#include "lib/base/error.h"

struct hor_records {
    const char *path; /* borrowed */
    int fd;
    struct hor_buf waiting; /* not yet written */
    bool torn;              /* a write failed in the middle of a line */
    int64_t bytes;
};

/* What a line says; strings are borrowed. */
struct hor_record {
    enum { HOR_RECORD_BOOT, HOR_RECORD_START, HOR_RECORD_PID, HOR_RECORD_END, HOR_RECORD_FORGET } kind;
    const char *boot;
    struct hor_runner_report report; /* task and fence; all of it for HOR_RECORD_END */
    int64_t ticks_from, ticks_to;
};
typedef int hor_record_fn(const struct hor_record *record, void *ctx);

/* Reads the file (absent: nothing) and gives each good line to fn, which may stop with an error;
 * then opens it for appending. HOR_ERR_IO, HOR_ERR_LIMIT beyond 256 MiB. */
int hor_records_open(struct hor_records *records, const char *path, hor_record_fn *fn, void *ctx,
                     struct hor_error *err);
void hor_records_done(struct hor_records *records);

/* Collect lines; hor_records_flush writes them at once. On HOR_ERR_IO they wait for the next try. */
void hor_records_boot(struct hor_records *records, const char *boot);
void hor_records_start(struct hor_records *records, const char *task, uint64_t fence, int64_t at_us);
void hor_records_pid(struct hor_records *records, const char *task, uint64_t fence, int64_t pid,
                     int64_t ticks_from, int64_t ticks_to);
void hor_records_end(struct hor_records *records, const struct hor_runner_report *report);
void hor_records_forget(struct hor_records *records, const char *task, uint64_t fence);
int hor_records_flush(struct hor_records *records, struct hor_error *err);
/* Puts the waiting lines in place of the whole file, atomically. */
int hor_records_replace(struct hor_records *records, struct hor_error *err);

#endif

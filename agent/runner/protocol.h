/* agent/runner/protocol.h - the bytes between the agent and its runner. Any thread.
 *
 * A frame is
 *   u32 length of all that follows, 2..HOR_RUNNER_FRAME_BYTES
 *   u8  version, HOR_RUNNER_VERSION
 *   u8  kind, enum hor_runner_kind
 *   ... body
 * Numbers are little-endian; i64 and u64 are 8 bytes, i32 and u32 are 4. A string is a u32 with the
 * number of its bytes, the zero byte at its end included, and the bytes; 0 means NULL. A list is a
 * u32 count and that many strings. Bodies:
 *   HELLO    (agent)  u32 zero. First on a connection.
 *   START    (agent)  string task, u64 fence, list argv, list environment, string directory, user,
 *                     log_file, output_file, i64 lease_end_ms, kill_at_ms, timeout_ms,
 *                     i32 terminate_signal, i64 grace_ms, memory_bytes, cpu_seconds, file_bytes,
 *                     processes, open_files
 *   KILL     (agent)  string task
 *   RENEW    (agent)  i64 lease_end_ms, i64 kill_at_ms
 *   FORGET   (agent)  string task, u64 fence
 *   REPORT   (runner) string task, u64 fence, i32 fate, i64 pid, i32 exit_code, i32 signal,
 *                     i64 started_us, ended_us, cpu_ms, max_rss_kb, string text
 *   READY    (runner) u32 zero. After the reports of every task that was known at HELLO.
 * A frame that is too long, too short, of another version or has bytes left over is an error, and
 * the connection ends. Times are those of client.h. */
#ifndef HOR_AGENT_RUNNER_PROTOCOL_H
#define HOR_AGENT_RUNNER_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include "agent/runner/client.h"
#include "lib/base/buf.h"

enum {
    HOR_RUNNER_VERSION = 1,
    HOR_RUNNER_FRAME_BYTES = 2 << 20, /* Linux takes no larger arguments with the usual stack */
    HOR_RUNNER_TASK_BYTES = 512,      /* of a task's id */
};

enum hor_runner_kind {
    HOR_RUNNER_HELLO = 1,
    HOR_RUNNER_START,
    HOR_RUNNER_KILL,
    HOR_RUNNER_RENEW,
    HOR_RUNNER_FORGET,
    HOR_RUNNER_REPORT = 64,
    HOR_RUNNER_READY,
};

/* One frame that was received; `body` is borrowed from the buffer. */
struct hor_runner_frame {
    enum hor_runner_kind kind;
    const char *body;
    size_t len;
};

/* Each appends one frame; a frame that would be too long marks the buffer failed. */
void hor_runner_put_empty(struct hor_buf *out, enum hor_runner_kind kind); /* HELLO, READY */
void hor_runner_put_start(struct hor_buf *out, const struct hor_runner_job *job);
void hor_runner_put_task(struct hor_buf *out, enum hor_runner_kind kind, const char *task,
                         uint64_t fence); /* KILL (fence unused), FORGET */
void hor_runner_put_renew(struct hor_buf *out, int64_t lease_end_ms, int64_t kill_at_ms);
void hor_runner_put_report(struct hor_buf *out, const struct hor_runner_report *report);

/* Looks for a frame at data[*pos..len). 1: found, *pos moves behind it; 0: more bytes are needed;
 * HOR_ERR_INVALID: not this protocol. */
int hor_runner_next_frame(const char *data, size_t len, size_t *pos,
                          struct hor_runner_frame *ret_frame);
/* Decode a frame's body. Strings are borrowed from the frame. HOR_ERR_INVALID, HOR_ERR_MEMORY.
 * `*ret_lists` holds argv and environment: free() it when done with the job. */
int hor_runner_get_start(const struct hor_runner_frame *frame, struct hor_runner_job *ret_job,
                         void **ret_lists);
int hor_runner_get_task(const struct hor_runner_frame *frame, const char **ret_task,
                        uint64_t *ret_fence);
int hor_runner_get_renew(const struct hor_runner_frame *frame, int64_t *ret_lease_end_ms,
                         int64_t *ret_kill_at_ms);
int hor_runner_get_report(const struct hor_runner_frame *frame, struct hor_runner_report *ret);

#endif

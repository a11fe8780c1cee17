/* lib/base/fd.h - files and descriptors. Every descriptor is close-on-exec from birth. Any thread. */
#ifndef HOR_BASE_FD_H
#define HOR_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

/* Writes all of it, through EINTR and short writes. HOR_ERR_IO with errno's words. */
int hor_fd_write_all(int fd, const void *data, size_t len, struct hor_error *err);
/* Appends the whole file to `out`. HOR_ERR_NOT_FOUND, HOR_ERR_LIMIT beyond max_bytes, HOR_ERR_IO. */
int hor_file_read(const char *path, size_t max_bytes, struct hor_buf *out, struct hor_error *err);
/* Writes to a temporary name beside `path`, syncs, renames, syncs the folder: after a crash there
 * is the old or the new file, whole. */
int hor_file_write_atomic(const char *path, const void *data, size_t len, mode_t mode,
                          struct hor_error *err);
int hor_dir_make(const char *path, mode_t mode, struct hor_error *err); /* like mkdir -p */
int hor_dir_sync(const char *path, struct hor_error *err);
/* dir + "/" + name, new string. */
char *hor_path_join(const char *dir, const char *name);
/* Takes an exclusive lock on path (created when missing), held until the descriptor is closed.
 * HOR_ERR_BUSY when another process holds it. */
int hor_file_lock(const char *path, int *ret_fd, struct hor_error *err);

#endif

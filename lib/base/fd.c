#define _GNU_SOURCE /* mkostemp */
#include "lib/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/str.h"

int hor_fd_write_all(int fd, const void *data, size_t len, struct hor_error *err)
{
    const char *from = data;
    while (len > 0) {
        ssize_t written = write(fd, from, len);
        if (written < 0) {
            if (errno == EINTR)
                continue;
            return hor_error_set_errno(err, HOR_ERR_IO, errno, "write");
        }
        from += written;
        len -= (size_t)written;
    }
    return HOR_OK;
}

int hor_file_read(const char *path, size_t max_bytes, struct hor_buf *out, struct hor_error *err)
{
    size_t start = out->len;
    int code = HOR_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int why = errno;
        return hor_error_set_errno(err, why == ENOENT ? HOR_ERR_NOT_FOUND : HOR_ERR_IO, why, "%s",
                                   path);
    }
    struct stat status;
    size_t step = 65536;
    if (fstat(fd, &status) == 0 && status.st_size > 0 && (uintmax_t)status.st_size < max_bytes)
        step = (size_t)status.st_size + 1; /* one read for the whole, one to see the end */
    for (;;) {
        if (!hor_buf_reserve(out, step)) {
            code = hor_error_set(err, HOR_ERR_MEMORY, "%s: out of memory", path);
            break;
        }
        ssize_t got = read(fd, out->data + out->len, step);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            code = hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", path);
            break;
        }
        if (got == 0)
            break;
        out->len += (size_t)got;
        if (out->len - start > max_bytes) {
            code = hor_error_set(err, HOR_ERR_LIMIT, "%s: larger than %zu bytes", path, max_bytes);
            break;
        }
    }
    close(fd);
    if (code != HOR_OK)
        out->len = start;
    if (out->data != NULL)
        out->data[out->len] = '\0';
    return code;
}

char *hor_path_join(const char *dir, const char *name)
{
    size_t len = strlen(dir);
    return hor_str_printf(len > 0 && dir[len - 1] == '/' ? "%s%s" : "%s/%s", dir, name);
}

/* The folder that holds `path`, new string. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

int hor_dir_sync(const char *path, struct hor_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        return hor_error_set_errno(err, HOR_ERR_IO, why, "sync folder %s", path);
    }
    close(fd);
    return HOR_OK;
}

int hor_file_write_atomic(const char *path, const void *data, size_t len, mode_t mode,
                          struct hor_error *err)
{
    char *temporary = hor_str_printf("%s.XXXXXX", path), *folder = folder_of(path);
    int code = HOR_OK, fd = -1;
    if (temporary == NULL || folder == NULL) {
        code = hor_error_set(err, HOR_ERR_MEMORY, "%s: out of memory", path);
        goto out;
    }
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        code = hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", temporary);
        goto out;
    }
    code = hor_fd_write_all(fd, data, len, err);
    if (code != HOR_OK)
        hor_error_prefix(err, "%s", temporary);
    else if (fchmod(fd, mode) != 0 || fsync(fd) != 0)
        code = hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", temporary);
    else if (rename(temporary, path) != 0)
        code = hor_error_set_errno(err, HOR_ERR_IO, errno, "rename %s to %s", temporary, path);
    if (code != HOR_OK)
        unlink(temporary);
    else
        code = hor_dir_sync(folder, err);
out:
    if (fd >= 0)
        close(fd);
    free(temporary);
    free(folder);
    return code;
}

static bool is_dir(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

int hor_dir_make(const char *path, mode_t mode, struct hor_error *err)
{
    char *copy = strdup(path);
    int code = HOR_OK;
    if (copy == NULL || *path == '\0') {
        free(copy);
        return hor_error_set(err, *path == '\0' ? HOR_ERR_INVALID : HOR_ERR_MEMORY,
                             "make folder '%s'", path);
    }
    /* Mostly only the last one is missing, or none: parents are looked at when they are. */
    if (mkdir(copy, mode) == 0 || (errno == EEXIST && is_dir(copy))) {
        free(copy);
        return HOR_OK;
    }
    for (char *at = copy + 1; code == HOR_OK; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char end = *at;
        *at = '\0';
        if (mkdir(copy, mode) != 0 && !(errno == EEXIST && is_dir(copy)))
            code = hor_error_set_errno(err, HOR_ERR_IO, errno, "make folder %s", copy);
        *at = end;
        if (end == '\0')
            break;
    }
    free(copy);
    return code;
}

int hor_file_lock(const char *path, int *ret_fd, struct hor_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int why = errno;
        close(fd);
        if (why == EWOULDBLOCK)
            return hor_error_set(err, HOR_ERR_BUSY, "%s: locked by another process", path);
        return hor_error_set_errno(err, HOR_ERR_IO, why, "lock %s", path);
    }
    *ret_fd = fd;
    return HOR_OK;
}

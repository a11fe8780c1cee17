#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

enum { LINE_BYTES = 4096 };

static const char *const level_name[] = {"error", "warning", "info", "debug"};
static const char *log_program = "horarium";
static char *log_path;
static int log_fd = STDERR_FILENO;
static atomic_int log_level = HOR_LOG_INFO;

static int open_log(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

int hor_log_open(const char *program, const char *path, enum hor_log_level level,
                 struct hor_error *err)
{
    int fd = STDERR_FILENO;
    char *copy = NULL;
    if (path != NULL) {
        copy = strdup(path);
        if (copy == NULL)
            return hor_error_set(err, HOR_ERR_MEMORY, "log '%s': out of memory", path);
        fd = open_log(path);
        if (fd < 0) {
            int why = errno;
            free(copy);
            return hor_error_set_errno(err, HOR_ERR_IO, why, "log '%s'", path);
        }
    }
    if (log_fd != STDERR_FILENO)
        close(log_fd);
    free(log_path);
    log_path = copy;
    log_fd = fd;
    log_program = program;
    hor_log_set_level(level);
    return HOR_OK;
}

/* The number stays, so that other threads write on without a lock. */
void hor_log_reopen(void)
{
    if (log_path == NULL)
        return;
    int fd = open_log(log_path);
    if (fd < 0) {
        hor_log_error("log '%s': cannot be opened again: %s", log_path, strerror(errno));
        return;
    }
    if (dup2(fd, log_fd) >= 0)
        fcntl(log_fd, F_SETFD, FD_CLOEXEC);
    close(fd);
}

void hor_log_set_level(enum hor_log_level level) { atomic_store(&log_level, (int)level); }

void hor_log(enum hor_log_level level, const char *format, ...)
{
    if ((int)level > atomic_load(&log_level))
        return;
    int saved = errno;
    char line[LINE_BYTES], at[HOR_TIME_TEXT_BYTES];
    int head = snprintf(line, sizeof line, "%s %s[%ld] %s: ",
                        hor_time_format_us(hor_clock_utc_us(), at), log_program, (long)getpid(),
                        level_name[level]);
    size_t len = (size_t)head;
    va_list args;
    va_start(args, format);
    int body = vsnprintf(line + len, sizeof line - len - 1, format, args);
    va_end(args);
    if (body > 0)
        len += (size_t)body < sizeof line - len - 1 ? (size_t)body : sizeof line - len - 2;
    for (size_t i = (size_t)head; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F)
            line[i] = ' '; /* nothing from outside begins a line of its own */
    line[len++] = '\n';
    ssize_t written;
    do
        written = write(log_fd, line, len);
    while (written < 0 && errno == EINTR);
    errno = saved; /* a full disk must not stop the program: nothing to tell it to */
}

const char *hor_log_quote(const char *text, char *out, size_t out_bytes)
{
    size_t at = 0;
    if (out_bytes < 8) {
        if (out_bytes > 0)
            out[0] = '\0';
        return out;
    }
    out[at++] = '\'';
    for (const char *c = text != NULL ? text : ""; *c != '\0'; c++) {
        unsigned char byte = (unsigned char)*c;
        bool plain = byte >= 0x20 && byte != 0x7F && byte != '\'' && byte != '\\';
        if (at + 6 > out_bytes) { /* the longest escape, the closing quote, the end */
            break;
        }
        if (plain)
            out[at++] = *c;
        else if (byte == '\'' || byte == '\\') {
            out[at++] = '\\';
            out[at++] = *c;
        } else {
            at += (size_t)snprintf(out + at, 5, "\\x%02x", byte);
        }
    }
    out[at++] = '\'';
    out[at] = '\0';
    return out;
}

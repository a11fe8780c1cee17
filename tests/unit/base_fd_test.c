#include "lib/base/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "tests/lib/tap.h"

static void test_files(void)
{
    struct hor_error err = {0};
    struct hor_buf buf = HOR_BUF_INIT;
    char *dir = hor_path_join(hor_tap_tmpdir(), "a/b//c");
    is_int(hor_dir_make(dir, 0755, &err), HOR_OK, "a folder with its parents");
    is_int(hor_dir_make(dir, 0755, &err), HOR_OK, "which may be there already");
    char *path = hor_path_join(dir, "file");
    is_int(hor_file_read(path, 100, &buf, &err), HOR_ERR_NOT_FOUND, "a file that is not there");
    like(err.text, "file: No such file", "is named");
    is_int(hor_file_write_atomic(path, "hello", 5, 0640, &err), HOR_OK, "written");
    is_int(hor_file_write_atomic(path, "world!", 6, 0600, &err), HOR_OK, "and replaced");
    struct stat status;
    ok(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600, "with its mode");
    hor_buf_puts(&buf, "> ");
    is_int(hor_file_read(path, 6, &buf, &err), HOR_OK, "read, as large as is allowed");
    is(hor_buf_text(&buf), "> world!", "after what stood there");
    is_int(hor_file_read(path, 5, &buf, &err), HOR_ERR_LIMIT, "too large by one");
    is(hor_buf_text(&buf), "> world!", "leaves the buffer as it was");
    is_int(hor_file_write_atomic(dir, "x", 1, 0600, &err), HOR_ERR_IO, "a folder is in the way");
    char *below = hor_path_join(path, "x");
    is_int(hor_dir_make(below, 0755, &err), HOR_ERR_IO, "a file is in the way");
    is_int(hor_file_read("/proc/self/stat", 10000, &buf, &err), HOR_OK, "a file without a size");

    int first = -1, second = -1;
    is_int(hor_file_lock(path, &first, &err), HOR_OK, "locked");
    is_int(hor_file_lock(path, &second, &err), HOR_ERR_BUSY, "not twice");
    ok(second == -1 && (fcntl(first, F_GETFD) & FD_CLOEXEC) != 0, "close-on-exec");
    close(first);
    is_int(hor_file_lock(path, &second, &err), HOR_OK, "free once closed");
    close(second);
    hor_buf_done(&buf);
    free(below);
    free(path);
    free(dir);
}

static void test_log(void)
{
    struct hor_error err = {0};
    struct hor_buf buf = HOR_BUF_INIT;
    char *path = hor_path_join(hor_tap_tmpdir(), "log"), *old = hor_path_join(hor_tap_tmpdir(), "log.1");
    char quoted[64], small[12];
    is_int(hor_log_open("tester", path, HOR_LOG_INFO, &err), HOR_OK, "log opened");
    hor_log_info("job=%s started", hor_log_quote("a'b\\c\nd\x7f", quoted, sizeof quoted));
    hor_log_debug("not seen");
    rename(path, old);
    hor_log_reopen();
    hor_log_error("one\nline");
    hor_file_read(old, 10000, &buf, &err);
    like(hor_buf_text(&buf), " info: job='a\\'b\\\\c\\x0ad\\x7f' started\n", "quoted and logged");
    ok(strstr(hor_buf_text(&buf), "not seen") == NULL, "below the level: not written");
    hor_buf_clear(&buf);
    hor_file_read(path, 10000, &buf, &err);
    like(hor_buf_text(&buf), "] error: one line\n", "after reopening; a message is one line");
    is(hor_log_quote("0123456789abcdef", small, sizeof small), "'012345'", "cut to fit");
    is_int(hor_log_open("tester", "/nonexistent/log", HOR_LOG_INFO, &err), HOR_ERR_IO, "no folder");
    hor_log_open("tester", NULL, HOR_LOG_INFO, NULL);
    hor_buf_done(&buf);
    free(path);
    free(old);
}

static void test_errors(void)
{
    struct hor_error err;
    is_int(hor_error_set(&err, HOR_ERR_STATE, "run %d", 7), HOR_ERR_STATE, "code is returned");
    is_int(hor_error_prefix(&err, "load %s", "jobs.xml"), HOR_ERR_STATE, "and kept");
    is(err.text, "load jobs.xml: run 7", "a caller's part in front");
    hor_error_set_errno(&err, HOR_ERR_IO, 2, "open %s", err.text);
    like(err.text, "open load jobs.xml: run 7: No such file", "errno's words at the end");
    for (int i = 0; i < 200; i++)
        hor_error_prefix(&err, "more and more");
    is_int(strlen(err.text), HOR_ERROR_TEXT_BYTES - 1, "cut, never overrun");
    is_int(hor_error_set(NULL, HOR_ERR_IO, "nobody"), HOR_ERR_IO, "nobody need listen");
    is(hor_error_words(HOR_ERR_BUSY), "busy, try again", "words of a code");
    is(hor_error_words(-999), "unknown error", "of an unknown one");
}

int main(void)
{
    test_files();
    test_log();
    test_errors();
    return done_testing();
}

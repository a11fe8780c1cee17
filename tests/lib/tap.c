#define _GNU_SOURCE /* nftw */
#include "tests/lib/tap.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int count, failed;
static char tmpdir[4096];

static void line(bool passed, const char *directive, const char *format, va_list args)
{
    if (count == 0)
        setvbuf(stdout, NULL, _IOLBF, 0); /* a crash still shows what came before it */
    if (count == 0)
        printf("TAP version 13\n");
    printf("%s %d - ", passed ? "ok" : "not ok", ++count);
    vprintf(format, args);
    printf("%s\n", directive);
    failed += !passed;
}

#define TEST_LINE(passed, directive)                                                               \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        line((passed), (directive), format, args);                                                 \
        va_end(args);                                                                              \
    } while (0)

/* A text of several lines stays inside the comment. */
static void diag_text(const char *label, const char *text)
{
    printf("#   %s: ", label);
    if (text == NULL)
        printf("(null)");
    for (const char *c = text; c != NULL && *c != '\0'; c++) {
        putchar(*c);
        if (*c == '\n' && c[1] != '\0')
            printf("#     ");
    }
    putchar('\n');
}

bool hor_tap_ok(bool passed, const char *file, int at, const char *condition, const char *format,
                ...)
{
    TEST_LINE(passed, "");
    if (!passed)
        diag("failed at %s:%d: %s", file, at, condition);
    return passed;
}

bool hor_tap_is(const char *got, const char *wanted, const char *file, int at, const char *format,
                ...)
{
    bool passed = got == wanted || (got != NULL && wanted != NULL && strcmp(got, wanted) == 0);
    TEST_LINE(passed, "");
    if (!passed) {
        diag("failed at %s:%d", file, at);
        diag_text("got", got);
        diag_text("wanted", wanted);
    }
    return passed;
}

bool hor_tap_is_int(long long got, long long wanted, const char *file, int at, const char *format,
                    ...)
{
    TEST_LINE(got == wanted, "");
    if (got != wanted)
        diag("failed at %s:%d: got %lld, wanted %lld", file, at, got, wanted);
    return got == wanted;
}

bool hor_tap_like(const char *got, const char *part, const char *file, int at, const char *format,
                  ...)
{
    bool passed = got != NULL && strstr(got, part) != NULL;
    TEST_LINE(passed, "");
    if (!passed) {
        diag("failed at %s:%d", file, at);
        diag_text("got", got);
        diag_text("wanted part", part);
    }
    return passed;
}

void diag(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("# ");
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

void skip(const char *format, ...) { TEST_LINE(true, " # SKIP"); }

int done_testing(void)
{
    printf("1..%d\n", count);
    if (failed > 0)
        diag("%d of %d failed", failed, count);
    return failed > 0 || count == 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
    (void)status;
    (void)kind;
    (void)ftw;
    remove(path);
    return 0;
}

static pid_t tmpdir_owner;

static void remove_tmpdir(void)
{
    if (getpid() == tmpdir_owner) /* not in a forked child */
        nftw(tmpdir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *hor_tap_tmpdir(void)
{
    if (tmpdir[0] == '\0') {
        const char *base = getenv("TMPDIR");
        snprintf(tmpdir, sizeof tmpdir, "%s/horarium-test-XXXXXX",
                 base != NULL && *base != '\0' ? base : "/tmp");
        if (mkdtemp(tmpdir) == NULL) {
            printf("Bail out! cannot make %s\n", tmpdir);
            exit(1);
        }
        tmpdir_owner = getpid();
        atexit(remove_tmpdir);
    }
    return tmpdir;
}

const char *hor_tap_srcdir(void)
{
    const char *folder = getenv("HOR_SRCDIR");
    return folder != NULL && *folder != '\0' ? folder : ".";
}

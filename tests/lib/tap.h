/* tests/lib/tap.h - Test Anything Protocol, version 13, for the unit tests. One thread. */
#ifndef HOR_TESTS_TAP_H
#define HOR_TESTS_TAP_H

#include <stdbool.h>
#include <stddef.h>

/* One test line each; all return whether it passed. */
#define ok(condition, ...) hor_tap_ok(!!(condition), __FILE__, __LINE__, #condition, __VA_ARGS__)
#define is(got, wanted, ...) hor_tap_is((got), (wanted), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, wanted, ...)                                                                   \
    hor_tap_is_int((long long)(got), (long long)(wanted), __FILE__, __LINE__, __VA_ARGS__)
/* `got` must contain `part`. */
#define like(got, part, ...) hor_tap_like((got), (part), __FILE__, __LINE__, __VA_ARGS__)

bool hor_tap_ok(bool passed, const char *file, int line, const char *condition, const char *format,
                ...) __attribute__((format(printf, 5, 6)));
bool hor_tap_is(const char *got, const char *wanted, const char *file, int line, const char *format,
                ...) __attribute__((format(printf, 5, 6)));
bool hor_tap_is_int(long long got, long long wanted, const char *file, int line, const char *format,
                    ...) __attribute__((format(printf, 5, 6)));
bool hor_tap_like(const char *got, const char *part, const char *file, int line, const char *format,
                  ...) __attribute__((format(printf, 5, 6)));
void diag(const char *format, ...) __attribute__((format(printf, 1, 2)));
void skip(const char *format, ...) __attribute__((format(printf, 1, 2))); /* one skipped test */
/* Prints the plan; the exit status: 0 when all passed. */
int done_testing(void);
/* A new empty folder under $TMPDIR, removed with all in it at exit. Borrowed for the process. */
const char *hor_tap_tmpdir(void);
/* The folder of the sources, for fixtures: $HOR_SRCDIR or ".". */
const char *hor_tap_srcdir(void);

#endif

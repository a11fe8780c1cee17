/* lib/base/error.h - how every part of Horarium reports failure.
 * A function that can fail returns HOR_OK (0) or a negative HOR_ERR_* code and takes, last, a
 * `struct hor_error *err` that may be NULL. The text names the object; each caller puts its own
 * part in front with hor_error_prefix: "load jobs.xml: line 12: unknown calendar 'EOM'".
 * On failure outputs are untouched and the caller still owns what it passed. Any thread. */
#ifndef HOR_BASE_ERROR_H
#define HOR_BASE_ERROR_H

#include <stddef.h>

/* name, value, words for people */
#define HOR_ERROR_TABLE(X)                                                                         \
    X(HOR_ERR_MEMORY, -1, "out of memory")                                                         \
    X(HOR_ERR_INVALID, -2, "invalid input")                                                        \
    X(HOR_ERR_NOT_FOUND, -3, "not found")                                                          \
    X(HOR_ERR_EXISTS, -4, "exists already")                                                        \
    X(HOR_ERR_STATE, -5, "not possible in this state")                                             \
    X(HOR_ERR_IO, -6, "input or output failed")                                                    \
    X(HOR_ERR_LIMIT, -7, "a limit was passed")                                                     \
    X(HOR_ERR_BUSY, -8, "busy, try again")                                                         \
    X(HOR_ERR_CORRUPT, -9, "damaged data")                                                         \
    X(HOR_ERR_NOT_ACTIVE, -10, "not the active member")                                            \
    X(HOR_ERR_UNREACHABLE, -11, "partner not reachable")                                           \
    X(HOR_ERR_TIMEOUT, -12, "timed out")                                                           \
    X(HOR_ERR_DENIED, -13, "not allowed")                                                          \
    X(HOR_ERR_UNAUTHENTICATED, -14, "not signed in")                                               \
    X(HOR_ERR_CONFLICT, -15, "changed meanwhile")                                                  \
    X(HOR_ERR_INTERNAL, -16, "internal error")

enum {
    HOR_OK = 0,
#define HOR_ERROR_ENUM(name, value, words) name = value,
    HOR_ERROR_TABLE(HOR_ERROR_ENUM)
#undef HOR_ERROR_ENUM
};

enum { HOR_ERROR_TEXT_BYTES = 1024 };

struct hor_error {
    int code;
    char text[HOR_ERROR_TEXT_BYTES]; /* always terminated; cut, never overrun */
};

/* Records `code` and the formatted text, and returns `code`, so that one can `return` it. */
int hor_error_set(struct hor_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Like hor_error_set and appends ": " and strerror(errno_value). */
int hor_error_set_errno(struct hor_error *err, int code, int errno_value, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Puts the formatted text and ": " in front of the text that stands there; returns err's code
 * (HOR_ERR_INTERNAL when err is NULL: pass the code along yourself then). */
int hor_error_prefix(struct hor_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Words of a code, never NULL. */
const char *hor_error_words(int code);

#endif

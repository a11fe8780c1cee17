/* lib/base/str.h - small helpers on strings: times, numbers, random ids. Any thread. */
#ifndef HOR_BASE_STR_H
#define HOR_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOR_TIME_TEXT_BYTES = 32, HOR_UUID_BYTES = 37 };

char *hor_strdup(const char *text); /* NULL gives NULL */
bool hor_str_equal(const char *a, const char *b); /* NULL equals only NULL */
bool hor_str_starts(const char *text, const char *prefix);
/* printf into a new string the caller frees; NULL when memory is out. */
char *hor_str_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whole-string decimal numbers; HOR_ERR_INVALID for anything else, out of range included. */
int hor_str_to_int64(const char *text, int64_t *ret);
int hor_str_to_uint64(const char *text, uint64_t *ret);

/* xsd:dateTime in UTC with microseconds, "2026-11-24T03:00:00.123456Z". */
const char *hor_time_format_us(int64_t utc_us, char out[HOR_TIME_TEXT_BYTES]);
/* Parses xsd:dateTime with zone (Z or ±hh:mm), any number of fraction digits. HOR_ERR_INVALID. */
int hor_time_parse_us(const char *text, int64_t *ret_utc_us);
/* xsd:duration of days and less ("P1DT2H3.5S"; years and months are refused: they have no fixed
 * length). Milliseconds. HOR_ERR_INVALID. */
int hor_duration_parse_ms(const char *text, int64_t *ret_ms);
/* xsd:duration text of ms, at least 32 bytes. */
const char *hor_duration_format_ms(int64_t ms, char out[HOR_TIME_TEXT_BYTES]);

/* The length of the UTF-8 sequence at `text` when it is well-formed and a character that XML 1.0
 * allows; else 0. Reads no further than the first byte that does not belong. */
size_t hor_utf8_length(const char *text);

/* A random UUID (RFC 9562 version 4) from getrandom(2). */
void hor_uuid(char out[HOR_UUID_BYTES]);
/* Lower-case hexadecimal of `len` bytes; `out` holds 2 * len + 1. */
void hor_hex(const void *data, size_t len, char *out);
/* Constant-time comparison for secrets. */
bool hor_secret_equal(const char *a, const char *b);

#endif

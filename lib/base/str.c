#include "lib/base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/error.h"

char *hor_strdup(const char *text) { return text != NULL ? strdup(text) : NULL; }

bool hor_str_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool hor_str_starts(const char *text, const char *prefix)
{
    return text != NULL && strncmp(text, prefix, strlen(prefix)) == 0;
}

char *hor_str_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : malloc((size_t)len + 1);
    if (text == NULL)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

int hor_str_to_uint64(const char *text, uint64_t *ret)
{
    uint64_t value = 0;
    if (text == NULL || *text == '\0')
        return HOR_ERR_INVALID;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return HOR_ERR_INVALID;
        unsigned digit = (unsigned)(*text - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return HOR_ERR_INVALID;
        value = value * 10 + digit;
    }
    *ret = value;
    return HOR_OK;
}

int hor_str_to_int64(const char *text, int64_t *ret)
{
    bool negative = text != NULL && *text == '-';
    uint64_t value = 0;
    if (hor_str_to_uint64(negative ? text + 1 : text, &value) != HOR_OK)
        return HOR_ERR_INVALID;
    if (value > (uint64_t)INT64_MAX + negative)
        return HOR_ERR_INVALID;
    *ret = negative ? (int64_t)(0 - value) : (int64_t)value;
    return HOR_OK;
}

size_t hor_utf8_length(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80)
        return s[0] >= 0x20 || s[0] == '\t' || s[0] == '\n' || s[0] == '\r';
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    size_t len = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    uint32_t point = s[0] & (0xFFu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        point = point << 6 | (s[i] & 0x3Fu);
    }
    if ((len == 3 && point < 0x800) || (len == 4 && (point < 0x10000 || point > 0x10FFFF)))
        return 0; /* longer than needed, or beyond Unicode */
    if ((point >= 0xD800 && point <= 0xDFFF) || point == 0xFFFE || point == 0xFFFF)
        return 0;
    return len;
}

/* When the system gives no randomness nothing that needs it may go on. */
void hor_uuid(char out[HOR_UUID_BYTES])
{
    unsigned char b[16];
    ssize_t got;
    do
        got = getrandom(b, sizeof b, 0);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof b)
        abort();
    b[6] = (b[6] & 0x0F) | 0x40;
    b[8] = (b[8] & 0x3F) | 0x80;
    snprintf(out, HOR_UUID_BYTES,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

void hor_hex(const void *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

bool hor_secret_equal(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return false;
    size_t a_len = strlen(a), b_len = strlen(b);
    volatile unsigned char difference = a_len != b_len;
    for (size_t i = 0; i < a_len; i++) /* as long as `a`, whatever `b` is */
        difference |= (unsigned char)(a[i] ^ (b_len > 0 ? b[i % b_len] : 0));
    return difference == 0;
}

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

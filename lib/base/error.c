#include "lib/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Formats apart first: the arguments may point into err->text. */
static void set_text(struct hor_error *err, const char *format, va_list args)
{
    char text[HOR_ERROR_TEXT_BYTES];
    vsnprintf(text, sizeof text, format, args);
    memcpy(err->text, text, sizeof text);
}

static void append(struct hor_error *err, const char *separator, const char *text)
{
    size_t len = strlen(err->text);
    snprintf(err->text + len, sizeof err->text - len, "%s%s", separator, text);
}

int hor_error_set(struct hor_error *err, int code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        set_text(err, format, args);
        va_end(args);
        err->code = code;
    }
    return code;
}

int hor_error_set_errno(struct hor_error *err, int code, int errno_value, const char *format, ...)
{
    if (err != NULL) {
        char words[128];
        va_list args;
        va_start(args, format);
        set_text(err, format, args);
        va_end(args);
        if (strerror_r(errno_value, words, sizeof words) != 0)
            snprintf(words, sizeof words, "error %d", errno_value);
        append(err, ": ", words);
        err->code = code;
    }
    return code;
}

int hor_error_prefix(struct hor_error *err, const char *format, ...)
{
    if (err == NULL)
        return HOR_ERR_INTERNAL;
    char old[HOR_ERROR_TEXT_BYTES];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, format);
    set_text(err, format, args);
    va_end(args);
    append(err, ": ", old);
    return err->code;
}

const char *hor_error_words(int code)
{
    switch (code) {
    case HOR_OK:
        return "ok";
#define HOR_ERROR_CASE(name, value, words)                                                         \
    case name:                                                                                     \
        return words;
        HOR_ERROR_TABLE(HOR_ERROR_CASE)
#undef HOR_ERROR_CASE
    default:
        return "unknown error";
    }
}

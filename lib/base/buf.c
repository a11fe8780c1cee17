#include "lib/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"

void hor_buf_done(struct hor_buf *buf)
{
    free(buf->data);
    *buf = HOR_BUF_INIT;
}

void hor_buf_clear(struct hor_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

bool hor_buf_reserve(struct hor_buf *buf, size_t len)
{
    if (buf->failed)
        return false;
    if (buf->data != NULL && len < buf->cap - buf->len)
        return true;
    if (len > SIZE_MAX / 4 || buf->len > SIZE_MAX / 4) {
        buf->failed = true;
        return false;
    }
    size_t wanted = buf->len + len + 1;
    size_t cap = buf->cap < 64 ? 64 : buf->cap;
    while (cap < wanted)
        cap *= 2;
    char *data = realloc(buf->data, cap);
    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    buf->data[buf->len] = '\0';
    return true;
}

void hor_buf_add(struct hor_buf *buf, const void *data, size_t len)
{
    if (!hor_buf_reserve(buf, len))
        return;
    if (len > 0)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void hor_buf_puts(struct hor_buf *buf, const char *text)
{
    if (text != NULL)
        hor_buf_add(buf, text, strlen(text));
}

void hor_buf_putc(struct hor_buf *buf, char c) { hor_buf_add(buf, &c, 1); }

void hor_buf_printf(struct hor_buf *buf, const char *format, ...)
{
    if (!hor_buf_reserve(buf, 64))
        return;
    for (;;) {
        size_t room = buf->cap - buf->len;
        va_list args;
        va_start(args, format);
        int len = vsnprintf(buf->data + buf->len, room, format, args);
        va_end(args);
        if (len >= 0 && (size_t)len < room) {
            buf->len += (size_t)len;
            return;
        }
        buf->data[buf->len] = '\0';
        if (len < 0) {
            buf->failed = true;
            return;
        }
        if (!hor_buf_reserve(buf, (size_t)len))
            return;
    }
}

const char *hor_buf_text(const struct hor_buf *buf) { return buf->data != NULL ? buf->data : ""; }

char *hor_buf_take(struct hor_buf *buf)
{
    char *text = NULL;
    if (hor_buf_reserve(buf, 0)) {
        text = buf->data;
        *buf = HOR_BUF_INIT;
    } else {
        hor_buf_done(buf);
    }
    return text;
}

void hor_buf_xml(struct hor_buf *buf, const char *text)
{
    if (text == NULL)
        return;
    const unsigned char *s = (const unsigned char *)text;
    const unsigned char *from = s; /* what is not yet copied */
    while (*s != '\0') {
        const char *instead = NULL;
        size_t len = 1;
        switch (*s) {
        case '&':
            instead = "&amp;";
            break;
        case '<':
            instead = "&lt;";
            break;
        case '>':
            instead = "&gt;";
            break;
        case '"':
            instead = "&quot;";
            break;
        case '\t':
            instead = "&#9;";
            break;
        case '\n':
            instead = "&#10;";
            break;
        case '\r':
            instead = "&#13;";
            break;
        default:
            if (*s < 0x20) {
                instead = "\xEF\xBF\xBD";
            } else if (*s >= 0x80 && (len = hor_utf8_length((const char *)s)) == 0) {
                instead = "\xEF\xBF\xBD";
                len = 1;
            }
        }
        if (instead != NULL) {
            hor_buf_add(buf, from, (size_t)(s - from));
            hor_buf_puts(buf, instead);
            from = s + len;
        }
        s += len;
    }
    hor_buf_add(buf, from, (size_t)(s - from));
}

/* server/controller/logview.c - bytes of a log as lines and runs for a page. Colours are those of
 * ECMA-48 (SGR); every other control sequence is left out. */
#include <stdlib.h>
#include <string.h>

#include "server/controller/internal.h"

enum { LINE_BYTES = 16 * 1024, SEQUENCE_BYTES = 64 }; /* longer lines are cut into several */

struct look {
    bool bold;
    int colour; /* 0-7, -1: none */
};

static bool plain(const struct look *look) { return !look->bold && look->colour < 0; }

static void open_run(const struct look *look, struct hor_buf *out)
{
    if (plain(look))
        hor_buf_puts(out, "<run>");
    else if (look->colour < 0)
        hor_buf_puts(out, "<run class=\"ansi-b\">");
    else
        hor_buf_printf(out, "<run class=\"ansi-f%d%s\">", look->colour,
                       look->bold ? " ansi-b" : "");
}

static void set_look(struct look *look, const char *text, size_t len)
{
    int number = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && text[i] >= '0' && text[i] <= '9') {
            number = number < 1000 ? number * 10 + (text[i] - '0') : number;
            continue;
        }
        if (number == 0)
            *look = (struct look){false, -1};
        else if (number == 1)
            look->bold = true;
        else if (number == 22)
            look->bold = false;
        else if (number >= 30 && number <= 37)
            look->colour = number - 30;
        else if (number >= 90 && number <= 97)
            look->colour = number - 90;
        else if (number == 39)
            look->colour = -1;
        else if (number == 38 || number == 48)
            return; /* colours of a palette: not shown, their numbers mean nothing alone */
        number = 0;
    }
}

/* Length of the control sequence at text[0] == ESC, at least 1; an SGR changes the look. */
static size_t control(const char *text, size_t len, struct look *look)
{
    if (len < 2 || text[1] != '[')
        return len < 2 ? 1 : 2;
    size_t i = 2;
    while (i < len && i < SEQUENCE_BYTES && (unsigned char)text[i] >= 0x20 &&
           (unsigned char)text[i] < 0x40)
        i++;
    if (i >= len || i >= SEQUENCE_BYTES)
        return i;
    if (text[i] == 'm')
        set_look(look, text + 2, i - 2);
    return i + 1;
}

static size_t utf8(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    }
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F) ||
        (p[0] == 0xEF && p[1] == 0xBF && p[2] > 0xBD))
        return 0;
    return n;
}

static void write_text(const char *text, size_t len, struct look *look, struct hor_buf *out)
{
    bool open = false;
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        if (c == 0x1B) {
            if (open)
                hor_buf_puts(out, "</run>");
            open = false;
            i += control(text + i, len - i, look);
            continue;
        }
        if (!open)
            open_run(look, out);
        open = true;
        size_t n = utf8((const unsigned char *)text + i, len - i);
        if (n == 0 || (c < 0x20 && c != '\t') || c == 0x7F) {
            if (c != '\r')
                hor_buf_puts(out, "\xEF\xBF\xBD");
            n = 1;
        } else if (c == '<')
            hor_buf_puts(out, "&lt;");
        else if (c == '>')
            hor_buf_puts(out, "&gt;");
        else if (c == '&')
            hor_buf_puts(out, "&amp;");
        else
            hor_buf_add(out, text + i, n);
        i += n;
    }
    if (open)
        hor_buf_puts(out, "</run>");
}

void hor_log_view_write(const struct hor_log_view *view, bool whole_lines, struct hor_buf *out,
                        int64_t *ret_next, int64_t *ret_line)
{
    size_t at = 0;
    int64_t line = view->line;
    struct look look = {false, -1};
    while (at < view->len) {
        const char *end = memchr(view->data + at, '\n', view->len - at);
        size_t len = end != NULL ? (size_t)(end - view->data) - at : view->len - at;
        bool cut = len > LINE_BYTES;
        if (cut)
            len = LINE_BYTES;
        else if (end == NULL && whole_lines && at > 0)
            break; /* the rest of this line comes with the next piece */
        int64_t offset = view->offset + (int64_t)at;
        hor_buf_puts(out, "<line");
        if (line > 0)
            hor_buf_printf(out, " n=\"%lld\"", (long long)line);
        hor_buf_printf(out, " offset=\"%lld\"", (long long)offset);
        if (view->hit >= offset && view->hit <= offset + (int64_t)len)
            hor_buf_puts(out, " hit=\"true\"");
        hor_buf_putc(out, '>');
        write_text(view->data + at, len, &look, out);
        hor_buf_puts(out, "</line>");
        at += len;
        if (!cut && end != NULL) {
            at++;
            line += line > 0;
        }
    }
    *ret_next = view->offset + (int64_t)at;
    *ret_line = line;
}

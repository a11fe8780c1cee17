/* lib/base/buf.h - a growing byte string. `data` is always terminated by a zero byte that `len`
 * does not count. A failed allocation marks the buffer `failed`; later appends do nothing, so a
 * writer checks once, at the end. One thread. */
#ifndef HOR_BASE_BUF_H
#define HOR_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hor_buf {
    char *data; /* owned; NULL only while empty and never grown: use hor_buf_text */
    size_t len, cap;
    bool failed;
};

#define HOR_BUF_INIT ((struct hor_buf){0})

void hor_buf_done(struct hor_buf *buf);
void hor_buf_clear(struct hor_buf *buf); /* empties, keeps the memory and forgets `failed` */
void hor_buf_add(struct hor_buf *buf, const void *data, size_t len);
void hor_buf_puts(struct hor_buf *buf, const char *text); /* NULL adds nothing */
void hor_buf_putc(struct hor_buf *buf, char c);
void hor_buf_printf(struct hor_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Adds text as XML character data or attribute value: & < > " escaped, newline, tab and carriage
 * return as character references; bytes that XML 1.0 forbids become U+FFFD. */
void hor_buf_xml(struct hor_buf *buf, const char *text);
/* Makes room for `len` more bytes; returns false when memory is out. */
bool hor_buf_reserve(struct hor_buf *buf, size_t len);
/* The text, "" for an empty buffer. Borrowed until the next change. */
const char *hor_buf_text(const struct hor_buf *buf);
/* Takes the string out (free() it), leaving the buffer empty; NULL when `failed`. */
char *hor_buf_take(struct hor_buf *buf);

#endif

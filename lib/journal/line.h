/* lib/journal/line.h - one entry of the journal as one line of XML, and the attributes of tags.
 *   <entry index="4201" term="7" at="2026-11-24T03:00:00.123456Z" crc="9ae0daaf"><x/></entry>
 * crc is CRC-32C over the line's bytes without the attribute's value and without the newline. The
 * content is one element: an event, <barrier/> or <configuration>. Attributes stand in this order,
 * so that a million lines are read in a second. Any thread. */
#ifndef HOR_JOURNAL_LINE_H
#define HOR_JOURNAL_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

enum {
    HOR_JOURNAL_FORMAT_VERSION = 1,
    HOR_JOURNAL_CONTENT_MAX = 16 << 20, /* bytes of one entry's content */
    HOR_JOURNAL_LINE_MAX = HOR_JOURNAL_CONTENT_MAX + 4096
};
#define HOR_JOURNAL_NAMESPACE "urn:horarium:journal:1"

enum hor_journal_kind { HOR_JOURNAL_EVENT, HOR_JOURNAL_BARRIER, HOR_JOURNAL_CONFIGURATION };

struct hor_journal_entry {
    uint64_t index, term;
    int64_t at_us;
    const char *xml; /* borrowed, not terminated */
    size_t len;
};

enum hor_journal_kind hor_journal_kind_of(const char *xml, size_t len);
/* May the text be an entry's content: one line, not empty, within the limit? */
bool hor_journal_content_ok(const char *xml, size_t len);

/* Appends the line with its newline; returns its checksum. */
uint32_t hor_journal_line_write(const struct hor_journal_entry *entry, struct hor_buf *out);
/* The checksum that the entry's line has. */
uint32_t hor_journal_line_crc(const struct hor_journal_entry *entry);
/* Reads a line (without newline) and checks it. ret->xml points into `line`. HOR_ERR_CORRUPT tells
 * what is wrong. */
int hor_journal_line_read(const char *line, size_t len, struct hor_journal_entry *ret,
                          struct hor_error *err);

/* The value of an attribute of a start tag, its character references resolved. HOR_ERR_NOT_FOUND,
 * HOR_ERR_LIMIT when it does not fit, HOR_ERR_INVALID. */
int hor_journal_attribute(const char *tag, size_t len, const char *name, char *out,
                          size_t out_bytes);
/* Appends text with its character references resolved. HOR_ERR_INVALID. */
int hor_journal_unescape(const char *text, size_t len, struct hor_buf *out);
int hor_journal_attribute_number(const char *tag, size_t len, const char *name, uint64_t *ret);

#endif

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/crc32c.h"
#include "lib/base/str.h"
#include "lib/journal/line.h"

static const char head_end[] = "\">";
static const char tail[] = "</entry>";

enum hor_journal_kind hor_journal_kind_of(const char *xml, size_t len)
{
    if (len >= 9 && memcmp(xml, "<barrier/", 9) == 0)
        return HOR_JOURNAL_BARRIER;
    if (len >= 15 && memcmp(xml, "<configuration", 14) == 0 && (xml[14] == '>' || xml[14] == ' '))
        return HOR_JOURNAL_CONFIGURATION;
    return HOR_JOURNAL_EVENT;
}

bool hor_journal_content_ok(const char *xml, size_t len)
{
    return len >= 4 && len <= HOR_JOURNAL_CONTENT_MAX && xml[0] == '<' && xml[len - 1] == '>' &&
           memchr(xml, '\n', len) == NULL && memchr(xml, '\0', len) == NULL;
}

/* Everything up to the checksum's value. */
static size_t write_head(const struct hor_journal_entry *entry, char *out, size_t out_bytes)
{
    char at[HOR_TIME_TEXT_BYTES];
    int n = snprintf(out, out_bytes, "<entry index=\"%" PRIu64 "\" term=\"%" PRIu64
                     "\" at=\"%s\" crc=\"",
                     entry->index, entry->term, hor_time_format_us(entry->at_us, at));
    return n > 0 ? (size_t)n : 0;
}

static uint32_t checksum(const char *head, size_t head_len, const char *xml, size_t len)
{
    uint32_t crc = hor_crc32c(0, head, head_len);
    crc = hor_crc32c(crc, head_end, sizeof head_end - 1);
    crc = hor_crc32c(crc, xml, len);
    return hor_crc32c(crc, tail, sizeof tail - 1);
}

uint32_t hor_journal_line_crc(const struct hor_journal_entry *entry)
{
    char head[160];
    size_t n = write_head(entry, head, sizeof head);
    return checksum(head, n, entry->xml, entry->len);
}

uint32_t hor_journal_line_write(const struct hor_journal_entry *entry, struct hor_buf *out)
{
    char head[192];
    size_t n = write_head(entry, head, sizeof head - 16);
    uint32_t crc = checksum(head, n, entry->xml, entry->len);
    snprintf(head + n, 11, "%08" PRIx32 "%s", crc, head_end);
    hor_buf_add(out, head, n + 10);
    hor_buf_add(out, entry->xml, entry->len);
    hor_buf_add(out, tail, sizeof tail - 1);
    hor_buf_putc(out, '\n');
    return crc;
}

static const char *skip(const char *at, const char *end, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(end - at) >= n && memcmp(at, text, n) == 0 ? at + n : NULL;
}

static const char *number(const char *at, const char *end, uint64_t *ret)
{
    const char *start = at;
    uint64_t value = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (value > (UINT64_MAX - 9) / 10)
            return NULL;
        value = value * 10 + (uint64_t)(*at - '0');
    }
    *ret = value;
    return at > start ? at : NULL;
}

/* "2026-11-24T03:00:00.123456Z" and nothing else: much quicker than a general reader. */
static const char *moment(const char *at, const char *end, int64_t *ret)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";
    int64_t v[7] = {0};
    int field = 0, y, m;
    if ((size_t)(end - at) < sizeof form - 1)
        return NULL;
    for (size_t i = 0; i < sizeof form - 1; i++) {
        if (form[i] == 'd') {
            if (at[i] < '0' || at[i] > '9')
                return NULL;
            v[field] = v[field] * 10 + (at[i] - '0');
        } else {
            if (at[i] != form[i])
                return NULL;
            field++;
        }
    }
    if (v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > 31 || v[3] > 23 || v[4] > 59 || v[5] > 60)
        return NULL;
    /* days from the civil calendar, years beginning in March */
    y = (int)v[0] - (v[1] <= 2);
    m = (int)v[1] + (v[1] <= 2 ? 9 : -3);
    int era = (y >= 0 ? y : y - 399) / 400;
    int yoe = y - era * 400, doy = (153 * m + 2) / 5 + (int)v[2] - 1;
    int64_t days = (int64_t)era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
    *ret = (((days * 24 + v[3]) * 60 + v[4]) * 60 + v[5]) * 1000000 + v[6];
    return at + sizeof form - 1;
}

static const char *hex8(const char *at, const char *end, uint32_t *ret)
{
    uint32_t value = 0;
    if (end - at < 8)
        return NULL;
    for (int i = 0; i < 8; i++) {
        char c = at[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 16;
        if (digit > 15)
            return NULL;
        value = value << 4 | digit;
    }
    *ret = value;
    return at + 8;
}

int hor_journal_line_read(const char *line, size_t len, struct hor_journal_entry *ret,
                          struct hor_error *err)
{
    struct hor_journal_entry entry;
    const char *end = line + len, *at = line, *value;
    uint32_t crc, wanted;

    if ((at = skip(at, end, "<entry index=\"")) == NULL ||
        (at = number(at, end, &entry.index)) == NULL ||
        (at = skip(at, end, "\" term=\"")) == NULL ||
        (at = number(at, end, &entry.term)) == NULL || (at = skip(at, end, "\" at=\"")) == NULL ||
        (at = moment(at, end, &entry.at_us)) == NULL ||
        (at = skip(at, end, "\" crc=\"")) == NULL)
        return hor_error_set(err, HOR_ERR_CORRUPT, "this is not an entry");
    value = at;
    if ((at = hex8(at, end, &wanted)) == NULL || (at = skip(at, end, head_end)) == NULL)
        return hor_error_set(err, HOR_ERR_CORRUPT, "the entry has no checksum");
    if ((size_t)(end - at) < sizeof tail - 1 ||
        memcmp(end - (sizeof tail - 1), tail, sizeof tail - 1) != 0)
        return hor_error_set(err, HOR_ERR_CORRUPT, "the entry has no end");
    crc = hor_crc32c(0, line, (size_t)(value - line));
    crc = hor_crc32c(crc, value + 8, (size_t)(end - value - 8));
    if (crc != wanted)
        return hor_error_set(err, HOR_ERR_CORRUPT, "the checksum is %08" PRIx32
                             ", the line says %08" PRIx32, crc, wanted);
    entry.xml = at;
    entry.len = (size_t)(end - at) - (sizeof tail - 1);
    if (!hor_journal_content_ok(entry.xml, entry.len) || entry.index == 0 || entry.term == 0)
        return hor_error_set(err, HOR_ERR_CORRUPT, "the entry has no content, index or term");
    *ret = entry;
    return HOR_OK;
}

static size_t utf8(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Resolves the reference at `at` ("&...;"); returns its length, 0 when it is none. */
static size_t reference(const char *at, const char *end, char out[4], size_t *ret_len)
{
    static const struct {
        const char *name;
        char c;
    } names[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    size_t left = (size_t)(end - at);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = strlen(names[i].name);
        if (left >= n && memcmp(at, names[i].name, n) == 0) {
            out[0] = names[i].c;
            *ret_len = 1;
            return n;
        }
    }
    if (left < 4 || at[1] != '#')
        return 0;
    size_t i = 2;
    uint32_t c = 0, base = 10;
    if (at[i] == 'x') {
        base = 16;
        i++;
    }
    for (; i < left && i < 12 && at[i] != ';'; i++) {
        uint32_t digit = at[i] >= '0' && at[i] <= '9'   ? (uint32_t)(at[i] - '0')
                         : at[i] >= 'a' && at[i] <= 'f' ? (uint32_t)(at[i] - 'a') + 10
                         : at[i] >= 'A' && at[i] <= 'F' ? (uint32_t)(at[i] - 'A') + 10
                                                        : 16;
        if (digit >= base)
            return 0;
        c = c * base + digit;
    }
    if (i >= left || at[i] != ';' || c == 0 || c > 0x10ffff)
        return 0;
    *ret_len = utf8(c, out);
    return i + 1;
}

int hor_journal_attribute(const char *tag, size_t len, const char *name, char *out,
                          size_t out_bytes)
{
    const char *end = tag + len, *at = tag;
    size_t name_len = strlen(name), n = 0;
    for (;; at++) {
        at = memchr(at, ' ', (size_t)(end - at));
        if (at == NULL || (size_t)(end - at) < name_len + 4)
            return HOR_ERR_NOT_FOUND;
        if (memcmp(at + 1, name, name_len) == 0 && at[name_len + 1] == '=' &&
            at[name_len + 2] == '"')
            break;
    }
    for (at += name_len + 3; at < end && *at != '"';) {
        char text[4];
        size_t used = 1, text_len = 1;
        text[0] = *at;
        if (*at == '&' && (used = reference(at, end, text, &text_len)) == 0)
            return HOR_ERR_INVALID;
        if (*at == '<')
            return HOR_ERR_INVALID;
        if (n + text_len >= out_bytes)
            return HOR_ERR_LIMIT;
        memcpy(out + n, text, text_len);
        n += text_len;
        at += used;
    }
    if (at >= end)
        return HOR_ERR_INVALID;
    out[n] = '\0';
    return HOR_OK;
}

int hor_journal_unescape(const char *text, size_t len, struct hor_buf *out)
{
    const char *end = text + len;
    while (text < end) {
        const char *amp = memchr(text, '&', (size_t)(end - text));
        char resolved[4];
        size_t used, resolved_len;
        hor_buf_add(out, text, (size_t)((amp != NULL ? amp : end) - text));
        if (amp == NULL)
            break;
        used = reference(amp, end, resolved, &resolved_len);
        if (used == 0)
            return HOR_ERR_INVALID;
        hor_buf_add(out, resolved, resolved_len);
        text = amp + used;
    }
    return HOR_OK;
}

int hor_journal_attribute_number(const char *tag, size_t len, const char *name, uint64_t *ret)
{
    char text[32];
    int rc = hor_journal_attribute(tag, len, name, text, sizeof text);
    return rc == HOR_OK ? hor_str_to_uint64(text, ret) : rc;
}

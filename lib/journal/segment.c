#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/journal/segment.h"

static const char xml_line[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

void hor_journal_segment_name(uint64_t first, char out[HOR_JOURNAL_NAME_BYTES])
{
    snprintf(out, HOR_JOURNAL_NAME_BYTES, "%020" PRIu64 ".xml", first);
}

bool hor_journal_segment_parse_name(const char *name, uint64_t *ret_first)
{
    char digits[21];
    if (strlen(name) != 24 || strcmp(name + 20, ".xml") != 0)
        return false;
    memcpy(digits, name, 20);
    digits[20] = '\0';
    for (int i = 0; i < 20; i++)
        if (digits[i] < '0' || digits[i] > '9')
            return false;
    return hor_str_to_uint64(digits, ret_first) == HOR_OK && *ret_first > 0;
}

void hor_journal_header_write(const char *cluster, const char *member, uint64_t first,
                              struct hor_buf *out)
{
    hor_buf_puts(out, xml_line);
    hor_buf_puts(out, "\n<journal xmlns=\"" HOR_JOURNAL_NAMESPACE "\" cluster=\"");
    hor_buf_xml(out, cluster);
    hor_buf_puts(out, "\" member=\"");
    hor_buf_xml(out, member);
    hor_buf_printf(out, "\" first=\"%" PRIu64 "\" formatVersion=\"%d\">\n", first,
                   HOR_JOURNAL_FORMAT_VERSION);
}

int hor_journal_check_version(uint64_t version, struct hor_error *err)
{
    if (version == HOR_JOURNAL_FORMAT_VERSION)
        return HOR_OK;
    return hor_error_set(err, HOR_ERR_INVALID,
                         "format version %" PRIu64 " is not known (this program reads version %d)",
                         version, HOR_JOURNAL_FORMAT_VERSION);
}

int hor_journal_header_read(const char *line, size_t len, struct hor_journal_header *ret,
                            struct hor_error *err)
{
    static const char start[] = "<journal xmlns=\"" HOR_JOURNAL_NAMESPACE "\" ";
    memset(ret, 0, sizeof *ret);
    if (len < sizeof start || memcmp(line, start, sizeof start - 1) != 0 || line[len - 1] != '>' ||
        hor_journal_attribute_number(line, len, "formatVersion", &ret->format_version) != HOR_OK)
        return hor_error_set(err, HOR_ERR_CORRUPT, "the header is not that of a journal");
    if (hor_journal_attribute(line, len, "cluster", ret->cluster, sizeof ret->cluster) != HOR_OK ||
        hor_journal_attribute(line, len, "member", ret->member, sizeof ret->member) != HOR_OK ||
        hor_journal_attribute_number(line, len, "first", &ret->first) != HOR_OK)
        return hor_error_set(err, HOR_ERR_CORRUPT, "the header lacks an attribute");
    return HOR_OK;
}

int hor_journal_lines_open(const char *path, uint64_t offset, struct hor_journal_lines *ret,
                           struct hor_error *err)
{
    struct hor_journal_lines lines = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (lines.fd < 0)
        return hor_error_set_errno(err, errno == ENOENT ? HOR_ERR_NOT_FOUND : HOR_ERR_IO, errno,
                                   "%s", path);
    if (offset > 0 && lseek(lines.fd, (off_t)offset, SEEK_SET) < 0) {
        int rc = hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", path);
        close(lines.fd);
        return rc;
    }
    lines.offset = lines.next_offset = offset;
    *ret = lines;
    return HOR_OK;
}

void hor_journal_lines_close(struct hor_journal_lines *lines)
{
    if (lines->fd >= 0)
        close(lines->fd);
    free(lines->data);
    *lines = (struct hor_journal_lines){.fd = -1};
}

static int fill(struct hor_journal_lines *lines, struct hor_error *err)
{
    if (lines->start > 0) {
        memmove(lines->data, lines->data + lines->start, lines->end - lines->start);
        lines->end -= lines->start;
        lines->start = 0;
    }
    if (lines->end == lines->cap) {
        size_t cap = lines->cap ? lines->cap * 2 : 256 * 1024;
        char *data;
        if (lines->cap >= HOR_JOURNAL_LINE_MAX)
            return hor_error_set(err, HOR_ERR_LIMIT, "a line is longer than %d bytes",
                                 HOR_JOURNAL_LINE_MAX);
        data = realloc(lines->data, cap);
        if (data == NULL)
            return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        lines->data = data;
        lines->cap = cap;
    }
    for (;;) {
        ssize_t n = read(lines->fd, lines->data + lines->end, lines->cap - lines->end);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hor_error_set_errno(err, HOR_ERR_IO, errno, "read");
        lines->end += (size_t)n;
        lines->eof = n == 0;
        return HOR_OK;
    }
}

int hor_journal_lines_next(struct hor_journal_lines *lines, const char **ret_line, size_t *ret_len,
                           bool *ret_whole, struct hor_error *err)
{
    size_t searched = 0;
    for (;;) {
        size_t have = lines->end - lines->start;
        char *newline = have > searched ? memchr(lines->data + lines->start + searched, '\n',
                                                 have - searched)
                                        : NULL;
        if (newline != NULL || (lines->eof && have > 0)) {
            *ret_line = lines->data + lines->start;
            *ret_len = newline ? (size_t)(newline - *ret_line) : have;
            *ret_whole = newline != NULL;
            lines->offset = lines->next_offset;
            lines->next_offset += *ret_len + (newline != NULL);
            lines->start += *ret_len + (newline != NULL);
            lines->number++;
            return 1;
        }
        if (lines->eof)
            return 0;
        searched = have;
        int rc = fill(lines, err);
        if (rc != HOR_OK)
            return rc;
    }
}

static void note(struct hor_journal_segment_end *end, const struct hor_journal_lines *lines,
                 const char *what)
{
    if (end->bad)
        return;
    end->bad = true;
    end->line = lines->number;
    snprintf(end->what, sizeof end->what, "%s", what);
}

/* The two lines of the header. 1: good, 0: bad or missing, as noted. */
static int walk_header(struct hor_journal_lines *lines, uint64_t first,
                       struct hor_journal_header *header, struct hor_journal_segment_end *end,
                       struct hor_error *err)
{
    const char *line;
    size_t len;
    bool whole;
    struct hor_error why;
    int rc = hor_journal_lines_next(lines, &line, &len, &whole, err);
    if (rc < 0)
        return rc;
    if (rc == 0 || !whole || len != sizeof xml_line - 1 || memcmp(line, xml_line, len) != 0) {
        note(end, lines, "the file does not begin as XML");
        return 0;
    }
    rc = hor_journal_lines_next(lines, &line, &len, &whole, err);
    if (rc < 0)
        return rc;
    if (rc == 0 || !whole) {
        note(end, lines, "the header is not whole");
        return 0;
    }
    if (hor_journal_header_read(line, len, header, &why) != HOR_OK) {
        note(end, lines, why.text);
        return 0;
    }
    rc = hor_journal_check_version(header->format_version, err);
    if (rc != HOR_OK)
        return rc;
    if (first != 0 && header->first != first) {
        note(end, lines, "the header names another first index than the file's name");
        return 0;
    }
    end->has_header = true;
    end->good_bytes = lines->next_offset;
    return 1;
}

int hor_journal_segment_walk(const char *path, uint64_t first, hor_journal_walk_fn *each, void *ctx,
                             struct hor_journal_header *ret_header,
                             struct hor_journal_segment_end *ret, struct hor_error *err)
{
    struct hor_journal_lines lines;
    struct hor_journal_segment_end end = {.last = first ? first - 1 : 0};
    struct hor_journal_header header = {.first = 0};
    int rc = hor_journal_lines_open(path, 0, &lines, err);
    if (rc != HOR_OK)
        return rc;
    rc = walk_header(&lines, first, &header, &end, err);
    if (rc < 0) {
        hor_error_prefix(err, "%s", path);
        goto out;
    }
    if (rc > 0)
        end.last = header.first - 1;
    for (;;) {
        const char *line;
        size_t len;
        bool whole;
        struct hor_journal_entry entry;
        struct hor_error why;
        rc = hor_journal_lines_next(&lines, &line, &len, &whole, err);
        if (rc == HOR_ERR_LIMIT) {
            note(&end, &lines, "a line is too long to be an entry");
            rc = 0;
        }
        if (rc < 0) {
            hor_error_prefix(err, "%s", path);
            goto out;
        }
        if (rc == 0)
            break;
        if (whole && len == sizeof HOR_JOURNAL_CLOSE - 2 &&
            memcmp(line, HOR_JOURNAL_CLOSE, len) == 0 && !end.closed && !end.bad) {
            end.closed = true;
            end.good_bytes = lines.next_offset;
            continue;
        }
        if (hor_journal_line_read(line, len, &entry, &why) != HOR_OK) {
            note(&end, &lines, why.text);
            continue;
        }
        if (!whole) {
            note(&end, &lines, "the last line has no end");
            continue;
        }
        if (end.bad) {
            end.good_after_bad = true;
            break;
        }
        if (end.closed || entry.index != end.last + 1) {
            note(&end, &lines, end.closed ? "an entry stands after the end of the journal"
                                          : "the entry has not the index that comes next");
            end.good_after_bad = true; /* a good line out of place is no torn tail */
            break;
        }
        end.last = entry.index;
        end.good_bytes = lines.next_offset;
        if (each != NULL) {
            rc = each(&entry, lines.offset, lines.number, ctx, err);
            if (rc < 0)
                goto out;
        }
    }
    end.total_bytes = (uint64_t)lseek(lines.fd, 0, SEEK_END);
    *ret = end;
    if (ret_header != NULL)
        *ret_header = header;
    rc = HOR_OK;
out:
    hor_journal_lines_close(&lines);
    return rc;
}

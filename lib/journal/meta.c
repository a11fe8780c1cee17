#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/crc32c.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/journal/meta.h"

enum { HEAD_BYTES = 2048, SLOT_BYTES = 512, FILE_MAX = 16384 };

static off_t slot_offset(unsigned slot) { return HEAD_BYTES + (off_t)slot * SLOT_BYTES; }

/* A slot: one element, padded with spaces to one sector less the newline. */
static int write_slot(const struct hor_journal_state *state, uint64_t sequence,
                      char out[SLOT_BYTES])
{
    struct hor_buf buf = HOR_BUF_INIT;
    size_t at, len;
    char crc[9];
    hor_buf_printf(&buf,
                   "<state sequence=\"%" PRIu64 "\" term=\"%" PRIu64 "\" vote=\"%" PRIu64
                   "\" incarnation=\"%" PRIu64 "\" synced=\"%" PRIu64 "\" commit=\"%" PRIu64
                   "\" runId=\"",
                   sequence, state->term, state->vote, state->incarnation, state->synced,
                   state->commit);
    hor_buf_xml(&buf, state->run_id);
    hor_buf_puts(&buf, "\" crc=\"");
    at = buf.len;
    hor_buf_puts(&buf, "00000000\"/>");
    len = buf.len;
    if (buf.failed || len >= SLOT_BYTES) {
        hor_buf_done(&buf);
        return HOR_ERR_MEMORY;
    }
    uint32_t sum = hor_crc32c(0, buf.data, at);
    sum = hor_crc32c(sum, buf.data + at + 8, len - at - 8);
    snprintf(crc, sizeof crc, "%08" PRIx32, sum);
    memcpy(buf.data + at, crc, 8);
    memset(out, ' ', SLOT_BYTES);
    memcpy(out, buf.data, len);
    out[SLOT_BYTES - 1] = '\n';
    hor_buf_done(&buf);
    return HOR_OK;
}

static bool read_slot(const char *slot, uint64_t *ret_sequence, struct hor_journal_state *ret)
{
    const char *end = memchr(slot, '>', SLOT_BYTES);
    const char *crc;
    char text[16], wanted[9];
    size_t len;
    struct hor_journal_state s = {0};
    if (end == NULL || memcmp(slot, "<state ", 7) != 0)
        return false;
    len = (size_t)(end - slot) + 1;
    if (len < 24 || hor_journal_attribute(slot, len, "crc", text, sizeof text) != HOR_OK ||
        strlen(text) != 8)
        return false;
    crc = slot + len - 11; /* 8 digits, quote, slash, bracket */
    uint32_t sum = hor_crc32c(0, slot, (size_t)(crc - slot));
    sum = hor_crc32c(sum, crc + 8, 3);
    snprintf(wanted, sizeof wanted, "%08" PRIx32, sum);
    if (memcmp(crc, wanted, 8) != 0)
        return false;
    if (hor_journal_attribute_number(slot, len, "sequence", ret_sequence) != HOR_OK ||
        hor_journal_attribute_number(slot, len, "term", &s.term) != HOR_OK ||
        hor_journal_attribute_number(slot, len, "vote", &s.vote) != HOR_OK ||
        hor_journal_attribute_number(slot, len, "incarnation", &s.incarnation) != HOR_OK ||
        hor_journal_attribute_number(slot, len, "synced", &s.synced) != HOR_OK ||
        hor_journal_attribute_number(slot, len, "commit", &s.commit) != HOR_OK ||
        hor_journal_attribute(slot, len, "runId", s.run_id, sizeof s.run_id) != HOR_OK)
        return false;
    *ret = s;
    return true;
}

int hor_journal_meta_create(const char *path, const char *cluster, const char *member,
                            const struct hor_journal_state *state, struct hor_error *err)
{
    struct hor_buf buf = HOR_BUF_INIT;
    char slot[SLOT_BYTES];
    int rc;
    hor_buf_puts(&buf, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<meta xmlns=\""
                       HOR_JOURNAL_NAMESPACE "\" cluster=\"");
    hor_buf_xml(&buf, cluster);
    hor_buf_puts(&buf, "\" member=\"");
    hor_buf_xml(&buf, member);
    hor_buf_printf(&buf, "\" formatVersion=\"%d\">", HOR_JOURNAL_FORMAT_VERSION);
    if (buf.failed || buf.len >= HEAD_BYTES) {
        rc = hor_error_set(err, buf.failed ? HOR_ERR_MEMORY : HOR_ERR_LIMIT,
                           "%s: the cluster's name is too long", path);
        goto out;
    }
    while (buf.len < HEAD_BYTES - 1)
        hor_buf_putc(&buf, ' ');
    hor_buf_putc(&buf, '\n');
    for (unsigned i = 0; i < 2; i++) {
        if (write_slot(state, i + 1, slot) != HOR_OK) {
            rc = hor_error_set(err, HOR_ERR_MEMORY, "%s: out of memory", path);
            goto out;
        }
        hor_buf_add(&buf, slot, sizeof slot);
    }
    hor_buf_puts(&buf, "</meta>\n");
    rc = buf.failed ? hor_error_set(err, HOR_ERR_MEMORY, "%s: out of memory", path)
                    : hor_file_write_atomic(path, buf.data, buf.len, 0640, err);
out:
    hor_buf_done(&buf);
    return rc;
}

static int parse(const char *path, const struct hor_buf *text, struct hor_journal_header *header,
                 struct hor_journal_meta *ret, struct hor_error *err)
{
    const char *tag = text->len >= HEAD_BYTES + 2 * SLOT_BYTES ? strstr(text->data, "<meta ") : NULL;
    const char *end = tag != NULL && tag < text->data + HEAD_BYTES
                          ? memchr(tag, '>', HEAD_BYTES - (size_t)(tag - text->data))
                          : NULL;
    bool found = false;
    size_t len;
    memset(header, 0, sizeof *header);
    if (end == NULL)
        return hor_error_set(err, HOR_ERR_CORRUPT, "%s: this is no journal's meta.xml", path);
    len = (size_t)(end - tag) + 1;
    if (hor_journal_attribute(tag, len, "cluster", header->cluster, sizeof header->cluster) !=
            HOR_OK ||
        hor_journal_attribute(tag, len, "member", header->member, sizeof header->member) !=
            HOR_OK ||
        hor_journal_attribute_number(tag, len, "formatVersion", &header->format_version) != HOR_OK)
        return hor_error_set(err, HOR_ERR_CORRUPT, "%s: its head lacks an attribute", path);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t sequence;
        struct hor_journal_state state;
        if (!read_slot(text->data + slot_offset(i), &sequence, &state))
            continue;
        if (!found || sequence > ret->sequence) {
            ret->sequence = sequence;
            ret->state = state;
            ret->durable_slot = i;
        }
        found = true;
    }
    if (!found)
        return hor_error_set(err, HOR_ERR_CORRUPT,
                             "%s: neither slot is readable, so term and vote are lost; empty the "
                             "folder and let this member rejoin",
                             path);
    return HOR_OK;
}

int hor_journal_meta_peek(const char *path, struct hor_journal_header *ret_header,
                          struct hor_journal_state *ret, struct hor_error *err)
{
    struct hor_buf text = HOR_BUF_INIT;
    struct hor_journal_meta meta = {.fd = -1};
    int rc = hor_file_read(path, FILE_MAX, &text, err);
    if (rc == HOR_OK)
        rc = parse(path, &text, ret_header, &meta, err);
    if (rc == HOR_OK)
        *ret = meta.state;
    hor_buf_done(&text);
    return rc;
}

int hor_journal_meta_open(const char *path, const char *cluster, const char *member,
                          struct hor_journal_meta *ret, struct hor_error *err)
{
    struct hor_buf text = HOR_BUF_INIT;
    struct hor_journal_header header;
    struct hor_journal_meta meta = {.fd = -1};
    int rc = hor_file_read(path, FILE_MAX, &text, err);
    if (rc == HOR_OK)
        rc = parse(path, &text, &header, &meta, err);
    hor_buf_done(&text);
    if (rc != HOR_OK)
        return rc;
    rc = hor_journal_check_version(header.format_version, err);
    if (rc != HOR_OK) {
        hor_error_prefix(err, "%s", path);
        return rc;
    }
    if (strcmp(header.cluster, cluster) != 0)
        return hor_error_set(err, HOR_ERR_INVALID,
                             "%s: this journal belongs to cluster '%s', not to '%s'", path,
                             header.cluster, cluster);
    if (member != NULL && strcmp(header.member, member) != 0)
        return hor_error_set(err, HOR_ERR_INVALID,
                             "%s: this journal belongs to member '%s', not to '%s'", path,
                             header.member, member);
    meta.fd = open(path, O_RDWR | O_CLOEXEC);
    if (meta.fd < 0)
        return hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", path);
    *ret = meta;
    /* Which slot is on the disk is not known: make both so, with the newest state. */
    for (int i = 0; i < 2 && rc == HOR_OK; i++)
        rc = hor_journal_meta_save(ret, &meta.state, err);
    if (rc != HOR_OK)
        hor_journal_meta_close(ret);
    return rc;
}

void hor_journal_meta_close(struct hor_journal_meta *meta)
{
    if (meta->fd >= 0)
        close(meta->fd);
    meta->fd = -1;
}

static int put(struct hor_journal_meta *meta, const struct hor_journal_state *state,
               struct hor_error *err)
{
    char slot[SLOT_BYTES];
    ssize_t n;
    if (write_slot(state, meta->sequence + 1, slot) != HOR_OK)
        return hor_error_set(err, HOR_ERR_MEMORY, HOR_JOURNAL_META_NAME ": out of memory");
    do
        n = pwrite(meta->fd, slot, sizeof slot, slot_offset(1 - meta->durable_slot));
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof slot)
        return hor_error_set_errno(err, HOR_ERR_IO, n < 0 ? errno : EIO, HOR_JOURNAL_META_NAME);
    meta->sequence++;
    return HOR_OK;
}

int hor_journal_meta_save(struct hor_journal_meta *meta, const struct hor_journal_state *state,
                          struct hor_error *err)
{
    int rc = put(meta, state, err);
    if (rc != HOR_OK)
        return rc;
    if (fdatasync(meta->fd) != 0)
        return hor_error_set_errno(err, HOR_ERR_IO, errno, HOR_JOURNAL_META_NAME);
    meta->durable_slot = 1 - meta->durable_slot;
    meta->state = *state;
    return HOR_OK;
}

void hor_journal_meta_note(struct hor_journal_meta *meta, const struct hor_journal_state *state)
{
    if (put(meta, state, NULL) == HOR_OK)
        meta->state = *state;
}

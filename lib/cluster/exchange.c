#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "lib/cluster/exchange.h"

static const char *const kind_name[] = {NULL,
                                        "requestVote",
                                        "requestVoteResult",
                                        "appendEntries",
                                        "appendEntriesResult",
                                        "installSnapshot",
                                        "timeoutNow"};
static const char part_name[] = "snapshotPart";
static const char close_tag[] = "</exchange>", sent_at_name[] = "sentAt";

static void put_number(struct hor_buf *out, const char *name, uint64_t value)
{
    if (value != 0)
        hor_buf_printf(out, " %s=\"%" PRIu64 "\"", name, value);
}

void hor_exchange_open(const struct hor_exchange_head *head, struct hor_buf *out)
{
    hor_buf_puts(out, "<exchange xmlns:t=\"urn:horarium:types:1\" cluster=\"");
    hor_buf_xml(out, head->cluster);
    hor_buf_printf(out,
                   "\" incarnation=\"%" PRIu64 "\" from=\"%" PRIu64 "\" to=\"%" PRIu64
                   "\" formatVersion=\"%d\"",
                   head->incarnation, head->from, head->to, HOR_JOURNAL_FORMAT_VERSION);
    if (head->folder[0] != '\0') {
        hor_buf_puts(out, " folder=\"");
        hor_buf_xml(out, head->folder);
        hor_buf_putc(out, '"');
    }
    put_number(out, sent_at_name, head->sent_at);
    put_number(out, "echo", head->echo);
    hor_buf_putc(out, '>');
}

void hor_exchange_close(struct hor_buf *out) { hor_buf_puts(out, close_tag); }

/* Heads that differ in their times only are alike; the times stand last. */
static size_t alike_len(const char *exchange, size_t len)
{
    static const char times[] = " sentAt=";
    const char *end = memchr(exchange, '>', len);
    size_t head = end != NULL ? (size_t)(end - exchange) : 0;
    for (size_t i = 0; i + sizeof times <= head; i++)
        if (memcmp(exchange + i, times, sizeof times - 1) == 0)
            return i;
    return head;
}

bool hor_exchange_join(struct hor_buf *exchange, const char *more, size_t len)
{
    const size_t close_len = sizeof close_tag - 1;
    size_t alike = alike_len(exchange->data, exchange->len), other = alike_len(more, len);
    const char *first = memchr(more, '>', len);
    if (alike == 0 || alike != other || memcmp(exchange->data, more, alike) != 0 ||
        exchange->len < close_len ||
        memcmp(exchange->data + exchange->len - close_len, close_tag, close_len) != 0)
        return false;
    exchange->len -= close_len;
    hor_buf_add(exchange, first + 1, len - (size_t)(first + 1 - more));
    return true; /* when memory is out the exchange is marked so, and lost */
}

static void put_flag(struct hor_buf *out, const char *name, bool value)
{
    if (value)
        hor_buf_printf(out, " %s=\"true\"", name);
}

void hor_exchange_message_open(const struct hor_raft_message *m, bool part_wanted, uint64_t offset,
                               uint64_t size, struct hor_buf *out)
{
    hor_buf_printf(out, "<t:message kind=\"%s\" term=\"%" PRIu64 "\"",
                   part_wanted ? part_name : kind_name[m->kind], m->term);
    put_number(out, "version", m->version);
    put_number(out, "features", m->features);
    put_number(out, "candidate", m->candidate);
    put_number(out, "lastIndex", m->last_index);
    put_number(out, "lastTerm", m->last_term);
    put_number(out, "prevIndex", m->prev_index);
    put_number(out, "prevTerm", m->prev_term);
    put_number(out, "commit", m->commit);
    put_number(out, "configurationIndex", m->configuration_index);
    put_number(out, "rejected", m->rejected);
    put_number(out, "capacity", m->capacity);
    put_flag(out, "disrupt", m->disrupt);
    put_flag(out, "preVote", m->pre_vote);
    put_flag(out, "granted", m->granted);
    put_number(out, "offset", offset);
    put_number(out, "size", size);
    hor_buf_putc(out, '>');
}

void hor_exchange_entry(const struct hor_journal_entry *entry, struct hor_buf *out)
{
    static const char *const kinds[] = {"command", "barrier", "change"};
    char at[HOR_TIME_TEXT_BYTES];
    hor_buf_printf(out,
                   "<t:entry term=\"%" PRIu64 "\" kind=\"%s\" at=\"%s\" crc=\"%08" PRIx32
                   "\"><![CDATA[",
                   entry->term, kinds[hor_journal_kind_of(entry->xml, entry->len)],
                   hor_time_format_us(entry->at_us, at), hor_journal_line_crc(entry));
    /* No ']]>' can stand there: the writers of contents escape every '>' that closes no tag. */
    hor_buf_add(out, entry->xml, entry->len);
    hor_buf_puts(out, "]]></t:entry>");
}

void hor_exchange_data(const void *data, size_t len, struct hor_buf *out)
{
    hor_buf_puts(out, "<t:data>");
    hor_base64_encode(data, len, out);
    hor_buf_puts(out, "</t:data>");
}

void hor_exchange_message_close(struct hor_buf *out) { hor_buf_puts(out, "</t:message>"); }

/* ---- reading ------------------------------------------------------------------------------- */

struct reader {
    const char *at, *end;
    struct hor_error *err;
};

struct tag {
    const char *text; /* from '<' to '>' */
    size_t len;
    const char *name; /* without prefix */
    size_t name_len;
    bool ends, empty;
};

static int bad(struct reader *in, const char *what)
{
    return hor_error_set(in->err, HOR_ERR_INVALID, "exchange: %s", what);
}

/* The end of a tag: the first '>' outside of quotes. */
static const char *tag_end(const char *at, const char *end)
{
    char quote = '\0';
    for (; at < end; at++) {
        if (quote != '\0') {
            if (*at == quote)
                quote = '\0';
        } else if (*at == '"' || *at == '\'') {
            quote = *at;
        } else if (*at == '>') {
            return at;
        }
    }
    return NULL;
}

/* The next tag; text between tags is skipped. */
static int next_tag(struct reader *in, struct tag *ret)
{
    for (;;) {
        const char *start = in->at < in->end ? memchr(in->at, '<', (size_t)(in->end - in->at))
                                             : NULL;
        const char *stop, *name;
        if (start == NULL)
            return bad(in, "the text ends too early");
        if (in->end - start > 2 && (start[1] == '?' || start[1] == '!')) {
            if (start[1] == '!')
                return bad(in, "neither comments nor declarations may stand here");
            stop = memchr(start, '>', (size_t)(in->end - start));
            if (stop == NULL)
                return bad(in, "the text ends too early");
            in->at = stop + 1;
            continue;
        }
        stop = tag_end(start, in->end);
        if (stop == NULL)
            return bad(in, "the text ends too early");
        in->at = stop + 1;
        *ret = (struct tag){.text = start, .len = (size_t)(stop - start) + 1};
        ret->ends = start[1] == '/';
        ret->empty = stop[-1] == '/';
        name = start + 1 + ret->ends;
        ret->name = name;
        while (name < stop && *name != ' ' && *name != '/' && *name != '>' && *name != '\n' &&
               *name != '\t' && *name != '\r') {
            if (*name == ':')
                ret->name = name + 1;
            name++;
        }
        ret->name_len = (size_t)(name - ret->name);
        return HOR_OK;
    }
}

static bool named(const struct tag *tag, const char *name)
{
    return tag->name_len == strlen(name) && memcmp(tag->name, name, tag->name_len) == 0;
}

/* Text content up to the end tag: character data or one CDATA section, or both. */
static int text_content(struct reader *in, struct hor_buf *out)
{
    static const char cdata[] = "<![CDATA[";
    for (;;) {
        const char *open = memchr(in->at, '<', (size_t)(in->end - in->at));
        if (open == NULL)
            return bad(in, "the text ends too early");
        if (hor_journal_unescape(in->at, (size_t)(open - in->at), out) != HOR_OK)
            return bad(in, "a bad character reference");
        in->at = open;
        if ((size_t)(in->end - open) < sizeof cdata || memcmp(open, cdata, sizeof cdata - 1) != 0)
            break;
        in->at += sizeof cdata - 1;
        for (;;) {
            const char *close = memchr(in->at, ']', (size_t)(in->end - in->at));
            if (close == NULL || in->end - close < 3)
                return bad(in, "a CDATA section has no end");
            if (close[1] == ']' && close[2] == '>') {
                hor_buf_add(out, in->at, (size_t)(close - in->at));
                in->at = close + 3;
                break;
            }
            hor_buf_add(out, in->at, (size_t)(close - in->at) + 1);
            in->at = close + 1;
        }
    }
    if (out->failed)
        return hor_error_set(in->err, HOR_ERR_MEMORY, "exchange: out of memory");
    return HOR_OK;
}

static uint64_t number(const struct tag *tag, const char *name)
{
    uint64_t value = 0;
    return hor_journal_attribute_number(tag->text, tag->len, name, &value) == HOR_OK ? value : 0;
}

static bool flag(const struct tag *tag, const char *name)
{
    char text[8];
    return hor_journal_attribute(tag->text, tag->len, name, text, sizeof text) == HOR_OK &&
           (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
}

static int message_head(struct reader *in, const struct tag *tag, struct hor_exchange_message *ret)
{
    char kind[32];
    struct hor_raft_message *m = &ret->raft;
    if (hor_journal_attribute(tag->text, tag->len, "kind", kind, sizeof kind) != HOR_OK)
        return bad(in, "a message without a kind");
    ret->part_wanted = strcmp(kind, part_name) == 0;
    for (unsigned i = 1; i < sizeof kind_name / sizeof kind_name[0]; i++)
        if (strcmp(kind, kind_name[i]) == 0)
            m->kind = (enum hor_raft_message_kind)i;
    if (m->kind == 0 && !ret->part_wanted)
        return bad(in, "a message of an unknown kind");
    uint64_t version = number(tag, "version"), features = number(tag, "features"),
             capacity = number(tag, "capacity");
    if (version > 255 || features > 65535 || capacity > 65535)
        return bad(in, "a number is out of range");
    m->version = (unsigned)version;
    m->features = (unsigned)features;
    m->capacity = (unsigned)capacity;
    m->term = number(tag, "term");
    m->candidate = number(tag, "candidate");
    m->last_index = number(tag, "lastIndex");
    m->last_term = number(tag, "lastTerm");
    m->prev_index = number(tag, "prevIndex");
    m->prev_term = number(tag, "prevTerm");
    m->commit = number(tag, "commit");
    m->configuration_index = number(tag, "configurationIndex");
    m->rejected = number(tag, "rejected");
    m->disrupt = flag(tag, "disrupt");
    m->pre_vote = flag(tag, "preVote");
    m->granted = flag(tag, "granted");
    ret->offset = number(tag, "offset");
    ret->size = number(tag, "size");
    return HOR_OK;
}

static void message_clear(struct hor_exchange_message *message)
{
    for (size_t i = 0; i < message->entry_count; i++)
        free(message->entries[i].xml);
    message->entry_count = 0;
    hor_buf_clear(&message->data);
    memset(&message->raft, 0, sizeof message->raft);
    message->part_wanted = false;
    message->offset = message->size = 0;
}

static int take_entry(struct reader *in, const struct tag *tag,
                      struct hor_exchange_message *message)
{
    struct hor_exchange_entry one = {.xml = NULL};
    struct hor_buf content = HOR_BUF_INIT;
    char text[40];
    char *rest;
    int rc;
    if (message->entry_count >= HOR_EXCHANGE_ENTRIES_MAX)
        return hor_error_set(in->err, HOR_ERR_LIMIT, "exchange: too many entries");
    if (message->entry_count == message->entry_cap) {
        size_t cap = message->entry_cap ? message->entry_cap * 2 : 64;
        struct hor_exchange_entry *more = realloc(message->entries, cap * sizeof *more);
        if (more == NULL)
            return hor_error_set(in->err, HOR_ERR_MEMORY, "exchange: out of memory");
        message->entries = more;
        message->entry_cap = cap;
    }
    one.entry.index = message->raft.prev_index + 1 + message->entry_count;
    one.entry.term = number(tag, "term");
    if (hor_journal_attribute(tag->text, tag->len, "crc", text, sizeof text) != HOR_OK ||
        strlen(text) != 8)
        return bad(in, "an entry without a checksum");
    one.crc = (uint32_t)strtoul(text, &rest, 16);
    if (*rest != '\0' ||
        hor_journal_attribute(tag->text, tag->len, "at", text, sizeof text) != HOR_OK ||
        hor_time_parse_us(text, &one.entry.at_us) != HOR_OK || one.entry.term == 0 || tag->empty)
        return bad(in, "an entry lacks checksum, time, term or content");
    rc = text_content(in, &content);
    if (rc == HOR_OK && !hor_journal_content_ok(content.data ? content.data : "", content.len))
        rc = bad(in, "an entry's content is not one line of XML");
    if (rc == HOR_OK) {
        one.entry.len = content.len;
        one.entry.xml = one.xml = hor_buf_take(&content);
        if (one.xml == NULL)
            rc = hor_error_set(in->err, HOR_ERR_MEMORY, "exchange: out of memory");
        else if (hor_journal_line_crc(&one.entry) != one.crc)
            rc = hor_error_set(in->err, HOR_ERR_CORRUPT,
                               "exchange: entry %" PRIu64 " arrived damaged", one.entry.index);
    }
    hor_buf_done(&content);
    if (rc != HOR_OK) {
        free(one.xml);
        return rc;
    }
    message->entries[message->entry_count++] = one;
    return HOR_OK;
}

static int take_message(struct reader *in, const struct tag *head,
                        struct hor_exchange_message *message)
{
    struct hor_buf text = HOR_BUF_INIT;
    int rc = message_head(in, head, message);
    while (rc == HOR_OK && !head->empty) {
        struct tag tag;
        rc = next_tag(in, &tag);
        if (rc != HOR_OK || (tag.ends && named(&tag, "message")))
            break;
        if (tag.ends)
            continue;
        if (named(&tag, "entry")) {
            rc = take_entry(in, &tag, message);
        } else if (named(&tag, "data") && !tag.empty) {
            rc = text_content(in, &text);
            if (rc == HOR_OK && hor_base64_decode(hor_buf_text(&text), text.len, &message->data) !=
                                    HOR_OK)
                rc = bad(in, "the data are not base 64");
        } else {
            rc = bad(in, "an unknown element");
        }
    }
    hor_buf_done(&text);
    return rc;
}

int hor_exchange_read(const char *text, size_t len, hor_exchange_head_fn *head_fn,
                      hor_exchange_message_fn *message_fn, void *ctx, struct hor_error *err)
{
    struct reader in = {.at = text, .end = text + len, .err = err};
    struct hor_exchange_head head = {.from = 0};
    struct hor_exchange_message message = {.offset = 0};
    struct tag tag;
    unsigned count = 0;
    int rc;
    if (len > HOR_EXCHANGE_BYTES_MAX)
        return hor_error_set(err, HOR_ERR_LIMIT, "exchange: longer than %d bytes",
                             HOR_EXCHANGE_BYTES_MAX);
    do {
        rc = next_tag(&in, &tag);
        if (rc != HOR_OK)
            return rc;
    } while (tag.ends || !named(&tag, "exchange"));
    if (hor_journal_attribute(tag.text, tag.len, "cluster", head.cluster, sizeof head.cluster) !=
        HOR_OK)
        return bad(&in, "it names no cluster");
    hor_journal_attribute(tag.text, tag.len, "folder", head.folder, sizeof head.folder);
    head.incarnation = number(&tag, "incarnation");
    head.from = number(&tag, "from");
    head.to = number(&tag, "to");
    head.format_version = number(&tag, "formatVersion");
    head.sent_at = number(&tag, sent_at_name);
    head.echo = number(&tag, "echo");
    rc = head_fn(&head, ctx, err);
    while (rc == HOR_OK && !tag.empty) {
        rc = next_tag(&in, &tag);
        if (rc != HOR_OK || (tag.ends && named(&tag, "exchange")))
            break;
        if (tag.ends || !named(&tag, "message")) {
            rc = bad(&in, "an unknown element");
            break;
        }
        if (++count > HOR_EXCHANGE_MESSAGES_MAX) {
            rc = hor_error_set(err, HOR_ERR_LIMIT, "exchange: too many messages");
            break;
        }
        rc = take_message(&in, &tag, &message);
        message.raft.peer = head.from;
        if (rc == HOR_OK)
            rc = message_fn(&message, ctx, err);
        message_clear(&message);
        tag.empty = false;
    }
    message_clear(&message);
    free(message.entries);
    hor_buf_done(&message.data);
    return rc;
}

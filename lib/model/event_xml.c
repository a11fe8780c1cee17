/* Events as XML elements. The reader knows the few forms of XML that an event can have: one start
 * tag with attributes, argument elements, character data with references. Everything else (DTD,
 * comments, CDATA, processing instructions, prefixes) is refused, so nothing can expand: memory is
 * bounded by the input's length. */
#include "lib/model/event.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/model/event_fields.h"

enum { MAX_ARGUMENTS = 1000 };

static void write_number(int64_t value, struct hor_buf *out)
{
    char digits[24], *p = digits + sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        *--p = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (value < 0)
        *--p = '-';
    hor_buf_add(out, p, (size_t)(digits + sizeof digits - p));
}

/* A text of spaces alone would be read as formatting: its first one becomes a reference. */
static void write_text(const char *text, struct hor_buf *out)
{
    if (text[strspn(text, " ")] == '\0') {
        hor_buf_puts(out, "&#32;");
        text++;
    }
    hor_buf_xml(out, text);
}

void hor_event_write(const struct hor_event *event, struct hor_buf *out)
{
    const char *name = hor_event_type_name(event->type);
    char time[HOR_TIME_TEXT_BYTES];
    hor_buf_putc(out, '<');
    hor_buf_puts(out, name);
    for (int i = 0; i < HOR_EVENT_FIELD_COUNT; i++) {
        const struct hor_event_field *field = &hor_event_fields[i];
        bool string = field->kind == HOR_EVENT_KIND_S;
        if (string ? *hor_event_string(event, field) == NULL
                   : *hor_event_number(event, field) == HOR_EVENT_NONE)
            continue;
        hor_buf_putc(out, ' ');
        hor_buf_add(out, field->name, field->name_len);
        hor_buf_add(out, "=\"", 2);
        if (string)
            hor_buf_xml(out, *hor_event_string(event, field));
        else if (field->kind == HOR_EVENT_KIND_N)
            write_number(*hor_event_number(event, field), out);
        else
            hor_buf_puts(out, hor_time_format_us(*hor_event_number(event, field), time));
        hor_buf_putc(out, '"');
    }
    bool has_text = event->text != NULL && event->text[0] != '\0';
    if (!has_text && event->arguments.count == 0) {
        hor_buf_add(out, "/>", 2);
        return;
    }
    hor_buf_putc(out, '>');
    for (size_t i = 0; i < event->arguments.count; i++) {
        const struct hor_argument *argument = &event->arguments.items[i];
        hor_buf_puts(out, "<argument name=\"");
        hor_buf_xml(out, argument->name);
        hor_buf_puts(out, argument->secret ? "\" secret=\"true\">" : "\">");
        hor_buf_xml(out, argument->value);
        hor_buf_puts(out, "</argument>");
    }
    if (has_text)
        write_text(event->text, out);
    hor_buf_add(out, "</", 2);
    hor_buf_puts(out, name);
    hor_buf_putc(out, '>');
}

struct reader {
    const char *start, *at, *end;
    struct hor_error *err;
};

static int fail(const struct reader *in, const char *what)
{
    return hor_error_set(in->err, HOR_ERR_INVALID, "event: byte %zu: %s",
                         (size_t)(in->at - in->start) + 1, what);
}

static int no_memory(const struct reader *in)
{
    return hor_error_set(in->err, HOR_ERR_MEMORY, "event: out of memory");
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static void skip_space(struct reader *in)
{
    while (in->at < in->end && is_space(*in->at))
        in->at++;
}

static bool next_is(struct reader *in, const char *text)
{
    size_t len = strlen(text);
    if ((size_t)(in->end - in->at) < len || memcmp(in->at, text, len) != 0)
        return false;
    in->at += len;
    return true;
}

/* A name without a prefix; empty when none stands here. */
static size_t take_name(struct reader *in, const char **ret)
{
    *ret = in->at;
    while (in->at < in->end && ((*in->at >= 'a' && *in->at <= 'z') ||
                                (*in->at >= 'A' && *in->at <= 'Z') ||
                                (*in->at >= '0' && *in->at <= '9' && in->at > *ret)))
        in->at++;
    return (size_t)(in->at - *ret);
}

/* "&...;" at in->at: writes the character as UTF-8 to `out`, returns its length, 0 when invalid. */
static size_t take_reference(struct reader *in, char *out)
{
    static const struct {
        const char *text;
        char c;
    } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if (next_is(in, named[i].text)) {
            *out = named[i].c;
            return 1;
        }
    uint32_t point = 0, base = 10;
    size_t digits = 0;
    if (!next_is(in, "&#"))
        return 0;
    if (next_is(in, "x"))
        base = 16;
    for (; in->at < in->end && *in->at != ';'; in->at++, digits++) {
        char c = *in->at;
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 99;
        if (digit >= base)
            return 0;
        point = point * base + digit;
        if (point > 0x10FFFF)
            return 0;
    }
    if (digits == 0 || !next_is(in, ";"))
        return 0;
    char utf8[5] = {0};
    size_t len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len - 1; i > 0; i--, point >>= 6)
        utf8[i] = (char)(0x80 | (point & 0x3F));
    utf8[0] = (char)(lead[len] | point);
    if (hor_utf8_length(utf8) != len) /* not a character of XML 1.0 */
        return 0;
    memcpy(out, utf8, len);
    return len;
}

/* Decodes character data up to `stop` (a quote, or '<' for content), which stays at in->at, into a
 * new string. Line ends become \n in content, white space becomes spaces in an attribute.
 * `ret_blank` (may be NULL) tells whether it was only literal white space. */
static int take_value(struct reader *in, char stop, char **ret, bool *ret_blank)
{
    const char *end = memchr(in->at, stop, (size_t)(in->end - in->at));
    if (end == NULL)
        return fail(in, "the element ends too early");
    char *value = malloc((size_t)(end - in->at) + 1), *out = value; /* references only shrink */
    if (value == NULL)
        return no_memory(in);
    bool blank = true;
    while (in->at < end) {
        char c = *in->at;
        size_t len = 1;
        if (c == '&') {
            len = take_reference(in, out);
            blank = false;
        } else if (is_space(c)) {
            in->at++;
            if (c == '\r' && *in->at == '\n') /* `stop` stands before in->end: readable */
                in->at++;
            *out = stop != '<' ? ' ' : c == '\r' ? '\n' : c;
        } else {
            len = c == '<' ? 0 : hor_utf8_length(in->at);
            if (len > 0)
                memcpy(out, in->at, len);
            in->at += len;
            blank = false;
        }
        if (len == 0) {
            free(value);
            return fail(in, "a character that cannot stand here");
        }
        out += len;
    }
    *out = '\0';
    if (ret_blank != NULL)
        *ret_blank = blank;
    *ret = value;
    return HOR_OK;
}

/* `="value"` after an attribute's name, both quotes allowed. */
static int take_attribute_value(struct reader *in, char **ret)
{
    skip_space(in);
    if (!next_is(in, "="))
        return fail(in, "'=' expected");
    skip_space(in);
    if (in->at == in->end || (*in->at != '"' && *in->at != '\''))
        return fail(in, "a quote expected");
    char quote = *in->at++;
    int code = take_value(in, quote, ret, NULL);
    if (code == HOR_OK)
        in->at++;
    return code;
}

/* Moves to the next attribute's name. 1: there is one; 0: the tag ends here; negative: an error. */
static int next_attribute(struct reader *in, const char **ret_name, size_t *ret_len)
{
    const char *before = in->at;
    skip_space(in);
    if (in->at < in->end && (*in->at == '>' || *in->at == '/'))
        return 0;
    if (in->at == before)
        return fail(in, "a space or the end of the tag expected");
    *ret_len = take_name(in, ret_name);
    return *ret_len > 0 ? 1 : fail(in, "an attribute's name expected");
}

/* Numbers may have white space around them, as xsd:long and xsd:dateTime allow. */
static int set_number(struct reader *in, int64_t *number, enum hor_event_kind kind, char *value)
{
    char *text = value + strspn(value, " "), *end = text + strlen(text);
    while (end > text && end[-1] == ' ')
        *--end = '\0';
    int code;
    if (kind == HOR_EVENT_KIND_T)
        code = hor_time_parse_us(text, number);
    else
        code = hor_str_to_int64(text + (text[0] == '+' && text[1] != '-'), number);
    free(value);
    if (code == HOR_OK && *number == HOR_EVENT_NONE)
        code = HOR_ERR_INVALID; /* would be read as absent */
    if (code != HOR_OK)
        return fail(in, kind == HOR_EVENT_KIND_T ? "not a time with a zone" : "not a number");
    return HOR_OK;
}

static int take_event_attributes(struct reader *in, struct hor_event *event)
{
    uint64_t seen = 0;
    for (;;) {
        const char *name;
        size_t len;
        char *value;
        int more = next_attribute(in, &name, &len);
        if (more <= 0)
            return more;
        int number = hor_event_find_field(name, len);
        bool namespace = len == 5 && memcmp(name, "xmlns", 5) == 0;
        if (number < 0 && !namespace)
            return hor_error_set(in->err, HOR_ERR_INVALID,
                                 "event: byte %zu: unknown attribute '%.*s'",
                                 (size_t)(name - in->start) + 1, len > 100 ? 100 : (int)len, name);
        uint64_t bit = (uint64_t)1 << (namespace ? 63 : number);
        if (seen & bit)
            return fail(in, "an attribute stands twice");
        seen |= bit;
        int code = take_attribute_value(in, &value);
        if (code != HOR_OK)
            return code;
        if (namespace)
            free(value);
        else if (hor_event_fields[number].kind == HOR_EVENT_KIND_S)
            *hor_event_string(event, &hor_event_fields[number]) = value;
        else if ((code = set_number(in, hor_event_number(event, &hor_event_fields[number]),
                                    hor_event_fields[number].kind, value)) != HOR_OK)
            return code;
    }
}

static int take_argument_attributes(struct reader *in, char **name, char **secret)
{
    for (;;) {
        const char *attribute;
        size_t len;
        int more = next_attribute(in, &attribute, &len);
        if (more <= 0)
            return more;
        char **where = len == 4 && memcmp(attribute, "name", 4) == 0       ? name
                       : len == 6 && memcmp(attribute, "secret", 6) == 0 ? secret
                                                                           : NULL;
        if (where == NULL || *where != NULL)
            return fail(in, "an argument has one name and one secret");
        int code = take_attribute_value(in, where);
        if (code != HOR_OK)
            return code;
    }
}

/* The rest of an argument after "<argument". */
static int take_argument(struct reader *in, struct hor_arguments *list)
{
    char *name = NULL, *secret = NULL, *value = NULL;
    int code = take_argument_attributes(in, &name, &secret);
    if (code != HOR_OK)
        goto out;
    bool hidden = hor_str_equal(secret, "true") || hor_str_equal(secret, "1");
    if (name == NULL ||
        (secret != NULL && !hidden && strcmp(secret, "false") != 0 && strcmp(secret, "0") != 0)) {
        code = fail(in, "an argument needs a name, and its secret is true or false");
        goto out;
    }
    if (!next_is(in, "/>")) {
        if (!next_is(in, ">"))
            code = fail(in, "'>' expected");
        else
            code = take_value(in, '<', &value, NULL);
        if (code != HOR_OK)
            goto out;
        bool closed = next_is(in, "</argument");
        skip_space(in);
        if (!closed || !next_is(in, ">")) {
            code = fail(in, "'</argument>' expected");
            goto out;
        }
    }
    if (list->count >= MAX_ARGUMENTS)
        code = hor_error_set(in->err, HOR_ERR_LIMIT, "event: more than %d arguments",
                             MAX_ARGUMENTS);
    else if (hor_arguments_get(list, name) != NULL)
        code = fail(in, "two arguments with one name");
    else if (hor_arguments_add(list, name, value, hidden) != HOR_OK)
        code = no_memory(in);
out:
    free(name);
    free(secret);
    free(value);
    return code;
}

/* Puts a further piece after the text. Takes `piece` also when it fails. */
static int add_text(struct reader *in, struct hor_event *event, char *take_piece)
{
    if (event->text == NULL) {
        event->text = take_piece;
        return HOR_OK;
    }
    char *both = hor_str_printf("%s%s", event->text, take_piece);
    free(take_piece);
    if (both == NULL)
        return no_memory(in);
    free(event->text);
    event->text = both;
    return HOR_OK;
}

/* Everything after the start tag's '>'. */
static int take_content(struct reader *in, struct hor_event *event, const char *name, size_t len)
{
    for (;;) {
        char *piece = NULL;
        bool blank = true;
        int code = take_value(in, '<', &piece, &blank);
        if (code != HOR_OK)
            return code;
        if (blank)
            free(piece);
        else if ((code = add_text(in, event, piece)) != HOR_OK)
            return code;
        if (next_is(in, "</")) {
            if ((size_t)(in->end - in->at) < len || memcmp(in->at, name, len) != 0)
                return fail(in, "the wrong element ends");
            in->at += len;
            skip_space(in);
            return next_is(in, ">") ? HOR_OK : fail(in, "'>' expected");
        }
        if (!next_is(in, "<argument"))
            return fail(in, "only 'argument' can stand here");
        code = take_argument(in, &event->arguments);
        if (code != HOR_OK)
            return code;
    }
}

int hor_event_read(const char *xml, size_t len, struct hor_event **ret, struct hor_error *err)
{
    struct reader in = {.start = xml, .at = xml, .end = xml + len, .err = err};
    skip_space(&in);
    if (!next_is(&in, "<"))
        return fail(&in, "'<' expected");
    const char *name;
    size_t name_len = take_name(&in, &name);
    int type = hor_event_find_type(name, name_len);
    if (type < 0)
        return hor_error_set(err, HOR_ERR_INVALID, "event: byte %zu: unknown event '%.*s'",
                             (size_t)(name - xml) + 1, name_len > 100 ? 100 : (int)name_len, name);
    struct hor_event *event = hor_event_new((enum hor_event_type)type, 0);
    if (event == NULL)
        return no_memory(&in);
    int code = take_event_attributes(&in, event);
    if (code == HOR_OK && !next_is(&in, "/>")) {
        if (next_is(&in, ">"))
            code = take_content(&in, event, name, name_len);
        else
            code = fail(&in, "'>' expected");
    }
    skip_space(&in);
    if (code == HOR_OK && in.at != in.end)
        code = fail(&in, "something stands after the event");
    if (code != HOR_OK) {
        hor_event_free(event);
        return code;
    }
    *ret = event;
    return HOR_OK;
}

/* server/controller/log.c - a task's log: a window of it as a page, found text, the whole file. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "lib/xml/xml.h"
#include "server/controller/internal.h"

enum {
    WINDOW_BYTES = 128 * 1024,        /* shown at once */
    PIECE_BYTES = 1024 * 1024,        /* asked for at once while searching or downloading */
    SEARCH_BYTES = 64 * 1024 * 1024,  /* searched by one request; a link goes on */
    PART_BYTES = 64 * 1024 * 1024,    /* one download; longer logs come in parts */
    CONTEXT_LINES = 8,                /* shown before what was found */
};

struct range {
    int64_t offset, size;
    bool complete;
    struct hor_buf data;
};

static int64_t number_of(const struct hor_xml_node *range, const char *name)
{
    const struct hor_xml_node *node = hor_xml_child(range, name);
    struct hor_buf text = HOR_BUF_INIT;
    int64_t value = 0;
    if (node != NULL)
        hor_xml_text(node, &text);
    if (hor_str_to_int64(hor_buf_text(&text), &value) != HOR_OK || value < 0)
        value = 0;
    hor_buf_done(&text);
    return value;
}

/* Reads length bytes from offset, fewer at the end. `answer` holds the fault's detail on failure. */
static int read_range(struct hor_visit *visit, const char *task, int64_t offset, int64_t length,
                      struct range *ret, struct hor_buf *answer, struct hor_error *err)
{
    struct hor_buf ask = HOR_BUF_INIT, text = HOR_BUF_INIT;
    struct hor_xml_doc *doc = NULL;
    hor_buf_puts(&ask, "<ReadLog xmlns=\"urn:horarium:supervisor:1\"><task>");
    hor_buf_xml(&ask, task);
    hor_buf_printf(&ask,
                   "</task><offset>%" PRId64 "</offset><length>%" PRId64
                   "</length><waitMs>0</waitMs></ReadLog>",
                   offset, length);
    hor_buf_clear(answer);
    int code = hor_visit_ask(visit, hor_buf_text(&ask), ask.len, answer, err);
    if (code == HOR_OK)
        code = hor_xml_parse("answer", hor_buf_text(answer), answer->len, NULL, NULL, &doc, err);
    const struct hor_xml_node *range =
        code == HOR_OK ? hor_xml_child(hor_xml_root(doc), "range") : NULL;
    if (code == HOR_OK && range == NULL)
        code = hor_error_set(err, HOR_ERR_INTERNAL, "the answer to ReadLog has no range");
    if (code == HOR_OK) {
        const struct hor_xml_node *data = hor_xml_child(range, "data");
        const struct hor_xml_node *complete = hor_xml_child(range, "complete");
        ret->offset = number_of(range, "offset");
        ret->size = number_of(range, "size");
        if (complete != NULL)
            hor_xml_text(complete, &text);
        ret->complete = strcmp(hor_buf_text(&text), "true") == 0 ||
                        strcmp(hor_buf_text(&text), "1") == 0;
        hor_buf_clear(&text);
        hor_buf_clear(&ret->data);
        if (data != NULL)
            hor_xml_text(data, &text);
        code = hor_base64_decode(hor_buf_text(&text), text.len, &ret->data);
    }
    hor_xml_doc_free(doc);
    hor_buf_done(&ask);
    hor_buf_done(&text);
    return code;
}

struct window {
    int64_t offset, line; /* where to show from; line 0: unknown */
    int64_t until;        /* not beyond; -1: as far as it goes */
    int64_t hit;          /* of the found text, -1: none */
    int64_t hit_line;
    int64_t searched;     /* up to there nothing was found; -1: the end was reached */
};

static void lower(char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] >= 'A' && data[i] <= 'Z')
            data[i] = (char)(data[i] - 'A' + 'a');
    }
}

static const char *search_in(const char *data, size_t len, const char *text, size_t text_len)
{
    const char *at = data;
    while (text_len > 0 && (size_t)(data + len - at) >= text_len &&
           (at = memchr(at, text[0], (size_t)(data + len - at) - text_len + 1)) != NULL) {
        if (memcmp(at, text, text_len) == 0)
            return at;
        at++;
    }
    return NULL;
}

static int64_t newlines(const char *data, size_t len)
{
    int64_t count = 0;
    const char *at = data, *end = data + len;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        count++;
        at++;
    }
    return count;
}

/* Looks for the text (letters of either case) from window->offset on. */
static int search(struct hor_visit *visit, const char *task, const char *find,
                  struct window *window, struct hor_buf *answer, struct hor_error *err)
{
    struct range range = {0};
    char *needle = hor_strdup(find);
    size_t needle_len = strlen(find);
    int64_t at = window->offset, line = window->line, start = at;
    int code = needle != NULL ? HOR_OK : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (needle != NULL)
        lower(needle, needle_len);
    while (code == HOR_OK) {
        code = read_range(visit, task, at, PIECE_BYTES, &range, answer, err);
        if (code != HOR_OK)
            break;
        char *data = range.data.data;
        size_t len = range.data.len;
        if (len > 0)
            lower(data, len);
        const char *hit = search_in(data, len, needle, needle_len);
        if (hit != NULL) {
            const char *from = hit;
            int back = 0;
            for (; from > data; from--) {
                if (from[-1] == '\n' && back++ == CONTEXT_LINES)
                    break;
            }
            window->hit = at + (hit - data);
            window->offset = at + (from - data);
            if (line > 0) {
                window->hit_line = line + newlines(data, (size_t)(hit - data));
                window->line = line + newlines(data, (size_t)(from - data));
            }
            break;
        }
        bool more = at + (int64_t)len < range.size && len > 0;
        /* keep as much as the text may reach over the edge of two pieces */
        size_t step = more && len > needle_len ? len - needle_len : len;
        if (line > 0)
            line += newlines(data, step);
        at += (int64_t)step;
        window->searched = more ? at : -1;
        if (!more || at - start >= SEARCH_BYTES) {
            window->offset = start;
            window->hit_line = line; /* where the next search goes on */
            break;
        }
    }
    free(needle);
    hor_buf_done(&range.data);
    return code;
}

static int64_t parameter(const struct hor_visit *visit, const char *name, int64_t fallback)
{
    const char *text = hor_form_get(&visit->form, name, 0);
    int64_t value;
    return text != NULL && hor_str_to_int64(text, &value) == HOR_OK && value >= 0 ? value : fallback;
}

/* Drops the rest of a line that began before the range. */
static void skip_partial(struct range *range)
{
    const char *end = memchr(hor_buf_text(&range->data), '\n', range->data.len);
    if (end == NULL)
        return;
    size_t skip = (size_t)(end - range->data.data) + 1;
    memmove(range->data.data, range->data.data + skip, range->data.len - skip);
    range->data.len -= skip;
    range->data.data[range->data.len] = '\0';
    range->offset += (int64_t)skip;
}

static int read_window(struct hor_visit *visit, const char *task, struct window *window,
                       struct range *range, struct hor_buf *answer, struct hor_error *err)
{
    int64_t before = parameter(visit, "before", -1);
    const char *find = hor_form_get(&visit->form, "find", 0);
    bool given = hor_form_get(&visit->form, "offset", 0) != NULL;
    int code = HOR_OK;
    window->offset = parameter(visit, "offset", 0);
    window->line = parameter(visit, "line", window->offset == 0 ? 1 : 0);
    if (find != NULL && find[0] != '\0') {
        window->offset = parameter(visit, "from", 0);
        window->line = parameter(visit, "line", window->offset == 0 ? 1 : 0);
        code = search(visit, task, find, window, answer, err);
        given = true;
    } else if (before >= 0) {
        window->offset = before > WINDOW_BYTES ? before - WINDOW_BYTES : 0;
        window->line = window->offset == 0;
        window->until = before;
        given = true;
    }
    int64_t length = window->until > window->offset ? window->until - window->offset : WINDOW_BYTES;
    if (code == HOR_OK)
        code = read_range(visit, task, window->offset, length, range, answer, err);
    if (code == HOR_OK && !given && range->size > WINDOW_BYTES) { /* its end is what is wanted */
        window->offset = range->size - WINDOW_BYTES;
        window->line = 0;
        code = read_range(visit, task, window->offset, WINDOW_BYTES, range, answer, err);
        if (code == HOR_OK)
            skip_partial(range);
    } else if (code == HOR_OK && before >= 0 && window->offset > 0)
        skip_partial(range);
    return code;
}

static void write_log(const struct hor_visit *visit, const char *task, const struct window *window,
                      const struct range *range, struct hor_buf *out)
{
    const char *find = hor_form_get(&visit->form, "find", 0);
    struct hor_log_view view = {hor_buf_text(&range->data), range->data.len, range->offset,
                                window->line, window->hit};
    struct hor_buf lines = HOR_BUF_INIT;
    int64_t end = range->offset + (int64_t)range->data.len, next, next_line;
    hor_log_view_write(&view, !(range->complete && end >= range->size), &lines, &next, &next_line);
    hor_buf_puts(out, "<log task=\"");
    hor_buf_xml(out, task);
    hor_buf_puts(out, "\" order=\"");
    struct hor_buf order = HOR_BUF_INIT;
    hor_buf_add(&order, task, strcspn(task, ":"));
    hor_buf_xml(out, hor_buf_text(&order));
    hor_buf_done(&order);
    hor_buf_printf(out,
                   "\" offset=\"%" PRId64 "\" size=\"%" PRId64 "\" complete=\"%s\" next=\"%" PRId64
                   "\" next-line=\"%" PRId64 "\" parts=\"%" PRId64 "\"",
                   range->offset, range->size, range->complete ? "true" : "false", next, next_line,
                   range->size / PART_BYTES + 1);
    if (range->offset > 0)
        hor_buf_printf(out, " earlier=\"%" PRId64 "\"", range->offset);
    if (end < range->size)
        hor_buf_puts(out, " later=\"true\"");
    if (find != NULL && find[0] != '\0') {
        hor_buf_puts(out, " find=\"");
        hor_buf_xml(out, find);
        hor_buf_printf(out, "\" found=\"%s\" searched-from=\"%" PRId64 "\"",
                       window->hit >= 0 ? "true" : "false", parameter(visit, "from", 0));
        if (window->hit >= 0)
            hor_buf_printf(out, " find-next=\"%" PRId64 "\"", window->hit + 1);
        else if (window->searched >= 0)
            hor_buf_printf(out, " find-next=\"%" PRId64 "\"", window->searched);
        if (window->hit_line > 0)
            hor_buf_printf(out, " find-next-line=\"%" PRId64 "\"", window->hit_line);
        if (window->hit >= 0 && window->hit_line > 0)
            hor_buf_printf(out, " hit-line=\"%" PRId64 "\"", window->hit_line);
    }
    hor_buf_putc(out, '>');
    hor_buf_add(out, lines.data, lines.len);
    hor_buf_puts(out, "</log>");
    hor_buf_done(&lines);
}

enum hor_http_outcome hor_controller_log(struct hor_visit *visit)
{
    struct hor_error err = {0};
    struct hor_buf answer = HOR_BUF_INIT, inner = HOR_BUF_INIT;
    struct range range = {0};
    struct window window = {.until = -1, .hit = -1, .searched = -1};
    const char *task = hor_form_get(&visit->form, "task", 0);
    const char *format = hor_form_get(&visit->form, "format", 0);
    int code = read_window(visit, task != NULL ? task : "", &window, &range, &answer, &err);
    bool xml = format != NULL && strcmp(format, "xml") == 0 && answer.len > 0;
    enum hor_http_outcome outcome = HOR_HTTP_ANSWER;
    if (xml) {
        visit->response->status = hor_status_of(code);
        hor_http_header(visit->response, "Content-Type", "application/xml; charset=utf-8");
        hor_http_header(visit->response, "Cache-Control", "no-store");
        hor_visit_security_headers(visit->response);
        hor_buf_add(&visit->response->body, answer.data, answer.len);
    } else if (code == HOR_OK) {
        write_log(visit, task, &window, &range, &inner);
        outcome = hor_visit_render(visit, NULL, 200, &inner);
    } else {
        hor_fault_write(&answer, code, &err, &inner);
        outcome = hor_visit_render(visit, NULL, hor_status_of(code), &inner);
    }
    hor_buf_done(&range.data);
    hor_buf_done(&answer);
    hor_buf_done(&inner);
    return outcome;
}

static void name_file(struct hor_visit *visit, const char *task, int64_t part, int64_t size)
{
    struct hor_buf name = HOR_BUF_INIT;
    hor_buf_puts(&name, "attachment; filename=\"");
    for (const char *c = task; *c != '\0' && name.len < 200; c++)
        hor_buf_putc(&name, strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_",
                                   *c) != NULL
                                ? *c
                                : '_');
    if (size > PART_BYTES)
        hor_buf_printf(&name, ".part-%" PRId64, part + 1);
    hor_buf_puts(&name, ".log\"");
    hor_http_header(visit->response, "Content-Disposition", hor_buf_text(&name));
    hor_buf_done(&name);
}

/* The bytes as they are; logs beyond PART_BYTES in parts, for an answer is made in memory. */
enum hor_http_outcome hor_controller_log_file(struct hor_visit *visit)
{
    struct hor_error err = {0};
    struct hor_buf answer = HOR_BUF_INIT, inner = HOR_BUF_INIT;
    struct range range = {0};
    const char *task = hor_form_get(&visit->form, "task", 0);
    int64_t part = parameter(visit, "part", 0);
    part = part < INT64_MAX / PART_BYTES - 1 ? part : 0;
    int64_t at = part * PART_BYTES, end = at + PART_BYTES;
    struct hor_buf *body = &visit->response->body;
    int code;
    do {
        int64_t length = end - at < PIECE_BYTES ? end - at : PIECE_BYTES;
        code = read_range(visit, task != NULL ? task : "", at, length, &range, &answer, &err);
        if (code != HOR_OK || range.data.len == 0)
            break;
        hor_buf_add(body, range.data.data, range.data.len);
        at += (int64_t)range.data.len;
    } while (at < end && at < range.size && !body->failed);
    if (code == HOR_OK && body->failed)
        code = hor_error_set(&err, HOR_ERR_MEMORY, "out of memory");
    enum hor_http_outcome outcome = HOR_HTTP_ANSWER;
    if (code == HOR_OK) {
        hor_http_header(visit->response, "Content-Type", "text/plain; charset=utf-8");
        hor_http_header(visit->response, "Cache-Control", "no-store");
        name_file(visit, task, part, range.size);
        hor_visit_security_headers(visit->response);
    } else {
        hor_buf_clear(body);
        hor_fault_write(&answer, code, &err, &inner);
        outcome = hor_visit_render(visit, "error.xsl", hor_status_of(code), &inner);
    }
    hor_buf_done(&range.data);
    hor_buf_done(&answer);
    hor_buf_done(&inner);
    return outcome;
}

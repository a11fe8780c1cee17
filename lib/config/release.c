#define _GNU_SOURCE
/* Release documents. Objects are written in exclusive canonical form, so that equal configuration
 * gives equal bytes, and the SHA-256 over them names the release's content. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "lib/config/document.h"
#include "lib/config/release_check.h"
#include "lib/xml/xml.h"

/* What stands around each object. In canonical form no other line looks like these, because '<' is
 * escaped in all text; write_object refuses comments that try. */
static const char open_line[] = "\n<object ", close_line[] = "\n</object>\n";

struct entry {
    const struct hor_source *source;
    enum hor_kind kind;
    char path[HOR_PATH_BYTES + 1];
};

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order != 0 ? order : strcmp(hor_kind_name(x->kind), hor_kind_name(y->kind));
}

static void attribute(struct hor_buf *out, const char *name, const char *value)
{
    hor_buf_printf(out, " %s=\"", name);
    hor_buf_xml(out, value);
    hor_buf_putc(out, '"');
}

/* Attributes in canonical order: by name. */
static int write_object(const struct entry *entry, struct hor_buf *out, struct hor_error *err)
{
    struct hor_xml_doc *doc;
    const struct hor_source *source = entry->source;
    struct hor_buf wrapped = HOR_BUF_INIT;
    bool wrap = entry->kind == HOR_KIND_ICALENDAR;
    if (wrap) {
        hor_buf_puts(&wrapped, "<iCalendar xmlns=\"urn:horarium:configuration:1\">");
        hor_buf_xml(&wrapped, source->data);
        hor_buf_puts(&wrapped, "</iCalendar>");
    }
    if (wrapped.failed) {
        hor_buf_done(&wrapped);
        return hor_error_set(err, HOR_ERR_MEMORY, "write release: out of memory");
    }
    int code = hor_xml_parse(source->file, wrap ? hor_buf_text(&wrapped) : source->data,
                             wrap ? wrapped.len : source->len, NULL, NULL, &doc, err);
    hor_buf_done(&wrapped);
    if (code != HOR_OK)
        return code;
    hor_buf_puts(out, "<object");
    attribute(out, "file", entry->source->file);
    attribute(out, "kind", hor_kind_name(entry->kind));
    attribute(out, "path", entry->path);
    hor_buf_puts(out, ">\n");
    size_t start = out->len;
    code = hor_xml_canonical(hor_xml_root(doc), out, err);
    if (code == HOR_OK && (strstr(out->data + start, open_line) != NULL ||
                           strstr(out->data + start, close_line) != NULL))
        code = hor_error_set(err, HOR_ERR_INVALID,
                             "%s: a comment must not hold a line with <object or </object>",
                             entry->source->file);
    hor_buf_puts(out, close_line);
    hor_xml_doc_free(doc);
    return code;
}

static int write_document(struct entry *entries, size_t count, const struct hor_release_info *info,
                          struct hor_buf *out, struct hor_error *err)
{
    char created[HOR_TIME_TEXT_BYTES], number[24];
    snprintf(number, sizeof number, "%lld", (long long)info->number);
    hor_buf_puts(out, "<release xmlns=\"urn:horarium:release:1\"");
    attribute(out, "author", info->author);
    attribute(out, "created", hor_time_format_us(info->created_us, created));
    attribute(out, "number", number);
    if (info->reason != NULL)
        attribute(out, "reason", info->reason);
    hor_buf_puts(out, ">\n");
    int code = HOR_OK;
    for (size_t i = 0; i < count && code == HOR_OK; i++) {
        code = write_object(&entries[i], out, err);
        if (code == HOR_OK && out->len > HOR_RELEASE_BYTES)
            code = hor_error_set(err, HOR_ERR_LIMIT, "the release is larger than 1 GiB");
    }
    hor_buf_puts(out, "</release>");
    if (code == HOR_OK && out->failed)
        code = hor_error_set(err, HOR_ERR_MEMORY, "write release: out of memory");
    return code;
}

int hor_config_write_release(const struct hor_sources *sources, const struct hor_release_info *info,
                             struct hor_buf *out, char sha256[65], struct hor_problems *problems,
                             struct hor_config **ret_config, struct hor_error *err)
{
    struct hor_config *config;
    int code = hor_config_load_sources(sources, problems, &config, err);
    if (code != HOR_OK)
        return code;
    struct hor_buf document = HOR_BUF_INIT;
    struct entry *entries = calloc(sources->count + 1, sizeof *entries);
    if (entries == NULL)
        code = hor_error_set(err, HOR_ERR_MEMORY, "write release: out of memory");
    for (size_t i = 0; i < sources->count && code == HOR_OK; i++) {
        entries[i].source = &sources->items[i];
        code = hor_source_name(sources->items[i].file, entries[i].path, &entries[i].kind, err);
    }
    if (code == HOR_OK) {
        qsort(entries, sources->count, sizeof *entries, compare_entries);
        code = write_document(entries, sources->count, info, &document, err);
    }
    free(entries);
    if (code == HOR_OK) {
        size_t start = out->len;
        hor_buf_add(out, document.data, document.len);
        if (out->failed)
            code = hor_error_set(err, HOR_ERR_MEMORY, "write release: out of memory");
        else
            hor_sha256_hex(out->data + start, document.len, sha256);
    }
    hor_buf_done(&document);
    if (code == HOR_OK && ret_config != NULL) {
        config->release = info->number;
        config->created_us = info->created_us;
        config->author = hor_arena_strdup(&config->arena, info->author);
        config->reason = hor_arena_strdup(&config->arena, info->reason);
        memcpy(config->sha256, sha256, sizeof config->sha256);
        *ret_config = config;
    } else {
        hor_config_free(config);
    }
    return code;
}

/* Reads a large document while others check it. HOR_OK: it is whole and valid, and no problem was
 * found so far; HOR_ERR_INVALID: read it again, with its schema, and tell what is wrong. */
static int read_unchecked(struct hor_builder *b, const char *bytes, size_t len)
{
    struct hor_release_check *check = hor_release_check_begin(bytes, len);
    if (check == NULL)
        return HOR_ERR_INVALID;
    struct hor_error ignored;
    int code = hor_builder_init(b, NULL, &ignored);
    if (code == HOR_OK) {
        code = hor_builder_release(b, bytes, len, HOR_BUILDER_NO_CHECK, &ignored);
        if (b->code != HOR_OK || b->own_problems.count > 0 || b->own_problems.failed)
            code = HOR_ERR_INVALID;
    }
    if (!hor_release_check_end(check) && code == HOR_OK)
        code = HOR_ERR_INVALID;
    if (code != HOR_OK)
        hor_builder_done(b);
    return code;
}

int hor_config_load_release(const char *bytes, size_t len, struct hor_problems *problems,
                            struct hor_config **ret, struct hor_error *err)
{
    struct hor_builder b;
    int code = read_unchecked(&b, bytes, len);
    if (code == HOR_OK) {
        if (problems != NULL)
            b.problems = problems;
    } else {
        code = hor_builder_init(&b, problems, err);
        if (code != HOR_OK)
            return code;
        code = hor_builder_release(&b, bytes, len, HOR_BUILDER_CHECK, err);
    }
    struct hor_config *config = NULL;
    if (code == HOR_OK)
        code = hor_builder_finish(&b, &config, err);
    hor_builder_done(&b);
    if (code == HOR_OK) {
        hor_sha256_hex(bytes, len, config->sha256);
        *ret = config;
    } else {
        hor_error_prefix(err, "load release");
    }
    return code;
}

/* ---- taking the documents out again ---- */

/* An iCalendar file comes out as it was: the text of the element. */
static int unwrap(struct hor_buf *text, struct hor_error *err)
{
    struct hor_xml_doc *doc = NULL;
    struct hor_buf inner = HOR_BUF_INIT;
    int code = hor_xml_parse("release", hor_buf_text(text), text->len, NULL, NULL, &doc, err);
    if (code != HOR_OK)
        return code;
    hor_xml_text(hor_xml_root(doc), &inner);
    hor_xml_doc_free(doc);
    hor_buf_done(text);
    *text = inner;
    return HOR_OK;
}

static char *attribute_of(const char *tag, const char *tag_end, const char *name)
{
    char pattern[32];
    snprintf(pattern, sizeof pattern, " %s=\"", name);
    size_t len = strlen(pattern);
    for (const char *at = tag; at + len < tag_end; at++)
        if (memcmp(at, pattern, len) == 0) {
            const char *value = at + len, *close = memchr(value, '"', (size_t)(tag_end - value));
            return close == NULL ? NULL : hor_str_printf("%.*s", (int)(close - value), value);
        }
    return NULL;
}

int hor_config_release_sources(const char *bytes, size_t len, struct hor_sources *ret,
                               struct hor_error *err)
{
    struct hor_sources found = {0};
    const char *end = bytes + len, *at = bytes;
    int code = HOR_OK;
    while (code == HOR_OK && (at = memmem(at, (size_t)(end - at), open_line, sizeof open_line - 1)) != NULL) {
        const char *tag_end = memchr(at, '>', (size_t)(end - at));
        const char *last = tag_end == NULL ? NULL
                                           : memmem(tag_end, (size_t)(end - tag_end), close_line,
                                                    sizeof close_line - 1);
        char *file = last == NULL ? NULL : attribute_of(at, tag_end, "file");
        if (file == NULL) {
            code = hor_error_set(err, HOR_ERR_INVALID, "not a release document of this version");
            break;
        }
        const char *start = tag_end + 2; /* after "\n" */
        struct hor_buf text = HOR_BUF_INIT;
        hor_buf_add(&text, start, (size_t)(last + 1 - start)); /* with its last newline */
        if (hor_source_is_icalendar(file))
            code = unwrap(&text, err);
        if (code != HOR_OK)
            hor_error_prefix(err, "%s", file);
        else if (text.failed || hor_sources_add(&found, file, text.data, text.len) != HOR_OK)
            code = hor_error_set(err, HOR_ERR_MEMORY, "release: out of memory");
        hor_buf_done(&text);
        free(file);
        at = last;
    }
    if (code != HOR_OK)
        hor_sources_done(&found);
    else
        *ret = found;
    return code;
}

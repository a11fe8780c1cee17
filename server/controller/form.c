/* server/controller/form.c - parameters of an address or a form. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "server/controller/internal.h"

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Length of the UTF-8 sequence at p that XML may hold, 0 when it is none. */
static size_t sequence(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return p[0] >= 0x20 || p[0] == '\n' || p[0] == '\t' || p[0] == '\r' ? 1 : 0;
    size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    }
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90) ||
        (p[0] == 0xF4 && p[1] > 0x8F) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xEF && p[1] == 0xBF && p[2] > 0xBD))
        return 0;
    return n;
}

/* Whatever a browser sends becomes text that an XML document can hold. */
static char *decode(const char *text, size_t len)
{
    struct hor_buf raw = HOR_BUF_INIT, out = HOR_BUF_INIT;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '+')
            hor_buf_putc(&raw, ' ');
        else if (text[i] == '%' && i + 2 < len && digit(text[i + 1]) >= 0 &&
                 digit(text[i + 2]) >= 0) {
            hor_buf_putc(&raw, (char)(digit(text[i + 1]) * 16 + digit(text[i + 2])));
            i += 2;
        } else
            hor_buf_putc(&raw, text[i]);
    }
    for (size_t i = 0; i < raw.len;) {
        size_t n = sequence((const unsigned char *)raw.data + i, raw.len - i);
        if (n > 0)
            hor_buf_add(&out, raw.data + i, n);
        else
            hor_buf_puts(&out, "\xEF\xBF\xBD");
        i += n > 0 ? n : 1;
    }
    bool failed = raw.failed;
    hor_buf_done(&raw);
    if (failed) {
        hor_buf_done(&out);
        return NULL;
    }
    if (out.data == NULL && !out.failed)
        return hor_strdup("");
    return hor_buf_take(&out);
}

static int append(struct hor_form *form, char *take_name, char *take_value)
{
    if (take_name != NULL && take_value != NULL && form->count == form->cap) {
        size_t cap = form->cap ? form->cap * 2 : 16;
        struct hor_form_value *more = realloc(form->values, cap * sizeof *more);
        if (more != NULL) {
            form->values = more;
            form->cap = cap;
        }
    }
    if (take_name == NULL || take_value == NULL || form->count == form->cap) {
        free(take_name);
        free(take_value);
        return HOR_ERR_MEMORY;
    }
    form->values[form->count++] = (struct hor_form_value){take_name, take_value};
    return HOR_OK;
}

int hor_form_parse(const char *text, size_t len, struct hor_form *form, struct hor_error *err)
{
    *form = (struct hor_form){0};
    size_t i = 0;
    while (text != NULL && i < len) {
        const char *end = memchr(text + i, '&', len - i);
        size_t size = end != NULL ? (size_t)(end - text) - i : len - i;
        const char *equal = memchr(text + i, '=', size);
        size_t name = equal != NULL ? (size_t)(equal - text) - i : size;
        if (size > 0) {
            if (form->count == HOR_FORM_VALUES) {
                hor_form_done(form);
                return hor_error_set(err, HOR_ERR_LIMIT, "more than %d parameters", HOR_FORM_VALUES);
            }
            char *value = equal != NULL ? decode(equal + 1, size - name - 1) : hor_strdup("");
            if (append(form, decode(text + i, name), value) != HOR_OK) {
                hor_form_done(form);
                return hor_error_set(err, HOR_ERR_MEMORY, "parameters: out of memory");
            }
        }
        i += size + 1;
    }
    return HOR_OK;
}

void hor_form_done(struct hor_form *form)
{
    for (size_t i = 0; i < form->count; i++) {
        free(form->values[i].name);
        free(form->values[i].value);
    }
    free(form->values);
    *form = (struct hor_form){0};
}

const char *hor_form_get(const struct hor_form *form, const char *name, unsigned n)
{
    for (size_t i = 0; i < form->count; i++) {
        if (strcmp(form->values[i].name, name) == 0 && n-- == 0)
            return form->values[i].value;
    }
    return NULL;
}

int hor_form_set(struct hor_form *form, const char *name, const char *value)
{
    size_t kept = 0;
    for (size_t i = 0; i < form->count; i++) {
        if (strcmp(form->values[i].name, name) == 0) {
            free(form->values[i].name);
            free(form->values[i].value);
        } else
            form->values[kept++] = form->values[i];
    }
    form->count = kept;
    return value != NULL ? append(form, hor_strdup(name), hor_strdup(value)) : HOR_OK;
}

void hor_form_write(const struct hor_form *form, const char *const *except, struct hor_buf *out)
{
    bool first = true;
    for (size_t i = 0; i < form->count; i++) {
        bool out_of_it = form->values[i].value[0] == '\0';
        for (size_t k = 0; except[k] != NULL && !out_of_it; k++)
            out_of_it = strcmp(form->values[i].name, except[k]) == 0;
        if (out_of_it)
            continue;
        if (!first)
            hor_buf_putc(out, '&');
        first = false;
        hor_http_encode(out, form->values[i].name);
        hor_buf_putc(out, '=');
        hor_http_encode(out, form->values[i].value);
    }
}

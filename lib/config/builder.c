/* What all kinds of objects need while they are built; document.c drives it. */
#include "lib/config/builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/model/day.h"

void hor_builder_problem(struct hor_builder *b, const char *remedy, const char *format, ...)
{
    char text[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    hor_problems_add(b->problems, HOR_SEVERITY_ERROR, b->file, b->line, b->path, remedy, "%s",
                     text);
}

void hor_builder_refuse(struct hor_builder *b, const char *what)
{
    hor_builder_problem(b, "leave it out", "%s is not supported in this version", what);
}

void *hor_builder_add(struct hor_builder *b, void *array, size_t *count, size_t item_bytes)
{
    void *items;
    memcpy(&items, array, sizeof items); /* `array` is the address of a pointer to any type */
    items = hor_arena_grow(b->arena, items, *count, item_bytes);
    if (items == NULL) {
        b->code = HOR_ERR_MEMORY;
        return NULL;
    }
    memcpy(array, &items, sizeof items);
    return (char *)items + (*count)++ * item_bytes;
}

const char *hor_builder_text(struct hor_builder *b, hor_attributes *a, const char *name)
{
    return hor_arena_strdup(b->arena, hor_xml_attribute_of(a, name));
}

bool hor_builder_has(hor_attributes *a, const char *name)
{
    return hor_xml_attribute_of(a, name) != NULL;
}

bool hor_builder_bool(hor_attributes *a, const char *name)
{
    const char *value = hor_xml_attribute_of(a, name);
    return value != NULL && (strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
}

const char *hor_builder_reference(struct hor_builder *b, hor_attributes *a, const char *name)
{
    const char *value = hor_xml_attribute_of(a, name);
    if (value == NULL || *value == '/')
        return hor_arena_strdup(b->arena, value);
    char absolute[2 * HOR_PATH_BYTES + 2];
    int folder = (int)(strrchr(b->path, '/') - b->path);
    int len = snprintf(absolute, sizeof absolute, "%.*s/%s", folder, b->path, value);
    if (len > HOR_PATH_BYTES) {
        hor_builder_problem(b, NULL, "the path '%.80s...' is longer than %d bytes", absolute,
                            HOR_PATH_BYTES);
        return NULL;
    }
    return hor_arena_text(b->arena, absolute, (size_t)len);
}

int64_t hor_builder_int(struct hor_builder *b, hor_attributes *a, const char *name,
                        int64_t fallback)
{
    (void)b; /* the schema tells what is no number */
    const char *value = hor_xml_attribute_of(a, name);
    if (value != NULL && *value == '+')
        value++;
    int64_t number;
    return value != NULL && hor_str_to_int64(value, &number) == HOR_OK ? number : fallback;
}

int64_t hor_builder_duration(struct hor_builder *b, hor_attributes *a, const char *name,
                             int64_t fallback_ms)
{
    const char *value = hor_xml_attribute_of(a, name);
    int64_t ms;
    if (value == NULL)
        return fallback_ms;
    if (hor_duration_parse_ms(value, &ms) == HOR_OK && ms >= 0)
        return ms;
    hor_builder_problem(b, "write days, hours, minutes or seconds, such as PT15M or P1DT2H",
                        "%s='%s' is not a duration", name, value);
    return fallback_ms;
}

int32_t hor_builder_day(struct hor_builder *b, hor_attributes *a, const char *name)
{
    const char *value = hor_xml_attribute_of(a, name);
    int32_t day;
    if (value == NULL)
        return HOR_DAY_NONE;
    if (hor_day_parse(value, &day) == HOR_OK)
        return day;
    hor_builder_problem(b, "write YYYY-MM-DD", "%s='%s' is not a day", name, value);
    return HOR_DAY_NONE;
}

int32_t hor_builder_time(struct hor_builder *b, hor_attributes *a, const char *name,
                         int32_t fallback_s)
{
    (void)b; /* the schema tells what is no time */
    const char *value = hor_xml_attribute_of(a, name);
    int32_t seconds;
    return value != NULL && hor_time_of_day_parse(value, &seconds) == HOR_OK ? seconds : fallback_s;
}

int64_t hor_builder_size(struct hor_builder *b, hor_attributes *a, const char *name)
{
    static const char units[] = "KMGT";
    const char *value = hor_xml_attribute_of(a, name);
    if (value == NULL)
        return 0;
    char *end;
    int64_t size = strtoll(value, &end, 10);
    const char *unit = *end == '\0' ? NULL : strchr(units, *end);
    for (long i = unit == NULL ? -1 : unit - units; i >= 0; i--) {
        if (size > INT64_MAX / 1024) {
            hor_builder_problem(b, NULL, "%s='%s' is too large", name, value);
            return 0;
        }
        size *= 1024;
    }
    return size;
}

int hor_builder_milli(struct hor_builder *b, hor_attributes *a, const char *name, int fallback)
{
    const char *value = hor_xml_attribute_of(a, name);
    if (value == NULL)
        return fallback;
    /* by hand: strtod depends on the locale */
    int64_t milli = 0;
    int digits = 0;
    bool fraction = false;
    for (; *value != '\0' && milli < 1000000; value++) {
        if (*value == '.')
            fraction = true;
        else if (*value >= '0' && *value <= '9' && digits < 3) {
            milli = milli * 10 + (*value - '0');
            digits += fraction ? 1 : 0;
        }
    }
    for (; digits < 3; digits++)
        milli *= 10;
    if (milli > INT32_MAX) {
        hor_builder_problem(b, NULL, "%s is too large", name);
        return fallback;
    }
    return (int)milli;
}

int hor_builder_choice(hor_attributes *a, const char *name, const char *const *values, int fallback)
{
    const char *value = hor_xml_attribute_of(a, name);
    for (int i = 0; value != NULL && values[i] != NULL; i++)
        if (strcmp(values[i], value) == 0)
            return i;
    return fallback;
}

void hor_builder_codes(struct hor_builder *b, const char *text, struct hor_codes *ret)
{
    for (text += strspn(text, " "); *text >= '0' && *text <= '9'; text += strspn(text, " ")) {
        char *end;
        long from = strtol(text, &end, 10), to = from;
        if (*end == '-')
            to = strtol(end + 1, &end, 10);
        text = end;
        if (from > to || to > 255) {
            hor_builder_problem(b, "write codes from 0 to 255 and ranges such as 3-5",
                                "%ld-%ld is not a range of exit codes", from, to);
            continue;
        }
        struct hor_code_range *range = HOR_ADD(b, ret->items, ret->count);
        if (range != NULL)
            *range = (struct hor_code_range){(int)from, (int)to};
    }
}

void hor_builder_check_template(struct hor_builder *b, const char *text, hor_xpath_known_fn *known)
{
    struct hor_error err;
    if (text == NULL || strpbrk(text, "{}") == NULL)
        return;
    if (hor_template_check(text, known, b, &err) != HOR_OK)
        hor_builder_problem(b, NULL, "%s", err.text);
}

void hor_builder_check_xpath(struct hor_builder *b, const char *text, hor_xpath_known_fn *known)
{
    struct hor_error err;
    if (text != NULL && hor_xpath_check(text, known, b, &err) != HOR_OK)
        hor_builder_problem(b, NULL, "%s", err.text);
}

void hor_builder_parameter(struct hor_builder *b, hor_attributes *a, struct hor_parameter **items,
                           size_t *count, hor_xpath_known_fn *known)
{
    static const char *const types[] = {"string", "integer", "number", "boolean",
                                        "date",   "secret",  "list",   NULL};
    const char *name = hor_builder_text(b, a, "name");
    if (name == NULL)
        return; /* told by the schema */
    for (size_t i = 0; i < *count; i++)
        if (strcmp((*items)[i].name, name) == 0)
            hor_builder_problem(b, "give each its own name", "parameter '%s' stands twice", name);
    int type = hor_builder_choice(a, "type", types, 0);
    if (type == HOR_PARAMETER_SECRET + 1) {
        hor_builder_refuse(b, "a parameter of type 'list'");
        type = HOR_PARAMETER_STRING;
    }
    struct hor_parameter added = {.name = name,
                                  .type = (enum hor_parameter_type)type,
                                  .required = hor_builder_bool(a, "required"),
                                  .fallback = hor_builder_text(b, a, "default"),
                                  .title = hor_builder_text(b, a, "title")};
    hor_builder_check_template(b, added.fallback, known);
    if (added.fallback != NULL && strpbrk(added.fallback, "{}") == NULL &&
        !hor_parameter_accepts(&added, added.fallback))
        hor_builder_problem(b, "write a default of that type", "default='%s' is not of type '%s'",
                            added.fallback, types[type]);
    struct hor_parameter *place = hor_builder_add(b, items, count, sizeof **items);
    if (place != NULL)
        *place = added;
}

const char *hor_builder_trimmed(struct hor_builder *b)
{
    const char *text = hor_buf_text(&b->text);
    text += strspn(text, " \t\r\n");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        len--;
    return hor_arena_text(b->arena, text, len);
}

void hor_builder_named(struct hor_builder *b, struct hor_named_text **items, size_t *count,
                       hor_xpath_known_fn *known)
{
    if (b->name == NULL)
        return; /* told by the schema */
    for (size_t i = 0; i < *count; i++)
        if (strcmp((*items)[i].name, b->name) == 0)
            hor_builder_problem(b, "give each its own name", "'%s' stands twice", b->name);
    const char *value = hor_arena_text(b->arena, hor_buf_text(&b->text), b->text.len);
    hor_builder_check_template(b, value, known);
    struct hor_named_text *place = hor_builder_add(b, items, count, sizeof **items);
    if (place != NULL)
        *place = (struct hor_named_text){b->name, value};
}

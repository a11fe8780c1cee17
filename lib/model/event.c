/* Events as values: made, copied, freed, and their names. event_xml.c reads and writes them. */
#include "lib/model/event.h"

#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include "lib/base/str.h"
#include "lib/model/event_fields.h"

const struct hor_event_field hor_event_fields[HOR_EVENT_FIELD_COUNT] = {
#define ROW(member, attribute, kind)                                                               \
    {attribute, sizeof attribute - 1, HOR_EVENT_KIND_##kind, offsetof(struct hor_event, member)},
    HOR_EVENT_FIELDS(ROW)
#undef ROW
};

static const char *const type_names[HOR_EVENT_TYPES] = {
#define NAME(suffix, name) name,
    HOR_EVENT_TABLE(NAME)
#undef NAME
};

/* Names are looked up for each attribute of each line of a journal: one small hash table for the
 * fields and one for the types, made at the first look. */
enum { SLOTS = 256 };
static unsigned char field_slots[SLOTS], type_slots[SLOTS]; /* number + 1 */

_Static_assert(HOR_EVENT_FIELD_COUNT < 64, "event_xml.c keeps a set of fields in 64 bits");
_Static_assert((int)HOR_EVENT_TYPES < SLOTS / 2 && (int)HOR_EVENT_FIELD_COUNT < SLOTS / 2,
               "the tables stay at most half full");

static unsigned slot_of(const char *name, size_t len)
{
    unsigned hash = (unsigned)len;
    for (size_t i = 0; i < len; i++)
        hash = hash * 31 + (unsigned char)name[i];
    return (hash ^ hash >> 8) % SLOTS;
}

static void enter(unsigned char *slots, const char *name, size_t len, int number)
{
    unsigned at = slot_of(name, len);
    while (slots[at] != 0)
        at = (at + 1) % SLOTS;
    slots[at] = (unsigned char)(number + 1);
}

static void make_tables(void)
{
    for (int i = 0; i < HOR_EVENT_FIELD_COUNT; i++)
        enter(field_slots, hor_event_fields[i].name, hor_event_fields[i].name_len, i);
    for (int i = 0; i < (int)HOR_EVENT_TYPES; i++)
        enter(type_slots, type_names[i], strlen(type_names[i]), i);
}

static once_flag tables_once = ONCE_FLAG_INIT;

int hor_event_find_field(const char *name, size_t len)
{
    call_once(&tables_once, make_tables);
    for (unsigned at = slot_of(name, len); field_slots[at] != 0; at = (at + 1) % SLOTS) {
        const struct hor_event_field *field = &hor_event_fields[field_slots[at] - 1];
        if (field->name_len == len && memcmp(field->name, name, len) == 0)
            return field_slots[at] - 1;
    }
    return -1;
}

int hor_event_find_type(const char *name, size_t len)
{
    call_once(&tables_once, make_tables);
    for (unsigned at = slot_of(name, len); type_slots[at] != 0; at = (at + 1) % SLOTS) {
        const char *known = type_names[type_slots[at] - 1];
        if (strncmp(known, name, len) == 0 && known[len] == '\0')
            return type_slots[at] - 1;
    }
    return -1;
}

const char *hor_event_type_name(enum hor_event_type type)
{
    return (unsigned)type < (unsigned)HOR_EVENT_TYPES ? type_names[type] : "unknown";
}

int hor_event_type_from_name(const char *name, enum hor_event_type *ret)
{
    int number = name != NULL ? hor_event_find_type(name, strlen(name)) : -1;
    if (number < 0)
        return HOR_ERR_NOT_FOUND;
    *ret = (enum hor_event_type)number;
    return HOR_OK;
}

/* The list grows when its count is a power of two, so it needs no capacity of its own. */
static int arguments_grow(struct hor_arguments *list)
{
    if ((list->count & (list->count - 1)) != 0)
        return HOR_OK;
    size_t capacity = list->count == 0 ? 1 : list->count * 2;
    struct hor_argument *items = realloc(list->items, capacity * sizeof *items);
    if (items == NULL)
        return HOR_ERR_MEMORY;
    list->items = items;
    return HOR_OK;
}

static struct hor_argument *argument_find(const struct hor_arguments *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return &list->items[i];
    return NULL;
}

int hor_arguments_add(struct hor_arguments *list, const char *name, const char *value, bool secret)
{
    char *value_copy = strdup(value != NULL ? value : "");
    if (value_copy == NULL)
        return HOR_ERR_MEMORY;
    struct hor_argument *old = argument_find(list, name);
    if (old != NULL) {
        free(old->value);
        old->value = value_copy;
        old->secret = secret;
        return HOR_OK;
    }
    char *name_copy = strdup(name);
    if (name_copy == NULL || arguments_grow(list) != HOR_OK) {
        free(name_copy);
        free(value_copy);
        return HOR_ERR_MEMORY;
    }
    list->items[list->count++] =
        (struct hor_argument){.name = name_copy, .value = value_copy, .secret = secret};
    return HOR_OK;
}

const char *hor_arguments_get(const struct hor_arguments *list, const char *name)
{
    const struct hor_argument *found = argument_find(list, name);
    return found != NULL ? found->value : NULL;
}

int hor_arguments_copy(struct hor_arguments *to, const struct hor_arguments *from)
{
    struct hor_arguments copy = {0};
    for (size_t i = 0; i < from->count; i++) {
        const struct hor_argument *one = &from->items[i];
        if (hor_arguments_add(&copy, one->name, one->value, one->secret) != HOR_OK) {
            hor_arguments_done(&copy);
            return HOR_ERR_MEMORY;
        }
    }
    *to = copy;
    return HOR_OK;
}

void hor_arguments_done(struct hor_arguments *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].name);
        free(list->items[i].value);
    }
    free(list->items);
    *list = (struct hor_arguments){0};
}

struct hor_event *hor_event_new(enum hor_event_type type, int64_t at_us)
{
    struct hor_event *event = calloc(1, sizeof *event);
    if (event == NULL)
        return NULL;
    event->type = type;
    event->at_us = at_us;
    for (int i = 0; i < HOR_EVENT_FIELD_COUNT; i++)
        if (hor_event_fields[i].kind != HOR_EVENT_KIND_S)
            *hor_event_number(event, &hor_event_fields[i]) = HOR_EVENT_NONE;
    return event;
}

void hor_event_free(struct hor_event *event)
{
    if (event == NULL)
        return;
    for (int i = 0; i < HOR_EVENT_FIELD_COUNT; i++)
        if (hor_event_fields[i].kind == HOR_EVENT_KIND_S)
            free(*hor_event_string(event, &hor_event_fields[i]));
    free(event->text);
    hor_arguments_done(&event->arguments);
    free(event);
}

int hor_event_set(char **field, const char *value)
{
    char *copy = hor_strdup(value);
    if (copy == NULL && value != NULL)
        return HOR_ERR_MEMORY;
    free(*field);
    *field = copy;
    return HOR_OK;
}

struct hor_event *hor_event_copy(const struct hor_event *event)
{
    struct hor_event *copy = hor_event_new(event->type, event->at_us);
    if (copy == NULL)
        return NULL;
    copy->index = event->index;
    int code = hor_event_set(&copy->text, event->text);
    for (int i = 0; code == HOR_OK && i < HOR_EVENT_FIELD_COUNT; i++) {
        const struct hor_event_field *field = &hor_event_fields[i];
        if (field->kind == HOR_EVENT_KIND_S)
            code = hor_event_set(hor_event_string(copy, field), *hor_event_string(event, field));
        else
            *hor_event_number(copy, field) = *hor_event_number(event, field);
    }
    if (code == HOR_OK)
        code = hor_arguments_copy(&copy->arguments, &event->arguments);
    if (code != HOR_OK) {
        hor_event_free(copy);
        return NULL;
    }
    return copy;
}

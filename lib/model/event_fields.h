/* lib/model/event_fields.h - the fields of an event as a table, for event.c and event_xml.c only.
 * Read-only: any thread. */
#ifndef HOR_MODEL_EVENT_FIELDS_H
#define HOR_MODEL_EVENT_FIELDS_H

#include "lib/model/event.h"

enum hor_event_kind { HOR_EVENT_KIND_S, HOR_EVENT_KIND_N, HOR_EVENT_KIND_T };

struct hor_event_field {
    const char *name; /* of the attribute */
    size_t name_len;
    enum hor_event_kind kind;
    size_t offset; /* in struct hor_event */
};

enum {
#define HOR_EVENT_ONE(member, attribute, kind) HOR_EVENT_FIELD_##member,
    HOR_EVENT_FIELDS(HOR_EVENT_ONE)
#undef HOR_EVENT_ONE
        HOR_EVENT_FIELD_COUNT
};

extern const struct hor_event_field hor_event_fields[HOR_EVENT_FIELD_COUNT];

static inline char **hor_event_string(const struct hor_event *event,
                                      const struct hor_event_field *field)
{
    return (char **)((char *)event + field->offset);
}

static inline int64_t *hor_event_number(const struct hor_event *event,
                                        const struct hor_event_field *field)
{
    return (int64_t *)((char *)event + field->offset);
}

/* The number of the field or type with this name, -1 when there is none. */
int hor_event_find_field(const char *name, size_t len);
int hor_event_find_type(const char *name, size_t len);

#endif

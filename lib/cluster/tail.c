#include <stdlib.h>

#include "lib/cluster/tail.h"

void hor_tail_entry_done(struct hor_tail_entry *entry)
{
    free(entry->xml);
    hor_event_free(entry->event);
    *entry = (struct hor_tail_entry){.xml = NULL};
}

static struct hor_tail_entry *at(const struct hor_tail *tail, size_t i)
{
    return &tail->ring[(tail->start + i) & (tail->cap - 1)];
}

void hor_tail_done(struct hor_tail *tail)
{
    for (size_t i = 0; i < tail->count; i++)
        hor_tail_entry_done(at(tail, i));
    free(tail->ring);
    *tail = (struct hor_tail){.ring = NULL};
}

bool hor_tail_push(struct hor_tail *tail, struct hor_tail_entry *entry)
{
    if (tail->count == tail->cap) {
        size_t cap = tail->cap ? tail->cap * 2 : 256;
        struct hor_tail_entry *ring = calloc(cap, sizeof *ring);
        if (ring == NULL)
            return false;
        for (size_t i = 0; i < tail->count; i++)
            ring[i] = *at(tail, i);
        free(tail->ring);
        tail->ring = ring;
        tail->cap = cap;
        tail->start = 0;
    }
    if (tail->count == 0)
        tail->first = entry->entry.index;
    tail->count++;
    *at(tail, tail->count - 1) = *entry;
    tail->bytes += entry->entry.len;
    *entry = (struct hor_tail_entry){.xml = NULL};
    return true;
}

struct hor_tail_entry *hor_tail_get(const struct hor_tail *tail, uint64_t index)
{
    if (tail->count == 0 || index < tail->first || index >= tail->first + tail->count)
        return NULL;
    return at(tail, (size_t)(index - tail->first));
}

void hor_tail_truncate(struct hor_tail *tail, uint64_t from)
{
    while (tail->count > 0 && tail->first + tail->count > from) {
        struct hor_tail_entry *last = at(tail, tail->count - 1);
        tail->bytes -= last->entry.len;
        hor_tail_entry_done(last);
        tail->count--;
    }
}

void hor_tail_trim(struct hor_tail *tail, uint64_t keep_after, size_t count_max, size_t bytes_max)
{
    while (tail->count > 0 && tail->first <= keep_after &&
           (tail->count > count_max || tail->bytes > bytes_max)) {
        tail->bytes -= at(tail, 0)->entry.len;
        hor_tail_entry_done(at(tail, 0));
        tail->start = (tail->start + 1) & (tail->cap - 1);
        tail->first++;
        tail->count--;
    }
}

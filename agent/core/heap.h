/* agent/core/heap.h - a binary heap of things that know their place in it, so that any of them can be
 * moved or taken out. One thread. */
#ifndef HOR_AGENT_CORE_HEAP_H
#define HOR_AGENT_CORE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

struct hor_core_place { /* embedded in the item; all zero: in no heap */
    size_t at;          /* position + 1 */
};

struct hor_core_heap {
    void **items;
    size_t count, cap;
    size_t place_offset; /* of struct hor_core_place in an item */
    bool (*before)(const void *a, const void *b);
};

void hor_core_heap_done(struct hor_core_heap *heap);
/* HOR_ERR_MEMORY. The item must be in no heap that uses the same place. */
int hor_core_heap_push(struct hor_core_heap *heap, void *item);
void *hor_core_heap_top(const struct hor_core_heap *heap); /* NULL: empty */
void hor_core_heap_remove(struct hor_core_heap *heap, void *item); /* nothing when not in it */
bool hor_core_heap_has(const struct hor_core_heap *heap, const void *item);

#endif

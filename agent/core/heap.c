#include "agent/core/heap.h"

#include <stdlib.h>

#include "lib/base/error.h"

static struct hor_core_place *place_of(const struct hor_core_heap *heap, void *item)
{
    return (struct hor_core_place *)((char *)item + heap->place_offset);
}

static void put(struct hor_core_heap *heap, size_t i, void *item)
{
    heap->items[i] = item;
    place_of(heap, item)->at = i + 1;
}

static void sift_up(struct hor_core_heap *heap, size_t i, void *item)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (!heap->before(item, heap->items[parent]))
            break;
        put(heap, i, heap->items[parent]);
        i = parent;
    }
    put(heap, i, item);
}

static void sift_down(struct hor_core_heap *heap, size_t i, void *item)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap->before(heap->items[child + 1], heap->items[child]))
            child++;
        if (!heap->before(heap->items[child], item))
            break;
        put(heap, i, heap->items[child]);
        i = child;
    }
    put(heap, i, item);
}

void hor_core_heap_done(struct hor_core_heap *heap)
{
    free(heap->items);
    heap->items = NULL;
    heap->count = heap->cap = 0;
}

int hor_core_heap_push(struct hor_core_heap *heap, void *item)
{
    if (heap->count == heap->cap) {
        size_t cap = heap->cap ? heap->cap * 2 : 64;
        void **items = realloc(heap->items, cap * sizeof *items);
        if (items == NULL)
            return HOR_ERR_MEMORY;
        heap->items = items;
        heap->cap = cap;
    }
    sift_up(heap, heap->count++, item);
    return HOR_OK;
}

void *hor_core_heap_top(const struct hor_core_heap *heap)
{
    return heap->count ? heap->items[0] : NULL;
}

bool hor_core_heap_has(const struct hor_core_heap *heap, const void *item)
{
    return ((const struct hor_core_place *)((const char *)item + heap->place_offset))->at != 0;
}

void hor_core_heap_remove(struct hor_core_heap *heap, void *item)
{
    struct hor_core_place *place = place_of(heap, item);
    if (place->at == 0)
        return;
    size_t i = place->at - 1;
    void *last = heap->items[--heap->count];
    place->at = 0;
    if (last == item)
        return;
    if (i > 0 && heap->before(last, heap->items[(i - 1) / 2]))
        sift_up(heap, i, last);
    else
        sift_down(heap, i, last);
}

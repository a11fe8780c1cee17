#include "lib/base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 * 1024, ALIGN = 16 };

struct hor_arena_block {
    struct hor_arena_block *next;
    size_t used, size;
    _Alignas(ALIGN) unsigned char data[];
};

static void *take(struct hor_arena *arena, size_t bytes, size_t align)
{
    struct hor_arena_block *block = arena->blocks;
    size_t at = block == NULL ? 0 : (block->used + align - 1) & ~(align - 1);
    if (block == NULL || at > block->size || block->size - at < bytes) {
        if (bytes > SIZE_MAX / 2) {
            arena->failed = true;
            return NULL;
        }
        size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        struct hor_arena_block *fresh = malloc(sizeof *fresh + size);
        if (fresh == NULL) {
            arena->failed = true;
            return NULL;
        }
        *fresh = (struct hor_arena_block){.size = size};
        if (bytes > BLOCK_BYTES && block != NULL) { /* the open block stays in front */
            fresh->next = block->next;
            block->next = fresh;
        } else {
            fresh->next = block;
            arena->blocks = fresh;
        }
        block = fresh;
        at = 0;
    }
    block->used = at + bytes;
    arena->bytes += bytes;
    return block->data + at;
}

void *hor_arena_alloc(struct hor_arena *arena, size_t bytes)
{
    void *memory = take(arena, bytes, ALIGN);
    return memory == NULL ? NULL : memset(memory, 0, bytes);
}

char *hor_arena_text(struct hor_arena *arena, const char *text, size_t len)
{
    char *copy = take(arena, len + 1, 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *hor_arena_strdup(struct hor_arena *arena, const char *text)
{
    return text == NULL ? NULL : hor_arena_text(arena, text, strlen(text));
}

void *hor_arena_grow(struct hor_arena *arena, void *items, size_t count, size_t item_bytes)
{
    if ((count & (count - 1)) != 0) /* not full: capacities are powers of two */
        return items;
    if (count > SIZE_MAX / 4 / item_bytes) {
        arena->failed = true;
        return NULL;
    }
    void *larger = hor_arena_alloc(arena, (count == 0 ? 1 : 2 * count) * item_bytes);
    if (larger != NULL && count > 0)
        memcpy(larger, items, count * item_bytes);
    return larger;
}

void hor_arena_done(struct hor_arena *arena)
{
    while (arena->blocks != NULL) {
        struct hor_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
    *arena = (struct hor_arena){0};
}

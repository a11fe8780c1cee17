/* lib/base/arena.h - memory that is given back all at once: for models that are built once, read
 * often and freed whole. One thread while it grows. */
#ifndef HOR_BASE_ARENA_H
#define HOR_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct hor_arena_block;

/* All zero is an empty arena. A failed allocation marks it `failed`: a builder checks once. */
struct hor_arena {
    struct hor_arena_block *blocks;
    size_t bytes; /* asked for so far */
    bool failed;
};

/* Zeroed memory for anything, NULL (and `failed`) when memory is out. */
void *hor_arena_alloc(struct hor_arena *arena, size_t bytes);
/* A copy of `len` bytes and a zero byte. */
char *hor_arena_text(struct hor_arena *arena, const char *text, size_t len);
char *hor_arena_strdup(struct hor_arena *arena, const char *text); /* NULL gives NULL */
/* Makes room for one more item in an array that holds `count` (doubling at powers of two, zeroed);
 * returns the array, moved or not, or NULL: the old one is still good. */
void *hor_arena_grow(struct hor_arena *arena, void *items, size_t count, size_t item_bytes);
void hor_arena_done(struct hor_arena *arena);

#endif

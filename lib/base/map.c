#include "lib/base/map.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <threads.h>

#include "lib/base/error.h"

/* Entries stand in order of insertion; `slots` is the hash table of their numbers. A removed entry
 * keeps its place (key NULL) until the next rebuild, which only an addition can cause: so a walk
 * may remove. */
struct entry {
    char *key;
    void *value;
    uint32_t hash;
};

enum { SLOT_FREE = 0, SLOT_REMOVED = 1, SLOT_BASE = 2, LEAST_SLOTS = 8 };

struct hor_map {
    hor_map_free_fn *free_value;
    struct entry *entries;
    size_t used, capacity; /* entries, removed ones included */
    size_t count;
    uint32_t *slots; /* a power of two; entry number + SLOT_BASE */
    size_t slot_count, slots_used;
};

static uint32_t seed;

static void make_seed(void)
{
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        seed = 2166136261u;
}

static uint32_t hash_of(const char *key)
{
    uint32_t hash = 2166136261u ^ seed;
    for (; *key != '\0'; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619u;
    return hash ^ hash >> 15; /* the low bits choose the slot */
}

struct hor_map *hor_map_new(hor_map_free_fn *free_value)
{
    static once_flag once = ONCE_FLAG_INIT;
    call_once(&once, make_seed);
    struct hor_map *map = calloc(1, sizeof *map);
    if (map != NULL)
        map->free_value = free_value;
    return map;
}

void hor_map_free(struct hor_map *map)
{
    if (map == NULL)
        return;
    for (size_t i = 0; i < map->used; i++) {
        if (map->entries[i].key == NULL)
            continue;
        if (map->free_value != NULL)
            map->free_value(map->entries[i].value);
        free(map->entries[i].key);
    }
    free(map->entries);
    free(map->slots);
    free(map);
}

size_t hor_map_count(const struct hor_map *map) { return map->count; }

/* The slot that holds `key`, or NULL. */
static uint32_t *find(const struct hor_map *map, const char *key, uint32_t hash)
{
    if (map->count == 0)
        return NULL;
    for (size_t at = hash & (map->slot_count - 1);; at = (at + 1) & (map->slot_count - 1)) {
        uint32_t slot = map->slots[at];
        if (slot == SLOT_FREE)
            return NULL;
        if (slot == SLOT_REMOVED)
            continue;
        const struct entry *entry = &map->entries[slot - SLOT_BASE];
        if (entry->hash == hash && strcmp(entry->key, key) == 0)
            return &map->slots[at];
    }
}

void *hor_map_get(const struct hor_map *map, const char *key)
{
    const uint32_t *slot = find(map, key, hash_of(key));
    return slot != NULL ? map->entries[*slot - SLOT_BASE].value : NULL;
}

static void link_entry(uint32_t *slots, size_t slot_count, uint32_t hash, size_t number)
{
    size_t at = hash & (slot_count - 1);
    while (slots[at] >= SLOT_BASE)
        at = (at + 1) & (slot_count - 1);
    slots[at] = (uint32_t)(number + SLOT_BASE);
}

/* Makes room for one more: drops removed entries and doubles the table when it is half full of
 * live ones. */
static int rebuild(struct hor_map *map)
{
    size_t slot_count = LEAST_SLOTS;
    while (slot_count / 2 <= map->count)
        slot_count *= 2;
    size_t capacity = slot_count / 4 * 3;
    if (capacity > UINT32_MAX / 2)
        return HOR_ERR_MEMORY;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    struct entry *entries = malloc(capacity * sizeof *entries);
    if (slots == NULL || entries == NULL) {
        free(slots);
        free(entries);
        return HOR_ERR_MEMORY;
    }
    size_t used = 0;
    for (size_t i = 0; i < map->used; i++) {
        if (map->entries[i].key == NULL)
            continue;
        entries[used] = map->entries[i];
        link_entry(slots, slot_count, entries[used].hash, used);
        used++;
    }
    free(map->slots);
    free(map->entries);
    map->slots = slots;
    map->entries = entries;
    map->slot_count = slot_count;
    map->slots_used = map->used = used;
    map->capacity = capacity;
    return HOR_OK;
}

int hor_map_put(struct hor_map *map, const char *key, void *value)
{
    uint32_t hash = hash_of(key);
    uint32_t *slot = find(map, key, hash);
    if (slot != NULL) {
        struct entry *entry = &map->entries[*slot - SLOT_BASE];
        if (map->free_value != NULL && entry->value != value)
            map->free_value(entry->value);
        entry->value = value;
        return HOR_OK;
    }
    char *copy = strdup(key);
    if (copy == NULL)
        return HOR_ERR_MEMORY;
    if ((map->used == map->capacity || map->slots_used >= map->slot_count / 4 * 3) &&
        rebuild(map) != HOR_OK) {
        free(copy);
        return HOR_ERR_MEMORY;
    }
    map->entries[map->used] = (struct entry){.key = copy, .value = value, .hash = hash};
    link_entry(map->slots, map->slot_count, hash, map->used);
    map->slots_used++; /* a reused slot counts twice: only an earlier rebuild */
    map->used++;
    map->count++;
    return HOR_OK;
}

void *hor_map_take(struct hor_map *map, const char *key)
{
    uint32_t *slot = find(map, key, hash_of(key));
    if (slot == NULL)
        return NULL;
    struct entry *entry = &map->entries[*slot - SLOT_BASE];
    void *value = entry->value;
    free(entry->key);
    entry->key = NULL;
    entry->value = NULL;
    *slot = SLOT_REMOVED;
    map->count--;
    return value;
}

bool hor_map_remove(struct hor_map *map, const char *key)
{
    if (find(map, key, hash_of(key)) == NULL)
        return false;
    void *value = hor_map_take(map, key);
    if (map->free_value != NULL)
        map->free_value(value);
    return true;
}

void *hor_map_next(const struct hor_map *map, size_t *pos, const char **ret_key)
{
    while (*pos < map->used) {
        const struct entry *entry = &map->entries[(*pos)++];
        if (entry->key == NULL)
            continue;
        if (ret_key != NULL)
            *ret_key = entry->key;
        return entry->value;
    }
    return NULL;
}

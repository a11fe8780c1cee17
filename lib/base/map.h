/* lib/base/map.h - a hash map from strings to pointers (SipHash-free FNV-1a with a random seed per
 * process, open addressing, insertion order kept for walking). Keys are copied; values are borrowed
 * unless a free function is given. One thread. */
#ifndef HOR_BASE_MAP_H
#define HOR_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

struct hor_map;
typedef void hor_map_free_fn(void *value);

struct hor_map *hor_map_new(hor_map_free_fn *free_value); /* free_value may be NULL */
void hor_map_free(struct hor_map *map);
size_t hor_map_count(const struct hor_map *map);
void *hor_map_get(const struct hor_map *map, const char *key);
/* Adds or replaces (freeing the old value). HOR_ERR_MEMORY leaves the map as it was and `value`
 * with the caller. */
int hor_map_put(struct hor_map *map, const char *key, void *value);
/* Removes and returns the value (not freed), NULL when absent. */
void *hor_map_take(struct hor_map *map, const char *key);
/* Removes and frees; false when absent. */
bool hor_map_remove(struct hor_map *map, const char *key);
/* Walks in order of insertion: start with *pos = 0; NULL at the end. Removing the entry just
 * returned is allowed, adding is not. `ret_key` may be NULL. */
void *hor_map_next(const struct hor_map *map, size_t *pos, const char **ret_key);

#endif

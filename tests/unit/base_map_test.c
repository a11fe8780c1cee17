#include "lib/base/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "tests/lib/tap.h"

static int freed;

static void count_free(void *value)
{
    (void)value;
    freed++;
}

/* Compared with a plain array over a long random run. */
static void test_against_array(unsigned seed)
{
    enum { KEYS = 500, STEPS = 40000 };
    static int values[KEYS];
    bool there[KEYS] = {false}, right = true;
    size_t count = 0;
    struct hor_map *map = hor_map_new(NULL);
    srand(seed);
    for (int step = 0; step < STEPS && right; step++) {
        int key = rand() % KEYS;
        char name[16];
        snprintf(name, sizeof name, "k%d", key);
        if (hor_map_get(map, name) != (there[key] ? &values[key] : NULL))
            right = false;
        if (rand() % 2) {
            right = right && hor_map_put(map, name, &values[key]) == HOR_OK;
            count += !there[key];
            there[key] = true;
        } else {
            right = right && hor_map_take(map, name) == (there[key] ? &values[key] : NULL);
            count -= there[key];
            there[key] = false;
        }
        right = right && hor_map_count(map) == count;
    }
    ok(right, "40,000 steps like an array (seed %u)", seed);
    hor_map_free(map);
}

int main(void)
{
    struct hor_map *map = hor_map_new(count_free);
    ok(hor_map_get(map, "a") == NULL && hor_map_count(map) == 0, "empty");
    int values[100];
    char key[16];
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "key%d", i);
        hor_map_put(map, key, &values[i]);
    }
    ok(hor_map_count(map) == 100 && hor_map_get(map, "key57") == &values[57], "100 entries");
    size_t pos = 0;
    const char *name;
    int seen = 0;
    bool ordered = true;
    for (int *value; (value = hor_map_next(map, &pos, &name)) != NULL; seen++) {
        ordered = ordered && value == &values[seen];
        snprintf(key, sizeof key, "key%d", seen);
        ordered = ordered && strcmp(name, key) == 0;
        if (seen % 3 == 0)
            hor_map_remove(map, key);
    }
    ok(ordered && seen == 100, "walked in order of insertion while removing");
    is_int(hor_map_count(map), 66, "a third is gone");
    is_int(freed, 34, "and was freed");
    ok(!hor_map_remove(map, "key0"), "cannot be removed twice");
    hor_map_put(map, "key1", &values[0]);
    ok(freed == 35 && hor_map_get(map, "key1") == &values[0] && hor_map_count(map) == 66,
       "replacing frees the old value");
    ok(hor_map_take(map, "key1") == &values[0] && freed == 35, "taking does not free");
    hor_map_free(map);
    is_int(freed, 35 + 65, "freeing the map frees the rest");
    hor_map_free(NULL);
    for (unsigned seed = 1; seed <= 5; seed++)
        test_against_array(seed);
    return done_testing();
}

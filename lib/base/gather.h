/* lib/base/gather.h - how long a reader of events waits between two reads. Each read costs a call, a
 * commit and a sync whatever it brings: under load a longer wait brings more for the same price, and
 * when little happens it would only make what is seen older. Pure; milliseconds. */
#ifndef HOR_BASE_GATHER_H
#define HOR_BASE_GATHER_H

#include <stddef.h>
#include <stdint.h>

enum { HOR_GATHER_FEW = 4, HOR_GATHER_MANY = 8 }; /* events in one read */

/* The wait after a read that brought `taken`, when the one before it was `before_ms` (0: the first):
 * the shortest for a few, twice as long each time for many. */
static inline int64_t hor_gather_next_ms(int64_t before_ms, size_t taken, int64_t shortest_ms,
                                         int64_t longest_ms)
{
    if (before_ms < shortest_ms || taken < HOR_GATHER_FEW)
        return shortest_ms;
    if (taken < HOR_GATHER_MANY)
        return before_ms;
    return before_ms * 2 < longest_ms ? before_ms * 2 : longest_ms;
}

#endif

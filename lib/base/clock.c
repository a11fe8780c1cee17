#include "lib/base/clock.h"

#include <time.h>

static int64_t now_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t hor_clock_monotonic_us(void) { return now_us(CLOCK_MONOTONIC); }
int64_t hor_clock_monotonic_ms(void) { return now_us(CLOCK_MONOTONIC) / 1000; }
int64_t hor_clock_utc_us(void) { return now_us(CLOCK_REALTIME); }
int64_t hor_clock_utc_ms(void) { return now_us(CLOCK_REALTIME) / 1000; }

/* lib/base/clock.h - time. Monotonic time for timeouts and leases, UTC for plans and records.
 * Pure code takes the time as an argument; shells read it here. Any thread. */
#ifndef HOR_BASE_CLOCK_H
#define HOR_BASE_CLOCK_H

#include <stdint.h>

int64_t hor_clock_monotonic_ms(void);
int64_t hor_clock_monotonic_us(void);
int64_t hor_clock_utc_ms(void);
int64_t hor_clock_utc_us(void);

#endif

/* server/supervisor/auth/throttle.h - slows failed logins down: the first few attempts are free,
 * then each failure doubles the time until the next one is looked at. Counted by account and by
 * address. The memory is bounded. Times are milliseconds given by the caller; any thread. */
#ifndef HOR_SUPERVISOR_AUTH_THROTTLE_H
#define HOR_SUPERVISOR_AUTH_THROTTLE_H

#include <stdint.h>

enum { THROTTLE_FREE_ACCOUNT = 5, THROTTLE_FREE_ADDRESS = 20 };

struct throttle;
struct throttle *throttle_new(void);
void throttle_free(struct throttle *throttle);
/* Milliseconds until an attempt is looked at; 0: now. `account` NULL asks for the address only. */
int64_t throttle_wait_ms(struct throttle *throttle, const char *account, const char *address,
                         int64_t now_ms);
void throttle_failed(struct throttle *throttle, const char *account, const char *address,
                     int64_t now_ms);
/* The account is forgiven; the address is not: it may guess at others. */
void throttle_succeeded(struct throttle *throttle, const char *account);
void throttle_expire(struct throttle *throttle, int64_t now_ms);

#endif

/* lib/config/release_check.h - checks a large release document against its schema on other threads,
 * piece by piece, while the caller reads it. libxml2's validation takes most of the time of a load.
 * It only tells whether the document is valid for certain; who needs to know what is wrong, and
 * where, reads it again with the schema. Private to this folder. */
#ifndef HOR_CONFIG_RELEASE_CHECK_H
#define HOR_CONFIG_RELEASE_CHECK_H

#include <stdbool.h>
#include <stddef.h>

struct hor_release_check;

/* Begins; `bytes` are borrowed until the end. NULL: not worth it, not possible, no memory. */
struct hor_release_check *hor_release_check_begin(const char *bytes, size_t len);
/* Helps, waits, frees. False: invalid, or unknown. */
bool hor_release_check_end(struct hor_release_check *check);

#endif

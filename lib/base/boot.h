/* lib/base/boot.h - telling one start of the machine from another: what is in memory, and what was
 * written and not synced, lasts from one start to the next and no longer. Any thread. */
#ifndef HOR_BASE_BOOT_H
#define HOR_BASE_BOOT_H

#include <stddef.h>

#include "lib/base/error.h"

enum { HOR_BOOT_ID_BYTES = 64 };

/* The kernel's id of its present start, or HORARIUM_BOOT_ID of the environment, which lets tests
 * start a machine anew. HOR_ERR_IO, HOR_ERR_INVALID: it is no word of at most 63 letters, digits
 * and hyphens. */
int hor_boot_id(char ret_id[HOR_BOOT_ID_BYTES], struct hor_error *err);

#endif

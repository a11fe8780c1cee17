/* lib/base/crc32c.h - CRC-32C (Castagnoli, RFC 3720 appendix B.4), with SSE4.2 where the processor
 * has it and by table elsewhere. Any thread. */
#ifndef HOR_BASE_CRC32C_H
#define HOR_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continue from `crc`; start with 0. */
uint32_t hor_crc32c(uint32_t crc, const void *data, size_t len);

#endif

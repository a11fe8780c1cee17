#include "lib/base/crc32c.h"

#include <string.h>
#include <threads.h>

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_processor(uint32_t crc,
                                                               const unsigned char *data,
                                                               size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; data += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, data, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; len > 0; data++, len--)
        crc = __builtin_ia32_crc32qi(crc, *data);
    return crc;
}
#endif

static uint32_t table[256];

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0); /* the polynomial, bits reversed */
        table[i] = crc;
    }
}

static uint32_t by_table(uint32_t crc, const unsigned char *data, size_t len)
{
    static once_flag once = ONCE_FLAG_INIT;
    call_once(&once, make_table);
    for (; len > 0; data++, len--)
        crc = crc >> 8 ^ table[(crc ^ *data) & 0xFF];
    return crc;
}

uint32_t hor_crc32c(uint32_t crc, const void *data, size_t len)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~by_processor(~crc, data, len);
#endif
    return ~by_table(~crc, data, len);
}

#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/crc32c.h"
#include "lib/base/error.h"
#include "lib/base/gather.h"
#include "tests/lib/tap.h"

static void test_crc(void)
{
    unsigned char zeros[32] = {0}, ones[32], rising[32];
    memset(ones, 0xFF, sizeof ones);
    for (int i = 0; i < 32; i++)
        rising[i] = (unsigned char)i;
    is_int(hor_crc32c(0, "123456789", 9), 0xE3069283, "CRC-32C of the usual digits");
    is_int(hor_crc32c(0, zeros, 32), 0x8A9136AA, "of zeros (RFC 3720)");
    is_int(hor_crc32c(0, ones, 32), 0x62A8AB43, "of ones");
    is_int(hor_crc32c(0, rising, 32), 0x46DD794E, "of rising bytes");
    bool same = true;
    for (size_t cut = 0; cut <= 32; cut++)
        same = same &&
               hor_crc32c(hor_crc32c(0, rising, cut), rising + cut, 32 - cut) == 0x46DD794E;
    ok(same, "in two pieces the same");
    is_int(hor_crc32c(0, "", 0), 0, "of nothing");
}

static void test_base64(void)
{
    static const char *const pairs[][2] = {{"", ""},         {"f", "Zg=="},     {"fo", "Zm8="},
                                           {"foo", "Zm9v"},  {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    struct hor_buf text = HOR_BUF_INIT, data = HOR_BUF_INIT;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        hor_buf_clear(&text);
        hor_buf_clear(&data);
        hor_base64_encode(pairs[i][0], strlen(pairs[i][0]), &text);
        is(hor_buf_text(&text), pairs[i][1], "'%s' coded", pairs[i][0]);
        ok(hor_base64_decode(text.data, text.len, &data) == HOR_OK &&
               strcmp(hor_buf_text(&data), pairs[i][0]) == 0,
           "and back");
    }
    hor_buf_clear(&data);
    ok(hor_base64_decode(" Zm\n9v\tYg =\r=", 13, &data) == HOR_OK && data.len == 4,
       "white space is skipped");
    static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Zg==Zg==", "Zm9v-A==",
                                      "Zm9*", "Z=m8"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ok(hor_base64_decode(bad[i], strlen(bad[i]), &data) == HOR_ERR_INVALID && data.len == 4,
           "refused: %s", bad[i]);
    enum { LARGE = 300001 };
    unsigned char *large = malloc(LARGE);
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (unsigned char)(i * 2654435761u >> 13);
    hor_buf_clear(&text);
    hor_buf_clear(&data);
    hor_base64_encode(large, LARGE, &text);
    ok(hor_base64_decode(text.data, text.len, &data) == HOR_OK && data.len == LARGE &&
           memcmp(data.data, large, LARGE) == 0,
       "a large one");
    free(large);
    hor_buf_done(&text);
    hor_buf_done(&data);
    char hex[65];
    hor_sha256_hex("abc", 3, hex);
    is(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "SHA-256");
}

static void test_gather(void)
{
    int64_t wait_ms = hor_gather_next_ms(0, 500, 20, 200);
    is_int(wait_ms, 20, "the first wait is the shortest, whatever came");
    for (int i = 0; i < 3; i++)
        wait_ms = hor_gather_next_ms(wait_ms, HOR_GATHER_MANY, 20, 200);
    is_int(wait_ms, 160, "many events: twice as long each time");
    is_int(hor_gather_next_ms(wait_ms, 1000, 20, 200), 200, "no longer than the longest");
    is_int(hor_gather_next_ms(wait_ms, HOR_GATHER_FEW, 20, 200), 160, "some: as before");
    is_int(hor_gather_next_ms(wait_ms, HOR_GATHER_FEW - 1, 20, 200), 20, "a few: the shortest");
    is_int(hor_gather_next_ms(wait_ms, 0, 20, 200), 20, "none: the shortest");
}

int main(void)
{
    test_crc();
    test_base64();
    test_gather();
    return done_testing();
}

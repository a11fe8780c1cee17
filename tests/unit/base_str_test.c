#include "lib/base/str.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "tests/lib/tap.h"

static void test_numbers(void)
{
    int64_t n = 7;
    uint64_t u = 7;
    ok(hor_str_to_int64("-9223372036854775808", &n) == HOR_OK && n == INT64_MIN, "the least");
    ok(hor_str_to_int64("9223372036854775807", &n) == HOR_OK && n == INT64_MAX, "the greatest");
    ok(hor_str_to_uint64("18446744073709551615", &u) == HOR_OK && u == UINT64_MAX, "unsigned");
    static const char *const bad[] = {"",  "-", "+1", " 1", "1 ", "0x1", "1.0", "--1",
                                      "9223372036854775808", "-9223372036854775809"};
    n = 7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ok(hor_str_to_int64(bad[i], &n) == HOR_ERR_INVALID && n == 7, "not a number: '%s'", bad[i]);
    ok(hor_str_to_uint64("18446744073709551616", &u) == HOR_ERR_INVALID, "too large unsigned");
    ok(hor_str_to_int64(NULL, &n) == HOR_ERR_INVALID, "nothing is no number");
}

static void test_times(void)
{
    char out[HOR_TIME_TEXT_BYTES];
    int64_t us = 0;
    is(hor_time_format_us(0, out), "1970-01-01T00:00:00.000000Z", "the epoch");
    is(hor_time_format_us(-1, out), "1969-12-31T23:59:59.999999Z", "just before");
    is(hor_time_format_us(1795489200123456, out), "2026-11-24T03:00:00.123456Z", "a time");
    is(hor_time_format_us(951782400000000, out), "2000-02-29T00:00:00.000000Z", "a leap day");
    hor_time_format_us(INT64_MIN, out);
    hor_time_format_us(INT64_MAX, out);
    ok(strlen(out) < sizeof out, "the ends of the range fit");
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {
        {"2026-11-24T03:00:00.123456Z", 1795489200123456},
        {"2026-11-24T03:00:00.1234567Z", 1795489200123456},
        {"2026-11-24T03:00:00Z", 1795489200000000},
        {"2026-11-24T04:30:00.5+01:30", 1795489200500000},
        {"2026-11-23T22:00:00-05:00", 1795489200000000},
        {"2026-11-23T24:00:00Z", 1795478400000000},
        {"1600-02-29T00:00:00Z", -11670998400000000},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ok(hor_time_parse_us(good[i].text, &us) == HOR_OK && us == good[i].us, "read %s",
           good[i].text);
    static const char *const bad[] = {
        "",
        "2026-11-24",
        "2026-11-24T03:00:00",
        "2026-11-24T03:00:00z",
        "2026-11-24 03:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-11-24T24:00:01Z",
        "2026-11-24T23:60:00Z",
        "2026-11-24T23:00:60Z",
        "2026-11-24T23:00:00.Z",
        "2026-11-24T23:00:00+14:01",
        "2026-11-24T23:00:00+1:00",
        "2026-11-24T23:00:00ZZ",
        "0000-11-24T23:00:00Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ok(hor_time_parse_us(bad[i], &us) == HOR_ERR_INVALID, "not a time: '%s'", bad[i]);
    bool same = true;
    for (int64_t day = -800000; day < 2000000; day += 97) {
        int64_t wanted = day * 86400000000 + 12345, got = 0;
        if (day > -719162 && day < 2932896)
            same = same && hor_time_parse_us(hor_time_format_us(wanted, out), &got) == HOR_OK &&
                   got == wanted;
    }
    ok(same, "what is written is read again, over thousands of years");
}

static void test_durations(void)
{
    char out[HOR_TIME_TEXT_BYTES];
    int64_t ms = 0;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"PT0S", 0},        {"P1D", 86400000},     {"P1DT2H3M4.5S", 93784500},
        {"PT90M", 5400000}, {"-PT1.25S", -1250},   {"PT0.0019S", 1},
        {"P0D", 0},         {"PT1H0.001S", 3600001},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ok(hor_duration_parse_ms(good[i].text, &ms) == HOR_OK && ms == good[i].ms, "read %s",
           good[i].text);
    static const char *const bad[] = {"",     "P",    "PT",   "1D",    "P1Y",  "P1M",   "PT1D", "P1H",
                                      "P1DT", "PT1S2M", "PT1.5M", "PT.5S", "PT1.S", "P1D ", "PT1H1H",
                                      "P99999999999999999999D", "P106751991168D", "+P1D"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ok(hor_duration_parse_ms(bad[i], &ms) == HOR_ERR_INVALID, "no duration: '%s'", bad[i]);
    is(hor_duration_format_ms(0, out), "PT0S", "nothing");
    is(hor_duration_format_ms(93784500, out), "P1DT2H3M4.5S", "all parts");
    is(hor_duration_format_ms(-60000, out), "-PT1M", "a negative one");
    is(hor_duration_format_ms(86400000, out), "P1D", "a day");
    hor_duration_format_ms(INT64_MIN + 1, out);
    ok(hor_duration_parse_ms(out, &ms) == HOR_OK && ms == INT64_MIN + 1, "a huge one: %s", out);
}

static void test_others(void)
{
    char a[HOR_UUID_BYTES], b[HOR_UUID_BYTES], hex[9];
    hor_uuid(a);
    hor_uuid(b);
    ok(strlen(a) == 36 && a[14] == '4' && strchr("89ab", a[19]) != NULL, "a UUID: %s", a);
    ok(strcmp(a, b) != 0, "another one differs");
    hor_hex("\x00\x7f\xff\x10", 4, hex);
    is(hex, "007fff10", "hexadecimal");
    ok(hor_secret_equal("secret", "secret") && !hor_secret_equal("secret", "secreT") &&
           !hor_secret_equal("secret", "") && !hor_secret_equal("", "s") &&
           !hor_secret_equal("ab", "abab") && !hor_secret_equal(NULL, NULL) &&
           hor_secret_equal("", ""),
       "secrets");
    ok(hor_str_equal(NULL, NULL) && !hor_str_equal(NULL, "") && hor_str_equal("a", "a"), "equal");
    ok(hor_str_starts("/a/b", "/a") && !hor_str_starts("/", "/a") && !hor_str_starts(NULL, ""),
       "starts");
    char *text = hor_str_printf("%s-%d", "a", 5);
    is(text, "a-5", "a new string");
    free(text);
    is_int(hor_utf8_length("\xF0\x9F\x98\x80"), 4, "a character of four bytes");
    is_int(hor_utf8_length("\xE0\x80\x80"), 0, "an overlong one");
    is_int(hor_utf8_length("\xEF\xBF\xBF"), 0, "a character that XML forbids");
}

int main(void)
{
    test_numbers();
    test_times();
    test_durations();
    test_others();
    return done_testing();
}

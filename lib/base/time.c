/* The texts of times and durations; see str.h. By hand: strftime and strptime depend on the locale,
 * know no fractions, and journals hold a time on every line. */
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/str.h"

enum { SECONDS_PER_DAY = 86400 };

/* Days since 1970-01-01 in the proleptic Gregorian calendar; eras of 400 years that begin in March,
 * so that the leap day is the last of its year. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int64_t m = (5 * of_year + 2) / 153;
    *day = (unsigned)(of_year - (153 * m + 2) / 5 + 1);
    *month = (unsigned)(m < 10 ? m + 3 : m - 9);
    *year = years + era * 400 + (*month <= 2);
}

static char *put(char *out, uint64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--, value /= 10)
        out[i] = (char)('0' + value % 10);
    return out + digits;
}

const char *hor_time_format_us(int64_t utc_us, char out[HOR_TIME_TEXT_BYTES])
{
    int64_t seconds = utc_us / 1000000, us = utc_us % 1000000;
    if (us < 0) {
        us += 1000000;
        seconds--;
    }
    int64_t days = seconds / SECONDS_PER_DAY, of_day = seconds % SECONDS_PER_DAY;
    if (of_day < 0) {
        of_day += SECONDS_PER_DAY;
        days--;
    }
    int64_t year;
    unsigned month, day;
    date_from_days(days, &year, &month, &day);
    char *p = out;
    if (year < 0) {
        *p++ = '-';
        year = -year;
    }
    p = put(p, (uint64_t)year, year > 99999 ? 6 : year > 9999 ? 5 : 4);
    *p++ = '-';
    p = put(p, month, 2);
    *p++ = '-';
    p = put(p, day, 2);
    *p++ = 'T';
    p = put(p, (uint64_t)(of_day / 3600), 2);
    *p++ = ':';
    p = put(p, (uint64_t)(of_day / 60 % 60), 2);
    *p++ = ':';
    p = put(p, (uint64_t)(of_day % 60), 2);
    *p++ = '.';
    p = put(p, (uint64_t)us, 6);
    *p++ = 'Z';
    *p = '\0';
    return out;
}

/* Reads exactly `digits` digits; false when something else stands there. */
static bool take(const char **text, int digits, unsigned *ret)
{
    unsigned value = 0;
    for (int i = 0; i < digits; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        value = value * 10 + (unsigned)(**text - '0');
    }
    *ret = value;
    return true;
}

static bool take_char(const char **text, char c)
{
    if (**text != c)
        return false;
    (*text)++;
    return true;
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Reads ".123..." to a number of `digits` places; further digits are cut. */
static bool take_fraction(const char **text, int digits, int64_t *ret)
{
    int64_t value = 0;
    int seen = 0;
    if (!take_char(text, '.'))
        return false;
    for (; **text >= '0' && **text <= '9'; (*text)++, seen++)
        if (seen < digits)
            value = value * 10 + (**text - '0');
    for (int i = seen; i < digits; i++)
        value *= 10;
    *ret = value;
    return seen > 0;
}

int hor_time_parse_us(const char *text, int64_t *ret_utc_us)
{
    unsigned year, month, day, hour, minute, second;
    int64_t us = 0, offset_minutes = 0;
    if (text == NULL)
        return HOR_ERR_INVALID;
    if (!take(&text, 4, &year) || !take_char(&text, '-') || !take(&text, 2, &month) ||
        !take_char(&text, '-') || !take(&text, 2, &day) || !take_char(&text, 'T') ||
        !take(&text, 2, &hour) || !take_char(&text, ':') || !take(&text, 2, &minute) ||
        !take_char(&text, ':') || !take(&text, 2, &second))
        return HOR_ERR_INVALID;
    if (*text == '.' && !take_fraction(&text, 6, &us))
        return HOR_ERR_INVALID;
    if (*text == '+' || *text == '-') {
        int sign = *text++ == '-' ? -1 : 1;
        unsigned h, m;
        if (!take(&text, 2, &h) || !take_char(&text, ':') || !take(&text, 2, &m) || m > 59 ||
            h > 14 || (h == 14 && m > 0))
            return HOR_ERR_INVALID;
        offset_minutes = sign * (int64_t)(h * 60 + m);
    } else if (!take_char(&text, 'Z')) {
        return HOR_ERR_INVALID;
    }
    bool midnight_after = hour == 24 && minute == 0 && second == 0 && us == 0;
    if (*text != '\0' || year == 0 || month < 1 || month > 12 || day < 1 ||
        day > days_of_month(year, month) || (hour > 23 && !midnight_after) || minute > 59 ||
        second > 59)
        return HOR_ERR_INVALID;
    int64_t minutes =
        days_from_date(year, month, day) * 1440 + hour * 60 + minute - offset_minutes;
    *ret_utc_us = (minutes * 60 + second) * 1000000 + us;
    return HOR_OK;
}

int hor_duration_parse_ms(const char *text, int64_t *ret_ms)
{
    static const char units[] = "DHMS"; /* in their order; D stands before T */
    static const int64_t unit_ms[] = {86400000, 3600000, 60000, 1000};
    if (text == NULL)
        return HOR_ERR_INVALID;
    bool negative = take_char(&text, '-'), in_time = false, any = false;
    int64_t total = 0;
    size_t next = 0;
    if (!take_char(&text, 'P'))
        return HOR_ERR_INVALID;
    while (*text != '\0') {
        if (*text == 'T') {
            if (in_time)
                return HOR_ERR_INVALID;
            in_time = true;
            any = false; /* at least one part must follow */
            if (next < 1)
                next = 1;
            text++;
            continue;
        }
        int64_t value = 0, fraction = 0;
        const char *start = text;
        for (; *text >= '0' && *text <= '9'; text++)
            if (value < INT64_MAX / 100)
                value = value * 10 + (*text - '0');
        if (text == start)
            return HOR_ERR_INVALID;
        bool fractional = *text == '.';
        if (fractional && !take_fraction(&text, 3, &fraction))
            return HOR_ERR_INVALID;
        const char *unit = *text != '\0' ? strchr(units + next, *text) : NULL;
        if (unit == NULL || (fractional && *unit != 'S') || (*unit == 'D') == in_time)
            return HOR_ERR_INVALID;
        text++;
        next = (size_t)(unit - units) + 1;
        int64_t part;
        if (__builtin_mul_overflow(value, unit_ms[next - 1], &part) ||
            __builtin_add_overflow(part, fraction, &part) ||
            __builtin_add_overflow(total, part, &total))
            return HOR_ERR_INVALID;
        any = true;
    }
    if (!any)
        return HOR_ERR_INVALID;
    *ret_ms = negative ? -total : total;
    return HOR_OK;
}

const char *hor_duration_format_ms(int64_t ms, char out[HOR_TIME_TEXT_BYTES])
{
    static const char units[] = "DHM";
    static const uint64_t unit_ms[] = {86400000, 3600000, 60000};
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    char *p = out;
    if (ms < 0)
        *p++ = '-';
    *p++ = 'P';
    for (size_t i = 0; i < 3; i++) {
        if (i == 1 && (left > 0 || ms == 0))
            *p++ = 'T';
        uint64_t count = left / unit_ms[i];
        left %= unit_ms[i];
        if (count == 0)
            continue;
        int digits = 1;
        for (uint64_t rest = count; rest >= 10; rest /= 10)
            digits++;
        p = put(p, count, digits);
        *p++ = units[i];
    }
    if (left > 0 || ms == 0) {
        uint64_t seconds = left / 1000, fraction = left % 1000;
        p = put(p, seconds, seconds > 9 ? 2 : 1);
        if (fraction > 0) {
            *p++ = '.';
            p = put(p, fraction, 3);
            while (p[-1] == '0')
                p--;
        }
        *p++ = 'S';
    }
    *p = '\0';
    return out;
}

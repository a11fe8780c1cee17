#include "lib/model/day.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/error.h"

/* Days from civil dates: years begin in March, so that the leap day is the last one. */
int32_t hor_day_make(int year, int month, int day_of_month)
{
    int y = month <= 2 ? year - 1 : year;
    int era = (y >= 0 ? y : y - 399) / 400;
    int year_of_era = y - era * 400;
    int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day_of_month - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void hor_day_split(int32_t day, int *ret_year, int *ret_month, int *ret_day_of_month)
{
    int z = day + 719468;
    int era = (z >= 0 ? z : z - 146096) / 146097;
    int day_of_era = z - era * 146097;
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int m = (5 * day_of_year + 2) / 153;
    *ret_day_of_month = day_of_year - (153 * m + 2) / 5 + 1;
    *ret_month = m < 10 ? m + 3 : m - 9;
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2 ? 1 : 0);
}

int hor_day_weekday(int32_t day)
{
    int weekday = (day + 3) % 7; /* 1970-01-01 was a Thursday */
    return weekday < 0 ? weekday + 7 : weekday;
}

/* Exactly `digits` decimal digits. */
static bool digits(const char *text, int count, int *ret)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (text[i] - '0');
    }
    *ret = value;
    return true;
}

int hor_day_parse(const char *text, int32_t *ret)
{
    int year, month, day_of_month;
    if (strlen(text) != 10 || text[4] != '-' || text[7] != '-' || !digits(text, 4, &year) ||
        !digits(text + 5, 2, &month) || !digits(text + 8, 2, &day_of_month) || year < 1 ||
        month < 1 || month > 12 || day_of_month < 1 || day_of_month > 31)
        return HOR_ERR_INVALID;
    int32_t day = hor_day_make(year, month, day_of_month);
    int y, m, d;
    hor_day_split(day, &y, &m, &d);
    if (d != day_of_month) /* such as 31 April */
        return HOR_ERR_INVALID;
    *ret = day;
    return HOR_OK;
}

const char *hor_day_format(int32_t day, char out[HOR_DAY_TEXT_BYTES])
{
    int year, month, day_of_month;
    hor_day_split(day, &year, &month, &day_of_month);
    snprintf(out, HOR_DAY_TEXT_BYTES, "%04d-%02d-%02d", year, month, day_of_month);
    return out;
}

int hor_time_of_day_parse(const char *text, int32_t *ret_s)
{
    int hour, minute, second = 0;
    size_t len = strlen(text);
    if ((len != 5 && len != 8) || !digits(text, 2, &hour) || text[2] != ':' ||
        !digits(text + 3, 2, &minute) || minute > 59)
        return HOR_ERR_INVALID;
    if (len == 8 && (text[5] != ':' || !digits(text + 6, 2, &second) || second > 59))
        return HOR_ERR_INVALID;
    if (hour > 24 || (hour == 24 && (minute > 0 || second > 0)))
        return HOR_ERR_INVALID;
    *ret_s = hour * 3600 + minute * 60 + second;
    return HOR_OK;
}

int hor_days_in_month(int year, int month)
{
    int next_year = month == 12 ? year + 1 : year, next_month = month == 12 ? 1 : month + 1;
    return hor_day_make(next_year, next_month, 1) - hor_day_make(year, month, 1);
}

int32_t hor_day_of_local(int64_t local_s)
{
    int64_t day = local_s / HOR_DAY_SECONDS;
    return (int32_t)(local_s % HOR_DAY_SECONDS < 0 ? day - 1 : day);
}

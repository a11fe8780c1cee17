/* The ids of orders: made from what they are, so that the same order always has the same one. */
#include <stdio.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "lib/model/day.h"
#include "lib/model/plan.h"

enum { US = 1000000, MAX_NAME_BYTES = 200 };

static const char *id_name(const char *chain)
{
    const char *slash = strrchr(chain, '/');
    return slash != NULL ? slash + 1 : chain;
}

void hor_plan_order_id(const char *chain, const char *master, int32_t plan_day,
                       const char *schedule, int64_t planned_us, int64_t local_s,
                       char out[HOR_ORDER_ID_BYTES])
{
    char day[HOR_DAY_TEXT_BYTES], at[HOR_TIME_TEXT_BYTES], source[1200], sha[65];
    int year, month, day_of_month;
    hor_day_split(plan_day, &year, &month, &day_of_month);
    int len = snprintf(source, sizeof source, "%s|%s|%s|%s", master, hor_day_format(plan_day, day),
                       schedule, hor_time_format_us(planned_us, at));
    hor_sha256_hex(source, (size_t)len < sizeof source ? (size_t)len : sizeof source - 1, sha);
    int second = (int)(local_s - (int64_t)hor_day_of_local(local_s) * HOR_DAY_SECONDS);
    snprintf(out, HOR_ORDER_ID_BYTES, "%.*s-%04d%02d%02d-%02d%02d-%.8s", MAX_NAME_BYTES,
             id_name(chain), year % 10000, month % 100, day_of_month % 100, second / 3600 % 100,
             second / 60 % 60, sha);
}

void hor_plan_added_id(const char *chain, const char *request, int64_t planned_us,
                       char out[HOR_ORDER_ID_BYTES])
{
    char sha[65];
    int year, month, day;
    int64_t utc_s = planned_us / US;
    hor_sha256_hex(request, strlen(request), sha);
    hor_day_split(hor_day_of_local(utc_s), &year, &month, &day);
    int second = (int)(utc_s % HOR_DAY_SECONDS);
    snprintf(out, HOR_ORDER_ID_BYTES, "%.*s-%04d%02d%02d-%02d%02d%02d-%.8s", MAX_NAME_BYTES,
             id_name(chain), year % 10000, month % 100, day % 100, second / 3600 % 100,
             second / 60 % 60, second % 60, sha);
}

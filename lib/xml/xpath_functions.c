/* urn:horarium:functions:1. Nothing here depends on the locale. */
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/xml/xpath_internal.h"

enum { DATE_BYTES = 10, FORMAT_RESULT_BYTES = 1000 };

static const int64_t day_us = INT64_C(86400) * 1000 * 1000;

/* A date is taken as its midnight; a time without a zone as UTC. */
static bool parse_moment(const xmlChar *text, int64_t *ret_us)
{
    char padded[64];
    size_t len = strlen((const char *)text);
    if (len < DATE_BYTES || len > 40)
        return false;
    snprintf(padded, sizeof padded, "%s%s", (const char *)text, len == DATE_BYTES ? "T00:00:00Z" : "");
    if (hor_time_parse_us(padded, ret_us) == HOR_OK)
        return true;
    snprintf(padded, sizeof padded, "%sZ", (const char *)text);
    return hor_time_parse_us(padded, ret_us) == HOR_OK;
}

static void push_text(xmlXPathParserContextPtr call, const char *text)
{
    valuePush(call, xmlXPathNewString(BAD_CAST text));
}

static void function_now(xmlXPathParserContextPtr ctxt, int nargs)
{
    CHECK_ARITY(0);
    const int64_t *now_us = ctxt->context->userData;
    char text[HOR_TIME_TEXT_BYTES];
    push_text(ctxt, hor_time_format_us(*now_us, text));
}

static void function_date_add(xmlXPathParserContextPtr ctxt, int nargs)
{
    CHECK_ARITY(2);
    double days = xmlXPathPopNumber(ctxt);
    xmlChar *text = xmlXPathPopString(ctxt);
    int64_t us;
    if (ctxt->error != XPATH_EXPRESSION_OK || text == NULL) {
        xmlFree(text);
        return;
    }
    bool right = parse_moment(text, &us) && isfinite(days) && fabs(days) < 1e6;
    xmlFree(text);
    if (!right) {
        xmlXPathSetError(ctxt, XPATH_INVALID_OPERAND);
        return;
    }
    char moved[HOR_TIME_TEXT_BYTES];
    hor_time_format_us(us + (int64_t)floor(days) * day_us, moved);
    moved[DATE_BYTES] = '\0';
    push_text(ctxt, moved);
}

struct parts {
    int year, month, day, hour, minute, second;
    int weekday; /* 0 Monday */
    int day_of_year; /* from 1 */
};

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static struct parts split(int64_t us)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    struct parts parts = {0};
    char text[HOR_TIME_TEXT_BYTES];
    hor_time_format_us(us, text);
    sscanf(text, "%d-%d-%dT%d:%d:%d", &parts.year, &parts.month, &parts.day, &parts.hour,
           &parts.minute, &parts.second);
    int64_t days = us / day_us - (us % day_us < 0 ? 1 : 0);
    parts.weekday = (int)(((days + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    parts.day_of_year = before[(parts.month + 11) % 12] + parts.day +
                        (parts.month > 2 && is_leap(parts.year) ? 1 : 0);
    return parts;
}

/* ISO 8601: the week that holds the year's first Thursday is number 1. */
static int iso_week(const struct parts *parts)
{
    int week = (parts->day_of_year - parts->weekday + 9) / 7;
    if (week == 0) { /* of the year before */
        int length = is_leap(parts->year - 1) ? 366 : 365;
        return (parts->day_of_year + length - parts->weekday + 9) / 7;
    }
    int length = is_leap(parts->year) ? 366 : 365;
    bool next_year = week == 53 && parts->day_of_year - parts->weekday + 3 > length;
    return next_year ? 1 : week;
}

static bool add_part(struct hor_buf *out, char letter, const struct parts *parts)
{
    static const char weekdays[] = "MonTueWedThuFriSatSun";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    switch (letter) {
    case 'Y':
        hor_buf_printf(out, "%04d", parts->year);
        return true;
    case 'm':
        hor_buf_printf(out, "%02d", parts->month);
        return true;
    case 'd':
        hor_buf_printf(out, "%02d", parts->day);
        return true;
    case 'H':
        hor_buf_printf(out, "%02d", parts->hour);
        return true;
    case 'M':
        hor_buf_printf(out, "%02d", parts->minute);
        return true;
    case 'S':
        hor_buf_printf(out, "%02d", parts->second);
        return true;
    case 'j':
        hor_buf_printf(out, "%03d", parts->day_of_year);
        return true;
    case 'V':
        hor_buf_printf(out, "%02d", iso_week(parts));
        return true;
    case 'a':
        hor_buf_add(out, weekdays + 3 * parts->weekday, 3);
        return true;
    case 'b':
        hor_buf_add(out, months + 3 * (parts->month - 1), 3);
        return true;
    case '%':
        hor_buf_putc(out, '%');
        return true;
    default:
        return false;
    }
}

static void function_date_format(xmlXPathParserContextPtr ctxt, int nargs)
{
    CHECK_ARITY(2);
    xmlChar *format = xmlXPathPopString(ctxt);
    xmlChar *text = xmlXPathPopString(ctxt);
    struct hor_buf out = HOR_BUF_INIT;
    int64_t us;
    bool right = format != NULL && text != NULL && parse_moment(text, &us);
    if (right) {
        struct parts parts = split(us);
        for (const char *at = (const char *)format; right && *at != '\0'; at++) {
            if (*at == '%')
                right = add_part(&out, *++at, &parts);
            else
                hor_buf_putc(&out, *at);
            right = right && out.len < FORMAT_RESULT_BYTES;
        }
    }
    xmlFree(format);
    xmlFree(text);
    if (right && !out.failed)
        push_text(ctxt, hor_buf_text(&out));
    else
        xmlXPathSetError(ctxt, XPATH_INVALID_OPERAND);
    hor_buf_done(&out);
}

static const struct {
    const char *name;
    xmlXPathFunction function;
} functions[] = {
    {"now", function_now},
    {"date-add", function_date_add},
    {"date-format", function_date_format},
};
enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

bool hor_xpath_has_function(const char *name, size_t len)
{
    for (int i = 0; i < FUNCTIONS; i++)
        if (strlen(functions[i].name) == len && memcmp(functions[i].name, name, len) == 0)
            return true;
    return false;
}

int hor_xpath_register_functions(xmlXPathContextPtr context)
{
    if (xmlXPathRegisterNs(context, BAD_CAST "h", BAD_CAST HOR_FUNCTIONS_NAMESPACE) != 0)
        return HOR_ERR_MEMORY;
    for (int i = 0; i < FUNCTIONS; i++)
        if (xmlXPathRegisterFuncNS(context, BAD_CAST functions[i].name,
                                   BAD_CAST HOR_FUNCTIONS_NAMESPACE, functions[i].function) != 0)
            return HOR_ERR_MEMORY;
    return HOR_OK;
}

/* lib/model/rule.h - an RFC 5545 recurrence rule for days, read from its text. Inside
 * lib/model/recurrence; lib/model/icalendar looks at UNTIL, which there may have a time and a zone.
 */
#ifndef HOR_MODEL_RULE_H
#define HOR_MODEL_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"

enum hor_rule_frequency { HOR_RULE_DAILY, HOR_RULE_WEEKLY, HOR_RULE_MONTHLY, HOR_RULE_YEARLY };

enum {
    HOR_RULE_MAX_INTERVAL = 10000,
    HOR_RULE_MAX_COUNT = 100000,
    HOR_RULE_WORDS = 6, /* of 64 bits, for the values 1 .. 366 */
};

/* Sets of values are bits; a value counts from the end when it stands in the set that ends in
 * _back. An empty set is a part that the rule does not have. */
struct hor_rule {
    enum hor_rule_frequency frequency;
    int32_t interval;
    int32_t count;   /* 0: none */
    int32_t until;   /* day; HOR_DAY_NONE: none */
    int32_t until_s; /* seconds after its midnight; -1: the whole day */
    bool until_utc;  /* written with Z */
    uint16_t months; /* bit 1 .. 12 */
    uint32_t month_days, month_days_back;
    uint64_t weeks, weeks_back; /* bit 1 .. 53 */
    uint64_t year_days[HOR_RULE_WORDS], year_days_back[HOR_RULE_WORDS];
    bool has_year_days;
    uint8_t weekdays;             /* bit 0 Monday .. 6 Sunday: BYDAY without a number */
    uint64_t nth[7], nth_back[7]; /* BYDAY with a number, per weekday */
    bool has_nth;
    uint64_t places[HOR_RULE_WORDS], places_back[HOR_RULE_WORDS]; /* BYSETPOS */
    bool has_places;
    int week_start; /* 0 Monday */
};

/* HOR_ERR_INVALID names the part that is wrong. */
int hor_rule_parse(const char *text, struct hor_rule *ret, struct hor_error *err);

#endif

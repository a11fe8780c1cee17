/* lib/model/zone_rule.h - the rule in a TZif file's footer (POSIX TZ with RFC 8536's extensions), for
 * the years after the file's table: "CET-1CEST,M3.5.0,M10.5.0/3". Inside lib/model/zone. */
#ifndef HOR_MODEL_ZONE_RULE_H
#define HOR_MODEL_ZONE_RULE_H

#include <stdbool.h>
#include <stdint.h>

struct hor_zone_date {
    enum { HOR_ZONE_JULIAN, HOR_ZONE_DAY_OF_YEAR, HOR_ZONE_MONTH_WEEK_DAY } kind;
    int month, week, day;
    int32_t time_s; /* local time of the change, -167 h .. 167 h */
};

struct hor_zone_rule {
    int32_t standard_s, daylight_s; /* offsets, seconds east */
    bool has_daylight;
    struct hor_zone_date begin, end; /* of daylight time */
};

/* False when the text is not such a rule. */
bool hor_zone_rule_parse(const char *text, struct hor_zone_rule *ret);
int32_t hor_zone_rule_offset(const struct hor_zone_rule *rule, int64_t utc_s);
/* The first change after utc_s; false when the rule knows none. */
bool hor_zone_rule_next(const struct hor_zone_rule *rule, int64_t utc_s, int64_t *ret_utc_s);

#endif

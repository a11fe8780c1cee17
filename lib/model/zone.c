#include "lib/model/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/model/day.h"
#include "lib/model/zone_rule.h"

enum {
    MAX_FILE_BYTES = 1 << 20,
    MAX_CHANGES = 20000,
    MAX_OFFSET_S = 26 * 3600, /* RFC 8536, 3.2: offsets lie within -25 h .. 26 h */
    HEADER_BYTES = 44,
};

struct change {
    int64_t at_s; /* UTC */
    int32_t offset_s;
};

struct hor_zone {
    char *name;
    int32_t first_offset_s; /* before the first change */
    struct change *changes;
    size_t count;
    bool has_rule; /* for the time after the last change */
    struct hor_zone_rule rule;
};

static int64_t read_be(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    if (bytes == 4)
        return (int32_t)(uint32_t)value;
    return (int64_t)value;
}

struct block {
    uint32_t isut, isstd, leap, time, type, chars;
    int time_bytes;
};

static int read_header(const unsigned char *at, size_t left, int time_bytes, struct block *ret)
{
    if (left < HEADER_BYTES || memcmp(at, "TZif", 4) != 0)
        return HOR_ERR_CORRUPT;
    const unsigned char *n = at + 20;
    *ret = (struct block){.isut = (uint32_t)read_be(n, 4),
                          .isstd = (uint32_t)read_be(n + 4, 4),
                          .leap = (uint32_t)read_be(n + 8, 4),
                          .time = (uint32_t)read_be(n + 12, 4),
                          .type = (uint32_t)read_be(n + 16, 4),
                          .chars = (uint32_t)read_be(n + 20, 4),
                          .time_bytes = time_bytes};
    if (ret->time > MAX_CHANGES || ret->type < 1 || ret->type > 256 || ret->leap > 10000 ||
        ret->chars > 10000 || ret->isut > 256 || ret->isstd > 256)
        return HOR_ERR_CORRUPT;
    return HOR_OK;
}

static size_t body_bytes(const struct block *b)
{
    return (size_t)b->time * (size_t)b->time_bytes + b->time + (size_t)b->type * 6 + b->chars +
           (size_t)b->leap * ((size_t)b->time_bytes + 4) + b->isstd + b->isut;
}

static int read_body(struct hor_zone *zone, const unsigned char *at, const struct block *b)
{
    const unsigned char *index = at + (size_t)b->time * (size_t)b->time_bytes;
    const unsigned char *types = index + b->time;
    zone->first_offset_s = (int32_t)read_be(types, 4);
    if (b->time == 0)
        return HOR_OK;
    zone->changes = calloc(b->time, sizeof *zone->changes);
    if (zone->changes == NULL)
        return HOR_ERR_MEMORY;
    for (uint32_t i = 0; i < b->time; i++) {
        if (index[i] >= b->type)
            return HOR_ERR_CORRUPT;
        struct change *c = &zone->changes[i];
        c->at_s = read_be(at + (size_t)i * (size_t)b->time_bytes, b->time_bytes);
        c->offset_s = (int32_t)read_be(types + (size_t)index[i] * 6, 4);
        if (c->offset_s < -MAX_OFFSET_S || c->offset_s > MAX_OFFSET_S ||
            (i > 0 && c->at_s <= c[-1].at_s))
            return HOR_ERR_CORRUPT;
    }
    zone->count = b->time;
    return HOR_OK;
}

static int read_footer(struct hor_zone *zone, const char *at, size_t left)
{
    char text[128];
    if (left < 2 || at[0] != '\n')
        return HOR_ERR_CORRUPT;
    const char *end = memchr(at + 1, '\n', left - 1);
    if (end == NULL || (size_t)(end - at - 1) >= sizeof text)
        return HOR_ERR_CORRUPT;
    memcpy(text, at + 1, (size_t)(end - at - 1));
    text[end - at - 1] = '\0';
    if (text[0] == '\0') /* the last change holds for ever */
        return HOR_OK;
    zone->has_rule = hor_zone_rule_parse(text, &zone->rule);
    return zone->has_rule ? HOR_OK : HOR_ERR_CORRUPT;
}

static int read_zone(struct hor_zone *zone, const unsigned char *data, size_t len)
{
    struct block block;
    int rc = read_header(data, len, 4, &block);
    if (rc != HOR_OK)
        return rc;
    size_t skip = HEADER_BYTES + body_bytes(&block);
    if (skip > len)
        return HOR_ERR_CORRUPT;
    if (data[4] < '2') /* the first format: 32-bit times and no footer */
        return read_body(zone, data + HEADER_BYTES, &block);
    rc = read_header(data + skip, len - skip, 8, &block);
    if (rc != HOR_OK)
        return rc;
    size_t body = skip + HEADER_BYTES, end = body + body_bytes(&block);
    if (end > len)
        return HOR_ERR_CORRUPT;
    rc = read_body(zone, data + body, &block);
    return rc != HOR_OK ? rc : read_footer(zone, (const char *)data + end, len - end);
}

int hor_zone_parse(const char *name, const void *data, size_t len, struct hor_zone **ret,
                   struct hor_error *err)
{
    struct hor_zone *zone = calloc(1, sizeof *zone);
    if (zone == NULL || (zone->name = hor_strdup(name)) == NULL) {
        hor_zone_free(zone);
        return hor_error_set(err, HOR_ERR_MEMORY, "time zone '%s': out of memory", name);
    }
    int rc = read_zone(zone, data, len);
    if (rc != HOR_OK) {
        hor_zone_free(zone);
        return hor_error_set(err, rc, "time zone '%s': %s", name,
                             rc == HOR_ERR_MEMORY ? "out of memory" : "the zone file is damaged");
    }
    *ret = zone;
    return HOR_OK;
}

static bool safe_name(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > 100 || name[0] == '/' || strstr(name, "..") != NULL)
        return false;
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") == len;
}

static const char *zone_folder(void)
{
    const char *dir = getenv("TZDIR");
    return dir != NULL && dir[0] == '/' ? dir : "/usr/share/zoneinfo";
}

int hor_zone_open(const char *name, struct hor_zone **ret, struct hor_error *err)
{
    if (!safe_name(name))
        return hor_error_set(err, HOR_ERR_NOT_FOUND,
                             "unknown time zone '%.100s': use a name such as Europe/Berlin", name);
    char *path = hor_path_join(zone_folder(), name);
    if (path == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "time zone '%s': out of memory", name);
    struct hor_buf data = HOR_BUF_INIT;
    struct hor_error why = {0};
    int rc = hor_file_read(path, MAX_FILE_BYTES, &data, &why);
    free(path);
    if (rc == HOR_ERR_MEMORY)
        hor_error_set(err, rc, "time zone '%s': out of memory", name);
    else if (rc != HOR_OK)
        rc = hor_error_set(err, HOR_ERR_NOT_FOUND, "unknown time zone '%s' (%s)", name, why.text);
    else
        rc = hor_zone_parse(name, data.data, data.len, ret, err);
    hor_buf_done(&data);
    return rc;
}

void hor_zone_free(struct hor_zone *zone)
{
    if (zone == NULL)
        return;
    free(zone->changes);
    free(zone->name);
    free(zone);
}

const char *hor_zone_name(const struct hor_zone *zone) { return zone->name; }

const char *hor_zone_data_version(char *out, size_t out_bytes)
{
    out[0] = '\0';
    char *path = hor_path_join(zone_folder(), "tzdata.zi");
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    char line[64];
    if (file != NULL && fgets(line, sizeof line, file) != NULL &&
        strncmp(line, "# version ", 10) == 0) {
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, out_bytes, "%s", line + 10);
    }
    if (file != NULL)
        fclose(file);
    free(path);
    return out;
}

/* Number of changes at or before utc_s. */
static size_t changes_until(const struct hor_zone *zone, int64_t utc_s)
{
    size_t low = 0, high = zone->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->changes[middle].at_s <= utc_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int32_t hor_zone_offset(const struct hor_zone *zone, int64_t utc_s)
{
    size_t n = changes_until(zone, utc_s);
    if (n == zone->count && zone->has_rule)
        return hor_zone_rule_offset(&zone->rule, utc_s);
    return n == 0 ? zone->first_offset_s : zone->changes[n - 1].offset_s;
}

int64_t hor_zone_to_local(const struct hor_zone *zone, int64_t utc_s)
{
    return utc_s + hor_zone_offset(zone, utc_s);
}

static bool next_change(const struct hor_zone *zone, int64_t utc_s, int64_t *ret)
{
    size_t n = changes_until(zone, utc_s);
    if (n < zone->count) {
        *ret = zone->changes[n].at_s;
        return true;
    }
    return zone->has_rule && hor_zone_rule_next(&zone->rule, utc_s, ret);
}

/* Walks the stretches of constant offset that can hold this local time: in each it has one moment at
 * most. None: it fell between two stretches, into the gap. */
struct hor_zone_moment hor_zone_to_utc(const struct hor_zone *zone, int64_t local_s)
{
    struct hor_zone_moment ret = {.fit = HOR_ZONE_GAP};
    bool found = false, gap = false;
    int64_t start = INT64_MIN, probe = local_s - MAX_OFFSET_S - 1;
    int32_t offset = hor_zone_offset(zone, probe);
    while (start == INT64_MIN || start <= local_s + MAX_OFFSET_S) {
        int64_t end = INT64_MAX, moment = local_s - offset;
        bool more = next_change(zone, probe, &end);
        if (moment >= start && moment < end) {
            if (!found)
                ret = (struct hor_zone_moment){.fit = HOR_ZONE_ONCE,
                                               .first_s = moment,
                                               .last_s = moment,
                                               .change_s = moment};
            else {
                ret.fit = HOR_ZONE_TWICE;
                ret.last_s = moment;
            }
            found = true;
        }
        if (!more)
            break;
        int32_t next_offset = hor_zone_offset(zone, end);
        if (!found && !gap && moment >= end && local_s - next_offset < end) {
            gap = true;
            ret.first_s = moment;
            ret.last_s = local_s - next_offset;
            ret.change_s = end;
        }
        start = probe = end;
        offset = next_offset;
    }
    return ret;
}

unsigned hor_zone_resolve(const struct hor_zone *zone, int64_t local_s,
                          enum hor_missing_hour missing, enum hor_repeated_hour repeated,
                          int64_t ret_utc_s[2])
{
    struct hor_zone_moment m = hor_zone_to_utc(zone, local_s);
    if (m.fit == HOR_ZONE_GAP) {
        if (missing == HOR_MISSING_HOUR_SKIP)
            return 0;
        ret_utc_s[0] = missing == HOR_MISSING_HOUR_SHIFT ? m.first_s : m.change_s;
        return 1;
    }
    if (m.fit == HOR_ZONE_TWICE && repeated == HOR_REPEATED_HOUR_BOTH) {
        ret_utc_s[0] = m.first_s;
        ret_utc_s[1] = m.last_s;
        return 2;
    }
    ret_utc_s[0] = m.fit == HOR_ZONE_TWICE && repeated == HOR_REPEATED_HOUR_LAST ? m.last_s : m.first_s;
    return 1;
}

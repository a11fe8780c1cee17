#include "lib/model/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/day.h"
#include "tests/lib/tap.h"

/* Local time -> "fit first last" seen by another implementation: Python's zoneinfo writes, around
 * every change that the zone's file lists (zoneinfo in pure Python tells them) and every one that it finds
 * from 1900 to 2100, what the clock shows and which moments a local time has. */
static const char *const script =
    "import sys, datetime as d, zoneinfo\n"
    "from zoneinfo import _zoneinfo\n"
    "E = d.datetime(1970, 1, 1)\n"
    "def offset(z, t):\n"
    "    u = (E + d.timedelta(seconds=t)).replace(tzinfo=d.timezone.utc)\n"
    "    return int(u.astimezone(z).utcoffset().total_seconds())\n"
    "for name in sys.argv[1:]:\n"
    "    z = zoneinfo.ZoneInfo(name)\n"
    "    t = int((d.datetime(1900, 1, 1) - E).total_seconds())\n"
    "    end = int((d.datetime(2100, 1, 1) - E).total_seconds())\n"
    "    points = [t, end] + [p for p in _zoneinfo.ZoneInfo(name)._trans_utc if -5 * 10**9 < p < end]\n"
    "    step = 86400 * 4\n"
    "    while t < end:\n"
    "        a, b = t, t + step\n"
    "        if offset(z, a) != offset(z, b):\n"
    "            o = offset(z, a)\n"
    "            while b - a > 1:\n"
    "                m = (a + b) // 2\n"
    "                if offset(z, m) == o: a = m\n"
    "                else: b = m\n"
    "            if b not in points: points.append(b)\n"
    "            t = b\n"
    "        else: t += step\n"
    "    for p in points:\n"
    "        for s in (-86400, -7200, -3601, -3600, -1800, -1, 0, 1, 1800, 3599, 3600, 7200, 86400):\n"
    "            u = p + s\n"
    "            print('U', name, u, offset(z, u))\n"
    "            l = p + offset(z, p) + s\n"
    "            n = E + d.timedelta(seconds=l)\n"
    "            r = []\n"
    "            for fold in (0, 1):\n"
    "                a = n.replace(tzinfo=z, fold=fold)\n"
    "                x = l - int(a.utcoffset().total_seconds())\n"
    "                r.append((x, x + offset(z, x) == l))\n"
    "            if not r[0][1] and not r[1][1]: print('L', name, l, 1, r[0][0], r[1][0])\n"
    "            elif r[0][0] == r[1][0]: print('L', name, l, 0, r[0][0], r[0][0])\n"
    "            else: print('L', name, l, 2, r[0][0], r[1][0])\n";

static void compare(const char *names)
{
    char path[512], command[1024];
    snprintf(path, sizeof path, "%s/zones.py", hor_tap_tmpdir());
    FILE *out = fopen(path, "w");
    if (out == NULL || fputs(script, out) < 0 || fclose(out) != 0)
        return (void)ok(false, "the script is written");
    snprintf(command, sizeof command, "/usr/bin/python3 %s %s", path, names);
    FILE *in = popen(command, "r");
    if (in == NULL)
        return skip("no python3 to compare with");
    char line[256], current[64] = "";
    struct hor_zone *zone = NULL;
    int lines = 0, wrong = 0;
    while (fgets(line, sizeof line, in) != NULL) {
        char kind, name[64];
        long long a, b, c = 0, d = 0;
        if (sscanf(line, "%c %63s %lld %lld %lld %lld", &kind, name, &a, &b, &c, &d) < 4)
            continue;
        if (strcmp(name, current) != 0) {
            hor_zone_free(zone);
            zone = NULL;
            if (hor_zone_open(name, &zone, NULL) != HOR_OK)
                break;
            strcpy(current, name);
        }
        lines++;
        bool right;
        if (kind == 'U')
            right = hor_zone_offset(zone, a) == b;
        else {
            struct hor_zone_moment m = hor_zone_to_utc(zone, a);
            right = (long long)m.fit == b && m.first_s == c && m.last_s == d;
        }
        if (!right && wrong++ < 5) {
            struct hor_zone_moment m = hor_zone_to_utc(zone, a);
            diag("%s here: offset %d, fit %d %lld %lld", line, hor_zone_offset(zone, a), m.fit,
                 (long long)m.first_s, (long long)m.last_s);
        }
    }
    int status = pclose(in);
    hor_zone_free(zone);
    if (status != 0)
        return skip("python3 has no zoneinfo");
    ok(wrong == 0 && lines > 1000, "%d moments agree with another implementation: %s", lines, names);
}

static int64_t local(int32_t year, int month, int day, int hour, int minute)
{
    return (int64_t)hor_day_make(year, month, day) * HOR_DAY_SECONDS + hour * 3600 + minute * 60;
}

static void berlin(void)
{
    struct hor_zone *zone = NULL;
    int64_t at[2];
    if (!ok(hor_zone_open("Europe/Berlin", &zone, NULL) == HOR_OK, "Berlin is there"))
        return;
    int64_t gap = local(2027, 3, 28, 2, 30), twice = local(2026, 10, 25, 2, 30);
    struct hor_zone_moment m = hor_zone_to_utc(zone, gap);
    ok(m.fit == HOR_ZONE_GAP && m.change_s == local(2027, 3, 28, 1, 0), "02:30 does not exist");
    ok(hor_zone_resolve(zone, gap, HOR_MISSING_HOUR_SHIFT, HOR_REPEATED_HOUR_FIRST, at) == 1 &&
           hor_zone_to_local(zone, at[0]) == local(2027, 3, 28, 3, 30),
       "shift: the clock shows 03:30");
    ok(hor_zone_resolve(zone, gap, HOR_MISSING_HOUR_AT_CHANGE, HOR_REPEATED_HOUR_FIRST, at) == 1 &&
           hor_zone_to_local(zone, at[0]) == local(2027, 3, 28, 3, 0),
       "atChange: the clock shows 03:00");
    is_int(hor_zone_resolve(zone, gap, HOR_MISSING_HOUR_SKIP, HOR_REPEATED_HOUR_FIRST, at), 0, "skip");
    m = hor_zone_to_utc(zone, twice);
    ok(m.fit == HOR_ZONE_TWICE && m.last_s - m.first_s == 3600, "02:30 comes twice");
    ok(hor_zone_resolve(zone, twice, HOR_MISSING_HOUR_SHIFT, HOR_REPEATED_HOUR_FIRST, at) == 1 &&
           at[0] == m.first_s,
       "first");
    ok(hor_zone_resolve(zone, twice, HOR_MISSING_HOUR_SHIFT, HOR_REPEATED_HOUR_LAST, at) == 1 &&
           at[0] == m.last_s,
       "last");
    ok(hor_zone_resolve(zone, twice, HOR_MISSING_HOUR_SHIFT, HOR_REPEATED_HOUR_BOTH, at) == 2 &&
           at[0] == m.first_s && at[1] == m.last_s,
       "both");
    hor_zone_free(zone);
}

static void bad_names(void)
{
    static const char *const names[] = {"", "Europe/Nowhere", "../../etc/passwd", "/etc/passwd",
                                        "Europe", "Europe/Berlin ", "tzdata.zi"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct hor_zone *zone = NULL;
        struct hor_error err = {0};
        ok(hor_zone_open(names[i], &zone, &err) != HOR_OK && zone == NULL, "refused: '%s' (%s)",
           names[i], err.text);
    }
}

/* Every cut of a zone file is refused or read, never read beyond its end. */
static void damaged(void)
{
    static unsigned char data[65536];
    FILE *in = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
    if (in == NULL)
        return skip("no zone file");
    size_t len = fread(data, 1, sizeof data, in), refused = 0;
    fclose(in);
    for (size_t cut = 0; cut < len; cut++) {
        unsigned char *copy = malloc(cut + 1);
        struct hor_zone *zone = NULL;
        memcpy(copy, data, cut);
        if (hor_zone_parse("cut", copy, cut, &zone, NULL) == HOR_ERR_CORRUPT)
            refused++;
        hor_zone_free(zone);
        free(copy);
    }
    is_int(refused, len, "every cut file is refused");
    for (size_t i = 0; i < len; i++) {
        struct hor_zone *zone = NULL;
        unsigned char was = data[i];
        data[i] ^= 0xff;
        if (hor_zone_parse("changed", data, len, &zone, NULL) == HOR_OK)
            hor_zone_to_utc(zone, 1800000000);
        hor_zone_free(zone);
        data[i] = was;
    }
}

int main(void)
{
    compare("Europe/Berlin America/New_York Australia/Lord_Howe Asia/Kathmandu UTC");
    compare("Africa/Casablanca America/St_Johns Pacific/Apia Asia/Tehran Pacific/Chatham");
    compare("Europe/Dublin America/Scoresbysund");
    berlin();
    bad_names();
    damaged();
    return done_testing();
}

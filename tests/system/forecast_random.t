#!/usr/bin/python3
"""Random schedules through horarium forecast, over a year, against an evaluation of the job language written here by brute force:
every day is asked what is wanted, where it moves, and what the clocks show. HOR_SCHEDULES (150) and HOR_SEED (1) change them."""
import os
import pathlib
import random
import subprocess
import sys
import tempfile
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from tap import diag, equal, main, ok  # noqa: E402

SOURCE = pathlib.Path(os.environ.get("HOR_SRCDIR", ".")).resolve()
BUILD = pathlib.Path(os.environ.get("HOR_BUILDDIR", ".")).resolve()
COUNT, SEED = int(os.environ.get("HOR_SCHEDULES", 150)), int(os.environ.get("HOR_SEED", 1))
NS = 'xmlns="urn:horarium:configuration:1"'
FIRST, LAST = date(2026, 1, 1), date(2026, 12, 31)
ONE = timedelta(days=1)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "America/St_Johns",
         "America/Havana", "Pacific/Chatham", "Europe/Lisbon"]
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
CALENDARS = {
    "work": ("<include><rule>FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR</rule></include><exclude><rule>FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=1</rule>"
             '<dates from="2026-12-24" to="2026-12-27"/><date>2026-08-10</date></exclude>',
             lambda d: d.weekday() < 5 and (d.month, d.day) != (5, 1) and not date(2026, 12, 24) <= d <= date(2026, 12, 27) and d != date(2026, 8, 10)),
    "odd": ("<include><rule>FREQ=MONTHLY;BYMONTHDAY=1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31</rule></include>"
            '<exclude><rule start="2026-01-02">FREQ=DAILY;INTERVAL=9</rule></exclude>',
            lambda d: d.day % 2 == 1 and ((d - date(2026, 1, 2)).days % 9 != 0 or d < date(2026, 1, 2))),
    "either": ('<include><calendar ref="work"/><calendar ref="odd"/></include>', lambda d: CALENDARS["work"][1](d) or CALENDARS["odd"][1](d)),
    "pairs": ("<include><rule>FREQ=MONTHLY;BYDAY=2TU,-1SU</rule></include>",
              lambda d: (d.weekday() == 1 and 8 <= d.day <= 14) or (d.weekday() == 6 and (d + 7 * ONE).month != d.month)),
}


def in_calendar(name, day):
    return name is None or CALENDARS[name][1](day)


# ---- schedules, as data ----

def hm(minutes):
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def random_days(dice):
    days = {"calendar": dice.choice([None, *CALENDARS]), "weekdays": sorted(dice.sample(range(7), dice.randint(1, 4))) if dice.random() < 0.4 else None,
            "nth": None, "of": None}
    if dice.random() < 0.6:
        days["of"] = dice.choice(["week", "month", "quarter", "year"])
        days["nth"] = dice.choice([1, -1]) * dice.randint(1, {"week": 3, "month": 6, "quarter": 20, "year": 60}[days["of"]])
    return days


def random_cron(dice):
    def field(low, high, stars):
        if dice.random() < stars:
            return "*", set(range(low, high + 1))
        values = sorted(dice.sample(range(low, high + 1), dice.randint(1, 3)))
        return ",".join(map(str, values)), set(values)
    parts = [field(0, 59, 0), field(0, 23, 0.1), field(1, 31, 0.6), field(1, 12, 0.6), field(0, 6, 0.6)]
    return {"text": " ".join(p[0] for p in parts), "sets": [p[1] for p in parts], "either": parts[2][0] != "*" and parts[4][0] != "*"}


def random_schedule(dice):
    s = {"zone": dice.choice(ZONES), "from": None, "to": None, "days": [random_days(dice) for _ in range(dice.choice([0, 1, 1, 2]))],
         "at": sorted(dice.sample(range(1440), dice.randint(0, 2)) + dice.sample(range(0, 240, 15), dice.randint(0, 2))), "every": [], "cron": [],
         "action": dice.choice(["ignore", "skip", "before", "after"]), "working": dice.choice(["work", "odd", "either"]),
         "missing": dice.choice(["shift", "skip", "atChange"]), "repeated": dice.choice(["first", "last", "both"]), "substitutes": []}
    s["at"] = sorted(set(s["at"]))
    if dice.random() < 0.3:
        begin = dice.randint(0, 1300)
        s["every"].append((dice.choice([10, 30, 45, 60, 150]), begin, dice.randint(begin, 1439)))
    for _ in range(dice.choice([0, 0, 1, 2]) if s["at"] or s["every"] else 1):
        s["cron"].append(random_cron(dice))
    if dice.random() < 0.3:
        s["from"] = FIRST + dice.randint(0, 200) * ONE
    if dice.random() < 0.3:
        s["to"] = LAST - dice.randint(0, 150) * ONE
    return s


def random_substitutes(dice, names):
    ranges, at = [], FIRST + dice.randint(0, 90) * ONE
    for _ in range(dice.choice([0, 0, 1, 3])):
        until = at + dice.randint(0, 40) * ONE
        ranges.append((at, until, dice.choice(names)))
        at = until + dice.randint(1, 60) * ONE
    return ranges


def as_xml(s):
    valid = "".join(f' {name}="{s[key]}"' for name, key in (("validFrom", "from"), ("validTo", "to")) if s[key])
    out = f'<schedule {NS} chain="c" timeZone="{s["zone"]}"{valid}>'
    for d in s["days"]:
        out += "<days" + (f' calendar="{d["calendar"]}"' if d["calendar"] else "")
        out += f' weekdays="{" ".join(WEEKDAYS[w] for w in d["weekdays"])}"' if d["weekdays"] else ""
        out += (f' nth="{d["nth"]}" of="{d["of"]}"' if d["nth"] else "") + "/>"
    out += "".join(f'<at time="{hm(m)}"/>' for m in s["at"])
    out += "".join(f'<every interval="PT{i}M" from="{hm(a)}" to="{hm(b)}"/>' for i, a, b in s["every"])
    out += "".join(f"<cron>{c['text']}</cron>" for c in s["cron"])
    out += f'<nonWorkingDay action="{s["action"]}" calendar="{s["working"]}"/>'
    out += f'<clockChange missingHour="{s["missing"]}" repeatedHour="{s["repeated"]}"/>'
    out += "".join(f'<substitute from="{a}" to="{b}" schedule="{n}"/>' for a, b, n in s["substitutes"])
    return out + "</schedule>"


# ---- what they mean ----

def period(of, day):
    if of == "week":
        first = day - day.weekday() * ONE
        return [first + n * ONE for n in range(7)]
    months = {"month": 1, "quarter": 3, "year": 12}[of]
    number = (day.month - 1) // months
    first = date(day.year, number * months + 1, 1)
    return [d for d in (first + n * ONE for n in range(366)) if d.year == day.year and (d.month - 1) // months == number]


@lru_cache(None)
def nth_days(calendar, weekdays, nth, of, first):
    found = [d for d in period(of, first) if in_calendar(calendar, d) and (not weekdays or d.weekday() in weekdays)]
    index = nth - 1 if nth > 0 else len(found) + nth
    return found[index] if 0 <= index < len(found) else None


def means(d, day):
    weekdays = tuple(d["weekdays"] or ())
    if d["nth"]:
        return nth_days(d["calendar"], weekdays, d["nth"], d["of"], period(d["of"], day)[0]) == day
    return in_calendar(d["calendar"], day) and (not weekdays or day.weekday() in weekdays)


def valid(s, day):
    return (s["from"] is None or day >= s["from"]) and (s["to"] is None or day <= s["to"])


def cron_day(c, day):
    if day.month not in c["sets"][3]:
        return False
    a, b = day.day in c["sets"][2], day.isoweekday() % 7 in c["sets"][4]
    return a or b if c["either"] else a and b


def active(all_schedules, name, day):
    s = all_schedules[name]
    for first, last, other in s["substitutes"]:
        if valid(s, day) and first <= day <= last:
            return active(all_schedules, other, day)
    return name


@lru_cache(None)
def moments(zone, day, minutes, missing, repeated):
    z = ZoneInfo(zone)
    found = []
    for fold in (0, 1):
        local = datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, tzinfo=z, fold=fold)
        utc = local.astimezone(timezone.utc)
        back = utc.astimezone(z)
        found.append((utc, (back.date(), back.hour, back.minute) == (day, minutes // 60, minutes % 60)))
    if not found[0][1] and not found[1][1]:  # the hour is missing; the clock changes between both readings
        if missing == "skip":
            return []
        if missing == "shift":
            return [found[0][0]]
        low, high = found[1][0], found[0][0]
        before = low.astimezone(z).utcoffset()
        while high - low > timedelta(seconds=1):
            middle = low + (high - low) // 2
            low, high = (middle, high) if middle.astimezone(z).utcoffset() == before else (low, middle)
        return [high.replace(microsecond=0)]
    return sorted({"first": [found[0][0]], "last": [found[1][0]], "both": [found[0][0], found[1][0]]}[repeated])


def expected(all_schedules, owner):
    """{(schedule, UTC)} of everything that `owner` starts, itself or by others."""
    result = set()
    day = FIRST - 60 * ONE
    while day <= LAST + 60 * ONE:
        name = active(all_schedules, owner, day)
        s = all_schedules[name]
        if valid(s, day) and (not s["days"] or any(means(d, day) for d in s["days"])):
            target = day
            if s["action"] != "ignore" and not in_calendar(s["working"], day):
                step = {"skip": None, "before": -ONE, "after": ONE}[s["action"]]
                while step and not in_calendar(s["working"], target):
                    target += step
                target = target if step else None
            times = list(s["at"]) + [m for i, a, b in s["every"] for m in range(a, b + 1, i)]
            for c in s["cron"]:
                if cron_day(c, day):
                    times += [h * 60 + m for h in c["sets"][1] for m in c["sets"][0]]
            if target and FIRST <= target <= LAST:
                for minutes in times:
                    for utc in moments(s["zone"], target, minutes, s["missing"], s["repeated"]):
                        result.add((name, utc))
        day += ONE
    return result


def test():
    dice = random.Random(SEED)
    subs = [f"sub{n}" for n in range(max(2, COUNT // 10))]
    last = f"sub{len(subs)}"
    schedules = {name: random_schedule(dice) for name in [*subs, last]}
    for name in subs[::3]:  # a substitute with a substitute
        schedules[name]["substitutes"] = random_substitutes(dice, [last])
    for n in range(COUNT):
        schedules[f"s{n}"] = random_schedule(dice)
        schedules[f"s{n}"]["substitutes"] = random_substitutes(dice, subs)
    used = {other for s in schedules.values() for _, _, other in s["substitutes"]}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "c.chain.xml").write_text(f'<jobChain {NS} agentCluster="a"><node id="n" job="j"/></jobChain>')
        (folder / "j.job.xml").write_text(f"<job {NS}><script>true</script></job>")
        (folder / "a.agentCluster.xml").write_text(f'<agentCluster {NS}><member name="a1" url="https://127.0.0.1:1"/></agentCluster>')
        for calendar, (text, _) in CALENDARS.items():
            (folder / f"{calendar}.calendar.xml").write_text(f"<calendar {NS}>{text}</calendar>")
        for schedule, s in schedules.items():
            (folder / f"{schedule}.schedule.xml").write_text(as_xml(s))
        done = subprocess.run([BUILD / "horarium", "forecast", folder, "--from", str(FIRST), "--to", str(LAST), "--quiet"], capture_output=True,
                              text=True, timeout=120, env={**os.environ, "HORARIUM_DATADIR": str(SOURCE)})
    equal((done.returncode, done.stderr), (0, ""), "a year of random schedules is forecast")
    got = set()
    for line in done.stdout.splitlines():
        words = line.split()
        got.add((words[6][1:], datetime.strptime(words[3], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)))
    wanted = set().union(*(expected(schedules, name) for name in schedules if name not in used))
    wrong = sorted({name for name, _ in got ^ wanted})
    for name in wrong[:3]:
        diag(as_xml(schedules[name]))
        diag(f"missing {[str(u) for n, u in sorted(wanted - got) if n == name][:4]}, unwanted {[str(u) for n, u in sorted(got - wanted) if n == name][:4]}")
    ok(not wrong and len(wanted) > 1000, f"{len(schedules)} schedules give {len(wanted)} starts, each as it must (seed {SEED})", wrong)


main(test)

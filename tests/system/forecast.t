#!/usr/bin/python3
"""horarium forecast and export: two years of starts against an evaluation written here, day by day, with Python's own calendar
and zones; the exported file read by another reader and by Horarium itself. No Supervisor runs, and nothing is changed."""
import os
import pathlib
import subprocess
import sys
import tempfile
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from tap import contains, equal, main, ok  # noqa: E402

SOURCE = pathlib.Path(os.environ.get("HOR_SRCDIR", ".")).resolve()
BUILD = pathlib.Path(os.environ.get("HOR_BUILDDIR", ".")).resolve()
NS = 'xmlns="urn:horarium:configuration:1"'
FIRST, LAST = date(2026, 1, 1), date(2027, 12, 31)
HOLIDAYS = [(1, 1), (5, 1), (12, 25), (12, 26)]
EASTER = {2026: date(2026, 4, 5), 2027: date(2027, 3, 28), 2025: date(2025, 4, 20), 2028: date(2028, 4, 16)}
DOCUMENTS = {
    "c.agentCluster.xml": f'<agentCluster {NS}><member name="a1" url="https://127.0.0.1:1"/></agentCluster>',
    "j.job.xml": f'<job {NS}><script>exit 1</script></job>',
    "eod.chain.xml": f'<jobChain {NS} agentCluster="c" title="Tag, {"ü" * 60}; Ende"><node id="n" job="j"/></jobChain>',
    "bank.calendar.xml": f"""<calendar {NS}><include><rule>FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR</rule></include>
        <exclude><iCalendar file="days/target2.ics"/></exclude></calendar>""",
    "night.schedule.xml": f'<schedule {NS} chain="eod" timeZone="Europe/Berlin"><at time="02:30"/></schedule>',
    "both.schedule.xml": f"""<schedule {NS} chain="eod" timeZone="Australia/Lord_Howe"><every interval="PT10M" from="01:20" to="02:40"/>
        <clockChange missingHour="skip" repeatedHour="both"/></schedule>""",
    "last.schedule.xml": f"""<schedule {NS} chain="eod" timeZone="America/New_York"><days calendar="bank" nth="-1" of="month"/>
        <days calendar="bank" nth="2" of="quarter"/><at time="18:00"/></schedule>""",
    "cron.schedule.xml": f"""<schedule {NS} chain="eod" timeZone="Asia/Kathmandu" validFrom="2026-02-03"><cron>*/20 6-7 * * MON-FRI</cron>
        <cron>30 4 1,15 * sun</cron></schedule>""",
    "before.schedule.xml": f"""<schedule {NS} chain="eod"><days weekdays="SA"/><at time="12:00"/>
        <nonWorkingDay action="before" calendar="bank"/></schedule>""",
    "after.schedule.xml": f"""<schedule {NS} chain="eod"><cron>0 12 1,25 * *</cron><nonWorkingDay action="after" calendar="bank"/>
        <substitute from="2026-12-20" to="2026-12-31" schedule="rest"/></schedule>""",
    "rest.schedule.xml": f'<schedule {NS} chain="eod"><days weekdays="TU"/><at time="09:00"/></schedule>',
}


def horarium(*arguments):
    return subprocess.run([BUILD / "horarium", *map(str, arguments)], capture_output=True, timeout=60,
                          env={**os.environ, "HORARIUM_DATADIR": str(SOURCE), "TZ": "Pacific/Apia"})


def write(folder, documents):
    for name, text in documents.items():
        path = pathlib.Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


# ---- what must come out, without any of Horarium's ideas of a plan ----

def days(first=FIRST, last=LAST):
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def bank(day):
    easter = EASTER[day.year]
    return day.weekday() < 5 and (day.month, day.day) not in HOLIDAYS and day not in (easter - timedelta(days=2), easter + timedelta(days=1))


def moment(day, hour, minute, zone, fold=0):
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone), fold=fold).astimezone(timezone.utc)


def exists(day, hour, minute, zone):
    back = moment(day, hour, minute, zone).astimezone(ZoneInfo(zone))
    return (back.hour, back.minute) == (hour, minute)


def moved(wanted, step):
    """Where the starts of the days around the two years go."""
    found = set()
    for day in days(FIRST - timedelta(days=20), LAST + timedelta(days=20)):
        if wanted(day):
            while not bank(day):
                day += timedelta(days=step)
            found.add(day)
    return {d for d in found if FIRST <= d <= LAST}


def expected():
    lord_howe = "Australia/Lord_Howe"
    result = {"/night": {moment(d, 2, 30, "Europe/Berlin") for d in days()}, "/both": set(), "/last": set(), "/cron": set()}
    for d in days():
        for minutes in range(80, 161, 10):
            if exists(d, minutes // 60, minutes % 60, lord_howe):
                result["/both"] |= {moment(d, minutes // 60, minutes % 60, lord_howe, fold) for fold in (0, 1)}
        month = [x for x in days(d.replace(day=1), d.replace(day=1) + timedelta(days=30)) if x.month == d.month and bank(x)]
        quarter = [x for x in days(date(d.year, d.month - (d.month - 1) % 3, 1), date(d.year, d.month - (d.month - 1) % 3, 1) + timedelta(days=20))
                   if bank(x)]
        if d == month[-1] or d == quarter[1]:
            result["/last"].add(moment(d, 18, 0, "America/New_York"))
        if d >= date(2026, 2, 3):
            if d.weekday() < 5:
                result["/cron"] |= {moment(d, h, m, "Asia/Kathmandu") for h in (6, 7) for m in (0, 20, 40)}
            if d.day in (1, 15) or d.weekday() == 6:
                result["/cron"].add(moment(d, 4, 30, "Asia/Kathmandu"))
    away = (date(2026, 12, 20), date(2026, 12, 31))
    result["/before"] = {moment(d, 12, 0, "UTC") for d in moved(lambda d: d.weekday() == 5, -1)}
    result["/after"] = {moment(d, 12, 0, "UTC") for d in moved(lambda d: d.day in (1, 25) and not away[0] <= d <= away[1], 1)}
    result["/rest"] = {moment(d, 9, 0, "UTC") for d in days(*away) if d.weekday() == 1}
    return result


def listed(text):
    """{schedule: [UTC]} of a forecast's lines."""
    result = {}
    for line in text.splitlines():
        words = line.split()
        result.setdefault(words[6], []).append(datetime.strptime(words[3], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc))
    return result


def test_two_years(folder):
    done = horarium("forecast", folder, "--from", FIRST, "--to", LAST, "--quiet")
    equal((done.returncode, done.stderr), (0, b""), "two years are forecast")
    got, wanted = listed(done.stdout.decode()), expected()
    equal(sorted(got), sorted(wanted), "every schedule starts something")
    for schedule in sorted(wanted):
        starts = got.get(schedule, [])
        more, fewer = sorted(set(starts) - wanted[schedule]), sorted(wanted[schedule] - set(starts))
        ok(not more and not fewer and len(starts) == len(set(starts)), f"{schedule}: {len(wanted[schedule])} starts, each once",
           f"unwanted {list(map(str, more[:5]))}", f"missing {list(map(str, fewer[:5]))}")
    one = horarium("forecast", folder, "--from", "2026-03-29", "--schedule", "/night")
    contains(one.stdout.decode(), "2026-03-29  2026-03-29 03:30:00  2026-03-29T01:30:00Z  Europe/Berlin", "the clock is shown as it will stand")
    contains(one.stdout.decode(), "1 start from 2026-03-29 to 2026-03-29", "and starts are counted")


def unfolded(data):
    lines = data.decode().replace("\r\n ", "").split("\r\n")
    return lines[:-1]


def test_export(folder):
    done = horarium("export", folder, "--from", "2026-01-01", "--to", "2026-12-31", "--schedule", "/before")
    equal((done.returncode, done.stderr), (0, b""), "a year is exported")
    ok(all(len(line) <= 75 for line in done.stdout.split(b"\r\n")) and b"\n" not in done.stdout.replace(b"\r\n", b""),
       "no line is longer than 75 bytes, each ends with CR LF")
    lines = unfolded(done.stdout)
    starts = {datetime.strptime(line[8:], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc) for line in lines if line.startswith("DTSTART:")}
    equal(starts, {m for m in expected()["/before"] if m.year == 2026}, "its events are the starts")
    ok("SUMMARY:Tag\\, " + "ü" * 60 + "\\; Ende" in lines, "text is escaped, and cut between characters", lines[:8])
    uids = [line for line in lines if line.startswith("UID:")]
    ok(len(set(uids)) == len(uids) == len(starts) and lines[0] == "BEGIN:VCALENDAR" and lines[-1] == "END:VCALENDAR", "each has its own id")
    write(folder, {"days/exported.ics": done.stdout,
                   "again.calendar.xml": f'<calendar {NS}><include><iCalendar file="days/exported.ics"/></include></calendar>',
                   "again.schedule.xml": f'<schedule {NS} chain="eod"><days calendar="again"/><at time="12:00"/></schedule>'})
    again = horarium("forecast", folder, "--from", "2026-01-01", "--to", "2026-12-31", "--schedule", "/again", "--quiet")
    equal(set(listed(again.stdout.decode()).get("/again", [])), starts, "Horarium reads the same days from it")


def test_release(folder):
    """The same from a release document, which holds the iCalendar file as text."""
    kinds = {"jobChain": "chain"}
    objects = ""
    for name, text in DOCUMENTS.items():
        kind = text[1:].split()[0]
        objects += f'<object file="{name}" kind="{kinds.get(kind, kind)}" path="/{name.split(".")[0]}">{text}</object>'
    file = (SOURCE / "tests/fixtures/icalendar/target2.ics").read_text().replace("\r\n", "&#13;&#10;")
    objects += f'<object file="days/target2.ics" kind="iCalendar" path="/days/target2"><iCalendar {NS}>{file}</iCalendar></object>'
    release = folder / "1.xml"
    release.write_text(f'<release xmlns="urn:horarium:release:1" author="anna" created="2026-01-01T00:00:00Z" number="1">{objects}</release>')
    done = horarium("forecast", release, "--from", FIRST, "--to", LAST, "--quiet", "--chain", "/eod")
    got = listed(done.stdout.decode())
    ok({s: set(m) for s, m in got.items()} == expected(), "a release document gives the same starts", done.stderr.decode())
    release.unlink()


def test_refusals(folder):
    for arguments, code, text in (
            (("forecast", folder), 2, "it wants"), (("forecast", "--from", "2026-01-01"), 2, "it wants"),
            (("forecast", folder, "--from", "2026-02-30"), 2, "want days"), (("forecast", folder, "--from", "2026-02-01", "--to", "2026-01-01"), 2, "--to"),
            (("export", folder, "--from", "2026-01-01", "--to", "2040-01-01"), 2, "five years"),
            (("forecast", folder, "--from", "2026-01-01", "--chain", "/nothing"), 5, "no chain '/nothing'"),
            (("export", folder, "--from", "2026-01-01", "--schedule", "/nothing"), 5, "no schedule '/nothing'"),
            (("forecast", folder / "nowhere", "--from", "2026-01-01"), 5, "nowhere")):
        done = horarium(*arguments)
        ok(done.returncode == code and text in done.stderr.decode() and not done.stdout, f"{' '.join(map(str, arguments[:1] + arguments[2:]))}: {text}",
           done.returncode, done.stderr.decode())
    write(folder, {"wrong.schedule.xml": f'<schedule {NS} chain="eod"><cron>61 * * * *</cron></schedule>'})
    done = horarium("forecast", folder, "--from", "2026-01-01")
    ok(done.returncode == 5 and not done.stdout, "a wrong configuration gives no forecast", done.returncode, done.stdout[:200])
    contains(done.stderr.decode(), "wrong.schedule.xml:1: error: /wrong: cron '61 * * * *': minute '61': 61 is not within 0 to 59", "and its faults are told")


def test():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write(folder, {**DOCUMENTS, "days/target2.ics": (SOURCE / "tests/fixtures/icalendar/target2.ics").read_bytes()})
        before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
        test_two_years(folder)
        equal({p: p.stat().st_mtime_ns for p in folder.rglob("*")}, before, "the configuration is left as it was")
        test_release(folder)
        test_export(folder)
        test_refusals(folder)


main(test)

#!/usr/bin/python3
"""Importers: what a crontab and JobScheduler objects become, what is told about it, and that the result can be released."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
import tap
from tap import contains, equal, ok

SOURCE = pathlib.Path(os.environ.get("HOR_SRCDIR", ".")).resolve()
BUILD = pathlib.Path(os.environ.get("HOR_BUILDDIR", ".")).resolve()
FIXTURES = SOURCE / "tests/fixtures/import"
C = "{urn:horarium:configuration:1}"


def horarium(*arguments):
    return subprocess.run([BUILD / "horarium", *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "HORARIUM_DATADIR": str(SOURCE), "TZ": "Asia/Kathmandu"})


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in pathlib.Path(folder).rglob("*") if p.is_file())


def document(folder, name):
    return ET.parse(pathlib.Path(folder) / name).getroot()


def notes(done):
    """The report as {source: [(object, verdict, note)]}."""
    result = {}
    for n in ET.fromstring(done.stdout).iter("{urn:horarium:import:1}note"):
        result.setdefault(n.get("from"), []).append((n.get("object"), n.get("verdict"), n.text or ""))
    return result


def verdicts(report, source):
    return sorted(v for _, v, _ in report.get(source, []))


def crontab(scratch):
    into = scratch / "cron"
    dry = horarium("import", "crontab", FIXTURES / "crontab", "--into", into, "--dry-run")
    equal((dry.returncode, into.exists()), (0, False), "a dry run tells and writes nothing")
    done = horarium("import", "crontab", FIXTURES / "crontab", "--into", into, "--run-as", "etl", "--xml")
    equal(done.returncode, 0, "a crontab is imported, and can be released: " + done.stderr)
    report = notes(done)
    equal(len(files(into)), 18, "a job, a chain and a schedule for each line")
    equal([verdicts(report, f"line {n}") for n in (8, 9, 11, 13, 14, 15)],
          [["differs"], ["differs"], ["maps"], ["maps"], ["maps"], ["lost"]], "each line has its verdict")
    equal([verdicts(report, f"line {n}") for n in (17, 18, 19, 20)], [["lost"]] * 4, "wrong lines are told, one each")
    contains(report["line 17"][0][2], "61 is not within 0 to 59", "with the reason")

    schedule = document(into, "pg_dump.schedule.xml")
    equal((schedule.get("timeZone"), schedule.findtext(C + "cron"), schedule.get("chain")),
          ("Asia/Kathmandu", "15 2 * * *", "pg_dump"), "five fields become a schedule in this machine's zone")
    change = schedule.find(C + "clockChange")
    equal((change.get("missingHour"), change.get("repeatedHour")), ("atChange", "first"), "fixed times: once, whatever the clock does")
    change = document(into, "poll.schedule.xml").find(C + "clockChange")
    equal((change.get("missingHour"), change.get("repeatedHour")), ("skip", "both"), "times with * follow the clock")
    equal((document(into, "rotate.sh.schedule.xml").get("timeZone"), document(into, "rotate.sh.schedule.xml").findtext(C + "cron")),
          ("Europe/Berlin", "@daily"), "CRON_TZ holds for the lines below it")
    ok(not (into / "warm-up.schedule.xml").exists() and (into / "warm-up.job.xml").exists(), "@reboot has no start times")
    equal(document(into, "pg_dump.job.xml").get("title"), "Back up the database", "the comment above is the title")
    contains(document(into, "pg_dump.job.xml").findtext(C + "script"), "$(date +%F)", "an escaped % is one")
    contains(document(into, "poll.job.xml").findtext(C + "script"), "{a}", "braces of a script stay")
    ok((into / "poll-line14.job.xml").exists(), "the second line of a program has a name of its own")
    execution = document(into, "poll.job.xml").find(C + "execution")
    equal((execution.get("user"), execution.get("directory")), ("etl", "/srv/warehouse"), "HOME and the owner")

    # What cron would do with the %: run the script with a mail program that only repeats what it gets.
    (scratch / "bin").mkdir()
    (scratch / "bin/mail").write_text("#!/bin/sh\necho \"$@\"\ncat\n")
    (scratch / "bin/mail").chmod(0o755)
    script = document(into, "mail.job.xml").find(C + "script")
    out = subprocess.run([script.get("shell"), "-c", script.text], capture_output=True, text=True, timeout=20,
                         env={"PATH": f"{scratch}/bin:/usr/bin:/bin"}).stdout
    equal(out, "-s Half year boss\nDear boss,\n\nall is well, 100% of it.\n\n", "what follows the first % is its input")

    again = horarium("import", "crontab", FIXTURES / "crontab", "--into", into)
    ok(again.returncode != 0 and "exists already" in again.stderr, "files that exist are not written over", again.stderr)
    equal(horarium("import", "crontab", FIXTURES / "crontab", "--into", into, "--replace").returncode, 0, "unless asked to")

    system = scratch / "system"
    done = horarium("import", "crontab", FIXTURES / "crontab-system", "--system", "--into", system, "--folder", "cron/host1")
    equal(done.returncode, 0, "the system's format")
    equal(document(system, "cron/host1/php.job.xml").find(C + "execution").get("user"), "www-data", "has the user in the line")
    contains(document(system, "cron/host1/run-parts.job.xml").findtext(C + "script"), "cd / && run-parts", "a program behind cd gives the name")


def jobscheduler(scratch):
    into = scratch / "js"
    done = horarium("import", "jobscheduler", FIXTURES / "jobscheduler", "--into", into, "--folder", "old", "--time-zone", "Etc/UTC", "--xml")
    equal(done.returncode, 0, "JobScheduler objects are imported, and can be released: " + done.stderr)
    report = notes(done)
    equal(verdicts(report, "etl/broken.job.xml") + verdicts(report, "etl/strange.thing.xml"), ["lost", "lost"], "what cannot be read is told")
    equal(verdicts(report, "etl/alarm.job.xml"), ["lost"], "Java inside JobScheduler is told")

    job = document(into, "old/etl/load.job.xml")
    equal(job.get("title"), "Laden f\u00fcr Berichte", "ISO 8859-1 is read")
    equal([(p.get("name"), p.get("default")) for p in job.iter(C + "parameter")], [("source_dir", "/data/in"), ("limit", "100")],
          "parameters, with names that Horarium takes")
    equal({e.get("name"): e.text for e in job.iter(C + "environment")},
          {"LANG": "C", "SCHEDULER_PARAM_SOURCE_DIR": "{$source_dir}", "SCHEDULER_PARAM_LIMIT": "{$limit}"},
          "scripts find them under the old names")
    equal((job.find(C + "execution").get("timeout"), job.find(C + "execution").get("maxTasks")), ("PT1800S", "2"), "time limit and tasks")
    equal((job.find(C + "retry").get("attempts"), job.find(C + "retry").get("delay")), ("3", "PT30S"), "setbacks become retries")
    equal((job.find(C + "lock").get("ref"), job.find(C + "lock").get("mode")), ("/old/etl/warehouse", "shared"), "locks")
    equal(document(into, "old/etl/warehouse.lock.xml").get("capacity"), "3", "with their capacity")

    chain = document(into, "old/etl/daily.chain.xml")
    graph = {n.get("id"): [(a.get("node"), a.get("on")) for a in n.iter(C + "after")] for n in chain.iter(C + "node")}
    equal(graph, {"100": [], "200": [("100", "success warning")], "alarm": [("100", "failure"), ("200", "3 5-9")]},
          "next_state, error_state and return codes are the edges")
    equal([n.get("onFailure") for n in chain.iter(C + "node")], ["continue", "suspend", None], "what a failure does")
    equal((chain.get("maxOrders"), chain.get("agentCluster")), ("1", "/old/etl/workers"), "max_orders and process class")
    told = [n for _, _, n in report["etl/daily.job_chain.xml"]]
    ok(len(told) == 1 and "back to state 100" in told[0] and "lonely" in told[0] and "state alarm" not in told[0],
       "loops and unreachable states are told, and only these", told)

    def times(name):
        s = document(into, f"old/etl/{name}.schedule.xml")
        days = s.find(C + "days")
        rule = None
        if days is not None and days.get("calendar"):
            calendar = document(into, f"old/etl/{days.get('calendar')}.calendar.xml").find(C + "include")
            rule = calendar[0].text
        return (days.get("weekdays") if days is not None else None, rule,
                [a.get("time") for a in s.iter(C + "at")] + [(e.get("interval"), e.get("from"), e.get("to")) for e in s.iter(C + "every")],
                s.find(C + "nonWorkingDay").get("action") if s.find(C + "nonWorkingDay") is not None else None)
    got = sorted([times(f"clean-{n}") for n in range(1, 8)], key=str)
    wanted = sorted([("MO TU WE TH FR", None, ["02:30"], "skip"),
                     ("SA SU", None, [("PT3600S", "08:00", "20:00")], "skip"),
                     (None, "FREQ=MONTHLY;BYMONTHDAY=1,15", ["06:00:00"], "skip"),
                     (None, "FREQ=MONTHLY;BYDAY=-1FR", ["23:00"], "skip"),
                     (None, "FREQ=MONTHLY;BYMONTHDAY=-1", ["22:15"], "before"),
                     (None, "FREQ=DAILY;BYMONTH=12", ["12:00"], "skip"),
                     (None, "2027-03-01", ["05:00"], "skip")], key=str)
    equal(got, wanted, "a run_time of seven periods is seven schedules")
    exclude = document(into, "old/etl/clean-1-working.calendar.xml").find(C + "exclude")
    equal([e.text or e.get("ref") for e in exclude], ["FREQ=WEEKLY;BYDAY=SA,SU", "2026-12-25", "/old/calendars/germany"], "holidays are excluded")
    schedule = document(into, "old/etl/daily-berlin.schedule.xml")
    equal((schedule.get("chain"), schedule.find(C + "days").get("weekdays"), schedule.findtext(C + "argument")),
          ("daily", "MO TU", "/data/{{berlin}}"), "an order takes the times of its named schedule, and literal text stays literal")
    cluster = document(into, "old/etl/workers.agentCluster.xml")
    equal((cluster.get("selection"), [m.get("url") for m in cluster]),
          ("roundRobin", ["https://etl1.example:4451", "https://etl2.example:4451"]), "a process class becomes an agent cluster")

    sheets = scratch / "sheets"
    shutil.copytree(SOURCE / "examples/import", sheets)
    text = (sheets / "jobscheduler.xsl").read_text()
    (sheets / "jobscheduler.xsl").write_text(text.replace('<lock><xsl:attribute name="capacity">', '<lock title="mine"><xsl:attribute name="capacity">'))
    done = horarium("import", "jobscheduler", FIXTURES / "jobscheduler", "--into", scratch / "own", "--sheet", sheets / "jobscheduler.xsl")
    equal((done.returncode, document(scratch / "own", "etl/warehouse.lock.xml").get("title")), (0, "mine"), "a user's own style sheet is used")


def refusals(scratch):
    done = horarium("import", "crontab", scratch / "none", "--into", scratch / "x")
    ok(done.returncode == 1 and "No such file" in done.stderr, "a file that is not there", done.stderr)
    equal(horarium("import", "crontab", FIXTURES / "crontab").returncode, 2, "no --into is wrong usage")
    (scratch / "zero").write_bytes(b"* * * * * a\0b\n")
    done = horarium("import", "crontab", scratch / "zero", "--into", scratch / "x")
    ok(done.returncode == 1 and "zero byte" in done.stderr and not (scratch / "x").exists(), "binary data is refused, nothing is written", done.stderr)
    sheet = scratch / "escape.xsl"
    sheet.write_text('<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:i="urn:horarium:import:1">'
                     '<xsl:template match="/"><i:imported><i:object file="../outside.job.xml"><job/></i:object></i:imported></xsl:template></xsl:stylesheet>')
    done = horarium("import", "crontab", FIXTURES / "crontab", "--into", scratch / "x" / "y", "--sheet", sheet)
    ok(done.returncode == 1 and not (scratch / "x" / "outside.job.xml").exists(), "a style sheet cannot write outside of the folder", done.stderr)


def main():
    with tempfile.TemporaryDirectory(prefix="horarium-import-") as folder:
        scratch = pathlib.Path(folder)
        crontab(scratch)
        jobscheduler(scratch)
        refusals(scratch)


tap.main(main)

#!/usr/bin/python3
"""Calendars in a running system: what forecast and export say of a folder is what the Master plans of the release made from it,
iCalendar files included, and a start of cron runs."""
import os
import sys
from datetime import datetime, timedelta, timezone

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from tap import contains, equal, main, ok  # noqa: E402
from trial import Trial  # noqa: E402

NS = 'xmlns="urn:horarium:configuration:1"'


def schedule(trial, name, body, attributes=""):
    trial.write(f"cal/{name}.schedule.xml", f'<schedule {NS} chain="tick" {attributes}>{body}</schedule>\n')


def configuration(trial, days):
    """Schedules that start something on both days; the iCalendar file has the second one only."""
    trial.write("cal/tick.job.xml", f"<job {NS}><script>echo tick</script></job>\n")
    trial.write("cal/tick.chain.xml", f'<jobChain {NS} agentCluster="/clusters/local" overlap="allow"><node id="n" job="tick"/></jobChain>\n')
    trial.write("cal/days.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20200101\r\n"
                f"RDATE;VALUE=DATE:{days[1]:%Y%m%d}\r\nSUMMARY:a <day> & more\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
    trial.write("cal/days.calendar.xml", f'<calendar {NS}><include><iCalendar file="days.ics"/></include></calendar>\n')
    schedule(trial, "minute", "<cron>* * * * *</cron>")
    schedule(trial, "zoned", "<cron>15 */3 * * *</cron>", 'timeZone="Asia/Kathmandu"')
    schedule(trial, "file", '<days calendar="days"/><at time="12:00"/>', 'timeZone="America/St_Johns"')
    schedule(trial, "rule", '<at time="23:59"/>')


def exported(trial, day):
    """{(id, schedule)} of an exported day."""
    text = trial.run("export", trial.path("repository"), "--from", day)[1].replace("\n ", "")
    ids = [line[4:] for line in text.splitlines() if line.startswith("UID:")]
    schedules = [line.split("schedule ")[1].split("\\,")[0] for line in text.splitlines() if line.startswith("DESCRIPTION:")]
    return {pair for pair in zip(ids, schedules) if pair[1].startswith("/cal/")}


def planned(trial, day):
    return set(trial.sql("SELECT order_id, schedule_path FROM order_run WHERE plan_day = ? AND schedule_path LIKE '/cal/%'", str(day)))


def test():
    with Trial() as trial:
        today = datetime.now(timezone.utc).date()
        days = [today + timedelta(days=1), today + timedelta(days=2)]
        configuration(trial, days)
        trial.start()
        number = trial.deploy()
        for day in days:
            wanted = exported(trial, day)
            trial.wait_for(lambda: len(planned(trial, day)) >= len(wanted), 90)
            equal(sorted(planned(trial, day) ^ wanted), [], f"{day}: the Master plans the {len(wanted)} orders of the forecast, with their ids")
        schedules = [{s for _, s in planned(trial, day)} for day in days]
        ok("/cal/file" not in schedules[0] and "/cal/file" in schedules[1], "the days of the iCalendar file are its days", schedules)
        changes = [d.attrib.get("path") or d.findtext("{*}path") for d in trial.xml("release", "diff", number).iter() if d.tag.endswith("}difference")]
        equal(changes, [], "the draft is the release, byte for byte in the file too")
        with open(trial.path("repository", "cal/days.ics"), "a", newline="") as f:
            f.write("\r\n")
        text = trial.run("release", "diff", number)[1]
        contains(text, "/cal/days", "a changed file is a difference")
        contains(text, "iCalendar", "of its kind")
        done = trial.wait_for(lambda: trial.sql("SELECT order_id FROM order_run WHERE schedule_path = '/cal/minute' AND state = 'succeeded'"), 150)
        contains(done[0][0], "tick-", "an order that cron started has run")


main(test)

#!/usr/bin/python3
"""Days of random recurrence rules as python-dateutil finds them: dateutil_days.py SEED COUNT [RULE START]

One line a rule: rule, start, first and last day asked for, the days (numbers since 1970-01-01, each after the first
as the distance to the one before), tab-separated. Where dateutil 2.8 departs from RFC 5545 there is another witness:
weeks that reach over the end of a year are found with date.isocalendar, and weekly BYSETPOS begins with a whole week
(dateutil's first week begins at the start)."""
import random
import sys
import warnings
from datetime import date, datetime, timedelta

from dateutil.rrule import rrulestr

EPOCH = date(1970, 1, 1)
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
YEARS = 20


def some(dice, values, most):
    return ",".join(map(str, dice.sample(list(values), dice.randint(1, most))))


def signed(dice, low, high, most):
    values = set()
    while len(values) < dice.randint(1, most):
        values.add(dice.choice([1, 1, 1, -1]) * dice.randint(low, high))
    return ",".join(map(str, sorted(values)))


def weekdays(dice, ordinal):
    """ordinal: how far the numbers of weekdays go, 0: none."""
    if not ordinal or dice.random() < 0.5:
        return some(dice, WEEKDAYS, 7 if dice.random() < 0.3 else 3)
    return ",".join(sorted({f"{dice.choice([1, -1]) * dice.randint(1, ordinal)}{dice.choice(WEEKDAYS)}" for _ in range(dice.randint(1, 3))}))


def rule(dice):
    freq = dice.choice(["DAILY", "WEEKLY", "MONTHLY", "MONTHLY", "YEARLY", "YEARLY"])
    parts = [f"FREQ={freq}"]
    if dice.random() < 0.5:
        parts.append(f"INTERVAL={dice.choice([1, 2, 2, 3, 4, 5, 6, 7, 10, 12, 13, 18, 100])}")
    by = []
    if dice.random() < 0.3:
        by.append("BYMONTH=" + some(dice, range(1, 13), 4))
    if freq != "WEEKLY" and dice.random() < 0.3:
        by.append("BYMONTHDAY=" + signed(dice, 1, 31, 4))
    if freq == "YEARLY" and not by and dice.random() < 0.25:
        by.append("BYYEARDAY=" + signed(dice, 1, 366, 4))
    elif freq == "YEARLY" and not by and dice.random() < 0.3:
        by.append("BYWEEKNO=" + signed(dice, 3, 50, 4))
        by.append("BYDAY=" + weekdays(dice, 0))
    if not any(b.startswith(("BYDAY", "BYYEARDAY")) for b in by) and dice.random() < 0.5:
        months = any(b.startswith("BYMONTH=") for b in by)
        by.append("BYDAY=" + weekdays(dice, {"MONTHLY": 5, "YEARLY": 5 if months else 53}.get(freq, 0)))
    if by and freq != "DAILY" and not any(b.startswith("BYWEEKNO") for b in by) and dice.random() < 0.25:
        by.append("BYSETPOS=" + signed(dice, 1, {"WEEKLY": 3, "MONTHLY": 4, "YEARLY": 20}[freq], 2))
    dice.shuffle(by)
    parts += by
    if dice.random() < 0.3:
        parts.append("WKST=" + dice.choice(WEEKDAYS))
    end = dice.random()
    if end < 0.15:
        parts.append(f"COUNT={dice.choice([1, 2, 5, 10, 30, 100, 500])}")
    elif end < 0.3:
        parts.append(f"UNTIL={(date(2016, 1, 1) + timedelta(days=dice.randint(0, 7000))).strftime('%Y%m%d')}")
    return ";".join(parts)


def iso_weeks(dice):
    """A rule of ISO weeks, with a test for a day."""
    weeks = {dice.choice([1, 2, 9, 51, 52, 53, -1, -2, -30, -52, -53]) for _ in range(dice.randint(1, 3))}
    weekdays = sorted(set(dice.sample(range(7), dice.randint(1, 3))))

    def allows(day):
        year, week, weekday = day.isocalendar()
        last = date(year, 12, 28).isocalendar()[1]
        return weekday - 1 in weekdays and (week in weeks or week - last - 1 in weeks)
    return f"FREQ=YEARLY;BYWEEKNO={','.join(map(str, sorted(weeks)))};BYDAY={','.join(WEEKDAYS[w] for w in weekdays)}", allows


def week_begin(text, day):
    first = WEEKDAYS.index(text.split("WKST=")[1][:2]) if "WKST=" in text else 0
    return day - timedelta(days=(day.weekday() - first) % 7)


def days(text, start, first, last):
    found = rrulestr(text, dtstart=datetime(start.year, start.month, start.day))
    end = datetime(last.year, last.month, last.day)
    if found._until is None or found._until > end:
        found = found.replace(until=end)  # rules without days would be looked for until the year 9999
    return [(moment.date() - EPOCH).days for moment in found if moment.date() >= first]


def write(text, start, first, last, allows=None):
    if allows is None:
        found = days(text, start, first, last)
    else:
        found = [n for n in range((first - EPOCH).days, (last - EPOCH).days + 1) if allows(EPOCH + timedelta(days=n))]
    steps = [b - a for a, b in zip([0] + found, found)]
    print(text, start, first, last, " ".join(map(str, steps)), sep="\t")


def main():
    warnings.simplefilter("ignore")
    if len(sys.argv) > 4:
        start = date.fromisoformat(sys.argv[4])
        return write(sys.argv[3], start, start, date(start.year + YEARS, 12, 31))
    dice = random.Random(int(sys.argv[1]))
    for number in range(int(sys.argv[2])):
        text, allows = iso_weeks(dice) if number % 20 == 0 else (rule(dice), None)
        start = date(2010, 1, 1) + timedelta(days=dice.randint(0, 5000))
        if text.startswith("FREQ=WEEKLY") and "BYSETPOS" in text:
            start = week_begin(text, start)
        first = start + timedelta(days=dice.choice([0, 0, 0, 1, 40, 400, 1000]))
        write(text, start, first, date(first.year + YEARS, 12, 31), allows)


main()

#!/usr/bin/python3
"""What random lines of crontab(5) mean, by brute force: cron_minutes.py SEED COUNT

Every minute of a day and every day of two years is asked by itself whether the words of the line allow it. One line
each: the five fields, the minutes of the day, the days since 1970-01-01, tab-separated."""
import random
import sys
from datetime import date, timedelta

EPOCH, FIRST, LAST = date(1970, 1, 1), date(2027, 1, 1), date(2028, 12, 31)
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
WEEKDAYS = "sun mon tue wed thu fri sat".split()


def as_number(word, names, base):
    return names.index(word.lower()) + base if word.lower() in names else int(word)


def allows(field, value, low, high, names=(), base=0):
    """Does a field allow a value? Sunday is asked as 0 and as 7."""
    for item in field.split(","):
        span, _, step = item.partition("/")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            left, right = span.split("-")
            first, last = as_number(left, names, base), as_number(right, names, base)
            if right.lower() == "sun" and first > 0:
                last = 7
        else:
            first = last = as_number(span, names, base)
        if first <= value <= last and (value - first) % int(step or 1) == 0:
            return True
    return False


def day_allowed(by_date, month, by_weekday, day):
    if not allows(month, day.month, 1, 12, MONTHS, 1):
        return False
    weekday = day.isoweekday() % 7
    a = allows(by_date, day.day, 1, 31)
    b = allows(by_weekday, weekday, 0, 6, WEEKDAYS) or (weekday == 0 and allows(by_weekday.replace("*", "0-6"), 7, 0, 7, WEEKDAYS))
    return a or b if by_date[0] != "*" and by_weekday[0] != "*" else a and b


def word(dice, value, names, base):
    if names and dice.random() < 0.5:
        name = names[(value - base) % len(names)]
        return dice.choice([name, name.upper(), name.capitalize()])
    return str(value)


def item(dice, low, high, names, base):
    kind = dice.random()
    if kind < 0.15:
        return f"*/{dice.randint(1, 6)}"
    if kind < 0.55:
        return word(dice, dice.randint(low, high), names, base)
    first = dice.randint(low, high - 1)
    last = dice.randint(first + 1, high)
    # by its name Sunday is the first day and the last one: from the first on it is the first
    span = f"{word(dice, first, names, base)}-{last if (first, last) == (0, 7) else word(dice, last, names, base)}"
    return span if kind < 0.8 else f"{span}/{dice.randint(1, last - first)}"


def field(dice, stars, low, high, names=(), base=0):
    if dice.random() < stars:
        return "*"
    return ",".join(item(dice, low, high, names, base) for _ in range(dice.choice([1, 1, 1, 2, 3, 5])))


def main():
    dice = random.Random(int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        parts = [field(dice, 0.2, 0, 59), field(dice, 0.3, 0, 23), field(dice, 0.5, 1, 31), field(dice, 0.5, 1, 12, MONTHS, 1),
                 field(dice, 0.5, 0, 7, WEEKDAYS)]
        minutes = [m for m in range(1440) if allows(parts[0], m % 60, 0, 59) and allows(parts[1], m // 60, 0, 23)]
        days, day = [], FIRST
        while day <= LAST:
            if day_allowed(parts[2], parts[3], parts[4], day):
                days.append((day - EPOCH).days)
            day += timedelta(days=1)
        print(" ".join(parts), " ".join(map(str, minutes)), " ".join(map(str, days)), sep="\t")


main()

"""Cron, slowly: looks at every minute (or second), knows each rule in its plainest form."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

LOWEST = (0, 0, 1, 1, 0, 0)
HIGHEST = (59, 23, 31, 12, 7, 59)


@cache
def _allows(field: str, place: int, value: int) -> bool:
    """Whether a field, of numbers only, has the value."""
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, last = LOWEST[place], HIGHEST[place]
        if span != "*":
            low, _, high = span.partition("-")
            first, last = int(low), int(high or (last if step else low))
        if value in range(first, last + 1, int(step or 1)):
            return True
    return False


def shows(expression: str, wall: datetime) -> bool:
    """Whether the wall clock shows a time of the expression."""
    fields = expression.split()
    minute, hour, day, month, weekday = fields[:5]
    second = fields[5] if len(fields) == 6 else "0"
    on_day = _allows(day, 2, wall.day)
    sunday = wall.isoweekday() % 7
    on_weekday = _allows(weekday, 4, sunday) or (sunday == 0 and _allows(weekday, 4, 7))
    either = not {"*", "*/1"} & {day, weekday}
    return (
        (on_day or on_weekday if either else on_day and on_weekday)
        and _allows(month, 3, wall.month)
        and _allows(hour, 1, wall.hour)
        and _allows(minute, 0, wall.minute)
        and _allows(second, 5, wall.second)
    )


def ticks(expression: str, zone: str, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield every tick in ``(after, until]``; both are full minutes in UTC."""
    unit = timedelta(seconds=1 if len(expression.split()) == 6 else 60)
    of_the_day = not set("*-/") & set(expression.split()[1])
    there = ZoneInfo(zone)
    instant, before = after, after.astimezone(there).replace(tzinfo=None)
    while instant < until:
        instant += unit
        local = instant.astimezone(there)
        wall = local.replace(tzinfo=None)
        left_out = []
        if of_the_day and wall - before > unit:
            left_out = [before + unit * n for n in range(1, (wall - before) // unit)]
        if any(shows(expression, missed) for missed in left_out) or (
            shows(expression, wall) and not (of_the_day and local.fold)
        ):
            yield instant
        before = wall

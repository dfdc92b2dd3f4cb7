"""Cron expressions: what the fields allow, as sets. Time zones are not known here.

``croniter`` reads the fields. What it takes for something that nobody means is refused, or read as
Vixie's cron does: a step longer than its field, a field drawn by lot (``R``, ``H``), a date that
never comes, a range of one (``5-5`` is everything there), and all weekdays by their numbers
(``0-6`` is no ``*`` if a day of the month is given, too).
"""

from __future__ import annotations

import calendar
import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final

from pynenc_pg.exceptions import TriggerDefinitionError

#: In the order they are written; seconds come last, as croniter has it.
FIELDS: Final = ("minute", "hour", "day of month", "month", "day of week", "second")
_RANGES: Final = (
    range(60),
    range(24),
    range(1, 32),
    range(1, 13),
    range(7),
    range(60),
)
_ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_NAMES: Final = {
    name: str(number)
    for names, first in (
        ("sun mon tue wed thu fri sat", 0),
        ("jan feb mar apr may jun jul aug sep oct nov dec", 1),
    )
    for number, name in enumerate(names.split(), first)
}
_STEP: Final = re.compile(r"/(\d+)$")
_ONE_OR_RANGE: Final = re.compile(r"(\w+)-(\w+)(/\d+)?")
#: Days of which none is left out, and so the other field alone decides.
_ANY: Final = frozenset({"*", "?", "*/1"})
_DRAWN: Final = re.compile(r"[hr](\(|/|$)")
#: 29 February on the fifth Monday comes every 28 years, around 2100 every 40.
_YEARS_AHEAD: Final = 50
#: A date to look for the first tick from: whether there is one does not depend on today.
_SOME_DAY: Final = datetime(2001, 1, 1)  # noqa: DTZ001 - a wall clock of no zone


@dataclass(frozen=True, slots=True)
class CronExpression:
    """An expression that was read. Its times are those of a wall clock, without a zone."""

    text: str  # in lower case, one space between the fields, no alias
    hours: tuple[int, ...]  # these three rise
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]
    months: frozenset[int]
    days: frozenset[int] | None  # of the month; None: any
    last_day: bool  # the last of the month, too
    weekdays: frozenset[int] | None  # 0 is Sunday; None: any
    nth: Mapping[int, frozenset[int]]  # of these weekdays only the n-th of the month; -1: the last
    interval: bool  # the hours are a pattern (``*``, a range, a step) and no list of times

    @property
    def to_the_second(self) -> bool:
        """Whether it has a field for seconds."""
        return self.text.count(" ") == len(FIELDS) - 1

    def fits(self, day: date) -> bool:
        """Whether anything is due on that day.

        As in every cron: if day of month and day of week are both given, one of them is enough.
        """
        if day.month not in self.months:
            return False
        if self.days is None:
            return self.weekdays is None or self._on_weekday(day)
        return self._on_day_of_month(day) or (self.weekdays is not None and self._on_weekday(day))

    def next_after(self, wall: datetime) -> datetime | None:
        """Return the first time of the wall clock after ``wall``; None if there is none at all."""
        day = wall.date()
        if self.fits(day):
            later = self._later_that_day(wall.time())
            if later is not None:
                return datetime.combine(day, later)
        first = time(self.hours[0], self.minutes[0], self.seconds[0])
        last = day.year + _YEARS_AHEAD
        while day.year <= last:
            day = self._next_day(day)
            if self.fits(day):
                return datetime.combine(day, first)
        return None

    def _later_that_day(self, at: time) -> time | None:
        minute, second = self.minutes[0], self.seconds[0]
        if at.hour in self.hours:
            if at.minute in self.minutes:
                for s in self.seconds[bisect_right(self.seconds, at.second) :]:
                    return time(at.hour, at.minute, s)
            for m in self.minutes[bisect_right(self.minutes, at.minute) :]:
                return time(at.hour, m, second)
        for h in self.hours[bisect_right(self.hours, at.hour) :]:
            return time(h, minute, second)
        return None

    def _next_day(self, day: date) -> date:
        if day.month in self.months:
            return day + timedelta(days=1)
        return (day.replace(day=1) + timedelta(days=31)).replace(day=1)

    def _on_day_of_month(self, day: date) -> bool:
        last = calendar.monthrange(day.year, day.month)[1]
        return day.day in (self.days or ()) or (self.last_day and day.day == last)

    def _on_weekday(self, day: date) -> bool:
        weekday = day.isoweekday() % 7
        if weekday not in (self.weekdays or ()):
            return False
        wanted = self.nth.get(weekday)
        if wanted is None:
            return True
        last = day.day + 7 > calendar.monthrange(day.year, day.month)[1]
        return (day.day - 1) // 7 + 1 in wanted or (last and -1 in wanted)


def parse(expression: str) -> CronExpression:
    """Read five fields (minute, hour, day of month, month, day of week) or six (then second).

    >>> parse("30 9 * * mon-fri").text
    '30 9 * * mon-fri'

    Raises:
        TriggerDefinitionError: it is no such expression, or no date fits it; names the field.
    """
    if not isinstance(expression, str):
        message = f"cron expression {expression!r} is no text: write one as '30 9 * * mon-fri'"
        raise TriggerDefinitionError(message)
    return _parse(expression)


@lru_cache(maxsize=1024)
def _parse(expression: str) -> CronExpression:
    lower = " ".join(expression.lower().split())
    text = _ALIASES.get(lower, lower)
    fields = text.split()
    if len(fields) not in {5, 6}:
        known = ", ".join(_ALIASES)
        message = (
            f"cron expression {expression!r} must have five or six fields, not {len(fields)}: "
            "minute, hour, day of month, month, day of week, and with six the second last; or be "
            f"one of {known}"
        )
        raise TriggerDefinitionError(message)
    for place, field in enumerate(fields):
        _check_field(expression, place, field)
    _check_order(expression, fields)
    read = _read(expression, [_without_ranges_of_one(place, f) for place, f in enumerate(fields)])
    if read.next_after(_SOME_DAY) is None:
        message = (
            f"cron expression {expression!r} never fires: no date fits day of month "
            f"{fields[2]!r}, month {fields[3]!r} and day of week {fields[4]!r}"
        )
        raise TriggerDefinitionError(message)
    return read


def _without_ranges_of_one(place: int, field: str) -> str:
    """Write ``5-5`` as ``5``, also where the two ends are written in two ways."""
    parts = []
    for part in field.split(","):
        found = _ONE_OR_RANGE.fullmatch(part)
        ends = [_NAMES.get(end, end) for end in found.groups()[:2]] if found else []
        if FIELDS[place] == "day of week" and ends and ends[0] == "7":
            ends[0] = "0"  # up to 7 it is another week: 0-7 are all of them
            ends[1] = "0" if ends[1] == "7" else ends[1]
        one = found is not None and ends[0].lstrip("0") == ends[1].lstrip("0")
        parts.append(ends[0] if one else part)
    return ",".join(parts)


def _check_field(expression: str, place: int, field: str) -> None:
    """Have croniter read the field by itself: what it says does not tell which one is wrong."""
    for part in field.split(","):
        step = _STEP.search(part)
        if step and int(step[1]) > len(_RANGES[place]):
            raise _wrong(expression, place, field, f"a step of {step[1]} is longer than the field")
        if _DRAWN.match(part) or (part.endswith("w") or part.startswith("w")) and place == 2:  # noqa: PLR2004, RUF021
            raise _wrong(expression, place, field, "H, R and W are not supported")
    alone = ["*"] * max(5, place + 1)
    alone[place] = field
    try:
        field.encode("ascii")  # croniter knows digits of other scripts, too
        _expand(" ".join(alone))
    except ValueError:
        allowed = f"{_RANGES[place][0]} to {_RANGES[place][-1]}"
        if FIELDS[place] == "day of week":
            allowed = "0 to 7 (0 and 7 are Sunday) or sun to sat, or fri#2 and l5 by themselves"
        elif FIELDS[place] == "month":
            allowed += " or jan to dec"
        raise _wrong(expression, place, field, f"it may have {allowed}") from None


def _check_order(expression: str, fields: list[str]) -> None:
    """Refuse what somebody wrote who puts the seconds first, where that can be told."""
    if len(fields) == len(FIELDS) and fields[5] == "*" and fields[0] != "*":
        message = (
            f"cron expression {expression!r} would fire in each second of its minutes: the second "
            f"is the last field here. For once a minute write '{' '.join(fields[:5])}'; write 0-59 "
            "for the second if each of them is meant"
        )
        raise TriggerDefinitionError(message)


def _read(expression: str, fields: list[str]) -> CronExpression:
    text = " ".join(fields)
    try:
        expanded, nth = _expand(text)
    except ValueError as error:
        message = f"cron expression {expression!r} cannot be read: {error}"
        raise TriggerDefinitionError(message) from None
    named = [
        tuple(_RANGES[place])
        if values == ["*"]
        else tuple(sorted(value for value in values if isinstance(value, int)))
        for place, values in enumerate(expanded)
    ]
    return CronExpression(
        text=text,
        hours=named[1],
        minutes=named[0],
        seconds=named[5] if len(named) == len(FIELDS) else (0,),
        months=frozenset(named[3]),
        days=None if fields[2] in _ANY else frozenset(named[2]),
        last_day="l" in expanded[2],
        weekdays=None if fields[4] in _ANY else frozenset(named[4]),
        nth={
            weekday: frozenset(-1 if which == "l" else int(which) for which in wanted)
            for weekday, wanted in nth.items()
        },
        interval=any(sign in fields[1] for sign in "*-/"),
    )


def _expand(text: str) -> tuple[list[list[Any]], dict[int, set[Any]]]:
    # Imported where it is needed: most processes have no cron, and none has one at its start.
    from croniter import CroniterError, croniter  # noqa: PLC0415

    try:
        expanded, nth = croniter.expand(text)
    except (CroniterError, KeyError, TypeError) as error:
        raise ValueError(*error.args) from None
    return expanded, nth


def _wrong(expression: str, place: int, field: str, why: str) -> TriggerDefinitionError:
    return TriggerDefinitionError(
        f"cron expression {expression!r}: {FIELDS[place]} {field!r}: {why}"
    )

"""When a cron expression is due in a time zone, across its changes of the clock.

A tick is an instant; the rules that make it one are those of Vixie's cron, by what the hour field
is. Where it names hours (``2``, ``2,14``) the ticks are *times of the day*: each happens once a
day. One in the gap when clocks go forward happens at the first instant after the gap (all in one
gap are one tick); one in the hour that is repeated when clocks go back happens in its first pass.
Where the hour field is a pattern (``*``, ``8-18``, ``*/2``) the ticks are *intervals*: they happen
whenever the wall clock shows such a time. So they go on through both passes of a repeated hour,
and a gap, in which no time goes by, has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from pynenc_pg.exceptions import TriggerDefinitionError
from pynenc_pg.trigger.cron_expression import CronExpression, parse

_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
#: Names of what differs from one machine to the other.
_NO_ZONES: Final = frozenset({"localtime", "posixrules"})


def time_zone(name: str) -> ZoneInfo:
    """Return the zone of that name in the IANA database.

    Raises:
        TriggerDefinitionError: there is none.
    """
    try:
        if name not in _NO_ZONES:
            return ZoneInfo(name)
        raise KeyError(name)  # noqa: TRY301 - as any other that is none
    except (KeyError, ValueError, OSError, TypeError):
        known = available_timezones() - _NO_ZONES
        lower = {zone.lower(): zone for zone in known}
        near = get_close_matches(str(name).lower(), lower, n=1)
        way_out = f"did you mean {lower[near[0]]!r}?" if near else "write one as 'Europe/Berlin'"
        if not known:
            way_out = "this machine has no time zones: pip install tzdata"
        message = f"time zone {name!r} is not known: {way_out}"
        raise TriggerDefinitionError(message) from None


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """The ticks of an expression in a time zone, as aware datetimes in UTC, rising strictly.

    >>> daily = CronSchedule("30 2 * * *", "Europe/Berlin")
    >>> daily.next_after(datetime(2027, 3, 27, 12, tzinfo=UTC)).isoformat()  # there is no 02:30
    '2027-03-28T01:00:00+00:00'

    Raises:
        TriggerDefinitionError: the expression or the zone cannot be.
    """

    expression: str
    timezone: str = "UTC"
    _parsed: CronExpression = field(init=False, repr=False, compare=False)
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read both."""
        object.__setattr__(self, "_parsed", parse(self.expression))
        object.__setattr__(self, "_zone", time_zone(self.timezone))

    def next_after(self, moment: datetime) -> datetime:
        """Return the first tick after ``moment``, which is aware of its zone.

        Raises:
            ValueError: ``moment`` has no zone.
        """
        since = _in_utc(moment)
        offset = self._offset(since)
        wall = since.replace(tzinfo=None) + offset
        while True:
            tick = self._parsed.next_after(wall)
            if tick is None:  # parse() has found one, so this is close to the year 9999
                message = f"cron expression {self.expression!r} has no tick after {moment}"
                raise OverflowError(message)
            instant = tick.replace(tzinfo=UTC) - offset
            change = self._first_change(since, instant)
            if change is None:
                if self._parsed.interval or not self._is_repeated(instant):
                    return instant
                since, wall = instant, tick
                continue
            # Up to the change there was no tick. Go on behind it with the clock as it is then.
            later = self._offset(change)
            behind = change.replace(tzinfo=None) + later
            if later > offset and not self._parsed.interval and tick < behind:
                return change
            since, wall, offset = change, behind - _SECOND, later

    def between(self, after: datetime, until: datetime) -> list[datetime]:
        """Return the ticks after ``after``, up to and including ``until``."""
        return list(self.walk(after, until))

    def walk(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yield what ``between`` returns, one by one."""
        until = _in_utc(until)
        tick = self.next_after(after)
        while tick <= until:
            yield tick
            tick = self.next_after(tick)

    def last_until(self, moment: datetime, after: datetime) -> datetime | None:
        """Return the last tick up to and including ``moment``, if there is one after ``after``.

        The ticks in between are not all gone through: an outage may have been long.
        """
        moment, after = _in_utc(moment), _in_utc(after)
        span = timedelta(minutes=1)
        while after < moment:
            start = max(after, moment - span)
            last = None
            for last in self.walk(start, moment):  # noqa: B007 - the last one is wanted
                pass
            if last is not None or start == after:
                return last
            span *= 8
        return None

    def _offset(self, instant: datetime) -> timedelta:
        offset = instant.astimezone(self._zone).utcoffset()
        return offset or timedelta(0)

    def _is_repeated(self, instant: datetime) -> bool:
        """Whether the wall clock has shown this time already, before it was put back."""
        return instant.astimezone(self._zone).fold == 1

    def _first_change(self, since: datetime, until: datetime) -> datetime | None:
        """Return the first instant in ``(since, until]`` at which the clock is changed.

        Two changes on one day that undo each other would not be seen; no zone has any.
        """
        if self.timezone == "UTC":
            return None
        before, low = self._offset(since), since
        while low < until:
            high = min(low + _DAY, until)
            if self._offset(high) != before:
                return self._change(low, high, before)
            low = high
        return None

    def _change(self, low: datetime, high: datetime, before: timedelta) -> datetime:
        """Find it by halving: to the second, as the database of zones has it."""
        low = low.replace(microsecond=0)
        while high - low > _SECOND:
            middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
            low, high = (middle, high) if self._offset(middle) == before else (low, middle)
        return low + _SECOND


def _in_utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        message = f"{moment!r} has no time zone: write datetime.now(UTC), or give it a tzinfo"
        raise ValueError(message)
    return moment.astimezone(UTC)

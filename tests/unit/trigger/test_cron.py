"""Ticks: complete, each once, on every day of the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pynenc_pg.exceptions import TriggerDefinitionError
from pynenc_pg.trigger.cron import CronSchedule, time_zone
from tests.unit.trigger.naive_cron import ticks

#: Zones with their changes of the clock of 2027 (in 2026/27 for the south), as UTC days.
CHANGES: Final = {
    "Europe/Berlin": ((2027, 3, 28), (2027, 10, 31)),
    "America/New_York": ((2027, 3, 14), (2027, 11, 7)),
    "Australia/Lord_Howe": ((2027, 4, 3), (2027, 10, 2)),
    "America/Havana": ((2027, 3, 14), (2027, 11, 7)),  # at midnight
    "Atlantic/Azores": ((2027, 3, 28), (2027, 10, 31)),
    "Asia/Kolkata": ((2027, 3, 28), (2027, 10, 31)),  # never changed
    "UTC": ((2027, 3, 28), (2027, 10, 31)),
}
NEAR_A_CHANGE: Final = [(zone, day) for zone, days in CHANGES.items() for day in days]


def _local(expression: str, zone: str, after: datetime, count: int) -> list[str]:
    """The next ticks, as the clocks of the zone show them."""
    schedule = CronSchedule(expression, zone)
    shown = []
    for _ in range(count):
        after = schedule.next_after(after)
        shown.append(f"{after.astimezone(ZoneInfo(zone)):%d %H:%M %z}")
    return shown


def _one(draw: st.DrawFn, low: int, high: int) -> str:
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    step = draw(st.integers(1, high - low + 1))
    return draw(
        st.sampled_from(
            [
                f"{first}",
                f"{first},{last}",
                f"{first}-{last}",
                f"*/{step}",
                f"{first}-{last}/{step}",
            ]
        )
    )


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """Five fields that have a tick now and then: hours are often those of a change."""
    hour = draw(st.one_of(st.just("*"), st.sampled_from(["0", "1", "2", "1,2", "0,2,3", "23"])))
    if draw(st.booleans()):
        hour = _one(draw, 0, 23)
    minute = draw(st.sampled_from(["*", "0", "30", "*/5"])) if draw(st.booleans()) else ""
    day, weekday = (
        draw(st.sampled_from(["*", "*", "*", _one(draw, low, high)]))
        for low, high in ((1, 28), (0, 6))
    )
    return f"{minute or _one(draw, 0, 59)} {hour} {day} * {weekday}"


@given(expressions(), st.sampled_from(NEAR_A_CHANGE), st.integers(-5, 2))
@example("30 2 * * *", ("Europe/Berlin", (2027, 3, 28)), -3)
@example("15 2 * * *", ("Australia/Lord_Howe", (2027, 10, 2)), -3)
@example("0 0 * * *", ("America/Havana", (2027, 3, 14)), -3)
@settings(max_examples=60, deadline=None)
def test_a_week_has_every_tick_once(
    expression: str, near: tuple[str, tuple[int, int, int]], shift: int
) -> None:
    """A week around a change of the clock has what looking at each of its minutes finds."""
    zone, day = near
    start = datetime(*day, tzinfo=UTC) + timedelta(days=shift)
    end = start + timedelta(days=7)
    found = CronSchedule(expression, zone).between(start, end)
    assert found == list(ticks(expression, zone, start, end))
    assert all(one < other for one, other in pairwise(found))


@pytest.mark.parametrize(
    ("expression", "near"),
    [
        # Each expression, and each change, once; the rest of the nine takes seconds.
        pytest.param(
            *(expression, near),
            id=f"{expression}-{near[0]}-{near[1][1]}",
            marks=[] if one == other else pytest.mark.long,
        )
        for one, expression in enumerate(["*/20 2 * * * */30", "0 * * * * 15", "5 1,2 * * * 59,0"])
        for other, near in enumerate(NEAR_A_CHANGE[:3])
    ],
)
def test_seconds_are_the_last_field(
    expression: str, near: tuple[str, tuple[int, int, int]]
) -> None:
    """Six fields, in the hours of a change, second by second."""
    zone, day = near
    start = datetime(*day, tzinfo=UTC) - timedelta(hours=12)
    end = start + timedelta(hours=32)
    found = CronSchedule(expression, zone).between(start, end)
    assert found == list(ticks(expression, zone, start, end))


@given(st.datetimes(datetime(2027, 1, 1), datetime(2028, 1, 1)), expressions())  # noqa: DTZ001
@settings(max_examples=60, deadline=None)
def test_where_one_begins_changes_no_tick(moment: datetime, expression: str) -> None:
    """From any moment, in a fraction of a second too, the next tick is the one of the minutes."""
    after = moment.replace(tzinfo=UTC)
    tick = CronSchedule(expression, "Europe/Berlin").next_after(after)
    assert tick > after
    begin = max(after.replace(second=0, microsecond=0), tick - timedelta(days=3))
    naive = [t for t in ticks(expression, "Europe/Berlin", begin, tick) if t > after]
    assert naive == [tick]


def test_a_time_in_the_gap_fires_once_after_it() -> None:
    """02:30 is not on the clock of that night: the tick is at its first instant after 02:00."""
    eve = datetime(2027, 3, 27, 12, tzinfo=UTC)
    assert _local("30 2 * * *", "Europe/Berlin", eve, 2) == ["28 03:00 +0200", "29 02:30 +0200"]
    # All of one gap are one tick, with that of 03:00, too.
    assert _local("0,30 2,3 * * *", "Europe/Berlin", eve, 2) == ["28 03:00 +0200", "28 03:30 +0200"]
    lord_howe = datetime(2027, 10, 1, 12, tzinfo=UTC)
    shown = _local("15 2 * * *", "Australia/Lord_Howe", lord_howe, 3)
    assert shown == ["02 02:15 +1030", "03 02:30 +1100", "04 02:15 +1100"]


def test_a_time_in_the_repeated_hour_fires_in_its_first_pass() -> None:
    """02:30 is on the clock twice that night."""
    eve = datetime(2027, 10, 30, 12, tzinfo=UTC)
    assert _local("30 2 * * *", "Europe/Berlin", eve, 2) == ["31 02:30 +0200", "01 02:30 +0100"]
    assert _local("45 1 * * *", "America/New_York", datetime(2027, 11, 7, tzinfo=UTC), 2) == [
        "07 01:45 -0400",
        "08 01:45 -0500",
    ]
    # Asked in the second pass, where the clock shows an earlier time.
    second_pass = datetime(2027, 10, 31, 1, 10, tzinfo=UTC)
    assert _local("30 2 * * *", "Europe/Berlin", second_pass, 1) == ["01 02:30 +0100"]


def test_intervals_go_on_in_real_time() -> None:
    """An hourly job runs each hour that goes by: neither twice at once nor an hour too late."""
    hourly = CronSchedule("0 * * * *", "Europe/Berlin")
    for day in ((2027, 3, 27), (2027, 10, 30)):
        start = datetime(*day, tzinfo=UTC)
        found = hourly.between(start, start + timedelta(days=2))
        assert found == [start + timedelta(hours=n) for n in range(1, 49)]
    at_night = _local("0 1-3 * * *", "Europe/Berlin", datetime(2027, 10, 30, 22, tzinfo=UTC), 4)
    assert at_night == ["31 01:00 +0200", "31 02:00 +0200", "31 02:00 +0100", "31 03:00 +0100"]


def test_a_day_that_a_zone_left_out_is_a_gap() -> None:
    """Samoa had no 30 December 2011: its noon is at the first instant of the 31st."""
    after = datetime(2011, 12, 29, 23, tzinfo=UTC)
    shown = _local("0 12 30 12 *", "Pacific/Apia", after, 1)
    assert shown == ["31 00:00 +1400"]


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 29 2 *",
        "0 12 l * *",
        "15 8 13,l */3 *",
        "0 9 * * mon#1",
        "0 9 * * l5",
        "30 6 1 * fri",
        "0 0 * jan,jul sun-tue",
        "*/7 22-2 * * *",
        "0 0 ? * 7",
        "@weekly",
        "* * * * * */20",
    ],
)
def test_without_changes_of_the_clock_croniter_agrees(expression: str) -> None:
    """What its grammar has beyond numbers means what it means there, over 300 ticks."""
    start = datetime(2026, 11, 27, 1, 2, 3, tzinfo=UTC)
    theirs = croniter(expression, start)
    schedule = CronSchedule(expression)
    ours = start
    for _ in range(300):
        ours = schedule.next_after(ours)
        assert ours == theirs.get_next(datetime)


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("5-5 2-2 * * *", "5 2 * * *"),
        ("0 0 3-3,4-04/2 * *", "0 0 3,4 * *"),
        ("0 0 * 5-may *", "0 0 * 5 *"),
        ("0 0 * * mon-1", "0 0 * * 1"),
        ("0 0 * * 7-0", "0 0 * * sun"),
        ("0 0 * * 7-7", "0 0 * * 0"),
        ("0 0 * * 0-7", "0 0 * * *"),
        ("0 0 13 * 0-6", "0 0 * * *"),  # as in Vixie's cron: either of the two
        ("0 0 13 * */1", "0 0 13 * *"),
        ("  0   0 * *  MON ", "0 0 * * mon"),
        ("@Daily", "0 0 * * *"),
        ("0 22-1 * * *", "0 22,23,0,1 * * *"),
    ],
)
def test_ways_to_write_the_same(written: str, same: str) -> None:
    """Both have the same ticks for a year, some of which croniter reads otherwise."""
    start = datetime(2027, 1, 1, tzinfo=UTC)
    end = start + timedelta(days=366)
    assert CronSchedule(written).between(start, end) == CronSchedule(same).between(start, end)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("61 * * * *", "minute '61'"),
        ("0 24 * * *", "hour '24'"),
        ("0 30 9 * * *", "hour '30'"),  # seconds first
        ("0 0 32 * *", "day of month '32'"),
        ("0 0 * thr *", "month 'thr': it may have 1 to 12 or jan to dec"),
        ("0 0 * * 8", "day of week '8'"),
        ("0 0 * * mon#6", "day of week 'mon#6'"),
        ("0 0 * * * 60", "second '60'"),
        ("*/90 * * * *", "minute '*/90': a step of 90 is longer than the field"),
        ("*/0 * * * *", "minute '*/0'"),
        ("r * * * *", "minute 'r': H, R and W are not supported"),
        ("0 h(2-4) * * *", "hour 'h(2-4)'"),
        ("0 0 15w * *", "day of month '15w'"),
        ("٣ * * * *", "minute '٣'"),
        ("0 0 9 * * *", "write '0 0 9 * *'"),
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("", "not 0"),
        ("@reboot", "@daily"),
        ("* * * * * * 2030", "not 7"),
        (" ", "not 0"),
    ],
)
def test_what_is_no_schedule_is_refused(expression: str, said: str) -> None:
    """When it is written, and the message names the field."""
    with pytest.raises(TriggerDefinitionError) as caught:
        CronSchedule(expression)
    assert said in str(caught.value)
    assert repr(expression) in str(caught.value)


@pytest.mark.parametrize("zone", ["europe/berlin", "Mars/Olympus", "", "../etc/passwd", "Europe"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    """Whatever it is that a file system makes of the name."""
    with pytest.raises(TriggerDefinitionError, match="is not known"):
        time_zone(zone)


def test_a_zone_that_is_another_one_elsewhere_is_refused() -> None:
    """What ``localtime`` is depends on the machine."""
    with pytest.raises(TriggerDefinitionError, match="is not known"):
        time_zone("localtime")


def test_a_moment_needs_a_zone() -> None:
    """A naive moment could be anybody's."""
    with pytest.raises(ValueError, match="no time zone"):
        CronSchedule("* * * * *").next_after(datetime(2027, 1, 1))  # noqa: DTZ001


@given(expressions(), st.integers(0, 90 * 86_400), st.integers(1, 60 * 86_400))
@settings(max_examples=60, deadline=None)
def test_the_last_tick_is_found_without_the_others(expression: str, end: int, span: int) -> None:
    """``last_until`` is the end of ``between``."""
    schedule = CronSchedule(expression, "America/New_York")
    until = datetime(2027, 1, 1, tzinfo=UTC) + timedelta(seconds=end)
    after = until - timedelta(seconds=span)
    found = schedule.between(after, until)
    assert schedule.last_until(until, after) == (found[-1] if found else None)

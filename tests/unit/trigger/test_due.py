"""What fires after an outage, at a first start, and with jitter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynenc_pg.trigger.cron import CronSchedule
from pynenc_pg.trigger.due import GRACE, CatchUp, due, fire_time

MINUTELY: Final = CronSchedule("* * * * *")
NOON: Final = datetime(2027, 1, 1, 12, tzinfo=UTC)


def minutes(*counts: float) -> list[datetime]:
    """Moments so many minutes after noon."""
    return [NOON + timedelta(minutes=count) for count in counts]


def test_nothing_fires_at_a_first_start() -> None:
    """A schedule that never ran has missed nothing, even if its time is now."""
    for policy in CatchUp:
        first = due(CronSchedule("@daily"), None, NOON, policy)
        assert first.ticks == ()
        assert first.next_tick == datetime(2027, 1, 2, tzinfo=UTC)
        assert due(MINUTELY, None, NOON, policy).next_tick == minutes(1)[0]


@pytest.mark.parametrize("policy", CatchUp)
def test_on_time_fires_whatever_the_policy(policy: CatchUp) -> None:
    """A tick that somebody is a second late for was not missed."""
    made = due(MINUTELY, NOON, NOON + timedelta(seconds=61), policy)
    assert list(made.ticks) == minutes(1)
    assert (made.settled, made.next_tick) == tuple(minutes(1, 2))
    again = due(MINUTELY, made.settled, NOON + timedelta(seconds=61), policy)
    assert again.ticks == ()


def test_after_an_outage() -> None:
    """An hour without a runner: the last one, each of them, or none."""
    hourly = CronSchedule("0 * * * *")
    back = NOON + timedelta(hours=3, minutes=30)
    missed = [NOON + timedelta(hours=n) for n in (1, 2, 3)]
    for policy, fired in (
        (CatchUp.LATEST, missed[-1:]),
        (CatchUp.ALL, missed),
        (CatchUp.NONE, []),
    ):
        made = due(hourly, NOON, back, policy)
        assert list(made.ticks) == fired
        assert made.settled == missed[-1]
        assert made.next_tick == NOON + timedelta(hours=4)
        assert due(hourly, made.settled, back, policy).ticks == ()


def test_a_fast_schedule_loses_nothing_to_a_slow_moment() -> None:
    """Of a job each second, those of the last seconds all fire with ``latest`` and ``none``."""
    secondly = CronSchedule("* * * * * *")
    for policy in (CatchUp.LATEST, CatchUp.NONE):
        made = due(secondly, NOON, NOON + timedelta(seconds=7.5), policy)
        assert [(tick - NOON).seconds for tick in made.ticks] == [1, 2, 3, 4, 5, 6, 7]
    after = due(secondly, NOON - timedelta(hours=1), NOON, CatchUp.LATEST)
    assert after.ticks[0] == NOON - GRACE
    assert len(after.ticks) == 61


def test_all_after_a_long_outage_comes_in_portions() -> None:
    """So many at once, then the next ones at once: none twice, none left out."""
    now = NOON + timedelta(days=2)
    made = due(MINUTELY, NOON, now, CatchUp.ALL, at_once=1000)
    fired = list(made.ticks)
    while made.next_at <= now:
        made = due(MINUTELY, made.settled, now, CatchUp.ALL, at_once=1000)
        assert 1 <= len(made.ticks) <= 1000
        fired += made.ticks
    assert fired == MINUTELY.between(NOON, now)


def test_a_clock_that_goes_back_repeats_nothing() -> None:
    """What has fired is settled, whatever the clock says."""
    made = due(MINUTELY, NOON, NOON - timedelta(hours=5), CatchUp.ALL)
    assert made.ticks == ()
    assert made.settled == NOON
    assert made.next_tick == minutes(1)[0]


def test_jitter_is_the_same_for_everybody_and_within_the_interval() -> None:
    """It follows from trigger and tick, spreads triggers, and does not reach past the next tick."""
    daily = CronSchedule("@daily")
    [tick] = daily.between(NOON, NOON + timedelta(days=1))
    times = {fire_time(daily, tick, jitter=600, trigger_id=f"t{n}") for n in range(200)}
    again = {fire_time(daily, tick, jitter=600, trigger_id=f"t{n}") for n in range(200)}
    assert times == again
    assert len(times) == 200
    late = sorted((time - tick).total_seconds() for time in times)
    assert 0 <= late[0] < 60
    assert 540 < late[-1] < 600
    for minute in MINUTELY.between(NOON, NOON + timedelta(hours=1)):
        fires = fire_time(MINUTELY, minute, jitter=3600, trigger_id="t")
        assert minute <= fires <= minute + timedelta(minutes=1)


@given(
    st.lists(st.integers(0, 4 * 3600), min_size=1, max_size=30),
    st.sampled_from([0.0, 20.0, 3600.0]),
    st.sampled_from(list(CatchUp)),
)
@settings(max_examples=80, deadline=None)
def test_no_tick_fires_twice_or_early(moments: list[int], jitter: float, policy: CatchUp) -> None:
    """Whenever it is asked, in any order of the clock, with ``all`` every tick comes once."""
    schedule = CronSchedule("*/7 * * * *", "Europe/Berlin")
    start = datetime(2027, 10, 30, 23, tzinfo=UTC)
    settled = start
    fired: list[datetime] = []
    for seconds in moments:
        now = start + timedelta(seconds=seconds)
        made = due(schedule, settled, now, policy, jitter=jitter, trigger_id="t")
        assert made.settled >= settled
        assert made.next_tick > made.settled
        for tick in made.ticks:
            assert fire_time(schedule, tick, jitter=jitter, trigger_id="t") <= now
        settled = made.settled
        fired += made.ticks
    assert fired == sorted(set(fired))
    last = start + timedelta(seconds=max(moments))
    every = [
        tick
        for tick in schedule.between(start, last)
        if fire_time(schedule, tick, jitter=jitter, trigger_id="t") <= last
    ]
    assert set(fired) <= set(every)
    if policy is CatchUp.ALL:
        assert fired == every
    if policy is CatchUp.LATEST and every:
        assert every[-1] in fired


def test_weeks_of_runners_that_come_and_go() -> None:
    """Six simulated weeks over the change, asked at each ``next_at``: every tick once, on time."""
    for zone in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"):
        schedule = CronSchedule("*/30 * * * *", zone)
        start = datetime(2027, 10, 1, tzinfo=UTC)
        made = due(schedule, None, start)
        fired: list[datetime] = []
        now = start
        while now < start + timedelta(weeks=6):
            now = made.next_at
            made = due(schedule, made.settled, now)
            assert list(made.ticks) == [now]
            fired += made.ticks
        assert fired == schedule.between(start, now)

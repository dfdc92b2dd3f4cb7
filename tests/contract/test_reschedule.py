"""Schedules get other times while all goes on."""

from __future__ import annotations

from tests.contract.driver import Driver, hint
from tests.contract.triggers import take, tell, trigger

OTHER = {"expression": "0 7 * * *"}


def test_from_now_on(store: Driver) -> None:
    """What the former times have missed is not caught up; who was about to note a tick does not."""
    tell(store, trigger(schedules=["cron"]))
    [before] = store.trigger.schedules()
    store.let_pass(3600)
    ear = store.subscribe()
    assert store.trigger.reschedule("t", "cron", OTHER)
    hint(ear, "cause")
    [after] = store.trigger.schedules()
    assert (after.condition, after.edited, after.next_at) == (OTHER, True, None)
    assert (after.now - after.settled).total_seconds() < 60
    assert not store.trigger.tick(before, [before.now], before.now, before.now)
    assert take(store) == []


def test_a_deploy_leaves_it_alone(store: Driver) -> None:
    """Also a new version of the trigger; until it has other times, which is another schedule."""
    tell(store, trigger(schedules=["cron"]))
    store.trigger.reschedule("t", "cron", OTHER)
    tell(store, trigger(schedules=["cron"], version="2"))
    [state] = store.trigger.schedules()
    assert (state.condition, state.edited) == (OTHER, True)
    tell(store, trigger(schedules=["another"], version="3"))
    [state] = store.trigger.schedules()
    assert (state.condition_id, state.edited) == ("another", False)


def test_and_back(store: Driver) -> None:
    """As the code has it."""
    tell(store, trigger(schedules=["cron"]))
    [before] = store.trigger.schedules()
    store.trigger.reschedule("t", "cron", OTHER)
    assert store.trigger.reschedule("t", "cron", None)
    [after] = store.trigger.schedules()
    assert (after.condition, after.edited) == (before.condition, False)


def test_what_is_not_there(store: Driver) -> None:
    """It is told."""
    tell(store, trigger(schedules=["cron"]))
    assert not store.trigger.reschedule("t", "nothing", OTHER)
    assert not store.trigger.reschedule("nobody", "cron", OTHER)

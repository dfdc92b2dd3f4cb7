"""Ticks of schedules are causes, each once."""

from __future__ import annotations

from datetime import timedelta

from tests.contract.driver import Driver, drain, hint
from tests.contract.triggers import counts, fire, info, on_event, take, tell, trigger

MINUTE = timedelta(minutes=1)


def test_a_schedule_begins_now(store: Driver) -> None:
    """Nothing has passed before it was told, and nobody has looked yet."""
    tell(store, trigger(schedules=["cron"]))
    [state] = store.trigger.schedules()
    assert (state.trigger_id, state.condition_id, state.next_at) == ("t", "cron", None)
    assert state.condition == {"expression": "* * * * *"}
    assert timedelta(0) <= state.now - state.settled < MINUTE


def test_a_tick_is_a_cause(store: Driver) -> None:
    """With its time, and that of the one before it; runners are woken."""
    tell(store, trigger(schedules=["cron"]))
    [state] = store.trigger.schedules()
    ticks = [state.now - timedelta(seconds=n) for n in (2, 1)]
    ear = store.subscribe()
    assert store.trigger.tick(state, ticks, ticks[-1], state.now + MINUTE)
    hint(ear, "cause")
    first, second = sorted(take(store), key=lambda one: one.sources[0].at)
    assert [one.sources[0].at for one in (first, second)] == ticks
    assert [one.sources[0].last_at for one in (first, second)] == [None, ticks[0]]
    assert (first.sources[0].source_id, first.sources[0].status) == (None, None)
    [after] = store.trigger.schedules()
    assert (after.settled, after.next_at) == (ticks[-1], state.now + MINUTE)
    assert store.trigger.tick(after, [state.now], state.now, state.now + MINUTE)
    assert take(store)[0].sources[0].last_at == ticks[-1]


def test_once_with_any_number_of_callers(store: Driver) -> None:
    """Whoever comes second finds the schedule elsewhere."""
    tell(store, trigger(schedules=["cron"]))
    [state] = store.trigger.schedules()
    answers = [
        store.trigger.tick(state, [state.now], state.now, state.now + MINUTE) for _ in range(8)
    ]
    assert sorted(answers) == [False] * 7 + [True]
    assert len(fire(store, take(store))) == 1
    store.let_pass(1000)
    assert take(store) == []


def test_a_look_without_a_tick(store: Driver) -> None:
    """It says when the next one is, may be repeated, and wakes nobody."""
    tell(store, trigger(schedules=["cron"]))
    [state] = store.trigger.schedules()
    ear = store.subscribe()
    for _ in range(2):
        assert store.trigger.tick(state, [], state.settled, state.now + MINUTE)
    assert drain(ear) == []
    assert info(store).next_at == state.now + MINUTE
    assert counts(store) == (0, 0, 0, 0)


def test_what_is_not_there_does_not_tick(store: Driver) -> None:
    """Nor what has been removed."""
    tell(store, trigger(schedules=["cron"]))
    [state] = store.trigger.schedules()
    tell(store)
    assert store.trigger.schedules() == []
    assert not store.trigger.tick(state, [state.now], state.now, state.now + MINUTE)


def test_a_new_version_goes_on_where_it_stands(store: Driver) -> None:
    """It has fired up to there; when the next one is must be found anew."""
    tell(store, trigger(schedules=["cron", "other"]))
    state = store.trigger.schedules()[0]
    assert store.trigger.tick(state, [state.now], state.now, state.now + MINUTE)
    tell(store, trigger(schedules=["cron"], version="2"))
    [after] = store.trigger.schedules()
    assert (after.condition_id, after.settled, after.next_at) == ("cron", state.now, None)
    [taken] = take(store, version="2")
    assert taken.sources[0].at == state.now


def test_one_that_comes_back_begins_anew(store: Driver) -> None:
    """What passed while the code did not have it was not missed."""
    tell(store, trigger(schedules=["cron"]))
    [before] = store.trigger.schedules()
    tell(store)
    tell(store, trigger(schedules=["cron"]))
    [after] = store.trigger.schedules()
    assert after.settled > before.settled


def test_paused_ones_do_not_tick(store: Driver) -> None:
    """They are not listed, and who still has one is refused; then it goes on where it stood."""
    tell(store, trigger(schedules=["cron"]), trigger(on_event(), trigger_id="u"))
    [state] = store.trigger.schedules()
    store.trigger.pause_trigger("t")
    assert store.trigger.schedules() == []
    assert not store.trigger.tick(state, [state.now], state.now, state.now + MINUTE)
    store.trigger.pause_trigger("t", paused=False)
    assert store.trigger.schedules() == [state]

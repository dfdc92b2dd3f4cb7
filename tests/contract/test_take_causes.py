"""A cause is looked at by one at a time."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.causes import Verdict
from pynenc_pg.domain.records import RecoveryPolicy
from tests.contract.driver import Driver
from tests.contract.triggers import (
    LOOKER,
    counts,
    emit,
    fire,
    on_event,
    settle,
    take,
    tell,
    trigger,
)


def test_each_is_taken_once(store: Driver) -> None:
    """However often one asks, in the order of what happened."""
    tell(store, trigger(on_event()))
    events = [emit(store) for _ in range(5)]
    first, rest = take(store, limit=2), take(store)
    assert [one.sources[0].source_id for one in (*first, *rest)] == events
    assert take(store) == []


def test_again_when_its_time_is_over(store: Driver) -> None:
    """Whoever took it has died: the next one has another proof."""
    tell(store, trigger(on_event()))
    emit(store)
    [before] = take(store, seconds=60)
    store.let_pass(59)
    assert take(store) == []
    store.let_pass(2)
    [now] = take(store)
    assert (now.cause_id, now.sources) == (before.cause_id, now.sources)
    assert (before.attempt, now.attempt) == (1, 2)
    assert settle(store, [before], Verdict.NO) == 0
    assert settle(store, [now], Verdict.NO) == 1


def test_only_of_what_one_has(store: Driver) -> None:
    """Neither triggers of others, nor other versions of one's own."""
    tell(store, trigger(on_event()), trigger(on_event(), trigger_id="u"))
    emit(store)
    assert take(store, version="2") == []
    assert take(store, "other") == []
    assert store.trigger.take_causes(LOOKER, {}) == []
    assert [one.trigger_id for one in take(store, "u")] == ["u"]
    both = store.trigger.take_causes(LOOKER, {"t": "1", "u": "2"})
    assert [one.trigger_id for one in both] == ["t"]


def test_a_flood_hides_nothing(store: Driver) -> None:
    """What nobody here may take stands in nobody's way."""
    tell(store, trigger(on_event("flood"), trigger_id="a"), trigger(on_event(), trigger_id="b"))
    for _ in range(20):
        emit(store, code="flood")
    emit(store)
    assert [one.trigger_id for one in take(store, "b", limit=1)] == ["b"]
    assert store.trigger.next_cause({"b": "1"}) == pytest.approx(60, abs=5)


def test_of_several_triggers(store: Driver) -> None:
    """As many as are asked for, of all of them."""
    names = [f"t{n}" for n in range(5)]
    tell(store, *(trigger(on_event(), trigger_id=name) for name in names))
    for _ in range(4):
        emit(store)
    taken = take(store, *names, limit=15)
    assert len({one.cause_id for one in taken}) == 15
    taken += take(store, *names, limit=15)
    assert len({one.cause_id for one in taken}) == 20


def test_the_next_look(store: Driver) -> None:
    """Seconds until one is due; nothing where nothing is."""
    assert store.trigger.next_cause() is None
    tell(store, trigger(on_event()))
    assert store.trigger.next_cause({"t": "1"}) is None
    emit(store)
    assert store.trigger.next_cause() == 0
    assert store.trigger.next_cause({"t": "1"}) == 0
    assert store.trigger.next_cause({"t": "2"}) is None
    assert store.trigger.next_cause({}) is None
    taken = take(store, seconds=30)
    assert store.trigger.next_cause() == pytest.approx(30, abs=5)
    settle(store, taken, Verdict.LATER, delay=10)
    assert store.trigger.next_cause() == pytest.approx(10, abs=5)
    store.let_pass(11)
    fire(store, take(store))
    assert store.trigger.next_cause() is None
    assert counts(store) == (0, 0, 0, 1)


@pytest.mark.parametrize("end", ["declared dead", "says goodbye"])
def test_of_a_runner_that_is_no_more(store: Driver, end: str) -> None:
    """It comes back at once, to be looked at by others; what was looked at since does not."""
    tell(store, trigger(on_event()))
    emit(store)
    looker = store.runner("looker")
    [before] = store.trigger.take_causes(looker, {"t": "1"})
    assert take(store) == []
    if end == "declared dead":
        store.lose(looker)
        assert store.orchestrator.recover(RecoveryPolicy(grace=0)).dead_runners == (looker,)
    else:
        store.orchestrator.unregister_runner(looker)
    [now] = take(store)
    assert now.attempt == before.attempt + 1
    store.orchestrator.recover(RecoveryPolicy(grace=0))
    assert take(store) == []

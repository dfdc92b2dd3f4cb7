"""Causes that wait for each other fire as one, or are dropped."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.causes import Verdict
from tests.contract.driver import Driver, hint
from tests.contract.triggers import (
    counts,
    emit,
    fire,
    info,
    on_event,
    settle,
    take,
    tell,
    trigger,
    wait,
)


@pytest.fixture
def waits(store: Driver) -> Driver:
    """Have a trigger whose causes wait for each other."""
    tell(store, trigger(on_event("a"), on_event("b"), pairs=True))
    return store


def test_they_are_listed(waits: Driver) -> None:
    """The oldest first; of each condition so many."""
    assert waits.trigger.waiting_causes("t") == []
    first = wait(waits, "a", "a", "b", "a", "b", "b")
    found = waits.trigger.waiting_causes("t")
    assert [one.cause_id for one in found] == first
    assert [one.condition_id for one in found] == ["a", "a", "b", "a", "b", "b"]
    assert [one.at for one in found] == sorted(one.at for one in found)
    few = waits.trigger.waiting_causes("t", limit=1)
    assert [one.cause_id for one in few] == [first[0], first[2]]
    assert waits.trigger.waiting_causes("other") == []


def test_a_set_is_taken_as_one(waits: Driver) -> None:
    """The first of it leads; its sources are those of all, the oldest first."""
    a, b = wait(waits, "a", "b")
    ear = waits.subscribe()
    assert waits.trigger.pair_causes("t", [[b, a]], [])
    hint(ear, "cause")
    assert waits.trigger.waiting_causes("t") == []
    [taken] = take(waits)
    assert (taken.cause_id, [s.condition_id for s in taken.sources]) == (b, ["a", "b"])
    assert counts(waits) == (1, 0, 0, 0)


def test_a_set_fires_once(waits: Driver) -> None:
    """One call, one firing, and nothing is left."""
    waits.trigger.pair_causes("t", [wait(waits, "a", "b")], [])
    taken = take(waits)
    [which] = fire(waits, taken)
    [fired] = waits.trigger.fired()
    assert (fired.invocation_id, [c["condition_id"] for c in fired.causes]) == (which, ["a", "b"])
    assert counts(waits) == (0, 0, 0, 1)
    waits.let_pass(1000)
    assert (take(waits), waits.trigger.waiting_causes("t")) == ([], [])


def test_a_set_whose_arguments_cannot_be_made(waits: Driver) -> None:
    """It is looked at again, or parked and retried, as one."""
    waits.trigger.pair_causes("t", [wait(waits, "a", "b")], [])
    settle(waits, take(waits), Verdict.LATER)
    settle(waits, take(waits), Verdict.PARK, error="no")
    assert counts(waits) == (0, 0, 1, 0)
    assert waits.trigger.retry_causes("t") == 1
    [taken] = take(waits)
    assert [source.condition_id for source in taken.sources] == ["a", "b"]


def test_what_nobody_came_for_is_dropped_visibly(waits: Driver) -> None:
    """Each by itself."""
    first, second = wait(waits, "a", "a")
    assert waits.trigger.pair_causes("t", [], [first])
    assert [one.cause_id for one in waits.trigger.waiting_causes("t")] == [second]
    [dropped] = waits.trigger.fired()
    assert (dropped.reason, dropped.invocation_id, dropped.arguments) == ("alone", None, None)
    assert [cause["condition_id"] for cause in dropped.causes] == ["a"]
    assert (counts(waits), info(waits).last_fired) == ((0, 1, 0, 0), None)


def test_all_or_none(waits: Driver) -> None:
    """If one does not wait any more nothing is done: somebody else has paired it."""
    a, b, c, d = wait(waits, "a", "b", "a", "b")
    assert waits.trigger.pair_causes("t", [[a, b]], [])
    assert not waits.trigger.pair_causes("t", [[c, d]], [a])
    assert not waits.trigger.pair_causes("t", [[c, b]], [])
    assert not waits.trigger.pair_causes("t", [[c, 10**15]], [])
    assert not waits.trigger.pair_causes("other", [[c, d]], [])
    assert not waits.trigger.pair_causes("t", [[c, d]], [d])
    assert [one.cause_id for one in waits.trigger.waiting_causes("t")] == [c, d]
    assert waits.trigger.fired() == []
    assert waits.trigger.pair_causes("t", [[c, d]], [])
    assert waits.trigger.pair_causes("t", [], [])


def test_what_is_due_is_not_paired(waits: Driver) -> None:
    """Only what has met its condition is."""
    emit(waits, code="a")
    [taken] = take(waits)
    assert not waits.trigger.pair_causes("t", [], [taken.cause_id])
    assert settle(waits, [taken], Verdict.YES) == 1
    assert waits.trigger.pair_causes("t", [], [taken.cause_id])

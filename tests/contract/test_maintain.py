"""House-keeping disturbs nobody."""

from __future__ import annotations

from pynenc_pg.domain.records import Answer
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver

S = InvocationStatus


def test_nothing_to_do_is_nothing_said(store: Driver) -> None:
    """Where nothing is left to do, nothing is told."""
    store.orchestrator.maintain()
    assert list(store.orchestrator.maintain()) == []


def test_a_key_without_work_is_forgotten(store: Driver) -> None:
    """A key whose work has all ended goes, says so, and comes back with its next call."""
    store.in_lane(3, slots=2)
    while held := store.begin():
        store.finish(held)
    assert any("lane" in said for said in store.orchestrator.maintain())
    assert list(store.orchestrator.maintain()) == []
    ids = store.in_lane(3, slots=1)
    assert store.take() == ids[:1]


def test_a_key_in_use_stays(store: Driver) -> None:
    """Held, parked or waiting: as long as there is work of a key its slots count."""
    held_one, parked, waiting = store.in_lane(3)
    [later] = store.in_lane(1, "other", delay=60)
    held = store.begin()
    assert list(store.orchestrator.maintain()) == []
    assert store.statuses([held_one, parked, waiting]) == [
        S.RUNNING,
        S.CONCURRENCY_CONTROLLED,
        S.REGISTERED,
    ]
    assert store.take() == []
    assert store.finish(held) == {held_one: Answer.DONE}
    assert store.take() == [parked]
    assert store.status(later) is S.REGISTERED


def test_live_and_ended_work_stays(store: Driver) -> None:
    """What is within its retention is kept with its history."""
    ended, live = store.register(2)
    store.finish(store.begin(1))
    store.orchestrator.maintain()
    assert store.path(ended)[-1] is S.SUCCESS
    assert store.path(live) == [S.REGISTERED]
    assert store.state_backend.get_outcomes([ended]).keys() == {ended}

"""An operator may empty an app."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.records import Answer, CancelAnswer
from pynenc_pg.exceptions import InvocationNotFoundError
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver

S = InvocationStatus


def test_everything_is_gone(store: Driver) -> None:
    """Live, owned, parked, delayed and ended: all go with their history, and are counted."""
    ended, held_one = store.register(2)
    store.finish(store.begin(1))
    held = store.begin()
    ids = [ended, held_one, *store.in_lane(3), *store.register(delay=60), *store.register()]
    store.claim()
    assert store.orchestrator.purge() == 7
    for which in ids:
        with pytest.raises(InvocationNotFoundError):
            store.get(which)
        with pytest.raises(InvocationNotFoundError):
            store.state_backend.get_history(which)
        assert store.orchestrator.cancel(which) is CancelAnswer.UNKNOWN
    assert store.state_backend.get_outcomes(ids) == {}
    assert store.state_backend.count_ready() == 0
    assert store.orchestrator.promote().count == 0
    assert store.finish(held) == {held_one: Answer.LOST}
    assert store.orchestrator.purge() == 0


def test_work_goes_on_after_it(store: Driver) -> None:
    """Runners stay, keys are free, slots are free, and the same ids may come again."""
    first = store.register(keys=["k"], lanes=["k"])
    store.begin()
    store.in_lane(1)
    store.orchestrator.purge()
    assert store.register(ids=first, keys=["k"], lanes=["k"]) == first
    assert store.take() == first
    assert store.path(first[0]) == [S.REGISTERED, S.PENDING]


def test_a_paused_queue_stays_paused(store: Driver) -> None:
    """The operator's pause is no work, and stays."""
    store.register(queue="a")
    store.orchestrator.pause_queue("a")
    store.orchestrator.purge()
    store.register(queue="a")
    assert store.take() == []


def test_another_app_stays(store: Driver) -> None:
    """Only one's own work goes."""
    other = store.other_app()
    theirs = other.in_lane(2)
    held = other.begin()
    store.register()
    assert store.orchestrator.purge() == 1
    assert other.statuses(theirs) == [S.RUNNING, S.CONCURRENCY_CONTROLLED]
    assert other.finish(held) == {theirs[0]: Answer.DONE}
    assert other.take() == theirs[1:]

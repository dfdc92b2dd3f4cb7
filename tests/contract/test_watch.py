"""Whoever waits for an end is told of it, or hears at once that it has been."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.domain.records import Answer, RecoveryPolicy
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver, drain, hint

S = InvocationStatus


def test_what_has_ended_comes_back_now(store: Driver) -> None:
    """Ended ones are answered with their outcomes, live and unknown ones are left out."""
    ended, live = store.register(2)
    held = store.begin()
    store.finish(held[:1], "7")
    found = store.orchestrator.watch([ended, live, new_invocation_id()], "nobody")
    assert found == store.state_backend.get_outcomes([ended])
    assert found[ended].value == "7"
    assert store.orchestrator.watch([], "nobody") == {}


@pytest.mark.parametrize("end", ["success", "failed", "quarantine"])
def test_each_end_is_told(store: Driver, end: str) -> None:
    """However it ends, the listener is told which one it was."""
    ear = store.subscribe(work=False)
    [which] = store.register()
    assert store.orchestrator.watch([which], ear.listener) == {}
    held = store.begin()
    if end == "quarantine":
        store.lose(store.worker)
        assert store.orchestrator.recover(RecoveryPolicy(max_recoveries=0)).quarantined == 1
    else:
        store.finish(held, status=S(end))
    assert hint(ear, "result").ids == (which,)


def test_the_end_at_a_full_key_is_told(store: Driver) -> None:
    """What must not wait ends in another's claim, and its watcher hears of it."""
    ear = store.subscribe(work=False)
    _, hasty = store.in_lane(2, must_not_wait=True)
    store.orchestrator.watch([hasty], ear.listener)
    store.claim()
    assert hint(ear, "result").ids == (hasty,)


def test_what_is_no_end_is_not_told(store: Driver) -> None:
    """Attempts come and go; only the end is told."""
    ear = store.subscribe(work=False)
    [which] = store.register()
    store.orchestrator.watch([which], ear.listener)
    store.retry(store.begin())
    store.release(store.begin())
    assert drain(ear) == []
    assert store.finish(store.begin()) == {which: Answer.DONE}
    assert hint(ear, "result").ids == (which,)


def test_asking_twice_is_asking_once(store: Driver) -> None:
    """One listener hears of one end once."""
    ear = store.subscribe(work=False)
    [which] = store.register()
    for _ in range(3):
        store.orchestrator.watch([which, which], ear.listener)
    store.finish(store.begin())
    assert hint(ear, "result").ids == (which,)
    assert drain(ear) == []


def test_all_who_wait_are_told(store: Driver) -> None:
    """Each of several listeners hears of it, and one that closed hinders nobody."""
    ears = [store.subscribe(work=work) for work in (True, False, False)]
    [which] = store.register()
    for ear in ears:
        store.orchestrator.watch([which], ear.listener)
    ears.pop().subscription.close()
    store.finish(store.begin())
    for ear in ears:
        assert which in hint(ear, "result").ids


def test_many_ends_are_told(store: Driver) -> None:
    """Of a large batch every end is told, or that one has to look at all."""
    ear = store.subscribe(work=False)
    ids = store.register(400)
    store.orchestrator.watch(ids, ear.listener)
    store.finish(store.begin(400))
    missing = set(ids)
    while missing:
        told = hint(ear, "result").ids
        missing -= set(told or ids)


def test_another_app_hears_nothing(store: Driver) -> None:
    """An id of another app is as unknown as any."""
    other = store.other_app()
    [theirs] = other.register()
    ear = store.subscribe(work=False)
    assert store.orchestrator.watch([theirs], ear.listener) == {}
    other.finish(other.begin())
    assert store.orchestrator.watch([theirs], ear.listener) == {}
    assert drain(ear) == []


def test_an_interrupted_wait_returns(store: Driver) -> None:
    """A thread that is interrupted, even before it sleeps, comes back with nothing."""
    subscription = store.subscribe(work=False).subscription
    subscription.interrupt()
    assert subscription.wait(60) == []
    assert subscription.healthy

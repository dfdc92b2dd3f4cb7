"""What nobody began in its time ends."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.records import Answer
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import Driver, hint

S = InvocationStatus


def test_what_is_late_ends(store: Driver) -> None:
    """Past its time it is FAILED as expired, without a value; earlier it is not."""
    [which] = store.register(expires_in=60)
    assert store.orchestrator.expire() == 0
    store.let_pass(61)
    assert store.orchestrator.expire() == 1
    assert store.path(which) == [S.REGISTERED, S.FAILED]
    outcome = store.state_backend.get_outcomes([which])[which]
    assert (outcome.status, outcome.value) == (S.FAILED, None)
    assert (outcome.reason, outcome.runner_id) == (Reason.EXPIRED, None)
    assert store.orchestrator.expire() == 0


@pytest.mark.parametrize("status", ["delayed", "rerouted", "parked"])
def test_wherever_it_waits(store: Driver, status: str) -> None:
    """Delayed (its time counts from when it may begin), given back or parked: it ends."""
    if status == "parked":
        store.in_lane(1)
    delay = 600 if status == "delayed" else 0
    [which] = store.in_lane(1, expires_in=60, delay=delay)
    if status == "rerouted":
        store.release(store.claim())
    elif status == "parked":
        store.begin()
        assert store.status(which) is S.CONCURRENCY_CONTROLLED
    if delay:
        store.let_pass(delay)
        assert store.orchestrator.expire() == 0
    store.let_pass(61)
    assert store.orchestrator.expire() == 1
    assert (store.status(which), store.reason(which)) == (S.FAILED, Reason.EXPIRED)
    assert store.orchestrator.promote().next_due is None


def test_what_is_owned_is_left_alone(store: Driver) -> None:
    """Claimed in time, it may begin; given back too late, it ends."""
    begun, given_back = store.register(2, expires_in=60)
    held = store.claim()
    store.let_pass(61)
    assert store.orchestrator.expire() == 0
    assert store.start(held[:1]) == {begun: Answer.DONE}
    store.release(held[1:])
    assert store.orchestrator.expire() == 1
    assert store.statuses([begun, given_back]) == [S.RUNNING, S.FAILED]


def test_the_latest_go_first(store: Driver) -> None:
    """With a limit they end in the order of their times."""
    ids = [store.register(expires_in=e)[0] for e in (30, 10, 20)]
    store.let_pass(60)
    assert store.orchestrator.expire(limit=2) == 2
    assert store.statuses(ids) == [S.REGISTERED, S.FAILED, S.FAILED]
    assert store.orchestrator.expire(limit=2) == 1


def test_a_parked_one_that_expired_is_passed_by(store: Driver) -> None:
    """Its end does not hinder the next of its key."""
    store.in_lane(1)
    late = store.in_lane(1, expires_in=60)
    [next_one] = store.in_lane(1)
    held = store.begin()
    store.let_pass(61)
    assert store.orchestrator.expire() == 1
    store.finish(held)
    assert store.status(late[0]) is S.FAILED
    assert store.take() == [next_one]


def test_what_expired_in_a_key_does_not_hold_it_up(store: Driver) -> None:
    """Even before the sweep, late work of a key lets the next one through."""
    store.in_lane(2, expires_in=60)
    [kept] = store.in_lane(1)
    store.let_pass(61)
    assert store.take() == [kept]


def test_another_app_is_left_alone(store: Driver) -> None:
    """Each app ends its own."""
    other = store.other_app()
    [which] = other.register(expires_in=10)
    other.let_pass(20)
    assert store.orchestrator.expire() == 0
    assert other.orchestrator.expire() == 1
    assert other.status(which) is S.FAILED


def test_who_waits_is_told(store: Driver) -> None:
    """Whoever watches hears of this end as of any other."""
    ear = store.subscribe(work=False)
    ids = store.register(1, expires_in=10)
    store.orchestrator.watch(ids, ear.listener)
    store.let_pass(20)
    store.orchestrator.expire()
    assert hint(ear, "result").ids == tuple(ids)

"""Work that nobody wants any more ends now, or at its owner's next step."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.records import CancelAnswer
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import Driver, drain, hint

S = InvocationStatus


def stand(store: Driver, where: str) -> InvocationId:
    """Bring a new invocation there and return it."""
    if where in {"parked", "must not wait"}:
        store.in_lane(1)
        [which] = store.in_lane(1, must_not_wait=where != "parked")
        store.begin()
        return which
    [which] = store.register(delay=60 if where == "delayed" else 0)
    match where:
        case "rerouted":
            store.release(store.claim())
        case "retry":
            store.retry(store.begin())
        case "retry later":
            store.retry(store.begin(), delay=60)
        case "pending":
            store.claim()
        case "running":
            store.begin()
        case "success" | "failed":
            store.finish(store.begin(), status=S(where))
    return which


@pytest.mark.parametrize(
    "where", ["registered", "delayed", "rerouted", "retry", "retry later", "parked"]
)
def test_what_nobody_owns_ends_now(store: Driver, where: str) -> None:
    """Waiting for whatever it may, it is FAILED as cancelled, by whoever said so."""
    which = stand(store, where)
    before = store.path(which)
    retries = store.get(which).retries
    assert store.orchestrator.cancel(which, "the boss") is CancelAnswer.CANCELLED
    assert store.path(which) == [*before, S.FAILED]
    record = store.get(which)
    assert (record.reason, record.retries) == (Reason.CANCELLED, retries)
    assert (record.runner_id, record.due_at) == (None, None)
    assert store.state_backend.get_history(which)[-1].changed_by == "the boss"
    outcome = store.state_backend.get_outcomes([which])[which]
    assert (outcome.value, outcome.runner_id) == (None, None)
    assert store.orchestrator.promote().count == 0
    assert which not in store.take()


@pytest.mark.parametrize("where", ["pending", "running"])
def test_an_owner_is_asked(store: Driver, where: str) -> None:
    """What is owned goes on until its owner's next step, however often that is asked for."""
    ear = store.subscribe()
    which = stand(store, where)
    before = store.get(which)
    for _ in range(2):
        assert store.orchestrator.cancel(which) is CancelAnswer.REQUESTED
    assert store.get(which) == before
    assert hint(ear, "cancel").ids == (which,)


@pytest.mark.parametrize("where", ["success", "failed", "must not wait"])
def test_what_has_ended_stays(store: Driver, where: str) -> None:
    """An end is not changed by a cancellation that comes too late."""
    which = stand(store, where)
    before = (store.get(which), store.path(which))
    assert store.orchestrator.cancel(which) is CancelAnswer.FINAL
    assert (store.get(which), store.path(which)) == before


def test_twice_is_once(store: Driver) -> None:
    """The second cancellation finds that it has ended."""
    [which] = store.register()
    assert store.orchestrator.cancel(which) is CancelAnswer.CANCELLED
    assert store.orchestrator.cancel(which) is CancelAnswer.FINAL


def test_nobody_is_unknown(store: Driver) -> None:
    """An id that was never registered, or is another app's, is unknown."""
    other = store.other_app()
    [theirs] = other.register()
    assert store.orchestrator.cancel(new_invocation_id()) is CancelAnswer.UNKNOWN
    assert store.orchestrator.cancel(theirs) is CancelAnswer.UNKNOWN
    assert other.status(theirs) is S.REGISTERED
    other.begin()
    assert store.orchestrator.cancel(theirs) is CancelAnswer.UNKNOWN
    other.finish([])


def test_its_key_stays_full(store: Driver) -> None:
    """A running one that was asked to end holds its slot until it has ended."""
    first, second = store.in_lane(2)
    held = store.begin()
    store.orchestrator.cancel(first)
    assert store.status(second) is S.CONCURRENCY_CONTROLLED
    store.release(held)
    assert store.take() == [second]


def test_who_waits_is_told(store: Driver) -> None:
    """Whoever watches hears of this end as of any other."""
    ear = store.subscribe(work=False)
    [which] = store.register()
    store.orchestrator.watch([which], ear.listener)
    store.orchestrator.cancel(which)
    assert hint(ear, "result").ids == (which,)
    assert drain(ear) == []


def test_the_owner_can_ask_what_was_cancelled(store: Driver) -> None:
    """Of what it holds, and nothing of others; what has ended is not told of."""
    mine, paused, untouched = store.register(3)
    other = store.runner("other")
    held = {hold.invocation_id: hold for hold in store.begin()}
    store.pause(held[paused], *store.register())
    [theirs] = store.register()
    assert theirs not in held
    assert store.orchestrator.asked_to_stop(store.worker) == []
    for which in (mine, paused):
        assert store.orchestrator.cancel(which) is CancelAnswer.REQUESTED
    assert set(store.orchestrator.asked_to_stop(store.worker)) == {mine, paused}
    assert store.orchestrator.asked_to_stop(other) == []
    store.finish([held[mine]])
    assert store.orchestrator.asked_to_stop(store.worker) == [paused]
    assert untouched in held

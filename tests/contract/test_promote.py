"""When its time comes, scheduled and delayed work is ready."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.records import CancelAnswer
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver, drain, hint

S = InvocationStatus


def test_due_work_is_ready(store: Driver) -> None:
    """What is due can be claimed; its status does not change by that."""
    [which] = store.register(delay=60)
    store.let_pass(61)
    assert store.take() == []
    promoted = store.orchestrator.promote()
    assert (promoted.count, promoted.next_due) == (1, None)
    assert (store.path(which), store.get(which).due_at) == ([S.REGISTERED], None)
    assert store.state_backend.count_ready() == 1
    assert store.take() == [which]


def test_what_is_not_due_waits(store: Driver) -> None:
    """Nothing is ready early, and the answer says how long it takes until the next is due."""
    store.register(delay=600)
    store.register(delay=60)
    promoted = store.orchestrator.promote()
    assert promoted.count == 0
    assert promoted.next_due == pytest.approx(60, abs=10)
    assert store.take() == []


def test_nothing_scheduled_nothing_due(store: Driver) -> None:
    """Where nothing waits for a time there is no next one."""
    store.register()
    promoted = store.orchestrator.promote()
    assert (promoted.count, promoted.next_due) == (0, None)


def test_the_earliest_go_first(store: Driver) -> None:
    """With a limit they are made ready in the order they are due; what is overdue is due in 0 s."""
    ids = [store.register(delay=d)[0] for d in (30, 10, 20)]
    store.let_pass(60)
    promoted = store.orchestrator.promote(limit=2)
    assert (promoted.count, promoted.next_due) == (2, 0)
    assert [store.get(i).due_at is None for i in ids] == [False, True, True]
    assert store.orchestrator.promote(limit=2).count == 1
    assert store.take() == [ids[1], ids[2], ids[0]]


def test_it_is_done_once(store: Driver) -> None:
    """What was made ready is not counted again."""
    store.register(3, delay=10)
    store.let_pass(20)
    assert store.orchestrator.promote().count == 3
    assert store.orchestrator.promote().count == 0


def test_what_ended_is_not_made_ready(store: Driver) -> None:
    """Cancelled before its time, it stays ended and nobody waits for it."""
    [which] = store.register(delay=10)
    assert store.orchestrator.cancel(which) is CancelAnswer.CANCELLED
    store.let_pass(20)
    promoted = store.orchestrator.promote()
    assert (promoted.count, promoted.next_due) == (0, None)
    assert store.status(which) is S.FAILED


def test_due_work_of_a_key_keeps_to_its_slots(store: Driver) -> None:
    """Made ready, it stands in its lane like any other."""
    now = store.in_lane(1)
    later = store.in_lane(2, delay=10)
    held = store.begin()
    store.let_pass(20)
    assert store.orchestrator.promote().count == 2
    assert store.take() == []
    store.finish(held)
    assert store.take() == later[:1]
    assert store.status(now[0]) is S.SUCCESS


def test_another_app_is_left_alone(store: Driver) -> None:
    """Each app promotes its own, and is told of its own."""
    other = store.other_app()
    other.register(delay=10)
    other.let_pass(20)
    promoted = store.orchestrator.promote()
    assert (promoted.count, promoted.next_due) == (0, None)
    assert other.orchestrator.promote().count == 1


def test_runners_are_told(store: Driver) -> None:
    """Runners hear that there is work."""
    store.register(delay=10)
    store.let_pass(20)
    ear = store.subscribe()
    drain(ear)
    store.orchestrator.promote()
    hint(ear, "work")

"""A run that waits is woken by an event, wherever it is just then."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.causes import NewEvent
from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.domain.workflows import StepKind
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import Driver, drain, hint
from tests.contract.workflows import (
    awake,
    begin,
    call,
    emit,
    heard,
    listen,
    record,
    suspend,
)

S = InvocationStatus
EVENT = StepKind.EVENT
_WAITS = (Reason.EVENT, Reason.PAUSED)


# --- being woken ------------------------------------------------------------------------------


def test_the_next_one_wakes_it(store: Driver) -> None:
    """It is ready then, has spent no retry, and finds what woke it."""
    held = begin(store)
    assert listen(store, held) == listen(store, held)
    suspend(store, held)
    assert awake(store) == []
    event_id = emit(store)
    assert awake(store) == [held.invocation_id]
    record_ = store.get(held.invocation_id)
    assert (record_.retries, record_.due_at) == (0, None)
    store.orchestrator.release_strays(store.worker, [])
    [again] = store.begin()
    assert heard(listen(store, again)) == event_id


def test_runners_hear_that_there_is_something_to_wake(store: Driver) -> None:
    """So that it does not wait until somebody looks by chance."""
    held = begin(store)
    listen(store, held)
    suspend(store, held)
    ear = store.subscribe()
    emit(store)
    assert hint(ear, "due").due_in == pytest.approx(0, abs=0.01)


def test_runners_hear_it_when_one_that_was_woken_comes_to_rest(store: Driver) -> None:
    """At its rest, too: what was said before found nothing to wake."""
    held = begin(store)
    listen(store, held)
    emit(store)
    store.orchestrator.promote()
    ear = store.subscribe()
    suspend(store, held)
    assert hint(ear, "due").due_in == pytest.approx(0, abs=0.01)


def test_what_nobody_waits_for_wakes_nobody(store: Driver) -> None:
    """Neither by its code, nor by its filter, nor by whom it is for."""
    held = begin(store)
    listen(store, held, filter={"a": 1})
    suspend(store, held)
    ear = store.subscribe()
    emit(store, {"a": 1}, code="other")
    emit(store, {"a": 2})
    emit(store, {"a": 1}, to=new_invocation_id())
    emit(store.other_app(), {"a": 1})
    assert awake(store) == []
    assert [w for w in drain(ear) if w.kind == "due"] == []


def test_one_that_came_while_it_was_at_work_wakes_it_when_it_rests(store: Driver) -> None:
    """Between its look and its rest it could be lost: it is ready at once."""
    held = begin(store)
    listen(store, held)
    emit(store)
    assert awake(store) == []
    assert store.status(held.invocation_id) is S.RUNNING
    suspend(store, held)
    assert awake(store) == [held.invocation_id]


def test_it_is_woken_once_by_it(store: Driver) -> None:
    """Looked at, and not the one: it rests until another comes."""
    held = begin(store)
    listen(store, held)
    suspend(store, held)
    event_id = emit(store, 1)
    store.orchestrator.promote()
    [again] = store.begin()
    listen(store, again, skip=[event_id])
    suspend(store, again)
    assert awake(store) == []
    emit(store, 2)
    assert awake(store) == [held.invocation_id]


def test_the_same_event_twice_wakes_it_once(store: Driver) -> None:
    """The same id again is the same event."""
    held = begin(store)
    listen(store, held)
    suspend(store, held)
    event = NewEvent(new_invocation_id(), "paid", "1")
    store.trigger.emit(event)
    store.orchestrator.promote()
    [again] = store.begin()
    suspend(store, again)
    store.trigger.emit(event)
    assert awake(store) == []


@pytest.mark.parametrize("reason", _WAITS)
def test_all_who_wait_for_it_wake(store: Driver, reason: Reason) -> None:
    """One event, two runs; a third waits for another."""
    runs = [begin(store) for _ in range(3)]
    for held, code in zip(runs, ("paid", "paid", "sent"), strict=True):
        listen(store, held, code=code)
        suspend(store, held, reason)
    event_id = emit(store)
    assert awake(store) == sorted(held.invocation_id for held in runs[:2])
    store.orchestrator.release_strays(store.worker, [])
    assert {heard(listen(store, again)) for again in store.begin()} == {event_id}


def test_an_event_for_one_run_wakes_it_alone(store: Driver) -> None:
    """Though another one waits for the same code."""
    one, two = begin(store), begin(store)
    for held in (one, two):
        listen(store, held)
        suspend(store, held)
    emit(store, to=two.invocation_id)
    assert awake(store) == [two.invocation_id]


def test_each_branch_waits_for_its_own(store: Driver) -> None:
    """One invocation waits at several paths; any of them wakes it."""
    held = begin(store)
    listen(store, held, "1.1", "paid")
    listen(store, held, "1.2", "sent")
    suspend(store, held)
    sent = emit(store, code="sent")
    store.orchestrator.promote()
    [again] = store.begin()
    assert heard(listen(store, again, "1.1", "paid")) is None
    assert heard(listen(store, again, "1.2", "sent")) == sent
    record(store, again, "1.2", EVENT, "null", event_id=sent, key="sent")
    suspend(store, again)
    emit(store, code="sent")
    assert awake(store) == []
    emit(store, code="paid")
    assert awake(store) == [held.invocation_id]


def test_a_branch_that_looks_does_not_undo_what_woke_another(store: Driver) -> None:
    """Of the two, the second looks after the event of the first has come."""
    held = begin(store)
    listen(store, held, "1.1", "paid")
    emit(store, code="paid")
    listen(store, held, "1.2", "sent")
    suspend(store, held)
    assert awake(store) == [held.invocation_id]


def test_what_was_recorded_is_not_waited_for(store: Driver) -> None:
    """Neither when it has come, nor when it has not."""
    held = begin(store)
    listen(store, held)
    record(store, held, "1", EVENT, None, key="paid")
    suspend(store, held)
    emit(store)
    assert awake(store) == []


@pytest.mark.parametrize("reason", [Reason.ERROR, Reason.SNOOZED, Reason.SLEEPING])
def test_what_rests_for_another_reason_is_not_woken(store: Driver, reason: Reason) -> None:
    """It has its own time; the event is there when it looks."""
    held = begin(store)
    listen(store, held)
    suspend(store, held, reason, 100)
    event_id = emit(store)
    assert awake(store) == []
    store.let_pass(101)
    store.orchestrator.promote()
    [again] = store.begin()
    assert heard(listen(store, again)) == event_id


def test_one_that_was_given_back_is_not_asleep(store: Driver) -> None:
    """Its next attempt finds the event; what woke it before does no harm."""
    held = begin(store)
    listen(store, held)
    event_id = emit(store)
    store.crash([held])
    store.orchestrator.promote()
    [again] = store.begin()
    assert heard(listen(store, again)) == event_id


def test_what_has_ended_does_not_wait(store: Driver) -> None:
    """An event finds nobody."""
    running, cancelled = begin(store), begin(store)
    for held in (running, cancelled):
        listen(store, held)
    store.finish([running])
    suspend(store, cancelled)
    store.orchestrator.cancel(cancelled.invocation_id)
    emit(store)
    assert awake(store) == []
    assert store.status(running.invocation_id) is S.SUCCESS
    assert store.status(cancelled.invocation_id) is S.FAILED


def test_a_call_that_expires_later_is_woken_all_the_same(store: Driver) -> None:
    """Once begun it does not expire, and its concurrency key counts."""
    [which, other] = store.in_lane(2, expires_in=1000)
    [held] = store.begin()
    listen(store, held)
    suspend(store, held)
    [second] = store.begin()
    assert second.invocation_id == other
    emit(store)
    assert awake(store) == []
    store.finish([second])
    assert awake(store) == [which]


def test_a_child_waits_for_itself(store: Driver) -> None:
    """An event wakes the invocation that waits, not the one that called it."""
    root = begin(store)
    which = call(store, root).invocation_id
    [inner] = store.begin()
    listen(store, inner)
    suspend(store, inner)
    suspend(store, root)
    emit(store)
    assert awake(store) == [which]

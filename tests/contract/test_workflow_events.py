"""A workflow that waits for an event finds the one that came before, or is woken by the next."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pynenc_pg.domain.causes import NewEvent
from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.records import Claimed
from pynenc_pg.domain.workflows import FOREVER, LONGEST_ABOUT, StepKind, WaitSpec
from pynenc_pg.exceptions import DataRejectedError, InvocationStatusOwnershipError
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver, stale
from tests.contract.triggers import counts, on_event, tell, trigger
from tests.contract.workflows import (
    author,
    awake,
    begin,
    emit,
    heard,
    listen,
    record,
    suspend,
)

S = InvocationStatus
EVENT = StepKind.EVENT


def take(store: Driver, held: Claimed, path: str = "1") -> str:
    """Record that the first event is the one; return it."""
    look = listen(store, held, path)
    assert look.event is not None
    record(store, held, path, EVENT, look.event.payload, event_id=look.event.event_id, key="paid")
    return look.event.event_id


# --- which event ------------------------------------------------------------------------------


def test_an_event_that_came_before_is_found(store: Driver) -> None:
    """With all that is known of it; it is looked at as often as one wants."""
    held = begin(store)
    event_id = emit(store, {"order": 7})
    for _ in range(2):
        event = listen(store, held).event
        assert event is not None
        assert (event.event_id, json.loads(event.payload)) == (event_id, {"order": 7})
        assert event.emitted_at >= store.get(held.invocation_id).registered_at


def test_what_was_emitted_before_it_was_registered_is_no_news(store: Driver) -> None:
    """From its registration on, though it may be begun much later."""
    emit(store)
    [which] = store.register()
    event_id = emit(store)
    [held] = store.begin()
    assert held.invocation_id == which
    assert heard(listen(store, held)) == event_id


def test_the_first_one_counts(store: Driver) -> None:
    """In the order in which they were emitted."""
    held = begin(store)
    emitted = [emit(store) for _ in range(3)]
    assert heard(listen(store, held)) == emitted[0]
    assert heard(listen(store, held, skip=emitted[:1])) == emitted[1]
    assert heard(listen(store, held, skip=emitted[1:])) == emitted[0]
    assert heard(listen(store, held, skip=emitted)) is None


def test_another_code_is_another_event(store: Driver) -> None:
    """To the letter."""
    held = begin(store)
    for code in ("paid.twice", "PAID", "pai"):
        emit(store, code=code)
    assert heard(listen(store, held)) is None


def test_an_event_of_another_app_is_not_heard(store: Driver) -> None:
    """Apps never meet."""
    held = begin(store)
    emit(store.other_app())
    assert heard(listen(store, held)) is None


def test_an_event_for_one_run_is_heard_by_it_alone(store: Driver) -> None:
    """Not by others, nor by another invocation of the same workflow."""
    held = begin(store)
    inner = begin(store, parent_id=held.invocation_id)
    event_id = emit(store, to=held.invocation_id)
    assert heard(listen(store, held)) == event_id
    assert heard(listen(store, inner)) is None
    assert heard(listen(store, begin(store))) is None


def test_an_event_for_one_run_starts_nothing(store: Driver) -> None:
    """No trigger hears of it."""
    tell(store, trigger(on_event()))
    held = begin(store)
    emit(store, to=held.invocation_id)
    assert counts(store) == (0, 0, 0, 0)
    emit(store)
    assert counts(store)[0] == 1


def test_an_event_starts_what_it_starts_and_is_heard(store: Driver) -> None:
    """A workflow takes nothing away from triggers, nor from other workflows."""
    tell(store, trigger(on_event()))
    one, two = begin(store), begin(store)
    event_id = emit(store)
    assert take(store, one) == take(store, two) == event_id
    assert counts(store)[0] == 1


def test_an_event_is_taken_once(store: Driver) -> None:
    """By one step of a workflow; the next waits for another one."""
    held = begin(store)
    first, second = emit(store), emit(store)
    assert take(store, held, "1") == first
    assert heard(listen(store, held, "2")) == second
    assert take(store, held, "2") == second
    assert heard(listen(store, held, "3")) is None
    store.retry([held])
    [again] = store.begin()
    assert heard(listen(store, again, "3")) is None


FILTERS = [
    ({"a": 1}, {"a": 1, "b": 2}, True),
    ({"a": 1}, {"a": 2}, False),
    ({"a": 1}, {"b": 1}, False),
    ({"a": 1}, {"a": True}, False),
    ({"a": {"b": "x"}}, {"a": {"b": "x", "c": 1}}, True),
    ({"a": {"b": "x"}}, {"a": {"b": "y"}}, False),
    ({"a": [1]}, {"a": [2, 1]}, True),
    ({"a": [1]}, {"a": [2]}, False),
    ({"a": None}, {"a": None}, True),
    ({"a": None}, {}, False),
    ({}, {"a": 1}, True),
    ({}, 1, False),
    (None, 1, True),
    ({"a": 1}, {"a": {"$ref": "0" * 64}}, True),  # known only when it is read
    ({"a": 1}, {"a": 2, "text": "\x00"}, True),  # jsonb cannot have it: not certain
]


@pytest.mark.parametrize(("wanted", "payload", "met"), FILTERS)
def test_a_filter_holds_back_what_cannot_be_it(
    store: Driver, wanted: dict[str, object] | None, payload: object, *, met: bool
) -> None:
    """Before it is waited for, and when it comes while it is."""
    held = begin(store)
    event_id = emit(store, payload)
    assert heard(listen(store, held, filter=wanted)) == (event_id if met else None)
    listen(store, held, skip=[event_id], filter=wanted)
    suspend(store, held)
    emit(store, payload)
    assert awake(store) == ([held.invocation_id] if met else [])


# --- who looks --------------------------------------------------------------------------------


def never_begun(store: Driver) -> Claimed:
    """Claim one."""
    store.register()
    [held] = store.claim()
    return held


def retried(store: Driver) -> Claimed:
    """Let one be tried again."""
    held = begin(store)
    store.retry([held])
    return held


def ended(store: Driver) -> Claimed:
    """End one."""
    held = begin(store)
    store.finish([held])
    return held


@pytest.mark.parametrize("stand", [never_begun, retried, ended])
def test_who_does_not_execute_it_does_not_wait(
    store: Driver, stand: Callable[[Driver], Claimed]
) -> None:
    """Nor is it told what has come."""
    held = stand(store)
    emit(store)
    with pytest.raises(InvocationStatusOwnershipError):
        listen(store, held)


def test_neither_lease_nor_runner_may_be_another(store: Driver) -> None:
    """As for any step."""
    held = begin(store)
    with pytest.raises(InvocationStatusOwnershipError):
        listen(store, stale(held))
    thief = author(store, held, store.runner("thief"))
    with pytest.raises(InvocationStatusOwnershipError):
        store.workflows.await_event(thief, WaitSpec("1", "paid"))
    suspend(store, held)
    emit(store)
    assert awake(store) == []


def test_a_code_that_is_too_long_is_refused(store: Driver) -> None:
    """No event could have it."""
    held = begin(store)
    with pytest.raises(DataRejectedError, match=r"7\.1"):
        listen(store, held, "7.1", "x" * (LONGEST_ABOUT + 1))


def test_an_event_for_what_is_no_id_is_refused(store: Driver) -> None:
    """As its own id would be."""
    with pytest.raises(DataRejectedError):
        store.trigger.emit(
            NewEvent(new_invocation_id(), "paid", "1", workflow_id=InvocationId("nobody"))
        )


def test_an_event_for_whom_nobody_knows_is_an_event(store: Driver) -> None:
    """It may have been purged, or is not there yet."""
    emit(store, to=new_invocation_id())
    assert heard(listen(store, begin(store))) is None


# --- in vain ----------------------------------------------------------------------------------


def test_without_a_timeout_it_waits_for_ever(store: Driver) -> None:
    """Nothing says how long."""
    held = begin(store)
    assert listen(store, held).left is None
    emit(store)
    assert listen(store, held).left is None


def test_the_timeout_counts_from_the_first_look(store: Driver) -> None:
    """However often it looks again, also in a later attempt."""
    held = begin(store)
    assert listen(store, held, timeout=100).left == pytest.approx(100, abs=5)
    store.let_pass(60)
    assert listen(store, held, timeout=100).left == pytest.approx(40, abs=5)
    suspend(store, held, delay=40)
    store.let_pass(41)
    assert store.orchestrator.promote().count == 1
    [again] = store.begin()
    left = listen(store, again, timeout=100).left
    assert left is not None
    assert -10 < left <= 0


def test_each_wait_has_its_own_timeout(store: Driver) -> None:
    """It begins with the first look at that path."""
    held = begin(store)
    listen(store, held, "1", timeout=100)
    store.let_pass(60)
    assert listen(store, held, "2", timeout=100).left == pytest.approx(100, abs=5)


def test_one_that_came_in_time_or_not_is_shown(store: Driver) -> None:
    """Who looks too late decides what to do with it."""
    held = begin(store)
    assert listen(store, held, timeout=0).event is None
    event_id = emit(store)
    look = listen(store, held, timeout=0)
    assert look.left is not None
    assert look.left <= 0
    assert heard(look) == event_id


def test_that_it_has_not_come_is_recorded(store: Driver) -> None:
    """And stays so, though it comes later; the next wait may have that one."""
    held = begin(store)
    listen(store, held, timeout=0)
    step = record(store, held, "1", EVENT, None, key="paid")
    assert (step.event_id, step.key, step.value) == (None, "paid", None)
    event_id = emit(store)
    again = record(store, held, "1", EVENT, "1", event_id=event_id, key="paid")
    assert again == step
    assert heard(listen(store, held, "2")) == event_id


def test_for_ever_is_a_time_that_can_be_kept(store: Driver) -> None:
    """A run that rests until it is woken is due some day."""
    held = begin(store)
    suspend(store, held, delay=FOREVER)
    assert store.get(held.invocation_id).due_at is not None
    assert store.orchestrator.promote().count == 0

"""A run that is paused takes no step until it is resumed."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.records import CancelAnswer
from pynenc_pg.domain.workflows import FOREVER, StepKind
from pynenc_pg.exceptions import WorkflowPausedError
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import Driver, hint
from tests.contract.workflows import (
    awake,
    begin,
    child,
    emit,
    heard,
    listen,
    record,
    steps,
    suspend,
)

S = InvocationStatus
PAUSE = StepKind.PAUSE


def pause(store: Driver, which: InvocationId, reason: str = "a look") -> bool:
    """Pause a run."""
    return store.workflows.pause_workflow(which, reason)


def go_on(store: Driver, which: InvocationId) -> bool:
    """Resume it."""
    return store.workflows.pause_workflow(which, paused=False)


# --- it stops ---------------------------------------------------------------------------------


def test_a_paused_run_takes_no_new_step(store: Driver) -> None:
    """It neither records, nor calls, nor waits; what stands is read."""
    held = begin(store)
    first = record(store, held, "1")
    which = new_invocation_id()
    child(store, held, "2", ids=[which])
    assert pause(store, held.invocation_id)
    assert record(store, held, "1", value="9") == first
    assert child(store, held, "2", ids=[which]) == which
    with pytest.raises(WorkflowPausedError, match=held.invocation_id):
        record(store, held, "3", StepKind.SET_DATA, key="k")
    with pytest.raises(WorkflowPausedError, match=held.invocation_id):
        child(store, held, "3")
    with pytest.raises(WorkflowPausedError, match=held.invocation_id):
        listen(store, held, "3")
    assert list(steps(store, held)) == ["1", "2"]
    assert store.workflows.data(held.invocation_id) == {}
    assert [again.invocation_id for again in store.begin()] == [which]


def test_what_a_function_has_returned_is_written(store: Driver) -> None:
    """It was called before the pause was heard of, and would be called once more."""
    held = begin(store)
    assert pause(store, held.invocation_id)
    assert record(store, held, "1", StepKind.STEP, "7").value == "7"
    with pytest.raises(WorkflowPausedError, match="a look"):
        record(store, held, "2")


def test_what_it_called_goes_on(store: Driver) -> None:
    """It alone is paused, not its workflow."""
    held = begin(store)
    child(store, held)
    [inner] = store.begin()
    pause(store, held.invocation_id)
    record(store, inner)
    with pytest.raises(WorkflowPausedError):
        record(store, held, "2")
    pause(store, inner.invocation_id)
    go_on(store, held.invocation_id)
    record(store, held, "2")
    with pytest.raises(WorkflowPausedError):
        record(store, inner, "2")


def test_one_that_was_not_begun_stops_at_its_first_step(store: Driver) -> None:
    """It may be paused before anybody takes it."""
    [which] = store.register()
    assert pause(store, which)
    info = store.workflows.info(which)
    assert (info.pause_reason, info.steps) == ("a look", 0)
    [held] = store.begin()
    with pytest.raises(WorkflowPausedError):
        record(store, held)


def test_where_it_says_so_itself(store: Driver) -> None:
    """A step that pauses is passed once it is resumed."""
    held = begin(store)
    step = record(store, held, "1", PAUSE, '"until Monday"')
    assert step.left == FOREVER
    info = store.workflows.info(held.invocation_id)
    assert (info.paused_at, info.pause_reason) == (step.at, "until Monday")
    with pytest.raises(WorkflowPausedError, match=held.invocation_id):
        record(store, held, "2")
    assert record(store, held, "1", PAUSE, '"until Monday"').left == FOREVER
    go_on(store, held.invocation_id)
    assert record(store, held, "1", PAUSE, '"until Monday"').left is None
    assert [s.left for s in store.workflows.steps(held.invocation_id)] == [None]
    record(store, held, "2")


def test_since_when_and_why(store: Driver) -> None:
    """The latest reason counts, and the first time; resumed, there is neither."""
    held = begin(store)
    pause(store, held.invocation_id, "one")
    first = store.workflows.info(held.invocation_id)
    assert first.paused_at is not None
    pause(store, held.invocation_id, "two")
    info = store.workflows.info(held.invocation_id)
    assert (info.paused_at, info.pause_reason) == (first.paused_at, "two")
    go_on(store, held.invocation_id)
    info = store.workflows.info(held.invocation_id)
    assert (info.paused_at, info.pause_reason) == (None, None)


@pytest.mark.parametrize("paused", [True, False])
def test_only_what_is_live_can_be_paused(store: Driver, *, paused: bool) -> None:
    """Neither what has ended, nor what nobody knows, nor what is of another app."""
    held = begin(store)
    store.finish([held])
    [theirs] = store.other_app().register()
    for which in (held.invocation_id, new_invocation_id(), theirs):
        assert store.workflows.pause_workflow(which, paused=paused) is False
    info = store.workflows.info(held.invocation_id)
    assert (info.paused_at, info.pause_reason) == (None, None)


# --- it goes on -------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [Reason.PAUSED, Reason.EVENT])
def test_resumed_it_is_ready(store: Driver, reason: Reason) -> None:
    """Whether it rests for the pause or for an event; runners hear of it."""
    held = begin(store)
    pause(store, held.invocation_id)
    suspend(store, held, reason)
    assert awake(store) == []
    ear = store.subscribe()
    assert go_on(store, held.invocation_id)
    assert hint(ear, "due").due_in == pytest.approx(0, abs=0.01)
    assert store.orchestrator.promote().count == 1
    [again] = store.begin()
    assert again.retries == 0
    record(store, again)


def test_resumed_while_it_is_at_work_it_is_ready_when_it_rests(store: Driver) -> None:
    """It had heard of the pause, and not yet of its end."""
    held = begin(store)
    pause(store, held.invocation_id)
    with pytest.raises(WorkflowPausedError):
        record(store, held)
    go_on(store, held.invocation_id)
    assert awake(store) == []
    suspend(store, held, Reason.PAUSED)
    assert awake(store) == [held.invocation_id]


def test_resumed_it_sleeps_on(store: Driver) -> None:
    """A sleep has its own end."""
    held = begin(store)
    record(store, held, "1", StepKind.SLEEP, None, delay=1000)
    suspend(store, held, Reason.SLEEPING, 1000)
    pause(store, held.invocation_id)
    go_on(store, held.invocation_id)
    assert awake(store) == []
    store.let_pass(1001)
    assert awake(store) == [held.invocation_id]


def test_paused_it_sleeps_on_and_stops_then(store: Driver) -> None:
    """Its end is not put off."""
    held = begin(store)
    record(store, held, "1", StepKind.SLEEP, None, delay=1000)
    suspend(store, held, Reason.SLEEPING, 1000)
    pause(store, held.invocation_id)
    store.let_pass(1001)
    store.orchestrator.promote()
    [again] = store.begin()
    with pytest.raises(WorkflowPausedError):
        record(store, again, "2")


def test_an_event_that_came_during_a_pause_is_found(store: Driver) -> None:
    """When it is resumed."""
    held = begin(store)
    listen(store, held)
    suspend(store, held)
    pause(store, held.invocation_id)
    event_id = emit(store)
    go_on(store, held.invocation_id)
    store.orchestrator.promote()
    [again] = store.begin()
    assert heard(listen(store, again)) == event_id


def test_resuming_what_is_not_paused_does_no_harm(store: Driver) -> None:
    """It may look once for nothing."""
    held = begin(store)
    assert go_on(store, held.invocation_id)
    record(store, held)
    store.finish([held])
    assert awake(store) == []
    assert store.status(held.invocation_id) is S.SUCCESS


def test_what_has_not_begun_is_not_begun_sooner(store: Driver) -> None:
    """To be resumed is not to be due."""
    [which] = store.register(delay=1000)
    pause(store, which)
    go_on(store, which)
    assert awake(store) == []
    held = begin(store)
    store.retry([held], delay=1000)
    go_on(store, held.invocation_id)
    assert awake(store) == []


def test_a_paused_run_can_be_cancelled(store: Driver) -> None:
    """With what it has called."""
    held = begin(store)
    which = child(store, held)
    pause(store, held.invocation_id)
    suspend(store, held, Reason.PAUSED)
    assert store.orchestrator.cancel(held.invocation_id) is CancelAnswer.CANCELLED
    assert store.statuses([held.invocation_id, which]) == [S.FAILED, S.FAILED]
    assert go_on(store, held.invocation_id) is False
    assert awake(store) == []

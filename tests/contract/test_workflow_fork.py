"""A call may go on from a step of another run: it has what that has done before."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.records import Claimed
from pynenc_pg.domain.workflows import FOREVER, Fork, StepKind
from pynenc_pg.exceptions import InvocationNotFoundError, StepTakenError
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver
from tests.contract.workflows import begin, child, emit, heard, listen, record, steps

S = InvocationStatus
K = StepKind


def fork(store: Driver, source: InvocationId, before: str, **facts: object) -> InvocationId:
    """Register a call that goes on from there."""
    [which] = store.register(fork=Fork(source, before), **facts)  # type: ignore[arg-type]
    return which


def test_it_has_the_steps_before(store: Driver) -> None:
    """As they were written, in their order; from there on it takes its own."""
    held = begin(store)
    written = [record(store, held, str(n), value=str(n), survived=("1",)) for n in (1, 2, 3)]
    store.finish([held])
    which = fork(store, held.invocation_id, "3")
    assert store.workflows.steps(which) == written[:2]
    info = store.workflows.info(which)
    assert (info.forked_from, info.steps, info.workflow_id) == (held.invocation_id, 2, which)
    assert info.parent_workflow_id is None
    [again] = store.begin()
    assert record(store, again, "2", value="9").value == "2"
    assert record(store, again, "3", value="9").value == "9"
    assert steps(store, held) == {"1": "1", "2": "2", "3": "3"}


def test_paths_are_numbers(store: Driver) -> None:
    """Nine is before ten, and what a branch has done within it is part of it."""
    held = begin(store)
    for path in ("1", "9", "4.1", "4.2", "4.10.1", "4.10", "10", "11"):
        record(store, held, path)
    found = {
        before: list(steps(store, _hold(store, fork(store, held.invocation_id, before))))
        for before in ("1", "2", "4.10", "10", "12")
    }
    assert found == {
        "1": [],
        "2": ["1"],
        "4.10": ["1", "4.1", "4.2"],
        "10": ["1", "9", "4.1", "4.2", "4.10.1", "4.10"],
        "12": ["1", "9", "4.1", "4.2", "4.10.1", "4.10", "10", "11"],
    }


def _hold(store: Driver, which: InvocationId) -> Claimed:
    [held] = [one for one in store.begin() if one.invocation_id == which]
    return held


def test_it_is_another_attempt(store: Driver) -> None:
    """Of what failed, all counts as written in its first; each run of a call is there."""
    held = begin(store)
    one = child(store, held, "1")
    store.finish(store.begin(), status=S.FAILED)
    store.retry([held])
    [again] = store.begin()
    two = child(store, again, "1", run=1)
    record(store, again, "2", retries=1)
    which = fork(store, held.invocation_id, "3")
    found = store.workflows.steps(which)
    assert [(s.run, s.child_id, s.failed, s.retries) for s in found] == [
        (0, one, True, 0),
        (1, two, False, 0),
        (0, None, False, 0),
    ]


def test_it_has_the_data(store: Driver) -> None:
    """A copy: what either sets then is its own."""
    held = begin(store)
    record(store, held, "1", K.SET_DATA, "1", key="a")
    which = fork(store, held.invocation_id, "2")
    [again] = store.begin()
    record(store, again, "2", K.SET_DATA, "2", key="a")
    record(store, held, "2", K.SET_DATA, "3", key="b")
    assert store.workflows.data(which) == {"a": "2"}
    assert store.workflows.data(held.invocation_id) == {"a": "1", "b": "3"}


def test_it_has_the_data_of_the_workflow(store: Driver) -> None:
    """Of which the other run was but a part; it is one of its own."""
    root = begin(store)
    record(store, root, "1", K.SET_DATA, "1", key="a")
    inner = begin(store, parent_id=root.invocation_id)
    record(store, inner, "1")
    which = fork(store, inner.invocation_id, "2", own_workflow=True)
    assert store.workflows.data(which) == {"a": "1"}


def test_an_event_that_was_taken_stays_taken(store: Driver) -> None:
    """By the step that has it; one that came later is new."""
    held = begin(store)
    which = new_invocation_id()
    emit(store)
    look = listen(store, held, "1")
    assert look.event is not None
    record(store, held, "1", K.EVENT, "1", event_id=look.event.event_id, key="paid")
    fork(store, held.invocation_id, "2", ids=[which])
    [again] = store.begin()
    assert heard(listen(store, again, "2")) is None
    event_id = emit(store)
    assert heard(listen(store, again, "2")) == event_id


def test_neither_pause_nor_wait_goes_with_it(store: Driver) -> None:
    """It is not paused, though the step stands there."""
    held = begin(store)
    listen(store, held, "1.1")
    record(store, held, "2", K.PAUSE, '"why"')
    which = fork(store, held.invocation_id, "3")
    info = store.workflows.info(which)
    assert (info.paused_at, info.pause_reason) == (None, None)
    assert [s.left for s in store.workflows.steps(which)] == [None]
    assert [s.left for s in store.workflows.steps(held.invocation_id)] == [FOREVER]
    [again] = store.begin()
    record(store, again, "3")


def test_a_repeat_is_the_same_fork(store: Driver) -> None:
    """After a lost answer, though the other run has gone on."""
    held = begin(store)
    record(store, held, "1")
    which = new_invocation_id()
    for path in ("2", "1.1"):
        assert fork(store, held.invocation_id, "3", ids=[which]) == which
        assert [s.path for s in store.workflows.steps(which)] == ["1"]
        record(store, held, path)
    assert store.path(which) == [S.REGISTERED]


def test_what_is_no_run_cannot_be_forked(store: Driver) -> None:
    """Nothing is registered."""
    plain = begin(store)
    other = store.other_app()
    theirs = begin(other)
    record(other, theirs, "1")
    which = new_invocation_id()
    for source in (plain.invocation_id, theirs.invocation_id, new_invocation_id()):
        with pytest.raises(InvocationNotFoundError):
            fork(store, source, "2", ids=[which])
    with pytest.raises(InvocationNotFoundError):
        store.get(which)


def test_a_fork_becomes_no_other_call(store: Driver) -> None:
    """With a registration key it may not be one that is there already."""
    held = begin(store)
    record(store, held, "1")
    [there] = store.register(keys=["k"])
    with pytest.raises(StepTakenError):
        fork(store, held.invocation_id, "2", keys=["k"])
    assert store.workflows.steps(there) == []
    assert store.workflows.info(there).forked_from is None


def test_a_fork_is_a_workflow_of_its_own(store: Driver) -> None:
    """Whoever has called for it, also from within a workflow; it has its own data."""
    held = begin(store)
    record(store, held, "1", K.SET_DATA, "1", key="a")
    which = fork(store, held.invocation_id, "2", parent_id=held.invocation_id, depth=1)
    info = store.workflows.info(which)
    assert (info.workflow_id, info.parent_workflow_id) == (which, held.invocation_id)
    [again] = store.begin()
    record(store, again, "2", K.SET_DATA, "2", key="a")
    assert store.workflows.data(which) == {"a": "2"}
    assert store.workflows.data(held.invocation_id) == {"a": "1"}


def test_cancelling_a_fork_spares_the_run_it_is_of(store: Driver) -> None:
    """What that has called goes on, though it stands among the steps of both."""
    held = begin(store)
    called = child(store, held, "1")
    which = fork(store, held.invocation_id, "2")
    assert store.workflows.steps(which)[0].child_id == called
    store.orchestrator.cancel(which)
    assert (store.status(which), store.status(called)) == (S.FAILED, S.REGISTERED)

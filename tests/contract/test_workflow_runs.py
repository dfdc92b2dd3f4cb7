"""What a run knows and is known for: the data of its workflow, and where it stands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.workflows import StepKind
from pynenc_pg.exceptions import (
    DataRejectedError,
    InvocationNotFoundError,
    WorkflowPausedError,
)
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import Driver
from tests.contract.workflows import begin, child, listen, record, steps, suspend

K = StepKind


# --- the workflow and its data ----------------------------------------------------------------


def test_data_is_set_and_read(store: Driver) -> None:
    """A step that sets it sets it; a step that reads it keeps what it read."""
    held = begin(store)
    record(store, held, "1", K.SET_DATA, '{"n": 1}', key="a")
    assert record(store, held, "2", K.GET_DATA, None, key="a").value == '{"n": 1}'
    record(store, held, "3", K.SET_DATA, "2", key="a")
    record(store, held, "4", K.SET_DATA, "null", key="b")
    assert record(store, held, "2", K.GET_DATA, None, key="a").value == '{"n": 1}'
    assert record(store, held, "5", K.GET_DATA, None, key="a").value == "2"
    assert store.workflows.data(held.invocation_id) == {"a": "2", "b": "null"}


def test_what_was_never_set_is_nothing(store: Driver) -> None:
    """And stays nothing for that step, whatever is set later."""
    held = begin(store)
    for _ in range(2):
        assert record(store, held, "1", K.GET_DATA, None, key="a").value is None
        record(store, held, "2", K.SET_DATA, "1", key="a")


def test_a_replayed_set_is_not_set_again(store: Driver) -> None:
    """Else a later attempt would undo what was set since."""
    held = begin(store)
    record(store, held, "1", K.SET_DATA, "1", key="a")
    record(store, held, "2", K.SET_DATA, "2", key="a")
    store.retry([held])
    [again] = store.begin()
    assert record(store, again, "1", K.SET_DATA, "1", key="a").value == "1"
    assert store.workflows.data(held.invocation_id) == {"a": "2"}


def test_data_is_of_the_workflow(store: Driver) -> None:
    """All invocations of one share it; another workflow has its own."""
    root = begin(store)
    inner = begin(store, parent_id=root.invocation_id)
    other = begin(store)
    record(store, root, "1", K.SET_DATA, "1", key="a")
    assert record(store, inner, "1", K.GET_DATA, None, key="a").value == "1"
    record(store, inner, "2", K.SET_DATA, "2", key="a")
    assert record(store, root, "2", K.GET_DATA, None, key="a").value == "2"
    assert record(store, other, "1", K.GET_DATA, None, key="a").value is None
    assert store.workflows.data(root.invocation_id) == {"a": "2"}
    assert store.workflows.data(inner.invocation_id) == {}
    assert store.workflows.data(new_invocation_id()) == {}
    assert store.other_app().workflows.data(root.invocation_id) == {}


def test_data_stays_when_the_workflow_has_ended(store: Driver) -> None:
    """People look at it then."""
    held = begin(store)
    record(store, held, "1", K.SET_DATA, "1", key="a")
    store.finish([held])
    assert store.workflows.data(held.invocation_id) == {"a": "1"}


# --- what is known of a run -------------------------------------------------------------------


def test_where_a_run_stands(store: Driver) -> None:
    """From its registration on, and after its end."""
    [which] = store.register(task_id="tests.flow")
    info = store.workflows.info(which)
    assert (info.invocation_id, info.task_id, info.workflow_id) == (which, "tests.flow", which)
    assert (info.parent_workflow_id, info.forked_from) == (None, None)
    assert (info.began_at, info.paused_at, info.pause_reason, info.steps) == (None, None, None, 0)
    [held] = store.begin()
    first = record(store, held, "1")
    record(store, held, "2")
    store.finish([held])
    info = store.workflows.info(which)
    assert info.steps == 2
    assert info.began_at is not None
    assert info.began_at == pytest.approx(first.at, abs=timedelta(seconds=5))


def test_the_workflow_above(store: Driver) -> None:
    """A call within a workflow belongs to it; one of its own has it as its parent."""
    [root] = store.register()
    [inner] = store.register(parent_id=root, depth=1)
    [own] = store.register(parent_id=inner, own_workflow=True, depth=2)
    [below] = store.register(parent_id=own, depth=3)

    def above(which: InvocationId) -> tuple[InvocationId, InvocationId | None]:
        info = store.workflows.info(which)
        return info.workflow_id, info.parent_workflow_id

    assert above(root) == (root, None)
    assert above(inner) == (root, None)
    assert above(own) == (own, root)
    assert above(below) == (own, root)


def test_nobody_knows_of_it(store: Driver) -> None:
    """Neither one that never was, nor one of another app."""
    [theirs] = store.other_app().register()
    for which in (theirs, new_invocation_id()):
        with pytest.raises(InvocationNotFoundError):
            store.workflows.info(which)


def test_a_purge_takes_all_of_it(store: Driver) -> None:
    """Steps and data go with the invocations."""
    held = begin(store)
    record(store, held, "1", K.SET_DATA, "1", key="a")
    store.orchestrator.purge()
    assert (steps(store, held), store.workflows.data(held.invocation_id)) == ({}, {})
    with pytest.raises(InvocationNotFoundError):
        store.workflows.info(held.invocation_id)


def test_runs_are_listed(store: Driver) -> None:
    """The latest first, of one task or of all; those that live alone, if that is asked."""
    ended = begin(store, task_id="tests.one")
    record(store, ended, "1")
    record(store, ended, "2")
    store.finish([ended])
    waits = begin(store, task_id="tests.two")
    listen(store, waits, code="paid", timeout=100)
    suspend(store, waits, delay=100)
    paused = begin(store, task_id="tests.two", parent_id=waits.invocation_id, own_workflow=True)
    record(store, paused)
    store.workflows.pause_workflow(paused.invocation_id, "a look")
    [untouched] = store.register()
    runs = store.workflows.runs()
    assert [run.invocation_id for run in runs] == [
        held.invocation_id for held in (paused, waits, ended)
    ]
    assert [(run.status, run.steps) for run in runs] == [
        (InvocationStatus.RUNNING, 1),
        (InvocationStatus.RETRY, 0),
        (InvocationStatus.SUCCESS, 2),
    ]
    first, second, third = runs
    assert (first.pause_reason, first.paused_at is not None) == ("a look", True)
    assert (first.workflow_id, first.parent_workflow_id) == (
        paused.invocation_id,
        waits.invocation_id,
    )
    assert (second.reason, second.awaits_event) == (Reason.EVENT, "paid")
    assert second.wakes_at is not None
    assert (third.wakes_at, third.awaits_event, third.paused_at) == (None, None, None)
    assert store.workflows.runs(live=True) == runs[:2]
    assert store.workflows.runs("tests.two", limit=1) == runs[:1]
    assert store.workflows.runs("tests.one") == runs[2:]
    assert store.workflows.runs(before=first.invocation_id) == runs[1:]
    assert store.workflows.runs(before=first.invocation_id, limit=1) == runs[1:2]
    assert store.workflows.runs(before=third.invocation_id) == []
    assert store.other_app().workflows.runs() == []
    assert untouched not in {run.invocation_id for run in runs}


def test_what_a_run_waits_for_is_listed(store: Driver) -> None:
    """The one that ends first, of several; nothing once it has come, or the run has ended."""
    held = begin(store)
    listen(store, held, "1.1", "ever")
    listen(store, held, "1.2", "late", timeout=200)
    listen(store, held, "1.3", "soon", timeout=100)
    listen(store, held, "1.0", "ever so long")
    assert [run.awaits_event for run in store.workflows.runs()] == ["soon"]
    record(store, held, "1.0", K.EVENT, None)
    waits = []
    for path in ("1.3", "1.2", "1.1"):
        waits += [run.awaits_event for run in store.workflows.runs()]
        record(store, held, path, K.EVENT, None)
    assert waits == ["soon", "late", "ever"]
    assert [run.awaits_event for run in store.workflows.runs()] == [None]
    listen(store, held, "2")
    store.finish([held])
    assert [run.awaits_event for run in store.workflows.runs()] == [None]


def test_each_kind_of_call_belongs_to_the_workflow_of_its_caller(store: Driver) -> None:
    """Or begins one of its own, if that is asked; so does what nobody has called."""
    [root] = store.register()
    kinds: dict[str, dict[str, Any]] = {
        "plain": {},
        "key": {"key": "k"},
        "cached": {"cached": True, "calls": ["equal"]},
        "again": {"retried_from": root},
    }
    for name, facts in kinds.items():
        for own in (False, True):
            given = {**facts, "key": f"{name}-{own}"} if "key" in facts else facts
            [which] = store.register(parent_id=root, own_workflow=own, **given)
            assert store.workflows.info(which).workflow_id == (which if own else root), name
            assert store.workflows.info(which).parent_workflow_id == (root if own else None), name
    [alone] = store.register(parent_id=new_invocation_id())
    assert store.workflows.info(alone).workflow_id == alone


def test_a_list_says_the_same_as_a_look_at_one(store: Driver) -> None:
    """To which workflow a run belongs, and what is above that."""
    root = begin(store)
    own = begin(store, parent_id=root.invocation_id, own_workflow=True)
    within = begin(store, parent_id=own.invocation_id)
    for held in (root, own, within):
        record(store, held)
    runs = store.workflows.runs()
    assert [run.parent_workflow_id for run in runs] == [root.invocation_id] * 2 + [None]
    for run in runs:
        info = store.workflows.info(run.invocation_id)
        for what in ("task_id", "workflow_id", "parent_workflow_id", "began_at", "steps"):
            assert getattr(run, what) == getattr(info, what)


def test_what_was_refused_has_begun_no_run(store: Driver) -> None:
    """Neither a value that is no JSON, nor a call that cannot be."""
    held = begin(store)
    with pytest.raises(DataRejectedError):
        record(store, held, value="{")
    with pytest.raises(DataRejectedError):
        child(store, held, arguments="{")
    assert store.workflows.info(held.invocation_id).began_at is None
    assert store.workflows.runs() == []


def test_a_pause_comes_before_what_is_no_json(store: Driver) -> None:
    """Whoever is paused hears of that first."""
    held = begin(store)
    store.workflows.pause_workflow(held.invocation_id)
    with pytest.raises(WorkflowPausedError):
        record(store, held, value="{")

"""What a workflow has done is written once, by who executes it, and read back ever after."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.records import Claimed, Hold
from pynenc_pg.domain.workflows import LONGEST_ABOUT, LONGEST_VALUE, StepKind
from pynenc_pg.exceptions import (
    DataRejectedError,
    InvocationNotFoundError,
    InvocationStatusOwnershipError,
    WorkflowPausedError,
)
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import Driver, stale
from tests.contract.workflows import author, begin, child, listen, new, record, steps, suspend

K = StepKind


# --- written once -----------------------------------------------------------------------------


def test_a_step_is_what_was_written(store: Driver) -> None:
    """All of it comes back, from the one that wrote it and from whoever reads."""
    held = begin(store)
    step = new("4.1.2", K.STEP, '{"a": [1, null]}', "ask()", retries=2, survived=("1", "4.1"))
    written = store.workflows.record_step(author(store, held), step)
    assert (written.path, written.kind, written.about) == ("4.1.2", K.STEP, "ask()")
    assert (written.value, written.run, written.retries) == ('{"a": [1, null]}', 0, 2)
    assert (written.survived, written.key, written.event_id) == (("1", "4.1"), None, None)
    assert (written.child_id, written.failed, written.left) == (None, False, None)
    assert written.at >= store.get(held.invocation_id).registered_at
    assert store.workflows.steps(held.invocation_id) == [written]


@pytest.mark.parametrize("value", ["null", "0", '"x"', "[]", '{"b": 1,  "a": 2}', '"\\u0000"'])
def test_a_value_comes_back_as_it_was(store: Driver, value: str) -> None:
    """To the letter: order, spaces and what no other type of the database could keep."""
    held = begin(store)
    assert record(store, held, value=value).value == value
    assert steps(store, held) == {"1": value}


def test_a_step_may_have_no_value(store: Driver) -> None:
    """Which is not the same as a value of null."""
    held = begin(store)
    assert record(store, held, kind=K.PATCHED, value=None).value is None
    assert steps(store, held) == {"1": None}


def test_the_first_writer_wins(store: Driver) -> None:
    """Another one at the same path hears what stands there, whatever it has brought itself."""
    held = begin(store)
    first = record(store, held, value="1")
    assert record(store, held, value="2") == first
    assert record(store, held, kind=K.UUID, value='"u"', about="uuid") == first
    assert steps(store, held) == {"1": "1"}


def test_each_run_is_a_step_of_its_own(store: Driver) -> None:
    """The path is the same, and they stand beside each other."""
    held = begin(store)
    record(store, held, value="1")
    record(store, held, value="2", run=1)
    record(store, held, value="3", run=1)
    found = store.workflows.steps(held.invocation_id)
    assert [(s.path, s.run, s.value) for s in found] == [("1", 0, "1"), ("1", 1, "2")]


def test_steps_stand_in_the_order_they_were_written(store: Driver) -> None:
    """Not in that of their paths: branches take turns."""
    held = begin(store)
    for path in ("2", "10", "4.2.1", "4.1.1", "1"):
        record(store, held, path)
    assert list(steps(store, held)) == ["2", "10", "4.2.1", "4.1.1", "1"]


def test_each_invocation_has_its_own(store: Driver) -> None:
    """The same path in two of them, also where they belong to one workflow."""
    held = begin(store)
    other = begin(store, parent_id=held.invocation_id)
    record(store, held, value="1")
    record(store, other, value="2")
    assert (steps(store, held), steps(store, other)) == ({"1": "1"}, {"1": "2"})


def test_who_has_taken_none_has_none(store: Driver) -> None:
    """Neither has one that nobody knows, or one of another app."""
    held = begin(store)
    record(store, held)
    assert store.workflows.steps(begin(store).invocation_id) == []
    assert store.workflows.steps(new_invocation_id()) == []
    assert store.other_app().workflows.steps(held.invocation_id) == []


# --- by whom ----------------------------------------------------------------------------------


def test_a_later_attempt_reads_and_goes_on(store: Driver) -> None:
    """Retried, given back or recovered: what stands, stands."""
    held = begin(store)
    record(store, held, "1", value="1")
    store.retry([held])
    [again] = store.begin()
    record(store, again, "2", value="2")
    store.crash([again])
    [last] = store.begin()
    assert record(store, last, "1", value="9").value == "1"
    assert record(store, last, "2", value="9").value == "2"
    assert record(store, last, "3", value="3").value == "3"
    store.finish([last])
    assert steps(store, held) == {"1": "1", "2": "2", "3": "3"}


def not_begun(store: Driver) -> Claimed | Hold:
    """Claim one."""
    store.register()
    [held] = store.claim()
    return held


def never_claimed(store: Driver) -> Claimed | Hold:
    """Register one."""
    [which] = store.register()
    return Hold(which, 1)


def retried(store: Driver) -> Claimed | Hold:
    """Let one be tried again."""
    held = begin(store)
    store.retry([held])
    return held


def ended(store: Driver) -> Claimed | Hold:
    """End one."""
    held = begin(store)
    store.finish([held])
    return held


def lost(store: Driver) -> Claimed | Hold:
    """Hold one by a lease that nobody was given."""
    return stale(begin(store))


def given_to_another_attempt(store: Driver) -> Claimed | Hold:
    """Hold one by the lease of an attempt that is over."""
    held = begin(store)
    store.release([held])
    store.begin()
    return held


def unknown(_store: Driver) -> Claimed | Hold:
    """Hold what nobody knows."""
    return Hold(new_invocation_id(), 1)


NOT_EXECUTED = [
    not_begun,
    never_claimed,
    retried,
    ended,
    lost,
    given_to_another_attempt,
    unknown,
]


@pytest.mark.parametrize("stand", NOT_EXECUTED)
def test_who_does_not_execute_it_writes_nothing(
    store: Driver, stand: Callable[[Driver], Claimed | Hold]
) -> None:
    """Only the attempt that is under way takes steps."""
    held = stand(store)
    with pytest.raises(InvocationStatusOwnershipError, match=held.invocation_id):
        record(store, held, kind=K.SET_DATA, key="k")
    assert steps(store, held) == {}
    assert store.workflows.data(held.invocation_id) == {}


def test_another_runner_writes_nothing(store: Driver) -> None:
    """The right lease in the wrong hand; nor does it read what stands."""
    held = begin(store)
    thief = author(store, held, store.runner("thief"))
    for _ in range(2):
        with pytest.raises(InvocationStatusOwnershipError):
            store.workflows.record_step(thief, new())
        record(store, held)
    assert steps(store, held) == {"1": "1"}


def test_who_lost_it_does_not_read_it_back(store: Driver) -> None:
    """Though the step stands there: it must stop."""
    held = begin(store)
    record(store, held)
    store.release([held])
    store.begin()
    with pytest.raises(InvocationStatusOwnershipError):
        record(store, held)


def test_a_branch_goes_on_while_another_waits(store: Driver) -> None:
    """Paused until another invocation ends, and after it is resumed, it is still executed."""
    held = begin(store)
    [awaited] = store.register()
    store.pause(held, awaited)
    record(store, held, "1")
    store.resume([held])
    record(store, held, "2")
    assert list(steps(store, held)) == ["1", "2"]


def test_another_app_writes_nothing(store: Driver) -> None:
    """Whatever it knows of the lease."""
    held = begin(store)
    with pytest.raises(InvocationStatusOwnershipError):
        store.other_app().workflows.record_step(author(store, held), new())
    assert steps(store, held) == {}


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


# --- sleep ------------------------------------------------------------------------------------


def test_a_sleep_ends_by_the_clock_of_the_store(store: Driver) -> None:
    """Its value is when; what is left grows less, until it is over."""
    held = begin(store)
    step = record(store, held, "1", K.SLEEP, None, delay=100)
    assert datetime.fromisoformat(json.loads(step.value or "")) == step.at + timedelta(seconds=100)
    assert step.left == pytest.approx(100, abs=5)
    again = record(store, held, "1", K.SLEEP, None, delay=1000)
    assert (again.value, again.at) == (step.value, step.at)
    [read] = store.workflows.steps(held.invocation_id)
    assert read.left == pytest.approx(100, abs=10)
    assert replace(read, left=None) == replace(step, left=None)


@pytest.mark.parametrize("delay", [0, -5])
def test_a_sleep_that_is_over_is_over(store: Driver, delay: float) -> None:
    """Nothing is left of it."""
    step = record(store, begin(store), "1", K.SLEEP, None, delay=delay)
    assert step.left is not None
    assert step.left <= 0


def test_a_run_that_sleeps_wakes_by_itself(store: Driver) -> None:
    """Put to rest as long, it is ready when that is over; it has spent no retry."""
    held = begin(store)
    record(store, held, "1", K.SLEEP, None, delay=100)
    store.retry([held], Reason.SLEEPING, delay=100)
    assert store.orchestrator.promote().count == 0
    store.let_pass(101)
    assert store.orchestrator.promote().count == 1
    [again] = store.begin()
    assert again.retries == 0


# --- limits -----------------------------------------------------------------------------------


def test_a_value_may_be_so_long(store: Driver) -> None:
    """Counted in characters, as JSON; one more is refused, and nothing is written."""
    held = begin(store)
    longest = '"' + "ä" * (LONGEST_VALUE - 2) + '"'
    with pytest.raises(DataRejectedError) as caught:
        record(store, held, "7.1", K.SET_DATA, longest[:-1] + 'x"', key="a")
    said = str(caught.value).replace(",", "")
    assert "7.1" in said
    assert str(LONGEST_VALUE) in said
    assert str(LONGEST_VALUE + 1) in said
    assert (steps(store, held), store.workflows.data(held.invocation_id)) == ({}, {})
    assert record(store, held, "7.1", K.SET_DATA, longest, key="a").value == longest
    assert store.workflows.data(held.invocation_id) == {"a": longest}


@pytest.mark.parametrize("what", ["about", "key"])
def test_a_name_may_be_so_long(store: Driver, what: str) -> None:
    """What a step is about, and the key of data."""
    held = begin(store)
    longest = "ä" * LONGEST_ABOUT
    facts = {"about": "set_data", "key": "a"}
    with pytest.raises(DataRejectedError) as caught:
        record(store, held, "7.1", K.SET_DATA, "1", **{**facts, what: longest + "x"})
    assert "7.1" in str(caught.value)
    assert str(LONGEST_ABOUT) in str(caught.value).replace(",", "")
    assert steps(store, held) == {}
    step = record(store, held, "7.1", K.SET_DATA, "1", **{**facts, what: longest})
    assert getattr(step, what) == longest


@pytest.mark.parametrize("value", ["", "{", "NaN", '"\0"', '"\ud800"'])
def test_a_value_that_is_not_json_is_refused(store: Driver, value: str) -> None:
    """As everywhere else."""
    held = begin(store)
    with pytest.raises(DataRejectedError):
        record(store, held, value=value)
    assert steps(store, held) == {}


@pytest.mark.parametrize("what", ["about", "key"])
@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_name_that_is_no_text_is_refused(store: Driver, what: str, text: str) -> None:
    """The other things that a step has are not written either."""
    held = begin(store)
    with pytest.raises(DataRejectedError):
        record(store, held, "1", K.SET_DATA, "1", **{"key": "a", what: text})
    assert (steps(store, held), store.workflows.data(held.invocation_id)) == ({}, {})


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

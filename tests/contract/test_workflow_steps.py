"""What a workflow has done is written once, by who executes it, and read back ever after."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.domain.records import Claimed, Hold
from pynenc_pg.domain.workflows import LONGEST_ABOUT, LONGEST_VALUE, StepKind
from pynenc_pg.exceptions import (
    DataRejectedError,
    InvocationStatusOwnershipError,
)
from pynenc_pg.invocation.status import Reason
from tests.contract.driver import Driver, stale
from tests.contract.workflows import author, begin, new, record, steps

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

"""Workflows on both stores, in runners of threads and of a loop."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.domain.records import CancelAnswer
from pynenc_pg.exceptions import (
    InvocationCancelledError,
    NonDeterminismError,
    SuspensionSwallowedError,
)
from tests.app import workflow_tasks as tasks
from tests.app.conftest import Runner
from tests.app.test_thread_runner import wait_for

S = InvocationStatus


@pytest.fixture
def tasks_module() -> ModuleType:
    """Workflows."""
    tasks.switches.clear()
    return tasks


def attempts() -> list[Any]:
    """Return what was noted by each attempt."""
    return [entry for entry in tasks.seen if isinstance(entry, list)]


def test_values_are_read_back(any_runner: Runner) -> None:
    """At each attempt the same; functions and tasks are not called again."""
    with any_runner():
        assert [tasks.all_kinds(3).result_or_raise(20)] * 3 == attempts()
        assert tasks.seen.count("step") == 1
        assert tasks.seen.count(("noted", 3)) == 2
        tasks.seen.clear()
        assert [tasks.async_kinds(3).result_or_raise(20)] * 2 == attempts()
        tasks.seen.clear()
        assert [tasks.gathers().result_or_raise(20)] * 2 == attempts()
        with pytest.raises(NonDeterminismError, match="recorded is random"):
            tasks.changes().result_or_raise(20)


def test_identity(any_runner: Runner, app: Pynenc) -> None:
    """Calls belong to the caller's workflow, unless they are of their own."""
    invocation = tasks.outer()
    which, kind = invocation.invocation_id, tasks.outer.task_id
    with any_runner():
        plain, (own, own_kind, parent, called) = invocation.result_or_raise(20)
    assert plain == [which, kind, None]
    assert (own_kind, parent) == (tasks.inner.task_id, which)
    assert called == [own, tasks.inner.task_id, which]
    assert app.get_invocation(own).workflow.parent_workflow_id == which


def test_failed_children(any_runner: Runner) -> None:
    """What the workflow has gone on from stays as it was; the rest is called anew."""
    with any_runner():
        assert tasks.survives().result_or_raise(20) == ["failed", "retried 2"]
        assert tasks.sleeps_after_failure().result_or_raise(20) == ["failed", "late"]
    assert tasks.seen == ["survived", "retried", "retried", "late"]


def test_going_on_later(any_runner: Runner, app: Pynenc) -> None:
    """Sleeps end in time, events and signals wake at once, and a pause lasts until its end."""
    with any_runner():
        asleep, heard, odd, paused = (
            tasks.sleeps(1.5),
            tasks.hears("runner"),
            tasks.hears_odd("odd"),
            tasks.rests(),
        )
        for one in (asleep, heard, odd, paused):
            wait_for(lambda one=one: one.status is S.RETRY)  # type: ignore[misc]
        app.trigger.emit_event("runner", {"wanted": True, "n": 1})
        app.get_workflow(heard.invocation_id).signal("runner", {"wanted": True, "n": 2})
        assert heard.result_or_raise(10)[:2] == [1, 2]
        app.get_workflow(odd.invocation_id).signal("odd", 2)
        app.get_workflow(odd.invocation_id).signal("odd", 3)
        assert odd.result_or_raise(10) == 3
        assert paused.status is S.RETRY
        app.get_workflow(paused.invocation_id).resume()
        assert len(paused.result_or_raise(10)) == 2
        seconds, _ = asleep.result_or_raise(10)
        assert seconds >= 1.5
        assert tasks.hears("never", timeout=0.2).result_or_raise(10)[:2] == ["late", "late"]


def test_branches(any_runner: Runner, app: Pynenc) -> None:
    """They go on later together."""
    with any_runner():
        invocation = tasks.gathered_sleeps()
        wait_for(lambda: invocation.status is S.RETRY)
        app.trigger.emit_event("gathered", "heard")
        assert invocation.result_or_raise(20) == ["slept 2", "slept 4", "heard", 1]
        tasks.seen.clear()
        assert tasks.gather_fails().result_or_raise(20)[2:] == ["failed", 4]


def test_swallowed(any_runner: Runner) -> None:
    """Who catches what takes it off the stack fails, and is told."""
    with any_runner(), pytest.raises(SuspensionSwallowedError, match="sleeping"):
        tasks.swallows("raises").result_or_raise(20)


def test_sagas(any_runner: Runner) -> None:
    """What fails for good is undone."""
    with any_runner():
        with pytest.raises(KeyError):
            tasks.ships("fails").result_or_raise(20)
        with pytest.raises(KeyError):
            tasks.ships_async().result_or_raise(20)
    undone = ["cannot", "undone", ("refund", 1), "undone", "aundone", ("refund", 2)]
    assert [entry for entry in tasks.seen if entry != ("noted", 1)] == undone


def test_paused_between_two_steps(any_runner: Runner, app: Pynenc) -> None:
    """From outside: it stops at its next operation, and goes on when it may."""
    with any_runner():
        invocation = tasks.two_steps()
        wait_for(lambda: tasks.seen == ["between"])
        run = app.get_workflow(invocation.invocation_id)
        assert run.pause("a while")
        tasks.gate.set()
        wait_for(lambda: invocation.status is S.RETRY)
        assert run.info.pause_reason == "a while"
        run.resume()
        assert invocation.result_or_raise(20) == "done"


def test_cancel_reaches_children(any_runner: Runner, app: Pynenc) -> None:
    """A workflow that is cancelled takes along what it has called."""
    with any_runner():
        invocation = tasks.calls_and_waits()
        wait_for(lambda: tasks.seen == ["never"])
        run = app.get_workflow(invocation.invocation_id)
        assert run.cancel() is CancelAnswer.REQUESTED
        with pytest.raises(InvocationCancelledError):
            invocation.result_or_raise(20)
        [step] = run.steps()
        tasks.gate.set()
        assert step.child_id is not None
        with pytest.raises(InvocationCancelledError):
            app.get_invocation(step.child_id).result_or_raise(20)


def test_fork(any_runner: Runner, app: Pynenc) -> None:
    """A new run goes on from what was done before a step."""
    with any_runner():
        first = tasks.all_kinds(3)
        result = first.result_or_raise(20)
        fork = app.get_workflow(first.invocation_id).fork("3")
        assert fork.result_or_raise(20)[:2] == result[:2]
        assert fork.result[2] != result[2]


def test_many_at_once(any_runner: Runner) -> None:
    """None has to do with another one."""
    with any_runner():
        with ThreadPoolExecutor(4) as threads:
            runs = list(threads.map(tasks.one_of_many, range(40)))
        results = [run.result_or_raise(60) for run in runs]
    for number, (made, kept, own) in enumerate(results):
        assert made == kept
        assert (made[0], made[3], own) == (number, number * 2, number)
    assert len({made[2] for made, _, _ in results}) == 40

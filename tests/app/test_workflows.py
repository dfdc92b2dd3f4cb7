"""Workflows through the app, in memory, with time that the test owns."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pynenc_pg import InvocationStatus
from pynenc_pg.exceptions import (
    DataRejectedError,
    InvocationNotFoundError,
    NonDeterminismError,
    ResultTimeoutError,
    SuspensionSwallowedError,
    WorkflowError,
)
from pynenc_pg.testing import World
from tests.app import workflow_tasks as tasks
from tests.app.workflow_looks import lists, reasons

S = InvocationStatus
app = tasks.app


# --- the guide, and who is who --------------------------------------------------------------------


def test_the_guides_example(world: World) -> None:
    """As it stands there."""
    invocation = tasks.process_order_workflow("7")
    result = invocation.result
    assert result["tracking_number"].startswith("TRK-7-")
    assert result["payment_status"] == "ok"
    assert result["workflow_id"] == invocation.invocation_id == invocation.workflow.workflow_id
    data = app.get_workflow(invocation.invocation_id).data()
    assert data == {"tracking_number": result["tracking_number"], "payment_id": "P-7"}
    audit = tasks.independent_audit_workflow("7")
    assert audit.result["workflow_id"] == audit.invocation_id
    assert len(audit.result["audit_id"]) == 36


def test_identity(world: World) -> None:
    """A call belongs to the caller's workflow, unless it is one of its own; that has a parent."""
    invocation = tasks.outer()
    which, kind = invocation.invocation_id, tasks.outer.task_id
    plain, own = invocation.result
    assert plain == [which, kind, None]
    inner_id, inner_kind, parent, called = own
    assert (inner_kind, parent) == (tasks.inner.task_id, which)
    assert inner_id != which
    assert called == [inner_id, tasks.inner.task_id, which]
    outside = app.get_invocation(inner_id).workflow
    assert (outside.workflow_id, outside.parent_workflow_id) == (inner_id, which)
    assert outside.workflow_type == tasks.inner.task_id
    with pytest.raises(WorkflowError, match="does not run here"):
        _ = tasks.outer.workflow
    with pytest.raises(WorkflowError, match="does not run here"):
        tasks.outer.wf.random()


# --- replays --------------------------------------------------------------------------------------


def test_root_is_another_name() -> None:
    """``wf.root`` and ``awf.root`` are the same operations, as other code has them."""
    wf, awf = tasks.outer.wf, tasks.outer.awf
    assert wf.root is wf
    assert awf.root is awf


def test_values_are_read_back(world: World) -> None:
    """At each attempt the same; functions and tasks are not called again."""
    first = tasks.all_kinds(3)
    assert first.result == lists(0) == lists(1) == lists(2)
    assert len({*first.result[:3]}) == 3
    assert first.result[3:] == [None, 3, "none", 1, 6, 6]
    assert tasks.seen.count("step") == 1
    assert tasks.seen.count(("noted", 3)) == 2  # two calls that are equal
    assert tasks.all_kinds(3).result[:3] != first.result[:3]
    steps = app.get_workflow(first.invocation_id).steps()
    assert [step.path for step in steps] == [str(n) for n in range(1, 10)]
    assert steps[0].value == first.result[0]
    assert steps[2].value.isoformat() == first.result[2]
    assert steps[7].child_id != steps[8].child_id is not None


def test_coroutines_read_back(world: World) -> None:
    """The same with awaited operations, also where several are awaited at once."""
    result = tasks.async_kinds(3).result
    assert result == lists(0) == lists(1)
    assert result[3:9] == [None, 3, 1, 1, 6, True]
    assert tasks.seen.count("step") == tasks.seen.count("astep") == 1


def test_a_failed_child_is_called_anew(world: World) -> None:
    """If the workflow is retried for its failure; what was called before that stays."""
    invocation = tasks.retried_child()
    assert invocation.result == "retried 2"
    steps = app.get_workflow(invocation.invocation_id).steps()
    assert [(s.path, s.run, s.failed) for s in steps] == [("1", 0, True), ("1", 1, False)]
    tasks.seen.clear()
    with pytest.raises(LookupError):
        _ = tasks.retried_child.options(max_retries=0)().result
    assert tasks.seen == ["retried"]


def test_a_failure_that_was_survived_is_history(world: World) -> None:
    """A workflow that has gone on after it meets it again, whatever it is run again for."""
    assert tasks.survives().result == ["failed", "retried 2"]
    asleep = tasks.sleeps_after_failure()
    world.run_until_idle()
    world.advance(2)
    assert asleep.result == ["failed", "late"]
    assert tasks.seen == ["survived", "retried", "retried", "late"]


def test_non_determinism(world: World) -> None:
    """The error shows what is recorded and what was attempted."""
    with pytest.raises(NonDeterminismError) as caught:
        _ = tasks.changes().result
    said = str(caught.value)
    assert "step 1 of tests.app.workflow_tasks.replays.changes" in said
    assert "recorded is random" in said
    assert "attempted was task tests.app.workflow_tasks.shared.noted" in said
    with pytest.raises(NonDeterminismError) as caught:
        _ = tasks.changes_arguments().result
    said = str(caught.value)
    assert "recorded is task tests.app.workflow_tasks.shared.noted with (number=0)" in said
    assert "attempted was task tests.app.workflow_tasks.shared.noted with (number=1)" in said


def test_patched(world: World) -> None:
    """A run that was begun before goes the old way, where it had come by; new ones the new way."""
    begun_before = tasks.is_patched()
    number = begun_before.result[1]
    assert begun_before.result == [False, number, True]
    assert lists(0) == [None, number, None]
    after = tasks.is_patched()
    assert after.result[::2] == lists(-1)[::2] == [True, True]
    assert after.result[1] == lists(-1)[1]


# --- going on later -------------------------------------------------------------------------------


def test_sleep(world: World) -> None:
    """It is RETRY until then, spends no retry, and is run again from its beginning."""
    invocation = tasks.sleeps(60)
    world.run_until_idle()
    assert (invocation.status, invocation.num_retries) == (S.RETRY, 0)
    with pytest.raises(ResultTimeoutError, match="advance the clock"):
        _ = invocation.result
    world.advance(59)
    world.run_until_idle()
    assert tasks.seen == ["begun", "finally"]
    world.advance(1)
    assert invocation.result == [60, 2]
    assert reasons(invocation) == ["sleeping"]
    until = world.now + timedelta(days=1)
    later = tasks.sleeps_until(until.isoformat())
    world.run_until_idle()
    world.advance(86_400)
    assert later.result >= until.isoformat()
    assert tasks.sleeps(0.1).result[1] == 3  # slept in place


def test_wait_for_an_event(world: World) -> None:
    """Each is heard once, in their order, if it passes; it wakes who waits."""
    app.trigger.emit_event("news", {"wanted": True, "n": 0})  # before the call
    world.advance(1)
    invocation = tasks.hears("news")
    world.run_until_idle()
    assert invocation.status is S.RETRY
    app.trigger.emit_event("news", {"wanted": False, "n": 1})
    world.run_until_idle()
    app.trigger.emit_event("news", {"wanted": True, "n": 2, "more": 1})
    app.trigger.emit_event("news", {"wanted": True, "n": 3})
    assert invocation.result[:2] == [2, 3]
    assert set(reasons(invocation)) == {"event"}


def test_signals(world: World) -> None:
    """An event for one run is heard by that one alone; filters may be functions."""
    one, other = tasks.hears_odd("odd"), tasks.hears_odd("odd")
    world.run_until_idle()
    run = app.get_workflow(one.invocation_id)
    for payload in (2, 3, 5):
        run.signal("odd", payload)
    assert one.result == 3
    world.run_until_idle()
    assert other.status is S.RETRY
    app.trigger.emit_event("odd", 7)
    assert other.result == 7
    with pytest.raises(InvocationNotFoundError):
        app.get_workflow("0197a1a0-0000-7000-8000-000000000000").signal("odd")


def test_an_event_that_does_not_come(world: World) -> None:
    """That is recorded, too: what comes later is for the next wait."""
    invocation = tasks.hears("late", timeout=10)
    world.run_until_idle()
    world.advance(10)
    world.run_until_idle()
    app.trigger.emit_event("late", {"wanted": True, "n": 5})
    assert invocation.result[:2] == ["late", 5]
    kinds = [(s.kind, s.value) for s in app.get_workflow(invocation.invocation_id).steps()]
    assert kinds[:2] == [("event", None), ("event", {"wanted": True, "n": 5})]


def test_pause(world: World) -> None:
    """Until somebody lets it go on."""
    invocation = tasks.rests()
    world.run_until_idle()
    run = app.get_workflow(invocation.invocation_id)
    assert (invocation.status, reasons(invocation)) == (S.RETRY, ["paused"])
    assert run.info.pause_reason == "look at it"
    world.advance(1e6)
    world.run_until_idle()
    assert invocation.status is S.RETRY
    assert run.resume()
    first, second = invocation.result
    assert (first, run.info.paused_at) == (run.steps()[0].value, None)
    assert first != second
    assert not run.pause()


def test_paused_from_outside(world: World) -> None:
    """It stops at its next operation."""
    invocation = tasks.sleeps(60)
    world.run_until_idle()
    run = app.get_workflow(invocation.invocation_id)
    assert run.pause("wait")
    world.advance(100)
    world.run_until_idle()
    assert reasons(invocation) == ["sleeping", "paused"]
    run.resume()
    assert invocation.result[0] == 100


@pytest.mark.parametrize("how", ["returns", "raises", "goes on"])
def test_swallowed(world: World, how: str) -> None:
    """Who catches what takes it off the stack fails, and is told."""
    with pytest.raises(SuspensionSwallowedError, match=r"goes on later \(sleeping\)"):
        _ = tasks.swallows(how).result


@pytest.mark.filterwarnings("ignore:'return' in a 'finally'")
def test_swallowed_in_finally(world: World) -> None:
    """The same for a return in a finally block."""
    invocation = tasks.returns_in_finally()
    with pytest.raises(SuspensionSwallowedError, match="return from finally"):
        _ = invocation.result


# --- foreigners -----------------------------------------------------------------------------------


def test_other_threads(world: World) -> None:
    """Nobody else does operations in the name of a workflow."""
    plain, copied, looped, awaited, inside, task, other = tasks.in_a_thread().result
    assert "does not run here" in plain
    assert "this thread is not the one that executes the workflow" in copied
    assert "this asyncio task is not the one" in looped
    assert "use in_a_thread.wf" in awaited
    assert "cannot have operations of its own" in inside
    assert "execute_task" in task
    assert "tests.app.workflow_tasks.later.sleeps does not run here" in other


def test_other_asyncio_tasks(world: World) -> None:
    """Nor other tasks of the loop."""
    foreign, thread, plain = tasks.in_a_coroutine().result
    assert "awf.gather" in foreign
    assert "awf.gather" in thread
    assert "use await in_a_coroutine.awf" in plain


def test_runs_are_not_mixed(world: World) -> None:
    """Those of one task have nothing in common."""
    runs = [tasks.one_of_many(n) for n in range(20)]
    results = [run.result for run in runs]
    for number, (made, kept, own) in enumerate(results):
        assert made == kept
        assert (made[0], made[3], own) == (number, number * 2, number)
    assert len({made[2] for made, _, _ in results}) == 20


# --- from outside ---------------------------------------------------------------------------------


def test_fork(world: World) -> None:
    """A new run has what was done before a step, and goes on by itself."""
    first = tasks.all_kinds(3)
    result = first.result
    world.advance(1)
    fork = app.get_workflow(first.invocation_id).fork("3")
    assert fork.result[:2] == result[:2]
    assert fork.result[2] != result[2]
    info = app.get_workflow(fork.invocation_id).info
    assert (info.forked_from, info.workflow_id) == (first.invocation_id, fork.invocation_id)
    with pytest.raises(DataRejectedError, match="path"):
        app.get_workflow(first.invocation_id).fork("third")


def test_too_large(world: World) -> None:
    """The error says where, how large, and what to do."""
    with pytest.raises(DataRejectedError, match=r"step 1 .* has 1000003 characters .* elsewhere"):
        _ = tasks.too_large().result


def test_cancel_reaches_children(world: World) -> None:
    """A workflow that is cancelled takes along what it has called."""
    invocation = tasks.sleeps(60)
    world.run_until_idle()
    app.get_workflow(invocation.invocation_id).cancel()
    assert invocation.status is S.FAILED

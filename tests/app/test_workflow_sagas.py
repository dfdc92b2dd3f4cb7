"""Branches of a workflow that run at once, and what is undone when it fails."""

from __future__ import annotations

from typing import Any

import pytest

from pynenc_pg import InvocationStatus, RetryError
from pynenc_pg.exceptions import NonDeterminismError
from pynenc_pg.testing import World
from tests.app import workflow_tasks as tasks
from tests.app.workflow_looks import lists, reasons

S = InvocationStatus
app = tasks.app


# --- branches -------------------------------------------------------------------------------------


def test_gather_replays_in_any_order(world: World) -> None:
    """Each branch has numbers of its own, and branches in it, too."""
    invocation = tasks.gathers()
    assert invocation.result == lists(0) == lists(1)
    order = [entry for entry in tasks.seen if isinstance(entry, tuple)]
    assert order == [(0, 2), (0, 1), (0, 0), (1, 0), (1, 1), (1, 2)]
    paths = {step.path for step in app.get_workflow(invocation.invocation_id).steps()}
    assert {"1.1.1", "1.1.2", "1.1.3.2.1", "1.3.3.2.1", "2"} <= paths


def test_branches_go_on_later_together(world: World) -> None:
    """When the first of them would, and the others have ended or wait."""
    invocation = tasks.gathered_sleeps()
    world.run_until_idle()
    assert reasons(invocation) == ["event"]
    world.advance(2)
    world.run_until_idle()
    assert tasks.seen == ["begun", "ends", "begun"]
    app.trigger.emit_event("gathered", "heard")
    world.run_until_idle()
    world.advance(2)
    assert invocation.result == ["slept 2", "slept 4", "heard", 1]


def test_a_branch_fails(world: World) -> None:
    """The others are cancelled, and have ended before that is raised."""
    assert tasks.gather_fails().result == ["cancelled", "cancelled", "failed", 4]


# --- sagas ----------------------------------------------------------------------------------------


def undone() -> list[Any]:
    """Return what was done to undo."""
    return [entry for entry in tasks.seen if entry != ("noted", 1)]


def test_saga(world: World) -> None:
    """What fails for good is undone, the last first; the others, too, if one cannot be."""
    invocation = tasks.ships("fails")
    with pytest.raises(KeyError) as caught:
        _ = invocation.result
    assert undone() == ["cannot", "undone", ("refund", 1)]
    [note] = [note for note in caught.value.__notes__ if note.startswith("tests.")]
    assert "workflow_tasks.sagas.cannot_undo, which was to undo, has failed: LookupError" in note
    paths = [s.path for s in app.get_workflow(invocation.invocation_id).steps()]
    assert paths == ["1", "2.1", "2.2", "2.3"]


def test_saga_and_retries(world: World) -> None:
    """As long as it is tried again, nothing is undone."""
    with pytest.raises(RetryError):
        _ = tasks.ships("retries").result
    assert undone() == ["cannot", "undone", ("refund", 1)]
    assert tasks.seen[0] == ("noted", 1)
    tasks.seen.clear()
    assert tasks.ships("").result == "shipped"
    asleep = tasks.ships("sleeps")
    world.run_until_idle()
    assert undone() == []
    world.advance(5)
    assert asleep.result == "shipped"
    assert undone() == []


def test_sagas_in_sagas(world: World) -> None:
    """What was undone in an inner one is none of the outer one's business."""
    assert tasks.nested_sagas("inner").result == "done"
    assert tasks.seen == ["inner"]
    tasks.seen.clear()
    with pytest.raises(KeyError):
        _ = tasks.nested_sagas("both").result
    assert tasks.seen == ["inner", "outer"]


def test_a_saga_that_fails_only_at_first(world: World) -> None:
    """Who goes on as if nothing was undone is told; a fork from before it may."""
    invocation = tasks.changes_its_mind()
    with pytest.raises(NonDeterminismError, match=r"something was undone, as step 2\.1 says"):
        _ = invocation.result
    assert tasks.seen == ["undone"]
    tasks.switches.add("mind")
    fork = app.get_workflow(invocation.invocation_id).fork("2")
    assert fork.result == "shipped"


def test_async_saga(world: World) -> None:
    """The same for a coroutine."""
    with pytest.raises(KeyError):
        _ = tasks.ships_async().result
    assert tasks.seen == ["undone", "aundone", ("refund", 2)]

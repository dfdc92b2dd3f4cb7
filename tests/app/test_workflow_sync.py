"""Workflows where a call executes its task before it returns, and where rows are signed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pynenc_pg import wiring
from pynenc_pg.domain.workflows import Author, NewStep, Step
from pynenc_pg.engine.sealed import sealed
from pynenc_pg.exceptions import EventTimeoutError, SignatureError, WorkflowError
from pynenc_pg.ports import Store
from pynenc_pg.serializer.signing import Seal
from pynenc_pg.testing import World, eager, in_memory
from tests.app import workflow_tasks as tasks

app = tasks.app


@pytest.fixture
def sync() -> Iterator[None]:
    """Execute at the call, with no store but the memory's."""
    tasks.seen.clear()
    tasks.switches.clear()
    with eager(app):
        yield
    app.close()


@pytest.mark.usefixtures("sync")
def test_replays_in_synchronous_mode() -> None:
    """The same values at each attempt, and tasks that are called once."""
    result = tasks.all_kinds(3).result
    assert [entry for entry in tasks.seen if isinstance(entry, list)] == [result] * 3
    assert tasks.seen.count(("noted", 3)) == 2
    assert tasks.gathers().result
    assert tasks.survives().result == ["failed", "retried 2"]
    invocation = tasks.process_order_workflow("7")
    assert app.get_workflow(invocation.invocation_id).data()["payment_id"] == "P-7"


@pytest.mark.usefixtures("sync")
def test_nothing_is_waited_for_in_synchronous_mode() -> None:
    """Sleeps are over at once, a timeout, too; what only others could end is an error."""
    assert tasks.sleeps(3600).result[1] == 1
    assert tasks.hears("x", timeout=60).result[:2] == ["late", "late"]
    with pytest.raises(WorkflowError, match="nobody else can emit it"):
        _ = tasks.hears("x").result
    with pytest.raises(WorkflowError, match="nobody could let it go on"):
        _ = tasks.rests().result
    assert tasks.calls_in_a_step().result == 8
    with pytest.raises(EventTimeoutError):
        _ = tasks.waits_in_vain().result


# --- signatures -----------------------------------------------------------------------------------


class _Tampered:
    """Steps as somebody has changed them who may write rows."""

    def __init__(self, inside: Any) -> None:
        self._inside = inside
        self.change: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    def record_step(self, author: Author, step: NewStep) -> Step:
        """Note what stands in a row."""
        written: Step = self._inside.record_step(author, step)
        return written

    def steps(self, invocation_id: str) -> list[Step]:
        """Return them with values of other ones."""
        found = {step.path: step for step in self._inside.steps(invocation_id)}
        for path, other in self.change.items():
            if path in found:
                found[path] = replace(found[path], value=found[other].value)
        return list(found.values())


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[World, _Tampered]]:
    """A world in which all that is written is signed."""
    tasks.seen.clear()
    made: list[Any] = []
    ordinary = wiring.memory_store

    def store(app_id: str, *more: Any, **others: Any) -> Store:
        inside = ordinary(app_id, *more, **others)
        made.append(_Tampered(inside.workflows))
        return sealed(replace(inside, workflows=made[-1]), Seal(["x" * 32], app_id))

    monkeypatch.setattr(wiring, "memory_store", store)
    with in_memory(app) as world:
        yield world, made[0]


def test_signed_steps(signed: tuple[World, _Tampered]) -> None:
    """What is read back was signed for its very place; data for its key."""
    _, tampered = signed
    first = tasks.all_kinds(3)
    assert first.result[3:6] == [None, 3, "none"]
    raw = tampered.steps(first.invocation_id)
    assert [step.path for step in raw if '"$sig"' in (step.value or "")] == list("12457")
    run = app.get_workflow(first.invocation_id)
    assert run.data() == {"number": 3}
    assert run.steps()[6].value == 1
    fork = run.fork("8")
    assert fork.result == first.result
    assert app.get_workflow(fork.invocation_id).data() == {"number": 3}
    tampered.change["1"] = "2"
    with pytest.raises(SignatureError, match="another text or place"):
        _ = tasks.all_kinds(4).result


def test_signed_events(signed: tuple[World, _Tampered]) -> None:
    """The payload of an event is checked as such, and then kept as a step."""
    world, _ = signed
    invocation = tasks.hears_odd("odd")
    world.run_until_idle()
    app.get_workflow(invocation.invocation_id).signal("odd", 3)
    assert invocation.result == 3
    [step] = app.get_workflow(invocation.invocation_id).steps()
    assert step.value == 3

"""Short words for what every test of workflows does."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from pynenc_pg.domain.causes import NewEvent
from pynenc_pg.domain.ids import InvocationId, RunnerId, new_invocation_id
from pynenc_pg.domain.records import Answer, Claimed, Hold, Registered
from pynenc_pg.domain.workflows import (
    FOREVER,
    Author,
    Child,
    Look,
    NewStep,
    Step,
    StepKind,
    WaitSpec,
)
from pynenc_pg.invocation.status import Reason
from tests.contract.driver import Driver

CHILD = "tests.child"


def begin(store: Driver, **facts: Any) -> Claimed:
    """Register a workflow and begin it."""
    [which] = store.register(**facts)
    [held] = store.begin()
    assert held.invocation_id == which
    return held


def author(store: Driver, held: Claimed | Hold, runner: RunnerId | None = None) -> Author:
    """Return who executes it."""
    return Author(runner or store.worker, Hold(held.invocation_id, held.lease))


def new(
    path: str = "1",
    kind: StepKind = StepKind.RANDOM,
    value: str | None = "1",
    about: str = "random",
    **facts: Any,
) -> NewStep:
    """Make a step."""
    return NewStep(path, kind, about, value, **facts)


def record(
    store: Driver,
    held: Claimed | Hold,
    path: str = "1",
    kind: StepKind = StepKind.RANDOM,
    value: str | None = "1",
    **facts: Any,
) -> Step:
    """Record a step of what the worker executes."""
    return store.workflows.record_step(author(store, held), new(path, kind, value, **facts))


def steps(store: Driver, held: Claimed | Hold) -> dict[str, str | None]:
    """Read the values of what stands written, in order, by path."""
    return {step.path: step.value for step in store.workflows.steps(held.invocation_id)}


def call(
    store: Driver,
    held: Claimed | Hold,
    path: str = "1",
    *,
    run: int = 0,
    about: str = "a call",
    runner: RunnerId | None = None,
    **facts: Any,
) -> Registered:
    """Call a task as a step."""
    step = NewStep(path, StepKind.TASK, about, run=run)
    facts = {
        "task_id": CHILD,
        "parent_id": held.invocation_id,
        "child": Child(author(store, held, runner), step),
        **facts,
    }
    [registered] = store.accept(**facts)
    return registered


def child(store: Driver, held: Claimed | Hold, path: str = "1", **facts: Any) -> InvocationId:
    """Call a task as a step; return what it became."""
    return call(store, held, path, **facts).invocation_id


def listen(
    store: Driver,
    held: Claimed | Hold,
    path: str = "1",
    code: str = "paid",
    *,
    skip: Collection[str] = (),
    **facts: Any,
) -> Look:
    """Look for an event, and wait for it."""
    return store.workflows.await_event(author(store, held), WaitSpec(path, code, **facts), skip)


def heard(look: Look) -> str | None:
    """Return the event that was found."""
    return None if look.event is None else look.event.event_id


def emit(
    store: Driver,
    payload: Any = None,
    code: str = "paid",
    to: InvocationId | None = None,
) -> str:
    """Emit an event, to all or to one run; return its id."""
    event_id = new_invocation_id()
    store.trigger.emit(NewEvent(event_id, code, json.dumps(payload), workflow_id=to))
    return event_id


def suspend(
    store: Driver, held: Claimed, reason: Reason = Reason.EVENT, delay: float = FOREVER
) -> None:
    """Take a run off the stack."""
    assert store.retry([held], reason, delay=delay) == {held.invocation_id: Answer.DONE}


def awake(store: Driver) -> list[InvocationId]:
    """Let what is due or woken be ready; begin all that is, and return it in order."""
    store.orchestrator.promote()
    return sorted(held.invocation_id for held in store.begin())

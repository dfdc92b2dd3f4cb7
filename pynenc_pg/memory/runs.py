"""Runs of workflows in memory: what they have done, what they wait for, and who wakes them.

Whoever calls a function holds the lock of the database.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.workflows import FOREVER, MOST_STEPS, Author, NewStep, Step, StepKind
from pynenc_pg.exceptions import (
    DataRejectedError,
    InvocationStatusOwnershipError,
    WorkflowPausedError,
)
from pynenc_pg.invocation.status import InvocationStatus, Reason

if TYPE_CHECKING:
    from pynenc_pg.memory.database import MemDatabase
    from pynenc_pg.memory.rows import Row

S = InvocationStatus
_BEGUN: Final = frozenset({S.RUNNING, S.RESUMED})
#: Reasons of those that somebody else wakes.
_WOKEN: Final = frozenset({Reason.EVENT, Reason.PAUSED})


@dataclass(slots=True, eq=False)
class Wait:
    """An event that is waited for at a path."""

    code: str
    filter: Mapping[str, Any] | None
    since: datetime
    heard: bool = False  # one has come that was not looked at, while the invocation was at work


@dataclass(slots=True, eq=False)
class Run:
    """What is known of the steps of one invocation."""

    steps: dict[tuple[str, int], Step] = field(default_factory=dict)  # by path and run
    waits: dict[str, Wait] = field(default_factory=dict)  # by path
    paused_at: datetime | None = None
    pause_reason: str | None = None
    resumed: bool = False  # while it was at work
    forked_from: InvocationId | None = None


@dataclass(slots=True, eq=False)
class Runs:
    """All of them. An invocation that is no workflow has none."""

    by_id: dict[InvocationId, Run] = field(default_factory=dict)
    data: dict[InvocationId, dict[str, str]] = field(default_factory=dict)  # by workflow
    waiting: dict[str, dict[InvocationId, None]] = field(default_factory=dict)  # by code

    def of(self, which: InvocationId) -> Run:
        """Return the one of an invocation, which begins here if there is none."""
        return self.by_id.setdefault(which, Run())

    def steps(self, which: InvocationId) -> Mapping[tuple[str, int], Step]:
        """Return those of an invocation."""
        run = self.by_id.get(which)
        return {} if run is None else run.steps

    def wait(self, which: InvocationId, path: str, code: str, now: datetime) -> Wait:
        """Wait for an event at a path from now on, or go on with it."""
        wait = self.of(which).waits.setdefault(path, Wait(code, None, now))
        if wait.code != code:
            self._leave(which, wait.code)
            wait.code = code
        self.waiting.setdefault(code, {})[which] = None
        return wait

    def stop_waiting(self, which: InvocationId, path: str | None = None) -> None:
        """Wait at a path no more, or at none."""
        run = self.by_id.get(which)
        for each in [] if run is None else [path] if path is not None else list(run.waits):
            wait = run.waits.pop(each, None) if run is not None else None
            if wait is not None:
                self._leave(which, wait.code)

    def _leave(self, which: InvocationId, code: str) -> None:
        waiting = self.waiting.get(code, {})
        if not any(wait.code == code for wait in self.by_id[which].waits.values()):
            waiting.pop(which, None)
        if not waiting:
            self.waiting.pop(code, None)


def author_row(database: MemDatabase, author: Author) -> Row:
    """Return the invocation that an author executes.

    Raises:
        InvocationStatusOwnershipError: it does not (any more).
    """
    hold = author.hold
    row = database.live.get(hold.invocation_id)
    if (
        row is None
        or (row.runner_id, row.lease) != (author.runner_id, hold.lease)
        or row.status not in _BEGUN
    ):
        message = (
            f"invocation {hold.invocation_id} takes no step: runner {author.runner_id} does not "
            "execute it (any more). It was given to another runner; its task must stop"
        )
        raise InvocationStatusOwnershipError(message)
    return row


def check_not_paused(database: MemDatabase, which: InvocationId) -> None:
    """Refuse a new step of a run that is paused.

    Raises:
        WorkflowPausedError: it is.
    """
    run = database.runs.by_id.get(which)
    if run is not None and run.paused_at is not None:
        message = f"the run {which} is paused{run.pause_reason and ': ' + run.pause_reason}"
        raise WorkflowPausedError(message)


def check_room(database: MemDatabase, which: InvocationId, step: NewStep) -> None:
    """Refuse a step that is one too many.

    Raises:
        DataRejectedError: it is.
    """
    there = len(database.runs.steps(which))
    if there >= MOST_STEPS:
        message = (
            f"step {step.path} ({step.kind}) of invocation {which}: there are {there:,} "
            f"steps already, and no more than {MOST_STEPS:,} are kept of one invocation. Have a "
            "part of the work done by a task that is a workflow of its own"
        )
        raise DataRejectedError(message)


def write(
    database: MemDatabase,
    which: InvocationId,
    step: NewStep,
    value: str | None,
    child_id: InvocationId | None = None,
) -> Step:
    """Write a step where nothing stands."""
    at = database.clock()
    if step.delay is not None:
        value = json.dumps((at + timedelta(seconds=min(step.delay, FOREVER))).isoformat())
    written = Step(
        path=step.path,
        kind=step.kind,
        about=step.about,
        value=value,
        at=at,
        run=step.run,
        retries=step.retries,
        survived=step.survived,
        key=step.key,
        event_id=step.event_id,
        child_id=child_id,
    )
    database.runs.of(which).steps[step.path, step.run] = written
    return written


def seen(database: MemDatabase, step: Step, now: datetime) -> Step:
    """Return a step as it looks now: how its child has ended, how long it sleeps still."""
    if step.child_id is not None:
        ended = database.ended.get(step.child_id)
        failed = ended is not None and ended.outcome.status is not S.SUCCESS
        return replace(step, failed=failed)
    if step.kind is StepKind.SLEEP and step.value is not None:
        end = datetime.fromisoformat(json.loads(step.value))
        return replace(step, left=(end - now).total_seconds())
    return step


def live_children(database: MemDatabase, which: InvocationId) -> list[Row]:
    """Return what is live of the calls in the steps of an invocation, and of those in theirs."""
    found: dict[InvocationId, Row] = {}
    ahead = [which]
    while ahead:
        for step in database.runs.steps(ahead.pop()).values():
            child = step.child_id
            if child is None or child == which or child in found or child not in database.live:
                continue
            found[child] = database.live[child]
            ahead.append(child)
    return list(found.values())


def wake(database: MemDatabase, row: Row) -> bool:
    """Make it ready, if it is one that somebody else wakes; whether it is."""
    if row.status is not S.RETRY or row.reason not in _WOKEN:
        return False
    if row.due_at is not None:
        row.due_at = None
        if row.expires_at is None:
            database.timed.discard(row.invocation_id)
        database.offer(row)
        database.tell("work")
    return True


def is_woken(database: MemDatabase, row: Row, reason: Reason) -> bool:
    """Whether one that is to be woken by others was, while it was at work. It counts once."""
    run = database.runs.by_id.get(row.invocation_id)
    if run is None or reason not in _WOKEN:
        return False
    woken = run.resumed or any(wait.heard for wait in run.waits.values())
    run.resumed = False
    for wait in run.waits.values():
        wait.heard = False
    return woken

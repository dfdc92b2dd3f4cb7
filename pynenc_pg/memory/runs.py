"""Runs of workflows in memory: what they have done, what they wait for, and who wakes them.

Whoever calls a function holds the lock of the database.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.workflows import FOREVER, Author, Fork, NewStep, Step, StepKind
from pynenc_pg.exceptions import (
    InvocationStatusOwnershipError,
    WorkflowPausedError,
)
from pynenc_pg.invocation.status import InvocationStatus, Reason

if TYPE_CHECKING:
    from pynenc_pg.memory.database import MemDatabase
    from pynenc_pg.memory.rows import Row

S = InvocationStatus
_BEGUN: Final = frozenset({S.RUNNING, S.RESUMED, S.PAUSED})
#: Reasons of those that somebody else wakes.
_WOKEN: Final = frozenset({Reason.EVENT, Reason.PAUSED})


@dataclass(slots=True, eq=False)
class Wait:
    """An event that is waited for at a path."""

    code: str
    filter: Mapping[str, Any] | None
    until: datetime | None


@dataclass(slots=True, eq=False)
class Run:
    """What is known of an invocation that is a workflow: from its first step on, or a pause."""

    began_at: datetime
    steps: dict[tuple[str, int], Step] = field(default_factory=dict)  # by path and run
    waits: dict[str, Wait] = field(default_factory=dict)  # by path
    paused_at: datetime | None = None
    pause_reason: str | None = None
    forked_from: InvocationId | None = None


@dataclass(slots=True, eq=False)
class Runs:
    """All of them."""

    by_id: dict[InvocationId, Run] = field(default_factory=dict)
    data: dict[InvocationId, dict[str, str]] = field(default_factory=dict)  # by workflow
    waiting: dict[str, dict[InvocationId, None]] = field(default_factory=dict)  # by code
    woken: dict[InvocationId, None] = field(default_factory=dict)  # ``promote`` makes them ready

    def steps(self, which: InvocationId) -> Mapping[tuple[str, int], Step]:
        """Return those of an invocation."""
        run = self.by_id.get(which)
        return {} if run is None else run.steps

    def stop_waiting(self, which: InvocationId, path: str | None = None) -> None:
        """Wait at a path no more, or at none."""
        run = self.by_id.get(which)
        if run is None:
            return
        for each in list(run.waits) if path is None else [path]:
            wait = run.waits.pop(each, None)
            if wait is None or any(other.code == wait.code for other in run.waits.values()):
                continue
            waiting = self.waiting[wait.code]
            del waiting[which]
            if not waiting:
                del self.waiting[wait.code]


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
            f"invocation {hold.invocation_id} is not executed by runner {author.runner_id} with "
            f"lease {hold.lease}: it was given to another runner, or has ended"
        )
        raise InvocationStatusOwnershipError(message)
    return row


def begin_run(database: MemDatabase, which: InvocationId) -> Run:
    """Make the run of an invocation with its first step; return it."""
    return database.runs.by_id.setdefault(which, Run(database.clock()))


def check_not_paused(database: MemDatabase, which: InvocationId) -> None:
    """Refuse a new step of a run that is paused.

    Raises:
        WorkflowPausedError: it is.
    """
    run = database.runs.by_id.get(which)
    if run is not None and run.paused_at is not None:
        message = f"the run {which} is paused{run.pause_reason and ': ' + run.pause_reason}"
        raise WorkflowPausedError(message)


def write(
    run: Run,
    step: NewStep,
    value: str | None,
    at: datetime,
    child_id: InvocationId | None = None,
) -> Step:
    """Write a step where nothing stands."""
    written = run.steps[step.path, step.run] = Step(
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
    return written


def seen(database: MemDatabase, run: Run, step: Step) -> Step:
    """Return a step as it looks now: how its child has ended, how long it rests still."""
    match step.kind:
        case StepKind.TASK if step.child_id is not None:
            ended = database.ended.get(step.child_id)
            failed = ended is not None and ended.outcome.status is not S.SUCCESS
            return replace(step, failed=failed)
        case StepKind.SLEEP if step.value is not None:
            end = datetime.fromisoformat(json.loads(step.value))
            return replace(step, left=(end - database.clock()).total_seconds())
        case StepKind.PAUSE if run.paused_at is not None:
            return replace(step, left=FOREVER)
    return step


def fork_steps(database: MemDatabase, fork: Fork, which: InvocationId) -> None:
    """Give a call that is being registered the steps of another run, and its data."""
    if which in database.runs.by_id:  # a repetition
        return
    source, before = database.runs.by_id[fork.source], _place(fork.before)
    steps = {
        key: replace(step, retries=0)
        for key, step in source.steps.items()
        if _place(key[0]) < before
    }
    database.runs.by_id[which] = Run(database.clock(), steps, forked_from=fork.source)
    workflow_id = database.calls[fork.source].workflow_id
    database.runs.data[which] = dict(database.runs.data.get(workflow_id, {}))


def _place(path: str) -> tuple[int, ...]:
    return tuple(int(number) for number in path.split("."))


def live_children(database: MemDatabase, which: InvocationId) -> list[Row]:
    """Return what is live of an invocation's own calls in its steps, and of those in theirs.

    Another one's call that it became one with is not its own, nor are those of the run that it was
    forked from.
    """
    found: dict[InvocationId, Row] = {}
    ahead = [which]
    while ahead:
        parent = ahead.pop()
        for step in database.runs.steps(parent).values():
            row = database.live.get(step.child_id) if step.child_id else None
            if row is None or row.call.batch.parent_id != parent or row.invocation_id in found:
                continue
            found[row.invocation_id] = row
            ahead.append(row.invocation_id)
    return list(found.values())


def wake_workflows(database: MemDatabase, limit: int) -> int:
    """Make those ready that were woken; what is at work stays woken until it rests."""
    woken, ready = database.runs.woken, 0
    for which in sorted(woken)[:limit]:
        row = database.live.get(which)
        if row is not None and row.runner_id is not None:
            continue
        del woken[which]
        if row is None or row.due_at is None:
            continue
        if row.status is S.RETRY and row.reason in _WOKEN:
            ready += 1
            row.due_at = None
            if row.expires_at is None:
                database.timed.discard(which)
            database.offer(row)
    return ready

"""Remembers, in memory: the same as the SQL functions of these names do."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.workflows import (
    Author,
    Look,
    NewStep,
    SeenEvent,
    Step,
    StepKind,
    WaitSpec,
    WorkflowInfo,
)
from pynenc_pg.exceptions import InvocationNotFoundError, InvocationStatusError
from pynenc_pg.memory.causes import Event, may_meet
from pynenc_pg.memory.checks import check_new_step
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.rows import Row
from pynenc_pg.memory.runs import (
    Run,
    author_row,
    check_not_paused,
    check_room,
    seen,
    wake,
    write,
)


class MemWorkflows:
    """See ``pynenc_pg.workflow_port.Workflows``."""

    def __init__(self, database: MemDatabase) -> None:
        """Share the state with the other components."""
        self._database = database

    # --- steps --------------------------------------------------------------------------------

    def record_step(self, author: Author, step: NewStep) -> Step:
        """Write a step, or read back the one that stands there."""
        database, which = self._database, author.hold.invocation_id
        check_new_step(step)
        with database.lock:
            row = author_row(database, author)
            stands = database.runs.steps(which).get((step.path, step.run))
            if stands is None:
                check_not_paused(database, which)
                check_room(database, which, step)
                stands = write(database, which, step, self._do(row, step))
            return seen(database, stands, database.clock())

    def _do(self, row: Row, step: NewStep) -> str | None:
        """Do what goes with a step; return its value."""
        runs = self._database.runs
        workflow_id = step.workflow_id or row.call.workflow_id
        match step.kind, step.key:
            case StepKind.SET_DATA, str(key):
                runs.data.setdefault(workflow_id, {})[key] = step.value or "null"
            case StepKind.GET_DATA, str(key):
                return runs.data.get(workflow_id, {}).get(key)
            case StepKind.EVENT, _:
                runs.stop_waiting(row.invocation_id, step.path)
        return step.value

    def steps(self, invocation_id: InvocationId) -> list[Step]:
        """Return all that stand written, in the order in which they were."""
        database = self._database
        with database.lock:
            now = database.clock()
            found = database.runs.steps(invocation_id).values()
            return [seen(database, step, now) for step in found]

    def copy_steps(self, source: InvocationId, target: InvocationId, before: str) -> int:
        """Give an invocation that has not begun the steps of another one before a path."""
        database = self._database
        with database.lock:
            row, known = database.live.get(target), database.calls.get(target)
            if known is None:
                raise self._unknown(target)
            if row is None or row.rev > 0:
                message = f"invocation {target} has begun, or has ended: its steps are its own"
                raise InvocationStatusError(message)
            if source not in database.calls:
                raise self._unknown(source)
            place = _place(before)
            found = database.runs.steps(source).items()
            copied = {key: step for key, step in found if _place(key[0]) < place}
            run = database.runs.of(target)
            run.steps, run.forked_from = copied, source
            if database.calls[source].workflow_id == source and known.workflow_id == target:
                database.runs.data[target] = dict(database.runs.data.get(source, {}))
            return len(copied)

    # --- events -------------------------------------------------------------------------------

    def await_event(self, author: Author, wait: WaitSpec, skip: Collection[str] = ()) -> Look:
        """Return the first event that may be it; else have the invocation woken by the next."""
        database, which = self._database, author.hold.invocation_id
        with database.lock:
            row = author_row(database, author)
            check_not_paused(database, which)
            now = database.clock()
            waits = database.runs.wait(which, wait.path, wait.code, now)
            waits.filter, waits.heard = wait.filter, False
            left = None
            if wait.timeout is not None:
                left = wait.timeout - (now - waits.since).total_seconds()
            found = self._first(row, wait, skip)
            if found is None:
                return Look(None, left)
            new = found.new
            return Look(SeenEvent(new.event_id, new.payload, found.at), left)

    def _first(self, row: Row, wait: WaitSpec, skip: Collection[str]) -> Event | None:
        steps = self._database.runs.steps(row.invocation_id)
        taken = {step.event_id for step in steps.values()}
        candidates = (
            event
            for event in self._database.causes.events.values()
            if event.new.code == wait.code
            and event.at >= row.call.registered_at
            and event.new.workflow_id in (None, row.invocation_id)
            and event.new.event_id not in taken
            and event.new.event_id not in skip
            and (wait.filter is None or may_meet(wait.filter, event.new.payload))
        )
        return min(candidates, key=lambda e: (e.at, e.new.event_id), default=None)

    # --- runs ---------------------------------------------------------------------------------

    def data(self, workflow_id: InvocationId) -> dict[str, str]:
        """Return the data of a workflow by key."""
        with self._database.lock:
            return dict(self._database.runs.data.get(workflow_id, {}))

    def info(self, invocation_id: InvocationId) -> WorkflowInfo:
        """Return where a run stands."""
        database = self._database
        with database.lock:
            call = database.calls.get(invocation_id)
            if call is None:
                raise self._unknown(invocation_id)
            parent_id = call.batch.parent_id
            parent = None if parent_id is None else database.calls.get(parent_id)
            above = None if parent is None else parent.workflow_id
            run = database.runs.by_id.get(invocation_id, Run())
            return WorkflowInfo(
                invocation_id=invocation_id,
                task_id=call.batch.task_id,
                workflow_id=call.workflow_id,
                parent_workflow_id=None if above == call.workflow_id else above,
                began_at=_began(run),
                paused_at=run.paused_at,
                pause_reason=run.pause_reason,
                forked_from=run.forked_from,
                steps=len(run.steps),
            )

    def pause_workflow(
        self, invocation_id: InvocationId, reason: str = "", *, paused: bool = True
    ) -> bool:
        """Let a run stop at its next step, or go on."""
        database = self._database
        with database.lock:
            row = database.live.get(invocation_id)
            if row is None:
                return False
            run = database.runs.of(invocation_id)
            if paused:
                run.paused_at = run.paused_at or database.clock()
                run.pause_reason, run.resumed = reason, False
            elif run.paused_at is not None:
                run.paused_at = run.pause_reason = None
                run.resumed = not wake(database, row)
            return True

    def _unknown(self, invocation_id: InvocationId) -> InvocationNotFoundError:
        return InvocationNotFoundError(
            f"no invocation {invocation_id} in app {self._database.app_id!r}: never registered "
            "in this process, whose memory is the store, or purged"
        )


def _place(path: str) -> tuple[int, ...]:
    return tuple(int(number) for number in path.split("."))


def _began(run: Run) -> datetime | None:
    return next((step.at for step in run.steps.values()), None)

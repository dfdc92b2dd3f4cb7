"""Remembers, in memory: the same as the SQL functions of these names do."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.workflows import (
    Author,
    Look,
    NewStep,
    RunInfo,
    SeenEvent,
    Step,
    StepKind,
    WaitSpec,
    WorkflowInfo,
)
from pynenc_pg.exceptions import InvocationNotFoundError
from pynenc_pg.memory.causes import Event, may_meet
from pynenc_pg.memory.checks import check_new_step, check_value, check_wait
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.rows import Row
from pynenc_pg.memory.runs import (
    Run,
    Wait,
    author_row,
    begin_run,
    check_not_paused,
    seen,
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
        with database.lock:
            row = author_row(database, author)
            stands = database.runs.steps(which).get((step.path, step.run))
            if stands is not None:
                return seen(database, database.runs.by_id[which], stands)
            check_new_step(step)
            if step.kind is not StepKind.STEP:  # a function has been called already
                check_not_paused(database, which)
            check_value(step)
            run, now = begin_run(database, which), database.clock()
            written = write(run, step, self._do(row, run, step, now), now)
            return seen(database, run, written)

    def _do(self, row: Row, run: Run, step: NewStep, now: datetime) -> str | None:
        """Do what goes with a step; return its value."""
        runs, workflow_id = self._database.runs, row.call.workflow_id
        match step.kind:
            case StepKind.SET_DATA:
                runs.data.setdefault(workflow_id, {})[step.key or ""] = step.value or "null"
            case StepKind.GET_DATA:
                return runs.data.get(workflow_id, {}).get(step.key or "")
            case StepKind.SLEEP:
                return json.dumps((now + timedelta(seconds=step.delay or 0)).isoformat())
            case StepKind.EVENT:
                runs.stop_waiting(row.invocation_id, step.path)
            case StepKind.PAUSE:
                reason = json.loads(step.value or "null")
                text = reason is None or isinstance(reason, str)
                run.paused_at, run.pause_reason = now, reason if text else step.value
        return step.value

    def steps(self, invocation_id: InvocationId) -> list[Step]:
        """Return all that stand written, in the order in which they were."""
        database = self._database
        with database.lock:
            run = database.runs.by_id.get(invocation_id)
            return [] if run is None else [seen(database, run, s) for s in run.steps.values()]

    # --- events -------------------------------------------------------------------------------

    def await_event(self, author: Author, wait: WaitSpec, skip: Collection[str] = ()) -> Look:
        """Return the first event that may be it; else have the invocation woken by the next."""
        database, which = self._database, author.hold.invocation_id
        with database.lock:
            row = author_row(database, author)
            check_wait(wait)
            check_not_paused(database, which)
            run, now = begin_run(database, which), database.clock()
            if wait.path not in run.waits:
                until = None if wait.timeout is None else now + timedelta(seconds=wait.timeout)
                run.waits[wait.path] = Wait(wait.code, wait.filter, until)
                database.runs.waiting.setdefault(wait.code, {})[which] = None
            until = run.waits[wait.path].until
            left = None if until is None else (until - now).total_seconds()
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
            root = database.calls.get(call.workflow_id)
            above = root and root.batch.parent_id and database.calls.get(root.batch.parent_id)
            info = WorkflowInfo(
                invocation_id=invocation_id,
                task_id=call.batch.task_id,
                workflow_id=call.workflow_id,
                parent_workflow_id=above.workflow_id if above else None,
                began_at=None,
                paused_at=None,
                pause_reason=None,
                forked_from=None,
            )
            run = database.runs.by_id.get(invocation_id)
            if run is None:
                return info
            return replace(
                info,
                began_at=run.began_at,
                paused_at=run.paused_at,
                pause_reason=run.pause_reason,
                forked_from=run.forked_from,
                steps=len(run.steps),
            )

    def runs(
        self,
        task_id: str | None = None,
        *,
        live: bool = False,
        limit: int = 100,
        before: InvocationId | None = None,
    ) -> list[RunInfo]:
        """Return runs that have taken a step or were paused, the latest first."""
        database = self._database
        with database.lock:
            found = [
                which
                for which in sorted(database.runs.by_id, reverse=True)
                if (before is None or which < before)
                and (which in database.live or not live)
                and (task_id is None or database.calls[which].batch.task_id == task_id)
            ]
            return [self._run_info(which) for which in found[:limit]]

    def _run_info(self, which: InvocationId) -> RunInfo:
        database = self._database
        run, info, row = database.runs.by_id[which], self.info(which), database.live.get(which)
        stands = database.ended[which].outcome if row is None else row
        waits = sorted(
            run.waits.items(), key=lambda item: (item[1].until is None, item[1].until, item[0])
        )
        return RunInfo(
            invocation_id=which,
            task_id=info.task_id,
            status=stands.status,
            reason=stands.reason,
            workflow_id=info.workflow_id,
            parent_workflow_id=info.parent_workflow_id,
            began_at=run.began_at,
            paused_at=run.paused_at,
            pause_reason=run.pause_reason,
            wakes_at=row.due_at if row else None,
            awaits_event=waits[0][1].code if waits else None,
            forked_from=run.forked_from,
            steps=len(run.steps),
        )

    def pause_workflow(
        self, invocation_id: InvocationId, reason: str = "", *, paused: bool = True
    ) -> bool:
        """Let a run stop at its next step, or go on."""
        database = self._database
        with database.lock:
            if invocation_id not in database.live:
                return False
            if paused:
                now = database.clock()
                run = database.runs.by_id.setdefault(invocation_id, Run(now))
                run.paused_at, run.pause_reason = run.paused_at or now, reason
                return True
            if (known := database.runs.by_id.get(invocation_id)) is not None:
                known.paused_at = known.pause_reason = None
            database.runs.woken[invocation_id] = None
            database.tell("due", due_in=0)
            return True

    def _unknown(self, invocation_id: InvocationId) -> InvocationNotFoundError:
        return InvocationNotFoundError(
            f"no invocation {invocation_id} in app {self._database.app_id!r}: never registered "
            "in this process, whose memory is the store, or purged"
        )

"""Remembers: each method calls the SQL function of its name, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

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
from pynenc_pg.exceptions import DataRejectedError, InvocationNotFoundError
from pynenc_pg.invocation.status import InvocationStatus

if TYPE_CHECKING:
    from pynenc_pg.postgres.database import PgDatabase

_STEP: Final = """select path, kind, about, value, at, run, retries, survived, key, event_id::text,
    child_id::text, failed, left_seconds from {schema}"""
_RECORD_STEP: Final = f"""{_STEP}.record_step(
    %s, %s, %s::uuid, %s, %s, %s, %s, %s, %s, %s, %s::text[], %s, %s::uuid, %s)"""
_STEPS: Final = f"{_STEP}.workflow_steps(%s, %s::uuid)"
_AWAIT_EVENT: Final = """select event_id::text, payload, emitted_at, left_seconds
from {schema}.await_event(%s, %s, %s::uuid, %s, %s, %s, %s::jsonb, %s, %s::uuid[])"""
_RUNS: Final = """select invocation_id::text, task_id, status, reason, workflow_id::text,
parent_workflow_id::text, began_at, paused_at, pause_reason, wakes_at, awaits_event,
forked_from::text, steps from {schema}.workflow_runs(%s, %s, %s, %s, %s::uuid)"""
_INFO: Final = """select invocation_id::text, task_id, workflow_id::text, parent_workflow_id::text,
began_at, paused_at, pause_reason, forked_from::text, steps
from {schema}.workflow_info(%s, %s::uuid)"""


class PgWorkflows:
    """See ``pynenc_pg.ports.Workflows``."""

    def __init__(self, database: PgDatabase) -> None:
        """Use the pool of ``database``."""
        self._database = database
        self._app = database.app_id

    def record_step(self, author: Author, step: NewStep) -> Step:
        """Write a step, or read back the one that stands at its path and run."""
        [row] = self._database.call(
            _RECORD_STEP,
            (
                *self._author(author),
                step.path,
                step.run,
                str(step.kind),
                step.about,
                step.value,
                step.retries,
                list(step.survived),
                step.key,
                step.event_id,
                step.delay,
            ),
        )
        return _step(row)

    def steps(self, invocation_id: InvocationId) -> list[Step]:
        """Return all that stand written, in the order in which they were."""
        return [_step(row) for row in self._database.call(_STEPS, (self._app, invocation_id))]

    def await_event(self, author: Author, wait: WaitSpec, skip: Collection[str] = ()) -> Look:
        """Return the first event that may be it; else have the invocation woken by the next one."""
        wanted = None if wait.filter is None else json.dumps(wait.filter)
        [[event_id, payload, at, left]] = self._database.call(
            _AWAIT_EVENT,
            (
                *self._author(author),
                wait.path,
                wait.code,
                wanted,
                wait.timeout,
                list(skip),
            ),
        )
        return Look(None if event_id is None else SeenEvent(event_id, payload, at), left)

    def data(self, workflow_id: InvocationId) -> dict[str, str]:
        """Return the data of a workflow by key, each as JSON."""
        statement = "select key, value from {schema}.workflow_values(%s, %s::uuid)"
        rows = self._database.call(statement, (self._app, workflow_id))
        found: dict[str, str] = dict(rows)
        return found

    def info(self, invocation_id: InvocationId) -> WorkflowInfo:
        """Return where a run stands."""
        try:
            rows = self._database.call(_INFO, (self._app, invocation_id))
        except DataRejectedError:  # not an id at all
            rows = []
        if not rows:
            message = f"no invocation {invocation_id}: never registered, purged, or past retention"
            raise InvocationNotFoundError(message)
        return WorkflowInfo(*rows[0])

    def runs(
        self,
        task_id: str | None = None,
        *,
        live: bool = False,
        limit: int = 100,
        before: InvocationId | None = None,
    ) -> list[RunInfo]:
        """Return runs that have taken a step or were paused, the latest first."""
        rows = self._database.call(_RUNS, (self._app, task_id, live, limit, before))
        return [
            RunInfo(which, task, InvocationStatus(status), *rest)
            for which, task, status, *rest in rows
        ]

    def pause_workflow(
        self, invocation_id: InvocationId, reason: str = "", *, paused: bool = True
    ) -> bool:
        """Let a run stop at its next step, or go on; whether it is live."""
        statement = "select {schema}.pause_workflow(%s, %s::uuid, %s, %s)"
        parameters = (self._app, invocation_id, reason, paused)
        [[live]] = self._database.call(statement, parameters)
        return bool(live)

    def _author(self, author: Author) -> tuple[Any, ...]:
        hold = author.hold
        return (self._app, author.runner_id, hold.invocation_id, hold.lease)


def _step(row: tuple[Any, ...]) -> Step:
    path, kind, about, value, at, run, retries, survived, key, *rest = row
    event_id, child_id, failed, left = rest
    return Step(
        path,
        StepKind(kind),
        about,
        value,
        at,
        run,
        retries,
        tuple(survived),
        key,
        event_id,
        None if child_id is None else InvocationId(child_id),
        failed,
        left,
    )

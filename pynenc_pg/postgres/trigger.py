"""Reacts: each method calls the SQL function of its name, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from pynenc_pg.domain.causes import (
    Fired,
    Look,
    NewEvent,
    ScheduleState,
    Source,
    Taken,
    TriggerInfo,
    TriggerSpec,
    WaitingCause,
)
from pynenc_pg.domain.ids import RunnerId
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.postgres import borrowed
from pynenc_pg.postgres.templates import render

if TYPE_CHECKING:
    from pynenc_pg.postgres.database import PgDatabase

_EMIT: Final = """select {schema}.emit(
    %s, cast(%s as uuid), %s, %s, %s, cast(%s as uuid))"""


class PgTrigger:
    """See ``pynenc_pg.ports.Trigger``."""

    def __init__(self, database: PgDatabase) -> None:
        """Use the pool of ``database``."""
        self._database = database
        self._app = database.app_id

    def register_triggers(self, tasks: Collection[str], triggers: Sequence[TriggerSpec]) -> None:
        """Tell all triggers of these tasks."""
        statement = "select {schema}.register_triggers(%s, %s::text[], %s)"
        self._call(statement, list(tasks), json.dumps([_told(one) for one in triggers]))

    def emit(self, event: NewEvent) -> None:
        """Write an event."""
        self._database.call(_EMIT, self._event(event))

    def emit_within(self, session: object, event: NewEvent) -> None:
        """Write an event in the caller's own transaction."""
        borrowed.run(session, render(_EMIT, self._database.schema), self._event(event))

    async def emit_within_async(self, session: object, event: NewEvent) -> None:
        """Like ``emit_within``, for a session that is awaited."""
        statement = render(_EMIT, self._database.schema)
        await borrowed.run_async(session, statement, self._event(event))

    def take_causes(
        self,
        runner_id: RunnerId,
        versions: Mapping[str, str],
        limit: int = 100,
        seconds: float = 60.0,
    ) -> list[Taken]:
        """Take causes of these triggers, to be looked at in that time."""
        if not versions:
            return []
        rows = self._call(
            "select * from {schema}.take_causes(%s, %s, %b::text[], %b::text[], %s, %s)",
            runner_id,
            list(versions),
            list(versions.values()),
            limit,
            seconds,
        )
        return [
            Taken(cause_id, which, attempt, tuple(_source(row) for row in group))
            for (cause_id, which, attempt), group in groupby(rows, key=lambda row: row[:3])
        ]

    def settle_causes(self, looks: Sequence[Look]) -> int:
        """Tell what came of looking, without a firing."""
        [[done]] = self._call(
            """select {schema}.settle_causes(%s, %s::bigint[], %s::integer[], %s::text[],
                                             %s::float8[], %s::text[])""",
            [look.cause_id for look in looks],
            [look.attempt for look in looks],
            [str(look.verdict) for look in looks],
            [float(look.delay) for look in looks],
            [None if look.error is None else look.error.replace("\0", "") for look in looks],
        )
        return int(done)

    def waiting_causes(self, trigger_id: str, limit: int = 1000) -> list[WaitingCause]:
        """Return what waits for others, the oldest first; of each condition so many."""
        rows = self._call("select * from {schema}.waiting_causes(%s, %s, %s)", trigger_id, limit)
        return [WaitingCause(*row) for row in rows]

    def pair_causes(
        self, trigger_id: str, sets: Sequence[Sequence[int]], dropped: Sequence[int]
    ) -> bool:
        """Have sets of causes fire as one, and drop others."""
        [[done]] = self._call(
            "select {schema}.pair_causes(%s, %s, %s, %s::bigint[])",
            trigger_id,
            json.dumps([list(one) for one in sets]),
            list(dropped),
        )
        return bool(done)

    def next_cause(self, versions: Mapping[str, str] | None = None) -> float | None:
        """Return the seconds until a cause is to be looked at."""
        [[seconds]] = self._call(
            "select {schema}.next_cause(%s, %s::text[], %s::text[])",
            None if versions is None else list(versions),
            None if versions is None else list(versions.values()),
        )
        return None if seconds is None else max(0.0, seconds)

    def schedules(self) -> list[ScheduleState]:
        """Return where all schedules stand that are not paused."""
        return [
            ScheduleState(trigger_id, condition_id, json.loads(condition), *times)
            for trigger_id, condition_id, condition, *times in self._call(
                "select * from {schema}.schedules(%s)"
            )
        ]

    def tick(
        self,
        state: ScheduleState,
        ticks: Sequence[datetime],
        settled: datetime,
        next_at: datetime,
    ) -> bool:
        """Note ticks as causes."""
        [[done]] = self._call(
            "select {schema}.tick(%s, %s, %s, %s, %s::timestamptz[], %s, %s)",
            state.trigger_id,
            state.condition_id,
            state.settled,
            list(ticks),
            settled,
            next_at,
        )
        return bool(done)

    def reschedule(
        self, trigger_id: str, condition_id: str, edited: Mapping[str, Any] | None
    ) -> bool:
        """Let a schedule have other times from now on."""
        [[found]] = self._call(
            "select {schema}.reschedule(%s, %s, %s, %s)",
            trigger_id,
            condition_id,
            None if edited is None else json.dumps(edited),
        )
        return bool(found)

    def pause_trigger(self, trigger_id: str, *, paused: bool = True) -> bool:
        """Let a trigger rest, or go on."""
        [[found]] = self._call("select {schema}.pause_trigger(%s, %s, %s)", trigger_id, paused)
        return bool(found)

    def retry_causes(self, trigger_id: str) -> int:
        """Look at causes again that were parked."""
        [[count]] = self._call("select {schema}.retry_causes(%s, %s)", trigger_id)
        return int(count)

    def triggers(self) -> list[TriggerInfo]:
        """Return all there are, by id."""
        return [
            TriggerInfo(trigger_id, task_id, json.loads(definition), *rest)
            for trigger_id, task_id, definition, *rest in self._call(
                "select * from {schema}.triggers_of(%s)"
            )
        ]

    def fired(self, trigger_id: str | None = None, limit: int = 100) -> list[Fired]:
        """Return what was fired or dropped, the latest first."""
        rows = self._call("select * from {schema}.fired(%s, %s, %s)", trigger_id, limit)
        return [
            Fired(fired_by, task_id, tuple(json.loads(causes)), *rest)
            for fired_by, task_id, causes, *rest in rows
        ]

    def _event(self, event: NewEvent) -> tuple[object, ...]:
        what = (event.event_id, event.code, event.payload, event.emitted_by)
        return (self._app, *what, event.workflow_id)

    def _call(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._database.call(statement, (self._app, *parameters))


def _told(trigger: TriggerSpec) -> dict[str, Any]:
    return {
        "trigger_id": trigger.trigger_id,
        "task_id": trigger.task_id,
        "definition": trigger.definition,
        "version": trigger.version,
        "pairs": trigger.pairs,
        "within": trigger.within,
        "watches": [
            {"what": w.what, "about": w.about, "condition_id": w.condition_id, "filter": w.filter}
            for w in trigger.watches
        ],
        "schedules": [
            {"condition_id": s.condition_id, "condition": s.condition} for s in trigger.schedules
        ],
    }


def _source(row: Sequence[Any]) -> Source:
    _, _, _, condition_id, at, source_id, status, *rest = row
    return Source(condition_id, at, source_id, status and InvocationStatus(status), *rest)

"""What people look for among invocations, page by page; for the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pynenc_pg.postgres.database import PgDatabase

_LIST: Final = """
select invocation_id::text, task_id, queue, status, reason, runner_id, arguments, error, retries,
       recoveries, parent_id::text, workflow_id::text, registered_at, status_at, finished_at,
       due_at, looked_to::text
from {schema}.list_invocations(%s, %s::json, %s::uuid, %s, make_interval(secs => %s))
"""
#: Seconds of one look through what does not fit.
_STEP: Final = 2.0
_TREE: Final = """
select invocation_id::text, parent_id::text, level, task_id, status, step, workflow_id::text,
       registered_at
from {schema}.workflow_tree(%s::uuid)
"""
_RUNNERS: Final = """
select runner_id, runner_cls, hostname, pid, queues, concurrency, health, holds, idle,
       heartbeat_at, lease_until, registered_at
from {schema}.runner_health where app_id = %s order by registered_at, runner_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What is looked for; None and nothing: whatever it is."""

    task: str | None = None
    queue: str | None = None
    statuses: Sequence[str] = ()  # one of these
    since: datetime | None = None  # called then or later
    until: datetime | None = None  # called before
    arguments: Mapping[str, str] = field(default_factory=dict)  # as text, or as JSON has them
    runner: str | None = None  # holds it, or has ended it
    parent: str | None = None
    workflow: str | None = None
    error: str | None = None  # a part of its text, whatever the case

    def as_json(self) -> str:
        """As the database takes it."""
        said: dict[str, Any] = {
            "task": self.task,
            "queue": self.queue,
            "statuses": list(self.statuses),
            "since": self.since and self.since.isoformat(),
            "until": self.until and self.until.isoformat(),
            "arguments": dict(self.arguments),
            "runner": self.runner,
            "parent": self.parent,
            "workflow": self.workflow,
            # As it stands in the database.
            "error": self.error and json.dumps(self.error.lower(), ensure_ascii=False)[1:-1],
        }
        return json.dumps({name: value for name, value in said.items() if value})


@dataclass(frozen=True, slots=True)
class Listed:
    """An invocation as a line of a list."""

    invocation_id: str
    task_id: str
    queue: str
    status: str
    reason: str | None
    runner_id: str | None
    arguments: str  # wire JSON
    error: str | None  # wire JSON, of one that failed
    retries: int
    recoveries: int
    parent_id: str | None
    workflow_id: str
    registered_at: datetime
    status_at: datetime
    finished_at: datetime | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Branch:
    """An invocation in the tree of those that it has called."""

    invocation_id: str
    parent_id: str | None
    level: int
    task_id: str
    status: str
    step: str | None  # of the workflow that called it
    workflow_id: str
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class RunnerInfo:
    """A runner as it told of itself, and whether it is believed alive."""

    runner_id: str
    runner_cls: str
    hostname: str
    pid: int
    queues: list[str]  # none: all
    concurrency: int
    health: str  # alive | lock gone | lease over | dead
    holds: int
    idle: bool
    heartbeat_at: datetime
    lease_until: datetime
    registered_at: datetime


def find(
    database: PgDatabase,
    wanted: Filter,
    after: str | None = None,
    limit: int = 20,
    within: float | None = None,
) -> list[Listed]:
    """Return those that fit, the latest first, older than ``after``.

    However long it takes; or what is found ``within`` so many seconds, more or less.
    """
    found: list[Listed] = []
    while len(found) < limit:
        asked = (database.app_id, wanted.as_json(), after, limit - len(found), within or _STEP)
        rows = database.call(_LIST, asked)
        found += [Listed(*row[:-1]) for row in rows if row[0] is not None]
        if not rows or rows[-1][-1] is None or within is not None:
            break
        after = rows[-1][-1]  # its patience was at its end
    return found


def tree(database: PgDatabase, invocation_id: str) -> list[Branch]:
    """Return an invocation and all that was called below it, in the order of the calls."""
    return [Branch(*row) for row in database.call(_TREE, (invocation_id,))]


def runners(database: PgDatabase) -> list[RunnerInfo]:
    """Return the runners of the app, the oldest first."""
    return [RunnerInfo(*row) for row in database.call(_RUNNERS, (database.app_id,))]

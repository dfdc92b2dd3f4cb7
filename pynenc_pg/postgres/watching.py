"""What stands where at one moment, and how much passes by; for ``pynenc-pg top``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pynenc_pg.domain.records import QueueInfo
from pynenc_pg.postgres.listing import Filter, Listed, RunnerInfo, find, runners
from pynenc_pg.postgres.state_backend import QUEUES

if TYPE_CHECKING:
    from pynenc_pg.postgres.database import PgDatabase

_AT_WORK: Final = """
select invocation_id::text, task_id, status, runner_id, since from {schema}.at_work(%s, %s)
"""
#: Seconds that are spent on looking for failures.
_BRIEFLY: Final = 0.2
#: The server's own counters of rows that were written: they cost nothing, and are of all apps.
_COUNTERS: Final = """
select clock_timestamp(),
       (select coalesce(sum(pg_stat_get_tuples_inserted(h.inhrelid)), 0)::bigint from pg_inherits h
        where h.inhparent = to_regclass('{schema}.invocation')),
       (select coalesce(sum(pg_stat_get_tuples_inserted(h.inhrelid)), 0)::bigint from pg_inherits h
        where h.inhparent = to_regclass('{schema}.invocation_outcome'))
"""


@dataclass(frozen=True, slots=True)
class AtWork:
    """What a runner holds."""

    invocation_id: str
    task_id: str
    status: str
    runner_id: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment. The counters only grow."""

    at: datetime
    called: int
    ended: int
    queues: Sequence[QueueInfo]
    runners: Sequence[RunnerInfo]
    longest: Sequence[AtWork]
    failed: Sequence[Listed]


def snapshot(database: PgDatabase, rows: int = 10) -> Snapshot:
    """Look; ``rows`` of each list."""
    app = database.app_id
    [(at, called, ended)] = database.call(_COUNTERS)
    return Snapshot(
        at=at,
        called=called,
        ended=ended,
        queues=[QueueInfo(*row) for row in database.call(QUEUES, (app,))],
        runners=runners(database),
        longest=[AtWork(*row) for row in database.call(_AT_WORK, (app, rows))],
        failed=find(database, Filter(statuses=["failed"]), limit=rows, within=_BRIEFLY),
    )


def rates(before: Snapshot | None, now: Snapshot) -> tuple[float, float] | None:
    """Return calls and ends per second since the one before, if there was one."""
    if before is None or now.at <= before.at:
        return None
    seconds = (now.at - before.at).total_seconds()
    return (
        max(0, now.called - before.called) / seconds,
        max(0, now.ended - before.ended) / seconds,
    )

"""What dead runners held, and what was not begun in time. The caller holds the lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pynenc_pg.domain.ids import RunnerId
from pynenc_pg.domain.records import Recovered, RecoveryPolicy
from pynenc_pg.invocation.status import InvocationStatus, Reason
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.lanes import free_slots
from pynenc_pg.memory.rows import Row

S = InvocationStatus
#: Reasons of a workflow that goes on later.
_RESTS = frozenset({Reason.SLEEPING, Reason.EVENT, Reason.PAUSED})


def recover(database: MemDatabase, policy: RecoveryPolicy) -> Recovered:
    """Mark the dead runners, take away what they held, and give it to others or end it.

    No session can be lost within one process: a runner lives by its lease alone.
    """
    now = database.clock()
    dead = [r for r in database.runners.values() if not r.dead and r.lease_until < now]
    for runner in dead:
        runner.dead = True
    if database.causes.come_back([runner.spec.runner_id for runner in dead], now):
        database.tell("cause")
    late = None if policy.max_pending is None else now - timedelta(seconds=policy.max_pending)
    rows = [row for row in database.live.values() if _orphan(database, row, late)][: policy.limit]
    for row in rows:
        _take_away(database, row, "recovery", pending=S.PENDING_RECOVERY, begun=S.RUNNING_RECOVERY)
    left = _quarantine(database, rows, policy.max_recoveries)
    reroute_stopped(database, left, "recovery")
    _tell(database, rows, "recovery")
    _forget_runners(database)
    return Recovered(
        rerouted=len(left),
        quarantined=len(rows) - len(left),
        dead_runners=tuple(runner.spec.runner_id for runner in dead),
    )


def reroute_stopped(database: MemDatabase, rows: Iterable[Row], changed_by: str) -> None:
    """What was stopped is ready again, or ends if its cancellation was asked for."""
    for row in rows:
        if row.cancel_requested:
            database.end(row, S.FAILED, changed_by, reason=Reason.CANCELLED)
        elif row.status is not S.REROUTED:
            database.move(row, S.REROUTED, changed_by)


def _orphan(database: MemDatabase, row: Row, late: datetime | None) -> bool:
    runner = database.runners.get(row.runner_id) if row.runner_id else None
    if runner is None:
        return False
    return runner.dead or (late is not None and row.status is S.PENDING and row.status_at < late)


def give_back(
    database: MemDatabase, rows: Sequence[Row], runner_id: RunnerId, max_recoveries: int | None
) -> None:
    """Their owner stops these, or a process of it has died of them: then it counts a recovery."""
    begun = S.KILLED if max_recoveries is None else S.RUNNING_RECOVERY
    for row in rows:
        _take_away(database, row, runner_id, pending=S.REROUTED, begun=begun)
    left = rows if max_recoveries is None else _quarantine(database, rows, max_recoveries)
    reroute_stopped(database, left, runner_id)
    _tell(database, rows, runner_id)


def _take_away(database: MemDatabase, row: Row, changed_by: str, *, pending: S, begun: S) -> None:
    """Its owner loses it: it goes to ``pending`` if it was not begun, else to ``begun``."""
    to = pending if row.status is S.PENDING else begun
    row.recoveries += to is S.RUNNING_RECOVERY
    database.move(row, to, changed_by)


def _quarantine(database: MemDatabase, rows: Sequence[Row], max_recoveries: int) -> list[Row]:
    """End what took its worker down more often than allowed; return the others."""
    off = [
        row
        for row in rows
        if row.status is S.RUNNING_RECOVERY
        and _recoveries(database, row) > max_recoveries
        and not row.cancel_requested
    ]
    for row in off:
        database.end(row, S.FAILED, "recovery", reason=Reason.RECOVERIES_EXHAUSTED)
    return [row for row in rows if row not in off]


def _recoveries(database: MemDatabase, row: Row) -> int:
    """How many there were since it last came to rest of its own accord."""
    count = 0
    for entry in reversed(database.history[row.invocation_id]):
        if entry.status is S.RETRY and entry.reason in _RESTS:
            break
        count += entry.status is S.RUNNING_RECOVERY
    return count


def _tell(database: MemDatabase, rows: Sequence[Row], changed_by: str) -> None:
    """Free their slots, and say that there is work."""
    lanes = {id(row.lane): row.lane for row in rows if row.lane is not None}
    free_slots(database, lanes.values(), {row.invocation_id for row in rows}, changed_by)
    if rows:
        database.tell("work")


def _forget_runners(database: MemDatabase) -> None:
    holders = {row.runner_id for row in database.live.values()}
    for runner_id in [i for i, runner in database.runners.items() if runner.dead]:
        if runner_id not in holders:
            del database.runners[runner_id]

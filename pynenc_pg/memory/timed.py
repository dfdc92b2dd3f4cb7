"""What happens when a time comes: due work is ready, late work ends. The caller holds the lock."""

from __future__ import annotations

from pynenc_pg.domain.records import Promoted
from pynenc_pg.invocation.status import InvocationStatus, Reason
from pynenc_pg.memory.database import MemDatabase


def promote(database: MemDatabase, limit: int) -> Promoted:
    """Make ready what is due."""
    now = database.clock()
    rows = [database.live[i] for i in database.timed]
    waiting = sorted((r.due_at, r.invocation_id, r) for r in rows if r.due_at is not None)
    due = [row for at, _, row in waiting if at <= now][:limit]
    for row in due:
        row.due_at = None
        if row.expires_at is None:
            database.timed.discard(row.invocation_id)
        database.offer(row)
    if due:
        database.tell("work")
    if len(waiting) == len(due):
        return Promoted(len(due))
    return Promoted(len(due), max(0.0, (waiting[len(due)][0] - now).total_seconds()))


def expire(database: MemDatabase, limit: int) -> int:
    """End what nobody began in its time."""
    now = database.clock()
    rows = [database.live[i] for i in database.timed]
    late = [row for row in rows if row.expired(now) and row.runner_id is None]
    late.sort(key=lambda row: row.expires_at or now)
    for row in late[:limit]:
        database.end(row, InvocationStatus.FAILED, "expire", reason=Reason.EXPIRED)
    return len(late[:limit])

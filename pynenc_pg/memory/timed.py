"""What happens when a time comes: due work is ready, late work ends. The caller holds the lock."""

from __future__ import annotations

from pynenc_pg.domain.records import Promoted
from pynenc_pg.invocation.status import InvocationStatus, Reason
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.runs import wake_workflows


def promote(database: MemDatabase, limit: int) -> Promoted:
    """Make ready what is due or woken, and open lanes whose rate limit lets the next one start."""
    now = database.clock()
    woken = wake_workflows(database, limit)
    shut = [lane for lane in database.lanes.values() if lane.next_at is not None]
    opened = [lane for lane in shut if lane.open(now)]
    for lane in opened:
        lane.next_at = None
    rows = [database.live[i] for i in database.timed]
    waiting = sorted((r.due_at, r.invocation_id, r) for r in rows if r.due_at is not None)
    due = [row for at, _, row in waiting if at <= now][:limit]
    for row in due:
        row.due_at = None
        if row.expires_at is None:
            database.timed.discard(row.invocation_id)
        database.offer(row)
    if due or opened or woken:
        database.tell("work")
    times = [at for at, _, _ in waiting[len(due) :]]
    times += [lane.next_at for lane in shut if lane.next_at is not None]
    next_due = max(0.0, (min(times) - now).total_seconds()) if times else None
    return Promoted(len(due) + woken, next_due)


def expire(database: MemDatabase, limit: int) -> int:
    """End what nobody began in its time."""
    now = database.clock()
    rows = [database.live[i] for i in database.timed]
    late = [row for row in rows if row.expired(now) and row.runner_id is None]
    late.sort(key=lambda row: row.expires_at or now)
    for row in late[:limit]:
        database.end(row, InvocationStatus.FAILED, "expire", reason=Reason.EXPIRED)
    return len(late[:limit])

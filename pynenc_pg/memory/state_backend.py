"""Reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import (
    CallRecord,
    HistoryEntry,
    InvocationRecord,
    Outcome,
    QueueInfo,
    SetAside,
)
from pynenc_pg.domain.why import Why
from pynenc_pg.exceptions import InvocationNotFoundError
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.memory.database import MemDatabase, utc_now
from pynenc_pg.memory.known import get_set_aside
from pynenc_pg.memory.rows import Queue, Row
from pynenc_pg.memory.why import reasons

S = InvocationStatus


class MemStateBackend:
    """Reads. See ``pynenc_pg.ports.StateBackend``."""

    def __init__(self, database: MemDatabase) -> None:
        """Use the rows of ``database``."""
        self._database = database

    def get_invocation(self, invocation_id: InvocationId) -> InvocationRecord:
        """Everything about one invocation but its value."""
        with self._database.lock:
            call = self._database.calls.get(invocation_id)
            if call is None:
                raise self._unknown(invocation_id)
            live = self._database.live.get(invocation_id)
            if live is not None:
                now = (live.status, live.reason, live.runner_id, live.retries, live.recoveries)
                due_at, status_at = live.due_at, live.status_at
            else:
                ended = self._database.ended[invocation_id]
                end = ended.outcome
                now = (end.status, end.reason, end.runner_id, ended.retries, ended.recoveries)  # type: ignore[assignment]
                due_at, status_at = None, end.finished_at
            status, reason, runner_id, retries, recoveries = now
            return InvocationRecord(
                invocation_id=invocation_id,
                task_id=call.batch.task_id,
                call_id=call.new.call_id,
                arguments=call.new.arguments,
                queue=call.batch.queue,
                status=status,
                reason=reason,
                runner_id=runner_id,
                retries=retries,
                recoveries=recoveries,
                parent_id=call.batch.parent_id,
                depth=call.batch.depth,
                due_at=due_at,
                registered_at=call.registered_at,
                status_at=status_at,
            )

    def get_call(self, invocation_id: InvocationId) -> CallRecord:
        """Return what it was called with beside its arguments."""
        with self._database.lock:
            call = self._database.calls.get(invocation_id)
            if call is None:
                raise self._unknown(invocation_id)
            row, batch = self._database.live.get(invocation_id), call.batch
            lease = row.lease if row else None
            return CallRecord(batch.priority, batch.options, batch.retried_from, lease)

    def get_outcomes(self, ids: Sequence[InvocationId]) -> Mapping[InvocationId, Outcome]:
        """Return the outcomes of those that have ended."""
        with self._database.lock:
            ended = self._database.ended
            return {i: ended[i].outcome for i in ids if i in ended}

    def get_history(self, invocation_id: InvocationId) -> list[HistoryEntry]:
        """Every status change, oldest first."""
        with self._database.lock:
            found = self._database.history.get(invocation_id)
            if found is None:
                raise self._unknown(invocation_id)
            return list(found)

    def count_ready(self, queue: str | None = None) -> int:
        """How many a runner could claim now, in one queue or in all."""
        with self._database.lock:
            return sum(
                row.ready and queue in (None, row.queue) for row in self._database.live.values()
            )

    def get_queues(self) -> list[QueueInfo]:
        """Every queue that a call or a pause has named so far, by name."""
        with self._database.lock:
            queues = self._database.queues
            rows: dict[str, list[Row]] = {name: [] for name in sorted(queues)}
            for row in self._database.live.values():
                rows[row.queue].append(row)
            now = self._database.clock()
            return [_depth(name, queues[name], rows[name], now) for name in rows]

    def get_set_aside(self) -> list[SetAside]:
        """Return what waits for a runner that can take it, oldest first."""
        with self._database.lock:
            return get_set_aside(self._database)

    def is_served(self, queue: str) -> bool:
        """Whether a runner that is believed alive takes work of that queue."""
        with self._database.lock:
            now = self._database.clock()
            return any(
                not runner.dead
                and runner.lease_until >= now
                and (not runner.spec.queues or not {queue, "*"}.isdisjoint(runner.spec.queues))
                for runner in self._database.runners.values()
            )

    def why(self, invocation_id: InvocationId) -> list[Why]:
        """Return why it is not running, what matters most first."""
        with self._database.lock:
            return reasons(self._database, invocation_id)

    def clock_offset(self) -> float:
        """Seconds the store's clock is ahead: a test may have moved it."""
        with self._database.lock:
            return (self._database.clock() - utc_now()).total_seconds()

    def _unknown(self, invocation_id: InvocationId) -> InvocationNotFoundError:
        return InvocationNotFoundError(
            f"no invocation {invocation_id} in app {self._database.app_id!r}: never registered "
            "in this process, whose memory is the store, or purged"
        )


def _depth(name: str, queue: Queue, rows: Sequence[Row], now: datetime) -> QueueInfo:
    found = Counter(row.status for row in rows)
    since = [max(row.status_at.timestamp(), row.rank) for row in rows if row.ready]
    return QueueInfo(
        name=name,
        paused=queue.paused,
        ready=sum(row.ready for row in rows),
        scheduled=sum(row.due_at is not None for row in rows),
        parked=found[S.CONCURRENCY_CONTROLLED],
        pending=found[S.PENDING],
        running=found[S.RUNNING] + found[S.RESUMED],
        waiting=found[S.PAUSED],
        oldest_ready=max(0.0, now.timestamp() - min(since)) if since else None,
    )

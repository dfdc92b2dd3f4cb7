"""What people ask of the store in memory, and its house-keeping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.records import CancelAnswer, Wakeup
from pynenc_pg.domain.retention import Periods, Pruned
from pynenc_pg.invocation.status import InvocationStatus, Reason
from pynenc_pg.memory.causes import clean
from pynenc_pg.memory.checks import check_queue
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.retention import drop_old, prune
from pynenc_pg.memory.rows import Queue, Row
from pynenc_pg.memory.runs import live_children
from pynenc_pg.memory.transactions import NoTransactions

S = InvocationStatus


class MemCommands(NoTransactions):
    """The verbs that no runner needs for its work."""

    _database: MemDatabase
    _periods: Callable[[], Periods]

    def cancel(self, invocation_id: InvocationId, changed_by: str = "client") -> CancelAnswer:
        """End it as FAILED (cancelled), with what it has called; ask the owners, if owned."""
        database = self._database
        with database.lock:
            row = database.live.get(invocation_id)
            if row is None:
                known = invocation_id in database.ended
                return CancelAnswer.FINAL if known else CancelAnswer.UNKNOWN
            for child in live_children(database, invocation_id):
                self._cancel(child, changed_by)
            return self._cancel(row, changed_by)

    def _cancel(self, row: Row, changed_by: str) -> CancelAnswer:
        database = self._database
        if row.runner_id is None:
            database.end(row, S.FAILED, changed_by, reason=Reason.CANCELLED)
            return CancelAnswer.CANCELLED
        row.cancel_requested = True
        runners = [name for name, s in database.subscriptions.items() if s.work]
        database.hint(runners, Wakeup("cancel", (row.invocation_id,)))
        return CancelAnswer.REQUESTED

    def asked_to_stop(self, runner_id: RunnerId) -> list[InvocationId]:
        """Return what the runner holds and ``cancel`` was called for."""
        with self._database.lock:
            rows = self._database.live.values()
            return [
                r.invocation_id for r in rows if r.runner_id == runner_id and r.cancel_requested
            ]

    def pause_queue(self, queue: str, *, paused: bool = True) -> None:
        """Stop (or go on) giving out work of a queue."""
        check_queue(queue)
        with self._database.lock:
            self._database.queues.setdefault(queue, Queue()).paused = paused
            if not paused:
                self._database.tell("work")

    def maintain(self) -> Sequence[str]:
        """Remove idle lanes, and what was kept for long enough."""
        database = self._database
        with database.lock:
            now = database.clock()
            idle = [k for k, lane in database.lanes.items() if not (lane.live or lane.counted(now))]
            for key in idle:
                del database.lanes[key]
            clean(database)
            did = [f"removed {len(idle)} idle lanes"] if idle else []
            return did + drop_old(database, self._periods())

    def prune(self, after: str = "", limit: int = 500) -> Pruned:
        """Of ``limit`` that have ended, remove those that their task keeps for a shorter time."""
        with self._database.lock:
            return prune(self._database, after, limit)

    def purge(self) -> int:
        """Remove all invocations, live and finished, with their history."""
        with self._database.lock:
            count = len(self._database.calls)
            self._database.forget()
            return count

    def count_by_status(self) -> Mapping[InvocationStatus, int]:
        """How many invocations there are."""
        with self._database.lock:
            live = Counter(row.status for row in self._database.live.values())
            return live + Counter(end.outcome.status for end in self._database.ended.values())

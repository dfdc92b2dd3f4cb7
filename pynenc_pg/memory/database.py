"""The state of one app in memory: dicts under one lock, and the moves every verb is made of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.records import HistoryEntry, Outcome, Wakeup
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.memory.causes import Causes, note_status
from pynenc_pg.memory.checks import check_step
from pynenc_pg.memory.rows import Call, Ended, Lane, Queue, Refused, Row, Runner
from pynenc_pg.memory.runs import Runs

if TYPE_CHECKING:
    from pynenc_pg.memory.broker import MemSubscription
    from pynenc_pg.memory.payloads import Kept

S = InvocationStatus


def utc_now() -> datetime:
    """The store's clock."""
    return datetime.now(UTC)


class MemDatabase:
    """One app's state. Whoever calls a method holds ``lock``."""

    def __init__(self, app_id: str, clock: Callable[[], datetime] = utc_now) -> None:
        """Begin empty; ``clock`` may be a test's own."""
        self.app_id = app_id
        self.clock = clock
        self.lock = threading.RLock()
        self.subscriptions: dict[str, MemSubscription] = {}
        self.runners: dict[RunnerId, Runner] = {}
        self.queues: dict[str, Queue] = {}
        self.leases = 0
        self.serials = 0
        self.causes = Causes()
        self.task_options: dict[str, str] = {}  # JSON by task, as a runner told last
        self.forget()

    def forget(self) -> None:
        """Drop all invocations, live and finished."""
        self.calls: dict[InvocationId, Call] = {}
        self.live: dict[InvocationId, Row] = {}
        self.ended: dict[InvocationId, Ended] = {}
        self.history: dict[InvocationId, list[HistoryEntry]] = {}
        self.retried: set[tuple[InvocationId, int]] = set()  # (id, lease) of attempts that retried
        self.refused: dict[InvocationId, Refused] = {}
        self.keys: dict[str, InvocationId] = {}
        self.call_keys: dict[tuple[str, str], InvocationId] = {}
        #: By task and call: what may serve later calls.
        self.results: dict[tuple[str, str], dict[InvocationId, None]] = {}
        self.payloads: dict[str, Kept] = {}  # by the hash of the content
        self.lanes: dict[str, Lane] = {}
        self.timed: set[InvocationId] = set()  # live rows with a due or an expiry time
        self.edges: dict[InvocationId, dict[tuple[str, InvocationId | None], int]] = {}
        self.waits: dict[InvocationId, set[InvocationId]] = {}  # waiter -> what it waits for
        self.runs = Runs()
        self.causes.forget()
        for queue in self.queues.values():
            queue.ready = Queue().ready
            queue.awaited = Queue().awaited

    def add(self, row: Row) -> None:
        """Accept a row as REGISTERED."""
        self.live[row.invocation_id] = row
        if row.registration_key is not None:
            self.keys[row.registration_key] = row.invocation_id
        if row.due_at is not None or row.expires_at is not None:
            self.timed.add(row.invocation_id)
        if row.lane is not None:
            row.lane.live += 1
            if row.call.batch.must_not_wait:
                row.lane.must_not_wait[row.invocation_id] = row
        self._note(row, None, row.call.batch.changed_by, row.status_at)
        self.offer(row)

    def open_queues(self, asked: Sequence[str]) -> list[str]:
        """Of the queues asked for, in order, those that are not paused.

        None asked for means all; ``*`` all that are not named beside it.
        """
        wanted: dict[str, None] = {}
        for name in asked or ("*",):
            others = (queue for queue in sorted(self.queues) if queue not in asked)
            wanted.update(dict.fromkeys(others if name == "*" else (name,)))
        return [q for q in wanted if q in self.queues and not self.queues[q].paused]

    def offer(self, row: Row) -> None:
        """Let it be found by claims, if it is ready."""
        if not row.ready:
            return
        if row.lane is not None:
            row.lane.ready.push(row)
            return
        queue = self.queues[row.queue]
        queue.ready.push(row)
        if row.awaited is not None:
            queue.awaited.push(row, -row.awaited)

    def watch(
        self,
        awaited: InvocationId,
        listener: str,
        waiter: InvocationId | None = None,
        needed: int = 0,
    ) -> None:
        """Have a listener told of an end. ``needed``: 0 no, 1 that end, 2 one of those with a 2."""
        edges = self.edges.setdefault(awaited, {})
        edges[listener, waiter] = needed or edges.get((listener, waiter), 0)
        if waiter is not None:
            self.waits.setdefault(waiter, set()).add(awaited)

    def forget_waits(self, waiter: InvocationId, awaited: Iterable[InvocationId]) -> None:
        """It does not wait for these any longer."""
        waits = self.waits.get(waiter, set())
        for which in awaited:
            waits.discard(which)
            edges = self.edges.get(which, {})
            for edge in [edge for edge in edges if edge[1] == waiter]:
                del edges[edge]
            if not edges:
                self.edges.pop(which, None)
        if not waits:
            self.waits.pop(waiter, None)

    def needs(self, waiter: InvocationId) -> dict[InvocationId, int]:
        """Whose ends it needs: 1 that very end, 2 one of those with a 2."""
        return {
            which: needed
            for which in self.waits.get(waiter, ())
            for (_, who), needed in self.edges[which].items()
            if who == waiter and needed
        }

    def move(
        self,
        row: Row,
        to: InvocationStatus,
        changed_by: str,
        *,
        reason: str | None = None,
        runner_id: RunnerId | None = None,
        error: str | None = None,
    ) -> None:
        """Change the status, if the state machine has that step.

        Raises:
            InvocationStatusTransitionError: it has not; nothing has changed.
        """
        check_step(row, to, reason)
        before = row.status
        if runner_id is None:
            self.forget_waits(row.invocation_id, list(self.waits.get(row.invocation_id, ())))
        row.status, row.reason, row.runner_id = to, reason, runner_id
        row.rev += 1
        row.status_at = max(self.clock(), row.status_at)
        if row.lane is not None:
            row.lane.parked.pop(row.invocation_id, None)
            if to is S.CONCURRENCY_CONTROLLED:
                row.lane.parked[row.invocation_id] = row
        self._note(row, before, changed_by, row.status_at, error)
        self.offer(row)

    def end(
        self,
        row: Row,
        to: InvocationStatus,
        changed_by: str,
        *,
        reason: str | None = None,
        value: str | None = None,
        by_runner: RunnerId | None = None,
    ) -> None:
        """Write the outcome, drop the row, wake who waits for it.

        Raises:
            InvocationStatusTransitionError: the state machine has no such step.
        """
        check_step(row, to, reason)
        before = row.status
        which = row.invocation_id
        finished_at = max(self.clock(), row.status_at)
        row.status, row.reason = to, reason
        row.rev += 1
        error = value if to is S.FAILED else None
        outcome = Outcome(which, to, value, reason, by_runner, finished_at)
        self.ended[which] = Ended(outcome, row.lease, row.retries, row.recoveries)
        self._note(row, before, changed_by, finished_at, error)
        told = self.edges.pop(which, {})
        for _, waiter in told:
            if waiter is not None:
                self.waits[waiter].discard(which)
        self._drop(row)
        self.hint({listener for listener, _ in told}, Wakeup("result", (which,)))

    def begin(self, row: Row) -> None:
        """Its registration key and expiry are for invocations that were not begun."""
        if row.registration_key is not None:
            self.keys.pop(row.registration_key, None)
            row.registration_key = None
        row.expires_at = None
        self.timed.discard(row.invocation_id)

    def tell(self, kind: str, **more: float) -> None:
        """Give a hint to every runner."""
        runners = [name for name, s in self.subscriptions.items() if s.work]
        self.hint(runners, Wakeup(kind, **more))  # type: ignore[arg-type]

    def hint(self, listeners: Iterable[str], wakeup: Wakeup) -> None:
        """Give a hint to some."""
        for listener in listeners:
            subscription = self.subscriptions.get(listener)
            if subscription is not None:
                subscription.put(wakeup)

    def _drop(self, row: Row) -> None:
        which = row.invocation_id
        del self.live[which]
        self.begin(row)
        self.forget_waits(which, list(self.waits.get(which, ())))
        self.runs.stop_waiting(which)
        if row.lane is not None:
            row.lane.live -= 1
            row.lane.parked.pop(which, None)
            row.lane.must_not_wait.pop(which, None)
            self.forget_lane(row.lane)

    def forget_lane(self, lane: Lane) -> None:
        """Remove it, if nobody needs it any more."""
        if not lane.live and not lane.counted(self.clock()):
            self.lanes.pop(lane.key, None)

    def _note(
        self,
        row: Row,
        before: InvocationStatus | None,
        changed_by: str,
        at: datetime,
        error: str | None = None,
    ) -> None:
        entry = HistoryEntry(
            row.rev, before, row.status, row.reason, row.runner_id, changed_by, at, error
        )
        self.history.setdefault(row.invocation_id, []).append(entry)
        if self.causes.watches:
            note_status(self, row, at)

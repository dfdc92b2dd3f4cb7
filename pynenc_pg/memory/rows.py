"""What the memory store keeps: the same facts as the tables, as mutable rows under one lock."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pynenc_pg.domain.concurrency import RateLimit
from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.known import KnownTask
from pynenc_pg.domain.records import Aside, Batch, NewInvocation, Outcome, RunnerSpec
from pynenc_pg.invocation.status import AVAILABLE, InvocationStatus


@dataclass(frozen=True, slots=True)
class Call:
    """Written once: what was asked for."""

    new: NewInvocation
    batch: Batch
    registered_at: datetime
    expires_at: datetime | None = None  # until when it must be begun

    parent_workflow: InvocationId | None = None  # of whoever called it, if that is its own

    @property
    def workflow_id(self) -> InvocationId:
        """The workflow it belongs to."""
        return self.parent_workflow or self.new.invocation_id


@dataclass(slots=True, eq=False)
class Row:
    """Where a live invocation stands; gone at its end."""

    call: Call
    status_at: datetime
    rank: float
    due_at: datetime | None
    expires_at: datetime | None
    lane: Lane | None
    registration_key: str | None
    status: InvocationStatus = InvocationStatus.REGISTERED
    reason: str | None = None
    runner_id: RunnerId | None = None
    lease: int | None = None
    rev: int = 0
    retries: int = 0
    recoveries: int = 0
    cancel_requested: bool = False
    awaited: int | None = None  # its depth, once something waits for it

    @property
    def invocation_id(self) -> InvocationId:
        """Its id."""
        return self.call.new.invocation_id

    @property
    def queue(self) -> str:
        """The queue it stands in."""
        return self.call.batch.queue

    @property
    def ready(self) -> bool:
        """A runner may claim it, if its concurrency key has room."""
        return self.status in AVAILABLE and self.due_at is None

    def expired(self, now: datetime) -> bool:
        """Nobody began it in its time."""
        return self.expires_at is not None and self.expires_at <= now


class Ranked:
    """Rows by rank, then id. Rows that are not ready any more fall out when they are met."""

    def __init__(self) -> None:
        """Begin empty."""
        self._heap: list[tuple[int, float, InvocationId, Row]] = []

    def __bool__(self) -> bool:
        """Whether there may be any."""
        return bool(self._heap)

    def push(self, row: Row, before_rank: int = 0) -> None:
        """Add a row that became ready; a smaller ``before_rank`` stands before any rank."""
        heapq.heappush(self._heap, (before_rank, row.rank, row.invocation_id, row))

    def first(self, limit: int, wanted: Callable[[Row], bool]) -> list[Row]:
        """Return the first ``limit`` ready rows that are wanted. They stay in here."""
        met: list[tuple[int, float, InvocationId, Row]] = []
        found: list[Row] = []
        while self._heap and len(found) < limit:
            entry = heapq.heappop(self._heap)
            row = entry[3]
            # The same row may stand here twice: it went away and came back.
            if row.ready and not (met and met[-1][3] is row):
                met.append(entry)
                if wanted(row):
                    found.append(row)
        for entry in met:
            heapq.heappush(self._heap, entry)
        return found


@dataclass(slots=True, eq=False)
class Lane:
    """One active concurrency key."""

    key: str
    queue: str | None  # None: its work stands in several queues
    slots: int
    served: float  # when it was its turn, in seconds; moved forward by its priority
    ahead: float = 0.0  # by so many seconds
    limit: RateLimit | None = None
    next_at: datetime | None = None  # shut until then by its rate limit
    starts: list[tuple[datetime, int]] = field(default_factory=list)  # when, how many
    live: int = 0
    taken: dict[int, InvocationId] = field(default_factory=dict)  # slot -> who holds it
    ready: Ranked = field(default_factory=Ranked)
    parked: dict[InvocationId, Row] = field(default_factory=dict)
    must_not_wait: dict[InvocationId, Row] = field(default_factory=dict)

    def free(self, wanted: int) -> list[int]:
        """The numbers of ``wanted`` free slots."""
        among = min(self.slots, wanted + len(self.taken))
        return [n for n in range(1, among + 1) if n not in self.taken][:wanted]

    def full(self) -> bool:
        """No room; after ``slots`` was lowered more may run than it says."""
        return len(self.taken) >= self.slots

    def open(self, now: datetime) -> bool:
        """Its rate limit lets another one start."""
        return self.next_at is None or self.next_at <= now

    def room(self, now: datetime) -> int:
        """How many may start; none after a limit was lowered below what runs or began lately."""
        slots = self.slots - len(self.taken)
        if self.limit is None:
            return max(0, slots)
        return max(0, min(slots, self.limit.count - self.counted(now)))

    def counted(self, now: datetime) -> int:
        """How many starts count for its rate limit."""
        if self.limit is None:
            return 0
        since = now - timedelta(seconds=self.limit.period)
        return sum(n for at, n in self.starts if at > since)

    def note_starts(self, count: int, now: datetime) -> None:
        """Count what starts for the rate limit; beyond it the lane is shut for a while.

        Starts within a hundredth of the period are noted as one, at the time of the last.
        """
        if self.limit is None:
            return
        period = timedelta(seconds=self.limit.period)
        noted: dict[int, tuple[datetime, int]] = {}
        for at, n in [*self.starts, *([(now, count)] if count else [])]:
            if at > now - period:
                part = math.floor(at.timestamp() * 100 / self.limit.period)
                noted[part] = (at, noted.get(part, (at, 0))[1] + n)
        self.starts = list(noted.values())
        used_up = sum(n for _, n in self.starts) >= self.limit.count
        self.next_at = self.starts[0][0] + period if used_up else None

    def give_up(self, ids: set[InvocationId]) -> None:
        """Free the slots of these."""
        self.taken = {n: held for n, held in self.taken.items() if held not in ids}


@dataclass(slots=True)
class Queue:
    """One queue of the app."""

    paused: bool = False
    ready: Ranked = field(default_factory=Ranked)  # work without a concurrency key
    awaited: Ranked = field(default_factory=Ranked)  # of it, what others wait for, deepest first


@dataclass(slots=True)
class Runner:
    """A runner as it described itself, and when it was last heard of."""

    spec: RunnerSpec
    serial: int
    lease_until: datetime
    dead: bool = False
    known: dict[str, KnownTask] = field(default_factory=dict)  # by task id
    idle: bool = True  # its last claim found nothing, so it sleeps or is about to

    def renew(self, now: datetime) -> None:
        """It lives."""
        self.lease_until = now + timedelta(seconds=self.spec.lease)


@dataclass(slots=True)
class Refused:
    """An invocation that a runner could not take. Remembered while it is live."""

    said: Aside
    by: set[RunnerId] = field(default_factory=set)
    times: int = 0
    freed: bool = False  # offered again


@dataclass(frozen=True, slots=True)
class Ended:
    """An outcome, with what a reader of the whole invocation wants to know."""

    outcome: Outcome
    lease: int | None
    retries: int
    recoveries: int

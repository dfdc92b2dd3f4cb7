"""What the memory store keeps: the same facts as the tables, as mutable rows under one lock."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.records import Batch, NewInvocation, Outcome, RunnerSpec
from pynenc_pg.invocation.status import AVAILABLE, InvocationStatus


@dataclass(frozen=True, slots=True)
class Call:
    """Written once: what was asked for."""

    new: NewInvocation
    batch: Batch
    registered_at: datetime


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
    served: datetime | None = None
    live: int = 0
    taken: dict[int, InvocationId] = field(default_factory=dict)  # slot -> who holds it
    ready: Ranked = field(default_factory=Ranked)
    parked: dict[InvocationId, Row] = field(default_factory=dict)
    must_not_wait: dict[InvocationId, Row] = field(default_factory=dict)

    def free(self) -> list[int]:
        """The numbers of the free slots; fewer after ``slots`` was lowered below what runs."""
        numbers = [n for n in range(1, self.slots + 1) if n not in self.taken]
        return numbers[: max(0, self.slots - len(self.taken))]

    def full(self) -> bool:
        """No room; after ``slots`` was lowered more may run than it says."""
        return len(self.taken) >= self.slots

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
    idle: bool = True  # its last claim found nothing, so it sleeps or is about to

    def renew(self, now: datetime) -> None:
        """It lives."""
        self.lease_until = now + timedelta(seconds=self.spec.lease)


@dataclass(frozen=True, slots=True)
class Ended:
    """An outcome, with what a reader of the whole invocation wants to know."""

    outcome: Outcome
    lease: int | None
    retries: int
    recoveries: int

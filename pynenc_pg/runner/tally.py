"""What a runner counts of its attempts, for whoever measures it.

An attempt costs its thread one entry in a queue. They are put together when somebody asks, or when
there are many. No thread of a task ever waits for that.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from pynenc_pg.domain.chance import chance
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Again, Claimed, End, Ending, Settled

#: Upper bounds in seconds of what an execution took, and of what a call waited for it.
EXECUTION: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
PICKUP: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
#: Entries after which they are put together.
MANY: Final = 256
#: Of so many invocations it is looked up, between two questions, how long they waited.
SAMPLE: Final = 50
#: Of a call that was not to be begun at once; ``engine.submit`` writes it.
_DELAYED: Final = '"delayed"'


@dataclass(slots=True)
class Spread:
    """A histogram: how many values up to each bound, and their sum."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)  # one more than bounds
    total: float = 0.0

    def __post_init__(self) -> None:
        """Begin with nothing."""
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def merge(self, other: Spread) -> None:
        """Add those of another one with the same bounds."""
        self.counts = [
            mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)
        ]
        self.total += other.total


@dataclass(frozen=True, slots=True)
class Begun:
    """An invocation of which it may be looked up how long it waited."""

    invocation_id: InvocationId
    queue: str


@dataclass(slots=True)
class Counts:
    """What was counted; children send theirs to their parent."""

    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)  # by task and outcome
    execution: dict[str, Spread] = field(default_factory=dict)  # by task, of those that were timed
    begun: list[Begun] = field(default_factory=list)
    offered: int = 0  # of how many ``begun`` is a sample

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.attempts)

    def add(self, entry: Entry) -> None:
        """Count an attempt."""
        task_id, outcome, seconds, begun = entry
        self.attempts[task_id, outcome] += 1
        if seconds is not None:
            if task_id not in self.execution:
                self.execution[task_id] = Spread(EXECUTION)
            self.execution[task_id].add(seconds)
        if begun is not None:
            self._sample(begun)

    def merge(self, other: Counts) -> None:
        """Add what another one has counted."""
        self.attempts.update(other.attempts)
        for task_id, spread in other.execution.items():
            if task_id in self.execution:
                self.execution[task_id].merge(spread)
            else:
                self.execution[task_id] = Spread(spread.bounds, list(spread.counts), spread.total)
        for begun in other.begun:
            self._sample(begun)

    def _sample(self, begun: Begun) -> None:
        """Keep ``SAMPLE`` of all, each with the same chance."""
        self.offered += 1
        if len(self.begun) < SAMPLE:
            self.begun.append(begun)
        elif (place := chance.randrange(self.offered)) < SAMPLE:
            self.begun[place] = begun


Entry = tuple[str, str, float | None, Begun | None]


class Tally:
    """Counts from any thread."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._new: deque[Entry] = deque()
        self._lock = threading.Lock()
        self._counts = Counts()

    def saw(self, claimed: Claimed, outcome: str, seconds: float | None = None) -> None:
        """Note the end of an attempt; ``seconds`` if it was one that was timed. Any thread."""
        begun = None
        if not (claimed.retries or claimed.recoveries or _DELAYED in claimed.options):
            begun = Begun(claimed.invocation_id, claimed.queue)
        self._new.append((claimed.task_id, outcome, seconds, begun))
        if len(self._new) >= MANY and self._lock.acquire(blocking=False):
            try:
                self._fold()
            finally:
                self._lock.release()

    def merge(self, counts: Counts) -> None:
        """Add what a child has counted."""
        with self._lock:
            self._counts.merge(counts)

    def take(self) -> Counts:
        """Return what was counted since the last time."""
        with self._lock:
            self._fold()
            counts, self._counts = self._counts, Counts()
        return counts

    def _fold(self) -> None:
        for _ in range(len(self._new)):
            self._counts.add(self._new.popleft())


def outcome_of(end: End) -> str:
    """Name what has become of an attempt: a final status, or the reason for another one."""
    if isinstance(end, Ending):
        return end.status.value
    if isinstance(end, Again):
        return f"retry_{end.reason.value}"
    if isinstance(end, Settled):
        if end.ending is None:
            return "doubtful" if end.doubtful else "undone"
        return end.ending.status.value
    return "set_aside"

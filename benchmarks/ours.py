"""What is asked of our schema from beside it, by the measurer's own session."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks import cpu

if TYPE_CHECKING:
    from benchmarks.contract import Figures
    from benchmarks.server import Database

APP: Final = "bench"
QUEUE: Final = "default"
BULK: Final = 1_000  # calls in one bulk registration
EVERY: Final = 0.05  # seconds from one gentle call to the next
_POLL: Final = 0.1
_PATIENCE: Final = 300.0


@dataclass(frozen=True, slots=True)
class Drained:
    """What it took to work off a queue."""

    rate: float  # a second
    worker_cpu: float | None  # seconds
    server_cpu: float | None

    def cost(self, count: int) -> Figures:
        """Processor time per 1,000."""
        found = {"cpu_worker": self.worker_cpu, "cpu_server": self.server_cpu}
        return {row: used * 1_000 / count for row, used in found.items() if used is not None}


def pause(database: Database, *, paused: bool) -> None:
    """Stop giving out work, or go on; going on wakes the runners."""
    database.value("select pynenc.pause_queue(%s, %s, %s)::text", APP, QUEUE, paused)


def wait_idle(database: Database, runners: int) -> None:
    """Wait until so many runners have looked for work and found none."""
    query = "select count(*) from pynenc.runner where idle"
    wait(lambda: database.value(query) == runners, f"{runners} idle runners")


def wait(condition: Callable[[], bool], what: str) -> None:
    """Wait for something other processes do.

    Raises:
        TimeoutError: it did not come.
    """
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            message = f"waited {_PATIENCE:.0f} s for {what}"
            raise TimeoutError(message)
        time.sleep(_POLL)


def timed_drain(
    database: Database, count: int, pids: Sequence[int], go: Callable[[], None]
) -> Drained:
    """Let processes work off the ``count`` calls that are queued.

    From just before ``go`` to the last end as the database noted it, so how often we look does
    not matter; the machine is the same, so the clock is.
    """
    before = _used(pids), database.server_cpu()
    began = time.time()
    go()
    ended = "select count(*) from pynenc.invocation_outcome"
    wait(lambda: database.value(ended) >= count, f"{count} ends")
    last = "select extract(epoch from max(finished_at))::float8 from pynenc.invocation_outcome"
    seconds = database.value(last) - began
    after = _used(pids), database.server_cpu()
    return Drained(count / seconds, *map(_difference, before, after))


def gently(count: int) -> Iterator[None]:
    """Yield ``count`` times, every 50 ms."""
    begin = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begin + number * EVERY - time.monotonic()))
        yield


def latencies(
    gentle: Sequence[float],
    trips: Sequence[tuple[float, float]],
    chained: Sequence[tuple[float, float]],
) -> Figures:
    """Median and 99th percentile (nearest rank) in ms, of series in seconds.

    ``gentle``: to the start, of calls whose result nobody waited for; ``trips`` and ``chained``:
    to the start and to the result, of calls every 50 ms and back to back.
    """
    series = {
        "pick_up": gentle,
        "pick_up_chained": [start for start, _ in chained],
        "round_trip": [result for _, result in trips],
        "round_trip_chained": [result for _, result in chained],
    }
    figures: Figures = {}
    for name, seconds in series.items():
        rank = math.ceil(len(seconds) * 0.99) - 1
        figures[f"{name}_p50"] = statistics.median(seconds) * 1_000
        figures[f"{name}_p99"] = sorted(seconds)[rank] * 1_000
    return figures


def _used(pids: Sequence[int]) -> float | None:
    used = [cpu.of_process(pid) for pid in pids]
    known = [seconds for seconds in used if seconds is not None]
    return sum(known) if len(known) == len(used) else None


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before

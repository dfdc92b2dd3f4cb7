"""How a measure is taken, whoever is measured."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from benchmarks import cpu

if TYPE_CHECKING:
    from benchmarks.children import Child
    from benchmarks.contract import Figures, Scale

BULK: Final = 1_000  # calls in one bulk registration
_EVERY: Final = 0.05  # seconds from one gentle call to the next
_WARM_UP: Final = 20
_POLL: Final = 0.1
_OFTEN: Final = 0.01
_PATIENCE: Final = 300.0

CallT = TypeVar("CallT")


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a task queue notes the ends of calls."""

    count: Callable[[], int]
    last: Callable[[], float]  # when it was, by the machine's clock
    poll: float = _POLL  # seconds; how often ``count`` can be asked without being in the way


def unnoted(left: Callable[[], int]) -> Ends:
    """Ask often how many are left, where nobody notes when a call has ended."""
    seen: list[float] = []

    def count() -> int:
        if left():
            return 0
        seen.append(time.time())
        return sys.maxsize

    return Ends(count, lambda: seen[-1], poll=_OFTEN)


@dataclass(frozen=True, slots=True)
class Drained:
    """What it took to work off a queue."""

    rate: float  # a second
    worker_cpu: float | None  # seconds
    server_cpu: float | None
    memory: int | None  # bytes, of one worker

    def cost(self, count: int) -> Figures:
        """Processor time per 1,000, and memory in MB."""
        found = {
            "cpu_worker": (self.worker_cpu, 1_000 / count),
            "cpu_server": (self.server_cpu, 1_000 / count),
            "memory": (self.memory, 1e-6),
        }
        return {row: used * by for row, (used, by) in found.items() if used is not None}


def wait(
    condition: Callable[[], bool],
    what: str,
    *,
    poll: float = _POLL,
    workers: Sequence[Child] = (),
) -> None:
    """Wait for something other processes do.

    Raises:
        RuntimeError: one of those it may depend on has ended.
        TimeoutError: it did not come.
    """
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        ended = [worker.returncode for worker in workers if worker.poll() is not None]
        if ended:
            message = f"a worker ended with exit code {ended[0]} instead of {what}"
            raise RuntimeError(message)
        if time.monotonic() > deadline:
            message = f"waited {_PATIENCE:.0f} s for {what}"
            raise TimeoutError(message)
        time.sleep(poll)


def fill(register: Callable[[int], object], count: int) -> None:
    """Register ``count`` calls by the thousand."""
    for first in range(0, count, BULK):
        register(min(BULK, count - first))


def rate(count: int, work: Callable[[], object]) -> float:
    """Tell how many a second ``work`` does, which does ``count``."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def timed_drain(
    count: int,
    workers: Sequence[Child],
    server_cpu: Callable[[], float | None],
    ends: Ends,
    go: Callable[[], object],
) -> Drained:
    """Let processes work off the ``count`` calls that are queued.

    From just before ``go`` to the last end as it was noted, so how often we look does not matter;
    the machine is the same, so the clock is.
    """
    before = _used(workers), server_cpu()
    began = time.time()
    go()
    wait(lambda: ends.count() >= count, f"{count} ends", poll=ends.poll, workers=workers)
    after = _used(workers), server_cpu()
    memory = cpu.resident(workers[0].pid)
    seconds = ends.last() - began
    worker_cpu, used_by_server = map(_difference, before, after)
    return Drained(count / seconds, worker_cpu, used_by_server, memory)


def latencies(
    scale: Scale,
    send: Callable[[], CallT],
    began: Callable[[CallT], float],
    ended: Callable[[CallT], object] | None = None,
) -> Figures:
    """Tell how long calls wait: one every 50 ms, and each as soon as the one before has ended.

    ``began`` waits for the result of a call, which is when its function was started. Where calls
    have no results the function tells that itself, and ``ended`` waits for the end; then there is
    no round trip.
    """

    def trip() -> tuple[float, float]:
        sent = time.time()
        call = send()
        start = began(call)
        if ended is not None:
            ended(call)
        return start - sent, time.time() - sent

    for _ in range(_WARM_UP):
        trip()
    sent = [(time.time(), send()) for _ in _gently(scale.gentle)]
    series = {"pick_up": [began(call) - at for at, call in sent]}
    if ended is None:
        series["round_trip"] = [trip()[1] for _ in _gently(scale.gentle)]
    chained = [trip() for _ in range(scale.chained)]
    series["pick_up_chained"] = [start for start, _ in chained]
    if ended is None:
        series["round_trip_chained"] = [result for _, result in chained]
    return _percentiles(series)


def idle_cost(scale: Scale, worker: Child, statements: Callable[[], int] | None) -> Figures:
    """Watch a worker that has nothing to do, once what it did at its start is reported."""
    time.sleep(scale.settle)
    before = statements and statements(), cpu.of_tree(worker.pid)
    time.sleep(scale.idle)
    after = statements and statements(), cpu.of_tree(worker.pid)
    found = {
        "idle_statements": (_difference(before[0], after[0]), 60),
        "idle_cpu": (_difference(before[1], after[1]), 100),
    }
    return {row: used * by / scale.idle for row, (used, by) in found.items() if used is not None}


def _gently(count: int) -> Iterator[None]:
    begin = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begin + number * _EVERY - time.monotonic()))
        yield


def _percentiles(series: Mapping[str, Sequence[float]]) -> Figures:
    """Median and 99th percentile (nearest rank) in ms, of series in seconds."""
    figures: Figures = {}
    for name, seconds in series.items():
        rank = math.ceil(len(seconds) * 0.99) - 1
        figures[f"{name}_p50"] = statistics.median(seconds) * 1_000
        figures[f"{name}_p99"] = sorted(seconds)[rank] * 1_000
    return figures


def _used(workers: Sequence[Child]) -> float | None:
    used = [cpu.of_tree(worker.pid) for worker in workers]
    known = [seconds for seconds in used if seconds is not None]
    return sum(known) if len(known) == len(used) else None


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before

"""Many who call at once, and many who work: threads, coroutines and processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.children import children, hear, last_done, let
from benchmarks.measure import Ends, rate

if TYPE_CHECKING:
    from benchmarks.contract import Figures, Scale


def threads(scale: Scale, calls: Sequence[Callable[[], object]]) -> Figures:
    """Call from one thread, then from as many as there are ``calls``, one each."""
    share = -(-scale.crowded // len(calls))

    def several(call: Callable[[], object]) -> None:
        for _ in range(share):
            call()

    for call in calls:
        call()
    one = rate(share, lambda: several(calls[0]))
    with ThreadPoolExecutor(len(calls)) as pool:
        all_of_them = rate(share * len(calls), lambda: list(pool.map(several, calls)))
    return {"enqueue_threads": all_of_them, "threads_gain": all_of_them / one}


def coroutines(scale: Scale, call: Callable[[], Awaitable[object]]) -> Figures:
    """Call from as many coroutines of one event loop."""
    share = -(-scale.crowded // scale.producers)

    async def several() -> None:
        for _ in range(share):
            await call()

    async def run() -> float:
        await call()
        began = time.perf_counter()
        await asyncio.gather(*[several() for _ in range(scale.producers)])
        return share * scale.producers / (time.perf_counter() - began)

    return {"enqueue_async": asyncio.run(run())}


def processes(
    scale: Scale,
    environment: Mapping[str, str],
    quiet: Sequence[str],
    telling: Sequence[str],
    sleeper: Sequence[str],
) -> Figures:
    """Call from many processes while nobody listens, and while somebody sleeps who hears of each.

    ``quiet`` and ``telling`` are commands that take the number of calls; ``sleeper`` never works,
    so it is told of every call: the most that notifications can cost.
    """
    share = -(-scale.crowded // scale.producers)

    def run(command: Sequence[str]) -> float:
        with children(environment, (*command, str(share)), scale.producers, talk=True) as started:
            for child in started:
                hear(child, "ready")
            began = let(started)
            return share * scale.producers / (last_done(started) - began)

    alone = run(quiet)
    with children(environment, sleeper, talk=True) as (asleep,):
        hear(asleep, "ready")
        heard = run(telling)
    return {
        "producers_quiet": alone,
        "producers_heard": heard,
        "notify_cost": (alone - heard) / alone * 100,
    }


def watched(ends: Ends, look: Callable[[], int], seen: list[int]) -> Ends:
    """Take note of what ``look`` answers each time that ends are counted."""

    def count() -> int:
        seen.append(look())
        return ends.count()

    return Ends(count, ends.last, ends.poll)


def shares(parts: Sequence[int], processes: int) -> Figures:
    """Tell what the least and the most busy of them did, in percent of an equal share.

    ``parts`` are those who did anything.
    """
    equal = sum(parts) / processes
    least = min(parts) if len(parts) == processes else 0
    return {"crowd_least": least / equal * 100, "crowd_most": max(parts) / equal * 100}


def drains(scale: Scale, drain: Callable[[int], float]) -> Figures:
    """Drain with two processes, with some more and, at last, with many."""
    some, many = scale.crowd
    two, rates = drain(2), {"drain_8": drain(some), "drain_32": drain(many)}
    return {**rates, "crowd_share": rates["drain_32"] / two * 100}

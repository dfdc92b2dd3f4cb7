"""The guarded ceiling: the same verbs from bare loops, without any Python task layer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from benchmarks import ours
from benchmarks.bare import Bare
from benchmarks.children import children, hear, tell

if TYPE_CHECKING:
    from benchmarks.contract import Bench, Figures
    from benchmarks.ours import Drained

NAME: Final = "ceiling"
_MODULE: Final = ("-m", "benchmarks.bare")
_WARM_UP: Final = 20


def enqueue(bench: Bench) -> Figures:
    """``register`` with one call, and with a thousand."""
    scale = bench.scale
    size = min(ours.BULK, scale.bulk)
    return {
        "enqueue_single": _register(bench, scale.single, 1),
        "enqueue_bulk": _register(bench, scale.bulk // size, size) * size,
    }


def _register(bench: Bench, times: int, size: int) -> float:
    with bench.server.fresh() as database:
        bare = Bare(database.dsn)
        bare.register(size)
        began = time.perf_counter()
        for _ in range(times):
            bare.register(size)
        seconds = time.perf_counter() - began
        bare.close()
    return times / seconds


def drain(bench: Bench) -> Figures:
    """``claim``, ``start``, ``finish``, and again."""
    small, large = _drain(bench, 100), _drain(bench, 500)
    best = max(small, large, key=lambda drained: drained.rate)
    return {
        "drain_100": small.rate,
        "drain_500": large.rate,
        "drain_1": best.rate,
        "drain_2": _drain(bench, 500, processes=2).rate,
        **best.cost(bench.scale.drain),
    }


def _drain(bench: Bench, batch: int, processes: int = 1) -> Drained:
    with bench.server.fresh() as database:
        ours.pause(database, paused=True)
        bare = Bare(database.dsn)
        fill(bare.register, bench.scale.drain)
        bare.close()
        arguments = (*_MODULE, "drain", str(batch))
        with children(database.dsn, arguments, processes) as started:
            for child in started:
                hear(child, "ready")

            def go() -> None:
                ours.pause(database, paused=False)
                for child in started:
                    tell(child, "go")

            drained = ours.timed_drain(
                database, bench.scale.drain, [child.pid for child in started], go
            )
            for child in started:
                hear(child, "done")
                tell(child, "bye")
    return drained


def fill(register: Callable[[int], object], count: int) -> None:
    """Register ``count`` calls by the thousand."""
    for first in range(0, count, ours.BULK):
        register(min(ours.BULK, count - first))


def pick_up(bench: Bench) -> Figures:
    """One process that listens, claims, starts and finishes; one that registers and waits."""
    server, serve = bench.server, (*_MODULE, "serve")
    with server.fresh() as database, children(database.dsn, serve) as (child,):
        hear(child, "ready")
        ours.wait_idle(database, 1)
        caller = _Caller(database.dsn)
        for _ in range(_WARM_UP):
            caller.call()
        sent = [caller.send() for _ in ours.gently(bench.scale.gentle)]
        time.sleep(ours.EVERY)
        gentle = [caller.began(invocation) - at for at, invocation in sent]
        trips = [caller.call() for _ in ours.gently(bench.scale.gentle)]
        chained = [caller.call() for _ in range(bench.scale.chained)]
        caller.close()
    return ours.latencies(gentle, trips, chained)


class _Caller:
    """Registers, and waits for ends on a channel of its own."""

    def __init__(self, dsn: str) -> None:
        self._bare, self._ears = Bare(dsn), Bare(dsn)
        self._ears.session.execute("listen bench_caller")

    def close(self) -> None:
        self._bare.close()
        self._ears.close()

    def send(self) -> tuple[float, str]:
        sent = time.time()
        return sent, self._bare.register()[0]

    def began(self, invocation_id: str) -> float:
        return self._bare.value(invocation_id)

    def call(self) -> tuple[float, float]:
        """Return the seconds to the start and to the result."""
        sent, invocation_id = self.send()
        if not self._bare.watch(invocation_id, "bench_caller"):
            for _ in self._ears.session.notifies(timeout=30, stop_after=1):
                pass
        began = self.began(invocation_id)
        return began - sent, time.time() - sent


def idle(bench: Bench) -> Figures:  # noqa: ARG001 - every contender has it
    """Nothing to tell: the bare loop has no duties."""
    return {}

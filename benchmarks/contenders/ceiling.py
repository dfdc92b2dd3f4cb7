"""The guarded ceiling: the same verbs from bare loops, without any Python task layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import measure, ours
from benchmarks.bare import Bare
from benchmarks.children import children, hear, tell

if TYPE_CHECKING:
    from benchmarks.contract import Bench, Figures
    from benchmarks.measure import Drained

NAME: Final = "ceiling"
_MODULE: Final = ("-m", "benchmarks.bare")


def about() -> str:
    """What the database allows."""
    return "the same SQL functions from bare loops"


def enqueue(bench: Bench) -> Figures:
    """``register`` with one call, and with a thousand."""
    scale = bench.scale
    size = min(measure.BULK, scale.bulk)
    return {
        "enqueue_single": _register(bench, scale.single, 1),
        "enqueue_bulk": _register(bench, scale.bulk // size, size) * size,
    }


def _register(bench: Bench, times: int, size: int) -> float:
    with bench.server.fresh() as database:
        bare = Bare(database.dsn)
        bare.register(size)
        rate = measure.rate(times, lambda: [bare.register(size) for _ in range(times)])
        bare.close()
    return rate


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
        measure.fill(bare.register, bench.scale.drain)
        bare.close()
        arguments = (*_MODULE, "drain", str(batch))
        given = ours.environment(database)
        with children(given, arguments, processes, talk=True) as started:
            for child in started:
                hear(child, "ready")

            def go() -> None:
                ours.pause(database, paused=False)
                for child in started:
                    tell(child, "go")

            drained = measure.timed_drain(
                bench.scale.drain, started, database.server_cpu, ours.ends(database), go
            )
            for child in started:
                hear(child, "done")
                tell(child, "bye")
    return drained


def pick_up(bench: Bench) -> Figures:
    """One process that listens, claims, starts and finishes; one that registers and waits."""
    with bench.server.fresh() as database:
        given = ours.environment(database)
        with children(given, (*_MODULE, "serve"), talk=True) as (child,):
            hear(child, "ready")
            ours.wait_idle(database, 1)
            caller = _Caller(database.dsn)
            figures = measure.latencies(bench.scale, caller.send, caller.began)
            caller.close()
    return figures


class _Caller:
    """Registers, and waits for ends on a channel of its own."""

    def __init__(self, dsn: str) -> None:
        self._bare, self._ears = Bare(dsn), Bare(dsn)
        self._ears.session.execute("listen bench_caller")

    def close(self) -> None:
        self._bare.close()
        self._ears.close()

    def send(self) -> str:
        return self._bare.register()[0]

    def began(self, invocation_id: str) -> float:
        if not self._bare.watch(invocation_id, "bench_caller"):
            for _ in self._ears.session.notifies(timeout=30, stop_after=1):
                pass
        return self._bare.value(invocation_id)


def idle(bench: Bench) -> Figures:  # noqa: ARG001 - every contender has it
    """Nothing to tell: the bare loop has no duties."""
    return {}

"""The whole thing at default settings: ``@app.task``, and ``pynenc-pg runner start`` processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks import cpu, ours, tasks
from benchmarks.children import children
from benchmarks.contenders.ceiling import fill

if TYPE_CHECKING:
    from benchmarks.contract import Bench, Figures
    from benchmarks.ours import Drained
    from benchmarks.server import Database

NAME: Final = "worker"
_COMMAND: Final = ("-m", "pynenc_pg", "--app", "benchmarks.tasks:app", "runner", "start")
_WARM_UP: Final = 20
#: After its start a runner looks again a few times, and does the duties of its first moments.
_SETTLED: Final = 2.0


def enqueue(bench: Bench) -> Figures:
    """``task()``, and many calls in one."""
    scale = bench.scale
    with bench.server.fresh() as database, _app(database):
        tasks.nothing()
        began = time.perf_counter()
        for _ in range(scale.single):
            tasks.nothing()
        single = scale.single / (time.perf_counter() - began)
    with bench.server.fresh() as database, _app(database):
        _submit(min(ours.BULK, scale.bulk))
        began = time.perf_counter()
        fill(_submit, scale.bulk)
        bulk = scale.bulk / (time.perf_counter() - began)
    return {"enqueue_single": single, "enqueue_bulk": bulk}


def drain(bench: Bench) -> Figures:
    """Worker processes that are up and idle get a full queue."""
    one = _drain(bench, 1)
    return {
        "drain_1": one.rate,
        "drain_2": _drain(bench, 2).rate,
        **one.cost(bench.scale.drain),
    }


def _drain(bench: Bench, processes: int) -> Drained:
    with bench.server.fresh() as database:
        ours.pause(database, paused=True)
        with _app(database):
            fill(_submit, bench.scale.drain)
        with children(database.dsn, _COMMAND, processes) as started:
            ours.wait_idle(database, processes)
            time.sleep(_SETTLED)
            pids = [child.pid for child in started]
            return ours.timed_drain(
                database, bench.scale.drain, pids, lambda: ours.pause(database, paused=False)
            )


def pick_up(bench: Bench) -> Figures:
    """Call one idle worker process, and wait for results."""
    with bench.server.fresh() as database, children(database.dsn, _COMMAND), _app(database):
        ours.wait_idle(database, 1)
        time.sleep(_SETTLED)
        for _ in range(_WARM_UP):
            _call()
        sent = [(time.time(), tasks.clock()) for _ in ours.gently(bench.scale.gentle)]
        gentle = [invocation.result - at for at, invocation in sent]
        trips = [_call() for _ in ours.gently(bench.scale.gentle)]
        chained = [_call() for _ in range(bench.scale.chained)]
    return ours.latencies(gentle, trips, chained)


def idle(bench: Bench) -> Figures:
    """Transactions committed in the database while nobody but one idle worker uses it.

    Every statement of a runner is a transaction of its own.
    """
    server, seconds = bench.server, bench.scale.idle
    with server.fresh() as database, children(database.dsn, _COMMAND) as (child,):
        ours.wait_idle(database, 1)
        database.close()
        with server.no_autovacuum():
            time.sleep(bench.scale.settle)
            before = server.commits(database), cpu.of_process(child.pid)
            time.sleep(seconds)
            after = server.commits(database), cpu.of_process(child.pid)
    figures = {"idle_statements": (after[0] - before[0]) * 60 / seconds}
    if before[1] is not None and after[1] is not None:
        figures["idle_cpu"] = (after[1] - before[1]) * 100 / seconds
    return figures


def _submit(count: int) -> None:
    tasks.app.engine.submit(tasks.nothing.definition, [{}] * count)


def _call() -> tuple[float, float]:
    """Return the seconds to the start and to the result."""
    sent = time.time()
    began = tasks.clock().result
    return began - sent, time.time() - sent


@contextmanager
def _app(database: Database) -> Iterator[None]:
    """Let the app of this process use a database."""
    tasks.app.conf.postgres.dsn = database.dsn
    try:
        yield
    finally:
        tasks.app.close()

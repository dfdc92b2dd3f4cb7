"""``python -m benchmarks.memory``: what an invocation takes in the memory of a process.

As a handle that its caller keeps, as one that a worker has claimed and not begun, and while it
runs: in a thread, and in an event loop. Resident memory before and with many of them, divided.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks import cpu, measure, ours, storage, tasks
from benchmarks.children import children
from benchmarks.server import Database, Server, embedded
from pynenc_pg.task import Task

_RUNNING: Final = "select count(*) from pynenc.invocation_state where status = 'running'"
_SECONDS: Final = 15.0  # that each of those lasts which are to run at once


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--handles", type=int, default=100_000, help="kept, and claimed")
    parser.add_argument("--threads", type=int, default=300, help="running at once")
    parser.add_argument("--coroutines", type=int, default=3_000, help="running at once")
    asked = parser.parse_args()
    console = Console(soft_wrap=True)
    with embedded(Path(tempfile.gettempdir())) as server:
        console.print(f"a handle: {_handle(server, asked.handles):,.0f} bytes")
        console.print(f"claimed, not begun: {_claimed(server, asked.handles):,.0f} bytes")
        each = _running(server, "ThreadRunner", asked.threads, tasks.wait)
        console.print(f"running in a thread: {each:,.0f} bytes")
        each = _running(server, "AsyncRunner", asked.coroutines, tasks.wait_in_loop)
        console.print(f"running in an event loop: {each:,.0f} bytes")


def _grown(count: int, make: Callable[[int], object]) -> float:
    """Return by how many bytes this process grows with each of ``count``, which it keeps."""
    kept = [make(count // 10)]  # what is there once, and room that is used again
    before = _mine()
    kept.append(make(count))
    return (_mine() - before) / count


def _mine() -> int:
    gc.collect()
    return cpu.resident(os.getpid()) or 0


def _handle(server: Server, count: int) -> float:
    with server.fresh() as database:
        tasks.app.conf.postgres.dsn = database.dsn
        try:
            return _grown(count, lambda n: tasks.nothing.parallelize([()] * n))
        finally:
            tasks.app.close()


def _claimed(server: Server, count: int) -> float:
    with server.fresh() as database, storage.worker(database.dsn) as orchestrator:

        def claim(n: int) -> list[Any]:
            held = []
            for _ in range(n // storage.BATCH):
                storage.call(orchestrator, storage.BATCH)
                held += orchestrator.claim(storage.RUNNER, (), storage.BATCH)
            return held

        return _grown(count, claim)


def _running(server: Server, runner: str, count: int, task: Task[[float], None]) -> float:
    """Return how much larger a worker is that runs many than one that runs a single one."""
    alone, many = (_at_work(server, runner, n, task) for n in (1, count))
    return (many - alone) / (count - 1)


def _at_work(server: Server, runner: str, count: int, task: Task[[float], None]) -> int:
    """Return the size of a worker that runs so many."""
    with server.fresh() as database:
        environment = {
            **ours.environment(database),
            "PYNENC__RUNNER_CLS": runner,
            "PYNENC__RUNNER__CONCURRENCY": str(count),
        }
        command = ("-m", "pynenc_pg", "--app", "benchmarks.tasks:app", "runner", "start")
        tasks.app.conf.postgres.dsn = database.dsn
        try:
            with children(environment, command) as (worker,):
                task.parallelize([(_SECONDS,)] * count)
                measure.wait(_all_run(database, count), "all run", workers=[worker])
                return cpu.resident(worker.pid) or 0
        finally:
            tasks.app.close()


def _all_run(database: Database, count: int) -> Callable[[], bool]:
    return lambda: database.value(_RUNNING) == count


if __name__ == "__main__":
    main()

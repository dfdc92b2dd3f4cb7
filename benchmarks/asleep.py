"""``python -m benchmarks.asleep``: single calls, while many worker processes have nothing to do.

How long a call waits for one of them, and what all of them and the server spend on it together.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks import cpu, measure, ours
from benchmarks.contenders.worker import Worker
from benchmarks.contract import Bench, Figures, Scale
from benchmarks.server import embedded

_SETTLED: Final = 4.0  # seconds in which a worker that has found nothing looks again


class Asleep(Worker):
    """The whole thing, with so many workers."""

    def called(self, bench: Bench, processes: int) -> Figures:
        """Call one by one; tell the latencies, and the processor time in ms for each call."""
        scale = bench.scale
        with (
            self.store(bench) as store,
            self.client(store) as client,
            self.workers(store, processes) as started,
        ):
            ours.wait_idle(store.database, processes)
            time.sleep(_SETTLED)
            before = self._used(store.server_cpu(), [worker.pid for worker in started])
            found = measure.latencies(scale, client.clock, client.began)
            after = self._used(store.server_cpu(), [worker.pid for worker in started])
        count = 2 * scale.gentle + scale.chained
        return {**found, "CPU, ms": (after - before) / count * 1_000}

    @staticmethod
    def _used(server: float | None, workers: list[int]) -> float:
        return (server or 0.0) + sum(cpu.of_tree(pid) or 0.0 for pid in workers)


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asleep", description=__doc__)
    parser.add_argument("--calls", type=int, default=300, help="of each kind")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 8, 32])
    asked = parser.parse_args(arguments)
    scale = Scale(single=1, bulk=1, drain=1, gentle=asked.calls, chained=asked.calls)
    found: dict[str, Figures] = {}
    with embedded(Path(tempfile.gettempdir())) as server:
        for processes in asked.processes:
            found[f"{processes}"] = Asleep().called(Bench(scale, server), processes)
    made = Table("worker processes", *found)
    for row in next(iter(found.values())):
        made.add_row(row, *[f"{figures[row]:.3g}" for figures in found.values()])
    Console(width=110).print(made)


if __name__ == "__main__":
    main()

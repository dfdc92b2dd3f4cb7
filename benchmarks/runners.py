"""``python -m benchmarks.runners``: what each runner is good for.

One worker daemon of each kind gets a queue of empty tasks, of tasks that compute, and of tasks that
wait. Times are from the call to the last result.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks import cpu, tasks
from benchmarks.children import children
from benchmarks.contenders import worker
from benchmarks.contract import Bench, Scale
from benchmarks.ours import environment
from benchmarks.server import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.children import Child
    from pynenc_pg.task import Task

_PATIENCE: Final = 300.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A runner as it is measured."""

    runner: str
    concurrency: int
    options: tuple[tuple[str, str], ...] = ()
    waits: Task[..., Any] = tasks.wait

    @property
    def name(self) -> str:
        """How it stands in the table."""
        more = "".join(f", {name} {value}" for name, value in self.options)
        return f"{self.runner}, concurrency {self.concurrency}{more}"


KINDS: Final = (
    Kind("ThreadRunner", 4),
    Kind("ThreadRunner", 50),
    Kind("MultiThreadRunner", 4, (("min_processes", "2"), ("max_processes", "2"))),
    Kind("PersistentProcessRunner", 4),
    Kind("ProcessRunner", 4),
    Kind("AsyncRunner", 1000, (), tasks.wait_in_loop),
)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.runners", description=__doc__)
    parser.add_argument("--empty", type=int, default=2000, metavar="N")
    parser.add_argument("--computing", type=int, default=100, metavar="N", help="of 50 ms each")
    parser.add_argument("--waiting", type=int, default=400, metavar="N", help="of 100 ms each")
    asked = parser.parse_args()
    table = Table("runner", "empty, per s", "computing, s", "waiting, s", "first result, s", "MiB")
    with embedded(Path(tempfile.gettempdir())) as server:
        bench = Bench(Scale(), server)
        for kind in KINDS:
            table.add_row(kind.name, *(f"{figure:,.2f}" for figure in _measure(bench, kind, asked)))
    Console(width=140).print(table)


def _measure(bench: Bench, kind: Kind, asked: argparse.Namespace) -> Iterator[float]:
    contender: Any = worker.CONTENDER
    with contender.store(bench) as store, contender.client(store):
        began = time.perf_counter()
        with _daemon(kind, environment(store.database)) as daemon:
            tasks.nothing().result_or_raise(_PATIENCE)
            first = time.perf_counter() - began
            _all(tasks.nothing, (), 200)  # processes are up, durations are known
            yield asked.empty / _all(tasks.nothing, (), asked.empty)
            yield _all(tasks.compute, (0.05,), asked.computing)
            yield _all(kind.waits, (0.1,), asked.waiting)
            yield first
            yield _memory(daemon.pid) / 2**20


@contextmanager
def _daemon(kind: Kind, dsn: dict[str, str]) -> Iterator[Child]:
    options = {f"PYNENC__RUNNER__{name.upper()}": value for name, value in kind.options}
    command = ("-m", "pynenc_pg", "--app", "benchmarks.tasks:app", "runner", "start")
    arguments = (*command, "--runner", kind.runner, "--concurrency", str(kind.concurrency))
    with children({**dsn, **options}, arguments) as [daemon]:
        yield daemon


def _all(task: Task[..., Any], arguments: tuple[object, ...], count: int) -> float:
    began = time.perf_counter()
    list(task.parallelize([arguments] * count).results)
    return time.perf_counter() - began


def _memory(root: int) -> float:
    """Bytes that a process and all below it occupy, what they share counted once."""
    occupied = 0
    for pid in cpu.tree(root):
        with suppress(OSError):  # it has ended
            lines = (Path("/proc") / str(pid) / "smaps_rollup").read_text().splitlines()
            occupied += sum(int(each.split()[1]) for each in lines if each.startswith("Pss:"))
    return occupied * 1024


if __name__ == "__main__":
    main()

"""``python -m benchmarks.waiting``: what it costs that tasks wait for each other.

Recursion (each call waits for two others) and a fan-out (one waits for a thousand), by one worker
with two slots; beside pynenc, with a thread runner of two threads, where that is installed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks import peers, tasks
from benchmarks.contenders import worker
from benchmarks.contract import Bench, Scale
from benchmarks.server import Database, embedded

_PATIENCE: Final = 90.0  # seconds for each
#: From the end of what was waited for to RESUMED, by the history of the database.
_WAKE_UP: Final = """
select percentile_cont(%s) within group (order by extract(epoch from r.at - c.at) * 1000)
from pynenc.invocation_history r cross join lateral (
    select max(h.at) as at from pynenc.invocation_history h
    join pynenc.invocation i using (invocation_id)
    where i.parent_id = r.invocation_id and h.status = 'success' and h.at <= r.at) c
where r.status = 'resumed'"""
_WAITS: Final = "select count(*) from pynenc.invocation_history where status = 'paused'"


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting", description=__doc__)
    parser.add_argument("--fibonacci", type=int, default=15, metavar="N", help="0: not measured")
    parser.add_argument("--fan-out", type=int, default=1000, metavar="N", help="0: not measured")
    parser.add_argument("--with", dest="peers", choices=["pynenc"], nargs="?")
    parser.add_argument("--patience", type=float, default=_PATIENCE, metavar="SECONDS")
    asked = parser.parse_args()
    console = Console()
    os.environ["PYNENC__RUNNER__CONCURRENCY"] = "2"
    with embedded(Path(tempfile.gettempdir())) as server:
        bench = Bench(Scale(), server)
        for what, n in _work(asked):
            contender: Any = worker.CONTENDER
            with (
                contender.store(bench) as store,
                contender.client(store),
                contender.workers(store),
            ):
                tasks.nothing().result  # noqa: B018 - it is up
                before = server.commits(store.database)
                call = tasks.fibonacci if what == "fibonacci" else tasks.fan_out
                seconds = _timed(lambda: call(n).result_or_raise(asked.patience))  # noqa: B023
                time.sleep(12)  # sessions report what they did up to 10 s later
                commits = server.commits(store.database) - before
                console.print(
                    f"worker, {what}({n}): {seconds:.2f} s; {_costs(store.database, commits)}"
                )
        if asked.peers:
            _with_peers(bench, asked, console)


def _work(asked: argparse.Namespace) -> list[tuple[str, int]]:
    work = [("fibonacci", asked.fibonacci), ("fan_out", asked.fan_out)]
    return [(what, n) for what, n in work if n]


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _costs(database: Database, commits: int) -> str:
    waits = database.value(_WAITS)
    if not waits:
        return f"no waits, {commits} transactions"
    median, worst = (database.value(_WAKE_UP, q) for q in (0.5, 0.95))
    return (
        f"{waits} waits, {commits} transactions; end to RESUMED p50 {median:.1f} ms, "
        f"p95 {worst:.1f} ms"
    )


def _with_peers(bench: Bench, asked: argparse.Namespace, console: Console) -> None:
    found, left_out = peers.find(["pynenc"])
    for line in left_out:
        console.print(f"left out: {line}")
    for contender in found:
        there: Any = contender
        there.runner = "thread"  # a process of its own for each that waits has no end
        for what, n in _work(asked):
            with there.store(bench) as store, there.client(store) as client:
                workers: AbstractContextManager[object] = there.workers(store)
                with workers:
                    seconds = client.waiting(what, n, asked.patience)
            said = f"{seconds:.2f} s" if seconds else f"not within {asked.patience:.0f} s"
            console.print(f"{there.NAME}, {what}({n}): {said}")


if __name__ == "__main__":
    main()

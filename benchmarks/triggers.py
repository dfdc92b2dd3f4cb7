"""``python -m benchmarks.triggers``: what triggers cost, and how soon they fire.

Calls of a task that nobody watches are drained by one worker, by turns with no triggers and with
five hundred that watch the success of another task, and events; and calls of a task that one
trigger watches, while what they cause is called and run beside them. Then single causes, and ticks
of a schedule each second; and single causes of pynenc, where that is installed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks import peers
from benchmarks.contract import Bench, Scale
from benchmarks.server import Database, Server, embedded

_ROOT: Final = Path(__file__).parents[1]
_APP: Final = "benchmarks.apps.trigger_app"
_LEFT: Final = """select count(*) from pynenc.invocation_state where app_id = 'triggers'"""
_CAUSES: Final = "select count(*) from pynenc.trigger_cause"
#: By the history: from the first start to the last end.
_SPAN: Final = """select extract(epoch from max(at) - min(at))::float8
from pynenc.invocation_history h join pynenc.invocation using (invocation_id)
where task_id = %s and h.status in ('running', 'success')"""
_VALUES: Final = """select array_agg((o.value#>>'{}')::float8) from pynenc.invocation_outcome o
join pynenc.invocation using (invocation_id) where task_id = %s"""
#: From the end of what is watched to the beginning of what it started, by the database's clock.
_REACTIONS: Final = """
select array_agg(extract(epoch from s.at - (r.causes->0->>'at')::timestamptz)::float8)
from pynenc.trigger_run r join pynenc.invocation_history s
on s.invocation_id = r.invocation_id and s.status = 'running' and s.previous_status = 'pending'
where r.task_id = 'benchmarks.apps.trigger_app.react'"""


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.triggers", description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3, help="0: not measured, as below")
    parser.add_argument("--many", type=int, default=500)
    parser.add_argument("--single", type=int, default=100, help="causes one after the other")
    parser.add_argument("--ticks", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--with", dest="peers", choices=["pynenc"], nargs="?")
    parser.add_argument(
        "--looks", type=int, default=6, metavar="CAUSES", help="of pynenc, each some 30 s"
    )
    asked = parser.parse_args()
    console = Console()
    with embedded(Path(tempfile.gettempdir())) as server:
        if asked.rounds:
            _drains(server, asked, console)
        if asked.single:
            with _worked(server, MANY="0") as (database, app):
                for _ in range(asked.single):
                    app.watched()
                    time.sleep(0.05)
                _wait(database)
                _tell(console, "cause to start", database.value(_REACTIONS))
        if asked.ticks:
            with _worked(server, TICKS="1") as (database, app):
                time.sleep(asked.ticks)
                _tell(console, "tick to start", database.value(_VALUES, f"{_APP}.tick"))
        if asked.peers:
            _with_peers(Bench(Scale(), server), asked, console)


def _drains(server: Server, asked: argparse.Namespace, console: Console) -> None:
    none, many, watched = [], [], []
    for _ in range(asked.rounds):
        none.append(_drain(server, "unwatched", asked.calls, 0))
        many.append(_drain(server, "unwatched", asked.calls, asked.many))
        watched.append(_drain(server, "watched", asked.calls, 0))
    for name, rates in (
        ("no triggers", none),
        (f"{asked.many} others'", many),
        ("watched", watched),
    ):
        shown = ", ".join(f"{rate:,.0f}" for rate in rates)
        ratio = statistics.median(rates) / statistics.median(none)
        console.print(f"drain, {name}: {shown} per s; {ratio:.3f} of the first")


def _with_peers(bench: Bench, asked: argparse.Namespace, console: Console) -> None:
    found, left_out = peers.find(["pynenc"])
    for line in left_out:
        console.print(f"left out: {line}")
    for contender in found:
        there: Any = contender
        console.print(f"{there.NAME}: {there.about()}")
        for how, looks, count in (
            ("by default", "", asked.looks),
            ("looking each time around", "0", asked.single),
        ):
            if not count:
                continue
            there.looks = looks
            with there.store(bench) as store, there.client(store) as client, there.workers(store):
                _tell(console, f"{there.NAME} {how}, cause to start", client.reactions(count))
        there.looks = None


def _drain(server: Server, task: str, calls: int, many: int) -> float:
    with server.fresh() as database:
        with _app(database, MANY=str(many)) as app:
            app.app.pause_queue("default")
            getattr(app, task).parallelize([()] * calls)
        with _worker(database, MANY=str(many)):
            while not database.value("select count(*) from pynenc.trigger_definition"):
                time.sleep(0.05)
            database.value("select pynenc.pause_queue('triggers', 'default', false)")
            _wait(database)
        return calls / float(database.value(_SPAN, f"{_APP}.{task}"))


def _wait(database: Database) -> None:
    while database.value(_LEFT) or database.value(_CAUSES):
        time.sleep(0.1)


def _tell(console: Console, what: str, seconds: Sequence[float]) -> None:
    ordered = sorted(1000 * one for one in seconds)
    p95 = ordered[len(ordered) * 95 // 100]
    console.print(
        f"{what}: p50 {statistics.median(ordered):.1f} ms, p95 {p95:.1f} ms, of {len(ordered)}"
    )


@contextmanager
def _worked(server: Server, **environment: str) -> Iterator[tuple[Database, Any]]:
    with (
        server.fresh() as database,
        _app(database, **environment) as app,
        _worker(database, **environment),
    ):
        while not database.value("select count(*) from pynenc.trigger_definition"):
            time.sleep(0.05)
        yield database, app


@contextmanager
def _app(database: Database, **environment: str) -> Iterator[Any]:
    os.environ.update(environment, PYNENC__POSTGRES__DSN=database.dsn)
    sys.modules.pop(_APP, None)
    from benchmarks.apps import trigger_app  # noqa: PLC0415 - its environment is set by now

    trigger_app.app.conf.postgres.dsn = database.dsn
    with trigger_app.app:
        yield trigger_app


@contextmanager
def _worker(database: Database, **environment: str) -> Iterator[None]:
    worker = subprocess.Popen(
        [sys.executable, "-m", "pynenc_pg", "--app", _APP, "runner", "start", "--concurrency", "4"],
        cwd=_ROOT,
        env={**os.environ, **environment, "PYNENC__POSTGRES__DSN": database.dsn},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(30)


if __name__ == "__main__":
    main()

"""The same large argument in many calls, stored once and in every row; and the memory of one call.

``python -m benchmarks.large`` starts an embedded server of its own and prints what it measures, a
line of JSON each. Every part runs in a fresh process. Memory is by how much the resident set of
that process grew at its peak (``VmHWM``, Linux); a caller has the value itself before that.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks.server import embedded

_ROOT: Final = Path(__file__).parents[1]
_MB: Final = 1_000_000


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("--calls", type=int, default=1000, help="with the argument stored once")
    parser.add_argument("--inline", type=int, default=50, help="with it in every row")
    parser.add_argument("--size", type=int, default=10, metavar="MB")
    parser.add_argument("--huge", type=int, default=100, metavar="MB", help="of the single call")
    asked = parser.parse_args()
    with embedded(Path(tempfile.gettempdir())) as server, server.fresh() as database:
        dsn = database.dsn
        for part, calls, off in (
            ("parallelize", asked.calls, False),
            ("call", asked.calls, False),
            ("parallelize", asked.inline, True),
            ("call", asked.inline, True),
        ):
            _measure(dsn, part, asked.size * _MB, calls, off=off)
        for part in ("call", "work", "make", "work", "read"):
            _measure(dsn, part, asked.huge * _MB, 1, off=False, purge=part in {"call", "make"})


def _measure(dsn: str, part: str, size: int, calls: int, *, off: bool, purge: bool = True) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        if purge:
            connection.execute("select pynenc.purge('large')")
            connection.execute("vacuum full pynenc.payload, pynenc.invocation")
        before = _facts(connection)
        environment = {
            **os.environ,
            "PYNENC__POSTGRES__DSN": dsn,
            "PYNENC__CLIENT_DATA_STORE__DISABLE_CLIENT_DATA_STORE": str(off),
        }
        command = [sys.executable, "-m", "benchmarks.large", part, str(size), str(calls)]
        done = subprocess.run(
            command, env=environment, cwd=_ROOT, check=True, capture_output=True, text=True
        )
        after = _facts(connection)
    said = {
        "part": part, "MB": size // _MB, "calls": calls, "stored": "in each row" if off else "once",
        **json.loads(done.stdout),
        "payload_rows": after[1], "database_grew_MB": round((after[0] - before[0]) / _MB, 1),
    }  # fmt: skip
    print(json.dumps(said), flush=True)  # noqa: T201 - that is what it is for


def _facts(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    connection.execute("checkpoint")
    row = connection.execute(
        "select pg_database_size(current_database()), (select count(*) from pynenc.payload)"
    ).fetchone() or (0, 0)
    return int(row[0]), int(row[1])


def _grown(what: Callable[[], object]) -> dict[str, float]:
    """Do it; return how long that took, and by how much this process grew meanwhile."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    before, began = _memory("VmRSS"), time.perf_counter()
    what()
    seconds = time.perf_counter() - began
    grown = (_memory("VmHWM") - before) / _MB
    return {"seconds": round(seconds, 3), "grown_MB": round(grown, 1)}


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def _part(name: str, size: int, calls: int) -> dict[str, float]:
    from benchmarks.apps import large_app as tasks  # noqa: PLC0415 - its environment is set by now

    app, data = tasks.app, ""
    app.queues()  # connected
    if name in {"call", "parallelize"}:
        data = tasks.text(size)

    def call() -> None:
        for number in range(calls):
            tasks.measure(data, number)

    def work() -> None:
        thread = threading.Thread(target=app.runner.run)
        thread.start()
        while any(q.ready + q.pending + q.running for q in app.queues()):
            time.sleep(0.01)
        app.runner.stop_runner_loop()
        thread.join()

    def read() -> None:
        with psycopg.connect(app.conf.postgres.dsn or "") as connection:
            [row] = connection.execute("select invocation_id from pynenc.invocations").fetchall()
        if len(app.get_invocation(str(row[0])).result) != size:
            sys.exit("the result is not what it should be")

    what = {
        "call": call,
        "parallelize": lambda: tasks.measure.parallelize([(data, n) for n in range(calls)]),
        "make": lambda: tasks.make(size),
        "work": work,
        "read": read,
    }[name]
    return _grown(what)


if __name__ == "__main__":
    if len(sys.argv) == 4 and not sys.argv[1].startswith("-"):  # noqa: PLR2004
        print(json.dumps(_part(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))  # noqa: T201
    else:
        main()

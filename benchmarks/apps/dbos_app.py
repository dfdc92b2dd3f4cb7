"""Workflows of DBOS, in a process that runs as many as it is told to, and tells when they did.

A line of its input is ``run``, the steps of each and how many at once, or ``replay`` and the steps
that are read back; a line of its output is the spans of these as JSON. It has its default settings:
threads as many as runs, a pool of 20 connections, LISTEN. Only whether a connection is asked if it
lives, each time one is taken from the pool, may be set.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Final

from dbos import DBOS

URL: Final = "BENCH_DBOS_URL"
#: Empty: none of these.
PINGS: Final = "BENCH_DBOS_PINGS"
_here = threading.local()


def _called() -> int:
    return getattr(_here, "called", 0)


def nothing() -> None:
    """Do nothing but count; a run has one thread."""
    _here.called = _called() + 1


def steps(count: int) -> list[float]:
    """Return when its steps began and ended, and how many of them were not read back."""
    before, began = _called(), time.perf_counter()
    for _ in range(count):
        _nothing()
    return [began, time.perf_counter(), _called() - before]


# Its decorators have types that are there only where it is installed.
_nothing = DBOS.step()(nothing)
_steps = DBOS.workflow()(steps)


def _run(count: int, many: int) -> list[list[float]]:
    started = [DBOS.start_workflow(_steps, count) for _ in range(many)]
    return [handle.get_result() for handle in started]


def _replay(count: int) -> list[list[float]]:
    whole = DBOS.start_workflow(_steps, count + 1)
    whole.get_result()
    again = DBOS.fork_workflow(whole.get_workflow_id(), count + 1)
    return [again.get_result()]


def main() -> None:
    """Launch, say so, and do what is asked for."""
    DBOS(
        config={
            "name": "bench",
            "system_database_url": os.environ[URL],
            "db_engine_kwargs": {"pool_pre_ping": bool(os.environ[PINGS])},
            "log_level": "ERROR",
        }
    )
    DBOS.launch()
    print("ready", flush=True)  # noqa: T201 - this is how it talks
    for line in sys.stdin:
        what, *numbers = line.split()
        verb = _run if what == "run" else _replay
        print(json.dumps(verb(*map(int, numbers))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

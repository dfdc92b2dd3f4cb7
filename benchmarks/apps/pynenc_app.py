"""Tasks of pynenc. Where its data is comes by environment."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

from pynenc.builder import PynencBuilder

from benchmarks import clock

APP: Final = "BENCH_APP"
REDIS: Final = "BENCH_REDIS"
SQLITE: Final = "BENCH_SQLITE"
_LOOK_AGAIN: Final = 0.002


def _make() -> Any:
    builder = PynencBuilder().app_id(os.environ.get(APP, "bench"))
    if REDIS in os.environ:
        builder = builder.redis(url=os.environ[REDIS])
    else:
        builder = builder.sqlite(os.environ.get(SQLITE))
    return (
        # The only one of its runners that does not sleep after each look at the queue.
        builder.persistent_process_runner(num_processes=1)
        # Ten times shorter sleeps than by default: what this method of the builder is for.
        .runner_tuning()
        .logging_level("warning")
        .build()
    )


app = _make()


def nothing() -> None:
    """Do nothing."""


def started() -> float:
    """Return when it was started."""
    return time.time()


def gate(number: int, path: str) -> None:
    """Tell that it was started, and keep the worker until there is a file."""
    clock.tell(number)
    while not Path(path).exists():
        time.sleep(_LOOK_AGAIN)


# The name of a task is where its function is, so each takes the place of its own.
nothing = app.task(parallel_batch_size=1_000)(nothing)
started = app.task(started)
gate = app.task(gate)

"""Tasks of pynenc. Where its data is comes by environment."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

from pynenc.builder import PynencBuilder
from pynenc.trigger.trigger_builder import TriggerBuilder

from benchmarks import clock
from benchmarks.apps import REDIS

APP: Final = "BENCH_APP"
SQLITE: Final = "BENCH_SQLITE"
RUNNER: Final = "BENCH_RUNNER"
#: Minutes between two looks at its triggers, or nothing for its default. Without it there is none.
LOOKS: Final = "BENCH_LOOKS"
_CONNECTIONS: Final = 5_000
_LOOK_AGAIN: Final = 0.002


def _make() -> Any:
    builder = PynencBuilder().app_id(os.environ.get(APP, "bench"))
    if REDIS in os.environ:
        # It writes its history from a thread for each status, and fails with the default of 100.
        builder = builder.redis(url=os.environ[REDIS]).custom_config(
            redis_pool_max_connections=_CONNECTIONS
        )
    else:
        builder = builder.sqlite(os.environ.get(SQLITE))
    builder = (
        builder.thread_runner(min_threads=2, max_threads=2)
        if os.environ.get(RUNNER) == "thread"
        # The only one of its runners that does not sleep after each look at the queue.
        else builder.persistent_process_runner(num_processes=1)
    )
    if os.environ.get(LOOKS):
        builder = builder.custom_config(
            atomic_service_check_interval_minutes=float(os.environ[LOOKS])
        )
    return (
        builder
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


def fibonacci(n: int) -> int:
    """Wait for two others."""
    return n if n <= 1 else int(_fibonacci(n - 1).result + _fibonacci(n - 2).result)


def itself(n: int) -> int:
    """Return it."""
    return n


def fan_out(count: int) -> int:
    """Wait for many others."""
    return int(sum(_itself.parallelize([(n,) for n in range(count)]).results))


def watched(number: int) -> int:
    """Return it."""
    return number


def number_of(context: Any) -> dict[str, Any]:
    """Pass it on."""
    return {"number": context.result}


def react(number: int) -> None:
    """Tell that it was started."""
    clock.tell(number)


# The name of a task is where its function is, so each takes the place of its own.
nothing = app.task(parallel_batch_size=1_000)(nothing)
started = app.task(started)
gate = app.task(gate)
fibonacci = _fibonacci = app.task(fibonacci)
itself = _itself = app.task(itself)
fan_out = app.task(fan_out)
if LOOKS in os.environ:
    watched = app.task(watched)
    react = app.task(
        react, triggers=TriggerBuilder().on_any_result(watched).with_args_from_result(number_of)
    )

"""The same two tasks, without a limit and with one."""

import os
import time
from typing import NamedTuple

from pynenc_pg import ConcurrencyControlType, PynencBuilder

app = (
    PynencBuilder()
    .app_id("example_concurrency")
    .postgres(os.environ.get("PYNENC__POSTGRES__DSN", "embedded"))
    .build()
)


class Slept(NamedTuple):
    """From when to when."""

    start: float
    end: float


# Registration: does a call need an invocation of its own, while an equal one waits?


@app.task(registration_concurrency=ConcurrencyControlType.DISABLED)
def own_id() -> str:
    return own_id.invocation.invocation_id


@app.task(registration_concurrency=ConcurrencyControlType.TASK)
def shared_id() -> str:
    return shared_id.invocation.invocation_id


# Running: how many may run at the same time, on all workers together?


@app.task(running_concurrency=ConcurrencyControlType.DISABLED)
def sleep_beside_others(seconds: float) -> Slept:
    start = time.time()
    time.sleep(seconds)
    return Slept(start, time.time())


@app.task(running_concurrency=ConcurrencyControlType.TASK)  # max_running=3 would let three
def sleep_alone(seconds: float) -> Slept:
    start = time.time()
    time.sleep(seconds)
    return Slept(start, time.time())

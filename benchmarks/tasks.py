"""The tasks that are measured. Worker processes import them; the DSN comes by environment."""

from __future__ import annotations

import asyncio
import time

from benchmarks.ours import APP
from pynenc_pg import Pynenc

app = Pynenc(APP)


@app.task
def nothing() -> None:
    """Do nothing."""


@app.task
def clock() -> float:
    """Return when it began, by the machine's clock."""
    return time.time()


@app.task
def fibonacci(n: int) -> int:
    """Wait for two others."""
    return n if n <= 1 else fibonacci(n - 1).result + fibonacci(n - 2).result


@app.task
def itself(n: int) -> int:
    """Return it."""
    return n


@app.task
def fan_out(count: int) -> int:
    """Wait for many others."""
    return sum(itself.parallelize([(n,) for n in range(count)]).results)


@app.task
def compute(seconds: float) -> int:
    """Use so much processor time in Python."""
    end, n = time.thread_time() + seconds, 0
    while time.thread_time() < end:
        n += 1
    return n


@app.task
def wait(seconds: float) -> None:
    """Wait, as for an answer over the network."""
    time.sleep(seconds)


@app.task
async def wait_in_loop(seconds: float) -> None:
    """Wait in the event loop."""
    await asyncio.sleep(seconds)

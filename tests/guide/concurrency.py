"""The tasks of the guide's use case 3, as they stand there."""

import time
from typing import NamedTuple

from pynenc_pg import ConcurrencyControlType, Pynenc

app = Pynenc()


class SleepResult(NamedTuple):
    """From when to when a task slept."""

    start: float
    end: float


@app.task(registration_concurrency=ConcurrencyControlType.DISABLED)
def get_own_invocation_id() -> str:
    """Return the id of the invocation that runs."""
    return get_own_invocation_id.invocation.invocation_id


@app.task(registration_concurrency=ConcurrencyControlType.TASK)
def get_own_invocation_id_registration_concurrency() -> str:
    """Return the id of the invocation that runs."""
    return get_own_invocation_id_registration_concurrency.invocation.invocation_id


@app.task(running_concurrency=ConcurrencyControlType.DISABLED)
def sleep_without_running_concurrency(seconds: float) -> SleepResult:
    """Sleep beside others."""
    start = time.time()
    time.sleep(seconds)
    return SleepResult(start=start, end=time.time())


@app.task(running_concurrency=ConcurrencyControlType.TASK)
def sleep_with_running_concurrency(seconds: float) -> SleepResult:
    """Sleep alone."""
    start = time.time()
    time.sleep(seconds)
    return SleepResult(start=start, end=time.time())

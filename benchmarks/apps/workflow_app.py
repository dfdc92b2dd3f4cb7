"""Workflows that are measured. Worker processes import them; the DSN comes by environment."""

from __future__ import annotations

import threading
import time
from datetime import datetime

from pynenc_pg import Pynenc

app = Pynenc("workflows")
_here = threading.local()


def _called() -> int:
    return getattr(_here, "called", 0)


def nothing() -> None:
    """Do nothing but count; a run has one thread."""
    _here.called = _called() + 1


@app.workflow
def steps(count: int) -> list[float]:
    """Return when its steps began and ended, and how many of them were not read back."""
    wf, before, began = steps.wf, _called(), time.perf_counter()
    for _ in range(count):
        wf.step(nothing)
    return [began, time.perf_counter(), _called() - before]


@app.workflow
def randoms(count: int) -> list[float]:
    """Do the same with numbers."""
    wf, began = randoms.wf, time.perf_counter()
    for _ in range(count):
        wf.random()
    return [began, time.perf_counter(), count]


@app.workflow
def sleeper(until: str) -> None:
    """Sleep until a time."""
    sleeper.wf.sleep(until=datetime.fromisoformat(until))


@app.task
def idle() -> None:
    """Do nothing, as a task that is no workflow."""

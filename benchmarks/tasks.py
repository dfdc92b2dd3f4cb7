"""The tasks that are measured. Worker processes import them; the DSN comes by environment."""

from __future__ import annotations

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

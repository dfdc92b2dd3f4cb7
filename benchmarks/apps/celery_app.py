"""Tasks of celery. The address of Redis comes by environment."""

from __future__ import annotations

import os
import time
from typing import Any, Final

from celery import Celery

from benchmarks.apps import REDIS

QUEUE: Final = "celery"
#: Of the 64 and 128 that its page on optimizing names for many short tasks.
PREFETCH: Final = 128


def make(url: str) -> Any:
    """Make an app with the tasks."""
    app = Celery("bench", broker=url, backend=url)
    app.conf.update(
        # A task whose worker dies is run again, as everywhere else here; by default it is lost.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=PREFETCH,
    )
    app.task(name="nothing")(_nothing)
    app.task(name="clock")(_clock)
    return app


def _nothing() -> None:
    """Do nothing."""


def _clock() -> float:
    return time.time()


app = make(os.environ.get(REDIS, ""))

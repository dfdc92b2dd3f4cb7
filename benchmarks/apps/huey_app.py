"""Tasks of huey. The address of Redis comes by environment."""

from __future__ import annotations

import os
import time
from typing import Any, Final

from huey import RedisHuey

from benchmarks.apps import REDIS

NAME: Final = "bench"


def make(url: str) -> Any:
    """Make a huey with the tasks. Who waits for a result is told of it, instead of looking."""
    made = RedisHuey(NAME, url=url, notify_result=True)
    made.nothing = made.task(name="nothing")(_nothing)
    made.clock = made.task(name="clock")(_clock)
    return made


def _nothing() -> None:
    """Do nothing; nothing is kept of that."""


def _clock() -> float:
    return time.time()


huey = make(os.environ.get(REDIS, ""))

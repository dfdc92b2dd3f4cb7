"""Tasks of dramatiq. The address of Redis comes by environment."""

from __future__ import annotations

import os
import time
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends.redis import RedisBackend

from benchmarks.apps import REDIS


def make(url: str) -> Any:
    """Make a broker with the tasks."""
    made = RedisBroker(url=url)
    made.add_middleware(Results(backend=RedisBackend(url=url)))
    # Results are kept where that is asked for.
    dramatiq.actor(_nothing, actor_name="nothing", broker=made)
    dramatiq.actor(_clock, actor_name="clock", broker=made, store_results=True)
    return made


def _nothing() -> None:
    """Do nothing."""


def _clock() -> float:
    return time.time()


broker = make(os.environ.get(REDIS, ""))

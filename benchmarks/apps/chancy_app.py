"""Tasks of chancy. The database comes by environment."""

from __future__ import annotations

import logging
from typing import Any, Final

from chancy import Chancy, Queue

from benchmarks import clock

#: Of its default 100, and of 500 and 1,000.
CONCURRENCY: Final = 1_000

#: Its default logger writes a line for each job.
logger = logging.getLogger("bench.chancy")
logger.setLevel(logging.WARNING)


def make(dsn: str = "") -> Any:
    """Make an app."""
    return Chancy(dsn, log=logger)


async def nothing() -> None:
    """Do nothing. A coroutine: others run in processes of their own, or in threads."""


async def tell(*, number: int) -> None:
    """Tell that it was started."""
    clock.tell(number)


def queue() -> Any:
    """Return the settings of the queue: all on one event loop, and no wait for the next poll."""
    return Queue(
        "default", executor=Chancy.Executor.Async, concurrency=CONCURRENCY, eager_polling=True
    )


app = make()

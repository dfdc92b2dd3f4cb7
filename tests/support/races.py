"""Two sessions at once: one side holds its transaction open, the other is waited for.

Where an order matters it is made: `pg_locks` shows when the other side stands in the queue.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

from tests.support.sql import Connection, claim, one, register, start

T = TypeVar("T")
PATIENCE: Final = 30.0


def blocked(watcher: Connection, waiting: Connection) -> None:
    """Return as soon as a session waits for a lock."""
    deadline = time.monotonic() + PATIENCE
    while not one(watcher, "select pg_blocking_pids(%s) <> '{}'", (waiting.info.backend_pid,)):
        assert time.monotonic() < deadline, "it does not wait"


def running(c: Connection, n: int = 1) -> list[tuple[str, int]]:
    """Let our runner begin n."""
    register(c, n)
    held = claim(c, limit=n)
    start(c, held)
    return held


def impatient(c: Connection) -> None:
    """Let a session that would have to wait for another one fail."""
    c.execute("set lock_timeout = '200ms'")


def while_held(
    holder: Connection,
    waiting: Connection,
    pool: ThreadPoolExecutor,
    first: Callable[[], Any],
    second: Callable[[], T],
) -> T:
    """Let `second` run into the open transaction of `first`, then commit; return its answer."""
    with holder.transaction():
        first()
        answer: Future[T] = pool.submit(second)
        blocked(holder, waiting)
    return answer.result(PATIENCE)


def together(pool: ThreadPoolExecutor, *sides: Callable[[], T]) -> list[T]:
    """Start all at the same moment; return their answers."""
    gate = threading.Barrier(len(sides))

    def run(side: Callable[[], T]) -> T:
        gate.wait(PATIENCE)
        return side()

    return [future.result(PATIENCE * 2) for future in [pool.submit(run, side) for side in sides]]

"""Tasks whose bodies leave a record of every run, outside the database of the queue.

``BODY_DSN`` names the database with the table ``body_run``; it survives what happens to the other.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from pynenc_pg import Pynenc
from pynenc_pg.engine.context import running

app = Pynenc("faults")


@contextmanager
def _recorded() -> Iterator[None]:
    now = running.get()
    assert now is not None
    facts = (now.invocation_id, now.fence, os.getpid())
    with psycopg.connect(os.environ["BODY_DSN"], autocommit=True) as side:
        side.execute(
            """insert into body_run (invocation_id, fence, pid, began)
               values (%s, %s, %s, clock_timestamp())""",
            facts,
        )
    yield
    with psycopg.connect(os.environ["BODY_DSN"], autocommit=True) as side:
        side.execute(
            """update body_run set ended = clock_timestamp()
               where invocation_id = %s and fence = %s and pid = %s""",
            facts,
        )


@app.task
def work(number: int, seconds: float) -> int:
    """Take a while."""
    with _recorded():
        time.sleep(seconds)
    return number


@app.task
def hold(number: int, gate: str) -> int:
    """Go on until the file is there."""
    with _recorded():
        while not Path(gate).exists():
            time.sleep(0.01)
    return number


@app.task(queue="children")
def child(gate: str) -> str:
    """Go on until the file is there; served by those alone that serve its queue."""
    with _recorded():
        while not Path(gate).exists():
            time.sleep(0.01)
    return gate


@app.task
def parent(gate: str) -> str:
    """Wait for a child."""
    with _recorded():
        return child(gate).result


@app.task
async def async_parent(gate: str) -> str:
    """Wait for a child in the loop."""
    with _recorded():
        return await (await child.acall(gate)).async_result()


@app.task
def die_once(mark: str) -> str:
    """Take the worker down in the first run."""
    with _recorded():
        if not Path(mark).exists():
            Path(mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


class UnspeakableError(Exception):
    """Cannot be printed, nor carried."""

    def __str__(self) -> str:
        """Fail."""
        raise LookupError

    __repr__ = __str__


class _Uncarriable:
    def __getstate__(self) -> object:
        raise LookupError


@app.task
def fail_badly() -> None:
    """Raise what can neither be shown nor carried."""
    raise UnspeakableError(_Uncarriable())


@app.task
def return_badly() -> object:
    """Return what cannot be carried."""
    return _Uncarriable()

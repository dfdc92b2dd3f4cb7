"""Tasks whose bodies leave a record of every run, outside the database of the queue.

``BODY_DSN`` names the database with the table ``body_run``; it survives what happens to the other.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import StoreUnavailableError
from pynenc_pg.trigger.conditions import ResultContext
from pynenc_pg.trigger.trigger_builder import TriggerBuilder
from tests.faults.bodies import recorded

app = Pynenc("faults")


@app.task
def work(number: int, seconds: float) -> int:
    """Take a while."""
    with recorded():
        time.sleep(seconds)
    return number


@app.task
def hold(number: int, gate: str) -> int:
    """Go on until the file is there."""
    with recorded():
        while not Path(gate).exists():
            time.sleep(0.01)
    return number


@app.task
def watched(number: int) -> int:
    """Be done at once; a trigger watches it."""
    return number


#: Seconds that the provider takes.
LINGERS = 0.0


def _number(context: ResultContext) -> dict[str, Any]:
    time.sleep(LINGERS)
    return {"number": context.result}


@app.task(triggers=TriggerBuilder().on_any_result(watched).with_args_from_result(_number))
def reaction(number: int) -> int:
    """Be started by each success of ``watched``."""
    return number


if os.environ.get("FAULTS_TICKS"):

    @app.task(triggers=TriggerBuilder().on_cron("* * * * * *"))
    def tick() -> None:
        """Be started each second."""


@app.task
def say_much(word: str) -> str:
    """Return what is stored by itself, before the end is told of."""
    with recorded():
        return word * 500


@app.task(queue="children")
def child(gate: str) -> str:
    """Go on until the file is there; served by those alone that serve its queue."""
    with recorded():
        while not Path(gate).exists():
            time.sleep(0.01)
    return gate


@app.task
def parent(gate: str) -> str:
    """Wait for a child."""
    with recorded():
        return child(gate).result


@app.task
async def async_parent(gate: str) -> str:
    """Wait for a child in the loop."""
    with recorded():
        return await (await child.acall(gate)).async_result()


@app.task
def die_once(mark: str) -> str:
    """Take the worker down in the first run."""
    with recorded():
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


@app.task
def exit_hard() -> None:
    """Take the worker down without a word."""
    with recorded():
        os._exit(1)


@app.task
def segfault() -> None:
    """Read where nothing is."""
    with recorded():
        ctypes.string_at(0)


@app.task
def run_out_of_memory() -> None:
    """Grow, and be ended as the kernel ends who has grown too much."""
    with recorded():
        held = bytearray(50_000_000)
        os.kill(os.getpid(), signal.SIGKILL)
        del held


@app.task
def block_once(mark: str, seconds: float) -> str:
    """Let no other thread run for a while, in the first run."""
    with recorded():
        if Path(mark).exists():
            return "second"
        Path(mark).touch()
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))  # a PyDLL keeps the interpreter's lock
        return "first"


@app.task
async def spin(seconds: float) -> str:
    """Never let go of the loop for a while; other threads get their turns."""
    with recorded():
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
    return "done"


@app.task
def fork_once(mark: str, gate: str) -> int:
    """Leave a child in the first run, with all that is open, until the file is there."""
    with recorded():
        if not Path(mark).exists():
            if not (child := os.fork()):
                while not Path(gate).exists():
                    time.sleep(0.01)
                os._exit(0)
            Path(mark).write_text(str(child))
            time.sleep(60)
        return int(Path(mark).read_text())


@app.task
async def linger(mark: str) -> str:
    """Stay in the first run until told to stop, and leave a word about that."""
    first = Path(mark)
    with recorded():
        if first.exists():  # noqa: ASYNC240 - nothing else is to run here
            return "second"
        first.touch()  # noqa: ASYNC240
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            first.write_text("told to stop")  # noqa: ASYNC240
            raise
    return "first"


@app.task(max_retries=3, retry_for=(ConnectionError,))
def fail_once(mark: str) -> str:
    """Fail in the first run."""
    with recorded():
        if Path(mark).exists():
            return "second"
        Path(mark).touch()
        raise ConnectionError(mark)


_AWAY = (psycopg.OperationalError, StoreUnavailableError)


@app.task(max_retries=5, retry_for=_AWAY)
def deposit(word: str) -> str:
    """Write into the database of the queue, with the end."""
    with recorded(), deposit.invocation.transaction() as connection:
        connection.execute("select note_effect(%s)", (word,))
    return word


@app.task(max_retries=5, retry_for=_AWAY)
async def deposit_later(word: str) -> str:
    """The same as a coroutine."""
    with recorded():
        async with deposit_later.invocation.transaction() as connection:
            await connection.execute("select note_effect(%s)", (word,))
    return word


@app.task
def deposit_slowly(word: str, gate: str) -> str:
    """The same, with a lock on a row, until the file is there."""
    with recorded(), deposit_slowly.invocation.transaction() as connection:
        connection.execute("select note_effect(%s)", (word,))
        connection.execute("update account set amount = amount + 1")
        while not Path(gate).exists():
            time.sleep(0.01)
    return word


@app.task
def run_away(setting: str, idle: float) -> None:
    """Take longer than the server allows, in a transaction with the end."""
    with recorded(), run_away.invocation.transaction() as connection:
        connection.execute("select set_config(%s, '100ms', true)", (setting,))
        time.sleep(idle)
        connection.execute("select pg_sleep(30)")


if "FAULTS_NEWER" in os.environ:

    @app.task
    def newer(number: int) -> int:
        """Exist in the newer of two deployments."""
        with recorded():
            return number

    @app.task
    def changed(number: int, colour: str, size: int = 1) -> int:
        """Want a colour in the newer one."""
        with recorded():
            return number

else:

    @app.task
    def changed(number: int) -> int:
        """Want a number in the older one."""
        with recorded():
            return number


import_module("tests.faults.workflow_tasks")  # theirs are of this app, too

# Numbers that no setting reaches, as JSON: {"module.NAME": value}.
for _where, _value in json.loads(os.environ.get("FAULTS_PATCH", "{}")).items():
    _module, _, _name = _where.rpartition(".")
    setattr(import_module(_module), _name, _value)

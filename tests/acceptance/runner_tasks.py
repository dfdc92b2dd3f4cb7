"""Tasks that every runner must execute alike. The DSN comes by environment."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pynenc_pg import ConcurrencyControlType, Pynenc, RetryError
from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.exceptions import Snooze, TaskTimeoutError
from pynenc_pg.runner.runner_context import current_runner_context

app = Pynenc("runners")
colour: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


class OrderError(Exception):
    """An error with a value of its own."""

    def __init__(self, number: int) -> None:
        """Keep the number."""
        super().__init__(number)
        self.number = number


@app.task
def add(x: int, y: int) -> int:
    """Return the sum."""
    return x + y


@app.task
def grow(items: list[int], number: int) -> list[int]:
    """Change what it was given, and return it."""
    items.append(number)
    return items


@app.task
async def grow_later(items: list[int], number: int) -> list[int]:
    """Do that from a coroutine."""
    await asyncio.sleep(0)
    return grow.func(items, number)


@app.task
async def add_later(x: int, y: int) -> int:
    """Return the sum, from a coroutine."""
    await asyncio.sleep(0)
    return x + y


@app.task
def fibonacci(n: int) -> int:
    """Wait for two children."""
    return n if n < 2 else fibonacci(n - 1).result + fibonacci(n - 2).result


@app.task
async def fibonacci_async(n: int) -> int:
    """Await two children at once."""
    if n < 2:
        return n
    one, two = await fibonacci_async.acall(n - 1), await fibonacci_async.acall(n - 2)
    return sum(await asyncio.gather(one.async_result(), two.async_result()))


@app.task
def chain(depth: int) -> int:
    """Go down so many calls."""
    return 0 if depth == 0 else 1 + chain(depth - 1).result


@app.task
def fan_out(width: int) -> int:
    """Wait for many children at once."""
    return sum(add.parallelize([(n, 1) for n in range(width)]).results)


@app.task
def fail(number: int) -> None:
    """Raise an error of its own."""
    raise OrderError(number)


@app.task
def fail_below(number: int) -> str:
    """Have a child that fails, and see its very error."""
    try:
        fail(number).result  # noqa: B018 - it raises
    except OrderError as error:
        return f"caught {error.number}"
    return "nothing"


@app.task(max_retries=3)
def third_time(path: str) -> int:
    """Succeed at the third attempt."""
    with open(path, "a+", encoding="utf-8") as file:  # noqa: PTH123 - append and read at once
        file.write("x")
        file.seek(0)
        attempts = len(file.read())
    if attempts < 3:
        raise RetryError
    return attempts


@app.task
def turn(values: list[Any], text: str) -> tuple[int, str]:
    """Take and return large values."""
    return len(values), text[::-1]


@app.task
def leave() -> None:
    """Ask the interpreter to end."""
    raise SystemExit(3)


@app.task
def who() -> tuple[str, int, str, str, int]:
    """Tell where it runs, as it sees it itself."""
    context = current_runner_context()
    assert context is not None
    invocation_id = str(who.invocation.invocation_id)
    return invocation_id, os.getpid(), context.runner_cls, context.runner_id, context.pid


@app.task
def paint(value: str) -> str:
    """Set a context variable, and tell what it was before."""
    before = colour.get()
    colour.set(value)
    return before


@app.task
async def paint_later(value: str) -> str:
    """Set a context variable in a coroutine, and tell what it was before."""
    before = colour.get()
    colour.set(value)
    await asyncio.sleep(0)
    return before if colour.get() == value else "lost"


@app.task
def whisper() -> str:
    """Log from a thread of its own that has its context."""
    said: list[str] = []
    context = contextvars.copy_context()
    thread = threading.Thread(
        target=context.run, args=(lambda: said.append(str(whisper.invocation.invocation_id)),)
    )
    thread.start()
    thread.join()
    whisper.logger.info("whispered")
    return said[0]


@app.task(running_concurrency=ConcurrencyControlType.TASK)
def alone(folder: str) -> bool:
    """Tell whether nobody else was here at the same time."""
    mark = Path(folder) / "here"
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    time.sleep(0.02)
    mark.unlink()
    return True


@app.task(running_concurrency=ConcurrencyControlType.TASK)
def within_itself(depth: int) -> int:
    """Wait for a call that cannot run before this one ends."""
    return depth if depth == 0 else within_itself(depth - 1).result


@app.task(max_retries=1)
def book(word: str) -> str:
    """Write with its end; the first attempt is in vain."""
    with book.invocation.transaction() as connection:
        connection.execute("insert into booking values (%s)", (word,))
    if not book.invocation.num_retries:
        raise RetryError
    return word


@app.task(max_retries=1)
async def book_later(word: str) -> str:
    """The same as a coroutine."""
    async with book_later.invocation.transaction() as connection:
        await connection.execute("insert into booking values (%s)", (word,))
    if not book_later.invocation.num_retries:
        raise RetryError
    return word


@app.task
def book_below(words: list[str]) -> list[str]:
    """Wait for those that book."""
    return [*book.parallelize([(word,) for word in words]).results]


@app.task
def hold(gate: str, begun: str) -> str:
    """Leave a mark, then go on until the gate is there."""
    (Path(begun) / str(os.getpid())).touch()
    while not Path(gate).exists():
        time.sleep(0.01)
    return gate


@app.task
def hold_below(gate: str, begun: str) -> str:
    """Leave a mark, then wait for one that holds."""
    (Path(begun) / f"waits-{os.getpid()}").touch()
    return hold(gate, begun).result


@app.task
def die(how: str) -> None:
    """Take the process down."""
    if how == "exit":
        os._exit(7)
    if how == "segfault":
        ctypes.string_at(0)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
def fork_and_die_once(mark: str) -> str:
    """In the first run, leave a process behind that has all our sockets, and die."""
    if Path(mark).exists():
        return "survived"
    Path(mark).touch()
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
    os._exit(1)


@app.task
def occupy(mebibytes: int) -> int:
    """Keep memory beyond its own end."""
    _kept.append(b"x" * (mebibytes * 2**20))
    return os.getpid()


_kept: list[bytes] = []


@app.task
def pid() -> int:
    """Tell the process."""
    return os.getpid()


@app.task
def chances() -> tuple[str, str, float]:
    """Return what must be different in each process."""
    return str(new_invocation_id())[14:], uuid.uuid4().hex, random.random()


@app.task
def nap(seconds: float) -> None:
    """Take a while."""
    time.sleep(seconds)


@app.task
async def doze(seconds: float) -> None:
    """Take a while in the loop."""
    await asyncio.sleep(seconds)


@app.task
async def doze_below(seconds: float) -> None:
    """Await one that dozes."""
    await (await doze.acall(seconds)).async_result()


@app.task(timeout=0.5, retry_for=(TaskTimeoutError,), max_retries=1)
def too_slow(folder: str) -> None:
    """Sleep beyond the limit, and say how that ends."""
    with begun_and_ended(Path(folder)):
        time.sleep(0.01)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            time.sleep(0.01)


@app.task(timeout=0.5)
async def too_slow_async(folder: str) -> None:
    """Sleep beyond the limit, and say how that ends."""
    with begun_and_ended(Path(folder)):
        await asyncio.sleep(60)


@app.task(timeout=0.5)
def deaf(folder: str) -> None:
    """Hear of nothing: what it is interrupted with is thrown away."""
    Path(folder, "begun").touch()
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        with suppress(TaskTimeoutError):
            time.sleep(4)


@app.task
def looks_now_and_then(folder: str) -> None:
    """Work in steps, and look before each whether it is still wanted."""
    with begun_and_ended(Path(folder)):
        while True:
            looks_now_and_then.invocation  # noqa: B018 - it raises
            time.sleep(0.01)


@app.task
def waits_below(folder: str) -> None:
    """Wait for one that does not end soon."""
    with begun_and_ended(Path(folder)):
        nap(3.0).result  # noqa: B018 - waited for


@app.task
async def sleeps_long(folder: str) -> None:
    """Sleep."""
    with begun_and_ended(Path(folder)):
        await asyncio.sleep(60)


@app.task
def snoozes(folder: str) -> int:
    """Ask for time at the first two attempts."""
    attempts = len(list(Path(folder).iterdir()))
    Path(folder, str(attempts)).touch()
    if attempts < 2:
        raise Snooze(0.1)
    return attempts


@contextmanager
def begun_and_ended(folder: Path) -> Iterator[None]:
    """Leave a file at the beginning and one at the end, with what was raised."""
    folder.joinpath("begun").touch()
    try:
        yield
    except BaseException as error:
        folder.joinpath(type(error).__name__).touch()
        raise

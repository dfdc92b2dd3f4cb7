"""Tasks with limits of time, cancelled ones, and those that hooks hear of."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import Snooze, TaskTimeoutError
from pynenc_pg.invocation.handle import Invocation

app = Pynenc("timed", config_values={"runner": {"concurrency": 4}})
seen: list[Any] = []
children: list[Invocation[Any]] = []
gate = threading.Event()


def plain() -> None:
    """Not a task yet."""


@app.task
def add(x: int, y: int) -> int:
    """Return a sum."""
    return x + y


@app.task(timeout=0.2)
def spin(longest: str) -> None:
    """Compute for ever."""
    try:
        until = time.monotonic() + float(longest) * 100
        while time.monotonic() < until:
            pass
    finally:
        seen.append("cleaned up")


@app.task(timeout=0.2)
async def spin_async(longest: str) -> None:
    """Look at the clock for ever, and let others go on."""
    try:
        until = time.monotonic() + float(longest) * 100
        while time.monotonic() < until:  # noqa: ASYNC110 - it is to keep the loop busy
            await asyncio.sleep(0)
    finally:
        seen.append("cleaned up")


@app.task(timeout=0.2)
async def doze_async(longest: str) -> None:
    """Sleep for ever."""
    try:
        await asyncio.sleep(float(longest) * 100)
    finally:
        seen.append("cleaned up")


@app.task(timeout=0.2)
def wait_for_long(longest: str) -> None:
    """Wait for something that does not come, in short steps."""
    try:
        for _ in range(int(float(longest) * 1000)):
            gate.wait(0.05)
    finally:
        seen.append("cleaned up")


@app.task(timeout=0.3, on_failure=lambda _, error: seen.append(f"failed: {type(error).__name__}"))
def stuck(seconds: float) -> None:
    """Cannot be interrupted."""
    time.sleep(seconds)


@app.task(timeout=0.2, max_retries=2, retry_for=(TaskTimeoutError,))
def slow_at_first() -> int:
    """Take too long, once."""
    seen.append("attempt")
    while len(seen) == 1:
        pass
    return len(seen)


@app.task
def slow() -> str:
    """Wait at the gate."""
    gate.wait(20)
    return "slow"


@app.task(timeout=0.5)
def parent_of_slow() -> str:
    """Wait for a child that is not in time."""
    child = slow()
    children[:] = [child]
    return child.result


@app.task(timeout=0.3)
def quick(n: int) -> int:
    """Be in time."""
    return n


@app.task(expires=0.3)
def perishable() -> str:
    """Be begun in time."""
    return "fresh"


@app.task
def snoozes(times: int) -> int:
    """Ask for more time, so many times."""
    seen.append("snoozed")
    if len(seen) <= times:
        raise Snooze(0.1)
    return len(seen)


# --- cancelled while they run -----------------------------------------------------------------


@app.task(max_retries=5, retry_for=(Exception,))
def looks_now_and_then() -> None:
    """Work in steps, and ask whether to go on before each."""
    seen.append("begun")
    try:
        while True:
            _ = looks_now_and_then.invocation
            time.sleep(0.01)
    except Exception as error:
        seen.append(type(error).__name__)
        raise


@app.task
def calls_others() -> None:
    """Call others for ever."""
    seen.append("begun")
    while True:
        add(1, 2)
        time.sleep(0.01)


@app.task
def waits_for_slow() -> str:
    """Wait for a child."""
    child = slow()
    children[:] = [child]
    seen.append("begun")
    return child.result


@app.task
async def sleeps() -> None:
    """Sleep for ever."""
    seen.append("begun")
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        seen.append("CancelledError")
        raise


@app.task
async def awaits_slow() -> str:
    """Await a child."""
    child = slow()
    children[:] = [child]
    seen.append("begun")
    return await child.async_result()


@app.task
def ends_anyway() -> str:
    """Look at nothing."""
    seen.append("begun")
    gate.wait(20)
    return "done"


# --- hooks and middleware ---------------------------------------------------------------------


def note(kind: str) -> Any:
    """Return a hook that keeps what it is told."""

    def hook(invocation: Invocation[Any], *said: object) -> None:
        seen.append((kind, invocation.task_id.rpartition(".")[2], *map(repr, said)))

    return hook


async def note_later(invocation: Invocation[Any], result: object) -> None:
    """Hook that is a coroutine."""
    await asyncio.sleep(0)
    seen.append(("later", invocation.status, result))


def breaks(*_: object) -> None:
    """Hook that fails."""
    message = "the hook is broken"
    raise RuntimeError(message)


def calls_on(invocation: Invocation[Any], error: BaseException) -> None:
    """Hook that calls a task."""
    children[:] = [add(len(str(invocation.invocation_id)), 0)]


hooked = app.task(
    on_success=note("success"),
    on_failure=note("failure"),
    on_retry=note("retry"),
    max_retries=1,
    retry_delay=0.01,
    retry_jitter=False,
    retry_for=(KeyError,),
)


@hooked
def told(what: str) -> str:
    """End as it is told."""
    if what == "raise":
        raise ValueError(what)
    if what == "retry":
        raise KeyError(what)
    return what


@hooked
async def told_async(what: str) -> str:
    """End as it is told."""
    await asyncio.sleep(0)
    return told.func(what)


@app.task(on_success=note_later)
def tells_later() -> int:
    """Have a hook that is a coroutine."""
    return 1


@app.task(on_success=breaks)
def tells_the_broken() -> int:
    """Have a hook that fails."""
    return 2


@app.task(on_failure=calls_on, timeout=0.2)
def calls_when_it_fails() -> None:
    """Take too long; its hook calls another task."""
    while True:
        pass


@contextmanager
def noted(invocation: Invocation[Any]) -> Iterator[None]:
    """Note the beginning and the end, and swallow what is raised."""
    seen.append(f"before {invocation.task_id.rpartition('.')[2]}")
    try:
        yield
    except ValueError:
        seen.append("after an error")
    else:
        seen.append("after")

"""Tasks that wait for other tasks. Each test says on which store, and which runner."""

from __future__ import annotations

import asyncio
import threading
import time

import psycopg

from pynenc_pg import Pynenc

app = Pynenc("waiting")

#: The most threads that were alive at once, as far as tasks have looked.
threads = [0]
#: Ids that tests hand to tasks, and what tasks tell tests.
ids: dict[str, str] = {}
seen: list[object] = []
gate = threading.Event()


@app.task
def fibonacci(n: int) -> int:
    """Return the n-th Fibonacci number, with a task for each step."""
    threads[0] = max(threads[0], threading.active_count())
    if n <= 1:
        return n
    return fibonacci(n - 1).result + fibonacci(n - 2).result


@app.task
def eager_fibonacci(n: int) -> int:
    """Call both before waiting for the first."""
    if n <= 1:
        return n
    one, other = eager_fibonacci(n - 1), eager_fibonacci(n - 2)
    return one.result + other.result


@app.task
def chain(length: int) -> int:
    """Wait for a chain of calls."""
    return 0 if length == 0 else 1 + chain(length - 1).result


@app.task
def leaf(n: int) -> int:
    """Return it."""
    return n


@app.task
def fan_out(count: int) -> int:
    """Wait for many calls, one after the other."""
    return sum(call.result for call in [leaf(n) for n in range(count)])


@app.task
def divide(x: float, y: float) -> float:
    """Return the quotient."""
    return x / y


@app.task
def ask_divide(x: float, y: float) -> str:
    """Say what came of it."""
    try:
        return str(divide(x, y).result)
    except ZeroDivisionError as error:
        return f"caught {error}"


@app.task
def pass_on(x: float, y: float) -> float:
    """Do not catch."""
    return divide(x, y).result


@app.task
def wait_for_myself() -> None:
    """Wait for the end of oneself."""
    wait_for_myself.invocation.result  # noqa: B018 - asking waits


@app.task
def wait_for(name: str) -> str:
    """Wait for an invocation that the test names, once it does."""
    deadline = time.monotonic() + 20
    while name not in ids and time.monotonic() < deadline:
        time.sleep(0.005)
    app.get_invocation(ids[name]).result  # noqa: B018
    return name


@app.task
def wait_for_id(invocation_id: str, patience: float) -> None:
    """Wait for that one; without an id for the one that the table ``pointer`` names."""
    me = wait_for_id.invocation.invocation_id
    deadline = time.monotonic() + patience
    while not invocation_id and time.monotonic() < deadline:
        with psycopg.connect(app.conf.postgres.dsn or "", autocommit=True) as connection:
            if connection.execute("select to_regclass('pointer') is null").fetchone() == (False,):
                row = connection.execute(
                    "select to_id from pointer where from_id = %s", (me,)
                ).fetchone()
                invocation_id = row[0] if row else ""
        time.sleep(0.01)
    app.get_invocation(invocation_id).result  # noqa: B018


@app.task
def slow(seconds: float) -> float:
    """Sleep."""
    time.sleep(seconds)
    return seconds


@app.task
def parent_of_slow(seconds: float) -> float:
    """Wait for one that takes its time."""
    return slow(seconds).result


@app.task
def at_the_gate(n: int) -> int:
    """Wait until the test lets it go."""
    seen.append(n)
    gate.wait(20)
    return n


@app.task
def behind_the_gate(n: int) -> int:
    """Wait for one that waits at the gate."""
    seen.append(f"parent {n}")
    try:
        return at_the_gate(n).result
    finally:
        seen.append(f"left {n}")


@app.task
def impatient(n: int) -> str:
    """Wait a moment, then go on without."""
    call = at_the_gate(n)
    try:
        return str(call.result_or_raise(0.05))
    except TimeoutError:
        return f"went on without {n}"


@app.task
async def async_fibonacci(n: int) -> int:
    """Await both at once."""
    threads[0] = max(threads[0], threading.active_count())
    if n <= 1:
        return n
    one, other = await async_fibonacci.acall(n - 1), await async_fibonacci.acall(n - 2)
    return sum(await asyncio.gather(one.async_result(), other.async_result()))


@app.task
async def async_chain(length: int) -> int:
    """Await a chain of calls."""
    if length == 0:
        return 0
    return 1 + await (await async_chain.acall(length - 1)).async_result()


@app.task
async def nap(seconds: float) -> float:
    """Sleep in the loop."""
    await asyncio.sleep(seconds)
    return seconds


@app.task
async def blocking() -> int:
    """Do what must not be done in a loop."""
    return leaf(1).result


@app.task
async def of_both_kinds() -> list[int]:
    """Await a plain function and a coroutine that themselves wait."""
    plain, other = chain(3), async_chain(3)
    return [await plain.async_result(), await other.async_result()]

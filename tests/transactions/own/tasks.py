"""Tasks that write in a transaction of their own, which is committed with their end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import text

from pynenc_pg import ConcurrencyControlType, Pynenc, RetryError

app = Pynenc("own")
CREATE: Final = """
    create table effect (word text);
    create table word (word text primary key deferrable initially deferred)"""
_WRITE: Final = "insert into effect values (%s)"
#: Set by tests, called by tasks.
hooks: dict[str, Callable[..., Any]] = {}


def hook(name: str, *arguments: Any) -> Any:
    """Do what a test wants to be done here."""
    return hooks[name](*arguments) if name in hooks else None


@app.task
def write(word: str) -> str:
    """Write, and return it in capitals."""
    with write.invocation.transaction() as connection:
        hook("begun")
        connection.execute(_WRITE, (word,))
        hook("written")
    hook("left")
    return word.upper()


@app.task
async def write_async(word: str) -> str:
    """The same as a coroutine."""
    async with write_async.invocation.transaction() as connection:
        hook("begun")
        await connection.execute(_WRITE, (word,))
        hook("written")
    hook("left")
    await asyncio.sleep(0)
    return word.upper()


@app.task
def write_alchemy(word: str) -> str:
    """The same with SQLAlchemy."""
    with write_alchemy.invocation.transaction(sqlalchemy=True) as connection:
        connection.execute(text("insert into effect values (:word)"), {"word": word})
        hook("written")
    return word.upper()


@app.task
async def write_alchemy_async(word: str) -> str:
    """The same with SQLAlchemy as a coroutine."""
    block = write_alchemy_async.invocation.transaction(sqlalchemy=True)
    async with block as connection:
        await connection.execute(text("insert into effect values (:word)"), {"word": word})
        hook("written")
    return word.upper()


@app.task(max_retries=2)
def free(word: str) -> str:
    """Do in the block, and after it, what a test wants."""
    with free.invocation.transaction() as connection:
        connection.execute(_WRITE, (word,))
        hook("block", connection)
    return hook("after") or word.upper()


@app.task(max_retries=2)
async def free_async(word: str) -> str:
    """The same as a coroutine; so are the hooks."""
    async with free_async.invocation.transaction() as connection:
        await connection.execute(_WRITE, (word,))
        await hook("block", connection)
    return word.upper()


@app.task
def whole(word: str) -> str:
    """Do all that a test wants; what it returns is the result."""
    return hook("whole", word) or word.upper()


@app.task
async def whole_async(word: str) -> str:
    """The same as a coroutine."""
    return await hook("whole", word) or word.upper()


@app.task(running_concurrency=ConcurrencyControlType.TASK)
def alone(word: str) -> str:
    """Write, one at a time."""
    with alone.invocation.transaction() as connection:
        connection.execute(_WRITE, (word,))
    return word


@app.task
def parent(words: list[str]) -> list[str]:
    """Wait for those that write."""
    return list(alone.parallelize([(word,) for word in words]).results)


@app.task(max_retries=2)
def third_time(word: str) -> int:
    """Write each time, and succeed at the third."""
    with third_time.invocation.transaction() as connection:
        connection.execute(_WRITE, (word,))
    if third_time.invocation.num_retries < 2:
        raise RetryError
    return third_time.invocation.num_retries

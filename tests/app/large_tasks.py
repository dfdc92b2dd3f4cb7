"""Tasks with large values, on any store."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import Any

from pynenc_pg import Pynenc

app = Pynenc("large-tests")
gate = threading.Event()
seen: list[Any] = []

#: More than the 1024 bytes from which a value is large, and not many.
SOME = 3000


def twin(dsn: str) -> Pynenc:
    """Return another app of that name, with no tasks."""
    return Pynenc("large-tests", config_values={"postgres": {"dsn": dsn}})


@dataclass
class Bag:
    """An object that any of its users may change."""

    items: list[int]


class LargeError(Exception):
    """An error with something large in it."""


@app.task
def measure(data: str) -> int:
    """Return the length."""
    return len(data)


@app.task
def echo(data: Any) -> Any:
    """Return it."""
    return data


@app.task
def digest(data: str, salt: int) -> str:
    """Return a hash of both."""
    return hashlib.sha256(f"{salt}{data}".encode()).hexdigest()


@app.task
def spoil(data: Any, number: int) -> tuple[int, int]:
    """Change it after it was looked at; return its length, and that of what came second."""
    items = data.items if isinstance(data, Bag) else data
    length = len(items)
    items.append(number)
    return length, len(items)


@app.task
def both_spoiled(one: list[int], other: list[int]) -> int:
    """Change one, and return the length of the other."""
    one.append(1)
    return len(other)


@app.task(disable_cache_args=("data",))
def measure_inline(data: str, other: str) -> int:
    """Take one argument as it stands in the row."""
    return len(data) + len(other)


@app.task(disable_cache_args="*")
def measure_all_inline(data: str, other: str) -> int:
    """Take both so."""
    return len(data) + len(other)


@app.task(max_retries=1, retry_for=LargeError)
def fail(data: str) -> None:
    """Fail twice, with all of it in the error."""
    raise LargeError(data)


@app.task
async def measure_later(data: str) -> str:
    """Return it twice, from a loop."""
    return data + data

"""Tasks that are called by the thousand. Each test says on which store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from pynenc_pg import Pynenc
from pynenc_pg.serializer import JsonPickleSerializer

app = Pynenc("groups")

#: How often the counting serializer has encoded something.
encoded: list[object] = []


class Counting(JsonPickleSerializer):
    """Counts what it encodes."""

    skips_plain_json = False

    def to_wire(self, value: object) -> Any:
        """Count, then do as usual."""
        encoded.append(value)
        return super().to_wire(value)


@app.task
def add(x: int, y: int = 10) -> int:
    """Return the sum."""
    return x + y


@app.task
def gather_up(first: int, *others: int, key: int = 0, **rest: int) -> dict[str, Any]:
    """Return what was called with."""
    return {"first": first, "others": list(others), "key": key, "rest": rest}


@app.task
def describe(name: str, pieces: int = 1, note: str = "") -> list[Any]:
    """Return what was called with."""
    return [name, pieces, note]


@app.task(parallel_batch_size=1000)
def double(n: int) -> int:
    """Return twice as much."""
    return 2 * n


@app.task
def after(seconds: float) -> float:
    """Take so long."""
    time.sleep(seconds)
    return seconds


@app.task
def invert(n: int) -> float:
    """Fail at 0."""
    return 1 / n


@app.task(serializer_cls=Counting)
def weigh(scale: object, n: int) -> int:
    """Take something that all have in common."""
    return n * len(str(scale)) // len(str(scale))


@app.task
def total(count: int) -> int:
    """Wait for a group, within a task."""
    return sum(double.parallelize((n,) for n in range(count)).results)


@app.task
async def async_total(count: int) -> int:
    """The same as a coroutine."""
    group = await double.aparallelize((n,) for n in range(count))
    return sum([result async for result in group.async_results()])


@app.task
def first_of(count: int) -> float:
    """Return the first of several that ends, within a task."""
    group = after.parallelize([(n / 4,) for n in reversed(range(count))])
    return next(iter(group.as_completed())).result


@app.direct_task
def square(n: int) -> int:
    """Return the square, at once."""
    return n * n


@app.direct_task
async def async_square(n: int) -> int:
    """Return the square, to who awaits it."""
    await asyncio.sleep(0)
    return n * n


def split(arguments: dict[str, Any]) -> list[tuple[list[int]]]:
    """One call for each ten numbers."""
    numbers = arguments["numbers"]
    return [(numbers[n : n + 10],) for n in range(0, len(numbers), 10)]


def with_common(arguments: dict[str, Any]) -> tuple[dict[str, Any], Iterable[dict[str, Any]]]:
    """All of them with the same base."""
    return {"base": arguments["base"]}, ({"numbers": [n]} for n in arguments["numbers"])


@app.direct_task(parallel_func=split, aggregate_func=sum)
def add_up(numbers: list[int]) -> int:
    """Add up, in several tasks."""
    return sum(numbers)


@app.direct_task(parallel_func=with_common, aggregate_func=sum)
def add_up_from(numbers: list[int], base: int) -> int:
    """The same, on top of a base each."""
    return base + sum(numbers)


@app.direct_task(parallel_func=split, aggregate_func=sum)
async def async_add_up(numbers: list[int]) -> int:
    """Add up as a coroutine."""
    return sum(numbers)


@app.direct_task
def refuse(n: int) -> int:
    """Raise."""
    message = f"not {n}"
    raise LookupError(message)

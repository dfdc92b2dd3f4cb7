"""Tasks whose results are kept for equal calls. Each test says on which store."""

from __future__ import annotations

import threading
from typing import Any

from pynenc_pg import Pynenc
from tests.app.signed_tasks import NEW

app = Pynenc("caching")
signed = Pynenc("caching-signed", config_values={"serializer_signing_key": NEW})

#: What tasks were called with, and a gate that some of them wait at.
seen: list[Any] = []
gate = threading.Event()


@app.task(call_result_cache=True)
def square(x: Any, y: int = 2, *more: Any, **named: Any) -> Any:
    """Return a power, or what is no number."""
    seen.append(x)
    return x**y if isinstance(x, int) else [x, y, list(more), named]


@app.task(call_result_cache=True, call_result_cache_ttl=3600)
def price(item: str) -> str:
    """Return something that does not stay as it is."""
    seen.append(item)
    return f"{item} {len(seen)}"


@app.task
def plain(x: int) -> int:
    """Is always run."""
    seen.append(x)
    return x


@app.task(call_result_cache=True)
def fails_once(x: int) -> int:
    """Fail the first time."""
    seen.append(x)
    if len(seen) == 1:
        raise ValueError(x)
    return x


@app.task(call_result_cache=True)
def wait_at_gate(x: int) -> int:
    """Take its time."""
    seen.append(x)
    assert gate.wait(30)
    return x


@app.task(call_result_cache=True, disable_cache_args=("*",))
def inline(data: list[int]) -> int:
    """Take a large argument in its row."""
    seen.append(len(data))
    return sum(data)


@app.task(call_result_cache=True)
def large(size: int) -> list[int]:
    """Return something large."""
    seen.append(size)
    return list(range(size))


@app.task(call_result_cache=True, registration_concurrency="arguments")
def once(x: int) -> int:
    """Is one while it waits, too."""
    seen.append(x)
    return x


@app.task
def parent(numbers: list[int]) -> list[Any]:
    """Wait for cached calls, one by one and as a group."""
    one = square(numbers[0])
    return [one.result, one.reused, list(square.parallelize([(n,) for n in numbers]).results)]


@app.task
async def async_parent(number: int) -> int:
    """Await a cached call."""
    found: int = await (await square.acall(number)).async_result()
    return found


@signed.task(call_result_cache=True)
def signed_square(x: Any, y: int = 2) -> Any:
    """Return a power."""
    seen.append(x)
    return x**y if isinstance(x, int) else x

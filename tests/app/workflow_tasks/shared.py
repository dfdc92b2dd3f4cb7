"""The app of the workflows, what they note, and what several of them call."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from pynenc_pg import Pynenc

app = Pynenc("flows")
gate = threading.Event()
#: What the tasks have done, in their order.
seen: list[Any] = []
#: What a test has switched on.
switches: set[str] = set()


def twin(dsn: str) -> Pynenc:
    """Another app that shares the work."""
    other = Pynenc("flows", config_values={"postgres": {"dsn": dsn}})
    other._registry = app._registry
    return other


def count(what: str) -> int:
    """Count the calls."""
    seen.append(what)
    return seen.count(what)


@app.task
def noted(number: int) -> int:
    """Note each execution."""
    seen.append(("noted", number))
    return number * 2


async def acount(what: str) -> int:
    """Count the calls."""
    await asyncio.sleep(0)
    return count(what)

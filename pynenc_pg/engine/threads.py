"""Threads for the single calls that coroutines make: code of the user's never runs in them.

Those of the event loop are the user's, who may keep all of them busy, and they are few: four more
than there are cores. Calls that wait at once go to the database together, so here many may.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

_MOST: Final = 16


class _Threads:
    """One process's: a child of a fork has none of its parent's."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.pool = ThreadPoolExecutor(_MOST, thread_name_prefix="pynenc-call")


_lock = threading.Lock()
_threads: _Threads | None = None


async def in_thread(func: Callable[P, R_co], /, *args: P.args, **kwargs: P.kwargs) -> R_co:
    """Run it as ``asyncio.to_thread`` does, in a thread of ours."""
    call = functools.partial(contextvars.copy_context().run, func, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_pool(), call)


def _pool() -> ThreadPoolExecutor:
    global _threads  # noqa: PLW0603 - one for all apps of the process
    found = _threads
    if found is None or found.pid != os.getpid():
        with _lock:
            found = _threads
            if found is None or found.pid != os.getpid():
                _threads = found = _Threads()
    return found.pool

"""Calls of coroutines have threads of their own, whatever the loop's are busy with."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pynenc_pg.engine.threads import in_thread

here: contextvars.ContextVar[str] = contextvars.ContextVar("here")


def test_the_threads_of_the_loop_may_all_be_busy() -> None:
    """With those of the loop it would wait until somebody else lets one go."""
    gate = threading.Event()

    async def main() -> str:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = asyncio.ensure_future(asyncio.to_thread(gate.wait))
        name = await asyncio.wait_for(in_thread(lambda: threading.current_thread().name), 30)
        gate.set()
        await busy
        return name

    assert asyncio.run(main()).startswith("pynenc-call")


def test_what_it_runs_has_the_context_of_the_caller_and_its_arguments() -> None:
    """As in ``asyncio.to_thread``; errors come out as they are."""

    def told(word: str, *, twice: bool) -> str:
        return f"{here.get()} {word * (1 + twice)}"

    async def main() -> str:
        here.set("context")
        with pytest.raises(ZeroDivisionError):
            await in_thread(divmod, 1, 0)
        return await in_thread(told, "ab", twice=True)

    assert asyncio.run(main()) == "context abab"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_has_threads_of_its_own() -> None:
    """Those of its parent are not there after a fork."""

    async def main() -> int:
        return await asyncio.wait_for(in_thread(os.getpid), 10)

    assert asyncio.run(main()) == os.getpid()
    child = os.fork()
    if not child:
        code = 1
        try:
            code = int(asyncio.run(main()) != os.getpid())
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

"""Tasks as coroutines of one event loop."""

from __future__ import annotations

from pynenc_pg.runner.coroutines import Coroutines
from pynenc_pg.runner.loop import LoopRunner


class AsyncRunner(LoopRunner):
    """Executes ``async def`` tasks in one event loop, ``runner.concurrency`` of them at once.

    A task that awaits others keeps neither a thread nor its place. Plain functions are executed in
    threads beside the loop.
    """

    executor_cls = Coroutines

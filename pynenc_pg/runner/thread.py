"""Tasks in threads of one process."""

from __future__ import annotations

from pynenc_pg.runner.loop import LoopRunner
from pynenc_pg.runner.threads import Threads


class ThreadRunner(LoopRunner):
    """Executes tasks in threads, ``runner.concurrency`` of them at once."""

    executor_cls = Threads

"""A pool of processes that are used again."""

from __future__ import annotations

from pynenc_pg.runner.loop import LoopRunner
from pynenc_pg.runner.processes import Processes


class PersistentProcessRunner(LoopRunner):
    """Executes tasks in ``runner.concurrency`` processes.

    One is replaced after ``runner.max_tasks_per_child`` invocations, or when it occupies more than
    ``runner.max_memory_per_child`` MiB after one.
    """

    executor_cls = Processes

"""A process for each invocation."""

from __future__ import annotations

from pynenc_pg.runner.loop import LoopRunner
from pynenc_pg.runner.processes import Processes


class _OneEach(Processes):
    """Processes that end with what they have executed; the next one stands by already."""

    tasks_per_child = 1


class ProcessRunner(LoopRunner):
    """Executes each invocation in a process of its own, ``runner.concurrency`` of them at once."""

    executor_cls = _OneEach

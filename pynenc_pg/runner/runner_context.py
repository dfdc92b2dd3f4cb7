"""Who executes the task that asks.

>>> current_runner_context()  # in a task: RunnerContext(runner_cls='ThreadRunner', ...)
"""

from __future__ import annotations

from pynenc_pg.domain.runner_context import RunnerContext
from pynenc_pg.engine.context import running

__all__ = ["RunnerContext", "current_runner_context"]


def current_runner_context() -> RunnerContext | None:
    """Return the runner that executes the task which calls this; ``None`` outside of runners."""
    now = running.get()
    return None if now is None else now.runner

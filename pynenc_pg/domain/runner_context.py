"""Who executes an invocation."""

from __future__ import annotations

from dataclasses import dataclass

from pynenc_pg.domain.ids import RunnerId


@dataclass(frozen=True, slots=True)
class RunnerContext:
    """A runner, and the process of it that executes. A runner id is any text."""

    runner_cls: str  #: its class: "ThreadRunner"
    runner_id: RunnerId  #: as in the view ``runner_health``
    hostname: str = ""  #: of its machine
    pid: int = 0  #: of a runner with processes: the one that the task runs in

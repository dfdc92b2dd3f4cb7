"""Section ``runner``: how work is taken, and when a runner counts as dead. Seconds throughout."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pynenc_pg.conf.section import Section
from pynenc_pg.conf.values import Names


class RunnerConf(Section):
    """The numbers of DESIGN section 5, each with its default."""

    section: ClassVar[str] = "runner"

    #: Queues to serve, in this order; none named means all.
    queues: Names = ()
    #: Which queue comes first. Unset: as ``queues`` names them, round robin if it names none.
    queue_order: Literal["ordered", "round_robin", "random"] | None = None
    #: Invocations that run at once.
    concurrency: int = Field(default=4, ge=1)
    #: Tasks that may wait for others at once, each with a thread that does not run.
    max_waiting_threads: int = Field(default=1000, ge=1)
    #: The same for runners with processes, each of which occupies much more.
    max_waiting_processes: int = Field(default=100, ge=1)
    #: Where processes of a runner come from: ``fork`` of one that has imported the app, or
    #: ``spawn``, each a fresh interpreter that imports it anew.
    start_method: Literal["fork", "spawn"] = "fork"
    #: A process of the ``PersistentProcessRunner`` is replaced after so many invocations, and when
    #: it occupies more than so many MiB after one.
    max_tasks_per_child: int | None = Field(default=None, ge=1)
    max_memory_per_child: int | None = Field(default=None, ge=1)
    #: Processes of the ``MultiThreadRunner``, each with ``concurrency`` threads. None: as many as
    #: there are cores.
    min_processes: int = Field(default=1, ge=1)
    max_processes: int | None = Field(default=None, ge=1)
    #: Seconds without work after which a process beyond ``min_processes`` ends.
    idle_process_timeout: float = Field(default=60.0, gt=0)
    #: How often a runner says that it lives.
    heartbeat: float = Field(default=10.0, gt=0)
    #: How long it is believed after that.
    lease: float = Field(default=30.0, gt=0)
    #: How long before the end of its lease a runner that could not renew it stops its tasks.
    lease_margin: float = Field(default=5.0, ge=0)
    #: How long a session lock may be gone.
    grace: float = Field(default=1.0, ge=0)
    #: How often dead runners are looked for, while others are registered.
    sweep: float = Field(default=0.5, gt=0)
    #: How often to look for work while hints arrive, and while they do not.
    poll: float = Field(default=10.0, gt=0)
    poll_without_listen: float = Field(default=1.0, gt=0)
    #: Between claim and start.
    max_pending_seconds: float = Field(default=5.0, gt=0)
    #: How often an invocation may take its worker down before it is quarantined.
    max_recoveries: int = Field(default=3, ge=0)
    #: How long running tasks may go on when the runner is asked to stop.
    shutdown_timeout: float = Field(default=30.0, ge=0)
    #: At most this many invocations move in one claim or one completion.
    batch: int = Field(default=1000, ge=1)
    #: Whether it counts its attempts, for ``/metrics`` of ``runner start --health-port``.
    metrics: bool = False
    #: How much work, in seconds, a runner may hold beyond what its threads execute.
    buffer: float = Field(default=0.005, ge=0)

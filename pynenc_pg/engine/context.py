"""Which invocation runs here: a context variable, so threads and coroutines do not meet."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from asyncio.events import _get_running_loop
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import get_ident
from typing import TYPE_CHECKING, Protocol

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.runner_context import RunnerContext

if TYPE_CHECKING:
    from pynenc_pg.domain.records import Claimed
    from pynenc_pg.engine.pauses import Pauses
    from pynenc_pg.engine.stops import Stop
    from pynenc_pg.engine.suspension import Suspended


class WorkflowState(Protocol):
    """What an attempt has done as a workflow."""

    @property
    def suspended(self) -> Suspended | None:
        """What was raised to take it off the stack."""
        ...

    def heard(self, invocation_id: InvocationId) -> None:
        """The failure of an invocation was raised to it."""
        ...


@dataclass(eq=False, slots=True)
class Running:
    """The invocation whose task is being called."""

    invocation_id: InvocationId
    task_id: str
    depth: int
    retries: int
    fence: int  # the lease: grows with each claim, for fencing outside systems
    stop: Stop  # what it is asked by those who want its end
    pauses: Pauses | None = None  # how it waits for others; none: the runner has no other work
    runner: RunnerContext | None = None  # who executes it; none: its caller does
    forced_sync: bool = False  # in the thread of its caller, and so are the tasks it calls
    claimed: Claimed | None = None
    workflow: WorkflowState | None = None  # set at its first operation
    #: Where its code runs: what others do in its name has no place in a workflow.
    thread: int = field(default_factory=get_ident)
    loop: AbstractEventLoop | None = field(default_factory=_get_running_loop)


running: ContextVar[Running | None] = ContextVar("pynenc_running", default=None)


def entered() -> Running | None:
    """Return the invocation that runs here, which calls the library.

    Raises:
        InvocationCancelledError: it was asked to stop.
        TaskTimeoutError: it has had its time.
    """
    now = running.get()
    if now is not None:
        now.stop.check()
    return now

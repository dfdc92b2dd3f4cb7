"""What a call returns: a handle on its invocation, good in any process that can reach the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.engine.context import running

if TYPE_CHECKING:
    from pynenc_pg.domain.records import CancelAnswer, HistoryEntry
    from pynenc_pg.engine.core import Engine
    from pynenc_pg.invocation.status import InvocationStatus

R_co = TypeVar("R_co", covariant=True)


class Invocation(Generic[R_co]):
    """One call of a task.

    >>> invocation = add(1, 2)  # doctest: +SKIP
    >>> invocation.result  # doctest: +SKIP
    3
    """

    __slots__ = ("_engine", "invocation_id", "reused", "task_id")

    def __init__(
        self,
        invocation_id: str,
        *,
        task_id: str,
        engine: Callable[[], Engine],
        reused: bool = False,
    ) -> None:
        """Made by a task's call."""
        self.invocation_id = InvocationId(invocation_id)
        self.task_id = task_id
        self.reused = reused
        self._engine = engine

    @property
    def result(self) -> R_co:
        """Block until it has ended; return what the task returned, or raise what it raised."""
        return self._engine().result(self.invocation_id)  # type: ignore[no-any-return]

    def result_or_raise(self, timeout: float | None = None) -> R_co:
        """Like ``result``, but wait ``timeout`` seconds at most.

        Raises:
            ResultTimeoutError: it has not ended by then; it goes on.
        """
        return self._engine().result(self.invocation_id, timeout)  # type: ignore[no-any-return]

    @property
    def status(self) -> InvocationStatus:
        """Where it stands now."""
        return self._engine().store.state_backend.get_invocation(self.invocation_id).status

    @property
    def num_retries(self) -> int:
        """How many attempts ended in a retry so far; inside its task that asks nobody."""
        now = running.get()
        if now is not None and now.invocation_id == self.invocation_id:
            return now.retries
        return self._engine().store.state_backend.get_invocation(self.invocation_id).retries

    @property
    def fence(self) -> int:
        """Inside its task: the number of this claim, which is greater at each later one.

        Give it to other systems along with what you write there, and let them refuse smaller
        numbers than they have seen: a worker that was superseded without knowing cannot overwrite.

        Raises:
            RuntimeError: the invocation does not run here.
        """
        now = running.get()
        if now is None or now.invocation_id != self.invocation_id:
            message = f"{self!r} does not run here, so it has no fence"
            raise RuntimeError(message)
        return now.fence

    @property
    def history(self) -> list[HistoryEntry]:
        """Every status change, oldest first."""
        return self._engine().store.state_backend.get_history(self.invocation_id)

    def cancel(self) -> CancelAnswer:
        """End it if nobody runs it; else ask its runner to."""
        return self._engine().store.orchestrator.cancel(self.invocation_id)

    def __repr__(self) -> str:
        """Name the task and the id, without asking the store."""
        return f"<Invocation {self.task_id} {self.invocation_id}>"

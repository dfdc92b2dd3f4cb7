"""What a call returns: a handle on its invocation, good in any process that can reach the store."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, overload

from pynenc_pg.domain.arguments import Arguments
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.workflows import WorkflowIdentity
from pynenc_pg.engine.context import running
from pynenc_pg.engine.transactions import TransactionBlock
from pynenc_pg.exceptions import TransactionError
from pynenc_pg.workflow.run import identity_of

if TYPE_CHECKING:
    import psycopg
    import sqlalchemy as alchemy
    from psycopg.rows import TupleRow
    from sqlalchemy.ext import asyncio as alchemy_async

    from pynenc_pg.domain.records import CancelAnswer, HistoryEntry, Outcome
    from pynenc_pg.engine.attempts import Attempt
    from pynenc_pg.engine.core import Engine
    from pynenc_pg.invocation.status import InvocationStatus
    from pynenc_pg.task import Task

R_co = TypeVar("R_co", covariant=True)


class Invocation(Generic[R_co]):
    """One call of a task. Two handles of one invocation are equal.

    >>> invocation = add(1, 2)  # doctest: +SKIP
    >>> invocation.result  # doctest: +SKIP
    3
    """

    __slots__ = ("_engine", "_outcome", "_task", "invocation_id", "reused", "task_id")

    def __init__(
        self,
        invocation_id: str,
        *,
        task_id: str,
        engine: Callable[[], Engine],
        task: Callable[[], Task[..., Any]],
        reused: bool = False,
    ) -> None:
        """Made by a task's call, and by ``app.get_invocation``."""
        self.invocation_id = InvocationId(invocation_id)
        self.task_id = task_id
        self.reused = reused
        self._engine = engine
        self._task = task
        self._outcome: Outcome | None = None

    @property
    def task(self) -> Task[..., Any]:
        """The task that was called.

        Raises:
            TaskNotFoundError: this process has not imported the module that defines it.
        """
        return self._task()

    @property
    def arguments(self) -> Arguments:
        """What it was called with, read from the store; printed as ``argument_print_mode`` says."""
        return self._engine().arguments(self.invocation_id)

    @property
    def result(self) -> R_co:
        """Block until it has ended; return what the task returned, or raise what it raised.

        In a task the place in the runner is given away meanwhile. An exception is of the task's
        own class, with the remote traceback as a note.

        Raises:
            TaskFailedError: it raised what cannot be made again here.
            InvocationCancelledError: it was cancelled.
            InvocationExpiredError: nobody began it in time.
            RecoveriesExhaustedError: it took its worker down too often.
            ConcurrencyControlledError: it must not wait for its concurrency key, which was full.
            InvocationCycleError: the wait would never end.
            InvocationNotFoundError: it was purged, or is past its retention.
        """
        if self._outcome is not None:
            return self._engine().value(self._outcome, self.task_id)  # type: ignore[no-any-return]
        return self._engine().result(self.invocation_id, self.task_id)  # type: ignore[no-any-return]

    def ended(self, outcome: Outcome) -> Self:
        """Keep how it ended, for who has heard of it: ``result`` asks nobody then."""
        self._outcome = outcome
        return self

    def result_or_raise(self, timeout: float | None = None) -> R_co:
        """Like ``result``, but wait ``timeout`` seconds at most.

        Raises:
            ResultTimeoutError: it has not ended by then; it goes on.
        """
        return self._engine().result(self.invocation_id, self.task_id, timeout)  # type: ignore[no-any-return]

    async def async_result(self, timeout: float | None = None) -> R_co:  # noqa: ASYNC109
        """Like ``result_or_raise``, for a coroutine: the event loop goes on meanwhile.

        Cancelling the waiting coroutine does not cancel the invocation.
        """
        engine = self._engine()
        return await engine.result_async(self.invocation_id, self.task_id, timeout)  # type: ignore[no-any-return]

    @property
    def status(self) -> InvocationStatus:
        """Where it stands now; asked for each time.

        Raises:
            InvocationNotFoundError: it was purged, or is past its retention.
        """
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

    @overload
    def transaction(
        self, *, sqlalchemy: Literal[False] = False
    ) -> TransactionBlock[psycopg.Connection[TupleRow], psycopg.AsyncConnection[TupleRow]]: ...
    @overload
    def transaction(
        self, *, sqlalchemy: Literal[True]
    ) -> TransactionBlock[alchemy.Connection, alchemy_async.AsyncConnection]: ...
    def transaction(self, *, sqlalchemy: bool = False) -> TransactionBlock[Any, Any]:
        """Inside its task: a block whose writes are committed with the task's result, or never.

        What is written over the connection of the block, the result and the step to SUCCESS are one
        commit, made when the task has returned. If the block or the task raises, or if another
        runner was given the invocation meanwhile, none of it is there. In an ``async def`` task it
        is entered by ``async with``, and the connection is awaited.

        >>> with pay.invocation.transaction() as connection:  # doctest: +SKIP
        ...     connection.execute("update account set balance = balance - 7")

        Raises:
            TransactionError: the invocation does not run here, or it runs in synchronous mode.
            StoreError: the store is in memory.
        """
        now = running.get()
        if now is None or now.invocation_id != self.invocation_id:
            message = f"{self!r} does not run here: transaction() is for the task itself"
            raise TransactionError(message)
        if now.pauses is None or now.forced_sync:
            message = "in synchronous mode no database is touched, so there is no transaction()"
            raise TransactionError(message)
        return TransactionBlock(
            now.pauses,
            self._engine().store.transaction,
            coroutine=inspect.iscoroutinefunction(self.task.func),
            sqlalchemy=sqlalchemy,
        )

    @property
    def workflow(self) -> WorkflowIdentity:
        """Which workflow it belongs to; inside its task that asks nobody.

        Raises:
            InvocationNotFoundError: it was purged, or is past its retention.
        """
        now, engine = running.get(), self._engine()
        if now is not None and now.invocation_id == self.invocation_id:
            return identity_of(now, engine)
        return WorkflowIdentity(self.invocation_id, self.task_id, engine.store.workflows.info)

    @property
    def history(self) -> list[HistoryEntry]:
        """Every status change, oldest first: who made it, when and why.

        >>> [entry.status.value for entry in invocation.history]  # doctest: +SKIP
        ['registered', 'pending', 'running', 'success']
        """
        return self._engine().store.state_backend.get_history(self.invocation_id)

    @property
    def attempts(self) -> list[Attempt]:
        """Every time it was begun, oldest first, with what the task raised that time.

        >>> [(one.number, one.error) for one in invocation.attempts]  # doctest: +SKIP
        [(1, ConnectionError('busy')), (2, None)]
        """
        return self._engine().attempts(self.invocation_id)

    def cancel(self) -> CancelAnswer:
        """End it if nobody runs it; else ask its runner to.

        A running task hears of it at its next call of this library, as a look at
        ``task.invocation``; a coroutine where it awaits. A workflow takes the tasks along that it
        has called.

        >>> invocation.cancel()  # doctest: +SKIP
        <CancelAnswer.CANCELLED: 'cancelled'>
        """
        return self._engine().store.orchestrator.cancel(self.invocation_id)

    def retry(self) -> Invocation[R_co]:
        """Run it again after its end, however it ended, as a new invocation; return that one.

        It has the same arguments, queue, priority, ``timeout`` and ``max_retries``, and the other
        options of the task as it is now; ``retried_from`` says what it was made from. With a
        registration concurrency it may become one that is registered already.

        Raises:
            InvocationStatusError: it has not ended.
            InvocationNotFoundError: it was purged, or is past its retention.
            TaskNotFoundError: this process has not imported the module that defines the task.
            DataRejectedError: the task takes other arguments now.
        """
        task = self._task()
        registered = self._engine().retry(self.invocation_id)
        return task.get_invocation(registered.invocation_id, reused=registered.reused)

    @property
    def retried_from(self) -> InvocationId | None:
        """The id of the invocation that this one was made from by ``retry``, if it was."""
        return self._engine().store.state_backend.get_call(self.invocation_id).retried_from

    def __eq__(self, other: object) -> bool:
        """Compare ids."""
        if not isinstance(other, Invocation):
            return NotImplemented
        return self.invocation_id == other.invocation_id

    def __hash__(self) -> int:
        """By the id."""
        return hash(self.invocation_id)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by id: the copy asks the same store, in whatever process it wakes up.

        Raises:
            TaskNotFoundError: the task is not known here, so nothing says which app it is of.
        """
        return _restore, (self._task(), self.invocation_id, self.reused)

    def __repr__(self) -> str:
        """Name the task and the id, without asking the store."""
        return f"<Invocation {self.task_id} {self.invocation_id}>"


class ReusedInvocation(Invocation[R_co]):
    """What a call returns that became one with an invocation registered before."""

    __slots__ = ()


def _restore(task: Task[..., Any], invocation_id: str, reused: bool) -> Invocation[Any]:  # noqa: FBT001 - pickle gives positions
    return task.get_invocation(invocation_id, reused=reused)

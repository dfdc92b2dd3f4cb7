"""A task's own transaction: its writes, its result and its SUCCESS are one commit.

The block begins it. When the task has returned, whoever executes it writes its end in the same
transaction and commits; then there is nothing left for the runner's writer to do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar

from pynenc_pg.domain.records import Answer, Ending, Settled
from pynenc_pg.engine.whole import to_its_end
from pynenc_pg.exceptions import (
    OutcomeUnknownError,
    StoreUnavailableError,
    TransactionError,
)

if TYPE_CHECKING:
    from pynenc_pg.engine.pauses import Pauses
    from pynenc_pg.ports import OwnTransaction

logger = logging.getLogger(__name__)
C_co = TypeVar("C_co", covariant=True)
A_co = TypeVar("A_co", covariant=True)


class Own:
    """The transaction of an attempt, from its block to the end of the task."""

    __slots__ = ("left", "session")

    def __init__(self, session: OwnTransaction) -> None:
        """Nothing is begun."""
        self.session = session
        self.left = False  # its block is over, and was not left by an exception


class TransactionBlock(Generic[C_co, A_co]):
    """What ``invocation.transaction()`` returns: enter it by ``with``, or by ``async with``."""

    def __init__(
        self,
        pauses: Pauses,
        new: Callable[[], OwnTransaction],
        *,
        coroutine: bool,
        sqlalchemy: bool,
    ) -> None:
        """``pauses`` are of the attempt; ``coroutine``: its task is ``async def``."""
        self._pauses = pauses
        self._new = new
        self._coroutine = coroutine
        self._sqlalchemy = sqlalchemy

    def __enter__(self) -> C_co:
        """Begin the transaction.

        Raises:
            TransactionError: it cannot be begun here.
            StoreUnavailableError: there is no session for it.
        """
        own = self._own(coroutine=False)
        try:
            with self._pauses.shield():
                lent: C_co = own.session.lend(sqlalchemy=self._sqlalchemy)
        except BaseException:
            own.session.roll_back()
            self._pauses.transaction = None
            raise
        return lent

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Keep it open for the end of the task; roll back if an exception leaves the block.

        Raises:
            TransactionError: there is nothing any more that could be committed.
        """
        own = self._pauses.transaction
        if own is None:  # the task had returned before its block was over
            return
        with self._pauses.shield():
            try:
                if kind is None:
                    own.session.take_back()
                    own.left = True
                else:
                    own.session.roll_back()
            finally:
                if not own.left:
                    self._pauses.transaction = None

    async def __aenter__(self) -> A_co:
        """Like ``__enter__``, for a coroutine."""
        own = self._own(coroutine=True)
        try:
            return await to_its_end(own.session.lend_async(sqlalchemy=self._sqlalchemy))
        except BaseException:
            await to_its_end(own.session.roll_back_async())
            self._pauses.transaction = None
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Like ``__exit__``, for a coroutine."""
        own = self._pauses.transaction
        if own is None:
            return
        try:
            if kind is None:
                await to_its_end(own.session.take_back_async())
                own.left = True
            else:
                await to_its_end(own.session.roll_back_async())
        finally:
            if not own.left:
                self._pauses.transaction = None

    def _own(self, *, coroutine: bool) -> Own:
        if coroutine and not self._coroutine:
            message = "a task that is no async def enters its transaction with: with"
            raise TransactionError(message)
        if self._coroutine and not coroutine:
            message = "an async def task enters its transaction with: async with"
            raise TransactionError(message)
        own = Own(self._new())
        self._pauses.begin_transaction(own)
        return own


def complete(pauses: Pauses, own: Own, ending: Ending) -> Settled:
    """Write the end of a task that has returned, and commit it with what the task has written.

    Where the connection is lost it is for the writer to find out
    what became of it.

    Raises:
        BaseException: what the database has against it: the task fails with that. It is rolled
            back.
    """
    pauses.transaction = None
    if not own.left:
        own.session.roll_back()
        message = "the task has returned within its block of transaction(): it was rolled back"
        raise TransactionError(message)
    pauses.close()
    hold = pauses.hold
    try:
        answer = own.session.finish(pauses.runner_id, ending)
    except StoreUnavailableError as error:
        event = "unknown" if isinstance(error, OutcomeUnknownError) else "cut"
        about = {"invocation_id": hold.invocation_id}
        logger.warning("transaction.%s: %s, %s", event, hold.invocation_id, error, extra=about)
        return Settled(hold.invocation_id, hold.lease, doubtful=True)
    if answer is Answer.DONE:
        return Settled(hold.invocation_id, hold.lease, ending)
    logger.warning(
        "transaction.lost: %s, it was given to another runner while it ran here: what it wrote is "
        "rolled back",
        hold.invocation_id,
        extra={"invocation_id": hold.invocation_id},
    )
    return Settled(hold.invocation_id, hold.lease)


async def complete_async(pauses: Pauses, own: Own, ending: Ending) -> Settled:
    """Like ``complete``; a cancellation comes too late once it has begun."""
    doing = asyncio.ensure_future(asyncio.to_thread(complete, pauses, own, ending))
    while not doing.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([doing])
    return doing.result()

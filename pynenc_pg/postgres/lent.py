"""Connections that are lent to tasks: all but the end of the transaction is theirs."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import pq

from pynenc_pg.exceptions import TransactionError

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy.ext import asyncio as alchemy

#: Seconds between two looks of a coroutine for a session that a thread uses for a moment.
_AGAIN: Final = 0.001
_OVER: Final = (
    "the block of transaction() is over, and its connection with it: write inside of the block"
)


class Loan:
    """What a lent connection has to heed."""

    def __init__(self) -> None:
        """It is lent, but not yet handed out."""
        #: Whoever speaks to the server has it: a task, or we for it.
        self.speaking = threading.Lock()
        self.over = False
        #: The task has it: from here on the end of the transaction is refused.
        self.handed_out = False

    def check(self) -> None:
        """Refuse to go on after the end of the block."""
        if self.over:
            raise TransactionError(_OVER)

    def refuse(self, what: str) -> None:
        """Refuse what would end the transaction; while nobody has it there is nothing to end."""
        if self.handed_out and not self.over:
            message = (
                f"{what} is not the task's to call: what is written in the block of transaction() "
                "is committed with the task's result, and rolled back when the block raises"
            )
            raise TransactionError(message)


class LentConnection(psycopg.Connection[Any]):
    """A psycopg connection of a task."""

    loan: Loan

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        """Speak to the server: everything a connection or its cursors do goes this way."""
        self.loan.check()
        with self.loan.speaking:
            return super().wait(*args, **kwargs)

    def commit(self) -> None:
        """Refused."""
        self.loan.refuse("commit()")

    def rollback(self) -> None:
        """Refused."""
        self.loan.refuse("rollback()")

    def close(self) -> None:
        """Refused."""
        self.loan.refuse("close()")


class LentAsyncConnection(psycopg.AsyncConnection[Any]):
    """The same for coroutines."""

    loan: Loan

    async def wait(self, *args: Any, **kwargs: Any) -> Any:
        """Speak to the server; as above."""
        self.loan.check()
        while not self.loan.speaking.acquire(blocking=False):  # noqa: ASYNC110 - a thread's lock
            await asyncio.sleep(_AGAIN)
        try:
            return await super().wait(*args, **kwargs)
        finally:
            self.loan.speaking.release()

    async def commit(self) -> None:
        """Refused."""
        self.loan.refuse("commit()")

    async def rollback(self) -> None:
        """Refused."""
        self.loan.refuse("rollback()")

    async def close(self) -> None:
        """Refused."""
        self.loan.refuse("close()")


def lend(session: psycopg.Connection[Any], loan: Loan, *, pooled: bool) -> LentConnection:
    """Make a connection over a session that is idle; nothing is prepared where it is ``pooled``."""
    connection = LentConnection(session.pgconn)
    connection.loan = loan
    if pooled:
        connection.prepare_threshold = None
    connection.autocommit = True  # begin is ours to say, once
    return connection


async def lend_async(
    session: psycopg.Connection[Any], loan: Loan, *, pooled: bool
) -> LentAsyncConnection:
    """Like ``lend``."""
    connection = LentAsyncConnection(session.pgconn)
    connection.loan = loan
    if pooled:
        connection.prepare_threshold = None
    await connection.set_autocommit(True)
    return connection


def end(connection: LentConnection | LentAsyncConnection) -> None:
    """Let a connection be of no use any more; the session goes on."""
    connection.loan.over = True
    connection.pgconn = _closed()


@cache
def _closed() -> pq.abc.PGconn:
    never = pq.PGconn.connect_start(b"not a DSN")  # which is not even tried
    never.finish()
    return never


# --- SQLAlchemy -------------------------------------------------------------------------------

#: What an engine is to take for the connection that it would open.
_given: ContextVar[LentConnection | LentAsyncConnection] = ContextVar("pynenc_given")


def alchemical(connection: LentConnection) -> sqlalchemy.Connection:
    """Make a connection of SQLAlchemy over one of psycopg, and say that a transaction has begun."""
    _given.set(connection)
    made = _engine().connect()
    made.begin()
    return made


async def alchemical_async(connection: LentAsyncConnection) -> alchemy.AsyncConnection:
    """Like ``alchemical``."""
    _given.set(connection)
    made = _async_engine().connect()
    await made.start()
    await made.begin()
    return made


@cache
def _engine() -> sqlalchemy.Engine:
    """Return an engine that opens nothing: it takes what it is given."""
    from sqlalchemy import create_engine  # noqa: PLC0415 - not loaded unless asked for
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    url = "postgresql+psycopg://"
    return create_engine(url, creator=_given.get, poolclass=NullPool, pool_reset_on_return=None)


@cache
def _async_engine() -> alchemy.AsyncEngine:
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    async def given() -> Any:
        return _given.get()

    url = "postgresql+psycopg://"
    return create_async_engine(
        url, async_creator=given, poolclass=NullPool, pool_reset_on_return=None
    )

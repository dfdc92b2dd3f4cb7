"""Calls that are part of the caller's own transaction: what ``Task.using`` returns."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar

from pynenc_pg.calls import Calls
from pynenc_pg.engine.binding import Params
from pynenc_pg.invocation.group import InvocationGroup
from pynenc_pg.invocation.handle import Invocation

if TYPE_CHECKING:
    import psycopg
    import sqlalchemy
    from sqlalchemy import orm
    from sqlalchemy.ext import asyncio as alchemy

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class DjangoConnection(Protocol):
    """``django.db.connection``, or one of ``django.db.connections``."""

    def ensure_connection(self) -> None:
        """Connect, if it is not."""


class AsyncpgConnection(Protocol):
    """A connection of asyncpg, or one from its pool."""

    async def fetch(self, query: str, /, *args: Any) -> Any:
        """Run a query."""


if TYPE_CHECKING:
    Session = (
        psycopg.Connection[Any]
        | sqlalchemy.Connection
        | orm.Session
        | orm.scoped_session[Any]
        | DjangoConnection
    )
    AsyncSession = (
        psycopg.AsyncConnection[Any]
        | alchemy.AsyncConnection
        | alchemy.AsyncSession
        | alchemy.async_scoped_session[Any]
        | AsyncpgConnection
    )


class InTransaction(Generic[P, R_co]):
    """A task whose calls come to be when the caller's transaction commits, or never.

    What they return is a handle at once: waiting for a result before the commit is waiting for
    oneself.
    """

    def __init__(self, calls: Calls[R_co], session: Session) -> None:
        """Made by ``Task.using``."""
        self._calls = calls
        self._session = session

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Invocation[R_co]:
        """Register a call, as the task itself does.

        Raises:
            TypeError: the arguments do not fit the function, or the session is of no known kind.
            StoreError: the store is in memory, or the database refuses the call: the transaction
                is the caller's to roll back.
        """
        return self._calls.call(args, kwargs, self._session)

    def parallelize(
        self, params: Iterable[Params], common_args: Mapping[str, Any] | None = None
    ) -> InvocationGroup[R_co]:
        """Register many calls, as ``Task.parallelize`` does."""
        return self._calls.parallelize(params, common_args, self._session)


class InAsyncTransaction(Generic[P, R_co]):
    """Like ``InTransaction``, over a session that is awaited: its calls are awaited, too."""

    def __init__(self, calls: Calls[R_co], session: AsyncSession) -> None:
        """Made by ``Task.using``."""
        self._calls = calls
        self._session = session

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Invocation[R_co]:
        """Register a call: see ``InTransaction``."""
        return await self._calls.call_async(args, kwargs, self._session)

    async def parallelize(
        self, params: Iterable[Params], common_args: Mapping[str, Any] | None = None
    ) -> InvocationGroup[R_co]:
        """Register many calls, as ``Task.parallelize`` does."""
        return await self._calls.parallelize_async(params, common_args, self._session)


def within(calls: Calls[Any], session: Any) -> Any:
    """Return what calls in that session are made with.

    Raises:
        TypeError: there is none; the calls would be made without it.
    """
    if session is None:
        message = "using(None): give the connection or session that the call is to be part of"
        raise TypeError(message)
    kind = InAsyncTransaction if _is_awaited(session) else InTransaction
    return kind(calls, session)


def _is_awaited(session: object) -> bool:
    execute = getattr(type(session), "execute", None)
    return execute is not None and inspect.iscoroutinefunction(inspect.unwrap(execute))

"""A session of the caller's own: what is run there is part of the caller's transaction.

Nothing is begun, committed or rolled back here, and nothing is set. What kind of session it is,
its class tells by name, so that no package has to be there which the caller does not use.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import psycopg
from psycopg.rows import tuple_row

from pynenc_pg.postgres import errors

T = TypeVar("T")
Rows = Sequence[Sequence[Any]]
Parameters = Sequence[object]
_PLACE: Final = re.compile("%[sb]")


def run(session: object, statement: str, parameters: Parameters) -> Rows:
    """Run a statement, with psycopg's placeholders, and return its rows.

    Raises:
        TypeError: it is no session that is known, or one that is awaited.
        PynencError: the database refuses it. The transaction is the caller's to roll back.
    """
    runs = _found(session, _SYNC)
    with errors.translated():
        return runs(session, statement, parameters)


async def run_async(session: object, statement: str, parameters: Parameters) -> Rows:
    """Like ``run``, for a session that is awaited."""
    runs = _found(session, _ASYNC)
    with errors.translated():
        return await runs(session, statement, parameters)


# --- one for each kind ------------------------------------------------------------------------


def _psycopg(connection: Any, statement: str, parameters: Parameters) -> Rows:
    # Cursors of our own making: the connection's may return dicts, or want other placeholders.
    with psycopg.Cursor(connection, row_factory=tuple_row) as cursor:
        return cursor.execute(statement.encode(), parameters).fetchall()


def _django(connection: Any, statement: str, parameters: Parameters) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: Rows = cursor.fetchall()
        return rows


def _alchemy(connection: Any, statement: str, parameters: Parameters) -> Rows:
    rows: Rows = connection.execute(*_alchemical(connection, statement, parameters)).fetchall()
    return rows


def _alchemy_session(session: Any, statement: str, parameters: Parameters) -> Rows:
    return _alchemy(session.connection(), statement, parameters)


async def _psycopg_async(connection: Any, statement: str, parameters: Parameters) -> Rows:
    async with psycopg.AsyncCursor(connection, row_factory=tuple_row) as cursor:
        await cursor.execute(statement.encode(), parameters)
        return await cursor.fetchall()


async def _asyncpg(connection: Any, statement: str, parameters: Parameters) -> Rows:
    numbers = iter(range(1, len(parameters) + 1))
    numbered = _PLACE.sub(lambda _: f"${next(numbers)}", statement)
    rows: Rows = await connection.fetch(numbered, *parameters)
    return rows


async def _alchemy_async(connection: Any, statement: str, parameters: Parameters) -> Rows:
    result = await connection.execute(*_alchemical(connection, statement, parameters))
    rows: Rows = result.fetchall()
    return rows


async def _alchemy_async_session(session: Any, statement: str, parameters: Parameters) -> Rows:
    return await _alchemy_async(await session.connection(), statement, parameters)


def _alchemical(
    connection: Any, statement: str, parameters: Parameters
) -> tuple[Any, dict[str, object]]:
    """Make what SQLAlchemy runs: through it, so that it knows that a transaction has begun."""
    from sqlalchemy import text  # noqa: PLC0415 - it is there: the connection is one of its own

    if connection.dialect.name != "postgresql":
        message = (
            f"this connection is to {connection.dialect.name}: a call can only be part of a "
            "transaction in the PostgreSQL database where the schema of the queue is"
        )
        raise TypeError(message)
    named = {f"p{number}": value for number, value in enumerate(parameters)}
    names = iter(named)
    return text(_PLACE.sub(lambda _: f":{next(names)}", statement)), named


_SYNC: Final[dict[str, Callable[[Any, str, Parameters], Rows]]] = {
    "psycopg.Connection": _psycopg,
    "sqlalchemy.engine.base.Connection": _alchemy,
    "sqlalchemy.orm.session.Session": _alchemy_session,
    "sqlalchemy.orm.scoping.scoped_session": _alchemy_session,
    "django.db.backends.base.base.BaseDatabaseWrapper": _django,
    "django.utils.connection.ConnectionProxy": _django,
}
_ASYNC: Final[dict[str, Callable[[Any, str, Parameters], Awaitable[Rows]]]] = {
    "psycopg.AsyncConnection": _psycopg_async,
    "sqlalchemy.ext.asyncio.engine.AsyncConnection": _alchemy_async,
    "sqlalchemy.ext.asyncio.session.AsyncSession": _alchemy_async_session,
    "sqlalchemy.ext.asyncio.scoping.async_scoped_session": _alchemy_async_session,
    "asyncpg.connection.Connection": _asyncpg,
    "asyncpg.pool.PoolConnectionProxy": _asyncpg,
}


def _found(session: object, kinds: Mapping[str, T]) -> T:
    names = [f"{cls.__module__}.{cls.__qualname__}" for cls in type(session).__mro__]
    for name in names:
        if name in kinds:
            return kinds[name]
    message = f"{names[0]} cannot carry a call: give one of {', '.join(kinds)}"
    raise TypeError(message)

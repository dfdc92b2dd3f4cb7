"""One user's transaction, in the words of ten libraries.

All of them speak through coroutines here, so that one test has them all; the synchronous ones just
never wait.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import asyncpg
import django
import psycopg
import sqlalchemy
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from sqlalchemy import orm
from sqlalchemy.ext import asyncio as alchemy

if TYPE_CHECKING:
    from pynenc_pg.invocation.group import InvocationGroup
    from pynenc_pg.invocation.handle import Invocation
    from pynenc_pg.task import Task
    from pynenc_pg.tuned import TunedTask

CREATE: Final = "create table orders (number integer)"
_INSERT: Final = "insert into orders values (7)"
_PID: Final = "select pg_backend_pid() as pid"


class Session(ABC):
    """A connection with a transaction that has begun, or begins with its first statement."""

    #: What ``using`` gets.
    given: Any

    @classmethod
    @asynccontextmanager
    async def open(cls, dsn: str) -> AsyncIterator[Self]:
        """Connect for the length of a block, and end it whatever happens."""
        session = cls()
        await session.connect(dsn)
        try:
            yield session
        finally:
            await session.close()

    @abstractmethod
    async def connect(self, dsn: str) -> None:
        """Connect, and begin where that has to be said."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect, also when the connection is lost."""

    @abstractmethod
    async def execute(self, statement: str) -> Any:
        """Run a statement; of a query, return the first column of the first row."""

    @abstractmethod
    async def commit(self) -> None:
        """Commit."""

    @abstractmethod
    async def rollback(self) -> None:
        """Roll back."""

    @abstractmethod
    async def call(
        self, task: Task[..., Any] | TunedTask[..., Any], **arguments: Any
    ) -> Invocation[Any]:
        """Call a task in the transaction."""

    @abstractmethod
    async def parallelize(
        self, task: Task[..., Any] | TunedTask[..., Any], params: Iterable[Any]
    ) -> InvocationGroup[Any]:
        """Call it many times."""

    async def write(self) -> None:
        """Write the user's own row."""
        await self.execute(_INSERT)

    async def pid(self) -> int:
        """Tell who serves it."""
        return int(await self.execute(_PID))

    async def savepoint(self) -> None:
        """Set one."""
        await self.execute("savepoint here")

    async def rollback_to_savepoint(self) -> None:
        """Undo what came after it."""
        await self.execute("rollback to savepoint here")


class _Sync(Session):
    async def call(
        self, task: Task[..., Any] | TunedTask[..., Any], **arguments: Any
    ) -> Invocation[Any]:
        made: Invocation[Any] = task.using(self.given)(**arguments)
        return made

    async def parallelize(
        self, task: Task[..., Any] | TunedTask[..., Any], params: Iterable[Any]
    ) -> InvocationGroup[Any]:
        made: InvocationGroup[Any] = task.using(self.given).parallelize(params)
        return made

    async def close(self) -> None:
        self.given.close()

    async def commit(self) -> None:
        self.given.commit()

    async def rollback(self) -> None:
        self.given.rollback()


class _Async(Session):
    async def call(
        self, task: Task[..., Any] | TunedTask[..., Any], **arguments: Any
    ) -> Invocation[Any]:
        made: Invocation[Any] = await task.using(self.given)(**arguments)
        return made

    async def parallelize(
        self, task: Task[..., Any] | TunedTask[..., Any], params: Iterable[Any]
    ) -> InvocationGroup[Any]:
        made: InvocationGroup[Any] = await task.using(self.given).parallelize(params)
        return made

    async def close(self) -> None:
        await self.given.close()

    async def commit(self) -> None:
        await self.given.commit()

    async def rollback(self) -> None:
        await self.given.rollback()


class Psycopg(_Sync):
    """``psycopg.Connection``, whose rows are dicts."""

    async def connect(self, dsn: str) -> None:
        """Connect."""
        self.given = psycopg.connect(dsn, row_factory=dict_row)

    async def execute(self, statement: str) -> Any:
        """Run it."""
        cursor = self.given.execute(statement)
        return next(iter(cursor.fetchone().values())) if cursor.description else None


class PsycopgAsync(_Async):
    """``psycopg.AsyncConnection``, whose rows are dicts."""

    async def connect(self, dsn: str) -> None:
        """Connect."""
        self.given = await psycopg.AsyncConnection.connect(dsn, row_factory=dict_row)

    async def execute(self, statement: str) -> Any:
        """Run it."""
        cursor = await self.given.execute(statement)
        return next(iter((await cursor.fetchone()).values())) if cursor.description else None


def _url(dsn: str, driver: str) -> sqlalchemy.URL:
    known = conninfo_to_dict(dsn)
    return sqlalchemy.URL.create(
        f"postgresql+{driver}",
        username=str(known["user"]),
        database=str(known["dbname"]),
        query={"host": str(known["host"]), "port": str(known.get("port", 5432))},
    )


def _first(result: Any) -> Any:
    return result.scalar() if result.returns_rows else None


class AlchemyConnection(_Sync):
    """``sqlalchemy.Connection``."""

    async def connect(self, dsn: str) -> None:
        """Connect."""
        self.engine = sqlalchemy.create_engine(_url(dsn, "psycopg"))
        self.given = self.engine.connect()

    async def execute(self, statement: str) -> Any:
        """Run it."""
        return _first(self.given.execute(sqlalchemy.text(statement)))

    async def close(self) -> None:
        """Disconnect."""
        self.given.close()
        self.engine.dispose()


class AlchemySession(AlchemyConnection):
    """``sqlalchemy.orm.Session``."""

    async def connect(self, dsn: str) -> None:
        """Connect."""
        self.engine = sqlalchemy.create_engine(_url(dsn, "psycopg"))
        self.given = self.make()

    def make(self) -> Any:
        """Make the session."""
        return orm.Session(self.engine)


class AlchemyScoped(AlchemySession):
    """``sqlalchemy.orm.scoped_session``."""

    def make(self) -> Any:
        """Make the session."""
        return orm.scoped_session(orm.sessionmaker(self.engine))


class AlchemyAsyncConnection(_Async):
    """``sqlalchemy.ext.asyncio.AsyncConnection``."""

    DRIVER: ClassVar[str] = "psycopg"

    async def connect(self, dsn: str) -> None:
        """Connect."""
        self.engine = alchemy.create_async_engine(_url(dsn, self.DRIVER))
        self.given = await self.make()

    async def make(self) -> Any:
        """Make the connection."""
        return await self.engine.connect()

    async def execute(self, statement: str) -> Any:
        """Run it."""
        return _first(await self.given.execute(sqlalchemy.text(statement)))

    async def close(self) -> None:
        """Disconnect."""
        await self.given.close()
        await self.engine.dispose()


class AlchemyAsyncpg(AlchemyAsyncConnection):
    """``sqlalchemy.ext.asyncio.AsyncConnection`` over asyncpg."""

    DRIVER: ClassVar[str] = "asyncpg"


class AlchemyAsyncSession(AlchemyAsyncConnection):
    """``sqlalchemy.ext.asyncio.AsyncSession``."""

    async def make(self) -> Any:
        """Make the session."""
        return alchemy.AsyncSession(self.engine)


class AlchemyAsyncpgSession(AlchemyAsyncSession):
    """``sqlalchemy.ext.asyncio.AsyncSession`` over asyncpg."""

    DRIVER: ClassVar[str] = "asyncpg"


class Asyncpg(_Async):
    """``asyncpg.Connection``, one of a pool."""

    async def connect(self, dsn: str) -> None:
        """Connect."""
        known = conninfo_to_dict(dsn)
        self.pool = await asyncpg.create_pool(
            host=known["host"],
            port=known.get("port"),
            user=known["user"],
            database=known["dbname"],
            min_size=1,
            max_size=1,
        )
        self.given = await self.pool.acquire()
        await self.begin()

    async def begin(self) -> None:
        """Begin a transaction."""
        self.transaction = self.given.transaction()
        await self.transaction.start()

    async def execute(self, statement: str) -> Any:
        """Run it."""
        return await self.given.fetchval(statement)

    async def commit(self) -> None:
        """Commit."""
        await self.transaction.commit()
        await self.begin()

    async def rollback(self) -> None:
        """Roll back."""
        await self.transaction.rollback()
        await self.begin()

    async def close(self) -> None:
        """Disconnect."""
        self.pool.terminate()


class Django(_Sync):
    """``django.db.connections[...]``, in a transaction as ``atomic`` makes one."""

    async def connect(self, dsn: str) -> None:
        """Connect."""
        from django.db import connections  # noqa: PLC0415 - wants to be configured before

        known = conninfo_to_dict(dsn)
        connections.databases["default"].update(
            NAME=known["dbname"], USER=known["user"], HOST=known["host"], PORT=known.get("port")
        )
        self.given = connections["default"]
        self.given.set_autocommit(False)

    async def execute(self, statement: str) -> Any:
        """Run it."""
        with self.given.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None

    async def close(self) -> None:
        """Disconnect."""
        from django.db import connections  # noqa: PLC0415 - as above

        self.given.close()
        del connections["default"]


def configure_django() -> None:
    """Say that there is a database, once in a process; and that coroutines may use it, as here."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    if not settings.configured:
        settings.configure(
            DATABASES={"default": {"ENGINE": "django.db.backends.postgresql"}}, USE_TZ=True
        )
        django.setup()


KINDS: Final[tuple[type[Session], ...]] = (
    Psycopg,
    PsycopgAsync,
    AlchemyConnection,
    AlchemySession,
    AlchemyScoped,
    AlchemyAsyncConnection,
    AlchemyAsyncpg,
    AlchemyAsyncSession,
    AlchemyAsyncpgSession,
    Asyncpg,
    Django,
)

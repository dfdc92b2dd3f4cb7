"""pgqueuer: jobs in PostgreSQL, one process for each of its queue managers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import psycopg
from pgqueuer.db import PsycopgDriver, SyncPsycopgDriver
from pgqueuer.queries import Queries, SyncQueries

from benchmarks.apps.pgqueuer_app import BATCH
from benchmarks.on_postgres import OnPostgres, Telling

if TYPE_CHECKING:
    from benchmarks.measure import Ends
    from benchmarks.stores import Postgres

#: ``pgq run`` of 1.6.0 fails with today's typer (it takes the log level for an enum), so this
#: calls what that calls, as its page on running without the command line does.
_COMMAND: Final = ("-m", "benchmarks.apps.pgqueuer_app")


class _Client(Telling):
    def __init__(self, ends: Ends, queries: Any) -> None:
        super().__init__(ends)
        self._queries = queries

    def nothing(self) -> object:
        return self._queries.enqueue("nothing", None)

    def many(self, count: int) -> object:
        return self._queries.enqueue(["nothing"] * count, [None] * count, [0] * count)

    def tell(self, number: int) -> object:
        return self._queries.enqueue("tell", str(number).encode())


class _PgQueuer(OnPostgres[_Client]):
    NAME = "pgqueuer"
    TABLE = "pgqueuer"
    ENDS = ("pgqueuer_log", "created", "status = 'successful'")

    def about(self) -> str:
        return f"{version('pgqueuer')}, batches of {BATCH}, asyncpg in the worker"

    def install(self, store: Postgres) -> None:
        asyncio.run(_install(store.dsn))

    @contextmanager
    def client(self, store: Postgres) -> Iterator[_Client]:
        with psycopg.connect(store.dsn, autocommit=True) as connection:
            yield _Client(self.ends(store), SyncQueries(SyncPsycopgDriver(connection)))

    def command(self) -> Sequence[str]:
        return _COMMAND


async def _install(dsn: str) -> None:
    connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
    queries = Queries(PsycopgDriver(connection))
    await queries.install()  # its default: all tables are written to the log of the database
    await queries.optimize_autovacuum()  # the first line of its guide's list
    await connection.close()


CONTENDER: Final = _PgQueuer()

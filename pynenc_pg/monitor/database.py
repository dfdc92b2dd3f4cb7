"""The monitor's way to the database: it looks as the observer, and acts as the operator.

Each request is a transaction, and the role is set in it: behind a pooler, too, nobody else gets it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from pynenc_pg.exceptions import StoreUnavailableError
from pynenc_pg.postgres import embedded, errors, sessions
from pynenc_pg.postgres.conninfo import read_dsn
from pynenc_pg.postgres.templates import check_schema_name, render

if TYPE_CHECKING:
    from pynenc_pg.monitor.settings import Settings

Row = dict[str, Any]
_Connection = psycopg.Connection[Row]

#: Seconds for a connection; and a page that takes longer than this is not worth waiting for.
_PATIENCE: Final = 5.0
_STATEMENT: Final = "5s"
#: Plans are those for large tables, whatever the statistics say.
#: The role is taken where there is one and we may: else the rights are those of the DSN's user.
_SET_UP: Final = """
select set_config('statement_timeout', %s, true), set_config('jit', 'off', true),
set_config('enable_seqscan', 'off', true),
(select set_config('role', r.rolname, true) from pg_roles r
 where r.rolname = %s and pg_has_role(r.rolname, case
     when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end))"""


class Reads:
    """One transaction that looks: all of a page is of one moment's rights, and writes nothing."""

    def __init__(self, connection: _Connection, schema: str) -> None:
        """Use the transaction of a connection."""
        self._connection = connection
        self._schema = schema

    def all(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a statement."""
        query = render(statement, self._schema).encode()
        return self._connection.execute(query, parameters).fetchall()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what is done in the block, and no more, when it fails.

        Raises:
            PynencError: why it failed.
        """
        with errors.translated(), self._connection.transaction():
            yield

    def one(self, statement: str, parameters: Sequence[object] = ()) -> Row | None:
        """Return its first row."""
        found = self.all(statement, parameters)
        return found[0] if found else None


class MonitorDatabase:
    """A small pool. Connects at the first request."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened."""
        self.app_id = settings.app_id
        self.schema = check_schema_name(settings.schema)
        self._given = settings.dsn
        self._server: embedded.EmbeddedPostgres | None = None
        self._pool: ConnectionPool[_Connection] | None = None
        self._lock = threading.Lock()

    @contextmanager
    def looking(self) -> Iterator[Reads]:
        """Open a transaction that reads, as the observer.

        Raises:
            StoreUnavailableError: the database does not answer.
            PynencError: it refuses something.
        """
        with self._transaction("observer", read_only=True) as reads:
            yield reads

    @contextmanager
    def acting(self) -> Iterator[Reads]:
        """Open a transaction that acts, as the operator; it commits at the end of the block.

        Raises:
            PynencError: as ``looking``; then nothing was done.
        """
        with self._transaction("operator", read_only=False) as reads:
            yield reads

    def listen(self) -> psycopg.Connection[Any]:
        """Open a session of its own that hears the hints of the schema."""
        with errors.translated():
            arguments = sessions.arguments(self._dsn(), "pynenc monitor")
            connection = psycopg.connect(self._dsn(), autocommit=True, **arguments)
            try:
                connection.execute(f'listen "{self.schema}"'.encode())
            except BaseException:
                connection.close()
                raise
            return connection

    def close(self) -> None:
        """Close the pool and let go of the embedded server."""
        with self._lock:
            pool, self._pool = self._pool, None
            server, self._server = self._server, None
        if pool is not None:
            pool.close()
        if server is not None:
            server.close()

    @contextmanager
    def _transaction(self, role: str, *, read_only: bool) -> Iterator[Reads]:
        try:
            with (
                errors.translated(),
                self._connections().connection(timeout=_PATIENCE) as connection,
                connection.transaction(),
            ):
                if read_only:
                    connection.execute("set transaction read only")
                connection.execute(_SET_UP, (_STATEMENT, f"{self.schema}_{role}"))
                yield Reads(connection, self.schema)
        except PoolTimeout as error:
            message = f"no connection to the database within {_PATIENCE:.0f} s"
            raise StoreUnavailableError(message) from error

    def _dsn(self) -> str:
        if not embedded.is_embedded(self._given):
            read_dsn(self._given)
            return self._given
        with self._lock:
            if self._server is None:
                self._server = embedded.from_dsn(self._given)
        return self._server.start()

    def _connections(self) -> ConnectionPool[_Connection]:
        if self._pool is None:
            dsn = self._dsn()
            with self._lock:
                if self._pool is None:
                    self._pool = ConnectionPool(
                        dsn,
                        connection_class=psycopg.Connection[Row],
                        min_size=0,
                        max_size=4,
                        kwargs={
                            "row_factory": dict_row,
                            **sessions.arguments(dsn, "pynenc monitor"),
                        },
                        configure=_configure,
                        check=ConnectionPool.check_connection,
                        max_idle=60,
                        num_workers=1,
                        name="pynenc monitor",
                        open=True,
                    )
        return self._pool


def _configure(connection: _Connection) -> None:
    sessions.set_up(connection)
    connection.commit()
    # A page's plans are made for its own parameters: for no filter at all, or for one task.
    connection.prepare_threshold = None

"""Connections to one database: a small pool for verbs and reads, and how each session is set up."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import Diagnostic
from psycopg_pool import ConnectionPool, PoolTimeout

from pynenc_pg.domain.chance import chance
from pynenc_pg.exceptions import DataRejectedError, OutcomeUnknownError, StoreUnavailableError
from pynenc_pg.postgres import embedded, errors, sessions
from pynenc_pg.postgres.conninfo import read_dsn
from pynenc_pg.postgres.deadlines import Deadlines
from pynenc_pg.postgres.sockets import hung_up
from pynenc_pg.postgres.templates import check_schema_name, render

if TYPE_CHECKING:
    from pynenc_pg.postgres.listener import PgSubscription

logger = logging.getLogger(__name__)
_Connection = psycopg.Connection[tuple[Any, ...]]

_TRIES: Final = 4
#: Seconds a call may spend on getting a connection and on repeating itself; how much of it each
#: request to the pool takes (only a new request makes the pool connect again after it gave up);
#: and how long the pool tries before it gives up: with its own default it would come to look for
#: a server once in minutes.
_PATIENCE: Final = 10.0
_TURN: Final = 2.0
_RECONNECT: Final = 1.0
#: Written after a verb that was lost and has been found done: its commit may still wait for a
#: synchronous standby, or have been told not to, and reading of it waits for nothing.
_AS_DURABLE: Final = b"""select case when not pg_is_in_recovery()
    then pg_logical_emit_message(true, 'pynenc', '') end"""
_TIMED_OUT: Final = frozenset({"25P03", "25P04"})  # the server has ended session and transaction
_SYNC_WAIT: Final = "SyncRepWaitForLSN"  # the function of the server that waits for it
_WRONG_SERVER: Final = "25006"  # read-only: a standby, or a primary that is none any more


class PgDatabase:
    """One app's door to the database. Connects at the first use, in the process that uses it."""

    def __init__(
        self,
        dsn: str,
        *,
        app_id: str,
        schema: str = "pynenc",
        pool_size: int = 4,
        direct_dsn: str | None = None,
    ) -> None:
        """``dsn`` as libpq knows it, or ``embedded`` / ``embedded:///folder``.

        ``direct_dsn`` is the way round a pooler, for the few sessions that must be ours alone.
        """
        self.app_id = app_id
        self.schema = check_schema_name(schema)
        self.home: PgSubscription | None = None  # of a runner: carries its lock and its heartbeat
        self.told: set[str] = set()  # events of which one line is enough
        self._given = dsn
        self._direct = direct_dsn
        self._pool_size = pool_size
        self._server: embedded.EmbeddedPostgres | None = None
        self._pool: ConnectionPool[_Connection] | None = None
        self._deadlines = Deadlines()
        self._pid = 0
        self._lock = threading.Lock()
        self._statements: dict[str, bytes] = {}
        self._unsure: set[_Connection] = set()  # the wait of whose commit was cancelled

    @property
    def dsn(self) -> str:
        """A DSN that libpq understands; starts the embedded server if that was asked for."""
        if not embedded.is_embedded(self._given):
            read_dsn(self._given)
            return self._given
        with self._lock:
            if self._server is None:
                self._server = embedded.from_dsn(self._given)
        return self._server.start()

    def connect(self, purpose: str, *, direct: bool = True) -> _Connection:
        """Open a session of its own, in autocommit; ``purpose`` shows in ``pg_stat_activity``.

        It goes round a pooler where a way is known (``direct_dsn``) and it is to be ``direct``.
        """
        with errors.translated():
            if direct and self._direct is not None:
                read_dsn(self._direct, "postgres.direct_dsn")
            dsn = (direct and self._direct) or self.dsn
            arguments = sessions.arguments(dsn, f"pynenc {purpose}")
            connection = psycopg.connect(dsn, autocommit=True, **arguments)
            try:
                sessions.set_up(connection)
            except BaseException:
                connection.close()
                raise
            return connection

    def call(
        self,
        statement: str,
        parameters: Sequence[object] = (),
        *,
        repeatable: bool = True,
        binary: bool = False,
    ) -> list[tuple[Any, ...]]:
        """Run one statement as one transaction and return its rows, which may come in binary.

        A deadlock, or a lock that took too long, is tried again, for ``_PATIENCE`` seconds at
        most. So is, where ``repeatable``, a lost connection: those verbs say ``already`` if the
        first try had been committed.

        Raises:
            OutcomeUnknownError: the connection was lost after the statement had been sent, and
                the database did not come back to say what became of it.
            StoreUnavailableError: no connection could be had, or others stood in the way each
                time, so nothing was written.
        """
        query = self._rendered(statement)
        sent = False
        failures = 0
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                with self._connections().connection(timeout=_TURN) as connection:
                    if hung_up(connection):
                        connection.close()  # the pool forgets it and we have sent nothing
                        continue
                    repeated, sent = sent, True
                    rows = self._run(connection, query, parameters, binary=binary)
                    if repeated:
                        self._run(connection, _AS_DURABLE, (), binary=False)
                    return rows
            except UnicodeEncodeError as error:  # the driver's own: half a surrogate pair
                message = f"the database holds Unicode text alone: {error}"
                raise DataRejectedError(message) from error
            except PoolTimeout as error:
                if time.monotonic() >= deadline:
                    raise self._ours(error, sent=sent) from error
            except psycopg.Error as error:
                failures += 1
                if error.sqlstate == _WRONG_SERVER:
                    self._empty()
                left = failures < _TRIES and time.monotonic() < deadline
                again = repeatable or not is_lost(error)
                if not (again and left and _is_passing(error)):
                    raise self._ours(error, sent=sent) from error
                time.sleep(chance.uniform(0.5, 1.0) * 0.05 * 4**failures)

    def close(self) -> None:
        """Close the pool and let go of the embedded server. The next use opens them again."""
        with self._lock:
            pool, self._pool = self._pool, None
            server, self._server = self._server, None
            if pool is not None and self._pid == os.getpid():
                pool.close()
                self._deadlines.close()
            if server is not None:
                server.close()

    def _run(
        self,
        connection: _Connection,
        query: bytes,
        parameters: Sequence[object],
        *,
        binary: bool,
    ) -> list[tuple[Any, ...]]:
        deadlines = self._deadlines
        deadlines.begin(connection)
        try:
            found = connection.execute(query, parameters, prepare=True, binary=binary).fetchall()
        finally:
            deadlines.end(connection)
        if connection in self._unsure:
            self._unsure.discard(connection)
            message = "somebody has cancelled the wait for a synchronous standby"
            raise psycopg.OperationalError(message)
        return found

    def _rendered(self, statement: str) -> bytes:
        query = self._statements.get(statement)
        if query is None:
            query = render(statement, self.schema).encode()
            self._statements[statement] = query
        return query

    def _empty(self) -> None:
        """Let go of all sessions: they are with the wrong server. Calls under way repeat."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close(timeout=0)

    def _ours(self, error: Exception, *, sent: bool) -> BaseException:
        if isinstance(error, PoolTimeout):
            said = f"no connection to the database within {_PATIENCE:.0f} s: {self._target()}"
            if sent:
                return OutcomeUnknownError(
                    f"{said}; whether the last call was committed is not known, and repeating it "
                    "with the same ids is safe"
                )
            return StoreUnavailableError(f"{said}; the log of psycopg.pool says why")
        if sent and is_lost(error):
            return OutcomeUnknownError(
                f"the connection was lost ({str(error).strip()}); whether the last call was "
                "committed is not known, and repeating it with the same ids is safe"
            )
        ours = errors.translate(error)
        if getattr(error, "sqlstate", None) in errors.RETRIABLE:
            return StoreUnavailableError(
                f"others stood in the way each time: {ours}; nothing was written, try again"
            )
        return ours

    def _target(self) -> str:
        known = conninfo_to_dict(self.dsn)
        return ", ".join(f"{k}={known[k]}" for k in ("host", "port", "dbname") if known.get(k))

    def _connections(self) -> ConnectionPool[_Connection]:
        if self._pool is None or self._pid != os.getpid():
            dsn = self.dsn
            with self._lock:
                if self._pool is None or self._pid != os.getpid():
                    # After a fork the parent's pool is left alone: its sockets are the parent's,
                    # and so is what runs over them.
                    if self._pid != os.getpid():
                        self._pid = os.getpid()
                        self._deadlines = Deadlines()
                    self._pool = ConnectionPool(
                        dsn,
                        min_size=0,
                        max_size=self._pool_size,
                        kwargs={"autocommit": True, **sessions.arguments(dsn, "pynenc")},
                        configure=self._configure,
                        max_idle=60,
                        reconnect_timeout=_RECONNECT,
                        num_workers=1,
                        name="pynenc",
                        open=True,
                    )
        return self._pool

    def _configure(self, connection: psycopg.Connection[Any]) -> None:
        def note(notice: Diagnostic) -> None:
            # A warning is all that the server has to say of a commit that may be lost.
            if notice.source_function == _SYNC_WAIT:
                self._unsure.add(connection)

        connection.add_notice_handler(note)
        if sessions.set_up(connection) and "postgres.pooler" not in self.told:
            self.told.add("postgres.pooler")
            logger.info(
                "postgres.pooler: a pooler stands in front of the database: no statement is "
                "prepared, and time-outs are left to the settings of the role"
            )


def is_lost(error: Exception) -> bool:
    """Whether the connection is gone."""
    state = getattr(error, "sqlstate", None) or ""
    if state:
        return (state[:2] in {"08", "57"} and state != "57014") or state in _TIMED_OUT
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def _is_passing(error: psycopg.Error) -> bool:
    return is_lost(error) or (error.sqlstate or "") in {*errors.RETRIABLE, _WRONG_SERVER}

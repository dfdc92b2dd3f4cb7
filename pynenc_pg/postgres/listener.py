"""LISTEN: one connection per process where hints arrive; for a runner also its home.

The home connection carries the runner's session lock, so a runner registers and reports there.
Behind a pooler that shares sessions out there is neither lock nor hint: looks take their place.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import psycopg
import uuid_utils

from pynenc_pg.domain.chance import chance
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Wakeup
from pynenc_pg.exceptions import PynencError, StoreError, StoreUnavailableError
from pynenc_pg.postgres import errors, pooler
from pynenc_pg.postgres.sockets import answered, readable
from pynenc_pg.postgres.templates import render

if TYPE_CHECKING:
    from pynenc_pg.postgres.database import PgDatabase

logger = logging.getLogger(__name__)

_LOOK_AT_ALL = Wakeup("result")
#: What a runner may not have heard while its connection was lost.
_MISSED = (Wakeup("session"), Wakeup("work"), Wakeup("cause"))
#: Seconds between the looks that stand for the hints which a pooler keeps from us.
_LOOK = 1.0
#: Ends what a lost connection has left on the server, waiting for it (milliseconds): the new
#: session can take the lock of the old one only after that.
_END_OLD = """select pg_terminate_backend(pid, 2000) from pg_stat_activity
    where pid = %s and backend_start = %s and pid <> pg_backend_pid()"""
_OWN = "select pid, backend_start::text from pg_stat_activity where pid = pg_backend_pid()"


class PgSubscription:
    """A place where hints arrive. One thread waits; others may interrupt it or run a statement."""

    def __init__(self, database: PgDatabase, *, work: bool) -> None:
        """Listen for results and, if ``work``, on the channel of the schema."""
        self._database = database
        self._work = work
        self.listener = f"{database.schema}_{uuid_utils.uuid4().hex[:16]}"
        self.session = 0  # grows with each connection: who holds a session lock must take it again
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._using = threading.RLock()
        self._awake, self._alarm = socket.socketpair()
        self._awake.settimeout(0)
        self._alarm.settimeout(0)
        self._failures = 0
        self._retry_at = 0.0
        self._former: tuple[Any, ...] | None = None
        self._shared = False  # the server's session is not ours alone
        self._look_at = 0.0
        try:
            self._connect()
        except StoreUnavailableError:
            # Whoever waits for results waits for the database, too; a runner says that it does.
            if work:
                self.close()
                raise
        except BaseException:
            self.close()
            raise

    @property
    def healthy(self) -> bool:
        """Hints arrive."""
        return self._connection is not None and not self._shared

    @property
    def can_lock(self) -> bool:
        """A lock of this session is ours, and ends with it."""
        return not self._shared

    def wait(self, timeout: float) -> list[Wakeup]:
        """Sleep until a hint, ``interrupt`` or the timeout.

        A lost connection is opened again from here; what may have been missed meanwhile is made
        up for by hints of every kind.
        """
        connection = self._connection
        if connection is None:
            return self._reconnect(timeout)
        try:
            # What came while a statement ran here does not make the socket readable again.
            if hints := self._read_all(connection):
                return hints
            if self._shared:
                timeout = min(timeout, self._look_at - time.monotonic())
            alarm = self._awake.fileno()
            if alarm in readable([alarm, connection.fileno()], timeout):
                self._drain_alarm()
            return self._read_all(connection) + self._looks()
        except (psycopg.Error, OSError, ValueError):
            self._lose()
            return []

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement on this very session. Never repeated: the session may be another one."""
        with self._using:
            connection = self._connection
            if connection is None:
                message = "the home connection is down; it is opened again by itself, try again"
                raise StoreUnavailableError(message)
            try:
                with errors.translated(), answered(connection):
                    query = render(statement, self._database.schema).encode()
                    return connection.execute(query, parameters).fetchall()
            except StoreError:
                if connection.closed:
                    self._lose()
                raise

    def interrupt(self) -> None:
        """Wake the thread that waits."""
        with contextlib.suppress(BlockingIOError, OSError):
            self._alarm.send(b"!")

    def close(self) -> None:
        """End the session, and with it its locks."""
        with self._using:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        if self._database.home is self:
            self._database.home = None  # who comes next has another, or none
        self._awake.close()
        self._alarm.close()

    def _connect(self) -> None:
        connection = self._database.connect("home" if self._work else "results")
        try:
            with errors.translated(), answered(connection):
                shared = not self._listen(connection)
        except BaseException:
            connection.close()
            raise
        with self._using:
            self._connection = connection
            self._shared = shared
            self.session += 1
            self._failures = 0
        if shared:
            self._tell_shared()

    def _listen(self, connection: psycopg.Connection[tuple[Any, ...]]) -> bool:
        """LISTEN; whether the session is ours alone, or a pooler would give it to others, too."""
        own = connection.execute(_OWN).fetchone()
        if own is None or own[0] != connection.info.backend_pid:
            # The server's half of a lost connection belongs to somebody else by now: never end it.
            self._former = None
            if not pooler.leaves_session(connection, self.listener, self._notify):
                return False
        else:
            if self._former is not None:
                connection.execute(_END_OLD, self._former)
            connection.execute(f'listen "{self.listener}"'.encode())
            self._former = own if self._work else None
        if self._work:
            connection.execute(f'listen "{self._database.schema}"'.encode())
        return True

    def _notify(self, channel: str) -> int:
        return int(self._database.call(pooler.NOTIFY, (channel,))[0][0])

    def _tell_shared(self) -> None:
        if "postgres.pooled" not in self._database.told:
            self._database.told.add("postgres.pooled")
            logger.warning(
                "postgres.pooled: behind a pooler in transaction mode nobody is woken by the "
                "database (work is found every runner.poll_without_listen, a result every second), "
                "and a runner that was killed is missed only after its runner.lease: set "
                "postgres.direct_dsn to the server itself"
            )

    def _looks(self) -> list[Wakeup]:
        """What to look at, now and then, where no hint would tell."""
        now = time.monotonic()
        if not self._shared or now < self._look_at:
            return []
        self._look_at = now + _LOOK
        return [Wakeup("due", due_in=0.0), Wakeup("cause")] if self._work else [_LOOK_AT_ALL]

    def _reconnect(self, timeout: float) -> list[Wakeup]:
        delay = min(timeout, max(0.0, self._retry_at - time.monotonic()))
        if delay > 0:
            readable([self._awake.fileno()], delay)
            self._drain_alarm()
        if time.monotonic() < self._retry_at:
            return []
        try:
            self._connect()
        except PynencError:
            self._failures = min(self._failures + 1, 6)
            self._retry_at = time.monotonic() + 0.05 * 2**self._failures * chance.uniform(0.5, 1)
            return []
        kinds = [_LOOK_AT_ALL]
        return [*kinds, *_MISSED] if self._work else kinds

    def _lose(self) -> None:
        with self._using:
            if self._connection is not None:
                with contextlib.suppress(psycopg.Error):
                    self._connection.close()
                self._connection = None
                self._retry_at = time.monotonic() + chance.uniform(0, 0.05)

    def _drain_alarm(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            while self._awake.recv(64):
                pass

    def _read_all(self, connection: psycopg.Connection[Any]) -> list[Wakeup]:
        with self._using:
            return [w for n in connection.notifies(timeout=0) for w in self._read(n)]

    def _read(self, notify: psycopg.Notify) -> list[Wakeup]:
        """Any user of the database may send anything: what is no message of ours is a hint too."""
        try:
            said = json.loads(notify.payload)
            if notify.channel == self.listener:
                return [Wakeup("result", tuple(InvocationId(str(i)) for i in said))]
            if said["app"] != self._database.app_id:
                return []
            kind, more = str(said["kind"]), said["more"]
            return [
                Wakeup(
                    kind,
                    ids=(InvocationId(str(more)),) if kind == "cancel" else (),
                    due_in=float(more) if kind == "due" else None,
                    roused=tuple(map(str, more)) if kind == "work" and more else (),
                )
            ]
        except (ValueError, KeyError, TypeError):
            return [_LOOK_AT_ALL if notify.channel == self.listener else Wakeup("work")]


class PgBroker:
    """Wakes, by LISTEN and NOTIFY."""

    def __init__(self, database: PgDatabase) -> None:
        """Keep the database; connections are made by ``subscribe``."""
        self._database = database

    def subscribe(self, *, work: bool) -> PgSubscription:
        """Open a listening session; with ``work`` it becomes the runner's home."""
        subscription = PgSubscription(self._database, work=work)
        if work:
            self._database.home = subscription
        return subscription

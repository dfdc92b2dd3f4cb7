"""LISTEN: one connection per process where hints arrive; for a runner also its home.

The home connection carries the runner's session lock, so a runner registers and reports there.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import psycopg
import uuid_utils

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Wakeup
from pynenc_pg.exceptions import PynencError, StoreError, StoreUnavailableError
from pynenc_pg.postgres import errors
from pynenc_pg.postgres.templates import render

if TYPE_CHECKING:
    from pynenc_pg.postgres.database import PgDatabase

_LOOK_AT_ALL = Wakeup("result")
#: Seconds the server has to answer a statement here, by our clock: its own time-outs end nothing
#: when it is frozen, and a runner must not wait for it longer than its lease.
_ANSWER = 10.0
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
        return self._connection is not None

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
            alarm = self._awake.fileno()
            if alarm in _readable([alarm, connection.fileno()], timeout):
                self._drain_alarm()
            return self._read_all(connection)
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
                with errors.translated(), _answered(connection):
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
        self._awake.close()
        self._alarm.close()

    def _connect(self) -> None:
        connection = self._database.connect("home" if self._work else "results")
        try:
            with errors.translated(), _answered(connection):
                if self._former is not None:
                    connection.execute(_END_OLD, self._former)
                connection.execute(f'listen "{self.listener}"'.encode())
                if self._work:
                    connection.execute(f'listen "{self._database.schema}"'.encode())
                    self._former = connection.execute(_OWN).fetchone()
        except BaseException:
            connection.close()
            raise
        with self._using:
            self._connection = connection
            self.session += 1
            self._failures = 0

    def _reconnect(self, timeout: float) -> list[Wakeup]:
        delay = min(timeout, max(0.0, self._retry_at - time.monotonic()))
        if delay > 0:
            _readable([self._awake.fileno()], delay)
            self._drain_alarm()
        if time.monotonic() < self._retry_at:
            return []
        try:
            self._connect()
        except PynencError:
            self._failures = min(self._failures + 1, 6)
            self._retry_at = time.monotonic() + 0.05 * 2**self._failures * random.uniform(0.5, 1)  # noqa: S311
            return []
        kinds = [_LOOK_AT_ALL]
        return [*kinds, Wakeup("session"), Wakeup("work")] if self._work else kinds

    def _lose(self) -> None:
        with self._using:
            if self._connection is not None:
                with contextlib.suppress(psycopg.Error):
                    self._connection.close()
                self._connection = None
                self._retry_at = time.monotonic() + random.uniform(0, 0.05)  # noqa: S311

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
                )
            ]
        except (ValueError, KeyError, TypeError):
            return [_LOOK_AT_ALL if notify.channel == self.listener else Wakeup("work")]


def _readable(descriptors: Sequence[int], timeout: float) -> set[int]:
    """Sleep until one of these can be read; poll, since select knows only the first thousand."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(max(0.0, timeout) * 1000)}


@contextlib.contextmanager
def _answered(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Cut the connection when what runs in the block is not answered in time."""
    timer = threading.Timer(_ANSWER, _hang_up, (connection,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(connection: psycopg.Connection[Any]) -> None:
    """End the socket under whoever waits for it; closing it is left to them."""
    with (
        contextlib.suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as end,
    ):
        end.shutdown(socket.SHUT_RDWR)


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

"""LISTEN: one connection per process where hints arrive; for a runner also its home.

The home connection carries the runner's session lock, so a runner registers and reports there.
"""

from __future__ import annotations

import contextlib
import json
import random
import select
import socket
import threading
import time
from collections.abc import Sequence
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
        self._connect()

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
            alarm = self._awake.fileno()
            readable, _, _ = select.select([alarm, connection.fileno()], [], [], timeout)
            if alarm in readable:
                self._drain_alarm()
            with self._using:
                return [w for n in connection.notifies(timeout=0) for w in self._read(n)]
        except (psycopg.Error, OSError, ValueError):
            self._lose()
            return []

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement on this very session. Never repeated: the session may be another one."""
        with self._using:
            connection = self._connection
            if connection is None:
                message = "the home connection is down"
                raise StoreUnavailableError(message)
            try:
                with errors.translated():
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
        with errors.translated():
            connection.execute(f'listen "{self.listener}"'.encode())
            if self._work:
                connection.execute(f'listen "{self._database.schema}"'.encode())
        with self._using:
            self._connection = connection
            self.session += 1
            self._failures = 0

    def _reconnect(self, timeout: float) -> list[Wakeup]:
        delay = min(timeout, max(0.0, self._retry_at - time.monotonic()))
        if delay > 0:
            select.select([self._awake], [], [], delay)
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
        return [*kinds, Wakeup("runner"), Wakeup("work")] if self._work else kinds

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

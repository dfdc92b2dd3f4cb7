"""Sessions for transactions of tasks: taken for one, cleaned, and kept for the next."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import psycopg
from psycopg.pq import TransactionStatus

from pynenc_pg.exceptions import StoreUnavailableError
from pynenc_pg.postgres import sessions
from pynenc_pg.postgres.deadlines import Deadlines
from pynenc_pg.postgres.sockets import hung_up

if TYPE_CHECKING:
    from pynenc_pg.postgres.database import PgDatabase

#: Seconds to wait for one that others have, and those after which an unused one is closed.
_PATIENCE: Final = 10.0
_MAX_IDLE: Final = 60.0
#: Seconds between two looks after those that are open.
LOOK: Final = 5.0


class Open(Protocol):
    """What has a session."""

    def stir(self) -> None:
        """Tell the server that it is alive."""


@dataclass(slots=True)
class TaskSession:
    """A session, in autocommit."""

    connection: psycopg.Connection[Any]
    pooled: bool  # a pooler shares it out: what is set there is not ours
    since: float = 0.0  # when it became idle


class TaskSessions:
    """As many as there are places. They are opened at need, by the threads that want them."""

    def __init__(self, database: PgDatabase, *, places: Callable[[], int]) -> None:
        """Nothing is opened."""
        self._database = database
        self._places = places
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self.deadlines = Deadlines()
        self._lock = threading.Lock()
        self._room: threading.Semaphore | None = None
        self._idle: deque[TaskSession] = deque()
        self._open: set[Open] = set()
        self._look = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self) -> TaskSession:
        """Return one that is idle, or a new one.

        Raises:
            StoreUnavailableError: none could be had.
        """
        if self._pid != os.getpid():  # after a fork they are the parent's, and so is their thread
            self._inherited = self._idle
            self._begin()
        with self._lock:
            if self._room is None:
                self._room = threading.Semaphore(self._places())
        if not self._room.acquire(timeout=_PATIENCE):
            message = (
                f"no session for a transaction within {_PATIENCE:.0f} s: as many are open as "
                "runner.concurrency says, and none was given back"
            )
            raise StoreUnavailableError(message)
        try:
            return self._idle_one() or self._new()
        except BaseException:
            self._room.release()
            raise

    def give_back(self, session: TaskSession) -> None:
        """Keep it for the next one, cleaned; close it if it is not what it was."""
        connection = session.connection
        try:
            if connection.info.transaction_status == TransactionStatus.IDLE:
                if not session.pooled:
                    with self.deadlines.over(connection):
                        sessions.clean_up(connection)
                session.since = time.monotonic()
                self._idle.append(session)
                self._attend()
            else:
                connection.close()
        except psycopg.Error:
            connection.close()
        finally:
            self.let_go()

    def let_go(self) -> None:
        """There is room for another one."""
        if self._room is not None:
            self._room.release()

    def keep_alive(self, one: Open) -> None:
        """Have it stir, until it is forgotten."""
        with self._lock:
            self._open.add(one)
        self._attend()

    def forget(self, one: Open) -> None:
        """It has no session any more."""
        with self._lock:
            self._open.discard(one)

    def close(self) -> None:
        """Close those that are idle."""
        if self._pid == os.getpid():
            with suppress(IndexError):
                while True:
                    self._idle.popleft().connection.close()
        self._look.set()
        self.deadlines.close()

    def _idle_one(self) -> TaskSession | None:
        with suppress(IndexError):
            while True:
                session = self._idle.pop()
                if not hung_up(session.connection):
                    return session
                session.connection.close()
        return None

    def _new(self) -> TaskSession:
        connection = self._database.connect("transaction", direct=False)
        # Where a pooler was found nothing is prepared; nor is it here, where names of statements
        # are the task's.
        pooled, connection.prepare_threshold = connection.prepare_threshold is None, None
        return TaskSession(connection, pooled)

    # --- the thread ---------------------------------------------------------------------------

    def _attend(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, name="pynenc-transactions", daemon=True
                )
                self._thread.start()

    def _watch(self) -> None:
        while True:
            self._look.wait(LOOK)
            self._look.clear()
            self._close_unused()
            with self._lock:
                if not self._open and not self._idle:
                    self._thread = None
                    return
                open_ = list(self._open)
            for one in open_:
                one.stir()

    def _close_unused(self) -> None:
        oldest = time.monotonic() - _MAX_IDLE
        with suppress(IndexError):
            while self._idle[0].since < oldest:
                self._idle.popleft().connection.close()

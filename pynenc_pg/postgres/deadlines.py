"""An end for every statement, by our clock: one that hangs is neither answered nor refused."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg

from pynenc_pg.postgres.sockets import hang_up

#: The server ends a statement after 60 s (``statement_timeout``): then its word should be here.
SECONDS = 65.0


class Deadlines:
    """Cuts connections whose statements take too long. One thread looks, now and then."""

    def __init__(self) -> None:
        """The thread is started with the first statement."""
        self._running: dict[psycopg.Connection[Any], float] = {}
        self._over = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, connection: psycopg.Connection[Any]) -> None:
        """A statement is sent."""
        if self._thread is None:
            self._start()
        self._running[connection] = time.monotonic()

    def end(self, connection: psycopg.Connection[Any]) -> None:
        """It was answered, or refused."""
        self._running.pop(connection, None)

    def close(self) -> None:
        """End the thread."""
        self._over.set()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                name = "pynenc-deadlines"
                self._thread = threading.Thread(target=self._watch, name=name, daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(SECONDS / 4):
            late = time.monotonic() - SECONDS
            for connection, since in list(self._running.items()):
                if since < late:
                    hang_up(connection)

"""An end for every statement, by our clock: one that hangs is neither answered nor refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from pynenc_pg.postgres.sockets import hang_up

#: The server ends a statement after 60 s (``statement_timeout``): then its word should be here.
SECONDS = 65.0


class Deadlines:
    """Cuts connections whose statements take too long. One thread looks, now and then."""

    def __init__(self) -> None:
        """The thread comes with a statement, and goes when it finds none."""
        self._running: dict[psycopg.Connection[Any], float] = {}
        self._changing = threading.Lock()
        self._look = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, connection: psycopg.Connection[Any]) -> None:
        """A statement is sent."""
        with self._changing:
            self._running[connection] = time.monotonic()
            if self._thread is None:
                name = "pynenc-deadlines"
                self._thread = threading.Thread(target=self._watch, name=name, daemon=True)
                self._thread.start()

    @contextmanager
    def over(self, connection: psycopg.Connection[Any]) -> Iterator[None]:
        """Bound what the block sends; cheaper than a timer for each statement."""
        self.begin(connection)
        try:
            yield
        finally:
            self.end(connection)

    def end(self, connection: psycopg.Connection[Any]) -> None:
        """It was answered, or refused."""
        with self._changing:
            del self._running[connection]

    def close(self) -> None:
        """Let the thread go now. What is under way keeps its end."""
        self._look.set()

    def _watch(self) -> None:
        while True:
            self._look.wait(SECONDS / 4)
            self._look.clear()
            with self._changing:
                if not self._running:
                    self._thread = None
                    return
                latest = time.monotonic() - SECONDS
                late = [one for one, since in self._running.items() if since < latest]
            for connection in late:
                hang_up(connection)

"""Wakes, by a condition variable."""

from __future__ import annotations

import threading
from itertools import count

from pynenc_pg.domain.records import Wakeup
from pynenc_pg.memory.database import MemDatabase

_numbers = count()


class MemSubscription:
    """A place where hints arrive. See ``pynenc_pg.ports.Subscription``."""

    healthy = True

    def __init__(self, database: MemDatabase, *, work: bool) -> None:
        """Listen until closed."""
        self.listener = f"memory_{next(_numbers)}"
        self.work = work
        self._database = database
        self._hints: list[Wakeup] = []
        self._interrupted = False
        self._changed = threading.Condition()
        with database.lock:
            database.subscriptions[self.listener] = self

    def put(self, wakeup: Wakeup) -> None:
        """Leave a hint."""
        with self._changed:
            self._hints.append(wakeup)
            self._changed.notify()

    def wait(self, timeout: float) -> list[Wakeup]:
        """Sleep until a hint, ``interrupt`` or the timeout (seconds)."""
        with self._changed:
            self._changed.wait_for(lambda: self._hints or self._interrupted, timeout)
            self._interrupted = False
            hints, self._hints = self._hints, []
            return hints

    def interrupt(self) -> None:
        """Wake the sleeping thread."""
        with self._changed:
            self._interrupted = True
            self._changed.notify()

    def close(self) -> None:
        """Stop listening."""
        with self._database.lock:
            self._database.subscriptions.pop(self.listener, None)


class MemBroker:
    """Wakes. See ``pynenc_pg.ports.Broker``."""

    def __init__(self, database: MemDatabase) -> None:
        """Use the lists of ``database``."""
        self._database = database

    def subscribe(self, *, work: bool) -> MemSubscription:
        """Listen for the ends that are watched and, if ``work``, for work."""
        return MemSubscription(self._database, work=work)

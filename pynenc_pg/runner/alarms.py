"""Calls something at its time, unless it is taken back before. For what has limits, which is rare.

One thread, from the first alarm on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count

logger = logging.getLogger(__name__)

#: That many are kept after they were taken back.
_MANY = 1_000


class Alarm:
    """One time at which something is called."""

    __slots__ = ("ring",)

    def __init__(self, ring: Callable[[], None]) -> None:
        """``ring`` is called in the thread of the alarms: it must be quick."""
        self.ring: Callable[[], None] | None = ring


class Alarms:
    """Any number of them."""

    def __init__(self) -> None:
        """Nothing is started."""
        self._heap: list[tuple[float, int, Alarm]] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._taken_back = 0
        self._closed = False

    def set(self, seconds: float, ring: Callable[[], None]) -> Alarm:
        """Have something called after so many seconds."""
        alarm = Alarm(ring)
        with self._changed:
            if self._taken_back > _MANY and self._taken_back * 2 > len(self._heap):
                self._clean()
            heappush(self._heap, (time.monotonic() + seconds, next(self._numbers), alarm))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pynenc-alarms", daemon=True)
                self._thread.start()
            elif self._heap[0][2] is alarm:
                self._changed.notify()
        return alarm

    def take_back(self, alarm: Alarm) -> None:
        """Do not call it, unless it is being called just now."""
        with self._changed:
            self._taken_back += alarm.ring is not None
            alarm.ring = None

    def close(self) -> None:
        """Call nothing any more."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _clean(self) -> None:
        """Most alarms are taken back, and long ones would pile up until their time."""
        self._heap = [entry for entry in self._heap if entry[2].ring is not None]
        heapify(self._heap)
        self._taken_back = 0

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                left = self._heap[0][0] - time.monotonic() if self._heap else None
                if left is None or left > 0:
                    self._changed.wait(left if left is None else min(left, threading.TIMEOUT_MAX))
                    continue
                _, _, alarm = heappop(self._heap)
                ring, alarm.ring = alarm.ring, None
                self._taken_back -= ring is None
            if ring is not None:
                try:
                    ring()
                except Exception:
                    logger.exception("alarm.failed: the others go on")

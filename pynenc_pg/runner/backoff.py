"""When to try again what keeps failing: soon at first, then ever more rarely."""

from __future__ import annotations

import time

from pynenc_pg.domain.chance import chance


class Backoff:
    """One thing that is tried. Pauses double from ``first`` to ``most`` seconds, with jitter."""

    def __init__(self, *, first: float = 0.1, most: float = 10.0) -> None:
        """Nothing has failed so far."""
        self._first = first
        self._most = most
        self._failures = 0
        self._due = 0.0

    def failed(self) -> float:
        """Take note of a failure; return the seconds until the next try."""
        pause = min(self._most, self._first * 2.0 ** min(self._failures, 30))
        pause *= chance.uniform(0.5, 1)
        self._failures += 1
        self._due = time.monotonic() + pause
        return pause

    def fine(self) -> None:
        """Take note that it works."""
        self._failures = 0
        self._due = 0.0

    def left(self) -> float:
        """Return the seconds until it may be tried."""
        return max(0.0, self._due - time.monotonic())

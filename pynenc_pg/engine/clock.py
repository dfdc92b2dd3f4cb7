"""By how much this machine's clock differs from the store's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

#: Seconds a clock may be wrong before ids are made by the store's time instead.
TOLERATED: Final = 1.0


class ClockOffset:
    """Measured at the first question, and again when this machine's clock was set meanwhile."""

    def __init__(self, measure: Callable[[], float]) -> None:
        """``measure`` asks the store: a round trip."""
        self._measure = measure
        self._known: tuple[float, float] | None = None  # the offset, and how the clocks stood
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Seconds by which the store's clock is ahead, where that is worth heeding; else 0."""
        stands = _against_monotonic()
        known = self._known
        if known is None or abs(stands - known[1]) > TOLERATED:
            with self._lock:
                measured = self._measure()
                known = measured if abs(measured) > TOLERATED else 0.0, stands
                self._known = known
        return known[0]


def _against_monotonic() -> float:
    """Stays as it is, unless somebody sets the clock, or the machine has slept."""
    return time.time() - time.monotonic()

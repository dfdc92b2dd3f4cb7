"""How much a runner may hold: free slots, and a few milliseconds of work beyond them."""

from __future__ import annotations

#: Weight of the newest measurement, and how long durations stay unknown at the start.
_WEIGHT = 0.05
_KNOWN_AFTER = 8


class Pace:
    """A moving average of how long tasks take, that goes up at once and comes down slowly.

    While durations are unknown, free slots alone are claimed: a long task must not have others
    waiting behind it that another runner could execute.
    """

    def __init__(self, *, slots: int, buffer: float, batch: int) -> None:
        """``buffer`` is seconds of work held beyond the slots; ``batch`` bounds the number."""
        self._slots = slots
        self._buffer = buffer
        self._batch = batch
        self._average = 0.0
        self._seen = 0

    def saw(self, duration: float, count: int = 1) -> None:
        """Take note of ``count`` executions of ``duration`` seconds each."""
        self._seen += count
        if duration >= self._average:
            self._average = duration if self._seen > _KNOWN_AFTER else max(duration, self._average)
        else:
            weight = 1 - (1 - _WEIGHT) ** count
            self._average += weight * (duration - self._average)

    @property
    def capacity(self) -> int:
        """How many invocations may be held at once."""
        if self._seen < _KNOWN_AFTER:
            return self._slots
        beyond = int(self._slots * self._buffer / max(self._average, 1e-6))
        return self._slots + min(beyond, max(0, self._batch - self._slots))

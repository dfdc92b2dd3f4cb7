"""How much a runner may hold: free slots, and a few milliseconds of work beyond them."""

from __future__ import annotations

#: Weight of the newest measurement, and how long durations stay unknown at the start.
_WEIGHT = 0.05
_KNOWN_AFTER = 8
#: Weight of the newest claim.
_CLAIM_WEIGHT = 0.3
#: Work that was begun for threads that all turned out to be busy goes back after so many seconds:
#: no more of it is held because claims take long.
GIVE_BACK_AFTER = 0.1


class Pace:
    """A moving average of how long tasks take, that goes up at once and comes down slowly.

    While durations are unknown, free slots alone are claimed: a long task must not have others
    waiting behind it that another runner could execute. Where a claim takes longer than what may
    be held, because the database is far away or many ask it, as much is held as is worked off
    until the next claim is answered.
    """

    def __init__(self, *, slots: int, buffer: float, batch: int) -> None:
        """``buffer`` is seconds of work held beyond the slots; ``batch`` bounds the number."""
        self._slots = slots
        self._buffer = buffer
        self._batch = batch
        self._average = 0.0
        self._seen = 0
        self._claim = 0.0

    def saw(self, duration: float, count: int = 1) -> None:
        """Take note of ``count`` executions of ``duration`` seconds each."""
        self._seen += count
        if duration >= self._average:
            self._average = duration if self._seen > _KNOWN_AFTER else max(duration, self._average)
        else:
            weight = 1 - (1 - _WEIGHT) ** count
            self._average += weight * (duration - self._average)

    def claimed(self, count: int, seconds: float) -> None:
        """Take note of how long a claim took, if it found anything."""
        if count:
            self._claim += _CLAIM_WEIGHT * (seconds - self._claim)

    @property
    def capacity(self) -> int:
        """How many invocations may be held at once."""
        if self._seen < _KNOWN_AFTER:
            return self._slots
        buffer = max(self._buffer, min(self._claim, GIVE_BACK_AFTER))
        beyond = int(self._slots * buffer / max(self._average, 1e-6))
        return self._slots + min(beyond, max(0, self._batch - self._slots))

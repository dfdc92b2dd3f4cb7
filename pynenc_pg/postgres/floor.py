"""Where a claim begins to look while the index is full of rows that nobody may remove yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

#: Seconds a look from the beginning may take before floors are used at all.
_SLOW: Final = 0.004
#: Looks from the beginning may take a twentieth of the time.
_SHARE: Final = 20.0


class RankFloor:
    """Per queue the rank below which nothing ready was seen lately.

    A transaction held open elsewhere keeps every version of every row: a claim that begins at the
    lowest rank then steps over all the work that was done since, which took 14 ms a claim after
    100,000 invocations. Ranks grow with time, so it may begin where the last claim ended. What
    stands below (a higher priority, a retry, a call that committed late) is found by a look from
    the beginning, at most twenty times as long after the last one as that took.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without floors; ``clock`` counts seconds."""
        self._clock = clock
        self._floors: dict[str, float] = {}
        self._until = 0.0

    def current(self) -> tuple[list[str], list[float]]:
        """Return queues and their floors; none where the claim is to look from the beginning."""
        if self._clock() >= self._until:
            return [], []
        floors = dict(self._floors)
        return list(floors), list(floors.values())

    def note(self, claimed: Sequence[Sequence[Any]], *, floors_used: bool) -> None:
        """Take note of (queue, rank, seconds looked) of each invocation that was claimed.

        Without a rank it was not come by in the order of ranks.
        """
        if not claimed:
            return
        looked = float(claimed[0][2])
        if not floors_used:
            self._floors = {}
            self._until = self._clock() + (_SHARE * looked if looked > _SLOW else 0.0)
        for queue, rank, _ in claimed:
            if rank is not None:
                self._floors[queue] = max(rank, self._floors.get(queue, rank))

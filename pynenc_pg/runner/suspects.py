"""Work that is quarantined if the worker dies once more is begun one at a time.

When the one that kills workers does it again, those that only happened to stand beside it are then
not quarantined with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pynenc_pg.domain.ids import InvocationId
    from pynenc_pg.domain.records import Claimed


class Suspects:
    """Those that were claimed and wait, PENDING, and the one that was begun."""

    def __init__(
        self,
        *,
        max_recoveries: int,
        max_pending: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """What waits longer than ``max_pending`` seconds is recovered, and no longer ours."""
        #: Who was recovered as often as this is a suspect.
        self.last_chance = max(1, max_recoveries)
        self._max_pending = max_pending
        self._clock = clock
        self._waiting: dict[InvocationId, tuple[Claimed, float]] = {}
        self._begun: InvocationId | None = None

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def pick_out(self, claimed: Sequence[Claimed]) -> list[Claimed]:
        """Keep the suspects among these; return the others."""
        now = self._clock()
        for one in claimed:
            if one.recoveries >= self.last_chance:
                # A second claim of the same one: the first was too old.
                self._waiting.pop(one.invocation_id, None)
                self._waiting[one.invocation_id] = (one, now)
        return [one for one in claimed if one.recoveries < self.last_chance]

    def next(self) -> Claimed | None:
        """Return the next one to begin, if none is under way."""
        oldest = self._clock() - self._max_pending
        self._waiting = {i: held for i, held in self._waiting.items() if held[1] > oldest}
        if self._begun is not None or not self._waiting:
            return None
        which = next(iter(self._waiting))
        self._begun = which
        return self._waiting.pop(which)[0]

    def take_back(self) -> list[Claimed]:
        """Return those that wait, and forget them."""
        waiting, self._waiting = self._waiting, {}
        return [one for one, _ in waiting.values()]

    def settled(self, ids: Collection[InvocationId]) -> bool:
        """These are no longer ours; whether the one under way is among them. Any thread."""
        if self._begun is None or self._begun not in ids:
            return False
        self._begun = None
        return True

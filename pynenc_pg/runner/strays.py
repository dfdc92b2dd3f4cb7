"""What a runner holds without knowing: work of a claim whose answer was lost on the way.

Or work that it has ended, where a standby took over that had not heard of the end.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pynenc_pg.domain.ids import InvocationId, RunnerId
    from pynenc_pg.ports import Orchestrator

logger = logging.getLogger(__name__)


class Strays:
    """Knows what the runner holds, and has the rest given back after a claim without an answer.

    Once at once, and once more ``again_after`` seconds later: a server that hung may carry out the
    claim only after the first look. The same after a new session, whose server may be another one.
    """

    def __init__(
        self,
        orchestrator: Orchestrator,
        runner_id: RunnerId,
        *,
        again_after: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is held yet."""
        self._orchestrator = orchestrator
        self._runner_id = runner_id
        self._again_after = again_after
        self._clock = clock
        self._known: set[InvocationId] = set()
        self._looks: list[float] = []
        self._doubted = False

    def hold(self, ids: Iterable[InvocationId]) -> None:
        """These are ours, as the store has answered."""
        self._known.update(ids)

    def let_go(self, ids: Iterable[InvocationId]) -> None:
        """These are no longer ours. Any thread."""
        self._known.difference_update(ids)

    def holds(self, invocation_id: InvocationId) -> bool:
        """Whether it is ours, as far as we know. Any thread."""
        return invocation_id in self._known

    @property
    def held(self) -> int:
        """How many are ours, as far as we know."""
        return len(self._known)

    def claim_failed(self) -> None:
        """A claim was not answered; what it took, if it did, has nobody who executes it."""
        now = self._clock()
        self._looks = [now, now + self._again_after]

    def doubt(self) -> None:
        """What was answered so far may be undone: the server may be another one. Any thread."""
        self._doubted = True

    def give_back(self) -> None:
        """Have strays given back, if it is time to look for them. By the thread that claims."""
        if self._doubted:
            self._doubted = False
            self.claim_failed()
        while self._looks and self._looks[0] <= self._clock():
            # Known before the store looks: what ends meanwhile is no longer held there.
            found = self._orchestrator.release_strays(self._runner_id, self._known.copy())
            self._looks.pop(0)
            if found:
                logger.warning(
                    "claim.strays: %d given back: the answer of a claim was lost, or the server "
                    "that took over has not heard of an end",
                    found,
                )

"""In which order a runner asks its queues for work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from pynenc_pg.domain.chance import chance

if TYPE_CHECKING:
    from pynenc_pg.conf.config_runner import RunnerConf

#: In the place of a queue's name: all that are not named beside it.
OTHERS: Final = "*"


class Turns:
    """Ordered: always the same. Round robin: who was served longest ago comes first. Or at random.

    Whoever serves all queues does not know their names before it has had work of them: what it
    does not know counts as never served.
    """

    def __init__(self, conf: RunnerConf) -> None:
        """Begin as configured."""
        self._named = list(conf.queues)
        self._order = conf.queue_order or ("ordered" if conf.queues else "round_robin")
        self._turns = list(conf.queues) or [OTHERS]

    def next(self) -> list[str]:
        """Return the queues of the next claim, the first one first."""
        if self._order == "ordered":
            return self._named
        if self._order == "random":
            chance.shuffle(self._turns)
        return list(self._turns)

    def served(self, queues: Iterable[str]) -> None:
        """Take note of the queues that work came from."""
        for queue in dict.fromkeys(queues):
            if queue in self._turns:
                self._turns.remove(queue)
            self._turns.append(queue)

"""The part of the contract with a store that removes: house-keeping, and emptying an app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pynenc_pg.domain.retention import Pruned
from pynenc_pg.invocation.status import InvocationStatus


class Retention(Protocol):
    """What is not for ever."""

    def maintain(self) -> Sequence[str]:
        """House-keeping: partitions ahead, retention, idle lanes; says what it did."""
        ...

    def prune(self, after: str = "", limit: int = 500) -> Pruned:
        """Of ``limit`` that have ended, remove those that their task keeps for a shorter time.

        With their history, and never what something needs still: what waits for them, a caller
        that is live, a run that has them as a step, a key, equal calls that they may serve.
        """
        ...

    def purge(self) -> int:
        """Remove all the app's invocations, live and finished, with their history; how many."""
        ...

    def count_by_status(self) -> Mapping[InvocationStatus, int]:
        """How many invocations there are: what ``purge`` would remove."""
        ...

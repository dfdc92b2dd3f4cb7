"""What a runner has to know of whoever looks at the causes of triggers."""

from __future__ import annotations

from typing import Protocol

from pynenc_pg.domain.ids import RunnerId


class Reactor(Protocol):
    """Evaluates triggers, which are above the engine."""

    @property
    def version(self) -> int:
        """Another one when there is something new to tell."""
        ...

    @property
    def idle(self) -> bool:
        """Whether the code has no triggers: nothing needs to be looked at."""
        ...

    def tell(self) -> None:
        """Tell the store which triggers the code has."""
        ...

    def react(self, runner_id: RunnerId) -> float | None:
        """Look at what is due, for a runner; return the seconds until there is more, if known.

        Raises:
            StoreError: the store cannot be asked; what was taken comes again.
        """
        ...

    def tick(self) -> float | None:
        """Note the ticks of schedules that are due; return the seconds until the next one."""
        ...

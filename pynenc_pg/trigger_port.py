"""The contract between the engine and a store about triggers: a part of ``pynenc_pg.ports``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from pynenc_pg.domain.causes import (
    Fired,
    Look,
    NewEvent,
    ScheduleState,
    Taken,
    TriggerInfo,
    TriggerSpec,
    WaitingCause,
)
from pynenc_pg.domain.ids import RunnerId


class Trigger(Protocol):
    """Reacts: notes causes in the transaction of what happened, and ends them in that of a call.

    They are noted by whatever changes a status, and by ``emit`` and ``tick``; ``register`` ends
    those that its batch names.
    """

    def register_triggers(self, tasks: Collection[str], triggers: Sequence[TriggerSpec]) -> None:
        """Tell all triggers of these tasks; others that they had go, with their causes."""
        ...

    def emit(self, event: NewEvent) -> None:
        """Write an event; the same id again is the same event.

        Raises:
            DataRejectedError: it cannot be kept.
        """
        ...

    def emit_within(self, session: object, event: NewEvent) -> None:
        """Like ``emit``, in the caller's own transaction."""
        ...

    async def emit_within_async(self, session: object, event: NewEvent) -> None:
        """Like ``emit_within``, for a session that is awaited."""
        ...

    def take_causes(
        self,
        runner_id: RunnerId,
        versions: Mapping[str, str],
        limit: int = 100,
        seconds: float = 60.0,
    ) -> list[Taken]:
        """Take causes of these triggers, by id with their versions, to be looked at in that time.

        Nothing of a trigger that is paused, or that is told with another version. When the runner
        is declared dead, or says goodbye, they come back at once.
        """
        ...

    def settle_causes(self, looks: Sequence[Look]) -> int:
        """Tell what came of looking, without a firing; how many were still the caller's."""
        ...

    def waiting_causes(self, trigger_id: str, limit: int = 1000) -> list[WaitingCause]:
        """Return what waits for others, the oldest first; of each condition so many."""
        ...

    def pair_causes(
        self, trigger_id: str, sets: Sequence[Sequence[int]], dropped: Sequence[int]
    ) -> bool:
        """Have sets of causes fire as one, drop others; nothing if one does not wait any more."""
        ...

    def next_cause(self, versions: Mapping[str, str] | None = None) -> float | None:
        """Return the seconds until a cause is to be looked at; None: there is none.

        Of these triggers, if any are named, and never of one that is paused: what nobody may
        take is nothing to look for.
        """
        ...

    def schedules(self) -> list[ScheduleState]:
        """Return where all schedules stand that are not paused."""
        ...

    def tick(
        self,
        state: ScheduleState,
        ticks: Sequence[datetime],
        settled: datetime,
        next_at: datetime,
    ) -> bool:
        """Note ticks as causes; nothing if the schedule stands elsewhere by now."""
        ...

    def reschedule(
        self, trigger_id: str, condition_id: str, edited: Mapping[str, Any] | None
    ) -> bool:
        """Let a schedule have other times from now on, as JSON; None: those of the code again.

        Answers whether there is such a schedule.
        """
        ...

    def pause_trigger(self, trigger_id: str, *, paused: bool = True) -> bool:
        """Let a trigger rest, or go on; whether there is one. Its causes wait meanwhile."""
        ...

    def retry_causes(self, trigger_id: str) -> int:
        """Look at causes again that were parked; how many there were."""
        ...

    def triggers(self) -> list[TriggerInfo]:
        """Return all there are, by id."""
        ...

    def fired(self, trigger_id: str | None = None, limit: int = 100) -> list[Fired]:
        """Return what was fired or dropped, the latest first."""
        ...

"""Conditions on time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Self

from pynenc_pg.exceptions import TriggerDefinitionError
from pynenc_pg.trigger.conditions.base import Condition, Context, Watch
from pynenc_pg.trigger.cron import CronSchedule
from pynenc_pg.trigger.cron_expression import parse
from pynenc_pg.trigger.due import CatchUp, Due, due

#: Seconds; more than a day would be another schedule.
_MOST_JITTER: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CronContext(Context):
    """A tick. ``timestamp`` is when it was due, however late it is handled."""

    last_execution: datetime | None = None  #: the tick before it that fired, if any did


@dataclass(frozen=True, slots=True)
class CronCondition(Condition):
    """Met by each tick of a schedule.

    Raises:
        TriggerDefinitionError: expression, zone, policy or jitter cannot be.
    """

    kind: ClassVar[str] = "cron"
    context_type: ClassVar[type[Context]] = CronContext

    cron_expression: str
    timezone: str = "UTC"
    catch_up: CatchUp = CatchUp.LATEST
    jitter: float = 0.0
    schedule: CronSchedule = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check all of it."""
        made = CronSchedule(self.cron_expression, self.timezone)
        object.__setattr__(self, "schedule", made)
        object.__setattr__(self, "catch_up", catch_up_of(self.catch_up))
        object.__setattr__(self, "jitter", jitter_of(self.jitter))

    @property
    def watches(self) -> Watch:
        """Nothing but time."""
        return Watch()

    def due(self, settled: datetime | None, now: datetime, trigger_id: str) -> Due:
        """Return which ticks fire at ``now``: see ``pynenc_pg.trigger.due``."""
        return due(
            self.schedule,
            settled,
            now,
            self.catch_up,
            jitter=self.jitter,
            trigger_id=trigger_id,
        )

    def _met_by(self, context: CronContext) -> bool:
        second = context.timestamp.replace(microsecond=0)
        before = second - timedelta(seconds=1)
        return context.timestamp == second == self.schedule.next_after(before)

    def _identity(self) -> dict[str, Any]:
        # How to catch up, and to spread, makes it no other schedule: its state is kept.
        return {"expression": parse(self.cron_expression).text, "timezone": self.timezone}

    def _content(self) -> dict[str, Any]:
        return {
            "expression": self.cron_expression,
            "timezone": self.timezone,
            "catch_up": str(self.catch_up),
            "jitter": self.jitter,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Read what ``to_json`` returned."""
        names = ("expression", "timezone", "catch_up", "jitter")
        return cls(*(stored[name] for name in names))


def catch_up_of(given: object) -> CatchUp:
    """Return the policy of that name.

    Raises:
        TriggerDefinitionError: there is none.
    """
    try:
        return CatchUp(str(given).lower())
    except ValueError:
        known = ", ".join(repr(str(policy)) for policy in CatchUp)
        message = f"catch_up = {given!r}: it must be one of {known}"
        raise TriggerDefinitionError(message) from None


def jitter_of(given: object) -> float:
    """Return the seconds.

    Raises:
        TriggerDefinitionError: it is no span of time, or longer than a day.
    """
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not math.isfinite(seconds)
        or not 0 <= seconds <= _MOST_JITTER
    ):
        message = f"jitter = {given!r}: it must be seconds, 0 to {_MOST_JITTER:,.0f}"
        raise TriggerDefinitionError(message)
    return float(seconds)

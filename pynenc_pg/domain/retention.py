"""How long what has ended is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Periods:
    """What an app keeps, in seconds; for less where a task says so."""

    finished: float = 7 * _DAY
    history: float = 30 * _DAY


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a step of the walk through finished invocations has done."""

    removed: int
    after: str | None  # where to go on; none: that was the end

"""What a check of ``pynenc-pg doctor`` is given, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pynenc_pg import Pynenc
    from pynenc_pg.postgres.database import PgDatabase

PROBLEM: Final = "problem"  # work stands, or may be lost
WARNING: Final = "warning"  # it will be a problem, if nobody does anything
NOTE: Final = "note"  # to be known


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at."""

    check: str
    level: str
    message: str
    task_id: str | None = None
    queue: str | None = None
    calls: int | None = None
    rows: tuple[tuple[str, ...], ...] = ()  # which are wrong: the first few


class Patient(NamedTuple):
    """What is looked at."""

    app: Pynenc
    database: PgDatabase
    since: datetime | None = None  # what was called before is passed over, but for what is live


Check = Callable[[Patient], Iterator[Finding]]

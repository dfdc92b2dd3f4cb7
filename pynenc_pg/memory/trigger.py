"""Reacts, in memory: the same as the SQL functions of these names do."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

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
from pynenc_pg.memory.database import MemDatabase


class MemTrigger:
    """See ``pynenc_pg.ports.Trigger``."""

    def __init__(self, database: MemDatabase) -> None:
        """Share the state with the other components."""
        self._database = database

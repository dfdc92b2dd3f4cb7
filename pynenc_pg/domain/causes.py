"""What passes between the engine and a store about triggers.

A *cause* is something that happened and may meet a condition of a trigger: an invocation got a
status, an event was emitted, a schedule has a tick. A store notes it together with what happened;
whoever *takes* it has some time to look; it ends by being fired, or by not meeting its condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.invocation.status import InvocationStatus

#: What a watch is about, where it is no status.
EVENT: Final = "event"


@dataclass(frozen=True, slots=True)
class WatchSpec:
    """What a store notes for a condition: a status of a task, or an event."""

    what: str  # a status, or ``EVENT``
    about: str  # the task, or the code of the event
    condition_id: str
    #: What arguments, result or payload must contain, in the sense of ``jsonb @>``; None: anything.
    filter: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """A condition that is met by time."""

    condition_id: str
    condition: Mapping[str, Any]  # as JSON


@dataclass(frozen=True, slots=True)
class TriggerSpec:
    """A trigger, as a store has to know it."""

    trigger_id: str
    task_id: str  # which it starts
    definition: Mapping[str, Any]  # as JSON
    version: str  # of the definition
    pairs: bool  # causes of all its conditions fire together
    within: float  # seconds for which they wait for each other
    watches: tuple[WatchSpec, ...] = ()
    schedules: tuple[ScheduleSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class TriggerInfo:
    """A trigger as it stands in the store."""

    trigger_id: str
    task_id: str
    definition: Mapping[str, Any]
    version: str
    paused: bool
    next_at: datetime | None  # of its schedules, the first
    due: int  # causes that are to be looked at
    waiting: int  # causes that wait for others
    parked: int  # causes that could not be looked at
    fired: int  # within what is kept
    last_fired: datetime | None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that is emitted."""

    event_id: str
    code: str
    payload: str  # wire JSON
    emitted_by: str = "client"
    workflow_id: InvocationId | None = None  # who alone hears of it; None: everybody


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of one cause."""

    condition_id: str
    at: datetime
    source_id: str | None = None  # an invocation or an event; None: a tick
    status: InvocationStatus | None = None
    task_id: str | None = None
    arguments: str | None = None
    value: str | None = None  # result or exception, of an invocation that ended with that status
    reason: str | None = None
    code: str | None = None
    payload: str | None = None
    last_at: datetime | None = None  # of a tick: the one that fired before it


@dataclass(frozen=True, slots=True)
class Taken:
    """Causes that are to be looked at together: one, or one for each condition of a trigger."""

    cause_id: int
    trigger_id: str
    attempt: int  # proves that one has taken it, and no one since
    sources: tuple[Source, ...]


class Verdict(StrEnum):
    """What came of looking at a cause that has not fired."""

    NO = "no"  # it does not meet its condition
    YES = "yes"  # it does, and waits for the others
    LATER = "later"  # a function of the user failed: again, after a while
    PARK = "park"  # that has happened often enough


@dataclass(frozen=True, slots=True)
class Look:
    """A verdict on what was taken."""

    cause_id: int
    attempt: int
    verdict: Verdict
    delay: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Firing:
    """What a call of a batch was caused by."""

    cause_id: int
    attempt: int
    arguments: str | None  # JSON, for people; None: too long


@dataclass(frozen=True, slots=True)
class WaitingCause:
    """A cause that has met its condition and waits for others."""

    cause_id: int
    condition_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """Where a schedule stands: every tick up to ``settled`` has fired, or was left out."""

    trigger_id: str
    condition_id: str
    condition: Mapping[str, Any]
    settled: datetime
    next_at: datetime | None  # None: nobody has looked yet
    now: datetime = field(compare=False)
    edited: bool = False  # an operator's condition stands for that of the code


@dataclass(frozen=True, slots=True)
class Fired:
    """What a trigger has started, or dropped."""

    trigger_id: str
    task_id: str
    causes: tuple[Mapping[str, Any], ...]
    arguments: str | None
    invocation_id: InvocationId | None  # None: dropped
    reason: str | None  # why it was dropped: alone, removed, parked
    fired_at: datetime

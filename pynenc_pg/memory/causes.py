"""Causes of triggers in memory: noted by what happens, ended by a call.

Whoever calls a function holds the lock of the database.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from pynenc_pg.domain.causes import EVENT, Fired, Firing, NewEvent, TriggerSpec
from pynenc_pg.domain.records import Registered
from pynenc_pg.exceptions import CausesLostError
from pynenc_pg.invocation.status import InvocationStatus

if TYPE_CHECKING:
    from pynenc_pg.memory.database import MemDatabase
    from pynenc_pg.memory.rows import Row

#: How long events and firings are kept.
KEPT: Final = timedelta(days=7)


@dataclass(slots=True, eq=False)
class Cause:
    """What has met a condition, as far as can be told here, and has not fired yet."""

    cause_id: int
    trigger_id: str
    condition_id: str
    at: datetime
    due_at: datetime
    source_id: str | None = None
    rev: int | None = None
    status: InvocationStatus | None = None
    last_at: datetime | None = None
    state: str = "new"  # new | waiting | joined | parked
    partners: tuple[int, ...] = ()
    attempts: int = 0
    taken_by: str | None = None
    error: str | None = None


@dataclass(slots=True, eq=False)
class Told:
    """A trigger as it was told, and whether it rests."""

    spec: TriggerSpec
    paused: bool = False


@dataclass(slots=True, eq=False)
class Schedule:
    """Where a schedule stands."""

    condition: Mapping[str, Any]
    settled: datetime
    next_at: datetime | None = None
    edited: Mapping[str, Any] | None = None  # what stands for it
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An event that was emitted."""

    new: NewEvent
    at: datetime


@dataclass(slots=True, eq=False)
class Causes:
    """All that is known of triggers. What the code has told of stays when an app is emptied."""

    told: dict[str, Told] = field(default_factory=dict)
    watches: dict[tuple[str, str], dict[tuple[str, str], Mapping[str, Any] | None]] = field(
        default_factory=dict
    )  # what, about -> trigger, condition -> filter
    schedules: dict[tuple[str, str], Schedule] = field(default_factory=dict)
    causes: dict[int, Cause] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    runs: list[Fired] = field(default_factory=list)
    serials: int = 0

    def forget(self) -> None:
        """Drop what has happened."""
        self.causes.clear()
        self.events.clear()
        self.runs.clear()

    def unwatch(self, trigger_id: str) -> None:
        """Note nothing for it any more."""
        for watched in self.watches.values():
            for key in [key for key in watched if key[0] == trigger_id]:
                del watched[key]
        self.watches = {about: watched for about, watched in self.watches.items() if watched}

    def add(self, trigger_id: str, condition_id: str, at: datetime, due: datetime) -> Cause:
        """Note one."""
        self.serials += 1
        cause = Cause(self.serials, trigger_id, condition_id, at, due)
        self.causes[cause.cause_id] = cause
        return cause

    def come_back(self, runner_ids: Collection[str], now: datetime) -> bool:
        """Have others look at what these looked at; whether there was any."""
        theirs = [c for c in self.causes.values() if c.state == "new" and c.taken_by in runner_ids]
        for cause in theirs:
            cause.due_at, cause.taken_by = now, None
        return bool(theirs)

    def mine(self, cause_id: int, attempt: int) -> Cause | None:
        """Return what one has taken, and no one since."""
        cause = self.causes.get(cause_id)
        is_mine = cause is not None and (cause.attempts, cause.state) == (attempt, "new")
        return cause if is_mine else None

    def end(
        self,
        cause: Cause,
        now: datetime,
        *,
        reason: str | None = None,
        became: Registered | None = None,
        arguments: str | None = None,
    ) -> None:
        """Write down what came of a cause, and of those that go with it; they are over."""
        together = [self.causes[which] for which in (cause.cause_id, *cause.partners)]
        task_id = self.told[cause.trigger_id].spec.task_id
        causes = tuple(_shown(one) for one in sorted(together, key=lambda c: (c.at, c.cause_id)))
        which = None if became is None else became.invocation_id
        self.runs.append(Fired(cause.trigger_id, task_id, causes, arguments, which, reason, now))
        for one in together:
            del self.causes[one.cause_id]

    def drop(self, trigger_id: str, now: datetime) -> None:
        """Drop all that waits for a trigger, visibly."""
        causes = [c for c in self.causes.values() if c.trigger_id == trigger_id]
        for cause in causes:
            if cause.state != "joined":
                self.end(cause, now, reason="removed")


def note_status(database: MemDatabase, row: Row, at: datetime) -> None:
    """Note for each trigger that watches it that an invocation has got its status."""
    known = database.causes
    watched = known.watches.get((str(row.status), row.call.batch.task_id))
    if not watched:
        return
    ended = database.ended.get(row.invocation_id)
    value = None if ended is None else ended.outcome.value
    found = {"arguments": row.call.new.arguments, "result": value}
    for trigger_id, condition_id in _met(watched, found):
        cause = known.add(trigger_id, condition_id, at, database.clock())
        cause.source_id, cause.rev, cause.status = row.invocation_id, row.rev, row.status
        database.tell("cause")


def note_event(database: MemDatabase, event: NewEvent) -> None:
    """Write an event, wake who waits for it, and note it for each trigger that watches its code."""
    known, now = database.causes, database.clock()
    if event.event_id in known.events:
        return
    known.events[event.event_id] = Event(event, now)
    _wake_waiting(database, event)
    if event.workflow_id is not None:
        return
    watched = known.watches.get((EVENT, event.code), {})
    for trigger_id, condition_id in _met(watched, {"payload": event.payload}):
        known.add(trigger_id, condition_id, now, now).source_id = event.event_id
        database.tell("cause")


def _wake_waiting(database: MemDatabase, event: NewEvent) -> None:
    """Have whoever waits for an event look again."""
    woken = [
        which
        for which in database.runs.waiting.get(event.code, ())
        if event.workflow_id in {None, which}
        and any(
            wait.code == event.code
            and (wait.filter is None or may_meet(wait.filter, event.payload))
            for wait in database.runs.by_id[which].waits.values()
        )
    ]
    database.runs.woken.update(dict.fromkeys(woken))
    if woken:
        database.tell("due", due_in=0)


def check_firings(database: MemDatabase, firings: Iterable[Firing]) -> None:
    """Refuse a batch if one of its causes is not the caller's.

    Raises:
        CausesLostError: names them.
    """
    lost = [f.cause_id for f in firings if database.causes.mine(f.cause_id, f.attempt) is None]
    if lost:
        message = (
            "causes are not the caller's any more: others have looked at them. Go on with the rest"
        )
        raise CausesLostError(message, [str(cause_id) for cause_id in lost])


def fire(
    database: MemDatabase, firings: Sequence[Firing], registered: Sequence[Registered]
) -> None:
    """Write down what causes have started, and end them."""
    now = database.clock()
    for firing, became in zip(firings, registered, strict=True):
        cause = database.causes.causes[firing.cause_id]
        database.causes.end(cause, now, became=became, arguments=firing.arguments)


def clean(database: MemDatabase) -> None:
    """Remove events and firings that are past their retention, and causes parked for that long."""
    known, now = database.causes, database.clock()
    before = now - KEPT
    for cause in [c for c in known.causes.values() if c.state == "parked" and c.at < before]:
        known.end(cause, now, reason="parked")
    needed = {cause.source_id for cause in known.causes.values()}
    known.runs = [run for run in known.runs if run.fired_at >= before]
    for which, event in list(known.events.items()):
        if event.at < before and which not in needed:
            del known.events[which]


def _met(
    watched: Mapping[tuple[str, str], Mapping[str, Any] | None],
    found: Mapping[str, str | None],
) -> list[tuple[str, str]]:
    return [
        key
        for key, wanted in watched.items()
        if wanted is None
        or all(may_meet(wanted[name], text) for name, text in found.items() if name in wanted)
    ]


def may_meet(wanted: Any, found: str | None) -> bool:
    """Whether JSON may contain what is wanted; false only where that is certain."""
    if found is None or '"$' in found or '"\\u0024' in found.lower() or "\\u0000" in found:
        return True
    actual = json.loads(found, parse_float=Decimal)
    try:
        json.dumps(actual, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:  # half a character, which the other store cannot compare
        return True
    return _contains(actual, wanted)


def _contains(actual: Any, wanted: Any) -> bool:
    """Whether one contains the other, in the sense of ``jsonb @>``."""
    if isinstance(wanted, Mapping):
        return isinstance(actual, dict) and all(
            key in actual and _contains(actual[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        return isinstance(actual, list) and all(
            any(_contains(one, each) for one in actual) for each in wanted
        )
    if isinstance(wanted, bool) or isinstance(actual, bool):
        return wanted is actual
    return bool(wanted == actual)


def _shown(cause: Cause) -> dict[str, Any]:
    return {
        "condition_id": cause.condition_id,
        "source_id": cause.source_id,
        "rev": cause.rev,
        "status": None if cause.status is None else str(cause.status),
        "at": cause.at.isoformat(),
    }

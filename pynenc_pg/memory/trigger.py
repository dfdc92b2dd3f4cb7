"""Reacts, in memory: the same as the SQL functions of these names do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from pynenc_pg.domain.causes import (
    Fired,
    Look,
    NewEvent,
    ScheduleState,
    Source,
    Taken,
    TriggerInfo,
    TriggerSpec,
    Verdict,
    WaitingCause,
)
from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.memory.causes import Cause, Schedule, Told, note_event
from pynenc_pg.memory.checks import check_event
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.transactions import refuse_transaction

_STATE = {Verdict.YES: "waiting", Verdict.PARK: "parked", Verdict.LATER: "new"}


class MemTrigger:
    """See ``pynenc_pg.ports.Trigger``."""

    def __init__(self, database: MemDatabase) -> None:
        """Share the state with the other components."""
        self._database = database
        self._known = database.causes

    def register_triggers(self, tasks: Collection[str], triggers: Sequence[TriggerSpec]) -> None:
        """Tell all triggers of these tasks."""
        with self._database.lock:
            known, now = self._known, self._database.clock()
            kept = {one.trigger_id for one in triggers}
            for trigger_id, told in list(known.told.items()):
                if told.spec.task_id in tasks and trigger_id not in kept:
                    known.drop(trigger_id, now)
                    known.unwatch(trigger_id)
                    for key in [key for key in known.schedules if key[0] == trigger_id]:
                        del known.schedules[key]
                    del known.told[trigger_id]
            changed = [one for one in triggers if not self._is_told(one)]
            for one in changed:
                self._tell(one, now)
            if changed:
                self._database.tell("cause")

    def _is_told(self, spec: TriggerSpec) -> bool:
        told = self._known.told.get(spec.trigger_id)
        return told is not None and told.spec.version == spec.version

    def _tell(self, spec: TriggerSpec, now: datetime) -> None:
        known, trigger_id = self._known, spec.trigger_id
        known.told.setdefault(trigger_id, Told(spec)).spec = spec
        known.unwatch(trigger_id)
        for watch in spec.watches:
            watched = known.watches.setdefault((watch.what, watch.about), {})
            watched.setdefault((trigger_id, watch.condition_id), watch.filter)
        before = {key: s for key, s in known.schedules.items() if key[0] == trigger_id}
        for key in before:
            del known.schedules[key]
        for each in spec.schedules:
            key = (trigger_id, each.condition_id)
            schedule = before.get(key) or Schedule(each.condition, now)
            schedule.condition, schedule.next_at = each.condition, None
            known.schedules[key] = schedule

    def emit(self, event: NewEvent) -> None:
        """Write an event."""
        check_event(event)
        with self._database.lock:
            note_event(self._database, event)

    def emit_within(self, session: object, event: NewEvent) -> None:
        """Refuse it."""
        del session, event
        refuse_transaction()

    async def emit_within_async(self, session: object, event: NewEvent) -> None:
        """Refuse it."""
        self.emit_within(session, event)

    # --- causes -------------------------------------------------------------------------------

    def take_causes(
        self,
        runner_id: RunnerId,
        versions: Mapping[str, str],
        limit: int = 100,
        seconds: float = 60.0,
    ) -> list[Taken]:
        """Take causes of these triggers, to be looked at in that time."""
        with self._database.lock:
            now = self._database.clock()
            due = [c for c in self._open(versions) if c.due_at <= now]
            taken = sorted(due, key=attrgetter("due_at", "cause_id"))[:limit]
            for cause in taken:
                cause.attempts += 1
                cause.due_at = now + timedelta(seconds=seconds)
                cause.taken_by = runner_id
            return [self._taken(cause) for cause in taken]

    def _open(self, versions: Mapping[str, str] | None) -> list[Cause]:
        """Return what may be taken, now or later, by who has these versions."""
        told = self._known.told
        return [
            cause
            for cause in self._known.causes.values()
            if cause.state == "new"
            and not told[cause.trigger_id].paused
            and (
                versions is None
                or versions.get(cause.trigger_id) == told[cause.trigger_id].spec.version
            )
        ]

    def _taken(self, cause: Cause) -> Taken:
        together = [self._known.causes[i] for i in (cause.cause_id, *cause.partners)]
        sources = sorted(together, key=attrgetter("at", "cause_id"))
        return Taken(
            cause.cause_id, cause.trigger_id, cause.attempts, tuple(map(self._source, sources))
        )

    def _source(self, cause: Cause) -> Source:
        if cause.status is not None and cause.source_id is not None:
            which = InvocationId(cause.source_id)
            call, ended = self._database.calls[which], self._database.ended.get(which)
            last = ended.outcome if ended and ended.outcome.status is cause.status else None
            return Source(
                cause.condition_id,
                cause.at,
                which,
                cause.status,
                call.batch.task_id,
                call.new.arguments,
                None if last is None else last.value,
                None if last is None else last.reason,
            )
        if cause.source_id is not None:
            new = self._known.events[cause.source_id].new
            return Source(
                cause.condition_id, cause.at, new.event_id, code=new.code, payload=new.payload
            )
        return Source(cause.condition_id, cause.at, last_at=cause.last_at)

    def settle_causes(self, looks: Sequence[Look]) -> int:
        """Tell what came of looking, without a firing."""
        with self._database.lock:
            now = self._database.clock()
            mine = [
                (look, cause)
                for look in looks
                if (cause := self._known.mine(look.cause_id, look.attempt)) is not None
            ]
            for look, cause in mine:
                if look.verdict is Verdict.NO:
                    for which in (cause.cause_id, *cause.partners):
                        del self._known.causes[which]
                    continue
                cause.state, cause.error = _STATE[look.verdict], look.error
                cause.due_at = now + timedelta(seconds=look.delay)
                cause.taken_by = None
            return len(mine)

    def waiting_causes(self, trigger_id: str, limit: int = 1000) -> list[WaitingCause]:
        """Return what waits for others, the oldest first; of each condition so many."""
        with self._database.lock:
            by_condition: dict[str, list[WaitingCause]] = defaultdict(list)
            for cause in sorted(self._known.causes.values(), key=attrgetter("at", "cause_id")):
                if (cause.trigger_id, cause.state) == (trigger_id, "waiting"):
                    one = WaitingCause(cause.cause_id, cause.condition_id, cause.at)
                    by_condition[cause.condition_id].append(one)
            kept = [one for some in by_condition.values() for one in some[:limit]]
            return sorted(kept, key=attrgetter("at", "cause_id"))

    def pair_causes(
        self, trigger_id: str, sets: Sequence[Sequence[int]], dropped: Sequence[int]
    ) -> bool:
        """Have sets of causes fire as one, and drop others."""
        with self._database.lock:
            causes, now = self._known.causes, self._database.clock()
            named = [*dropped, *(which for one in sets for which in one)]
            waits = {
                which
                for which in named
                if which in causes
                and (causes[which].trigger_id, causes[which].state) == (trigger_id, "waiting")
            }
            if len(waits) != len(named):
                return False
            for which in dropped:
                self._known.end(causes[which], now, reason="alone")
            for first, *others in sets:
                for which in others:
                    causes[which].state = "joined"
                causes[first].state, causes[first].due_at = "new", now
                causes[first].partners = tuple(others)
            if sets:
                self._database.tell("cause")
            return True

    def next_cause(self, versions: Mapping[str, str] | None = None) -> float | None:
        """Return the seconds until a cause is to be looked at."""
        with self._database.lock:
            due = min((cause.due_at for cause in self._open(versions)), default=None)
            now = self._database.clock()
            return None if due is None else max(0.0, (due - now).total_seconds())

    # --- schedules ----------------------------------------------------------------------------

    def schedules(self) -> list[ScheduleState]:
        """Return where all schedules stand that are not paused."""
        with self._database.lock:
            now = self._database.clock()
            return [
                _state(key, s, now)
                for key, s in sorted(self._known.schedules.items(), key=lambda item: item[0])
                if not self._known.told[key[0]].paused
            ]

    def tick(
        self,
        state: ScheduleState,
        ticks: Sequence[datetime],
        settled: datetime,
        next_at: datetime,
    ) -> bool:
        """Note ticks as causes."""
        with self._database.lock:
            key = (state.trigger_id, state.condition_id)
            schedule = self._known.schedules.get(key)
            if (
                schedule is None
                or schedule.settled != state.settled
                or self._known.told[state.trigger_id].paused
            ):
                return False
            schedule.settled, schedule.next_at = settled, next_at
            for at in ticks:
                cause = self._known.add(*key, at, self._database.clock())
                cause.last_at, schedule.last_at = schedule.last_at, at
            if ticks:
                self._database.tell("cause")
            return True

    def reschedule(
        self, trigger_id: str, condition_id: str, edited: Mapping[str, Any] | None
    ) -> bool:
        """Let a schedule have other times from now on."""
        with self._database.lock:
            schedule = self._known.schedules.get((trigger_id, condition_id))
            if schedule is None:
                return False
            schedule.edited = edited
            schedule.settled, schedule.next_at = self._database.clock(), None
            self._database.tell("cause")
            return True

    # --- for people ---------------------------------------------------------------------------

    def pause_trigger(self, trigger_id: str, *, paused: bool = True) -> bool:
        """Let a trigger rest, or go on."""
        with self._database.lock:
            told = self._known.told.get(trigger_id)
            if told is None:
                return False
            told.paused = paused
            if not paused:
                self._database.tell("cause")
            return True

    def retry_causes(self, trigger_id: str) -> int:
        """Look at causes again that were parked."""
        with self._database.lock:
            now = self._database.clock()
            parked = [
                cause
                for cause in self._known.causes.values()
                if (cause.trigger_id, cause.state) == (trigger_id, "parked")
            ]
            for cause in parked:
                cause.state, cause.attempts, cause.due_at, cause.error = "new", 0, now, None
            if parked:
                self._database.tell("cause")
            return len(parked)

    def triggers(self) -> list[TriggerInfo]:
        """Return all there are, by id."""
        with self._database.lock:
            return [self._info(told) for _, told in sorted(self._known.told.items())]

    def _info(self, told: Told) -> TriggerInfo:
        known, spec = self._known, told.spec
        states = [c.state for c in known.causes.values() if c.trigger_id == spec.trigger_id]
        nexts = [s.next_at for key, s in known.schedules.items() if key[0] == spec.trigger_id]
        fired = [
            run.fired_at
            for run in known.runs
            if run.trigger_id == spec.trigger_id and run.reason is None
        ]
        return TriggerInfo(
            spec.trigger_id,
            spec.task_id,
            spec.definition,
            spec.version,
            told.paused,
            min((at for at in nexts if at is not None), default=None),
            states.count("new"),
            states.count("waiting"),
            states.count("parked"),
            len(fired),
            max(fired, default=None),
        )

    def fired(self, trigger_id: str | None = None, limit: int = 100) -> list[Fired]:
        """Return what was fired or dropped, the latest first."""
        with self._database.lock:
            runs = [r for r in self._known.runs if trigger_id in {None, r.trigger_id}]
            return runs[::-1][:limit]


def _state(key: tuple[str, str], schedule: Schedule, now: datetime) -> ScheduleState:
    edited = schedule.edited is not None
    condition = schedule.condition if schedule.edited is None else schedule.edited
    return ScheduleState(*key, condition, schedule.settled, schedule.next_at, now, edited)

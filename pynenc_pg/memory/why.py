"""Why an invocation is not running. The caller holds the lock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.why import Why, why
from pynenc_pg.invocation.status import InvocationStatus, Reason
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.rows import Row, Runner
from pynenc_pg.memory.waits import ONE_OF

S = InvocationStatus


def reasons(database: MemDatabase, which: InvocationId) -> list[Why]:
    """Return the reasons, what matters most first."""
    row = database.live.get(which)
    if row is None:
        return [_gone(database, which)]
    found = (
        _held(database, row, row.runner_id)
        if row.runner_id is not None
        else _not_taken(database, row)
    )
    return list(found)


def _gone(database: MemDatabase, which: InvocationId) -> Why:
    ended = database.ended.get(which)
    if ended is None:
        return why("unknown")
    end = ended.outcome
    return why(
        "ended",
        status=str(end.status),
        reason=end.reason,
        at=_utc(end.finished_at),
        runner_id=end.runner_id,
    )


def _held(database: MemDatabase, row: Row, runner_id: RunnerId) -> Iterator[Why]:
    owner = database.runners.get(runner_id)
    health = _health(owner, database.clock())
    if health is not None:
        since = owner.lease_until if owner and health == "its lease is over" else None
        yield why(
            "runner_dead", runner_id=str(runner_id), health=health, since=since and _utc(since)
        )
        if not any(runner is not owner for runner in _live(database)):
            yield why("nobody_recovers")
    if row.cancel_requested:
        yield why("cancelling")
    facts = {"runner_id": str(runner_id), "since": _utc(row.status_at)}
    if row.status is not S.PAUSED:
        yield why("claimed" if row.status is S.PENDING else "running", **facts)
        return
    needs = database.needs(row.invocation_id)
    awaited = [i for i in database.edges if i in needs][:100]
    yield why(
        "waits_for_others",
        **facts,
        awaited=[str(i) for i in awaited],
        statuses=[str(database.live[i].status) for i in awaited],
        one_of=ONE_OF in needs.values(),
    )


def _health(owner: Runner | None, now: datetime) -> str | None:
    if owner is None:
        return "nobody knows it"
    if owner.dead:
        return "declared dead"
    return "its lease is over" if owner.lease_until < now else None


def _not_taken(database: MemDatabase, row: Row) -> Iterator[Why]:
    expired = row.expired(database.clock())
    expires_at = row.expires_at and _utc(row.expires_at)
    found = [why("expired", expires_at=expires_at)] if expired else []
    found += _later(database, row)
    found += _untakable(database, row)
    if row.due_at is None:
        found += _keyed(database, row)
    found = found or list(_behind(database, row)) or [why("ready", queue=row.queue)]
    yield from found
    if expires_at is not None and not expired:
        yield why("expires", expires_at=expires_at)


def _later(database: MemDatabase, row: Row) -> Iterator[Why]:
    if row.due_at is None:
        return
    which, due_at = row.invocation_id, _utc(row.due_at)
    refused = database.refused.get(which)
    if refused is not None and not refused.freed:
        said = refused.said
        yield why(
            "set_aside",
            cause=str(said.cause),
            missing=list(said.missing) or None,
            unknown=list(said.unknown) or None,
            refused_by=sorted(map(str, refused.by)),
            since=_utc(row.status_at),
        )
        return
    run = database.runs.by_id.get(which)
    if run is not None and run.paused_at is not None:
        yield why("workflow_paused", reason=run.pause_reason or None, since=_utc(run.paused_at))
    if row.reason == Reason.EVENT:
        waits = [run.waits[path] for path in sorted(run.waits)] if run else []
        until = min((wait.until for wait in waits if wait.until), default=None)
        yield why(
            "waits_for_event", events=[wait.code for wait in waits], until=until and _utc(until)
        )
    elif row.due_at <= database.clock():
        yield why("due", due_at=due_at)
    elif row.reason == Reason.SLEEPING:
        yield why("asleep", until=due_at)
    elif row.reason != Reason.PAUSED:
        yield why("due_later", due_at=due_at, reason=row.reason and str(row.reason))


def _untakable(database: MemDatabase, row: Row) -> Iterator[Why]:
    queue, task_id = row.queue, row.call.batch.task_id
    if database.queues[queue].paused:
        yield why("queue_paused", queue=queue)
    serving = _serving(database, queue)
    if not serving:
        yield why("queue_unserved", queue=queue)
    refused = database.refused.get(row.invocation_id)
    if refused is not None and not refused.freed:
        return
    read = json.loads(row.call.new.arguments)
    names = list(read) if isinstance(read, dict) else []
    known = [runner for runner in _live(database) if task_id in runner.known]
    if any(not runner.known[task_id].misfit(names) for runner in known if runner in serving):
        return
    if not known:
        yield why("task_unknown", task_id=task_id)
        return
    newest = max(known, key=lambda runner: runner.serial)
    misfit = newest.known[task_id].misfit(names)
    if misfit:
        yield why(
            "other_arguments",
            task_id=task_id,
            queue=queue,
            missing=list(misfit.missing) or None,
            unknown=list(misfit.unknown) or None,
        )
    elif serving:
        yield why("task_elsewhere", task_id=task_id, queue=queue)


def _keyed(database: MemDatabase, row: Row) -> Iterator[Why]:
    lane, now = row.lane, database.clock()
    if lane is None:
        return
    if lane.full():
        holders = [str(lane.taken[n]) for n in sorted(lane.taken)]
        yield why("slot_taken", key=lane.key, slots=lane.slots, holders=holders)
    if lane.next_at is not None and not lane.open(now) and lane.limit is not None:
        seconds = lane.limit.period
        yield why(
            "rate_limited",
            key=lane.key,
            until=_utc(lane.next_at),
            starts=lane.limit.count,
            seconds=int(seconds) if seconds == int(seconds) else seconds,
        )


def _behind(database: MemDatabase, row: Row) -> Iterator[Why]:
    serving = _serving(database, row.queue)
    taken = [
        sum(
            held.runner_id == runner.spec.runner_id and held.status is not S.PAUSED
            for held in database.live.values()
        )
        for runner in serving
    ]
    places = [runner.spec.concurrency for runner in serving]
    if serving and all(n >= most for n, most in zip(taken, places, strict=True)):
        yield why(
            "runners_busy",
            queue=row.queue,
            runners=len(serving),
            places=sum(places),
            taken=sum(taken),
        )
    ahead = sum(_before(other, row) for other in database.live.values())
    if ahead:
        yield why("behind", queue=row.queue, ahead=min(ahead, 10_000))


def _before(other: Row, row: Row) -> bool:
    """Whether a claim would take it first; of what has another concurrency key nobody can say."""
    if other.queue != row.queue or not other.ready or other is row:
        return False
    if other.awaited is None and (row.awaited is not None or other.lane not in (None, row.lane)):
        return False
    return _place(other) < _place(row)


def _place(row: Row) -> tuple[int, float, str]:
    return (1 if row.awaited is None else -row.awaited, row.rank, row.invocation_id)


def _live(database: MemDatabase) -> list[Runner]:
    now = database.clock()
    return [r for r in database.runners.values() if not r.dead and r.lease_until >= now]


def _serving(database: MemDatabase, queue: str) -> list[Runner]:
    return [
        runner
        for runner in _live(database)
        if not runner.spec.queues or not {queue, "*"}.isdisjoint(runner.spec.queues)
    ]


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

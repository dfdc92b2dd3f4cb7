"""What runners know, and what waits for one that can take it. The caller holds the lock."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

from pynenc_pg.domain.chance import chance
from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.known import MOST_FREED, KnownTask
from pynenc_pg.domain.records import Aside, SetAside
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.rows import Refused, Row
from pynenc_pg.memory.runners import live_runner

S = InvocationStatus


def register_tasks(database: MemDatabase, runner_id: RunnerId, tasks: Sequence[KnownTask]) -> int:
    """Hear what a runner knows; offer again what it can take of what was set aside."""
    live_runner(database, runner_id).known = {task.task_id: task for task in tasks}
    database.task_options.update({task.task_id: task.options for task in tasks})
    freed: list[Row] = []
    for refused in _waiting(database):
        refused.by.discard(runner_id)  # it has new code
        row = database.live[refused.said.invocation_id]
        if len(freed) < MOST_FREED and _is_able(database, row, refused):
            refused.freed = True
            freed.append(row)
    for row in freed:
        row.due_at = None
        if row.expires_at is None:
            database.timed.discard(row.invocation_id)
        database.offer(row)
    if freed:
        database.tell("work")
    return len(freed)


def set_aside(database: MemDatabase, asides: Sequence[Aside], runner_id: RunnerId) -> None:
    """Keep why each of these, which are in RETRY by now, could not be taken."""
    for said in asides:
        row = database.live.get(said.invocation_id)
        if row is None:  # cancelled meanwhile
            continue
        refused = database.refused.setdefault(said.invocation_id, Refused(said))
        refused.said, refused.freed = said, False
        refused.by.add(runner_id)
        refused.times += 1
        _expire_still(database, row, refused)
        if _is_able(database, row, refused):
            refused.freed = True
            pause = chance.uniform(0.5, 1) * min(5.0, 0.25 * 2 ** min(refused.times - 1, 10))
            row.due_at = database.clock() + timedelta(seconds=pause)
            database.tell("due", due_in=pause)


def get_set_aside(database: MemDatabase) -> list[SetAside]:
    """Return what waits."""
    found = []
    for refused in _waiting(database):
        said, batch = refused.said, database.calls[refused.said.invocation_id].batch
        found.append(
            SetAside(
                said.invocation_id,
                batch.task_id,
                batch.queue,
                said.cause,
                said.missing,
                said.unknown,
                tuple(sorted(refused.by)),
            )
        )
    return found


def _waiting(database: MemDatabase) -> list[Refused]:
    gone: list[InvocationId] = [i for i in database.refused if i not in database.live]
    for which in gone:
        del database.refused[which]
    return [refused for refused in database.refused.values() if not refused.freed]


def _is_able(database: MemDatabase, row: Row, refused: Refused) -> bool:
    now, names = database.clock(), json.loads(row.call.new.arguments).keys()
    for runner in database.runners.values():
        queues, task = runner.spec.queues, runner.known.get(row.call.batch.task_id)
        if (
            task is not None
            and not runner.dead
            and runner.lease_until >= now
            and runner.spec.runner_id not in refused.by
            and (not queues or not {row.queue, "*"}.isdisjoint(queues))
            and not task.misfit(names)
        ):
            return True
    return False


def _expire_still(database: MemDatabase, row: Row, refused: Refused) -> None:
    """What must be begun in its time, and never was, still must."""
    begun = [e for e in database.history[row.invocation_id] if e.status is S.RUNNING]
    if row.call.expires_at is not None and len(begun) <= refused.times:
        row.expires_at = row.call.expires_at
        database.timed.add(row.invocation_id)

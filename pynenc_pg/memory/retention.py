"""What goes because it was kept for long enough. Whoever calls a function holds the lock."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Collection, Iterator
from datetime import timedelta

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.retention import Periods, Pruned
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.memory.database import MemDatabase

S = InvocationStatus


def drop_old(database: MemDatabase, periods: Periods) -> list[str]:
    """Remove what ended long ago, and history older than that; say what went."""
    now = database.clock()
    before = now - timedelta(seconds=periods.finished)
    old = [i for i, end in database.ended.items() if end.outcome.finished_at < before]
    needed = _pointed_at(database)
    gone = [which for which in old if which not in needed]
    _remove(database, gone)
    before = now - timedelta(seconds=periods.history)
    for which, entries in list(database.history.items()):
        if which not in database.calls and entries[-1].at < before:
            del database.history[which]
    return [f"dropped {len(gone)} finished invocations"] if gone else []


def prune(database: MemDatabase, after: str, limit: int) -> Pruned:
    """Of ``limit`` that have ended, remove what their task keeps for a shorter time."""
    kept = _kept(database)
    if not kept:
        return Pruned(0, None)
    ids = sorted(database.ended)
    start = bisect_right(ids, after)
    seen = ids[start : start + limit]
    now, needed = database.clock(), _asked_for(database)
    gone = []
    for which in seen:
        outcome = database.ended[which].outcome
        seconds = kept.get((database.calls[which].batch.task_id, outcome.status is S.FAILED))
        over = seconds is not None and outcome.finished_at < now - timedelta(seconds=seconds)
        if over and which not in needed:
            gone.append(which)
    _remove(database, gone)
    for which in gone:
        database.history.pop(which, None)
    return Pruned(len(gone), seen[-1] if len(seen) == limit else None)


def _kept(database: MemDatabase) -> dict[tuple[str, bool], float]:
    """For how long tasks keep what has succeeded, and what has failed, as runners told last."""
    kept: dict[tuple[str, bool], float] = {}
    for task_id, options in database.task_options.items():
        said = json.loads(options)
        keep, keep_failed = said.get("keep"), said.get("keep_failed")
        for failed, seconds in (
            (False, keep),
            (True, keep if keep_failed is None else keep_failed),
        ):
            if seconds is not None:
                kept[task_id, failed] = seconds
    return kept


def _pointed_at(database: MemDatabase) -> set[InvocationId]:
    """Return what anything live points at."""
    runs = database.runs.by_id
    steps = (step for which in database.live for step in database.runs.steps(which).values())
    callers = {which for which, row in database.live.items() if row.runner_id is not None}
    return {
        *database.edges,
        *(InvocationId(c.source_id) for c in database.causes.causes.values() if c.source_id),
        *(step.child_id for step in steps if step.child_id is not None),
        *(database.calls[which].workflow_id for which in database.live if which in runs),
        *(i for i in database.ended if database.calls[i].batch.parent_id in callers),
    }


def _asked_for(database: MemDatabase) -> set[InvocationId]:
    """Return what waits, keys, equal calls, runs, and those above and below what is live need."""
    runs = database.runs.by_id
    steps = (step for run in runs.values() for step in run.steps.values())
    return {
        *database.call_keys.values(),
        *(which for known in database.results.values() for which in known),
        *(step.child_id for step in steps if step.child_id is not None),
        *(w for i in runs if (w := database.calls[i].workflow_id) != i),
        *(above for live in database.live for above in _callers(database, live)),
        *(i for i in database.ended if database.calls[i].batch.parent_id in database.live),
        *database.edges,
        *(InvocationId(c.source_id) for c in database.causes.causes.values() if c.source_id),
    }


def _callers(database: MemDatabase, which: InvocationId) -> Iterator[InvocationId]:
    """Yield who has called it, and who that."""
    call = database.calls.get(which)
    while call is not None and call.batch.parent_id is not None:
        yield call.batch.parent_id
        call = database.calls.get(call.batch.parent_id)


def _remove(database: MemDatabase, gone: Collection[InvocationId]) -> None:
    """Forget these, and what belongs to them."""
    if not gone:
        return
    for which in gone:
        del database.calls[which], database.ended[which]
        database.runs.by_id.pop(which, None)
        database.runs.data.pop(which, None)
    gone = set(gone)
    for known in database.results.values():
        for which in [i for i in known if i in gone]:
            del known[which]
    database.results = {call: known for call, known in database.results.items() if known}
    database.call_keys = {k: i for k, i in database.call_keys.items() if i not in gone}
    database.retried = {attempt for attempt in database.retried if attempt[0] not in gone}
    for payload in database.payloads.values():
        payload.needed_by -= gone

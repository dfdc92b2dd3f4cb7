"""Calls that become equal ones which have succeeded. The caller holds the lock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Batch, Outcome, Registered
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.memory.database import MemDatabase

#: Of one call no more are known at a time, so that a look at them stays short.
_MOST: Final = 100


def recall(
    database: MemDatabase, batch: Batch, begins: datetime
) -> dict[InvocationId, InvocationId]:
    """Return, for calls of a batch that have one, the equal one that succeeded last."""
    since = None
    if batch.cache_ttl is not None:
        since = begins - timedelta(seconds=batch.cache_ttl)
    found: dict[InvocationId, InvocationId] = {}
    for new in batch.invocations:
        if new.invocation_id in database.calls:  # the same id again is the same call
            continue
        last = _last_success(database, batch.task_id, new.call_id)
        if last is not None and (since is None or last.finished_at > since):
            found[new.invocation_id] = last.invocation_id
    return found


def remember(database: MemDatabase, batch: Batch, registered: Sequence[Registered]) -> None:
    """Note new ones; forget those of before that have ended, but the one that succeeded last."""
    new = [
        call
        for call, one in zip(batch.invocations, registered, strict=True)
        if call.invocation_id == one.invocation_id
    ]
    for call_id in {call.call_id for call in new}:
        last = _last_success(database, batch.task_id, call_id)
        known = database.results.setdefault((batch.task_id, call_id), {})
        for which in [i for i in known if i in database.ended]:
            if last is None or which != last.invocation_id:
                del known[which]
    for call in new:
        known = database.results[batch.task_id, call.call_id]
        if len(known) < _MOST:
            known[call.invocation_id] = None


def _last_success(database: MemDatabase, task_id: str, call_id: str) -> Outcome | None:
    known = database.results.get((task_id, call_id), {})
    ended = (database.ended[which].outcome for which in known if which in database.ended)
    succeeded = (one for one in ended if one.status is InvocationStatus.SUCCESS)
    return max(succeeded, key=lambda one: (one.finished_at, one.invocation_id), default=None)

"""Who waits for whom to end, and whether anybody would wait for ever. The caller holds the lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Outcome, Waiting
from pynenc_pg.exceptions import InvocationCycleError, InvocationNotFoundError
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.rows import Row

#: Whose ends somebody needs; of those with ``ONE_OF`` one is enough.
Needs = Mapping[InvocationId, int]
ONE_OF = 2


def pause(
    database: MemDatabase, row: Row, waiting: Waiting, changed_by: str
) -> Mapping[InvocationId, Outcome]:
    """Let a row that is owned wait; what has ended of it comes back now.

    Raises:
        InvocationCycleError: it would wait for ever.
        InvocationNotFoundError: nobody knows what it waits for.
    """
    outcomes = {}
    live = []
    for which in waiting.awaited:
        if which in database.live:
            live.append(which)
        elif which in database.ended:
            outcomes[which] = database.ended[which].outcome
        else:
            message = (
                f"invocation {row.invocation_id} waits for {which} that this app has never seen, "
                "or that was purged. Call the task again"
            )
            raise InvocationNotFoundError(message)
    if not waiting.enough(outcomes):
        before = {i: dict(database.edges.get(i, {})) for i in live}
        waits = set(database.waits.get(row.invocation_id, ()))
        for which in live:
            needed = 0 if which not in waiting.needed else 2 if waiting.any_of else 1
            database.watch(which, waiting.listener, row.invocation_id, needed)
        try:
            _refuse_circle(database, row.invocation_id)
        except InvocationCycleError:
            database.edges.update(before)
            database.waits[row.invocation_id] = waits
            raise
        for which in live:
            _hasten(database, database.live[which])
        if row.status is not InvocationStatus.PAUSED:
            database.move(row, InvocationStatus.PAUSED, changed_by, runner_id=row.runner_id)
    return outcomes


def _hasten(database: MemDatabase, row: Row) -> None:
    if row.awaited is None and row.runner_id is None:
        row.awaited = row.call.batch.depth
        database.offer(row)
        database.tell("work")


def _refuse_circle(database: MemDatabase, start: InvocationId) -> None:
    stuck = _stuck(database, start)
    if start not in stuck:
        return
    path = [start]
    while path[-1] not in path[:-1]:
        ahead = [i for i in _needs(database, path[-1], start) if i in stuck]
        path.append(min(ahead, key=lambda i: (i != start, i in path, i)))
    words = [f"{i} ({database.calls[i].batch.task_id})" for i in path]
    message = (
        f"invocation {start} would wait for ever: {' -> '.join(words)}. Each waits for the next, "
        "or for a slot of the concurrency key it holds"
    )
    raise InvocationCycleError(message, path)


def _stuck(database: MemDatabase, start: InvocationId) -> set[InvocationId]:
    """Of all that ``start`` needs, directly or not, what cannot go on; itself, if it cannot.

    Who needs one end is stuck when that one is; who needs one of several, or a slot of its
    concurrency key that several hold, when all of them are.
    """
    needs: dict[InvocationId, Needs] = {}
    ahead = [start]
    while ahead:
        which = ahead.pop()
        if which not in needs:
            needs[which] = _needs(database, which, start)
            ahead += needs[which]
    stuck = set(needs)
    while free := {i for i in stuck if _can_go_on(needs[i], stuck)}:
        stuck -= free
    return stuck


def _can_go_on(needs: Needs, stuck: set[InvocationId]) -> bool:
    one_of = [i not in stuck for i, needed in needs.items() if needed == ONE_OF]
    return (not one_of or any(one_of)) and all(
        i not in stuck for i, needed in needs.items() if needed != ONE_OF
    )


def _needs(database: MemDatabase, which: InvocationId, start: InvocationId) -> Needs:
    row = database.live[which]
    if row.runner_id is None:
        held = row.lane.taken.values() if row.lane is not None and row.lane.full() else ()
        return dict.fromkeys(held, ONE_OF)
    waits = row.status is InvocationStatus.PAUSED or which == start
    return database.needs(which) if waits else {}


def watch(
    database: MemDatabase, ids: Sequence[InvocationId], listener: str
) -> dict[InvocationId, Outcome]:
    """Have a listener told of each end; those that have ended come back now."""
    for which in ids:
        if which in database.live:
            database.watch(which, listener)
    ended = database.ended
    return {i: ended[i].outcome for i in ids if i in ended}

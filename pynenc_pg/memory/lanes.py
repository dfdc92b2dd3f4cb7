"""Concurrency keys: who gets a slot, who is parked, who tries again. The caller holds the lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.records import Batch
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.rows import Lane, Row

S = InvocationStatus
#: A rank, and who comes first where it is the same.
Standing = tuple[float, int]


def share_lane(database: MemDatabase, key: str, batch: Batch, now: datetime) -> Lane:
    """Find or make the lane of a key, as the newest call describes it."""
    lane = database.lanes.get(key)
    if lane is None:
        served = now.timestamp() - batch.priority * batch.ageing
        lane = database.lanes[key] = Lane(key, batch.queue, batch.slots, served)
    if lane.queue != batch.queue:
        lane.queue = None
    lane.ahead = batch.priority * batch.ageing
    if lane.limit != batch.rate_limit:
        lane.limit = batch.rate_limit
        lane.next_at = None  # the next claim finds out
    if lane.slots != batch.slots:
        lane.slots = batch.slots
        _reroute_parked(database, [lane], batch.changed_by)
    return lane


def take_slots(
    database: MemDatabase, queues: Sequence[str], limit: int, now: datetime
) -> tuple[list[Lane], dict[Row, Standing]]:
    """Give the free slots of lanes, in the order of their turn, to their first ready rows.

    Answers the lanes, and where each of those rows stands among the work that has no key: the first
    in turn has the lowest rank of all.
    """
    lanes = [
        lane
        for lane in database.lanes.values()
        if lane.ready
        and (lane.queue is None or lane.queue in queues)
        and (
            any(row.ready for row in lane.must_not_wait.values())
            or (lane.open(now) and not lane.full() and lane.ready.first(1, lambda _row: True))
        )
    ]
    place = {queue: n for n, queue in enumerate(queues)}
    lanes.sort(key=lambda lane: (place.get(lane.queue or "", 0), lane.served, lane.key))
    lanes = lanes[:limit]
    listed = []
    for lane in lanes:
        again = max(lane.served, now.timestamp() - lane.ahead)
        found = lane.ready.first(
            min(limit, lane.room(now)), lambda row: row.queue in queues and not row.expired(now)
        )
        listed += [
            (place[row.queue], again if n else lane.served, n, row.rank, row.invocation_id, row)
            for n, row in enumerate(found)
        ]
    chosen = [entry[-1] for entry in sorted(listed, key=lambda entry: entry[:-1])[:limit]]
    for row in chosen:
        if row.lane is not None:
            row.lane.taken[row.lane.free(1)[0]] = row.invocation_id
    stands = sorted((place[row.queue], row.rank) for row in chosen)
    return lanes, {row: (stands[n][1], n + 1) for n, row in enumerate(chosen)}


def settle_slots(
    database: MemDatabase,
    lanes: Sequence[Lane],
    candidates: Iterable[Row],
    taken: Sequence[Row],
    runner_id: RunnerId,
) -> None:
    """Give back the slots of candidates that were not taken; in lanes without room, park or end."""
    now = database.clock()
    ours = {row.invocation_id: n for n, row in enumerate(taken)}
    spare = {row.invocation_id for row in candidates} - ours.keys()
    for lane in lanes:
        lane.give_up(spare)
        places = [ours[which] for which in lane.taken.values() if which in ours]
        if places:  # of several that are served by one claim the last comes last at the next
            lane.served = now.timestamp() - lane.ahead + max(places) * 1e-6
        lane.note_starts(len(places), now)
        if lane.next_at is not None:
            database.tell("due", due_in=(lane.next_at - now).total_seconds())
        if not lane.full() and lane.open(now):
            continue
        for row in sorted(lane.must_not_wait.values(), key=lambda row: row.invocation_id):
            if row.ready and row.invocation_id not in ours:
                database.end(row, S.CONCURRENCY_CONTROLLED_FINAL, runner_id)
        # Only where this claim took something: a lane that was full before was not offered.
        if places and lane.full():
            for row in lane.ready.first(1, lambda row: row.invocation_id not in ours):
                database.move(row, S.CONCURRENCY_CONTROLLED, runner_id)


def free_slots(
    database: MemDatabase, lanes: Iterable[Lane], ids: set[InvocationId], changed_by: str
) -> None:
    """Free the slots of invocations that are no longer owned; the next parked ones try again."""
    lanes = list(lanes)
    for lane in lanes:
        lane.give_up(ids)
    _reroute_parked(database, lanes, changed_by)
    if any(lane.open(database.clock()) for lane in lanes):
        database.tell("work")


def _reroute_parked(database: MemDatabase, lanes: Iterable[Lane], changed_by: str) -> None:
    for lane in lanes:
        room = max(0, lane.slots - len(lane.taken))
        waiting = sorted(lane.parked.values(), key=lambda row: (row.rank, row.invocation_id))
        for row in waiting[:room]:
            database.move(row, S.REROUTED, changed_by)


def forget_idle(database: MemDatabase) -> int:
    """Remove the lanes that nobody needs any more; how many."""
    now = database.clock()
    idle = [k for k, lane in database.lanes.items() if not (lane.live or lane.counted(now))]
    for key in idle:
        del database.lanes[key]
    return len(idle)

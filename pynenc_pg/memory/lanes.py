"""Concurrency keys: who gets a slot, who is parked, who tries again. The caller holds the lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.rows import Lane, Row

S = InvocationStatus
_NEVER = datetime.min.replace(tzinfo=UTC)


def share_lane(database: MemDatabase, key: str, queue: str, slots: int, changed_by: str) -> Lane:
    """Find or make the lane of a key, as the newest call describes it."""
    lane = database.lanes.get(key)
    if lane is None:
        lane = database.lanes[key] = Lane(key, queue, slots)
    if lane.queue != queue:
        lane.queue = None
    if lane.slots != slots:
        lane.slots = slots
        _reroute_parked(database, [lane], changed_by)
    return lane


def take_slots(
    database: MemDatabase, queues: Sequence[str], limit: int, now: datetime
) -> tuple[list[Lane], list[Row]]:
    """Give the free slots of lanes, in the order of their turn, to their first ready rows."""
    lanes = [
        lane
        for lane in database.lanes.values()
        if lane.ready
        and (lane.queue is None or lane.queue in queues)
        and (
            any(row.ready for row in lane.must_not_wait.values())
            or (not lane.full() and lane.ready.first(1, lambda _row: True))
        )
    ]
    lanes.sort(key=lambda lane: (lane.served or _NEVER, lane.key))
    candidates: list[Row] = []
    for lane in lanes[:limit]:
        free = lane.free()
        found = lane.ready.first(
            min(limit, len(free)), lambda row: row.queue in queues and not row.expired(now)
        )
        lane.taken.update(zip(free, (row.invocation_id for row in found), strict=False))
        candidates += found
        lane.served = now
    return lanes[:limit], candidates


def settle_slots(
    database: MemDatabase,
    lanes: Sequence[Lane],
    candidates: Sequence[Row],
    taken: Sequence[Row],
    runner_id: RunnerId,
) -> None:
    """Give back the slots of candidates that were not taken; in lanes now full, park or end."""
    ours = {row.invocation_id for row in taken}
    spare = {row.invocation_id for row in candidates} - ours
    for lane in lanes:
        lane.give_up(spare)
        if not lane.full():
            continue
        for row in sorted(lane.must_not_wait.values(), key=lambda row: row.invocation_id):
            if row.ready and row.invocation_id not in ours:
                database.end(row, S.CONCURRENCY_CONTROLLED_FINAL, runner_id)
        # Only where this claim took something: a lane that was full before was not offered.
        if not ours.isdisjoint(lane.taken.values()):
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
    if lanes:
        database.tell("work")


def _reroute_parked(database: MemDatabase, lanes: Iterable[Lane], changed_by: str) -> None:
    for lane in lanes:
        room = max(0, lane.slots - len(lane.taken))
        waiting = sorted(lane.parked.values(), key=lambda row: (row.rank, row.invocation_id))
        for row in waiting[:room]:
            database.move(row, S.REROUTED, changed_by)

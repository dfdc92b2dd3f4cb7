"""Which ticks of a schedule are to fire now: after an outage, at a first start, with jitter.

Pure decisions. Who asks keeps one moment for each schedule, ``settled``: every tick up to it has
fired, or was left out on purpose. It begins as the moment at which the schedule was made, and never
moves back, so no tick is answered twice, and none fires for the time before there was a schedule.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final

from pynenc_pg.trigger.cron import CronSchedule

#: A tick that is no more than this late was not missed: somebody was there, and was slow. Longer
#: than the lease of a runner (30 s), so that a tick at which the one in charge dies is none either.
GRACE: Final = timedelta(seconds=60)
#: Ticks answered at once; after a long outage ``all`` goes on from there.
AT_ONCE: Final = 1_000
_INSTANT: Final = timedelta(microseconds=1)


class CatchUp(StrEnum):
    """What becomes of ticks that passed while nothing ran."""

    LATEST = "latest"  #: the last one of them fires, unless a later one is on time
    ALL = "all"  #: each of them fires
    NONE = "none"  #: they are left out


@dataclass(frozen=True, slots=True)
class Due:
    """What to do now, and when to ask again."""

    ticks: tuple[datetime, ...]  # fire these, in this order
    settled: datetime  # keep this, and give it next time
    next_tick: datetime  # the first that is not settled
    next_at: datetime  # when that one fires: ask again then; it may be past


def due(
    schedule: CronSchedule,
    settled: datetime | None,
    now: datetime,
    catch_up: CatchUp = CatchUp.LATEST,
    *,
    jitter: float = 0.0,
    trigger_id: str = "",
    grace: timedelta = GRACE,
    at_once: int = AT_ONCE,
) -> Due:
    """Return the ticks that fire at ``now``. With ``settled=None``, a first start, none does.

    A tick fires when its jitter is over. Of those later than ``grace`` fires what ``catch_up``
    says. If the clock stands before ``settled``, nothing fires until it has passed it again.
    """
    settled = now if settled is None else settled

    def fires_at(tick: datetime) -> datetime:
        return fire_time(schedule, tick, jitter=jitter, trigger_id=trigger_id)

    # Times with jitter rise as the ticks do, so only the last one may have to wait for its own.
    last = schedule.last_until(now, settled)
    if last is not None and fires_at(last) > now:
        last = schedule.last_until(last - _INSTANT, settled)
    ticks: list[datetime] = []
    if last is not None and catch_up is CatchUp.ALL:
        ticks = list(islice(schedule.walk(settled, last), at_once))
        last = ticks[-1]
    elif last is not None:
        begin = max(settled, now - grace - timedelta(seconds=jitter) - _INSTANT)
        ticks = [t for t in schedule.walk(begin, last) if fires_at(t) >= now - grace]
        if not ticks and catch_up is CatchUp.LATEST:
            ticks = [last]
    settled = last or settled
    tick = schedule.next_after(settled)
    return Due(tuple(ticks), settled, tick, fires_at(tick))


def fire_time(
    schedule: CronSchedule, tick: datetime, *, jitter: float, trigger_id: str
) -> datetime:
    """Return when a tick fires: up to ``jitter`` seconds late, but not after the next tick.

    By how much follows from trigger and tick, so every runner computes the same, and a thousand
    schedules at midnight are spread.
    """
    if not jitter:
        return tick
    room = (schedule.next_after(tick) - tick).total_seconds()
    drawn = hashlib.sha256(f"{trigger_id} {tick.isoformat()}".encode()).digest()
    share = int.from_bytes(drawn[:8]) / 2**64
    return tick + timedelta(seconds=share * min(jitter, room))

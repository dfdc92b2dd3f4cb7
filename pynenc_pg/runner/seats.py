"""Who is executed by the threads of a runner, and where."""

from __future__ import annotations

import asyncio
from queue import SimpleQueue
from typing import TYPE_CHECKING

from pynenc_pg.domain.records import Hold
from pynenc_pg.engine.pauses import Pauses

if TYPE_CHECKING:
    from pynenc_pg.domain.records import Claimed
    from pynenc_pg.engine.stops import Stop
    from pynenc_pg.runner.alarms import Alarm
    from pynenc_pg.runner.threads import Threads


class Seat:
    """One of the runner's slots. Written by the thread that has it alone, so without a lock."""

    __slots__ = ("busy_since", "done", "extra", "guest")

    def __init__(self, *, extra: bool = False) -> None:
        self.extra = extra  # for one that has to stop: it goes with it
        self.done = 0
        self.guest: Guest | None = None
        self.busy_since = 0.0


class Guest:
    """An invocation that is executed here: it has a seat, or waits for others without one."""

    __slots__ = (
        "_threads", "abandoned", "alarm", "claimed", "gate", "left_at", "over", "pauses", "seat",
        "stop", "waited",
    )  # fmt: skip

    def __init__(self, threads: Threads, seat: Seat, claimed: Claimed, stop: Stop) -> None:
        self._threads = threads
        self.seat: Seat | None = seat
        self.claimed = claimed
        self.abandoned = False
        self.over = False
        self.stop = stop
        self.alarm: Alarm | None = None
        self.gate: SimpleQueue[Seat | None] | None = None  # where a seat comes, if it wants one
        self.left_at = self.waited = 0.0
        self.pauses = Pauses(
            orchestrator=threads.engine.store.orchestrator,
            runner_id=threads.runner.runner_id,
            hold=Hold(claimed.invocation_id, claimed.lease),
            place=self,
            stop=stop,
        )

    def check(self) -> None:
        """Refuse a wait beyond ``max_waiting_threads``."""
        self._threads.check_room_to_wait()

    def may_block(self) -> None:
        """A thread may."""

    def abandon(self) -> None:
        """Its runner has given it back: let its thread go."""
        self.abandoned = True
        self.pauses.call_off()

    @property
    def asked(self) -> bool:
        """Whether it was told to stop."""
        return self.stop.error is not None

    def ask(self, error: BaseException, *, at_once: bool) -> None:
        """Have it stop with this error."""
        self.stop.ask(error, at_once=at_once)
        self.pauses.call_off()
        self._threads.hurry(self)

    def give_up(self) -> bool:
        """Leave it alone with its thread, and give its seat to another one."""
        return self._threads.give_up(self)

    def leave(self) -> None:
        """Give the seat to somebody else."""
        self._threads.leave(self)

    def enter(self) -> None:
        """Take a seat as soon as one is free."""
        self._threads.enter(self)

    async def enter_async(self) -> None:
        """Take a seat as soon as one is free; the loop of the task's thread goes on meanwhile."""
        await asyncio.to_thread(self.enter)

"""The threads of a runner: each takes the next begun invocation, calls it, hands over its end.

A task that waits for others keeps its thread, whose stack it is on, but not its seat: that goes to
another thread, and when the wait is over the first thread asks for one again.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from contextlib import suppress
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Unpack

from pynenc_pg.domain.records import Hold
from pynenc_pg.engine.execute import execute, uncarriable
from pynenc_pg.engine.pauses import Pauses
from pynenc_pg.exceptions import RunnerFencedError, TooManyWaitingError
from pynenc_pg.runner.executor import Executor, Parts

if TYPE_CHECKING:
    from pynenc_pg.domain.ids import InvocationId
    from pynenc_pg.domain.records import Claimed

#: Seconds for which a thread without a seat stays, in case another one is to wait.
_REST = 5.0


class _Look:
    """In the queue of work: a hint that there is something to do elsewhere."""


_LOOK = _Look()


class _Seat:
    """One of the runner's slots. Written by the thread that has it alone, so without a lock."""

    __slots__ = ("busy_since", "done", "holds")

    def __init__(self) -> None:
        self.done = 0
        self.holds: Claimed | None = None
        self.busy_since = 0.0


class _Guest:
    """An invocation that is executed here: it has a seat, or waits for others without one."""

    __slots__ = ("_threads", "abandoned", "claimed", "left_at", "pauses", "seat", "waited")

    def __init__(self, threads: Threads, seat: _Seat, claimed: Claimed) -> None:
        self._threads = threads
        self.seat: _Seat | None = seat
        self.claimed = claimed
        self.abandoned = False
        self.pauses: Pauses | None = None
        self.left_at = self.waited = 0.0

    def check(self) -> None:
        """Refuse a wait beyond ``max_waiting_threads``."""
        self._threads.check_room_to_wait()

    def may_block(self) -> None:
        """A thread may."""

    def abandon(self) -> None:
        """Its runner has given it back: let its thread go."""
        self.abandoned = True
        if self.pauses is not None:
            self.pauses.call_off()

    def leave(self) -> None:
        """Give the seat to somebody else."""
        self._threads.leave(self)

    def enter(self) -> None:
        """Take a seat as soon as one is free."""
        self._threads.enter(self)

    async def enter_async(self) -> None:
        """Take a seat as soon as one is free; the loop of the task's thread goes on meanwhile."""
        await asyncio.to_thread(self.enter)


class Threads(Executor):
    """A fixed number of seats over one queue, and as many threads more as wait without a seat."""

    def __init__(self, **parts: Unpack[Parts]) -> None:
        """Take the parts; see ``Executor``."""
        super().__init__(**parts)
        self._queue: SimpleQueue[Claimed | _Look | None] = SimpleQueue()
        self._deep: list[tuple[int, int, Claimed]] = []  # a heap: calls of tasks, deepest first
        self._deep_lock = threading.Lock()
        self._seats = [_Seat() for _ in range(self.places)]
        self._waiting: dict[InvocationId, _Guest] = {}
        self._returning: deque[SimpleQueue[_Seat | None]] = deque()
        self._spare: deque[SimpleQueue[_Seat | None]] = deque()  # threads without a seat
        self._numbers = count()
        self._handed_out = 0
        self._taken_back = 0

    def start(self) -> None:
        """Start the threads. They never keep the process alive."""
        for seat in self._seats:
            self._new_thread(seat)

    def hand_out(self, claimed: list[Claimed]) -> None:
        """Give begun invocations to the threads."""
        self._handed_out += len(claimed)
        for one in claimed:
            if one.depth:
                with self._deep_lock:
                    heappush(self._deep, (-one.depth, next(self._numbers), one))
                self._queue.put(_LOOK)
            else:
                self._queue.put(one)

    def stuck_for(self) -> float:
        """Seconds for which every thread has been busy with one task while others wait."""
        if self._queue.empty() and not self._deep:
            return 0.0
        since = [seat.busy_since for seat in self._seats if seat.holds is not None]
        return time.monotonic() - max(since) if len(since) == len(self._seats) else 0.0

    def take_back(self) -> list[Claimed]:
        """Return what no thread has taken."""
        with self._deep_lock:
            back = [one for _, _, one in sorted(self._deep)]
            self._deep.clear()
        with suppress(Empty):
            while True:
                one = self._queue.get_nowait()
                if one is not None and not isinstance(one, _Look):
                    back.append(one)
        for _ in range(len(self._returning)):  # their hint may have been among what was thrown away
            self._queue.put(_LOOK)
        self._taken_back += len(back)
        return back

    def held(self) -> int:
        """How many were handed out and have not ended."""
        return self._handed_out - self._taken_back - sum(seat.done for seat in self._seats)

    def waiting(self) -> int:
        """How many of them wait for others, without a seat."""
        return len(self._waiting)

    def close(self) -> list[Claimed]:
        """End the threads that are idle; return what the others execute. Their ends are dropped."""
        self.closed = True
        for _ in self._seats:
            self._queue.put(None)
        held = [held for seat in self._seats if (held := seat.holds) is not None]
        waiting = list(self._waiting.values())
        for guest in waiting:
            guest.abandon()
        for gates in (self._returning, self._spare):
            with suppress(IndexError):
                while True:
                    gates.popleft().put(None)
        held += [guest.claimed for guest in waiting]
        return list({one.invocation_id: one for one in held}.values())

    def only_waiting(self) -> bool:
        """Whether all that has not ended waits for others, and no wait is over."""
        return super().only_waiting() and not self._returning

    # --- waiting without a seat ---------------------------------------------------------------

    def check_room_to_wait(self) -> None:
        """Refuse to let one more thread wait than there may be.

        Raises:
            TooManyWaitingError: names ``max_waiting_threads``.
        """
        if len(self._waiting) >= self.max_waiting:
            message = (
                f"{len(self._waiting)} tasks of this runner wait for others, each with a thread of "
                "its own: raise runner.max_waiting_threads, or let an AsyncRunner execute tasks "
                "that are async def and await their results"
            )
            raise TooManyWaitingError(message)

    def leave(self, guest: _Guest) -> None:
        """Let another thread have the seat of this one."""
        seat, guest.seat = guest.seat, None
        if seat is None:
            return
        guest.left_at = time.monotonic()
        self._waiting[guest.claimed.invocation_id] = guest
        seat.holds = None
        self._seat(seat)
        self.freed()
        if self.closed:  # close() looked at who waits after it had said so: one of us sees it
            guest.abandon()

    def enter(self, guest: _Guest) -> None:
        """Wait for a seat. Those that come back are served before new work.

        Raises:
            RunnerFencedError: the runner has given the invocation back.
        """
        gate: SimpleQueue[_Seat | None] = SimpleQueue()
        self._returning.append(gate)
        self._queue.put(_LOOK)
        seat = None if self.closed else gate.get()
        if seat is None or guest.abandoned:
            message = (
                f"invocation {guest.claimed.invocation_id} was given back while it waited: its "
                "runner has stopped, and another one executes it anew"
            )
            raise RunnerFencedError(message)
        now = time.monotonic()
        guest.waited += now - guest.left_at
        guest.seat = seat
        seat.busy_since = now
        seat.holds = guest.claimed
        self._waiting.pop(guest.claimed.invocation_id, None)

    def _seat(self, seat: _Seat) -> None:
        """Give a seat to a thread that has none, or to a new one."""
        try:
            self._spare.pop().put(seat)
        except IndexError:
            self._new_thread(seat)

    def _new_thread(self, seat: _Seat) -> None:
        name = f"pynenc-task-{next(self._numbers)}"
        threading.Thread(target=self._work, args=(seat,), name=name, daemon=True).start()

    def _rest(self) -> _Seat | None:
        """Wait, without a seat, to be given another one; ``None`` after a while, or at the end."""
        gate: SimpleQueue[_Seat | None] = SimpleQueue()
        self._spare.append(gate)
        if self.closed:
            return None
        try:
            return gate.get(timeout=_REST)
        except Empty:
            try:
                self._spare.remove(gate)
            except ValueError:  # somebody has it in hand
                return gate.get()
            return None

    # --- what a thread does -------------------------------------------------------------------

    def _work(self, seat: _Seat | None) -> None:
        while seat is not None:
            if self._pass_on(seat):
                seat = self._rest()
                continue
            one = self._next()
            if one is None:
                return
            if isinstance(one, _Look):
                continue
            seat = self._execute(one, seat)

    def _pass_on(self, seat: _Seat) -> bool:
        """Give the seat to a thread whose wait is over, if there is one."""
        if self._returning:
            with suppress(IndexError):
                self._returning.popleft().put(seat)
                return True
        return False

    def _next(self) -> Claimed | _Look | None:
        if self._deep:
            with self._deep_lock:
                if self._deep:
                    return heappop(self._deep)[2]
        return self._queue.get()

    def _execute(self, one: Claimed, seat: _Seat) -> _Seat | None:
        """Call the task; return the seat it has at its end, none if its runner gave it back."""
        seat.busy_since = began = time.monotonic()
        seat.holds = one
        if self.closed:  # close() looked at the seats after it had said so: one of us sees it
            return None
        guest = _Guest(self, seat, one)
        guest.pauses = Pauses(
            orchestrator=self.engine.store.orchestrator,
            runner_id=self.runner.runner_id,
            hold=Hold(one.invocation_id, one.lease),
            place=guest,
        )
        try:
            end = Context().run(
                execute,  # what a task leaves in context variables is gone with it
                one,
                registry=self.engine.registry,
                serializer=self.engine.serializer,
                describe=self.engine.printing.describe,
                pauses=guest.pauses,
                runner=self.runner,
                payloads=self.engine.payloads,
            )
        except BaseException as error:  # noqa: BLE001 - a thread lives on
            end = uncarriable(one, error, self.engine.serializer)
        if guest.seat is None:
            return None
        if not self.closed:
            self.done(end)
        self.pace.saw(time.monotonic() - began - guest.waited)
        guest.seat.holds = None
        guest.seat.done += 1
        if self.held() - len(self._waiting) <= self.low_water:
            self.freed()
        return guest.seat

"""The threads of a runner: each takes the next begun invocation, calls it, hands over its end.

A task that waits for others keeps its thread, whose stack it is on, but not its seat: that goes to
another thread, and when the wait is over the first thread asks for one again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Unpack

from pynenc_pg.engine.execute import execute, give_up
from pynenc_pg.engine.stops import Stop, ThreadStop
from pynenc_pg.engine.verdicts import never_begun, uncarriable
from pynenc_pg.exceptions import RunnerFencedError, TooManyWaitingError
from pynenc_pg.runner.executor import Executor, Parts
from pynenc_pg.runner.seats import Guest, Seat
from pynenc_pg.runner.tally import outcome_of

if TYPE_CHECKING:
    from pynenc_pg.domain.ids import InvocationId
    from pynenc_pg.domain.records import Claimed, End

#: Seconds for which a thread without a seat stays, in case another one is to wait.
_REST = 5.0


class _Look:
    """In the queue of work: a hint that there is something to do elsewhere."""


_LOOK = _Look()


class Threads(Executor):
    """A fixed number of seats over one queue, and as many threads more as wait without a seat."""

    def __init__(self, **parts: Unpack[Parts]) -> None:
        """Take the parts; see ``Executor``."""
        super().__init__(**parts)
        self._queue: SimpleQueue[Claimed | _Look | None] = SimpleQueue()
        self._deep: list[tuple[int, int, Claimed]] = []  # a heap: calls of tasks, deepest first
        self._deep_lock = threading.Lock()
        self._ending = threading.Lock()  # of attempts that have a limit: by itself, or given up
        self._seats = [Seat() for _ in range(self.places)]
        self._waiting: dict[InvocationId, Guest] = {}
        self._unwanted: set[InvocationId] = set()  # cancelled before a thread had it
        self._returning: deque[SimpleQueue[Seat | None]] = deque()
        self._spare: deque[SimpleQueue[Seat | None]] = deque()  # threads without a seat
        self._numbers = count()
        self._handed_out = 0
        self._taken_back = 0
        self._given_up = 0

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
        since = [seat.busy_since for seat in self._seats if seat.guest is not None]
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
        over = self._taken_back + self._given_up + sum(seat.done for seat in self._seats)
        return self._handed_out - over

    def waiting(self) -> int:
        """How many of them wait for others, without a seat."""
        return len(self._waiting)

    def close(self) -> list[Claimed]:
        """End the threads that are idle; return what the others execute. Their ends are dropped."""
        self.closed = True
        for _ in self._seats:
            self._queue.put(None)
        self.alarms.close()
        held = [guest.claimed for seat in self._seats if (guest := seat.guest) is not None]
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

    def cancel(self, invocation_id: InvocationId) -> None:
        """Have it stop at its next call of the library; what no thread has taken never begins."""
        self._unwanted.add(invocation_id)
        seated = [guest for seat in self._seats if (guest := seat.guest) is not None]
        for guest in (*seated, *self._waiting.values()):
            if guest.claimed.invocation_id == invocation_id:
                self._unwanted.discard(invocation_id)
                self.limits.cancel(guest)

    def give_up(self, guest: Guest) -> bool:
        """End an attempt whose thread does not listen; not while it waits for others or a seat."""
        with self._ending:
            if guest.over:
                return True
            seat = guest.seat
            if seat is None or guest.stop.shielded:
                return False
            guest.over, guest.seat = True, None
        guest.abandon()
        self.report_abandoned(guest.claimed)
        seat.guest = None
        self._seat(seat)
        # With a thread for it: a hook may take its time, too.
        threading.Thread(target=self._end_of_stuck, args=(guest,), daemon=True).start()
        return True

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

    def leave(self, guest: Guest) -> None:
        """Let another thread have the seat of this one."""
        seat, guest.seat = guest.seat, None
        if seat is None or seat.extra:
            return
        guest.left_at = time.monotonic()
        self._waiting[guest.claimed.invocation_id] = guest
        seat.guest = None
        self._seat(seat)
        self.freed()
        if self.closed:  # close() looked at who waits after it had said so: one of us sees it
            guest.abandon()

    def enter(self, guest: Guest) -> None:
        """Wait for a seat. Those that come back are served before new work.

        Raises:
            RunnerFencedError: the runner has given the invocation back.
        """
        gate = guest.gate = SimpleQueue()
        self._returning.append(gate)
        self._queue.put(_LOOK)
        if guest.asked:
            self.hurry(guest)
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
        seat.guest = guest
        self._waiting.pop(guest.claimed.invocation_id, None)

    def hurry(self, guest: Guest) -> None:
        """One that has to stop does not wait for a seat: to unwind it needs none of ours."""
        gate = guest.gate
        if gate is not None:
            with suppress(ValueError):  # it has one already
                self._returning.remove(gate)
                gate.put(Seat(extra=True))

    def _seat(self, seat: Seat) -> None:
        """Give a seat to a thread that has none, or to a new one."""
        try:
            self._spare.pop().put(seat)
        except IndexError:
            self._new_thread(seat)

    def _new_thread(self, seat: Seat) -> None:
        name = f"pynenc-task-{next(self._numbers)}"
        threading.Thread(target=self._work, args=(seat,), name=name, daemon=True).start()

    def _rest(self) -> Seat | None:
        """Wait, without a seat, to be given another one; ``None`` after a while, or at the end."""
        gate: SimpleQueue[Seat | None] = SimpleQueue()
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

    def _work(self, seat: Seat | None) -> None:
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

    def _pass_on(self, seat: Seat) -> bool:
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

    def _execute(self, one: Claimed, seat: Seat) -> Seat | None:
        """Call the task; return the seat it has at its end, none if its runner gave it back."""
        seat.busy_since = began = time.monotonic()
        limit = self.limits.of(one)
        guest = Guest(self, seat, one, Stop() if limit is None else ThreadStop())
        seat.guest = guest
        if self.closed:  # close() looked at the seats after it had said so: one of us sees it
            return None
        if self._unwanted and one.invocation_id in self._unwanted:
            self._unwanted.discard(one.invocation_id)
            end: End = never_begun(one, self.engine.serializer)
        else:
            end = self._called(guest, limit)
        if limit is not None:
            with self._ending:
                guest.over = True
        if guest.seat is None:
            return None
        if not self.closed:
            self.done(end)
        self.pace.saw(took := time.monotonic() - began - guest.waited)
        if self.tally is not None:
            self.tally.saw(one, outcome_of(end), took)
        if guest.seat.extra:
            with self._ending:
                self._given_up += 1
            self.freed()
            return None
        guest.seat.guest = None
        guest.seat.done += 1
        if self.held() - len(self._waiting) <= self.low_water:
            self.freed()
        return guest.seat

    def _called(self, guest: Guest, limit: float | None) -> End:
        try:
            if isinstance(guest.stop, ThreadStop) and limit is not None:
                guest.stop.enter()
                self.limits.watch(guest, limit)
            return Context().run(
                execute,  # what a task leaves in context variables is gone with it
                guest.claimed,
                stop=guest.stop,
                pauses=guest.pauses,
                **self.common,
            )
        except BaseException as error:  # noqa: BLE001 - a thread lives on
            guest.stop.over()
            return uncarriable(guest.claimed, error, self.engine.serializer)
        finally:
            if limit is not None:
                self.limits.settle(guest)

    def _end_of_stuck(self, guest: Guest) -> None:
        guest.pauses.drop_transaction()
        end = give_up(guest.claimed, stop=guest.stop, **self.common)
        if not self.closed:
            self.done(end)
        if self.tally is not None:
            self.tally.saw(guest.claimed, outcome_of(end))
        with self._ending:
            self._given_up += 1
        self.freed()

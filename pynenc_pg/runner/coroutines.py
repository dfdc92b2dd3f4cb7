"""The event loop of a runner: tasks are coroutines in it, plain functions have threads beside."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Unpack

from pynenc_pg.domain.records import Hold
from pynenc_pg.engine.execute import execute, execute_async, give_up, is_coroutine
from pynenc_pg.engine.pauses import Pauses
from pynenc_pg.engine.stops import Stop, ThreadStop
from pynenc_pg.engine.verdicts import never_begun, uncarriable
from pynenc_pg.exceptions import RunnerFencedError, TooManyWaitingError
from pynenc_pg.runner.executor import Executor, Parts, take_out
from pynenc_pg.runner.tally import outcome_of

if TYPE_CHECKING:
    from pynenc_pg.domain.ids import InvocationId
    from pynenc_pg.domain.records import Claimed, End
    from pynenc_pg.runner.alarms import Alarm

#: Threads that talk to the store for coroutines, and execute what these give to threads.
_HELPERS = 32


class _Guest:
    """An invocation that is executed here: it has a place, or waits for others without one."""

    __slots__ = (
        "_coroutines", "abandoned", "alarm", "began", "claimed", "coroutine", "left_at", "limit",
        "over", "pauses", "place", "placed", "since", "stop", "task", "waited",
    )  # fmt: skip

    def __init__(self, coroutines: Coroutines, claimed: Claimed, *, coroutine: bool) -> None:
        self._coroutines = coroutines
        self.claimed = claimed
        self.coroutine = coroutine
        self.abandoned = self.over = False
        self.placed = True
        self.began = self.since = time.monotonic()
        self.left_at = self.waited = 0.0
        self.task: asyncio.Task[None] | None = None
        self.alarm: Alarm | None = None
        self.place: asyncio.Future[None] | None = None  # what it waits for, to come back
        self.limit = coroutines.limits.of(claimed)
        self.stop = Stop() if coroutine or self.limit is None else ThreadStop()
        self.pauses = Pauses(
            orchestrator=coroutines.engine.store.orchestrator,
            runner_id=coroutines.runner.runner_id,
            hold=Hold(claimed.invocation_id, claimed.lease),
            place=self,
            stop=self.stop,
        )

    @property
    def asked(self) -> bool:
        """Whether it was told to stop."""
        return self.stop.error is not None

    def ask(self, error: BaseException, *, at_once: bool) -> None:
        """Have it stop with this error: a coroutine is cancelled."""
        self.stop.ask(error, at_once=at_once)
        if not self.coroutine:
            self.pauses.call_off()
        self._coroutines.tell(self._coroutines.hurry, self)

    def give_up(self) -> bool:
        """Leave it alone, and give its place to another one."""
        return self._coroutines.give_up(self)

    def check(self) -> None:
        """Refuse a thread's wait beyond ``max_waiting_threads``; a coroutine has no thread."""
        if not self.coroutine:
            self._coroutines.check_room_to_wait()

    def may_block(self) -> None:
        """Refuse to block the loop, which would keep all others from going on."""
        if threading.get_ident() == self._coroutines.thread.ident:
            message = (
                f"{self.claimed.task_id} is async def and would block the loop that other tasks "
                "run in: await invocation.async_result() instead of invocation.result (and "
                "group.async_results() instead of group.results)"
            )
            raise RuntimeError(message)

    def leave(self) -> None:
        """Let another one have the place."""
        self._coroutines.tell(self._coroutines.leave, self)

    def enter(self) -> None:
        """Take a place as soon as one is free."""
        asyncio.run_coroutine_threadsafe(self.enter_async(), self._coroutines.loop).result()

    async def enter_async(self) -> None:
        """Take a place as soon as one is free."""
        await self._coroutines.enter(self)


class Coroutines(Executor):
    """A number of places in one event loop, and any number of coroutines that wait without one."""

    def __init__(self, **parts: Unpack[Parts]) -> None:
        """Take the parts; see ``Executor``."""
        super().__init__(**parts)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, name="pynenc-loop", daemon=True)
        self._numbers = count()
        self._lock = threading.Lock()  # of what other threads look at
        self._ready: list[tuple[int, int, Claimed]] = []  # a heap: deepest first, then as claimed
        self._guests: dict[InvocationId, _Guest] = {}
        self._returning: deque[asyncio.Future[None]] = deque()
        self._placed = 0

    def start(self) -> None:
        """Start the loop."""
        self.thread.start()

    def hand_out(self, claimed: list[Claimed]) -> None:
        """Give begun invocations to the loop."""
        with self._lock:
            for one in claimed:
                heappush(self._ready, (-one.depth, next(self._numbers), one))
        self.tell(self._fill)

    def held(self) -> int:
        """How many were handed out and have not ended."""
        with self._lock:
            return len(self._ready) + len(self._guests)

    def waiting(self) -> int:
        """How many of them wait for others, without a place."""
        with self._lock:
            return sum(not guest.placed for guest in self._guests.values())

    def only_waiting(self) -> bool:
        """Whether all that has not ended waits for others, and no wait is over."""
        return super().only_waiting() and not self._returning

    def stuck_for(self) -> float:
        """Seconds for which every place has been taken by one task while others wait for one."""
        with self._lock:
            since = [guest.since for guest in self._guests.values() if guest.placed]
            stuck = self._ready and len(since) >= self.places
            return time.monotonic() - max(since) if stuck else 0.0

    def take_back(self) -> list[Claimed]:
        """Return what has no place yet."""
        with self._lock:
            back = [one for _, _, one in sorted(self._ready)]
            self._ready.clear()
            return back

    def close(self) -> list[Claimed]:
        """Stop; what runs or waits is given back, and its coroutine cancelled."""
        self.closed = True
        self.alarms.close()
        with self._lock:
            guests = list(self._guests.values())
        self.tell(self._end)
        return [guest.claimed for guest in guests]

    def cancel(self, invocation_id: InvocationId) -> None:
        """Cancel its coroutine, or have its thread stop at its next call of the library."""
        with self._lock:
            guest = self._guests.get(invocation_id)
            if one := take_out(self._ready, invocation_id):
                self.done(never_begun(one, self.engine.serializer))
        if guest is not None:
            self.limits.cancel(guest)

    def give_up(self, guest: _Guest) -> bool:
        """End an attempt that does not listen; not while it waits for others or a place."""
        with self._lock:
            if guest.over:
                return True
            if not guest.placed or guest.stop.shielded:
                return False
            guest.over = guest.abandoned = True
        self.report_abandoned(guest.claimed)
        threading.Thread(target=self._end_of_stuck, args=(guest,), daemon=True).start()
        return True

    def tell(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have something called in the loop; nothing is, once that is closed."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(function, *arguments)

    def check_room_to_wait(self) -> None:
        """Refuse to let one more thread wait than there may be.

        Raises:
            TooManyWaitingError: names ``max_waiting_threads``.
        """
        waiting = self.waiting()
        if waiting >= self.max_waiting:
            message = (
                f"{waiting} tasks of this runner wait for others, plain functions with a thread "
                "each: raise runner.max_waiting_threads, or make the tasks async def and await"
            )
            raise TooManyWaitingError(message)

    # --- in the loop --------------------------------------------------------------------------

    def leave(self, guest: _Guest) -> None:
        """Let another one have its place."""
        guest.left_at = time.monotonic()
        guest.placed = False
        self._placed -= 1
        self._fill()
        self.freed()

    async def enter(self, guest: _Guest) -> None:
        """Wait for a place. Those that come back are served before new work.

        Raises:
            RunnerFencedError: the runner has given the invocation back.
        """
        if not guest.abandoned:
            guest.place = self.loop.create_future()
            self._returning.append(guest.place)
            self._fill()
            if guest.asked:
                self.hurry(guest)
            await guest.place
        if guest.abandoned:
            message = (
                f"invocation {guest.claimed.invocation_id} was given back while it waited: its "
                "runner has stopped, and another one executes it anew"
            )
            raise RunnerFencedError(message)
        guest.since = time.monotonic()
        guest.waited += guest.since - guest.left_at
        guest.placed = True

    def hurry(self, guest: _Guest) -> None:
        """One that has to stop does not wait for a place: it is soon over."""
        if guest.place is not None and not guest.place.done():
            self._placed += 1
            guest.place.set_result(None)

    def _fill(self) -> None:
        """Give the free places to those whose wait is over, then to new work."""
        while self._placed < self.places:
            if self._returning:
                place = self._returning.popleft()
                if not place.done():  # who waited for it may have been cancelled
                    self._placed += 1
                    place.set_result(None)
                continue
            with self._lock:
                if not self._ready or self.closed:
                    return
                one = heappop(self._ready)[2]
                coroutine = is_coroutine(one, self.engine.registry)
                guest = self._guests[one.invocation_id] = _Guest(self, one, coroutine=coroutine)
            self._placed += 1
            guest.task = self.loop.create_task(
                self._execute(guest),
                context=Context(),  # not that of the task whose end has made room
            )

    async def _execute(self, guest: _Guest) -> None:
        one = guest.claimed
        if guest.limit is not None:
            self.limits.watch(guest, guest.limit)
        end: End
        try:
            if guest.coroutine:
                end = await execute_async(one, stop=guest.stop, pauses=guest.pauses, **self.common)
            else:
                end = await self._in_thread(guest)
        except BaseException as error:  # noqa: BLE001 - the loop lives on
            if guest.abandoned:
                return
            end = uncarriable(one, error, self.engine.serializer)
        self.limits.settle(guest)
        with self._lock:
            if guest.abandoned:
                return
            guest.over = True
        self.done(end)
        self.pace.saw(took := time.monotonic() - guest.began - guest.waited)
        if self.tally is not None:
            self.tally.saw(one, outcome_of(end), took)
        with self._lock:
            self._guests.pop(one.invocation_id, None)
        self._placed -= guest.placed
        self._fill()
        if self.held() - self.waiting() <= self.low_water:
            self.freed()

    def _end_of_stuck(self, guest: _Guest) -> None:
        guest.pauses.drop_transaction()
        end = give_up(guest.claimed, stop=guest.stop, **self.common)
        if not self.closed:
            self.done(end)
        if self.tally is not None:
            self.tally.saw(guest.claimed, outcome_of(end))
        with self._lock:
            self._guests.pop(guest.claimed.invocation_id, None)
        self.tell(self._forget, guest)

    def _forget(self, guest: _Guest) -> None:
        if guest.task is not None:
            guest.task.cancel()  # it awaits its thread, or has not listened so far
        self._placed -= 1
        self._fill()
        self.freed()

    def _in_thread(self, guest: _Guest) -> asyncio.Future[End]:
        """Execute it in a thread of its own, which does not keep the process alive."""
        ended: asyncio.Future[End] = self.loop.create_future()

        def settle(end: End | None, error: BaseException | None) -> None:
            if ended.done():
                return
            if end is None:
                ended.set_exception(error or RuntimeError("no end"))
            else:
                ended.set_result(end)

        def call() -> None:
            try:
                if isinstance(guest.stop, ThreadStop):
                    guest.stop.enter()
                end = execute(guest.claimed, stop=guest.stop, pauses=guest.pauses, **self.common)
            except BaseException as error:  # noqa: BLE001 - told to who awaits it
                self.tell(settle, None, error)
            else:
                self.tell(settle, end, None)

        name = f"pynenc-task-{next(self._numbers)}"
        threading.Thread(target=call, name=name, daemon=True).start()
        return ended

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.set_default_executor(ThreadPoolExecutor(_HELPERS, thread_name_prefix="pynenc-io"))
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()

    def _end(self) -> None:
        tasks = []
        for guest in list(self._guests.values()):
            guest.abandoned = True
            guest.pauses.call_off()
            if guest.task is not None:
                guest.task.cancel()
                tasks.append(guest.task)
        for place in self._returning:
            if not place.done():
                place.set_result(None)
        self._returning.clear()
        ended = asyncio.gather(*tasks, return_exceptions=True)
        ended.add_done_callback(lambda _: self.loop.stop())

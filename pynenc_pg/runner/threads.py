"""The threads of a runner: each takes the next begun invocation, calls it, hands over its end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from pynenc_pg.domain.records import Ending
from pynenc_pg.engine.execute import execute
from pynenc_pg.exceptions import TaskFailedError
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.runner.pace import Pace
from pynenc_pg.serializer.failure import encode_exception

if TYPE_CHECKING:
    from pynenc_pg.conf.config_runner import RunnerConf
    from pynenc_pg.domain.records import Again, Claimed
    from pynenc_pg.engine.core import Engine
    from pynenc_pg.serializer.base import BaseSerializer

logger = logging.getLogger(__name__)


class _Seat:
    """What one thread does now and has done. Written by that thread alone, so without a lock."""

    __slots__ = ("busy_since", "done", "holds")

    def __init__(self) -> None:
        self.done = 0
        self.holds: Claimed | None = None
        self.busy_since = 0.0


class Threads:
    """A fixed number of threads over one queue."""

    def __init__(
        self,
        *,
        engine: Engine,
        conf: RunnerConf,
        done: Callable[[Ending | Again], None],
        freed: Callable[[], None],
    ) -> None:
        """``done`` takes each end; ``freed`` is called when there is room for new work again."""
        self._engine = engine
        self._done = done
        self._freed = freed
        self._queue: SimpleQueue[Claimed | None] = SimpleQueue()
        self._pace = Pace(slots=conf.concurrency, buffer=conf.buffer, batch=conf.batch)
        self._seats = [_Seat() for _ in range(conf.concurrency)]
        self._handed_out = 0
        self._taken_back = 0
        self._low_water = 0
        self._closed = False

    def start(self) -> None:
        """Start the threads. They never keep the process alive."""
        for number, seat in enumerate(self._seats):
            name = f"pynenc-task-{number}"
            threading.Thread(target=self._work, args=(seat,), name=name, daemon=True).start()

    def room(self) -> int:
        """How many invocations may be claimed now.

        Nothing while more than half of what may be held still waits: a few large claims are
        cheaper than many small ones.
        """
        capacity = self._pace.capacity
        held = self._held()
        self._low_water = max(len(self._seats) - 1, capacity // 2)
        return capacity - held if held <= self._low_water else 0

    def hand_out(self, claimed: list[Claimed]) -> None:
        """Give begun invocations to the threads."""
        self._handed_out += len(claimed)
        for one in claimed:
            self._queue.put(one)

    def stuck_for(self) -> float:
        """Seconds for which every thread has been busy with one task while others wait."""
        if self._queue.empty():
            return 0.0
        since = [seat.busy_since for seat in self._seats if seat.holds is not None]
        return time.monotonic() - max(since) if len(since) == len(self._seats) else 0.0

    def take_back(self) -> list[Claimed]:
        """Return what no thread has taken."""
        back: list[Claimed] = []
        try:
            while True:
                one = self._queue.get_nowait()
                if one is not None:
                    back.append(one)
        except Empty:
            self._taken_back += len(back)
            return back

    def busy(self) -> bool:
        """Whether anything that was handed out has not ended."""
        return self._held() > 0

    def close(self) -> list[Claimed]:
        """End the threads that are idle; return what the others execute. Their ends are dropped."""
        self._closed = True
        for _ in self._seats:
            self._queue.put(None)
        return [held for seat in self._seats if (held := seat.holds) is not None]

    def _held(self) -> int:
        return self._handed_out - self._taken_back - sum(seat.done for seat in self._seats)

    def _work(self, seat: _Seat) -> None:
        registry, serializer = self._engine.registry, self._engine.serializer
        while (one := self._queue.get()) is not None:
            seat.busy_since = began = time.monotonic()
            seat.holds = one
            if self._closed:  # close() looked at the seats after it had said so: one of us sees it
                return
            try:
                end = execute(
                    one,
                    registry=registry,
                    serializer=serializer,
                    describe=self._engine.printing.describe,
                )
            except BaseException as error:  # noqa: BLE001 - a thread lives on
                logger.error(  # noqa: TRY400 - a traceback would show what the task's values say
                    "invocation.uncarriable: %s",
                    type(error).__qualname__,
                    extra={"invocation_id": one.invocation_id, "task_id": one.task_id},
                )
                end = _uncarriable(one, error, serializer)
            if not self._closed:
                self._done(end)
            self._pace.saw(time.monotonic() - began)
            seat.holds = None
            seat.done += 1
            if self._held() <= self._low_water:
                self._freed()


def _uncarriable(claimed: Claimed, error: BaseException, serializer: BaseSerializer) -> Ending:
    """The end of a task whose own exception breaks what would carry it: a thread lives on."""
    failure = TaskFailedError(
        type(error).__qualname__, "the task failed, and its exception could not be carried"
    )
    failed = encode_exception(failure, serializer)
    return Ending(claimed.invocation_id, claimed.lease, InvocationStatus.FAILED, failed)

"""Executes each invocation in a process, one at a time.

A task that waits for others keeps its process, whose stack it is on, but not its place: that goes
to another process, and when the wait is over the first one asks for a place again.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections import deque
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from pynenc_pg.domain.ids import RunnerId
from pynenc_pg.domain.records import Hold
from pynenc_pg.engine.execute import give_up
from pynenc_pg.engine.stops import Stop
from pynenc_pg.engine.verdicts import never_begun
from pynenc_pg.exceptions import ConfigError, PynencError
from pynenc_pg.runner.child import Scene
from pynenc_pg.runner.executor import Executor, Parts, take_out
from pynenc_pg.runner.process_pool import Child, ProcessPool
from pynenc_pg.runner.tally import outcome_of
from pynenc_pg.runner.task_process import (
    Begin,
    Done,
    Enter,
    Granted,
    Leave,
    Limited,
    MayWait,
    StopNow,
)

if TYPE_CHECKING:
    from pynenc_pg.domain.ids import InvocationId
    from pynenc_pg.domain.records import Claimed, End
    from pynenc_pg.runner.alarms import Alarm

logger = logging.getLogger(__name__)


class _Attempt:
    """What a process executes, if it may have to be stopped."""

    __slots__ = ("_processes", "alarm", "child", "claimed", "error")

    def __init__(self, processes: Processes, child: Child, claimed: Claimed) -> None:
        self._processes = processes
        self.child = child
        self.claimed = claimed
        self.alarm: Alarm | None = None
        self.error: BaseException | None = None  # what it was killed for

    @property
    def over(self) -> bool:
        """Whether the process has nothing more to do with it."""
        return self.child.claimed is not self.claimed

    @property
    def asked(self) -> bool:
        """Whether it was told to stop."""
        return self.error is not None

    def ask(self, error: BaseException, *, at_once: bool) -> None:  # noqa: ARG002 - it can be had
        """Have it stop with this error: what it executes is interrupted."""
        self.error = error
        self._processes.ask(self, error)

    def give_up(self) -> bool:
        """Kill it; not while it waits for others or a place: it is about to hear of that."""
        if not self.over and self.child.waiting:
            return False
        self._processes.kill(self)
        return True


class Processes(Executor):
    """A fixed number of places, a process for each, and as many more as wait without a place."""

    #: How many invocations a process executes; 0: as the configuration says.
    tasks_per_child: ClassVar[int] = 0

    def __init__(self, **parts: Unpack[Parts]) -> None:
        """Take the parts; see ``Executor``."""
        super().__init__(**parts)
        conf = parts["conf"]
        self._crashed = parts["crashed"]
        self._most_tasks = self.tasks_per_child or conf.max_tasks_per_child or 0
        self._most_memory = (conf.max_memory_per_child or 0) * 2**20
        self._most_waiting = conf.max_waiting_processes
        self._lock = threading.Lock()  # of what other threads look at
        self._numbers = count()
        self._ready: list[tuple[int, int, Claimed]] = []  # a heap: deepest first, then as claimed
        self._returning: deque[Child] = deque()
        self._placed = 0
        self._folder = self.engine.payloads.shared_folder()
        self._pool = ProcessPool(
            Scene.here(self.engine.address(), self._folder),
            fork=conf.start_method == "fork",
            places=self.places,
            heard=self._heard,
            lost=self._lost,
            learned=self.engine.known.replace,
        )

    def start(self) -> None:
        """Start the processes; returns when the app has been imported for them.

        Raises:
            ConfigError: it cannot be imported.
        """
        failure = self._pool.start()
        if failure:
            message = f"a process for tasks cannot import the app: {failure}"
            raise ConfigError(message)

    def hand_out(self, claimed: list[Claimed]) -> None:
        """Give begun invocations to the processes."""
        with self._lock:
            for one in claimed:
                heappush(self._ready, (-one.depth, next(self._numbers), one))
        self._pool.order(self._fill)

    def held(self) -> int:
        """How many were handed out and have not ended."""
        with self._lock:
            return len(self._ready) + sum(c.claimed is not None for c in self._pool.all())

    def waiting(self) -> int:
        """How many of them wait for others, without a place."""
        with self._lock:
            return sum(child.waiting for child in self._pool.all())

    def only_waiting(self) -> bool:
        """Whether all that has not ended waits for others, and no wait is over."""
        return super().only_waiting() and not self._returning

    def stuck_for(self) -> float:
        """Seconds for which every place has been taken by one task while others wait for one."""
        with self._lock:
            since = [child.began for child in self._pool.all() if child.placed]
            stuck = self._ready and len(since) >= self.places
            return time.monotonic() - max(since) if stuck else 0.0

    def take_back(self) -> list[Claimed]:
        """Return what has no place yet."""
        with self._lock:
            back = [one for _, _, one in sorted(self._ready)]
            self._ready.clear()
            return back

    def reload(self) -> bool:
        """Import the app anew; what runs goes on with the code it began with."""
        self._pool.renew()
        return True

    def close(self) -> list[Claimed]:
        """End all processes, with what they execute, which is given back."""
        self.closed = True
        self.alarms.close()
        with self._lock:
            held = [c.claimed for c in self._pool.all() if c.claimed is not None]
        self._pool.close()
        if self._folder is not None:
            self._folder.close()
        return held

    def cancel(self, invocation_id: InvocationId) -> None:
        """Interrupt what its process executes; what has none never begins."""
        with self._lock:
            if one := take_out(self._ready, invocation_id):
                self.done(never_begun(one, self.engine.serializer))
            children = self._pool.all()
        for child in children:
            one = child.claimed
            if one is not None and one.invocation_id == invocation_id:
                attempt = self._attempt(child, one)
                self.limits.cancel(attempt)
                self.limits.insist(attempt)

    def ask(self, attempt: _Attempt, error: BaseException) -> None:
        """Tell the process. Any thread."""
        self._pool.order(lambda: self._ask(attempt, error))

    def kill(self, attempt: _Attempt) -> None:
        """End the process with what it executes. Any thread."""
        self._pool.order(lambda: self._kill(attempt))

    # --- the thread of the pool --------------------------------------------------------------

    def _fill(self) -> None:
        """Give the free places away. Those that come back are served before new work."""
        with self._lock:
            while self._placed < self.places:
                if self._returning:
                    self._go_back(self._returning.popleft())
                elif self._ready and self._pool.idle:
                    child = self._pool.idle.pop()  # others may have rested long enough to go
                    child.claimed = heappop(self._ready)[2]
                    child.began, child.waited = time.monotonic(), 0.0
                    self._place(child, Begin(child.claimed, self.runner))
                else:
                    return

    def _place(self, child: Child, message: object) -> None:
        child.placed = True
        self._placed += 1
        child.tell(message)

    def _unplace(self, child: Child) -> None:
        with self._lock:
            self._placed -= child.placed
            child.placed = False

    def _heard(self, child: Child, message: Any) -> None:
        match message:
            case Done(end, memory):
                if not self.closed:
                    self.done(end)  # first: once nothing is held, nobody waits for it
                self._over(child, memory, end)
            case Limited(seconds):
                if child.claimed is not None:
                    self.limits.watch(self._attempt(child, child.claimed), seconds)
            case MayWait():
                child.tell(Granted(self._refusal()))
            case Leave():
                child.left_at = time.monotonic()
                self._unplace(child)
                self.freed()
            case Enter():
                self._returning.append(child)
                self._hurry(child)
        self._fill()

    def _attempt(self, child: Child, claimed: Claimed) -> _Attempt:
        attempt = child.attempt
        if not isinstance(attempt, _Attempt) or attempt.claimed is not claimed:
            attempt = child.attempt = _Attempt(self, child, claimed)
        return attempt

    def _ask(self, attempt: _Attempt, error: BaseException) -> None:
        if not attempt.over:
            attempt.child.tell(StopNow(attempt.claimed.invocation_id, error))
            self._hurry(attempt.child)

    def _hurry(self, child: Child) -> None:
        """One that has to stop does not wait for a place: it is soon over."""
        if child.attempt is not None and child.attempt.asked and child in self._returning:
            self._returning.remove(child)
            with self._lock:
                self._go_back(child)

    def _go_back(self, child: Child) -> None:
        child.waited += time.monotonic() - child.left_at
        self._place(child, Granted())

    def _kill(self, attempt: _Attempt) -> None:
        if not attempt.over and attempt.child.pid:
            self.report_abandoned(attempt.claimed)
            with suppress(ProcessLookupError):
                os.kill(attempt.child.pid, signal.SIGKILL)

    def _killed(self, attempt: _Attempt) -> None:
        """It did not listen."""
        one, stop = attempt.claimed, Stop()
        stop.error = attempt.error
        if attempt.child.waited:  # it may not have heard that it was RESUMED
            with suppress(PynencError):
                hold = Hold(one.invocation_id, one.lease)
                self.engine.store.orchestrator.resume(RunnerId(self.runner.runner_id), [hold])
        self.done(end := give_up(one, stop=stop, hooks=False, **self.common))
        if self.tally is not None:
            self.tally.saw(one, outcome_of(end))

    def _over(self, child: Child, memory: int, end: End) -> None:
        if child.attempt is not None:
            self.limits.settle(child.attempt)
            child.attempt = None
        self.pace.saw(took := time.monotonic() - child.began - child.waited)
        if self.tally is not None and child.claimed is not None:
            self.tally.saw(child.claimed, outcome_of(end), took)
        self._unplace(child)
        with self._lock:
            child.claimed = None
        child.count += 1
        grown = 0 < self._most_memory < memory
        self._pool.rest(child, worn=grown or child.count == self._most_tasks)
        if self.held() - self.waiting() <= self.low_water:
            self.freed()

    def _refusal(self) -> str:
        waiting = self.waiting()
        if waiting < self._most_waiting:
            return ""
        return (
            f"{waiting} tasks of this runner wait for others, each with a process of its own: "
            "raise runner.max_waiting_processes, or let a ThreadRunner or an AsyncRunner execute "
            "them"
        )

    def _lost(self, child: Child, how: str) -> None:
        """Report what it was executing when it died."""
        with suppress(ValueError):
            self._returning.remove(child)
        self._unplace(child)
        one = child.claimed
        if one is None:
            logger.warning("process.died: %d, %s, while it was idle", child.pid, how)
            return
        self._report(child, one, how)
        with self._lock:
            child.claimed = None
        self._fill()
        self.freed()

    def _report(self, child: Child, one: Claimed, how: str) -> None:
        attempt = child.attempt
        if isinstance(attempt, _Attempt):
            self.limits.settle(attempt)
        if self.closed:
            return
        if isinstance(attempt, _Attempt) and attempt.error is not None:
            self._killed(attempt)
            return
        about = {"invocation_id": one.invocation_id, "task_id": one.task_id}
        logger.error("process.died: %d, %s, executing %s", child.pid, how, one.task_id, extra=about)
        self._crashed(one)
        if self.tally is not None:
            self.tally.saw(one, "crashed")

"""Executes each invocation in a process, one at a time.

A task that waits for others keeps its process, whose stack it is on, but not its place: that goes
to another process, and when the wait is over the first one asks for a place again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from pynenc_pg.exceptions import ConfigError
from pynenc_pg.runner.child import Scene
from pynenc_pg.runner.executor import Executor, Parts
from pynenc_pg.runner.process_pool import Child, ProcessPool
from pynenc_pg.runner.task_process import Begin, Done, Enter, Granted, Leave, MayWait

if TYPE_CHECKING:
    from pynenc_pg.domain.records import Claimed

logger = logging.getLogger(__name__)


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
        with self._lock:
            held = [c.claimed for c in self._pool.all() if c.claimed is not None]
        self._pool.close()
        if self._folder is not None:
            self._folder.close()
        return held

    # --- the thread of the pool --------------------------------------------------------------

    def _fill(self) -> None:
        """Give the free places away. Those that come back are served before new work."""
        with self._lock:
            while self._placed < self.places:
                if self._returning:
                    child = self._returning.popleft()
                    child.waited += time.monotonic() - child.left_at
                    self._place(child, Granted())
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
                self._over(child, memory)
            case MayWait():
                child.tell(Granted(self._refusal()))
            case Leave():
                child.left_at = time.monotonic()
                self._unplace(child)
                self.freed()
            case Enter():
                self._returning.append(child)
        self._fill()

    def _over(self, child: Child, memory: int) -> None:
        self.pace.saw(time.monotonic() - child.began - child.waited)
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
        about = {"invocation_id": one.invocation_id, "task_id": one.task_id}
        logger.error("process.died: %d, %s, executing %s", child.pid, how, one.task_id, extra=about)
        if not self.closed:
            self._crashed(one)
        with self._lock:
            child.claimed = None
        self._fill()
        self.freed()

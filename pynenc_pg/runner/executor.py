"""What executes the work that a runner has begun."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from heapq import heapify
from typing import TypedDict, Unpack

from pynenc_pg.conf.config_runner import RunnerConf
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Claimed, End
from pynenc_pg.domain.runner_context import RunnerContext
from pynenc_pg.engine.core import Engine
from pynenc_pg.engine.payloads import Payloads
from pynenc_pg.engine.registry import Registry
from pynenc_pg.engine.verdicts import Describe
from pynenc_pg.runner.alarms import Alarms
from pynenc_pg.runner.limits import Limits
from pynenc_pg.runner.pace import Pace
from pynenc_pg.runner.tally import Tally
from pynenc_pg.serializer.base import BaseSerializer

logger = logging.getLogger(__name__)


class Parts(TypedDict):
    """What an executor is made of."""

    engine: Engine
    conf: RunnerConf
    runner: RunnerContext
    done: Callable[[End], None]  # takes each end
    freed: Callable[[], None]  # called when there is room for new work again
    crashed: Callable[[Claimed], None]  # told of what took a process down
    tally: Tally | None  # counts attempts


class Common(TypedDict):
    """What each execution is given."""

    registry: Registry
    serializer: BaseSerializer
    describe: Describe
    runner: RunnerContext
    payloads: Payloads


class Executor(ABC):
    """Has ``concurrency`` places. A task that waits for others gives its place up meanwhile."""

    def __init__(self, **parts: Unpack[Parts]) -> None:
        """Take the parts; nothing is started."""
        conf = parts["conf"]
        self.engine = parts["engine"]
        self.runner = parts["runner"]
        self.done = parts["done"]
        self.freed = parts["freed"]
        self.tally = parts["tally"]
        self.alarms = Alarms()
        self.limits = Limits(self.alarms, self.engine.registry)
        self.common: Common = {
            "registry": self.engine.registry,
            "serializer": self.engine.serializer,
            "describe": self.engine.printing.describe,
            "runner": self.runner,
            "payloads": self.engine.payloads,
        }
        self.places = conf.concurrency
        self.max_waiting = conf.max_waiting_threads
        self.pace = Pace(slots=conf.concurrency, buffer=conf.buffer, batch=conf.batch)
        self.low_water = 0
        self.closed = False

    def room(self) -> int:
        """How many invocations may be claimed now.

        Nothing while more than half of what may be held still waits for a place: a few large
        claims are cheaper than many small ones.
        """
        capacity, active = self.pace.capacity, self.held() - self.waiting()
        self.low_water = max(self.places - 1, capacity // 2)
        return capacity - active if active <= self.low_water else 0

    def busy(self) -> bool:
        """Whether anything that was handed out has not ended."""
        return self.held() > 0

    def only_waiting(self) -> bool:
        """Whether all that has not ended waits for others."""
        return self.held() == self.waiting()

    def reload(self) -> bool:
        """Let new code execute what is handed out from now on; False if this process cannot."""
        return False

    @staticmethod
    def report_abandoned(claimed: Claimed) -> None:
        """Say that a task runs on, and that nobody listens to it any more."""
        logger.error(
            "task.abandoned: %s did not stop when its attempt had to, and runs on unheard",
            claimed.task_id,
            extra={"invocation_id": claimed.invocation_id, "task_id": claimed.task_id},
        )

    @abstractmethod
    def cancel(self, invocation_id: InvocationId) -> None:
        """Have an invocation stop that is executed here, or will be. Any thread."""

    @abstractmethod
    def start(self) -> None:
        """Start what executes. It never keeps the process alive."""

    @abstractmethod
    def hand_out(self, claimed: list[Claimed]) -> None:
        """Execute these, as places become free; the deepest calls of tasks first."""

    @abstractmethod
    def held(self) -> int:
        """How many were handed out and have not ended."""

    @abstractmethod
    def waiting(self) -> int:
        """How many of them wait for others, without a place."""

    @abstractmethod
    def stuck_for(self) -> float:
        """Seconds for which every place has been taken by one task while others wait for one."""

    @abstractmethod
    def take_back(self) -> list[Claimed]:
        """Return what has no place yet; it is not executed."""

    @abstractmethod
    def close(self) -> list[Claimed]:
        """Stop; return what is being executed or waits. Their ends are dropped."""


Ready = tuple[int, int, Claimed]  # minus its depth, a number, what it is


def take_out(ready: list[Ready], invocation_id: InvocationId) -> Claimed | None:
    """Remove an invocation from a heap of those that have no place yet."""
    for entry in ready:
        if entry[2].invocation_id == invocation_id:
            ready.remove(entry)
            heapify(ready)
            return entry[2]
    return None

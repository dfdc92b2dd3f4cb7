"""A process that executes invocations, one after the other; its runner is its parent.

The parent claims, keeps the lease alive and writes the ends. Here are the task itself and its
waits for others, which go to the store from here.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import threading
from contextvars import Context
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Claimed, End, Hold
from pynenc_pg.domain.runner_context import RunnerContext
from pynenc_pg.engine.execute import execute
from pynenc_pg.engine.pauses import Pauses
from pynenc_pg.engine.stops import InterruptingStop
from pynenc_pg.engine.verdicts import time_limit, uncarriable
from pynenc_pg.exceptions import TooManyWaitingError
from pynenc_pg.runner.child import Link, Scene, leave

# --- what the two say to each other -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """To the child: execute this."""

    claimed: Claimed
    runner: RunnerContext


@dataclass(frozen=True, slots=True)
class Granted:
    """To the child: what it has asked for, unless there is a reason against it."""

    refusal: str = ""


@dataclass(frozen=True, slots=True)
class StopNow:
    """To the child: end what you execute, with this error."""

    invocation_id: InvocationId
    error: BaseException


@dataclass(frozen=True, slots=True)
class Limited:
    """To the parent: what is begun may take so many seconds. ``StopNow`` comes after them."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ready:
    """To the parent: here is who."""

    pid: int


@dataclass(frozen=True, slots=True)
class MayWait:
    """To the parent: may one more wait? ``Granted`` answers."""


@dataclass(frozen=True, slots=True)
class Leave:
    """To the parent: it waits for others, its place is free."""


@dataclass(frozen=True, slots=True)
class Enter:
    """To the parent: it wants a place again. ``Granted`` answers."""


@dataclass(frozen=True, slots=True)
class Done:
    """To the parent: the attempt is over. ``memory``: bytes that the process occupies now."""

    end: End
    memory: int


#: Ignored where nobody asks for it, and used by next to nobody.
INTERRUPT = signal.SIGURG

# --- the child --------------------------------------------------------------------------------


class _Place:
    """Asks the parent for what a waiting task needs."""

    abandoned = False  # who is given back is killed

    def __init__(self, process: TaskProcess) -> None:
        self._process = process

    def check(self) -> None:
        """Refuse a wait that the runner has no room for."""
        refusal = self._process.ask(MayWait()).refusal
        if refusal:
            raise TooManyWaitingError(refusal)

    def may_block(self) -> None:
        """Nobody else is here."""

    def leave(self) -> None:
        """Give the place to another process."""
        self._process.tell(Leave())

    def enter(self) -> None:
        """Wait until there is a place."""
        self._process.ask(Enter())

    async def enter_async(self) -> None:
        """Wait until there is a place; the task's loop goes on."""
        await asyncio.to_thread(self.enter)


class SignalStop(InterruptingStop):
    """Interrupts the main thread, also where it waits in a call of C."""

    __slots__ = ("_raised",)

    def __init__(self) -> None:
        """Nothing is asked."""
        super().__init__()
        self._raised: BaseException | None = None

    def check(self) -> None:
        """Raise it once: a signal that is on its way would come while the task cleans up."""
        try:
            super().check()
        except BaseException:
            if threading.current_thread() is threading.main_thread():
                self._raised = self.error
            raise

    def heed(self, _number: int, _frame: object) -> None:
        """The signal has come, to the main thread. No lock: that thread may be holding it."""
        if not self._shields and self._raised is not self.error:
            self.check()

    def _raise(self, error: BaseException | None) -> None:
        if error is not None:  # else the signal finds the shield
            signal.pthread_kill(threading.main_thread().ident or 0, INTERRUPT)


class TaskProcess:
    """What executes. Tasks run in the main thread, as they would in a program of their own."""

    def __init__(self, app: Any) -> None:
        """Take the app."""
        self._engine = app.engine
        self._inbox: SimpleQueue[Begin | None] = SimpleQueue()
        self._answers: SimpleQueue[Granted] = SimpleQueue()
        self._current: tuple[InvocationId, SignalStop] | None = None
        self._asking = threading.Lock()
        self._telling = threading.Lock()

    def run(self, link: Link) -> None:
        """Execute what comes over the link, until it ends."""
        self._link = link
        threading.Thread(target=self._listen, name="pynenc-link", daemon=True).start()
        try:
            self.tell(Ready(os.getpid()))
        except ConnectionError:  # the runner has stopped before we were up
            return
        while (begin := self._inbox.get()) is not None:
            self.tell(Done(self._execute(begin), memory_used()))
        self._engine.close()

    def tell(self, message: object) -> None:
        """Say something to the parent; any thread."""
        with self._telling:
            self._link.send(message)

    def ask(self, question: object) -> Granted:
        """Ask the parent and wait for its answer; any thread."""
        with self._asking:
            self.tell(question)
            return self._answers.get()

    def _listen(self) -> None:
        try:
            while (message := self._link.recv()) is not None:
                if isinstance(message, Begin):
                    self._inbox.put(message)
                elif isinstance(message, StopNow):
                    self._stop(message)
                else:
                    self._answers.put(message)
        except (EOFError, OSError):
            os.kill(os.getpid(), signal.SIGKILL)  # the parent is gone: nobody wants the end
        self._inbox.put(None)

    def _stop(self, asked: StopNow) -> None:
        current = self._current
        if current is not None and current[0] == asked.invocation_id:
            _, stop = current
            stop.ask(asked.error, at_once=True)
            self._pauses.call_off()

    def _execute(self, begin: Begin) -> End:
        claimed, engine = begin.claimed, self._engine
        stop = SignalStop()
        signal.signal(INTERRUPT, stop.heed)
        self._pauses = Pauses(
            orchestrator=engine.store.orchestrator,
            runner_id=begin.runner.runner_id,
            hold=Hold(claimed.invocation_id, claimed.lease),
            place=_Place(self),
            stop=stop,
        )
        self._current = claimed.invocation_id, stop
        task = engine.registry.find(claimed.task_id)
        limit = None if task is None else time_limit(claimed, task)
        if limit is not None:
            self.tell(Limited(limit))
        try:
            return Context().run(
                execute,
                claimed,
                registry=engine.registry,
                serializer=engine.serializer,
                describe=engine.printing.describe,
                stop=stop,
                pauses=self._pauses,
                runner=replace(begin.runner, pid=os.getpid()),
                payloads=engine.payloads,
            )
        except BaseException as error:  # noqa: BLE001 - the parent must be told something
            stop.over()
            return uncarriable(claimed, error, engine.serializer)


@dataclass(frozen=True, slots=True)
class Lone:
    """The role of one that was not forked."""

    scene: Scene

    def run(self, link: Link) -> None:
        """Import the app, then execute."""
        TaskProcess(self.scene.load()).run(link)
        leave()


def memory_used() -> int:
    """Return how many bytes of memory this process occupies; its greatest extent off Linux."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * resource.getpagesize()

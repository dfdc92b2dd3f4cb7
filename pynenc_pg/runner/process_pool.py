"""The processes of a runner: that there are enough of them, and what becomes of each.

One thread looks after them all. It must live as long as they do: on Linux they die with it.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from pynenc_pg.runner.child import Link, Scene
from pynenc_pg.runner.process_source import ProcessSource
from pynenc_pg.runner.task_process import Ready

if TYPE_CHECKING:
    from pynenc_pg.domain.known import KnownTask
    from pynenc_pg.domain.records import Claimed

logger = logging.getLogger(__name__)

#: Seconds for which a process beyond the places stays, in case another task is to wait.
_REST = 5.0
#: Seconds that are waited for the exit code of a process that has died.
_LAST_WORDS = 1.0


class Child:
    """One process, as its parent knows it."""

    __slots__ = (
        "attempt", "began", "claimed", "count", "former", "left_at", "link", "pid", "placed",
        "since", "waited",
    )  # fmt: skip

    def __init__(self, link: Link) -> None:
        """It has been ordered, and has said nothing so far."""
        self.link = link
        self.pid = 0  # until it says so
        self.former = False  # has imported code that is no longer the newest
        self.since = 0.0  # when it began to rest, or died
        self.claimed: Claimed | None = None
        self.attempt: Any = None  # of its executor
        self.placed = False
        self.count = 0  # invocations executed
        self.began = self.left_at = self.waited = 0.0

    @property
    def waiting(self) -> bool:
        """It executes a task that waits for others."""
        return self.claimed is not None and not self.placed

    def tell(self, message: object) -> None:
        """Say something to it, unless it has died: that is about to be heard."""
        with suppress(OSError):
            self.link.send(message)


class ProcessPool:
    """Keeps a process for each place, beside those that wait."""

    def __init__(
        self,
        scene: Scene,
        *,
        fork: bool,
        places: int,
        heard: Callable[[Child, Any], None],
        lost: Callable[[Child, str], None],
        learned: Callable[[list[KnownTask]], None],
    ) -> None:
        """``heard`` is told what one says, ``lost`` of its death and how; both by the thread.

        ``learned`` is told which tasks the code knows that they execute.
        """
        self.idle: deque[Child] = deque()  # used by the thread alone; who rests longest comes first
        self._places = places
        self._heard = heard
        self._lost = lost
        self._learned = learned
        self._children: dict[int, Child] = {}  # by the descriptor of the link
        self._dying: dict[int, Child] = {}  # by pid: the link has ended, the exit code is to come
        self._changing = threading.Lock()  # of these two
        self._orders: deque[Callable[[], None]] = deque()
        self._bell: socket.socket | None = None
        self._closed = False
        self._scene = scene
        self._fork = fork
        self._thread = threading.Thread(target=self._run, name="pynenc-processes", daemon=True)

    def start(self) -> str:
        """Import the app where children come from; return why that failed."""
        self._selector = selectors.DefaultSelector()
        self._alarm, self._bell = socket.socketpair()
        self._alarm.settimeout(0)
        self._bell.settimeout(0)
        self._source = ProcessSource(
            self._scene,
            fork=self._fork,
            selector=self._selector,
            ended=self._ended,
            renewed=self._renewed,
            learned=self._learned,
        )
        self._thread.start()
        self._source.up.wait()
        return self._source.failure

    def order(self, what: Callable[[], None]) -> None:
        """Have something done by the thread. Any thread."""
        self._orders.append(what)
        if self._bell is not None:
            with suppress(OSError):
                self._bell.send(b"!")

    def renew(self) -> None:
        """Import the app anew; what is executed goes on with the code it began with. Any thread."""
        self.order(self._source.start)

    def all(self) -> list[Child]:
        """Return those there are, and those whose death was not yet reported. Any thread."""
        with self._changing:
            return [*self._children.values(), *self._dying.values()]

    def rest(self, child: Child, *, worn: bool = False) -> None:
        """It has nothing to do: it stays, unless it is worn out or has former code."""
        if worn or child.former:
            self._dismiss(child)
        else:
            child.since = time.monotonic()
            self.idle.append(child)

    def close(self) -> None:
        """Kill them all. Any other thread."""
        self._closed = True
        self.order(lambda: None)
        if self._thread.ident is not None:
            self._thread.join()

    # --- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        self._selector.register(self._alarm, selectors.EVENT_READ, self._heed)
        self._source.start()
        while not self._closed:
            try:
                waits = (self._source.wait(), self._surplus(), self._overdue())
                timeout = min((each for each in waits if each is not None), default=None)
                for key, _ in self._selector.select(timeout):
                    key.data()
                self._populate()
            except Exception:
                logger.exception("process.trouble: it goes on")
                time.sleep(0.1)
        self._end()

    def _heed(self) -> None:
        with suppress(BlockingIOError):
            while self._alarm.recv(64):
                pass
        while self._orders:
            self._orders.popleft()()

    def _populate(self) -> None:
        for _ in range(self._places - self._not_waiting()):
            link = self._source.make()
            if link is None:
                return
            child = Child(link)
            with self._changing:
                self._children[link.fileno()] = child
            self._selector.register(link, selectors.EVENT_READ, partial(self._hear, child))

    def _not_waiting(self) -> int:
        return sum(not child.waiting for child in self._children.values())

    def _hear(self, child: Child) -> None:
        try:
            message = child.link.recv()
        except (EOFError, OSError):
            self._hang_up(child)
            return
        if isinstance(message, Ready):
            child.pid = message.pid
            self._source.alive()
            self.rest(child)
        self._heard(child, message)

    # --- the end of one -----------------------------------------------------------------------

    def _surplus(self) -> float | None:
        """Dismiss those beyond the places that had nothing to do for a while.

        Return the seconds until the next one may have to go; ``None`` if there are not too many.
        """
        while self._not_waiting() > self._places:
            left = self.idle[0].since + _REST - time.monotonic() if self.idle else _REST
            if left > 0:
                return left
            self._dismiss(self.idle.popleft())
        return None

    def _renewed(self) -> None:
        """There is newer code: who is idle goes at once, the others after what they execute."""
        for child in self._children.values():
            child.former = True
        while self.idle:
            self._dismiss(self.idle.popleft())

    def _dismiss(self, child: Child) -> None:
        self._forget(child)
        child.tell(None)
        child.link.close()
        self._source.let_go(child.link)

    def _forget(self, child: Child) -> None:
        self._selector.unregister(child.link)
        with self._changing:
            del self._children[child.link.fileno()]

    def _hang_up(self, child: Child) -> None:
        """The link has ended, and so does the process: nobody hears it any more."""
        with suppress(ValueError):
            self.idle.remove(child)
        child.since = time.monotonic()
        if child.pid:
            with self._changing:
                self._dying[child.pid] = child
        self._forget(child)
        code = self._source.bury(child.link)
        child.link.close()
        if not child.pid:
            self._source.stillborn()
        elif code is not None:
            self._bury(child, _how(code))
        else:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)

    def _ended(self, pid: int, code: int) -> None:
        # The link of one that a task has forked goes on where its process has ended.
        for child in [each for each in self._children.values() if each.pid == pid]:
            while child.link.fileno() in self._children and child.link.poll(0):
                self._hear(child)  # its last words
            if pid not in self._dying:
                self._hang_up(child)
        if pid in self._dying:
            self._bury(self._dying[pid], _how(code))

    def _overdue(self) -> float | None:
        """Give up waiting for exit codes: who could tell them may have died, too."""
        for child in list(self._dying.values()):
            left = child.since + _LAST_WORDS - time.monotonic()
            if left > 0:
                return left
            self._bury(child, "nobody knows how")
        return None

    def _bury(self, child: Child, how: str) -> None:
        self._lost(child, how)
        with self._changing:
            del self._dying[child.pid]

    def _end(self) -> None:
        for child in self.all():
            if child.pid:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)
            child.link.close()
        self._source.close()
        self._selector.close()
        for end in (self._alarm, self._bell):
            if end is not None:
                end.close()


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"

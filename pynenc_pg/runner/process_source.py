"""Where the processes of a runner come from: forked by a server, or fresh interpreters."""

from __future__ import annotations

import logging
import selectors
import subprocess
import threading
from collections.abc import Callable

from pynenc_pg.domain.known import KnownTask
from pynenc_pg.runner.backoff import Backoff
from pynenc_pg.runner.child import Link, Scene, spawn
from pynenc_pg.runner.fork_server import ForkServer, known_in
from pynenc_pg.runner.task_process import Lone

logger = logging.getLogger(__name__)


class ProcessSource:
    """Used by one thread, which must live as long as the children."""

    def __init__(
        self,
        scene: Scene,
        *,
        fork: bool,
        selector: selectors.BaseSelector,
        ended: Callable[[int, int], None],
        renewed: Callable[[], None],
        learned: Callable[[list[KnownTask]], None],
    ) -> None:
        """``ended`` is told pid and exit code of what was forked, ``renewed`` of new code.

        ``learned`` is told which tasks the code that was imported knows.
        """
        self.up = threading.Event()
        self.failure = ""  # why it cannot be, once that is known
        self._scene = scene
        self._fork = fork
        self._selector = selector
        self._ended = ended
        self._renewed = renewed
        self._learned = learned
        self._knows: list[KnownTask] | None = None  # the code of the server that is coming
        self._backoff = Backoff()
        self._server: ForkServer | None = None  # the one to fork from
        self._coming: ForkServer | None = None  # imports the app; the other one serves meanwhile
        self._servers: set[ForkServer] = set()  # those two, and former ones that have children
        self._fresh: dict[Link, subprocess.Popen[bytes]] = {}
        self._leaving: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Begin to import the app, anew if it was imported before."""
        if not self._fork:
            self.up.set()
            self._renewed()
        elif self._coming is None:
            self._coming = ForkServer(self._scene)
            self._watch(self._coming)

    def make(self) -> Link | None:
        """Start a child; ``None``: not now, ``wait`` says when."""
        if self._backoff.left():
            return None
        if not self._fork:
            process, link = spawn(Lone(self._scene))
            self._fresh[link] = process
            return link
        if self._server is None:
            if self.up.is_set():
                self.start()
            return None
        try:
            return self._server.order()
        except OSError:  # it has died: its end is about to be read
            return None

    def wait(self) -> float | None:
        """Seconds until a child may be started; ``None``: one may be."""
        return self._backoff.left() or None

    def stillborn(self) -> None:
        """A child has died before it could say a word."""
        pause = self._backoff.failed()
        logger.error("process.stillborn: another one is started in %.1f s", pause)

    def alive(self) -> None:
        """A child has said that it is there."""
        self._backoff.fine()

    def bury(self, link: Link) -> int | None:
        """Return the exit code of a fresh interpreter whose link has ended; it is killed."""
        process = self._fresh.pop(link, None)
        if process is None:
            return None
        process.kill()
        return process.wait()

    def let_go(self, link: Link) -> None:
        """A child ends by itself."""
        process = self._fresh.pop(link, None)
        self._leaving = [one for one in self._leaving if one.poll() is None]
        if process is not None:
            self._leaving.append(process)

    def close(self) -> None:
        """End what forks, and fresh interpreters."""
        for server in list(self._servers):
            self._drop(server)
        self._server = self._coming = None
        for process in (*self._fresh.values(), *self._leaving):
            process.kill()
            process.wait()

    # --- the server that forks ----------------------------------------------------------------

    def _watch(self, server: ForkServer) -> None:
        self._servers.add(server)
        self._selector.register(server, selectors.EVENT_READ, lambda: self._heed(server))

    def _drop(self, server: ForkServer) -> int:
        self._servers.discard(server)
        self._selector.unregister(server)
        return server.close()

    def _heed(self, server: ForkServer) -> None:
        lines = server.read()
        for word, *rest in lines or ():
            if word == "ended":
                self._ended(int(rest[0]), int(rest[1]))
            elif word == "tasks":
                self._knows = known_in(rest[0])
            elif word == "ready":
                self._ready(server, threads=int(rest[0]))
            else:
                self.failure = " ".join(rest)
        if lines is None:
            self._lost(server)

    def _ready(self, server: ForkServer, *, threads: int) -> None:
        former, self._server, self._coming = self._server, server, None
        self.failure = ""
        if threads:
            logger.warning(
                "process.threads: importing the app starts %d threads, which a fork would lose: "
                "each process imports it anew instead, which is slow; start them in a task, or set "
                "runner.start_method to spawn to make this line go away",
                threads,
            )
            self._fork = False
            self._drop(server)
            self._server = None
        if former is not None:
            former.retire()
            logger.info("process.renewed: new processes have the new code")
        self.up.set()
        self._renewed()
        if self._knows is not None:  # not before: whoever has the former code would get them
            self._learned(self._knows)

    def _lost(self, server: ForkServer) -> None:
        code = self._drop(server)
        if server is self._server:
            self._server = None
            pause = self._backoff.failed()
            logger.error(
                "process.fork_server_died: exit code %d; another one is started in %.1f s",
                code,
                pause,
            )
        elif server is self._coming:
            self._coming = None
            why = self.failure or f"exit code {code}"
            if self._server is not None:
                logger.error("reload.failed: %s; the former code goes on", why)
            elif self.up.is_set():
                pause = self._backoff.failed()
                logger.error("process.fork_server_failed: %s; again in %.1f s", why, pause)
            self.failure = why
            self.up.set()

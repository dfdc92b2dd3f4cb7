"""Several processes with threads each, as many as the work needs; one parent looks after them."""

from __future__ import annotations

import logging
import selectors
import socket
import subprocess
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from pynenc_pg.exceptions import PynencError
from pynenc_pg.runner.backoff import Backoff
from pynenc_pg.runner.base import BaseRunner
from pynenc_pg.runner.child import Link, Scene, spawn
from pynenc_pg.runner.health import STUCK, Health, Pulse
from pynenc_pg.runner.noise import Noise
from pynenc_pg.runner.runner_process import Failed, RunnerProcess, Stop, Stopped
from pynenc_pg.runner.scale import Scale
from pynenc_pg.runner.tally import Counts

if TYPE_CHECKING:
    from pynenc_pg.conf.config_runner import RunnerConf
    from pynenc_pg.engine.core import Engine

logger = logging.getLogger(__name__)

#: Seconds between two looks at how many processes there should be.
_TURN: Final = 0.5
#: A worker that dies sooner after its start is replaced ever more slowly (seconds).
_SHORT: Final = 5.0
#: Seconds that a worker gets beyond its own time for stopping, before it is killed.
_LENIENCE: Final = 15.0


class _Member:
    """A worker process, as its parent knows it."""

    def __init__(self, process: subprocess.Popen[bytes], link: Link) -> None:
        self.process = process
        self.link = link
        self.health: Health | None = None  # nothing heard so far
        self.started = self.idle_since = time.monotonic()
        self.stopping_since: float | None = None
        self.former = False  # has imported code that is no longer the newest
        self.stopped = False  # has said goodbye

    @property
    def ready(self) -> bool:
        return self.health is not None and self.health.ready

    @property
    def current(self) -> bool:
        """One to count on: newest code, and it is to stay."""
        return not self.former and self.stopping_since is None

    def stop(self, *, at_once: bool = False) -> None:
        """Tell it to."""
        self.stopping_since = self.stopping_since or time.monotonic()
        with suppress(OSError):
            self.link.send(Stop(at_once))


class MultiThreadRunner(BaseRunner):
    """Executes tasks in processes of ``runner.concurrency`` threads.

    There are ``runner.min_processes`` to ``runner.max_processes`` of them, by how much work is
    ready. Each is a runner of its own; one that dies is replaced.
    """

    def __init__(self, *, engine: Engine, conf: RunnerConf) -> None:
        """Take the parts; nothing is started before ``run``."""
        super().__init__(engine=engine, conf=conf)
        self._members: list[_Member] = []
        self._orders: deque[str] = deque()
        self._bell: socket.socket | None = None
        self._bell_lock = threading.Lock()
        self._pulse = Pulse()
        self._stopping = False

    def run(self) -> None:
        """Work until ``stop_runner_loop`` is called."""
        folder = self.engine.payloads.shared_folder()
        self._scene = Scene.here(self.engine.address(), folder)
        self.gave_back = 0
        self._scale = Scale(self.conf)
        self._backoff = Backoff()
        self._noise = Noise(logger)
        self._served = False  # a process has been ready
        alarm, bell = socket.socketpair()
        alarm.settimeout(0)
        with alarm, bell, selectors.DefaultSelector() as self._selector:
            self._selector.register(alarm, selectors.EVENT_READ, partial(_drain, alarm))
            with self._bell_lock:
                self._bell = bell
            try:
                while not self._stopping or self._members:
                    self._turn()
            finally:
                with self._bell_lock:
                    self._bell = None
                for member in list(self._members):
                    member.process.kill()
                    self._bury(member)
                if folder is not None:
                    folder.close()
                self._stopping = False

    def stop_runner_loop(self) -> None:
        """Let all processes finish what they run in its time, and give back the rest."""
        self._order("stop")

    def stop_at_once(self) -> None:
        """Let all processes give back what they run."""
        self._order("at once")

    def reload(self) -> bool:
        """Start processes with the code as it is now; the former ones stop when these work."""
        self._order("reload")
        return True

    def health(self) -> Health:
        """Put together how the processes are."""
        members = [(m.health, m.process.pid) for m in list(self._members)]
        known = [health for health, _ in members if health is not None]
        stuck = self._pulse.age > STUCK
        broken = f"the parent has not turned for {self._pulse.age:.0f} s" if stuck else ""
        dead = [f"process {pid}: {h.reason}" for h, pid in members if h is not None and not h.alive]
        ready = any(health.ready for health in known) and not self._stopping
        waits = "stopping" if self._stopping else "no process is ready"
        beats = [h.since_heartbeat for h in known if h.since_heartbeat is not None]
        return Health(
            alive=not broken and not dead,
            ready=ready,
            reason=broken or "; ".join(dead) or ("" if ready else waits),
            running=sum(health.running for health in known),
            waiting=sum(health.waiting for health in known),
            since_heartbeat=max(beats, default=None),
        )

    def places(self) -> int:
        """How many invocations may run at once, in the processes that there are."""
        return self.conf.concurrency * len(self._members)

    def _order(self, what: str) -> None:
        self._orders.append(what)
        with self._bell_lock, suppress(OSError):
            if self._bell is not None:
                self._bell.send(b"!")

    # --- the thread of run --------------------------------------------------------------------

    def _turn(self) -> None:
        while self._orders:
            self._obey(self._orders.popleft())
        self._pulse.beat()
        if self._stopping:
            self._hurry()
        else:
            self._exchange()
            self._adapt()
            self._populate()
        for key, _ in self._selector.select(min(self._backoff.left() or _TURN, _TURN)):
            key.data()

    def _obey(self, order: str) -> None:
        if order == "reload":
            for member in self._members:
                member.former = True
            self._backoff.fine()
            return
        self._stopping = True
        for member in self._members:
            member.stop(at_once=order == "at once")

    def _hurry(self) -> None:
        """Kill who does not stop in time."""
        patience = self.conf.shutdown_timeout + _LENIENCE
        for member in self._members:
            since = member.stopping_since
            if since is not None and time.monotonic() - since > patience:
                logger.error("worker.killed: %d did not stop in time", member.process.pid)
                member.process.kill()

    def _exchange(self) -> None:
        """Stop those of former code, once those of the newest work."""
        former = [m for m in self._members if m.former and m.stopping_since is None]
        current = [m for m in self._members if m.current]
        if former and len(current) >= self._scale.wanted and all(m.ready for m in current):
            for member in former:
                member.stop()

    def _adapt(self) -> None:
        """Decide how many there should be."""
        current = [m for m in self._members if m.current]
        busy = sum(m.health.running for m in current if m.health is not None)
        if self._scale.is_fixed:
            return
        try:
            ready = self._count_ready() if all(m.ready for m in current) else 0
        except PynencError as error:
            self._noise.warn("scale.blind", error)
            return
        self._noise.over()
        if self._scale.grow(len(current), ready=ready, busy=busy):
            logger.info("scale.grows: to %d processes, %d ready", self._scale.wanted, ready)
        idle = [m for m in current if m.ready and self._scale.is_idle(m.idle_since)]
        if idle and self._scale.shrink(len(current)):
            logger.info("scale.shrinks: to %d processes", self._scale.wanted)
            idle[-1].stop()

    def _count_ready(self) -> int:
        count = self.engine.store.state_backend.count_ready
        return sum(map(count, self.conf.queues)) if self.conf.queues else count()

    def _populate(self) -> None:
        missing = self._scale.wanted - sum(m.current for m in self._members)
        for _ in range(missing if not self._backoff.left() else 0):
            member = _Member(*spawn(RunnerProcess(self._scene)))
            self._members.append(member)
            hear = partial(self._hear, member)
            self._selector.register(member.link, selectors.EVENT_READ, hear)

    def _hear(self, member: _Member) -> None:
        try:
            said = member.link.recv()
        except (EOFError, OSError):
            self._lost(member)
            return
        if isinstance(said, Failed):
            if not self._served:  # none of them can work: whoever starts us is told
                raise said.error
            logger.error("worker.failed: %d, %s", member.process.pid, said.error)
            return
        if isinstance(said, Stopped):
            member.stopped = True
            self.gave_back += said.gave_back
            return
        if isinstance(said, Counts):
            if self.tally is not None:
                self.tally.merge(said)
            return
        self._served = self._served or said.ready
        if said.running or said.waiting:
            member.idle_since = time.monotonic()
        member.health = said

    def _lost(self, member: _Member) -> None:
        never_ready = member.health is None
        code = self._bury(member)
        if member.stopping_since is not None and (member.stopped or self._stopping):
            return
        if time.monotonic() - member.started >= _SHORT:
            self._backoff.fine()
        pause = self._backoff.failed()
        how = f"exit code {code}" if code >= 0 else f"signal {-code}"
        logger.error(
            "worker.died: %d, %s; another one is started in %.1f s", member.process.pid, how, pause
        )
        if never_ready and any(m.former for m in self._members):
            self._take_back_reload()

    def _take_back_reload(self) -> None:
        """The newest code does not even start: the former goes on."""
        logger.error("reload.failed: the former code goes on")
        for member in self._members:
            if member.former:
                member.former = False
            else:
                member.stop(at_once=True)

    def _bury(self, member: _Member) -> int:
        """Return its exit code; its link has ended, so it is killed if it lives on."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(member.link)
        member.link.close()
        if member in self._members:
            self._members.remove(member)
        try:
            return member.process.wait(5 if member.stopped else 0)
        except subprocess.TimeoutExpired:
            member.process.kill()
            return member.process.wait()


def _drain(alarm: socket.socket) -> None:
    with suppress(BlockingIOError):
        while alarm.recv(64):
            pass

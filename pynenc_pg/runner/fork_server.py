"""A process that has imported the app and forks at each order: a child costs milliseconds.

It runs one thread, opens no connection and holds no lock, so what it forks is as good as new.
"""

from __future__ import annotations

import base64
import gc
import os
import pickle
import select
import signal
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass

from pynenc_pg.domain.known import KnownTask
from pynenc_pg.runner.child import Link, Scene, leave, spawn
from pynenc_pg.runner.orphan import die_with_parent
from pynenc_pg.runner.task_process import TaskProcess

_ORDER = b"!"


class ForkServer:
    """The parent's end. Belongs to one thread, which must live as long as it."""

    def __init__(self, scene: Scene) -> None:
        """Start it; ``read`` tells when it is ready."""
        self._process, link = spawn(_Role(scene))
        self._socket = socket.socket(fileno=os.dup(link.fileno()))
        link.close()
        self._unread = b""

    def fileno(self) -> int:
        """What to poll for ``read``."""
        return self._socket.fileno()

    def order(self) -> Link:
        """Have a child forked; return the link to it.

        Raises:
            OSError: it has died.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._socket, [_ORDER], [theirs.fileno()])
        except OSError:
            ours.close()
            raise
        return Link(ours.detach())

    def read(self) -> list[list[str]] | None:
        """Return what it said, a list of words a line; ``None`` at its end.

        ``tasks KNOWN``, what is known to the code it has imported, as ``known_in`` reads it;
        ``ready THREADS``, with the number of threads that importing the app has started;
        ``failed REASON``, why it cannot be imported; ``ended PID CODE`` of a child.
        """
        try:
            more = self._socket.recv(65536)
        except OSError:
            more = b""
        if not more:
            return None
        *lines, self._unread = (self._unread + more).split(b"\n")
        return [line.decode(errors="replace").split(" ", 2) for line in lines]

    def retire(self) -> None:
        """Let it end when the last of what it has forked has."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> int:
        """End it, and with it what it has forked (on Linux); return its exit code."""
        self._socket.close()
        self._process.kill()
        return self._process.wait()


def known_in(word: str) -> list[KnownTask]:
    """Read what a fork server knows."""
    known: list[KnownTask] = pickle.loads(base64.b64decode(word))  # noqa: S301 - our own child's
    return known


@dataclass(frozen=True, slots=True)
class _Role:
    """Its role."""

    scene: Scene

    def run(self, link: Link) -> None:
        """Import the app, then fork."""
        control = socket.socket(fileno=os.dup(link.fileno()))
        link.close()
        try:
            app = self.scene.load()
            engine = app.engine  # imports the driver, and connects to nothing
            known = base64.b64encode(pickle.dumps(engine.known.tasks())).decode()
        except BaseException as error:  # noqa: BLE001 - told to who can log it
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            control.sendall(f"failed {reason}\n".encode())
            return
        control.sendall(f"tasks {known}\n".encode())
        gc.collect()
        gc.freeze()  # what is here is shared with all children as long as nobody writes to it
        child = _serve(control)
        if child is not None:
            gc.unfreeze()
            TaskProcess(app).run(child)
            leave()


def _serve(control: socket.socket) -> Link | None:
    """Fork at each order. Returns in each child, with its link, and in the server at its end."""
    receive, send = os.pipe()
    os.set_blocking(send, False)
    signal.set_wakeup_fd(send, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    control.sendall(f"ready {threading.active_count() - 1}\n".encode())
    poll = select.poll()
    for descriptor in (control.fileno(), receive):
        poll.register(descriptor, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if receive in ready:
            os.read(receive, 4096)
            _reap(control)
        if control.fileno() not in ready:
            continue
        order, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not order:
            _reap(control, wait=True)
            return None
        me = os.getpid()
        if os.fork() == 0:
            die_with_parent(me)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (receive, send):
                os.close(descriptor)
            control.close()
            return Link(descriptors[0])
        os.close(descriptors[0])


def _reap(control: socket.socket, *, wait: bool = False) -> None:
    """Tell of those that have ended; with ``wait``, until all have."""
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, 0 if wait else os.WNOHANG)
            if not pid:
                return
            control.sendall(f"ended {pid} {os.waitstatus_to_exitcode(status)}\n".encode())

"""Processes of a runner: how each is started, and what it is at first.

A child is told over a socket what to be, and over the same socket it learns of the end of its
parent. Nothing of the parent is inherited but standard output and standard error.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NoReturn, Protocol

from pynenc_pg.engine.address import Address
from pynenc_pg.engine.logs import configure_logging, is_configured
from pynenc_pg.engine.payload_folder import OwnedFolder, PayloadFolder
from pynenc_pg.runner.orphan import die_with_parent

#: Not ``-m``, which would make a second copy of this module.
_PROGRAM = f"from {__name__} import main; main()"

Link = Connection  # frames of pickled messages; both ends are processes of ours


class Role(Protocol):
    """What a child is to be. Pickled, so what it consists of can be imported anywhere."""

    def run(self, link: Link) -> None:
        """Be it, until the link ends."""
        ...


@dataclass(frozen=True, slots=True)
class Scene:
    """What each child of a runner needs to know first."""

    address: Address
    log_level: str | None  # None: the parent has left logging to its user
    #: Where the processes of the runner keep large values for each other, and how many bytes.
    folder: tuple[str, int] | None = None

    @classmethod
    def here(cls, address: Address, folder: OwnedFolder | None = None) -> Scene:
        """Make it like the one of this process."""
        level = logging.getLevelName(logging.getLogger().level) if is_configured() else None
        return cls(address, level, None if folder is None else folder.share)

    def load(self) -> Any:
        """Return the app."""
        app = self.address.load()
        if self.folder is not None:
            app.engine.payloads.folder = PayloadFolder(*self.folder)
        if self.log_level is not None:
            configure_logging(
                level=self.log_level,
                format=app.conf.logging_format,
                colors=app.conf.logging_colors,
            )
        return app


def spawn(role: Role) -> tuple[subprocess.Popen[bytes], Link]:
    """Start a fresh interpreter; it dies with the thread that calls this (on Linux)."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), str(os.getpid())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
    link = Link(ours.detach())
    with suppress(OSError):  # it has died already: whoever waits for it learns of that
        link.send(sys.path)
        link.send(role)
    return process, link


def keep_signals_out() -> None:
    """Leave signals of the terminal, or to all of a service, to the parent, which says what to do.

    Handlers, so that programs which a task starts do not inherit that.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _nothing)


def _nothing(_number: int, _frame: object) -> None:
    """Parents decide."""


def leave() -> NoReturn:
    """End at once, whatever threads a task has left behind.

    What the interpreter does at its end is the fork server's where one was forked.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def main() -> None:
    """Become what the parent says."""
    descriptor, parent = map(int, sys.argv[1:])
    keep_signals_out()
    die_with_parent(parent)
    link = Link(descriptor)
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - programs that a task starts
    try:
        sys.path[:] = link.recv()
        role: Role = link.recv()
    except EOFError:
        return
    role.run(link)

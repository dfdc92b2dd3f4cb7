"""No child outlives its parent, not even one whose parent is killed with ``kill -9``."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final

#: Names the parent to a child that is started as a program: its pid, then the lifeline.
VARIABLE: Final = "PYNENC_PARENT"
_PR_SET_PDEATHSIG = 1


def _load_libc() -> Any:
    """Return the C library on Linux, else None."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(ImportError):
            import ctypes  # noqa: PLC0415 - some builds of Python lack it

            return ctypes.CDLL(None)
    return None


#: Loaded before any fork: loading takes locks.
_LIBC = _load_libc()


class Lifeline:
    """A pipe that the parent never writes to: its end is the end of the parent.

    For a program: ``Popen(..., pass_fds=line.pass_fds, env={**os.environ, **line.environment})``.
    A child that is forked without exec closes ``line.write`` first, as do its siblings; else they
    keep each other alive.
    """

    def __init__(self) -> None:
        """Open it. Closed on exec by all but those to whom it is passed."""
        self.read, self.write = os.pipe()

    @property
    def pass_fds(self) -> tuple[int]:
        """What the child must inherit."""
        return (self.read,)

    @property
    def environment(self) -> Mapping[str, str]:
        """What tells ``die_with_parent`` in the child whose child it is."""
        return {VARIABLE: f"{os.getpid()}:{self.read}"}

    def close(self) -> None:
        """Let the children go; where the kernel watches them (Linux), it goes on to."""
        os.close(self.read)
        os.close(self.write)


def die_with_parent(parent: int | None = None, lifeline: int | None = None) -> bool:
    """In the child, as early as can be: have it killed when its parent ends, however that ends.

    ``parent`` is the pid of the parent, as itself has said, and ``lifeline`` the end for reading
    of its ``Lifeline``; without them both come from the environment, where grandchildren do not
    find them any more. Return whether there is a parent to die with.

    On Linux the kernel kills, and it looks at the *thread* that has started the child: that one
    must live as long as the parent does. It forgets after a change of user and after exec of a
    program with rights of its own. Elsewhere a thread waits for the end of the lifeline.
    """
    if parent is None:
        given = os.environ.pop(VARIABLE, "")
        if not given:
            return False
        parent, lifeline = map(int, given.split(":"))
    watched = _LIBC is not None and _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0
    if os.getppid() != parent:  # it died before anybody watched
        os.kill(os.getpid(), signal.SIGKILL)
    if not watched and lifeline is not None:
        watch = threading.Thread(target=_watch, args=(lifeline,), name="pynenc-orphan", daemon=True)
        watch.start()
    return True


def _watch(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGKILL)

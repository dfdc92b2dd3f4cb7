"""File locks the kernel drops when their holder dies, however it dies.

``flock`` belongs to an open file, and a forked child shares the open files of its parent: a child
that never heard of the server would keep it alive. So every lock file is closed in the child.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pynenc_pg.exceptions import EmbeddedServerError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUPPORTED = sys.platform != "win32"
"""Whether this system has ``flock``."""

_POLL = 0.01
_open_files: set[LockFile] = set()
# Held while the set changes and while the process forks, so that no child inherits a file that is
# not in the set yet. Re-entrant: a signal handler may fork in the middle of it.
_guard = threading.RLock()


class LockFile:
    """One open lock file. Two on one path exclude each other, even within a process."""

    def __init__(self, path: Path) -> None:
        """Open *path*, creating it; a file of another user's is refused."""
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with _guard:
            self._fd: int | None = os.open(path, flags, 0o600)
            _open_files.add(self)
        owner = os.fstat(self._fd).st_uid
        if owner != os.geteuid():
            self.close()
            msg = (
                f"The lock file {path} belongs to uid {owner}, not to the user running this: run "
                "as that user, or choose another folder."
            )
            raise EmbeddedServerError(msg)

    @property
    def is_open(self) -> bool:
        """False after `close`, and in a process forked since."""
        return self._fd is not None

    def try_lock(self, *, shared: bool = False) -> bool:
        """Take the lock if nobody holds it against us; False if somebody does."""
        if self._fd is None:
            return False
        mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self._fd, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def lock(self, *, shared: bool = False, timeout: float) -> None:
        """Take the lock, waiting up to *timeout* seconds.

        It polls: a blocking ``flock`` could not be given up, and a stopped holder (SIGSTOP)
        would hang its neighbours for good.
        """
        deadline = time.monotonic() + timeout
        while not self.try_lock(shared=shared):
            if time.monotonic() > deadline:
                msg = (
                    f"Another process has held {self.path} for {timeout:.0f} s: it is starting or "
                    "stopping the embedded server and does not finish. Look for it with "
                    f"`fuser -v {self.path}`."
                )
                raise EmbeddedServerError(msg)
            time.sleep(_POLL)

    def close(self) -> None:
        """Let go. Harmless when already closed."""
        with _guard:
            fd, self._fd = self._fd, None
            _open_files.discard(self)
        if fd is not None:
            # Unlock first: a copy of the descriptor in a process forked behind Python's back (by a
            # C library) must not hold the lock after us.
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)

    def _abandon(self) -> None:
        """Close without unlocking: the parent, whose lock it is, goes on holding it."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


@contextmanager
def exclusive(path: Path, *, timeout: float) -> Iterator[None]:
    """Hold *path* alone for the length of the block; across threads as well as processes."""
    lock = LockFile(path)
    try:
        lock.lock(timeout=timeout)
        yield
    finally:
        lock.close()


def is_free(path: Path) -> bool:
    """Whether nobody holds *path* at this moment."""
    lock = LockFile(path)
    try:
        return lock.try_lock()
    finally:
        lock.close()


def _after_fork_in_child() -> None:
    for lock in _open_files:
        lock._abandon()  # noqa: SLF001 - same module
    _open_files.clear()
    _guard.release()


if SUPPORTED:
    os.register_at_fork(
        before=_guard.acquire,
        after_in_parent=_guard.release,
        after_in_child=_after_fork_in_child,
    )

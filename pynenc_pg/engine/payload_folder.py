"""Large values as files, which the processes of one runner keep for each other.

The folder belongs to the runner's first process and to its user alone, and is gone when that ends.
Where it was killed, the next runner of that user removes it. Nothing in it is trusted: whoever
reads a file checks it against its name.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "pynenc-payloads-"
_NEW: Final = "pynenc-new-"
_LOCK: Final = "owner.lock"


class PayloadFolder:
    """As any process of the runner uses it."""

    def __init__(self, path: str, limit: int) -> None:
        """``limit`` is what the files may take together, in bytes."""
        self.path = Path(path)
        self.limit = limit

    def read(self, sha256: str) -> bytes | None:
        """Return what lies there under that name, whatever it is."""
        file = self.path / sha256
        try:
            content = file.read_bytes()
            os.utime(file)  # those that were not read for longest go first
        except OSError:
            return None
        return content

    def write(self, sha256: str, content: bytes) -> None:
        """Keep a value for the others; where the disk is full, do without."""
        if len(content) > self.limit:
            return
        draft = self.path / f".{os.getpid()}-{threading.get_ident()}"
        try:
            draft.write_bytes(content)
            draft.replace(self.path / sha256)
            self._trim()
        except OSError:
            with suppress(OSError):
                draft.unlink()

    def _trim(self) -> None:
        found = []
        with os.scandir(self.path) as files:
            for file in files:
                with suppress(OSError):  # another process has just removed it
                    found.append((file.stat().st_mtime_ns, file.stat().st_size, file.path))
        size = sum(each for _, each, _ in found)
        for _, each, path in sorted(found):
            if size <= self.limit:
                return
            if Path(path).name != _LOCK:
                with suppress(OSError):
                    Path(path).unlink()
                size -= each


class OwnedFolder:
    """As the runner's first process has it."""

    def __init__(self, limit: int) -> None:
        """Make it, and remove those whose owners were killed."""
        remove_abandoned()
        # Under its name only once it is locked, or it would look abandoned.
        new = Path(tempfile.mkdtemp(prefix=_NEW))
        self._lock = os.open(new / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.path = new.rename(new.with_name(_PREFIX + new.name.removeprefix(_NEW)))
        self._limit = limit
        self._open = threading.Lock()

    @property
    def share(self) -> tuple[str, int]:
        """What another process makes a ``PayloadFolder`` of."""
        return str(self.path), self._limit

    def close(self) -> None:
        """Remove it. Once is enough, whichever thread comes first."""
        if self._open.acquire(blocking=False):
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)


def remove_abandoned() -> None:
    """Remove folders that no process owns any more: this user's, and no others."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if path.lstat().st_uid != os.getuid() or path.is_symlink():
                continue
            lock = os.open(path / _LOCK, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)

"""A disk of a test's own below a part of a server's data, with little room, that can be filled.

Needs root: it is a file system in memory, mounted there and removed at the end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGQUIT

import pytest

from tests.faults.server import OwnServer, folder_for_a_server
from tests.support.clusters import seed

_BLOCK = 2**16
#: Bytes that a file takes beyond its contents, at most: its last page is whole.
_PAGE = 2**12


class Disk:
    """Something stands on it that can be removed."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (_BLOCK, _PAGE):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink()


@contextmanager
def _mounted(folder: Path, room: int) -> Iterator[Disk]:
    """Put what is in a folder on a disk that has so many bytes more."""
    owner, former = folder.stat(), folder.with_name("former")
    folder.rename(former)
    used = sum(path.stat().st_size + _PAGE for path in former.rglob("*"))
    folder.mkdir()
    size = f"size={used + room},mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
    try:
        mount = ["mount", "-t", "tmpfs", "-o", size, "pynenc-pg", str(folder)]
        subprocess.run(mount, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or error
        pytest.skip(f"no disk of our own here: {str(said).strip()}")
    try:
        subprocess.run(["cp", "-a", f"{former}/.", str(folder)], check=True)
        shutil.rmtree(former)
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)


@contextmanager
def cramped(pattern: Path, part: str, room: int) -> Iterator[tuple[OwnServer, Disk]]:
    """Run a server of which a part of the data has a disk of its own, with so much room."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk of its own")
    with folder_for_a_server() as home:
        seed(home, pattern)
        server = OwnServer(home, "max_connections=40", "min_wal_size=32MB", "max_wal_size=48MB")
        with _mounted(server.data / part, room) as disk:
            server.start()
            try:
                yield server, disk
            finally:
                server.stop(SIGQUIT)

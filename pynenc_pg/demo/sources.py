"""Which files the demo reads."""

from __future__ import annotations

import os
import sysconfig
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pynenc_pg.exceptions import ConfigError

LIMIT = "PYNENC_DEMO_FILES"
#: Some distributions ship Python without its tests: installed packages fill up to this number.
ENOUGH = 1_200
_INSTALLED = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, slots=True)
class Sources:
    """Files to read: of the standard library first, then of installed packages."""

    paths: list[str]
    place: Path
    installed: int  # how many of them are of installed packages

    def short(self, at: str) -> str:
        """Cut off what most paths begin with."""
        for folder in (self.place, *_installed_folders()):
            at = at.removeprefix(f"{folder}/")
        return at

    def describe(self) -> str:
        """Say what they are, in half a sentence."""
        of_python = f"{len(self.paths) - self.installed:,} source files in {self.place}"
        if not self.installed:
            return of_python
        return f"{of_python} and {self.installed:,} of installed packages"


def find_sources() -> Sources:
    """List the running Python's source files; with ``PYNENC_DEMO_FILES`` that many, spread evenly.

    Raises:
        ConfigError: ``PYNENC_DEMO_FILES`` is not a number above 0.
    """
    place = Path(sysconfig.get_paths()["stdlib"])
    ours = sorted(path for path in place.rglob("*.py") if not _INSTALLED.intersection(path.parts))
    installed = list(islice(_installed_files(), max(0, ENOUGH - len(ours))))
    limit = _limit()
    if limit is not None:
        ours, installed = ours[:: max(1, len(ours) // limit)][:limit], []
    paths = [str(path) for path in (*ours, *installed) if path.is_file()]
    return Sources(paths, place, installed=len(installed))


def _installed_folders() -> list[Path]:
    return [Path(sysconfig.get_paths()["purelib"]), Path("/usr/lib/python3/dist-packages")]


def _installed_files() -> list[Path]:
    return [path for folder in _installed_folders() for path in sorted(folder.rglob("*.py"))]


def _limit() -> int | None:
    value = os.environ.get(LIMIT)
    if not value:
        return None
    if not value.isdecimal() or int(value) < 1:
        message = f"{LIMIT} = {value!r}: give a number of files, 1 or more"
        raise ConfigError(message)
    return int(value)

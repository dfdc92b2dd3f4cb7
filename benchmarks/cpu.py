"""Processor time and memory of processes, from ``/proc``. Where there is none, no answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
# Positions in /proc/<pid>/stat after the name, which is in brackets and may hold anything.
_PARENT, _TIMES, _TIMES_OF_ENDED = 1, slice(11, 13), slice(13, 15)


def of_process(pid: int) -> float | None:
    """Seconds a process has used so far, in the kernel too, without its children."""
    fields = _stat(pid)
    return None if fields is None else _sum(fields[_TIMES])


def of_tree(root: int | None, *, without: int | None = None) -> float | None:
    """Seconds a process and all below it have used so far, ended ones too.

    ``without``: a process whose time does not count, such as the backend of whoever measures.
    """
    if root is None or _stat(root) is None:
        return None
    found = {pid: fields for pid in tree(root) if (fields := _stat(pid)) is not None}
    return sum(
        _sum(fields[_TIMES]) + _sum(fields[_TIMES_OF_ENDED])
        for pid, fields in found.items()
        if pid != without
    )


def resident(root: int) -> int | None:
    """Bytes that a process and all below it have in memory; what they share counts for each."""
    pages = [_resident(pid) for pid in tree(root)] if _stat(root) is not None else []
    return sum(pages) * _PAGE or None


def tree(root: int) -> set[int]:
    """Return a process and all below it."""
    parents = {pid: int(fields[_PARENT]) for pid in _pids() if (fields := _stat(pid)) is not None}
    found, seen = {root}, 0
    while len(found) > seen:
        seen = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return found


def parent(pid: int) -> int | None:
    """Return the parent of a PostgreSQL process, if that runs on this machine."""
    fields = _stat(pid)
    if fields is None or "postgres" not in _name(pid):
        return None
    return int(fields[_PARENT])


def _pids() -> list[int]:
    return [int(folder.name) for folder in _PROC.iterdir() if folder.name.isdecimal()]


def _stat(pid: int) -> list[str] | None:
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _resident(pid: int) -> int:
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1])
    except OSError:
        return 0


def _name(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text()
    except OSError:
        return ""


def _sum(ticks: list[str]) -> float:
    return sum(map(int, ticks)) / _TICKS

"""Processor time of processes, from ``/proc``. Where there is none, there is no answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
# Positions in /proc/<pid>/stat after the name, which is in brackets and may hold anything.
_PARENT, _TIMES, _TIMES_OF_ENDED = 1, slice(11, 13), slice(13, 15)


def of_process(pid: int) -> float | None:
    """Seconds a process has used so far, in the kernel too, without its children."""
    fields = _stat(pid)
    return None if fields is None else _sum(fields[_TIMES])


def of_server(postmaster: int | None, *, without: int) -> float | None:
    """Seconds PostgreSQL has used so far: itself, and all its children, ended ones too.

    ``without`` is the backend of whoever measures.
    """
    own = _stat(postmaster) if postmaster else None
    if own is None:
        return None
    total = _sum(own[_TIMES]) + _sum(own[_TIMES_OF_ENDED])
    for folder in _PROC.iterdir():
        if folder.name.isdecimal() and int(folder.name) != without:
            fields = _stat(int(folder.name))
            if fields is not None and int(fields[_PARENT]) == postmaster:
                total += _sum(fields[_TIMES])
    return total


def parent(pid: int) -> int | None:
    """Return the parent of a PostgreSQL process, if that runs on this machine."""
    fields = _stat(pid)
    if fields is None or "postgres" not in _name(pid):
        return None
    return int(fields[_PARENT])


def _stat(pid: int) -> list[str] | None:
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _name(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text()
    except OSError:
        return ""


def _sum(ticks: list[str]) -> float:
    return sum(map(int, ticks)) / _TICKS

"""Variables of the environment, wherever they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pynenc_pg.compat.finding import Advice
from pynenc_pg.compat.settings import Written, advise

_NAME: Final = re.compile(r"PYNENC__[A-Za-z0-9_#.]+", re.IGNORECASE)
#: As .env files, compose files, Dockerfiles, shell scripts and unit files write them.
_SET: Final = re.compile(
    r"(PYNENC__[A-Za-z0-9_#.]+)(?:\"|')?\s*[=:]\s*(\"[^\"]*\"|'[^']*'|[^\s\"']*)", re.IGNORECASE
)


def of_variable(name: str, value: str | None) -> Advice | None:
    """Say what is to become of a variable; None: it can stay, or is none of pynenc's."""
    if not _NAME.fullmatch(name):
        return None
    *before, field = name.lower().split("__")[1:]
    if field == "filepath" and not before:
        return None
    text = name if value is None else f"{name}={value}"
    section = before[0] if before else ""
    if section == "configtask":
        section = "task" if len(before) == 1 else "configtask"
    one = Written(section, field, value, text, variable=True, known=value is not None)
    return _of_one_task(one) if section == "configtask" else advise(one)


def variables(text: str) -> Iterator[tuple[int, Advice]]:
    """Find those that a file sets."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        for found in _SET.finditer(line):
            advice = of_variable(found[1], found[2].strip("\"'"))
            if advice is not None:
                yield number, advice


def _of_one_task(one: Written) -> Advice | None:
    """Options of one task are written in the same way."""
    return advise(Written("task", one.field, one.value, one.text, variable=True, known=one.known))

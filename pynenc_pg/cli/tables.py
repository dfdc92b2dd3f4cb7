"""Tables for people: text to the left, numbers to the right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import click

from pynenc_pg.domain.arguments import one_line

as_json = click.option("--json", "as_json", is_flag=True, help="For machines: a list of objects.")
#: The header of a table, and its rows.
Table = tuple[Sequence[str], Iterable[Sequence[object]]]


def plain(value: object) -> str:
    """Return what stands for a value that JSON has not."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return it as text, with the columns as wide as they need to be."""
    values = [list(row) for row in rows]
    cells = [list(header), *([_text(value) for value in row] for row in values)]
    columns = [
        _column(texts, numbers=any(_is_number(row[n]) for row in values))
        for n, texts in enumerate(zip(*cells, strict=True))
    ]
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


def ago(seconds: float | None) -> str:
    """Say a length of time in its largest unit.

    >>> ago(5400)
    '1.5 h'
    """
    if seconds is None:
        return ""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{max(0.0, seconds):.1f} s"


def _column(texts: Sequence[str], *, numbers: bool) -> list[str]:
    width = max(map(len, texts))
    return [text.rjust(width) if numbers else text.ljust(width) for text in texts]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds", sep=" ")
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return "" if value is None else one_line(str(value))

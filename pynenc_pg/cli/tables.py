"""Tables for people: the first column to the left, the others to the right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return it as text, with the columns as wide as they need to be."""
    cells = [list(header), *([_text(value) for value in row] for row in rows)]
    first, *widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join([f"{name:{first}}", *map(str.rjust, others, widths)]).rstrip()
        for name, *others in cells
    )


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds", sep=" ")
    return "" if value is None else str(value)

"""Tables for people: the first column to the left, the others to the right."""

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
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return "" if value is None else one_line(str(value))

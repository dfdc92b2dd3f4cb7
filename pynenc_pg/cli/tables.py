"""Tables for people: the first column to the left, the others to the right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

as_json = click.option("--json", "as_json", is_flag=True, help="For machines: a list of objects.")
#: The header of a table, and its rows.
Table = tuple[Sequence[str], Iterable[Sequence[object]]]


def show(
    found: Sequence[Any], none: str, rows: Callable[[Sequence[Any]], Table], *, as_json: bool
) -> None:
    """Print records, as JSON or as the table that ``rows`` makes; ``none`` if there are none."""
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2, default=plain))
    else:
        click.echo(table(*rows(found)) if found else none)


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
    return "" if value is None else str(value)

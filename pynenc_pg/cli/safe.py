"""What may go to a terminal: nothing that it would obey.

Arguments, errors, names and events are what others wrote. Whatever is printed goes through here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import click

from pynenc_pg.cli.tables import Table, plain, table
from pynenc_pg.domain.arguments import one_line


def say(text: str, *, err: bool = False) -> None:
    r"""Print lines; whatever else a terminal would obey is shown as an escape.

    >>> say("red: \x1b[31m")
    red: \x1b[31m
    """
    click.echo("\n".join(map(one_line, text.split("\n"))), err=err)


def say_json(value: Any) -> None:
    """Print it as JSON, in ASCII alone: characters that a terminal obeys are escaped."""
    click.echo(json.dumps(value, indent=2, default=plain).replace("\x7f", "\\u007f"))


def tell_more(found: Sequence[Any], limit: int) -> None:
    """Say how to see the next page, below a full one. Not among what a program reads."""
    if len(found) == limit:
        say(f"more, perhaps: --after {found[-1].invocation_id}")


def show(
    found: Sequence[Any], none: str, rows: Callable[[Sequence[Any]], Table], *, as_json: bool
) -> None:
    """Print records, as JSON or as the table that ``rows`` makes; ``none`` if there are none."""
    if as_json:
        say_json([asdict(one) for one in found])
    else:
        say(table(*rows(found)) if found else none)

"""``pynenc-pg why``: why an invocation is not running."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pynenc_pg.cli.reach import reached
from pynenc_pg.cli.safe import say, say_json
from pynenc_pg.cli.tables import as_json as _as_json

if TYPE_CHECKING:
    from pynenc_pg.cli.reach import Context

_OVER = frozenset({"running", "ended", "unknown"})


@click.command()
@click.argument("invocation_id")
@_as_json
@click.pass_context
def why(context: click.Context, invocation_id: str, *, as_json: bool) -> None:
    """Say why an invocation is not running, what matters most first.

    Exit code 0: it has ended, or is executed; 3: it waits, for what is said; 4: nobody knows it.
    """
    parent: Context = context.obj
    with reached(parent, "invocations", "app.why(id)") as (app, _):
        found = app.why(invocation_id)
    if as_json:
        say_json([asdict(one) for one in found])
    else:
        say("\n".join(one.message for one in found))
    codes = {one.code for one in found}
    context.exit(4 if "unknown" in codes else 3 if codes.isdisjoint(_OVER) else 0)

"""``pynenc-pg status``: the state machine of invocations, as the database has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from pynenc_pg.cli.machine import Machine, mermaid, svg, text
from pynenc_pg.cli.reach import database_of
from pynenc_pg.exceptions import StoreError

if TYPE_CHECKING:
    from pynenc_pg.cli.reach import Context
    from pynenc_pg.postgres.database import PgDatabase

_STATUSES: Final = """
select s.status::text, s.available, s.owned, s.final from {schema}.status s order by s.status
"""
_STEPS: Final = """
select t.from_status::text, t.to_status::text,
       coalesce(array_agg(t.reason order by t.reason) filter (where t.reason is not null), '{}')
from {schema}.status_transition t
group by t.from_status, t.to_status order by t.from_status, t.to_status
"""
_FORMATS: Final = {"text": text, "svg": svg, "mermaid": mermaid}


@click.group()
def status() -> None:
    """The statuses of invocations."""


@status.command()
@click.option("--format", "how", type=click.Choice([*_FORMATS]), default="text", show_default=True)
@click.pass_obj
def render(context: Context, how: str) -> None:
    """Draw the state machine that the database enforces: statuses, steps, and their reasons.

    It is read from the tables status and status_transition; the same tables give the same drawing.
    """
    with context.app() as app, database_of(app) as database:
        machine = read(database)
    click.echo(_FORMATS[how](machine), nl=False)


def read(database: PgDatabase) -> Machine:
    """Read the tables.

    Raises:
        StoreError: they are empty.
    """
    statuses = {row[0]: _kind(*row[1:]) for row in database.call(_STATUSES)}
    steps = {(before, after): tuple(why) for before, after, why in database.call(_STEPS)}
    if not statuses:
        message = "the table status is empty: run pynenc-pg db migrate"
        raise StoreError(message)
    return Machine(statuses, steps)


def _kind(available: bool, owned: bool, final: bool) -> str:  # noqa: FBT001 - columns of a row
    named = {"available": available, "owned": owned, "final": final}
    return next((name for name, holds in named.items() if holds), "passing")

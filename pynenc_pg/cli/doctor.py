"""``pynenc-pg doctor``: look at an app and its database, change nothing, say what is wrong."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pynenc_pg.cli.checks import CHECKS, PROBLEM, Finding, Patient
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.postgres.database import PgDatabase

if TYPE_CHECKING:
    from pynenc_pg import Pynenc
    from pynenc_pg.cli.reach import Context

#: What stands in the way of work was found.
ILL = 3


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines: an object with the findings.")
@click.pass_context
def doctor(context: click.Context, *, as_json: bool) -> None:
    """Look for what keeps calls from being run.

    Nothing is changed. It needs the role observer, or operator. Exit code 0: nothing was found, or
    notes alone; 3: a problem; 1: the database cannot be asked.
    """
    parent: Context = context.obj
    with parent.app() as app:
        findings = examine(app)
    if as_json:
        said = {"app": app.conf.app_id, "findings": [asdict(one) for one in findings]}
        click.echo(json.dumps(said, indent=2))
    else:
        click.echo(_table(findings))
    context.exit(ILL if any(one.level == PROBLEM for one in findings) else 0)


def examine(app: Pynenc) -> list[Finding]:
    """Make all checks.

    Raises:
        ConfigError: the app has no database.
    """
    conf = app.conf
    if not app.engine.store.processes or not conf.postgres.dsn:
        message = (
            f"app {conf.app_id!r} keeps everything in the memory of each process: there is nothing "
            "to look at from here. Configure a database (PYNENC__POSTGRES__DSN)"
        )
        raise ConfigError(message)
    database = PgDatabase(
        conf.postgres.dsn, app_id=conf.app_id, schema=conf.postgres.schema_name, pool_size=2
    )
    try:
        patient = Patient(app, database)
        return [finding for check in CHECKS for finding in check(patient)]
    finally:
        database.close()


def _table(findings: list[Finding]) -> str:
    if not findings:
        return f"nothing found in {len(CHECKS)} checks"
    lines: list[str] = []
    for number, one in enumerate(findings):
        if not number or findings[number - 1].check != one.check:
            lines.append(one.check)
        lines.append(f"  {one.level}: {one.message}")
    return "\n".join(lines)

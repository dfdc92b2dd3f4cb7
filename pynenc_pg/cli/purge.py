"""``pynenc-pg purge``: an app without its work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from pynenc_pg.cli.reach import reached
from pynenc_pg.cli.tables import table

if TYPE_CHECKING:
    from pynenc_pg.cli.reach import Context


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would go, and leave it.")
@click.option("--yes", is_flag=True, help="Really: do not ask.")
@click.option(
    "--json", "as_json", is_flag=True, help="For machines; does not ask either: say --yes."
)
@click.pass_obj
def purge(context: Context, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Remove all invocations of the app, live and finished, with their history.

    What was caused and not started, events and large values go with them. Runners, queues and
    triggers stay.
    """
    if as_json and not (yes or dry_run):
        message = "with --json nobody is asked: say --yes, or --dry-run"
        raise click.UsageError(message)
    with reached(context, "work", "app.purge()") as (app, _):
        found = {str(s): n for s, n in app.orchestrator.count_by_status().items()}
        total = sum(found.values())
        if not as_json:
            click.echo(table(["status", "invocations"], [[s, n] for s, n in found.items()]))
            click.echo(f"{total} invocations of app {app.conf.app_id!r}, with their history")
        if not dry_run and not yes:
            click.confirm("Remove them all?", abort=True)
        removed = 0 if dry_run else app.purge()
    if as_json:
        click.echo(json.dumps({"found": found, "removed": removed}, indent=2))
    elif dry_run:
        click.echo("nothing was removed: it was a dry run")
    else:
        click.echo(f"removed {removed}")

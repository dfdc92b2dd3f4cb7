"""``pynenc-pg db shell``: psql on the configured database."""

from __future__ import annotations

import logging
import signal
import subprocess
from typing import Any

import click

from pynenc_pg.postgres import psql


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("psql_arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
@click.pass_context
def shell(context: click.Context, target: Any, psql_arguments: tuple[str, ...]) -> None:
    """Open psql; an embedded server runs as long as it does.

    What follows goes to psql: pynenc-pg db shell -c "select * from pynenc.task_stats"
    """
    # "Which PostgreSQL was found" would stand in the middle of what psql says.
    logging.getLogger("pynenc_pg.postgres.embedded").setLevel(logging.WARNING)
    command, environment = psql.command(target.dsn, *psql_arguments)
    # Not exec: an embedded server stops with its last user, and that is this process.
    process = subprocess.Popen(command, env=environment)
    # Ctrl-C is psql's, for ending a query.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = process.wait()
    context.exit(code if code >= 0 else 128 - code)

"""The root of all commands: common options, and errors as one line.

Exit codes: 0 done, 1 it could not be done (the reason is one line on stderr), 2 wrong usage. A
worker and the doctor have one more, see ``pynenc-pg runner start --help``.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import click

from pynenc_pg import __version__
from pynenc_pg.cli.compat import compat
from pynenc_pg.cli.config import config, show
from pynenc_pg.cli.database import database
from pynenc_pg.cli.demo import demo
from pynenc_pg.cli.doctor import doctor
from pynenc_pg.cli.invocations import invocations
from pynenc_pg.cli.metrics import metrics
from pynenc_pg.cli.monitor import monitor
from pynenc_pg.cli.purge import purge
from pynenc_pg.cli.queues import queues
from pynenc_pg.cli.reach import Context
from pynenc_pg.cli.runner import runner
from pynenc_pg.cli.runners import runners
from pynenc_pg.cli.safe import say
from pynenc_pg.cli.status import status
from pynenc_pg.cli.top import top
from pynenc_pg.cli.triggers import triggers
from pynenc_pg.cli.why import why
from pynenc_pg.cli.workflows import workflows
from pynenc_pg.engine.logs import configure_logging
from pynenc_pg.exceptions import PynencError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pynenc-pg")
@click.option(
    "--app",
    "app_name",
    metavar="MODULE[.ATTR]",
    help="Where the app is: tasks.app, tasks:app, tasks, path/to/tasks.py or path/to/tasks.py:app. "
    "Default: PYNENC_APP, else the one app that the current folder makes.",
)
@click.option("-v", "--verbose", is_flag=True, help="More log lines, and tracebacks of errors.")
@click.pass_context
def cli(context: click.Context, app_name: str | None, *, verbose: bool) -> None:
    """PostgreSQL-backed task queue: workers, deployment, inspection."""
    configure_logging(level="debug" if verbose else "info", format="text")
    context.obj = Context(app_name, verbose)


cli.add_command(compat)
cli.add_command(config)
cli.add_command(show, name="show_config")
cli.add_command(database)
cli.add_command(demo)
cli.add_command(doctor)
cli.add_command(invocations)
cli.add_command(metrics)
cli.add_command(purge)
cli.add_command(monitor)
cli.add_command(queues)
cli.add_command(runner)
cli.add_command(runners)
cli.add_command(status)
cli.add_command(top)
cli.add_command(triggers)
cli.add_command(why)
cli.add_command(workflows)


def main() -> None:
    """Run a command; turn our errors into one line."""
    try:
        cli(standalone_mode=True)
    except (PynencError, OSError) as error:  # as of a full disk under what is printed
        if "-v" in sys.argv or "--verbose" in sys.argv:
            raise
        say(f"pynenc-pg: {error}", err=True)
        if isinstance(error, OSError):
            _forget_output()
        sys.exit(1)


def _forget_output() -> None:
    """What could not be printed is not tried once more at the exit, whose code would be another."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)

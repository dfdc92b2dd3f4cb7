"""The root of all commands: common options, and errors as one line.

Exit codes: 0 done, 1 it could not be done (the reason is one line on stderr), 2 wrong usage. A
worker and the doctor have one more, see ``pynenc-pg runner start --help``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import click

from pynenc_pg import Pynenc, __version__
from pynenc_pg.cli.config import config, show
from pynenc_pg.cli.database import database
from pynenc_pg.cli.demo import demo
from pynenc_pg.cli.doctor import doctor
from pynenc_pg.cli.find import find_app
from pynenc_pg.cli.queues import queues
from pynenc_pg.cli.runner import runner
from pynenc_pg.cli.triggers import triggers
from pynenc_pg.cli.workflows import workflows
from pynenc_pg.conf.values import LogFormat, LogLevel
from pynenc_pg.engine.logs import configure_logging, is_configured
from pynenc_pg.exceptions import PynencError


@dataclass(slots=True)
class Context:
    """What the commands share."""

    app_name: str | None
    verbose: bool
    log_format: LogFormat | None = None
    log_level: LogLevel | None = None

    def app(self) -> Pynenc:
        """Find the app that ``--app`` names, or the one there is, and log as it wants."""
        app = find_app(self.app_name)
        if self.log_format:
            app.conf.logging_format = self.log_format
        if self.log_level:
            app.conf.logging_level = self.log_level
        if is_configured():  # not, where the user's module has set up logging in its own way
            configure_logging(
                level=self._level(app.conf.logging_level),
                format=app.conf.logging_format,
                colors=app.conf.logging_colors,
            )
        return app

    def configure_logging(self) -> None:
        """Log as the options want, without an app."""
        configure_logging(level=self._level("info"), format=self.log_format or "text")

    def _level(self, default: LogLevel) -> LogLevel:
        return self.log_level or ("debug" if self.verbose else default)


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


cli.add_command(config)
cli.add_command(show, name="show_config")
cli.add_command(database)
cli.add_command(demo)
cli.add_command(doctor)
cli.add_command(queues)
cli.add_command(runner)
cli.add_command(triggers)
cli.add_command(workflows)


def main() -> None:
    """Run a command; turn our errors into one line."""
    try:
        cli(standalone_mode=True)
    except PynencError as error:
        if "-v" in sys.argv or "--verbose" in sys.argv:
            raise
        click.echo(f"pynenc-pg: {error}", err=True)
        sys.exit(1)

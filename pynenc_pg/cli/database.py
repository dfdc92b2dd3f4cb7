"""``pynenc-pg db``: deployment."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from pynenc_pg.cli.find import is_clear
from pynenc_pg.cli.shell import shell
from pynenc_pg.conf.load import load
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.postgres import embedded
from pynenc_pg.postgres.conninfo import read_dsn, without_password

if TYPE_CHECKING:
    from types import ModuleType

    from pynenc_pg.cli.reach import Context
    from pynenc_pg.conf.config_pynenc import PynencConf
    from pynenc_pg.postgres.deploy import Plan, SchemaStatus


@click.group(name="db")
@click.option("--dsn", help="The database; default: the app's, or the environment's.")
@click.option("--schema", help="The schema; default: the app's, or pynenc.")
@click.pass_context
def database(context: click.Context, dsn: str | None, schema: str | None) -> None:
    """The schema in the database."""
    parent: Context = context.obj
    context.obj = Target(parent, dsn, schema)


class Target:
    """Where a command works. An embedded server stays up until the command ends."""

    def __init__(self, parent: Context, dsn: str | None, schema: str | None) -> None:
        conf = _configuration(parent, dsn)
        self.parent = parent
        self.schema = schema or conf.postgres.schema_name
        # Not over a pooler: a migration holds a lock of its session.
        self._given = dsn or conf.postgres.direct_dsn or conf.postgres.dsn
        self._server: embedded.EmbeddedPostgres | None = None

    @property
    def dsn(self) -> str:
        """A DSN that libpq understands.

        Raises:
            ConfigError: none is configured.
        """
        if not self._given:
            message = (
                "no database is configured: set PYNENC__POSTGRES__DSN or postgres.dsn of the app "
                "(--app), or say --dsn DSN, as in pynenc-pg db --dsn DSN"
            )
            raise ConfigError(message)
        if not embedded.is_embedded(self._given):
            read_dsn(self._given)
            return self._given
        self._server = self._server or embedded.from_dsn(self._given)
        return self._server.start()


def _configuration(parent: Context, dsn: str | None) -> PynencConf:
    """Return the app's where one is named, or where nothing else says what the database is."""
    if not parent.app_name:
        found = load()
        if dsn or found.postgres.dsn or not is_clear():
            return found
    return parent.app().conf


def _deploy() -> ModuleType:
    """Import it at need: with Alembic and SQLAlchemy it is a third of the start of a worker."""
    from pynenc_pg.postgres import deploy  # noqa: PLC0415

    return deploy


def _show(found: SchemaStatus) -> None:
    if found.newer:
        state = f"newer than this code, which brings {found.head}"
    elif found.up_to_date:
        state = "up to date"
    else:
        state = f"not up to date: the code brings {found.head}"
    click.echo(
        f"schema {found.schema} on PostgreSQL {found.server_version}: "
        f"revision {found.current or 'none'}, {state}"
    )


#: Of ``db migrate --check``: there is something to do.
_PENDING = 3


@database.command()
@click.option("--revision", default="head", show_default=True)
@click.option("--check", is_flag=True, help="Say what would be done; exit code 3: something.")
@click.pass_obj
@click.pass_context
def migrate(context: click.Context, target: Any, revision: str, *, check: bool) -> None:
    """Bring the schema up to date."""
    if not check:
        _show(_deploy().migrate(target.dsn, target.schema, revision))
        return
    plan: Plan = _deploy().check(target.dsn, target.schema, revision)
    _show(plan.status)
    for statement in plan.ahead:
        click.echo(f"ahead, while workers work: {statement}")
    for name, brings in plan.revisions:
        click.echo(f"in one transaction: {name}: {brings}")
    context.exit(_PENDING if plan.revisions else 0)


@database.command()
@click.pass_obj
@click.pass_context
def status(context: click.Context, target: Any) -> None:
    """Show the schema's revision; exit code 1 if there is something to migrate."""
    found = _deploy().status(target.dsn, target.schema)
    _show(found)
    context.exit(0 if found.up_to_date else 1)


@database.command()
@click.option("--revision", default="head", show_default=True)
@click.pass_obj
def sql(target: Any, revision: str) -> None:
    """Print the SQL of a migration of an empty database instead of running it."""
    click.echo(_deploy().sql(target.schema, revision))


@database.command()
@click.option("--revision", default="base", show_default=True)
@click.option("--yes", is_flag=True, help="Really: data is lost.")
@click.pass_obj
def downgrade(target: Any, revision: str, *, yes: bool) -> None:
    """Go back to a revision; base removes everything of ours."""
    _confirm(target, yes=yes)
    _show(_deploy().downgrade(target.dsn, target.schema, revision))


@database.command()
@click.option("--yes", is_flag=True, help="Really: all data is lost.")
@click.pass_obj
def reset(target: Any, *, yes: bool) -> None:
    """Drop the schema with all its data and build it anew."""
    _confirm(target, yes=yes)
    _show(_deploy().reset(target.dsn, target.schema))


def _confirm(target: Any, *, yes: bool) -> None:
    if not yes:
        message = f"this removes everything in schema {target.schema}: say --yes if you mean it"
        raise click.UsageError(message)


@database.command()
@click.option("--app-id", help="Whose; default: the app's.")
@click.option("--older-than", type=float, default=0.0, metavar="DAYS", help="Ended so long ago.")
@click.option("--newer-than", type=float, metavar="DAYS", help="And not longer ago than this.")
@click.option("--output", "-o", type=click.File("w"), default="-", show_default=True)
@click.pass_obj
def export(
    target: Any, app_id: str | None, older_than: float, newer_than: float | None, output: Any
) -> None:
    """Write finished invocations with their history: JSON, one a line.

    Large values are named by their hashes, as in their rows.
    """
    from pynenc_pg.postgres.export import finished  # noqa: PLC0415 - as above

    now = datetime.now(UTC)
    since = None if newer_than is None else now - timedelta(days=newer_than)
    count = 0
    until = now - timedelta(days=older_than)
    whose = app_id or target.parent.app().conf.app_id
    for line in finished(target.dsn, target.schema, whose, since, until):
        output.write(line + "\n")
        count += 1
    click.echo(f"{count} invocations", err=True)


@database.command(name="dsn")
@click.option("--hold", is_flag=True, help="Until Ctrl-C, with an embedded server up so long.")
@click.pass_obj
def print_dsn(target: Any, *, hold: bool) -> None:
    """Print the DSN for other programs, without a password: psql "$(pynenc-pg db dsn)".

    An embedded server stops with its last user: have a worker at work meanwhile, or say --hold.
    """
    stops = {signal.SIGINT, signal.SIGTERM}
    dsn = without_password(target.dsn)
    if hold:  # not before the server is started, which would inherit that
        signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    click.echo(dsn)
    if hold:
        signal.sigwait(stops)


database.add_command(shell)

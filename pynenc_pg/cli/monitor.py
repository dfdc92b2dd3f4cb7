"""``pynenc-pg monitor``: pages on a live database, in a browser."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pynenc_pg.exceptions import ConfigError

if TYPE_CHECKING:
    from pynenc_pg.cli.reach import Context


@click.group(invoke_without_command=True)
@click.option("--host", help="Where to listen. Default: monitor.host, this machine alone.")
@click.option("--port", type=click.IntRange(0, 65535), help="Default: monitor.port, 8765.")
@click.pass_context
def monitor(context: click.Context, host: str | None, port: int | None) -> None:
    """Serve the web monitor of an app until it is interrupted.

    It needs the extra pynenc_pg[monitor], and a user with the role observer; for actions with the
    role operator, too.
    """
    if context.invoked_subcommand is not None:
        return
    parent: Context = context.obj
    with parent.app() as app:
        conf = app.conf
        if host is not None:
            conf.monitor.host = host
        if port is not None:
            conf.monitor.port = port
        try:
            from pynenc_pg.monitor import serve  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            message = f"{error}: pip install 'pynenc_pg[monitor]'"
            raise ConfigError(message) from error
        serve(conf, lambda address: click.echo(f"monitor of {conf.app_id!r}: {address}"))


@monitor.command(name="hash-password")
def hash_password() -> None:
    """Make the hash of a password, for monitor.operator_password or monitor.viewer_password.

    The password is asked for, or read from standard input.
    """
    from pynenc_pg.monitor.passwords import hash_password as made  # noqa: PLC0415 - an extra

    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not password:
        message = "an empty password is none"
        raise click.UsageError(message)
    click.echo(made(password))

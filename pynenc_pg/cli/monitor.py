"""``pynenc-pg monitor``: pages on a live database, in a browser."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import click

from pynenc_pg.exceptions import ConfigError

if TYPE_CHECKING:
    from pynenc_pg.cli.reach import Context


@click.command()
@click.option("--host", help="Where to listen. Default: monitor.host, this machine alone.")
@click.option("--port", type=click.IntRange(0, 65535), help="Default: monitor.port, 8765.")
@click.option(
    "--hash-password",
    is_flag=True,
    help="Ask for a password, or read it from standard input, and print its hash: for "
    "monitor.operator_password or monitor.viewer_password. Nothing is served.",
)
@click.pass_obj
def monitor(context: Context, host: str | None, port: int | None, *, hash_password: bool) -> None:
    """Serve the web monitor of an app until it is interrupted.

    It needs the extra pynenc_pg[monitor], and a user with the role observer; for actions with the
    role operator, too.
    """
    try:
        from pynenc_pg.monitor import passwords, serve  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        message = f"{error}: pip install 'pynenc_pg[monitor]'"
        raise ConfigError(message) from error
    if hash_password:
        click.echo(passwords.hash_password(_asked()))
        return
    with context.app() as app:
        conf = app.conf
        if host is not None:
            conf.monitor.host = host
        if port is not None:
            conf.monitor.port = port
        # The server, once it has ended in good order, sends itself the signal anew: no failure. And
        # the first process of a container would not hear it at all while there is no server yet.
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            serve(conf, lambda address: click.echo(f"monitor of {conf.app_id!r}: {address}"))
        finally:
            signal.signal(signal.SIGTERM, before)


def _asked() -> str:
    if sys.stdin.isatty():
        password: str = click.prompt(
            "Password", hide_input=True, confirmation_prompt=True, err=True
        )
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not password:
        message = "an empty password is none"
        raise click.UsageError(message)
    return password

"""``pynenc-pg metrics``: the database as a whole, for Prometheus."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pynenc_pg.cli.database import Target
from pynenc_pg.cli.exporter import Exporter
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.postgres.database import PgDatabase

if TYPE_CHECKING:
    from pynenc_pg.cli.reach import Context

logger = logging.getLogger(__name__)

#: The app whose verbs are called: none, all are measured.
_NOBODY = ""


@click.group()
@click.option("--dsn", help="The database; default: the app's, or the environment's.")
@click.option("--schema", help="The schema; default: the app's, or pynenc.")
@click.pass_context
def metrics(context: click.Context, dsn: str | None, schema: str | None) -> None:
    """The database as a whole, for Prometheus: queues, runners, tasks, tables of all apps.

    It needs the role observer. What one worker does is told by runner start --metrics.
    """
    parent: Context = context.obj
    context.obj = Target(parent, dsn, schema)


@metrics.command(name="print")
@click.pass_obj
@click.pass_context
def print_(context: click.Context, target: Target) -> None:
    """Print all of it once; exit code 1 if the database has not answered."""
    with _exporter(target, 0.0) as exporter:
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415

        registry = CollectorRegistry()
        registry.register(exporter)
        click.echo(generate_latest(registry).decode(), nl=False)
    context.exit(0 if exporter.answered else 1)


@metrics.command()
@click.option("--port", type=click.IntRange(0, 65535), default=9187, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--every",
    type=click.FloatRange(0),
    default=10.0,
    show_default=True,
    help="Seconds in which the database is asked once, however many ask here.",
)
@click.pass_obj
def serve(target: Target, port: int, host: str, every: float) -> None:
    """Answer GET /metrics until SIGTERM or Ctrl-C."""
    stops = {signal.SIGTERM, signal.SIGINT}
    with _exporter(target, every) as exporter:
        from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415

        registry = CollectorRegistry()
        registry.register(exporter)
        # Before there are threads of the server, which would take them, and not before an embedded
        # database is started, which would inherit that.
        signal.pthread_sigmask(signal.SIG_BLOCK, stops)
        try:
            server, thread = start_http_server(port, addr=host, registry=registry)
        except OSError as error:
            message = f"no metrics on {host} port {port}: {error}; see --port"
            raise ConfigError(message) from error
        port = server.server_port
        fields = {"host": host, "port": port}
        logger.info("metrics.listening: %s port %d, /metrics", host, port, extra=fields)
        signal.sigwait(stops)
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _exporter(target: Target, every: float) -> Iterator[Exporter]:
    database = PgDatabase(target.dsn, app_id=_NOBODY, schema=target.schema, pool_size=1)
    try:
        yield Exporter(database, every=every)
    finally:
        database.close()

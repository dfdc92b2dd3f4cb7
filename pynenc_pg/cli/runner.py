"""``pynenc-pg runner``: the worker daemon."""

from __future__ import annotations

import signal
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pynenc_pg.cli.main import Context


@click.group()
def runner() -> None:
    """Workers."""


@runner.command()
@click.option("--queues", metavar="A,B", help="Queues to serve, in this order; default: all.")
@click.option("--concurrency", type=click.IntRange(1), help="Invocations that run at once.")
@click.option(
    "--shutdown-timeout", type=click.FloatRange(0), help="Seconds running tasks get at the end."
)
@click.pass_obj
def start(
    context: Context, queues: str | None, concurrency: int | None, shutdown_timeout: float | None
) -> None:
    """Work until SIGTERM or Ctrl-C; a second one stops at once."""
    app = context.app()
    if queues:
        app.conf.runner.queues = tuple(name.strip() for name in queues.split(",") if name.strip())
    if concurrency:
        app.conf.runner.concurrency = concurrency
    if shutdown_timeout is not None:
        app.conf.runner.shutdown_timeout = shutdown_timeout
    worker = app.runner
    asked = 0

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        at_once: Any = getattr(worker, "stop_at_once", worker.stop_runner_loop)
        (at_once if asked > 1 else worker.stop_runner_loop)()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        worker.run()
    finally:
        app.close()

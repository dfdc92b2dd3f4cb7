"""``pynenc-pg runner``: the worker daemon."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from pynenc_pg import Pynenc
from pynenc_pg.cli import again, watch
from pynenc_pg.runner import systemd
from pynenc_pg.runner.daemon import SIGNALS, Daemon, ExitCode, Wish
from pynenc_pg.runner.endpoint import HealthEndpoint
from pynenc_pg.runner.exposition import Exposition
from pynenc_pg.runner.orphan import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pynenc_pg.cli.reach import Context

logger = logging.getLogger(__name__)

#: Beside the pool: the home of the runner, and the one where it hears of results of others.
_OWN_SESSIONS = 2
_LEVELS = ("debug", "info", "warning", "error", "critical")

_EPILOG = """\
\b
Signals:
  SIGTERM, SIGINT  stop: what runs may end in its time; again: at once
  SIGHUP           take up new code: runners with processes exchange these, the others
                   let what runs end in its time and begin anew, under the same pid

\b
Exit codes:
  0  all that ran has ended
  1  it could not work; the reason is one line
  2  the command line is wrong
  3  stopped, and running tasks were handed back to other workers
"""


@click.group()
def runner() -> None:
    """Workers."""


@runner.command(epilog=_EPILOG)
@click.option(
    "--runner",
    "runner_cls",
    metavar="NAME",
    help="ThreadRunner, AsyncRunner, … or the dotted path of your own; default: the app's.",
)
@click.option("--queues", metavar="A,B", help="Queues to serve, in this order; default: all.")
@click.option("--concurrency", type=click.IntRange(1), help="Invocations that run at once.")
@click.option(
    "--shutdown-timeout", type=click.FloatRange(0), help="Seconds running tasks get at the end."
)
@click.option(
    "--health-port",
    type=click.IntRange(0, 65535),
    help="Answer GET /live and /ready there, for probes; 0 is any port that is free.",
)
@click.option(
    "--health-host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen at; 0.0.0.0 where probes come from outside.",
)
@click.option(
    "--metrics/--no-metrics",
    default=None,
    help="Answer GET /metrics, too, for Prometheus (pynenc_pg[metrics]); default: the app's.",
)
@click.option("--log-format", type=click.Choice(["text", "json"]), help="Default: the app's.")
@click.option("--log-level", type=click.Choice(_LEVELS), help="Default: the app's.")
@click.option("--reload", is_flag=True, help="For development: restart when Python files change.")
@click.pass_context
def start(context: click.Context, /, *, reload: bool, **options: Any) -> None:
    """Work until SIGTERM or Ctrl-C."""
    parent: Context = context.obj
    parent.log_format, parent.log_level = options["log_format"], options["log_level"]
    watched = die_with_parent()
    if reload and not watched:
        parent.configure_logging()
        context.exit(watch.watch())
    # Until there is a runner nothing has to be ended; the first process of a container would not
    # even hear it. A former life of ours may have held signals back.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(ExitCode.DONE))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    app = parent.app()
    _configure(app, options)
    context.exit(_work(app, _signals(watched=watched), options))


def _configure(app: Pynenc, options: Mapping[str, Any]) -> None:
    conf = app.conf
    if options["runner_cls"]:
        conf.runner_cls = options["runner_cls"]
    if options["queues"]:
        names = (name.strip() for name in options["queues"].split(","))
        conf.runner.queues = tuple(name for name in names if name)
    for name in ("concurrency", "shutdown_timeout", "metrics"):
        if options[name] is not None:
            setattr(conf.runner, name, options[name])


def _signals(*, watched: bool) -> Mapping[signal.Signals, Wish]:
    """Which signals mean what here."""
    if watched:  # those of the terminal are heard by the parent
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return {signal.SIGTERM: Wish.STOP}
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup
        return {number: wish for number, wish in SIGNALS.items() if number != signal.SIGHUP}
    if sys.stdin is not None and sys.stdin.isatty():  # it says that the terminal was closed
        return {**SIGNALS, signal.SIGHUP: Wish.STOP}
    return SIGNALS


def _tell_connections(app: Pynenc) -> None:
    """Log what the process takes of ``max_connections``; it is not asked: that would take one."""
    if app.conf.store == "postgres":
        pool = app.conf.postgres.pool_size
        logger.info(
            "runner.connections: up to %d of the server's are for this process: pool %d, home 1, "
            "results 1",
            pool + _OWN_SESSIONS,
            pool,
            extra={"connections": pool + _OWN_SESSIONS},
        )


def _work(app: Pynenc, signals: Mapping[signal.Signals, Wish], options: Mapping[str, Any]) -> int:
    port = options["health_port"]
    if options["metrics"] and port is None:
        message = "--metrics are answered by the health endpoint: give --health-port, too"
        raise click.UsageError(message)
    exposition = Exposition(app.runner) if app.conf.runner.metrics and port is not None else None
    endpoint = None if port is None else HealthEndpoint(options["health_host"], port)
    try:
        daemon = Daemon(
            app.runner,
            signals=signals,
            endpoint=endpoint,
            systemd=systemd.connect(),
            metrics=None if exposition is None else exposition.page,
        )
        _tell_connections(app)
        code = daemon.run()
    finally:
        if exposition is not None:
            exposition.close()
        app.close()
    if daemon.again():
        again.begin_anew()
    daemon.close()
    return code

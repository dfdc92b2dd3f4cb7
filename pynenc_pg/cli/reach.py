"""What the commands share: the app that is meant, and whether its work can be seen from here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from pynenc_pg import Pynenc
from pynenc_pg.cli.find import find_app
from pynenc_pg.conf.values import LogFormat, LogLevel
from pynenc_pg.engine.logs import configure_logging, is_configured
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.postgres.database import PgDatabase


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


class Place(NamedTuple):
    """An app, and its database once more, to look at it."""

    app: Pynenc
    database: PgDatabase


@contextmanager
def reached(context: Context, what: str, instead: str) -> Iterator[Place]:
    """Find the app, if ``what`` of it can be reached from here; close it at the end.

    ``instead`` is what one calls in the process that runs the tasks.

    Raises:
        ConfigError: it is in the memory of each process.
        StoreUnavailableError: the database is not there.
    """
    with context.app() as app:
        if not app.engine.store.processes:
            message = (
                f"app {app.conf.app_id!r} keeps its {what} in memory, each process its own: call "
                f"{instead} in the process that runs the tasks, or configure a database "
                "(PYNENC__POSTGRES__DSN)"
            )
            raise ConfigError(message)
        with database_of(app) as database:
            yield Place(app, database)


@contextmanager
def database_of(app: Pynenc) -> Iterator[PgDatabase]:
    """Open the database of an app once more, to look at it.

    Raises:
        ConfigError: it has none.
        StoreUnavailableError: it is not there.
    """
    conf = app.conf
    if not app.engine.store.processes or not conf.postgres.dsn:
        message = (
            f"app {conf.app_id!r} keeps everything in the memory of each process: there is nothing "
            "to look at from here. Configure a database (PYNENC__POSTGRES__DSN)"
        )
        raise ConfigError(message)
    database = PgDatabase(
        conf.postgres.dsn, app_id=conf.app_id, schema=conf.postgres.schema_name, pool_size=2
    )
    try:
        # A pool would try for ten seconds, and leave the reason to its log.
        database.connect("look", direct=False).close()
        yield database
    finally:
        database.close()

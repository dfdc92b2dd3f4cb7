"""A server for tests, and a migrated database of it for each."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any, Final

from pynenc_pg.exceptions import ConfigError, PynencError

if TYPE_CHECKING:
    import psycopg

#: The image where Docker answers.
IMAGE: Final = "postgres:18"
#: A DSN, where nothing else is said. Whoever it names must be allowed to make databases.
VARIABLE: Final = "PYNENC_TEST_DSN"


@contextmanager
def server(dsn: str | None, run: str) -> Iterator[str]:
    """Yield the DSN of a server: the one given, else of a container, else of the embedded one.

    ``run`` names this process of this run of tests: what is started is for that alone.

    Raises:
        ConfigError: there is none of them.
    """
    if dsn:
        yield dsn
    elif docker_answers():
        with _container() as started:
            yield started
    else:
        with _embedded(run) as started:
            yield started


def docker_answers() -> bool:
    """Whether testcontainers is installed and a Docker engine answers."""
    try:
        import docker  # noqa: PLC0415 - neither is needed
        import testcontainers.postgres  # noqa: F401, PLC0415

        client = docker.from_env(timeout=2)
        try:
            client.ping()
        finally:
            client.close()
    except Exception:  # noqa: BLE001 - whatever it is, there is no Docker to use
        return False
    return True


@contextmanager
def _container() -> Iterator[str]:
    from testcontainers.postgres import PostgresContainer  # noqa: PLC0415

    with PostgresContainer(IMAGE, driver=None) as container:
        yield container.get_connection_url()


@contextmanager
def _embedded(run: str) -> Iterator[str]:
    """Yield the DSN of a private server, in a folder that goes with it.

    Not below pytest's own folder: that is 0700, and as root the server runs as somebody else.
    """
    from pynenc_pg.postgres.embedded import EmbeddedPostgres  # noqa: PLC0415

    home = Path(tempfile.gettempdir()) / f"pynenc-pg-pytest-{os.getuid()}-{run}"
    private = EmbeddedPostgres(home, durable=False)
    try:
        private.start()
    except PynencError as error:
        message = (
            f"no PostgreSQL for the tests: {error} Or name a server, by {VARIABLE} or "
            "--pynenc-dsn; or install testcontainers[postgres] and Docker."
        )
        raise ConfigError(message) from error
    try:
        yield private.dsn
    finally:
        private.close()
        _remove(home)


def _remove(home: Path) -> None:
    """Remove the folder; the server in it is about to end."""
    patience = time.monotonic() + 10
    while home.exists() and time.monotonic() < patience:
        if not any(home.glob("data-*/postmaster.pid")):
            rmtree(home, ignore_errors=True)
        time.sleep(0.1)


class Databases:
    """Databases of a server: copies of a template, which is migrated once."""

    def __init__(self, dsn: str, prefix: str) -> None:
        """Nothing is made; ``prefix`` is what all of their names begin with."""
        self._dsn = dsn
        self._prefix = prefix
        self._numbers = count()
        self._templates: dict[str, str] = {}  # by schema

    @contextmanager
    def lend(self, schema: str = "pynenc") -> Iterator[str]:
        """Yield the DSN of a migrated database without a row, and drop it."""
        from psycopg import sql  # noqa: PLC0415

        name = f"{self._prefix}_{next(self._numbers)}"
        template = self._template(schema)
        with self._admin() as admin:
            # By files: an unlogged copy of some MB, and no other session writes to the template.
            statement = sql.SQL("create database {} template {} strategy file_copy")
            admin.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield self._of(name)
        finally:
            with self._admin() as admin:
                self._drop(admin, name)

    def close(self) -> None:
        """Drop the templates."""
        if self._templates:
            with self._admin() as admin:
                for name in self._templates.values():
                    self._drop(admin, name)
        self._templates.clear()

    def _template(self, schema: str) -> str:
        from psycopg import sql  # noqa: PLC0415

        from pynenc_pg.postgres import deploy  # noqa: PLC0415

        if schema not in self._templates:
            name = f"{self._prefix}_template_{len(self._templates)}"
            with self._admin() as admin:
                self._drop(admin, name)
                admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            self._templates[schema] = name
            deploy.migrate(self._of(name), schema)
        return self._templates[schema]

    def _of(self, name: str) -> str:
        from psycopg.conninfo import make_conninfo  # noqa: PLC0415

        return make_conninfo(self._dsn, dbname=name)

    @contextmanager
    def _admin(self) -> Iterator[psycopg.Connection[Any]]:
        import psycopg  # noqa: PLC0415

        with psycopg.connect(self._dsn, autocommit=True) as admin:
            yield admin

    @staticmethod
    def _drop(admin: psycopg.Connection[Any], name: str) -> None:
        from psycopg import sql  # noqa: PLC0415

        drop = sql.SQL("drop database if exists {} with (force)")
        admin.execute(drop.format(sql.Identifier(name)))

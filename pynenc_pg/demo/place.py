"""The database the demo works on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg.conninfo import conninfo_to_dict

from pynenc_pg.postgres import deploy, embedded

#: The first that is set names the database; else it is the embedded one.
VARIABLES = ("PYNENC_DEMO_DSN", "PYNENC__POSTGRES__DSN")


@dataclass(frozen=True, slots=True)
class Place:
    """A database that runs and has our schema."""

    given: str  # how the user names it: a DSN, or ``embedded``
    variable: str | None  # the one that named it
    dsn: str  # as libpq knows it
    description: str


@contextmanager
def database() -> Iterator[Place]:
    """Start or join the server and migrate; an embedded one runs until the end of the block."""
    variable = next((name for name in VARIABLES if os.environ.get(name)), None)
    given = os.environ[variable] if variable else _default()
    if not embedded.is_embedded(given):
        yield _migrated(given, variable, given, _address(given))
        return
    with embedded.from_dsn(given) as server:
        yield _migrated(given, variable, server.dsn, f"embedded, in {server.home}")


def _default() -> str:
    """Return ``embedded``, or a folder below /var/tmp for a user who has no home to write to."""
    home = embedded.EmbeddedPostgres().home
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    if os.access(there, os.W_OK | os.X_OK):
        return "embedded"
    return f"embedded:///var/tmp/pynenc_pg-demo-{os.geteuid()}"


def _migrated(given: str, variable: str | None, dsn: str, where: str) -> Place:
    status = deploy.migrate(dsn)
    description = (
        f"PostgreSQL {status.server_version}, {where}; "
        f"schema {status.schema} at revision {status.current}"
    )
    return Place(given, variable, dsn, description)


def _address(dsn: str) -> str:
    known = conninfo_to_dict(dsn)
    return ", ".join(f"{key} {known[key]}" for key in ("host", "port", "dbname") if known.get(key))

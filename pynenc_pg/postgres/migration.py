"""The schema of an app, brought up to date by the app itself."""

from __future__ import annotations

from typing import Final

import psycopg

from pynenc_pg.postgres import errors
from pynenc_pg.postgres.database import PgDatabase
from pynenc_pg.postgres.templates import render
from pynenc_pg.postgres.versions import REVISION

_NOTED: Final = "select max(version_num) from {schema}.alembic_version"


def migrate(database: PgDatabase, direct_dsn: str | None) -> None:
    """Migrate, if there is anything to do.

    Whether there is, is asked first: Alembic takes longer to import than most scripts to run.
    """
    if not _up_to_date(database):
        from pynenc_pg.postgres import deploy  # noqa: PLC0415 - as above

        deploy.migrate(direct_dsn or database.dsn, database.schema)


def _up_to_date(database: PgDatabase) -> bool:
    query = render(_NOTED, database.schema).encode()
    with errors.translated(), database.connect("migration") as connection:
        try:
            row = connection.execute(query).fetchone()
        except psycopg.errors.UndefinedTable:  # nothing is there, or another Alembic has made it
            return False
    # Revisions are named in their order; one of a later version of this package is left alone.
    return row is not None and row[0] is not None and row[0] >= REVISION

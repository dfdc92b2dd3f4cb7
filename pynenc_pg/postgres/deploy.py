"""Deployment: the schema by Alembic, from the command line, code, or a team's own Alembic."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa
from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from pynenc_pg.exceptions import ConfigError
from pynenc_pg.postgres import errors
from pynenc_pg.postgres.templates import check_schema_name, frozen_files, render

MIN_SERVER = 15


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Which revision a database has, and which one this code brings."""

    schema: str
    current: str | None
    head: str
    server_version: str

    @property
    def up_to_date(self) -> bool:
        """Nothing to migrate."""
        return self.current == self.head


def migrations_path() -> Path:
    """Where the revisions lie: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def run_sql(folder: str) -> None:
    """Run the frozen files of a revision. To be called from within a revision.

    The schema's name comes from the option ``pynenc_schema`` of the Alembic configuration that
    runs, ours or a team's own, and is ``pynenc`` where that is not set.
    """
    context = op.get_context()
    config = context.config
    schema = (config.get_main_option("pynenc_schema") if config else None) or "pynenc"
    for path in frozen_files(migrations_path() / "sql" / folder):
        sql = render(path.read_text(encoding="utf-8"), schema)
        if context.as_sql:
            context.impl.static_output(sql)
        else:
            # Without parameters a file of many statements goes to the server as it is.
            op.get_bind().execution_options(no_parameters=True).exec_driver_sql(sql)


def migrate(dsn: str, schema: str = "pynenc", revision: str = "head") -> SchemaStatus:
    """Bring the schema up to date. Safe to run from several places at once: one works, others wait.

    Raises:
        ConfigError: the server is older than PostgreSQL 15.
    """
    with _connected(dsn, schema) as (config, connection):
        _check_server(connection)
        command.upgrade(config, revision)
    return status(dsn, schema)


def downgrade(dsn: str, schema: str = "pynenc", revision: str = "base") -> SchemaStatus:
    """Go back to a revision; ``base`` removes everything. Data goes with it."""
    with _connected(dsn, schema) as (config, _):
        command.downgrade(config, revision)
    return status(dsn, schema)


def reset(dsn: str, schema: str = "pynenc") -> SchemaStatus:
    """Drop the whole schema with all its data and build it anew."""
    check_schema_name(schema)
    with errors.translated(), psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(render("drop schema if exists {schema} cascade", schema).encode())
    return migrate(dsn, schema)


def status(dsn: str, schema: str = "pynenc") -> SchemaStatus:
    """Say which revision the database has, and which one this code brings."""
    with _connected(dsn, schema) as (config, connection):
        context = MigrationContext.configure(connection, opts={"version_table_schema": schema})
        version = connection.exec_driver_sql("show server_version").scalar_one()
        heads = context.get_current_heads()
        return SchemaStatus(
            schema=schema,
            current=heads[0] if heads else None,
            head=ScriptDirectory.from_config(config).get_current_head() or "",
            server_version=str(version).split()[0],
        )


def sql(schema: str = "pynenc", revision: str = "head") -> str:
    """Return the SQL that ``migrate`` would run on an empty database, to be reviewed first."""
    buffer = io.StringIO()
    config = _config(schema, buffer)
    command.upgrade(config, revision, sql=True)
    return buffer.getvalue()


def _config(schema: str, buffer: io.StringIO | None = None) -> Config:
    check_schema_name(schema)
    config = Config(output_buffer=buffer, stdout=io.StringIO()) if buffer else Config()
    config.set_main_option("script_location", str(migrations_path()).replace("%", "%%"))
    config.set_main_option("pynenc_schema", schema)
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _connected(dsn: str, schema: str) -> Iterator[tuple[Config, sa.Connection]]:
    config = _config(schema)
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=sa.NullPool
    )
    with errors.translated(), engine.begin() as connection:
        config.attributes["connection"] = connection
        yield config, connection


def _check_server(connection: sa.Connection) -> None:
    number = int(connection.exec_driver_sql("show server_version_num").scalar_one())
    if number < MIN_SERVER * 10_000:
        found = number // 10_000
        message = f"the server is PostgreSQL {found}, and pynenc_pg needs {MIN_SERVER} or newer"
        raise ConfigError(message)

"""Deployment: the schema by Alembic, from the command line, code, or a team's own Alembic."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory

from pynenc_pg.exceptions import SchemaVersionError, StoreError
from pynenc_pg.postgres.migrating import (
    Session,
    alembic_alone,
    in_one_transaction,
    session,
    turn,
)
from pynenc_pg.postgres.preparing import left_to_do, prepare
from pynenc_pg.postgres.templates import (
    check_schema_name,
    frozen_files,
    migrations_path,
    render,
)
from pynenc_pg.postgres.versions import told

#: A schema that an admin has made is taken as it is: IF NOT EXISTS would ask for the right to
#: create schemas even where there is nothing to create.
_SCHEMA: Final = """do $$
begin
    if to_regnamespace('{schema}') is null then
        create schema {schema};
    end if;
end $$;"""


#: Null where it is not there.
_READABLE: Final = "select has_table_privilege(to_regclass('{schema}.alembic_version'), 'select')"

#: Revisions are named pynenc_0001 and on, so their order can be told from their names.
_PREFIX: Final = "pynenc_"


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Which revision a database has, and which one this code brings."""

    schema: str
    current: str | None
    head: str
    server_version: str

    @property
    def newer(self) -> bool:
        """A later version of this package has migrated the database."""
        ours = self.current is not None and self.current.startswith(_PREFIX)
        return ours and str(self.current) > self.head

    @property
    def up_to_date(self) -> bool:
        """Nothing to migrate."""
        return self.current == self.head or self.newer


@dataclass(frozen=True, slots=True)
class Plan:
    """What ``migrate`` would do."""

    status: SchemaStatus
    ahead: tuple[str, ...]  # statements, one by one, while workers work
    revisions: tuple[tuple[str, str], ...]  # names and what they bring, in one transaction


def create_schema(schema: str) -> str:
    """Return the SQL that makes the schema where there is none."""
    return render(_SCHEMA, schema)


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
    """Bring the schema up to date, also while workers are at work.

    What takes long is done ahead, step by step; the rest is one transaction. Broken off at any
    point, the next call goes on.

    Safe to run from several places at once: one works, the others wait for it. A table that is
    locked for long is not queued for, which would stop everybody behind: the transaction is undone
    and tried again. A schema that a later version has migrated is left as it is.

    Raises:
        ConfigError: the server is older than PostgreSQL 15, or there is no such revision.
        SchemaVersionError: the tables were made by somebody else's Alembic.
        StoreUnavailableError: somebody holds a table, or the lock of migrations, for too long.
    """

    def upgrade(config: Config, connection: sa.Connection) -> None:
        if not _status(config, connection).newer:
            command.upgrade(config, revision)

    def ahead(config: Config, opened: Session) -> None:
        prepare(opened, schema, _folders(_pending(config, opened, revision)))

    return _alone(dsn, schema, upgrade, ahead)


def check(dsn: str, schema: str = "pynenc", revision: str = "head") -> Plan:
    """Say what ``migrate`` would do. Nothing is changed, and nothing is waited for.

    Raises:
        ConfigError: there is no such revision.
        SchemaVersionError: the tables were made by somebody else's Alembic.
    """
    config = _config(schema)
    with session(dsn) as opened:
        pending = _pending(config, opened, revision)
        statements = tuple(left_to_do(opened, schema, _folders(pending)))
        found = in_one_transaction(opened, schema, lambda one: _status(config, one))
    return Plan(found, statements, tuple((one.revision, one.doc) for one in pending))


def downgrade(dsn: str, schema: str = "pynenc", revision: str = "base") -> SchemaStatus:
    """Go back to a revision; ``base`` removes everything of ours. Data goes with it.

    The schema itself stays, with what is not ours in it; so do the roles.

    Raises:
        SchemaVersionError: a later version has migrated the database: only that one can undo it.
        StoreError: something that is not ours depends on what would be removed; names it.
    """

    def undo(config: Config, connection: sa.Connection) -> None:
        found = _status(config, connection)
        if found.newer:
            message = (
                f"schema {schema} is at revision {found.current}, and this code knows none after "
                f"{found.head}: downgrade with the version that brought it"
            )
            raise SchemaVersionError(message)
        with _named_dependants():
            command.downgrade(config, revision)

    return _alone(dsn, schema, undo)


def reset(dsn: str, schema: str = "pynenc") -> SchemaStatus:
    """Drop the whole schema with all that is in it and build it anew, in one transaction."""

    def rebuild(config: Config, connection: sa.Connection) -> None:
        drop = render(
            "set local client_min_messages = warning; drop schema if exists {schema} cascade; "
            "set local client_min_messages = notice",
            schema,
        )
        connection.execution_options(no_parameters=True).exec_driver_sql(drop)
        command.upgrade(config, "head")

    return _alone(dsn, schema, rebuild)


def status(dsn: str, schema: str = "pynenc") -> SchemaStatus:
    """Say which revision the database has, and which one this code brings.

    Members of our roles may ask, too: not what is noted for Alembic, but the schema itself.

    Raises:
        SchemaVersionError: the tables were made by somebody else's Alembic, which knows.
    """
    config = _config(schema)
    with session(dsn) as opened:
        return in_one_transaction(opened, schema, lambda connection: _status(config, connection))


def sql(schema: str = "pynenc", revision: str = "head") -> str:
    """Return the SQL that ``migrate`` would run on an empty database, to be reviewed first."""
    buffer = io.StringIO()
    config = _config(schema, buffer)
    with alembic_alone():
        command.upgrade(config, revision, sql=True)
    return buffer.getvalue()


def _pending(config: Config, opened: Session, revision: str) -> list[Script]:
    """Return the revisions that are not in the schema yet, in order."""
    schema = config.get_main_option("pynenc_schema") or "pynenc"
    query = "select version_num from {schema}.alembic_version"
    known = "select to_regclass('{schema}.alembic_version') is not null"
    rows: list[tuple[str]] = []
    if opened.execute(render(known, schema).encode()).fetchone() == (True,):
        rows = opened.execute(render(query, schema).encode()).fetchall()
    current = rows[0][0] if rows else None
    with alembic_alone():
        script = ScriptDirectory.from_config(config)
        if (current or "").startswith(_PREFIX) and str(current) > str(script.get_current_head()):
            return []  # a later version has migrated it
        return list(script.iterate_revisions(revision, current or "base"))[::-1]


def _folders(pending: Sequence[Script]) -> list[Path]:
    """Return where the steps ahead of revisions lie; none, where there are no tables yet."""
    if pending and pending[0].down_revision is None:
        return []
    sql_folder = migrations_path() / "sql"
    return [sql_folder / one.revision.removeprefix(_PREFIX) / "before" for one in pending]


def _alone(
    dsn: str,
    schema: str,
    work: Callable[[Config, sa.Connection], None],
    ahead: Callable[[Config, Session], None] | None = None,
) -> SchemaStatus:
    """Do the work in one transaction, as the only one who migrates this schema."""
    config = _config(schema)

    def once(connection: sa.Connection) -> SchemaStatus:
        config.attributes["connection"] = connection
        with alembic_alone():
            work(config, connection)
        return _status(config, connection)

    with session(dsn) as opened, turn(opened, schema):
        if ahead is not None:
            ahead(config, opened)
        return in_one_transaction(opened, schema, once)


@contextmanager
def _named_dependants() -> Iterator[None]:
    """Say what stands in the way; the server's own advice would be to drop that as well."""
    try:
        yield
    except sa.exc.InternalError as error:
        found = error.orig
        if not isinstance(found, psycopg.errors.DependentObjectsStillExist):
            raise
        detail = "; ".join((found.diag.message_detail or "").splitlines())
        message = f"nothing was removed, because others need it: {detail}. Drop that first"
        raise StoreError(message) from error


def _config(schema: str, buffer: io.StringIO | None = None) -> Config:
    check_schema_name(schema)
    config = Config(output_buffer=buffer, stdout=io.StringIO()) if buffer else Config()
    config.set_main_option("script_location", str(migrations_path()).replace("%", "%%"))
    config.set_main_option("pynenc_schema", schema)
    config.set_main_option("path_separator", "os")
    return config


def _status(config: Config, connection: sa.Connection) -> SchemaStatus:
    schema = config.get_main_option("pynenc_schema") or "pynenc"
    heads = _heads(connection, schema)
    version = connection.exec_driver_sql("show server_version").scalar_one()
    if not heads and _has_tables(connection, schema):
        message = (
            f"schema {schema} has our tables, but no revision is noted there: another Alembic has "
            "made them, and is the one to ask and to migrate with"
        )
        raise SchemaVersionError(message)
    return SchemaStatus(
        schema=schema,
        current=heads[0] if heads else None,
        head=ScriptDirectory.from_config(config).get_current_head() or "",
        server_version=str(version).split()[0],
    )


def _heads(connection: sa.Connection, schema: str) -> tuple[str, ...]:
    def ask(query: str, _: Sequence[object] = ()) -> Sequence[Sequence[Any]]:
        return connection.exec_driver_sql(render(query, schema)).fetchall()

    if ask(_READABLE)[0][0] is False:
        return (told(ask)[0],)
    context = MigrationContext.configure(connection, opts={"version_table_schema": schema})
    return context.get_current_heads()


def _has_tables(connection: sa.Connection, schema: str) -> bool:
    query = render("select to_regclass('{schema}.invocation_state') is not null", schema)
    return bool(connection.exec_driver_sql(query).scalar_one())

"""The snapshot, the frozen copies and the SQL files say the same, and the server agrees."""

from __future__ import annotations

import re
import shutil
import subprocess

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from pynenc_pg.postgres import deploy
from pynenc_pg.postgres.migrating import MIN_SERVER
from pynenc_pg.postgres.templates import function_files, migrations_path, render, view_files
from tests.migrations.support import Connection, ask, login
from tests.tools.freeze import FIRST, frozen, removal
from tests.tools.snapshot import PATH, of_database, snapshot

REVISIONS = migrations_path() / "sql"


#: With what it takes: there are two functions of one name.
HEAD = re.compile(r"^create or replace (?:function|view) \{schema\}\.\w+(?:\([^)]*)?", re.MULTILINE)


def _frozen(head: str) -> str:
    """Return the newest frozen text that makes what a file with these first words makes."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(REVISIONS.glob("[0-9]*/*.sql"))]
    return next((text for text in reversed(texts) if head in text), "")


def test_the_snapshot_is_of_this_schema(database_dsn: str) -> None:
    """schema.sql is what a fresh migration makes; if it is not: make schema."""
    assert of_database(database_dsn) == PATH.read_text(encoding="utf-8"), "make schema"


def test_the_snapshot_leaves_no_trace(database_dsn: str) -> None:
    """Taken twice it is the same, and what it made to look with is gone."""
    with psycopg.connect(database_dsn, autocommit=True) as connection:
        assert snapshot(connection) == snapshot(connection)
        assert connection.execute("show search_path").fetchone() != ("",)
        left = "select count(*) from pg_proc where pronamespace = pg_my_temp_schema()"
        assert connection.execute(left.encode()).fetchone() == (0,)


def test_the_snapshot_is_complete(database_dsn: str) -> None:
    """Everything the catalogs list in the schema, but for partitions, stands in it by name."""
    rows = ask(
        database_dsn,
        """select c.relname from pg_class c where c.relnamespace = 'pynenc'::regnamespace
             and c.relname <> 'alembic_version' and c.relkind in ('r', 'p', 'v', 'i', 'I')
             and not c.relispartition
             and not exists (select from pg_index x where x.indexrelid = c.oid
                             and (x.indrelid in (select inhrelid from pg_inherits)
                                  or x.indrelid = to_regclass('pynenc.alembic_version')))
           union all select proname from pg_proc where pronamespace = 'pynenc'::regnamespace
           union all select tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid
                     where c.relnamespace = 'pynenc'::regnamespace and not t.tgisinternal
           union all select conname from pg_constraint k join pg_class c on c.oid = k.conrelid
                     where c.relnamespace = 'pynenc'::regnamespace and k.contype <> 'n'
                       and not c.relispartition and c.relname <> 'alembic_version'""",
    )
    words = set(re.findall(r"\w+", of_database(database_dsn)))
    assert len(rows) > 100
    assert {row[0] for row in rows} - words == set()


def test_the_snapshot_does_not_depend_on_who_takes_it(
    empty_database_dsn: str, unused_name: str, fresh: str
) -> None:
    """Migrated and read by an ordinary user with odd settings, it is what a superuser reads."""
    with login(empty_database_dsn, unused_name) as dsn:
        name = conninfo_to_dict(empty_database_dsn)["dbname"]
        ask(empty_database_dsn, f"grant create on database {name} to {unused_name}")
        deploy.migrate(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("set search_path = pynenc; set quote_all_identifiers = on")
            connection.execute("set datestyle = 'German'; set timezone = 'Asia/Tokyo'")
            assert snapshot(connection) == fresh


def test_it_is_the_same_on_the_oldest_server(oldest_server_dsn: str, fresh: str) -> None:
    """Migrated on the oldest supported PostgreSQL, the schema gives the same snapshot."""
    found = deploy.migrate(oldest_server_dsn)
    assert found.server_version.startswith(f"{MIN_SERVER}.")
    assert of_database(oldest_server_dsn) == fresh


def test_frozen_functions_are_those_of_the_files() -> None:
    """The newest frozen copy of each function and view is its file, letter for letter."""
    for path in (*function_files(), *view_files()):
        text = path.read_text(encoding="utf-8")
        [head] = HEAD.findall(text)
        assert text in _frozen(head), f"{path.name}: python -m tests.tools.freeze"


def test_the_first_revision_is_undone_by_what_it_made() -> None:
    """The SQL of its removal names what its SQL makes."""
    folder = REVISIONS / FIRST
    made = frozen(sorted(folder.glob("*.sql")))
    written = (folder / "down" / "01_down.sql").read_text(encoding="utf-8")
    assert written == removal(made), f"python -m tests.tools.freeze {FIRST}"


def test_deployed_functions_are_those_of_the_files(database_dsn: str) -> None:
    """Functions and views made anew from their files change nothing in a migrated schema."""
    before = of_database(database_dsn)
    with psycopg.connect(database_dsn, autocommit=True) as connection:
        for path in [*function_files(), *view_files()]:
            connection.execute(render(path.read_text(encoding="utf-8"), "pynenc").encode())
        assert snapshot(connection) == before


def _rows_of_the_state_machine(connection: Connection) -> list[tuple[object, ...]]:
    query = b"""select from_status, to_status, reason from pynenc.status_transition
                union all select status, null, concat(available, owned, final) from pynenc.status
                order by 1, 2, 3"""
    return connection.execute(query).fetchall()


@pytest.mark.parametrize("client", ["psql", "psycopg"])
def test_the_sql_for_review_makes_the_same_schema(
    empty_database_dsn: str, database_dsn: str, client: str, fresh: str
) -> None:
    """What `db sql` prints, run by psql or another client, leaves what `db migrate` leaves."""
    script = deploy.sql()
    if client == "psql":
        program = shutil.which("psql")
        if program is None:
            pytest.skip("there is no psql on PATH")
        command = [program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", empty_database_dsn]
        subprocess.run(command, input=script, text=True, check=True, capture_output=True)
    else:
        ask(empty_database_dsn, script)
    assert of_database(empty_database_dsn) == fresh
    with psycopg.connect(empty_database_dsn) as one, psycopg.connect(database_dsn) as other:
        assert _rows_of_the_state_machine(one) == _rows_of_the_state_machine(other)
    assert deploy.migrate(empty_database_dsn).up_to_date

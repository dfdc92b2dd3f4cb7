"""Any name will do for a schema, and two in one database know nothing of each other."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from pynenc_pg.postgres import deploy
from pynenc_pg.postgres.database import PgDatabase
from tests.migrations.support import ask, run_a_task
from tests.support.sql import temporary_database
from tests.tools.snapshot import of_database


@pytest.fixture(scope="module")
def both(server_dsn: str, template: str, used_names: list[str]) -> Iterator[tuple[str, str]]:
    """A database that has ``pynenc`` and another schema; its DSN and the other's name."""
    used_names.append("test_other")
    with temporary_database(server_dsn, template) as dsn:
        deploy.migrate(dsn, "test_other")
        yield dsn, "test_other"


def test_another_name_gives_the_same_schema(both: tuple[str, str], fresh: str) -> None:
    """But for its name, the schema is the one of the snapshot; roles and locks bear the name."""
    dsn, other = both
    found = of_database(dsn, other)
    assert f"{other}_worker" in found
    assert f"hashtext('{other}'" in found
    assert found.replace(other, "pynenc") == fresh
    assert deploy.status(dsn, other).up_to_date


def test_calls_stay_in_their_schema(both: tuple[str, str]) -> None:
    """The same app in two schemas: each has its own calls, workers and results."""
    dsn, other = both
    assert run_a_task(dsn, other) == 42
    assert ask(dsn, f"select count(*) from {other}.invocation_outcome") == [(1,)]
    for table in ("invocation", "invocation_history", "queue", "runner"):
        assert ask(dsn, f"select from pynenc.{table}") == [], table
    assert run_a_task(dsn, "pynenc") == 42
    assert ask(dsn, f"select count(*) from {other}.invocation_outcome") == [(1,)]


def test_nothing_of_one_depends_on_the_other(
    database_dsn: str, unused_name: str, fresh: str
) -> None:
    """Removing either leaves the other as it was, and at work."""
    dsn, other = database_dsn, unused_name
    deploy.migrate(dsn, other)
    deploy.downgrade(dsn)
    assert of_database(dsn, other).replace(other, "pynenc") == fresh
    assert run_a_task(dsn, other) == 42
    deploy.migrate(dsn)
    ask(dsn, f"drop schema {other} cascade")
    assert of_database(dsn) == fresh
    assert run_a_task(dsn, "pynenc") == 42


def test_roles_of_one_have_no_rights_in_the_other(both: tuple[str, str]) -> None:
    """What is granted in a schema is granted to its own roles alone."""
    dsn, other = both
    query = """select distinct pg_get_userbyid(a.grantee)::text
               from pg_proc p cross join aclexplode(p.proacl) a
               where p.pronamespace = %s::regnamespace and a.grantee <> p.proowner"""
    for schema in ("pynenc", other):
        roles = {row[0] for row in ask(dsn, query, schema)}
        assert roles == {f"{schema}_{r}" for r in ("producer", "worker", "observer", "operator")}


def test_their_locks_do_not_meet(both: tuple[str, str]) -> None:
    """Who makes partitions in one schema does not wait for whoever does in the other."""
    dsn, other = both
    with psycopg.connect(dsn) as holder:
        holder.execute("select pg_advisory_xact_lock(pynenc.lock_space(), -2)")
        database = PgDatabase(dsn, app_id="deployed", schema=other)
        assert database.call("select {schema}.ensure_partitions()") == [([],)]
        database.close()

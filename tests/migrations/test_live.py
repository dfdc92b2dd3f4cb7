"""Several migrate at once, one is killed, workers are at work: nothing is half-done."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import psycopg
import pytest

from pynenc_pg.exceptions import StoreUnavailableError
from pynenc_pg.postgres import deploy, migrating
from tests.migrations.support import ask, has_schema, run_a_task, wait_until
from tests.tools.snapshot import of_database

_MIGRATE = "import sys; from pynenc_pg.postgres import deploy; deploy.migrate(sys.argv[1])"


@contextmanager
def partitions_kept(dsn: str, schema: str = "pynenc") -> Iterator[None]:
    """Hold the lock that the last step of the first revision needs."""
    with psycopg.connect(dsn) as holder:
        take = "select pg_advisory_xact_lock(hashtext(%s) & 2147483647, -2)"
        holder.execute(take, (schema,))
        yield


def migrators(dsn: str) -> list[tuple[str, bool]]:
    """State of each migrating session, and whether it waits for a lock."""
    return [
        (str(state), bool(waits))
        for state, waits in ask(
            dsn,
            """select state, wait_event_type = 'Lock' from pg_stat_activity
               where application_name = 'pynenc migrate' and datname = current_database()""",
        )
    ]


def one_is_midway(dsn: str) -> bool:
    """Whether a migration has come to its last step."""
    return ("active", True) in migrators(dsn)


def test_five_at_once(empty_database_dsn: str, fresh: str) -> None:
    """Of five who migrate at once one works and four wait, without a snapshot; all succeed."""
    one_works = sorted([("active", True), *[("idle", False)] * 4])
    with ThreadPoolExecutor(5) as pool:
        with partitions_kept(empty_database_dsn):
            found = [pool.submit(deploy.migrate, empty_database_dsn) for _ in range(5)]
            wait_until(lambda: sorted(migrators(empty_database_dsn)) == one_works)
            assert not has_schema(empty_database_dsn)
        assert all(status.result(60).up_to_date for status in found)
    assert of_database(empty_database_dsn) == fresh
    assert ask(empty_database_dsn, "select count(*) from pynenc.alembic_version") == [(1,)]


def test_threads_of_one_process(empty_database_dsn: str, used_names: list[str], fresh: str) -> None:
    """Threads may migrate several schemas at once, although Alembic keeps its state in globals."""
    names = ["pynenc", "test_live_0"]
    used_names.extend(names[1:])
    start = threading.Barrier(4)

    def migrate(name: str) -> deploy.SchemaStatus:
        start.wait()
        return deploy.migrate(empty_database_dsn, name)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(migrate, names * 2))
    assert [status.schema for status in found] == names * 2
    assert all(status.up_to_date for status in found)
    for name in names:
        assert of_database(empty_database_dsn, name).replace(name, "pynenc") == fresh


def test_killed_midway(empty_database_dsn: str, fresh: str) -> None:
    """After `kill -9` nothing is there, and the next migration neither waits for long nor fails."""
    with partitions_kept(empty_database_dsn):
        process = subprocess.Popen([sys.executable, "-c", _MIGRATE, empty_database_dsn])
        wait_until(lambda: one_is_midway(empty_database_dsn))
        process.kill()
        process.wait()
        assert not has_schema(empty_database_dsn)
    found = deploy.migrate(empty_database_dsn)
    assert found.up_to_date
    assert of_database(empty_database_dsn) == fresh
    assert run_a_task(empty_database_dsn, "pynenc") == 42


def test_work_goes_on_while_a_migration_cannot(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A table that is read for long is not queued for: others get at it, and it is tried again."""
    quick = migrating._SESSION.replace(migrating.LOCK_TIMEOUT, "50ms")
    monkeypatch.setattr(migrating, "_SESSION", quick)
    tried = threading.Event()
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: tried.set())
    monkeypatch.setattr(migrating, "time", clock)
    caplog.set_level("INFO", migrating.__name__)
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(database_dsn) as reader,
        psycopg.connect(database_dsn, autocommit=True) as worker,
    ):
        reader.execute("select from pynenc.invocation_state")
        down = pool.submit(deploy.downgrade, database_dsn)
        assert tried.wait(20)
        for _ in range(20):
            # Behind a request that waits this would wait for as long as the reader reads.
            worker.execute("set statement_timeout = '1s'")
            worker.execute("select count(*) from pynenc.invocation_state")
        assert not down.done()
        reader.rollback()
        assert down.result(20).current is None
    assert re.search(r"deploy\.locked: schema pynenc is in use, trying again", caplog.text)


def test_patience_ends(database_dsn: str, monkeypatch: pytest.MonkeyPatch, fresh: str) -> None:
    """A table that never becomes free ends in an error that says so; the schema is as before."""
    quick = migrating._SESSION.replace(migrating.LOCK_TIMEOUT, "20ms")
    monkeypatch.setattr(migrating, "_SESSION", quick)
    monkeypatch.setattr(migrating, "_PATIENCE", 0.1)
    with psycopg.connect(database_dsn) as reader:
        reader.execute("select from pynenc.slot")
        with pytest.raises(StoreUnavailableError, match="was not changed: other sessions kept"):
            deploy.downgrade(database_dsn)
    assert deploy.status(database_dsn).up_to_date
    assert of_database(database_dsn) == fresh


def test_another_migration_that_never_ends(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for another migration gives up after a time, and waits for that of its schema."""
    monkeypatch.setattr(migrating, "_TURN", 0.1)
    with psycopg.connect(database_dsn, autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(hashtext('pynenc') & 2147483647, -3)")
        with pytest.raises(StoreUnavailableError, match="another migration of schema pynenc"):
            deploy.migrate(database_dsn)
        with migrating.session(database_dsn) as session, migrating.turn(session, "pynenc_2"):
            pass
    assert deploy.migrate(database_dsn).up_to_date


_SLOW = """
create function pg_catalog.slow() returns event_trigger language plpgsql as
$$ begin perform pg_sleep(0.6); end $$;
create event trigger slow on ddl_command_start when tag in ('CREATE SCHEMA')
execute function pg_catalog.slow()
"""


def test_settings_of_the_role_do_not_matter(empty_database_dsn: str) -> None:
    """A database whose defaults are hasty, strict and silent is migrated like any other."""
    for setting in (
        "statement_timeout = '500ms'",
        "default_transaction_isolation = 'serializable'",
        "client_min_messages = 'error'",
        "idle_in_transaction_session_timeout = '1ms'",
        "search_path = 'nowhere'",
        "timezone = 'Pacific/Auckland'",
    ):
        name = psycopg.conninfo.conninfo_to_dict(empty_database_dsn)["dbname"]
        ask(empty_database_dsn, f"alter database {name} set {setting}")
    # A statement that certainly takes longer; none of the others need hurry.
    ask(empty_database_dsn, _SLOW)
    assert deploy.migrate(empty_database_dsn).up_to_date

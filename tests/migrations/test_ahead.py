"""Steps ahead of a migration: broken off anywhere they go on, and the schema is the same."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import psycopg
import pytest

from pynenc_pg.exceptions import StoreUnavailableError
from pynenc_pg.postgres import deploy, migrating, preparing
from tests.migrations.last_release import REVISION as LAST
from tests.migrations.last_release import OldWorker
from tests.migrations.support import ask, wait_until
from tests.support.sql import connect
from tests.tools.snapshot import of_database

_MIGRATE = "import sys; from pynenc_pg.postgres import deploy; deploy.migrate(sys.argv[1])"
_INDEXES = """select i.indexrelid::regclass::text, i.indisvalid, i.indexrelid::bigint
              from pg_index i join pg_inherits h on h.inhrelid = i.indrelid
              where h.inhparent = 'pynenc.invocation_history'::regclass and i.indnatts = 1"""
_STUCK = """select pid from pg_stat_activity
            where application_name = 'pynenc migrate' and wait_event_type = 'Lock'
              and datname = current_database()"""


@pytest.fixture
def old_dsn(empty_database_dsn: str) -> str:
    """A database with the schema of the last release, in which something has run."""
    deploy.migrate(empty_database_dsn, revision=LAST)
    with connect(empty_database_dsn) as connection:
        worker = OldWorker(connection, "old")
        worker.register(50)
        while worker.work(50):
            pass
    return empty_database_dsn


def _end_what_is_stuck(dsn: str) -> bool:
    """Cut the connection of a migration that waits for a lock."""
    return bool(ask(dsn, f"select pg_terminate_backend(pid) from ({_STUCK}) stuck"))


def _ahead(dsn: str) -> tuple[str, ...]:
    return deploy.check(dsn).ahead


@pytest.mark.parametrize("steps", [13, pytest.param(1, marks=pytest.mark.long)])
def test_broken_off_again_and_again(
    old_dsn: str, monkeypatch: pytest.MonkeyPatch, fresh: str, steps: int
) -> None:
    """After so many steps each time: fewer are left, and at the end it is a fresh schema."""
    whole = preparing._run
    left = len(_ahead(old_dsn))
    assert left > 10

    run: list[str] = []

    def some(opened: migrating.Session, statement: str) -> bool:
        done = whole(opened, statement)
        run.append(statement)
        if len(run) % steps == 0:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(preparing, "_run", some)
    while deploy.check(old_dsn).revisions:
        with suppress(KeyboardInterrupt):
            deploy.migrate(old_dsn)
        # A check is added, and then looked at: two steps.
        assert left - steps <= len(_ahead(old_dsn)) <= left
        left = len(_ahead(old_dsn)) or left
    assert len(run) == len(set(run)) > 40
    assert of_database(old_dsn) == fresh
    assert ask(old_dsn, "select * from pynenc.broken(null, null, 5)") == []


def test_what_was_done_ahead_is_taken_as_it_is(old_dsn: str, fresh: str) -> None:
    """The migration neither builds the indexes again nor looks at the rows again."""
    assert ask(old_dsn, _INDEXES) == []
    with psycopg.connect(old_dsn, autocommit=True) as connection:
        while statements := _ahead(old_dsn):
            for statement in statements:
                connection.execute(statement.encode())
    before = ask(old_dsn, _INDEXES)
    assert len(before) > 10
    assert deploy.migrate(old_dsn).up_to_date
    assert sorted(ask(old_dsn, _INDEXES)) == sorted(before)
    assert ask(old_dsn, "select count(*) from pg_index where not indisvalid") == [(0,)]
    assert of_database(old_dsn) == fresh
    deploy.downgrade(old_dsn, revision=LAST)
    assert ask(old_dsn, _INDEXES) == []
    assert deploy.migrate(old_dsn).up_to_date
    assert of_database(old_dsn) == fresh


def test_a_broken_index_is_made_anew(old_dsn: str, fresh: str) -> None:
    """Killed while it builds one concurrently, it leaves a broken index; the next call mends it."""
    [(table,)] = ask(
        old_dsn,
        "select tableoid::regclass::text from pynenc.invocation_history limit 1",
    )
    with psycopg.connect(old_dsn) as reader:
        # What writes to the table must end before the index can be built.
        reader.execute(f"lock table {table} in row exclusive mode".encode())
        process = subprocess.Popen([sys.executable, "-c", _MIGRATE, old_dsn])
        wait_until(lambda: bool(ask(old_dsn, _STUCK)), 60)
        process.kill()
        process.wait()
        # Its session ends when the server notices; then nobody builds any more.
        _end_what_is_stuck(old_dsn)
        wait_until(lambda: not ask(old_dsn, _STUCK))
    [(broken, _, _)] = [row for row in ask(old_dsn, _INDEXES) if not row[1]]
    assert f"drop index concurrently {broken}" in _ahead(old_dsn)
    assert deploy.migrate(old_dsn).up_to_date
    assert all(valid for _, valid, _ in ask(old_dsn, _INDEXES))
    assert of_database(old_dsn) == fresh


def test_killed_in_the_transaction(old_dsn: str, fresh: str) -> None:
    """A connection that is cut in the middle of the revision leaves the old schema, which works."""
    with psycopg.connect(old_dsn) as holder:
        # The last table that the revision locks: all before it is done, and nothing is committed.
        holder.execute("lock table pynenc.payload in access share mode")
        process = subprocess.Popen([sys.executable, "-c", _MIGRATE, old_dsn])
        wait_until(lambda: _end_what_is_stuck(old_dsn), 60)
        assert process.wait(60) != 0
    found = deploy.status(old_dsn)
    assert (found.current, found.up_to_date) == (LAST, False)
    with connect(old_dsn) as connection:
        worker = OldWorker(connection, "still")
        worker.register(1)
        assert len(worker.work()) == 1
    assert deploy.migrate(old_dsn).up_to_date
    assert of_database(old_dsn) == fresh


def test_a_step_that_meets_a_lock_tries_again(
    old_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody stands behind it for longer than its timeout, and it gives up in the end."""
    monkeypatch.setattr(preparing, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(preparing, "_CONCURRENT_TIMEOUT", "50ms")
    tried = threading.Event()
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: tried.set())
    monkeypatch.setattr(preparing, "time", clock)
    monkeypatch.setattr(preparing, "_PATIENCE", 0.2)
    [(table,)] = ask(
        old_dsn, "select tableoid::regclass::text from pynenc.invocation_outcome limit 1"
    )
    with psycopg.connect(old_dsn) as reader:
        reader.execute(f"lock table {table} in access share mode".encode())
        with pytest.raises(StoreUnavailableError, match="is not ready for its migration"):
            deploy.migrate(old_dsn)
        assert tried.is_set()
    assert deploy.status(old_dsn).current == LAST
    assert deploy.migrate(old_dsn).up_to_date

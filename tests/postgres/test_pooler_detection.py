"""Is a pooler there? What is done where none is, where one is, and what it costs to find out."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from pynenc_pg import Pynenc, PynencBuilder
from pynenc_pg.cli.main import cli
from pynenc_pg.exceptions import ConfigError, StoreUnavailableError
from pynenc_pg.postgres import deploy, pooler, sessions
from pynenc_pg.postgres.database import PgDatabase
from pynenc_pg.postgres.listener import PgSubscription
from tests.acceptance.workers import ROOT, wait_for
from tests.faults.bouncer import bouncer, needs_pgbouncer

_LOCKS = """select count(*) from pg_locks where locktype = 'advisory'
    and database = (select oid from pg_database where datname = current_database())"""


@pytest.fixture
def database(database_dsn: str) -> Iterator[PgDatabase]:
    """A door to the server itself."""
    found = PgDatabase(database_dsn, app_id="pooled")
    yield found
    found.close()


@pytest.fixture
def masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every connection look as if a pooler had made its process number up."""
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", 1)


def _value(connection: psycopg.Connection[Any], query: str) -> Any:
    return (connection.execute(query.encode()).fetchone() or [None])[0]


def test_a_direct_connection_costs_one_statement(
    database: PgDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pooler is seen, time-outs are set, statements may be prepared; all with one statement."""
    said: list[object] = []
    execute = psycopg.Connection.execute

    def counted(connection: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        said.append(query)
        return execute(connection, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Connection, "execute", counted)
    with database.connect("test") as connection:
        assert len(said) == 1
        assert connection.prepare_threshold is not None
        assert not pooler.stands_before(connection)
        for name, value in (("statement_timeout", "1min"), ("lock_timeout", "10s")):
            assert _value(connection, f"show {name}") == value
    assert database.call("show lock_timeout") == [("10s",)]
    assert database.call("select count(*) from pg_prepared_statements") == [(2,)]


class _Counting(psycopg.Connection[Any]):
    """Counts its statements, each of them a round trip."""

    statements = 0

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Count one."""
        self.statements += 1
        return super().execute(*args, **kwargs)


def test_finding_out_is_cheap(database_dsn: str) -> None:
    """To set a session up, and to look whether it is ours, is one round trip."""
    with _Counting.connect(database_dsn, autocommit=True) as connection:
        assert not sessions.set_up(connection)
        assert connection.statements == 1


def test_behind_a_pooler_nothing_is_set_nor_prepared(masked: None, database: PgDatabase) -> None:
    """What a session would keep is left out, and it is said once."""
    with database.connect("test") as connection:
        assert connection.prepare_threshold is None
        assert pooler.stands_before(connection)
        assert _value(connection, "show lock_timeout") == "0"
    for _ in range(10):
        assert database.call("select 1::text") == [("1",)]
    assert database.call("select count(*) from pg_prepared_statements") == [(0,)]


def test_a_session_that_is_ours_alone_is_recognized(masked: None, database: PgDatabase) -> None:
    """A pooler through which hints arrive is one in session mode: locks hold there, too."""
    subscription = PgSubscription(database, work=True)
    assert subscription.healthy
    assert subscription.can_lock
    assert database.told == {"postgres.pooler"}
    subscription.close()


def test_a_pooler_that_lets_nothing_through_is_not_judged(
    database: PgDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no hint could be sent nothing is known, so the connection is as good as lost."""
    monkeypatch.setattr(pooler, "_SENT", 0.05)

    def stuck(channel: str) -> int:
        return int(database.call("select 1 from pg_sleep(0.5)")[0][0])

    def fails(channel: str) -> int:
        return int(database.call("select 1 from nowhere")[0][0])

    with database.connect("test") as connection:
        with pytest.raises(StoreUnavailableError, match=r"no second connection.*within"):
            pooler.leaves_session(connection, "here", stuck)
        monkeypatch.setattr(pooler, "_SENT", 5.0)
        with pytest.raises(StoreUnavailableError, match=r"no second connection.*nowhere"):
            pooler.leaves_session(connection, "here", fails)


def test_the_way_round_is_for_the_sessions_that_need_it(database_dsn: str) -> None:
    """``direct_dsn`` leads the listeners; ``dsn`` everything else, here into the void."""
    database = PgDatabase(
        "host=/nowhere port=1", app_id="pooled", direct_dsn=database_dsn, pool_size=2
    )
    subscription = PgSubscription(database, work=True)
    assert subscription.healthy
    assert subscription.execute("select 1") == [(1,)]
    subscription.close()
    other = PgDatabase(database_dsn, app_id="pooled", direct_dsn="host=/nowhere port=1")
    assert other.call("select 1") == [(1,)]
    other.close()


def test_the_way_round_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """By variable or builder; it is a secret, and what cannot be read is not quoted."""
    secret = "postgresql://me:pw@db.example.org/shop"  # noqa: S105
    monkeypatch.setenv("PYNENC__POSTGRES__DIRECT_DSN", secret)
    assert Pynenc("shop").conf.postgres.direct_dsn == secret
    app = PynencBuilder().app_id("shop").postgres("dbname=x", direct_dsn="pw@nonsense").build()
    assert app.conf.postgres.direct_dsn == "pw@nonsense"
    assert "pw@" not in repr(app.conf)
    with pytest.raises(ConfigError, match=r"^postgres.direct_dsn cannot be read") as refused:
        app.engine.store.broker.subscribe(work=True)
    assert "pw@" not in str(refused.value)
    before = app.engine
    app.conf.postgres.direct_dsn = None
    assert app.engine is not before
    app.close()


def test_the_role_brings_along_what_is_not_set(database_dsn: str) -> None:
    """The page for users names all time-outs that a session sets for itself, as SQL that runs."""
    page = (ROOT / "docs/howto/poolers.md").read_text(encoding="utf-8")
    named = re.findall(r"^alter role shop_worker set (\w+) = '(\w+)';$", page, re.MULTILINE)
    assert dict(named) == sessions._SERVER
    with psycopg.connect(database_dsn) as connection:
        connection.execute("create role shop_worker")
        for name, value in named:
            connection.execute(f"alter role shop_worker set {name} = '{value}'".encode())
        connection.rollback()


@needs_pgbouncer
def test_shared_sessions_are_recognized_at_once_and_told_once(
    database_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In transaction mode no hint is relied upon, and looks stand for them."""
    with bouncer(database_dsn, "transaction", size=2) as dsn, caplog.at_level(logging.INFO):
        database = PgDatabase(dsn, app_id="pooled")
        began = time.monotonic()
        home, results = (PgSubscription(database, work=work) for work in (True, False))
        assert time.monotonic() - began < 1.0  # nobody waits for what cannot come
        assert not any(one.healthy or one.can_lock for one in (home, results))
        for _ in range(3):
            assert [hint.kind for hint in home.wait(5)] == ["due", "cause"]
            assert [(hint.kind, hint.ids) for hint in results.wait(5)] == [("result", ())]
        home.interrupt()
        assert home.wait(5) == []
        for one in (home, results):
            one.close()
        database.close()
    told = [record.getMessage().split(":")[0] for record in caplog.records]
    assert sorted(t for t in told if t.startswith("postgres.")) == [
        *("postgres.pooled", "postgres.pooler")
    ]
    with psycopg.connect(database_dsn) as connection:
        assert _value(connection, _LOCKS) == 0


@needs_pgbouncer
def test_no_session_of_others_is_ended(database_dsn: str) -> None:
    """The server's half of a home that was lost is a stranger's by the time it connects again."""
    with bouncer(database_dsn, "session", size=5) as dsn:
        database = PgDatabase(dsn, app_id="pooled")
        home = PgSubscription(database, work=True)
        pid = home.execute("select pg_backend_pid()")[0][0]
        home._lose()
        strangers = [psycopg.connect(dsn, autocommit=True) for _ in range(3)]
        assert pid in {_value(stranger, "select pg_backend_pid()") for stranger in strangers}
        while not home.healthy:
            home.wait(1)
        assert home.session == 2
        assert [_value(stranger, "select 1") for stranger in strangers] == [1, 1, 1]
        for stranger in strangers:
            stranger.close()
        home.close()
        database.close()


@needs_pgbouncer
def test_migrations_refuse_shared_sessions(
    empty_database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They name the way round, leave nothing behind, and take it where it is configured."""
    with bouncer(empty_database_dsn, "transaction", size=2) as dsn:
        for verb in (deploy.migrate, deploy.status):
            with pytest.raises(ConfigError, match=r"transaction mode.*postgres\.direct_dsn"):
                verb(dsn)
        monkeypatch.setenv("PYNENC__POSTGRES__DSN", dsn)
        refused = CliRunner().invoke(cli, ["db", "migrate"])
        assert refused.exit_code == 1
        with psycopg.connect(dsn) as one, psycopg.connect(dsn) as two:
            assert [_value(c, "show lock_timeout") for c in (one, two)] == ["0", "0"]
            assert _value(one, _LOCKS) == 0
        monkeypatch.setenv("PYNENC__POSTGRES__DIRECT_DSN", empty_database_dsn)
        done = CliRunner().invoke(cli, ["db", "migrate"])
        assert done.exit_code == 0, done.output


@needs_pgbouncer
def test_migrations_go_through_session_mode(empty_database_dsn: str) -> None:
    """The lock belongs to the session there, and ends with it."""
    with bouncer(empty_database_dsn, "session", size=3) as dsn:
        assert deploy.migrate(dsn).up_to_date
        with psycopg.connect(dsn) as connection:
            assert _value(connection, "show lock_timeout") == "0"
            # PgBouncer tidies the session up once its client is gone.
            wait_for(lambda: _value(connection, _LOCKS) == 0)

"""What ``using`` takes, and what it refuses."""

from __future__ import annotations

import asyncio
import importlib
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psycopg
import pytest
import sqlalchemy
from psycopg.conninfo import conninfo_to_dict

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import (
    InvocationConcurrencyWithDifferentArgumentsError,
    RegistrationKeyHeldError,
    SchemaVersionError,
    StoreError,
    StoreUnavailableError,
)
from pynenc_pg.postgres import sessions
from pynenc_pg.testing import in_memory
from tests.app import tasks
from tests.app.concurrency_tasks import once, once_each, once_strictly
from tests.app.conftest import working
from tests.unit.test_docs import BLOCK, DOCS, PRINTED

PAGE = DOCS / "howto/transactions.md"
_TASKS = re.compile(r"# (bank|more)\.py\n")


@pytest.fixture
def modules() -> Iterator[None]:
    """What a test imports is not there for the next one."""
    before = set(sys.modules)
    yield
    for name in ({"shop", "bank", "more"} & set(sys.modules)) - before:
        del sys.modules[name]


@pytest.mark.usefixtures("modules")
def test_the_page(
    database_dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The examples of its first half run, and print what stands beside them."""
    first, *blocks = [b for b in BLOCK.findall(PAGE.read_text("utf-8")) if not _TASKS.match(b)]
    (tmp_path / "shop.py").write_text(first, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    shop = importlib.import_module("shop")
    shop.app.conf.postgres.dsn = database_dsn
    with shop.app:
        names: dict[str, object] = {}
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102 - our own page
            assert capsys.readouterr().out.splitlines() == PRINTED.findall(block)


@pytest.mark.usefixtures("modules")
def test_the_page_s_second_half(
    database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tasks write what they say, with their ends."""
    found = [b for b in BLOCK.findall(PAGE.read_text("utf-8")) if _TASKS.match(b)]
    assert len(found) == 2
    for block in found:
        (tmp_path / block.split()[1]).write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    bank, more = map(importlib.import_module, ("bank", "more"))
    bank.app.conf.postgres.dsn = database_dsn
    with bank.app, psycopg.connect(database_dsn, autocommit=True) as connection:
        connection.execute("create table account as select 1 as number, 100 as balance")
        with working(bank.app.runner):
            assert bank.pay(1, 7).result_or_raise(20) == 93
            more.take_one().result_or_raise(20)
            more.take_one_by_orm().result_or_raise(20)
        assert connection.execute("select balance from account").fetchall() == [(91,)]


def test_the_page_names_the_kinds(app: Pynenc) -> None:
    """Whatever else comes is refused with all that would do."""
    with pytest.raises(TypeError, match=r"builtins\.str cannot carry a call.*psycopg\.Connection"):
        tasks.add.using("a string")(1, 2)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"using\(None\)"):
        tasks.add.using(None)  # type: ignore[call-overload]
    assert app.state_backend.count_ready() == 0


def test_another_database(app: Pynenc) -> None:
    """A database that is no PostgreSQL is named; so is one without the schema."""
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(TypeError, match="is to sqlite"):
        tasks.add.using(connection)(1, 2)
    engine.dispose()
    elsewhere = psycopg.connect(str(app.conf.postgres.dsn), dbname="postgres")
    with elsewhere, pytest.raises(SchemaVersionError, match="pynenc-pg db migrate"):
        tasks.add.using(elsewhere)(1, 2)


def test_a_connection_of_asyncpg_without_a_pool(app: Pynenc) -> None:
    """It is awaited, too."""
    known = conninfo_to_dict(str(app.conf.postgres.dsn))

    async def call() -> None:
        connection = await asyncpg.connect(
            host=known["host"], port=known.get("port"), user=known["user"], database=known["dbname"]
        )
        async with connection.transaction():
            await tasks.add.using(connection)(1, 2)
            assert app.state_backend.count_ready() == 0
        assert app.state_backend.count_ready() == 1
        await connection.close()

    asyncio.run(call())


def test_in_autocommit_a_call_stands_for_itself(app: Pynenc) -> None:
    """There is no transaction that it could be part of."""
    with psycopg.connect(str(app.conf.postgres.dsn), autocommit=True) as connection:
        tasks.add.using(connection)(1, 2)
        assert app.state_backend.count_ready() == 1


def test_a_closed_connection(app: Pynenc) -> None:
    """It cannot be reached, and nothing is written."""
    connection = psycopg.connect(str(app.conf.postgres.dsn))
    connection.close()
    with pytest.raises(StoreUnavailableError):
        tasks.add.using(connection)(1, 2)
    assert app.state_backend.count_ready() == 0


def test_what_does_not_fit_is_refused_before_anything_is_sent(app: Pynenc) -> None:
    """The transaction is as it was, and goes on."""
    with psycopg.connect(str(app.conf.postgres.dsn)) as connection:
        connection.execute("select 1")
        with pytest.raises(TypeError):
            tasks.add.using(connection)(nothing=1)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="element 1 of params"):
            tasks.add.using(connection).parallelize([(1, 2), (3, 4, 5, 6)])
        tasks.add.using(connection)(1, 2)
    assert app.state_backend.count_ready() == 1


def test_a_call_with_other_arguments_is_explained(keyed: Pynenc) -> None:
    """As without a transaction; a savepoint lets the user's own go on."""
    once_strictly("ann", "first")
    with psycopg.connect(str(keyed.conf.postgres.dsn)) as connection:
        with (
            pytest.raises(InvocationConcurrencyWithDifferentArgumentsError, match="note"),
            connection.transaction(),
        ):
            once_strictly.using(connection)("ann", "second")
        once.using(connection)(1)
    assert keyed.state_backend.count_ready() == 2


def test_a_key_that_is_held_for_long(keyed: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for it is told so in the end."""
    setting = sessions._SET_UNLESS_POOLED.replace("'10s'", "'300ms'")
    monkeypatch.setattr(sessions, "_SET_UNLESS_POOLED", setting)
    with psycopg.connect(str(keyed.conf.postgres.dsn)) as connection:
        once.using(connection)(1)
        with pytest.raises(RegistrationKeyHeldError, match="has not ended"):
            once(1)
    assert keyed.state_backend.count_ready() == 1


@pytest.mark.parametrize("patience", [pytest.param("0", marks=pytest.mark.long), "300ms"])
def test_a_key_that_two_transactions_want(keyed: Pynenc, patience: str) -> None:
    """A session that would wait for ever does not, and has its own setting afterwards."""
    dsn = str(keyed.conf.postgres.dsn)
    with psycopg.connect(dsn) as first, psycopg.connect(dsn) as second:
        second.execute(f"set lock_timeout = '{patience}'".encode())
        second.commit()
        once_each.using(second)("mine")
        assert second.execute("show lock_timeout").fetchone() == (patience,)
        once.using(first)(1)
        began = time.monotonic()
        with pytest.raises(RegistrationKeyHeldError):
            once.using(second)(1)
        assert time.monotonic() - began < 12
        second.rollback()
        assert second.execute("show lock_timeout").fetchone() == (patience,)
    assert keyed.state_backend.count_ready() == 1


class _Awaited:
    async def execute(self) -> None:
        """Be awaited."""


def test_memory_refuses_it() -> None:
    """It has no transactions, for whatever session."""
    with in_memory(tasks.app):
        with pytest.raises(StoreError, match="PYNENC__POSTGRES__DSN"):
            tasks.add.using(object()).parallelize([(1, 2)])  # type: ignore[call-overload]
        with pytest.raises(StoreError, match="PYNENC__POSTGRES__DSN"):
            asyncio.run(tasks.add.using(_Awaited())(1, 2))  # type: ignore[call-overload]


def test_in_synchronous_mode_the_session_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is executed at once, whatever becomes of the transaction."""
    monkeypatch.setattr(tasks.app.conf, "dev_mode_force_sync_tasks", True)
    assert tasks.add.using(object())(1, 2).result == 3  # type: ignore[call-overload]
    awaited = asyncio.run(tasks.add.using(_Awaited())(1, 2))  # type: ignore[call-overload]
    assert awaited.result == 3

"""What a task may do with the transaction and the connection that it has."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import Any, Literal

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import orm, text

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.exceptions import StoreError, TransactionError
from pynenc_pg.testing import in_memory
from tests.app.conftest import working
from tests.support.roles import logged_in
from tests.transactions.own import tasks
from tests.transactions.own.conftest import PATIENCE, ask, effects


@pytest.mark.parametrize("what", ["commit", "rollback", "close"])
def test_the_end_is_not_the_task_s(both: Pynenc, what: str) -> None:
    """Of either kind of connection it is refused, and says who does it."""

    def refused(connection: Any) -> Any:
        return getattr(connection, what)()

    async def refused_async(connection: Any) -> None:
        await getattr(connection, what)()

    tasks.hooks["block"] = refused
    with pytest.raises(TransactionError, match="committed with the task's result"):
        tasks.free("a").result_or_raise(PATIENCE)
    tasks.hooks["block"] = refused_async
    with pytest.raises(TransactionError, match="committed with the task's result"):
        tasks.free_async("a").result_or_raise(PATIENCE)
    assert effects(both) == []


def test_a_commit_as_sql_is_found_out(work: Pynenc) -> None:
    """The library cannot hinder it, but it does not pretend either."""
    tasks.hooks["block"] = lambda connection: connection.execute("commit")
    invocation = tasks.free("a")
    with pytest.raises(TransactionError, match="COMMIT or ROLLBACK as SQL"):
        invocation.result_or_raise(PATIENCE)
    assert invocation.status is InvocationStatus.FAILED


def test_a_failed_statement_that_was_passed_over(work: Pynenc) -> None:
    """Nothing can be committed after it; in a savepoint it costs only itself."""

    def careless(connection: psycopg.Connection[Any]) -> None:
        with suppress(psycopg.Error):
            connection.execute("select 1 / 0")

    def careful(connection: psycopg.Connection[Any]) -> None:
        with suppress(psycopg.Error), connection.transaction():
            connection.execute("insert into effect values ('not')")
            connection.execute("select 1 / 0")

    tasks.hooks["block"] = careless
    with pytest.raises(TransactionError, match="has failed and the task went on"):
        tasks.free("a").result_or_raise(PATIENCE)
    tasks.hooks["block"] = careful
    assert tasks.free("b").result_or_raise(PATIENCE) == "B"
    assert effects(work) == ["b"]


def test_one_block_for_each_attempt(work: Pynenc) -> None:
    """A second one is refused, within the first and after it."""

    def second(*_: object) -> None:
        with tasks.free.invocation.transaction():
            pass

    for where in ("block", "after"):
        tasks.hooks = {where: second}
        with pytest.raises(TransactionError, match="in one block"):
            tasks.free("a").result_or_raise(PATIENCE)
    assert effects(work) == []


def test_the_connection_is_good_within_the_block(work: Pynenc) -> None:
    """After it, connection and cursors say so; the session they had may be another task's."""
    kept: list[Any] = []
    tasks.hooks["block"] = lambda connection: kept.extend((connection, connection.cursor()))
    assert tasks.free("a").result_or_raise(PATIENCE) == "A"
    for one in kept:
        with pytest.raises((TransactionError, psycopg.OperationalError)):
            one.execute("insert into effect values ('late')")
    assert effects(work) == ["a"]


def test_a_task_that_returns_within_its_block(work: Pynenc) -> None:
    """It has not said that it is through: nothing is committed."""

    def whole(_: str) -> None:
        kept.append(tasks.whole.invocation.transaction())
        kept[0].__enter__().execute("insert into effect values ('a')")

    kept: list[Any] = []
    tasks.hooks["whole"] = whole
    with pytest.raises(TransactionError, match="returned within its block"):
        tasks.whole("a").result_or_raise(PATIENCE)
    assert effects(work) == []
    kept[0].__exit__(None, None, None)


def test_a_statement_that_outlives_its_block(work: Pynenc) -> None:
    """A thread of the task still speaks: nothing is committed, and the thread hears of it."""
    heard: list[BaseException] = []
    threads: list[threading.Thread] = []

    def sleep(connection: psycopg.Connection[Any]) -> None:
        try:
            connection.execute("select pg_sleep(30)")
        except psycopg.Error as error:
            heard.append(error)

    def begin(connection: psycopg.Connection[Any]) -> None:
        threads.append(threading.Thread(target=sleep, args=(connection,)))
        threads[0].start()
        query = "select pid from pg_stat_activity where query = 'select pg_sleep(30)'"
        while not ask(work, query):
            time.sleep(0.01)

    tasks.hooks["block"] = begin
    with pytest.raises(TransactionError, match="while a statement of it had not"):
        tasks.free("a").result_or_raise(PATIENCE)
    threads[0].join(PATIENCE)
    assert len(heard) == 1
    tasks.hooks.clear()
    assert tasks.free("b").result_or_raise(PATIENCE) == "B"
    assert effects(work) == ["b"]


def test_a_coroutine_that_is_cancelled_in_its_block(both: Pynenc) -> None:
    """Its statement is called off and it is rolled back; the session is good for the next one."""
    pids: list[int] = []

    async def too_long(connection: psycopg.AsyncConnection[Any]) -> None:
        pids.append(connection.info.backend_pid)
        async with asyncio.timeout(0.2):
            await connection.execute("select pg_sleep(30)")

    async def look(connection: psycopg.AsyncConnection[Any]) -> None:
        pids.append(connection.info.backend_pid)

    tasks.hooks["block"] = too_long
    with pytest.raises(TimeoutError):
        tasks.free_async("a").result_or_raise(PATIENCE)
    tasks.hooks["block"] = look
    assert tasks.free_async("b").result_or_raise(PATIENCE) == "B"
    assert effects(both) == ["b"]
    assert pids[0] == pids[1]


def test_a_session_is_clean_for_the_next_task(work: Pynenc) -> None:
    """Settings, temporary tables, prepared statements, locks and roles end with the task."""
    found: list[Any] = []

    def leave_things(connection: psycopg.Connection[Any]) -> None:
        connection.execute("set work_mem = '77MB'")
        connection.execute("create temp table mine (x int)")
        connection.execute("select pg_advisory_lock(7)")
        connection.execute("listen here")
        connection.execute("select 1", prepare=True)

    def look(connection: psycopg.Connection[Any]) -> None:
        query = """
            select pg_backend_pid(), current_setting('work_mem'), to_regclass('mine')::text,
                (select count(*)::int from pg_locks where locktype = 'advisory'
                 and pid = pg_backend_pid()),
                (select count(*)::int from pg_listening_channels()),
                (select count(*)::int from pg_prepared_statements)"""
        found.append(connection.execute(query).fetchone())
        leave_things(connection)

    tasks.hooks["block"] = look
    for word in "abc":
        assert tasks.free(word).result_or_raise(PATIENCE) == word.upper()
    assert [row[2:] for row in found] == [(None, 0, 0, 0)] * 3
    assert {row[1] for row in found} == {found[0][1]} != {"77MB"}
    assert len({row[0] for row in found}) == 1


def test_statements_take_as_long_as_the_role_says(work: Pynenc) -> None:
    """The library's own time-outs are not the task's, but when a role has some they are."""
    found: list[Any] = []

    def look(connection: psycopg.Connection[Any]) -> None:
        names = ("statement_timeout", "lock_timeout")
        found.append([connection.execute(f"show {name}").fetchone() for name in names])

    tasks.hooks["block"] = look
    assert tasks.free("a").result_or_raise(PATIENCE) == "A"
    assert found == [[("0",), ("0",)]]


def test_an_orm_session_in_the_block(work: Pynenc) -> None:
    """It joins by savepoints: its commit and its rollback are its own."""

    def whole(_: str) -> None:
        with tasks.whole.invocation.transaction(sqlalchemy=True) as connection:
            mode: Literal["create_savepoint"] = "create_savepoint"
            with orm.Session(connection, join_transaction_mode=mode) as session:
                session.execute(text("insert into effect values ('kept')"))
                session.commit()
                session.execute(text("insert into effect values ('not')"))
                session.rollback()
            with pytest.raises(TransactionError, match="not the task's"):
                connection.commit()

    tasks.hooks["whole"] = whole
    assert tasks.whole("a").result_or_raise(PATIENCE) == "A"
    assert effects(work) == ["kept"]


def test_it_is_the_worker_s_role(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing but ``worker`` it writes where it was granted to, and nowhere else."""
    dsn = str(app.conf.postgres.dsn)
    with logged_in(dsn, "worker") as connection:
        name, password = connection.info.user, connection.info.password
        monkeypatch.setattr(
            app.conf.postgres, "dsn", make_conninfo(dsn, user=name, password=password)
        )
        app.close()
        with psycopg.connect(dsn) as owner:
            owner.execute(f'grant insert on effect to "{name}"'.encode())
        with working(app.runner):
            assert tasks.write("a").result_or_raise(PATIENCE) == "A"
            tasks.hooks["block"] = lambda lent: lent.execute("insert into word values ('a')")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                tasks.free("b").result_or_raise(PATIENCE)
        app.close()
    with psycopg.connect(dsn) as owner:
        assert owner.execute("select word from effect").fetchall() == [("a",)]


def test_the_way_in_fits_the_function(both: Pynenc) -> None:
    """A coroutine is not blocked, and a function has nobody to await."""

    async def blocking(_: str) -> None:
        with tasks.whole_async.invocation.transaction():
            pass

    async def awaited() -> None:
        async with tasks.whole.invocation.transaction():
            pass

    tasks.hooks["whole"] = blocking
    with pytest.raises(TransactionError, match="async with"):
        tasks.whole_async("a").result_or_raise(PATIENCE)
    tasks.hooks["whole"] = lambda _: asyncio.run(awaited())
    with pytest.raises(TransactionError, match="with: with"):
        tasks.whole("a").result_or_raise(PATIENCE)


def test_where_there_is_none(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of the task, in memory and in synchronous mode: an error that says which."""
    invocation = tasks.write("a")
    with pytest.raises(TransactionError, match="does not run here"):
        invocation.transaction()
    with in_memory(app), pytest.raises(StoreError, match="in memory"):
        tasks.write("a").result  # noqa: B018 - it raises
    monkeypatch.setattr(app.conf, "dev_mode_force_sync_tasks", True)
    with pytest.raises(TransactionError, match="synchronous mode"):
        tasks.write("a").result  # noqa: B018 - it raises

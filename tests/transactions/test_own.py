"""A task's writes, its result and its SUCCESS are there together, or none of them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import orm, text

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.domain.records import Hold
from pynenc_pg.engine import execute
from pynenc_pg.engine.context import running
from pynenc_pg.exceptions import (
    DataRejectedError,
    InvocationCancelledError,
    SerializationError,
    StoreError,
    TaskTimeoutError,
    TransactionError,
)
from pynenc_pg.postgres import own_transaction, task_sessions
from pynenc_pg.task import Task
from pynenc_pg.testing import in_memory
from tests.app.conftest import working
from tests.support.roles import logged_in
from tests.transactions import own_tasks as tasks

PATIENCE = 20
WRITERS = (tasks.write, tasks.write_async, tasks.write_alchemy, tasks.write_alchemy_async)
RUNNERS = ("ThreadRunner", "AsyncRunner")


@pytest.fixture
def app(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app, on an empty store with the user's tables."""
    with psycopg.connect(database_dsn) as connection:
        connection.execute(tasks.CREATE)
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", database_dsn)
    monkeypatch.setattr(tasks.app.conf, "runner_cls", "ThreadRunner")
    tasks.hooks.clear()
    yield tasks.app
    tasks.app.close()


@pytest.fixture
def work(app: Pynenc) -> Iterator[Pynenc]:
    """The app, with threads at work."""
    with working(app.runner):
        yield app


@pytest.fixture(params=RUNNERS)
def both(
    request: pytest.FixtureRequest, app: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pynenc]:
    """The app, with threads at work or a loop."""
    monkeypatch.setattr(app.conf, "runner_cls", request.param)
    with working(app.runner):
        yield app


def ask(app: Pynenc, query: str) -> list[Any]:
    """Return the first column."""
    dsn = app.conf.postgres.dsn
    assert dsn is not None
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute(query.encode())]


def effects(app: Pynenc) -> list[str]:
    """Return what is committed of what tasks have written."""
    return ask(app, "select word from effect order by 1")


async def nothing(*_: object) -> None:
    """Do nothing, as a coroutine."""


@pytest.mark.parametrize("writer", WRITERS, ids=lambda task: task.func.__name__)
def test_all_of_it_is_there_at_once(both: Pynenc, writer: Task[[str], str]) -> None:
    """Before the task has returned nobody sees its writes; then they, and its end, are there."""
    seen: list[list[str]] = []
    tasks.hooks.update(dict.fromkeys(("written", "left"), lambda: seen.append(effects(both))))
    invocation = writer("a")
    assert invocation.result_or_raise(PATIENCE) == "A"
    assert effects(both) == ["a"]
    assert set(map(tuple, seen)) == {()}
    assert writer("b").result_or_raise(PATIENCE) == "B"
    assert effects(both) == ["a", "b"]
    statuses = [str(entry.status) for entry in invocation.history]
    assert statuses == ["registered", "pending", "running", "success"]


@pytest.mark.parametrize("where", ["block", "after"])
def test_an_exception_rolls_back(work: Pynenc, where: str) -> None:
    """Raised in the block or after it: nothing of it is written, and the task fails with it."""

    def fail(*_: object) -> None:
        raise LookupError(where)

    tasks.hooks[where] = fail
    with pytest.raises(LookupError, match=where):
        tasks.free("a").result_or_raise(PATIENCE)
    assert effects(work) == []


def test_an_exception_rolls_back_a_coroutine_s(both: Pynenc) -> None:
    """The same for one."""

    async def fail(_: object) -> None:
        message = "no"
        raise LookupError(message)

    tasks.hooks["block"] = fail
    with pytest.raises(LookupError, match="no"):
        tasks.free_async("a").result_or_raise(PATIENCE)
    assert effects(both) == []


def test_a_block_whose_exception_is_caught_is_as_if_it_had_not_been(work: Pynenc) -> None:
    """The task ends as any other, and may begin another block."""

    def whole(word: str) -> None:
        with suppress(LookupError), tasks.whole.invocation.transaction() as connection:
            connection.execute("insert into effect values ('lost')")
            raise LookupError
        if word == "again":
            with tasks.whole.invocation.transaction() as connection:
                connection.execute("insert into effect values ('kept')")

    tasks.hooks["whole"] = whole
    assert tasks.whole("once").result_or_raise(PATIENCE) == "ONCE"
    assert effects(work) == []
    assert tasks.whole("again").result_or_raise(PATIENCE) == "AGAIN"
    assert effects(work) == ["kept"]


def test_attempts_that_are_retried_leave_nothing(work: Pynenc) -> None:
    """Of three attempts the writes of the last one are there."""
    assert tasks.third_time("a").result_or_raise(PATIENCE) == 2
    assert effects(work) == ["a"]


def test_a_result_that_cannot_be_carried_rolls_back(work: Pynenc) -> None:
    """What is returned is encoded before anything is committed."""
    tasks.hooks["after"] = threading.Lock
    with pytest.raises(SerializationError):
        tasks.free("a").result_or_raise(PATIENCE)
    assert effects(work) == []


def test_a_result_that_the_database_cannot_hold_rolls_back(
    work: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused by the database, the result is not there and neither is the row."""
    monkeypatch.setattr(execute, "_encoded", lambda *_: ("no JSON", ()))
    with pytest.raises(DataRejectedError):
        tasks.free("a").result_or_raise(PATIENCE)
    assert effects(work) == []


def test_a_deferred_constraint_fails_the_task(work: Pynenc) -> None:
    """Checked at the commit: the task fails with it, and its result is not there."""
    tasks.hooks["block"] = lambda connection: connection.execute("insert into word values ('a')")
    assert tasks.free("a").result_or_raise(PATIENCE) == "A"
    second = tasks.free("b")
    with pytest.raises(psycopg.errors.UniqueViolation):
        second.result_or_raise(PATIENCE)
    assert (second.status, effects(work)) == (InvocationStatus.FAILED, ["a"])


# --- calls of other tasks ---------------------------------------------------------------------


def test_calls_in_the_block(work: Pynenc) -> None:
    """One that uses the connection is there if the task ends well; any other is there anyhow."""
    made: list[Any] = []

    def call(connection: psycopg.Connection[Any]) -> None:
        made.append(tasks.write.using(connection)("with it"))
        made.append(tasks.write("by itself"))
        query = "select invocation_id::text from pynenc.invocation where parent_id is not null"
        assert str(made[0].invocation_id) not in ask(work, query)
        assert str(made[1].invocation_id) in ask(work, query)

    def fail(connection: psycopg.Connection[Any]) -> None:
        call(connection)
        raise LookupError

    tasks.hooks["block"] = call
    parent = tasks.free("a")
    assert parent.result_or_raise(PATIENCE) == "A"
    assert [one.result_or_raise(PATIENCE) for one in made] == ["WITH IT", "BY ITSELF"]
    assert effects(work) == ["a", "by itself", "with it"]
    parents = ask(work, "select distinct parent_id::text from pynenc.invocation")
    assert {*parents} == {None, str(parent.invocation_id)}

    made.clear()
    tasks.hooks["block"] = fail
    with pytest.raises(LookupError):
        tasks.free("b").result_or_raise(PATIENCE)
    assert made[1].result_or_raise(PATIENCE) == "BY ITSELF"
    assert ask(work, "select count(*) from pynenc.invocation") == [5]
    assert effects(work) == ["a", "by itself", "by itself", "with it"]


def test_waiting_parents_and_slots(both: Pynenc) -> None:
    """The commit wakes who waits, and gives the concurrency slot to the next."""
    words = [f"w{n}" for n in range(8)]
    assert tasks.parent(words).result_or_raise(PATIENCE) == words
    assert effects(both) == words


@pytest.mark.parametrize("where", ["block", "after"])
def test_waiting_with_an_open_transaction_is_refused(work: Pynenc, where: str) -> None:
    """It would keep what it has locked from who is waited for."""
    tasks.hooks[where] = lambda *_: tasks.write("b").result
    with pytest.raises(TransactionError, match="before the block"):
        tasks.free("a").result_or_raise(PATIENCE)
    tasks.hooks[where] = lambda *_: list(tasks.write.parallelize([("c",)]).results)
    with pytest.raises(TransactionError, match="before the block"):
        tasks.free("a").result_or_raise(PATIENCE)


def test_waiting_with_an_open_transaction_is_refused_to_a_coroutine(both: Pynenc) -> None:
    """As above; waiting before the block is what it should do."""

    async def wait(*_: object) -> str:
        return await (await tasks.write.acall("b")).async_result(PATIENCE)

    async def whole(_: str) -> str:
        word = await wait()
        async with tasks.whole_async.invocation.transaction() as connection:
            await connection.execute("insert into effect values (%s)", (word,))
        return word

    tasks.hooks.update(block=wait, whole=whole)
    with pytest.raises(TransactionError, match="before the block"):
        tasks.free_async("a").result_or_raise(PATIENCE)
    assert tasks.whole_async("a").result_or_raise(PATIENCE) == "B"


# --- what the task may do with it -------------------------------------------------------------


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


# --- leases, bounds, and where there is none --------------------------------------------------


def test_a_lost_lease_rolls_back_and_says_so(
    work: Pynenc, caplog: pytest.LogCaptureFixture
) -> None:
    """Given to somebody else meanwhile, the first attempt leaves nothing, the second its row."""
    times: list[int] = []

    def lose() -> None:
        times.append(1)
        if len(times) == 1:
            now = running.get()
            assert now is not None
            assert now.runner is not None
            hold = Hold(now.invocation_id, now.fence)
            work.engine.store.orchestrator.release(now.runner.runner_id, [hold])
            deadline = time.monotonic() + PATIENCE
            while len(times) == 1 and time.monotonic() < deadline:
                time.sleep(0.01)

    tasks.hooks["after"] = lose
    with caplog.at_level(logging.WARNING):
        invocation = tasks.free("a")
        assert invocation.result_or_raise(PATIENCE) == "A"
        deadline = time.monotonic() + PATIENCE
        while "transaction.lost" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
    assert f"transaction.lost: {invocation.invocation_id}" in caplog.text
    assert len(times) == 2
    assert effects(work) == ["a"]


def test_as_many_sessions_as_places(both: Pynenc) -> None:
    """Forty tasks on four places share four sessions at most, and each has its row."""
    pids: set[int] = set()
    tasks.hooks["block"] = lambda connection: pids.add(connection.info.backend_pid)
    words = [f"{n:02}" for n in range(40)]
    assert list(tasks.free.parallelize([(word,) for word in words]).results) == [*words]
    assert effects(both) == words
    assert 1 <= len(pids) <= both.conf.runner.concurrency


def test_a_task_may_compute_for_long_in_its_block(
    work: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle transaction is ended by the server, but not while its process lives."""
    monkeypatch.setattr(own_transaction, "IDLE", 0.5)
    monkeypatch.setattr(task_sessions, "LOOK", 0.1)
    tasks.hooks["block"] = lambda _: time.sleep(1.5)
    assert tasks.free("a").result_or_raise(PATIENCE) == "A"

    async def compute(_: object) -> None:
        await asyncio.sleep(1.5)

    tasks.hooks["block"] = compute
    assert tasks.free_async("b").result_or_raise(PATIENCE) == "B"
    assert effects(work) == ["a", "b"]


def test_a_block_ends_while_the_server_is_told_that_it_lives(
    work: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose statement that is does not matter to the task."""
    stirring = threading.Event()

    def slowly(self: own_transaction.PgTransaction) -> None:
        with self._loan.speaking:
            stirring.set()
            pgconn = self._session.connection.pgconn if self._session else None
            assert pgconn is not None
            pgconn.send_query(b"select pg_sleep(0.2)")
            time.sleep(0.3)
            while pgconn.get_result():
                pass

    monkeypatch.setattr(own_transaction.PgTransaction, "stir", slowly)
    monkeypatch.setattr(task_sessions, "LOOK", 0.1)
    for task, word in ((tasks.free, "a"), (tasks.free_async, "b")):
        stirring.clear()

        async def met_async(_: object) -> None:
            await asyncio.to_thread(stirring.wait, PATIENCE)

        tasks.hooks["block"] = met_async if word == "b" else lambda _: stirring.wait(PATIENCE)
        assert task(word).result_or_raise(PATIENCE) == word.upper()
    assert effects(work) == ["a", "b"]


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


@pytest.mark.parametrize("where", ["block", "after"])
def test_a_task_that_takes_too_long_rolls_back(both: Pynenc, where: str) -> None:
    """Interrupted in its block or after it, nothing of it is written, and no lock stays."""

    def spin(*_: object) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            pass

    tasks.hooks[where] = spin
    with pytest.raises(TaskTimeoutError):
        tasks.free.options(timeout=0.3)("a").result_or_raise(PATIENCE)
    tasks.hooks.clear()
    assert effects(both) == []
    assert tasks.free("b").result_or_raise(PATIENCE) == "B"
    assert effects(both) == ["b"]


def test_a_task_that_does_not_listen_lets_its_locks_go(both: Pynenc) -> None:
    """What it has written is rolled back as its attempt is given up, while it stands there."""
    over = threading.Event()
    tasks.hooks["block"] = lambda _: over.wait(PATIENCE)
    invocation = tasks.free.options(timeout=0.2)("a")
    with pytest.raises(TaskTimeoutError):
        invocation.result_or_raise(PATIENCE)
    open_ = "select count(*)::int from pg_stat_activity where state like 'idle in transaction%'"
    deadline = time.monotonic() + PATIENCE
    while ask(both, open_) != [0]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    over.set()
    assert effects(both) == []
    assert invocation.status is InvocationStatus.FAILED


def test_a_cancelled_coroutine_rolls_back(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it stands in its block, too."""
    begun = threading.Event()

    async def sleep(*_: object) -> None:
        begun.set()
        await asyncio.sleep(PATIENCE)

    monkeypatch.setattr(app.conf, "runner_cls", "AsyncRunner")
    tasks.hooks["block"] = sleep
    with working(app.runner):
        invocation = tasks.free_async("a")
        assert begun.wait(PATIENCE)
        invocation.cancel()
        with pytest.raises(InvocationCancelledError):
            invocation.result_or_raise(PATIENCE)
    assert effects(app) == []


def test_a_large_result_goes_with_it(both: Pynenc) -> None:
    """It is stored by itself, and the reference to it is part of the commit; undone it is not."""
    tasks.hooks["after"] = lambda: "x" * 100_000
    assert tasks.free("a").result_or_raise(PATIENCE) == "x" * 100_000
    refs = "select count(*)::int from pynenc.payload_ref"
    assert ask(both, refs) == [1]

    def fail() -> str:
        raise LookupError

    tasks.hooks["after"] = fail
    with pytest.raises(LookupError):
        tasks.free("b").result_or_raise(PATIENCE)
    assert ask(both, refs) == [1]
    assert effects(both) == ["a"]

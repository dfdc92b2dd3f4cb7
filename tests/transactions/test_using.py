"""The invocation exists exactly when the user's row does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import IsolationLevelError, ResultTimeoutError
from pynenc_pg.invocation.status import InvocationStatus
from tests.app import tasks
from tests.app.concurrency_tasks import once
from tests.app.conftest import working
from tests.transactions.sessions import Session

Scenario = Callable[[Session], Coroutine[Any, Any, None]]


def play(kind: type[Session], dsn: str, scenario: Scenario) -> None:
    """Play it on an open session."""

    async def opened() -> None:
        async with kind.open(dsn) as session:
            await scenario(session)

    asyncio.run(opened())


def there(dsn: str) -> tuple[int, int]:
    """Count the user's rows, and the invocations."""
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            "select (select count(*) from orders), (select count(*) from pynenc.invocations)"
        ).fetchone()
    assert found
    return int(found[0]), int(found[1])


async def go_on(session: Session, after: str) -> None:
    """Do what comes after a step, as one who does not know that the session is dead."""
    if after == "the write":
        await session.call(tasks.add, x=1, y=2)
    await session.commit()
    await session.execute("select 1")  # where a commit that comes too late says nothing


def test_both_are_there_after_the_commit_and_not_before(kind: type[Session], dsn: str) -> None:
    """Before the commit nobody sees either; after it the call is executed like any other."""

    async def scenario(session: Session) -> None:
        await session.write()
        invocation = await session.call(tasks.add, x=1, y=2)
        assert there(dsn) == (0, 0)
        await session.commit()
        assert there(dsn) == (1, 1)
        assert invocation.status is InvocationStatus.REGISTERED
        with working(tasks.app.runner):
            assert await invocation.async_result(20) == 3

    play(kind, dsn, scenario)


def test_neither_is_there_after_a_rollback(kind: type[Session], dsn: str) -> None:
    """In whichever order they were written, and the session goes on."""

    async def scenario(session: Session) -> None:
        await session.call(tasks.add, x=1, y=2)
        await session.write()
        await session.parallelize(tasks.add, [(n, n) for n in range(3)])
        await session.rollback()
        assert there(dsn) == (0, 0)

    play(kind, dsn, scenario)


def test_many_calls_in_one_transaction(kind: type[Session], dsn: str) -> None:
    """``parallelize`` too, in chunks: all of them are there at the commit."""

    async def scenario(session: Session) -> None:
        await session.write()
        group = await session.parallelize(tasks.add, ({"x": n, "y": n} for n in range(1500)))
        assert there(dsn) == (0, 0)
        await session.commit()
        assert len(group) == 1500
        assert there(dsn) == (1, 1500)

    play(kind, dsn, scenario)


def test_large_arguments_travel_beside(kind: type[Session], dsn: str) -> None:
    """They are stored before, whatever becomes of the transaction; the calls are part of it."""
    data = ["x" * 5000]

    async def scenario(session: Session) -> None:
        await session.write()
        await session.call(tasks.echo, value=data)
        await session.rollback()
        assert there(dsn) == (0, 0)
        await session.write()
        invocation = await session.call(tasks.echo, value=data)
        group = await session.parallelize(tasks.echo, [(data,)] * 3)
        with psycopg.connect(dsn) as connection:
            counts = (
                "select (select count(*) from pynenc.payload), count(*) from pynenc.payload_ref"
            )
            assert connection.execute(counts).fetchall() == [(1, 0)]
        await session.commit()
        assert there(dsn) == (1, 4)
        # Removed by hand, after it was sent: it is sent again, and the transaction goes on.
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("delete from pynenc.payload_ref")
            connection.execute("delete from pynenc.payload")
        again = await session.call(tasks.echo, value=data)
        await session.commit()
        with working(tasks.app.runner):
            assert await again.async_result(20) == data
            assert await invocation.async_result(20) == data
            assert len(group) == 3

    play(kind, dsn, scenario)


def test_savepoints_are_heeded(kind: type[Session], dsn: str) -> None:
    """What came after the savepoint goes with it, what came before stays."""

    async def scenario(session: Session) -> None:
        await session.write()
        kept = await session.call(tasks.add, x=1, y=2)
        await session.savepoint()
        await session.write()
        await session.call(tasks.add, x=3, y=4)
        await session.rollback_to_savepoint()
        await session.commit()
        assert there(dsn) == (1, 1)
        assert kept.status is InvocationStatus.REGISTERED

    play(kind, dsn, scenario)


@pytest.mark.parametrize("after", ["the write", "the call"])
def test_a_session_that_dies_in_between_leaves_neither(
    kind: type[Session], dsn: str, after: str
) -> None:
    """Between the user's write and our call, and between our call and the commit."""

    async def scenario(session: Session) -> None:
        pid = await session.pid()
        await session.write()
        if after == "the call":
            await session.call(tasks.add, x=1, y=2)
        with psycopg.connect(dsn, autocommit=True) as admin:
            assert admin.execute("select pg_terminate_backend(%s, 5000)", (pid,)).fetchone() == (
                True,
            )
        with pytest.raises(Exception, match=r"(?i)terminat|clos|lost|connection|broken|consum"):
            await go_on(session, after)

    play(kind, dsn, scenario)
    assert there(dsn) == (0, 0)


def test_a_result_that_is_awaited_before_the_commit(kind: type[Session], dsn: str) -> None:
    """It does not come, and the wait has its end; after the commit it does."""

    async def scenario(session: Session) -> None:
        invocation = await session.call(tasks.add, x=1, y=2)
        with working(tasks.app.runner):
            with pytest.raises(ResultTimeoutError):
                await invocation.async_result(0.3)
            await session.commit()
            assert await invocation.async_result(20) == 3

    play(kind, dsn, scenario)


def test_hints_come_at_the_commit(app: Pynenc, dsn: str) -> None:
    """A worker that sleeps is woken by it, and by nothing before."""
    app.conf.runner.poll = 60.0
    with psycopg.connect(dsn) as connection, psycopg.connect(dsn, autocommit=True) as ears:
        ears.execute("listen pynenc")
        tasks.add.using(connection)(1, 2)
        assert not list(ears.notifies(timeout=0.2))
        connection.commit()
        assert [n.channel for n in ears.notifies(timeout=5, stop_after=1)] == ["pynenc"]


def test_a_refusal_is_an_error_of_ours(kind: type[Session], dsn: str) -> None:
    """Whatever the driver raises; the transaction is the caller's to roll back."""

    async def scenario(session: Session) -> None:
        await session.execute("set transaction isolation level repeatable read")
        await session.write()
        with pytest.raises(IsolationLevelError, match=r"REPEATABLE READ.*READ COMMITTED"):
            await session.call(tasks.add, x=1, y=2)
        await session.rollback()

    play(kind, dsn, scenario)
    assert there(dsn) == (0, 0)


def test_a_producer_needs_no_more_than_its_role(kind: type[Session], dsn: str) -> None:
    """No table right, no search path; and what the session had set is as it was."""

    async def scenario(session: Session) -> None:
        await session.write()
        await session.execute("set local role pynenc_producer")
        await session.execute("set local search_path = pg_temp")
        await session.call(tasks.add, x=1, y=2)
        assert await session.execute("select current_user::text") == "pynenc_producer"
        assert await session.execute("select current_setting('search_path')") == "pg_temp"
        await session.commit()

    play(kind, dsn, scenario)
    assert there(dsn) == (1, 1)


def test_a_time_of_its_own(kind: type[Session], dsn: str) -> None:
    """It is the time that was given, whatever zone it was given in."""
    at = datetime(2100, 1, 1, 12, tzinfo=timezone(timedelta(hours=5)))

    async def scenario(session: Session) -> None:
        await session.execute("set local time zone 'America/New_York'")
        await session.call(tasks.add.options(at=at, priority=3, expires=60), x=1, y=2)
        await session.commit()

    play(kind, dsn, scenario)
    with psycopg.connect(dsn) as connection:
        found = connection.execute("select due_at, expires_at from pynenc.invocation_state")
        assert found.fetchall() == [(at, at + timedelta(seconds=60))]


def test_a_key_is_held_until_the_commit(kind: type[Session], dsn: str, keyed: Pynenc) -> None:
    """Who calls meanwhile waits, and gets the very invocation; after a rollback one of its own."""

    async def scenario(session: Session) -> None:
        for ends in (session.rollback, session.commit):
            mine = await session.call(once, number=1)
            with ThreadPoolExecutor(1) as pool:
                other = pool.submit(once, 1)
                await asyncio.sleep(0.2)
                assert not other.done()
                await ends()
                made = other.result(20)
            assert (made == mine) is (ends == session.commit)
            assert made.reused is (ends == session.commit)
            assert keyed.purge() == 1

    play(kind, dsn, scenario)

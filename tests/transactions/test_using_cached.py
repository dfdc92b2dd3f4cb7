"""Kept results and the caller's own transaction."""

from __future__ import annotations

import psycopg

from pynenc_pg.invocation.handle import ReusedInvocation
from tests.app import tasks
from tests.app.conftest import working
from tests.transactions.sessions import Session
from tests.transactions.test_using import play, there

cached = tasks.add.options(call_result_cache=True)


def kept(dsn: str) -> int:
    """Count what may serve later calls."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select count(*) from pynenc.call_result").fetchone()
    assert row
    return int(row[0])


def test_a_rollback_leaves_nothing(kind: type[Session], dsn: str) -> None:
    """Neither the call, nor that it may serve others."""

    async def scenario(session: Session) -> None:
        await session.write()
        await session.call(cached, x=1, y=2)
        await session.rollback()
        assert (there(dsn), kept(dsn)) == ((0, 0), 0)
        await session.call(cached, x=1, y=2)
        await session.commit()
        assert (there(dsn), kept(dsn)) == ((0, 1), 1)

    play(kind, dsn, scenario)


def test_a_result_is_found_in_a_transaction(kind: type[Session], dsn: str) -> None:
    """And nothing is written then; a call beside it that is not known is part of it."""
    with working(tasks.app.runner):
        first = cached(1, 2)
        assert first.result_or_raise(20) == 3

    async def scenario(session: Session) -> None:
        again = await session.call(cached, x=1, y=2)
        assert again == first
        assert isinstance(again, ReusedInvocation)
        assert await again.async_result(20) == 3  # before the commit: it has ended
        group = await session.parallelize(cached, [(1, 2), (2, 2), (1, 2)])
        assert [one.reused for one in group] == [True, False, True]
        assert there(dsn) == (0, 1)
        await session.rollback()
        assert (there(dsn), kept(dsn)) == ((0, 1), 1)

    play(kind, dsn, scenario)

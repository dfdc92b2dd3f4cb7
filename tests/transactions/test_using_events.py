"""An event exists exactly when the user's row does, and only then fires."""

from __future__ import annotations

import psycopg
import pytest

from pynenc_pg.exceptions import StoreError
from pynenc_pg.testing import in_memory
from tests.app import tasks
from tests.app.conftest import working
from tests.app.test_thread_runner import wait_for
from tests.transactions.sessions import Session, _Async
from tests.transactions.test_using import play, there


async def emit(session: Session, code: str, order: int) -> str:
    """Emit one in the transaction."""
    events = tasks.app.trigger.using(session.given)
    if isinstance(session, _Async):
        return await events.aemit_event(code, {"order": order})
    return events.emit_event(code, {"order": order})


def events(dsn: str) -> list[tuple[str, int]]:
    """Return those there are, with their payloads."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            """select code, (payload->>'order')::integer from pynenc.events order by event_id"""
        ).fetchall()


def test_with_the_callers_row_or_not_at_all(kind: type[Session], dsn: str) -> None:
    """Nobody sees it before the commit; after a rollback there was none."""

    async def scenario(session: Session) -> None:
        await session.write()
        await emit(session, "placed", 1)
        await session.rollback()
        assert (there(dsn), events(dsn)) == ((0, 0), [])
        await session.write()
        await emit(session, "placed", 2)
        await emit(session, "paid", 2)
        assert (there(dsn), events(dsn)) == ((0, 0), [])
        await session.commit()
        assert (there(dsn), events(dsn)) == ((1, 0), [("placed", 2), ("paid", 2)])

    play(kind, dsn, scenario)


def test_it_fires_with_the_commit(dsn: str) -> None:
    """A runner hears of it then, and not before."""
    app = tasks.app
    app.trigger.on_event("with the commit").with_args_static({"x": 1, "y": 2}).run(tasks.add)
    try:
        with working(app.runner), psycopg.connect(dsn) as connection:
            wait_for(lambda: bool(app.trigger.all()))
            app.trigger.using(connection).emit_event("with the commit")
            assert app.trigger.fired() == []
            connection.commit()
            wait_for(lambda: len(app.trigger.fired()) == 1)
    finally:
        app._triggers._added.clear()
        app._triggers._settle()


def test_what_is_no_session(dsn: str) -> None:
    """It is refused by its type, and nothing is written."""
    with pytest.raises(TypeError, match="int"):
        tasks.app.trigger.using(7).emit_event("placed")
    assert events(dsn) == []


def test_a_store_without_transactions() -> None:
    """It is refused there."""
    with in_memory(tasks.app), pytest.raises(StoreError, match="memory"):
        tasks.app.trigger.using(object()).emit_event("placed")

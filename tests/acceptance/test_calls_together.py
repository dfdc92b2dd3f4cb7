"""Calls that threads make at once share a transaction; nobody sees more of it than its speed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg

from pynenc_pg import Pynenc
from pynenc_pg.invocation.handle import Invocation
from tests.acceptance import tasks

THREADS = 12
_CALLED = """select arguments::json->>'x', xmin::text from pynenc.invocation
    where invocation_id = %s"""
_BLOCKED = """select count(*) from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'"""


def test_calls_of_threads_that_wait_go_together(app: Pynenc, database_dsn: str) -> None:
    """Two transactions are blocked; the third has all other calls."""
    tasks.add(-1, 0)
    with (
        psycopg.connect(database_dsn) as holder,
        psycopg.connect(database_dsn, autocommit=True) as c,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        holder.execute("lock table pynenc.invocation in share mode")
        calls = [pool.submit(tasks.add, number, 0) for number in range(THREADS)]
        lines = app.engine.store.orchestrator._gathering._lines  # type: ignore[attr-defined]
        deadline = time.monotonic() + 30
        while c.execute(_BLOCKED).fetchone() != (2,) or sum(
            len(line.waiting) for line in lines._of.values()
        ) != (THREADS - 2):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        holder.rollback()
        rows = [row(c, call.result(30)) for call in calls]
    assert [number for number, _ in rows] == [str(number) for number in range(THREADS)]
    assert len({transaction for _, transaction in rows}) == 3


def row(c: psycopg.Connection, invocation: Invocation[int]) -> tuple[str, str]:
    """Return the number an invocation was called with, and the transaction it was written in."""
    found = c.execute(_CALLED, (invocation.invocation_id,)).fetchone()
    assert found is not None
    number, transaction = found
    return number, transaction

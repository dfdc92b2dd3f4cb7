"""Somebody holds a snapshot open for long: nothing that dies can be cleared away meanwhile."""

from __future__ import annotations

import os
import time

import psycopg
import pytest

from tests.support.plain_sql import gaps
from tests.support.sql import Connection, claim, connect, finish, one, register, start

SECONDS = float(os.environ.get("PYNENC_TEST_HELD", "60"))
AT_ONCE = 20


def churn(connection: Connection, seconds: float) -> int:
    """Call, claim, begin and end; every claim has to find all that was called."""
    until, done = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        called = register(connection, AT_ONCE)
        held = claim(connection, limit=AT_ONCE)
        assert sorted(which for which, _ in held) == sorted(called)
        assert start(connection, held) == finish(connection, held) == {}
        done += len(held)
    return done


@pytest.mark.long
@pytest.mark.timeout(SECONDS * 3 + 120)
def test_claims_go_on_under_a_snapshot(c: Connection, database_dsn: str) -> None:
    """Work is accepted, found at once and ended all the time; afterwards the dead go."""
    with connect(database_dsn, autocommit=False) as holder:
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        assert one(holder, "select count(*) from invocation_outcome") == 0
        done = churn(c, SECONDS)
        assert one(holder, "select count(*) from invocation_outcome") == 0  # it is held indeed
        assert one(c, "select count(*) from invocation_outcome") == done > 0
        c.execute("vacuum invocation_state")
        pages = one(c, "select pg_relation_size('invocation_state')")
        assert pages > 0
        holder.rollback()
    assert churn(c, 1) > 0
    c.execute("vacuum invocation_state")
    assert one(c, "select count(*) from invocation_state") == 0
    assert one(c, "select pg_relation_size('invocation_state')") < pages
    assert gaps(c) == []

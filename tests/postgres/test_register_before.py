"""Producers of the release before call ``register``, which is there beside ``register_2``."""

from __future__ import annotations

import psycopg

from pynenc_pg.domain.ids import new_invocation_id
from tests.support.sql import one

REGISTER = """select pynenc.register(
    'app', 'tests.task', 'default', 0, 0, null, 1, false, null, 0, '{}', 'test', true,
    %s::uuid[], %s, %s, %s::text[], null)"""


def test_the_former_register_reuses_and_refuses_nothing(database_dsn: str) -> None:
    """It writes what it always wrote; other arguments under one key are no matter to it."""
    ids = [new_invocation_id() for _ in range(3)]
    call_ids, arguments = ["a", "b", "c"], ['{"x": 1}', '{"x": 2}', '{"x": 3}']
    with psycopg.connect(database_dsn, autocommit=True) as session:
        became = one(session, REGISTER, [ids, call_ids, arguments, ["k", "k", None]])
        assert [str(each) for each in became] == [ids[0], ids[0], ids[2]]
        rows = session.execute(
            "select invocation_id::text, registration_key from pynenc.invocation_state"
        ).fetchall()
    assert sorted(rows) == sorted([(ids[0], "k"), (ids[2], None)])

"""Claims that begin where the last one ended, while dead rows lie below: nothing is passed over."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from pynenc_pg.domain.ids import RunnerId, new_invocation_id
from pynenc_pg.domain.records import Batch, Ending, Hold, NewInvocation, RunnerSpec
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.postgres.floor import RankFloor
from tests.support.plain_sql import state
from tests.support.sql import RUNNER, Connection, claim, connect, register, register_runner
from tests.support.stores import open_postgres_store


@pytest.fixture
def connection(database_dsn: str) -> Iterator[Connection]:
    """A session with a registered runner."""
    with connect(database_dsn) as opened:
        register_runner(opened)
        yield opened


def claim_above(connection: Connection, floor: float, limit: int = 10) -> list[str]:
    """Claim of the default queue from a floor on; answers ids in order."""
    rows = connection.execute(
        "select invocation_id from pynenc.claim('test', %s, '{}', %s, true, %s, %s::float8[])",
        (RUNNER, limit, ["default"], [floor]),
    ).fetchall()
    return [row[0] for row in rows]


def test_work_above_the_floor_first_and_below_it_when_there_is_none(connection: Connection) -> None:
    """With a floor the work above it comes first; when that is gone, the rest is found."""
    first, second, third = (register(connection)[0] for _ in range(3))
    floor = state(connection, second)["rank"]
    assert claim_above(connection, floor) == [second, third]
    assert claim_above(connection, floor) == [first]
    assert claim_above(connection, floor) == []


def test_a_floor_of_one_queue_is_none_of_another(connection: Connection) -> None:
    """Queues have floors of their own, and keyed work obeys the one of its queue."""
    [other] = register(connection, queue="other")
    [keyed] = register(connection, lanes=["k"], slots=1)
    [late] = register(connection)
    assert claim_above(connection, state(connection, late)["rank"]) == [keyed, late, other]


def test_claims_say_how_far_they_came(connection: Connection) -> None:
    """Each row carries its queue and rank, and the seconds that looking took."""
    [invocation_id] = register(connection)
    rank = state(connection, invocation_id)["rank"]
    row = connection.execute(
        "select queue, rank, looked from pynenc.claim('test', %s, '{}', 1, true)", (RUNNER,)
    ).fetchone()
    assert row is not None
    assert row[:2] == ("default", rank)
    assert 0 <= row[2] < 60
    assert claim(connection) == []


def test_floors_are_used_only_while_looking_is_slow() -> None:
    """A fast look uses none; a slow one uses them for twenty times as long, then looks again."""
    now = 0.0
    floor = RankFloor(clock=lambda: now)
    assert floor.current() == ([], [])
    floor.note([("a", 5.0, 0.001)], floors_used=False)
    assert floor.current() == ([], [])
    floor.note([("a", 6.0, 0.05), ("b", 9.0, 0.05), ("a", 7.0, 0.05)], floors_used=False)
    assert floor.current() == (["a", "b"], [7.0, 9.0])
    now = 0.99
    floor.note([("a", 8.0, 0.0001)], floors_used=True)
    assert floor.current() == (["a", "b"], [8.0, 9.0])
    now = 1.0
    assert floor.current() == ([], [])
    floor.note([("a", 3.0, 0.05)], floors_used=False)
    assert floor.current() == (["a"], [3.0])


def test_everything_ends_while_an_old_snapshot_is_held(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With floors always in use, calls of higher and lower priority among others all end once."""
    monkeypatch.setattr("pynenc_pg.postgres.floor._SLOW", 0.0)
    store = open_postgres_store(database_dsn, "floors")
    runner = RunnerId("r")
    store.orchestrator.register_runner(RunnerSpec(runner, "Test"))
    expected: set[str] = set()
    ended: list[str] = []

    def enqueue(priority: float) -> None:
        calls = [NewInvocation(new_invocation_id(), "x", "{}") for _ in range(20)]
        expected.update(call.invocation_id for call in calls)
        store.orchestrator.register(Batch("t", calls, priority=priority))

    with psycopg.connect(database_dsn) as old:
        old.execute("set transaction isolation level repeatable read")
        old.execute("select count(*) from pynenc.queue")
        for priority in (0, 0, 50, -50, 0):
            enqueue(priority)
        for turn in range(200):
            claimed = store.orchestrator.claim(runner, [], 7)
            if not claimed:
                break
            if turn in {3, 9}:
                enqueue(100 - turn)
            store.orchestrator.start(runner, [Hold(c.invocation_id, c.lease) for c in claimed])
            store.orchestrator.finish(
                runner,
                [
                    Ending(c.invocation_id, c.lease, InvocationStatus.SUCCESS, "null")
                    for c in claimed
                ],
            )
            ended += [c.invocation_id for c in claimed]
    store.close()
    assert len(ended) == len(expected) == 140
    assert set(ended) == expected

"""Claims and ends against each other where there are concurrency keys, on real connections."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.support.limits import most_at_once, most_begun
from tests.support.plain_sql import gaps, state, status_of
from tests.support.races import together, while_held
from tests.support.sql import (
    APP,
    Connection,
    claim,
    connect,
    finish,
    one,
    register,
    register_runner,
    start,
)


def work_until_empty(
    dsn: str, runner: str, *, limit: int, left: Callable[[Connection], bool]
) -> Counter[str]:
    """Claim, start and finish until nothing is left; count what the database said."""
    said: Counter[str] = Counter()
    with connect(dsn) as connection:
        register_runner(connection, runner)
        while left(connection):
            try:
                held = claim(connection, runner, limit)
                said.update(start(connection, held, runner).values())
                said.update(finish(connection, held, runner).values())
                said["done"] += len(held)
            except psycopg.Error as error:
                said[error.sqlstate or "?"] += 1
    return said


def anything_left(connection: Connection) -> bool:
    """Whether there is work yet."""
    return bool(one(connection, "select exists (select from invocation_state)"))


@pytest.mark.parametrize("many", [150, pytest.param(400, marks=pytest.mark.long)])
def test_claim_against_claim_never_exceeds_the_slots(
    c: Connection, database_dsn: str, pool: ThreadPoolExecutor, many: int
) -> None:
    """Four workers on one lane of three slots: by the history never more than three at once."""
    ids = register(c, many, lanes=["k"] * many, slots=3)
    said = together(
        pool,
        *[
            lambda r=f"w{n}": work_until_empty(database_dsn, r, limit=5, left=anything_left)
            for n in range(4)
        ],
    )
    assert sum(said, Counter()) == {"done": many}
    assert most_at_once(c, dict.fromkeys(ids, "k")) == {"k": 3}
    assert one(c, "select count(*) from slot") == 0
    assert gaps(c) == []


def test_two_claims_of_the_last_slot(c: Connection, other: Connection) -> None:
    """While one claim is uncommitted, another finds neither its slot nor its rows, nor waits."""
    register(c, 2, lanes=["k", "k"], slots=1)
    with other.transaction():
        [held] = claim(other)
        assert claim(c) == []
    assert claim(c) == []
    assert start(c, [held]) == {}
    assert finish(c, [held]) == {}
    assert len(claim(c)) == 1


@pytest.mark.parametrize("rounds", [1000, pytest.param(3000, marks=pytest.mark.long)])
def test_park_against_finish_strands_nothing(
    c: Connection, database_dsn: str, pool: ThreadPoolExecutor, rounds: int
) -> None:
    """In all rounds of finishing a lane's holder while others are parked, each gets its turn."""
    lanes = [f"k{n % 10}" for n in range(rounds)]
    ids = []
    for part in range(0, rounds, 500):
        ids += register(c, 500, lanes=lanes[part : part + 500], slots=1)
    stop = threading.Event()

    def left(_connection: Connection) -> bool:
        return not stop.is_set()

    def watcher() -> Counter[str]:
        deadline = time.monotonic() + 90
        while one(c, "select exists (select from invocation_state)"):
            assert time.monotonic() < deadline, "stranded: " + str(
                c.execute("select status, count(*) from invocation_state group by 1").fetchall()
            )
            time.sleep(0.02)
        stop.set()
        return Counter()

    def guarded() -> Counter[str]:
        try:
            return watcher()
        finally:
            stop.set()

    said = together(
        pool,
        guarded,
        *[
            lambda r=f"w{n}": work_until_empty(database_dsn, r, limit=4, left=left)
            for n in range(4)
        ],
    )
    assert sum(said, Counter()) == {"done": rounds}
    parked = one(
        c, "select count(*) from invocation_history where status = 'concurrency_controlled'"
    )
    assert parked > 100
    assert set(most_at_once(c, dict(zip(ids, lanes, strict=True))).values()) == {1}
    assert gaps(c) == []


def test_finish_waits_for_a_claim_that_parks(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """A claim that has parked but not committed is seen by the finish that frees the slot."""
    first, second, third = register(c, 3, lanes=["k"] * 3, slots=2)
    [held] = claim(c, limit=1)
    start(c, [held])

    def park() -> None:
        assert [i for i, _ in claim(other, limit=1)] == [second]
        assert state(other, third)["status"] == "concurrency_controlled"

    assert while_held(other, c, pool, park, lambda: finish(c, [held])) == {}
    assert status_of(c, third) == "rerouted"
    assert [i for i, _ in claim(c)] == [third]
    assert held[0] == first


def idle_lane(connection: Connection) -> int:
    """Make a lane without work, as one is left by a lane's last end that met another call."""
    query = "insert into lane (app_id, queue, key, slots) values (%s, 'default', 'k', 1)"
    return int(one(connection, f"{query} returning lane_id", (APP,)))


def test_register_against_the_last_end_of_its_lane(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """The lane goes with its last work; a call that came meanwhile makes it again."""
    register(c, lanes=["k"], slots=1)
    held = claim(c)
    start(c, held)
    lane = one(c, "select lane_id from lane")
    [new] = while_held(
        other, c, pool, lambda: finish(other, held), lambda: register(c, lanes=["k"], slots=1)
    )
    assert state(c, new)["lane"] == one(c, "select lane_id from lane") != lane
    assert [i for i, _ in claim(c)] == [new]


def test_the_last_end_of_a_lane_that_a_call_is_joining(c: Connection, other: Connection) -> None:
    """An end does not wait for an uncommitted call in its lane, and leaves it the lane."""
    register(c, lanes=["k"], slots=1)
    held = claim(c)
    start(c, held)
    with other.transaction():
        [new] = register(other, lanes=["k"], slots=1)
        assert finish(c, held) == {}
    assert one(c, "select count(*) from lane") == 1
    assert [i for i, _ in claim(c)] == [new]


def test_register_against_maintain_that_removes_the_lane(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """A call for a lane that is just being removed waits, and makes it again."""
    lane = idle_lane(c)
    [new] = while_held(
        other,
        c,
        pool,
        lambda: other.execute("select maintain(%s)", (APP,)),
        lambda: register(c, lanes=["k"], slots=1),
    )
    assert state(c, new)["lane"] == one(c, "select lane_id from lane") != lane
    assert [i for i, _ in claim(c)] == [new]


def test_maintain_leaves_a_lane_that_a_call_is_joining(c: Connection, other: Connection) -> None:
    """A lane that an uncommitted call stands in is not idle, though nobody sees the call."""
    idle_lane(c)
    with other.transaction():
        [new] = register(other, lanes=["k"], slots=1)
        c.execute("select maintain(%s)", (APP,))
    assert [i for i, _ in claim(c)] == [new]


def test_claims_at_once_keep_a_rate_limit(
    c: Connection, database_dsn: str, pool: ThreadPoolExecutor
) -> None:
    """Four claim without a pause: by the history never more in any period than the limit says."""
    ids = register(c, 40, lanes=["k"] * 40, slots=1000, rate=(10, 0.3))
    said = together(
        pool,
        *[
            lambda r=f"w{n}": work_until_empty(database_dsn, r, limit=3, left=anything_left)
            for n in range(4)
        ],
    )
    assert sum(said, Counter()) == {"done": 40}
    assert most_begun(c, dict.fromkeys(ids, "k"), 0.3) == {"k": 10}

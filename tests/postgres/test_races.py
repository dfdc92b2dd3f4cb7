"""Verbs against each other, on real connections and threads.

Where an order matters it is made: one side holds its transaction open, the other is waited for
until `pg_locks` shows that it stands in the queue.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg
import pytest

from pynenc_pg.domain.ids import new_invocation_id
from tests.support.sql import (
    APP,
    RUNNER,
    Connection,
    cancel,
    claim,
    connect,
    finish,
    gaps,
    history,
    one,
    put_into,
    recover,
    register,
    register_runner,
    release,
    retry,
    start,
    state,
    status_of,
    watch,
)

T = TypeVar("T")
PATIENCE = 30.0


@pytest.fixture
def c(database_dsn: str) -> Iterator[Connection]:
    """Our own session, with one runner registered."""
    with connect(database_dsn) as connection:
        register_runner(connection)
        yield connection


@pytest.fixture
def other(database_dsn: str) -> Iterator[Connection]:
    """The other side's session, which may hold a transaction open."""
    with connect(database_dsn) as connection:
        yield connection


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for what has to wait."""
    with ThreadPoolExecutor(16) as pool:
        yield pool


def blocked(watcher: Connection, waiting: Connection) -> None:
    """Return as soon as a session waits for a lock."""
    deadline = time.monotonic() + PATIENCE
    while not one(watcher, "select pg_blocking_pids(%s) <> '{}'", (waiting.info.backend_pid,)):
        assert time.monotonic() < deadline, "it does not wait"


def while_held(
    holder: Connection,
    waiting: Connection,
    pool: ThreadPoolExecutor,
    first: Callable[[], Any],
    second: Callable[[], T],
) -> T:
    """Let `second` run into the open transaction of `first`, then commit; return its answer."""
    with holder.transaction():
        first()
        answer: Future[T] = pool.submit(second)
        blocked(holder, waiting)
    return answer.result(PATIENCE)


def together(pool: ThreadPoolExecutor, *sides: Callable[[], T]) -> list[T]:
    """Start all at the same moment; return their answers."""
    gate = threading.Barrier(len(sides))

    def run(side: Callable[[], T]) -> T:
        gate.wait(PATIENCE)
        return side()

    return [future.result(PATIENCE * 2) for future in [pool.submit(run, side) for side in sides]]


def most_at_once(connection: Connection) -> int:
    """Replay the history: how many were owned at the same time, per lane at the worst."""
    return int(
        one(
            connection,
            """with change as (
                   select l.key, h.at, h.rev, h.invocation_id,
                          (h.status in ('pending', 'running', 'paused', 'resumed'))::int
                          - coalesce((h.previous_status
                                      in ('pending', 'running', 'paused', 'resumed')), false)::int
                          as step
                   from invocation_history h
                   join lane_of l using (invocation_id)
               )
               select coalesce(max(held), 0) from (
                   select sum(step) over (partition by key order by at, step, rev
                                          rows unbounded preceding) as held from change) x""",
        )
    )


def remember_lanes(connection: Connection) -> None:
    """Keep which key each invocation has: the hot rows will be gone."""
    connection.execute(
        """create table if not exists lane_of (invocation_id uuid primary key, key text);
           insert into lane_of select s.invocation_id, l.key
           from invocation_state s join lane l on l.lane_id = s.lane on conflict do nothing"""
    )


def work_until_empty(
    dsn: str, runner: str, *, limit: int, left: Callable[[], bool]
) -> Counter[str]:
    """Claim, start and finish until nothing is left; count what the database said."""
    said: Counter[str] = Counter()
    with connect(dsn) as connection:
        register_runner(connection, runner)
        while left():
            try:
                held = claim(connection, runner, limit)
                said.update(start(connection, held, runner).values())
                said.update(finish(connection, held, runner).values())
                said["done"] += len(held)
            except psycopg.Error as error:
                said[error.sqlstate or "?"] += 1
    return said


def test_claim_against_claim_never_exceeds_the_slots(
    c: Connection, database_dsn: str, pool: ThreadPoolExecutor
) -> None:
    """Four workers on one lane of three slots: by the history never more than three at once."""
    register(c, 400, lanes=["k"] * 400, slots=3)
    remember_lanes(c)

    def left() -> bool:
        with connect(database_dsn) as look:
            return bool(one(look, "select exists (select from invocation_state)"))

    said = together(
        pool,
        *[
            lambda r=f"w{n}": work_until_empty(database_dsn, r, limit=5, left=left)
            for n in range(4)
        ],
    )
    assert sum(said, Counter()) == {"done": 400}
    assert 1 <= most_at_once(c) <= 3
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


def test_strays_wait_for_a_claim_that_is_under_way(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """The claim whose answer is lost may still be at work: what it takes is found, too."""
    [which] = register(c)
    statement = "select pynenc.release_strays(%s, %s, '{}')"
    with other.transaction():
        claim(other)
        answer = pool.submit(lambda: one(c, statement, (APP, RUNNER)))
        blocked(other, c)
    assert answer.result(PATIENCE) == 1
    assert status_of(c, which) == "rerouted"


def test_park_against_finish_strands_nothing(
    c: Connection, database_dsn: str, pool: ThreadPoolExecutor
) -> None:
    """In 3,000 rounds of finishing a lane's holder while others are parked, all get their turn."""
    lanes = [f"k{n % 10}" for n in range(3000)]
    for part in range(0, 3000, 500):
        register(c, 500, lanes=lanes[part : part + 500], slots=1)
    remember_lanes(c)
    stop = threading.Event()

    def left() -> bool:
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
    assert sum(said, Counter()) == {"done": 3000}
    parked = one(
        c, "select count(*) from invocation_history where status = 'concurrency_controlled'"
    )
    assert parked > 100
    assert most_at_once(c) == 1
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


def test_simultaneous_identical_registrations_are_one(c: Connection, database_dsn: str) -> None:
    """64 sessions register the same key at the same moment: one row, 64 equal answers."""
    sessions = [connect(database_dsn) for _ in range(64)]
    try:
        with ThreadPoolExecutor(64) as pool:
            answers = together(pool, *[lambda s=s: register(s, keys=["same"])[0] for s in sessions])
    finally:
        for session in sessions:
            session.close()
    assert len(set(answers)) == 1
    assert one(c, "select count(*) from invocation_state") == 1
    assert one(c, "select count(*) from invocation") == 1
    assert history(c, answers[0]) == [(0, "registered")]


def test_the_same_id_twice_at_once_is_one_call(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """A repeat of a register whose first try is still uncommitted waits and writes nothing."""
    for keys in (None, ["k"]):
        invocation_id = str(new_invocation_id())
        assert while_held(
            other,
            c,
            pool,
            lambda i=invocation_id, k=keys: register(other, ids=[i], keys=k),  # type: ignore[misc]
            lambda i=invocation_id, k=keys: register(c, ids=[i], keys=k),  # type: ignore[misc]
        ) == [invocation_id]
        assert history(c, invocation_id) == [(0, "registered")]


def test_a_reused_invocation_does_not_start_before_the_reuse_commits(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """Who was given a waiting invocation gets what runs after its own transaction."""
    [invocation_id] = register(c, keys=["k"])
    held = claim(c)
    answer = while_held(other, c, pool, lambda: register(other, keys=["k"]), lambda: start(c, held))
    assert answer == {}
    assert status_of(c, invocation_id) == "running"
    assert register(c, keys=["k"]) != [invocation_id]


def test_opposite_orders_do_not_deadlock(  # noqa: C901 - three actors, told together
    c: Connection, database_dsn: str, pool: ThreadPoolExecutor
) -> None:
    """Ten busy keys, batches in any order, every verb at once: no deadlock and nothing lost."""
    keys = [f"k{n}" for n in range(10)]
    orders = list(itertools.islice(itertools.permutations(keys), 0, None, 90_001))
    total = 40 * 10
    done = threading.Event()

    def produce() -> Counter[str]:
        with connect(database_dsn) as mine:
            for n in range(40):
                order = orders[n % len(orders)]
                register(mine, 10, lanes=order, slots=2)
        return Counter()

    def consume(runner: str, *, backwards: bool) -> Counter[str]:
        said: Counter[str] = Counter()
        with connect(database_dsn) as mine:
            register_runner(mine, runner)
            while not done.is_set():
                try:
                    held = claim(mine, runner, 8)
                    held.sort(reverse=backwards)
                    start(mine, held[::-1], runner)
                    retry(mine, held[:1], runner, reason="snoozed")
                    release(mine, held[1:2], runner)
                    finish(mine, held[2:], runner)
                    cancel(mine, held[-1][0]) if len(held) > 7 else None
                except psycopg.Error as error:
                    said[error.sqlstate or "?"] += 1
        return said

    def sweep() -> Counter[str]:
        said: Counter[str] = Counter()
        with connect(database_dsn) as mine:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                try:
                    recover(mine, max_pending=0)
                    mine.execute("select maintain(%s)", (APP,))
                except psycopg.Error as error:
                    said[error.sqlstate or "?"] += 1
                finished = one(mine, "select count(*) from invocation_outcome")
                if finished == total:
                    break
                if finished > total - 30:  # the last ones go one by one
                    held = claim(mine, RUNNER, 50)
                    start(mine, held)
                    finish(mine, held)
            done.set()
        return said

    said = together(
        pool,
        produce,
        lambda: consume("a", backwards=False),
        lambda: consume("b", backwards=True),
        lambda: consume("d", backwards=False),
        sweep,
    )
    assert sum(said, Counter()) == {}
    assert one(c, "select count(*) from invocation_outcome") == total
    assert gaps(c) == []


def test_work_is_found_after_a_late_commit(c: Connection, other: Connection) -> None:
    """A producer that stands between register and COMMIT hides its work, and then it is found."""
    c.execute("listen pynenc")
    assert claim(c, idle=True) == []
    with other.transaction():
        [invocation_id] = register(other, own_connection=False)
        assert claim(c, idle=True) == []
        assert list(c.notifies(timeout=0)) == []
    [hint] = list(c.notifies(timeout=PATIENCE, stop_after=1))
    assert '"work"' in hint.payload
    assert [i for i, _ in claim(c)] == [invocation_id]


def test_ids_that_commit_late_are_not_passed_over(c: Connection, other: Connection) -> None:
    """An older id that commits after a younger one has been claimed is claimed all the same."""
    put_into(c, "success")  # the first call of a queue makes its row, and others wait for that
    with other.transaction():
        [older] = register(other)
        [younger] = register(c)
        assert [i for i, _ in claim(c)] == [younger]
    assert [i for i, _ in claim(c)] == [older]


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


def test_watch_before_finish_is_told(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """A finish waits for a watch that came first, and tells it."""
    ids = register(c, 2)
    held = claim(c)
    start(c, held)
    other.execute("listen ends")
    answer = while_held(other, c, pool, lambda: watch(other, ids[::-1]), lambda: finish(c, held))
    assert answer == {}
    [told] = list(other.notifies(timeout=PATIENCE, stop_after=1))
    assert all(i in told.payload for i in ids)
    assert one(c, "select count(*) from wait_edge") == 0


def test_finish_before_watch_is_seen(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """A watch waits for a finish that came first, and answers that it has ended."""
    ids = register(c, 2)
    held = claim(c)
    start(c, held)
    answer = while_held(other, c, pool, lambda: finish(other, held[:1]), lambda: watch(c, ids))
    assert answer == [held[0][0]]
    assert one(c, "select count(*) from wait_edge") == 1


def test_watch_against_finish_nobody_misses(
    c: Connection, other: Connection, database_dsn: str, pool: ThreadPoolExecutor
) -> None:
    """In 300 unordered meetings each watcher is told or answered, never neither."""
    ids = register(c, 300)
    held = claim(c, limit=300)
    start(c, held)
    other.execute("listen ends")
    order = sorted(held, key=lambda h: ids.index(h[0]))

    def ends() -> set[str]:
        for one_held in order:
            assert finish(c, [one_held]) == {}
        return set()

    def watches() -> set[str]:
        with connect(database_dsn) as mine:
            return {i for invocation in ids for i in watch(mine, [invocation])}

    _, answered = together(pool, ends, watches)
    told = {i for n in other.notifies(timeout=0.2) for i in ids if i in n.payload}
    assert answered | told == set(ids)
    assert answered & told == set()
    assert one(c, "select count(*) from wait_edge") == 0


def dead_runner(c: Connection, n: int, *, keyed: bool = True) -> list[tuple[str, int]]:
    """Let a runner begin n and die: its lease is over."""
    register_runner(c, "dead")
    register(c, n, lanes=[f"k{i}" for i in range(n)] if keyed else None, slots=1)
    held = claim(c, "dead", n)
    start(c, held, "dead")
    c.execute("update runner set lease_until = now() - interval '1 s' where runner_id = 'dead'")
    return held


def test_recover_does_not_wait_for_a_finish_without_a_key(c: Connection, other: Connection) -> None:
    """A finish in flight is passed over by recover, and counts; the rest is recovered."""
    held = dead_runner(c, 3, keyed=False)
    with other.transaction():
        assert finish(other, held[:1], "dead") == {}
        assert recover(c)[:3] == (2, 0, ["dead"])
    assert status_of(c, held[0][0]) == "success"
    assert {status_of(c, i) for i, _ in held[1:]} == {"rerouted"}
    assert gaps(c) == []


def test_recover_before_finish_takes_the_lease(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """A finish that comes after recovery has begun waits, is `lost`, and leaves no outcome."""
    held = dead_runner(c, 2)
    answer = while_held(other, c, pool, lambda: recover(other), lambda: finish(c, held, "dead"))
    assert answer == {i: "lost" for i, _ in held}
    assert one(c, "select count(*) from invocation_outcome") == 0
    assert {status_of(c, i) for i, _ in held} == {"rerouted"}
    assert gaps(c) == []


def test_finish_before_recover_under_a_lane_lock(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """A recovery that waits for the lane of a finish in flight leaves the finished one alone."""
    held = dead_runner(c, 2)
    answer = while_held(other, c, pool, lambda: finish(other, held[:1], "dead"), lambda: recover(c))
    assert answer[:3] == (1, 0, ["dead"])
    assert status_of(c, held[0][0]) == "success"
    assert gaps(c) == []


def test_a_goodbye_waits_for_a_claim_and_releases_what_it_took(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """What a runner's last claim takes while it is removed is not left to nobody."""
    [which] = register(c)
    goodbye = "select pynenc.unregister_runner(%s, %s)"
    while_held(other, c, pool, lambda: claim(other), lambda: c.execute(goodbye, (APP, RUNNER)))
    assert [status for _, status in history(c, which)].count("pending") == 1
    assert status_of(c, which) == "rerouted"
    assert one(c, "select count(*) from pynenc.runner") == 0


def test_a_dead_runner_is_not_forgotten_while_it_claims(c: Connection, other: Connection) -> None:
    """What it takes after it was declared dead is found by its row, by the next recovery."""
    register_runner(c, "late", lease=0.0)
    [which] = register(c)
    with other.transaction():
        assert [i for i, _ in claim(other, "late")] == [which]
        assert recover(c)[2] == ["late"]
    assert recover(c)[0] == 1
    assert status_of(c, which) == "rerouted"
    assert one(c, "select count(*) from pynenc.runner where runner_id = 'late'") == 0


def test_two_recovers_at_once_do_it_once(c: Connection, other: Connection) -> None:
    """While one recovers, another answers at once that there was nothing; nothing is done twice."""
    held = dead_runner(c, 3)
    with other.transaction():
        assert recover(other)[:2] == (3, 0)
        assert recover(c)[:3] == (0, 0, [])
    assert recover(c)[:3] == (0, 0, [])
    for invocation_id, _ in held:
        assert state(c, invocation_id)["recoveries"] == 1
        assert [s for _, s in history(c, invocation_id)][-2:] == ["running_recovery", "rerouted"]
    assert one(c, "select count(*) from runner where runner_id = 'dead'") == 0


@pytest.mark.parametrize("before", ["registered", "pending", "running"])
def test_cancel_waits_for_what_came_first(
    c: Connection, other: Connection, pool: ThreadPoolExecutor, before: str
) -> None:
    """Cancel against a claim, start or finish in flight answers what is true after it."""
    invocation_id, lease, _ = put_into(c, before)
    held = [(invocation_id, lease or 0)]
    first, answer, after = {
        "registered": (lambda: claim(other), "requested", "pending"),
        "pending": (lambda: start(other, held), "requested", "running"),
        "running": (lambda: finish(other, held), "final", "success"),
    }[before]
    assert while_held(other, c, pool, first, lambda: cancel(c, invocation_id)) == answer
    assert status_of(c, invocation_id) == after
    assert gaps(c) == []


def test_a_claim_does_not_wait_for_cancel(c: Connection, other: Connection) -> None:
    """A claim passes over what is being cancelled, and it ends as cancelled."""
    [invocation_id] = register(c)
    with other.transaction():
        assert cancel(other, invocation_id) == "cancelled"
        assert claim(c) == []
    assert status_of(c, invocation_id) == "failed"
    assert history(c, invocation_id) == [(0, "registered"), (1, "failed")]


def test_start_and_finish_wait_for_cancel(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """A request that came first is honoured by start, and outlived by finish."""
    first, second = put_into(c, "pending"), put_into(c, "running")
    assert while_held(
        other,
        c,
        pool,
        lambda: cancel(other, first.id),
        lambda: start(c, [(first.id, first.lease or 0)]),
    ) in ({}, {first.id: "lost"})
    assert (
        while_held(
            other,
            c,
            pool,
            lambda: cancel(other, second.id),
            lambda: finish(c, [(second.id, second.lease or 0)]),
        )
        == {}
    )
    assert status_of(c, second.id) == "success"
    assert gaps(c) == []


def test_unordered_cancels_answer_once(
    c: Connection, other: Connection, database_dsn: str, pool: ThreadPoolExecutor
) -> None:
    """Of 100 invocations cancelled by two sessions while a third works, each ends exactly once."""
    ids = register(c, 100)

    def cancels() -> Counter[str]:
        with connect(database_dsn) as mine:
            return Counter(cancel(mine, i) for i in ids)

    def works() -> Counter[str]:
        said: Counter[str] = Counter()
        while one(other, "select exists (select from invocation_state)"):
            held = claim(other, limit=7)
            lost = start(other, held)
            said.update(lost.values())
            finish(other, [h for h in held if h[0] not in lost])
        return said

    first, second, _ = together(pool, cancels, cancels, works)
    assert (first + second).keys() <= {"cancelled", "requested", "final"}
    cancelled = one(c, "select count(*) from invocation_outcome where reason = 'cancelled'")
    assert (first + second)["cancelled"] <= cancelled
    assert one(c, "select count(*) from invocation_outcome") == 100
    assert gaps(c) == []

"""Verbs against each other, on real connections and threads. Those of keys: test_races_lanes."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from pynenc_pg.domain.ids import new_invocation_id
from tests.support.plain_sql import gaps, history, put_into, status_of
from tests.support.races import PATIENCE, blocked, together, while_held
from tests.support.sql import (
    APP,
    RUNNER,
    Connection,
    cancel,
    claim,
    connect,
    crash,
    finish,
    one,
    recover,
    register,
    register_runner,
    release,
    retry,
    start,
)
from tests.support.wait_sql import watch


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


def test_simultaneous_calls_with_a_key_are_one(c: Connection, database_dsn: str) -> None:
    """50 sessions call with one key as the first such call is worked off: one answer (F42)."""
    sessions = [connect(database_dsn) for _ in range(50)]

    def work() -> None:
        until = time.monotonic() + PATIENCE
        while not one(c, "select count(*) from invocation_outcome"):
            assert time.monotonic() < until
            held = claim(c)
            start(c, held)
            finish(c, held)

    try:
        with ThreadPoolExecutor(51) as pool:
            calls = [lambda s=s: register(s, once="order-17")[0] for s in sessions]
            *answers, _ = together(pool, *calls, work)
    finally:
        for session in sessions:
            session.close()
    assert len(set(answers)) == 1
    assert one(c, "select count(*) from invocation") == 1
    assert register(c, once="order-17") == answers[:1]
    assert one(c, "select array_agg(status) from invocation_outcome") == "{success}"


@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_key_of_a_transaction_that_has_not_ended(
    c: Connection, other: Connection, pool: ThreadPoolExecutor, ends: str
) -> None:
    """The second call waits for its end: it becomes the first one, or takes its place."""
    with other.transaction() as transaction:
        [first] = register(other, once="k", own_connection=False)
        answer = pool.submit(lambda: register(c, once="k"))
        blocked(other, c)
        if ends == "rollback":
            raise psycopg.Rollback(transaction)
    [second] = answer.result(PATIENCE)
    assert (second == first) is (ends == "commit")
    assert one(c, "select count(*) from invocation") == 1
    assert one(c, "select count(*) from call_key") == 1


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


@pytest.mark.parametrize("batches", [20, pytest.param(40, marks=pytest.mark.long)])
def test_opposite_orders_do_not_deadlock(  # noqa: C901 - three actors, told together
    c: Connection, database_dsn: str, pool: ThreadPoolExecutor, batches: int
) -> None:
    """Ten busy keys, batches in any order, every verb at once: no deadlock and nothing lost."""
    keys = [f"k{n}" for n in range(10)]
    orders = list(itertools.islice(itertools.permutations(keys), 0, None, 90_001))
    total = batches * 10
    done = threading.Event()

    def produce() -> Counter[str]:
        with connect(database_dsn) as mine:
            for n in range(batches):
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
                    crash(mine, held[2:3], runner, max_recoveries=1000) if held[2:] else None
                    finish(mine, held[3:], runner)
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

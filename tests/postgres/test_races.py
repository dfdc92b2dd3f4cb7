"""Verbs against each other, on real connections and threads. Those of keys: test_races_lanes."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from pynenc_pg.domain.ids import new_invocation_id
from tests.support.plain_sql import gaps, history, put_into, state, status_of
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
    watch,
)


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


@pytest.mark.parametrize("first", ["crash", "recover"])
def test_a_crash_and_a_recovery_at_once_count_once(
    c: Connection, other: Connection, pool: ThreadPoolExecutor, first: str
) -> None:
    """Told by its runner and found by others at one moment, a death counts one recovery."""
    held = dead_runner(c, 2)
    told: Callable[[Connection], object] = lambda session: crash(session, held, "dead")  # noqa: E731
    found: Callable[[Connection], object] = recover
    one_way, other_way = (told, found) if first == "crash" else (found, told)
    answer = while_held(other, c, pool, lambda: one_way(other), lambda: other_way(c))
    if first == "recover":
        assert answer == {i: "lost" for i, _ in held}
    for invocation_id, _ in held:
        assert state(c, invocation_id)["recoveries"] == 1
        assert [s for _, s in history(c, invocation_id)][-2:] == ["running_recovery", "rerouted"]
    assert gaps(c) == []


def test_a_crash_after_the_end_changes_nothing(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """An end that is being written when the process dies counts; the crash is `lost`."""
    held = dead_runner(c, 1)
    answer = while_held(
        other, c, pool, lambda: finish(other, held, "dead"), lambda: crash(c, held, "dead")
    )
    assert answer == {held[0][0]: "lost"}
    assert status_of(c, held[0][0]) == "success"
    assert gaps(c) == []


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

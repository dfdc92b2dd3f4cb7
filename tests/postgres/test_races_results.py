"""Calls that become equal ones, against each other and against what ends meanwhile."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest

from pynenc_pg.domain.ids import new_invocation_id
from tests.support.plain_sql import gaps, history, status_of
from tests.support.races import PATIENCE, blocked, together, while_held
from tests.support.sql import (
    APP,
    Connection,
    claim,
    connect,
    finish,
    one,
    register,
    retry,
    start,
)


def call(connection: Connection, *calls: str, ttl: float | None = None) -> list[str]:
    """Register calls that may become equal ones; without names, one that is called ``a``."""
    names = calls or ("a",)
    return register(connection, len(names), calls=names, ttl=ttl)


def end(connection: Connection, status: str = "success") -> list[str]:
    """Run all that is ready; what it was."""
    held = claim(connection, limit=1000)
    assert start(connection, held) == finish(connection, held, status=status) == {}
    return [which for which, _ in held]


def known(connection: Connection) -> set[str]:
    """Return what may serve later calls."""
    rows = connection.execute("select invocation_id from call_result").fetchall()
    return {which for (which,) in rows}


def test_many_equal_calls_at_once(c: Connection, database_dsn: str) -> None:
    """40 sessions while a runner works: after the first end each call gets a result, whichever."""
    over = threading.Event()

    def calls(session: Connection) -> list[bool]:
        early = 0
        while not over.is_set():
            call(session)
            early += 1
        assert early
        ids = [new_invocation_id() for _ in range(10)]
        became = [register(session, ids=[which], calls=["a"])[0] for which in ids]
        assert {status_of(session, which) for which in became} == {"success"}
        return [one_ != which for one_, which in zip(became, ids, strict=True)]

    def work() -> list[bool]:
        while not end(c):
            pass
        over.set()
        for _ in range(20):
            end(c)
        return []

    with ExitStack() as stack, ThreadPoolExecutor(41) as pool:
        sessions = [stack.enter_context(connect(database_dsn)) for _ in range(40)]
        answers = together(pool, *[lambda s=s: calls(s) for s in sessions], work)
    assert [reused for each in answers for reused in each] == [True] * 400
    end(c)
    assert one(c, "select count(*) from invocation_state") == 0
    assert gaps(c) == []


@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_transaction_that_has_not_ended_holds_up_nobody(
    c: Connection, other: Connection, ends: str
) -> None:
    """Equal calls beside it are registered at once; of a rolled back one nothing is left."""
    c.execute("set lock_timeout = '5s'")
    call(c)
    end(c, "failed")
    with other.transaction() as transaction:
        [open_] = call(other)  # it has forgotten the failed one, and nobody waits for that
        [second] = call(c)
        assert second != open_
        if ends == "rollback":
            raise psycopg.Rollback(transaction)
    kept = {second, open_} if ends == "commit" else {second}
    assert kept <= known(c)
    assert set(end(c)) == kept
    assert call(c)[0] in kept
    assert one(c, "select count(*) from invocation_state") == 0


def test_an_end_counts_from_its_commit(c: Connection, other: Connection) -> None:
    """Not a moment before, and whoever looks meanwhile does not wait."""
    [first] = call(c)
    held = claim(c)
    start(c, held)
    with other.transaction():
        finish(other, held)
        [second] = call(c)
        assert second != first
    assert call(c) == [first]


def test_the_same_id_twice_at_once_is_one_call(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """A repeat of a call whose first try is still uncommitted waits and writes nothing."""
    which = str(new_invocation_id())
    again = while_held(
        other,
        c,
        pool,
        lambda: register(other, ids=[which], calls=["a"]),
        lambda: register(c, ids=[which], calls=["a"]),
    )
    assert again == [which]
    assert history(c, which) == [(0, "registered")]
    assert known(c) == {which}


@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_key_of_a_transaction_that_has_not_ended(
    c: Connection, other: Connection, pool: ThreadPoolExecutor, ends: str
) -> None:
    """The second call with it waits; it becomes the first one, or looks for a result itself."""
    [known_] = call(c)
    end(c)
    with other.transaction() as transaction:
        [first] = register(other, once="k", calls=["new"])
        answer = pool.submit(lambda: register(c, once="k", calls=["a"]))
        blocked(other, c)
        if ends == "rollback":
            raise psycopg.Rollback(transaction)
    assert answer.result(PATIENCE) == [first if ends == "commit" else known_]
    assert register(c, once="k", calls=["x"]) == answer.result()


def test_batches_in_any_order_do_not_deadlock(c: Connection, database_dsn: str) -> None:
    """Eight sessions, each with the same 60 calls in an order of its own, known and new ones."""
    names = [f"call {n}" for n in range(60)]
    call(c, *names[:20])
    end(c)
    call(c, *names[20:40])
    end(c, "failed")
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        sessions = [stack.enter_context(connect(database_dsn)) for _ in range(8)]
        orders = [names[n:] + names[:n] for n in range(0, 60, 8)]

        def batch(session: Connection, order: list[str]) -> dict[str, str]:
            made: dict[str, str] = {}
            for _ in range(5):
                answers = call(session, *order, ttl=3600)
                made |= dict(zip(order, answers, strict=True))
            return made

        sides = [lambda s=s, o=o: batch(s, o) for s, o in zip(sessions, orders, strict=True)]
        answers = together(pool, *sides)
    for name in names[:20]:
        assert len({each[name] for each in answers}) == 1
    assert {status_of(c, each[name]) for each in answers for name in names[:20]} == {"success"}
    ended: set[str] = set()
    while more := end(c):
        ended |= set(more)
    assert len(ended) == 8 * 5 * 40
    assert {each[name] for each in answers for name in names[20:]} <= ended
    assert one(c, "select count(*) from invocation_state") == 0
    again = dict(zip(names, call(c, *names), strict=True))
    assert all(status_of(c, which) == "success" for which in again.values())


def test_a_result_while_an_attempt_is_tried_again(c: Connection) -> None:
    """One that is put off for long does not stand in the way of the next that succeeds."""
    [first] = call(c)
    held = claim(c)
    start(c, held)
    retry(c, held, delay=1e6)
    [second] = call(c)
    assert end(c) == [second]
    assert call(c) == [second]
    assert status_of(c, first) == "retry"


def test_what_has_failed_is_forgotten(c: Connection) -> None:
    """However often it fails: what a call looks at does not grow."""
    for _ in range(20):
        call(c, "a", "a", "b")
        end(c, "failed")
    [last] = call(c)
    assert end(c) == [last]
    assert one(c, "select count(*) from call_result where call_id = 'a'") == 1
    assert one(c, "select count(*) from call_result where call_id = 'b'") == 1
    assert Counter(call(c, "a", "a")) == {last: 2}


def test_purge_waits_for_no_call_and_leaves_nothing(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """A call that commits beside it is whole: its own row, or none of it."""
    call(c)
    end(c)
    with other.transaction():
        call(other, "b", ttl=0)
        answer = pool.submit(lambda: one(c, "select purge(%s)", (APP,)))
        answer.result(PATIENCE)
    rows = one(
        c,
        """select count(*) from call_result r
           where not exists (select from invocation i where i.invocation_id = r.invocation_id)""",
    )
    assert rows == 0

"""Prune against those who need what it would remove, and against its own death."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import psycopg
import pytest

from tests.support.kept import ended, keep, prune
from tests.support.plain_sql import gaps, history, status_of
from tests.support.races import together, while_held
from tests.support.sql import APP, Connection, claim, connect, finish, one, recover, register, start
from tests.support.wait_sql import pause

RETRY = "select retry(%s)"
AGAIN = [RETRY, f"select retry_with('{APP}', %s, '{{}}', '{{}}')"]


@pytest.mark.parametrize("verb", AGAIN)
def test_what_is_run_again_is_passed_over(c: Connection, other: Connection, verb: str) -> None:
    """While a transaction has called it again, it stays; when that has ended, it may go."""
    keep(c)
    [old] = ended(c)
    with other.transaction():
        new = one(other, verb, (old,))
        assert prune(c) == 0
    assert one(c, "select retried_from from invocation where invocation_id = %s", (new,)) == old
    assert prune(c) == 1
    assert status_of(c, new) == "registered"


@pytest.mark.parametrize("verb", AGAIN)
def test_who_comes_too_late_hears_that_it_is_gone(
    c: Connection, other: Connection, pool: ThreadPoolExecutor, verb: str
) -> None:
    """A call by id that waits for the end of prune is told that nobody knows the id."""
    keep(c)
    [old] = ended(c)
    with pytest.raises(psycopg.Error) as refused:
        while_held(other, c, pool, lambda: prune(other), lambda: one(c, verb, (old,)))
    assert refused.value.sqlstate == "PN014"
    assert one(c, "select count(*) from invocation") == 0


def test_two_at_once_remove_each_once(
    c: Connection, database_dsn: str, pool: ThreadPoolExecutor
) -> None:
    """Several runners that believe to be the eldest remove together what there is."""
    keep(c)
    ended(c, 300)
    sessions = [connect(database_dsn) for _ in range(4)]
    try:
        removed = together(pool, *[lambda s=s: prune(s) for s in sessions])
    finally:
        for session in sessions:
            session.close()
    assert sum(removed) == 300 - one(c, "select count(*) from invocation")
    prune(c)
    assert one(c, "select count(*) from invocation_history") == 0


def answered(ask: Callable[[], object]) -> bool:
    """Whether it is answered; if not, then because nobody knows the id any more."""
    try:
        ask()
    except psycopg.Error as error:
        if error.sqlstate != "PN014":
            raise
        return False
    return True


def work(session: Connection) -> int:
    """Register, run and end calls, and look for what is to be recovered."""
    done = 0
    for _ in range(30):
        register(session, 5)
        held = claim(session, limit=5)
        assert start(session, held) == finish(session, held) == {}
        recover(session)
        done += len(held)
    return done


def wait(session: Connection, old: Sequence[str]) -> int:
    """Wait, in a call that runs, for the end of each; return how many were there still."""
    register(session, queue="other")
    [mine] = claim(session, queues=["other"])
    assert start(session, [mine]) == {}
    found = sum(answered(partial(pause, session, mine, [which])) for which in old)
    assert finish(session, [mine]) == {}  # it was never paused: they had all ended
    return found


def test_work_goes_on_beside_it(c: Connection, database_dsn: str, pool: ThreadPoolExecutor) -> None:
    """While it removes all there is, others claim, wait, end, recover and run again by id."""
    keep(c)
    old = ended(c, 200)
    with ExitStack() as stack:
        sessions = [stack.enter_context(connect(database_dsn)) for _ in range(4)]
        done, found, again, removed = together(
            pool,
            lambda: work(sessions[0]),
            lambda: wait(sessions[1], old),
            lambda: sum(answered(partial(one, sessions[2], RETRY, (i,))) for i in old[::4]),
            lambda: sum(prune(sessions[3], 20) for _ in range(30)),
        )
    while left := prune(c):  # it passes over what somebody has just called again
        removed += left
    assert (removed, found <= 200) == (200, True)
    assert one(c, "select count(*) from invocation where invocation_id = any (%s)", (old,)) == 0
    left = one(c, "select count(*) from invocation_state")
    assert left + done == 150 + again
    assert one(c, "select count(*) from wait_edge") == 0
    assert gaps(c) == []


def test_a_step_that_dies_leaves_all_of_it(c: Connection, database_dsn: str) -> None:
    """Killed in the middle of its transaction nothing of it has gone; the next one does it."""
    keep(c)
    old = ended(c, 10)
    dying = connect(database_dsn, autocommit=False)
    assert prune(dying, limit=5) == 5
    c.execute("select pg_terminate_backend(%s)", (dying.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        dying.commit()
    dying.close()
    assert [history(c, which)[-1][1] for which in old] == ["success"] * 10
    assert prune(c, limit=5) == 5
    assert prune(c, limit=5) == 5
    assert one(c, "select count(*) from invocation_history") == 0

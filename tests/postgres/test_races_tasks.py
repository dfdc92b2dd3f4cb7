"""Setting aside against runners that come and go, on real connections."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.support.plain_sql import gaps, status_of
from tests.support.races import PATIENCE, blocked
from tests.support.sql import (
    APP,
    Connection,
    cancel,
    claim,
    one,
    register,
    register_runner,
    register_tasks,
    set_aside,
    start,
)

WAITING = "select count(*) from invocation_state where due_at is not null"
TASK = "tests.task"  # of what `register` registers


def _begun(c: Connection, n: int = 1) -> list[tuple[str, int]]:
    register(c, n)
    held = claim(c)
    start(c, held)
    return held


def test_an_able_runner_comes_while_it_is_set_aside(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """It waits for the other's commit, and finds what was set aside."""
    held = _begun(c)
    register_runner(c, "able")
    with other.transaction():
        assert set_aside(other, held) == {}
        freed = pool.submit(register_tasks, c, TASK, runner="able", kind="var_keyword")
        blocked(other, c)
    assert freed.result(PATIENCE) == 1
    assert one(c, WAITING) == 0
    assert claim(c, "able")[0][0] == held[0][0]
    assert gaps(c) == []


def test_it_is_set_aside_while_an_able_runner_comes(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """Whoever sets it aside sees the runner, and it is due soon instead."""
    held = _begun(c)
    register_runner(c, "able")
    with other.transaction():
        assert register_tasks(other, TASK, runner="able", kind="var_keyword") == 0
        answer = pool.submit(set_aside, c, held)
        blocked(other, c)
    assert answer.result(PATIENCE) == {}
    assert one(c, "select count(*) from set_aside") == 0
    query = "select due_at < clock_timestamp() + interval '1 second' from invocation_state"
    assert one(c, query) is True


def test_an_able_runner_that_is_rolled_back_frees_nothing(c: Connection, other: Connection) -> None:
    """A crash before its commit: all is as before, and the next one frees it."""
    set_aside(c, _begun(c))
    register_runner(c, "able")
    with other.transaction(force_rollback=True):
        assert register_tasks(other, TASK, runner="able", kind="var_keyword") == 1
    assert one(c, WAITING) == 1
    assert register_tasks(c, TASK, runner="able", kind="var_keyword") == 1
    assert one(c, WAITING) == 0


def test_cancelled_while_it_is_freed(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """It ends, once."""
    held = _begun(c)
    set_aside(c, held)
    register_runner(c, "able")
    with other.transaction():
        assert register_tasks(other, TASK, runner="able", kind="var_keyword") == 1
        answer = pool.submit(cancel, c, held[0][0])
        blocked(other, c)
    assert answer.result(PATIENCE) == "cancelled"
    assert status_of(c, held[0][0]) == "failed"
    assert gaps(c) == []


def test_runners_that_come_together(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """Each call is freed once, whoever is first."""
    set_aside(c, _begun(c, 50))
    for name in ("one", "two"):
        register_runner(c, name)
    first = pool.submit(register_tasks, c, TASK, runner="one", kind="var_keyword")
    second = pool.submit(register_tasks, other, TASK, runner="two", kind="var_keyword")
    assert sorted([first.result(PATIENCE), second.result(PATIENCE)]) == [0, 50]


def test_what_was_left_behind_is_freed_by_the_house_keeping(c: Connection) -> None:
    """Should it ever be: a runner that can take it is there, and yet it is set aside."""
    held = _begun(c)
    set_aside(c, held)
    register_runner(c, "able")
    register_tasks(c, TASK, runner="able", kind="var_keyword")
    c.execute("update aside set freed_at = null")
    c.execute("update invocation_state set due_at = '2100-01-01', previous_status = status")
    assert "freed 1 set aside" in one(c, "select maintain(%s)", (APP,))
    assert one(c, WAITING) == 0


def test_the_house_keeping_forgets_what_has_ended(c: Connection) -> None:
    """Rows of what is no longer live go, and shapes of tasks that nobody has."""
    held = _begun(c)
    set_aside(c, held)
    cancel(c, held[0][0])
    register_tasks(c, TASK)
    register_tasks(c, TASK, kind="var_keyword")
    c.execute("select maintain(%s)", (APP,))
    assert one(c, "select count(*) from aside") == 0
    assert one(c, "select count(*) from task") == 1


def test_only_what_has_changed_is_written(c: Connection) -> None:
    """A runner that tells the same again, or another that does, writes next to nothing."""
    register_tasks(c, TASK, "tests.other")
    rows = "select array_agg((task_id, fingerprint, xmin::text)::text order by 1) from task"
    before = one(c, rows)
    register_tasks(c, TASK, "tests.other")
    register_runner(c, "another")
    register_tasks(c, TASK, "tests.other", runner="another")
    assert one(c, rows) == before
    c.execute("select unregister_runner(%s, 'another')", (APP,))
    assert one(c, "select count(*) from runner_task") == 2

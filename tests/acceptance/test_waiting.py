"""Tasks that wait for others, in two worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.exceptions import InvocationCycleError
from tests.acceptance.workers import Worker, wait_for, workers
from tests.app import waiting_tasks as tasks

CONCURRENCY = "PYNENC__RUNNER__CONCURRENCY"


@pytest.fixture
def app(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of ``waiting_tasks``, on a database of its own."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", database_dsn)
    yield tasks.app
    tasks.app.close()


@contextmanager
def two_workers(
    dsn: str, folder: Path, slots: int = 1, **environment: str
) -> Iterator[list[Worker]]:
    """Two processes with so many slots each."""
    environment[CONCURRENCY] = str(slots)
    with workers(dsn, folder, 2, app="tests.app.waiting_tasks:app", **environment) as started:
        yield started


@pytest.mark.parametrize("runner_cls", ["ThreadRunner", "AsyncRunner"])
@pytest.mark.parametrize("size", [1, pytest.param(4, marks=pytest.mark.long)])
def test_deep_and_wide(
    app: Pynenc, database_dsn: str, tmp_path: Path, runner_cls: str, size: int
) -> None:
    """Recursion, a chain and a fan-out over two processes of one slot each."""
    with two_workers(database_dsn, tmp_path, PYNENC__RUNNER_CLS=runner_cls):
        calls = {
            tasks.fibonacci(5 + size): {6: 8, 9: 34}[5 + size],
            tasks.chain(25 * size): 25 * size,
            tasks.fan_out(50 * size): sum(range(50 * size)),
            tasks.async_fibonacci(4 + size): {5: 5, 8: 21}[4 + size],
        }
        for call, result in calls.items():
            assert call.result_or_raise(120) == result
    with psycopg.connect(database_dsn) as connection:
        runners = connection.execute(
            "select count(distinct runner_id) from pynenc.invocation_outcome"
        ).fetchone()
        edges = connection.execute("select count(*) from pynenc.wait_edge").fetchone()
    assert (runners, edges) == ((2,), (0,))


def test_waiting_for_each_other(app: Pynenc, database_dsn: str, tmp_path: Path) -> None:
    """Two tasks in two processes that wait for each other: one is refused, both end."""
    with two_workers(database_dsn, tmp_path):
        for _ in range(3):
            a = tasks.wait_for_id("", 5)
            b = tasks.wait_for_id(a.invocation_id, 5)
            with psycopg.connect(database_dsn, autocommit=True) as connection:
                connection.execute(
                    "create table if not exists pointer (from_id text primary key, to_id text)"
                )
                connection.execute(
                    "insert into pointer values (%s, %s)", (a.invocation_id, b.invocation_id)
                )
            with pytest.raises(InvocationCycleError):
                a.result_or_raise(30)
            with pytest.raises(InvocationCycleError):
                b.result_or_raise(30)


def test_a_parent_that_dies_while_it_waits(app: Pynenc, database_dsn: str, tmp_path: Path) -> None:
    """Its edges go with it, and another worker runs it anew."""
    slow = tasks.parent_of_slow(1.5)
    with two_workers(database_dsn, tmp_path) as [one, other]:
        wait_for(lambda: slow.status is InvocationStatus.PAUSED)
        owner = str(slow.history[-1].runner_id)
        victim = one if str(one.pid) in owner else other
        victim.kill()
        assert slow.result_or_raise(60) == 1.5
    statuses = [entry.status for entry in slow.history]
    assert statuses.count(InvocationStatus.RUNNING_RECOVERY) == 1
    assert statuses[-1] is InvocationStatus.SUCCESS
    with psycopg.connect(database_dsn) as connection:
        edges = connection.execute("select count(*) from pynenc.wait_edge").fetchone()
    assert edges == (0,)

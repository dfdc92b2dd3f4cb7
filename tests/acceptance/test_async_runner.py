"""One event loop: thousands of coroutines at once, and no thread for those that wait."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance import runner_tasks as tasks
from tests.acceptance.workers import Worker, wait_for, workers
from tests.support.stopwatch import Stopwatch

APP = "tests.acceptance.runner_tasks:app"
COROUTINES = 2000
PATIENCE = 60


@pytest.fixture
def worker(database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """An ``AsyncRunner`` with many places, which has executed something."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", database_dsn)
    options = ("--runner", "AsyncRunner", "--concurrency", str(COROUTINES))
    with workers(database_dsn, tmp_path, 1, *options, app=APP) as [one]:
        tasks.doze(0).result_or_raise(PATIENCE)
        yield one
        assert one.stop() == 0, one.explain()
    tasks.app.close()


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("Threads:")[2].split()[0])


@pytest.mark.parametrize(
    ("count", "seconds"), [(200, 6.0), pytest.param(COROUTINES, 15.0, marks=pytest.mark.long)]
)
def test_two_thousand_sleep_as_long_as_one(worker: Worker, count: int, seconds: float) -> None:
    """2,000 coroutines that sleep finish in the time of one and 20 % more, calls included."""
    watch = Stopwatch()
    group = tasks.doze.parallelize([(seconds,)] * count)
    list(group.results)
    assert watch.seconds < seconds * 1.2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_who_awaits_has_no_thread(worker: Worker) -> None:
    """120 coroutines that await a child each pin no thread of their process."""
    before = threads(worker.pid)
    group = tasks.doze_below.parallelize([(3.0,)] * 120)
    wait_for(lambda: sum(i.status == "paused" for i in group) > 100, worker.explain)
    # The few that call and that talk to the store for all of them, and the loop's own.
    assert threads(worker.pid) - before <= 60
    list(group.results)

"""Runners that execute tasks in processes: how these begin, are replaced, and end with it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pynenc_pg.exceptions import RecoveriesExhaustedError, TooManyWaitingError
from tests.acceptance import runner_tasks as tasks
from tests.acceptance.workers import Worker, wait_for, workers

APP = "tests.acceptance.runner_tasks:app"
PATIENCE = 60
#: A ProcessRunner is the same pool of processes, but for how long each of them is used.
POOL = (
    "PersistentProcessRunner",
    pytest.param("ProcessRunner", marks=pytest.mark.long),
)
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


@pytest.fixture(autouse=True)
def dsn(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database of the test's own, which the app uses here."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", database_dsn)
    yield database_dsn
    tasks.app.close()


@contextmanager
def worker(
    dsn: str, folder: Path, runner: str, *arguments: str, app: str = APP, **conf: object
) -> Iterator[Worker]:
    """Run a worker of two places; ``conf`` are settings of the section ``runner``."""
    options = ("--runner", runner, "--concurrency", "2", *arguments)
    environment = {f"PYNENC__RUNNER__{name.upper()}": str(value) for name, value in conf.items()}
    with workers(dsn, folder, 1, *options, app=app, **environment) as [one]:
        yield one


def descendants(pid: int) -> set[int]:
    """Return the processes below one."""
    found: set[int] = set()
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    fresh = {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def alive(pid: int) -> bool:
    """Whether it is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_is_replaced_after_so_many(dsn: str, tmp_path: Path) -> None:
    """``max_tasks_per_child``: no process executes more, and nothing is lost by that.

    The wait beyond ``max_waiting_processes`` is refused, in the task and by that name.
    """
    with worker(
        *(dsn, tmp_path, "PersistentProcessRunner"), max_tasks_per_child=3, max_waiting_processes=3
    ):
        pids = list(tasks.pid.parallelize([()] * 20).results)
        with pytest.raises(TooManyWaitingError, match="max_waiting_processes"):
            tasks.chain(6).result_or_raise(PATIENCE)
    assert max(pids.count(pid) for pid in pids) <= 3


def test_a_process_that_grew_is_replaced(dsn: str, tmp_path: Path) -> None:
    """``max_memory_per_child``: one that occupies more after a task executes no other."""
    with worker(dsn, tmp_path, "PersistentProcessRunner", max_memory_per_child=150):
        small = [tasks.occupy(1).result_or_raise(PATIENCE) for _ in range(4)]
        large = [tasks.occupy(120).result_or_raise(PATIENCE) for _ in range(4)]
    assert len(set(small)) < len(small)
    assert len(set(large)) == len(large)


@linux
@pytest.mark.parametrize("runner", [*POOL, "MultiThreadRunner"])
def test_no_process_outlives_its_parent(dsn: str, tmp_path: Path, runner: str) -> None:
    """``kill -9`` of the worker ends all its processes within a second, also one at work."""
    begun = tmp_path / "begun"
    begun.mkdir()
    with worker(dsn, tmp_path, runner) as one:
        tasks.hold(str(tmp_path / "gate"), str(begun))
        wait_for(lambda: bool(list(begun.iterdir())), one.explain)
        below = descendants(one.pid)
        assert {int(mark.name) for mark in begun.iterdir()} <= below
        one.kill()
        deadline = time.monotonic() + 1.0
        while any(map(alive, below)):
            assert time.monotonic() < deadline, [pid for pid in below if alive(pid)]
            time.sleep(0.01)


@linux
@pytest.mark.parametrize("runner", POOL)
def test_a_second_sigterm_kills_what_runs(dsn: str, tmp_path: Path, runner: str) -> None:
    """What runs is given back at once, its process is gone, and the exit code says so."""
    begun = tmp_path / "begun"
    begun.mkdir()
    with worker(dsn, tmp_path, runner) as one:
        held = tasks.hold(str(tmp_path / "gate"), str(begun))
        wait_for(lambda: bool(list(begun.iterdir())), one.explain)
        below = descendants(one.pid)
        one.process.terminate()
        wait_for(lambda: "runner.stopping" in one.log.read_text(), one.explain)
        one.process.terminate()
        assert one.process.wait(10) == 3, one.explain()
        wait_for(lambda: not any(map(alive, below)))
    assert held.status == "rerouted"
    assert (held.num_retries, held.history[-2].status) == (0, "killed")


@linux
@pytest.mark.parametrize("runner", [*POOL, "MultiThreadRunner"])
def test_only_the_parent_obeys_signals(dsn: str, tmp_path: Path, runner: str) -> None:
    """SIGINT to all processes, as from a terminal, lets what runs end where it runs."""
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    begun.mkdir()
    with worker(dsn, tmp_path, runner) as one:
        held = tasks.hold(str(gate), str(begun))
        wait_for(lambda: bool(list(begun.iterdir())), one.explain)
        for pid in (*descendants(one.pid), one.pid):
            os.kill(pid, signal.SIGINT)
        wait_for(lambda: "runner.stopping" in one.log.read_text(), one.explain)
        gate.touch()
        assert one.process.wait(PATIENCE) == 0, one.explain()
    assert held.result_or_raise(PATIENCE) == str(gate)
    assert len(held.attempts) == 1


def test_fresh_interpreters(dsn: str, tmp_path: Path) -> None:
    """``start_method=spawn``: each process imports the app by itself; all else is the same."""
    with worker(dsn, tmp_path, "PersistentProcessRunner", start_method="spawn") as one:
        assert tasks.fibonacci(3).result_or_raise(PATIENCE) == 2
        with pytest.raises(RecoveriesExhaustedError):
            tasks.die("exit").result_or_raise(PATIENCE)
        assert one.stop() == 0, one.explain()


def test_an_app_that_starts_threads_is_not_forked(dsn: str, tmp_path: Path) -> None:
    """A fork would lose threads that an import has started, so each process imports it anew."""
    with worker(
        dsn, tmp_path, "PersistentProcessRunner", app="tests.acceptance.threaded_tasks:app"
    ) as one:
        from tests.acceptance import threaded_tasks  # noqa: PLC0415 - starts a thread

        threaded_tasks.app.conf.postgres.dsn = dsn
        assert threaded_tasks.ask_thread(2).result_or_raise(PATIENCE) == 3
        threaded_tasks.app.close()
        assert "process.threads" in one.log.read_text()

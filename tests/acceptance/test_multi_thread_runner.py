"""A runner of several processes: as many as the work needs, each replaced when it dies."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.acceptance import runner_tasks as tasks
from tests.acceptance.test_process_runners import APP, descendants, worker
from tests.acceptance.workers import ROOT, Worker, wait_for

RUNNER = "MultiThreadRunner"
PATIENCE = 60


@pytest.fixture(autouse=True)
def dsn(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database of the test's own, which the app uses here."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", database_dsn)
    yield database_dsn
    tasks.app.close()


@pytest.fixture
def runners(dsn: str) -> Iterator[Callable[[], set[int]]]:
    """Return what tells the pids of the runners that are registered."""
    query = "select pid from pynenc.runner where dead_at is null"
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield lambda: {pid for (pid,) in connection.execute(query)}


def test_it_grows_with_the_work_and_shrinks_without(
    dsn: str, tmp_path: Path, runners: Callable[[], set[int]]
) -> None:
    """From one process to three while more is ready than threads, and back after a while."""
    with worker(dsn, tmp_path, RUNNER, max_processes=3, idle_process_timeout=1) as one:
        assert len(runners()) == 1
        group = tasks.nap.parallelize([(0.5,)] * 40)
        wait_for(lambda: len(runners()) == 3, one.explain)
        list(group.results)
        wait_for(lambda: len(runners()) == 1, one.explain)
        assert one.stop() == 0, one.explain()
    assert runners() == set()
    assert len({e.runner_id for i in group for e in i.history if e.status == "running"}) > 1


def test_who_dies_is_replaced(dsn: str, tmp_path: Path, runners: Callable[[], set[int]]) -> None:
    """Of two processes one is killed at work: another takes its place, its work runs again."""
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    begun.mkdir()
    with worker(dsn, tmp_path, RUNNER, min_processes=2, max_processes=2) as one:
        wait_for(lambda: len(runners()) == 2, one.explain)
        held = tasks.hold(str(gate), str(begun))
        wait_for(lambda: bool(list(begun.iterdir())), one.explain)
        [victim] = (int(mark.name) for mark in begun.iterdir())
        others = runners() - {victim}
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(runners() - {victim}) == 2, one.explain)
        assert others <= runners()
        gate.touch()
        assert held.result_or_raise(PATIENCE) == str(gate)
        assert "worker.died" in one.log.read_text()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_code_is_exchanged_without_a_gap(
    dsn: str, tmp_path: Path, runners: Callable[[], set[int]]
) -> None:
    """SIGHUP: processes with new code are up before the former ones stop; what runs ends well."""
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    begun.mkdir()
    with worker(dsn, tmp_path, RUNNER, min_processes=1, max_processes=1) as one:
        [former] = runners()
        held = tasks.hold(str(gate), str(begun))
        wait_for(lambda: bool(list(begun.iterdir())), one.explain)
        one.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(runners()) == 2, one.explain)
        wait_for(lambda: tasks.pid().result_or_raise(PATIENCE) != former, one.explain)
        gate.touch()
        assert held.result_or_raise(PATIENCE) == str(gate)
        wait_for(lambda: former not in descendants(one.pid), one.explain)
        assert (held.num_retries, len(held.attempts)) == (0, 1)
        assert one.stop() == 0, one.explain()


@pytest.mark.long
def test_code_that_cannot_be_imported_is_not_taken(dsn: str, tmp_path: Path) -> None:
    """SIGHUP with broken code: it says so, and the former code goes on."""
    source = ROOT / "tests" / "acceptance" / "runner_tasks.py"
    module = tmp_path / "changing_tasks.py"
    text = source.read_text().replace('Pynenc("runners")', 'Pynenc("changing")')
    module.write_text(text)
    _run(dsn, tmp_path, module, text, RUNNER)
    module.write_text(text)
    _run(dsn, tmp_path, module, text, "PersistentProcessRunner")


def _run(dsn: str, folder: Path, module: Path, text: str, runner: str) -> None:
    options = ("--runner", runner)
    log = folder / f"{runner}.log"
    environment = {
        "PYNENC__RUNNER__MAX_PROCESSES": "1",
        "PYTHONDONTWRITEBYTECODE": "1",  # a change within a second would not be noticed
    }
    one = Worker(dsn, log, *options, app=f"{module}:app", **environment)
    try:
        wait_for(lambda: "runner.started" in log.read_text(), one.explain)
        module.write_text("this is no Python\n")
        one.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reload.failed" in log.read_text(), one.explain)
        module.write_text(text.replace("def pid", "def pid_of_new_code"))
        time.sleep(0.01)
        one.process.send_signal(signal.SIGHUP)
        wait_for(lambda: log.read_text().count("runner.reloaded") == 2, one.explain)
        assert one.process.poll() is None, one.explain()
    finally:
        assert one.stop() == 0, one.explain()


def test_what_none_of_them_can_do_is_told(dsn: str, tmp_path: Path) -> None:
    """Without its schema the daemon ends with 1 and one line, as every other one does."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("drop schema pynenc cascade")
    one = Worker(dsn, tmp_path / "worker.log", "--runner", RUNNER, app=APP)
    assert one.process.wait(PATIENCE) == 1, one.explain()
    last = one.log.read_text().splitlines()[-1]
    assert last.startswith("pynenc-pg: ")
    assert "migrate" in last

"""``runner start --reload``: a parent that watches, and a worker with today's code."""

from __future__ import annotations

import os
import signal
from types import ModuleType

import pytest

from tests.acceptance.daemons import SCRIPT, Folder, Start, import_first
from tests.acceptance.workers import wait_for


def _worker(folder: Folder) -> list[int]:
    """The pids of live workers."""
    query = "select pid from pynenc.runner where dead_at is null"
    return [pid for (pid,) in folder.execute(query)]


def test_a_change_restarts_the_worker(
    folder: Folder, daemon_tasks: ModuleType, start: Start
) -> None:
    """New code is met without a word from anybody; the parent stays, and ends as its worker."""
    daemon = start("--reload", program=SCRIPT)
    assert daemon_tasks.release().result_or_raise(20) == 1
    folder.write(2)
    assert daemon.wait_for("reload.changed")["message"] == "reload.changed: daemon_tasks.py"
    daemon.wait_for("runner.started", 2)
    assert daemon_tasks.release().result_or_raise(20) == 2
    (folder.path / "notes.txt").write_text("no code")
    assert daemon.process.pid not in _worker(folder)
    assert daemon.stop() == 0, daemon.log()
    assert _worker(folder) == []
    assert len(daemon.events("reload.changed")) == 1


@pytest.mark.long
def test_what_runs_too_long_is_given_back(
    folder: Folder, daemon_tasks: ModuleType, start: Start
) -> None:
    """A restart does not wait for long tasks: they run anew, with the new code."""
    daemon = start("--reload")
    call = daemon_tasks.hold(folder.dsn)
    wait_for(lambda: folder.execute("select count(*) from begun") == [(1,)], daemon.log)
    folder.write(2)
    wait_for(lambda: folder.execute("select count(*) from begun") == [(2,)], daemon.log)
    folder.execute("insert into gate values (1)")
    assert call.result_or_raise(20) == 2
    assert daemon.stop() == 0, daemon.log()


@pytest.mark.long
def test_broken_code_waits_for_the_next_change(
    folder: Folder, daemon_tasks: ModuleType, start: Start
) -> None:
    """A worker that cannot import is not started again and again, and mended code is enough."""
    daemon = start("--reload")
    daemon.wait_for("runner.started")
    folder.write_text("this is no Python")
    said = daemon.wait_for("reload.ended")
    assert said["message"] == "reload.ended: exit code 1; a change starts it again"
    assert daemon.log().count("SyntaxError") == 1
    folder.write(3)
    assert daemon_tasks.release().result_or_raise(20) == 3
    assert len(daemon.events("reload.ended")) == 1
    folder.write_text("this is no Python either")
    daemon.wait_for("reload.ended", 2)
    assert daemon.stop() == 1


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGINT]
)
def test_the_exit_code_is_the_workers(
    number: signal.Signals, folder: Folder, daemon_tasks: ModuleType, start: Start
) -> None:
    """Signals reach the worker once each: the first lets tasks end, the second gives them back."""
    daemon = start("--reload")
    calls = [daemon_tasks.hold(folder.dsn)]
    wait_for(lambda: folder.execute("select count(*) from begun") == [(1,)], daemon.log)
    [worker] = _worker(folder)
    os.kill(worker, signal.SIGINT)  # as a terminal does: the worker leaves it to the parent
    daemon.signal(number)
    daemon.wait_for("runner.stopping")
    daemon.signal(number)
    assert daemon.wait() == 3, daemon.log()
    assert [call.status for call in calls] == ["rerouted"]
    assert len(daemon.events("runner.at_once")) == 1


def test_the_worker_dies_with_its_parent(folder: Folder, start: Start) -> None:
    """After kill -9 of the parent there is no worker left."""
    daemon = start("--reload")
    daemon.wait_for("runner.started")
    [worker] = _worker(folder)
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    wait_for(lambda: not _is_there(worker), daemon.log)


def test_the_library_is_missing(folder: Folder, start: Start) -> None:
    """One line names what to install."""
    other = folder.path / "without"
    other.mkdir()
    (other / "watchfiles.py").write_text("raise ImportError", encoding="utf-8")
    daemon = start("--reload", PYTHONPATH=import_first(other))
    assert daemon.wait() == 1
    [line] = daemon.log().splitlines()
    assert line == (
        'pynenc-pg: --reload needs the package watchfiles: pip install "pynenc_pg[reload]"'
    )


def _is_there(pid: int) -> bool:
    """Whether the process lives: one that nobody waits for does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

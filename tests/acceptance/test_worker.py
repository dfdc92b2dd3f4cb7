"""One task through everything: call, PostgreSQL, worker process, result."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.exceptions import RecoveriesExhaustedError
from tests.acceptance import tasks
from tests.acceptance.workers import ROOT, wait_for, workers


def test_a_call_comes_back_from_a_worker_process(
    app: Pynenc, database_dsn: str, tmp_path: Path
) -> None:
    """Results, exceptions and retries of tasks in another process arrive as if called here.

    The history names the runner of each change, without a gap in the revisions.
    """
    with workers(database_dsn, tmp_path) as [worker]:
        assert tasks.add(1, 2).result_or_raise(20) == 3
        failing = tasks.divide(1, 0)
        with pytest.raises(ZeroDivisionError, match="division by zero") as caught:
            failing.result_or_raise(20)
        assert "in divide" in caught.value.__notes__[0]
        assert failing.status is InvocationStatus.FAILED
        third = tasks.third_time(str(tmp_path / "attempts"))
        assert third.result_or_raise(20) == 3
        assert third.num_retries == 2
        with pytest.raises(SystemExit):
            tasks.leave().result_or_raise(20)
        last = tasks.add(x=20, y=3)
        assert last.result_or_raise(20) == 23
        assert worker.stop() == 0, worker.explain()
    history = last.history
    assert [entry.rev for entry in history] == [0, 1, 2, 3]
    assert [entry.status for entry in history] == ["registered", "pending", "running", "success"]
    assert str(worker.pid) in str(history[2].runner_id)


def test_sigterm_lets_running_tasks_finish(app: Pynenc, database_dsn: str, tmp_path: Path) -> None:
    """After SIGTERM what runs ends well, nothing new is begun, and the exit code is 0."""
    with workers(database_dsn, tmp_path, 1, "--concurrency", "2") as [worker]:
        running = [tasks.tell(n, 1.0) for n in range(2)]
        later = [tasks.tell(n, 1.0) for n in range(2, 6)]
        wait_for(lambda: _begun(database_dsn) == 2, worker.explain)
        assert worker.stop() == 0, worker.explain()
    assert [i.status for i in running] == ["success"] * 2
    assert {i.status for i in later} <= {InvocationStatus.REGISTERED, InvocationStatus.REROUTED}
    assert _begun(database_dsn) == 2


def test_running_tasks_are_given_back_when_the_time_is_over(
    app: Pynenc, database_dsn: str, tmp_path: Path
) -> None:
    """A task longer than the shutdown timeout goes back at once and spends nothing."""
    with workers(database_dsn, tmp_path, 1, "--shutdown-timeout", "0.2") as [worker]:
        long = tasks.tell(1, 60)
        wait_for(lambda: _begun(database_dsn) == 1, worker.explain)
        assert worker.stop(5) == 3, worker.explain()
    assert long.status is InvocationStatus.REROUTED
    assert [e.status for e in long.history][-2:] == ["killed", "rerouted"]
    record = app.state_backend.get_invocation(long.invocation_id)
    assert (record.retries, record.recoveries) == (0, 0)


def test_a_task_that_kills_its_worker_is_quarantined(
    app: Pynenc, database_dsn: str, tmp_path: Path
) -> None:
    """After max_recoveries it ends as FAILED with its reason; its neighbours complete."""
    poison = tasks.kill_worker()
    neighbours = [tasks.add(n, n) for n in range(20)]
    quick = {
        "PYNENC__RUNNER__GRACE": "0.1",
        "PYNENC__RUNNER__SWEEP": "0.1",
        "PYNENC__RUNNER__MAX_RECOVERIES": "1",
    }
    for _ in range(2):
        with workers(database_dsn, tmp_path, 1, **quick) as [victim]:
            wait_for(lambda: victim.process.poll() == 9, victim.explain)
    with workers(database_dsn, tmp_path, 1, **quick):
        with pytest.raises(RecoveriesExhaustedError, match="given up"):
            poison.result_or_raise(20)
        assert [n.result_or_raise(20) for n in neighbours] == [2 * n for n in range(20)]
    entries = poison.history
    assert entries[-1].reason == "recoveries_exhausted"
    assert sum(e.status == "running_recovery" for e in entries) == 2


def test_commands_answer_on_one_line(database_dsn: str) -> None:
    """Errors are one line without a traceback, and say what to do."""
    command = [sys.executable, "-m", "pynenc_pg", "--app", "tests.nowhere:app", "runner", "start"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("pynenc-pg: --app tests.nowhere:app: no module")
    assert len(done.stderr.strip().splitlines()) == 1


def _begun(dsn: str) -> int:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute("select count(*) from begun").fetchone()
        assert row is not None
        return int(row[0])

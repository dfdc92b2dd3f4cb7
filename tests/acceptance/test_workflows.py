"""Workflows in workers of all kinds, which come and go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pynenc_pg import InvocationStatus
from pynenc_pg.exceptions import SuspensionSwallowedError
from tests.acceptance.workers import wait_for, workers
from tests.app import workflow_tasks as tasks

APP = "tests.app.workflow_tasks:app"
PATIENCE = 60


@pytest.fixture(autouse=True)
def dsn(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database of the test's own, which the app uses here."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", database_dsn)
    yield database_dsn
    tasks.app.close()


@pytest.mark.parametrize(
    ("runner", "many"),
    [
        ("PersistentProcessRunner", 10),
        ("ProcessRunner", 3),  # each attempt is a process there, and each run has several
        pytest.param("ProcessRunner", 20, marks=pytest.mark.long),
        pytest.param("MultiThreadRunner", 20, marks=pytest.mark.long),  # threads, as in tests/app
    ],
)
def test_in_processes(dsn: str, tmp_path: Path, runner: str, many: int) -> None:
    """What is written down is read back in whatever process, and runs are not mixed."""
    options = ("--runner", runner, "--concurrency", "2")
    with workers(dsn, tmp_path, 1, *options, app=APP):
        asleep, heard = tasks.sleeps(1.5), tasks.hears_odd("odd")
        runs = [tasks.one_of_many(number) for number in range(many)]
        results = [run.result_or_raise(PATIENCE) for run in runs]
        for number, (made, kept, own) in enumerate(results):
            assert made == kept
            assert (made[0], made[3], own) == (number, number * 2, number)
        assert tasks.gathers().result_or_raise(PATIENCE)
        with pytest.raises(SuspensionSwallowedError):
            tasks.swallows("returns").result_or_raise(PATIENCE)
        tasks.app.get_workflow(heard.invocation_id).signal("odd", 3)
        assert heard.result_or_raise(PATIENCE) == 3
        assert asleep.result_or_raise(PATIENCE)[0] >= 1.5


def test_workers_come_and_go(dsn: str, tmp_path: Path) -> None:
    """A workflow sleeps while nobody is there, and goes on in another process."""
    with workers(dsn, tmp_path, 1, app=APP):
        asleep, rests = tasks.sleeps(2), tasks.rests()
        for one in (asleep, rests):
            wait_for(lambda one=one: one.status is InvocationStatus.RETRY)  # type: ignore[misc]
    tasks.app.get_workflow(rests.invocation_id).resume()
    with workers(dsn, tmp_path, 1, app=APP):
        assert asleep.result_or_raise(PATIENCE)[0] >= 2
        first, second = rests.result_or_raise(PATIENCE)
    steps = tasks.app.get_workflow(rests.invocation_id).steps()
    assert [step.value for step in steps] == [first, "look at it", second]


def test_killed_in_the_middle(dsn: str, tmp_path: Path) -> None:
    """Another worker goes on with what was done, and calls nothing again."""
    marker = tmp_path / "marker"
    with workers(dsn, tmp_path, 2, app=APP):
        invocation = tasks.dies_once(str(marker))
        result = invocation.result_or_raise(PATIENCE)
    assert result[:-1] == json.loads(marker.read_text())
    statuses = [str(entry.status) for entry in invocation.history]
    assert statuses.count("running_recovery") == 1
    steps = tasks.app.get_workflow(invocation.invocation_id).steps()
    assert [step.kind.value for step in steps] == ["random", "uuid", "utc_now", "task", "random"]
    assert len(tasks.app.get_invocation(steps[3].child_id or "").attempts) == 1

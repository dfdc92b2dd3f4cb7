"""Runners that execute tasks in processes: what becomes of these, and of what they execute.

One worker of each kind for all of these tests: it survives whatever dies below it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pynenc_pg.exceptions import RecoveriesExhaustedError
from tests.acceptance import runner_tasks as tasks
from tests.acceptance.test_process_runners import PATIENCE, descendants, linux, worker
from tests.acceptance.workers import Worker, wait_for
from tests.support.databases import Databases


@dataclass(frozen=True, slots=True)
class Place:
    """A worker of two places, and its runner."""

    runner: str
    worker: Worker


@pytest.fixture(scope="module", params=["ProcessRunner", "PersistentProcessRunner"])
def place(
    request: pytest.FixtureRequest,
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    """A worker that is there for all tests of this module, on a database of its own."""
    folder = tmp_path_factory.mktemp(request.param)
    with databases.lend() as dsn, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks.app.conf.postgres, "dsn", dsn)
        with worker(dsn, folder, request.param) as one:
            yield Place(request.param, one)
            assert one.stop() == 0, one.explain()
        tasks.app.close()


def test_poison_is_quarantined_and_neighbours_live(place: Place, tmp_path: Path) -> None:
    """What takes its process down each time ends with its reason; its neighbour is not touched."""
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    begun.mkdir()
    neighbour = tasks.hold(str(gate), str(begun))
    wait_for(lambda: bool(list(begun.iterdir())), place.worker.explain)
    for how in ("exit", "segfault", "kill"):
        dying = tasks.die(how)
        with pytest.raises(RecoveriesExhaustedError):
            dying.result_or_raise(PATIENCE)
        statuses = [str(entry.status) for entry in dying.history]
        assert statuses.count("running_recovery") == 4
        assert (dying.num_retries, len(dying.attempts)) == (0, 4)
    gate.touch()
    assert neighbour.result_or_raise(PATIENCE) == str(gate)
    assert len(neighbour.attempts) == 1
    said = place.worker.log.read_text()
    assert "exit code 7, executing" in said
    assert "SIGSEGV, executing" in said


def test_a_process_is_used_again_or_not(place: Place, tmp_path: Path) -> None:
    """A ``ProcessRunner`` takes a new process for each invocation, the other one the same few."""
    pids = list(tasks.pid.parallelize([()] * 12).results)
    assert len(set(pids)) == (12 if place.runner == "ProcessRunner" else 2) or len(set(pids)) == 1


def test_chance_is_not_inherited(place: Place, tmp_path: Path) -> None:
    """Processes forked from the same one make different ids and random numbers."""
    found = list(tasks.chances.parallelize([()] * 10).results)
    for kind in zip(*found, strict=True):
        assert len(set(kind)) == 10


@linux
@pytest.mark.parametrize("place", ["PersistentProcessRunner"], indirect=True)
def test_a_death_is_noticed_though_the_task_has_forked(place: Place, tmp_path: Path) -> None:
    """A process of the task's own that goes on, with all its sockets, hides no death."""
    mark = tmp_path / "mark"
    began = time.monotonic()
    assert tasks.fork_and_die_once(str(mark)).result_or_raise(PATIENCE) == "survived"
    assert time.monotonic() - began < 10, place.worker.explain()


def test_a_waiting_process_may_die(place: Place, tmp_path: Path) -> None:
    """Killed while its task waits for another one: that is begun anew, and the wait is gone."""
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    begun.mkdir()
    parent = tasks.hold_below(str(gate), str(begun))
    wait_for(lambda: len(list(begun.iterdir())) == 2, place.worker.explain)
    wait_for(lambda: parent.status == "paused", place.worker.explain)
    [victim] = (mark.name for mark in begun.iterdir() if mark.name.startswith("waits-"))
    os.kill(int(victim.removeprefix("waits-")), signal.SIGKILL)
    wait_for(lambda: len(parent.attempts) == 2, place.worker.explain)
    gate.touch()
    assert parent.result_or_raise(PATIENCE) == str(gate)
    assert "running_recovery" in {str(entry.status) for entry in parent.history}


@linux
@pytest.mark.parametrize("place", ["PersistentProcessRunner"], indirect=True)
def test_the_fork_server_may_die(place: Place, tmp_path: Path) -> None:
    """What forks is replaced when it is killed; what it had forked is begun anew."""
    first = tasks.pid().result_or_raise(PATIENCE)
    [server] = [pid for pid in descendants(place.worker.pid) if first in descendants(pid)]
    os.kill(server, signal.SIGKILL)
    wait_for(lambda: tasks.pid().result_or_raise(PATIENCE) != first, place.worker.explain)
    assert tasks.fibonacci(4).result_or_raise(PATIENCE) == 3

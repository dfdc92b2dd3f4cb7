"""Every runner executes the same tasks alike: one worker process each, and threads in memory."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from pynenc_pg import InvocationStatus
from pynenc_pg.exceptions import (
    InvocationCancelledError,
    InvocationCycleError,
    StoreError,
    TaskTimeoutError,
)
from tests.acceptance import runner_tasks as tasks
from tests.acceptance.workers import Worker, workers
from tests.support.sql import temporary_database

APP = "tests.acceptance.runner_tasks:app"
PATIENCE = 60
IN_PROCESSES = ("MultiThreadRunner", "ProcessRunner", "PersistentProcessRunner")
ON_POSTGRES = ("ThreadRunner", "AsyncRunner", *IN_PROCESSES)
IN_MEMORY = ("ThreadRunner", "AsyncRunner")


@dataclass(frozen=True, slots=True)
class Place:
    """Where tasks run: under which runner, and in which process if it is another one."""

    runner: str
    worker: Worker | None
    memory: bool


@pytest.fixture(
    scope="module",
    params=[*(f"{name}-postgres" for name in ON_POSTGRES), *(f"{n}-memory" for n in IN_MEMORY)],
)
def place(
    request: pytest.FixtureRequest,
    server_dsn: str,
    template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    """A runner of two places, up for all tests of this module."""
    name, _, store = str(request.param).partition("-")
    with pytest.MonkeyPatch.context() as patch:
        if store == "memory":
            patch.setattr(tasks.app.conf, "runner_cls", name)
            patch.setattr(tasks.app.conf.runner, "concurrency", 2)
            runner = tasks.app.runner
            thread = threading.Thread(target=runner.run)
            thread.start()
            yield Place(name, None, memory=True)
            runner.stop_runner_loop()
            thread.join()
            tasks.app.close()
            return
        with temporary_database(server_dsn, template) as dsn:
            patch.setattr(tasks.app.conf.postgres, "dsn", dsn)
            folder = tmp_path_factory.mktemp(name)
            options = ("--runner", name, "--concurrency", "2")
            limit = {"PYNENC__RUNNER__MAX_PROCESSES": "1"}
            with workers(dsn, folder, 1, *options, app=APP, **limit) as [worker]:
                yield Place(name, worker, memory=False)
                assert worker.stop() == 0, worker.explain()
            tasks.app.close()


def test_results(place: Place) -> None:
    """Plain functions and coroutines return their values."""
    assert tasks.add(1, 2).result_or_raise(PATIENCE) == 3
    assert tasks.add_later(1, 2).result_or_raise(PATIENCE) == 3
    group = tasks.add.parallelize([(n, n) for n in range(20)])
    assert sorted(group.results) == [2 * n for n in range(20)]


@pytest.mark.parametrize(("length", "calls"), [(1000, 4), (200_000, 2)], ids=["some", "many"])
def test_large_values_are_everybodys_own(place: Place, length: int, calls: int) -> None:
    """A large argument comes to each as it was, and a large result back, under every runner."""
    items = list(range(length))
    for task in (tasks.grow, tasks.grow_later):
        group = task.parallelize([(items, n) for n in range(calls)])
        assert list(group.results) == [[*items, n] for n in range(calls)]
    if place.worker is not None:
        folders = set(Path(tempfile.gettempdir()).glob("pynenc-payloads-*"))
        kept = [file for folder in folders for file in folder.glob("?" * 64)]
        assert bool(kept) is (place.runner in IN_PROCESSES)


def test_nested_waits(place: Place) -> None:
    """Two places are enough for any depth, of functions and of coroutines."""
    assert tasks.fibonacci(5).result_or_raise(PATIENCE) == 5
    assert tasks.fibonacci_async(4).result_or_raise(PATIENCE) == 3
    assert tasks.chain(10).result_or_raise(PATIENCE) == 10
    assert tasks.fan_out(20).result_or_raise(PATIENCE) == 210


def test_exceptions(place: Place) -> None:
    """What a task raises arrives as itself: at the caller's, and at a waiting parent's."""
    failing = tasks.fail(7)
    with pytest.raises(tasks.OrderError) as caught:
        failing.result_or_raise(PATIENCE)
    assert caught.value.number == 7
    assert "in fail" in caught.value.__notes__[0]
    assert failing.status is InvocationStatus.FAILED
    assert tasks.fail_below(8).result_or_raise(PATIENCE) == "caught 8"
    with pytest.raises(SystemExit):
        tasks.leave().result_or_raise(PATIENCE)


def test_a_wait_that_would_never_end(place: Place) -> None:
    """A task that waits for itself through its concurrency key is told so."""
    with pytest.raises(InvocationCycleError):
        tasks.within_itself(1).result_or_raise(PATIENCE)


def test_retries(place: Place, tmp_path: Path) -> None:
    """An attempt that asks for it is followed by another."""
    third = tasks.third_time(str(tmp_path / "attempts"))
    assert third.result_or_raise(PATIENCE) == 3
    assert third.num_retries == 2


def test_large_values(place: Place) -> None:
    """Arguments and results of megabytes arrive."""
    text = "a\0é" * 700_000
    values = list(range(100_000))
    assert tasks.turn(values, text).result_or_raise(PATIENCE) == (100_000, text[::-1])


def test_a_task_knows_where_it_runs(place: Place) -> None:
    """The running invocation and its runner are known in the task, and in its own threads."""
    invocation = tasks.who()
    which, pid, runner_cls, runner_id, said = invocation.result_or_raise(PATIENCE)
    assert which == invocation.invocation_id
    assert said == pid
    assert runner_cls == ("ThreadRunner" if place.runner == "MultiThreadRunner" else place.runner)
    assert runner_id == next(e.runner_id for e in invocation.history if e.status == "running")
    if place.worker is not None:
        assert (pid == place.worker.pid) is (place.runner not in IN_PROCESSES)
    whispering = tasks.whisper()
    assert whispering.result_or_raise(PATIENCE) == whispering.invocation_id
    if place.worker is not None:
        line = next(x for x in place.worker.log.read_text().splitlines() if "whispered" in x)
        assert str(whispering.invocation_id)[-8:] in line


def test_context_variables_are_a_task_s_own(place: Place) -> None:
    """What one task sets in a context variable, the next one does not see."""
    calls = [(f"colour {n}",) for n in range(12)]
    assert set(tasks.paint.parallelize(calls).results) == {"none"}
    assert set(tasks.paint_later.parallelize(calls).results) == {"none"}


def test_limits(place: Place, tmp_path: Path) -> None:
    """A task that may run only once at a time does."""
    group = tasks.alone.parallelize([(str(tmp_path),)] * 8)
    assert all(group.results)


@pytest.mark.parametrize("name", ["too_slow", "too_slow_async"])
def test_timeouts(place: Place, tmp_path: Path, name: str) -> None:
    """An attempt that takes too long is interrupted where it stands, and may be tried again."""
    invocation = getattr(tasks, name)(str(tmp_path))
    with pytest.raises(TaskTimeoutError, match=r"not over after 0\.5 s"):
        invocation.result_or_raise(PATIENCE)
    awaits = name.endswith("async")
    raised = "CancelledError" if awaits else "TaskTimeoutError"
    assert {path.name for path in tmp_path.iterdir()} == {"begun", raised}
    assert invocation.num_retries == (0 if awaits else 1)


def test_a_task_that_does_not_listen(place: Place, tmp_path: Path) -> None:
    """It is given up or killed, and those that come after it have its place."""
    deaf = [tasks.deaf(str(tmp_path)) for _ in range(2)]
    after = tasks.add(1, 2)
    for each in deaf:
        with pytest.raises(TaskTimeoutError):
            each.result_or_raise(PATIENCE)
    assert after.result_or_raise(PATIENCE) == 3
    assert [len(each.attempts) for each in deaf] == [1, 1]


@pytest.mark.parametrize("name", ["looks_now_and_then", "waits_below", "sleeps_long"])
def test_cancellation(place: Place, tmp_path: Path, name: str) -> None:
    """What runs or waits ends soon, cleans up, and is FAILED with that reason."""
    invocation = getattr(tasks, name)(str(tmp_path))
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    invocation.cancel()
    with pytest.raises(InvocationCancelledError):
        invocation.result_or_raise(PATIENCE)
    assert invocation.history[-1].reason == "cancelled"
    names = {path.name for path in tmp_path.iterdir()}
    assert len(names) == 2
    assert names <= {"begun", "InvocationCancelledError", "CancelledError"}


def test_snoozing(place: Place, tmp_path: Path) -> None:
    """A task that asks for time gets it, and no retry is spent."""
    invocation = tasks.snoozes(str(tmp_path))
    assert invocation.result_or_raise(PATIENCE) == 2
    assert (invocation.num_retries, len(invocation.attempts)) == (0, 3)


def test_transactions_of_tasks(place: Place) -> None:
    """What a task writes is there once, with its end; in memory it says that it cannot be."""
    if place.memory:
        with pytest.raises(StoreError, match="no transactions"):
            tasks.book("a").result_or_raise(PATIENCE)
        return
    dsn = tasks.app.conf.postgres.dsn
    assert dsn is not None
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create table booking (word text)")
        words = [f"w{n}" for n in range(9)]
        assert tasks.book_below(words).result_or_raise(PATIENCE) == words
        later = tasks.book_later.parallelize([("l",)] * 3)
        assert [*later.results] == ["l"] * 3
        booked = connection.execute("select word from booking order by 1").fetchall()
        assert [word for (word,) in booked] == ["l"] * 3 + words


def test_running_tasks_are_waited_for_at_a_stop(place: Place, tmp_path: Path) -> None:
    """A second worker that is stopped lets its tasks, and what they wait for, end."""
    if place.runner not in {"AsyncRunner", "MultiThreadRunner", "PersistentProcessRunner"}:
        pytest.skip("ends as one of those whose stop is looked at: see the next test")
    _stop_while_tasks_run(place, tmp_path)


@pytest.mark.long
def test_running_tasks_are_waited_for_by_the_others(place: Place, tmp_path: Path) -> None:
    """Also by threads, which the processes of a MultiThreadRunner are, and by single processes."""
    if place.runner not in {"ThreadRunner", "ProcessRunner"}:
        pytest.skip("looked at in the test before")
    _stop_while_tasks_run(place, tmp_path)


def _stop_while_tasks_run(place: Place, tmp_path: Path) -> None:
    if place.worker is None:
        pytest.skip("a process is stopped here")
    dsn = tasks.app.conf.postgres.dsn
    assert dsn is not None
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    begun.mkdir()
    place.worker.process.send_signal(19)  # SIGSTOP: it takes no part
    try:
        options = ("--runner", place.runner, "--concurrency", "2")
        with workers(dsn, tmp_path, 1, *options, app=APP) as [worker]:
            held = tasks.hold_below(str(gate), str(begun))
            deadline = time.monotonic() + PATIENCE
            while len(list(begun.iterdir())) < 2:
                assert time.monotonic() < deadline, worker.explain()
                time.sleep(0.01)
            worker.process.terminate()
            time.sleep(0.2)
            gate.touch()
            assert worker.process.wait(PATIENCE) == 0, worker.explain()
        assert held.result_or_raise(PATIENCE) == str(gate)
        assert (held.num_retries, len(held.attempts)) == (0, 1)
    finally:
        place.worker.process.send_signal(18)  # SIGCONT

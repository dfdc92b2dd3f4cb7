"""Apps come and go: several in one process, again and again, over a fork and a spawn."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor

import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.exceptions import InvocationNotFoundError
from pynenc_pg.invocation.handle import Invocation
from tests.app import other_tasks, tasks
from tests.app.conftest import Runner
from tests.app.test_thread_runner import wait_for


def test_start_and_stop_many_times(app: Pynenc, runner: Runner) -> None:
    """Each time it works, and leaves no thread behind."""
    before = threading.active_count()
    for number in range(15):
        with runner():
            assert tasks.add(number, 1).result_or_raise(20) == number + 1
    app.close()
    # They were told to end; each does as soon as it gets going.
    wait_for(lambda: threading.active_count() <= before + 1)


def test_two_apps_in_one_process_and_one_database(
    app: Pynenc, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither sees or runs the other's work, whichever store they use."""
    monkeypatch.setattr(other_tasks.app.conf.postgres, "dsn", app.conf.postgres.dsn)
    with other_tasks.app as other:
        theirs = other_tasks.add(1, 2)
        with runner():
            assert tasks.add(1, 2).result_or_raise(20) == 3
        assert theirs.status is InvocationStatus.REGISTERED
        with pytest.raises(InvocationNotFoundError):
            app.get_invocation(theirs.invocation_id)
        assert other.state_backend.count_ready() == 1
        assert other.purge() == 1


def test_an_app_opens_again_after_it_was_closed(app: Pynenc, runner: Runner) -> None:
    """Closing gives everything back; the next use begins anew."""
    with app:
        tasks.add(1, 2)
    app.close()
    with runner():
        assert tasks.add(2, 2).result_or_raise(20) == 4


def _child(task: object, invocation: Invocation[int]) -> tuple[int, int, str]:
    """Use a task and a handle in another process, which found the app by importing it."""
    result: int = tasks.add(5, 5).result_or_raise(20)
    return result, invocation.result_or_raise(20), repr(task)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_of_the_users_own(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Processes made by fork or spawn call tasks and wait, and take tasks and handles."""
    monkeypatch.setenv("PYNENC__POSTGRES__DSN", database_dsn)  # read by the spawned
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", database_dsn)
    monkeypatch.setattr(tasks.app.conf, "runner_cls", "ThreadRunner")
    thread = threading.Thread(target=tasks.app.runner.run)
    thread.start()
    try:
        invocation = tasks.add(1, 2)
        assert invocation.result_or_raise(20) == 3  # connections are open when the fork comes
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            futures = [pool.submit(_child, tasks.add, invocation) for _ in range(4)]
            assert [f.result(60) for f in futures] == [(10, 3, "<Task tests.app.tasks.add>")] * 4
        assert tasks.add(3, 3).result_or_raise(20) == 6
    finally:
        tasks.app.runner.stop_runner_loop()
        thread.join(30)
        tasks.app.close()

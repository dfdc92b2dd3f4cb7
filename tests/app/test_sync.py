"""Synchronous mode: the caller executes, and no store is touched."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pynenc_pg import InvocationStatus, RetryError
from pynenc_pg.exceptions import InvocationNotFoundError, SerializationError
from pynenc_pg.testing import eager
from tests.app import tasks

S = InvocationStatus


@pytest.fixture(autouse=True)
def sync(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The app points to a database that is not there, and executes at once."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", "host=/nowhere dbname=nothing")
    tasks.seen.clear()
    with eager(tasks.app):
        yield
    tasks.app.close()


def test_a_call_executes_at_once() -> None:
    """In the caller's thread, with the states and the history of any other invocation."""
    invocation = tasks.add(1, 2)
    assert invocation.result == 3
    assert invocation.status is S.SUCCESS
    assert [e.status for e in invocation.history] == ["registered", "pending", "running", "success"]
    assert dict(invocation.arguments.kwargs) == {"x": 1, "y": 2}
    assert invocation.task is tasks.add


def test_the_same_errors_and_retries_without_delays() -> None:
    """An error is raised where the result is asked for; attempts follow each other at once."""
    failed = tasks.refuse(4)
    assert failed.status is S.FAILED
    with pytest.raises(tasks.Refused):
        _ = failed.result
    assert tasks.try_hard(2).result == 2
    with pytest.raises(RetryError):
        _ = tasks.try_hard(9).result
    later = tasks.come_back_later(3600)
    assert later.result == "done"
    assert len(later.attempts) == 2
    with pytest.raises(SystemExit):
        _ = tasks.leave().result


def test_arguments_are_refused_and_copied_as_always() -> None:
    """What could not be carried to a worker is refused here, too; the task gets copies."""
    with pytest.raises(SerializationError):
        tasks.anything(last=(n for n in range(3)))
    with pytest.raises(TypeError, match=r"tests\.app\.tasks\.add"):
        tasks.add()  # type: ignore[call-arg]
    mine = [1]
    args = tasks.anything(mine).result[0]
    assert args == [mine]
    assert isinstance(args, list)
    assert args[0] is not mine


def test_tasks_that_call_tasks() -> None:
    """Children are executed at their call, and know their parent."""
    assert tasks.add_by_children([1, 2, 3]).result == 6
    parent = tasks.call_another()
    child = tasks.add.get_invocation(parent.result)
    assert child.result == 11


def test_threads_and_coroutines_do_not_meet() -> None:
    """Each call is executed by the thread that made it."""

    def call(number: int) -> tuple[int, int]:
        return tasks.tell_thread(number).result, threading.get_ident()

    with ThreadPoolExecutor(8) as pool:
        for told, mine in pool.map(call, range(200)):
            assert told == mine

    async def main() -> int:
        return await (await tasks.add.acall(1, 2)).async_result()

    assert asyncio.run(main()) == 3


def test_a_handle_outlives_the_mode() -> None:
    """Its result can be read after the mode was ended; the app's own store knows nothing of it."""
    invocation = tasks.add(1, 2)
    with eager(tasks.app, force_sync=False):
        assert invocation.result == 3
        tasks.app.conf.postgres.dsn = None
        with pytest.raises(InvocationNotFoundError):
            tasks.app.get_invocation(invocation.invocation_id)

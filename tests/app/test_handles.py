"""Handles: from coroutines, from pickles, from many threads, and before a runner is there."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.exceptions import ResultTimeoutError, StoreUnavailableError
from tests.app import tasks
from tests.app.conftest import Runner


def test_coroutines_call_and_wait(runner: Runner) -> None:
    """A hundred coroutines wait at once, without a thread for each, and errors arrive in them."""

    async def both(number: int) -> int:
        return await (await tasks.add.acall(number, 1)).async_result(20)

    async def main() -> list[int]:
        return await asyncio.gather(*(both(n) for n in range(100)))

    async def failing() -> None:
        await tasks.refuse(4).async_result(20)

    with runner():
        before = threading.active_count()
        assert asyncio.run(main()) == [n + 1 for n in range(100)]
        assert threading.active_count() - before < 40
        with pytest.raises(tasks.Refused):
            asyncio.run(failing())


def test_a_coroutine_waits_while_the_loop_goes_on(runner: Runner) -> None:
    """A wait that lasts blocks nobody, ends in its timeout, and may be given up."""

    async def main() -> None:
        invocation = await tasks.wait_at_the_gate.acall(1)
        with pytest.raises(ResultTimeoutError):
            await invocation.async_result(0.05)
        waiting = [asyncio.create_task(invocation.async_result()) for _ in range(50)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        assert await tasks.add(1, 2).async_result(20) == 3
        tasks.gate.set()
        assert await asyncio.gather(*waiting[1:]) == [1] * 49
        assert waiting[0].cancelled()

    with runner():
        asyncio.run(main())
    assert tasks.app.engine.results.awaited() == frozenset()


def test_closing_the_app_ends_the_waits_of_coroutines(app: Pynenc) -> None:
    """They are told, as threads are."""

    async def main() -> None:
        waiting = asyncio.create_task(tasks.add(1, 2).async_result())
        while not app.engine.results.awaited():  # noqa: ASYNC110 - another thread tells it
            await asyncio.sleep(0.01)
        await asyncio.to_thread(app.close)
        with pytest.raises(StoreUnavailableError, match="the app was closed while"):
            await waiting

    asyncio.run(main())


def test_many_readers_of_one_result(app: Pynenc, runner: Runner) -> None:
    """Threads that wait for the same invocation, some through handles of their own, all get it."""
    invocation = tasks.wait_at_the_gate(7)

    def read(number: int) -> int:
        handle = invocation if number % 2 else app.get_invocation(invocation.invocation_id)
        result: int = handle.result_or_raise(20)
        return result

    with runner(), ThreadPoolExecutor(32) as pool:
        waiting = [pool.submit(read, n) for n in range(32)]
        tasks.gate.set()
        assert [future.result() for future in waiting] == [7] * 32
        assert invocation.result == 7


def test_tasks_and_invocations_pickle_by_id(runner: Runner) -> None:
    """A copy is the very task, and a handle of the same invocation."""
    assert pickle.loads(pickle.dumps(tasks.add)) is tasks.add  # noqa: S301 - our own
    invocation = tasks.add(1, 2)
    copy = pickle.loads(pickle.dumps(invocation))  # noqa: S301
    assert copy == invocation
    assert hash(copy) == hash(invocation)
    assert copy.task is tasks.add
    with runner():
        assert copy.result_or_raise(20) == 3
    assert invocation != tasks.add(1, 2)


def test_a_handle_can_be_an_argument(runner: Runner) -> None:
    """An invocation, and a task, passed to a task arrive as what they are."""
    first = tasks.add(1, 2)
    with runner():
        args, _, kwargs = tasks.anything(first, task=tasks.add).result_or_raise(20)
    assert args == [first]
    assert kwargs == {"task": tasks.add}


def test_arguments_are_read_back(app: Pynenc) -> None:
    """By name, with what the call left to its defaults left out, and printed with care."""
    invocation = app.get_invocation(tasks.add(1, y=2).invocation_id)
    assert dict(invocation.arguments.kwargs) == {"x": 1, "y": 2}
    assert str(invocation.arguments) == "x=1, y=2"
    assert invocation.task is tasks.add
    long = tasks.anything(last="secret " * 100)
    assert len(str(long.arguments)) < 60
    app.conf.argument_print_mode = "hidden"
    try:
        assert "secret" not in str(long.arguments)
        assert long.arguments.kwargs["last"] == "secret " * 100
    finally:
        app.conf.argument_print_mode = "truncated"


def test_waiting_where_nobody_works_is_said_once(
    app: Pynenc, runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    """After a second the queue, ``runner_cls`` and a way out are named; the wait goes on."""
    invocation = tasks.on_the_side()
    with caplog.at_level(logging.WARNING), ThreadPoolExecutor() as pool:
        waiting = [pool.submit(lambda: invocation.result) for _ in range(3)]
        deadline = time.monotonic() + 10
        while "result.unserved" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.02)
        with runner():
            assert [future.result(20) for future in waiting] == ["side"] * 3
    said = [r.getMessage() for r in caplog.records if "result.unserved" in r.getMessage()]
    assert len(said) == 1
    assert "'side'" in said[0]
    assert "ThreadRunner" in said[0]
    assert "pynenc-pg --app MODULE runner start" in said[0]


def test_a_long_wait_for_a_runner_that_lives_is_silent(
    app: Pynenc, runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    """Where somebody serves the queue nothing is said."""
    with runner(), caplog.at_level(logging.WARNING):
        invocation = tasks.wait_at_the_gate(1)
        with pytest.raises(ResultTimeoutError):
            invocation.result_or_raise(1.2)
        tasks.gate.set()
        assert invocation.result_or_raise(20) == 1
    assert "result.unserved" not in caplog.text
    assert invocation.status is InvocationStatus.SUCCESS

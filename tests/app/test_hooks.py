"""Hooks of a task, and what surrounds the execution of all."""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import ModuleType
from typing import Any

import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.exceptions import InvalidTaskOptionsError, TaskTimeoutError
from pynenc_pg.invocation.handle import Invocation
from pynenc_pg.testing import eager
from tests.app import timed_tasks as tasks
from tests.app.conftest import Runner
from tests.app.test_thread_runner import wait_for


@pytest.fixture
def tasks_module() -> ModuleType:
    """Tasks with hooks."""
    return tasks


@pytest.fixture
def surrounded(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """No middleware but what the test adds."""
    middleware: list[Any] = []
    monkeypatch.setattr(app._registry, "middleware", middleware)
    return middleware


@pytest.mark.parametrize("name", ["told", "told_async"])
def test_hooks_hear_of_each_end(any_runner: Runner, name: str) -> None:
    """Of success the result, of failure the exception, of a retry the seconds as well."""
    task = getattr(tasks, name)
    with any_runner():
        assert task("fine").result_or_raise(20) == "fine"
        with pytest.raises(ValueError, match="raise"):
            task("raise").result_or_raise(20)
        with pytest.raises(KeyError):
            task("retry").result_or_raise(20)
    assert tasks.seen == [
        ("success", name, "'fine'"),
        ("failure", name, "ValueError('raise')"),
        ("retry", name, "KeyError('retry')", "0.01"),
        ("failure", name, "KeyError('retry')"),
    ]


def test_hooks_in_synchronous_mode(app: Pynenc) -> None:
    """They are called there, too."""
    with eager(app):
        assert tasks.told("fine").result == "fine"
    assert tasks.seen == [("success", "told", "'fine'")]


def test_a_hook_that_is_a_coroutine(any_runner: Runner) -> None:
    """It is awaited, before the end is written."""
    with any_runner():
        assert tasks.tells_later().result_or_raise(20) == 1
    assert tasks.seen == [("later", InvocationStatus.RUNNING, 1)]


def test_a_hook_that_fails(any_runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    """What it raises is logged, and changes nothing."""
    with caplog.at_level(logging.ERROR), any_runner():
        invocation = tasks.tells_the_broken()
        assert invocation.result_or_raise(20) == 2
    [record] = [r for r in caplog.records if r.message.startswith("hook.failed")]
    assert record.exc_info is not None
    assert record.invocation_id == invocation.invocation_id  # type: ignore[attr-defined]


def test_a_hook_of_what_was_stopped_may_call_tasks(any_runner: Runner) -> None:
    """What its task was asked does not stop the hook."""
    with any_runner():
        with pytest.raises(TaskTimeoutError):
            tasks.calls_when_it_fails().result_or_raise(20)
        assert tasks.children[0].result_or_raise(20) == 36


@pytest.mark.parametrize("name", ["told", "told_async"])
def test_middleware_surrounds_each_execution(
    app: Pynenc, any_runner: Runner, surrounded: list[Any], name: str
) -> None:
    """In the order in which it was added; a swallowed exception still counts."""

    @app.middleware
    @contextmanager
    def outer(_: Invocation[Any]) -> Iterator[None]:
        tasks.seen.append("outer")
        yield

    app.middleware(tasks.noted)
    with any_runner():
        getattr(tasks, name)("fine").result_or_raise(20)
        assert tasks.seen == ["outer", f"before {name}", "after", ("success", name, "'fine'")]
        with pytest.raises(ValueError, match="raise"):
            getattr(tasks, name)("raise").result_or_raise(20)
    assert "after an error" in tasks.seen


def test_middleware_that_refuses(app: Pynenc, runner: Runner, surrounded: list[Any]) -> None:
    """What it raises at the beginning is as if the task had."""

    @app.middleware
    @contextmanager
    def shut(invocation: Invocation[Any]) -> Iterator[None]:
        message = f"not now: {invocation.invocation_id}"
        raise PermissionError(message)
        yield

    with runner():
        invocation = tasks.add(1, 2)
        with pytest.raises(PermissionError, match=str(invocation.invocation_id)):
            invocation.result_or_raise(20)


def test_middleware_that_is_asynchronous(app: Pynenc, surrounded: list[Any]) -> None:
    """It is refused where it is added, and nothing of it stays."""

    @asynccontextmanager
    async def later(_: Invocation[Any]) -> AsyncIterator[None]:
        yield

    with pytest.raises(TypeError, match=r"later is asynchronous.*contextlib.contextmanager"):
        app.middleware(later)  # type: ignore[type-var]
    assert surrounded == []


def test_hooks_that_cannot_be_called(app: Pynenc) -> None:
    """They are refused at the decoration."""
    for hook in ("on_success", "on_failure", "on_retry"):
        with pytest.raises(InvalidTaskOptionsError, match=hook):
            app.task(**{hook: "print"})(tasks.plain)  # type: ignore[call-overload]


def test_hooks_of_threads_and_of_the_task_itself(any_runner: Runner) -> None:
    """In a hook the invocation is the running one."""
    assert list(inspect.signature(tasks.note("x")).parameters) == ["invocation", "said"]
    with any_runner():
        invocation = tasks.told("fine")
        invocation.result_or_raise(20)
    wait_for(lambda: len(tasks.seen) == 1)

"""How a worker executes a task of Django's: with its signals, its context and fresh connections."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.utils import timezone

from pynenc_pg.contrib.django import results
from pynenc_pg.contrib.django.framework import (
    TaskContext,
    TaskResultStatus,
    task_finished,
    task_started,
)
from pynenc_pg.engine.context import running

if TYPE_CHECKING:
    from pynenc_pg.contrib.django.framework import Task, TaskResult


def executed_as(task: Task[..., Any], alias: str) -> Callable[..., Any]:
    """Return the function that the app knows: named as the task's, without its context."""
    function, coroutine = task.func, inspect.iscoroutinefunction(task.func)

    @functools.wraps(function)
    async def run_async(*args: Any, **kwargs: Any) -> Any:
        result = await sync_to_async(_begun)(task, alias, args, kwargs)
        given = (TaskContext(task_result=result), *args) if task.takes_context else args
        try:
            value = results.plain(await function(*given, **kwargs))
        except BaseException as error:
            await sync_to_async(_failed)(result, error)
            raise
        await sync_to_async(_succeeded)(result, value)
        return value

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        close_old_connections()
        try:
            result = _begun(task, alias, args, kwargs)
            given = (TaskContext(task_result=result), *args) if task.takes_context else args
            try:
                value = results.plain(function(*given, **kwargs))
            except BaseException as error:
                _failed(result, error)
                raise
            _succeeded(result, value)
            return value
        finally:
            close_old_connections()

    made: Any = run_async if coroutine else run
    if task.takes_context:
        signature = inspect.signature(function)
        own = list(signature.parameters.values())[1:]
        made.__signature__ = signature.replace(parameters=own)
    return made  # type: ignore[no-any-return]


def _begun(
    task: Task[..., Any], alias: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> TaskResult[Any]:
    """Put together what is known here: nothing is read for it."""
    result = results.new(task, alias, args, kwargs)
    now, at = running.get(), timezone.now()
    results.amend(result, status=TaskResultStatus.RUNNING, started_at=at, last_attempted_at=at)
    if now is not None:
        worker = now.runner.runner_id if now.runner is not None else "caller"
        results.amend(
            result,
            id=now.invocation_id,
            enqueued_at=results.made_at(now.invocation_id),
            worker_ids=[worker] * (now.retries + 1),
        )
    task_started.send(type(task.get_backend()), task_result=result)
    return result


def _succeeded(result: TaskResult[Any], value: Any) -> None:
    results.amend(result, status=TaskResultStatus.SUCCESSFUL, _return_value=value)
    task_finished.send(type(result.task.get_backend()), task_result=result)


def _failed(result: TaskResult[Any], error: BaseException) -> None:
    """Say so; whether it is tried again is decided later."""
    result.errors.append(results.described(error))
    results.amend(result, status=TaskResultStatus.FAILED)
    task_finished.send(type(result.task.get_backend()), task_result=result)

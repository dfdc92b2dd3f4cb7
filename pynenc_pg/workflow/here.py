"""Where an operation of a workflow is called: which run it is of, and which branch of that."""

from __future__ import annotations

import asyncio
import inspect
import threading
from asyncio.events import _get_running_loop
from collections.abc import Callable
from typing import TYPE_CHECKING

from pynenc_pg.engine.context import Running, entered
from pynenc_pg.engine.suspension import swallowed
from pynenc_pg.exceptions import WorkflowError
from pynenc_pg.workflow.run import Branch, WorkflowRun, current, stepping

if TYPE_CHECKING:
    from pynenc_pg.engine.core import Engine
    from pynenc_pg.engine.registry import TaskDefinition


def here(
    task: TaskDefinition, engine_now: Callable[[], Callable[[], Engine]], *, coroutine: bool
) -> Branch:
    """Return the branch that runs here, of the workflow that a task is.

    Raises:
        WorkflowError: the task does not run here, or what runs here is something that it started.
        SuspensionSwallowedError: it was to go on later.
        InvocationCancelledError: it was asked to stop.
        TaskTimeoutError: it has had its time.
    """
    now = running_of(task)
    if inspect.iscoroutinefunction(task.function) is not coroutine:
        raise WorkflowError(_other_one(task, coroutine=coroutine))
    branch = current.get() if coroutine else None
    if branch is not None and branch.run is not now.workflow:
        branch = None
    _check_place(now, branch, task, coroutine=coroutine)
    if now.workflow is None:
        now.workflow = WorkflowRun(now, engine_now()(), task)
    run = now.workflow
    assert isinstance(run, WorkflowRun)  # noqa: S101 - nobody else makes one
    branch = branch or run.root
    if branch.suspended is not None:
        raise swallowed(branch.suspended)
    step = stepping.get()
    if step is not None and step[0] is run:
        message = (
            f"{step[1]} runs as a step of the workflow {task.task_id}, whose result is "
            "recorded as a whole: it cannot have operations of its own"
        )
        raise WorkflowError(message)
    return branch


def running_of(task: TaskDefinition) -> Running:
    """Return the attempt of this very task that runs here.

    Raises:
        WorkflowError: there is none.
    """
    now = entered()
    if now is None or now.task_id != task.task_id:
        message = (
            f"{task.task_id} does not run here, so this is no part of its workflow: its operations "
            "are for its own code, in the thread that executes it. Elsewhere use "
            "app.get_workflow(invocation_id)"
        )
        raise WorkflowError(message)
    if now.stop.finished:
        message = f"{task.task_id} has ended, and its hooks are no part of the workflow"
        raise WorkflowError(message)
    return now


def _check_place(
    now: Running, branch: Branch | None, task: TaskDefinition, *, coroutine: bool
) -> None:
    """Refuse what would take its number in another order at each attempt.

    Raises:
        WorkflowError: it is another thread, or another asyncio task.
    """
    if not coroutine:
        if threading.get_ident() != now.thread:
            what, instead = "thread", "do it before or after, or call a task with wf.execute_task"
        elif _get_running_loop() is not now.loop:
            what, instead = "asyncio task", "make it an async def task, with awf and awf.gather"
        else:
            return
    else:
        home = now.stop.task if branch is None else branch.home
        loop = _get_running_loop()
        if home is not None and loop is not None and asyncio.current_task(loop) is home:
            return
        what, instead = "thread or asyncio task", "let awf.gather open branches of the workflow"
    message = (
        f"this {what} is not the one that executes the workflow {task.task_id}: what it records "
        f"would have another place at each attempt. {instead[0].upper()}{instead[1:]}"
    )
    raise WorkflowError(message)


def _other_one(task: TaskDefinition, *, coroutine: bool) -> str:
    name = task.function.__name__
    if coroutine:
        return f"{task.task_id} is no async def task: use {name}.wf, which is not awaited"
    return f"{task.task_id} is an async def task: use await {name}.awf..., with the same methods"

"""The app: what tasks are decorated with, and where its parts are found."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar, Unpack, overload

from pynenc_pg.components import Components
from pynenc_pg.conf.config_pynenc import PynencConf
from pynenc_pg.conf.config_task import check_options
from pynenc_pg.conf.load import load
from pynenc_pg.conf.values import queue_name
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import QueueInfo
from pynenc_pg.domain.why import Why
from pynenc_pg.domain.workflows import RunInfo
from pynenc_pg.engine.registry import task_id_of
from pynenc_pg.exceptions import InvalidTaskOptionsError
from pynenc_pg.invocation.handle import Invocation
from pynenc_pg.invocation.workflow_run import WorkflowRunHandle
from pynenc_pg.task import (
    DirectTask,
    Split,
    Task,
    TaskDecorator,
    TaskOptions,
    direct,
)
from pynenc_pg.trigger.trigger_builder import build_all

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=Callable[[Invocation[Any]], AbstractContextManager[Any]])


class Pynenc(Components):
    """An application: tasks, configuration, and the components they run on.

    With nothing configured everything stays in this process's memory. A PostgreSQL DSN, set
    anywhere, moves every component to PostgreSQL.

    >>> app = Pynenc("shop")
    >>> app.conf.store
    'memory'
    """

    def __init__(
        self,
        app_id: str | None = None,
        *,
        config_values: Mapping[str, Any] | None = None,
        config_filepath: str | Path | None = None,
    ) -> None:
        """Read the configuration; nothing is opened before the first use.

        ``config_values`` stand above the environment, ``config_filepath`` (YAML, TOML or JSON)
        above ``pyproject.toml``.

        Raises:
            ConfigError: a key or value that cannot be.
        """
        values = dict(config_values or {})
        if app_id is not None:
            values["app_id"] = app_id
        self.conf: PynencConf = load(values, filepath=config_filepath)
        self.logger = logging.getLogger(f"pynenc.{self.conf.app_id}")
        super().__init__(self.conf)
        self._tasks: dict[str, Task[..., Any]] = {}

    # --- tasks --------------------------------------------------------------------------------

    @overload
    def task(self, func: Callable[P, NoReturn], /) -> Task[P, NoReturn]: ...
    @overload
    def task(self, func: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def task(self, func: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(self, func: None = None, /, **options: Unpack[TaskOptions]) -> TaskDecorator: ...
    def task(self, func: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Make a task of a function, with or without parentheses.

        An option left out comes from the configuration of this very task, else of all tasks.

        >>> @app.task(max_retries=3, retry_for=ConnectionError)  # doctest: +SKIP
        ... def fetch(url: str) -> bytes: ...

        ``triggers`` say when it is started by itself.

        Raises:
            InvalidTaskOptionsError: an option that does not exist, a value it cannot have, or
                options that do not fit each other or the function.
            TriggerDefinitionError: a trigger that cannot be.
        """
        triggers = options.pop("triggers", ())
        check_options(options)

        def decorate(function: Callable[..., Any]) -> Task[..., Any]:
            task: Task[..., Any] = Task(
                function,
                conf=self.conf.task_conf(
                    task_id_of(function), options, inspect.signature(function).parameters
                ),
                engine=lambda: self.engine,
                sync_engine=self._sync_engine_now,
            )
            task.definition.check_types(self.conf.serializer_cls)
            definitions = build_all(task.task_id, triggers)
            for one in definitions:
                one.check_call(task.definition.signature)
            self._registry.add(task.definition)
            self._triggers.decorate(task.task_id, definitions)
            self._tasks[task.task_id] = task
            return task

        return decorate if func is None else decorate(func)

    @overload
    def workflow(self, func: Callable[P, NoReturn], /) -> Task[P, NoReturn]: ...
    @overload
    def workflow(self, func: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def workflow(self, func: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def workflow(self, func: None = None, /, **options: Unpack[TaskOptions]) -> TaskDecorator: ...
    def workflow(self, func: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Make a task of a function that is a workflow of its own, wherever it is called.

        The same as ``task(force_new_workflow=True)``.

        >>> @app.workflow(max_retries=3)  # doctest: +SKIP
        ... def order(number: int) -> str: ...

        Raises:
            InvalidTaskOptionsError: as ``task``.
        """
        decorate = self.task(**{**options, "force_new_workflow": True})
        return decorate if func is None else decorate(func)

    @overload
    def direct_task(self, func: Callable[P, R], /) -> DirectTask[P, R]: ...
    @overload
    def direct_task(
        self,
        func: None = None,
        /,
        *,
        parallel_func: Split | None = ...,
        aggregate_func: Callable[[list[Any]], Any] | None = ...,
        **options: Any,
    ) -> Callable[[Callable[P, R]], DirectTask[P, R]]: ...
    def direct_task(
        self,
        func: Callable[..., Any] | None = None,
        /,
        *,
        parallel_func: Split | None = None,
        aggregate_func: Callable[[list[Any]], Any] | None = None,
        **options: Any,
    ) -> Any:
        """Make a task whose call waits, and returns what the task returned.

        With ``parallel_func`` it is split: that gets the arguments by name and returns what
        ``parallelize`` takes, or a pair of common arguments and that. ``aggregate_func`` makes the
        result of the list of their results. An ``async def`` is awaited, as the function itself
        would be. The task itself is the attribute ``task``.

        >>> @app.direct_task  # doctest: +SKIP
        ... def square(n: int) -> int: ...
        >>> square(3)  # doctest: +SKIP
        9

        Raises:
            InvalidTaskOptionsError: as ``task``, or one of the two functions is missing.
        """
        if (parallel_func is None) is not (aggregate_func is None):
            message = (
                "parallel_func and aggregate_func belong together: the one splits a call, the "
                "other makes one result of the parts'"
            )
            raise InvalidTaskOptionsError(message)

        def decorate(function: Callable[..., Any]) -> DirectTask[..., Any]:
            task: Task[..., Any] = self.task(**options)(function)
            return direct(task, parallel_func, aggregate_func)

        return decorate if func is None else decorate(func)

    def middleware(self, surround: M) -> M:
        """Surround each execution of a task by the context manager that this makes.

        It gets the invocation. What it raises at the beginning is as if the task had raised it;
        what the task raises passes through it, and cannot be swallowed. The first is outermost.

        >>> @app.middleware  # doctest: +SKIP
        ... @contextmanager
        ... def counted(invocation: Invocation[Any]) -> Iterator[None]: ...

        Raises:
            TypeError: it is asynchronous.
        """
        self._registry.surround(surround)
        return surround

    @property
    def tasks(self) -> Mapping[str, Task[..., Any]]:
        """The tasks defined so far, by id."""
        return self._tasks

    def get_task(self, task_id: str) -> Task[..., Any]:
        """Return the task of that id (module and name).

        Raises:
            TaskNotFoundError: names the tasks that are known.
        """
        self._registry.get(task_id)
        return self._tasks[task_id]

    def get_invocation(self, invocation_id: str) -> Invocation[Any]:
        """Return the handle of an invocation made in any process.

        Raises:
            InvocationNotFoundError: no such invocation in this app.
        """
        record = self.state_backend.get_invocation(InvocationId(invocation_id))
        return Invocation(
            record.invocation_id,
            task_id=record.task_id,
            engine=lambda: self.engine,
            task=partial(self.get_task, record.task_id),
        )

    def why(self, invocation_id: str) -> list[Why]:
        """Return why an invocation is not running, what matters most first; never nothing.

        Of one that is executed, or has ended, it says so.

        >>> app.why(invocation.invocation_id)[0].message  # doctest: +SKIP
        'its queue, mail, is paused'
        """
        return self.state_backend.why(InvocationId(invocation_id))

    def get_workflow(self, invocation_id: str) -> WorkflowRunHandle:
        """Return the handle of a run of a workflow: what it has done, and to signal or pause it.

        >>> app.get_workflow(invocation.invocation_id).signal("approved")  # doctest: +SKIP
        """
        return WorkflowRunHandle(invocation_id, lambda: self._sync_engine_now() or self.engine)

    def workflow_runs(
        self,
        task_id: str | None = None,
        *,
        live: bool = False,
        limit: int = 100,
        after: str | None = None,
    ) -> list[RunInfo]:
        """Return runs of workflows that have taken a step or were paused, the latest first.

        ``task_id`` is the one that they are of, if not of all; ``live`` leaves out what has ended;
        ``after`` is the last one of a page, for the next page.
        """
        before = None if after is None else InvocationId(after)
        return self.engine.store.workflows.runs(task_id, live=live, limit=limit, before=before)

    # --- queues -------------------------------------------------------------------------------

    def pause_queue(self, name: str) -> None:
        """Let no runner take work of that queue until ``resume_queue``, whatever is restarted.

        Calls are accepted meanwhile, and what runs goes on. Nothing of it need be there yet.

        Raises:
            DataRejectedError: no queue can have that name.
        """
        self.orchestrator.pause_queue(queue_name(name))

    def resume_queue(self, name: str) -> None:
        """Let runners take work of that queue again; those that sleep are woken.

        Raises:
            DataRejectedError: no queue can have that name.
        """
        self.orchestrator.pause_queue(queue_name(name), paused=False)

    def queues(self) -> list[QueueInfo]:
        """Return the queues there are, by name: those that a call or a pause has named so far.

        >>> [queue.name for queue in app.queues() if queue.paused]  # doctest: +SKIP
        ['mail']
        """
        return self.state_backend.get_queues()

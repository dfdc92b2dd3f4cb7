"""The app: what tasks are decorated with, and where its parts are found."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, ParamSpec, Self, TypeVar, overload

from pydantic import ValidationError

from pynenc_pg import wiring
from pynenc_pg.conf.config_pynenc import PynencConf
from pynenc_pg.conf.config_task import TaskConf
from pynenc_pg.conf.load import load
from pynenc_pg.engine.core import Engine
from pynenc_pg.engine.registry import Registry
from pynenc_pg.exceptions import InvalidTaskOptionsError
from pynenc_pg.invocation.handle import Invocation
from pynenc_pg.ports import Broker, Orchestrator, StateBackend
from pynenc_pg.runner.base import BaseRunner
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.built_in import make_serializer
from pynenc_pg.task import Task

P = ParamSpec("P")
R = TypeVar("R")


class Pynenc:
    """An application: tasks, configuration, and the components they run on.

    With nothing configured everything stays in this process's memory. A PostgreSQL DSN, set
    anywhere, moves every component to PostgreSQL.

    >>> app = Pynenc("shop")
    >>> app.conf.store
    'memory'
    """

    def __init__(
        self, app_id: str | None = None, *, config_values: Mapping[str, Any] | None = None
    ) -> None:
        """Read the configuration; nothing is opened before the first use.

        Raises:
            ConfigError: a key or value that cannot be.
        """
        values = dict(config_values or {})
        if app_id is not None:
            values["app_id"] = app_id
        self.conf: PynencConf = load(values)
        self.logger = logging.getLogger(f"pynenc.{self.conf.app_id}")
        self._registry = Registry()
        self._tasks: dict[str, Task[..., Any]] = {}
        self._lock = threading.RLock()
        self._engine: tuple[object, Engine] | None = None
        self._runner: tuple[object, BaseRunner] | None = None

    # --- tasks --------------------------------------------------------------------------------

    @overload
    def task(self, func: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(
        self,
        func: None = None,
        /,
        *,
        retry_for: tuple[type[BaseException], ...] = ...,
        max_retries: int = ...,
        queue: str = ...,
        priority: float = ...,
    ) -> Callable[[Callable[P, R]], Task[P, R]]: ...
    def task(self, func: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Make a task of a function, with or without parentheses.

        Raises:
            InvalidTaskOptionsError: an option that does not exist, or a value it cannot have.
        """
        try:
            conf = TaskConf(**options)
        except ValidationError as error:
            raise InvalidTaskOptionsError(_sentence(error)) from error

        def decorate(function: Callable[..., Any]) -> Task[..., Any]:
            task: Task[..., Any] = Task(function, conf=conf, engine=lambda: self.engine)
            self._registry.add(task.definition)
            self._tasks[task.task_id] = task
            return task

        return decorate if func is None else decorate(func)

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
        record = self.state_backend.get_invocation(
            Invocation[Any](invocation_id, task_id="", engine=lambda: self.engine).invocation_id
        )
        return Invocation(record.invocation_id, task_id=record.task_id, engine=lambda: self.engine)

    # --- parts --------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """The parts put together; made anew when the configuration names other ones."""
        wanted = (
            self.conf.app_id,
            self.conf.store,
            self.conf.postgres.dsn,
            self.conf.postgres.schema_name,
            self.conf.serializer_cls,
        )
        with self._lock:
            if self._engine is None or self._engine[0] != wanted:
                if self._engine is not None:
                    self._engine[1].close()
                made = Engine(
                    store=wiring.build_store(self.conf),
                    registry=self._registry,
                    serializer=make_serializer(self.conf.serializer_cls),
                )
                self._engine = (wanted, made)
            return self._engine[1]

    @property
    def runner(self) -> BaseRunner:
        """The runner ``runner_cls`` names, whenever that is set."""
        with self._lock:
            wanted = (self.conf.runner_cls, self.engine)
            if self._runner is None or self._runner[0] != wanted:
                self._runner = (wanted, wiring.build_runner(self.conf, self.engine))
            return self._runner[1]

    @property
    def orchestrator(self) -> Orchestrator:
        """Writes."""
        return self.engine.store.orchestrator

    @property
    def state_backend(self) -> StateBackend:
        """Reads."""
        return self.engine.store.state_backend

    @property
    def broker(self) -> Broker:
        """Wakes."""
        return self.engine.store.broker

    @property
    def serializer(self) -> BaseSerializer:
        """Carries values that are not JSON."""
        return self.engine.serializer

    def purge(self) -> int:
        """Remove all of this app's invocations and their history; returns how many."""
        return self.orchestrator.purge()

    def close(self) -> None:
        """Close connections and let go of the embedded server. The next use opens them again."""
        with self._lock:
            engine, self._engine = self._engine, None
            self._runner = None
        if engine is not None:
            engine[1].close()

    def __enter__(self) -> Self:
        """Use the app as a context manager."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it."""
        self.close()


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = get_close_matches(name, TaskConf.model_fields, n=1)
        known = f"there are {', '.join(TaskConf.model_fields)}"
        return f"{name!r} is no task option: {f'did you mean {near[0]!r}?' if near else known}"
    return f"{name} = {first.get('input')!r}: {first['msg']}"

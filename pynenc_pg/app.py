"""The app: what tasks are decorated with, and where its parts are found."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, Self, TypeVar, overload

from pynenc_pg import wiring
from pynenc_pg.conf.config_pynenc import COMPONENTS, PynencConf
from pynenc_pg.conf.config_task import check_options
from pynenc_pg.conf.load import load
from pynenc_pg.conf.values import queue_name
from pynenc_pg.domain.arguments import ArgumentPrintMode
from pynenc_pg.domain.concurrency import ConcurrencyControlType, RateLimit
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import QueueInfo
from pynenc_pg.engine.address import Address, address_of
from pynenc_pg.engine.context import running
from pynenc_pg.engine.core import Engine
from pynenc_pg.engine.printing import Printing
from pynenc_pg.engine.registry import Registry
from pynenc_pg.engine.sync import SyncEngine
from pynenc_pg.exceptions import InvalidTaskOptionsError
from pynenc_pg.invocation.handle import Invocation
from pynenc_pg.ports import Broker, ClientDataStore, Orchestrator, StateBackend
from pynenc_pg.runner.base import BaseRunner
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.built_in import make_serializer
from pynenc_pg.task import DirectTask, Split, Task, TaskDecorator, direct, task_id_of

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
        self._registry = Registry()
        self._tasks: dict[str, Task[..., Any]] = {}
        self._lock = threading.RLock()
        self._engine: tuple[object, Engine] | None = None
        self._sync_engine: tuple[object, SyncEngine] | None = None
        self._runner: tuple[object, BaseRunner] | None = None
        self._substitute: Engine | None = None

    # --- tasks --------------------------------------------------------------------------------

    @overload
    def task(self, func: Callable[P, NoReturn], /) -> Task[P, NoReturn]: ...
    @overload
    def task(self, func: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def task(self, func: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(
        self,
        func: None = None,
        /,
        *,
        retry_for: type[BaseException] | Sequence[type[BaseException]] = ...,
        max_retries: int = ...,
        retry_delay: float | Callable[[int, BaseException], float] = ...,
        retry_backoff: float = ...,
        retry_max_delay: float = ...,
        retry_jitter: bool = ...,
        serializer_cls: str | type[BaseSerializer] = ...,
        disable_cache_args: str | Sequence[str] = ...,
        parallel_batch_size: int = ...,
        queue: str = ...,
        priority: float = ...,
        registration_concurrency: ConcurrencyControlType | str = ...,
        running_concurrency: ConcurrencyControlType | str = ...,
        key_arguments: str | Sequence[str] = ...,
        max_running: int = ...,
        rate_limit: str | RateLimit | None = ...,
        on_diff_non_key_args_raise: bool = ...,
        reroute_on_concurrency_control: bool = ...,
    ) -> TaskDecorator: ...
    def task(self, func: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Make a task of a function, with or without parentheses.

        An option left out comes from the configuration of this very task, else of all tasks.

        >>> @app.task(max_retries=3, retry_for=ConnectionError)  # doctest: +SKIP
        ... def fetch(url: str) -> bytes: ...

        Raises:
            InvalidTaskOptionsError: an option that does not exist, a value it cannot have, or
                options that do not fit each other or the function.
        """
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
            self._registry.add(task.definition)
            self._tasks[task.task_id] = task
            return task

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

    # --- parts --------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """The parts put together; made anew when the configuration names other ones.

        Raises:
            ConfigError: memory and PostgreSQL components are set side by side.
        """
        wanted = (
            self.conf.app_id,
            self.conf.store,
            self.conf.postgres.dsn,
            self.conf.postgres.direct_dsn,
            self.conf.postgres.schema_name,
            self.conf.postgres.pool_size,
            self.conf.serializer_cls,
            *(getattr(self.conf, component) for component in COMPONENTS),
        )
        with self._lock:
            if self._substitute is not None:
                return self._substitute
            if self._engine is not None and self._engine[0] == wanted:
                return self._engine[1]
        self.conf.check()
        # Not under the lock: a serializer's module may be imported here, and that one may use us.
        serializer = make_serializer(self.conf.serializer_cls)
        with self._lock:
            if self._engine is None or self._engine[0] != wanted:
                if self._engine is not None:
                    self._engine[1].close()
                made = Engine(
                    store=wiring.build_store(self.conf),
                    registry=self._registry,
                    serializer=serializer,
                    printing=Printing(self._print_settings),
                    runner_name=lambda: wiring.runner_name(self.conf),
                    ageing=lambda: self.conf.ageing,
                    address=self._address,
                    large=lambda: self.conf.client_data_store,
                )
                self._engine = (wanted, made)
            return self._engine[1]

    @contextmanager
    def with_engine(self, engine: Engine) -> Iterator[None]:
        """Use another engine for the length of a block, and close it: for tests."""
        before, self._substitute = self._substitute, engine
        try:
            yield
        finally:
            self._substitute = before
            engine.close()

    def _sync_engine_now(self) -> SyncEngine | None:
        """Return who executes calls at once, if that is asked for or if one executes right here."""
        now = running.get()
        if not self.conf.dev_mode_force_sync_tasks and not (now and now.forced_sync):
            return None
        wanted = self.conf.serializer_cls
        made = self._sync_engine
        if made is not None and made[0] == wanted:
            return made[1]
        serializer = make_serializer(wanted)
        with self._lock:
            if self._sync_engine is None or self._sync_engine[0] != wanted:
                engine = SyncEngine(
                    store=wiring.memory_store(self.conf.app_id),
                    registry=self._registry,
                    serializer=serializer,
                    printing=Printing(self._print_settings),
                )
                self._sync_engine = (wanted, engine)
            return self._sync_engine[1]

    def _address(self) -> Address:
        modules = (task.func.__module__ for task in list(self._tasks.values()))
        return address_of(self, self.conf, modules)

    def _print_settings(self) -> tuple[ArgumentPrintMode, int]:
        mode = ArgumentPrintMode(self.conf.argument_print_mode)
        return mode, self.conf.truncate_arguments_length

    @property
    def runner(self) -> BaseRunner:
        """The runner ``runner_cls`` names, whenever that is set."""
        engine = self.engine
        wanted = (self.conf.runner_cls, engine)
        with self._lock:
            if self._runner is None or self._runner[0] != wanted:
                self._runner = (wanted, wiring.build_runner(self.conf, engine))
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
    def client_data_store(self) -> ClientDataStore:
        """Holds large values."""
        return self.engine.store.client_data_store

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
            engines = [made[1] for made in (self._engine, self._sync_engine) if made is not None]
            self._engine = self._sync_engine = self._runner = None
        for engine in engines:
            engine.close()

    def __enter__(self) -> Self:
        """Use the app as a context manager."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it."""
        self.close()

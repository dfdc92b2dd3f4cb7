"""Builds an app in code, a method for each thing one can choose."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

from pynenc_pg.app import Pynenc
from pynenc_pg.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pynenc_pg.domain.concurrency import ConcurrencyControlType


class PynencBuilder:
    """Each method returns the builder; what is said last counts.

    What a method sets is set in code and beats environment and files. What it leaves out, such as
    the schema of ``postgres(dsn)``, is left to them.

    >>> app = PynencBuilder().app_id("shop").memory().thread_runner(2).build()
    >>> app.conf.orchestrator_cls, app.conf.runner.concurrency
    ('MemOrchestrator', 2)
    """

    def __init__(self) -> None:
        """Begin with nothing set."""
        self._values: dict[str, Any] = {}

    def app_id(self, app_id: str) -> Self:
        """Name the app: apps of different names never see each other's work."""
        return self.custom_config(app_id=app_id)

    # --- where everything is kept -------------------------------------------------------------

    def memory(self) -> Self:
        """Keep everything in this process."""
        return self.custom_config(
            orchestrator_cls="MemOrchestrator",
            broker_cls="MemBroker",
            state_backend_cls="MemStateBackend",
            client_data_store_cls="MemClientDataStore",
        )

    def postgres(
        self,
        dsn: str,
        schema: str | None = None,
        pool_size: int | None = None,
        direct_dsn: str | None = None,
    ) -> Self:
        """Use PostgreSQL: a DSN, ``embedded``, or ``embedded:///folder``.

        Without more, the schema is ``pynenc`` and the pool has 4 connections. Where ``dsn`` leads
        to a pooler such as PgBouncer, ``direct_dsn`` leads to the server itself.
        """
        return self.custom_config(
            postgres=_given(dsn=dsn, schema=schema, pool_size=pool_size, direct_dsn=direct_dsn),
            orchestrator_cls="PgOrchestrator",
            broker_cls="PgBroker",
            state_backend_cls="PgStateBackend",
            client_data_store_cls="PgClientDataStore",
        )

    def mem_client_data_store(self) -> Self:
        """Keep large values in this process, which is where everything else has to be, too."""
        return self.custom_config(client_data_store_cls="MemClientDataStore")

    def client_data_store(
        self,
        min_size_to_cache: int | None = None,
        max_size_to_cache: int | None = None,
        local_cache_size: int | None = None,
        **fields: Any,
    ) -> Self:
        """Say which values are large, in bytes as serialised, and how many a process keeps.

        ``fields`` are others of the section, as ``client_data_store(compression_enabled=False)``.
        """
        return self.custom_config(
            client_data_store=_given(
                min_size_to_cache=min_size_to_cache,
                max_size_to_cache=max_size_to_cache,
                local_cache_size=local_cache_size,
                **fields,
            )
        )

    def disable_client_data_store(self) -> Self:
        """Leave all values in the rows of their calls, however large."""
        return self.client_data_store(disable_client_data_store=True)

    # --- who runs the tasks -------------------------------------------------------------------

    def thread_runner(self, min_threads: int | None = None, max_threads: int | None = None) -> Self:
        """Run tasks in threads of one process.

        The number of threads is fixed (``runner.concurrency``): ``max_threads``, or
        ``min_threads`` where only that is given; 4 without either. No threads come and go.

        Raises:
            ConfigError: ``min_threads`` is more than ``max_threads``.
        """
        if min_threads is not None and max_threads is not None and min_threads > max_threads:
            message = f"thread_runner: min_threads = {min_threads} is more than {max_threads = }"
            raise ConfigError(message)
        threads = min_threads if max_threads is None else max_threads
        return self.custom_config(runner_cls="ThreadRunner", runner=_given(concurrency=threads))

    def async_runner(self, concurrency: int | None = None) -> Self:
        """Run ``async def`` tasks in one event loop, ``concurrency`` of them at once.

        Plain functions are executed in threads beside the loop.
        """
        return self.custom_config(runner_cls="AsyncRunner", runner=_given(concurrency=concurrency))

    def process_runner(self, concurrency: int | None = None) -> Self:
        """Run each invocation in a process of its own, ``concurrency`` of them at once."""
        return self.custom_config(
            runner_cls="ProcessRunner", runner=_given(concurrency=concurrency)
        )

    def persistent_process_runner(
        self,
        concurrency: int | None = None,
        max_tasks_per_child: int | None = None,
        max_memory_per_child: int | None = None,
    ) -> Self:
        """Run tasks in a pool of ``concurrency`` processes, which are used again.

        One is replaced after ``max_tasks_per_child`` invocations, or when it occupies more than
        ``max_memory_per_child`` MiB after one.
        """
        return self.custom_config(
            runner_cls="PersistentProcessRunner",
            runner=_given(
                concurrency=concurrency,
                max_tasks_per_child=max_tasks_per_child,
                max_memory_per_child=max_memory_per_child,
            ),
        )

    def multi_thread_runner(
        self,
        min_processes: int | None = None,
        max_processes: int | None = None,
        threads: int | None = None,
    ) -> Self:
        """Run tasks in several processes with ``threads`` threads each, by how much is ready.

        There are ``min_processes`` (1) to ``max_processes`` (as many as cores).
        """
        return self.custom_config(
            runner_cls="MultiThreadRunner",
            runner=_given(
                min_processes=min_processes, max_processes=max_processes, concurrency=threads
            ),
        )

    def dummy_runner(self) -> Self:
        """Run nothing here: for a process that only calls tasks."""
        return self.custom_config(runner_cls="DummyRunner")

    def runner_tuning(self, **fields: Any) -> Self:
        """Set fields of the section ``runner``, as ``runner_tuning(lease=60, heartbeat=20)``."""
        return self.custom_config(runner=fields)

    def max_pending_seconds(self, seconds: float) -> Self:
        """Say how many seconds an invocation may stay claimed without being started."""
        return self.runner_tuning(max_pending_seconds=seconds)

    def concurrency_control(
        self,
        running_concurrency: ConcurrencyControlType | str | None = None,
        registration_concurrency: ConcurrencyControlType | str | None = None,
        key_arguments: str | Sequence[str] | None = None,
        max_running: int | None = None,
    ) -> Self:
        """Limit all tasks for which nothing else is said.

        A limit by ``key_arguments`` holds for the tasks that have these parameters.
        """
        return self.custom_config(
            task=_given(
                running_concurrency=running_concurrency,
                registration_concurrency=registration_concurrency,
                key_arguments=key_arguments,
                max_running=max_running,
            )
        )

    def task_control(
        self,
        *,
        cycle_control: bool = True,
        blocking_control: bool = True,
        queue_timeout_sec: float | None = None,
    ) -> Self:
        """Say what pynenc asks for: circles are refused, what others wait for goes first.

        Neither can be switched off. ``queue_timeout_sec``: seconds between a runner's looks for
        work while notifications arrive.
        """
        self.custom_config(
            orchestrator={"cycle_control": cycle_control, "blocking_control": blocking_control}
        )
        return self.custom_config(broker=_given(queue_timeout_sec=queue_timeout_sec))

    # --- triggers -----------------------------------------------------------------------------

    def mem_trigger(self) -> Self:
        """Keep triggers and events in memory, like all else then."""
        return self.custom_config(trigger_cls="MemTrigger")

    def trigger(self) -> Self:
        """Keep triggers and events in PostgreSQL, like all else then."""
        return self.custom_config(trigger_cls="PgTrigger")

    def trigger_task_modules(self, *modules: str) -> Self:
        """Name modules that runners import at their start, so that the triggers there are known."""
        return self.custom_config(trigger_task_modules=modules)

    # --- how values travel --------------------------------------------------------------------

    def serializer(self, serializer: str | type[Any]) -> Self:
        """Carry values with a serializer of yours: its dotted path, or the class."""
        return self.custom_config(serializer_cls=serializer)

    def serializer_json_pickle(self) -> Self:
        """Carry any Python value with jsonpickle, which runs code from rows: for trusted data."""
        return self.serializer("JsonPickleSerializer")

    def serializer_json(self, *, typed: bool = False) -> Self:
        """Carry JSON, enums, exceptions and ``JsonSerializable`` only.

        ``typed``: and what tasks are annotated with, dataclasses and times and more.
        """
        return self.serializer("TypedJsonSerializer" if typed else "JsonSerializer")

    def serializer_pickle(self) -> Self:
        """Carry any Python value with pickle, which runs code from rows: for trusted data."""
        return self.serializer("PickleSerializer")

    # --- what is told -------------------------------------------------------------------------

    def logging_level(self, level: str) -> Self:
        """Log from this level on: debug, info, warning, error or critical."""
        return self.custom_config(logging_level=level)

    def logging(
        self,
        format: Literal["text", "json"] | None = None,  # noqa: A002 - the word for it
        *,
        colors: bool | None = None,
    ) -> Self:
        """Choose the form of log lines; without ``colors`` a terminal gets them."""
        return self.custom_config(**_given(logging_format=format, logging_colors=colors))

    def argument_print_mode(self, mode: Literal["hidden", "keys", "truncated", "full"]) -> Self:
        """Choose how much of the arguments log lines show."""
        return self.custom_config(argument_print_mode=mode)

    def hide_arguments(self) -> Self:
        """Show nothing of the arguments in log lines."""
        return self.argument_print_mode("hidden")

    def show_argument_keys(self) -> Self:
        """Show the names of the arguments in log lines."""
        return self.argument_print_mode("keys")

    def show_full_arguments(self) -> Self:
        """Show arguments in log lines, however long they are."""
        return self.argument_print_mode("full")

    def show_truncated_arguments(self, length: int = 32) -> Self:
        """Show that many characters of each argument in log lines."""
        self.custom_config(truncate_arguments_length=length)
        return self.argument_print_mode("truncated")

    # --- the rest -----------------------------------------------------------------------------

    def dev_mode(self, *, force_sync_tasks: bool = True) -> Self:
        """Run tasks at the call, in the caller: for tests, and for stepping through a task."""
        return self.custom_config(dev_mode_force_sync_tasks=force_sync_tasks)

    def custom_config(self, **fields: Any) -> Self:
        """Set configuration fields by name; a section is a dict of its fields.

        >>> app = PynencBuilder().custom_config(retention={"finished": 86_400}).build()
        >>> app.conf.retention.finished
        86400.0
        """
        for name, value in fields.items():
            before = self._values.get(name)
            if isinstance(before, dict) and isinstance(value, dict):
                value = {**before, **value}  # noqa: PLW2901 - several methods fill a section
            self._values[name] = value
        return self

    def build(self) -> Pynenc:
        """Make the app.

        Raises:
            ConfigError: a field that does not exist, or a value it cannot have.
        """
        return Pynenc(config_values=self._values)

    if not TYPE_CHECKING:  # or mypy would take any name for a method

        def __getattr__(self, name: str) -> NoReturn:
            """Suggest the nearest method.

            Raises:
                AttributeError: always.
            """
            methods = [each for each in vars(PynencBuilder) if not each.startswith("_")]
            near = get_close_matches(name, methods, n=1)
            way_out = f"did you mean {near[0]}?" if near else f"there are {', '.join(methods)}"
            message = f"PynencBuilder has no method {name}: {way_out}"
            raise AttributeError(message)


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}

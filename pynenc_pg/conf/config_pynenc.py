"""The whole configuration of an app."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from operator import attrgetter
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from pynenc_pg.conf.config_client_data_store import ClientDataStoreConf
from pynenc_pg.conf.config_monitor import MonitorConf
from pynenc_pg.conf.config_parts import BrokerConf, OrchestratorConf, TriggerConf
from pynenc_pg.conf.config_postgres import PostgresConf
from pynenc_pg.conf.config_retention import RetentionConf
from pynenc_pg.conf.config_runner import RunnerConf
from pynenc_pg.conf.config_task import TaskConf, TaskSection, TaskSetting, check_options
from pynenc_pg.conf.fit import Level, fitted
from pynenc_pg.conf.section import Section
from pynenc_pg.conf.values import (
    ClassOrPath,
    LogFormat,
    LogLevel,
    ModuleNames,
    PrintMode,
    SigningKeys,
    TaskModules,
)
from pynenc_pg.conf.wording import told
from pynenc_pg.exceptions import ConfigError

#: The parts that are of one family.
COMPONENTS = (
    "orchestrator_cls",
    "broker_cls",
    "state_backend_cls",
    "trigger_cls",
    "client_data_store_cls",
)

#: Runners that start processes, which must see the same store.
WITH_PROCESSES = frozenset({"MultiThreadRunner", "PersistentProcessRunner", "ProcessRunner"})
#: Seconds, some three years: nothing waits so long. A rank keeps its microseconds beside it.
STRICT = 1e8
PositiveSeconds = Annotated[float, Field(gt=0, le=STRICT)]


class PynencConf(Section):
    """What an app runs on. Any value may be set at any time; the app follows at its next use."""

    #: Separates the work of apps that share a database.
    app_id: str = Field(default="pynenc", pattern=r"^[^\x00-\x1f]+$")
    orchestrator_cls: Literal["MemOrchestrator", "PgOrchestrator"] | None = None
    broker_cls: Literal["MemBroker", "PgBroker"] | None = None
    state_backend_cls: Literal["MemStateBackend", "PgStateBackend"] | None = None
    trigger_cls: Literal["MemTrigger", "PgTrigger"] | None = None
    client_data_store_cls: Literal["MemClientDataStore", "PgClientDataStore"] | None = None
    #: Carries values that are not plain JSON: a name of ours, a dotted path, or the class.
    serializer_cls: ClassOrPath = "JsonPickleSerializer"
    #: Secrets that sign what is written: the first signs, all of them are taken.
    serializer_signing_key: SigningKeys = Field(default=(), repr=False)
    #: The modules whose classes decoding may touch; none: all that are imported, and more where
    #: the serializer is one that runs code.
    serializer_allowed_modules: ModuleNames | None = None
    #: Imported by runners at their start, so that the triggers in them are known.
    trigger_task_modules: TaskModules = ()
    #: None: ``ThreadRunner`` on PostgreSQL, else ``DummyRunner``, which runs nothing.
    runner_cls: str | None = None
    #: Run tasks in the caller, at the call; no store is touched.
    dev_mode_force_sync_tasks: bool = False
    logging_level: LogLevel = "info"
    logging_format: LogFormat = "text"
    #: None: when standard error is a terminal.
    logging_colors: bool | None = None
    #: Spans of OpenTelemetry for calls and attempts.
    tracing: bool = False
    #: How much of an invocation's arguments log lines show.
    argument_print_mode: PrintMode = "truncated"
    #: Characters of one argument that ``truncated`` shows.
    truncate_arguments_length: int = Field(default=32, ge=1)

    #: Seconds of waiting that a point of priority is worth; ``strict``: no waiting is.
    priority_ageing: PositiveSeconds | Literal["strict"] = 60.0

    task: TaskSection = Field(default_factory=TaskSection)
    runner: RunnerConf = Field(default_factory=RunnerConf)
    orchestrator: OrchestratorConf = Field(default_factory=OrchestratorConf)
    broker: BrokerConf = Field(default_factory=BrokerConf)
    trigger: TriggerConf = Field(default_factory=TriggerConf)
    postgres: PostgresConf = Field(default_factory=PostgresConf)
    client_data_store: ClientDataStoreConf = Field(default_factory=ClientDataStoreConf)
    retention: RetentionConf = Field(default_factory=RetentionConf)
    monitor: MonitorConf = Field(default_factory=MonitorConf)

    #: What is configured for single tasks and for patterns, the weakest first.
    _task_settings: tuple[TaskSetting, ...] = PrivateAttr(default=())

    @property
    def store(self) -> Literal["memory", "postgres"]:
        """Which family of components the set ones belong to; a DSN means PostgreSQL."""
        named = next((name for field in COMPONENTS if (name := getattr(self, field))), None)
        if named is not None:
            return "memory" if named.startswith("Mem") else "postgres"
        return "postgres" if self.postgres.dsn else "memory"

    @property
    def ageing(self) -> float:
        """The seconds of waiting that a point of priority is worth."""
        return STRICT if self.priority_ageing == "strict" else self.priority_ageing

    @property
    def runner_settings(self) -> RunnerConf:
        """The section ``runner``, with what another section says of the same."""
        timeout = self.broker.queue_timeout_sec
        return self.runner if timeout is None else self.runner.model_copy(update={"poll": timeout})

    @property
    def task_settings(self) -> tuple[TaskSetting, ...]:
        """What the configuration says of single tasks and of patterns, the weakest first."""
        return self._task_settings

    def add_task_settings(self, settings: Iterable[TaskSetting]) -> None:
        """Add options of single tasks and patterns; they win over those there of equal rank."""
        together = (*self._task_settings, *settings)
        self._task_settings = tuple(sorted(together, key=attrgetter("rank")))

    def check(self) -> None:
        """Refuse what fits no app, though each value by itself is possible.

        Raises:
            ConfigError: components of both families, or a lease that a heartbeat cannot keep.
        """
        named = {field: name for field in COMPONENTS if (name := getattr(self, field))}
        families = {name.removeprefix("Mem") == name: field for field, name in named.items()}
        if len(families) > 1:
            pair = sorted(families.values(), key=COMPONENTS.index)
            described = [f"{named[field]} {told(self.source(field))}" for field in pair]
            message = (
                f"{pair[0]} = {described[0]} and {pair[1]} = {described[1]}: memory and PostgreSQL "
                "components do not mix; set one family, or leave out what shall follow"
            )
            raise ConfigError(message)
        if named:  # else a DSN may still come, or the app is never to leave its process
            self.check_runner()
        runner = self.runner
        if runner.heartbeat + runner.lease_margin >= runner.lease:
            message = (
                f"runner.lease = {runner.lease} {told(runner.source('lease'))} is over before "
                f"it is renewed: it must be more than runner.heartbeat ({runner.heartbeat}) and "
                f"runner.lease_margin ({runner.lease_margin}) together"
            )
            raise ConfigError(message)
        kept = self.retention
        if kept.history < kept.finished:
            message = (
                f"retention.history = {kept.history} {told(kept.source('history'))} is shorter "
                f"than retention.finished ({kept.finished}): history goes last"
            )
            raise ConfigError(message)

    def check_runner(self) -> None:
        """Refuse a runner that starts processes on a store that they cannot see.

        Raises:
            ConfigError: names both.
        """
        if self.store == "postgres" or self.runner_cls not in WITH_PROCESSES:
            return
        names = (name for field in COMPONENTS if (name := getattr(self, field)))
        message = (
            f"runner_cls = {self.runner_cls!r} {told(self.source('runner_cls'))} starts processes, "
            "which cannot see what this one keeps in memory "
            f"({next(names, 'MemOrchestrator, for want of a DSN')}): configure PostgreSQL "
            "(PYNENC__POSTGRES__DSN), or set runner_cls = 'ThreadRunner'"
        )
        raise ConfigError(message)

    def check_memory(self) -> None:
        """Refuse to keep in memory what somebody has begun to configure a database for.

        Raises:
            ConfigError: names what is set and what is missing.
        """
        if self.postgres.direct_dsn is None or any(getattr(self, field) for field in COMPONENTS):
            return
        message = (
            f"postgres.direct_dsn is set {told(self.postgres.source('direct_dsn'))}, and "
            "postgres.dsn is not: the way round a pooler is no way to the database by itself; set "
            "postgres.dsn (PYNENC__POSTGRES__DSN), or orchestrator_cls = 'MemOrchestrator'"
        )
        raise ConfigError(message)

    def task_conf(
        self,
        task_id: str,
        options: Mapping[str, Any],
        parameters: Collection[str] | None = None,
    ) -> TaskConf:
        """Settle its options: decorator > its own configuration > patterns > section ``task``.

        ``options`` are those the decorator names, ``parameters`` those of the function; without
        them it is not looked whether they fit. Exceptions that the configuration names are
        imported here.

        Raises:
            InvalidTaskOptionsError: the decorator has an option wrong.
            ConfigError: the configuration has; names its source.
        """
        said = check_options(options)
        found = {
            field: (f"task.{field}", getattr(self.task, field), self.task.source(field))
            for field in self.task.model_fields_set
        }
        levels = dict.fromkeys(found, Level.ALL_TASKS)
        for one in self._task_settings:
            if one.is_for(task_id):
                found[one.field] = (one.key, one.value, one.source)
                levels[one.field] = Level.ALL_TASKS if one.is_pattern else Level.THIS_TASK
        for field in options:
            found[field] = (field, getattr(said, field), "code")
            levels[field] = Level.DECORATOR
        conf = TaskConf.model_validate(
            dict(
                TaskConf.checked(field, value, source, key=key)
                for field, (key, value, source) in found.items()
            )
        )
        conf.remember({field: source for field, (_, _, source) in found.items()})
        return conf if parameters is None else fitted(conf, levels, parameters)

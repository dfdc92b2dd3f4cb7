"""The parts of an app, put together as its configuration says, and again when that changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self, TypeVar, cast

from pynenc_pg import wiring
from pynenc_pg.conf.config_pynenc import COMPONENTS, PynencConf
from pynenc_pg.domain.arguments import ArgumentPrintMode
from pynenc_pg.engine.address import Address, address_of
from pynenc_pg.engine.context import running
from pynenc_pg.engine.core import Engine
from pynenc_pg.engine.faces import AppBroker, AppOrchestrator, BrokerFace, OrchestratorFace
from pynenc_pg.engine.printing import Printing
from pynenc_pg.engine.registry import Registry
from pynenc_pg.engine.sealed import sealed
from pynenc_pg.engine.sync import SyncEngine
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.ports import ClientDataStore, StateBackend, Store
from pynenc_pg.runner.base import BaseRunner
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.built_in import make_serializer
from pynenc_pg.serializer.signing import Seal
from pynenc_pg.trigger.facade import AppTrigger
from pynenc_pg.trigger.reactor import TriggerReactor
from pynenc_pg.trigger.triggers import Triggers

E = TypeVar("E", bound=Engine)


class Components:
    """What an app is made of beside its tasks. Nothing is opened before it is used."""

    conf: PynencConf

    def __init__(self, conf: PynencConf) -> None:
        """Begin with no tasks and nothing put together."""
        self.conf = conf
        self._registry = Registry()
        self._triggers = Triggers(self._registry)
        self._lock = threading.RLock()
        self._engine: tuple[object, Engine] | None = None
        self._sync_engine: tuple[object, SyncEngine] | None = None
        self._runner: tuple[object, BaseRunner] | None = None
        self._substitute: Engine | None = None
        self._traced = False  # attempts are spans

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
            self.conf.serializer_signing_key,
            self.conf.serializer_allowed_modules,
            self.conf.tracing,
            *(getattr(self.conf, component) for component in COMPONENTS),
        )
        with self._lock:
            if self._substitute is not None:
                return self._substitute
            if self._engine is not None and self._engine[0] == wanted:
                return self._engine[1]
        self.conf.check()
        # Not under the lock: a serializer's module may be imported here, and that one may use us.
        serializer = make_serializer(self.conf.serializer_cls, self.conf.serializer_allowed_modules)
        with self._lock:
            if self._engine is None or self._engine[0] != wanted:
                if self._engine is not None:
                    self._engine[1].close()
                made = self._kind(Engine)(
                    store=self._store(),
                    registry=self._registry,
                    serializer=serializer,
                    printing=Printing(self._print_settings),
                    runner_name=lambda: wiring.runner_name(self.conf),
                    ageing=lambda: self.conf.ageing,
                    address=self._address,
                    large=lambda: self.conf.client_data_store,
                )
                made.reactor = TriggerReactor(made, self._triggers, lambda: self.conf)
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

    def _store(self) -> Store:
        store, keys = wiring.build_store(self.conf), self.conf.serializer_signing_key
        return sealed(store, Seal(keys, self.conf.app_id)) if keys else store

    def _sync_engine_now(self) -> SyncEngine | None:
        """Return who executes calls at once, if that is asked for or if one executes right here."""
        now = running.get()
        if not self.conf.dev_mode_force_sync_tasks and not (now and now.forced_sync):
            return None
        conf = self.conf
        wanted = conf.serializer_cls, conf.serializer_allowed_modules, conf.tracing
        made = self._sync_engine
        if made is not None and made[0] == wanted:
            return made[1]
        serializer = make_serializer(*wanted[:2])
        with self._lock:
            if self._sync_engine is None or self._sync_engine[0] != wanted:
                engine = self._kind(SyncEngine)(
                    store=wiring.memory_store(self.conf.app_id),
                    registry=self._registry,
                    serializer=serializer,
                    printing=Printing(self._print_settings),
                )
                self._sync_engine = (wanted, engine)
            return self._sync_engine[1]

    def _kind(self, kind: type[E]) -> type[E]:
        """Return that kind of engine, with spans if that is asked for.

        Raises:
            ConfigError: OpenTelemetry is not installed.
        """
        on = self.conf.tracing
        if not on and not self._traced:
            return kind
        try:
            from pynenc_pg.engine.tracing import trace_attempts, traced  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            message = (
                f"tracing = true needs OpenTelemetry ({error}): pip install 'pynenc_pg[otel]', "
                "or leave it out"
            )
            raise ConfigError(message) from error
        trace_attempts(self._registry, on=on)
        self._traced = on
        return traced(kind) if on else kind

    def _address(self) -> Address:
        return address_of(self, self.conf, self._registry.modules())

    def _print_settings(self) -> tuple[ArgumentPrintMode, int]:
        mode = ArgumentPrintMode(self.conf.argument_print_mode)
        return mode, self.conf.truncate_arguments_length

    @property
    def runner(self) -> BaseRunner:
        """The runner ``runner_cls`` names, whenever that is set.

        >>> thread = Thread(target=app.runner.run)  # doctest: +SKIP
        >>> app.runner.stop_runner_loop()  # doctest: +SKIP

        Raises:
            ConfigError: it names no runner, or one that does not fit the store.
        """
        engine = self.engine
        wanted = (self.conf.runner_cls, engine)
        with self._lock:
            if self._runner is None or self._runner[0] != wanted:
                self._runner = (wanted, wiring.build_runner(self.conf, engine))
            return self._runner[1]

    @property
    def orchestrator(self) -> AppOrchestrator:
        """What writes: calls, claims, ends, cancellations, pauses. Each verb is one transaction."""
        engine = self.engine
        return cast("AppOrchestrator", OrchestratorFace(engine, engine.store.orchestrator))

    @property
    def state_backend(self) -> StateBackend:
        """What reads: invocations by id, their history, queues, why something is not running."""
        return self.engine.store.state_backend

    @property
    def broker(self) -> AppBroker:
        """What wakes runners, and whoever waits for results; nothing is lost if a hint is."""
        engine = self.engine
        return cast("AppBroker", BrokerFace(engine, engine.store.broker))

    @property
    def client_data_store(self) -> ClientDataStore:
        """What holds large values, once each, by a hash of what is in them."""
        return self.engine.store.client_data_store

    @property
    def trigger(self) -> AppTrigger:
        """Triggers beside the decorator, events, and what has become of them.

        >>> app.trigger.emit_event("order.paid", {"order": 7})  # doctest: +SKIP
        """
        return AppTrigger(self._triggers, lambda: self.engine)

    @property
    def serializer(self) -> BaseSerializer:
        """What carries values that are not JSON: the one that ``serializer_cls`` names."""
        return self.engine.serializer

    def migrate(self) -> None:
        """Create the tables of the app's database, or bring them up to date; in memory, nothing.

        For scripts, and for tests of your own. Where several people deploy, let
        ``pynenc-pg db migrate`` be a step of the deployment.

        Raises:
            SchemaVersionError: the tables were made by somebody else's Alembic.
            StoreError: the database refuses it, or cannot be reached.
        """
        self.engine.store.migrate()

    def purge(self) -> int:
        """Remove all of this app's invocations and their history; returns how many.

        What runs goes on, and its result goes nowhere. Other apps in the database lose nothing.
        """
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

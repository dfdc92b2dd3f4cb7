"""Composition root: from names in the configuration to classes. It alone imports both stores."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING

from pynenc_pg.domain.retention import Periods
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.memory.broker import MemBroker
from pynenc_pg.memory.database import MemDatabase, utc_now
from pynenc_pg.memory.orchestrator import MemOrchestrator
from pynenc_pg.memory.payloads import MemClientDataStore
from pynenc_pg.memory.state_backend import MemStateBackend
from pynenc_pg.memory.transactions import no_transaction
from pynenc_pg.memory.trigger import MemTrigger
from pynenc_pg.memory.workflows import MemWorkflows
from pynenc_pg.ports import Store
from pynenc_pg.runner.async_ import AsyncRunner
from pynenc_pg.runner.base import BaseRunner
from pynenc_pg.runner.dummy import DummyRunner
from pynenc_pg.runner.multi_thread import MultiThreadRunner
from pynenc_pg.runner.persistent_process import PersistentProcessRunner
from pynenc_pg.runner.process import ProcessRunner
from pynenc_pg.runner.thread import ThreadRunner

if TYPE_CHECKING:
    from pynenc_pg.conf.config_pynenc import PynencConf
    from pynenc_pg.engine.core import Engine

RUNNERS: dict[str, type[BaseRunner]] = {
    cls.__name__: cls
    for cls in (
        AsyncRunner,
        DummyRunner,
        MultiThreadRunner,
        PersistentProcessRunner,
        ProcessRunner,
        ThreadRunner,
    )
}


def build_store(conf: PynencConf) -> Store:
    """Build the components the configuration names; nothing is opened before the first use.

    Raises:
        ConfigError: it leads round a pooler, and to no database.
    """
    if conf.store == "postgres":
        return _postgres(conf)
    conf.check_memory()
    return memory_store(conf.app_id, periods=lambda: conf.retention.periods)


def memory_store(
    app_id: str,
    clock: Callable[[], datetime] = utc_now,
    periods: Callable[[], Periods] = Periods,
) -> Store:
    """Build a store in memory; ``clock`` may be a test's own, ``periods`` answer what is kept."""
    memory = MemDatabase(app_id, clock)
    return Store(
        orchestrator=MemOrchestrator(memory, periods),
        state_backend=MemStateBackend(memory),
        broker=MemBroker(memory),
        transaction=no_transaction,
        client_data_store=MemClientDataStore(memory),
        trigger=MemTrigger(memory),
        workflows=MemWorkflows(memory),
        close=lambda: None,
        migrate=lambda: None,
        processes=False,
    )


def runner_name(conf: PynencConf) -> str:
    """Return the runner the configuration names, or the one that fits the store."""
    return conf.runner_cls or ("ThreadRunner" if conf.store == "postgres" else "DummyRunner")


def build_runner(conf: PynencConf, engine: Engine) -> BaseRunner:
    """Build the runner the configuration names, or the one that fits the store.

    Raises:
        ConfigError: there is no runner of that name, or at that path.
    """
    conf.check_runner()
    name = runner_name(conf)
    runner_cls = RUNNERS.get(name) or _custom_runner(name)
    return runner_cls(engine=engine, conf=conf.runner_settings)


def _custom_runner(path: str) -> type[BaseRunner]:
    module_name, _, name = path.rpartition(".")
    why = f"choose one of {', '.join(sorted(RUNNERS))}, or the dotted path of your own class"
    if module_name:
        try:
            found = getattr(import_module(module_name), name, None)
        except ModuleNotFoundError as error:
            why = f"{error}; {why}"
        else:
            if isinstance(found, type) and issubclass(found, BaseRunner):
                return found
            kind = "there is nothing of that name" if found is None else "it is no BaseRunner"
            why = f"{kind} in {module_name}; {why}"
    message = f"runner_cls = {path!r}: {why}"
    raise ConfigError(message)


def _postgres(conf: PynencConf) -> Store:
    # Imported at need: an app that tests in memory does not load the driver.
    from pynenc_pg.postgres.client_data_store import PgClientDataStore  # noqa: PLC0415
    from pynenc_pg.postgres.database import PgDatabase  # noqa: PLC0415
    from pynenc_pg.postgres.listener import PgBroker  # noqa: PLC0415
    from pynenc_pg.postgres.migration import migrate  # noqa: PLC0415
    from pynenc_pg.postgres.orchestrator import PgOrchestrator  # noqa: PLC0415
    from pynenc_pg.postgres.own_transaction import PgTransactions  # noqa: PLC0415
    from pynenc_pg.postgres.state_backend import PgStateBackend  # noqa: PLC0415
    from pynenc_pg.postgres.trigger import PgTrigger  # noqa: PLC0415
    from pynenc_pg.postgres.workflows import PgWorkflows  # noqa: PLC0415

    database = PgDatabase(
        _dsn(conf),
        app_id=conf.app_id,
        schema=conf.postgres.schema_name,
        pool_size=conf.postgres.pool_size,
        direct_dsn=conf.postgres.direct_dsn,
    )
    holds = PgClientDataStore(database, lambda: conf.client_data_store.compression_enabled)
    transactions = PgTransactions(database, holds, places=lambda: conf.runner.concurrency)

    def close() -> None:
        transactions.close()
        database.close()

    return Store(
        orchestrator=PgOrchestrator(database, holds, lambda: conf.retention.periods),
        state_backend=PgStateBackend(database),
        broker=PgBroker(database),
        client_data_store=holds,
        trigger=PgTrigger(database),
        workflows=PgWorkflows(database),
        transaction=transactions.new,
        close=close,
        migrate=lambda: migrate(database, conf.postgres.direct_dsn),
        processes=True,
    )


def _dsn(conf: PynencConf) -> str:
    if not conf.postgres.dsn:
        message = (
            "a PostgreSQL component is configured, but postgres.dsn is not: set "
            "PYNENC__POSTGRES__DSN to a DSN, or to 'embedded' for a private server"
        )
        raise ConfigError(message)
    return conf.postgres.dsn

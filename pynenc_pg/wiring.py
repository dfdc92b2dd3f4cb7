"""Composition root: from names in the configuration to classes. It alone imports both stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynenc_pg.exceptions import ConfigError
from pynenc_pg.memory.broker import MemBroker
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.orchestrator import MemOrchestrator
from pynenc_pg.memory.state_backend import MemStateBackend
from pynenc_pg.ports import Store
from pynenc_pg.runner.base import BaseRunner
from pynenc_pg.runner.dummy import DummyRunner
from pynenc_pg.runner.thread import ThreadRunner

if TYPE_CHECKING:
    from pynenc_pg.conf.config_pynenc import PynencConf
    from pynenc_pg.engine.core import Engine

RUNNERS: dict[str, type[BaseRunner]] = {cls.__name__: cls for cls in (DummyRunner, ThreadRunner)}


def build_store(conf: PynencConf) -> Store:
    """Build the components the configuration names; nothing is opened before the first use."""
    if conf.store == "memory":
        memory = MemDatabase(conf.app_id)
        return Store(
            orchestrator=MemOrchestrator(memory),
            state_backend=MemStateBackend(memory),
            broker=MemBroker(memory),
            close=lambda: None,
            processes=False,
        )
    return _postgres(conf)


def build_runner(conf: PynencConf, engine: Engine) -> BaseRunner:
    """Build the runner the configuration names, or the one that fits the store.

    Raises:
        ConfigError: there is no runner of that name.
    """
    name = conf.runner_cls or ("ThreadRunner" if conf.store == "postgres" else "DummyRunner")
    if name not in RUNNERS:
        message = f"runner_cls = {name!r}: choose one of {', '.join(sorted(RUNNERS))}"
        raise ConfigError(message)
    return RUNNERS[name](engine=engine, conf=conf.runner)


def _postgres(conf: PynencConf) -> Store:
    # Imported at need: an app that tests in memory does not load the driver.
    from pynenc_pg.postgres.database import PgDatabase  # noqa: PLC0415
    from pynenc_pg.postgres.listener import PgBroker  # noqa: PLC0415
    from pynenc_pg.postgres.orchestrator import PgOrchestrator  # noqa: PLC0415
    from pynenc_pg.postgres.state_backend import PgStateBackend  # noqa: PLC0415

    if not conf.postgres.dsn:
        message = "postgres.dsn is not set: give a DSN, or 'embedded' for a private server"
        raise ConfigError(message)
    database = PgDatabase(
        conf.postgres.dsn,
        app_id=conf.app_id,
        schema=conf.postgres.schema_name,
        pool_size=conf.postgres.pool_size,
    )
    return Store(
        orchestrator=PgOrchestrator(database),
        state_backend=PgStateBackend(database),
        broker=PgBroker(database),
        close=database.close,
        processes=True,
    )

"""The whole configuration of an app."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pynenc_pg.conf.config_postgres import PostgresConf
from pynenc_pg.conf.config_runner import RunnerConf


class PynencConf(BaseModel):
    """What an app runs on. Values may be set until the first use, ``runner_cls`` at any time."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    #: Separates the work of apps that share a database.
    app_id: str = Field(default="pynenc", min_length=1)
    orchestrator_cls: Literal["MemOrchestrator", "PgOrchestrator"] | None = None
    broker_cls: Literal["MemBroker", "PgBroker"] | None = None
    state_backend_cls: Literal["MemStateBackend", "PgStateBackend"] | None = None
    serializer_cls: str = "JsonPickleSerializer"
    runner_cls: str | None = None
    logging_level: str = "info"
    postgres: PostgresConf = PostgresConf()
    runner: RunnerConf = RunnerConf()

    @property
    def store(self) -> Literal["memory", "postgres"]:
        """Which family of components the set ones belong to; a DSN means PostgreSQL."""
        named = self.orchestrator_cls or self.broker_cls or self.state_backend_cls
        if named is not None:
            return "memory" if named.startswith("Mem") else "postgres"
        return "postgres" if self.postgres.dsn else "memory"

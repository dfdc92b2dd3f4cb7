"""Stores opened directly, as the contract tests want them."""

from __future__ import annotations

from dataclasses import dataclass

from pynenc_pg.postgres.database import PgDatabase
from pynenc_pg.postgres.listener import PgBroker
from pynenc_pg.postgres.orchestrator import PgOrchestrator
from pynenc_pg.postgres.state_backend import PgStateBackend


@dataclass
class PostgresStore:
    """The three parts over one database."""

    database: PgDatabase
    orchestrator: PgOrchestrator
    state_backend: PgStateBackend
    broker: PgBroker

    def close(self) -> None:
        """Close the pool."""
        self.database.close()


def open_postgres_store(dsn: str, app_id: str, *, pool_size: int = 8) -> PostgresStore:
    """Open a store on a migrated database."""
    database = PgDatabase(dsn, app_id=app_id, pool_size=pool_size)
    return PostgresStore(
        database, PgOrchestrator(database), PgStateBackend(database), PgBroker(database)
    )

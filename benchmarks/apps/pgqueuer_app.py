"""Tasks of pgqueuer; ``python -m benchmarks.apps.pgqueuer_app`` is a worker process.

The database comes by environment.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import pgqueuer
import uvloop

from benchmarks import clock

#: Its guide advises more than the 10 of the default for short jobs, without a number.
BATCH: Final = 100


@asynccontextmanager
async def create() -> AsyncIterator[Any]:
    """Make the queue manager, on one connection of what it calls the fastest driver."""
    connection = await asyncpg.connect(
        server_settings={"application_name": os.environ["PGAPPNAME"]}
    )
    queuer = pgqueuer.PgQueuer.from_asyncpg_connection(connection)
    queuer.entrypoint("nothing")(_nothing)
    queuer.entrypoint("tell")(_tell)
    yield queuer
    await connection.close()


async def _nothing(job: Any) -> None:
    """Do nothing."""


async def _tell(job: Any) -> None:
    clock.tell(int(job.payload))


if __name__ == "__main__":
    uvloop.run(pgqueuer.run(create, batch_size=BATCH))

"""chancy: jobs in PostgreSQL, ``chancy worker start`` processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from chancy import Job

from benchmarks.apps import chancy_app
from benchmarks.on_postgres import OnPostgres, Telling

if TYPE_CHECKING:
    from benchmarks.measure import Ends
    from benchmarks.stores import Postgres

_COMMAND: Final = (
    "-m",
    "chancy.cli.cli",
    "--app=benchmarks.apps.chancy_app.app",
    "worker",
    "start",
)


class _Client(Telling):
    def __init__(self, ends: Ends, chancy: Any) -> None:
        super().__init__(ends)
        self._chancy = chancy
        self._nothing, self._tell = map(Job.from_func, (chancy_app.nothing, chancy_app.tell))

    def nothing(self) -> object:
        return self._chancy.sync_push(self._nothing)

    def many(self, count: int) -> object:
        return list(self._chancy.sync_push_many([self._nothing] * count))

    def tell(self, number: int) -> object:
        return self._chancy.sync_push(self._tell.with_kwargs(number=number))


class _Chancy(OnPostgres[_Client]):
    NAME = "chancy"
    SHARE = 4
    SLOW = 10  # ends are noted once a second
    TABLE = "chancy_jobs"
    ENDS = ("chancy_jobs", "completed_at", "state = 'succeeded'")

    def about(self) -> str:
        return (
            f"{version('chancy')}, asyncio executor, concurrency {chancy_app.CONCURRENCY:,}, "
            "eager polling"
        )

    def install(self, store: Postgres) -> None:
        asyncio.run(_install(store.dsn))

    @contextmanager
    def client(self, store: Postgres) -> Iterator[_Client]:
        with chancy_app.make(store.dsn) as chancy:
            yield _Client(self.ends(store), chancy)

    def command(self) -> Sequence[str]:
        return _COMMAND


async def _install(dsn: str) -> None:
    async with chancy_app.make(dsn) as chancy:
        await chancy.migrate()
        await chancy.declare(chancy_app.queue(), upsert=True)


CONTENDER: Final = _Chancy()

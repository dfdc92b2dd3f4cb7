"""procrastinate: jobs in PostgreSQL, ``procrastinate worker`` processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import procrastinate

from benchmarks.apps import procrastinate_app
from benchmarks.on_postgres import OnPostgres, Telling

if TYPE_CHECKING:
    from benchmarks.stores import Postgres

#: The fastest of 1 (the default), 5, 10 and 30 (what its page on concurrency takes as the example).
_CONCURRENCY: Final = 10
_COMMAND: Final = (
    "-m",
    "procrastinate",
    "--app=benchmarks.apps.procrastinate_app.app",
    "--log-level=warning",  # the default writes two lines for each job
    "worker",
    f"--concurrency={_CONCURRENCY}",
)


class _Client(Telling):
    def nothing(self) -> object:
        return procrastinate_app.nothing.defer()

    def many(self, count: int) -> object:
        return procrastinate_app.nothing.batch_defer(*[{}] * count)

    def tell(self, number: int) -> object:
        return procrastinate_app.tell.defer(number=number)


class _Procrastinate(OnPostgres[_Client]):
    NAME = "procrastinate"
    SHARE = 8
    TABLE = "procrastinate_jobs"
    ENDS = ("procrastinate_events", "at", "type = 'succeeded'")

    def about(self) -> str:
        return f"{version('procrastinate')}, concurrency {_CONCURRENCY}"

    def install(self, store: Postgres) -> None:
        with _opened(store) as app:
            app.schema_manager.apply_schema()

    @contextmanager
    def client(self, store: Postgres) -> Iterator[_Client]:
        with _opened(store):
            yield _Client(self.ends(store))

    def command(self) -> Sequence[str]:
        return _COMMAND


@contextmanager
def _opened(store: Postgres) -> Iterator[procrastinate.App]:
    connector = procrastinate.SyncPsycopgConnector(conninfo=store.dsn)
    with procrastinate_app.app.replace_connector(connector) as app, app.open():
        yield app


CONTENDER: Final = _Procrastinate()

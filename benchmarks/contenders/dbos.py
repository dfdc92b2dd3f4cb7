"""DBOS: workflows in a queue in PostgreSQL, a process of its own for each that runs them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from dbos import DBOSClient, run_dbos_database_migrations

from benchmarks import measure, stores
from benchmarks.apps import dbos_queue_app
from benchmarks.children import Child, children, hear
from benchmarks.stored import Stored
from benchmarks.stores import Postgres

if TYPE_CHECKING:
    from benchmarks.contract import Bench
    from benchmarks.measure import Ends

_QUEUE: Final = "bench"
#: Seconds from one look at the queue to the next, and at a result; by default it is one second.
_LOOKS: Final = 0.1
#: Of each process, so that two share the work.
_CONCURRENCY: Final = 100


class _Client:
    def __init__(self, client: DBOSClient) -> None:
        self._client = client

    def let(self, concurrency: int = _CONCURRENCY) -> None:
        """Say how many workflows a process may run at once."""
        self._client.register_queue(
            _QUEUE, worker_concurrency=concurrency, polling_interval_sec=_LOOKS
        )

    def nothing(self) -> object:
        return self._client.enqueue({"queue_name": _QUEUE, "workflow_name": "nothing"})

    def many(self, count: int) -> object:
        return [self.nothing() for _ in range(count)]

    def clock(self) -> Any:
        return self._client.enqueue({"queue_name": _QUEUE, "workflow_name": "clock"})

    def began(self, call: Any) -> float:
        return float(call.get_result(polling_interval_sec=_LOOKS))


class _Dbos(Stored[_Client]):
    NAME = "dbos"
    SHARE = 16
    SLOW = 5
    BULK = False

    def about(self) -> str:
        return f"{version('dbos')}, looks every {_LOOKS} s, concurrency {_CONCURRENCY}"

    @contextmanager
    def store(self, bench: Bench) -> Iterator[Postgres]:
        with stores.postgres(bench, migrated=False) as store:
            run_dbos_database_migrations(store.database.url)
            yield store

    @contextmanager
    def client(self, store: Postgres) -> Iterator[_Client]:
        client = DBOSClient(
            system_database_url=store.database.url, application_name=dbos_queue_app.APP
        )
        try:
            made = _Client(client)
            made.let()
            yield made
        finally:
            client.destroy()

    def environment(self, store: Postgres) -> Mapping[str, str]:
        return {dbos_queue_app.URL: store.database.url}

    def command(self) -> Sequence[str]:
        return "-m", "benchmarks.apps.dbos_queue_app"

    @contextmanager
    def workers(self, store: Postgres, count: int = 1) -> Iterator[list[Child]]:
        with children(self.environment(store), self.command(), count, talk=True) as started:
            for child in started:
                hear(child, "ready")
            yield started

    @contextmanager
    def filled(
        self, store: Postgres, client: _Client, count: int, processes: int
    ) -> Iterator[tuple[list[Child], Callable[[], object]]]:
        """Let each process run none of them, until it may: this can be set at any time."""
        client.let(0)
        measure.fill(client.many, count)
        with self.workers(store, processes) as started:
            time.sleep(self.SETTLED)
            yield started, client.let

    def ends(self, store: Postgres) -> Ends:
        return store.database.ends(
            "dbos.workflow_status", "to_timestamp(updated_at / 1000.0)", "status = 'SUCCESS'"
        )


CONTENDER: Final = _Dbos()

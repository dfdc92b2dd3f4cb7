"""What task queues on Redis have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from benchmarks import measure, stores
from benchmarks.apps import REDIS
from benchmarks.library import Client, Library
from benchmarks.stores import Redis

if TYPE_CHECKING:
    from benchmarks.children import Child
    from benchmarks.contract import Bench

_PAUSE: Final = 300_000  # ms; it is ended before

ClientT = TypeVar("ClientT", bound=Client)


class OnRedis(Library[Redis, ClientT]):
    """It has a server of its own."""

    #: How many connections of a worker process ask for what is queued.
    FETCHES: ClassVar[int]

    def store(self, bench: Bench) -> AbstractContextManager[Redis]:
        """Run a server."""
        return stores.redis(bench)

    def environment(self, store: Redis) -> Mapping[str, str]:
        """Its address, and the patience to be left unanswered for longer than 5 s."""
        return {REDIS: f"{store.url}?socket_timeout=60"}

    @contextmanager
    def filled(
        self, store: Redis, client: ClientT, count: int, processes: int
    ) -> Iterator[tuple[list[Child], Callable[[], object]]]:
        """Have the server leave fetches unanswered: workers are up when each of them has asked."""
        measure.fill(client.many, count)
        store.client.client_pause(_PAUSE, all=False)
        with self.workers(store, processes) as started:
            measure.wait(
                lambda: _waiting(store) >= processes * self.FETCHES,
                f"{processes} workers that fetch",
                workers=started,
            )
            yield started, store.client.client_unpause


def _waiting(store: Redis) -> int:
    return sum("b" in client["flags"] for client in store.client.client_list())
